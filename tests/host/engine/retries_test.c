// SPDX-License-Identifier: Apache-2.0
// Retries that a policy decides on.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "host/engine/rig.h"

static struct rig rig;

static void fail_and_ask(const char *task) {
  rig_fail(&rig, task, TG_EREMOTE);
}

static void it_is_asked_before_anything_is_recorded(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a retry=9 decide=1", NULL), 10);
  fail_and_ask("a");
  rig_expect(&rig, "ask:a#1");
  assert_non_null(strstr(rig.asked, "\"error\":{\"code\":\"remote\",\"class\":\"transient\","
                                    "\"message\":\"it went wrong\",\"retry_after_ms\":0}"));
  assert_non_null(strstr(rig.asked, "\"attempt\":1"));
  assert_non_null(strstr(rig.asked, "\"task\":\"a\""));
  assert_non_null(strstr(rig.asked, "\"params\":{\"region\":\"EU\"}"));
  assert_false(tg_engine_is_quiet(rig.engine));
  rig_decide(&rig, true, 7000, "later", 0);
  rig_expect(&rig, "commit");
  rig_settle(&rig);
  rig_pass(&rig, 6999);
  assert_false(rig_runs(&rig, "a"));
  rig_pass(&rig, 1);
  assert_true(rig_runs(&rig, "a"));
  rig_close(&rig);
}

static void without_a_delay_the_backoff_holds(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a retry=9 decide=1", NULL), 10);
  fail_and_ask("a");
  rig_decide(&rig, true, -1, NULL, 0);
  rig_settle(&rig);
  rig_pass(&rig, 999);
  assert_false(rig_runs(&rig, "a"));
  rig_pass(&rig, 1);
  assert_true(rig_runs(&rig, "a"));
  rig_close(&rig);
}

static void a_remote_that_asked_for_more_has_it(void **state) {
  (void)state;
  struct tg_outcome throttled = {0};
  rig_begin(&rig, rig_plan(NULL, "a retry=9 decide=1", NULL), 10);
  tg_error_set(&throttled.err, TG_ETHROTTLED, "slow down");
  throttled.err.retry_after_ms = 30000;
  rig_end(&rig, "a", &throttled);
  assert_non_null(strstr(rig.asked, "\"retry_after_ms\":30000"));
  rig_decide(&rig, true, 1000, NULL, 0);
  rig_settle(&rig);
  rig_pass(&rig, 29999);
  assert_false(rig_runs(&rig, "a"));
  rig_pass(&rig, 1);
  assert_true(rig_runs(&rig, "a"));
  rig_close(&rig);
}

static void stop_is_the_end_and_says_why(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a retry=9 decide=1", "b retry=9 decide=1 fallback=1", NULL), 10);
  fail_and_ask("a");
  rig_decide(&rig, false, -1, "the quota is used up", 0);
  rig_settle(&rig);
  assert_int_equal(rig.store.tasks[0].state, TG_TASK_FAILED);
  assert_string_equal(rig.store.tasks[0].failure.text,
                      "it went wrong; not tried again: policy again: the quota is used up");
  assert_string_equal(rig.store.attempts[0].stop, "policy again: the quota is used up");
  fail_and_ask("b");
  rig_decide(&rig, false, -1, NULL, 0);
  rig_settle(&rig);
  rig_pass(&rig, 0);
  assert_true(rig_runs(&rig, "b")); // its last resort
  rig_close(&rig);
}

static void a_policy_that_fails_stops(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a retry=9 decide=1", NULL), 10);
  fail_and_ask("a");
  rig_decide(&rig, true, 0, "it took longer than 2000 ms", TG_ETIMEOUT);
  rig_settle(&rig);
  assert_int_equal(rig.store.tasks[0].state, TG_TASK_FAILED);
  assert_int_equal(rig.store.tasks[0].failure.code, TG_EREMOTE);
  assert_non_null(strstr(rig.store.tasks[0].failure.text,
                         "policy again could not decide: it took longer than 2000 ms"));
  rig_close(&rig);
}

static void the_limits_of_retries_hold_all_the_same(void **state) {
  (void)state;
  rig_begin(&rig,
            rig_plan("\"retries\":1,\"timeout_ms\":100000", "a retry=2 decide=1",
                     "b retry=9 decide=1", "c retry=9 total=5000 decide=1", "d retry=9 decide=1",
                     NULL),
            10);
  fail_and_ask("d");
  rig_decide(&rig, true, 100000, NULL, 0); // after the run
  rig_settle(&rig);
  assert_non_null(strstr(rig.store.tasks[3].failure.text, "before the run's time limit"));
  fail_and_ask("c");
  rig_decide(&rig, true, 6000, NULL, 0);
  rig_settle(&rig);
  assert_non_null(strstr(rig.store.tasks[2].failure.text, "the time of all tries"));
  fail_and_ask("a");
  rig_decide(&rig, true, 0, NULL, 0);
  rig_settle(&rig);
  fail_and_ask("b");
  rig_decide(&rig, true, 0, NULL, 0); // the run has no more
  rig_settle(&rig);
  assert_non_null(strstr(rig.store.tasks[1].failure.text, "budget of 1 retry"));
  rig_pass(&rig, 0);
  tg_buf_clear(&rig.trace);
  fail_and_ask("a"); // its second and last try: nobody is asked
  rig_expect(&rig, "commit");
  rig_settle(&rig);
  assert_int_equal(rig.store.tasks[0].state, TG_TASK_FAILED);
  rig_close(&rig);
}

static void other_classes_and_lost_attempts_are_not_asked_about(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a retry=9 decide=1", "b retry=9 decide=1", NULL), 10);
  rig_fail(&rig, "a", TG_ELOST);
  rig_settle(&rig);
  assert_true(rig_runs(&rig, "a"));
  rig_fail(&rig, "b", TG_EDENIED);
  rig_settle(&rig);
  assert_int_equal(rig.store.tasks[1].state, TG_TASK_FAILED);
  assert_int_equal(rig.question, 0);
  rig_close(&rig);
}

static void an_answer_to_a_cancelled_run_starts_nothing(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a retry=9 decide=1", NULL), 10);
  fail_and_ask("a");
  rig_cancel(&rig, TG_ECANCELLED);
  rig_settle(&rig);
  assert_false(rig.has_ended);
  rig_decide(&rig, true, 0, NULL, 0);
  rig_settle(&rig);
  assert_true(rig.has_ended);
  assert_int_equal(rig.end, TG_RUN_CANCELLED);
  assert_int_equal(rig.store.attempts[0].state, TG_ATTEMPT_CANCELLED);
  rig_decide(&rig, true, 0, NULL, 0); // nobody waits for it any more
  rig_close(&rig);
}

static void a_host_that_dies_while_it_asks_has_lost_the_attempt(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a retry=9 decide=1", NULL), 10);
  rig_pass(&rig, 200);
  rig_settle(&rig); // its start is recorded
  fail_and_ask("a");
  static struct rig next;
  rig_init(&next, rig.plan, 10);
  next.now = rig.now;
  rig_resume(&next, &rig.store);
  rig_deinit(&rig);
  rig = next;
  rig_settle(&rig);
  assert_true(rig_runs(&rig, "a"));
  assert_int_equal(rig.store.attempts[0].state, TG_ATTEMPT_LOST);
  rig_close(&rig);
}

static void items_are_asked_about_one_by_one(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "m map=1 retry=9 decide=1 fail_after=9", NULL), 10);
  rig_success_of(&rig, "m", "{\"items\":[1,2]}", NULL);
  rig_settle(&rig);
  fail_and_ask("m[0]");
  uint64_t first = rig.question;
  fail_and_ask("m[1]");
  rig_decide(&rig, true, 0, NULL, 0);
  rig.question = first;
  rig_decide(&rig, false, -1, "no", 0);
  rig_settle(&rig);
  rig_pass(&rig, 0);
  assert_true(rig_runs(&rig, "m[1]"));
  assert_int_equal(rig_store_item(&rig.store, 0, 0)->state, TG_TASK_FAILED);
  rig_close(&rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(it_is_asked_before_anything_is_recorded),
      cmocka_unit_test(without_a_delay_the_backoff_holds),
      cmocka_unit_test(a_remote_that_asked_for_more_has_it),
      cmocka_unit_test(stop_is_the_end_and_says_why),
      cmocka_unit_test(a_policy_that_fails_stops),
      cmocka_unit_test(the_limits_of_retries_hold_all_the_same),
      cmocka_unit_test(other_classes_and_lost_attempts_are_not_asked_about),
      cmocka_unit_test(an_answer_to_a_cancelled_run_starts_nothing),
      cmocka_unit_test(a_host_that_dies_while_it_asks_has_lost_the_attempt),
      cmocka_unit_test(items_are_asked_about_one_by_one),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
