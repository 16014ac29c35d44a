// SPDX-License-Identifier: Apache-2.0
// Acting: what is ready is started, the most urgent first. Slots and pools are counted from what
// runs, never apart, so none can leak.
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "engine/engine_parts.h"
#include "model/json.h"

enum { STARTS_RECORDED_AFTER_MS = 100 };

#define NOTHING UINT32_MAX

// A backfill leaves one slot free, so that a run that comes need not wait for its tasks.
static uint32_t slots_for(const struct tg_engine *engine, const struct tg_live_run *run) {
  return run->run.backfill && engine->slots > 1 ? engine->slots - 1 : engine->slots;
}

static bool run_has_slot(const struct tg_engine *engine, const struct tg_live_run *run) {
  return run->is_durable && run->run.state != TG_RUN_QUEUED &&
         engine->running < slots_for(engine, run) && !engine->is_draining &&
         (!run->plan->tasks_max || run->running < run->plan->tasks_max);
}

static uint32_t taken_of(const struct tg_plan_task *task, const char *pool) {
  for (uint32_t i = 0; i < task->pool_count; i++)
    if (strcmp(task->pools[i].name, pool) == 0) return task->pools[i].slots;
  return 0;
}

static uint32_t pool_taken(const struct tg_engine *engine, const char *pool) {
  uint32_t taken = 0;
  size_t at = 0;
  const struct tg_map_slot *slot;
  while ((slot = tg_map_next(&engine->flights, &at))) {
    const struct tg_flight *flight = slot->value;
    if (flight->run->tasks[flight->unit].is_idle) continue; // its child may need what it has
    taken += taken_of(tg_live_plan(flight->run, flight->unit), pool);
  }
  return taken;
}

static bool is_stuck_elsewhere(const struct tg_engine *engine, const char *pool) {
  for (uint32_t i = 0; i < engine->stuck_count; i++)
    if (strcmp(engine->stuck[i], pool) == 0) return true;
  return false;
}

// Finds a pool that has no room for a task, which takes all that it takes or nothing: so two tasks
// never hold what the other waits for. Where somebody waits nobody overtakes, of the same run or of
// a younger one, or one that takes much, or from several pools, would wait for ever.
static uint32_t pool_lacking(const struct tg_engine *engine, const struct tg_live_run *run,
                             const struct tg_plan_task *task, const bool *is_stuck) {
  for (uint32_t i = 0; i < run->plan->pool_count; i++) {
    const struct tg_plan_pool *pool = &run->plan->pools[i];
    uint32_t wanted = taken_of(task, pool->name);
    if (!wanted) continue;
    uint32_t taken = pool_taken(engine, pool->name);
    uint32_t slots = pool->slots ? pool->slots : tg_pools_slots(&engine->pools, pool->name);
    if (is_stuck[i] || is_stuck_elsewhere(engine, pool->name)) return i;
    if (taken > slots || slots - taken < wanted) return i;
  }
  return NOTHING;
}

static void starts_timer_arm(struct tg_engine *engine) {
  if (engine->has_starts_timer) return;
  engine->has_starts_timer = true;
  tg_engine_timer(engine,
                  &(struct tg_engine_timer){.at_ms = engine->now.mono_ms + STARTS_RECORDED_AFTER_MS,
                                            .kind = TG_TIMER_STARTS});
}

// Gives the end of an attempt that starts now, by the task's time limit and by that of its tries,
// which its last resort is not one of; 0 for none.
static int64_t own_deadline(const struct tg_engine *engine, const struct tg_live_task *t,
                            const struct tg_plan_task *plan) {
  int64_t now = engine->now.mono_ms, deadline = INT64_MAX;
  if (plan->timeout_ms) deadline = tg_engine_after(now, plan->timeout_ms);
  if (plan->retry->total_ms && !t->is_fallback) {
    int64_t first_at = tg_live_first_started_at(t);
    int64_t passed = first_at ? engine->now.wall_ms - first_at : 0;
    int64_t end = tg_engine_after(now, plan->retry->total_ms - passed);
    if (end < deadline) deadline = end;
  }
  return deadline == INT64_MAX ? 0 : deadline;
}

// One that slept goes on as what it was; else it is a new attempt.
static void attempt_renew(struct tg_engine *engine, struct tg_live_task *t,
                          const struct tg_plan_task *plan) {
  int64_t deadline = own_deadline(engine, t, plan);
  if (t->started_at || deadline) {
    struct tg_live_notes *notes = tg_engine_note(engine, t);
    if (!notes) return;
    if (!notes->first_started_at) notes->first_started_at = t->started_at;
    notes->deadline_at = deadline;
  }
  t->attempts++;
  t->is_recorded = false;
  t->started_at = engine->now.wall_ms;
}

// Tells an attempt the earliest end of all that bind it, its own and that of its run, on both
// clocks.
static void deadline_tell(const struct tg_engine *engine, const struct tg_live_run *run,
                          uint32_t unit, struct tg_effect *start) {
  struct tg_now now = engine->now;
  int64_t own = tg_live_notes(&run->tasks[unit])->deadline_at;
  int64_t run_at = tg_plan_deadline(run->plan, &run->run);
  int64_t run_ms = tg_engine_after(now.mono_ms, run_at - now.wall_ms);
  bool is_bound = run_at != INT64_MAX && !tg_live_plan(run, unit)->is_teardown;
  bool is_of_run = is_bound && (!own || run_ms < own);
  start->deadline_ms = is_of_run ? run_ms : own;
  start->deadline_at = is_of_run ? run_at : own ? now.wall_ms + own - now.mono_ms : 0;
}

static void attempt_start(struct tg_engine *engine, struct tg_live_run *run, uint32_t unit,
                          uint64_t ticket) {
  struct tg_live_task *t = &run->tasks[unit];
  const struct tg_plan_task *plan = tg_live_plan(run, unit);
  struct tg_flight *flight = malloc(sizeof *flight);
  uint64_t handle = ++engine->last_attempt;
  if (!flight || tg_map_put_number(&engine->flights, handle, flight) != 0) {
    free(flight);
    tg_engine_fail(engine, TG_ENOMEM, "out of memory");
    return;
  }
  *flight = (struct tg_flight){.run = run, .unit = unit, .ticket = ticket};
  t->state = TG_TASK_RUNNING;
  t->attempt = handle;
  tg_engine_wait_forget(engine, run, unit);
  if (!t->is_parked) attempt_renew(engine, t, plan);
  t->is_parked = t->is_idle = false;
  if (t->notes) t->notes->step_at = 0;
  run->running++;
  engine->running++;
  if (tg_live_notes(t)->deadline_at)
    tg_engine_timer(engine, &(struct tg_engine_timer){.at_ms = tg_live_notes(t)->deadline_at,
                                                      .kind = TG_TIMER_ATTEMPT,
                                                      .run = run->run.number,
                                                      .unit = unit,
                                                      .attempt = handle});
  struct tg_effect start = {.kind = TG_EFFECT_START,
                            .run = run,
                            .unit = unit,
                            .number = t->attempts,
                            .attempt = handle,
                            .seed = tg_engine_seed(run, unit, t->attempts)};
  deadline_tell(engine, run, unit, &start);
  tg_engine_effect(engine, &start);
  tg_engine_tell(engine, run, unit);
  starts_timer_arm(engine);
}

// A map that was carried over or that fell back has an output and no items: they are read from it.
static struct tg_map_items chain_items(struct tg_engine *engine, const struct tg_live_run *run,
                                       uint32_t over) {
  const struct tg_live_task *before = &run->tasks[over];
  const char *output = before->output ? before->output : "null";
  json_t *list;
  if (before->map) return (struct tg_map_items){.count = before->map->count};
  int code = tg_json_read(output, strlen(output), JSON_DECODE_ANY, &list, NULL);
  if (code == TG_ENOMEM) tg_engine_check(engine, code);
  struct tg_map_items items = {.count = (uint32_t)json_array_size(list)};
  if (json_is_array(list)) items.items = before->output;
  json_decref(list);
  return items;
}

// A map over another map needs no attempt to know its items.
static bool chain_expand(struct tg_engine *engine, struct tg_live_run *run, uint32_t unit) {
  struct tg_live_task *t = &run->tasks[unit];
  const struct tg_plan_map *plan = tg_live_plan(run, unit)->map;
  if (!plan || plan->over == TG_NO_TASK || t->item != TG_NO_ITEM) return false;
  struct tg_record record = {.kind = TG_RECORD_MAP_ITEMS,
                             .map_items = chain_items(engine, run, plan->over)};
  record.map_items.run = run->run.number;
  record.map_items.task = t->task;
  t->is_deciding = true;
  t->started_at = engine->now.wall_ms;
  tg_engine_record(engine, &record);
  return true;
}

// In a run that is being stopped only its teardowns start.
static bool may_start(const struct tg_live_run *run, uint32_t unit) {
  const struct tg_live_task *t = &run->tasks[unit];
  if (t->state != TG_TASK_READY || t->is_deciding) return false; // it was put in twice
  return !tg_live_is_cut(run, unit);
}

static bool is_more_urgent(const struct tg_ready *a, const struct tg_ready *b) {
  const struct tg_ready_item *x = &a->items[0], *y = &b->items[0];
  return x->priority != y->priority ? x->priority > y->priority : x->node < y->node;
}

// Gives the set with the most urgent unit: the ready ones, or those that are held for something.
static struct tg_ready *most_urgent(struct tg_live_run *run, const bool *is_stuck) {
  struct tg_ready *best = run->ready.count ? &run->ready : NULL;
  for (uint32_t i = 0; i < tg_live_held_count(run->plan); i++) {
    struct tg_ready *held = &run->held[i];
    if (held->count && !is_stuck[i] && (!best || is_more_urgent(held, best))) best = held;
  }
  return best;
}

// Asks the breaker last, since what may go is to go. Behind the pools stand the resources.
static uint32_t resource_lacking(struct tg_engine *engine, struct tg_live_run *run, uint32_t unit,
                                 const bool *is_stuck, uint64_t *ticket) {
  uint32_t resource = tg_live_plan(run, unit)->resource;
  if (resource == TG_NO_RESOURCE) return NOTHING;
  uint32_t held = run->plan->pool_count + resource;
  if (is_stuck[held] && run->tasks[unit].is_held) return held;
  return tg_engine_guard(engine, run, unit, ticket) == TG_GUARD_HOLDS ? held : NOTHING;
}

// What waits for one pool keeps its place in all that it takes from; what waits for a breaker has
// none.
static void places_keep(const struct tg_live_run *run, const struct tg_plan_task *task,
                        uint32_t lacking, bool *is_stuck) {
  is_stuck[lacking] = true;
  for (uint32_t i = 0; i < run->plan->pool_count && lacking < run->plan->pool_count; i++)
    is_stuck[i] |= taken_of(task, run->plan->pools[i].name) > 0;
}

static void unit_act(struct tg_engine *engine, struct tg_live_run *run, uint32_t unit,
                     bool *is_stuck) {
  if (!may_start(run, unit) || chain_expand(engine, run, unit)) return;
  uint32_t task = run->tasks[unit].task;
  uint32_t lacking = pool_lacking(engine, run, &run->plan->tasks[task], is_stuck);
  uint64_t ticket = 0;
  if (lacking == NOTHING) lacking = resource_lacking(engine, run, unit, is_stuck, &ticket);
  if (lacking == NOTHING && run->tasks[unit].is_deciding) return; // it could not wait any longer
  if (lacking == NOTHING) {
    attempt_start(engine, run, unit, ticket);
    return;
  }
  places_keep(run, &run->plan->tasks[task], lacking, is_stuck);
  tg_engine_check(engine, tg_ready_push(&run->held[lacking], unit, run->priorities[task], NULL));
}

static bool has_candidates(const struct tg_live_run *run) {
  if (run->ready.count) return true;
  for (uint32_t i = 0; i < tg_live_held_count(run->plan); i++)
    if (run->held[i].count) return true;
  return false;
}

// Asked of every live run whatever has happened, so what is not so is seen first.
void tg_engine_ready_start(struct tg_engine *engine, struct tg_live_run *run) {
  if (!has_candidates(run) || !run_has_slot(engine, run)) return;
  bool is_stuck[TG_POOLS_MAX + TG_RESOURCES_MAX] = {false};
  struct tg_ready *from;
  uint32_t unit;
  while (run_has_slot(engine, run) && (from = most_urgent(run, is_stuck)) &&
         tg_ready_pop(from, &unit))
    unit_act(engine, run, unit, is_stuck);
  for (uint32_t i = 0; i < run->plan->pool_count; i++)
    if (is_stuck[i] && engine->stuck_count < TG_POOLS_MAX)
      engine->stuck[engine->stuck_count++] = run->plan->pools[i].name;
}

// What still runs after a while is recorded as running, for those who look from outside.
void tg_engine_starts_record(struct tg_engine *engine) {
  engine->has_starts_timer = false;
  size_t at = 0;
  const struct tg_map_slot *slot;
  while ((slot = tg_map_next(&engine->flights, &at))) {
    const struct tg_flight *flight = slot->value;
    struct tg_live_task *t = &flight->run->tasks[flight->unit];
    if (t->is_recorded) continue;
    t->is_recorded = true;
    struct tg_record attempt =
        tg_engine_attempt_record(flight->run, flight->unit, TG_ATTEMPT_RUNNING);
    struct tg_record task = tg_engine_task_record(flight->run, t->task, TG_TASK_RUNNING, 0);
    tg_engine_record_later(engine, &attempt);
    if (t->item == TG_NO_ITEM) tg_engine_record_later(engine, &task);
  }
}
