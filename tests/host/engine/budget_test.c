// SPDX-License-Identifier: Apache-2.0
// The budgets of retries: of a run, and of a resource for the whole host.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "host/engine/rig.h"

static struct rig rig;

static void run_plan(struct tg_plan *plan, const struct tg_budget_policy *budget) {
  struct tg_resource_rules rules;
  tg_resource_rules_init(&rules);
  rules.name = "db";
  rules.has_breaker = false;
  if (budget) rules.budget = *budget;
  rig_init(&rig, plan, 10);
  rig_rule(&rig, &rules);
  rig_run(&rig);
  rig_commit(&rig);
}

static void failed(const char *task) {
  rig_fail(&rig, task, TG_EREMOTE);
  rig_settle(&rig);
  rig_pass(&rig, 1000);
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

static void a_run_has_so_many_retries_and_no_more(void **state) {
  (void)state;
  run_plan(rig_plan("\"retries\":3", "a retry=9", "b retry=9", NULL), NULL);
  failed("a");
  failed("b");
  failed("a");
  failed("b"); // the fourth
  assert_false(rig_runs(&rig, "b"));
  assert_int_equal(rig.store.tasks[1].state, TG_TASK_FAILED);
  assert_string_equal(rig.store.tasks[1].failure.text,
                      "it went wrong; not tried again: the run's budget of 3 retries is used up");
  assert_int_equal(rig.store.tasks[1].failure.code, TG_EREMOTE);
  assert_true(rig_runs(&rig, "a"));
  rig_close(&rig);
}

static void retries_that_are_not_durable_yet_count(void **state) {
  (void)state;
  run_plan(rig_plan("\"retries\":1", "a retry=9", "b retry=9", NULL), NULL);
  rig_fail(&rig, "a", TG_EREMOTE);
  rig_fail(&rig, "b", TG_EREMOTE);
  rig_settle(&rig);
  rig_pass(&rig, 1000);
  assert_true(rig_runs(&rig, "a"));
  assert_int_equal(rig.store.tasks[1].state, TG_TASK_FAILED);
  rig_close(&rig);
}

static void items_share_the_budget_of_their_run(void **state) {
  (void)state;
  run_plan(rig_plan("\"retries\":2", "m map=1 retry=9 fail_after=9", NULL), NULL);
  rig_success_of(&rig, "m", "{\"items\":[1,2,3]}", NULL);
  rig_settle(&rig);
  failed("m[0]");
  failed("m[1]");
  failed("m[2]");
  assert_true(rig_runs(&rig, "m[0]") && rig_runs(&rig, "m[1]"));
  assert_int_equal(rig_store_item(&rig.store, 0, 2)->state, TG_TASK_FAILED);
  rig_close(&rig);
}

static void the_next_host_counts_what_was_granted(void **state) {
  (void)state;
  run_plan(rig_plan("\"retries\":3", "a retry=9", "b retry=3", "c retry=9", NULL), NULL);
  failed("a");
  failed("b");
  failed("a");
  rig_success(&rig, "b"); // what a task that is over was granted counts as well
  rig_settle(&rig);
  crash();
  rig_pass(&rig, 1000);
  failed("c");
  assert_int_equal(rig.store.tasks[2].state, TG_TASK_FAILED);
  assert_non_null(strstr(rig.store.tasks[2].failure.text, "budget of 3 retries"));
  rig_close(&rig);
}

static void attempts_that_were_lost_take_nothing(void **state) {
  (void)state;
  run_plan(rig_plan("\"retries\":1", "a retry=9", NULL), NULL);
  rig_fail(&rig, "a", TG_ELOST);
  rig_settle(&rig);
  rig_fail(&rig, "a", TG_ELOST);
  rig_settle(&rig);
  failed("a");
  assert_true(rig_runs(&rig, "a"));
  rig_close(&rig);
}

static void the_last_resort_comes_when_the_budget_is_used_up(void **state) {
  (void)state;
  run_plan(rig_plan("\"retries\":1", "a retry=9 fallback=1", NULL), NULL);
  failed("a");
  failed("a");
  assert_true(rig_runs(&rig, "a"));
  rig_success(&rig, "a");
  rig_settle(&rig);
  assert_int_equal(rig.store.tasks[0].state, TG_TASK_SUCCESS);
  assert_int_equal(rig.store.tasks[0].attempts, 3);
  rig_close(&rig);
}

static void a_resource_has_a_share_of_its_first_tries(void **state) {
  (void)state;
  struct tg_budget_policy one = {.ratio_milli = 500, .reserve_milli = 0, .cap_milli = 1000};
  run_plan(rig_plan(NULL, "a resource=db retry=9", "b resource=db retry=9", "gate",
                    "c after=gate resource=db", "d after=gate resource=db", "e retry=2", NULL),
           &one);
  failed("a"); // takes the one token that there is
  failed("b");
  assert_int_equal(rig.store.tasks[1].state, TG_TASK_FAILED);
  assert_non_null(
      strstr(rig.store.tasks[1].failure.text, "resource db has no retries left in its budget"));
  assert_non_null(strstr(rig.store.attempts[1].stop, "resource db"));
  failed("e"); // of no resource
  assert_true(rig_runs(&rig, "e"));
  rig_success(&rig, "gate");
  rig_settle(&rig); // two first tries earn one retry
  failed("a");
  assert_true(rig_runs(&rig, "a"));
  failed("a");
  assert_int_equal(rig.store.tasks[0].state, TG_TASK_FAILED);
  rig_close(&rig);
}

static void the_budget_of_a_resource_goes_over_to_the_next_host(void **state) {
  (void)state;
  struct tg_budget_policy one = {.ratio_milli = 0, .reserve_milli = 0, .cap_milli = 1000};
  run_plan(rig_plan(NULL, "a resource=db retry=9", NULL), &one);
  failed("a");
  struct tg_resource_rules rules = {.name = "db", .has_budget = true, .budget = one};
  tg_breaker_policy_init(&rules.breaker);
  static struct rig next;
  rig_init(&next, rig.plan, 10);
  next.now = rig.now;
  rig_rule(&next, &rules);
  rig_resume(&next, &rig.store);
  rig_deinit(&rig);
  rig = next;
  rig_settle(&rig);
  rig_pass(&rig, 1000);
  failed("a");
  assert_int_equal(rig.store.tasks[0].state, TG_TASK_FAILED);
  rig_close(&rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_run_has_so_many_retries_and_no_more),
      cmocka_unit_test(retries_that_are_not_durable_yet_count),
      cmocka_unit_test(items_share_the_budget_of_their_run),
      cmocka_unit_test(the_next_host_counts_what_was_granted),
      cmocka_unit_test(attempts_that_were_lost_take_nothing),
      cmocka_unit_test(the_last_resort_comes_when_the_budget_is_used_up),
      cmocka_unit_test(a_resource_has_a_share_of_its_first_tries),
      cmocka_unit_test(the_budget_of_a_resource_goes_over_to_the_next_host),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
