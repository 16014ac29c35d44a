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

// Retries.

static void a_retry_waits_its_backoff(void **state) {
  (void)state;
  rig_start(&rig, rig_plan(NULL, "a retry=3", NULL), 100);
  rig_fail(&rig, "a", TG_EIO);
  rig_settle(&rig);
  rig_expect(&rig, "commit start:a#1 commit a=waiting");
  rig_pass(&rig, 999);
  rig_expect(&rig, "");
  rig_pass(&rig, 1);
  rig_expect(&rig, "start:a#2");
  rig_fail(&rig, "a", TG_EIO);
  rig_settle(&rig);
  rig_pass(&rig, 1000);
  rig_fail(&rig, "a", TG_EIO);
  rig_settle(&rig);
  rig_expect(&rig, "commit a=waiting start:a#3 commit a=failed commit end=failed");
  assert_int_equal(rig.store.attempt_count, 3);
  assert_int_equal(rig.store.tasks[0].attempts, 3);
  assert_int_equal(rig.end_code, TG_EIO);
  rig_close(&rig);
}

static void only_the_classes_of_the_policy_are_tried_again(void **state) {
  (void)state;
  static const int codes[] = {TG_EINVALID, TG_ECONTRACT, TG_EPROTOCOL, TG_ECANCELLED};
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
    rig_start(&rig, rig_plan(NULL, "a retry=3", NULL), 100);
    rig_fail(&rig, "a", codes[i]);
    rig_settle(&rig);
    assert_int_equal(rig.store.tasks[0].state, TG_TASK_FAILED);
    assert_int_equal(rig.store.attempts[0].state, TG_ATTEMPT_FAILED);
    assert_int_equal(rig.end, TG_RUN_FAILED);
    assert_int_equal(rig.end_code, codes[i]);
    rig_close(&rig);
  }
}

static void what_the_remote_asks_for_is_waited_and_never_overflows(void **state) {
  (void)state;
  static const int64_t waits[] = {7000, INT64_MAX};
  for (size_t i = 0; i < 2; i++) {
    rig_start(&rig, rig_plan(NULL, "a retry=3", NULL), 100);
    rig_pass(&rig, 500);
    struct tg_outcome outcome = {0};
    tg_error_set(&outcome.err, TG_ETHROTTLED, "slower");
    outcome.err.retry_after_ms = waits[i];
    rig_end(&rig, "a", &outcome);
    rig_settle(&rig);
    rig_pass(&rig, 6999);
    assert_int_equal(rig.in_flight, 0);
    rig_pass(&rig, 1);
    assert_int_equal(rig.in_flight, i == 0);
    rig_close(&rig);
  }
}

static void no_retry_begins_after_the_total_time(void **state) {
  (void)state;
  rig_start(&rig, rig_plan(NULL, "a retry=100 total=2500", NULL), 100);
  rig_fail(&rig, "a", TG_EIO);
  rig_settle(&rig);
  rig_pass(&rig, 1000);
  rig_fail(&rig, "a", TG_EIO);
  rig_settle(&rig);
  rig_pass(&rig, 1000);
  rig_fail(&rig, "a", TG_EIO);
  rig_settle(&rig);
  assert_int_equal(rig.store.attempt_count, 3);
  assert_int_equal(rig.end, TG_RUN_FAILED);
  rig_close(&rig);
}

// Lost attempts.

static void a_lost_attempt_is_tried_again_at_once_and_does_not_count(void **state) {
  (void)state;
  rig_start(&rig, rig_plan(NULL, "a", NULL), 100);
  for (int i = 1; i < TG_LOST_ATTEMPTS_MAX; i++) rig_fail(&rig, "a", TG_ELOST), rig_settle(&rig);
  rig_success(&rig, "a");
  rig_settle(&rig);
  assert_int_equal(rig.end, TG_RUN_SUCCESS);
  assert_int_equal(rig.store.attempt_count, TG_LOST_ATTEMPTS_MAX);
  assert_int_equal(rig.store.attempts[0].state, TG_ATTEMPT_LOST);
  rig_close(&rig);
}

static void a_task_that_loses_every_worker_fails(void **state) {
  (void)state;
  rig_start(&rig, rig_plan(NULL, "a retry=9", NULL), 100);
  for (int i = 0; i < TG_LOST_ATTEMPTS_MAX; i++) rig_fail(&rig, "a", TG_ELOST), rig_settle(&rig);
  assert_int_equal(rig.end, TG_RUN_FAILED);
  assert_int_equal(rig.end_code, TG_ELOST);
  assert_int_equal(rig.store.attempts[4].state, TG_ATTEMPT_FAILED);
  rig_close(&rig);
}

static void only_losses_in_a_row_count_against_a_task(void **state) {
  (void)state;
  rig_start(&rig, rig_plan(NULL, "a retry=4", NULL), 100);
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < 3; i++) rig_fail(&rig, "a", TG_ELOST), rig_settle(&rig);
    rig_fail(&rig, "a", TG_EIO);
    rig_settle(&rig);
    rig_pass(&rig, 1000);
  }
  rig_success(&rig, "a");
  rig_settle(&rig);
  assert_int_equal(rig.end, TG_RUN_SUCCESS);
  rig_close(&rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_retry_waits_its_backoff),
      cmocka_unit_test(only_the_classes_of_the_policy_are_tried_again),
      cmocka_unit_test(what_the_remote_asks_for_is_waited_and_never_overflows),
      cmocka_unit_test(no_retry_begins_after_the_total_time),
      cmocka_unit_test(a_lost_attempt_is_tried_again_at_once_and_does_not_count),
      cmocka_unit_test(a_task_that_loses_every_worker_fails),
      cmocka_unit_test(only_losses_in_a_row_count_against_a_task),
  };
  return cmocka_run_group_tests_name("host/engine/tries", tests, NULL, NULL);
}
