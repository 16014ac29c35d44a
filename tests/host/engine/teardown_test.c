// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "host/engine/rig.h"

static struct rig rig;

static struct tg_plan *cluster_plan(void) {
  return rig_plan(NULL, "up setup=1", "work after=up",
                  "down after=up,work teardown=1 when=all_done retry=2", "after after=work", NULL);
}

// Opens a rig whose run is durable, and forgets the words so far.
static enum tg_task_state state_of(const char *task) {
  return rig.store.tasks[tg_plan_find(rig.plan, task)].state;
}

static void crash(void) {
  static struct rig next;
  rig_init(&next, rig.plan, 10);
  next.now = rig.now;
  rig_resume(&next, &rig.store);
  rig_deinit(&rig);
  rig = next;
  rig_settle(&rig);
}

static void it_runs_after_success(void **state) {
  (void)state;
  rig_begin(&rig, cluster_plan(), 10);
  rig_done(&rig, "up");
  assert_false(rig_runs(&rig, "down"));
  rig_done(&rig, "work");
  rig_done(&rig, "after");
  rig_done(&rig, "down");
  assert_int_equal(rig.end, TG_RUN_SUCCESS);
  rig_close(&rig);
}

static void it_runs_after_a_failure_and_does_not_hide_it(void **state) {
  (void)state;
  rig_begin(&rig, cluster_plan(), 10);
  rig_done(&rig, "up");
  rig_failed(&rig, "work", TG_ECONTRACT);
  assert_int_equal(state_of("after"), TG_TASK_UPSTREAM_FAILED);
  rig_done(&rig, "down");
  assert_int_equal(rig.end, TG_RUN_FAILED);
  assert_int_equal(rig.end_code, TG_ECONTRACT);
  rig_close(&rig);
}

static void its_own_failure_fails_the_run(void **state) {
  (void)state;
  rig_begin(&rig, cluster_plan(), 10);
  rig_done(&rig, "up");
  rig_done(&rig, "work");
  rig_done(&rig, "after");
  rig_failed(&rig, "down", TG_EINVALID);
  assert_int_equal(rig.end, TG_RUN_FAILED);
  rig_close(&rig);
}

static void it_is_skipped_when_no_setup_has_succeeded(void **state) {
  (void)state;
  rig_begin(&rig, cluster_plan(), 10);
  rig_failed(&rig, "up", TG_EINVALID);
  assert_int_equal(state_of("down"), TG_TASK_SKIPPED);
  assert_int_equal(rig.end, TG_RUN_FAILED);
  rig_close(&rig);
}

static void one_setup_of_two_is_enough(void **state) {
  (void)state;
  rig_begin(&rig,
            rig_plan(NULL, "up setup=1", "up2 setup=1",
                     "down after=up,up2 teardown=1 when=all_done", NULL),
            10);
  rig_failed(&rig, "up", TG_EINVALID);
  assert_false(rig_runs(&rig, "down"));
  rig_done(&rig, "up2");
  assert_true(rig_runs(&rig, "down"));
  rig_close(&rig);
}

static void it_runs_without_any_setup(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "work", "down after=work teardown=1 when=all_done", NULL), 10);
  rig_failed(&rig, "work", TG_EINVALID);
  assert_true(rig_runs(&rig, "down"));
  rig_close(&rig);
}

static void it_runs_when_the_run_is_cancelled(void **state) {
  (void)state;
  rig_begin(&rig, cluster_plan(), 10);
  rig_done(&rig, "up");
  rig_cancel(&rig, TG_ECANCELLED);
  rig_settle(&rig);
  assert_false(rig_runs(&rig, "down")); // what it tears down is still in use
  rig_failed(&rig, "work", TG_ECANCELLED);
  assert_true(rig_runs(&rig, "down"));
  rig_failed(&rig, "down", TG_EIO); // and it is tried again
  rig_pass(&rig, 1000);
  rig_done(&rig, "down");
  assert_int_equal(state_of("down"), TG_TASK_SUCCESS);
  assert_int_equal(state_of("after"), TG_TASK_CANCELLED);
  assert_int_equal(rig.end, TG_RUN_CANCELLED);
  rig_close(&rig);
}

static void one_that_runs_is_not_cancelled(void **state) {
  (void)state;
  rig_begin(&rig, cluster_plan(), 10);
  rig_done(&rig, "up");
  rig_failed(&rig, "work", TG_EINVALID);
  tg_buf_clear(&rig.trace);
  rig_cancel(&rig, TG_ECANCELLED);
  rig_settle(&rig);
  rig_expect(&rig, "commit"); // that it is being cancelled
  rig_done(&rig, "down");
  assert_int_equal(rig.end, TG_RUN_CANCELLED);
  rig_close(&rig);
}

static void nothing_is_torn_down_that_was_not_begun(void **state) {
  (void)state;
  rig_init(&rig,
           rig_plan(NULL, "first", "up setup=1 after=first",
                    "down after=up teardown=1 when=all_done", NULL),
           10);
  rig_run(&rig);
  rig_commit(&rig);
  rig_cancel(&rig, TG_ECANCELLED);
  rig_failed(&rig, "first", TG_ECANCELLED);
  rig_settle(&rig);
  assert_int_equal(rig.attempt_count, 1);
  assert_int_equal(state_of("down"), TG_TASK_CANCELLED);
  assert_int_equal(rig.end, TG_RUN_CANCELLED);
  rig_close(&rig);
}

static void it_runs_when_the_time_of_the_run_is_over(void **state) {
  (void)state;
  rig_begin(&rig,
            rig_plan("\"timeout_ms\":5000", "up setup=1", "work after=up",
                     "down after=up,work teardown=1 when=all_done", NULL),
            10);
  rig_done(&rig, "up");
  rig_pass(&rig, 5000);
  rig_failed(&rig, "work", TG_ECANCELLED);
  rig_done(&rig, "down");
  assert_int_equal(rig.end, TG_RUN_FAILED);
  assert_int_equal(rig.end_code, TG_ETIMEOUT);
  rig_close(&rig);
}

static void it_runs_although_the_host_crashed_in_a_cancel(void **state) {
  (void)state;
  rig_begin(&rig, cluster_plan(), 10);
  rig_done(&rig, "up");
  rig_cancel(&rig, TG_ECANCELLED);
  rig_settle(&rig);
  rig_failed(&rig, "work", TG_ECANCELLED);
  crash();
  rig_done(&rig, "down");
  assert_int_equal(rig.end, TG_RUN_CANCELLED);
  rig_close(&rig);
}

static void one_that_the_host_left_in_its_middle_runs_again(void **state) {
  (void)state;
  rig_begin(&rig, cluster_plan(), 10);
  rig_done(&rig, "up");
  rig_failed(&rig, "work", TG_EINVALID);
  rig_pass(&rig, 100);
  rig_settle(&rig);
  crash();
  assert_int_equal(rig_attempt_of(&rig, "down")->number, 2);
  rig_done(&rig, "down");
  assert_int_equal(rig.end, TG_RUN_FAILED);
  rig_close(&rig);
}

static void a_setup_that_was_carried_over_is_torn_down_when_cancelled(void **state) {
  (void)state;
  rig_init(&rig, cluster_plan(), 10);
  const struct tg_task carried = {.index = 0, .name = "up", .state = TG_TASK_SUCCESS};
  rig_run_carrying(&rig, &carried, 1);
  rig_settle(&rig);
  rig_cancel(&rig, TG_ECANCELLED);
  rig_failed(&rig, "work", TG_ECANCELLED);
  assert_true(rig_runs(&rig, "down"));
  rig_close(&rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(it_runs_after_success),
      cmocka_unit_test(it_runs_after_a_failure_and_does_not_hide_it),
      cmocka_unit_test(its_own_failure_fails_the_run),
      cmocka_unit_test(it_is_skipped_when_no_setup_has_succeeded),
      cmocka_unit_test(one_setup_of_two_is_enough),
      cmocka_unit_test(it_runs_without_any_setup),
      cmocka_unit_test(it_runs_when_the_run_is_cancelled),
      cmocka_unit_test(one_that_runs_is_not_cancelled),
      cmocka_unit_test(nothing_is_torn_down_that_was_not_begun),
      cmocka_unit_test(it_runs_when_the_time_of_the_run_is_over),
      cmocka_unit_test(it_runs_although_the_host_crashed_in_a_cancel),
      cmocka_unit_test(one_that_the_host_left_in_its_middle_runs_again),
      cmocka_unit_test(a_setup_that_was_carried_over_is_torn_down_when_cancelled),
  };
  return cmocka_run_group_tests_name("host/engine/teardown", tests, NULL, NULL);
}
