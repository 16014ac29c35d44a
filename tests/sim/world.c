// SPDX-License-Identifier: Apache-2.0
#include "sim/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  HOUR_MS = 3600 * 1000,
  STEPS_MAX = 2000000,
  TIMER_LATE_MS = 200,
  IDS = 16,
};

// Longer than all that a world of this size can have to wait for.
#define TIME_MAX_MS (INT64_C(400) * 24 * HOUR_MS)

// --- What happened ---

void sim_fail(struct sim *sim, const char *format, ...) {
  if (*sim->failure) return;
  va_list args;
  va_start(args, format);
  vsnprintf(sim->failure, sizeof sim->failure, format, args);
  va_end(args);
}

static void hash_add(struct sim *sim, uint64_t value) {
  sim->hash = (sim->hash ^ value) * UINT64_C(0x100000001b3);
  sim->hash ^= sim->hash >> 29;
}

static void line_write(const struct sim *sim, const char *what, const struct sim_run *run,
                       const struct sim_unit *unit, int64_t value, char line[SIM_LAST_LEN]) {
  char where[64] = "";
  if (run && unit && unit->item != TG_NO_ITEM)
    snprintf(where, sizeof where, "run %llu task %u[%u]", (unsigned long long)run->row.number,
             unit->task, unit->item);
  else if (run && unit)
    snprintf(where, sizeof where, "run %llu task %u", (unsigned long long)run->row.number,
             unit->task);
  else if (run)
    snprintf(where, sizeof where, "run %llu", (unsigned long long)run->row.number);
  snprintf(line, SIM_LAST_LEN, "%12.3f  host %u  %s  %s  %lld",
           (double)(sim->now.mono_ms - sim->begun_ms) / 1000, sim->host, where, what,
           (long long)value);
}

void sim_note(struct sim *sim, const char *what, const struct sim_run *run,
              const struct sim_unit *unit, int64_t value) {
  for (const char *c = what; *c; c++) hash_add(sim, (uint8_t)*c);
  hash_add(sim, (uint64_t)sim->now.mono_ms);
  hash_add(sim, run ? run->row.number : 0);
  hash_add(sim, unit ? (uint64_t)unit->task << 32 | unit->item : 0);
  hash_add(sim, (uint64_t)value);
  if (sim->trace == SIM_TRACE_NONE) return;
  char *line = sim->last[sim->noted++ % SIM_LAST_COUNT];
  line_write(sim, what, run, unit, value, line);
  if (sim->trace == SIM_TRACE_ALL) puts(line);
}

void sim_world_tell(const struct sim *sim) {
  uint64_t first = sim->noted > SIM_LAST_COUNT ? sim->noted - SIM_LAST_COUNT : 0;
  for (uint64_t i = first; i < sim->noted; i++) puts(sim->last[i % SIM_LAST_COUNT]);
}

// --- Events ---

static bool is_before(const struct sim_event *a, const struct sim_event *b) {
  return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

static void event_put(struct sim *sim, const struct sim_event *event) {
  if (sim->event_count == sim->event_cap) {
    sim->event_cap = sim->event_cap ? sim->event_cap * 2 : 64;
    sim->events = realloc(sim->events, sim->event_cap * sizeof *sim->events);
    if (!sim->events) abort();
  }
  size_t at = sim->event_count++;
  for (; at && is_before(event, &sim->events[(at - 1) / 2]); at = (at - 1) / 2)
    sim->events[at] = sim->events[(at - 1) / 2];
  sim->events[at] = *event;
}

static struct sim_event event_take(struct sim *sim) {
  struct sim_event first = sim->events[0], last = sim->events[--sim->event_count];
  size_t at = 0;
  for (size_t child; (child = at * 2 + 1) < sim->event_count; at = child) {
    if (child + 1 < sim->event_count && is_before(&sim->events[child + 1], &sim->events[child]))
      child++;
    if (!is_before(&sim->events[child], &last)) break;
    sim->events[at] = sim->events[child];
  }
  sim->events[at] = last;
  return first;
}

// What is only of this host ends with it.
static bool is_of_host(enum sim_event_kind kind) {
  switch (kind) {
  case SIM_BEGIN:
  case SIM_CANCEL:
  case SIM_JUMP:
  case SIM_DRAIN:
  case SIM_CRASH:
    return false;
  default:
    return true;
  }
}

void sim_event_add(struct sim *sim, enum sim_event_kind kind, int64_t wait_ms, uint64_t number) {
  event_put(sim, &(struct sim_event){.at_ms = sim->now.mono_ms + wait_ms,
                                     .order = ++sim->last_order,
                                     .kind = kind,
                                     .host = is_of_host(kind) ? sim->host : 0,
                                     .number = number});
}

// --- The store ---

static void batch_take(struct sim *sim, struct tg_batch *batch) {
  for (size_t i = 0; i < batch->count; i++) {
    const struct tg_record *record = &batch->records[i];
    if (record->kind != TG_RECORD_RUN || !tg_run_state_is_terminal(record->run.state)) continue;
    struct sim_run *run = sim_run_find(sim, record->run.number);
    if (run) run->is_ending = true;
  }
  if (sim->batch_count == sim->batch_cap) {
    sim->batch_cap = sim->batch_cap ? sim->batch_cap * 2 : 16;
    sim->batches = realloc(sim->batches, sim->batch_cap * sizeof *sim->batches);
    if (!sim->batches) abort();
  }
  int64_t wait = sim_random_time(&sim->random, 0, sim->commit_ms);
  struct sim_batch *last = sim->batch_count ? &sim->batches[sim->batch_count - 1] : NULL;
  int64_t at = sim->now.mono_ms + wait;
  if (last && last->durable_at_ms > at) at = last->durable_at_ms; // one after the other
  sim->batches[sim->batch_count++] = (struct sim_batch){.batch = batch, .durable_at_ms = at};
  sim_event_add(sim, SIM_DURABLE, at - sim->now.mono_ms, 0);
}

static void batch_durable(struct sim *sim) {
  sim_books_apply(sim, sim->batches[sim->durable_count++].batch);
  sim_event_add(sim, SIM_TELL, sim_random_chance(&sim->random, 200) ? 1 : 0, 0);
}

static int64_t waits_until(const struct sim *sim, int64_t at_wall_ms) {
  int64_t wait = at_wall_ms - sim->now.wall_ms;
  return sim->now.mono_ms + (wait > 0 ? wait : 0);
}

// From here on the engine may try again what a record says when.
static void waits_begin(struct sim *sim, const struct tg_batch *batch) {
  for (size_t i = 0; i < batch->count; i++) {
    const struct tg_record *record = &batch->records[i];
    if (record->kind != TG_RECORD_ATTEMPT || !record->attempt.retry_at) continue;
    struct sim_run *run = sim_run_find(sim, record->attempt.run);
    struct sim_unit *unit = sim_unit_find(run, record->attempt.task, record->attempt.item);
    unit->wake_mono_ms = waits_until(sim, record->attempt.retry_at);
  }
}

static void batch_tell(struct sim *sim) {
  struct tg_batch *batch = sim->batches[0].batch;
  memmove(sim->batches, sim->batches + 1, --sim->batch_count * sizeof *sim->batches);
  sim->durable_count--;
  waits_begin(sim, batch);
  sim_input(sim, &(struct tg_input){.kind = TG_INPUT_COMMITTED, .committed = batch});
}

// --- The driver ---

static void ended(struct sim *sim, struct sim_run *run) {
  if (!run->is_over) sim_fail(sim, "a run is told to have ended and has not");
  run->is_live = false;
  run->is_told_over = true;
  struct sim_attempt *parent = sim_attempt_find(sim, run->parent);
  if (parent) sim_event_add(sim, SIM_IDLE_OVER, 1, run->parent);
}

static void effect_do(struct sim *sim, const struct tg_effect *effect) {
  struct sim_run *run = effect->run ? sim_run_find(sim, effect->run->run.number) : NULL;
  switch (effect->kind) {
  case TG_EFFECT_COMMIT:
    batch_take(sim, effect->batch);
    break;
  case TG_EFFECT_START:
    sim_worker_start(sim, effect);
    break;
  case TG_EFFECT_CANCEL:
    sim_worker_cancel(sim, effect);
    break;
  case TG_EFFECT_STEP:
    sim_worker_answer(sim, effect);
    break;
  case TG_EFFECT_RUN_BEGUN:
    if (!run || !run->is_durable) sim_fail(sim, "a run is told to have begun and has not");
    break;
  case TG_EFFECT_RUN_ENDED:
    if (run) ended(sim, run);
    break;
  case TG_EFFECT_PROGRESS:
  case TG_EFFECT_TASK:
  case TG_EFFECT_RESOURCE:
    break;
  }
}

// Runs whose time is over are stopped by the timer that is about to be delivered.
static void times_over(struct sim *sim) {
  for (size_t i = 0; i < sim->run_count; i++) {
    struct sim_run *run = sim->runs[i];
    if (!run->is_live || run->is_ending || !run->time_over_mono_ms) continue;
    if (sim->now.mono_ms < run->time_over_mono_ms || run->stop_host == sim->host) continue;
    run->was_timed = true;
    run->stop_host = sim->host;
  }
}

static void crash(struct sim *sim);

void sim_input(struct sim *sim, const struct tg_input *input) {
  const struct tg_effect *effects;
  struct tg_error err;
  size_t count;
  if (*sim->failure || sim->is_down) {
    if (input->kind == TG_INPUT_COMMITTED) tg_batch_free(input->committed);
    return;
  }
  sim->steps++;
  if (tg_engine_step(sim->engine, sim->now, input, &effects, &count, &err))
    sim_fail(sim, "the engine gives up: %s", err.text);
  // A host may end between any two of its acts.
  bool is_last = sim->crashes_left && sim_random_chance(&sim->random, sim->crash_permille);
  size_t done = is_last ? sim_random_below(&sim->random, (uint32_t)count + 1) : count;
  for (size_t i = 0; i < done && !*sim->failure; i++) effect_do(sim, &effects[i]);
  for (size_t i = done; i < count; i++)
    if (effects[i].kind == TG_EFFECT_COMMIT) tg_batch_free(effects[i].batch);
  if (is_last) crash(sim);
}

static void time_limit_set(struct sim *sim, struct sim_run *run, int64_t created_at) {
  if (!run->pipeline->timeout_ms) return;
  int64_t left = created_at + run->pipeline->timeout_ms - sim->now.wall_ms;
  run->time_over_mono_ms = sim->now.mono_ms + (left > 0 ? left : 0);
}

static void carry(struct sim *sim, struct sim_run *run) {
  struct sim_pipeline *p = run->pipeline;
  run->carried = calloc(p->count, sizeof *run->carried);
  if (!run->carried) abort();
  bool *is_carried = calloc(p->count, sizeof *is_carried);
  if (!is_carried) abort();
  for (uint32_t i = 0; i < p->count; i++) {
    const struct sim_task *t = &p->tasks[i];
    is_carried[i] = !t->is_teardown && !t->to_count && sim_random_chance(&sim->random, 700);
    for (uint32_t k = 0; k < t->up_count; k++) is_carried[i] &= is_carried[t->up[k]];
    if (!is_carried[i]) continue;
    run->carried[run->carried_count++] =
        (struct tg_task){.index = i,
                         .name = t->name,
                         .state = TG_TASK_SUCCESS,
                         .attempts = 1,
                         .output = t->is_map ? "[1,null,\"x\",4]" : "{\"carried\":1}"};
  }
  free(is_carried);
}

void sim_begin(struct sim *sim, struct sim_run *run) {
  run->row.number = ++sim->last_run;
  run->row.pipeline = run->pipeline->name;
  run->row.bundle = "bundle";
  run->row.params = "{}";
  run->row.trigger = "manual";
  run->row.logical_at = sim->now.wall_ms;
  for (int i = 0; i < IDS; i++) run->row.id.bytes[i] = (uint8_t)sim_random_next(&sim->random);
  run->is_live = true;
  time_limit_set(sim, run, sim->now.wall_ms);
  sim_note(sim, "BEGIN", run, NULL, run->pipeline->count);
  sim_input(sim, &(struct tg_input){.kind = TG_INPUT_RUN,
                                    .run = {.run = &run->row,
                                            .plan = run->pipeline->plan,
                                            .carried = run->carried,
                                            .carried_count = run->carried_count}});
}

// --- The operator ---

static void begin(struct sim *sim, uint64_t pipeline) {
  if (sim->is_down || sim->is_draining) { // he tries again later
    sim_event_add(sim, SIM_BEGIN, 60000, pipeline);
    return;
  }
  struct sim_run *run = sim_run_add(sim, &sim->pipelines[pipeline]);
  if (sim_random_chance(&sim->random, 150)) carry(sim, run);
  sim_begin(sim, run);
}

static void cancel(struct sim *sim, uint64_t number) {
  struct sim_run *run = sim_run_find(sim, number);
  if (!run || !run->is_live || sim->is_down) return;
  sim_note(sim, "cancel", run, NULL, 0);
  if (!run->is_ending) {
    run->was_cancelled = true;
    run->stop_host = sim->host;
  }
  sim_input(sim, &(struct tg_input){
                     .kind = TG_INPUT_CANCEL,
                     .cancel = {.run = number, .code = TG_ECANCELLED, .reason = "somebody asked"}});
  for (size_t i = 0; i < sim->flight_count && !run->is_ending && !sim->is_down; i++)
    if (sim->flights[i]->run == run && !sim->flights[i]->cancel_code &&
        !sim_task_of(run, sim->flights[i]->unit)->is_teardown)
      sim_fail(sim, "run %llu is cancelled, and an attempt of it is not",
               (unsigned long long)number);
}

static void jump(struct sim *sim) {
  int64_t by = sim_random_time(&sim->random, 0, HOUR_MS);
  sim->now.wall_ms += sim_random_chance(&sim->random, 500) ? by : -by;
  sim_note(sim, "the wall clock jumps", NULL, NULL, sim->now.wall_ms);
}

static void drain(struct sim *sim) {
  if (sim->is_down || !sim->crashes_left) return;
  sim->is_draining = true;
  sim_note(sim, "drains", NULL, NULL, 0);
  sim_input(sim, &(struct tg_input){.kind = TG_INPUT_DRAIN});
  sim_event_add(sim, SIM_CRASH, sim_random_time(&sim->random, 1, HOUR_MS), 0);
}

// --- The end of a host, and the next one ---

void sim_up(struct sim *sim) {
  sim->host++;
  sim->is_down = sim->is_draining = false;
  sim->engine = tg_engine_new(sim->slots, sim->last_run);
  if (!sim->engine) abort();
  for (size_t i = 0; i < sim->run_count; i++)
    if (!sim->runs[i]->is_over)
      sim_event_add(sim, SIM_RESUME, sim_random_time(&sim->random, 1, 5000),
                    sim->runs[i]->row.number);
}

// What is on its way to the disk gets there, up to somewhere.
static void crash(struct sim *sim) {
  if (sim->is_down || !sim->crashes_left) return;
  sim->crashes_left--;
  sim_note(sim, "CRASH", NULL, NULL, (int64_t)sim->batch_count);
  uint32_t more = (uint32_t)(sim->batch_count - sim->durable_count);
  size_t durable = sim->durable_count + sim_random_below(&sim->random, more + 1);
  for (size_t i = sim->durable_count; i < durable; i++) sim_books_apply(sim, sim->batches[i].batch);
  for (size_t i = 0; i < sim->batch_count; i++) tg_batch_free(sim->batches[i].batch);
  sim->batch_count = sim->durable_count = 0;
  sim->is_down = true;
}

// The engine may still be on the stack when the host ends, so this comes from the loop.
static void restart(struct sim *sim) {
  for (size_t i = 0; i < sim->run_count; i++)
    if (!sim->runs[i]->is_durable && !sim->runs[i]->row.child_key) // whoever asked asks again
      sim_event_add(sim, SIM_BEGIN, 60000, (uint64_t)(sim->runs[i]->pipeline - sim->pipelines));
  tg_engine_free(sim->engine);
  sim_attempts_forget(sim);
  sim_books_forget(sim);
  int64_t downtime = sim_random_time(&sim->random, 1, HOUR_MS);
  sim->now.mono_ms += downtime;
  sim->now.wall_ms += downtime;
  if (sim_random_chance(&sim->random, 200)) jump(sim);
  sim_up(sim);
}

static void waits_resume(struct sim *sim, struct sim_unit *units, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    struct sim_unit *unit = &units[i];
    const struct tg_attempt *last =
        unit->attempt_count ? &unit->attempts[unit->attempt_count - 1] : NULL;
    if (last && last->state == TG_ATTEMPT_FAILED && last->retry_at)
      unit->wake_mono_ms = waits_until(sim, last->retry_at);
    if (unit->items) waits_resume(sim, unit->items->units, unit->items->count);
  }
}

static void resume(struct sim *sim, uint64_t number) {
  struct sim_run *run = sim_run_find(sim, number);
  run->is_live = true;
  run->is_ending = false;
  time_limit_set(sim, run, run->row.created_at);
  if (run->row.state == TG_RUN_CANCELLING) run->stop_host = sim->host;
  waits_resume(sim, run->units, run->pipeline->count);
  sim_note(sim, "RESUME", run, NULL, 0);
  sim_books_resume(sim, run);
  if (!sim->is_down) sim_check_resumed(sim, run);
}

// --- The loop ---

static void event_do(struct sim *sim, const struct sim_event *event) {
  struct sim_attempt *attempt = NULL;
  if (event->kind == SIM_WORK || event->kind == SIM_CHILD || event->kind == SIM_IDLE_OVER)
    attempt = sim_attempt_find(sim, event->number);
  switch (event->kind) {
  case SIM_DURABLE:
    batch_durable(sim);
    break;
  case SIM_TELL:
    batch_tell(sim);
    break;
  case SIM_WORK:
    sim_worker_work(sim, attempt);
    break;
  case SIM_AGAIN:
    sim_worker_again(sim, event->number);
    break;
  case SIM_BEGIN:
    begin(sim, event->number);
    break;
  case SIM_RESUME:
    resume(sim, event->number);
    break;
  case SIM_CANCEL:
    cancel(sim, event->number);
    break;
  case SIM_JUMP:
    jump(sim);
    break;
  case SIM_DRAIN:
    drain(sim);
    break;
  case SIM_CRASH:
    crash(sim);
    break;
  case SIM_CHILD:
    sim_worker_ask(sim, attempt);
    break;
  case SIM_IDLE_OVER:
    sim_worker_child_over(sim, attempt);
    break;
  }
}

static void time_pass(struct sim *sim, int64_t at_ms) {
  if (at_ms <= sim->now.mono_ms) return;
  sim->now.wall_ms += at_ms - sim->now.mono_ms;
  sim->now.mono_ms = at_ms;
}

// Lets the next thing happen, the engine's timer included; false when there is none.
static bool next_do(struct sim *sim) {
  if (sim->is_down) restart(sim);
  int64_t timer = tg_engine_next_timer(sim->engine);
  int64_t event = sim->event_count ? sim->events[0].at_ms : INT64_MAX;
  if (timer == INT64_MAX && event == INT64_MAX) return false;
  if (timer < event) {
    int64_t late = timer + sim_random_below(&sim->random, TIMER_LATE_MS);
    time_pass(sim, late < event ? late : event);
    times_over(sim);
    sim_input(sim, &(struct tg_input){.kind = TG_INPUT_TIMER});
    return true;
  }
  struct sim_event first = event_take(sim);
  time_pass(sim, first.at_ms);
  if (!first.host || first.host == sim->host) event_do(sim, &first);
  return true;
}

static void ends_check(struct sim *sim) {
  for (size_t i = 0; i < sim->run_count; i++)
    if (!sim->runs[i]->is_over)
      sim_fail(sim, "run %llu has not ended, and nothing is left to happen",
               (unsigned long long)sim->runs[i]->row.number);
  if (!tg_engine_is_quiet(sim->engine)) sim_fail(sim, "the engine is not quiet at the end");
}

int sim_world_run(struct sim *sim) {
  while (!*sim->failure && next_do(sim)) {
    if (!sim->batch_count && !sim->is_down && !sim->is_draining &&
        sim_random_chance(&sim->random, 50))
      sim_check_idle(sim);
    if (sim->steps > STEPS_MAX || sim->now.mono_ms - sim->begun_ms > TIME_MAX_MS)
      sim_fail(sim, "it does not end");
  }
  if (!*sim->failure) ends_check(sim);
  hash_add(sim, sim->steps);
  return *sim->failure != 0;
}
