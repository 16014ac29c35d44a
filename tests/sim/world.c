// SPDX-License-Identifier: Apache-2.0
#include "sim/checks.h"

#include <stdlib.h>
#include <string.h>

enum {
  STEPS_MAX = 2000000,
  TIMER_LATE_MS = 200,
  IDS = 16,
  HELD_MS = 50,
};

// Longer than all that a world of this size can have to wait for.
#define TIME_MAX_MS (INT64_C(400) * 24 * 3600 * 1000)

// --- The store ---

// That an attempt runs, and what it remembers, changes nothing.
static bool is_change(const struct tg_record *record) {
  if (record->kind == TG_RECORD_ATTEMPT) return record->attempt.state != TG_ATTEMPT_RUNNING;
  if (record->kind == TG_RECORD_TASK) return record->task.state != TG_TASK_RUNNING;
  return record->kind != TG_RECORD_STEP;
}

// Counts at each unit what is on its way that changes it: +1 when it sets out, -1 when the engine
// is told that it has arrived.
static void pending_count(struct sim *sim, const struct tg_batch *batch, int by) {
  for (size_t i = 0; i < batch->count; i++) {
    const struct tg_record *record = &batch->records[i];
    struct sim_run *run;
    struct sim_unit *unit = sim_record_unit(sim, record, &run);
    if (unit && is_change(record)) unit->pending += (uint32_t)by;
    bool is_end = unit && is_change(record) && record->kind == TG_RECORD_ATTEMPT;
    if (is_end && unit->asking == record->attempt.number) {
      unit->asking = 0;
      sim->asking_count--;
    }
  }
}

static void batch_take(struct sim *sim, struct tg_batch *batch) {
  for (size_t i = 0; i < batch->count; i++) {
    const struct tg_record *record = &batch->records[i];
    if (record->kind != TG_RECORD_RUN || !tg_run_state_is_terminal(record->run.state)) continue;
    struct sim_run *run = sim_run_find(sim, record->run.number);
    if (run) run->is_ending = true;
  }
  pending_count(sim, batch, 1);
  if (sim->batch_count == sim->batch_cap) {
    sim->batch_cap = sim->batch_cap ? sim->batch_cap * 2 : 16;
    sim->batches = realloc(sim->batches, sim->batch_cap * sizeof *sim->batches);
    if (!sim->batches) abort();
  }
  int64_t wait = sim_random_time(&sim->random, 0, sim->commit_ms);
  if (batch->may_wait) wait += sim_random_below(&sim->random, HELD_MS);
  struct sim_batch *last = sim->batch_count ? &sim->batches[sim->batch_count - 1] : NULL;
  int64_t at = sim->now.mono_ms + wait;
  if (last && last->durable_at_ms > at) at = last->durable_at_ms; // one after the other
  sim->batches_taken++;
  sim->batches[sim->batch_count++] = (struct sim_batch){.batch = batch, .durable_at_ms = at};
  sim_event_add(sim, SIM_DURABLE, at - sim->now.mono_ms, 0);
}

// A commit that fails ends the host: it is refused, or it has an unknown outcome.
static void batch_durable(struct sim *sim) {
  if (sim->crashes_left && sim_random_chance(&sim->random, sim->refuse_permille)) {
    sim_note(sim, "a commit fails", NULL, NULL, 0);
    sim_host_crash_after(sim, sim->durable_count + sim_random_below(&sim->random, 2));
    return;
  }
  sim_books_apply(sim, &sim->batches[sim->durable_count++]);
  sim_event_add(sim, SIM_TELL, sim_random_chance(&sim->random, 200) ? 1 : 0, 0);
}

int64_t sim_waits_until(const struct sim *sim, int64_t at_wall_ms) {
  int64_t wait = at_wall_ms - sim->now.wall_ms;
  return sim->now.mono_ms + (wait > 0 ? wait : 0);
}

bool sim_is_told(const struct sim *sim) {
  return sim->durable_count == 0;
}

// From here on the engine may try again what a record says when, and knows what has failed.
static void record_tell(struct sim *sim, const struct tg_record *record) {
  struct sim_run *run;
  struct sim_unit *unit = sim_record_unit(sim, record, &run);
  if (record->kind == TG_RECORD_STEP && record->step.result && unit->is_parked)
    unit->wake_mono_ms = sim->now.mono_ms; // of a wait
  if (record->kind == TG_RECORD_ATTEMPT && record->attempt.retry_at)
    unit->wake_mono_ms = sim_waits_until(sim, record->attempt.retry_at);
  if (record->kind == TG_RECORD_TASK && tg_task_state_is_terminal(record->task.state))
    unit->is_untold = true;
  if (record->kind == TG_RECORD_RUN && tg_run_state_is_terminal(record->run.state))
    run->has_place = false;
  if (record->kind == TG_RECORD_ITEM && sim_counts_as_failed(sim, run, unit))
    run->units[record->item.task].items->told_failed++;
}

static void batch_tell(struct sim *sim) {
  struct tg_batch *batch = sim->batches[0].batch;
  memmove(sim->batches, sim->batches + 1, --sim->batch_count * sizeof *sim->batches);
  sim->durable_count--;
  for (size_t i = 0; i < batch->count; i++) record_tell(sim, &batch->records[i]);
  pending_count(sim, batch, -1);
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
  sim_hash_effect(sim, effect);
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
  case TG_EFFECT_LOOK:
    sim_events_asked(sim, effect);
    break;
  case TG_EFFECT_STEP:
    sim_program_answer(sim, effect);
    break;
  case TG_EFFECT_RUN_BEGUN:
    if (!run || !run->is_durable) sim_fail(sim, "a run is told to have begun and has not");
    if (run) run->is_untold = false;
    break;
  case TG_EFFECT_RUN_ENDED:
    if (run) ended(sim, run);
    break;
    // its tasks wait for no events
  case TG_EFFECT_PROGRESS:
  case TG_EFFECT_TASK:
    if (run) sim_check_told(sim, effect, run);
    break;
  case TG_EFFECT_RESOURCE:
    break;
  case TG_EFFECT_DECIDE:
    sim_policy_asked(sim, effect, run);
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

// After a step whose effects were all carried out.
static void step_check(struct sim *sim, const struct tg_effect *effects, size_t count) {
  bool is_quiet = !sim->flight_count && !sim->batch_count && !sim->asking_count;
  if (tg_engine_is_quiet(sim->engine) != is_quiet)
    sim_fail(sim, is_quiet ? "the engine is not quiet" : "the engine is quiet and should not be");
  if (sim_is_told(sim)) sim_check_order(sim, effects, count);
}

// What is decided holds from here on, though it is not durable.
static void decided(struct sim *sim, const struct tg_batch *batch) {
  sim_check_later(sim, batch);
  sim_waits_decided(sim, batch);
  sim_resources_decided(sim, batch);
  sim_cuts_decided(sim, batch);
  sim_places_decided(sim, batch);
}

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
  for (size_t i = 0; i < count; i++)
    if (effects[i].kind == TG_EFFECT_COMMIT) decided(sim, effects[i].batch);
  // A host may end between any two of its acts.
  bool is_last = sim->crashes_left && sim_random_chance(&sim->random, sim->crash_permille);
  size_t done = is_last ? sim_random_below(&sim->random, (uint32_t)count + 1) : count;
  for (size_t i = 0; i < done && !*sim->failure; i++) effect_do(sim, &effects[i]);
  for (size_t i = done; i < count; i++)
    if (effects[i].kind == TG_EFFECT_COMMIT) tg_batch_free(effects[i].batch);
  if (is_last)
    sim_host_crash(sim);
  else if (!*sim->failure)
    step_check(sim, effects, count);
}

int64_t sim_run_end(const struct sim_run *run) {
  int64_t timeout = run->pipeline->timeout_ms;
  int64_t own = timeout && run->begun_at ? run->begun_at + timeout : INT64_MAX;
  int64_t inherited = run->row.deadline_at ? run->row.deadline_at : INT64_MAX;
  return own < inherited ? own : inherited;
}

void sim_time_limit_set(struct sim *sim, struct sim_run *run, int64_t started_at) {
  run->begun_at = started_at;
  run->time_over_mono_ms = 0;
  int64_t end = sim_run_end(run);
  if (!started_at || end == INT64_MAX) return;
  int64_t left = end - sim->now.wall_ms;
  run->time_over_mono_ms = sim->now.mono_ms + (left > 0 ? left : 0);
}

void sim_begin(struct sim *sim, struct sim_run *run) {
  run->row.number = ++sim->last_run;
  run->row.pipeline = run->pipeline->name;
  run->row.bundle = "bundle";
  run->row.params = "{}";
  run->row.trigger = "manual";
  if (!run->row.logical_at) run->row.logical_at = sim->now.wall_ms;
  for (int i = 0; i < IDS; i++) run->row.id.bytes[i] = (uint8_t)sim_random_next(&sim->random);
  run->is_live = run->is_untold = true;
  run->turn = ++sim->last_turn;
  run->events_before = sim->arrival_count;
  sim_note(sim, "BEGIN", run, NULL, run->pipeline->count);
  struct tg_input input = {.kind = TG_INPUT_RUN};
  input.run.run = &run->row;
  input.run.plan = run->pipeline->plan;
  if (run->carried) {
    input.run.carried = run->carried->tasks;
    input.run.carried_count = run->carried->task_count;
    input.run.carried_maps = run->carried->maps;
    input.run.carried_map_count = run->carried->map_count;
    input.run.carried_items = run->carried->items;
    input.run.carried_item_count = run->carried->item_count;
  }
  sim_input(sim, &input);
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
    sim_operator_begin(sim, event->number, false);
    break;
  case SIM_BACKFILL:
    sim_operator_begin(sim, event->number, true);
    break;
  case SIM_DECIDE:
    sim_policy_answers(sim, event->number);
    break;
  case SIM_ARRIVE:
    sim_event_arrive(sim, event->number);
    break;
  case SIM_LOOK:
    sim_events_look(sim, event->number);
    break;
  case SIM_APPROVE:
    sim_person_answers(sim, event->number);
    break;
  case SIM_RESUME:
    sim_host_resume(sim, event->number);
    break;
  case SIM_CANCEL:
    sim_operator_cancel(sim, event->number);
    break;
  case SIM_CUT:
    sim_operator_cut(sim, event->number);
    break;
  case SIM_JUMP:
    sim_operator_jump(sim);
    break;
  case SIM_DRAIN:
    sim_operator_drain(sim);
    break;
  case SIM_CRASH:
    sim_host_crash(sim);
    break;
  case SIM_CHILD:
    sim_child_ask(sim, attempt);
    break;
  case SIM_IDLE_OVER:
    sim_child_over(sim, attempt);
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
  while (sim->is_down && !*sim->failure) sim_host_restart(sim);
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
  struct sim_event first = sim_event_take(sim);
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
  sim_hash_number(sim, sim->steps);
  return *sim->failure != 0;
}
