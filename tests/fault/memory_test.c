// SPDX-License-Identifier: Apache-2.0
// The n-th allocation fails, for every n: what is pure gives TG_ENOMEM and leaves nothing behind.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/map.h"
#include "dag/graph.h"
#include "dag/ready.h"
#include "fault/memory.h"
#include "model/params.h"
#include "model/record.h"
#include "model/yaml.h"
#include "retry/breaker.h"
#include "retry/budget.h"
#include "retry/policy.h"

enum { NODES = 100 };

static int arena_scene(void *self) {
  struct tg_arena arena;
  (void)self;
  tg_arena_init(&arena);
  bool is_whole = true;
  for (int i = 0; i < 100 && is_whole; i++)
    is_whole = tg_arena_strdup(&arena, "some text of a few bytes") && tg_arena_alloc(&arena, 5000);
  tg_arena_deinit(&arena);
  return is_whole ? TG_OK : TG_ENOMEM;
}

static int buf_scene(void *self) {
  struct tg_buf buf;
  (void)self;
  tg_buf_init(&buf, 1 << 20);
  for (int i = 0; i < 2000; i++) tg_buf_putf(&buf, "%d ", i);
  tg_buf_put_json(&buf, "\"\n", 2);
  bool is_whole = !buf.is_failed;
  tg_buf_deinit(&buf);
  return is_whole ? TG_OK : TG_ENOMEM;
}

// What a map could not take is not in it; the rest is.
static int map_scene(void *self) {
  struct tg_map map;
  char key[32];
  size_t put = 0;
  (void)self;
  tg_map_init(&map);
  for (int i = 0; i < 200; i++) {
    snprintf(key, sizeof key, "key %d", i);
    put += tg_map_put(&map, key, key) == 0;
    put += tg_map_put_number(&map, (uint64_t)i, key) == 0;
  }
  bool is_whole = put == 400;
  assert_int_equal(map.count, put);
  tg_map_deinit(&map);
  return is_whole ? TG_OK : TG_ENOMEM;
}

static int file_scene(void *self) {
  struct tg_buf buf;
  struct tg_error err;
  (void)self;
  tg_buf_init(&buf, 1 << 20);
  int code = tg_file_read("tests/fault/memory_test.c", &buf, &err);
  tg_buf_deinit(&buf);
  return code;
}

static void base_survives(void **state) {
  (void)state;
  assert_true(memory_fail_each(arena_scene, NULL) > 3);
  assert_true(memory_fail_each(buf_scene, NULL) > 2);
  assert_true(memory_fail_each(map_scene, NULL) > 200);
  assert_true(memory_fail_each(file_scene, NULL) > 0);
}

static int graph_fill(struct tg_graph_builder *builder, struct tg_graph *graph,
                      struct tg_ready *ready, bool has_cycle, struct tg_error *err) {
  uint32_t path[NODES], count = NODES;
  int code = TG_OK;
  for (uint32_t i = 0; i + 1 < NODES && !code; i++)
    code = tg_graph_add_edge(builder, i, i + 1, err);
  if (has_cycle && !code) code = tg_graph_add_edge(builder, NODES - 1, 0, err);
  if (!code) code = tg_graph_init(graph, NODES, builder, err);
  if (!code && has_cycle) code = tg_graph_find_cycle(graph, path, &count, err);
  for (uint32_t i = 0; i < NODES && !code; i++) code = tg_ready_push(ready, i, i % 7, err);
  return code;
}

static int dag_scene(void *self) {
  struct tg_graph_builder builder;
  struct tg_graph graph = {.memory = tg_memory_heap()};
  struct tg_ready ready;
  struct tg_error err;
  tg_graph_builder_init(&builder, tg_memory_heap());
  tg_ready_init(&ready, tg_memory_heap());
  int code = graph_fill(&builder, &graph, &ready, self != NULL, &err);
  tg_graph_builder_deinit(&builder);
  tg_graph_deinit(&graph);
  tg_ready_deinit(&ready);
  return code;
}

static void dag_survives(void **state) {
  bool has_cycle = true;
  (void)state;
  assert_true(memory_fail_each(dag_scene, NULL) > 5);
  assert_true(memory_fail_each(dag_scene, &has_cycle) > 5);
}

// Its decisions are made while others wait for them.
static void retry_allocates_nothing(void **state) {
  (void)state;
  struct tg_breaker_policy breaker_policy;
  struct tg_breaker breaker;
  struct tg_budget_policy budget_policy;
  struct tg_budget budget;
  struct tg_retry_policy policy;
  char text[TG_BREAKER_TEXT_MAX];
  memory_fail_at(1, true);
  memory_resume();
  tg_breaker_policy_init(&breaker_policy);
  tg_breaker_init(&breaker);
  tg_breaker_ask(&breaker_policy, &breaker, 1);
  size_t len = tg_breaker_encode(&breaker, text);
  assert_int_equal(tg_breaker_decode(&breaker, text, len, NULL), TG_OK);
  tg_budget_policy_init(&budget_policy);
  tg_budget_init(&budget, &budget_policy, 1);
  tg_budget_deposit(&budget_policy, &budget, 2);
  tg_budget_try(&budget_policy, &budget, 3);
  tg_retry_policy_init(&policy);
  policy.attempts_max = 5;
  for (uint32_t attempt = 1; attempt < 5; attempt++)
    tg_backoff_next(&policy, attempt, TG_CLASS_TRANSIENT, 7);
  memory_pause();
  assert_int_equal(memory_count(), 0);
}

static int yaml_scene(void *self) {
  static const char text[] = "name: test\nlist: [1, 2.5, yes, {a: \"b\"}]\n"
                             "deep:\n  - one: 1\n    two: |\n      text\n      of lines\n";
  struct tg_yaml_document document = {0};
  struct tg_error err;
  (void)self;
  int code = tg_yaml_parse(text, sizeof text - 1, "test.yaml", &document, &err);
  tg_yaml_deinit(&document);
  return code;
}

static int params_scene(void *self) {
  static const char *const given[] = {"region=EU", "count=7"};
  json_t *params = NULL;
  struct tg_error err;
  int code = tg_params_resolve(self, given, 2, 0, &params, &err);
  json_decref(params);
  return code;
}

static int batch_scene(void *self) {
  struct tg_batch *batch = tg_batch_new();
  int code = batch ? TG_OK : TG_ENOMEM;
  (void)self;
  for (int i = 0; i < 50 && !code; i++)
    code = tg_batch_add(batch, &(struct tg_record){.kind = TG_RECORD_TASK,
                                                   .task = {.run = 1,
                                                            .index = (uint32_t)i,
                                                            .name = "a task",
                                                            .state = TG_TASK_SUCCESS,
                                                            .output = "[1,2,3]"}});
  if (batch) tg_batch_free(batch);
  return code;
}

static void model_survives(void **state) {
  (void)state;
  json_t *schema = json_loads("[{\"name\":\"region\",\"type\":\"string\"},"
                              "{\"name\":\"count\",\"type\":\"int\",\"default\":1}]",
                              0, NULL);
  assert_true(memory_fail_each(yaml_scene, NULL) > 5);
  assert_true(memory_fail_each(params_scene, schema) > 5);
  assert_true(memory_fail_each(batch_scene, NULL) > 2);
  json_decref(schema);
}

int main(void) {
  memory_fail_at(0, false);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(base_survives),
      cmocka_unit_test(dag_survives),
      cmocka_unit_test(retry_allocates_nothing),
      cmocka_unit_test(model_survives),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
