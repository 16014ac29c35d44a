// SPDX-License-Identifier: Apache-2.0
// Random runs with maps, chains of them, pools, steps, sleeps and teardowns, cut off at every
// durable batch and taken up again by another host: the run must end as one that was not cut off
// would, by an oracle that knows neither order nor crashes. The rig sees to it that nothing durable
// runs again; this file sees to it that limits hold.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/engine/rig.h"

enum { CASES = 250, ITEMS_MAX = 6, TURNS_MAX = 20000 };

static uint64_t random_state;

static uint32_t pick(uint32_t below) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return (uint32_t)(random_state >> 33) % below;
}

// Tasks: 0 setup, 1 map m, 2 map n over m, 3 map o over n, 4 teardown, 5 after.
enum { SETUP, MAP_M, MAP_N, MAP_O, TEARDOWN, AFTER, TASKS };

struct scenario {
  struct tg_plan *plan;
  uint32_t items;
  char list[256];
  bool fails[TASKS][ITEMS_MAX];       // for good
  uint32_t retries[TASKS][ITEMS_MAX]; // how many tries fail before
  uint32_t steps[TASKS][ITEMS_MAX], sleeps[TASKS][ITEMS_MAX];
  bool has_keys;
};

static void map_spec(char *spec, const char *name, const char *rest) {
  char words[160] = "";
  if (pick(2)) snprintf(words + strlen(words), 40, " limit=%u", 1 + pick(3));
  if (pick(3) == 0) strcat(words, " depth=1");
  if (pick(3) == 0) snprintf(words + strlen(words), 40, " fail_after=%u", 1 + pick(3));
  if (pick(4) == 0) strcat(words, " share=0.5");
  if (pick(3) == 0) snprintf(words + strlen(words), 40, " w=%u", 1 + pick(3));
  snprintf(spec, 256, "%s map=1 retry=4%s%s", name, rest, words);
}

static void scenario_make(struct scenario *s) {
  char specs[TASKS][256];
  memset(s, 0, sizeof *s);
  s->items = pick(ITEMS_MAX + 1);
  s->has_keys = pick(2);
  strcpy(specs[SETUP], "up setup=1");
  map_spec(specs[MAP_M], "m", s->has_keys ? " after=up per_key=1" : " after=up");
  map_spec(specs[MAP_N], "n", " after=m over=m");
  map_spec(specs[MAP_O], "o", " after=n over=n");
  strcpy(specs[TEARDOWN], "down after=up,m,n,o teardown=1 when=all_done");
  strcpy(specs[AFTER], "after after=o when=all_done");
  s->plan = rig_plan(pick(2) ? NULL : "\"tasks\":2", specs[0], specs[1], specs[2], specs[3],
                     specs[4], specs[5], NULL);
  strcpy(s->list, "{\"items\":[");
  for (uint32_t i = 0; i < s->items; i++)
    snprintf(s->list + strlen(s->list), 16, "%s%u", i ? "," : "", i);
  if (s->has_keys) {
    strcat(s->list, "],\"keys\":[");
    for (uint32_t i = 0; i < s->items; i++)
      snprintf(s->list + strlen(s->list), 16, "%s\"k%u\"", i ? "," : "", pick(3));
  }
  strcat(s->list, "]}");
  for (uint32_t t = MAP_M; t <= MAP_O; t++)
    for (uint32_t i = 0; i < ITEMS_MAX; i++) {
      s->fails[t][i] = !pick(6);
      s->retries[t][i] = pick(3) ? 0 : pick(3);
      s->steps[t][i] = pick(2) ? 0 : pick(3);
      s->sleeps[t][i] = pick(4) ? 0 : 1;
    }
}

// The oracle: what each map becomes when nothing stops it. A map that stops at a failure may have
// run any of its items, so those of a map that fails are not looked at one by one.
struct ends {
  enum tg_task_state maps[TASKS];
  bool may_fail[TASKS]; // by its own items already, when it goes in depth
  bool succeeds[TASKS][ITEMS_MAX];
};

static bool map_fails(const struct tg_plan_map *map, uint32_t failed, uint32_t all) {
  bool tolerates = map->fail_after || map->fail_share > 0;
  if (!tolerates) return failed > 0;
  return (map->fail_after && failed >= map->fail_after) ||
         (map->fail_share > 0 && failed > map->fail_share * all);
}

static void oracle(const struct scenario *s, struct ends *ends) {
  memset(ends, 0, sizeof *ends);
  for (uint32_t t = MAP_M; t <= MAP_O; t++) {
    uint32_t failed = 0;
    for (uint32_t i = 0; i < s->items; i++) {
      bool runs = t == MAP_M || ends->succeeds[t - 1][i];
      failed += runs && s->fails[t][i];
      ends->succeeds[t][i] = runs && !s->fails[t][i];
    }
    bool is_failed = map_fails(s->plan->tasks[t].map, failed, s->items);
    ends->maps[t] = is_failed ? TG_TASK_FAILED : TG_TASK_SUCCESS;
    if (t == MAP_M || ends->maps[t - 1] == TG_TASK_SUCCESS) continue;
    ends->maps[t] = TG_TASK_UPSTREAM_FAILED;
    ends->may_fail[t] = is_failed && s->plan->tasks[t].map->is_depth;
  }
}

// A script in the world: it comes to its steps, then to its sleeps, and ends.
struct script {
  uint64_t handle;
  uint32_t at; // the next of its steps and sleeps
};

static struct script scripts[1024];

static uint32_t tries_of(const struct rig *rig, uint32_t task, uint32_t item) {
  uint32_t tries = 0;
  for (size_t i = 0; i < rig->store.attempt_count; i++) {
    const struct tg_attempt *attempt = &rig->store.attempts[i];
    tries += attempt->task == task && attempt->item == item && attempt->state == TG_ATTEMPT_FAILED;
  }
  return tries;
}

static void attempt_end(struct rig *rig, const struct scenario *s,
                        const struct rig_attempt *attempt) {
  char output[32];
  struct tg_outcome outcome = {.result = "1"};
  uint32_t t = attempt->task, i = attempt->item;
  if (t == MAP_M && i == TG_NO_ITEM) outcome.result = s->list;
  if (i != TG_NO_ITEM) {
    snprintf(output, sizeof output, "\"%s%u\"", s->plan->tasks[t].name, i);
    outcome.result = output;
  }
  outcome.is_bystander = true; // of those that are lost; so often that a task would be blamed
  if (attempt->cancel_code)
    tg_error_set(&outcome.err, attempt->cancel_code, "told to end");
  else if (!pick(10))
    tg_error_set(&outcome.err, TG_ELOST, "its worker died");
  else if (i != TG_NO_ITEM && tries_of(rig, t, i) < s->retries[t][i])
    tg_error_set(&outcome.err, TG_EIO, "not yet");
  else if (i != TG_NO_ITEM && s->fails[t][i])
    tg_error_set(&outcome.err, TG_EINVALID, "never");
  rig_result(rig, attempt->handle, &outcome);
}

// Lets a script come to its next step or sleep, or end.
static void script_go_on(struct rig *rig, const struct scenario *s, size_t at) {
  const struct rig_attempt *attempt = &rig->attempts[at];
  struct script *script = &scripts[at];
  char unit[32], name[16];
  uint32_t t = attempt->task, i = attempt->item;
  if (script->handle != attempt->handle) *script = (struct script){.handle = attempt->handle};
  uint32_t steps = i == TG_NO_ITEM ? 0 : s->steps[t][i];
  uint32_t sleeps = i == TG_NO_ITEM ? 0 : s->sleeps[t][i];
  if (attempt->cancel_code || script->at >= steps + sleeps) {
    attempt_end(rig, s, attempt);
    return;
  }
  snprintf(unit, sizeof unit, "%s[%u]", s->plan->tasks[t].name, i);
  snprintf(name, sizeof name, "s%u", script->at);
  size_t trace = rig->trace.len;
  bool is_sleep = script->at >= steps;
  if (is_sleep)
    rig_sleep(rig, unit, name, 500);
  else
    rig_step(rig, unit, name);
  while (rig->trace.len && !strstr(rig->trace.data + trace, unit) && rig->pending_count)
    rig_commit(rig);
  const char *answer = strstr(tg_buf_text(&rig->trace) + trace, unit);
  assert_non_null(answer);
  if (attempt->cancel_code) return; // it sleeps, or the run is stopped
  answer += strlen(unit);
  if (strncmp(answer, ":refused", 8) == 0) fail_msg("%s %s: %s", unit, name, rig->refusal);
  if (!is_sleep && strncmp(answer, ":new", 4) == 0) {
    if (!pick(6)) { // it fails in the step
      attempt_end(rig, s, attempt);
      return;
    }
    rig_step_end(rig, unit, name, "7");
    rig_settle(rig);
  }
  script->at++;
}

static void limits_check(const struct rig *rig, const struct scenario *s) {
  uint32_t running[TASKS] = {0}, pool = 0, all = 0;
  for (size_t i = 0; i < rig->attempt_count; i++) {
    const struct rig_attempt *attempt = &rig->attempts[i];
    if (attempt->is_over) continue;
    const struct tg_plan_task *task = &s->plan->tasks[attempt->task];
    all++;
    if (task->pool_count) pool += task->pools[0].slots;
    if (attempt->item != TG_NO_ITEM) running[attempt->task]++;
  }
  if (pool > 4) fail_msg("the pool is exceeded: %s", tg_buf_text(&rig->trace));
  if (s->plan->tasks_max && all > s->plan->tasks_max) fail_msg("too many tasks run");
  for (uint32_t t = MAP_M; t <= MAP_O; t++)
    if (s->plan->tasks[t].map->limit && running[t] > s->plan->tasks[t].map->limit)
      fail_msg("too many items of %s run: %s", s->plan->tasks[t].name, tg_buf_text(&rig->trace));
}

static void world_move(struct rig *rig, const struct scenario *s) {
  uint32_t choice = pick(4);
  if (choice <= 1 && rig->in_flight) {
    uint32_t nth = pick(rig->in_flight);
    size_t at = 0;
    while (rig->attempts[at].is_over || nth--) at++;
    script_go_on(rig, s, at);
  } else if (choice == 2 && rig->pending_count) {
    rig_commit(rig);
  } else if (choice == 3) {
    if (rig->in_flight || rig->pending_count)
      rig_pass(rig, pick(400));
    else if (!rig_timer(rig))
      fail_msg("it would wait for ever: %s", tg_buf_text(&rig->trace));
  }
  limits_check(rig, s);
}

static void world_go_on(struct rig *rig, const struct scenario *s) {
  for (int turn = 0; !rig->has_ended; turn++) {
    if (turn == TURNS_MAX) fail_msg("the run does not end: %s", tg_buf_text(&rig->trace));
    world_move(rig, s);
  }
  assert_int_equal(rig->in_flight, 0);
  assert_true(tg_engine_is_quiet(rig->engine));
}

static void output_check(const struct rig *rig, const struct scenario *s, const struct ends *ends,
                         uint32_t task) {
  char expected[256] = "[";
  for (uint32_t i = 0; i < s->items; i++) {
    if (i) strcat(expected, ",");
    if (ends->succeeds[task][i])
      snprintf(expected + strlen(expected), 16, "\"%s%u\"", s->plan->tasks[task].name, i);
    else
      strcat(expected, "null");
  }
  strcat(expected, "]");
  assert_string_equal(rig->store.tasks[task].output, expected);
}

static void ends_check(const struct rig *rig, const struct scenario *s) {
  struct ends ends;
  bool has_failed = false;
  oracle(s, &ends);
  for (uint32_t t = MAP_M; t <= MAP_O; t++) {
    enum tg_task_state end = rig->store.tasks[t].state;
    if (end != ends.maps[t] && !(ends.may_fail[t] && end == TG_TASK_FAILED))
      fail_msg("%s ended %s, not %s: %s", s->plan->tasks[t].name, tg_task_state_word(end),
               tg_task_state_word(ends.maps[t]), tg_buf_text(&rig->trace));
    if (end == TG_TASK_SUCCESS) output_check(rig, s, &ends, t);
    has_failed = has_failed || end == TG_TASK_FAILED;
  }
  assert_int_equal(rig->store.tasks[TEARDOWN].state, TG_TASK_SUCCESS);
  assert_int_equal(rig->store.tasks[AFTER].state, TG_TASK_SUCCESS);
  assert_int_equal(rig->end, has_failed ? TG_RUN_FAILED : TG_RUN_SUCCESS);
  for (size_t i = 0; i < rig->store.attempt_count; i++)
    assert_int_not_equal(rig->store.attempts[i].state, TG_ATTEMPT_RUNNING);
}

static void resumed(struct rig *rig, const struct scenario *s, const struct rig_store *store,
                    const struct rig *earlier) {
  memset(scripts, 0, sizeof scripts);
  rig_init(rig, s->plan, 1 + pick(6));
  rig->now.wall_ms = earlier->now.wall_ms + pick(1000);
  rig_resume(rig, store);
}

static void resume_check(const struct rig *first, const struct scenario *s, size_t count) {
  static struct rig_store store;
  static struct rig second, third;
  rig_store_init(&store);
  for (size_t i = 0; i < count; i++) rig_store_apply(&store, first->log[i]);
  resumed(&second, s, &store, first);
  for (uint32_t turns = pick(60); turns && !second.has_ended; turns--) world_move(&second, s);
  if (!second.has_ended && pick(2)) {
    resumed(&third, s, &second.store, &second);
    world_go_on(&third, s);
    ends_check(&third, s);
    rig_deinit(&third);
  } else {
    if (!second.has_ended) world_go_on(&second, s);
    ends_check(&second, s);
  }
  rig_deinit(&second);
  rig_store_deinit(&store);
}

static void a_run_with_maps_ends_as_it_should_wherever_its_hosts_crash(void **state) {
  (void)state;
  static struct rig rig;
  for (uint64_t seed = 1; seed <= CASES; seed++) {
    struct scenario s;
    random_state = seed * UINT64_C(0x9e3779b97f4a7c15);
    memset(scripts, 0, sizeof scripts);
    scenario_make(&s);
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

// Cancelling at any moment, with a crash at any moment after it. What was set up is torn down.

static void cancelled_check(const struct rig *rig) {
  bool is_cancelled = false;
  for (uint32_t t = 0; t < TASKS; t++) {
    assert_true(rig->store.has_task[t]);
    enum tg_task_state end = rig->store.tasks[t].state;
    assert_true(tg_task_state_is_terminal(end));
    is_cancelled = is_cancelled || end == TG_TASK_CANCELLED;
  }
  if (is_cancelled) assert_int_equal(rig->end, TG_RUN_CANCELLED);
  if (rig->store.tasks[SETUP].state == TG_TASK_SUCCESS &&
      rig->store.tasks[TEARDOWN].state != TG_TASK_SUCCESS)
    fail_msg("what was set up is not torn down: %s", tg_buf_text(&rig->trace));
  for (size_t i = 0; i < rig->store.attempt_count; i++)
    assert_int_not_equal(rig->store.attempts[i].state, TG_ATTEMPT_RUNNING);
}

static void cancelled_resume_check(const struct rig *first, const struct scenario *s,
                                   size_t count) {
  static struct rig_store store;
  static struct rig second;
  rig_store_init(&store);
  for (size_t i = 0; i < count; i++) rig_store_apply(&store, first->log[i]);
  resumed(&second, s, &store, first);
  world_go_on(&second, s);
  cancelled_check(&second);
  rig_deinit(&second);
  rig_store_deinit(&store);
}

static void a_cancelled_run_with_maps_ends_wherever_its_hosts_crash(void **state) {
  (void)state;
  static struct rig rig;
  for (uint64_t seed = 1; seed <= CASES; seed++) {
    struct scenario s;
    random_state = seed * UINT64_C(0xd1342543de82ef95);
    memset(scripts, 0, sizeof scripts);
    scenario_make(&s);
    rig_init(&rig, s.plan, 1 + pick(6));
    rig.keeps_log = true;
    rig_run(&rig);
    for (uint32_t turns = pick(150); turns && !rig.has_ended; turns--) world_move(&rig, &s);
    if (!rig.has_ended) {
      rig_cancel(&rig, TG_ECANCELLED);
      world_go_on(&rig, &s);
    }
    cancelled_check(&rig);
    for (size_t count = 1; count < rig.log_count; count++) cancelled_resume_check(&rig, &s, count);
    rig_deinit(&rig);
    tg_plan_free(s.plan);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_run_with_maps_ends_as_it_should_wherever_its_hosts_crash),
      cmocka_unit_test(a_cancelled_run_with_maps_ends_wherever_its_hosts_crash),
  };
  return cmocka_run_group_tests_name("host/engine/map_resume", tests, NULL, NULL);
}
