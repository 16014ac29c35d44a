// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "host/engine/rig.h"

static struct rig rig;

#define ANY "{\"kind\":\"event\",\"type\":\"t\"}"
#define ASK "{\"kind\":\"approval\",\"message\":\"go?\"}"
#define VALUE(n) "{\"value\":{\"n\":" #n "}}"
#define TIMEOUT                                                                                    \
  "{\"error\":{\"code\":\"timeout\",\"class\":\"permanent\","                                      \
  "\"message\":\"what was waited for did not come in time\"}}"

// Waits, which ends the attempt.
static void wait_begin(const char *task, const char *name, const char *wait, int64_t ms) {
  rig_wait(&rig, task, name, wait, ms);
  rig_settle(&rig);
  assert_int_equal(rig_attempt_of(&rig, task)->cancel_code, TG_ECANCELLED);
  rig_fail(&rig, task, TG_ECANCELLED);
  rig_settle(&rig);
  tg_buf_clear(&rig.trace);
}

static void crash(uint64_t last_event) {
  static struct rig next;
  rig_init(&next, rig.plan, 10);
  next.now = rig.now;
  tg_engine_set_last_event(next.engine, last_event);
  rig_resume(&next, &rig.store);
  rig_deinit(&rig);
  rig = next;
  rig_settle(&rig);
  tg_buf_clear(&rig.trace);
}

// Events.

static void an_event_wakes_who_waits_for_it_once_that_is_durable(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a", NULL), 10);
  rig_wait(&rig, "a", "w", ANY, 0);
  rig_expect(&rig, "commit");
  rig_commit(&rig);
  rig_expect(&rig, "cancel:a=cancelled");
  rig_fail(&rig, "a", TG_ECANCELLED);
  rig_expect(&rig, "a=waiting");
  rig_event(&rig, 7, "t", NULL, NULL);
  rig_expect(&rig, "commit");
  rig_commit(&rig);
  rig_expect(&rig, "start:a#1");
  assert_string_equal(rig.store.steps[0].wait, ANY);
  assert_string_equal(rig.store.steps[0].result, VALUE(7));
  assert_int_equal(rig.store.steps[0].event, 7);
  rig_wait(&rig, "a", "w", ANY, 0);
  rig_expect(&rig, "a:done(" VALUE(7) ")");
  rig_close(&rig);
}

static void no_slot_is_held_and_no_timer_is_set(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a", "b", NULL), 1);
  rig_wait(&rig, "a", "w", ANY, 0);
  rig_settle(&rig);
  tg_buf_clear(&rig.trace);
  rig_fail(&rig, "a", TG_ECANCELLED);
  rig_expect(&rig, "a=waiting start:b#1");
  rig_success(&rig, "b");
  rig_settle(&rig);
  while (tg_engine_next_timer(rig.engine) != INT64_MAX) rig_timer(&rig);
  assert_false(rig_runs(&rig, "a"));
  rig_close(&rig);
}

static void an_event_that_came_before_the_wait_does_not_count(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a", NULL), 10);
  rig_event(&rig, 3, "t", NULL, NULL);
  wait_begin("a", "w", ANY, 0);
  assert_int_equal(rig.store.steps[0].after, 3);
  rig_event(&rig, 3, "t", NULL, NULL); // brought once more
  rig_expect(&rig, "");
  rig_event(&rig, 4, "t", NULL, NULL);
  rig_expect(&rig, "commit");
  rig_close(&rig);
}

static void an_event_since_the_run_began_counts_if_that_is_asked_for(void **state) {
  (void)state;
  rig_init(&rig, rig_plan(NULL, "a", NULL), 10);
  tg_engine_set_last_event(rig.engine, 3);
  rig_run(&rig);
  rig_commit(&rig);
  rig_event(&rig, 4, "t", NULL, NULL);
  tg_buf_clear(&rig.trace);
  rig_wait(&rig, "a", "w", "{\"kind\":\"event\",\"type\":\"t\",\"since\":\"run\"}", 0);
  rig_settle(&rig);
  rig_expect(&rig, "commit cancel:a=cancelled look:t>3");
  assert_string_equal(rig.store.steps[0].wait, ANY);
  rig_event(&rig, 4, "t", NULL, NULL); // what the look brings
  rig_expect(&rig, "commit");
  rig_close(&rig);
}

static void an_event_amid_the_intent_is_looked_for(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a", NULL), 10);
  rig_wait(&rig, "a", "w", ANY, 0);
  rig_event(&rig, 1, "t", NULL, NULL);
  tg_buf_clear(&rig.trace);
  rig_commit(&rig);
  rig_expect(&rig, "cancel:a=cancelled look:t>0");
  rig_event(&rig, 1, "t", NULL, NULL);
  rig_expect(&rig, "commit");
  rig_commit(&rig); // it is still being ended
  rig_expect(&rig, "");
  rig_fail(&rig, "a", TG_ECANCELLED);
  rig_timer(&rig);
  rig_settle(&rig);
  rig_wait(&rig, "a", "w", ANY, 0);
  assert_non_null(strstr(rig.trace.data, "a:done(" VALUE(1) ")"));
  rig_close(&rig);
}

static void an_event_that_came_while_no_host_was_there_is_looked_for(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a", NULL), 10);
  wait_begin("a", "w", ANY, 0);
  crash(5);
  rig_wait(&rig, "a", "w", ANY, 0);
  rig_expect(&rig, "cancel:a=cancelled look:t>0");
  rig_event(&rig, 2, "t", NULL, NULL);
  rig_event(&rig, 4, "t", NULL, NULL);
  rig_expect(&rig, "commit"); // the first one only
  rig_settle(&rig);
  assert_int_equal(rig.store.steps[0].event, 2);
  rig_close(&rig);
}

static void a_crash_before_the_result_is_durable_gives_the_same_event(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a", NULL), 10);
  wait_begin("a", "w", ANY, 0);
  rig_event(&rig, 2, "t", NULL, NULL);
  crash(2); // the batch with the result is lost
  rig_wait(&rig, "a", "w", ANY, 0);
  rig_expect(&rig, "cancel:a=cancelled look:t>0");
  rig_close(&rig);
}

static void only_what_matches_wakes(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a", "b", "c", "d", NULL), 10);
  wait_begin("a", "w", "{\"kind\":\"event\",\"type\":\"t\",\"match\":{\"id\":1}}", 0);
  wait_begin("b", "w", "{\"kind\":\"event\",\"type\":\"t\",\"match\":{\"id\":2,\"x\":true}}", 0);
  wait_begin("c", "w", "{\"kind\":\"event\",\"type\":\"t\",\"subject\":\"a/b\"}", 0);
  wait_begin("d", "w", "{\"kind\":\"event\",\"type\":\"t\",\"subject\":\"a/*\"}", 0);
  rig_event(&rig, 1, "u", "a/b", "{\"id\":1}");
  rig_event(&rig, 2, "t", "b", "{\"id\":3}");
  rig_event(&rig, 3, "t", NULL, "{\"id\":2}");
  rig_event(&rig, 4, "t", NULL, "{\"id\":\"1\"}");
  rig_expect(&rig, "");
  rig_event(&rig, 5, "t", NULL, "{\"id\":1.0}");
  rig_settle(&rig);
  rig_expect(&rig, "commit start:a#1");
  rig_event(&rig, 6, "t", NULL, "{\"id\":2,\"x\":true}");
  rig_settle(&rig);
  rig_expect(&rig, "commit start:b#1");
  rig_event(&rig, 7, "t", "a/b", NULL);
  rig_settle(&rig);
  rig_expect(&rig, "commit start:c#1 start:d#1");
  rig_close(&rig);
}

static void an_event_is_found_by_each_of_its_fields_and_its_subject(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a", "b", "c", NULL), 10);
  wait_begin("a", "w", "{\"kind\":\"event\",\"type\":\"t\",\"match\":{\"id\":1}}", 0);
  wait_begin("b", "w", "{\"kind\":\"event\",\"type\":\"t\",\"match\":{\"x\":\"y\"}}", 0);
  wait_begin("c", "w", "{\"kind\":\"event\",\"type\":\"t\",\"subject\":\"a/b\"}", 0);
  rig_event(&rig, 1, "t", "a/b", "{\"id\":1,\"x\":\"y\"}");
  rig_settle(&rig);
  assert_true(rig_runs(&rig, "a") && rig_runs(&rig, "b") && rig_runs(&rig, "c"));
  rig_close(&rig);
}

static void one_event_wakes_all_who_wait_for_it(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "m map=1", NULL), 10);
  rig_success_of(&rig, "m", "{\"items\":[1,2,3]}", NULL);
  rig_settle(&rig);
  wait_begin("m[0]", "w", ANY, 0);
  wait_begin("m[1]", "w", ANY, 0);
  wait_begin("m[2]", "w", ANY, 0);
  rig_event(&rig, 1, "t", NULL, NULL);
  rig_settle(&rig);
  rig_expect(&rig, "commit start:m[0]#1 start:m[1]#1 start:m[2]#1");
  rig_event(&rig, 2, "t", NULL, NULL);
  rig_expect(&rig, "");
  rig_close(&rig);
}

// Timeouts.

static void a_wait_ends_with_its_time(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a", NULL), 10);
  wait_begin("a", "w", ANY, 60000);
  rig_pass(&rig, 59999);
  rig_expect(&rig, "");
  rig_pass(&rig, 1);
  rig_expect(&rig, "commit");
  rig_event(&rig, 9, "t", NULL, NULL); // too late
  rig_expect(&rig, "");
  rig_settle(&rig);
  rig_expect(&rig, "start:a#1");
  rig_wait(&rig, "a", "w", ANY, 60000);
  rig_expect(&rig, "a:done(" TIMEOUT ")");
  rig_close(&rig);
}

static void a_wait_keeps_its_time_over_a_crash(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a", NULL), 10);
  wait_begin("a", "w", ANY, 60000);
  rig_pass(&rig, 30000);
  crash(0);
  wait_begin("a", "w", ANY, 60000);
  rig_pass(&rig, 29999);
  rig_expect(&rig, "");
  rig_pass(&rig, 1);
  rig_expect(&rig, "commit");
  rig_close(&rig);
}

static void time_that_passed_without_a_host_counts(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a", NULL), 10);
  wait_begin("a", "w", ANY, 60000);
  rig.now.wall_ms += 100000;
  rig.now.mono_ms += 100000;
  crash(0);
  wait_begin("a", "w", ANY, 60000);
  rig_timer(&rig);
  rig_settle(&rig);
  rig_wait(&rig, "a", "w", ANY, 60000);
  assert_non_null(strstr(rig.trace.data, "a:done(" TIMEOUT ")"));
  rig_close(&rig);
}

// The timer of a wait that an event has ended must not cut the next one short.
static void an_old_timer_means_nothing(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a", NULL), 10);
  wait_begin("a", "one", ANY, 60000);
  rig_event(&rig, 1, "t", NULL, NULL);
  rig_settle(&rig);
  rig_wait(&rig, "a", "one", ANY, 60000);
  wait_begin("a", "two", ANY, 600000);
  rig_pass(&rig, 60000);
  rig_expect(&rig, "");
  rig_close(&rig);
}

static void the_tasks_own_time_goes_on(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a timeout=5000", NULL), 10);
  wait_begin("a", "w", ANY, 60000);
  rig_pass(&rig, 5000);
  rig_wait(&rig, "a", "w", ANY, 60000);
  assert_int_equal(rig_attempt_of(&rig, "a")->cancel_code, TG_ETIMEOUT);
  rig_fail(&rig, "a", TG_ETIMEOUT);
  rig_settle(&rig);
  assert_int_equal(rig.end, TG_RUN_FAILED);
  assert_int_equal(rig.end_code, TG_ETIMEOUT);
  rig_close(&rig);
}

// Cancelling.

static void a_cancel_ends_a_wait(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a", NULL), 10);
  wait_begin("a", "w", ANY, 0);
  rig_cancel(&rig, TG_ECANCELLED);
  rig_settle(&rig);
  assert_true(rig.has_ended);
  assert_int_equal(rig.end, TG_RUN_CANCELLED);
  rig_event(&rig, 1, "t", NULL, NULL);
  rig_close(&rig);
}

static void a_cancel_amid_the_end_of_a_wait_wins(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a", NULL), 10);
  wait_begin("a", "w", ANY, 0);
  rig_event(&rig, 1, "t", NULL, NULL);
  rig_cancel(&rig, TG_ECANCELLED);
  rig_settle(&rig);
  assert_int_equal(rig.end, TG_RUN_CANCELLED);
  assert_false(rig_runs(&rig, "a"));
  rig_close(&rig);
}

// People.

static void an_answer_ends_an_approval(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a", NULL), 10);
  wait_begin("a", "w", ASK, 0);
  rig_event(&rig, 1, "t", NULL, NULL);
  rig_approve(&rig, 0, TG_NO_ITEM, 1, "{\"value\":1}"); // of another step
  rig_expect(&rig, "");
  rig_approve(&rig, 0, TG_NO_ITEM, 0, "{\"value\":1}");
  rig_approve(&rig, 0, TG_NO_ITEM, 0, "{\"value\":2}"); // the first one counts
  rig_expect(&rig, "commit");
  rig_settle(&rig);
  rig_expect(&rig, "start:a#1");
  rig_wait(&rig, "a", "w", ASK, 0);
  rig_expect(&rig, "a:done({\"value\":1})");
  rig_close(&rig);
}

// It need not be parked again yet after a crash.
static void an_answer_is_taken_while_the_task_comes_by(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a", NULL), 10);
  wait_begin("a", "w", ASK, 0);
  crash(0);
  rig_approve(&rig, 0, TG_NO_ITEM, 0, "{\"value\":1}");
  rig_wait(&rig, "a", "w", ASK, 0);
  rig_expect(&rig, "commit cancel:a=cancelled");
  rig_commit(&rig);
  rig_fail(&rig, "a", TG_ECANCELLED);
  rig_timer(&rig);
  rig_settle(&rig);
  rig_wait(&rig, "a", "w", ASK, 0);
  assert_non_null(strstr(rig.trace.data, "a:done({\"value\":1})"));
  rig_close(&rig);
}

static void an_answer_to_what_waits_for_an_event_changes_nothing(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a", NULL), 10);
  wait_begin("a", "w", ANY, 0);
  rig_approve(&rig, 0, TG_NO_ITEM, 0, "{\"value\":1}");
  rig_approve(&rig, 5, TG_NO_ITEM, 0, "{\"value\":1}");
  rig_expect(&rig, "");
  rig_close(&rig);
}

// Order, and what is no wait.

static void a_wait_is_told_from_other_steps(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a", NULL), 10);
  wait_begin("a", "w", ANY, 0);
  rig_event(&rig, 1, "t", NULL, NULL);
  rig_settle(&rig);
  tg_buf_clear(&rig.trace);
  rig_step(&rig, "a", "w");
  rig_expect(&rig, "a:refused");
  rig_sleep(&rig, "a", "w", 5000);
  rig_expect(&rig, "a:refused");
  rig_wait(&rig, "a", "other", ANY, 0);
  rig_expect(&rig, "a:refused");
  assert_non_null(strstr(rig.refusal, "'other' now and was 'w'"));
  rig_wait(&rig, "a", "w", ANY, 0);
  rig_expect(&rig, "a:done(" VALUE(1) ")");
  rig_close(&rig);
}

static void what_is_no_wait_is_refused_and_no_step(void **state) {
  static const char *const wrong[] = {
      "7",       "{}", "{\"kind\":\"event\"}", "{\"kind\":\"approval\"}", "{\"kind\":\"other\"}",
      "nonsense"};
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a", NULL), 10);
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    rig_wait(&rig, "a", "w", wrong[i], 0);
    rig_expect(&rig, "a:refused");
  }
  rig_step(&rig, "a", "one");
  rig_settle(&rig);
  rig_expect(&rig, "commit a:new");
  assert_int_equal(rig.store.steps[0].position, 0);
  rig_close(&rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_event_wakes_who_waits_for_it_once_that_is_durable),
      cmocka_unit_test(no_slot_is_held_and_no_timer_is_set),
      cmocka_unit_test(an_event_that_came_before_the_wait_does_not_count),
      cmocka_unit_test(an_event_since_the_run_began_counts_if_that_is_asked_for),
      cmocka_unit_test(an_event_amid_the_intent_is_looked_for),
      cmocka_unit_test(an_event_that_came_while_no_host_was_there_is_looked_for),
      cmocka_unit_test(a_crash_before_the_result_is_durable_gives_the_same_event),
      cmocka_unit_test(only_what_matches_wakes),
      cmocka_unit_test(an_event_is_found_by_each_of_its_fields_and_its_subject),
      cmocka_unit_test(one_event_wakes_all_who_wait_for_it),
      cmocka_unit_test(a_wait_ends_with_its_time),
      cmocka_unit_test(a_wait_keeps_its_time_over_a_crash),
      cmocka_unit_test(time_that_passed_without_a_host_counts),
      cmocka_unit_test(an_old_timer_means_nothing),
      cmocka_unit_test(the_tasks_own_time_goes_on),
      cmocka_unit_test(a_cancel_ends_a_wait),
      cmocka_unit_test(a_cancel_amid_the_end_of_a_wait_wins),
      cmocka_unit_test(an_answer_ends_an_approval),
      cmocka_unit_test(an_answer_is_taken_while_the_task_comes_by),
      cmocka_unit_test(an_answer_to_what_waits_for_an_event_changes_nothing),
      cmocka_unit_test(a_wait_is_told_from_other_steps),
      cmocka_unit_test(what_is_no_wait_is_refused_and_no_step),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
