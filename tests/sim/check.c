// SPDX-License-Identifier: Apache-2.0
// What must hold at each moment, by the books alone.
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "sim/rules.h"
#include "sim/world.h"

enum { TIMER_SLACK_MS = 1000 };

// --- What upstreams make of a task ---

static bool is_chosen(const struct sim_unit *branch, const char *name) {
  char quoted[16] = "\"";
  strcat(strcat(quoted, name), "\"");
  return !branch->chosen || strstr(branch->chosen, quoted);
}

static bool leads_to(const struct sim_task *branch, uint32_t task) {
  for (uint32_t i = 0; i < branch->to_count; i++)
    if (branch->to[i] == task) return true;
  return false;
}

// A map that goes depth first begins when the map before it is expanded.
static bool may_begin_early(const struct sim_task *task, const struct sim_unit *before) {
  return sim_task_is_chain(task) && task->map.is_depth && !task->is_teardown &&
         task->map.over == before->task && before->items &&
         !tg_task_state_is_terminal(before->state);
}

struct sim_counts sim_check_counts(struct sim_run *run, uint32_t task) {
  const struct sim_task *t = &run->pipeline->tasks[task];
  struct sim_counts counts = {.all = t->up_count};
  for (uint32_t i = 0; i < t->up_count; i++) {
    const struct sim_unit *up = &run->units[t->up[i]];
    if (may_begin_early(t, up) || up->state == TG_TASK_SUCCESS)
      counts.success++;
    else if (up->state == TG_TASK_SKIPPED)
      counts.skipped++;
    else if (tg_task_state_is_terminal(up->state))
      counts.failed++;
  }
  return counts;
}

static char teardown_verdict(struct sim_run *run, const struct sim_task *t,
                             struct sim_counts counts) {
  uint32_t setups = 0, successes = 0;
  for (uint32_t i = 0; i < t->up_count; i++) {
    if (!run->pipeline->tasks[t->up[i]].is_setup) continue;
    setups++;
    successes += run->units[t->up[i]].state == TG_TASK_SUCCESS;
  }
  if (counts.success + counts.failed + counts.skipped < counts.all) return '.';
  return setups && !successes ? 'S' : sim_rule_verdict(t->rule, counts);
}

char sim_check_verdict(struct sim_run *run, uint32_t task) {
  const struct sim_task *t = &run->pipeline->tasks[task];
  struct sim_counts counts = sim_check_counts(run, task);
  bool has_open_branch = false;
  for (uint32_t i = 0; i < t->up_count; i++) {
    const struct sim_unit *up = &run->units[t->up[i]];
    if (!leads_to(&run->pipeline->tasks[t->up[i]], task)) continue;
    if (!tg_task_state_is_terminal(up->state)) has_open_branch = true;
    if (up->state == TG_TASK_SUCCESS && !is_chosen(up, t->name)) return 'S';
  }
  if (has_open_branch) return '.';
  if (sim_task_is_chain(t)) {
    const struct sim_unit *before = &run->units[t->map.over];
    if (!tg_task_state_is_terminal(before->state))
      return may_begin_early(t, before) && sim_rule_verdict(t->rule, counts) == 'R' ? 'R' : '.';
  }
  return t->is_teardown ? teardown_verdict(run, t, counts) : sim_rule_verdict(t->rule, counts);
}

bool sim_check_is_stopped(const struct sim *sim, const struct sim_run *run) {
  return run->stop_host == sim->host;
}

// --- Limits ---

struct load {
  uint32_t slots, run, map, key, pools[SIM_POOLS];
};

static bool is_of_key(const struct sim_unit *unit, const struct sim_unit *other,
                      const struct sim_items *items) {
  return items->key_of && items->key_of[unit->item] == items->key_of[other->item];
}

// What runs beside a unit, without those attempts that wait for a child run.
static struct load load_of(const struct sim *sim, struct sim_run *run,
                           const struct sim_unit *unit) {
  struct load load = {0};
  const struct sim_items *items = run->units[unit->task].items;
  for (size_t i = 0; i < sim->flight_count; i++) {
    const struct sim_attempt *a = sim->flights[i];
    if (a->run == run && unit->item != TG_NO_ITEM && a->unit->task == unit->task &&
        a->unit->item != TG_NO_ITEM) {
      load.map++;
      load.key += is_of_key(unit, a->unit, items);
    }
    if (a->is_idle) continue;
    load.slots++;
    load.run += a->run == run;
    for (uint32_t p = 0; p < SIM_POOLS; p++)
      load.pools[p] += sim_task_of(a->run, a->unit)->pools[p];
  }
  return load;
}

static const char *limit_passed(const struct sim *sim, struct sim_run *run,
                                const struct sim_unit *unit) {
  const struct sim_task *task = sim_task_of(run, unit);
  struct load load = load_of(sim, run, unit);
  if (load.slots + 1 > sim->slots) return "slots of the host";
  if (run->pipeline->tasks_max && load.run + 1 > run->pipeline->tasks_max)
    return "tasks of the run";
  if (task->map.limit && unit->item != TG_NO_ITEM && load.map + 1 > task->map.limit)
    return "items of the map";
  if (task->map.limit_per_key && unit->item != TG_NO_ITEM && load.key + 1 > task->map.limit_per_key)
    return "items of the key";
  for (uint32_t p = 0; p < SIM_POOLS; p++)
    if (task->pools[p] && load.pools[p] + task->pools[p] > run->pipeline->pools[p])
      return "slots of a pool";
  return NULL;
}

// --- Starts ---

static uint32_t last_number(const struct sim_unit *unit) {
  return unit->attempt_count ? unit->attempts[unit->attempt_count - 1].number : 0;
}

static bool is_fallback_due(const struct sim_unit *unit) {
  for (uint32_t i = unit->attempt_count; i-- > 0;)
    if (unit->attempts[i].state == TG_ATTEMPT_FAILED) return unit->attempts[i].is_fallback_next;
  return false;
}

static const char *start_fault(const struct sim *sim, const struct tg_effect *effect,
                               struct sim_run *run, struct sim_unit *unit) {
  const struct sim_task *task = sim_task_of(run, unit);
  uint32_t number = unit->is_parked ? unit->parked_number : last_number(unit) + 1;
  if (sim->is_draining) return "starts although the host drains";
  if (!run->is_durable) return "starts before its run is durable";
  if (run->is_over) return "starts after its run has ended";
  if (unit->flight) return "starts while it runs";
  if (tg_task_state_is_terminal(run->units[unit->task].state)) return "starts after its end";
  if (tg_task_state_is_terminal(unit->state)) return "starts after the item's end";
  if (unit->attempt_count && unit->attempts[unit->attempt_count - 1].state == TG_ATTEMPT_RUNNING &&
      !unit->is_parked)
    return "starts while an attempt of it is recorded as running";
  if (effect->number != number) return "starts with a number that is not the next";
  if (sim_check_is_stopped(sim, run) && !task->is_teardown) return "starts although its run stops";
  if (unit->wake_mono_ms > sim->now.mono_ms) return "starts before its time";
  if (effect->run->tasks[effect->unit].is_fallback != is_fallback_due(unit))
    return "starts as a fallback when it is none, or not as one when it is";
  if (unit->item == TG_NO_ITEM) {
    if (unit->items) return "starts though it is expanded";
    if (sim_check_verdict(run, unit->task) != 'R') return "starts against its trigger rule";
  } else if (sim_task_is_chain(task) &&
             sim_item_state(run, task->map.over, unit->item) != TG_TASK_SUCCESS) {
    return "starts before the item before it has succeeded";
  }
  return NULL;
}

void sim_check_start(struct sim *sim, const struct tg_effect *effect, struct sim_run *run,
                     struct sim_unit *unit) {
  const char *fault = start_fault(sim, effect, run, unit);
  const char *limit = limit_passed(sim, run, unit);
  if (fault)
    sim_fail(sim, "run %llu: task %u item %d %s", (unsigned long long)run->row.number, unit->task,
             (int)unit->item, fault);
  else if (limit)
    sim_fail(sim, "run %llu: task %u item %d starts above the %s",
             (unsigned long long)run->row.number, unit->task, (int)unit->item, limit);
}

// --- Attempts ---

static uint32_t tries_before(const struct sim_unit *unit, uint32_t number) {
  uint32_t tries = 0;
  for (uint32_t i = 0; i < unit->attempt_count; i++)
    tries += unit->attempts[i].number < number && unit->attempts[i].state == TG_ATTEMPT_FAILED;
  return tries;
}

static uint32_t lost_before(const struct sim_unit *unit, uint32_t number) {
  uint32_t lost = 0;
  for (uint32_t i = unit->attempt_count; i-- > 0;) {
    if (unit->attempts[i].number >= number) continue;
    if (unit->attempts[i].state != TG_ATTEMPT_LOST) break;
    lost++;
  }
  return lost;
}

static double delay_max(const struct sim_retry *retry, uint32_t tries) {
  double delay = (double)retry->base_ms;
  if (retry->backoff == 1) delay *= tries;
  for (uint32_t i = 1; i < tries && retry->backoff == 2; i++) delay *= retry->factor;
  if (retry->backoff == 3) delay = (double)retry->cap_ms;
  return delay < (double)retry->cap_ms ? delay : (double)retry->cap_ms;
}

static bool is_delay_right(const struct sim_retry *retry, uint32_t tries, int64_t delay_ms,
                           int64_t asked_ms) {
  double most = delay_max(retry, tries), least = most;
  if (retry->backoff == 3)
    least = (double)retry->base_ms;
  else if (retry->jitter == 1)
    least = 0;
  else if (retry->jitter == 2)
    least = most / 2 - 1;
  if (delay_ms < asked_ms) return false;
  return (double)delay_ms >= least - 1 && ((double)delay_ms <= most + 1 || delay_ms == asked_ms);
}

static const char *retry_fault(const struct sim_task *task, const struct sim_unit *unit,
                               const struct tg_attempt *record, const struct sim_told *told) {
  const struct sim_retry *retry = &task->retry;
  uint32_t tries = tries_before(unit, record->number) + 1;
  bool was_fallback = is_fallback_due(unit);
  bool is_allowed =
      !was_fallback && tries < retry->attempts && retry->classes >> record->failure.class & 1;
  if (was_fallback) return record->retry_at ? "is tried again after its last resort" : NULL;
  if (record->is_fallback_next) {
    if (!task->has_fallback) return "has no fallback";
    return is_allowed && !retry->total_ms ? "falls back while it may be tried again" : NULL;
  }
  if (!record->retry_at) {
    if (task->has_fallback) return "is not given to its fallback";
    return is_allowed && !retry->total_ms ? "is not tried again" : NULL;
  }
  if (!is_allowed) return "is tried again and should not be";
  if (!is_delay_right(retry, tries, record->retry_at - record->ended_at, told->err.retry_after_ms))
    return "is tried again after a wrong time";
  return NULL;
}

static const char *attempt_fault(const struct sim *sim, struct sim_run *run, struct sim_unit *unit,
                                 const struct tg_attempt *record) {
  const struct sim_task *task = sim_task_of(run, unit);
  uint32_t last = last_number(unit);
  if (record->number != last && record->number != last + 1) return "has a number out of order";
  if (record->state == TG_ATTEMPT_RUNNING) return NULL;
  const struct sim_told *told = sim_told_find(unit, record->number);
  if (record->state == TG_ATTEMPT_LOST) {
    bool is_of_host = record->number == last && sim->host > 1;
    bool is_told = told && told->err.class == TG_CLASS_LOST;
    return is_of_host || is_told ? NULL : "is lost and was not";
  }
  if (!told) return "has ended and has told nothing";
  if (record->state == TG_ATTEMPT_SUCCESS)
    return told->err.code || told->is_mistold ? "is a success and was none" : NULL;
  if (!told->err.code) return "is no success and was one";
  if (record->state == TG_ATTEMPT_CANCELLED)
    return told->was_stopped || unit->is_parked ? NULL : "is cancelled and its run is not";
  if (told->was_stopped) return "has failed though its run was stopped";
  if (record->failure.code != told->err.code || record->failure.class != told->err.class)
    return "has failed in another way than it told";
  if (told->err.class == TG_CLASS_LOST &&
      lost_before(unit, record->number) + 1 < TG_LOST_ATTEMPTS_MAX)
    return "has failed because it was lost";
  return retry_fault(task, unit, record, told);
}

void sim_check_attempt(struct sim *sim, struct sim_run *run, struct sim_unit *unit,
                       const struct tg_attempt *record) {
  const char *fault = attempt_fault(sim, run, unit, record);
  if (fault)
    sim_fail(sim, "run %llu: attempt %u of task %u item %d %s", (unsigned long long)run->row.number,
             record->number, unit->task, (int)unit->item, fault);
}

// --- Ends ---

void sim_check_end(struct sim *sim, struct sim_run *run, struct sim_unit *unit,
                   enum tg_task_state state) {
  char verdict = unit->item == TG_NO_ITEM && !unit->items ? sim_check_verdict(run, unit->task) : 0;
  const char *fault = NULL;
  if (unit->flight) fault = "while an attempt of it runs";
  if (unit->item != TG_NO_ITEM && tg_task_state_is_terminal(run->units[unit->task].state))
    fault = "after its map";
  if (state == TG_TASK_SKIPPED && verdict && verdict != 'S') fault = "against its trigger rule";
  if (state == TG_TASK_UPSTREAM_FAILED && verdict && verdict != 'U')
    fault = "against its trigger rule";
  if (state == TG_TASK_CANCELLED && !sim_check_is_stopped(sim, run))
    fault = "though its run is not stopped";
  if (fault)
    sim_fail(sim, "run %llu: task %u item %d becomes %s %s", (unsigned long long)run->row.number,
             unit->task, (int)unit->item, tg_task_state_word(state), fault);
}

// --- Steps ---

static const char *answer_fault(const struct sim *sim, const struct sim_attempt *a,
                                const struct tg_effect *effect) {
  const struct sim_unit *unit = a->unit;
  const struct tg_step *row = a->at < unit->step_count ? &unit->steps[a->at] : NULL;
  if (effect->code) {
    bool is_other = row && strstr(row->name, "astray") != NULL;
    return a->is_astray || is_other ? NULL : "is refused";
  }
  if (!row) return "is answered before its intent is durable";
  if (a->was_begun) return row->result ? NULL : "is acknowledged before it is durable";
  if (a->is_asleep) {
    if (!effect->text) return "is a sleep and is to be done";
    return row->wake_at <= sim->now.wall_ms ? NULL : "wakes too early";
  }
  if (!effect->text) return row->result ? "is asked for again after it was done" : NULL;
  return row->result && strcmp(row->result, effect->text) == 0 ? NULL : "has another result";
}

void sim_check_answer(struct sim *sim, const struct sim_attempt *a,
                      const struct tg_effect *effect) {
  const char *fault = answer_fault(sim, a, effect);
  if (fault)
    sim_fail(sim, "run %llu: step %u of task %u item %d %s", (unsigned long long)a->run->row.number,
             a->at, a->unit->task, (int)a->unit->item, fault);
}

// --- A host that took over ---

static const char *resumed_fault(const struct tg_live_task *live, const struct sim_unit *unit,
                                 enum tg_task_state state) {
  enum tg_task_state now = (enum tg_task_state)live->state;
  if (tg_task_state_is_terminal(state) != tg_task_state_is_terminal(now)) return "has another end";
  if (tg_task_state_is_terminal(state) && state != now) return "has another end";
  const struct tg_live_notes *notes = tg_live_notes(live);
  if (notes->step_count != unit->step_count) return "has other steps";
  for (uint32_t i = 0; i < unit->step_count; i++) {
    const char *then = unit->steps[i].result, *result = notes->steps[i].result;
    if (!then != !result || (then && strcmp(then, result) != 0)) return "has another step";
  }
  if (!tg_task_state_is_terminal(state) &&
      live->attempts != last_number(unit) + (unit->flight != NULL))
    return "has another number of attempts";
  return NULL;
}

void sim_check_resumed(struct sim *sim, struct sim_run *run) {
  struct tg_live_run *live = tg_engine_find_run(sim->engine, run->row.number);
  if (!live) {
    sim_fail(sim, "run %llu is not taken up", (unsigned long long)run->row.number);
    return;
  }
  for (uint32_t i = 0; i < live->count; i++) {
    struct sim_unit *unit = sim_unit_find(run, live->tasks[i].task, live->tasks[i].item);
    if (!unit) {
      sim_fail(sim, "a unit is there that was not");
      return;
    }
    enum tg_task_state state =
        unit->item == TG_NO_ITEM ? unit->state : sim_item_state(run, unit->task, unit->item);
    const char *fault = resumed_fault(&live->tasks[i], unit, state);
    if (fault)
      sim_fail(sim, "run %llu: task %u item %d %s after the host was started again",
               (unsigned long long)run->row.number, unit->task, (int)unit->item, fault);
  }
}

// --- Nothing is left lying ---

static bool waits(const struct sim *sim, const struct sim_unit *unit) {
  return unit->flight || unit->is_parked || unit->wake_mono_ms + TIMER_SLACK_MS > sim->now.mono_ms;
}

// A unit that takes from a pool may wait for another one that does.
static bool takes_from_pools(const struct sim_task *task) {
  for (uint32_t p = 0; p < SIM_POOLS; p++)
    if (task->pools[p]) return true;
  return false;
}

// Says whether no item of a map runs or waits, though one could run.
static bool is_map_lying(const struct sim *sim, struct sim_run *run, struct sim_unit *map) {
  struct sim_unit *first = NULL;
  for (uint32_t i = 0; i < map->items->count; i++) {
    struct sim_unit *item = &map->items->units[i];
    if (item->state == TG_TASK_FAILED || item->state == TG_TASK_CANCELLED) return false;
    if (item->state != TG_TASK_WAITING) continue;
    if (item->attempt_count || waits(sim, item)) return false;
    const struct sim_task *task = sim_task_of(run, item);
    if (sim_task_is_chain(task) && sim_item_state(run, task->map.over, i) != TG_TASK_SUCCESS)
      continue;
    if (!first) first = item;
  }
  return first && !takes_from_pools(sim_task_of(run, first)) && !limit_passed(sim, run, first);
}

static const char *idle_fault(const struct sim *sim, struct sim_run *run, struct sim_unit *unit) {
  const struct sim_task *task = sim_task_of(run, unit);
  if (tg_task_state_is_terminal(unit->state) || waits(sim, unit)) return NULL;
  bool is_stopped = sim_check_is_stopped(sim, run);
  if (is_stopped && !task->is_teardown) return unit->items ? NULL : "is left open in a stopped run";
  if (unit->items) return is_map_lying(sim, run, unit) ? "has items that nobody starts" : NULL;
  if (sim_task_is_chain(task) && task->map.is_depth) return NULL; // it may have become ready before
  char verdict = sim_check_verdict(run, unit->task);
  if (verdict == 'S' || verdict == 'U') return "is settled and nobody says so";
  if (verdict != 'R' || takes_from_pools(task)) return NULL;
  return limit_passed(sim, run, unit) ? NULL : "could run and does not";
}

void sim_check_idle(struct sim *sim) {
  for (size_t i = 0; i < sim->run_count; i++) {
    struct sim_run *run = sim->runs[i];
    if (!run->is_live || !run->is_durable || run->is_over) continue;
    for (uint32_t t = 0; t < run->pipeline->count; t++) {
      const char *fault = idle_fault(sim, run, &run->units[t]);
      if (!fault) continue;
      sim_fail(sim, "run %llu: task %u %s", (unsigned long long)run->row.number, t, fault);
      return;
    }
  }
}
