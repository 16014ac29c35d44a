// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "base/limits.h"
#include "engine/context.h"
#include "host/engine/rig.h"

static struct rig rig;

static void failed(const char *task, int code) {
  rig_fail(&rig, task, code);
  rig_settle(&rig);
  rig_pass(&rig, 0);
}

static void crash(void) {
  static struct rig next;
  rig_init(&next, rig.plan, 10);
  next.now = rig.now;
  rig_resume(&next, &rig.store);
  rig_deinit(&rig);
  rig = next;
  rig_settle(&rig);
  rig_pass(&rig, 0);
}

// Says whether an attempt of a unit that starts now would be the fallback.
static bool is_fallback(uint32_t unit) {
  struct tg_buf out;
  tg_buf_init(&out, 1 << 20);
  tg_context_write(tg_engine_find_run(rig.engine, 1), unit, 1, 0, 0, &out);
  bool is_one = strstr(tg_buf_text(&out), "\"phase\":\"fallback\"") != NULL;
  if (is_one) assert_non_null(strstr(tg_buf_text(&out), "\"message\":\"it went wrong\""));
  tg_buf_deinit(&out);
  return is_one;
}

static void it_comes_after_the_last_try_only(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a retry=2 fallback=1", "b after=a", NULL), 10);
  assert_false(is_fallback(0));
  failed("a", TG_EIO);
  rig_pass(&rig, 1000);
  assert_false(is_fallback(0));
  failed("a", TG_EIO);
  assert_true(is_fallback(0));
  assert_int_equal(rig_attempt_of(&rig, "a")->number, 3);
  rig_success_of(&rig, "a", "\"old\"", NULL);
  rig_settle(&rig);
  assert_int_equal(rig.store.tasks[0].state, TG_TASK_SUCCESS);
  assert_string_equal(rig.store.tasks[0].output, "\"old\"");
  assert_true(rig_runs(&rig, "b"));
  rig_close(&rig);
}

static void it_comes_at_once_after_a_failure_that_is_not_tried_again(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a retry=5 fallback=1", NULL), 10);
  failed("a", TG_EINVALID);
  assert_true(is_fallback(0));
  rig_close(&rig);
}

static void its_own_failure_fails_the_task(void **state) {
  (void)state;
  static const int codes[] = {TG_EIO, TG_EINVALID};
  for (size_t i = 0; i < 2; i++) {
    rig_begin(&rig, rig_plan(NULL, "a retry=2 fallback=1", NULL), 10);
    failed("a", TG_EINVALID);
    failed("a", codes[i]);
    assert_int_equal(rig.attempt_count, 2);
    assert_int_equal(rig.end, TG_RUN_FAILED);
    assert_int_equal(rig.end_code, codes[i]);
    rig_close(&rig);
  }
}

static void it_does_not_come_when_the_run_is_cancelled(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a fallback=1", "b retry=2 fallback=1", NULL), 10);
  rig_fail(&rig, "b", TG_EINVALID); // its failure is decided, and the fallback would be next
  rig_cancel(&rig, TG_ECANCELLED);
  failed("a", TG_ECANCELLED);
  rig_pass(&rig, 10000);
  rig_settle(&rig);
  assert_int_equal(rig.attempt_count, 2);
  assert_int_equal(rig.end, TG_RUN_CANCELLED);
  rig_close(&rig);
}

static void it_is_next_after_a_crash_too(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a fallback=1", NULL), 10);
  rig_fail(&rig, "a", TG_EINVALID);
  rig_settle(&rig);
  crash();
  assert_true(is_fallback(0));
  assert_int_equal(rig_attempt_of(&rig, "a")->number, 2);
  rig_pass(&rig, 100);
  rig_settle(&rig); // it is recorded as running
  crash();
  assert_true(is_fallback(0)); // and one that was lost is repeated as what it was
  assert_int_equal(rig_attempt_of(&rig, "a")->number, 3);
  rig_success(&rig, "a");
  rig_settle(&rig);
  assert_int_equal(rig.end, TG_RUN_SUCCESS);
  rig_close(&rig);
}

static void it_has_losses_of_its_own(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a fallback=1", NULL), 10);
  for (int i = 0; i < TG_LOST_ATTEMPTS_MAX; i++) failed("a", TG_ELOST);
  assert_true(is_fallback(0));
  failed("a", TG_ELOST);
  assert_true(is_fallback(0));
  rig_success(&rig, "a");
  rig_settle(&rig);
  assert_int_equal(rig.end, TG_RUN_SUCCESS);
  rig_close(&rig);
}

static void an_item_has_it_for_itself(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "m map=1 fallback=1", NULL), 10);
  rig_success_of(&rig, "m", "{\"items\":[0,1]}", NULL);
  rig_settle(&rig);
  rig_success_of(&rig, "m[0]", "0", NULL);
  failed("m[1]", TG_EINVALID);
  assert_true(is_fallback(2));
  rig_success_of(&rig, "m[1]", "\"instead\"", NULL);
  rig_settle(&rig);
  assert_string_equal(rig.store.tasks[0].output, "[0,\"instead\"]");
  rig_close(&rig);
}

static void that_of_a_map_without_items_gives_its_output(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "m map=1 fallback=1", NULL), 10);
  failed("m", TG_EINVALID);
  rig_success_of(&rig, "m", "[1]", NULL);
  rig_settle(&rig);
  assert_string_equal(rig.store.tasks[0].output, "[1]");
  assert_int_equal(rig.end, TG_RUN_SUCCESS);
  rig_close(&rig);
}

static void a_task_beside_one_that_is_to_blame_loses_nothing(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a", NULL), 10);
  for (int i = 0; i < 3 * TG_LOST_ATTEMPTS_MAX; i++) {
    struct tg_outcome outcome = {.is_bystander = true};
    tg_error_set(&outcome.err, TG_ELOST, "its worker died");
    rig_end(&rig, "a", &outcome);
    rig_settle(&rig);
  }
  rig_success(&rig, "a");
  rig_settle(&rig);
  assert_int_equal(rig.end, TG_RUN_SUCCESS);
  rig_close(&rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(it_comes_after_the_last_try_only),
      cmocka_unit_test(it_comes_at_once_after_a_failure_that_is_not_tried_again),
      cmocka_unit_test(its_own_failure_fails_the_task),
      cmocka_unit_test(it_does_not_come_when_the_run_is_cancelled),
      cmocka_unit_test(it_is_next_after_a_crash_too),
      cmocka_unit_test(it_has_losses_of_its_own),
      cmocka_unit_test(an_item_has_it_for_itself),
      cmocka_unit_test(that_of_a_map_without_items_gives_its_output),
      cmocka_unit_test(a_task_beside_one_that_is_to_blame_loses_nothing),
  };
  return cmocka_run_group_tests_name("host/engine/fallback", tests, NULL, NULL);
}
