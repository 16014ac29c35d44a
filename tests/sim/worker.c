// SPDX-License-Identifier: Apache-2.0
// Workers that are not real: how long an attempt takes and how it ends is chance.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "sim/checks.h"

enum { TEXT_MAX = 1 << 16, GRACE_MS = 80 };

static const int codes[] = {TG_ESCRIPT,  TG_ESCRIPT,    TG_ETHROTTLED, TG_EINVALID, TG_ECONTRACT,
                            TG_ETIMEOUT, TG_ECANCELLED, TG_EBUG,       TG_EIO};

struct sim_attempt *sim_attempt_find(const struct sim *sim, uint64_t handle) {
  return handle && handle <= sim->attempt_count ? sim->attempts[handle - 1] : NULL;
}

static void *grown(void *list, size_t count, size_t *cap, size_t size) {
  if (count < *cap) return list;
  *cap = *cap ? *cap * 2 : 64;
  list = realloc(list, *cap * size);
  if (!list) abort();
  return list;
}

static void flight_add(struct sim *sim, struct sim_attempt *attempt) {
  sim->attempts = grown(sim->attempts, sim->attempt_count, &sim->attempt_cap, sizeof attempt);
  sim->attempts[sim->attempt_count++] = attempt;
  sim->flights = grown(sim->flights, sim->flight_count, &sim->flight_cap, sizeof attempt);
  attempt->place = sim->flight_count;
  sim->flights[sim->flight_count++] = attempt;
}

static void flight_remove(struct sim *sim, struct sim_attempt *attempt) {
  struct sim_attempt *last = sim->flights[--sim->flight_count];
  sim->flights[attempt->place] = last;
  last->place = attempt->place;
  attempt->unit->flight = NULL;
  attempt->is_over = true;
}

void sim_attempts_forget(struct sim *sim) {
  for (size_t i = 0; i < sim->attempt_count; i++) free(sim->attempts[i]);
  sim->attempt_count = sim->flight_count = 0;
}

// --- Beginning ---

static enum sim_end end_draw(struct sim *sim, const struct sim_attempt *a) {
  const struct sim_task *task = sim_task_of(a->run, a->unit);
  bool is_deadly =
      (a->program >> 20) % 1000 < sim->deadly_permille; // to each worker it is given to
  if (is_deadly || sim_random_chance(&sim->random, sim->lost_permille)) return SIM_END_LOST;
  if (task->timeout_ms && sim_random_chance(&sim->random, 60)) return SIM_END_HANG;
  if (sim_random_chance(&sim->random, sim->failure_permille)) return SIM_END_FAILURE;
  if ((a->is_expansion || task->to_count) && sim_random_chance(&sim->random, 40))
    return SIM_END_MISTOLD;
  return SIM_END_SUCCESS;
}

void sim_work_later(struct sim *sim, const struct sim_attempt *attempt) {
  sim_event_add(sim, SIM_WORK, sim_random_time(&sim->random, 0, sim->work_ms), attempt->handle);
}

// An attempt ends with the task's time limit, and a try with that of all tries.
static int64_t deadline_of(const struct sim *sim, const struct sim_run *run,
                           const struct sim_attempt *attempt) {
  const struct sim_task *task = sim_task_of(run, attempt->unit);
  const struct sim_unit *unit = attempt->unit;
  int64_t now = sim->now.wall_ms, left = task->timeout_ms ? task->timeout_ms : INT64_MAX;
  int64_t first_at = unit->attempt_count ? unit->attempts[0].started_at : now;
  int64_t tries_left = first_at + task->retry.total_ms - now;
  bool is_try = task->retry.total_ms && !attempt->is_fallback;
  if (is_try && tries_left < left) left = tries_left > 0 ? tries_left : 0;
  return left == INT64_MAX ? 0 : sim->now.mono_ms + left;
}

void sim_worker_start(struct sim *sim, const struct tg_effect *effect) {
  const struct tg_live_task *live = &effect->run->tasks[effect->unit];
  struct sim_run *run = sim_run_find(sim, effect->run->run.number);
  struct sim_unit *unit = run ? sim_unit_find(run, live->task, live->item) : NULL;
  if (!unit || effect->attempt != sim->attempt_count + 1) {
    sim_fail(sim, "a start of what is not there");
    return;
  }
  sim_note(sim, "START", run, unit, effect->number);
  sim_check_start(sim, effect, run, unit);
  struct sim_attempt *attempt = calloc(1, sizeof *attempt);
  if (!attempt) abort();
  *attempt = (struct sim_attempt){.handle = effect->attempt,
                                  .run = run,
                                  .unit = unit,
                                  .number = effect->number,
                                  .started_mono_ms = sim->now.mono_ms,
                                  .jumped_ms = sim->jumped_ms,
                                  .has_slept = unit->is_parked,
                                  .is_fallback = live->is_fallback};
  attempt->is_expansion =
      sim_task_of(run, unit)->is_map && unit->item == TG_NO_ITEM && !live->is_fallback;
  sim_program_make(sim, attempt);
  attempt->end = end_draw(sim, attempt);
  attempt->end_at = attempt->length;
  bool is_whole = attempt->end == SIM_END_SUCCESS || attempt->end == SIM_END_MISTOLD;
  if (!is_whole) attempt->end_at = sim_random_below(&sim->random, attempt->length + 1);
  attempt->ends_in_step = !is_whole && sim_random_chance(&sim->random, 500);
  attempt->is_astray = sim_random_chance(&sim->random, 10);
  if (!unit->is_parked) unit->deadline_mono_ms = deadline_of(sim, run, attempt);
  unit->flight = attempt;
  unit->seed = effect->seed;
  unit->seed_number = effect->number;
  unit->is_parked = false;
  flight_add(sim, attempt);
  sim_resource_start(sim, attempt);
  sim_work_later(sim, attempt);
}

// --- Ending ---

static void give(struct sim *sim, struct sim_attempt *a, const struct tg_error *err,
                 const char *result, const char *facts) {
  struct tg_outcome outcome = {.err = *err, .result = result, .facts = facts};
  outcome.is_bystander = err->code == TG_ELOST && sim_random_chance(&sim->random, 200);
  outcome.worker = (uint32_t)(a->handle % 3);
  outcome.traceback = err->code ? SIM_TRACEBACK : NULL;
  bool is_stopped = sim_is_to_end(sim, a->run, a->unit);
  sim_note(sim, "result", a->run, a->unit, err->code);
  sim_told_find(a->unit, a->number)->was_stopped = is_stopped;
  sim_told_find(a->unit, a->number)->has_trace = err->code != 0;
  sim_told_find(a->unit, a->number)->is_bystander = outcome.is_bystander;
  flight_remove(sim, a);
  if (a->is_parking && !is_stopped) {
    a->unit->is_parked = true;
    a->unit->parked_mono_ms = sim->now.mono_ms;
    a->unit->jumped_ms = sim->jumped_ms;
    const struct tg_step *step = a->at < a->unit->step_count ? &a->unit->steps[a->at] : NULL;
    if (step && step->wait && step->result) a->wake_wall_ms = sim->now.wall_ms; // it came already
    a->unit->parked_number = a->number;
    a->unit->wake_mono_ms = sim_waits_until(sim, a->wake_wall_ms);
  }
  if (sim_random_chance(&sim->random, sim->again_permille))
    sim_event_add(sim, SIM_AGAIN, sim_random_time(&sim->random, 0, 600000), a->handle);
  sim_cut_later(sim, a->run, a->unit, err->code ? 100 : 20);
  struct sim_expected expected = sim_resource_expect(sim, a, err);
  sim_input(sim, &(struct tg_input){.kind = TG_INPUT_RESULT,
                                    .result = {.attempt = a->handle, .outcome = &outcome}});
  sim_check_expected(sim, &expected);
}

static void give_failure(struct sim *sim, struct sim_attempt *a, int code) {
  struct tg_error err;
  tg_error_set(&err, code, SIM_FAILURE);
  if (code == TG_ETHROTTLED) err.retry_after_ms = sim_random_time(&sim->random, 0, 600000);
  struct sim_told *told = sim_told_put(sim, a->unit, a->number);
  told->err.code = err.code;
  told->err.class = err.class;
  told->err.retry_after_ms = err.retry_after_ms;
  give(sim, a, &err, NULL, NULL);
}

static void items_put(struct sim *sim, struct tg_buf *out, const struct sim_task *task,
                      uint32_t count) {
  tg_buf_puts(out, "{\"items\":[");
  for (uint32_t i = 0; i < count; i++) tg_buf_putf(out, i ? ",%u" : "%u", i * 10);
  tg_buf_putc(out, ']');
  if (task->map.has_keys) {
    tg_buf_puts(out, ",\"keys\":[");
    for (uint32_t i = 0; i < count; i++)
      tg_buf_putf(out, i ? ",\"%c\"" : "\"%c\"",
                  'a' + (int)sim_random_below(&sim->random, SIM_KEYS));
    tg_buf_putc(out, ']');
  }
  tg_buf_putc(out, '}');
}

static void chosen_put(struct sim *sim, struct tg_buf *out, const struct sim_run *run,
                       const struct sim_task *task) {
  tg_buf_puts(out, "[");
  for (uint32_t i = 0; i < task->to_count; i++)
    if (sim_random_chance(&sim->random, 600))
      tg_buf_putf(out, out->len > 1 ? ",\"%s\"" : "\"%s\"", run->pipeline->tasks[task->to[i]].name);
  tg_buf_puts(out, "]");
}

// What is told as a success and is none: items that are no list or too many, a choice that is none.
static void give_mistold(struct sim *sim, struct sim_attempt *a) {
  const struct sim_task *task = sim_task_of(a->run, a->unit);
  struct sim_told *told = sim_told_put(sim, a->unit, a->number);
  told->is_mistold = true;
  told->err = (struct tg_error){.code = TG_EPROTOCOL, .class = TG_CLASS_BUG};
  struct tg_error none = {0};
  if (a->is_expansion)
    give(sim, a, &none, "{\"items\":7}", NULL);
  else if (task->to_count && sim_random_chance(&sim->random, 500))
    give(sim, a, &none, "1", "{\"chosen\":[\"nobody\"]}");
  else
    give(sim, a, &none, "1", NULL);
}

static void give_success(struct sim *sim, struct sim_attempt *a) {
  const struct sim_task *task = sim_task_of(a->run, a->unit);
  struct sim_told *told = sim_told_put(sim, a->unit, a->number);
  struct tg_buf result, facts;
  tg_buf_init(&result, TEXT_MAX);
  tg_buf_init(&facts, TEXT_MAX);
  if (a->is_expansion) {
    uint32_t count = (uint32_t)sim_random_time(&sim->random, 0, sim->item_max);
    items_put(sim, &result, task, count);
    told->item_count = count;
    if (count > task->map.items_max)
      told->err = (struct tg_error){.code = TG_ELIMIT, .class = TG_CLASS_PERMANENT};
    told->is_mistold = told->err.code != 0;
  } else if (sim_random_chance(&sim->random, 800)) {
    tg_buf_putf(&result, "\"%s.%u.%u\"", task->name, a->unit->item + 1u, a->number);
  }
  if (task->to_count) {
    chosen_put(sim, &facts, a->run, task);
    told->chosen = tg_arena_strdup(&sim->arena, tg_buf_text(&facts));
    tg_buf_clear(&facts);
    tg_buf_putf(&facts, "{\"chosen\":%s}", told->chosen);
  }
  told->result = result.len ? tg_arena_strdup(&sim->arena, result.data) : NULL;
  struct tg_error none = {0};
  const char *empty = sim_random_chance(&sim->random, 300) ? "" : NULL; // the same as none
  give(sim, a, &none, told->result ? told->result : empty, facts.len ? facts.data : NULL);
  tg_buf_deinit(&result);
  tg_buf_deinit(&facts);
}

static void give_end(struct sim *sim, struct sim_attempt *a) {
  switch (a->end) {
  case SIM_END_SUCCESS:
    give_success(sim, a);
    break;
  case SIM_END_MISTOLD:
    give_mistold(sim, a);
    break;
  case SIM_END_LOST:
    give_failure(sim, a, TG_ELOST);
    break;
  case SIM_END_FAILURE:
    give_failure(sim, a, codes[sim_random_below(&sim->random, sizeof codes / sizeof *codes)]);
    break;
  case SIM_END_HANG:
    break; // its time limit ends it
  }
}

// Being told to end meets an attempt anywhere; it may just have ended by itself.
static void give_cancelled(struct sim *sim, struct sim_attempt *a) {
  for (size_t i = 0; i < sim->run_count && a->is_idle; i++)
    if (sim->runs[i]->parent == a->handle && sim_random_chance(&sim->random, 800))
      sim_event_add(sim, SIM_CANCEL, 0, sim->runs[i]->row.number);
  bool is_at_end = a->at == a->length && !a->is_idle && a->end == SIM_END_SUCCESS;
  if (is_at_end && sim_random_chance(&sim->random, 100))
    give_success(sim, a);
  else if (sim_random_chance(&sim->random, 50))
    give_failure(sim, a, TG_ELOST);
  else
    give_failure(sim, a, a->cancel_code);
}

void sim_worker_cancel(struct sim *sim, const struct tg_effect *effect) {
  struct sim_attempt *a = sim_attempt_find(sim, effect->attempt);
  if (!a || a->is_over) {
    sim_fail(sim, "an attempt that is over is told to end");
    return;
  }
  sim_note(sim, "CANCEL", a->run, a->unit, effect->code);
  sim_check_cancel(sim, effect, a);
  const struct tg_step *step = a->at < a->unit->step_count ? &a->unit->steps[a->at] : NULL;
  if (a->is_asleep && effect->code == TG_ECANCELLED && step && step->wake_at) {
    int64_t over_at = sim->now.wall_ms + a->unit->deadline_mono_ms - sim->now.mono_ms;
    bool is_over_first = a->unit->deadline_mono_ms && over_at < step->wake_at;
    a->wake_wall_ms = is_over_first ? over_at : step->wake_at;
    a->is_parking = true;
    a->unit->parked_at = a->at;
    a->unit->parking_jumped_ms = sim->jumped_ms;
    sim_person_asked(sim, a);
  }
  if (!a->cancel_code) {
    a->cancel_code = effect->code;
    sim_event_add(sim, SIM_WORK, sim_random_below(&sim->random, GRACE_MS), a->handle);
  }
}

void sim_worker_again(struct sim *sim, uint64_t handle) {
  struct sim_attempt *a = sim_attempt_find(sim, handle);
  struct tg_outcome outcome = {.result = "\"late\""};
  if (sim_random_chance(&sim->random, 500)) tg_error_set(&outcome.err, TG_ELOST, "late");
  sim_note(sim, "late result", a->run, a->unit, outcome.err.code);
  sim_input(sim, &(struct tg_input){.kind = TG_INPUT_RESULT,
                                    .result = {.attempt = handle, .outcome = &outcome}});
}

// --- Going on ---

void sim_worker_work(struct sim *sim, struct sim_attempt *a) {
  if (a->is_over) return;
  if (a->cancel_code) {
    give_cancelled(sim, a);
    return;
  }
  if (a->request || a->is_idle) return;
  bool is_short = a->end != SIM_END_SUCCESS && a->end != SIM_END_MISTOLD && a->at == a->end_at;
  if (a->was_begun) {
    if (is_short)
      give_end(sim, a);
    else
      sim_program_step_end(sim, a);
  } else if (a->at < a->length && (!is_short || a->ends_in_step)) {
    sim_program_operation(sim, a);
  } else if (a->end == SIM_END_SUCCESS && !a->has_child && !a->is_fallback &&
             sim_task_of(a->run, a->unit)->child != SIM_NONE) {
    sim_child_begin(sim, a);
  } else {
    give_end(sim, a);
  }
}
