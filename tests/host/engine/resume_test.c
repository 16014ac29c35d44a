// SPDX-License-Identifier: Apache-2.0
// Random runs of random graphs, cut off at every durable step and taken up again by another host:
// each task must end as an oracle says that knows neither order nor crashes, and nothing that was
// durable may run again (the rig sees to that).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/engine/rig.h"

enum { CASES = 300, TASKS_MAX = 10, STEPS_MAX = 5000, LOSSES_MAX = 3 };

static uint64_t random_state;

static uint32_t pick(uint32_t below) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return (uint32_t)(random_state >> 33) % below;
}

// What the world does with each task, whatever the order.
struct scenario {
  struct tg_plan *plan;
  char specs[TASKS_MAX][256];
  uint32_t count;
  uint32_t fails[TASKS_MAX]; // how many tries fail before one succeeds
  int codes[TASKS_MAX];      // with what
  char facts[TASKS_MAX][128];
  enum tg_task_state ends[TASKS_MAX]; // by the oracle
};

static const char *const rules[] = {"all_success",
                                    "all_success",
                                    "all_success",
                                    "all_done",
                                    "all_failed",
                                    "all_skipped",
                                    "one_success",
                                    "one_failed",
                                    "one_done",
                                    "always",
                                    "none_failed",
                                    "none_skipped",
                                    "none_failed_min_one_success"};

static void spec_list(struct scenario *s, uint32_t task, const char *field, uint32_t low,
                      uint32_t high, uint32_t one_in) {
  char *spec = s->specs[task];
  const char *before = field;
  for (uint32_t i = low; i < high; i++) {
    if (pick(one_in)) continue;
    snprintf(spec + strlen(spec), sizeof s->specs[0] - strlen(spec), "%st%u", before, i);
    before = ",";
  }
}

static void scenario_make(struct scenario *s) {
  memset(s, 0, sizeof *s);
  s->count = 1 + pick(TASKS_MAX);
  for (uint32_t i = 0; i < s->count; i++) {
    uint32_t tries = 1 + pick(3);
    snprintf(s->specs[i], sizeof s->specs[0], "t%u when=%s priority=%u retry=%u", i,
             rules[pick(sizeof rules / sizeof *rules)], pick(3), tries);
    spec_list(s, i, " after=", 0, i, 3);
    if (i + 1 < s->count && !pick(4)) spec_list(s, i, " to=", i + 1, s->count, 2);
    s->fails[i] = pick(2) ? 0 : pick(4);
    s->codes[i] = pick(3) ? TG_EIO : TG_EINVALID;
  }
  static const char *const limits[] = {NULL, "\"tasks\":1", "\"tasks\":3"};
  const char *at[TASKS_MAX + 1] = {NULL};
  for (uint32_t i = 0; i < s->count; i++) at[i] = s->specs[i];
  s->plan = rig_plan(limits[pick(3)], at[0], at[1], at[2], at[3], at[4], at[5], at[6], at[7], at[8],
                     at[9], NULL);
  for (uint32_t i = 0; i < s->count; i++) {
    const struct tg_plan_task *task = &s->plan->tasks[i];
    const char *before = "";
    if (!task->to_count) continue;
    strcpy(s->facts[i], "{\"chosen\":[");
    for (uint32_t t = 0; t < task->to_count; t++) {
      if (pick(2)) continue;
      size_t len = strlen(s->facts[i]);
      snprintf(s->facts[i] + len, sizeof s->facts[0] - len, "%s\"t%u\"", before, task->to[t]);
      before = ",";
    }
    strcat(s->facts[i], "]}");
  }
}

// The oracle: tasks in the order of their numbers, which every edge follows.

static bool is_unchosen(const struct scenario *s, uint32_t task) {
  char name[16];
  snprintf(name, sizeof name, "\"t%u\"", task);
  for (uint32_t b = 0; b < task; b++)
    for (uint32_t i = 0; i < s->plan->tasks[b].to_count; i++)
      if (s->plan->tasks[b].to[i] == task && s->ends[b] == TG_TASK_SUCCESS &&
          !strstr(s->facts[b], name))
        return true;
  return false;
}

// Gives the state of a task that does not run, or success for one that does.
static enum tg_task_state rule_follow(enum tg_trigger_rule rule, uint32_t all, uint32_t success,
                                      uint32_t failed, uint32_t skipped) {
  const enum tg_task_state run = TG_TASK_SUCCESS, skip = TG_TASK_SKIPPED,
                           stop = TG_TASK_UPSTREAM_FAILED;
  if (!all) return run;
  switch (rule) {
  case TG_TRIGGER_ALL_SUCCESS:
    return failed ? stop : skipped ? skip : run;
  case TG_TRIGGER_ALL_FAILED:
    return failed == all ? run : skip;
  case TG_TRIGGER_ALL_SKIPPED:
    return skipped == all ? run : skip;
  case TG_TRIGGER_ONE_SUCCESS:
    return success ? run : failed ? stop : skip;
  case TG_TRIGGER_ONE_FAILED:
    return failed ? run : skip;
  case TG_TRIGGER_ONE_DONE:
    return success || failed ? run : skip;
  case TG_TRIGGER_NONE_FAILED:
    return failed ? stop : run;
  case TG_TRIGGER_NONE_FAILED_MIN_ONE_SUCCESS:
    return failed ? stop : success ? run : skip;
  case TG_TRIGGER_NONE_SKIPPED:
    return skipped ? skip : run;
  default:
    return run;
  }
}

static bool world_lets_it_succeed(const struct scenario *s, uint32_t task) {
  bool is_retried = s->codes[task] == TG_EIO;
  return s->fails[task] == 0 ||
         (is_retried && s->fails[task] < s->plan->tasks[task].retry->attempts_max);
}

static void oracle(struct scenario *s) {
  for (uint32_t task = 0; task < s->count; task++) {
    struct tg_graph_slice up = tg_graph_upstream(&s->plan->graph, task);
    uint32_t success = 0, failed = 0, skipped = 0;
    for (uint32_t i = 0; i < up.count; i++) {
      success += s->ends[up.nodes[i]] == TG_TASK_SUCCESS;
      skipped += s->ends[up.nodes[i]] == TG_TASK_SKIPPED;
    }
    failed = up.count - success - skipped;
    s->ends[task] = is_unchosen(s, task) ? TG_TASK_SKIPPED
                                         : rule_follow(s->plan->tasks[task].when, up.count, success,
                                                       failed, skipped);
    if (s->ends[task] == TG_TASK_SUCCESS && !world_lets_it_succeed(s, task))
      s->ends[task] = TG_TASK_FAILED;
  }
}

// The world.

static uint32_t tries_of(const struct rig_store *store, uint32_t task) {
  uint32_t tries = 0;
  for (size_t i = 0; i < store->attempt_count; i++)
    tries += store->attempts[i].task == task && store->attempts[i].state == TG_ATTEMPT_FAILED;
  return tries;
}

static void attempt_finish(struct rig *rig, const struct scenario *s, uint32_t *losses) {
  uint32_t nth = pick(rig->in_flight);
  size_t at = 0;
  while (rig->attempts[at].is_over || nth--) at++;
  const struct rig_attempt *attempt = &rig->attempts[at];
  uint32_t task = attempt->task;
  struct tg_outcome outcome = {.result = "{\"n\":1}",
                               .facts = *s->facts[task] ? s->facts[task] : NULL};
  if (attempt->cancel_code)
    tg_error_set(&outcome.err, attempt->cancel_code, "told to end");
  else if (!pick(8) && losses[task]++ < LOSSES_MAX)
    tg_error_set(&outcome.err, TG_ELOST, "its worker died");
  else if (tries_of(&rig->store, task) < s->fails[task])
    tg_error_set(&outcome.err, s->codes[task], "the world failed it");
  rig_result(rig, attempt->handle, &outcome);
  if (!pick(4)) rig_result(rig, attempt->handle, &outcome); // some say everything twice
}

static void world_move(struct rig *rig, const struct scenario *s, uint32_t *losses) {
  uint32_t choice = pick(4);
  if (choice == 0 && rig->in_flight)
    attempt_finish(rig, s, losses);
  else if (choice == 1 && rig->pending_count)
    rig_commit(rig);
  else if (choice == 2)
    rig_pass(rig, pick(700));
  else if (choice == 3 && !rig->in_flight && !rig->pending_count)
    assert_true(rig_timer(rig)); // else it would wait for ever
}

static void world_go_on(struct rig *rig, const struct scenario *s) {
  uint32_t losses[TASKS_MAX] = {0};
  for (int step = 0; !rig->has_ended; step++) {
    if (step == STEPS_MAX) fail_msg("the run does not end: %s", tg_buf_text(&rig->trace));
    world_move(rig, s, losses);
  }
  assert_int_equal(rig->in_flight, 0);
  assert_true(tg_engine_is_quiet(rig->engine));
}

static void ends_check(const struct rig *rig, const struct scenario *s) {
  bool has_failed = false;
  for (uint32_t i = 0; i < s->count; i++) {
    enum tg_task_state end = rig->store.tasks[i].state;
    has_failed = has_failed || s->ends[i] == TG_TASK_FAILED;
    if (!rig->store.has_task[i] || end != s->ends[i])
      fail_msg("%s ended %s, not %s: %s", s->specs[i], tg_task_state_word(end),
               tg_task_state_word(s->ends[i]), tg_buf_text(&rig->trace));
  }
  assert_int_equal(rig->end, has_failed ? TG_RUN_FAILED : TG_RUN_SUCCESS);
  assert_int_equal(rig->store.run.state, rig->end);
}

// Takes the run up from its first `count` durable batches. The host crashes a second time after a
// while, now and then.
static void resume_check(const struct rig *first, const struct scenario *s, size_t count) {
  struct rig_store store;
  struct rig rig, third;
  rig_store_init(&store);
  for (size_t i = 0; i < count; i++) rig_store_apply(&store, first->log[i]);
  if (tg_run_state_is_terminal(store.run.state)) {
    rig_store_deinit(&store);
    return;
  }
  rig_init(&rig, s->plan, 1 + pick(6));
  rig.now.wall_ms = first->now.wall_ms + pick(5000);
  rig_resume(&rig, &store);
  uint32_t losses[TASKS_MAX] = {0};
  for (uint32_t steps = pick(60); steps && !rig.has_ended; steps--) world_move(&rig, s, losses);
  if (!rig.has_ended && !pick(3)) {
    rig_init(&third, s->plan, 1 + pick(6));
    third.now.wall_ms = rig.now.wall_ms + pick(5000);
    rig_resume(&third, &rig.store);
    world_go_on(&third, s);
    ends_check(&third, s);
    rig_deinit(&third);
  } else {
    if (!rig.has_ended) world_go_on(&rig, s);
    ends_check(&rig, s);
  }
  rig_deinit(&rig);
  rig_store_deinit(&store);
}

static void a_run_ends_as_it_should_wherever_its_hosts_crash(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= CASES; seed++) {
    struct scenario s;
    struct rig rig;
    random_state = seed * UINT64_C(0x9e3779b97f4a7c15);
    scenario_make(&s);
    oracle(&s);
    rig_init(&rig, s.plan, 1 + pick(6));
    rig.keeps_log = true;
    rig_run(&rig);
    world_go_on(&rig, &s);
    ends_check(&rig, &s);
    for (size_t count = 1; count < rig.log_count; count++) resume_check(&rig, &s, count);
    rig_deinit(&rig);
    tg_plan_free(s.plan);
  }
}

// Cancelling at any moment, with a crash at any moment after it.

static void cancelled_check(const struct rig *rig, const struct scenario *s) {
  bool is_cancelled = false;
  for (uint32_t i = 0; i < s->count; i++) {
    assert_true(rig->store.has_task[i]);
    assert_true(tg_task_state_is_terminal(rig->store.tasks[i].state));
    is_cancelled = is_cancelled || rig->store.tasks[i].state == TG_TASK_CANCELLED;
  }
  if (is_cancelled) assert_int_equal(rig->end, TG_RUN_CANCELLED);
}

static void cancelled_resume_check(const struct rig *first, const struct scenario *s,
                                   size_t count) {
  struct rig_store store;
  struct rig rig;
  rig_store_init(&store);
  for (size_t i = 0; i < count; i++) rig_store_apply(&store, first->log[i]);
  if (!tg_run_state_is_terminal(store.run.state)) {
    rig_init(&rig, s->plan, 4);
    rig.now = first->now;
    rig_resume(&rig, &store);
    world_go_on(&rig, s);
    cancelled_check(&rig, s);
    rig_deinit(&rig);
  }
  rig_store_deinit(&store);
}

static void a_cancelled_run_stays_cancelled_wherever_its_hosts_crash(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= CASES; seed++) {
    struct scenario s;
    struct rig rig;
    uint32_t losses[TASKS_MAX] = {0};
    random_state = seed * UINT64_C(0xd1342543de82ef95);
    scenario_make(&s);
    rig_init(&rig, s.plan, 1 + pick(6));
    rig.keeps_log = true;
    rig_run(&rig);
    for (uint32_t steps = pick(40); steps && !rig.has_ended; steps--) world_move(&rig, &s, losses);
    size_t started = rig.attempt_count;
    rig_cancel(&rig, TG_ECANCELLED);
    if (!rig.has_ended) world_go_on(&rig, &s);
    assert_int_equal(rig.attempt_count, started);
    cancelled_check(&rig, &s);
    for (size_t count = 1; count < rig.log_count; count++) cancelled_resume_check(&rig, &s, count);
    rig_deinit(&rig);
    tg_plan_free(s.plan);
  }
}

static void a_run_stopped_by_its_time_limit_fails_after_a_crash_too(void **state) {
  (void)state;
  struct tg_plan *plan = rig_plan("\"timeout_ms\":1000", "a", "b", "c after=a,b", NULL);
  struct rig first, second;
  rig_init(&first, plan, 4);
  rig_run(&first);
  rig_commit(&first);
  rig_pass(&first, 1000);
  rig_settle(&first); // c is cancelled; a and b are not ended yet
  rig_init(&second, plan, 4);
  second.now = first.now;
  rig_resume(&second, &first.store);
  rig_settle(&second);
  assert_int_equal(second.attempt_count, 0);
  assert_int_equal(second.end, TG_RUN_FAILED);
  assert_int_equal(second.end_code, TG_ETIMEOUT);
  rig_deinit(&second);
  rig_deinit(&first);
  tg_plan_free(plan);
}

static void a_cancel_is_durable_before_anything_of_it_is_done(void **state) {
  (void)state;
  struct tg_plan *plan = rig_plan(NULL, "a", "b after=a", NULL);
  struct rig first, second;
  rig_init(&first, plan, 4);
  rig_run(&first);
  rig_commit(&first);
  rig_cancel(&first, TG_ECANCELLED);
  rig_commit(&first); // `a` is told to end, and its host is killed before it has
  assert_int_equal(first.store.run.state, TG_RUN_CANCELLING);
  assert_int_equal(first.store.run.failure.code, TG_ECANCELLED);
  rig_init(&second, plan, 4);
  rig_resume(&second, &first.store);
  rig_settle(&second);
  assert_int_equal(second.attempt_count, 0);
  assert_int_equal(second.end, TG_RUN_CANCELLED);
  rig_deinit(&second);
  rig_deinit(&first);
  tg_plan_free(plan);
}

static void a_retry_waits_its_time_after_a_crash_too(void **state) {
  (void)state;
  struct tg_plan *plan = rig_plan(NULL, "a retry=2", NULL);
  struct rig first, second;
  rig_init(&first, plan, 4);
  rig_run(&first);
  rig_commit(&first);
  rig_fail(&first, "a", TG_EIO);
  rig_settle(&first);
  rig_init(&second, plan, 4);
  second.now.wall_ms = first.now.wall_ms + 400;
  rig_resume(&second, &first.store);
  rig_pass(&second, 599);
  rig_expect(&second, "");
  rig_pass(&second, 1);
  rig_expect(&second, "start:a#2");
  rig_fail(&second, "a", TG_EIO);
  rig_settle(&second);
  assert_int_equal(second.end, TG_RUN_FAILED);
  rig_deinit(&second);
  rig_deinit(&first);
  tg_plan_free(plan);
}

static void an_attempt_that_ran_when_the_host_died_is_lost_and_tried_again(void **state) {
  (void)state;
  struct tg_plan *plan = rig_plan(NULL, "a", NULL);
  struct rig first, second;
  rig_init(&first, plan, 4);
  rig_run(&first);
  rig_commit(&first);
  rig_pass(&first, 100);
  rig_settle(&first);
  rig_init(&second, plan, 4);
  rig_resume(&second, &first.store);
  rig_expect(&second, "commit");
  rig_settle(&second);
  rig_expect(&second, "start:a#2");
  rig_success(&second, "a");
  rig_settle(&second);
  assert_int_equal(second.store.attempts[0].state, TG_ATTEMPT_LOST);
  assert_int_equal(second.end, TG_RUN_SUCCESS);
  rig_deinit(&second);
  rig_deinit(&first);
  tg_plan_free(plan);
}

// Same inputs, same effects.

static void trace_make(uint64_t seed, struct tg_buf *out) {
  struct scenario s;
  struct rig rig;
  random_state = seed;
  scenario_make(&s);
  rig_init(&rig, s.plan, 3);
  rig_run(&rig);
  world_go_on(&rig, &s);
  tg_buf_puts(out, tg_buf_text(&rig.trace));
  for (size_t i = 0; i < rig.attempt_count; i++)
    tg_buf_putf(out, " %llu", (unsigned long long)rig.attempts[i].seed);
  for (size_t i = 0; i < rig.store.attempt_count; i++)
    tg_buf_putf(out, " %lld", (long long)rig.store.attempts[i].retry_at);
  rig_deinit(&rig);
  tg_plan_free(s.plan);
}

static void the_same_inputs_give_the_same_effects(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 50; seed++) {
    struct tg_buf once, again;
    tg_buf_init(&once, 1 << 20);
    tg_buf_init(&again, 1 << 20);
    trace_make(seed * 77, &once);
    trace_make(seed * 77, &again);
    assert_string_equal(tg_buf_text(&once), tg_buf_text(&again));
    tg_buf_deinit(&once);
    tg_buf_deinit(&again);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_run_ends_as_it_should_wherever_its_hosts_crash),
      cmocka_unit_test(a_cancelled_run_stays_cancelled_wherever_its_hosts_crash),
      cmocka_unit_test(a_run_stopped_by_its_time_limit_fails_after_a_crash_too),
      cmocka_unit_test(a_cancel_is_durable_before_anything_of_it_is_done),
      cmocka_unit_test(a_retry_waits_its_time_after_a_crash_too),
      cmocka_unit_test(an_attempt_that_ran_when_the_host_died_is_lost_and_tried_again),
      cmocka_unit_test(the_same_inputs_give_the_same_effects),
  };
  return cmocka_run_group_tests_name("host/engine/resume", tests, NULL, NULL);
}
