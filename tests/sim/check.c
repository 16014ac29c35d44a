// SPDX-License-Identifier: Apache-2.0
// What must hold at each moment, by the books alone. Which check is for which promise (numbers of
// ARCHITECTURE.md, "The engine is sans-I/O"; P of what Tidegate promises):
//
//   1  nothing visible on an uncommitted fact    start_fault (rules, items, runs), answer_fault
//                                                (intents, results), sim_check_told, RUN_BEGUN and
//                                                RUN_ENDED in world.c
//   2  one function applies a record             sim_check_mirror, after each start of a host and
//                                                in between
//   3  one end, which never changes; no stale    books.c (ends twice, changes after its end),
//      attempt counts                            attempt_fault (tells what it told),
//      sim_worker_again
//   4  a run keeps its graph                     resume.c gives the plan of its beginning, oracle.c
//                                                judges by it
//   5  what sleeps wakes                         order.c (could run and does not), answer_fault
//                                                (wakes too early), ends_check in world.c
//   P2 transitions once, attempts at least once  as 3, and ran_fault in oracle.c after every crash
//   P4 nothing runs without an owner; nobody is  world.c (the engine is quiet exactly if nothing is
//      declared dead who lives                   on its way), lost_fault, sim_check_cancel
//   P5 a start after a crash heals               ends_check in world.c: every run ends, whatever
//                                                crashes there were, and no human does anything
//   P6 pinned runs                               as 4
//   P7 the gate fails closed                     start_fault: nothing starts on a failed upstream
//                                                but by its trigger rule; a contract's failure is
//                                                one
//   P9 everything is bounded                     limit_passed (slots, tasks, items, keys, pools),
//                                                retry_fault (tries, total time), lost_fault,
//                                                items_max (give_success), times (order.c)
//   P12 same seed, same bytes                    hash.c over all effects and records, lived twice
//                                                (sim.c), and in two processes (sim/same)
//
// and of the semantics: trigger rules, branches, setups and teardowns (rules.c, the verdicts
// below), maps and chains of maps (oracle.c), urgency and pools (order.c), retries, Retry-After,
// fallbacks (tries.c), steps (below), waits (waits.c), reruns (carry.c, books.c), cancelling
// (oracle.c), also of single units (cuts.c), batches that may wait (later.c).
#include <stdlib.h>
#include <string.h>

#include "sim/checks.h"
#include "sim/rules.h"

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

static struct sim_counts counts_of(struct sim_run *run, uint32_t task) {
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

bool sim_has_fallen(const struct sim_run *run, const struct sim_unit *unit) {
  return sim_task_of(run, unit)->spare != SIM_NONE && sim_is_fallback_due(unit);
}

char sim_check_verdict(struct sim_run *run, uint32_t task) {
  const struct sim_task *t = &run->pipeline->tasks[task];
  const struct sim_unit *owner = t->spare_of == SIM_NONE ? NULL : &run->units[t->spare_of];
  bool is_needed = owner && sim_has_fallen(run, owner);
  if (owner && !is_needed && tg_task_state_is_terminal(owner->state)) return 'S';
  struct sim_counts counts = counts_of(run, task);
  bool has_open_branch = owner && !is_needed;
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

bool sim_check_is_broken(const struct sim_map *map, uint32_t count, uint32_t failed) {
  return (map->fail_after && failed >= map->fail_after) ||
         (map->share_percent && failed * 100.0 > (double)map->share_percent * count);
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

// A backfill leaves one slot to others.
uint32_t sim_slots_for(const struct sim *sim, const struct sim_run *run) {
  return run->row.backfill && sim->slots > 1 ? sim->slots - 1 : sim->slots;
}

uint32_t sim_pool_slots(const struct sim *sim, const struct sim_run *run, uint32_t pool) {
  bool is_of_project = run->pipeline->is_of_project[pool];
  return is_of_project ? sim->pools[pool].slots : run->pipeline->pools[pool];
}

static const char *limit_passed(const struct sim *sim, struct sim_run *run,
                                const struct sim_unit *unit) {
  const struct sim_task *task = sim_task_of(run, unit);
  struct load load = load_of(sim, run, unit);
  if (load.slots + 1 > sim_slots_for(sim, run)) return "slots of the host";
  if (run->pipeline->tasks_max && load.run + 1 > run->pipeline->tasks_max)
    return "tasks of the run";
  if (task->map.limit && unit->item != TG_NO_ITEM && load.map + 1 > task->map.limit)
    return "items of the map";
  if (task->map.limit_per_key && unit->item != TG_NO_ITEM && load.key + 1 > task->map.limit_per_key)
    return "items of the key";
  for (uint32_t p = 0; p < SIM_POOLS; p++)
    if (task->pools[p] && load.pools[p] + task->pools[p] > sim_pool_slots(sim, run, p))
      return "slots of a pool";
  return NULL;
}

// --- Starts ---

// A wait is gone on with when what ends it is durable, or to tell the attempt that its time is
// over. When the clock went back it is looked at in vain.
static bool is_too_early(const struct sim *sim, const struct sim_unit *unit) {
  bool is_over = unit->deadline_mono_ms && unit->deadline_mono_ms <= sim->now.mono_ms;
  return unit->is_parked && sim_open_wait(unit) && !is_over &&
         unit->parking_jumped_ms == sim->jumped_ms;
}

static const char *start_fault(const struct sim *sim, const struct tg_effect *effect,
                               struct sim_run *run, struct sim_unit *unit) {
  const struct sim_task *task = sim_task_of(run, unit);
  uint32_t number = unit->is_parked ? unit->parked_number : sim_last_number(unit) + 1;
  if (sim->is_draining) return "starts although the host drains";
  if (!run->is_durable) return "starts before its run is durable";
  if (run->is_over) return "starts after its run has ended";
  if (run->row.state == TG_RUN_QUEUED) return "starts while its run is queued";
  if (unit->flight) return "starts while it runs";
  if (tg_task_state_is_terminal(run->units[unit->task].state)) return "starts after its end";
  if (tg_task_state_is_terminal(unit->state)) return "starts after the item's end";
  if (unit->attempt_count && unit->attempts[unit->attempt_count - 1].state == TG_ATTEMPT_RUNNING &&
      !unit->is_parked)
    return "starts while an attempt of it is recorded as running";
  if (effect->number != number) return "starts with a number that is not the next";
  if (sim_check_is_stopped(sim, run) && !task->is_teardown) return "starts although its run stops";
  if (sim_is_cut(sim, run, unit)) return "starts although it is cancelled";
  if (unit->seed_number == number && unit->seed != effect->seed) return "starts with another seed";
  if (unit->seed_number != number && unit->seed == effect->seed) return "starts with an old seed";
  if (unit->wake_mono_ms > sim->now.mono_ms) return "starts before its time";
  if (is_too_early(sim, unit)) return "starts before the end of its wait is durable";
  if (sim_has_fallen(run, unit)) return "starts though another one stands in for it";
  if (effect->run->tasks[effect->unit].is_fallback != sim_is_fallback_due(unit))
    return "starts as a fallback when it is none, or not as one when it is";
  if (unit->item == TG_NO_ITEM) {
    if (unit->items) return "starts though it is expanded";
    if (sim_check_verdict(run, unit->task) != 'R') return "starts against its trigger rule";
    return NULL;
  }
  const struct sim_items *items = run->units[unit->task].items;
  if (sim_task_is_chain(task) && sim_item_state(run, task->map.over, unit->item) != TG_TASK_SUCCESS)
    return "starts before the item before it has succeeded";
  if (sim_task_is_chain(task) && !task->map.is_depth && sim_check_verdict(run, unit->task) != 'R')
    return "starts before its map may";
  if (!unit->attempt_count && !unit->is_parked &&
      sim_check_is_broken(&task->map, items->count, items->told_failed))
    return "starts after too many others have failed";
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

// --- Being told to end ---

void sim_check_cancel(struct sim *sim, const struct tg_effect *effect,
                      const struct sim_attempt *a) {
  const struct sim_unit *unit = a->unit;
  const char *fault = NULL;
  bool is_over = unit->deadline_mono_ms && unit->deadline_mono_ms <= sim->now.mono_ms;
  bool is_stopped = sim_is_to_end(sim, a->run, unit);
  if (effect->code == TG_ETIMEOUT && !is_over)
    fault = "has had no time";
  else if (effect->code == TG_ECANCELLED && !is_stopped && !a->is_asleep)
    fault = "goes on and does not sleep";
  else if (effect->code != TG_ETIMEOUT && effect->code != TG_ECANCELLED)
    fault = "is not told why";
  if (fault)
    sim_fail(sim, "run %llu: task %u item %d is told to end and %s",
             (unsigned long long)a->run->row.number, unit->task, (int)unit->item, fault);
}

// --- Ends ---

// The verdict that goes with an end, or 0 if any does.
static char verdict_of(enum tg_task_state state) {
  if (state == TG_TASK_SUCCESS) return 'R';
  if (state == TG_TASK_SKIPPED) return 'S';
  return state == TG_TASK_UPSTREAM_FAILED ? 'U' : 0;
}

static const char *end_fault(const struct sim *sim, struct sim_run *run,
                             const struct sim_unit *unit, enum tg_task_state state) {
  char verdict = verdict_of(state);
  bool is_item = unit->item != TG_NO_ITEM;
  if (unit->flight) return "while an attempt of it runs";
  if (is_item && tg_task_state_is_terminal(run->units[unit->task].state)) return "after its map";
  if (!is_item && verdict && !unit->is_carried && sim_check_verdict(run, unit->task) != verdict)
    return "against its trigger rule";
  if (state != TG_TASK_CANCELLED || unit->is_carried) return NULL;
  const struct sim_task *task = sim_task_of(run, unit);
  bool is_lost = sim_has_fallen(run, unit) && run->units[task->spare].state == TG_TASK_CANCELLED;
  bool is_right = sim_check_is_stopped(sim, run) || sim_is_cut(sim, run, unit) || is_lost;
  return is_right ? NULL : "though nobody cancelled it";
}

void sim_check_end(struct sim *sim, struct sim_run *run, struct sim_unit *unit,
                   enum tg_task_state state) {
  const char *fault = end_fault(sim, run, unit, state);
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
    if (row->wait && !row->result) return "goes on before what it waited for is durable";
    if (row->wait)
      return strcmp(row->result, effect->text) == 0 ? NULL : "is told another end of its wait";
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
