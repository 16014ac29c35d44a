// SPDX-License-Identifier: Apache-2.0
// A task that stands in for another one which has failed for good.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "engine/context.h"
#include "host/engine/rig.h"

static struct rig rig;

static void failed(const char *task) {
  rig_fail(&rig, task, TG_EIO);
  rig_settle(&rig);
  rig_pass(&rig, 1000);
}

static enum tg_task_state state_of(uint32_t task) {
  return rig.store.has_task[task] ? rig.store.tasks[task].state : TG_TASK_WAITING;
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

static void it_is_skipped_when_it_is_not_needed(void **state) {
  (void)state;
  rig_start(&rig, rig_plan(NULL, "a spare=s", "s", "b after=a", NULL), 10);
  assert_true(rig_runs(&rig, "a"));
  assert_false(rig_runs(&rig, "s"));
  rig_done(&rig, "a");
  assert_int_equal(state_of(1), TG_TASK_SKIPPED);
  rig_done(&rig, "b");
  assert_int_equal(rig.end, TG_RUN_SUCCESS);
  rig_close(&rig);
}

static void it_stands_in_after_the_last_try_only(void **state) {
  (void)state;
  rig_start(&rig, rig_plan(NULL, "a retry=2 spare=s", "s retry=2", "b after=a", NULL), 10);
  failed("a");
  assert_true(rig_runs(&rig, "a"));
  assert_false(rig_runs(&rig, "s"));
  failed("a");
  assert_int_equal(state_of(0), TG_TASK_WAITING); // it has not ended, and b does not start
  assert_true(rig_runs(&rig, "s"));
  struct tg_buf out;
  tg_buf_init(&out, 1 << 20);
  tg_context_write(tg_engine_find_run(rig.engine, 1), 1, 1, 0, 0, &out);
  assert_non_null(strstr(tg_buf_text(&out), "\"error\":{\"code\":\"io\""));
  assert_null(strstr(tg_buf_text(&out), "\"phase\""));
  tg_buf_deinit(&out);
  failed("s"); // it has tries of its own
  assert_true(rig_runs(&rig, "s"));
  rig_success_of(&rig, "s", "42", NULL);
  rig_settle(&rig);
  assert_int_equal(state_of(0), TG_TASK_SUCCESS);
  assert_string_equal(rig.store.tasks[0].output, "42");
  assert_int_equal(rig.store.tasks[0].attempts, 2);
  rig_done(&rig, "b");
  assert_int_equal(rig.end, TG_RUN_SUCCESS);
  rig_close(&rig);
}

static void a_task_whose_fallback_fails_has_failed(void **state) {
  (void)state;
  rig_start(&rig, rig_plan(NULL, "a spare=s", "s", "b after=a", NULL), 10);
  failed("a");
  rig_fail(&rig, "s", TG_EDENIED);
  rig_settle(&rig);
  assert_int_equal(state_of(0), TG_TASK_FAILED);
  assert_int_equal(rig.store.tasks[0].failure.code, TG_EIO); // its own failure
  assert_int_equal(state_of(1), TG_TASK_FAILED);
  assert_int_equal(state_of(2), TG_TASK_UPSTREAM_FAILED);
  assert_int_equal(rig.end, TG_RUN_FAILED);
  rig_close(&rig);
}

static void it_keeps_to_its_own_rule(void **state) {
  (void)state;
  rig_start(&rig, rig_plan(NULL, "x", "a spare=s", "s after=x", NULL), 10);
  failed("a");
  assert_false(rig_runs(&rig, "s"));
  rig_done(&rig, "x");
  assert_true(rig_runs(&rig, "s"));
  rig_done(&rig, "s");
  assert_int_equal(state_of(1), TG_TASK_SUCCESS);
  rig_close(&rig);
  rig_start(&rig, rig_plan(NULL, "x", "a spare=s", "s after=x", NULL), 10);
  failed("a");
  failed("x"); // it cannot run: nothing stands in
  assert_int_equal(state_of(2), TG_TASK_UPSTREAM_FAILED);
  assert_int_equal(state_of(1), TG_TASK_FAILED);
  assert_true(rig.has_ended);
  rig_close(&rig);
}

static void it_is_skipped_with_a_task_that_is(void **state) {
  (void)state;
  rig_start(&rig, rig_plan(NULL, "x", "a after=x spare=s", "s after=x", NULL), 10);
  failed("x");
  assert_int_equal(state_of(1), TG_TASK_UPSTREAM_FAILED);
  assert_int_equal(state_of(2), TG_TASK_SKIPPED);
  rig_close(&rig);
}

static void a_crash_at_any_commit_changes_nothing(void **state) {
  (void)state;
  for (int at = 0; at < 4; at++) {
    rig_start(&rig, rig_plan(NULL, "a spare=s", "s", "b after=a", NULL), 10);
    rig_fail(&rig, "a", TG_EIO);
    rig_commit(&rig);
    if (at == 0) crash();
    assert_true(rig_runs(&rig, "s"));
    rig_success_of(&rig, "s", "7", NULL);
    if (at == 1) { // before its end is durable: it runs again
      crash();
      rig_success_of(&rig, "s", "7", NULL);
    }
    rig_commit(&rig);
    if (at == 2) crash(); // its end is durable, that of the task it stands in for is not
    rig_settle(&rig);
    assert_int_equal(state_of(0), TG_TASK_SUCCESS);
    assert_string_equal(rig.store.tasks[0].output, "7");
    if (at == 3) crash();
    assert_false(rig_runs(&rig, "s") || rig_runs(&rig, "a"));
    rig_done(&rig, "b");
    assert_int_equal(rig.end, TG_RUN_SUCCESS);
    rig_close(&rig);
  }
}

static void a_cancelled_run_ends_both(void **state) {
  (void)state;
  rig_start(&rig, rig_plan(NULL, "a spare=s", "s", NULL), 10);
  failed("a");
  rig_cancel(&rig, TG_ECANCELLED);
  rig_fail(&rig, "s", TG_ECANCELLED);
  rig_settle(&rig);
  assert_int_equal(state_of(0), TG_TASK_CANCELLED);
  assert_int_equal(state_of(1), TG_TASK_CANCELLED);
  assert_int_equal(rig.end, TG_RUN_CANCELLED);
  rig_close(&rig);
}

static void it_is_skipped_when_the_task_alone_is_cancelled(void **state) {
  (void)state;
  for (int crashes = 0; crashes < 2; crashes++) {
    rig_start(&rig, rig_plan(NULL, "a spare=s", "s", "b after=a when=all_done", NULL), 10);
    rig_cut(&rig, 0, TG_NO_ITEM);
    rig_commit(&rig);
    rig_fail(&rig, "a", TG_ECANCELLED);
    rig_commit(&rig);
    if (crashes) crash(); // its end is durable, what follows from it is not
    rig_settle(&rig);
    assert_int_equal(state_of(0), TG_TASK_CANCELLED);
    assert_int_equal(state_of(1), TG_TASK_SKIPPED);
    rig_done(&rig, "b");
    assert_int_equal(rig.end, TG_RUN_FAILED);
    rig_close(&rig);
  }
}

static void it_goes_on_when_the_task_is_cancelled_after_it_has_failed(void **state) {
  (void)state;
  for (int crashes = 0; crashes < 2; crashes++) {
    rig_start(&rig, rig_plan(NULL, "a spare=s", "s", NULL), 10);
    failed("a");
    rig_settle(&rig);
    rig_cut(&rig, 0, TG_NO_ITEM);
    rig_commit(&rig);
    if (crashes) crash();
    rig_settle(&rig);
    rig_done(&rig, "s");
    assert_int_equal(state_of(0), TG_TASK_CANCELLED);
    assert_int_equal(state_of(1), TG_TASK_SUCCESS);
    assert_int_equal(rig.end, TG_RUN_FAILED);
    rig_close(&rig);
  }
}

static void it_stands_in_for_who_was_cut_off_by_a_budget(void **state) {
  (void)state;
  rig_start(&rig, rig_plan("\"retries\":1", "a retry=9 spare=s", "s", NULL), 10);
  failed("a");
  failed("a");
  assert_true(rig_runs(&rig, "s"));
  rig_close(&rig);
}

static void what_cannot_stand_in_is_refused(void **state) {
  (void)state;
  static const char *const plans[] = {
      "{\"name\":\"a\",\"fallback\":0},{\"name\":\"b\"}",
      "{\"name\":\"a\",\"fallback\":2},{\"name\":\"b\"}",
      "{\"name\":\"a\",\"fallback\":-1},{\"name\":\"b\"}",
      "{\"name\":\"a\",\"fallback\":1},{\"name\":\"b\",\"fallback\":2},{\"name\":\"c\"}",
      "{\"name\":\"a\",\"fallback\":2},{\"name\":\"b\",\"fallback\":2},{\"name\":\"c\"}",
      "{\"name\":\"a\",\"fallback\":1},{\"name\":\"b\",\"map\":{}}",
      "{\"name\":\"a\",\"fallback\":1},{\"name\":\"b\",\"teardown\":true}",
      "{\"name\":\"a\",\"fallback\":1},{\"name\":\"b\",\"after\":[0]}",
      "{\"name\":\"a\",\"fallback\":1,\"after\":[1]},{\"name\":\"b\"}",
      "{\"name\":\"a\",\"fallback\":1},{\"name\":\"b\",\"after\":[2]},{\"name\":\"c\",\"after\":[0]"
      "}",
      // Each of two would wait for the other's end.
      "{\"name\":\"a\",\"fallback\":1},{\"name\":\"b\",\"after\":[2]},{\"name\":\"c\",\"fallback\":"
      "3},"
      "{\"name\":\"d\",\"after\":[0]}",
  };
  for (size_t i = 0; i < sizeof plans / sizeof *plans; i++) {
    char text[1024];
    struct tg_plan *plan = NULL;
    int len = snprintf(text, sizeof text, "{\"name\":\"p\",\"tasks\":[%s]}", plans[i]);
    if (tg_plan_parse(text, (size_t)len, &plan, NULL) != TG_EINVALID)
      fail_msg("a plan is taken: %s", plans[i]);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(it_is_skipped_when_it_is_not_needed),
      cmocka_unit_test(it_stands_in_after_the_last_try_only),
      cmocka_unit_test(a_task_whose_fallback_fails_has_failed),
      cmocka_unit_test(it_keeps_to_its_own_rule),
      cmocka_unit_test(it_is_skipped_with_a_task_that_is),
      cmocka_unit_test(a_crash_at_any_commit_changes_nothing),
      cmocka_unit_test(a_cancelled_run_ends_both),
      cmocka_unit_test(it_is_skipped_when_the_task_alone_is_cancelled),
      cmocka_unit_test(it_goes_on_when_the_task_is_cancelled_after_it_has_failed),
      cmocka_unit_test(it_stands_in_for_who_was_cut_off_by_a_budget),
      cmocka_unit_test(what_cannot_stand_in_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
