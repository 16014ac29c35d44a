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

static void open_rig(struct tg_plan *plan, uint32_t slots) {
  rig_init(&rig, plan, slots);
}

// Opens a rig whose run is durable, and forgets the words so far.
static void run_plan(struct tg_plan *plan) {
  open_rig(plan, 100);
  rig_run(&rig);
  rig_commit(&rig);
}

static void nothing_starts_before_the_run_is_durable(void **state) {
  (void)state;
  open_rig(rig_plan(NULL, "a", "b", NULL), 10);
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
  run_plan(rig_plan(NULL, "a", "b after=a", NULL));
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
  run_plan(rig_plan(NULL, "a", "b", "c after=a,b", NULL));
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
  run_plan(rig_plan(NULL, "a", "b", NULL));
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

// Trigger rules.

struct ending {
  const char *rule, *upstreams; // s success, f failed, k skipped
  const char *becomes;
};

// Makes two upstream tasks end as wished, and looks at what became of the third.
static void ending_check(const struct ending *ending) {
  char spec[64];
  snprintf(spec, sizeof spec, "c after=a,b when=%s", ending->rule);
  run_plan(rig_plan(NULL, "root", "a after=root,off", "b after=root,off2", spec, "off", "off2",
                    "kill to=off,off2", NULL));
  static const char *const names[] = {"a", "b"}, *const gates[] = {"off", "off2"};
  char chosen[64] = "{\"chosen\":[";
  const char *comma = "";
  for (int i = 0; i < 2; i++) {
    if (ending->upstreams[i] == 'k') continue;
    size_t len = strlen(chosen);
    snprintf(chosen + len, sizeof chosen - len, "%s\"%s\"", comma, gates[i]);
    comma = ",";
  }
  strcat(chosen, "]}");
  rig_success_of(&rig, "kill", NULL, chosen);
  rig_success(&rig, "root");
  rig_settle(&rig);
  for (int i = 0; i < 2; i++)
    if (ending->upstreams[i] != 'k') rig_success(&rig, gates[i]);
  rig_settle(&rig);
  for (int i = 0; i < 2; i++) {
    if (ending->upstreams[i] == 's') rig_success(&rig, names[i]);
    if (ending->upstreams[i] == 'f') rig_fail(&rig, names[i], TG_EINVALID);
  }
  rig_settle(&rig);
  if (!rig.has_ended) {
    rig_success(&rig, "c");
    rig_settle(&rig);
  }
  const char *became = tg_task_state_word(rig.store.tasks[3].state);
  if (strcmp(became, ending->becomes) != 0)
    fail_msg("%s after %s: %s, not %s", ending->rule, ending->upstreams, became, ending->becomes);
  bool has_failed = strchr(ending->upstreams, 'f') != NULL;
  assert_int_equal(rig.end, has_failed ? TG_RUN_FAILED : TG_RUN_SUCCESS);
  rig_close(&rig);
}

static void each_rule_decides_by_how_the_upstreams_ended(void **state) {
  (void)state;
  static const struct ending endings[] = {
      {"all_success", "ss", "success"},
      {"all_success", "sf", "upstream_failed"},
      {"all_success", "sk", "skipped"},
      {"all_success", "fk", "upstream_failed"},
      {"all_done", "sf", "success"},
      {"all_done", "kk", "success"},
      {"all_failed", "ff", "success"},
      {"all_failed", "fs", "skipped"},
      {"all_failed", "fk", "skipped"},
      {"all_skipped", "kk", "success"},
      {"all_skipped", "ks", "skipped"},
      {"one_success", "sf", "success"},
      {"one_success", "ff", "upstream_failed"},
      {"one_success", "kk", "skipped"},
      {"one_failed", "sf", "success"},
      {"one_failed", "ss", "skipped"},
      {"one_done", "sk", "success"},
      {"one_done", "fk", "success"},
      {"one_done", "kk", "skipped"},
      {"none_failed", "sk", "success"},
      {"none_failed", "kk", "success"},
      {"none_failed", "sf", "upstream_failed"},
      {"none_failed_min_one_success", "sk", "success"},
      {"none_failed_min_one_success", "kk", "skipped"},
      {"none_failed_min_one_success", "fs", "upstream_failed"},
      {"none_skipped", "sf", "success"},
      {"none_skipped", "sk", "skipped"},
      {"always", "fk", "success"},
  };
  for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) ending_check(&endings[i]);
}

static void skips_and_upstream_failures_go_all_the_way_down(void **state) {
  (void)state;
  run_plan(rig_plan(NULL, "choose to=a,x", "a", "x", "b after=a", "c after=b", "bad", "d after=bad",
                    "e after=d,c", NULL));
  rig_success_of(&rig, "choose", NULL, "{\"chosen\":[\"x\"]}");
  rig_fail(&rig, "bad", TG_EINVALID);
  rig_settle(&rig);
  rig_success(&rig, "x");
  rig_settle(&rig);
  static const enum tg_task_state ends[] = {
      TG_TASK_SUCCESS, TG_TASK_SKIPPED, TG_TASK_SUCCESS,         TG_TASK_SKIPPED,
      TG_TASK_SKIPPED, TG_TASK_FAILED,  TG_TASK_UPSTREAM_FAILED, TG_TASK_UPSTREAM_FAILED};
  for (size_t i = 0; i < 8; i++) assert_int_equal(rig.store.tasks[i].state, ends[i]);
  assert_int_equal(rig.end, TG_RUN_FAILED);
  rig_close(&rig);
}

// Branches.

static void a_branch_goes_on_with_several_or_with_none(void **state) {
  (void)state;
  run_plan(rig_plan(NULL, "choose to=a,b,c", "a", "b", "c", NULL));
  rig_success_of(&rig, "choose", NULL, "{\"chosen\":[\"c\",\"a\"]}");
  rig_settle(&rig);
  rig_expect(&rig, "commit start:choose#1 commit choose=success start:a#1 start:c#1 commit"
                   " b=skipped");
  rig_close(&rig);
  run_plan(rig_plan(NULL, "choose to=a,b", "a", "b", NULL));
  rig_success_of(&rig, "choose", NULL, "{\"chosen\":[]}");
  rig_settle(&rig);
  assert_int_equal(rig.end, TG_RUN_SUCCESS);
  assert_int_equal(rig.store.tasks[1].state, TG_TASK_SKIPPED);
  assert_int_equal(rig.store.tasks[2].state, TG_TASK_SKIPPED);
  rig_close(&rig);
}

static void a_branch_that_did_not_choose_rightly_fails(void **state) {
  (void)state;
  static const char *const facts[] = {
      NULL, "", "{}", "{\"chosen\":\"a\"}", "{\"chosen\":[1]}", "{\"chosen\":[\"other\"]}",
      "[]", "{"};
  for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
    run_plan(rig_plan(NULL, "choose to=a", "a", "other", NULL));
    rig_success_of(&rig, "choose", NULL, facts[i]);
    rig_success(&rig, "other");
    rig_settle(&rig);
    assert_int_equal(rig.store.tasks[0].state, TG_TASK_FAILED);
    assert_int_equal(rig.store.tasks[0].failure.class, TG_CLASS_BUG);
    assert_int_equal(rig.store.tasks[1].state, TG_TASK_UPSTREAM_FAILED);
    assert_int_equal(rig.end, TG_RUN_FAILED);
    rig_close(&rig);
  }
}

static void what_a_branch_leads_to_waits_for_it_whatever_its_rule(void **state) {
  (void)state;
  static const char *const rules[] = {"one_success", "one_done", "always", "all_done"};
  for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
    char spec[64];
    snprintf(spec, sizeof spec, "c after=a when=%s", rules[i]);
    run_plan(rig_plan(NULL, "a", "choose to=c,d", spec, "d", NULL));
    rig_success(&rig, "a");
    rig_settle(&rig);
    rig_expect(&rig, "commit start:a#1 start:choose#1 commit a=success");
    rig_success_of(&rig, "choose", NULL, "{\"chosen\":[\"d\"]}");
    rig_settle(&rig);
    rig_expect(&rig, "commit choose=success start:d#1 commit c=skipped");
    rig_close(&rig);
  }
}

static void what_was_not_chosen_is_skipped_though_another_upstream_failed(void **state) {
  (void)state;
  for (int order = 0; order < 2; order++) {
    run_plan(rig_plan(NULL, "a", "choose to=c", "c after=a", NULL));
    if (order == 0) rig_fail(&rig, "a", TG_EINVALID);
    rig_settle(&rig);
    rig_success_of(&rig, "choose", NULL, "{\"chosen\":[]}");
    rig_settle(&rig);
    if (order == 1) rig_fail(&rig, "a", TG_EINVALID);
    rig_settle(&rig);
    assert_int_equal(rig.store.tasks[2].state, TG_TASK_SKIPPED);
    rig_close(&rig);
  }
}

static void the_rule_decides_when_the_branch_failed(void **state) {
  (void)state;
  run_plan(rig_plan(NULL, "choose to=a,b", "a", "b when=all_done", NULL));
  rig_fail(&rig, "choose", TG_EINVALID);
  rig_settle(&rig);
  rig_expect(&rig, "commit start:choose#1 commit choose=failed start:b#1 commit"
                   " a=upstream_failed");
  rig_close(&rig);
}

// Retries.

static void a_retry_waits_its_backoff(void **state) {
  (void)state;
  run_plan(rig_plan(NULL, "a retry=3", NULL));
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
    run_plan(rig_plan(NULL, "a retry=3", NULL));
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
    run_plan(rig_plan(NULL, "a retry=3", NULL));
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
  run_plan(rig_plan(NULL, "a retry=100 total=2500", NULL));
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
  run_plan(rig_plan(NULL, "a", NULL));
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
  run_plan(rig_plan(NULL, "a retry=9", NULL));
  for (int i = 0; i < TG_LOST_ATTEMPTS_MAX; i++) rig_fail(&rig, "a", TG_ELOST), rig_settle(&rig);
  assert_int_equal(rig.end, TG_RUN_FAILED);
  assert_int_equal(rig.end_code, TG_ELOST);
  assert_int_equal(rig.store.attempts[4].state, TG_ATTEMPT_FAILED);
  rig_close(&rig);
}

static void only_losses_in_a_row_count_against_a_task(void **state) {
  (void)state;
  run_plan(rig_plan(NULL, "a retry=4", NULL));
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

// Results that should not come.

static void a_result_counts_once_and_unknown_ones_never(void **state) {
  (void)state;
  run_plan(rig_plan(NULL, "a", "b after=a", NULL));
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
  run_plan(rig_plan(NULL, "a timeout=5000 retry=2", NULL));
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
  run_plan(rig_plan("\"timeout_ms\":60000", "a", "b after=a", NULL));
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
  open_rig(rig_plan(NULL, "runs", "retries retry=3", "decides", "lost", "full", "waits after=runs",
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
  open_rig(rig_plan(NULL, "a", NULL), 4);
  rig_run(&rig);
  rig_cancel(&rig, TG_ECANCELLED);
  rig_settle(&rig);
  rig_expect(&rig, "commit commit a=cancelled commit end=cancelled");
  rig_cancel(&rig, TG_ECANCELLED);
  rig_expect(&rig, "");
  rig_close(&rig);
  run_plan(rig_plan(NULL, "a", NULL));
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
  run_plan(rig_plan(NULL, "a", "b after=a", "c retry=2", NULL));
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
  open_rig(rig_plan(NULL, "a", "b", "c", "d", NULL), 2);
  rig_run(&rig);
  rig_commit(&rig);
  rig_expect(&rig, "commit start:a#1 start:b#1");
  rig_success(&rig, "b"); // a slot is free as soon as the attempt is over
  rig_expect(&rig, "start:c#1 commit");
  rig_close(&rig);
  open_rig(rig_plan("\"tasks\":1", "a", "b", "c", NULL), 100);
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
  open_rig(rig_plan(NULL, "short", "mid", "m after=mid", "long", "x after=long", "y after=x",
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
  open_rig(rig_plan(NULL, "a", "choose after=a to=b,c", "b", "c", "d after=c", NULL), 10);
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
  open_rig(rig_plan(NULL, "a", "b after=a", NULL), 10);
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
  open_rig(rig_plan(NULL, "a", "b after=a", NULL), 10);
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
  run_plan(rig_plan(NULL, "a", "b", NULL));
  rig_fail(&rig, "a", TG_ECONTRACT);
  rig_fail(&rig, "b", TG_ECONTRACT);
  rig_settle(&rig);
  assert_int_equal(rig.end_code, TG_ECONTRACT);
  assert_string_equal(rig.store.run.failure.text, "a: it went wrong");
  rig_close(&rig);
  run_plan(rig_plan(NULL, "a", "b", NULL));
  rig_fail(&rig, "a", TG_ECONTRACT);
  rig_fail(&rig, "b", TG_EIO);
  rig_settle(&rig);
  assert_int_equal(rig.end_code, TG_EIO);
  rig_close(&rig);
}

static void the_oldest_run_gets_the_slots_first(void **state) {
  (void)state;
  open_rig(rig_plan(NULL, "a", "b after=a", NULL), 1);
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
      cmocka_unit_test(each_rule_decides_by_how_the_upstreams_ended),
      cmocka_unit_test(skips_and_upstream_failures_go_all_the_way_down),
      cmocka_unit_test(a_branch_goes_on_with_several_or_with_none),
      cmocka_unit_test(a_branch_that_did_not_choose_rightly_fails),
      cmocka_unit_test(what_a_branch_leads_to_waits_for_it_whatever_its_rule),
      cmocka_unit_test(what_was_not_chosen_is_skipped_though_another_upstream_failed),
      cmocka_unit_test(the_rule_decides_when_the_branch_failed),
      cmocka_unit_test(a_retry_waits_its_backoff),
      cmocka_unit_test(only_the_classes_of_the_policy_are_tried_again),
      cmocka_unit_test(what_the_remote_asks_for_is_waited_and_never_overflows),
      cmocka_unit_test(no_retry_begins_after_the_total_time),
      cmocka_unit_test(a_lost_attempt_is_tried_again_at_once_and_does_not_count),
      cmocka_unit_test(a_task_that_loses_every_worker_fails),
      cmocka_unit_test(only_losses_in_a_row_count_against_a_task),
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
