// SPDX-License-Identifier: Apache-2.0
// Deadlines are inherited downwards: a run's, that of a task's tries, that of an attempt.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "host/engine/rig.h"

static struct rig rig;

static void run_plan(struct tg_plan *plan, int64_t inherited_ms) {
  rig_init(&rig, plan, 10);
  if (inherited_ms) rig.deadline_at = rig.now.wall_ms + inherited_ms;
  rig_run(&rig);
  rig_commit(&rig);
}

static void failed(const char *task) {
  rig_fail(&rig, task, TG_EREMOTE);
  rig_settle(&rig);
}

// What an attempt has left when it starts; 0 when nothing ends it.
static int64_t left_of(const char *task) {
  int64_t deadline = rig_attempt_of(&rig, task)->deadline_ms;
  return deadline ? deadline - rig.now.mono_ms : 0;
}

static void an_attempt_ends_with_the_earliest_of_all(void **state) {
  (void)state;
  run_plan(rig_plan("\"timeout_ms\":60000", "a timeout=10000", "b timeout=90000", "c",
                    "d retry=3 total=20000", "e retry=3 total=20000 timeout=5000", NULL),
           0);
  assert_int_equal(left_of("a"), 10000);
  assert_int_equal(rig_attempt_of(&rig, "a")->deadline_at, rig.now.wall_ms + 10000);
  assert_int_equal(left_of("b"), 60000);
  assert_int_equal(left_of("c"), 60000);
  assert_int_equal(left_of("d"), 20000);
  assert_int_equal(left_of("e"), 5000);
  rig_close(&rig);
}

static void without_any_there_is_none(void **state) {
  (void)state;
  run_plan(rig_plan(NULL, "a", NULL), 0);
  assert_int_equal(left_of("a"), 0);
  rig_close(&rig);
}

static void a_run_has_what_its_parent_has_left(void **state) {
  (void)state;
  run_plan(rig_plan("\"timeout_ms\":60000", "a", NULL), 7000);
  assert_int_equal(left_of("a"), 7000);
  assert_int_equal(rig_attempt_of(&rig, "a")->deadline_at, rig.deadline_at); // to the millisecond
  rig_pass(&rig, 7000);
  rig_fail(&rig, "a", TG_ECANCELLED);
  rig_settle(&rig);
  assert_true(rig.has_ended);
  assert_int_equal(rig.end_code, TG_ETIMEOUT);
  rig_close(&rig);
}

static void a_host_that_resumes_it_keeps_to_it(void **state) {
  (void)state;
  run_plan(rig_plan("\"timeout_ms\":60000", "a timeout=50000", NULL), 30000);
  rig_pass(&rig, 10000);
  rig_settle(&rig);
  static struct rig next;
  rig_init(&next, rig.plan, 10);
  next.now = (struct tg_now){.wall_ms = rig.now.wall_ms, .mono_ms = 3};
  rig_resume(&next, &rig.store);
  rig_deinit(&rig);
  rig = next;
  rig_settle(&rig);
  assert_int_equal(left_of("a"), 20000);
  rig_close(&rig);
}

static void a_try_ends_with_the_time_of_all_tries(void **state) {
  (void)state;
  run_plan(rig_plan(NULL, "a retry=9 total=5000", NULL), 0);
  failed("a");
  rig_pass(&rig, 1000);
  assert_int_equal(left_of("a"), 4000);
  tg_buf_clear(&rig.trace);
  rig_pass(&rig, 4000);
  rig_expect(&rig, "cancel:a=timeout commit");
  rig_fail(&rig, "a", TG_ETIMEOUT);
  rig_settle(&rig);
  assert_int_equal(rig.store.tasks[0].state, TG_TASK_FAILED);
  assert_int_equal(rig.store.tasks[0].attempts, 2);
  rig_close(&rig);
}

static void a_last_resort_is_none_of_the_tries(void **state) {
  (void)state;
  run_plan(rig_plan(NULL, "a retry=2 total=5000 timeout=9000 fallback=1", NULL), 0);
  failed("a");
  rig_pass(&rig, 1000);
  failed("a");
  rig_pass(&rig, 0);
  assert_int_equal(left_of("a"), 9000);
  rig_close(&rig);
}

static void a_retry_after_the_end_of_its_run_is_not_granted(void **state) {
  (void)state;
  run_plan(rig_plan("\"timeout_ms\":1500", "a retry=9",
                    "b teardown=1 after=a when=all_done retry=9", NULL),
           0);
  failed("a"); // at 1000 it can
  rig_pass(&rig, 1000);
  failed("a"); // at 2000 it cannot
  assert_int_equal(rig.store.tasks[0].state, TG_TASK_FAILED);
  assert_int_equal(rig.store.tasks[0].failure.code, TG_EREMOTE);
  assert_non_null(strstr(rig.store.tasks[0].failure.text, "before the run's time limit"));
  assert_int_equal(left_of("b"), 0); // a teardown is not bound by it
  failed("b");
  rig_pass(&rig, 1000);
  assert_true(rig_runs(&rig, "b"));
  rig_close(&rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_attempt_ends_with_the_earliest_of_all),
      cmocka_unit_test(without_any_there_is_none),
      cmocka_unit_test(a_run_has_what_its_parent_has_left),
      cmocka_unit_test(a_host_that_resumes_it_keeps_to_it),
      cmocka_unit_test(a_try_ends_with_the_time_of_all_tries),
      cmocka_unit_test(a_last_resort_is_none_of_the_tries),
      cmocka_unit_test(a_retry_after_the_end_of_its_run_is_not_granted),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
