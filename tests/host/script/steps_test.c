// SPDX-License-Identifier: Apache-2.0
// Steps, durable sleeps and child runs, as a script worker asks for them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "host/script/worker_harness.h"

static int setup(void **state) {
  static struct host host;
  host_open(&host);
  *state = &host;
  return 0;
}

static int teardown(void **state) {
  assert_int_equal(host_close(*state), 0);
  return 0;
}

#define assert_contains(text, part)                                                                \
  do {                                                                                             \
    if (!strstr(text, part)) fail_msg("%s\n  is not in\n%s", part, text);                          \
  } while (0)

enum { BEGIN, END, SLEEP };

// Waits for a step of this kind and name; its reader stands behind the name.
static struct answer step_expect(struct host *host, uint64_t attempt, uint8_t operation,
                                 const char *name) {
  struct answer answer = host_expect(host, TG_MESSAGE_REQUEST, attempt);
  assert_int_equal(answer.kind, TG_REQUEST_STEP);
  assert_int_equal(tg_wire_get_u8(&answer.body), operation);
  assert_string_equal(tg_wire_get_text(&answer.body), name);
  return answer;
}

static void begin_reply(struct host *host, uint64_t request, const char *value) {
  struct tg_buf reply;
  tg_buf_init(&reply, 1000);
  tg_wire_put_u8(&reply, value != NULL);
  tg_wire_put_text(&reply, value);
  host_reply(host, request, NULL, &reply);
  tg_buf_deinit(&reply);
}

static void runs_a_new_step_between_its_intent_and_its_result(void **state) {
  struct host *host = *state;
  host_load_task(host, 1, "return ctx:step('a', function() return { rows = 3 } end).rows");
  host_start(host, 1, 1, 0, 1);
  struct answer answer = step_expect(host, 1, BEGIN, "a");
  assert_true(tg_reader_is_done(&answer.body));
  begin_reply(host, answer.request, NULL);
  answer = step_expect(host, 1, END, "a");
  assert_string_equal(tg_wire_get_text(&answer.body), "{\"rows\":3}");
  assert_true(tg_reader_is_done(&answer.body));
  host_reply(host, answer.request, NULL, NULL);
  assert_string_equal(host_expect(host, TG_MESSAGE_RESULT, 1).json.data, "3");
}

static void gives_what_a_step_gave_before(void **state) {
  struct host *host = *state;
  host_load_task(host, 1,
                 "local a = ctx:step('a', function() error('again') end)\n"
                 "local b = ctx:step('b', function() error('again') end)\n"
                 "return { a.rows, b == nil }");
  host_start(host, 1, 1, 0, 1);
  begin_reply(host, step_expect(host, 1, BEGIN, "a").request, "{\"rows\":4}");
  begin_reply(host, step_expect(host, 1, BEGIN, "b").request, "null");
  assert_string_equal(host_expect(host, TG_MESSAGE_RESULT, 1).json.data, "[4,true]");
}

static void records_that_a_step_gave_nothing(void **state) {
  struct host *host = *state;
  host_load_task(host, 1, "return ctx:step('a', function() end) == nil");
  host_start(host, 1, 1, 0, 1);
  begin_reply(host, step_expect(host, 1, BEGIN, "a").request, NULL);
  struct answer answer = step_expect(host, 1, END, "a");
  assert_string_equal(tg_wire_get_text(&answer.body), "null");
  host_reply(host, answer.request, NULL, NULL);
  assert_string_equal(host_expect(host, TG_MESSAGE_RESULT, 1).json.data, "true");
}

static void does_not_end_a_step_that_failed(void **state) {
  struct host *host = *state;
  host_load_task(host, 1,
                 "local ok = pcall(function() ctx:step('a', function() error('no') end) end)\n"
                 "return { ok, ctx:step('b', function() error('again') end) }");
  host_start(host, 1, 1, 0, 1);
  begin_reply(host, step_expect(host, 1, BEGIN, "a").request, NULL);
  begin_reply(host, step_expect(host, 1, BEGIN, "b").request, "2");
  assert_string_equal(host_expect(host, TG_MESSAGE_RESULT, 1).json.data, "[false,2]");
}

static void tells_where_a_step_came_out_of_order(void **state) {
  struct host *host = *state;
  struct tg_error err;
  host_load_task(host, 1, "local a = ctx:step('b', function() end)");
  host_start(host, 1, 1, 0, 1);
  tg_error_set(&err, TG_EINVALID, "it was 'a'");
  host_reply(host, step_expect(host, 1, BEGIN, "b").request, &err, NULL);
  struct answer answer = host_expect(host, TG_MESSAGE_RESULT, 1);
  assert_int_equal(answer.err.code, TG_EINVALID);
  assert_string_equal(answer.err.text, "pipelines/p.lua:3: ctx:step: it was 'a'");
}

static void tells_both_places_of_a_name_used_twice(void **state) {
  struct host *host = *state;
  host_load_task(host, 1,
                 "local a = ctx:step('a', function() end)\n"
                 "local b = ctx:step('a', function() end)");
  host_start(host, 1, 1, 0, 1);
  begin_reply(host, step_expect(host, 1, BEGIN, "a").request, "1");
  struct answer answer = host_expect(host, TG_MESSAGE_RESULT, 1);
  assert_contains(answer.err.text, "pipelines/p.lua:4: ctx:step: the name \"a\" was used at "
                                   "pipelines/p.lua:3 already");
}

static void refuses_a_result_that_is_no_json(void **state) {
  struct host *host = *state;
  host_load_task(host, 1, "return ctx:step('a', function() return '\\xff' end)");
  host_start(host, 1, 1, 0, 1);
  begin_reply(host, step_expect(host, 1, BEGIN, "a").request, NULL);
  assert_contains(host_expect(host, TG_MESSAGE_RESULT, 1).err.text, "UTF-8");
}

static void numbers_its_sleeps(void **state) {
  struct host *host = *state;
  host_load_task(host, 1, "ctx:sleep('2s') ctx:sleep('1m') return 1");
  host_start(host, 1, 1, 0, 1);
  struct answer answer = step_expect(host, 1, SLEEP, "sleep:1");
  assert_int_equal(tg_wire_get_i64(&answer.body), 2000);
  assert_true(tg_reader_is_done(&answer.body));
  host_reply(host, answer.request, NULL, NULL);
  answer = step_expect(host, 1, SLEEP, "sleep:2");
  assert_int_equal(tg_wire_get_i64(&answer.body), 60000);
  host_reply(host, answer.request, NULL, NULL);
  assert_string_equal(host_expect(host, TG_MESSAGE_RESULT, 1).json.data, "1");
}

static void ends_a_step_that_its_attempt_is_cancelled_in(void **state) {
  struct host *host = *state;
  host_load_task(host, 1, "ctx:step('a', function() while true do end end)");
  host_start(host, 1, 1, 0, 1);
  begin_reply(host, step_expect(host, 1, BEGIN, "a").request, NULL);
  host_cancel(host, 1, TG_ECANCELLED);
  assert_int_equal(host_expect(host, TG_MESSAGE_RESULT, 1).err.code, TG_ECANCELLED);
}

static void load_child(struct host *host, const char *fields) {
  char text[500];
  snprintf(text, sizeof text,
           "local tg = require 'tidegate'\nreturn tg.pipeline 'p' { tasks = {\n"
           "  tg.run 'c' { pipeline = 'other', %s } } }",
           fields);
  host_load(host, 1, TG_BUNDLE_PIPELINE, text, NULL, NULL);
  host_expect(host, TG_MESSAGE_LOADED, 1);
  host_start(host, 1, 1, 0, 1);
}

static struct answer child_expect(struct host *host, const char *params, uint8_t is_waiting) {
  struct answer answer = host_expect(host, TG_MESSAGE_REQUEST, 1);
  assert_int_equal(answer.kind, TG_REQUEST_CHILD);
  assert_string_equal(tg_wire_get_text(&answer.body), "other");
  assert_string_equal(tg_wire_get_text(&answer.body), params);
  assert_int_equal(tg_wire_get_u8(&answer.body), is_waiting);
  assert_string_equal(tg_wire_get_text(&answer.body), is_waiting ? "" : "EU"); // its partition
  assert_true(tg_reader_is_done(&answer.body));
  return answer;
}

static void child_reply(struct host *host, uint64_t request, const char *json) {
  struct tg_buf reply;
  tg_buf_init(&reply, 1000);
  tg_wire_put_text(&reply, json);
  host_reply(host, request, NULL, &reply);
  tg_buf_deinit(&reply);
}

static void asks_for_a_child_run(void **state) {
  struct host *host = *state;
  static const char child[] = "{\"outputs\":{\"last\":3},\"run\":\"0190\",\"state\":\"success\"}";
  load_child(host, "params = { region = 'EU' }");
  child_reply(host, child_expect(host, "{\"region\":\"EU\"}", 1).request, child);
  assert_string_equal(host_expect(host, TG_MESSAGE_RESULT, 1).json.data, child);
}

static void fails_with_its_child(void **state) {
  struct host *host = *state;
  load_child(host, "");
  child_reply(host, child_expect(host, "{}", 1).request, "{\"run\":\"0190\",\"state\":\"failed\"}");
  struct answer answer = host_expect(host, TG_MESSAGE_RESULT, 1);
  assert_int_equal(answer.err.class, TG_CLASS_PERMANENT);
  assert_string_equal(answer.err.text, "run 0190 of pipeline \"other\" ended failed");
}

static void leaves_a_child_that_it_does_not_wait_for(void **state) {
  struct host *host = *state;
  load_child(host, "wait = false, partition = function() return 'EU' end");
  child_reply(host, child_expect(host, "{}", 0).request, "{\"run\":\"1\",\"state\":\"running\"}");
  assert_contains(host_expect(host, TG_MESSAGE_RESULT, 1).json.data, "running");
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      test(runs_a_new_step_between_its_intent_and_its_result),
      test(gives_what_a_step_gave_before),
      test(records_that_a_step_gave_nothing),
      test(does_not_end_a_step_that_failed),
      test(tells_where_a_step_came_out_of_order),
      test(tells_both_places_of_a_name_used_twice),
      test(refuses_a_result_that_is_no_json),
      test(numbers_its_sleeps),
      test(ends_a_step_that_its_attempt_is_cancelled_in),
      test(asks_for_a_child_run),
      test(fails_with_its_child),
      test(leaves_a_child_that_it_does_not_wait_for),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
