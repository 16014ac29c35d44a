// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "host/engine/rig.h"

static struct rig rig;

// Opens a rig whose run is durable, and forgets the words so far.
static void step_do(const char *task, const char *name, const char *result) {
  rig_step(&rig, task, name);
  rig_settle(&rig);
  rig_step_end(&rig, task, name, result);
  rig_settle(&rig);
}

static void retry(const char *task) {
  rig_fail(&rig, task, TG_EIO);
  rig_settle(&rig);
  rig_pass(&rig, 1000);
  tg_buf_clear(&rig.trace);
}

// Goes to sleep, which ends the attempt.
static void sleep_begin(const char *task, const char *name, int64_t ms) {
  rig_sleep(&rig, task, name, ms);
  rig_settle(&rig);
  assert_int_equal(rig_attempt_of(&rig, task)->cancel_code, TG_ECANCELLED);
  rig_fail(&rig, task, TG_ECANCELLED);
  rig_settle(&rig);
}

// Takes the run up in another host, as the first left the store.
static void crash(void) {
  static struct rig next;
  rig_init(&next, rig.plan, 10);
  next.now = rig.now;
  rig_resume(&next, &rig.store);
  rig_deinit(&rig);
  rig = next;
  rig_settle(&rig);
}

// Steps.

static void an_intent_is_durable_before_it_is_told(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a", NULL), 10);
  rig_step(&rig, "a", "one");
  rig_expect(&rig, "commit");
  rig_commit(&rig);
  rig_expect(&rig, "a:new");
  assert_int_equal(rig.store.step_count, 1);
  assert_null(rig.store.steps[0].result);
  rig_step_end(&rig, "a", "one", "[1]");
  rig_expect(&rig, "commit");
  rig_commit(&rig);
  rig_expect(&rig, "a:done(true)");
  assert_string_equal(rig.store.steps[0].result, "[1]");
  rig_close(&rig);
}

static void later_tries_are_told_what_was_done(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a retry=5", NULL), 10);
  step_do("a", "one", "{\"n\":1}");
  step_do("a", "two", "null");
  rig_step(&rig, "a", "three");
  rig_settle(&rig);
  retry("a");
  rig_step(&rig, "a", "one");
  rig_step(&rig, "a", "two");
  rig_step(&rig, "a", "three"); // whether it was done is not known
  rig_expect(&rig, "a:done({\"n\":1}) a:done(null) a:new");
  rig_step_end(&rig, "a", "three", "3");
  rig_settle(&rig);
  retry("a");
  rig_step(&rig, "a", "one");
  rig_step(&rig, "a", "two");
  rig_step(&rig, "a", "three");
  rig_step(&rig, "a", "four");
  rig_expect(&rig, "a:done({\"n\":1}) a:done(null) a:done(3) commit");
  rig_close(&rig);
}

static void results_are_told_after_a_crash(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a", NULL), 10);
  step_do("a", "one", "1");
  rig_step(&rig, "a", "two");
  rig_settle(&rig);
  crash();
  tg_buf_clear(&rig.trace);
  rig_step(&rig, "a", "one");
  rig_step(&rig, "a", "two");
  rig_expect(&rig, "a:done(1) a:new");
  rig_close(&rig);
}

static void steps_in_another_order_are_refused(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a retry=5", NULL), 10);
  step_do("a", "one", "1");
  step_do("a", "two", "2");
  retry("a");
  rig_step(&rig, "a", "two");
  rig_expect(&rig, "a:refused");
  assert_string_equal(rig.refusal,
                      "step 1 is 'two' now and was 'one' in an earlier try; steps must "
                      "come in the same order at each try");
  rig_sleep(&rig, "a", "one", 1000);
  rig_expect(&rig, "a:refused");
  rig_step(&rig, "a", "one");
  rig_sleep(&rig, "a", "two", 1000);
  rig_expect(&rig, "a:done(1) a:refused");
  rig_close(&rig);
}

static void a_step_in_the_place_of_a_sleep_is_refused(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a", NULL), 10);
  sleep_begin("a", "nap", 1000);
  rig_pass(&rig, 1000);
  tg_buf_clear(&rig.trace);
  rig_step(&rig, "a", "nap");
  rig_expect(&rig, "a:refused");
  rig_close(&rig);
}

static void an_end_without_its_beginning_is_refused(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a", NULL), 10);
  rig_step_end(&rig, "a", "one", "1");
  rig_expect(&rig, "a:refused");
  rig_step(&rig, "a", "one");
  rig_step_end(&rig, "a", "one", "1"); // its intent is not durable yet
  rig_expect(&rig, "commit a:refused");
  rig_settle(&rig);
  rig_step_end(&rig, "a", "two", "1");
  rig_step_end(&rig, "a", "one", "1");
  rig_step_end(&rig, "a", "one", "2"); // it is being ended
  rig_expect(&rig, "a:new a:refused commit a:refused");
  rig_settle(&rig);
  rig_step_end(&rig, "a", "one", "2");
  rig_expect(&rig, "a:done(true) a:refused");
  assert_string_equal(rig.store.steps[0].result, "1");
  rig_close(&rig);
}

static void nobody_is_told_of_a_step_when_its_attempt_is_over(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a", NULL), 10);
  rig_step(&rig, "a", "one");
  uint64_t handle = rig_attempt_of(&rig, "a")->handle;
  rig_success(&rig, "a");
  rig_settle(&rig);
  rig_expect(&rig, "commit commit a=success commit end=success");
  const struct tg_effect *effects;
  size_t count;
  assert_int_equal(tg_engine_step(rig.engine, rig.now,
                                  &(struct tg_input){.kind = TG_INPUT_STEP,
                                                     .step = {.attempt = handle, .name = "one"}},
                                  &effects, &count, NULL),
                   TG_OK);
  assert_int_equal(count, 0);
  rig_close(&rig);
}

static void each_item_of_a_map_has_steps_of_its_own(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "m map=1 retry=2", NULL), 10);
  rig_success_of(&rig, "m", "{\"items\":[0,1]}", NULL);
  rig_settle(&rig);
  step_do("m[0]", "one", "10");
  step_do("m[1]", "one", "11");
  rig_fail(&rig, "m[1]", TG_EIO);
  rig_settle(&rig);
  crash();
  rig_pass(&rig, 1000);
  tg_buf_clear(&rig.trace);
  rig_step(&rig, "m[0]", "one");
  rig_step(&rig, "m[1]", "one");
  rig_expect(&rig, "m[0]:done(10) m[1]:done(11)");
  rig_close(&rig);
}

// Sleeping.

static void a_sleep_ends_the_attempt_and_wakes_it_as_what_it_was(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a retry=2", NULL), 10);
  rig_sleep(&rig, "a", "nap", 60000);
  rig_expect(&rig, "commit");
  rig_commit(&rig);
  rig_expect(&rig, "cancel:a=cancelled");
  rig_fail(&rig, "a", TG_ECANCELLED);
  rig_expect(&rig, "a=waiting");
  rig_pass(&rig, 59999);
  rig_settle(&rig);
  tg_buf_clear(&rig.trace);
  rig_pass(&rig, 1);
  rig_expect(&rig, "start:a#1");
  rig_sleep(&rig, "a", "nap", 60000);
  rig_expect(&rig, "a:done(null)");
  rig_success(&rig, "a");
  rig_settle(&rig);
  assert_int_equal(rig.store.attempt_count, 1);
  assert_int_equal(rig.end, TG_RUN_SUCCESS);
  rig_close(&rig);
}

static void a_sleeper_takes_no_slot(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan("\"tasks\":1", "a priority=1", "b w=4", "c w=4", NULL), 1);
  sleep_begin("a", "nap", 60000);
  assert_true(rig_runs(&rig, "b"));
  sleep_begin("b", "nap", 60000);
  assert_true(rig_runs(&rig, "c")); // nor of a pool
  rig_pass(&rig, 60000);
  assert_int_equal(rig.in_flight, 1);
  rig_success(&rig, "c");
  assert_true(rig_runs(&rig, "a"));
  rig_close(&rig);
}

static void several_sleeps_follow_each_other(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a", NULL), 10);
  sleep_begin("a", "one", 1000);
  rig_pass(&rig, 1000);
  rig_sleep(&rig, "a", "one", 1000);
  sleep_begin("a", "two", 5000);
  rig_pass(&rig, 4999);
  assert_int_equal(rig.in_flight, 0);
  rig_pass(&rig, 1);
  tg_buf_clear(&rig.trace);
  rig_sleep(&rig, "a", "one", 1000);
  rig_sleep(&rig, "a", "two", 1000);
  rig_expect(&rig, "a:done(null) a:done(null)");
  rig_close(&rig);
}

static void the_time_of_an_attempt_holds_while_it_sleeps(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a timeout=5000", NULL), 10);
  sleep_begin("a", "one", 2000);
  rig_pass(&rig, 2000);
  rig_sleep(&rig, "a", "one", 2000);
  sleep_begin("a", "two", 60000);
  rig_pass(&rig, 2999);
  assert_int_equal(rig.in_flight, 0);
  rig_pass(&rig, 1);
  assert_int_equal(rig.in_flight, 1); // to be told
  rig_sleep(&rig, "a", "one", 2000);
  rig_sleep(&rig, "a", "two", 60000);
  assert_int_equal(rig_attempt_of(&rig, "a")->cancel_code, TG_ETIMEOUT);
  rig_fail(&rig, "a", TG_ETIMEOUT);
  rig_settle(&rig);
  assert_int_equal(rig.end_code, TG_ETIMEOUT);
  rig_close(&rig);
}

static void a_sleep_goes_on_over_a_crash(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a", NULL), 10);
  rig_pass(&rig, 100);
  rig_settle(&rig);
  sleep_begin("a", "nap", 60000);
  rig_pass(&rig, 10000);
  crash();
  // The attempt that slept was lost with its host; the new one comes to the same sleep.
  rig_sleep(&rig, "a", "nap", 60000);
  rig_fail(&rig, "a", TG_ECANCELLED);
  rig_settle(&rig);
  rig_pass(&rig, 49999);
  assert_int_equal(rig.in_flight, 0);
  rig_pass(&rig, 1);
  assert_int_equal(rig.in_flight, 1);
  rig_success(&rig, "a");
  rig_settle(&rig);
  assert_int_equal(rig.end, TG_RUN_SUCCESS);
  for (size_t i = 0; i < rig.store.attempt_count; i++)
    assert_int_not_equal(rig.store.attempts[i].state, TG_ATTEMPT_RUNNING);
  rig_close(&rig);
}

static void a_sleep_that_ended_while_the_host_was_down_is_over(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a", NULL), 10);
  sleep_begin("a", "nap", 1000);
  rig.now.wall_ms += 2000;
  crash();
  tg_buf_clear(&rig.trace);
  rig_sleep(&rig, "a", "nap", 1000);
  rig_expect(&rig, "a:done(null)");
  rig_close(&rig);
}

static void a_sleeper_can_be_cancelled(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a", "b after=a", NULL), 10);
  rig_pass(&rig, 100);
  rig_settle(&rig); // its start is recorded
  sleep_begin("a", "nap", 60000);
  rig_cancel(&rig, TG_ECANCELLED);
  rig_settle(&rig);
  assert_int_equal(rig.end, TG_RUN_CANCELLED);
  assert_int_equal(rig.store.attempts[0].state, TG_ATTEMPT_CANCELLED);
  rig_pass(&rig, 60000);
  assert_int_equal(rig.attempt_count, 1);
  rig_close(&rig);
}

static void a_sleeping_item_can_be_cancelled(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "m map=1 limit=1", NULL), 10);
  rig_success_of(&rig, "m", "{\"items\":[0,1]}", NULL);
  rig_settle(&rig);
  sleep_begin("m[0]", "nap", 60000);
  assert_int_equal(rig.in_flight, 0); // it keeps its place in the map
  rig_cancel(&rig, TG_ECANCELLED);
  rig_settle(&rig);
  assert_int_equal(rig.end, TG_RUN_CANCELLED);
  assert_int_equal(rig_store_item(&rig.store, 0, 0)->state, TG_TASK_CANCELLED);
  rig_close(&rig);
}

static void an_attempt_that_goes_to_sleep_can_be_cancelled(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a", NULL), 10);
  rig_sleep(&rig, "a", "nap", 60000);
  rig_settle(&rig);
  rig_cancel(&rig, TG_ECANCELLED);
  rig_fail(&rig, "a", TG_ECANCELLED);
  rig_settle(&rig);
  assert_int_equal(rig.end, TG_RUN_CANCELLED);
  rig_close(&rig);
}

static void a_sleep_without_end_never_overflows(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a", NULL), 10);
  sleep_begin("a", "nap", INT64_MAX);
  rig_pass(&rig, INT64_C(1000) * 1000 * 1000);
  assert_int_equal(rig.in_flight, 0);
  rig_close(&rig);
}

static void a_wall_clock_that_was_set_back_makes_a_sleeper_sleep_on(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a", NULL), 10);
  sleep_begin("a", "nap", 1000);
  rig.now.wall_ms -= 5000;
  rig_pass(&rig, 1000);
  rig_sleep(&rig, "a", "nap", 1000);
  rig_fail(&rig, "a", TG_ECANCELLED);
  rig_settle(&rig);
  rig_pass(&rig, 4999);
  assert_int_equal(rig.in_flight, 0);
  rig_pass(&rig, 1);
  assert_int_equal(rig.in_flight, 1);
  rig_close(&rig);
}

// Waiting for a child.

static void one_that_waits_lends_its_slot(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a", "b", "c", NULL), 1);
  assert_int_equal(rig.in_flight, 1);
  rig_idle(&rig, "a", true);
  rig_idle(&rig, "a", true); // told twice
  assert_int_equal(rig.in_flight, 2);
  rig_idle(&rig, "a", false); // takes it back at once: it has work
  rig_success(&rig, "b");
  assert_int_equal(rig.in_flight, 1);
  rig_success(&rig, "a");
  assert_true(rig_runs(&rig, "c"));
  rig_idle(&rig, "c", true);
  rig_success(&rig, "c");
  rig_settle(&rig);
  assert_int_equal(rig.end, TG_RUN_SUCCESS);
  rig_close(&rig);
}

static void one_that_ends_while_it_waits_gives_its_slot_back_once(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan("\"tasks\":1", "a", "b", "c", "d", NULL), 10);
  rig_idle(&rig, "a", true);
  assert_int_equal(rig.in_flight, 2);
  rig_success(&rig, "a");
  rig_settle(&rig);
  assert_int_equal(rig.in_flight, 1);
  rig_success(&rig, "b");
  assert_int_equal(rig.in_flight, 1);
  rig_close(&rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_intent_is_durable_before_it_is_told),
      cmocka_unit_test(later_tries_are_told_what_was_done),
      cmocka_unit_test(results_are_told_after_a_crash),
      cmocka_unit_test(steps_in_another_order_are_refused),
      cmocka_unit_test(a_step_in_the_place_of_a_sleep_is_refused),
      cmocka_unit_test(an_end_without_its_beginning_is_refused),
      cmocka_unit_test(nobody_is_told_of_a_step_when_its_attempt_is_over),
      cmocka_unit_test(each_item_of_a_map_has_steps_of_its_own),
      cmocka_unit_test(a_sleep_ends_the_attempt_and_wakes_it_as_what_it_was),
      cmocka_unit_test(a_sleeper_takes_no_slot),
      cmocka_unit_test(several_sleeps_follow_each_other),
      cmocka_unit_test(the_time_of_an_attempt_holds_while_it_sleeps),
      cmocka_unit_test(a_sleep_goes_on_over_a_crash),
      cmocka_unit_test(a_sleep_that_ended_while_the_host_was_down_is_over),
      cmocka_unit_test(a_sleeper_can_be_cancelled),
      cmocka_unit_test(a_sleeping_item_can_be_cancelled),
      cmocka_unit_test(an_attempt_that_goes_to_sleep_can_be_cancelled),
      cmocka_unit_test(a_sleep_without_end_never_overflows),
      cmocka_unit_test(a_wall_clock_that_was_set_back_makes_a_sleeper_sleep_on),
      cmocka_unit_test(one_that_waits_lends_its_slot),
      cmocka_unit_test(one_that_ends_while_it_waits_gives_its_slot_back_once),
  };
  return cmocka_run_group_tests_name("host/engine/step", tests, NULL, NULL);
}
