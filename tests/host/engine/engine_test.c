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

static void nothing_starts_before_the_run_is_durable(void **state) {
  (void)state;
  rig_init(&rig, rig_plan(NULL, "a", "b", NULL), 10);
  rig_run(&rig);
  rig_expect(&rig, "commit");
  rig_pass(&rig, 1000);
  rig_expect(&rig, "");
  rig_commit(&rig);
  rig_expect(&rig, "start:a#1 start:b#1");
  rig_close(&rig);
}

static void a_dependent_waits_until_the_result_is_durable(void **state) {
  (void)state;
  rig_start(&rig, rig_plan(NULL, "a", "b after=a", NULL), 100);
  rig_expect(&rig, "commit start:a#1");
  rig_success(&rig, "a");
  rig_expect(&rig, "commit");
  rig_pass(&rig, 10);
  rig_expect(&rig, "");
  rig_commit(&rig);
  rig_expect(&rig, "a=success start:b#1");
  rig_success(&rig, "b");
  rig_commit(&rig);
  rig_expect(&rig, "commit b=success commit");
  assert_false(rig.has_ended);
  rig_commit(&rig);
  rig_expect(&rig, "end=success");
  rig_close(&rig);
}

static void results_that_come_together_are_acted_on_one_by_one(void **state) {
  (void)state;
  rig_start(&rig, rig_plan(NULL, "a", "b", "c after=a,b", NULL), 100);
  rig_success(&rig, "a");
  rig_success(&rig, "b");
  rig_expect(&rig, "commit start:a#1 start:b#1 commit commit");
  rig_commit(&rig);
  rig_expect(&rig, "a=success");
  rig_commit(&rig);
  rig_expect(&rig, "b=success start:c#1");
  rig_close(&rig);
}

static void a_start_is_recorded_only_if_it_lasts(void **state) {
  (void)state;
  rig_start(&rig, rig_plan(NULL, "a", "b", NULL), 100);
  rig_success(&rig, "a");
  rig_settle(&rig);
  rig_expect(&rig, "commit start:a#1 start:b#1 commit a=success");
  rig_pass(&rig, 200);
  rig_expect(&rig, "commit");
  rig_commit(&rig);
  assert_int_equal(rig.store.attempt_count, 2);
  assert_int_equal(rig.store.attempts[1].state, TG_ATTEMPT_RUNNING);
  assert_int_equal(rig.store.tasks[1].state, TG_TASK_RUNNING);
  rig_success(&rig, "b");
  rig_settle(&rig);
  assert_int_equal(rig.store.attempts[1].state, TG_ATTEMPT_SUCCESS);
  assert_int_equal(rig.end, TG_RUN_SUCCESS);
  rig_close(&rig);
}

// Results that should not come.

static void a_result_counts_once_and_unknown_ones_never(void **state) {
  (void)state;
  rig_start(&rig, rig_plan(NULL, "a", "b after=a", NULL), 100);
  uint64_t handle = rig_attempt_of(&rig, "a")->handle;
  rig_success(&rig, "a");
  rig_expect(&rig, "commit start:a#1 commit");
  struct tg_outcome failed = {0};
  tg_error_set(&failed.err, TG_EIO, "late");
  rig_result(&rig, handle, &failed);
  rig_result(&rig, handle + 100, &failed);
  rig_result(&rig, 0, &failed);
  rig_expect(&rig, "");
  rig_settle(&rig);
  rig_result(&rig, handle, &failed);
  rig_expect(&rig, "a=success start:b#1");
  rig_close(&rig);
}

// Time limits.

static void an_attempt_over_its_time_is_cancelled_and_may_be_tried_again(void **state) {
  (void)state;
  rig_start(&rig, rig_plan(NULL, "a timeout=5000 retry=2", NULL), 100);
  rig_pass(&rig, 100);
  rig_settle(&rig);
  rig_pass(&rig, 4899);
  rig_expect(&rig, "commit start:a#1 commit");
  rig_pass(&rig, 1);
  rig_expect(&rig, "cancel:a=timeout");
  rig_fail(&rig, "a", TG_ETIMEOUT);
  rig_settle(&rig);
  rig_pass(&rig, 1000);
  rig_expect(&rig, "commit a=waiting start:a#2");
  rig_success(&rig, "a");
  rig_settle(&rig);
  rig_pass(&rig, 100000); // the second attempt's timer finds nothing
  rig_expect(&rig, "commit a=success commit end=success");
  rig_close(&rig);
}

static void a_run_over_its_time_fails_with_the_timeout(void **state) {
  (void)state;
  rig_start(&rig, rig_plan("\"timeout_ms\":60000", "a", "b after=a", NULL), 100);
  rig_pass(&rig, 1000);
  rig_settle(&rig);
  rig_pass(&rig, 59000);
  rig_expect(&rig, "commit start:a#1 commit cancel:a=cancelled commit");
  rig_fail(&rig, "a", TG_ECANCELLED);
  rig_settle(&rig);
  assert_int_equal(rig.end, TG_RUN_FAILED);
  assert_int_equal(rig.end_code, TG_ETIMEOUT);
  assert_int_equal(rig.store.tasks[0].state, TG_TASK_CANCELLED);
  assert_int_equal(rig.store.tasks[1].state, TG_TASK_CANCELLED);
  rig_close(&rig);
}

// Cancelling.

static void cancelling_ends_tasks_in_every_state(void **state) {
  (void)state;
  rig_init(&rig,
           rig_plan(NULL, "runs", "retries retry=3", "decides", "lost", "full", "waits after=runs",
                    "next after=decides", NULL),
           4);
  rig_run(&rig);
  rig_commit(&rig);
  rig_fail(&rig, "retries", TG_EIO);
  rig_settle(&rig); // its slot goes to `full`, which is now the one that is full no more
  rig_success(&rig, "decides");
  rig_fail(&rig, "lost", TG_ELOST);
  tg_buf_clear(&rig.trace);
  rig_cancel(&rig, TG_ECANCELLED);
  rig_expect(&rig, "cancel:runs=cancelled cancel:full=cancelled commit");
  rig_cancel(&rig, TG_ETIMEOUT); // the first reason stays
  rig_expect(&rig, "");
  rig_settle(&rig);
  rig_pass(&rig, 5000);
  rig_fail(&rig, "runs", TG_ECANCELLED);
  rig_settle(&rig);
  assert_false(rig.has_ended);
  rig_fail(&rig, "full", TG_ELOST);
  rig_settle(&rig);
  assert_int_equal(rig.attempt_count, 5);
  assert_int_equal(rig.end, TG_RUN_CANCELLED);
  for (uint32_t i = 0; i < 7; i++)
    assert_int_equal(rig.store.tasks[i].state, i == 2 ? TG_TASK_SUCCESS : TG_TASK_CANCELLED);
  assert_string_equal(rig.store.tasks[5].failure.text, "somebody asked");
  rig_close(&rig);
}

static void a_run_can_be_cancelled_before_it_is_durable_and_not_after_its_end(void **state) {
  (void)state;
  rig_init(&rig, rig_plan(NULL, "a", NULL), 4);
  rig_run(&rig);
  rig_cancel(&rig, TG_ECANCELLED);
  rig_settle(&rig);
  rig_expect(&rig, "commit commit a=cancelled commit end=cancelled");
  rig_cancel(&rig, TG_ECANCELLED);
  rig_expect(&rig, "");
  rig_close(&rig);
  rig_start(&rig, rig_plan(NULL, "a", NULL), 100);
  rig_success(&rig, "a");
  rig_commit(&rig); // the run's end is decided, and not durable
  rig_cancel(&rig, TG_ECANCELLED);
  rig_settle(&rig);
  assert_int_equal(rig.end, TG_RUN_SUCCESS);
  rig_close(&rig);
}

// Drain, slots, priorities.

static void a_drained_engine_finishes_and_starts_nothing(void **state) {
  (void)state;
  rig_start(&rig, rig_plan(NULL, "a", "b after=a", "c retry=2", NULL), 100);
  rig_drain(&rig);
  assert_false(tg_engine_is_quiet(rig.engine));
  rig_success(&rig, "a");
  rig_fail(&rig, "c", TG_EIO);
  rig_settle(&rig);
  rig_pass(&rig, 10000);
  rig_expect(&rig, "commit start:a#1 start:c#1 commit commit a=success c=waiting");
  assert_true(tg_engine_is_quiet(rig.engine));
  assert_false(rig.has_ended);
  rig_close(&rig);
}

static void no_more_run_at_once_than_there_are_slots(void **state) {
  (void)state;
  rig_init(&rig, rig_plan(NULL, "a", "b", "c", "d", NULL), 2);
  rig_run(&rig);
  rig_commit(&rig);
  rig_expect(&rig, "commit start:a#1 start:b#1");
  rig_success(&rig, "b"); // a slot is free as soon as the attempt is over
  rig_expect(&rig, "start:c#1 commit");
  rig_close(&rig);
  rig_init(&rig, rig_plan("\"tasks\":1", "a", "b", "c", NULL), 100);
  rig_run(&rig);
  rig_settle(&rig);
  while (!rig.has_ended) {
    rig_success(&rig, rig.plan->tasks[rig.attempts[rig.attempt_count - 1].task].name);
    rig_settle(&rig);
  }
  assert_int_equal(rig.in_flight_max, 1);
  rig_close(&rig);
}

static void priorities_come_first_then_the_longest_way_to_the_end(void **state) {
  (void)state;
  rig_init(&rig,
           rig_plan(NULL, "short", "mid", "m after=mid", "long", "x after=long", "y after=x",
                    "low priority=-1", "high priority=7", NULL),
           1);
  rig_run(&rig);
  rig_settle(&rig);
  // A slot is free before the result is durable, so what follows a task is not next.
  static const char *const order[] = {"high", "long", "mid", "x", "short", "m", "y", "low"};
  for (size_t i = 0; i < 8; i++) {
    const char *name = rig.plan->tasks[rig.attempts[i].task].name;
    assert_string_equal(name, order[i]);
    rig_success(&rig, name);
    rig_settle(&rig);
  }
  rig_close(&rig);
}

// Reruns.

static void carried_tasks_are_recorded_and_do_not_run(void **state) {
  (void)state;
  rig_init(&rig, rig_plan(NULL, "a", "choose after=a to=b,c", "b", "c", "d after=c", NULL), 10);
  const struct tg_task carried[] = {
      {.index = 0, .name = "a", .state = TG_TASK_SUCCESS, .output = "41"},
      {.index = 1, .name = "choose", .state = TG_TASK_SUCCESS, .chosen = "[\"c\"]"}};
  rig_run_carrying(&rig, carried, 2);
  rig_expect(&rig, "commit");
  rig_commit(&rig);
  rig_expect(&rig, "a=success choose=success start:c#1 commit");
  rig_settle(&rig);
  assert_int_equal(rig.store.tasks[0].attempts, 0);
  assert_string_equal(rig.store.tasks[0].output, "41");
  assert_int_equal(rig.store.tasks[2].state, TG_TASK_SKIPPED);
  rig_close(&rig);
}

static void what_was_carried_is_not_cancelled(void **state) {
  (void)state;
  rig_init(&rig, rig_plan(NULL, "a", "b after=a", NULL), 10);
  const struct tg_task carried[] = {{.index = 0, .name = "a", .state = TG_TASK_SUCCESS}};
  rig_run_carrying(&rig, carried, 1);
  rig_cancel(&rig, TG_ECANCELLED);
  rig_settle(&rig);
  assert_int_equal(rig.end, TG_RUN_CANCELLED);
  assert_int_equal(rig.store.tasks[0].state, TG_TASK_SUCCESS);
  assert_int_equal(rig.store.tasks[1].state, TG_TASK_CANCELLED);
  rig_close(&rig);
}

static void a_run_of_which_all_is_carried_ends_at_once(void **state) {
  (void)state;
  rig_init(&rig, rig_plan(NULL, "a", "b after=a", NULL), 10);
  const struct tg_task carried[] = {{.index = 1, .name = "b", .state = TG_TASK_SKIPPED},
                                    {.index = 0, .name = "a", .state = TG_TASK_SUCCESS}};
  rig_run_carrying(&rig, carried, 2);
  rig_settle(&rig);
  rig_expect(&rig, "commit b=skipped a=success commit end=success");
  rig_close(&rig);
}

// How a run failed.

static void a_run_stopped_by_contracts_alone_says_so(void **state) {
  (void)state;
  rig_start(&rig, rig_plan(NULL, "a", "b", NULL), 100);
  rig_fail(&rig, "a", TG_ECONTRACT);
  rig_fail(&rig, "b", TG_ECONTRACT);
  rig_settle(&rig);
  assert_int_equal(rig.end_code, TG_ECONTRACT);
  assert_string_equal(rig.store.run.failure.text, "a: it went wrong");
  rig_close(&rig);
  rig_start(&rig, rig_plan(NULL, "a", "b", NULL), 100);
  rig_fail(&rig, "a", TG_ECONTRACT);
  rig_fail(&rig, "b", TG_EIO);
  rig_settle(&rig);
  assert_int_equal(rig.end_code, TG_EIO);
  rig_close(&rig);
}

static void the_oldest_run_gets_the_slots_first(void **state) {
  (void)state;
  rig_init(&rig, rig_plan(NULL, "a", "b after=a", NULL), 1);
  rig_run(&rig);
  rig_run(&rig);
  struct tg_engine *engine = rig.engine;
  const struct tg_effect *effects;
  size_t count, starts = 0;
  for (int i = 0; i < 2; i++) {
    tg_engine_step(engine, rig.now,
                   &(struct tg_input){.kind = TG_INPUT_COMMITTED, .committed = rig.pending[1 - i]},
                   &effects, &count, NULL);
    for (size_t e = 0; e < count; e++) starts += effects[e].kind == TG_EFFECT_START;
    assert_int_equal(starts, 1);
  }
  rig.pending_count = 0;
  tg_engine_step(
      engine, rig.now,
      &(struct tg_input){.kind = TG_INPUT_RESULT,
                         .result = {.attempt = 1, .outcome = &(struct tg_outcome){.worker = 1}}},
      &effects, &count, NULL);
  assert_int_equal(effects[0].kind, TG_EFFECT_START);
  assert_int_equal(effects[0].run->run.number, 1);
  tg_batch_free(effects[count - 1].batch);
  rig_close(&rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nothing_starts_before_the_run_is_durable),
      cmocka_unit_test(a_dependent_waits_until_the_result_is_durable),
      cmocka_unit_test(results_that_come_together_are_acted_on_one_by_one),
      cmocka_unit_test(a_start_is_recorded_only_if_it_lasts),
      cmocka_unit_test(a_result_counts_once_and_unknown_ones_never),
      cmocka_unit_test(an_attempt_over_its_time_is_cancelled_and_may_be_tried_again),
      cmocka_unit_test(a_run_over_its_time_fails_with_the_timeout),
      cmocka_unit_test(cancelling_ends_tasks_in_every_state),
      cmocka_unit_test(a_run_can_be_cancelled_before_it_is_durable_and_not_after_its_end),
      cmocka_unit_test(a_drained_engine_finishes_and_starts_nothing),
      cmocka_unit_test(no_more_run_at_once_than_there_are_slots),
      cmocka_unit_test(priorities_come_first_then_the_longest_way_to_the_end),
      cmocka_unit_test(carried_tasks_are_recorded_and_do_not_run),
      cmocka_unit_test(what_was_carried_is_not_cancelled),
      cmocka_unit_test(a_run_of_which_all_is_carried_ends_at_once),
      cmocka_unit_test(a_run_stopped_by_contracts_alone_says_so),
      cmocka_unit_test(the_oldest_run_gets_the_slots_first),
  };
  return cmocka_run_group_tests_name("host/engine/engine", tests, NULL, NULL);
}
