// SPDX-License-Identifier: Apache-2.0
#include "engine/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/map.h"
#include "engine/facts.h"

enum { STARTS_RECORDED_AFTER_MS = 100 };

// An attempt in flight: handle -> where it belongs.
struct flight {
  struct tg_live_run *run;
  uint32_t task;
};

struct tg_engine {
  uint32_t slots, running;
  uint64_t last_run, last_attempt;
  struct tg_live_run *runs, *ended; // ended: told in the last step, freed in this one
  struct tg_map flights;            // struct flight by handle
  struct tg_timers timers;
  bool has_starts_timer, is_draining;
  struct tg_batch *open; // what this step decided
  size_t travelling;     // batches on their way to the store
  struct tg_now now;
  struct tg_effect *effects;
  size_t effect_count, effect_cap;
  int code; // of the first thing that went wrong in this step
  struct tg_error *err;
};

struct tg_engine *tg_engine_new(uint32_t slots, uint64_t last_run) {
  struct tg_engine *engine = calloc(1, sizeof *engine);
  if (!engine) return NULL;
  engine->slots = slots;
  engine->last_run = last_run;
  tg_map_init(&engine->flights);
  tg_timers_init(&engine->timers);
  return engine;
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
  runs_free(engine->runs);
  runs_free(engine->ended);
  size_t at = 0;
  const struct tg_map_slot *slot;
  while ((slot = tg_map_next(&engine->flights, &at))) free(slot->value);
  tg_map_deinit(&engine->flights);
  tg_timers_deinit(&engine->timers);
  tg_batch_free(engine->open);
  free(engine->effects);
  free(engine);
}

int64_t tg_engine_next_timer(const struct tg_engine *engine) {
  return tg_timers_next(&engine->timers);
}

bool tg_engine_is_quiet(const struct tg_engine *engine) {
  return !engine->running && !engine->travelling;
}

struct tg_live_run *tg_engine_find_attempt(struct tg_engine *engine, uint64_t attempt,
                                           uint32_t *task) {
  struct flight *flight = tg_map_get_number(&engine->flights, attempt);
  if (!flight) return NULL;
  *task = flight->task;
  return flight->run;
}

static struct tg_live_run *run_find(struct tg_engine *engine, uint64_t number) {
  struct tg_live_run *run = engine->runs;
  while (run && run->run.number != number) run = run->next;
  return run;
}

// Notes what went wrong; the step's caller stops the host.
static void fail(struct tg_engine *engine, int code, const char *what) {
  if (engine->code) return;
  engine->code = code;
  tg_error_set(engine->err, code, "the engine stops: %s", what);
}

static void check(struct tg_engine *engine, int code) {
  if (code) fail(engine, code, tg_code_text(code));
}

static void effect_add(struct tg_engine *engine, const struct tg_effect *effect) {
  if (engine->effect_count == engine->effect_cap) {
    size_t cap = engine->effect_cap ? engine->effect_cap * 2 : 16;
    struct tg_effect *effects = realloc(engine->effects, cap * sizeof *effects);
    if (!effects) {
      fail(engine, TG_ENOMEM, "out of memory");
      return;
    }
    engine->effects = effects;
    engine->effect_cap = cap;
  }
  engine->effects[engine->effect_count++] = *effect;
}

static void task_told(struct tg_engine *engine, struct tg_live_run *run, uint32_t task) {
  effect_add(engine, &(struct tg_effect){.kind = TG_EFFECT_TASK,
                                         .run = run,
                                         .task = task,
                                         .number = run->tasks[task].attempts});
}

static struct tg_batch *open_batch(struct tg_engine *engine) {
  if (!engine->open) engine->open = tg_batch_new();
  if (!engine->open) fail(engine, TG_ENOMEM, "out of memory");
  return engine->open;
}

static void record_add(struct tg_engine *engine, const struct tg_record *record) {
  struct tg_batch *batch = open_batch(engine);
  if (batch) check(engine, tg_batch_add(batch, record));
}

static void timer_add(struct tg_engine *engine, const struct tg_engine_timer *timer) {
  check(engine, tg_timers_add(&engine->timers, timer));
}

// Adds a wait, which may come from outside, to an instant.
static int64_t instant_after(int64_t instant_ms, int64_t wait_ms) {
  if (wait_ms <= 0) return instant_ms;
  return wait_ms < INT64_MAX - instant_ms ? instant_ms + wait_ms : INT64_MAX;
}

// The same run, task and attempt always get the same seed.
static uint64_t seed_of(const struct tg_run *run, uint32_t task, uint32_t number) {
  uint64_t seed = UINT64_C(0x9e3779b97f4a7c15) * (number + 1u) ^ (uint64_t)task << 32;
  for (int i = 0; i < 16; i++) seed = (seed ^ run->id.bytes[i]) * UINT64_C(0x100000001b3);
  seed ^= seed >> 29;
  return seed & INT64_MAX; // as SQLite keeps it
}

static struct tg_record task_record(const struct tg_live_run *run, uint32_t task,
                                    enum tg_task_state state, int64_t ended_at) {
  const struct tg_live_task *t = &run->tasks[task];
  return (struct tg_record){.kind = TG_RECORD_TASK,
                            .task = {.run = run->run.number,
                                     .index = task,
                                     .name = run->plan->tasks[task].name,
                                     .state = state,
                                     .attempts = t->attempts,
                                     .started_at = t->first_started_at,
                                     .ended_at = ended_at}};
}

static struct tg_record attempt_record(const struct tg_live_run *run, uint32_t task,
                                       enum tg_attempt_state state) {
  const struct tg_live_task *t = &run->tasks[task];
  return (struct tg_record){.kind = TG_RECORD_ATTEMPT,
                            .attempt = {.run = run->run.number,
                                        .task = task,
                                        .number = t->attempts,
                                        .state = state,
                                        .seed = seed_of(&run->run, task, t->attempts),
                                        .started_at = t->started_at}};
}

// Acting: starting what is ready.

static void attempt_start(struct tg_engine *engine, struct tg_live_run *run, uint32_t task) {
  struct tg_live_task *t = &run->tasks[task];
  const struct tg_plan_task *plan = &run->plan->tasks[task];
  struct flight *flight = malloc(sizeof *flight);
  uint64_t handle = ++engine->last_attempt;
  if (!flight || tg_map_put_number(&engine->flights, handle, flight) != 0) {
    free(flight);
    fail(engine, TG_ENOMEM, "out of memory");
    return;
  }
  *flight = (struct flight){.run = run, .task = task};
  t->state = TG_TASK_RUNNING;
  t->attempt = handle;
  t->attempts++;
  t->is_recorded = false;
  t->started_at = engine->now.wall_ms;
  if (!t->first_started_at) t->first_started_at = t->started_at;
  run->running++;
  engine->running++;
  if (plan->timeout_ms)
    timer_add(engine, &(struct tg_engine_timer){.at_ms = engine->now.mono_ms + plan->timeout_ms,
                                                .kind = TG_TIMER_ATTEMPT,
                                                .run = run->run.number,
                                                .task = task,
                                                .attempt = handle});
  effect_add(engine, &(struct tg_effect){.kind = TG_EFFECT_START,
                                         .run = run,
                                         .task = task,
                                         .number = t->attempts,
                                         .attempt = handle,
                                         .seed = seed_of(&run->run, task, t->attempts)});
  task_told(engine, run, task);
}

static bool run_has_slot(const struct tg_engine *engine, const struct tg_live_run *run) {
  return run->is_durable && engine->running < engine->slots && !run->stopped.code &&
         !engine->is_draining && (!run->plan->tasks_max || run->running < run->plan->tasks_max);
}

static void starts_timer_arm(struct tg_engine *engine) {
  if (engine->has_starts_timer) return;
  engine->has_starts_timer = true;
  timer_add(engine,
            &(struct tg_engine_timer){.at_ms = engine->now.mono_ms + STARTS_RECORDED_AFTER_MS,
                                      .kind = TG_TIMER_STARTS});
}

static void ready_start(struct tg_engine *engine, struct tg_live_run *run) {
  uint32_t task;
  while (run_has_slot(engine, run) && tg_ready_pop(&run->ready, &task)) {
    const struct tg_live_task *t = &run->tasks[task];
    if (t->state != TG_TASK_READY || t->is_deciding) continue; // it was put in twice
    attempt_start(engine, run, task);
    starts_timer_arm(engine);
  }
}

// Deciding: the end of tasks and runs.

static void settled_record(struct tg_engine *engine, struct tg_live_run *run) {
  for (uint32_t i = 0; i < run->settled_count; i++) {
    uint32_t task = run->settled[i];
    // In recovery its own record may have come after that of the upstream that settled it.
    if (tg_task_state_is_terminal((enum tg_task_state)run->tasks[task].state)) continue;
    struct tg_record record =
        task_record(run, task, tg_live_settled_state(run, task), engine->now.wall_ms);
    record_add(engine, &record);
  }
  run->settled_count = 0;
}

// Says why a run failed: with the contract class or the timeout code only if every failed task has
// it, for that is what the exit code tells.
static struct tg_failure run_failure(const struct tg_live_run *run, char *text, size_t size) {
  struct tg_failure failure = {0};
  for (uint32_t i = 0; i < run->plan->count; i++) {
    const struct tg_live_task *t = &run->tasks[i];
    if (t->state != TG_TASK_FAILED) continue;
    bool is_first = failure.code == TG_OK;
    bool is_worse = (failure.code == TG_ECONTRACT || failure.code == TG_ETIMEOUT) &&
                    failure.code != t->failure.code;
    if (!is_first && !is_worse) continue;
    failure = t->failure;
    snprintf(text, size, "%s: %s", run->plan->tasks[i].name,
             t->failure.text ? t->failure.text : tg_code_text(t->failure.code));
    failure.text = text;
  }
  return failure;
}

static void run_end(struct tg_engine *engine, struct tg_live_run *run) {
  if (run->open || run->is_ending) return;
  char text[TG_ERROR_TEXT_MAX];
  struct tg_record record = {.kind = TG_RECORD_RUN, .run = run->run};
  struct tg_failure failure = run_failure(run, text, sizeof text);
  if (run->stopped.code) failure = run->stopped;
  record.run.state = run->stopped.code == TG_ECANCELLED ? TG_RUN_CANCELLED
                     : failure.code                     ? TG_RUN_FAILED
                                                        : TG_RUN_SUCCESS;
  record.run.failure = failure;
  record.run.ended_at = engine->now.wall_ms;
  run->is_ending = true;
  record_add(engine, &record);
}

static void runs_advance(struct tg_engine *engine) {
  for (struct tg_live_run *run = engine->runs; run; run = run->next) {
    settled_record(engine, run);
    ready_start(engine, run);
    run_end(engine, run);
  }
}

// Deciding: an attempt has ended.

static void failed_decide(struct tg_engine *engine, struct tg_live_run *run, uint32_t task,
                          struct tg_attempt *attempt, const struct tg_error *err,
                          bool is_bystander) {
  struct tg_live_task *t = &run->tasks[task];
  const struct tg_plan_task *plan = &run->plan->tasks[task];
  attempt->failure = (struct tg_failure){.code = err->code, .class = err->class, .text = err->text};
  attempt->state = TG_ATTEMPT_FAILED;
  if (err->class != TG_CLASS_LOST) t->worker_losses = 0;
  if (run->stopped.code) {
    attempt->state = TG_ATTEMPT_CANCELLED;
    return;
  }
  if (err->class == TG_CLASS_LOST && !is_bystander) t->worker_losses++;
  if (err->class == TG_CLASS_LOST && t->worker_losses < TG_LOST_ATTEMPTS_MAX) {
    attempt->state = TG_ATTEMPT_LOST;
    return;
  }
  int64_t elapsed = engine->now.wall_ms - t->first_started_at;
  struct tg_retry_decision retry =
      tg_retry_decide(&plan->retry, t->attempts - t->lost, err->class, attempt->seed,
                      err->retry_after_ms, elapsed > 0 ? elapsed : 0);
  if (retry.stop == TG_RETRY_STOP_NOT)
    attempt->retry_at = instant_after(engine->now.wall_ms, retry.delay_ms);
}

static void ended_record(struct tg_engine *engine, struct tg_live_run *run, uint32_t task,
                         struct tg_record *attempt, const char *result, const char *chosen) {
  record_add(engine, attempt);
  enum tg_attempt_state state = attempt->attempt.state;
  bool is_over = state == TG_ATTEMPT_SUCCESS || state == TG_ATTEMPT_CANCELLED ||
                 (state == TG_ATTEMPT_FAILED && !attempt->attempt.retry_at);
  if (!is_over) return;
  struct tg_record record = task_record(run, task,
                                        state == TG_ATTEMPT_SUCCESS     ? TG_TASK_SUCCESS
                                        : state == TG_ATTEMPT_CANCELLED ? TG_TASK_CANCELLED
                                                                        : TG_TASK_FAILED,
                                        engine->now.wall_ms);
  record.task.output = result && *result ? result : NULL;
  record.task.chosen = chosen;
  record.task.failure = state == TG_ATTEMPT_CANCELLED ? run->stopped : attempt->attempt.failure;
  record_add(engine, &record);
}

static void result_take(struct tg_engine *engine, uint64_t handle,
                        const struct tg_outcome *outcome) {
  struct flight *flight = tg_map_remove_number(&engine->flights, handle);
  if (!flight) return; // it was ended before; what it says now changes nothing
  struct tg_live_run *run = flight->run;
  uint32_t task = flight->task;
  free(flight);
  struct tg_live_task *t = &run->tasks[task];
  if (t->state != TG_TASK_RUNNING || t->attempt != handle || t->is_deciding) {
    fail(engine, TG_EBUG, "an attempt ended that its task does not know");
    return;
  }
  t->attempt = 0;
  t->is_deciding = true;
  run->running--;
  engine->running--;
  struct tg_batch *batch = open_batch(engine);
  if (!batch) return;

  struct tg_error err = outcome->err;
  struct tg_record record = attempt_record(run, task, TG_ATTEMPT_SUCCESS);
  struct tg_attempt *attempt = &record.attempt;
  attempt->worker = outcome->worker;
  attempt->ended_at = engine->now.wall_ms;
  attempt->traceback = outcome->traceback && *outcome->traceback ? outcome->traceback : NULL;
  if (err.code) attempt->state = TG_ATTEMPT_FAILED;
  const char *chosen = NULL;
  if (tg_facts_record(run->plan, attempt, outcome->facts, batch, &chosen, &err) && !err.code)
    tg_error_set(&err, TG_ENOMEM, "no memory for what the attempt tells");
  if (err.code) failed_decide(engine, run, task, attempt, &err, outcome->is_bystander);
  ended_record(engine, run, task, &record, err.code ? NULL : outcome->result, chosen);
}

// Applying: a batch is durable.

static void retry_arm(struct tg_engine *engine, struct tg_live_run *run, uint32_t task) {
  int64_t wait = run->tasks[task].retry_at - engine->now.wall_ms;
  timer_add(engine, &(struct tg_engine_timer){.at_ms = instant_after(engine->now.mono_ms, wait),
                                              .kind = TG_TIMER_RETRY,
                                              .run = run->run.number,
                                              .task = task});
}

static uint64_t record_run(const struct tg_record *record) {
  switch (record->kind) {
  case TG_RECORD_RUN:
    return record->run.number;
  case TG_RECORD_TASK:
    return record->task.run;
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
  effect_add(engine, &(struct tg_effect){.kind = TG_EFFECT_RUN_ENDED, .run = run});
}

static void record_apply(struct tg_engine *engine, struct tg_live_run *run,
                         const struct tg_record *record) {
  check(engine, tg_live_apply(run, record));
  if (record->kind == TG_RECORD_ATTEMPT) {
    const struct tg_live_task *t = &run->tasks[record->attempt.task];
    if (t->state == TG_TASK_WAITING && t->retry_at && record->attempt.ended_at) {
      retry_arm(engine, run, record->attempt.task);
      task_told(engine, run, record->attempt.task);
    }
  }
  if (record->kind == TG_RECORD_TASK && tg_task_state_is_terminal(record->task.state))
    task_told(engine, run, record->task.index);
  if (record->kind == TG_RECORD_RUN && tg_run_state_is_terminal(run->run.state))
    run_over(engine, run);
}

static void batch_apply(struct tg_engine *engine, struct tg_batch *batch) {
  engine->travelling--;
  struct tg_live_run *run = NULL;
  for (size_t i = 0; i < batch->count; i++) {
    uint64_t number = record_run(&batch->records[i]);
    if (!run || run->run.number != number) run = number ? run_find(engine, number) : NULL;
    if (run) record_apply(engine, run, &batch->records[i]);
  }
  tg_batch_free(batch);
}

// Cancelling.

// The reason is kept with each task, for a host that takes the run up again.
static void task_cancel(struct tg_engine *engine, struct tg_live_run *run, uint32_t task) {
  struct tg_record record = task_record(run, task, TG_TASK_CANCELLED, engine->now.wall_ms);
  record.task.failure = run->stopped;
  run->tasks[task].is_deciding = true;
  record_add(engine, &record);
}

static void run_cancel(struct tg_engine *engine, struct tg_live_run *run, int code,
                       const char *reason) {
  if (run->stopped.code || run->is_ending) return;
  run->stopped = (struct tg_failure){
      .code = code, .class = tg_code_class(code), .text = tg_arena_strdup(&run->arena, reason)};
  for (uint32_t i = 0; i < run->plan->count; i++) {
    struct tg_live_task *t = &run->tasks[i];
    if (t->attempt) {
      effect_add(engine, &(struct tg_effect){.kind = TG_EFFECT_CANCEL,
                                             .run = run,
                                             .task = i,
                                             .attempt = t->attempt,
                                             .code = TG_ECANCELLED});
    } else if (!t->is_deciding && !tg_task_state_is_terminal((enum tg_task_state)t->state)) {
      task_cancel(engine, run, i);
    }
  }
}

// A task that was deciding while its run was cancelled may come back as ready or waiting; one of a
// run that is resumed in the middle of its cancelling, too.
static void stragglers_cancel(struct tg_engine *engine) {
  for (struct tg_live_run *run = engine->runs; run; run = run->next) {
    if (!run->stopped.code || run->is_ending || !run->open) continue;
    for (uint32_t i = 0; i < run->plan->count; i++) {
      const struct tg_live_task *t = &run->tasks[i];
      if (!t->attempt && !t->is_deciding &&
          !tg_task_state_is_terminal((enum tg_task_state)t->state))
        task_cancel(engine, run, i);
    }
  }
}

// Timers.

static void starts_record(struct tg_engine *engine) {
  engine->has_starts_timer = false;
  size_t at = 0;
  const struct tg_map_slot *slot;
  while ((slot = tg_map_next(&engine->flights, &at))) {
    const struct flight *flight = slot->value;
    struct tg_live_task *t = &flight->run->tasks[flight->task];
    if (t->is_recorded) continue;
    t->is_recorded = true;
    struct tg_record attempt = attempt_record(flight->run, flight->task, TG_ATTEMPT_RUNNING);
    struct tg_record task = task_record(flight->run, flight->task, TG_TASK_RUNNING, 0);
    record_add(engine, &attempt);
    record_add(engine, &task);
  }
}

static void timer_fire(struct tg_engine *engine, const struct tg_engine_timer *timer) {
  struct tg_live_run *run = run_find(engine, timer->run);
  uint32_t task;
  switch (timer->kind) {
  case TG_TIMER_STARTS:
    starts_record(engine);
    break;
  case TG_TIMER_RETRY:
    if (run && run->tasks[timer->task].state == TG_TASK_WAITING &&
        run->tasks[timer->task].retry_at && !run->tasks[timer->task].is_deciding)
      check(engine, tg_live_make_ready(run, timer->task));
    break;
  case TG_TIMER_ATTEMPT:
    if (tg_engine_find_attempt(engine, timer->attempt, &task))
      effect_add(engine, &(struct tg_effect){.kind = TG_EFFECT_CANCEL,
                                             .run = run,
                                             .task = timer->task,
                                             .attempt = timer->attempt,
                                             .code = TG_ETIMEOUT});
    break;
  case TG_TIMER_RUN:
    if (run) run_cancel(engine, run, TG_ETIMEOUT, "the run's time limit passed");
    break;
  }
}

static void timers_fire(struct tg_engine *engine) {
  struct tg_engine_timer timer;
  while (tg_timers_take(&engine->timers, engine->now.mono_ms, &timer)) timer_fire(engine, &timer);
}

// Creating runs.

static struct tg_live_run *run_add(struct tg_engine *engine, const struct tg_run *run,
                                   struct tg_plan *plan) {
  struct tg_live_run *live = tg_live_new(run, plan);
  if (!live) {
    fail(engine, TG_ENOMEM, "out of memory");
    return NULL;
  }
  struct tg_live_run **at = &engine->runs; // the oldest gets the slots first
  while (*at) at = &(*at)->next;
  *at = live;
  if (plan->timeout_ms) {
    int64_t left = run->created_at + plan->timeout_ms - engine->now.wall_ms;
    timer_add(engine, &(struct tg_engine_timer){.at_ms = instant_after(engine->now.mono_ms, left),
                                                .kind = TG_TIMER_RUN,
                                                .run = live->run.number});
  }
  return live;
}

// A run and what it carries over become durable first; the carried tasks are applied with them.
static void run_create(struct tg_engine *engine, const struct tg_input *input) {
  struct tg_run run = *input->run.run;
  run.number = ++engine->last_run;
  run.state = TG_RUN_RUNNING;
  run.created_at = engine->now.wall_ms;
  struct tg_live_run *live = run_add(engine, &run, input->run.plan);
  if (!live) return;
  record_add(engine, &(struct tg_record){.kind = TG_RECORD_RUN, .run = run});
  for (size_t i = 0; i < input->run.carried_count; i++) {
    struct tg_record record = {.kind = TG_RECORD_TASK, .task = input->run.carried[i]};
    record.task.run = run.number;
    live->tasks[record.task.index].is_deciding = true; // so that it is not started meanwhile
    record_add(engine, &record);
  }
}

static void attempt_resume(struct tg_engine *engine, struct tg_live_run *run,
                           const struct tg_attempt *attempt) {
  if (attempt->task >= run->plan->count) return;
  struct tg_live_task *t = &run->tasks[attempt->task];
  bool is_open = !tg_task_state_is_terminal((enum tg_task_state)t->state);
  check(engine,
        tg_live_apply(run, &(struct tg_record){.kind = TG_RECORD_ATTEMPT, .attempt = *attempt}));
  if (attempt->state != TG_ATTEMPT_RUNNING || !is_open) return;
  struct tg_record lost = {.kind = TG_RECORD_ATTEMPT, .attempt = *attempt};
  lost.attempt.state = TG_ATTEMPT_LOST;
  lost.attempt.ended_at = engine->now.wall_ms;
  lost.attempt.failure = (struct tg_failure){
      .code = TG_ELOST, .class = TG_CLASS_LOST, .text = "the host ended before the attempt did"};
  t->is_deciding = true;
  record_add(engine, &lost);
}

// That a run is being cancelled has no record of its own; the first task that was says so.
static void cancel_resume(struct tg_live_run *run) {
  for (uint32_t i = 0; i < run->plan->count && !run->stopped.code; i++) {
    if (run->tasks[i].state != TG_TASK_CANCELLED) continue;
    run->stopped = run->tasks[i].failure; // its text lives as long as the task
  }
}

static void run_resume(struct tg_engine *engine, const struct tg_input *input) {
  struct tg_live_run *run = run_add(engine, input->resume.run, input->resume.plan);
  if (!run) return;
  run->is_durable = true;
  for (size_t i = 0; i < input->resume.task_count; i++)
    check(engine, tg_live_apply(run, &(struct tg_record){.kind = TG_RECORD_TASK,
                                                         .task = input->resume.tasks[i]}));
  for (size_t i = 0; i < input->resume.attempt_count; i++)
    attempt_resume(engine, run, &input->resume.attempts[i]);
  cancel_resume(run);
  for (uint32_t i = 0; i < run->plan->count; i++)
    if (run->tasks[i].state == TG_TASK_WAITING && run->tasks[i].retry_at) retry_arm(engine, run, i);
}

static void input_take(struct tg_engine *engine, const struct tg_input *input) {
  struct tg_live_run *run;
  switch (input->kind) {
  case TG_INPUT_RUN:
    run_create(engine, input);
    break;
  case TG_INPUT_RESUME:
    run_resume(engine, input);
    break;
  case TG_INPUT_RESULT:
    result_take(engine, input->result.attempt, input->result.outcome);
    break;
  case TG_INPUT_COMMITTED:
    batch_apply(engine, input->committed);
    break;
  case TG_INPUT_TIMER:
    timers_fire(engine);
    break;
  case TG_INPUT_CANCEL:
    run = run_find(engine, input->cancel.run);
    if (run) run_cancel(engine, run, input->cancel.code, input->cancel.reason);
    break;
  case TG_INPUT_DRAIN:
    engine->is_draining = true;
    break;
  }
}

static void open_commit(struct tg_engine *engine) {
  if (!engine->open || !engine->open->count || engine->code) return;
  effect_add(engine, &(struct tg_effect){.kind = TG_EFFECT_COMMIT, .batch = engine->open});
  if (engine->code) return;
  engine->travelling++;
  engine->open = NULL;
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
  stragglers_cancel(engine);
  runs_advance(engine);
  open_commit(engine);
  *effects = engine->effects;
  *count = engine->code ? 0 : engine->effect_count; // half a decision is none
  return engine->code;
}
