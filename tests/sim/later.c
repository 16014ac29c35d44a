// SPDX-License-Identifier: Apache-2.0
// Batches that may wait for others: that one is durable a little later must keep nobody from going
// on. What would follow from each of its records is worked out here as if it stood alone.
#include <string.h>

#include "sim/checks.h"

static bool has_other_open(const struct sim_run *run, const struct sim_unit *unit) {
  bool has_one = false;
  for (uint32_t i = 0; i < run->pipeline->count; i++)
    has_one |= i != unit->task && !tg_task_state_is_terminal(run->units[i].state);
  return has_one;
}

static bool lets_another_go(struct sim_run *run, struct sim_unit *unit, const char *chosen) {
  const struct sim_task *task = sim_task_of(run, unit);
  struct sim_unit before = *unit;
  bool lets_go = false;
  for (uint32_t i = 0; i < task->down_count; i++) {
    uint32_t down = task->down[i];
    if (tg_task_state_is_terminal(run->units[down].state)) continue;
    char now = sim_check_verdict(run, down);
    unit->state = TG_TASK_SUCCESS;
    unit->chosen = chosen;
    lets_go |= now == '.' && sim_check_verdict(run, down) != '.';
    *unit = before;
  }
  return lets_go;
}

static const char *task_fault(struct sim_run *run, struct sim_unit *unit,
                              const struct tg_task *record) {
  const struct sim_task *task = sim_task_of(run, unit);
  if (record->failure.code) return "says that it was cancelled";
  if (record->state == TG_TASK_RUNNING) return NULL;
  if (record->state != TG_TASK_SUCCESS) return "did not succeed";
  if (task->spare_of != SIM_NONE && sim_has_fallen(run, &run->units[task->spare_of]))
    return "stands in for another one";
  if (!has_other_open(run, unit)) return "is the last one of its run";
  return lets_another_go(run, unit, record->chosen) ? "lets another one go" : NULL;
}

static const char *item_fault(struct sim_run *run, struct sim_unit *unit,
                              const struct tg_item *record) {
  const struct sim_task *task = sim_task_of(run, unit);
  const struct sim_items *items = run->units[unit->task].items;
  uint32_t open = 0, untried = 0;
  if (record->state != TG_TASK_SUCCESS) return "did not succeed";
  for (uint32_t i = 0; i < items->count; i++) {
    const struct sim_unit *other = &items->units[i];
    bool is_open = other != unit && !tg_task_state_is_terminal(other->state);
    open += is_open;
    untried += is_open && !other->attempt_count && !other->flight;
  }
  if (!open) return "is the last one of its map";
  if (untried && (task->map.limit || task->map.limit_per_key)) return "gives a place to another";
  for (uint32_t i = 0; i < task->down_count; i++) {
    const struct sim_task *down = &run->pipeline->tasks[task->down[i]];
    if (sim_task_is_chain(down) && down->map.over == unit->task) return "is followed in a chain";
  }
  return NULL;
}

static const char *record_fault(struct sim_run *run, struct sim_unit *unit,
                                const struct tg_record *record) {
  if (!unit) return "is of none that may wait";
  if (record->kind == TG_RECORD_TASK) return task_fault(run, unit, &record->task);
  if (record->kind == TG_RECORD_ITEM) return item_fault(run, unit, &record->item);
  if (record->kind != TG_RECORD_ATTEMPT) return "is of none that may wait";
  bool may = record->attempt.state == TG_ATTEMPT_SUCCESS ||
             (record->attempt.state == TG_ATTEMPT_RUNNING && !record->attempt.failure.code);
  return may ? NULL : "did not succeed";
}

void sim_check_later(struct sim *sim, const struct tg_batch *batch) {
  for (size_t i = 0; i < batch->count && batch->may_wait; i++) {
    struct sim_run *run;
    struct sim_unit *unit = sim_record_unit(sim, &batch->records[i], &run);
    const char *fault = record_fault(run, unit, &batch->records[i]);
    if (fault)
      sim_fail(sim, "run %llu: a record of task %u item %d may wait, and %s",
               run ? (unsigned long long)run->row.number : 0, unit ? unit->task : 0,
               unit ? (int)unit->item : 0, fault);
  }
}
