// SPDX-License-Identifier: Apache-2.0
// What records say besides their state, for those who read them afterwards: when, why, by whom.
#include <string.h>

#include "sim/checks.h"

static bool is_same_text(const char *a, const char *b) {
  return (!a && !b) || (a && b && strcmp(a, b) == 0);
}

static bool is_said(const struct tg_failure *failure) {
  return failure->code && failure->text && *failure->text;
}

static const char *attempt_fault(const struct sim *sim, struct sim_unit *unit,
                                 const struct tg_attempt *r) {
  const struct sim_told *told = sim_told_find(unit, r->number);
  const struct tg_attempt *row = NULL;
  for (uint32_t i = 0; i < unit->attempt_count; i++)
    if (unit->attempts[i].number == r->number) row = &unit->attempts[i];
  if (!r->started_at) return "began at no time";
  if (row && row->started_at != r->started_at) return "begins at another time";
  if (r->state == TG_ATTEMPT_RUNNING) return r->ended_at ? "runs and has ended" : NULL;
  if (!r->ended_at) return "ended at no time";
  if (r->state == TG_ATTEMPT_SUCCESS) return r->failure.code ? "went well and failed" : NULL;
  if (!is_said(&r->failure)) return "did not go well, for no reason";
  bool is_told = told && told->host == sim->host && told->has_trace;
  if (!is_told || r->state == TG_ATTEMPT_CANCELLED) return NULL;
  if (!is_same_text(r->traceback, SIM_TRACEBACK)) return "has lost its traceback";
  return strncmp(r->failure.text, SIM_FAILURE, strlen(SIM_FAILURE)) ? "fails with other words"
                                                                    : NULL;
}

// The end of a unit says how its last attempt ended, but for maps, which tell of an item.
static const char *end_fault(const struct sim_unit *unit, enum tg_task_state state,
                             uint32_t attempts, int64_t started_at, int64_t ended_at,
                             const struct tg_failure *failure) {
  const struct tg_attempt *last =
      unit->attempt_count ? &unit->attempts[unit->attempt_count - 1] : NULL;
  if (!tg_task_state_is_terminal(state) || unit->is_carried) return NULL;
  if (!ended_at) return "ended at no time";
  if (attempts && !started_at) return "began at no time";
  if (last && attempts && unit->attempts[0].number == 1 &&
      started_at != unit->attempts[0].started_at)
    return "begins at another time than its first attempt";
  if (state == TG_TASK_CANCELLED && !is_said(failure)) return "is cancelled for no reason";
  if (state == TG_TASK_FAILED && !is_said(failure)) return "has failed for no reason";
  if (state == TG_TASK_FAILED && last && !unit->items && failure->code != last->failure.code)
    return "has failed in another way than its attempt";
  return state == TG_TASK_SUCCESS && failure->code ? "went well and failed" : NULL;
}

static const char *run_fault(const struct sim_run *run, const struct tg_run *r) {
  const struct tg_run *row = &run->row;
  if (!is_same_text(r->pipeline, row->pipeline) || !is_same_text(r->bundle, row->bundle) ||
      !is_same_text(r->params, row->params) || !is_same_text(r->trigger, row->trigger) ||
      !is_same_text(r->parent, row->parent) || !is_same_text(r->child_key, row->child_key) ||
      !is_same_text(r->backfill, row->backfill) || r->logical_at != row->logical_at ||
      memcmp(r->id.bytes, row->id.bytes, sizeof r->id.bytes) != 0)
    return "becomes another one";
  if (run->is_durable && r->created_at != row->created_at) return "is created anew";
  if (!tg_run_state_is_terminal(r->state)) return r->ended_at ? "goes on and has ended" : NULL;
  if (!r->ended_at) return "ended at no time";
  return r->state != TG_RUN_SUCCESS && !is_said(&r->failure) ? "ended badly for no reason" : NULL;
}

void sim_check_fields(struct sim *sim, const struct tg_record *record) {
  const char *fault = NULL;
  struct sim_run *run;
  struct sim_unit *unit = sim_record_unit(sim, record, &run);
  if (record->kind == TG_RECORD_RUN) {
    fault = run_fault(run, &record->run);
  } else if (record->kind == TG_RECORD_ATTEMPT) {
    fault = attempt_fault(sim, unit, &record->attempt);
  } else if (record->kind == TG_RECORD_TASK) {
    const struct tg_task *r = &record->task;
    fault = end_fault(unit, r->state, r->attempts, r->started_at, r->ended_at, &r->failure);
  } else if (record->kind == TG_RECORD_ITEM) {
    const struct tg_item *r = &record->item;
    fault = end_fault(unit, r->state, r->attempts, r->started_at, r->ended_at, &r->failure);
  }
  if (fault && unit)
    sim_fail(sim, "run %llu: task %u item %d %s", (unsigned long long)run->row.number, unit->task,
             (int)unit->item, fault);
  else if (fault)
    sim_fail(sim, "run %llu %s", (unsigned long long)run->row.number, fault);
}
