// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "host/engine/rig.h"

static struct rig rig;

static void cut(const char *task, uint32_t item) {
  rig_cut(&rig, tg_plan_find(rig.plan, task), item);
  rig_settle(&rig);
}

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

static void a_task_at_work_is_told_to_end_and_the_others_follow_their_rules(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a", "b after=a", "c after=a when=all_done", "d", NULL), 10);
  rig_cut(&rig, 0, TG_NO_ITEM);
  rig_expect(&rig, "cancel:a=cancelled commit");
  rig_settle(&rig);
  rig_fail(&rig, "a", TG_ECANCELLED);
  rig_settle(&rig);
  assert_int_equal(state_of("a"), TG_TASK_CANCELLED);
  assert_int_equal(state_of("b"), TG_TASK_UPSTREAM_FAILED);
  rig_done(&rig, "c");
  rig_done(&rig, "d");
  assert_int_equal(rig.end, TG_RUN_FAILED);
  assert_int_equal(rig.end_code, TG_ECANCELLED);
  rig_close(&rig);
}

static void what_has_not_begun_ends_at_once(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan("\"tasks\":1", "a priority=9", "b after=a", "ready", NULL), 10);
  cut("b", TG_NO_ITEM);
  cut("ready", TG_NO_ITEM);
  assert_int_equal(state_of("b"), TG_TASK_CANCELLED);
  assert_int_equal(state_of("ready"), TG_TASK_CANCELLED);
  rig_done(&rig, "a");
  assert_int_equal(rig.attempt_count, 1);
  assert_int_equal(rig.end, TG_RUN_FAILED);
  rig_close(&rig);
}

static void a_retry_and_a_sleep_are_not_waited_for(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a retry=2", "b", NULL), 10);
  rig_fail(&rig, "a", TG_EIO);
  rig_settle(&rig);
  rig_sleep(&rig, "b", "s", 100000);
  rig_settle(&rig);
  rig_fail(&rig, "b", TG_ECANCELLED);
  rig_settle(&rig);
  cut("a", TG_NO_ITEM);
  cut("b", TG_NO_ITEM);
  assert_int_equal(state_of("a"), TG_TASK_CANCELLED);
  assert_int_equal(state_of("b"), TG_TASK_CANCELLED);
  assert_true(rig.has_ended);
  while (rig_timer(&rig)) continue;
  assert_int_equal(rig.attempt_count, 2);
  rig_close(&rig);
}

static void one_whose_end_is_on_its_way_is_cancelled_before_its_retry(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a retry=2", NULL), 10);
  rig_fail(&rig, "a", TG_EIO);
  cut("a", TG_NO_ITEM);
  assert_int_equal(state_of("a"), TG_TASK_CANCELLED);
  rig_close(&rig);
}

static void an_item_counts_as_failed(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "m map=1 limit=2 fail_after=2", "n after=m", NULL), 10);
  rig_success_of(&rig, "m", "{\"items\":[0,1,2,3]}", NULL);
  rig_settle(&rig);
  cut("m", 0); // at work
  cut("m", 3); // not let in
  rig_fail(&rig, "m[0]", TG_ECANCELLED);
  rig_settle(&rig);
  assert_int_equal(rig_store_item(&rig.store, 0, 0)->state, TG_TASK_CANCELLED);
  assert_int_equal(rig_store_item(&rig.store, 0, 3)->state, TG_TASK_CANCELLED);
  rig_done(&rig, "m[1]");
  assert_int_equal(state_of("m"), TG_TASK_FAILED);
  assert_int_equal(state_of("n"), TG_TASK_UPSTREAM_FAILED);
  rig_close(&rig);
}

static void a_map_may_do_without_an_item(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "m map=1 fail_after=2", NULL), 10);
  rig_success_of(&rig, "m", "{\"items\":[0,1]}", NULL);
  rig_settle(&rig);
  cut("m", 0);
  rig_fail(&rig, "m[0]", TG_ECANCELLED);
  rig_settle(&rig);
  rig_done(&rig, "m[1]");
  assert_int_equal(state_of("m"), TG_TASK_SUCCESS);
  assert_int_equal(rig.end, TG_RUN_SUCCESS);
  rig_close(&rig);
}

static void a_map_is_cancelled_with_all_its_items(void **state) {
  (void)state;
  for (int crashes = 0; crashes < 2; crashes++) {
    rig_begin(&rig, rig_plan(NULL, "m map=1 limit=2", "n after=m when=all_done", NULL), 10);
    rig_success_of(&rig, "m", "{\"items\":[0,1,2,3]}", NULL);
    rig_settle(&rig);
    rig_done(&rig, "m[0]");
    cut("m", TG_NO_ITEM);
    assert_true(rig_runs(&rig, "m[1]"));
    assert_int_equal(rig_attempt_of(&rig, "m[1]")->cancel_code, TG_ECANCELLED);
    if (crashes) {
      crash();
    } else {
      rig_fail(&rig, "m[1]", TG_ECANCELLED);
      rig_fail(&rig, "m[2]", TG_ECANCELLED);
      rig_settle(&rig);
    }
    assert_int_equal(state_of("m"), TG_TASK_CANCELLED);
    rig_done(&rig, "n");
    assert_int_equal(rig.end, TG_RUN_FAILED);
    rig_close(&rig);
  }
}

static void it_is_durable_at_once(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a", "m map=1", "b after=a when=all_done", NULL), 10);
  rig_success_of(&rig, "m", "{\"items\":[0,1]}", NULL);
  rig_settle(&rig);
  cut("a", TG_NO_ITEM);
  cut("m", 1);
  crash(); // before either has ended
  assert_false(rig_runs(&rig, "a"));
  assert_false(rig_runs(&rig, "m[1]"));
  assert_int_equal(state_of("a"), TG_TASK_CANCELLED);
  assert_int_equal(rig_store_item(&rig.store, 1, 1)->state, TG_TASK_CANCELLED);
  rig_done(&rig, "m[0]");
  rig_done(&rig, "b");
  assert_int_equal(state_of("m"), TG_TASK_FAILED);
  rig_close(&rig);
}

// What a host takes for lost is durable before what follows from it.
static void it_is_durable_for_the_host_after_the_next_one(void **state) {
  (void)state;
  static struct rig next;
  rig_begin(&rig, rig_plan(NULL, "m map=1 fail_after=2", NULL), 10);
  rig_success_of(&rig, "m", "{\"items\":[0]}", NULL);
  rig_settle(&rig);
  cut("m", 0);
  rig_init(&next, rig.plan, 10);
  next.now = rig.now;
  rig_resume(&next, &rig.store);
  rig_deinit(&rig);
  rig = next;
  rig_commit(&rig);
  crash();
  assert_false(rig_runs(&rig, "m[0]"));
  assert_int_equal(rig_store_item(&rig.store, 0, 0)->state, TG_TASK_CANCELLED);
  assert_int_equal(rig.end, TG_RUN_SUCCESS);
  rig_close(&rig);
}

static void a_map_whose_end_is_on_its_way_stays_so(void **state) {
  (void)state;
  for (int of_item = 0; of_item < 2; of_item++) {
    rig_begin(&rig, rig_plan(NULL, "m map=1 limit=1 fail_after=1", "n after=m when=all_done", NULL),
              10);
    rig_success_of(&rig, "m", "{\"items\":[0,1]}", NULL);
    rig_settle(&rig);
    rig_fail(&rig, "m[0]", TG_EIO);
    rig_commit(&rig); // the map is over: its end is decided
    cut("m", of_item ? 1 : TG_NO_ITEM);
    assert_int_equal(state_of("m"), TG_TASK_FAILED);
    assert_null(rig_store_item(&rig.store, 0, 1));
    rig_done(&rig, "n");
    assert_true(rig.has_ended);
    rig_close(&rig);
  }
}

static void a_map_waits_until_the_end_of_an_item_is_durable(void **state) {
  (void)state;
  rig_begin(&rig,
            rig_plan(NULL, "a map=1 limit=1 fail_after=1",
                     "b map=1 over=a depth=1 after=a when=all_done", NULL),
            10);
  rig_success_of(&rig, "a", "{\"items\":[0,1]}", NULL);
  rig_settle(&rig);
  rig_fail(&rig, "a[0]", TG_EIO);
  rig_commit(&rig); // the end of a is decided, with which b is over
  rig_cut(&rig, 1, 1);
  rig_settle(&rig);
  assert_int_equal(rig_store_item(&rig.store, 1, 1)->state, TG_TASK_CANCELLED);
  assert_int_equal(state_of("b"), TG_TASK_FAILED);
  rig_close(&rig);
}

static void an_item_that_is_skipped_meanwhile_is_cancelled(void **state) {
  (void)state;
  for (int crashes = 0; crashes < 2; crashes++) {
    rig_begin(&rig, rig_plan(NULL, "a map=1 fail_after=2", "b map=1 over=a depth=1 after=a", NULL),
              10);
    rig_success_of(&rig, "a", "{\"items\":[0,1]}", NULL);
    rig_settle(&rig);
    rig_fail(&rig, "a[0]", TG_EIO); // its record goes before that of the cancelled item
    rig_cut(&rig, 1, 0);
    rig_settle(&rig);
    assert_int_equal(rig_store_item(&rig.store, 1, 0)->state, TG_TASK_CANCELLED);
    if (crashes) crash();
    rig_done(&rig, "a[1]");
    rig_done(&rig, "b[1]");
    assert_int_equal(state_of("b"), TG_TASK_FAILED); // without an item that was cancelled
    rig_close(&rig);
  }
}

static void what_has_ended_stays_so(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a", "b after=a", NULL), 10);
  rig_done(&rig, "a");
  cut("a", TG_NO_ITEM);
  rig_cut(&rig, 7, TG_NO_ITEM);
  rig_cut(&rig, 0, 3);
  rig_done(&rig, "b");
  assert_int_equal(rig.end, TG_RUN_SUCCESS);
  rig_close(&rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_task_at_work_is_told_to_end_and_the_others_follow_their_rules),
      cmocka_unit_test(what_has_not_begun_ends_at_once),
      cmocka_unit_test(a_retry_and_a_sleep_are_not_waited_for),
      cmocka_unit_test(one_whose_end_is_on_its_way_is_cancelled_before_its_retry),
      cmocka_unit_test(an_item_counts_as_failed),
      cmocka_unit_test(a_map_may_do_without_an_item),
      cmocka_unit_test(a_map_is_cancelled_with_all_its_items),
      cmocka_unit_test(it_is_durable_at_once),
      cmocka_unit_test(it_is_durable_for_the_host_after_the_next_one),
      cmocka_unit_test(a_map_whose_end_is_on_its_way_stays_so),
      cmocka_unit_test(a_map_waits_until_the_end_of_an_item_is_durable),
      cmocka_unit_test(an_item_that_is_skipped_meanwhile_is_cancelled),
      cmocka_unit_test(what_has_ended_stays_so),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
