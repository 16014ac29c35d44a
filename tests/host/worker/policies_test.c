// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host/worker/stand.h"
#include "store/kv_service.h"

STAND_FIXTURE

// Three branches, one after the other; between two of them a task waits for the test to edit.
static const char pipeline[] =
    "local tg = require 'tidegate'\n"
    "local function hold(ctx)\n"
    "  local store = require 'tidegate.store'\n"
    "  while not store.get(ctx.task) do ctx:sleep '1ms' end\n"
    "end\n"
    "local function pass() end\n"
    "return tg.pipeline 'p' { tasks = {\n"
    "  tg.branch 'one' { decide = tg.policy 'route', to = { 'a1', 'b1' } },\n"
    "  tg.task 'a1' { run = pass }, tg.task 'b1' { run = pass },\n"
    "  tg.task 'hold1' { after = { 'a1', 'b1' }, when = 'one_success', run = hold },\n"
    "  tg.branch 'two' { after = 'hold1', decide = tg.policy 'route', to = { 'a2', 'b2' } },\n"
    "  tg.task 'a2' { run = pass }, tg.task 'b2' { run = pass },\n"
    "} }";

static void policy_write(const char *head, const char *answer) {
  char text[1024];
  snprintf(text, sizeof text,
           "%s\nreturn { doc = 'd', kind = 'branch', input = {},\n"
           "  decide = function() return { action = %s, reason = 'r' } end }",
           head, answer);
  stand_write(&stand, "pipelines/policies/route.lua", text);
}

static void kv_told(void *self, const struct tg_error *err, const struct tg_buf *reply) {
  (void)reply;
  if (err) fail_msg("%s", err->text);
  *(bool *)self = true;
}

// Lets a task that holds go on.
static void release(const char *task) {
  struct tg_buf body;
  bool is_done = false;
  tg_buf_init(&body, 1000);
  tg_wire_put_u8(&body, TG_KV_PUT);
  tg_wire_put_text(&body, task);
  tg_wire_put_text(&body, "true");
  tg_wire_put_i64(&body, 0);
  tg_kv_service_call(tg_host_services(stand.host)->store, "p", body.data, body.len, kv_told,
                     &is_done);
  while (!is_done) stand_turn(&stand);
  tg_buf_deinit(&body);
}

static void begin(void) {
  stand_write(&stand, "pipelines/p.lua", pipeline);
  stand_open(&stand, 1);
  stand_build(&stand);
  stand_begin(&stand, "{}");
}

static void an_edit_counts_from_the_next_decision_on(void **state) {
  (void)state;
  policy_write("", "'a1'");
  begin();
  stand_await_log(&stand, "hold1 is running\n");
  policy_write("", "'b2'");
  release("hold1");
  stand_finish(&stand);
  assert_int_equal(stand.end, TG_RUN_SUCCESS);
  assert_int_equal(stand_task(&stand, "a1")->state, TG_TASK_SUCCESS);
  assert_int_equal(stand_task(&stand, "b1")->state, TG_TASK_SKIPPED);
  assert_int_equal(stand_task(&stand, "b2")->state, TG_TASK_SUCCESS);
  assert_int_equal(stand.decision_count, 2);
  assert_string_equal(stand.decisions[0].policy, "route");
  assert_string_equal(stand.decisions[0].action, "a1");
  assert_string_equal(stand.decisions[1].action, "b2");
  assert_string_equal(stand.decisions[1].reason, "r");
  assert_string_not_equal(stand.decisions[0].version, stand.decisions[1].version);
}

static void a_broken_edit_leaves_the_last_good_version_in_force(void **state) {
  (void)state;
  policy_write("", "'a1'");
  begin();
  stand_await_log(&stand, "hold1 is running\n");
  stand_write(&stand, "pipelines/policies/route.lua", "return {{{");
  release("hold1");
  stand_finish(&stand);
  assert_int_equal(stand.decision_count, 2);
  assert_string_equal(stand.decisions[0].version, stand.decisions[1].version);
  assert_int_equal(stand_task(&stand, "two")->state, TG_TASK_FAILED); // it cannot go on with a1
}

static void an_edit_of_a_module_of_the_policy_counts_too(void **state) {
  (void)state;
  stand_write(&stand, "pipelines/choice.lua", "return 'a1'");
  policy_write("local choice = require 'choice'", "choice");
  begin();
  stand_await_log(&stand, "hold1 is running\n");
  stand_write(&stand, "pipelines/choice.lua", "return 'a2'");
  release("hold1");
  stand_finish(&stand);
  assert_int_equal(stand.end, TG_RUN_SUCCESS);
  assert_int_equal(stand_task(&stand, "a2")->state, TG_TASK_SUCCESS);
}

static void a_policy_that_is_gone_is_asked_as_it_was(void **state) {
  (void)state;
  policy_write("", "'a1'");
  stand_write(&stand, "pipelines/p.lua", pipeline);
  stand_open(&stand, 1);
  stand_build(&stand);
  assert_int_equal(unlink("pipelines/policies/route.lua"), 0);
  stand_begin(&stand, "{}");
  stand_await_log(&stand, "hold1 is running\n");
  release("hold1");
  stand_finish(&stand);
  assert_int_equal(stand_task(&stand, "one")->state, TG_TASK_SUCCESS);
  assert_int_equal(stand.decision_count, 2);
}

static void a_policy_that_does_not_end_costs_its_own_decision(void **state) {
  (void)state;
  policy_write("", "(function() while true do end end)()");
  stand_write(&stand, "pipelines/p.lua",
              "local tg = require 'tidegate'\n"
              "return tg.pipeline 'p' { tasks = {\n"
              "  tg.branch 'one' { decide = tg.policy 'route', to = { 'x' } },\n"
              "  tg.task 'x' { run = function() end },\n"
              "  tg.task 'other' { run = function() return 1 end } } }");
  stand_open(&stand, 1);
  stand_build(&stand);
  stand_begin(&stand, "{}");
  stand_finish(&stand);
  assert_int_equal(stand_task(&stand, "other")->state, TG_TASK_SUCCESS);
  assert_int_equal(stand_task(&stand, "one")->state, TG_TASK_FAILED);
  assert_int_equal(stand_task(&stand, "one")->failure.code, TG_ETIMEOUT);
  assert_int_equal(stand.decision_count, 0);
}

static void a_policy_that_raises_fails_the_task(void **state) {
  (void)state;
  policy_write("", "error('no opinion')");
  begin();
  stand_finish(&stand);
  assert_int_equal(stand_task(&stand, "one")->state, TG_TASK_FAILED);
  assert_non_null(strstr(stand_task(&stand, "one")->failure.text, "no opinion"));
  assert_int_equal(stand.decision_count, 0);
}

static void answered(void *self, const struct tg_error *err, const char *output,
                     const char *version) {
  struct tg_buf *answers = self;
  tg_buf_putf(answers, "%.8s %s\n", version, err ? err->text : output);
}

// Each edit makes a new state in the worker, and the one before it goes; going back gets it again.
static void many_edits_leave_one_state_in_the_worker(void **state) {
  (void)state;
  struct tg_buf answers;
  struct tg_question question = {.policy = "route", .input = "{}"};
  tg_buf_init(&answers, 1 << 20);
  stand_open(&stand, 1);
  for (int i = 0; i < 60; i++) {
    char head[64];
    size_t before = answers.len;
    snprintf(head, sizeof head, "local big = ('x'):rep(2000000 + %d %% 50) .. ''", i);
    policy_write(head, "tostring(#big - 2000000)");
    tg_policies_ask(tg_scripts_policies(tg_host_scripts(stand.host)), &question, answered,
                    &answers);
    while (answers.len == before) stand_turn(&stand);
    char expected[64];
    snprintf(expected, sizeof expected, "{\"action\":\"%d\",\"reason\":\"r\"}", i % 50);
    if (!strstr(answers.data + before, expected)) fail_msg("%s", answers.data + before);
  }
  pid_t pids[8];
  assert_int_equal(stand_workers(pids, 8), 1);
  tg_buf_deinit(&answers);
}

int main(int argc, char **argv) {
  stand_main(argc, argv);
  const struct CMUnitTest tests[] = {
      STAND_TEST(an_edit_counts_from_the_next_decision_on),
      STAND_TEST(a_broken_edit_leaves_the_last_good_version_in_force),
      STAND_TEST(an_edit_of_a_module_of_the_policy_counts_too),
      STAND_TEST(a_policy_that_is_gone_is_asked_as_it_was),
      STAND_TEST(a_policy_that_does_not_end_costs_its_own_decision),
      STAND_TEST(a_policy_that_raises_fails_the_task),
      STAND_TEST(many_edits_leave_one_state_in_the_worker),
  };
  return cmocka_run_group_tests_name("host/worker/policies", tests, NULL, NULL);
}
