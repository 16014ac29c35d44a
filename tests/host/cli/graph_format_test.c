// SPDX-License-Identifier: Apache-2.0
#include "cli/graph_format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TASK(name, word, after, more)                                                              \
  "{\"name\":\"" name "\",\"word\":\"" word "\",\"runner\":\"script\",\"line\":1,\"doc\":\"\","    \
  "\"tags\":[],\"after\":" after ",\"produces\":[],\"timeout_ms\":0,\"priority\":0,"               \
  "\"retry\":{\"attempts\":1,\"backoff\":\"exponential\",\"base_ms\":1000,\"cap_ms\":300000,"      \
  "\"factor\":2,\"jitter\":\"full\",\"on\":[\"transient\"],\"total_ms\":0}" more "}"

#define ALL ",\"when\":\"all_success\""

static const char plan_text[] =
    "{\"name\":\"orders\",\"doc\":\"From raw to "
    "gold\",\"tags\":[],\"file\":\"pipelines/orders.lua\","
    "\"line\":1,\"limits\":{\"runs\":1,\"overlap\":\"queue\",\"timeout_ms\":0,\"tasks\":0},"
    "\"params\":[],\"on\":[],\"policies\":[],\"tasks\":[" TASK(
        "bronze", "task", "[]",
        ALL) "," TASK("gate", "gate", "[0]",
                      ALL) "," TASK("way", "branch", "[1]",
                                    ALL
                                    ",\"to\":[3,4]") "," TASK("heavy", "task", "[2]",
                                                              ALL) "," TASK("light", "task", "[2]",
                                                                            ALL) "," TASK("pub\\\"l"
                                                                                          "ish",
                                                                                          "task",
                                                                                          "[3,4,0]",
                                                                                          ",\"when"
                                                                                          "\":"
                                                                                          "\"one_"
                                                                                          "success"
                                                                                          "\"") "]"
                                                                                                "}";

static struct tg_plan *plan_read(void) {
  struct tg_plan *plan = NULL;
  struct tg_error err = {0};
  if (tg_plan_parse(plan_text, strlen(plan_text), &plan, &err)) fail_msg("%s", err.text);
  return plan;
}

static void text_puts_each_task_below_what_it_waits_for(void **state) {
  (void)state;
  struct tg_plan *plan = plan_read();
  struct tg_buf out;
  tg_buf_init(&out, 65536);
  assert_int_equal(tg_graph_format_text(plan, &(struct tg_output){0}, &out, NULL), TG_OK);
  assert_string_equal(tg_buf_text(&out),
                      "orders: 6 tasks in 5 levels; From raw to gold\n\n"
                      "TASK              WORD    WHEN         WAITS\n"
                      "bronze            task\n"
                      "  gate            gate                 after bronze\n"
                      "    way           branch               after gate; to heavy, light\n"
                      "      heavy       task                 after way\n"
                      "        pub\"lish  task    one_success  after bronze, heavy, light\n"
                      "      light       task                 after way\n");
  tg_buf_deinit(&out);
  tg_plan_free(plan);
}

static void dot_escapes_names(void **state) {
  (void)state;
  struct tg_plan *plan = plan_read();
  struct tg_buf out;
  tg_buf_init(&out, 65536);
  tg_graph_format_dot(plan, &out);
  assert_string_equal(tg_buf_text(&out),
                      "digraph \"orders\" {\n"
                      "  rankdir=LR;\n"
                      "  node [fontname=\"sans-serif\"];\n"
                      "  \"bronze\" [shape=box];\n"
                      "  \"gate\" [shape=hexagon];\n"
                      "  \"way\" [shape=diamond];\n"
                      "  \"heavy\" [shape=box];\n"
                      "  \"light\" [shape=box];\n"
                      "  \"pub\\\"lish\" [shape=box];\n"
                      "  \"bronze\" -> \"gate\";\n"
                      "  \"gate\" -> \"way\";\n"
                      "  \"way\" -> \"heavy\";\n"
                      "  \"way\" -> \"light\";\n"
                      "  \"bronze\" -> \"pub\\\"lish\" [label=\"one_success\"];\n"
                      "  \"heavy\" -> \"pub\\\"lish\" [label=\"one_success\"];\n"
                      "  \"light\" -> \"pub\\\"lish\" [label=\"one_success\"];\n"
                      "}\n");
  tg_buf_deinit(&out);
  tg_plan_free(plan);
}

static void mermaid_numbers_its_nodes(void **state) {
  (void)state;
  struct tg_plan *plan = plan_read();
  struct tg_buf out;
  tg_buf_init(&out, 65536);
  tg_graph_format_mermaid(plan, &out);
  assert_string_equal(tg_buf_text(&out), "flowchart LR\n"
                                         "  t0[\"bronze\"]\n"
                                         "  t1{{\"gate\"}}\n"
                                         "  t2{\"way\"}\n"
                                         "  t3[\"heavy\"]\n"
                                         "  t4[\"light\"]\n"
                                         "  t5[\"pub#quot;lish\"]\n"
                                         "  t0 --> t1\n"
                                         "  t1 --> t2\n"
                                         "  t2 --> t3\n"
                                         "  t2 --> t4\n"
                                         "  t0 -->|one_success| t5\n"
                                         "  t3 -->|one_success| t5\n"
                                         "  t4 -->|one_success| t5\n");
  tg_buf_deinit(&out);
  tg_plan_free(plan);
}

static void json_names_nodes_and_edges(void **state) {
  (void)state;
  struct tg_plan *plan = plan_read();
  json_t *graph = tg_graph_format_json(plan);
  const char *pipeline, *name, *word, *when, *to;
  int levels, level;
  json_t *nodes, *edges;
  assert_int_equal(json_unpack(graph, "{s:s, s:i, s:o, s:o}", "pipeline", &pipeline, "levels",
                               &levels, "nodes", &nodes, "edges", &edges),
                   0);
  assert_string_equal(pipeline, "orders");
  assert_int_equal(levels, 5);
  assert_int_equal(json_array_size(nodes), 6);
  assert_int_equal(json_array_size(edges), 7);
  assert_int_equal(json_unpack(json_array_get(nodes, 2), "{s:s, s:s, s:i, s:s, s:[s, s]}", "name",
                               &name, "word", &word, "level", &level, "when", &when, "to", &to,
                               &to),
                   0);
  assert_string_equal(name, "way");
  assert_string_equal(word, "branch");
  assert_int_equal(level, 2);
  assert_string_equal(when, "all_success");
  assert_string_equal(to, "light");
  json_decref(graph);
  tg_plan_free(plan);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(text_puts_each_task_below_what_it_waits_for),
      cmocka_unit_test(dot_escapes_names),
      cmocka_unit_test(mermaid_numbers_its_nodes),
      cmocka_unit_test(json_names_nodes_and_edges),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
