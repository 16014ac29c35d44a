// SPDX-License-Identifier: Apache-2.0
// Who is to start first. After a step of the engine each unit that could run and does not is looked
// at: was there room for it, or was its room given to one that is less urgent in the same step?
//
// Urgent is who has the higher priority; among equals, who has the longer way to the end of the
// graph. Older runs go before younger ones, and backfills come last. A unit that takes from pools
// takes from all of them or waits, and while it waits and nobody waits before it, no less urgent
// one of its run, and none of a younger run, takes from any of them.
#include <stdlib.h>

#include "sim/checks.h"
#include "sim/rules.h"

enum { TIMER_SLACK_MS = 1000, LOOKED_AT_EACH = 8 };

struct load {
  int64_t slots, run, pools[SIM_POOLS];
};

// What this step has started.
struct starts {
  struct sim_attempt **list;
  size_t count;
};

struct places {
  uint32_t all, of_key[SIM_KEYS + 1]; // the last: items without keys
};

struct look {
  struct sim *sim;
  struct sim_run *run;
  struct starts starts;
  bool is_full;                 // no slot of the host is free
  struct places places, wanted; // of the map whose items are looked at
};

static bool is_open(const struct sim_unit *unit) {
  return !tg_task_state_is_terminal(unit->state) && !unit->flight && !unit->pending &&
         !unit->asking;
}

static bool is_cut(const struct look *look, const struct sim_unit *unit) {
  return sim_is_to_end(look->sim, look->run, unit);
}

static bool is_awake(const struct look *look, const struct sim_unit *unit) {
  return unit->wake_mono_ms + TIMER_SLACK_MS <= look->sim->now.mono_ms;
}

// The expansion of a map over another one takes nothing.
static uint32_t wants(const struct look *look, const struct sim_unit *unit, uint32_t pool) {
  const struct sim_task *task = sim_task_of(look->run, unit);
  bool is_expansion = unit->item == TG_NO_ITEM && sim_task_is_chain(task);
  return is_expansion && !sim_is_fallback_due(unit) ? 0 : task->pools[pool];
}

// --- Which units could run ---

static bool has_tried(const struct sim_unit *unit) {
  return unit->attempt_count || unit->is_parked;
}

static bool is_fresh(const struct look *look, struct sim_unit *item) {
  const struct sim_task *task = sim_task_of(look->run, item);
  if (!is_open(item) || has_tried(item)) return false;
  if (!sim_task_is_chain(task)) return true;
  return sim_item_state(look->run, task->map.over, item->item) == TG_TASK_SUCCESS;
}

static uint32_t key_of(const struct sim_items *items, const struct sim_unit *item) {
  return items->key_of ? (uint32_t)(items->key_of[item->item] - 'a') : SIM_KEYS;
}

// Counts who has a place in a map, and who wants one.
static void places_count(struct look *look, const struct sim_items *items) {
  look->places = look->wanted = (struct places){0};
  for (uint32_t i = 0; i < items->count; i++) {
    struct sim_unit *item = &items->units[i];
    if (tg_task_state_is_terminal(item->state)) continue;
    bool wants = is_fresh(look, item);
    bool has = !wants && (item->flight || item->pending || item->asking || has_tried(item));
    struct places *places = wants ? &look->wanted : &look->places;
    places->all += wants || has;
    places->of_key[key_of(items, item)] += wants || has;
  }
}

// Items that were tried have their place; one that was not has one for sure if all have.
static bool has_place(const struct look *look, struct sim_unit *item) {
  const struct sim_items *items = look->run->units[item->task].items;
  const struct sim_map *map = &sim_task_of(look->run, item)->map;
  uint32_t key = key_of(items, item);
  if (has_tried(item)) return true;
  if (sim_check_is_broken(map, items->count, items->told_failed) || !is_fresh(look, item))
    return false;
  bool is_breadth = map->over != SIM_NONE && !map->is_depth;
  if (is_breadth && sim_check_verdict(look->run, item->task) != 'R') return false;
  if (map->limit && look->places.all + look->wanted.all > map->limit) return false;
  return !map->limit_per_key || key == SIM_KEYS ||
         look->places.of_key[key] + look->wanted.of_key[key] <= map->limit_per_key;
}

static bool could_run(const struct look *look, struct sim_unit *unit) {
  const struct sim_task *task = sim_task_of(look->run, unit);
  if (!is_open(unit) || is_cut(look, unit) || !is_awake(look, unit)) return false;
  if (sim_has_fallen(look->run, unit)) return false;
  if (unit->is_parked && sim_open_wait(unit)) return false;
  if (sim_resource_may_hold(look->sim, unit, task)) return false;
  if (unit->item != TG_NO_ITEM) return has_place(look, unit);
  if (unit->items || (sim_task_is_chain(task) && task->map.is_depth)) return false;
  return has_tried(unit) || sim_check_verdict(look->run, unit->task) == 'R';
}

// Says whether a unit may be one that waits for a pool: a wider question than could_run.
static bool may_wait(const struct look *look, struct sim_unit *unit) {
  if (!is_open(unit) || is_cut(look, unit)) return false;
  if (unit->item != TG_NO_ITEM) return true;
  return !unit->items && (has_tried(unit) || sim_check_verdict(look->run, unit->task) == 'R');
}

// --- Who goes first ---

static int urgency(const struct sim_task *a, const struct sim_task *b) {
  if (a->priority != b->priority) return a->priority > b->priority ? 1 : -1;
  return a->tail == b->tail ? 0 : a->tail > b->tail ? 1 : -1;
}

static bool is_less_urgent(const struct look *look, const struct sim_attempt *other,
                           const struct sim_unit *unit) {
  if (!other->run->row.backfill != !look->run->row.backfill) return other->run->row.backfill;
  if (other->run != look->run) return other->run->turn > look->run->turn;
  return urgency(sim_task_of(look->run, other->unit), sim_task_of(look->run, unit)) < 0;
}

static void load_count(const struct look *look, struct load *load, const struct sim_attempt *a,
                       int by) {
  if (a->is_idle) return;
  load->slots += by;
  load->run += a->run == look->run ? by : 0;
  for (uint32_t p = 0; p < SIM_POOLS; p++)
    load->pools[p] += by * (int64_t)sim_task_of(a->run, a->unit)->pools[p];
}

// What there is beside a unit, without what came after it in this step.
static struct load load_of(const struct look *look, const struct sim_unit *unit) {
  struct load load = {0};
  for (size_t i = 0; i < look->sim->flight_count; i++)
    load_count(look, &load, look->sim->flights[i], 1);
  for (size_t i = 0; i < look->starts.count; i++)
    if (is_less_urgent(look, look->starts.list[i], unit))
      load_count(look, &load, look->starts.list[i], -1);
  return load;
}

static bool does_one_wait(const struct look *look, struct sim_unit *units, uint32_t count,
                          const struct sim_unit *unit, uint32_t pool) {
  for (uint32_t i = 0; i < count; i++) {
    struct sim_unit *other = &units[i];
    if (other->items && does_one_wait(look, other->items->units, other->items->count, unit, pool))
      return true;
    if (other == unit || !wants(look, other, pool) || !may_wait(look, other)) continue;
    if (!unit || urgency(sim_task_of(look->run, other), sim_task_of(look->run, unit)) >= 0)
      return true;
  }
  return false;
}

// An older run that waits for a pool is not overtaken by a younger one either.
static bool does_an_older_wait(const struct look *look, uint32_t pool) {
  for (size_t i = 0; i < look->sim->run_count; i++) {
    struct sim_run *run = look->sim->runs[i];
    struct look there = {.sim = look->sim, .run = run};
    if (!run->is_live || !run->is_durable || run->is_over || run == look->run) continue;
    bool is_behind = !run->row.backfill == !look->run->row.backfill ? run->turn > look->run->turn
                                                                    : run->row.backfill != NULL;
    if (is_behind) continue;
    if (does_one_wait(&there, run->units, run->pipeline->count, NULL, pool)) return true;
  }
  return false;
}

enum pool { POOL_HAS_ROOM, POOL_IS_FULL, POOL_IS_WAITED_FOR };

static enum pool pools_say(const struct look *look, const struct sim_unit *unit,
                           const struct load *load) {
  enum pool all = POOL_HAS_ROOM;
  for (uint32_t i = 0; i < SIM_POOLS; i++) {
    uint32_t wanted = wants(look, unit, i);
    if (!wanted) continue;
    if (does_one_wait(look, look->run->units, look->run->pipeline->count, unit, i))
      return POOL_IS_WAITED_FOR;
    if (does_an_older_wait(look, i)) return POOL_IS_WAITED_FOR;
    if (load->pools[i] + wanted > sim_pool_slots(look->sim, look->run, i)) all = POOL_IS_FULL;
  }
  return all;
}

static bool is_overtaken_in_pool(const struct look *look, const struct sim_unit *unit) {
  for (size_t i = 0; i < look->starts.count; i++) {
    const struct sim_attempt *other = look->starts.list[i];
    struct look there = {.run = other->run};
    if (!is_less_urgent(look, other, unit)) continue;
    for (uint32_t p = 0; p < SIM_POOLS; p++)
      if (wants(look, unit, p) && wants(&there, other->unit, p)) return true;
  }
  return false;
}

static bool has_overtaken(const struct look *look, const struct sim_unit *unit) {
  for (size_t i = 0; i < look->starts.count; i++)
    if (is_less_urgent(look, look->starts.list[i], unit)) return true;
  return false;
}

static const char *order_fault(const struct look *look, struct sim_unit *unit) {
  const struct sim_pipeline *p = look->run->pipeline;
  if (look->is_full && !has_overtaken(look, unit)) return NULL;
  if (!could_run(look, unit)) return NULL;
  struct load load = load_of(look, unit);
  if (load.slots >= sim_slots_for(look->sim, look->run)) return NULL;
  if (p->tasks_max && load.run >= p->tasks_max) return NULL;
  enum pool pool = pools_say(look, unit, &load);
  if (pool == POOL_HAS_ROOM) return "could run and does not";
  return pool == POOL_IS_FULL && is_overtaken_in_pool(look, unit) ? "is overtaken in a pool" : NULL;
}

// --- The look ---

static void units_look(struct sim *sim, struct look *look, struct sim_unit *units, uint32_t count) {
  for (uint32_t i = 0; i < count && !*sim->failure; i++) {
    struct sim_unit *unit = &units[i];
    const char *fault = order_fault(look, unit);
    if (fault)
      sim_fail(sim, "run %llu: task %u item %d %s", (unsigned long long)look->run->row.number,
               unit->task, (int)unit->item, fault);
    if (!unit->items || tg_task_state_is_terminal(unit->state)) continue;
    places_count(look, unit->items);
    units_look(sim, look, unit->items->units, unit->items->count);
  }
}

static uint32_t slots_taken(const struct sim *sim) {
  uint32_t taken = 0;
  for (size_t i = 0; i < sim->flight_count; i++) taken += !sim->flights[i]->is_idle;
  return taken;
}

static struct starts starts_of(const struct sim *sim, const struct tg_effect *effects,
                               size_t count) {
  struct starts starts = {.list = malloc((count + 1) * sizeof(struct sim_attempt *))};
  if (!starts.list) abort();
  for (size_t i = 0; i < count; i++)
    if (effects[i].kind == TG_EFFECT_START)
      starts.list[starts.count++] = sim_attempt_find(sim, effects[i].attempt);
  return starts;
}

void sim_check_order(struct sim *sim, const struct tg_effect *effects, size_t count) {
  bool is_full = slots_taken(sim) >= sim->slots;
  struct starts starts = starts_of(sim, effects, count);
  bool is_due = starts.count || (!is_full && sim->steps % LOOKED_AT_EACH == 0);
  for (size_t i = 0; i < sim->run_count && is_due && !sim->is_draining; i++) {
    struct look look = {.sim = sim, .run = sim->runs[i], .starts = starts, .is_full = is_full};
    bool is_here = look.run->is_live && look.run->is_durable && !look.run->is_over;
    if (is_here && look.run->row.state != TG_RUN_QUEUED)
      units_look(sim, &look, look.run->units, look.run->pipeline->count);
  }
  free(starts.list);
}

// --- What waits for no start ---

// What runs for a while is recorded as running, for those who look from outside.
static bool is_recorded(const struct sim *sim, const struct sim_unit *unit) {
  const struct sim_attempt *a = unit->flight;
  if (a->started_mono_ms + TIMER_SLACK_MS > sim->now.mono_ms || a->has_slept) return true;
  return sim_last_number(unit) == a->number &&
         (unit->item != TG_NO_ITEM || unit->state == TG_TASK_RUNNING);
}

static bool is_left_open(struct sim_run *run, const struct sim_unit *unit) {
  enum tg_task_state state =
      unit->item == TG_NO_ITEM ? unit->state : sim_item_state(run, unit->task, unit->item);
  return !tg_task_state_is_terminal(state) && !unit->flight && !unit->asking &&
         !tg_task_state_is_terminal(run->units[unit->task].state);
}

static const char *items_fault(const struct sim *sim, struct sim_run *run,
                               const struct sim_unit *map) {
  for (uint32_t i = 0; map->items && i < map->items->count; i++) {
    const struct sim_unit *item = &map->items->units[i];
    if (item->flight && !is_recorded(sim, item)) return "has an item that runs and nobody can see";
    if (item->cut_host == sim->host && is_left_open(run, item))
      return "has an item that is cancelled and left open";
  }
  return NULL;
}

static const char *idle_fault(const struct sim *sim, struct sim_run *run,
                              const struct sim_unit *unit) {
  const struct sim_attempt *a = unit->flight;
  bool is_late = a && !a->cancel_code && unit->deadline_mono_ms &&
                 unit->deadline_mono_ms + TIMER_SLACK_MS < sim->now.mono_ms &&
                 a->started_mono_ms + TIMER_SLACK_MS < sim->now.mono_ms;
  if (is_late) return "runs and its time is over";
  if (unit->is_untold) return "has ended and nobody is told";
  if (a && !is_recorded(sim, unit)) return "runs for long and nobody can see it";
  if (tg_task_state_is_terminal(unit->state) || unit->flight || unit->asking) return NULL;
  const char *wait = sim_wait_lasts(sim, run, unit);
  if (wait) return wait;
  const struct sim_task *task = sim_task_of(run, unit);
  if (sim_is_to_end(sim, run, unit)) return unit->items ? NULL : "is cancelled and left open";
  if (unit->items || (sim_task_is_chain(task) && task->map.is_depth)) return NULL;
  if (sim_has_fallen(run, unit))
    return tg_task_state_is_terminal(run->units[task->spare].state) ? "is stood in for, and open"
                                                                    : NULL;
  char verdict = sim_check_verdict(run, unit->task);
  return verdict == 'S' || verdict == 'U' ? "is settled and nobody says so" : NULL;
}

void sim_check_idle(struct sim *sim) {
  for (size_t i = 0; i < sim->run_count; i++) {
    struct sim_run *run = sim->runs[i];
    if (!run->is_live || !run->is_durable || run->is_over) continue;
    unsigned long long number = run->row.number;
    bool is_late =
        run->time_over_mono_ms && run->time_over_mono_ms + TIMER_SLACK_MS < sim->now.mono_ms;
    if (is_late && !sim_check_is_stopped(sim, run))
      sim_fail(sim, "run %llu goes on and its time is over", number);
    bool is_waiting = run->row.state == TG_RUN_QUEUED && !sim_check_is_stopped(sim, run);
    for (uint32_t t = 0; t < run->pipeline->count && !is_waiting; t++) {
      const char *fault = idle_fault(sim, run, &run->units[t]);
      if (!fault) fault = items_fault(sim, run, &run->units[t]);
      if (fault) sim_fail(sim, "run %llu: task %u %s", number, t, fault);
    }
    if (run->is_untold) sim_fail(sim, "run %llu has begun and nobody is told", number);
    const char *place = sim->is_draining ? NULL : sim_place_fault(sim, run);
    if (place) sim_fail(sim, "run %llu %s", number, place);
    sim_check_mirror(sim, run);
  }
}
