// SPDX-License-Identifier: Apache-2.0
// What stands before an attempt of a task that names a resource: the resource's breaker. A task
// that it does not let through waits, takes no slot, and is not tried meanwhile. Its own time
// limit, that of its retries and that of its run end the wait.
//
// An attempt that only goes on after a sleep is not held up, for its time runs; a last resort is
// there for the time when the resource is not.
#include <stdio.h>

#include "base/units.h"
#include "engine/engine_parts.h"

static struct tg_resource_state *state_of(struct tg_engine *engine, const struct tg_live_run *run,
                                          uint32_t unit) {
  uint32_t resource = tg_live_plan(run, unit)->resource;
  if (resource == TG_NO_RESOURCE || run->tasks[unit].is_fallback) return NULL;
  struct tg_resource_state *state =
      tg_resources_get(&engine->resources, run->plan->resources[resource], engine->now.wall_ms);
  if (!state) tg_engine_fail(engine, TG_ENOMEM, "out of memory");
  return state;
}

void tg_engine_resources_take(struct tg_engine *engine, const struct tg_input *input) {
  for (size_t i = 0; i < input->resources.rule_count; i++)
    tg_engine_check(engine, tg_resources_rule(&engine->resources, &input->resources.rules[i]));
  for (size_t i = 0; i < input->resources.record_count; i++)
    tg_engine_check(engine, tg_resources_restore(&engine->resources, &input->resources.records[i],
                                                 engine->now.wall_ms));
}

// --- Before an attempt ---

static int64_t earlier(int64_t a, int64_t b) {
  return a < b ? a : b;
}

// Gives the instant until which a unit may wait by its own limits.
static int64_t own_limit(const struct tg_live_run *run, uint32_t unit) {
  const struct tg_live_task *t = &run->tasks[unit];
  const struct tg_plan_task *plan = tg_live_plan(run, unit);
  int64_t limit = INT64_MAX;
  int64_t first_at = tg_live_first_started_at(t);
  if (plan->timeout_ms) limit = tg_engine_after(tg_live_notes(t)->held_at, plan->timeout_ms);
  if (plan->retry->total_ms && first_at)
    limit = earlier(limit, tg_engine_after(first_at, plan->retry->total_ms));
  return limit;
}

// And by that of its run, which ends the run when it comes.
static int64_t limit_of(const struct tg_live_run *run, uint32_t unit) {
  int64_t limit = own_limit(run, unit);
  return tg_live_plan(run, unit)->is_teardown
             ? limit
             : earlier(limit, tg_plan_deadline(run->plan, &run->run));
}

// Says what a unit waits for, and that it may not any longer.
static void give_up(struct tg_engine *engine, struct tg_live_run *run, uint32_t unit,
                    const struct tg_resource_state *state) {
  char until[TG_TIME_TEXT_LEN + 1], limit[TG_TIME_TEXT_LEN + 1];
  struct tg_error err;
  bool is_open = state->breaker.phase == TG_BREAKER_OPEN;
  tg_time_format(state->breaker.retry_at, until);
  tg_time_format(limit_of(run, unit), limit);
  tg_error_set(&err, TG_ETIMEOUT,
               "resource %s is not to be used: its breaker is %s%s, and the time limit is %s "
               "(last failure: %.300s)",
               state->name, is_open ? "open until " : "half open, its probe is out",
               is_open ? until : "", limit, state->reason ? state->reason : "not known");
  tg_engine_give_up(engine, run, unit, &err);
}

// A timer is set for the instant at which to ask again, and one for the end of the wait.
static void hold(struct tg_engine *engine, struct tg_live_run *run, uint32_t unit,
                 struct tg_resource_state *state, int64_t retry_at) {
  struct tg_live_task *t = &run->tasks[unit];
  int64_t now = engine->now.wall_ms, limit = own_limit(run, unit);
  if (state->timer_at != retry_at)
    tg_engine_timer(engine, &(struct tg_engine_timer){
                                .at_ms = tg_engine_after(engine->now.mono_ms, retry_at - now),
                                .kind = TG_TIMER_RESOURCE});
  state->timer_at = retry_at;
  if (!t->is_held && limit != INT64_MAX)
    tg_engine_timer(engine, &(struct tg_engine_timer){
                                .at_ms = tg_engine_after(engine->now.mono_ms, limit - now),
                                .kind = TG_TIMER_HELD,
                                .run = run->run.number,
                                .unit = unit});
  t->is_held = true;
}

enum tg_guard_verdict tg_engine_guard(struct tg_engine *engine, struct tg_live_run *run,
                                      uint32_t unit, uint64_t *ticket) {
  struct tg_live_task *t = &run->tasks[unit];
  struct tg_resource_state *state = state_of(engine, run, unit);
  *ticket = 0;
  if (!state || (t->is_parked && state->breaker.phase != TG_BREAKER_CLOSED)) return TG_GUARD_LETS;
  struct tg_breaker_answer answer = tg_resource_ask(&engine->resources, state, engine->now.wall_ms);
  *ticket = answer.ticket;
  if (answer.verdict != TG_BREAKER_REFUSE) {
    if (!t->attempts) tg_resource_deposit(state, engine->now.wall_ms);
    return TG_GUARD_LETS;
  }
  struct tg_live_notes *notes = tg_engine_note(engine, t);
  if (!notes) return TG_GUARD_ENDS;
  if (!t->is_held) notes->held_at = engine->now.wall_ms;
  bool is_hopeless =
      state->breaker.phase == TG_BREAKER_OPEN && answer.retry_at > limit_of(run, unit);
  if (is_hopeless) {
    give_up(engine, run, unit, state);
    return TG_GUARD_ENDS;
  }
  hold(engine, run, unit, state, answer.retry_at);
  return TG_GUARD_HOLDS;
}

void tg_engine_held_over(struct tg_engine *engine, struct tg_live_run *run, uint32_t unit) {
  const struct tg_live_task *t = &run->tasks[unit];
  // One that slept was held before its attempt began; it waits for a slot now.
  bool is_waiting = t->is_held && t->state == TG_TASK_READY && !t->is_deciding && !t->is_parked;
  if (is_waiting && engine->now.wall_ms >= own_limit(run, unit))
    give_up(engine, run, unit, state_of(engine, run, unit));
}

bool tg_engine_held_text(struct tg_engine *engine, const struct tg_live_run *run, uint32_t unit,
                         char *text, size_t size) {
  const struct tg_live_task *t = &run->tasks[unit];
  if (!t->is_held || t->state != TG_TASK_READY || !run->stopped.text) return false;
  const struct tg_resource_state *state = state_of(engine, run, unit);
  if (!state) return false;
  snprintf(text, size, "%s while it waited for resource %s, whose breaker is %s", run->stopped.text,
           state->name, tg_breaker_phase_word(state->breaker.phase));
  return true;
}

// --- After it ---

void tg_engine_guard_report(struct tg_engine *engine, struct tg_live_run *run, uint32_t unit,
                            uint64_t ticket, const struct tg_error *err) {
  struct tg_resource_state *state = state_of(engine, run, unit);
  if (state)
    tg_engine_check(
        engine, tg_resource_report(&engine->resources, state, engine->now.wall_ms, ticket, err));
}

bool tg_engine_retry_is_late(const struct tg_live_run *run, uint32_t unit, int64_t retry_at,
                             char *why, size_t size) {
  char end[TG_TIME_TEXT_LEN + 1];
  int64_t deadline = tg_plan_deadline(run->plan, &run->run);
  if (retry_at < deadline || tg_live_plan(run, unit)->is_teardown) return false;
  tg_time_format(deadline, end);
  snprintf(why, size, "the next try could not begin before the run's time limit, %s", end);
  return true;
}

bool tg_engine_retry_grant(struct tg_engine *engine, struct tg_live_run *run, uint32_t unit,
                           char *why, size_t size) {
  uint32_t max = run->plan->retries_max;
  if (max && run->retries + run->retries_deciding >= max) {
    snprintf(why, size, "the run's budget of %u %s is used up", max,
             max == 1 ? "retry" : "retries");
    return false;
  }
  struct tg_resource_state *state = state_of(engine, run, unit);
  if (state && !tg_resource_spend(&engine->resources, state, engine->now.wall_ms)) {
    snprintf(why, size, "resource %s has no retries left in its budget", state->name);
    return false;
  }
  run->retries_deciding++;
  return true;
}

void tg_engine_resources_ring(struct tg_engine *engine) {
  size_t at = 0;
  const struct tg_map_slot *slot;
  while ((slot = tg_map_next(&engine->resources.states, &at)))
    ((struct tg_resource_state *)slot->value)->timer_at = 0;
}

void tg_engine_resources_record(struct tg_engine *engine) {
  size_t at = 0;
  const struct tg_map_slot *slot;
  while (engine->resources.changed && (slot = tg_map_next(&engine->resources.states, &at))) {
    struct tg_resource_state *state = slot->value;
    struct tg_resource_record record;
    if (!state->is_changed) continue;
    state->is_changed = false;
    engine->resources.changed--;
    tg_resource_put(state, &record);
    tg_engine_record(engine,
                     &(struct tg_record){.kind = TG_RECORD_RESOURCE, .resource = record.resource});
    if (state->is_turned)
      tg_engine_effect(engine, &(struct tg_effect){.kind = TG_EFFECT_RESOURCE, .resource = state});
    state->is_turned = false;
  }
}
