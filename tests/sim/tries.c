// SPDX-License-Identifier: Apache-2.0
// What may follow an attempt: a further try after the right time, the last resort, or the end.
#include "base/limits.h"
#include "sim/checks.h"

uint32_t sim_last_number(const struct sim_unit *unit) {
  return unit->attempt_count ? unit->attempts[unit->attempt_count - 1].number : 0;
}

bool sim_is_fallback_due(const struct sim_unit *unit) {
  for (uint32_t i = unit->attempt_count; i-- > 0;)
    if (unit->attempts[i].state == TG_ATTEMPT_FAILED) return unit->attempts[i].is_fallback_next;
  return false;
}

static uint32_t tries_before(const struct sim_unit *unit, uint32_t number) {
  uint32_t tries = 0;
  for (uint32_t i = 0; i < unit->attempt_count; i++)
    tries += unit->attempts[i].number < number && unit->attempts[i].state == TG_ATTEMPT_FAILED;
  return tries;
}

static double delay_max(const struct sim_retry *retry, uint32_t tries) {
  double delay = (double)retry->base_ms;
  if (retry->backoff == 1) delay *= tries;
  for (uint32_t i = 1; i < tries && retry->backoff == 2; i++) delay *= retry->factor;
  if (retry->backoff == 3) delay = (double)retry->cap_ms;
  return delay < (double)retry->cap_ms ? delay : (double)retry->cap_ms;
}

static void delay_bounds(const struct sim_retry *retry, uint32_t tries, double *least,
                         double *most) {
  *least = *most = delay_max(retry, tries);
  if (retry->backoff == 3)
    *least = (double)retry->base_ms;
  else if (retry->jitter == 1)
    *least = 0;
  else if (retry->jitter == 2)
    *least = *most / 2 - 1;
}

static bool is_delay_right(const struct sim_retry *retry, uint32_t tries, int64_t delay_ms,
                           int64_t asked_ms) {
  double least, most;
  delay_bounds(retry, tries, &least, &most);
  if (delay_ms < asked_ms) return false;
  return (double)delay_ms >= least - 1 && ((double)delay_ms <= most + 1 || delay_ms == asked_ms);
}

enum total { TOTAL_IN, TOTAL_OPEN, TOTAL_OVER };

// Says whether the total time allows one more try: jitter may leave it open.
static enum total total_say(const struct sim_retry *retry, const struct sim_unit *unit,
                            const struct tg_attempt *record, uint32_t tries, int64_t asked_ms) {
  int64_t first = unit->attempt_count ? unit->attempts[0].started_at : record->started_at;
  int64_t elapsed = record->ended_at > first ? record->ended_at - first : 0;
  double least, most;
  if (!retry->total_ms) return TOTAL_IN;
  delay_bounds(retry, tries, &least, &most);
  if (least < (double)asked_ms) least = (double)asked_ms;
  if (most < (double)asked_ms) most = (double)asked_ms;
  if ((double)elapsed + most + 1 <= (double)retry->total_ms) return TOTAL_IN;
  return (double)elapsed + least - 1 > (double)retry->total_ms ? TOTAL_OVER : TOTAL_OPEN;
}

// What could not begin before the end of its run must not be waited for. Teardowns are not bound.
static bool is_late(const struct sim_run *run, const struct sim_task *task, double at) {
  int64_t end = sim_run_end(run);
  return end != INT64_MAX && !task->is_teardown && at >= (double)end;
}

static const char *retry_fault(const struct sim_run *run, const struct sim_unit *unit,
                               const struct tg_attempt *record, const struct sim_told *told) {
  const struct sim_task *task = sim_task_of(run, unit);
  const struct sim_retry *retry = &task->retry;
  uint32_t tries = tries_before(unit, record->number) + 1;
  int64_t asked_ms = told->err.retry_after_ms;
  enum total total = total_say(retry, unit, record, tries, asked_ms);
  bool is_counted = tries < retry->attempts && retry->classes >> record->failure.class & 1;
  double least, most;
  delay_bounds(retry, tries, &least, &most);
  if (most < (double)asked_ms) most = (double)asked_ms;
  bool is_in = !is_late(run, task, (double)record->ended_at + most + 1);
  bool must = is_counted && total == TOTAL_IN && is_in && !record->stop;
  bool may = is_counted && total != TOTAL_OVER && !record->stop;
  bool asks = retry->asks && !sim_is_fallback_due(unit) && !record->is_fallback_next;
  const char *fault = asks && may ? sim_policy_fault(told, record) : NULL;
  if (fault) return fault;
  if (retry->asks) must = false;
  if (sim_is_fallback_due(unit))
    return record->retry_at || record->is_fallback_next ? "goes on after its last resort" : NULL;
  if (record->is_fallback_next) {
    if (!task->has_fallback && task->spare == SIM_NONE) return "has no fallback";
    int64_t at = told->is_answered ? told->answered_at : record->ended_at;
    if (record->retry_at != (task->has_fallback ? at : 0)) return "does not fall back at once";
    return must ? "falls back while it may be tried again" : NULL;
  }
  if (!record->retry_at) {
    if (task->has_fallback || task->spare != SIM_NONE) return "is not given to its fallback";
    return must ? "is not tried again" : NULL;
  }
  if (!may) return "is tried again and should not be";
  if (is_late(run, task, (double)record->retry_at)) return "is to be tried again after its run";
  int64_t from = asks ? told->answered_at : record->ended_at;
  if (asks && told->delay_ms >= 0) return NULL;
  if (!is_delay_right(retry, tries, record->retry_at - from, asked_ms))
    return "is tried again after a wrong time";
  return NULL;
}

// A worker's death is not the task's fault, until it has been five times in a row.
static const char *lost_fault(const struct sim *sim, const struct sim_unit *unit,
                              const struct tg_attempt *record, const struct sim_told *told) {
  bool is_own = told && !told->is_bystander;
  uint32_t losses = unit->losses + is_own;
  if (record->state == TG_ATTEMPT_LOST) {
    if (!told || told->host != sim->host) // it ended with its host
      return record->number == sim_last_number(unit) && sim->host > 1 ? NULL
                                                                      : "is lost and was not";
    if (told->err.class != TG_CLASS_LOST) return "is lost and was not";
    return losses >= TG_LOST_ATTEMPTS_MAX ? "is lost once more" : NULL;
  }
  return losses < TG_LOST_ATTEMPTS_MAX ? "has failed because it was lost" : NULL;
}

// A unit that waits for the breaker of its resource may not wait for ever. It has tried nothing.
static bool is_given_up(struct sim *sim, const struct sim_unit *unit, const struct sim_task *task,
                        const struct tg_attempt *record) {
  const struct sim_resource *r = sim_resource_of(sim, task);
  return r && r->rules.has_breaker && !unit->flight && !sim_is_fallback_due(unit) &&
         record->state == TG_ATTEMPT_FAILED && record->failure.code == TG_ETIMEOUT;
}

static const char *attempt_fault(struct sim *sim, const struct sim_run *run, struct sim_unit *unit,
                                 const struct tg_attempt *record) {
  uint32_t last = sim_last_number(unit);
  const struct sim_told *told = sim_told_find(unit, record->number);
  if (record->number != last && record->number != last + 1) return "has a number out of order";
  if (unit->seed_number == record->number && unit->seed != record->seed) return "has another seed";
  if (record->state == TG_ATTEMPT_RUNNING) return NULL;
  if (record->state == TG_ATTEMPT_LOST) return lost_fault(sim, unit, record, told);
  if ((!told || told->host != sim->host) &&
      is_given_up(sim, unit, sim_task_of(run, unit), record)) {
    sim_told_put(sim, unit, record->number)->err.code = TG_ETIMEOUT;
    return record->retry_at && !record->is_fallback_next ? "is given up and tried again" : NULL;
  }
  if (!told) return "has ended and has told nothing";
  if (record->state == TG_ATTEMPT_SUCCESS)
    return told->err.code || told->is_mistold ? "is a success and was none" : NULL;
  if (!told->err.code) return "is no success and was one";
  if (record->state == TG_ATTEMPT_CANCELLED)
    return told->was_stopped || unit->is_parked || sim_is_to_end(sim, run, unit)
               ? NULL
               : "is cancelled and nobody asked";
  if (told->was_stopped) return "has failed though it was cancelled";
  if (record->failure.code != told->err.code || record->failure.class != told->err.class)
    return "has failed in another way than it told";
  const char *fault = told->err.class == TG_CLASS_LOST ? lost_fault(sim, unit, record, told) : NULL;
  return fault ? fault : retry_fault(run, unit, record, told);
}

static void losses_count(const struct sim *sim, struct sim_unit *unit,
                         const struct tg_attempt *record) {
  const struct sim_told *told = sim_told_find(unit, record->number);
  if (record->state == TG_ATTEMPT_RUNNING || !told || told->host != sim->host) return;
  if (told->err.class != TG_CLASS_LOST || record->is_fallback_next)
    unit->losses = 0;
  else if (!told->is_bystander)
    unit->losses++;
}

void sim_check_attempt(struct sim *sim, struct sim_run *run, struct sim_unit *unit,
                       const struct tg_attempt *record) {
  const char *fault = attempt_fault(sim, run, unit, record);
  losses_count(sim, unit, record);
  if (!fault) fault = sim_budget_fault(sim, run, unit, record);
  if (fault)
    sim_fail(sim, "run %llu: attempt %u of task %u item %d %s", (unsigned long long)run->row.number,
             record->number, unit->task, (int)unit->item, fault);
}
