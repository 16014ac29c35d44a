// SPDX-License-Identifier: Apache-2.0
#include "engine/plan_usual.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "engine/plan.h"

static struct tg_plan_span span_of(const char *text) {
  return (struct tg_plan_span){.at = text, .end = text + strlen(text)};
}

static void part_check(struct tg_plan_span part, const char *expected) {
  assert_int_equal(part.end - part.at, strlen(expected));
  assert_memory_equal(part.at, expected, strlen(expected));
}

static void takes_tasks_and_their_indexes(void **state) {
  (void)state;
  struct tg_plan_span list = span_of("[{\"line\":7,\"name\":\"a\"},"
                                     "{\"after\":[0,12],\"line\":9,\"name\":\"g.b\"},"
                                     "{\"after\":[],\"line\":0,\"name\":\"c\"},7]");
  struct tg_plan_usual task = {0};
  uint32_t index;
  assert_true(tg_plan_usual_next(&list, &task));
  assert_int_equal(task.line, 7);
  part_check(task.name, "a");
  part_check(task.text, "{\"line\":7,\"name\":\"a\"}");
  assert_false(tg_plan_usual_index(&task.after, &index));
  assert_true(tg_plan_usual_next(&list, &task));
  part_check(task.name, "g.b");
  part_check(task.rest, "");
  assert_true(tg_plan_usual_index(&task.after, &index));
  assert_int_equal(index, 0);
  assert_true(tg_plan_usual_index(&task.after, &index));
  assert_int_equal(index, 12);
  assert_false(tg_plan_usual_index(&task.after, &index));
  assert_true(tg_plan_usual_next(&list, &task));
  assert_false(tg_plan_usual_index(&task.after, &index));
  assert_false(tg_plan_usual_next(&list, &task));
  assert_memory_equal(list.at, ",7]", 3);
}

static void gives_the_rest_up_to_its_bracket(void **state) {
  (void)state;
  static const char *const rests[] = {
      ",\"word\":\"sql\"",       ",\"word\":\"sql\"",           ",\"word\":\"sql\",\"x\":1",
      ",\"word\":\"sql\"",       ",\"retry\":{\"on\":[\"}\"]}", ",\"doc\":\"}]\\\"\"",
      ",\"retry\":{\"on\":[1]}", ",\"retry\":{\"on\":[1]}",
  };
  char text[1024] = "";
  size_t len = 0, count = sizeof rests / sizeof *rests;
  for (size_t i = 0; i < count; i++)
    len += (size_t)snprintf(text + len, sizeof text - len, "%c{\"line\":%zu,\"name\":\"a\"%s}",
                            i ? ',' : '[', i, rests[i]);
  struct tg_plan_span list = {.at = text, .end = text + len};
  struct tg_plan_usual task = {0};
  for (size_t i = 0; i < count; i++) {
    assert_true(tg_plan_usual_next(&list, &task));
    assert_int_equal(task.line, i);
    part_check(task.rest, rests[i]);
  }
  assert_ptr_equal(list.at, list.end);
}

// Each is left to the other parser, and the list stays where it is; its text ends where it is cut.
static void leaves_what_is_not_usual(void **state) {
  (void)state;
  static const char *const texts[] = {
      "",
      "]",
      "[",
      "[]",
      "[{}]",
      "{\"line\":7,\"name\":\"a\",\"word\":\"task\"}",
      "[ {\"line\":7,\"name\":\"a\",\"word\":\"task\"}]",
      "[{\"line\":07,\"name\":\"a\",\"word\":\"task\"}]",
      "[{\"line\":-7,\"name\":\"a\",\"word\":\"task\"}]",
      "[{\"line\":7.0,\"name\":\"a\",\"word\":\"task\"}]",
      "[{\"line\":1234567890,\"name\":\"a\",\"word\":\"task\"}]",
      "[{\"line\":,\"name\":\"a\",\"word\":\"task\"}]",
      "[{\"line\":7,\"name\":\"\",\"word\":\"task\"}]",
      "[{\"line\":7,\"name\":\"a/b\",\"word\":\"task\"}]",
      "[{\"line\":7,\"name\":\"a\\n\",\"word\":\"task\"}]",
      "[{\"line\":7,\"name\":\"\xc3\xa4\",\"word\":\"task\"}]",
      "[{\"line\":7,\"name\":\"a b\",\"word\":\"task\"}]",
      "[{\"line\":7,\"name\":7,\"word\":\"task\"}]",
      "[{\"after\":[1,],\"line\":7,\"name\":\"a\",\"word\":\"task\"}]",
      "[{\"after\":[,1],\"line\":7,\"name\":\"a\",\"word\":\"task\"}]",
      "[{\"after\":[1 ],\"line\":7,\"name\":\"a\",\"word\":\"task\"}]",
      "[{\"after\":[\"a\"],\"line\":7,\"name\":\"a\",\"word\":\"task\"}]",
      "[{\"after\":1,\"line\":7,\"name\":\"a\",\"word\":\"task\"}]",
      "[{\"line\":7,\"name\":\"a\",\"word\":\"task\"]",
      "[{\"line\":7,\"name\":\"a\",\"word\":\"task\",{\"line\":7,\"name\":\"b\"}]",
      "[{\"line\":7,\"name\":\"a\",",
      "[{\"line\":7,\"name\":\"a\" }]",
      "[{\"after\":[1,2,\"line\":7,\"name\":\"a\",\"word\":\"task\"}]",
  };
  static const char whole[] = "[{\"after\":[1,2],\"line\":7,\"name\":\"a\",\"word\":\"task\"}";
  struct tg_plan_usual task = {0};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    struct tg_plan_span list = span_of(texts[i]);
    if (tg_plan_usual_next(&list, &task)) fail_msg("took %s", texts[i]);
    assert_ptr_equal(list.at, texts[i]);
  }
  for (size_t len = 0; len < sizeof whole; len++) {
    struct tg_plan_span list = {.at = whole, .end = whole + len};
    assert_int_equal(tg_plan_usual_next(&list, &task), len == sizeof whole - 1);
  }
}

static void texts_check(const char *const *a, const char *const *b) {
  for (; *a && *b; a++, b++) assert_string_equal(*a, *b);
  assert_null(*a);
  assert_null(*b);
}

static void tasks_check(const struct tg_plan_task *a, const struct tg_plan_task *b) {
  assert_string_equal(a->name, b->name);
  assert_string_equal(a->word, b->word);
  assert_int_equal(a->line, b->line);
  assert_int_equal(a->when, b->when);
  assert_int_equal(a->runner, b->runner);
  assert_int_equal(a->resource, b->resource);
  assert_int_equal(a->timeout_ms, b->timeout_ms);
  assert_int_equal(a->priority, b->priority);
  assert_int_equal(a->fallback, b->fallback);
  assert_int_equal(a->has_fallback, b->has_fallback);
  assert_int_equal(a->to_count, b->to_count);
  assert_int_equal(a->pool_count, b->pool_count);
  assert_int_equal(a->retry->attempts_max, b->retry->attempts_max);
  assert_int_equal(!a->map, !b->map);
  texts_check(a->tags, b->tags);
  texts_check(a->produces, b->produces);
}

// What may stand behind a name, twice each and mixed.
static const char *const kinds[] = {
    "",
    ",\"word\":\"sql\"",
    ",\"tags\":[\"x\",\"y\"],\"when\":\"all_done\"",
    ",\"retry\":{\"attempts\":3,\"backoff\":\"linear\",\"base_ms\":5,\"cap_ms\":9,\"jitter\":"
    "\"none\",\"on\":[\"transient\"],\"total_ms\":0}",
    ",\"pool\":{\"w\":2},\"resource\":\"api\"",
    ",\"reads\":[\"asset\"]",
    ",\"map\":{\"items_max\":10}",
    ",\"timeout_ms\":70,\"priority\":-3,\"fallback\":true",
    ",\"produces\":[\"p\"]",
    ",\"doc\":\"d\",\"setup\":true",
};
enum { KIND_COUNT = sizeof kinds / sizeof *kinds, TASK_COUNT = 300 };

static struct tg_plan *plan_of(const char *head) {
  static char text[1 << 17];
  size_t len = (size_t)snprintf(text, sizeof text, "{\"name\":\"p\",\"tasks\":[");
  for (int i = 0; i < TASK_COUNT; i++) {
    int kind = i < 2 * KIND_COUNT ? i / 2 : i * 7 / 3 % KIND_COUNT;
    len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", i ? "," : "", head);
    if (i)
      len += (size_t)snprintf(text + len, sizeof text - len, "\"after\":[%d,%d],", i - 1, i / 2);
    len += (size_t)snprintf(text + len, sizeof text - len, "\"line\":%d,\"name\":\"t%d\"%s}", i, i,
                            kinds[kind]);
  }
  snprintf(text + len, sizeof text - len, "]}");
  struct tg_plan *plan;
  struct tg_error err;
  if (tg_plan_parse(text, strlen(text), &plan, &err)) fail_msg("%s", err.text);
  return plan;
}

// The same plan with and without a blank, which sends it to the other parser.
static void reads_what_the_other_parser_reads(void **state) {
  (void)state;
  struct tg_plan *plans[] = {plan_of("{"), plan_of("{ ")};
  uint32_t reads[2] = {0};
  assert_int_equal(plans[0]->count, plans[1]->count);
  for (uint32_t i = 0; i < plans[0]->count; i++) {
    struct tg_graph_slice a = tg_graph_upstream(&plans[0]->graph, i);
    struct tg_graph_slice b = tg_graph_upstream(&plans[1]->graph, i);
    assert_int_equal(a.count, b.count);
    assert_memory_equal(a.nodes, b.nodes, a.count * sizeof *a.nodes);
    tasks_check(&plans[0]->tasks[i], &plans[1]->tasks[i]);
  }
  for (int i = 0; i < 2; i++)
    for (const struct tg_plan_read *read = plans[i]->reads; read; read = read->next) reads[i]++;
  assert_int_equal(reads[0], reads[1]);
  assert_true(reads[0] > 20);
  tg_plan_free(plans[0]);
  tg_plan_free(plans[1]);
}

static void a_rest_that_is_wrong_is_refused(void **state) {
  (void)state;
  static const char *const rests[][2] = {
      {",\"when\":\"perhaps\"", "malformed plan: tasks[0].when is not a known word"},
      {",\"tags\":[7]", "malformed plan: tasks[0].tags is not a list of texts"},
      {",7", "malformed plan: tasks[0]: "},
      {",\"retry\":{\"attempts\":0}", "malformed plan: tasks[0].attempts is out of range"},
  };
  for (size_t i = 0; i < sizeof rests / sizeof *rests; i++) {
    char text[256];
    struct tg_plan *plan;
    struct tg_error err;
    snprintf(text, sizeof text,
             "{\"name\":\"p\",\"tasks\":[{\"line\":1,\"name\":\"a\"%s},{\"line\":1,\"name\":\"b\""
             "%s}]}",
             rests[i][0], rests[i][0]);
    assert_int_equal(tg_plan_parse(text, strlen(text), &plan, &err), TG_EINVALID);
    assert_memory_equal(err.text, rests[i][1], strlen(rests[i][1]));
  }
}

static void an_index_of_no_task_is_refused(void **state) {
  (void)state;
  static const char text[] =
      "{\"name\":\"p\",\"tasks\":[{\"line\":1,\"name\":\"a\",\"word\":\"x\"},"
      "{\"after\":[2],\"line\":1,\"name\":\"b\",\"word\":\"x\"}]}";
  struct tg_plan *plan;
  struct tg_error err;
  assert_int_equal(tg_plan_parse(text, sizeof text - 1, &plan, &err), TG_EINVALID);
  assert_string_equal(err.text, "malformed plan: tasks[1].after names a task that is not there");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(takes_tasks_and_their_indexes),
      cmocka_unit_test(gives_the_rest_up_to_its_bracket),
      cmocka_unit_test(leaves_what_is_not_usual),
      cmocka_unit_test(reads_what_the_other_parser_reads),
      cmocka_unit_test(a_rest_that_is_wrong_is_refused),
      cmocka_unit_test(an_index_of_no_task_is_refused),
  };
  return cmocka_run_group_tests_name("host/engine/plan_usual", tests, NULL, NULL);
}
