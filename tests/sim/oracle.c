// SPDX-License-Identifier: Apache-2.0
// What must have become of each task, from what its attempts told and from the table of the rules.
#include <string.h>

#include "base/buf.h"
#include "sim/checks.h"

enum { OUTPUT_MAX = 1 << 20 };

static bool is_text(const char *a, const char *b) {
  return (!a && !b) || (a && b && strcmp(a, b) == 0);
}

// The item `n` of a list of plain values, as they stand in an output that has no live items.
static bool has_value(const char *list, uint32_t n) {
  for (; list && *list && n; list++) n -= *list == ',';
  if (list && *list == '[') list++;
  return list && *list && *list != ']' && strncmp(list, "null", 4) != 0;
}

enum tg_task_state sim_item_state(struct sim_run *run, uint32_t task, uint32_t item) {
  const struct sim_unit *map = &run->units[task];
  if (!map->items) return has_value(map->output, item) ? TG_TASK_SUCCESS : TG_TASK_SKIPPED;
  if (item >= map->items->count) return TG_TASK_WAITING;
  enum tg_task_state state = map->items->units[item].state;
  const struct sim_task *t = &run->pipeline->tasks[task];
  if (state != TG_TASK_WAITING || !sim_task_is_chain(t)) return state;
  // What was carried over has its own items, whatever the output is of what it waited for.
  if (map->is_carried && !run->units[t->map.over].items) return state;
  enum tg_task_state before = sim_item_state(run, t->map.over, item);
  bool is_cut =
      before == TG_TASK_FAILED || before == TG_TASK_CANCELLED || before == TG_TASK_SKIPPED;
  return is_cut ? TG_TASK_SKIPPED : state;
}

// What its attempts make of a unit that ran.
static enum tg_task_state state_of_attempts(const struct sim_unit *unit) {
  if (!unit->attempt_count) // an item that succeeds at once needs no record of its attempt
    return unit->item != TG_NO_ITEM && unit->row_attempts == 1 ? TG_TASK_SUCCESS : TG_TASK_WAITING;
  const struct tg_attempt *last = &unit->attempts[unit->attempt_count - 1];
  if (last->state == TG_ATTEMPT_SUCCESS) return TG_TASK_SUCCESS;
  return last->state == TG_ATTEMPT_FAILED && !last->retry_at ? TG_TASK_FAILED : TG_TASK_WAITING;
}

// What stands in for a task ends it.
static const char *stood_in_fault(const struct sim_run *run, const struct sim_unit *unit) {
  const struct sim_unit *spare = &run->units[sim_task_of(run, unit)->spare];
  bool is_right = spare->state == TG_TASK_SUCCESS || spare->state == TG_TASK_CANCELLED
                      ? unit->state == spare->state
                      : unit->state == TG_TASK_FAILED;
  if (!is_right) return "is not what was made of it in its stead";
  if (unit->state != TG_TASK_SUCCESS) return NULL;
  return is_text(unit->output, spare->output) ? NULL : "has another output than was given for it";
}

static const char *ran_fault(const struct sim_run *run, struct sim_unit *unit) {
  if (sim_has_fallen(run, unit)) return stood_in_fault(run, unit);
  if (state_of_attempts(unit) != unit->state) return "is not what its last attempt makes it";
  uint32_t last =
      unit->attempt_count ? unit->attempts[unit->attempt_count - 1].number : unit->row_attempts;
  const struct sim_told *told = sim_told_find(unit, last);
  if (unit->row_attempts != last) return "has another number of attempts";
  if (!told) return "has ended and has told nothing";
  if (unit->state != TG_TASK_SUCCESS) return NULL;
  if (!is_text(unit->output, told->result)) return "has another output than it gave";
  return is_text(unit->chosen, told->chosen) ? NULL : "has another choice than it made";
}

static const char *output_fault(const struct sim_unit *map) {
  struct tg_buf list;
  tg_buf_init(&list, OUTPUT_MAX);
  tg_buf_putc(&list, '[');
  for (uint32_t i = 0; i < map->items->count; i++) {
    if (i) tg_buf_putc(&list, ',');
    tg_buf_puts(&list, map->items->units[i].output ? map->items->units[i].output : "null");
  }
  tg_buf_putc(&list, ']');
  bool is_same = is_text(map->output, tg_buf_text(&list));
  tg_buf_deinit(&list);
  return is_same ? NULL : "has not the outputs of its items";
}

static enum tg_task_state state_of_items(const struct sim_unit *map, const struct sim_map *rule,
                                         uint32_t failed, char verdict) {
  bool is_broken = sim_check_is_broken(rule, map->items->count, failed);
  bool tolerates = rule->fail_after || rule->share_percent;
  if (is_broken || (failed && !tolerates)) return TG_TASK_FAILED;
  if (verdict == 'S') return TG_TASK_SKIPPED;
  return verdict == 'U' ? TG_TASK_UPSTREAM_FAILED : TG_TASK_SUCCESS;
}

static const char *map_fault(struct sim_run *run, const struct sim_unit *map, char verdict,
                             bool was_stopped) {
  const struct sim_map *rule = &run->pipeline->tasks[map->task].map;
  uint32_t failed = 0, cancelled = 0, ended = 0;
  const struct sim_task *task = sim_task_of(run, map);
  bool is_to_end = map->is_cut || (was_stopped && !task->is_teardown);
  for (uint32_t i = 0; i < map->items->count; i++) {
    struct sim_unit *item = &map->items->units[i];
    enum tg_task_state state = sim_item_state(run, map->task, i);
    const char *fault = NULL;
    ended += tg_task_state_is_terminal(state);
    failed += state == TG_TASK_FAILED;
    cancelled += state == TG_TASK_CANCELLED;
    if (item->is_carried)
      fault = item->attempt_count ? "has an item that was carried over and ran" : NULL;
    else if (sim_carried_item(run, map->task, i))
      fault = "has lost an item that was carried over";
    else if (state == TG_TASK_SUCCESS || state == TG_TASK_FAILED)
      fault = ran_fault(run, item);
    if (fault) return fault;
  }
  // One that was cancelled by itself did not succeed.
  enum tg_task_state state = state_of_items(map, rule, failed + cancelled, verdict);
  bool ended_before = !map->is_cut && map->state == state; // before its run was stopped
  if (cancelled && is_to_end && !ended_before) state = TG_TASK_CANCELLED;
  // Of a chain the items before may have gone on until they were over, too.
  bool is_open = ended < map->items->count || rule->over != SIM_NONE;
  bool may_be_cut = is_to_end && is_open && map->state == TG_TASK_CANCELLED;
  if (map->state == TG_TASK_CANCELLED && task->is_teardown && !map->is_cut)
    return "is a teardown and was cut";
  if (state != map->state && !may_be_cut) return "is not what its items make it";
  return map->state == TG_TASK_SUCCESS ? output_fault(map) : NULL;
}

static bool has_tried(const struct sim_unit *unit) {
  bool tried = unit->attempt_count > 0;
  for (uint32_t i = 0; unit->items && i < unit->items->count && !tried; i++)
    tried = unit->items->units[i].attempt_count > 0 || unit->items->units[i].row_attempts > 0;
  return tried;
}

static const char *cancelled_fault(struct sim_run *run, const struct sim_unit *unit,
                                   bool was_stopped) {
  const struct sim_task *task = sim_task_of(run, unit);
  if (unit->is_cut) return NULL;
  if (sim_has_fallen(run, unit) && run->units[task->spare].state == TG_TASK_CANCELLED) return NULL;
  if (!was_stopped) return "is cancelled though nobody asked";
  if (!task->is_teardown) return NULL;
  for (uint32_t i = 0; i < task->up_count; i++)
    if (has_tried(&run->units[task->up[i]])) return "is a teardown and did not run";
  return NULL;
}

static const char *task_fault(struct sim_run *run, uint32_t task, bool was_stopped) {
  struct sim_unit *unit = &run->units[task];
  const struct sim_task *t = &run->pipeline->tasks[task];
  char verdict = sim_check_verdict(run, task);
  bool may_be_early =
      sim_carried_map(run, task) || (sim_task_is_chain(t) && t->map.is_depth && !t->is_teardown);
  if (!tg_task_state_is_terminal(unit->state)) return "has not ended";
  if (unit->is_carried) return unit->attempt_count ? "was carried over and ran" : NULL;
  if (unit->items) {
    if (verdict != 'R' && !may_be_early) return "ran against its trigger rule";
    return map_fault(run, unit, verdict, was_stopped);
  }
  switch (unit->state) {
  case TG_TASK_SKIPPED:
    return verdict != 'S' || has_tried(unit) ? "is skipped and should not be" : NULL;
  case TG_TASK_UPSTREAM_FAILED:
    return verdict != 'U' || has_tried(unit) ? "is upstream_failed and should not be" : NULL;
  case TG_TASK_CANCELLED:
    return cancelled_fault(run, unit, was_stopped);
  default:
    return verdict == 'R' ? ran_fault(run, unit) : "ran against its trigger rule";
  }
}

static bool is_failure(const struct sim_unit *unit) {
  return unit->state == TG_TASK_FAILED || unit->state == TG_TASK_CANCELLED;
}

// A broken contract and a passed deadline are told of a run only if nothing else failed in it. A
// task that was cancelled by itself did not succeed.
static const char *failure_fault(const struct sim_run *run) {
  int code = run->row.failure.code, first = TG_OK;
  bool is_told = false, is_one_kind = true;
  for (uint32_t i = 0; i < run->pipeline->count; i++) {
    if (!is_failure(&run->units[i])) continue;
    if (!first) first = run->units[i].failure.code;
    is_told |= run->units[i].failure.code == code;
    is_one_kind &= run->units[i].failure.code == first;
  }
  if (!code) return "has failed without a failure";
  if (is_one_kind) return is_told ? NULL : "has failed in a way that no task did";
  if (code == TG_ECONTRACT || code == TG_ETIMEOUT)
    return "tells one kind of failure and had several";
  return is_told || code == TG_ESCRIPT ? NULL : "has failed in a way that no task did";
}

static const char *run_fault(const struct sim *sim, const struct sim_run *run) {
  uint32_t failed = 0, cancelled = 0;
  for (uint32_t i = 0; i < run->pipeline->count; i++) {
    failed += run->units[i].state == TG_TASK_FAILED;
    cancelled += run->units[i].state == TG_TASK_CANCELLED;
  }
  int code = run->row.failure.code;
  bool is_stopped = sim_check_is_stopped(sim, run);
  switch (run->row.state) {
  case TG_RUN_SUCCESS:
    if (failed || cancelled || is_stopped) return "is a success and was none";
    return code ? "is a success with a failure" : NULL;
  case TG_RUN_CANCELLED:
    return run->was_cancelled && code == TG_ECANCELLED ? NULL : "is cancelled and nobody asked";
  case TG_RUN_FAILED:
    if (run->was_timed && code == TG_ETIMEOUT) return NULL;
    if (is_stopped) return "has failed and was stopped";
    return failure_fault(run);
  default:
    return "has no end";
  }
}

void sim_oracle_judge(struct sim *sim, struct sim_run *run) {
  bool was_stopped = sim_check_is_stopped(sim, run);
  unsigned long long number = run->row.number;
  bool has_begun = run->row.started_at || was_stopped;
  const char *never = has_begun ? NULL : sim_never_begun_fault(run);
  if (never) sim_fail(sim, "run %llu %s", number, never);
  if (!has_begun) return;
  for (uint32_t i = 0; i < run->pipeline->count; i++) {
    const char *fault = task_fault(run, i, was_stopped);
    if (fault)
      sim_fail(sim, "run %llu: task %u (%s) %s", number, i, tg_task_state_word(run->units[i].state),
               fault);
  }
  for (size_t i = 0; i < sim->flight_count; i++)
    if (sim->flights[i]->run == run) sim_fail(sim, "run %llu ends while an attempt runs", number);
  const char *fault = run_fault(sim, run);
  if (fault) sim_fail(sim, "run %llu %s", number, fault);
}
