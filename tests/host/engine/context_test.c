// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <jansson.h>
#include <string.h>

#include "engine/context.h"

static const char plan_text[] =
    "{\"name\":\"or\\\"ders\",\"tasks\":["
    "{\"name\":\"root\",\"runner\":\"script\",\"when\":\"always\"},"
    "{\"name\":\"a\\\"1\",\"runner\":\"script\",\"when\":\"always\",\"after\":[0]},"
    "{\"name\":\"b\",\"runner\":\"script\",\"when\":\"always\"},"
    "{\"name\":\"c\",\"runner\":\"script\",\"when\":\"always\",\"after\":[1,2]}]}";

static struct tg_plan *plan;
static struct tg_live_run *run;

static int setup(void **state) {
  (void)state;
  assert_int_equal(tg_plan_parse(plan_text, sizeof plan_text - 1, &plan, NULL), TG_OK);
  run = tg_live_new(&(struct tg_run){.id = {.bytes = {1, 2, 3, 4}},
                                     .number = 1,
                                     .pipeline = "orders",
                                     .bundle = "b",
                                     .trigger = "manual",
                                     .params = "{\"region\":\"E\\\"U\"}",
                                     .logical_at = INT64_C(1795150800000)},
                    plan);
  assert_non_null(run);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tg_live_free(run);
  tg_plan_free(plan);
  return 0;
}

static void ended(uint32_t task, enum tg_task_state state, const char *output) {
  struct tg_record record = {.kind = TG_RECORD_TASK,
                             .task = {.run = 1, .index = task, .state = state, .output = output}};
  assert_int_equal(tg_live_apply(run, &record), TG_OK);
}

static json_t *context_of(uint32_t task, uint32_t number) {
  struct tg_buf out;
  json_error_t where;
  tg_buf_init(&out, 1 << 20);
  tg_context_write(run, task, number, INT64_C(1795150801500), 0, &out);
  assert_false(out.is_failed);
  json_t *context = json_loadb(out.data, out.len, JSON_REJECT_DUPLICATES, &where);
  if (!context) fail_msg("%s: %s", where.text, out.data);
  tg_buf_deinit(&out);
  return context;
}

static const char *text_at(const json_t *context, const char *field) {
  return json_string_value(json_object_get(context, field));
}

static void it_tells_the_run_the_task_and_the_time(void **state) {
  (void)state;
  json_t *context = context_of(0, 3);
  assert_string_equal(text_at(context, "run"), "01020304-0000-0000-0000-000000000000");
  assert_string_equal(text_at(context, "pipeline"), "or\"ders");
  assert_string_equal(text_at(context, "task"), "root");
  assert_int_equal(json_integer_value(json_object_get(context, "attempt")), 3);
  assert_string_equal(text_at(json_object_get(context, "params"), "region"), "E\"U");
  assert_string_equal(text_at(context, "logical_date"), "2026-11-20T05:00:00.000Z");
  assert_string_equal(text_at(json_object_get(context, "interval"), "start"),
                      "2026-11-20T05:00:00.000Z");
  assert_string_equal(text_at(context, "now"), "2026-11-20T05:00:01.500Z");
  assert_int_equal(json_object_size(json_object_get(context, "output")), 0);
  assert_int_equal(json_object_size(json_object_get(context, "states")), 0);
  json_decref(context);
}

static void it_has_the_outputs_of_direct_upstreams_only(void **state) {
  (void)state;
  ended(0, TG_TASK_SUCCESS, "\"far\"");
  ended(1, TG_TASK_SUCCESS, "{\"rows\":[1,null,\"x\\u0000\"]}");
  ended(2, TG_TASK_SKIPPED, NULL);
  struct tg_buf out;
  tg_buf_init(&out, 1 << 20);
  tg_context_write(run, 3, 1, 0, 0, &out);
  json_t *context = json_loadb(out.data, out.len, JSON_ALLOW_NUL, NULL);
  assert_non_null(context);
  json_t *outputs = json_object_get(context, "output"),
         *states = json_object_get(context, "states");
  assert_int_equal(json_object_size(outputs), 1);
  assert_int_equal(json_array_size(json_object_get(json_object_get(outputs, "a\"1"), "rows")), 3);
  assert_int_equal(json_object_size(states), 2);
  assert_string_equal(text_at(states, "a\"1"), "success");
  assert_string_equal(text_at(states, "b"), "skipped");
  json_decref(context);
  tg_buf_deinit(&out);
}

static void the_key_is_the_same_for_every_attempt_and_of_no_other_task(void **state) {
  (void)state;
  json_t *first = context_of(0, 1), *second = context_of(0, 2), *other = context_of(2, 1);
  assert_string_equal(text_at(first, "key"), text_at(second, "key"));
  assert_string_not_equal(text_at(first, "key"), text_at(other, "key"));
  assert_int_equal(strlen(text_at(first, "key")), TG_KEY_TEXT_LEN);
  char key[TG_KEY_TEXT_LEN + 1];
  tg_context_key(run, 0, key);
  assert_string_equal(text_at(first, "key"), key);
  run->run.id.bytes[15] ^= 1;
  tg_context_key(run, 0, key);
  assert_string_not_equal(text_at(first, "key"), key);
  json_decref(first);
  json_decref(second);
  json_decref(other);
}

static void one_that_is_too_large_is_marked(void **state) {
  (void)state;
  struct tg_buf out;
  tg_buf_init(&out, 100);
  tg_context_write(run, 0, 1, 0, 0, &out);
  assert_true(out.is_failed);
  tg_buf_deinit(&out);
}

static void ancestors_are_those_it_waits_for(void **state) {
  (void)state;
  assert_true(tg_context_is_ancestor(plan, 0, 3));
  assert_true(tg_context_is_ancestor(plan, 2, 3));
  assert_false(tg_context_is_ancestor(plan, 3, 3));
  assert_false(tg_context_is_ancestor(plan, 2, 1));
  assert_false(tg_context_is_ancestor(plan, 3, 0));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(it_tells_the_run_the_task_and_the_time, setup, teardown),
      cmocka_unit_test_setup_teardown(it_has_the_outputs_of_direct_upstreams_only, setup, teardown),
      cmocka_unit_test_setup_teardown(the_key_is_the_same_for_every_attempt_and_of_no_other_task,
                                      setup, teardown),
      cmocka_unit_test_setup_teardown(one_that_is_too_large_is_marked, setup, teardown),
      cmocka_unit_test_setup_teardown(ancestors_are_those_it_waits_for, setup, teardown),
  };
  return cmocka_run_group_tests_name("host/engine/context", tests, NULL, NULL);
}
