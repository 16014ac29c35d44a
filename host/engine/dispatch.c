// SPDX-License-Identifier: Apache-2.0
// Acting: what is ready is started, the most urgent first. Slots and pools are counted from what
// runs, never apart, so none can leak.
#include <stdlib.h>
#include <string.h>

#include "engine/engine_parts.h"

enum { STARTS_RECORDED_AFTER_MS = 100 };

static bool run_has_slot(const struct tg_engine *engine, const struct tg_live_run *run) {
  return run->is_durable && engine->running < engine->slots && !engine->is_draining &&
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
    taken += taken_of(tg_live_plan(flight->run, flight->unit), pool);
  }
  return taken;
}

static uint32_t pool_size(const struct tg_plan *plan, const char *pool) {
  for (uint32_t i = 0; i < plan->pool_count; i++)
    if (strcmp(plan->pools[i].name, pool) == 0) return plan->pools[i].slots;
  return 0;
}

// All that a task takes, or nothing: so two tasks never hold what the other waits for.
static bool pools_fit(const struct tg_engine *engine, const struct tg_live_run *run,
                      const struct tg_plan_task *task) {
  for (uint32_t i = 0; i < task->pool_count; i++) {
    const struct tg_plan_pool *pool = &task->pools[i];
    uint32_t size = pool_size(run->plan, pool->name), taken = pool_taken(engine, pool->name);
    if (taken > size || size - taken < pool->slots) return false;
  }
  return true;
}

static void starts_timer_arm(struct tg_engine *engine) {
  if (engine->has_starts_timer) return;
  engine->has_starts_timer = true;
  tg_engine_timer(engine,
                  &(struct tg_engine_timer){.at_ms = engine->now.mono_ms + STARTS_RECORDED_AFTER_MS,
                                            .kind = TG_TIMER_STARTS});
}

static void attempt_start(struct tg_engine *engine, struct tg_live_run *run, uint32_t unit) {
  struct tg_live_task *t = &run->tasks[unit];
  const struct tg_plan_task *plan = tg_live_plan(run, unit);
  struct tg_flight *flight = malloc(sizeof *flight);
  uint64_t handle = ++engine->last_attempt;
  if (!flight || tg_map_put_number(&engine->flights, handle, flight) != 0) {
    free(flight);
    tg_engine_fail(engine, TG_ENOMEM, "out of memory");
    return;
  }
  *flight = (struct tg_flight){.run = run, .unit = unit};
  t->state = TG_TASK_RUNNING;
  t->attempt = handle;
  if (!t->is_parked) t->attempts++; // one that slept goes on as what it was
  t->is_parked = t->is_recorded = t->is_idle = false;
  t->step_at = 0;
  t->started_at = engine->now.wall_ms;
  if (!t->first_started_at) t->first_started_at = t->started_at;
  run->running++;
  engine->running++;
  if (plan->timeout_ms)
    tg_engine_timer(engine,
                    &(struct tg_engine_timer){.at_ms = engine->now.mono_ms + plan->timeout_ms,
                                              .kind = TG_TIMER_ATTEMPT,
                                              .run = run->run.number,
                                              .unit = unit,
                                              .attempt = handle});
  tg_engine_effect(engine, &(struct tg_effect){.kind = TG_EFFECT_START,
                                               .run = run,
                                               .unit = unit,
                                               .number = t->attempts,
                                               .attempt = handle,
                                               .seed = tg_engine_seed(run, unit, t->attempts)});
  tg_engine_tell(engine, run, unit);
  starts_timer_arm(engine);
}

// A map over another map needs no attempt to know its items.
static bool chain_expand(struct tg_engine *engine, struct tg_live_run *run, uint32_t unit) {
  struct tg_live_task *t = &run->tasks[unit];
  const struct tg_plan_map *plan = tg_live_plan(run, unit)->map;
  if (!plan || plan->over == TG_NO_TASK || t->item != TG_NO_ITEM) return false;
  const struct tg_live_map *before = run->tasks[plan->over].map;
  t->is_deciding = true;
  t->first_started_at = t->started_at = engine->now.wall_ms;
  tg_engine_record(engine,
                   &(struct tg_record){.kind = TG_RECORD_MAP_ITEMS,
                                       .map_items = {.run = run->run.number,
                                                     .task = t->task,
                                                     .count = before ? before->count : 0}});
  return true;
}

// In a run that is being stopped only its teardowns start.
static bool may_start(const struct tg_live_run *run, uint32_t unit) {
  const struct tg_live_task *t = &run->tasks[unit];
  if (t->state != TG_TASK_READY || t->is_deciding) return false; // it was put in twice
  return !run->stopped.code || tg_live_plan(run, unit)->is_teardown;
}

void tg_engine_ready_start(struct tg_engine *engine, struct tg_live_run *run) {
  uint32_t unit, *held = NULL;
  size_t held_count = 0;
  while (run_has_slot(engine, run) && tg_ready_pop(&run->ready, &unit)) {
    if (!may_start(run, unit)) continue;
    if (!pools_fit(engine, run, tg_live_plan(run, unit))) {
      uint32_t *more = realloc(held, (held_count + 1) * sizeof *held);
      if (!more) {
        tg_engine_fail(engine, TG_ENOMEM, "out of memory");
        break;
      }
      held = more;
      held[held_count++] = unit;
    } else if (!chain_expand(engine, run, unit)) {
      attempt_start(engine, run, unit);
    }
  }
  for (size_t i = 0; i < held_count; i++)
    tg_engine_check(engine, tg_live_make_ready(run, held[i]));
  free(held);
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
    tg_engine_record(engine, &attempt);
    if (t->item == TG_NO_ITEM) tg_engine_record(engine, &task);
  }
}
