// SPDX-License-Identifier: Apache-2.0
#include "engine/engine.h"

#include <stdlib.h>
#include <string.h>

#include "engine/engine_parts.h"

struct tg_engine *tg_engine_new(uint32_t slots, uint64_t last_run) {
  struct tg_engine *engine = calloc(1, sizeof *engine);
  if (!engine) return NULL;
  engine->slots = slots;
  engine->last_run = last_run;
  tg_map_init(&engine->flights);
  tg_timers_init(&engine->timers);
  tg_resources_init(&engine->resources);
  tg_map_init(&engine->waits);
  return engine;
}

void tg_engine_set_last_event(struct tg_engine *engine, uint64_t number) {
  engine->last_event = number;
}

void tg_flight_free(struct tg_flight *flight) {
  free(flight->waits_for);
  free(flight);
}

static void runs_free(struct tg_live_run *list) {
  while (list) {
    struct tg_live_run *next = list->next;
    tg_live_free(list);
    list = next;
  }
}

void tg_engine_free(struct tg_engine *engine) {
  if (!engine) return;
  tg_engine_waits_free(engine);
  runs_free(engine->runs);
  runs_free(engine->ended);
  size_t at = 0;
  const struct tg_map_slot *slot;
  while ((slot = tg_map_next(&engine->flights, &at))) tg_flight_free(slot->value);
  tg_map_deinit(&engine->flights);
  tg_timers_deinit(&engine->timers);
  tg_resources_deinit(&engine->resources);
  tg_engine_retries_free(engine);
  tg_engine_steps_free(engine);
  tg_batch_free(engine->open);
  free(engine->effects);
  free(engine);
}

int64_t tg_engine_next_timer(const struct tg_engine *engine) {
  return tg_timers_next(&engine->timers);
}

bool tg_engine_is_quiet(const struct tg_engine *engine) {
  return !engine->flights.count && !engine->travelling && !engine->askings;
}

struct tg_live_run *tg_engine_find_attempt(struct tg_engine *engine, uint64_t attempt,
                                           uint32_t *unit) {
  struct tg_flight *flight = tg_map_get_number(&engine->flights, attempt);
  if (!flight) return NULL;
  *unit = flight->unit;
  return flight->run;
}

struct tg_live_run *tg_engine_find_run(struct tg_engine *engine, uint64_t number) {
  struct tg_live_run *run = engine->runs;
  while (run && run->run.number != number) run = run->next;
  return run;
}

bool tg_engine_has_runs(const struct tg_engine *engine) {
  return engine->runs != NULL;
}

// --- Going on ---

static void run_advance(struct tg_engine *engine, struct tg_live_run *run) {
  if (!run->is_admitted && !run->stopped.code) return; // it waits for its place, or is skipped
  tg_engine_settled_record(engine, run);
  tg_engine_ready_start(engine, run);
  tg_engine_maps_end(engine, run);
  tg_engine_run_end(engine, run);
}

// Backfills take what the others leave.
static void runs_advance(struct tg_engine *engine) {
  bool has_backfill = false;
  engine->stuck_count = 0;
  for (struct tg_live_run *run = engine->runs; run; run = run->next) {
    has_backfill |= run->run.backfill != NULL;
    if (!run->run.backfill) run_advance(engine, run);
  }
  for (struct tg_live_run *run = engine->runs; run && has_backfill; run = run->next)
    if (run->run.backfill) run_advance(engine, run);
}

// --- Applying: a batch is durable ---

static uint64_t record_run(const struct tg_record *record) {
  switch (record->kind) {
  case TG_RECORD_RUN:
    return record->run.number;
  case TG_RECORD_TASK:
    return record->task.run;
  case TG_RECORD_MAP_ITEMS:
    return record->map_items.run;
  case TG_RECORD_ITEM:
    return record->item.run;
  case TG_RECORD_STEP:
    return record->step.run;
  case TG_RECORD_ATTEMPT:
    return record->attempt.run;
  default:
    return 0;
  }
}

static void run_over(struct tg_engine *engine, struct tg_live_run *run) {
  struct tg_live_run **at = &engine->runs;
  while (*at != run) at = &(*at)->next;
  *at = run->next;
  run->next = engine->ended;
  engine->ended = run;
  engine->is_queue_due = true;
  tg_engine_effect(engine, &(struct tg_effect){.kind = TG_EFFECT_RUN_ENDED, .run = run});
}

static void attempt_applied(struct tg_engine *engine, struct tg_live_run *run,
                            const struct tg_attempt *record) {
  if (tg_live_is_retried(record)) run->retries_deciding--;
  uint32_t unit = tg_live_unit(run, record->task, record->item);
  if (unit == UINT32_MAX) return;
  const struct tg_live_task *t = &run->tasks[unit];
  bool is_due = tg_live_notes(t)->retry_at != 0;
  if (t->state != TG_TASK_WAITING || !record->ended_at) return;
  if (is_due) tg_engine_retry_arm(engine, run, unit);
  if (is_due || tg_live_has_fallen(run, unit)) tg_engine_tell(engine, run, unit);
}

static void record_apply(struct tg_engine *engine, struct tg_live_run *run,
                         const struct tg_record *record) {
  bool was_durable = run->is_durable;
  tg_engine_check(engine, tg_live_apply(run, record));
  if (!was_durable && run->is_durable)
    tg_engine_effect(engine, &(struct tg_effect){.kind = TG_EFFECT_RUN_BEGUN, .run = run});
  if (record->kind == TG_RECORD_ATTEMPT) attempt_applied(engine, run, &record->attempt);
  if (record->kind == TG_RECORD_STEP) tg_engine_step_durable(engine, &record->step);
  if (record->kind == TG_RECORD_TASK && tg_task_state_is_terminal(record->task.state))
    tg_engine_tell(engine, run, record->task.index);
  if (record->kind == TG_RECORD_RUN && tg_run_state_is_terminal(run->run.state))
    run_over(engine, run);
}

static void batch_apply(struct tg_engine *engine, struct tg_batch *batch) {
  engine->travelling--;
  struct tg_live_run *run = NULL;
  for (size_t i = 0; i < batch->count && !engine->code; i++) {
    uint64_t number = record_run(&batch->records[i]);
    if (!run || run->run.number != number) run = number ? tg_engine_find_run(engine, number) : NULL;
    if (run) record_apply(engine, run, &batch->records[i]);
  }
  tg_batch_free(batch);
}

// --- Timers ---

// A wait whose time is over has its result recorded before the unit goes on.
static void retry_due(struct tg_engine *engine, struct tg_live_run *run,
                      const struct tg_engine_timer *timer) {
  const struct tg_live_task *t = &run->tasks[timer->unit];
  bool is_another = (uint64_t)tg_live_notes(t)->retry_at != timer->attempt;
  if (is_another || tg_engine_wait_timeout(engine, run, timer->unit)) return;
  tg_engine_check(engine, tg_live_make_ready(run, timer->unit));
}

static void timer_fire(struct tg_engine *engine, const struct tg_engine_timer *timer) {
  struct tg_live_run *run = tg_engine_find_run(engine, timer->run);
  const struct tg_live_task *t = run && timer->unit < run->count ? &run->tasks[timer->unit] : NULL;
  uint32_t unit;
  switch (timer->kind) {
  case TG_TIMER_STARTS:
    tg_engine_starts_record(engine);
    break;
  case TG_TIMER_RETRY:
    if (t && t->state == TG_TASK_WAITING && tg_live_notes(t)->retry_at && !t->is_deciding)
      retry_due(engine, run, timer);
    break;
  case TG_TIMER_ATTEMPT:
    if (tg_engine_find_attempt(engine, timer->attempt, &unit))
      tg_engine_effect(engine, &(struct tg_effect){.kind = TG_EFFECT_CANCEL,
                                                   .run = run,
                                                   .unit = unit,
                                                   .attempt = timer->attempt,
                                                   .code = TG_ETIMEOUT});
    break;
  case TG_TIMER_RESOURCE: // the step asks again for whoever waits
    tg_engine_resources_ring(engine);
    break;
  case TG_TIMER_HELD:
    if (t) tg_engine_held_over(engine, run, timer->unit);
    break;
  case TG_TIMER_RUN:
    if (run) tg_engine_run_stop(engine, run, TG_ETIMEOUT, "the run's time limit passed");
    break;
  }
}

static void timers_fire(struct tg_engine *engine) {
  struct tg_engine_timer timer;
  while (tg_timers_take(&engine->timers, engine->now.mono_ms, &timer)) timer_fire(engine, &timer);
}

// --- Inputs ---

// An attempt that waits for a child run lends its slot to the child.
static void idle_take(struct tg_engine *engine, const struct tg_input *input) {
  struct tg_flight *flight = tg_map_get_number(&engine->flights, input->idle.attempt);
  if (!flight || flight->run->tasks[flight->unit].is_idle == input->idle.is_idle) return;
  struct tg_live_run *run = flight->run;
  uint32_t unit = flight->unit;
  free(flight->waits_for);
  flight->waits_for = input->idle.child ? strdup(input->idle.child) : NULL;
  engine->is_queue_due = true; // it may wait for one that waits for its own run
  run->tasks[unit].is_idle = input->idle.is_idle;
  if (input->idle.is_idle) {
    run->running--;
    engine->running--;
  } else {
    run->running++;
    engine->running++;
  }
}

static void input_take(struct tg_engine *engine, const struct tg_input *input) {
  struct tg_live_run *run;
  switch (input->kind) {
  case TG_INPUT_RUN:
    tg_engine_run_create(engine, input);
    break;
  case TG_INPUT_RESUME:
    tg_engine_run_resume(engine, input);
    break;
  case TG_INPUT_RESULT:
    tg_engine_result(engine, input->result.attempt, input->result.outcome);
    break;
  case TG_INPUT_COMMITTED:
    batch_apply(engine, input->committed);
    break;
  case TG_INPUT_TIMER:
    timers_fire(engine);
    break;
  case TG_INPUT_CANCEL:
    run = tg_engine_find_run(engine, input->cancel.run);
    if (run && input->cancel.is_of_unit)
      tg_engine_cut(engine, run, tg_live_unit(run, input->cancel.task, input->cancel.item),
                    input->cancel.reason);
    else if (run)
      tg_engine_run_stop(engine, run, input->cancel.code, input->cancel.reason);
    break;
  case TG_INPUT_STEP:
    tg_engine_step_take(engine, input);
    break;
  case TG_INPUT_EVENT:
    tg_engine_event(engine, input->event);
    break;
  case TG_INPUT_APPROVAL:
    tg_engine_approval(engine, input);
    break;
  case TG_INPUT_IDLE:
    idle_take(engine, input);
    break;
  case TG_INPUT_DRAIN:
    engine->is_draining = true;
    break;
  case TG_INPUT_DECISION:
    tg_engine_retry_decided(engine, input);
    break;
  case TG_INPUT_RESOURCES:
    tg_engine_resources_take(engine, input);
    break;
  case TG_INPUT_POOLS:
    engine->pools = *input->pools;
    break;
  }
}

static void open_commit(struct tg_engine *engine) {
  if (!engine->open || !engine->open->count || engine->code) return;
  tg_engine_effect(engine, &(struct tg_effect){.kind = TG_EFFECT_COMMIT, .batch = engine->open});
  if (engine->code) return;
  engine->travelling++;
  engine->open = NULL;
}

static void advance(struct tg_engine *engine) {
  tg_engine_queue_advance(engine);
  tg_engine_stopped_cancel(engine);
  runs_advance(engine);
  tg_engine_resources_record(engine);
  open_commit(engine);
}

int tg_engine_step(struct tg_engine *engine, struct tg_now now, const struct tg_input *input,
                   const struct tg_effect **effects, size_t *count, struct tg_error *err) {
  runs_free(engine->ended);
  engine->ended = NULL;
  engine->effect_count = 0;
  engine->now = now;
  engine->code = TG_OK;
  engine->err = err;
  input_take(engine, input);
  if (!engine->code) advance(engine); // else nothing holds together any more
  *effects = engine->effects;
  *count = engine->code ? 0 : engine->effect_count; // half a decision is none
  return engine->code;
}
