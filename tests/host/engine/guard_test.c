// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "host/engine/rig.h"

static struct rig rig;

// A breaker that opens after two failures in a row, for ten seconds.
static void run_plan(struct tg_plan *plan) {
  struct tg_resource_rules rules;
  tg_resource_rules_init(&rules);
  rules.name = "db";
  rules.breaker.failures_max = 2;
  rules.breaker.open_ms = 10000;
  rig_init(&rig, plan, 10);
  rig_rule(&rig, &rules);
  rig_run(&rig);
  rig_commit(&rig);
  tg_buf_clear(&rig.trace);
}

// Opens the breaker by two tasks that fail at once.
static void open_by(const char *a, const char *b) {
  rig_failed(&rig, a, TG_EREMOTE);
  rig_failed(&rig, b, TG_EREMOTE);
}

static const struct tg_attempt *attempt_of(uint32_t task, uint32_t number) {
  for (size_t i = 0; i < rig.store.attempt_count; i++)
    if (rig.store.attempts[i].task == task && rig.store.attempts[i].number == number)
      return &rig.store.attempts[i];
  fail_msg("attempt %u of task %u has no record", number, task);
  return NULL;
}

static void an_open_breaker_holds_what_would_start(void **state) {
  (void)state;
  run_plan(rig_plan(NULL, "a resource=db", "b resource=db", "gate", "c resource=db after=gate",
                    "d after=gate", NULL));
  open_by("a", "b");
  assert_string_equal(rig.store.resources[0].phase, "open");
  assert_string_equal(rig.store.resources[0].reason, "it went wrong");
  rig_done(&rig, "gate");
  assert_false(rig_runs(&rig, "c")); // it takes no slot and is not tried
  assert_true(rig_runs(&rig, "d"));
  assert_int_equal(rig.in_flight, 1);
  rig_pass(&rig, 9999);
  assert_false(rig_runs(&rig, "c"));
  rig_pass(&rig, 1);
  rig_settle(&rig);
  assert_true(rig_runs(&rig, "c"));
  assert_int_equal(rig_attempt_of(&rig, "c")->number, 1);
  assert_string_equal(rig.store.resources[0].phase, "half_open");
  rig_done(&rig, "c");
  assert_string_equal(rig.store.resources[0].phase, "closed");
  assert_true(attempt_of(3, 1)->was_held);
  assert_false(attempt_of(0, 1)->was_held);
  rig_close(&rig);
}

static void it_is_told_when_it_turns(void **state) {
  (void)state;
  run_plan(rig_plan(NULL, "a resource=db retry=9", NULL));
  rig_fail(&rig, "a", TG_EREMOTE);
  rig_expect(&rig, "commit");
  rig_settle(&rig);
  rig_pass(&rig, 1000);
  tg_buf_clear(&rig.trace);
  rig_fail(&rig, "a", TG_EREMOTE);
  rig_expect(&rig, "db:open commit");
  rig_close(&rig);
}

static void one_probe_goes_and_the_others_wait_for_it(void **state) {
  (void)state;
  run_plan(rig_plan(NULL, "a resource=db", "b resource=db", "gate", "c resource=db after=gate",
                    "d resource=db after=gate", "e resource=db after=gate", NULL));
  open_by("a", "b");
  rig_done(&rig, "gate");
  rig_pass(&rig, 10000);
  rig_settle(&rig);
  assert_int_equal(rig.in_flight, 1);
  rig_failed(&rig, "c", TG_EREMOTE); // the probe failed: open again, for as long
  assert_int_equal(rig.in_flight, 0);
  rig_pass(&rig, 9999);
  assert_int_equal(rig.in_flight, 0);
  rig_pass(&rig, 1);
  rig_settle(&rig);
  assert_int_equal(rig.in_flight, 1);
  rig_done(&rig, "d"); // the probe went well: closed, and the rest goes
  assert_true(rig_runs(&rig, "e"));
  rig_close(&rig);
}

static void a_retry_is_held_and_its_tries_do_not_count_up(void **state) {
  (void)state;
  run_plan(rig_plan(NULL, "a resource=db retry=3", NULL));
  rig_failed(&rig, "a", TG_EREMOTE);
  rig_pass(&rig, 1000);
  rig_failed(&rig, "a", TG_EREMOTE); // opens
  rig_pass(&rig, 1000);              // its retry is due
  assert_int_equal(rig.in_flight, 0);
  rig_pass(&rig, 9000);
  rig_settle(&rig);
  assert_int_equal(rig_attempt_of(&rig, "a")->number, 3);
  rig_close(&rig);
}

static void what_says_nothing_about_the_resource_does_not_open(void **state) {
  (void)state;
  run_plan(rig_plan(NULL, "a resource=db", "b resource=db", "c resource=db", "d resource=db", "e",
                    NULL));
  rig_failed(&rig, "a", TG_EINVALID);
  rig_failed(&rig, "b", TG_ECONTRACT);
  rig_failed(&rig, "c", TG_ELOST); // it is tried again
  rig_failed(&rig, "c", TG_EBUG);
  rig_failed(&rig, "d", TG_ECANCELLED);
  assert_int_equal(rig.store.resource_count, 0);
  rig_close(&rig);
}

static void a_retry_after_opens_for_everybody(void **state) {
  (void)state;
  run_plan(rig_plan(NULL, "a resource=db", "gate", "b resource=db after=gate", NULL));
  struct tg_outcome throttled = {0};
  tg_error_set(&throttled.err, TG_ETHROTTLED, "slow down");
  throttled.err.retry_after_ms = 60000;
  rig_end(&rig, "a", &throttled);
  rig_settle(&rig);
  rig_done(&rig, "gate");
  rig_pass(&rig, 59999);
  assert_false(rig_runs(&rig, "b"));
  rig_pass(&rig, 1);
  assert_true(rig_runs(&rig, "b"));
  rig_close(&rig);
}

static void crash(void) {
  static struct rig next;
  struct tg_now now = rig.now;
  rig_init(&next, rig.plan, 10);
  next.now = (struct tg_now){.wall_ms = now.wall_ms, .mono_ms = 77}; // another boot
  rig_resume(&next, &rig.store);
  rig_deinit(&rig);
  rig = next;
  rig_settle(&rig);
}

static void an_open_breaker_survives_its_host(void **state) {
  (void)state;
  run_plan(
      rig_plan(NULL, "a resource=db", "b resource=db", "gate", "c resource=db after=gate", NULL));
  open_by("a", "b");
  rig_pass(&rig, 4000);
  rig_done(&rig, "gate");
  crash();
  assert_false(rig_runs(&rig, "c"));
  rig_pass(&rig, 5999);
  assert_false(rig_runs(&rig, "c"));
  rig_pass(&rig, 1);
  rig_settle(&rig);
  assert_true(rig_runs(&rig, "c"));
  crash(); // the probe died with its host: another one goes at once
  assert_true(rig_runs(&rig, "c"));
  rig_close(&rig);
}

static void the_time_limit_of_a_task_ends_its_wait(void **state) {
  (void)state;
  run_plan(rig_plan(NULL, "a resource=db", "b resource=db", "gate",
                    "c resource=db after=gate timeout=60000",
                    "d resource=db after=gate timeout=60000", NULL));
  open_by("a", "b");
  rig_done(&rig, "gate");
  rig_pass(&rig, 10000);
  rig_settle(&rig);
  assert_int_equal(rig.in_flight, 1); // the probe, c; d waits for it
  rig_idle(&rig, "c", true);
  rig_pass(&rig, 49999);
  rig_settle(&rig);
  assert_int_not_equal(rig.store.tasks[4].state, TG_TASK_FAILED);
  rig_pass(&rig, 1);
  rig_settle(&rig);
  assert_int_equal(rig.store.tasks[4].state, TG_TASK_FAILED);
  assert_int_equal(rig.store.tasks[4].failure.code, TG_ETIMEOUT);
  assert_non_null(strstr(rig.store.tasks[4].failure.text, "resource db"));
  assert_int_equal(attempt_of(4, 1)->state, TG_ATTEMPT_FAILED);
  rig_close(&rig);
}

static void a_wait_that_would_pass_the_limit_is_not_begun(void **state) {
  (void)state;
  run_plan(rig_plan(NULL, "a resource=db", "b resource=db", "gate",
                    "c resource=db after=gate timeout=9000",
                    "d resource=db after=gate timeout=9000 fallback=1", NULL));
  open_by("a", "b");
  rig_done(&rig, "gate");
  assert_int_equal(rig.store.tasks[3].state, TG_TASK_FAILED);
  assert_non_null(strstr(rig.store.tasks[3].failure.text, "open until"));
  rig_pass(&rig, 0);
  assert_true(rig_runs(&rig, "d")); // its last resort needs no resource
  rig_done(&rig, "d");
  assert_int_equal(rig.store.tasks[4].state, TG_TASK_SUCCESS);
  rig_close(&rig);
}

static void the_time_limit_of_a_run_says_what_was_waited_for(void **state) {
  (void)state;
  run_plan(rig_plan("\"timeout_ms\":15000", "a resource=db", "b resource=db", "gate",
                    "c resource=db after=gate", "d resource=db after=gate", NULL));
  open_by("a", "b");
  rig_done(&rig, "gate");
  rig_pass(&rig, 10000);
  rig_settle(&rig); // c is the probe, d waits
  rig_pass(&rig, 5000);
  rig_settle(&rig);
  assert_int_equal(rig.store.tasks[4].state, TG_TASK_CANCELLED);
  assert_non_null(strstr(rig.store.tasks[4].failure.text, "waited for resource db"));
  rig_close(&rig);
}

static void items_are_held_one_by_one(void **state) {
  (void)state;
  run_plan(rig_plan(NULL, "m map=1 resource=db fail_after=9", NULL));
  rig_success_of(&rig, "m", "{\"items\":[1,2,3,4]}", NULL);
  rig_settle(&rig);
  assert_int_equal(rig.in_flight, 4);
  rig_failed(&rig, "m[0]", TG_EREMOTE);
  rig_failed(&rig, "m[1]", TG_EREMOTE);
  rig_failed(&rig, "m[2]", TG_ELOST); // it would be tried again at once
  assert_false(rig_runs(&rig, "m[2]"));
  rig_done(&rig, "m[3]"); // of before the opening: it says nothing now
  rig_pass(&rig, 10000);
  rig_settle(&rig);
  assert_true(rig_runs(&rig, "m[2]"));
  rig_done(&rig, "m[2]");
  assert_true(rig.has_ended);
  rig_close(&rig);
}

static void a_pool_is_not_taken_by_who_is_held(void **state) {
  (void)state;
  run_plan(rig_plan(NULL, "a resource=db", "b resource=db", "gate",
                    "c resource=db after=gate w=4 priority=9", "d after=gate w=4", NULL));
  open_by("a", "b");
  rig_done(&rig, "gate");
  assert_true(rig_runs(&rig, "d"));
  rig_pass(&rig, 10000);
  assert_false(rig_runs(&rig, "c")); // the breaker would let it, the pool does not
  rig_done(&rig, "d");
  assert_true(rig_runs(&rig, "c"));
  rig_close(&rig);
}

static void a_clock_that_goes_back_holds_nobody_for_ever(void **state) {
  (void)state;
  run_plan(
      rig_plan(NULL, "a resource=db", "b resource=db", "gate", "c resource=db after=gate", NULL));
  open_by("a", "b");
  rig_done(&rig, "gate");
  rig.now.wall_ms -= 86400000;
  rig_pass(&rig, 10000);
  rig_pass(&rig, 10000);
  rig_settle(&rig);
  assert_true(rig_runs(&rig, "c"));
  rig_close(&rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_open_breaker_holds_what_would_start),
      cmocka_unit_test(it_is_told_when_it_turns),
      cmocka_unit_test(one_probe_goes_and_the_others_wait_for_it),
      cmocka_unit_test(a_retry_is_held_and_its_tries_do_not_count_up),
      cmocka_unit_test(what_says_nothing_about_the_resource_does_not_open),
      cmocka_unit_test(a_retry_after_opens_for_everybody),
      cmocka_unit_test(an_open_breaker_survives_its_host),
      cmocka_unit_test(the_time_limit_of_a_task_ends_its_wait),
      cmocka_unit_test(a_wait_that_would_pass_the_limit_is_not_begun),
      cmocka_unit_test(the_time_limit_of_a_run_says_what_was_waited_for),
      cmocka_unit_test(items_are_held_one_by_one),
      cmocka_unit_test(a_pool_is_not_taken_by_who_is_held),
      cmocka_unit_test(a_clock_that_goes_back_holds_nobody_for_ever),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
