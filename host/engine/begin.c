// SPDX-License-Identifier: Apache-2.0
// Runs begin: a new one is recorded before anything of it starts; one that a host did not finish is
// made again from its records, by the function that applied them the first time.
#include "engine/engine_parts.h"

static struct tg_live_run *run_add(struct tg_engine *engine, const struct tg_run *run,
                                   struct tg_plan *plan) {
  struct tg_live_run *live = tg_live_new(run, plan);
  if (!live) {
    tg_engine_fail(engine, TG_ENOMEM, "out of memory");
    return NULL;
  }
  struct tg_live_run **at = &engine->runs; // the oldest gets the slots first
  while (*at) at = &(*at)->next;
  *at = live;
  return live;
}

void tg_engine_run_arm(struct tg_engine *engine, const struct tg_live_run *run) {
  int64_t deadline = tg_plan_deadline(run->plan, &run->run);
  if (deadline == INT64_MAX) return;
  int64_t left = deadline - engine->now.wall_ms;
  tg_engine_timer(engine,
                  &(struct tg_engine_timer){.at_ms = tg_engine_after(engine->now.mono_ms, left),
                                            .kind = TG_TIMER_RUN,
                                            .run = run->run.number});
}

// As in recovery the maps come before their items, and both before the tasks. A map that is carried
// without its task goes on with the items that it has not.
static void maps_carry(struct tg_engine *engine, struct tg_live_run *live,
                       const struct tg_input *input) {
  uint64_t run = live->run.number;
  for (size_t i = 0; i < input->run.carried_map_count; i++) {
    struct tg_record record = {.kind = TG_RECORD_MAP_ITEMS,
                               .map_items = input->run.carried_maps[i]};
    record.map_items.run = run;
    live->tasks[record.map_items.task].is_deciding = true; // a cancel that comes first waits for it
    tg_engine_record(engine, &record);
  }
  for (size_t i = 0; i < input->run.carried_item_count; i++) {
    struct tg_record record = {.kind = TG_RECORD_ITEM, .item = input->run.carried_items[i]};
    record.item.run = run;
    tg_engine_record(engine, &record);
  }
}

// A run and what it carries over become durable first; the carried tasks are applied with them.
void tg_engine_run_create(struct tg_engine *engine, const struct tg_input *input) {
  struct tg_run run = *input->run.run;
  run.number = ++engine->last_run;
  run.created_at = engine->now.wall_ms;
  run.event_after = engine->last_event;
  struct tg_live_run *live = run_add(engine, &run, input->run.plan);
  if (!live) return;
  tg_engine_place_ask(engine, live);
  tg_engine_record(engine, &(struct tg_record){.kind = TG_RECORD_RUN, .run = live->run});
  if (live->is_ending) return; // it is skipped
  maps_carry(engine, live, input);
  for (size_t i = 0; i < input->run.carried_count; i++) {
    struct tg_record record = {.kind = TG_RECORD_TASK, .task = input->run.carried[i]};
    record.task.run = run.number;
    live->tasks[record.task.index].is_deciding = true; // so that it is not started meanwhile
    tg_engine_record(engine, &record);
  }
}

static void apply(struct tg_engine *engine, struct tg_live_run *run,
                  const struct tg_record *record) {
  // What could be taken in by half only is not gone on with.
  if (!engine->code) tg_engine_check(engine, tg_live_apply(run, record));
}

static void attempt_resume(struct tg_engine *engine, struct tg_live_run *run,
                           const struct tg_attempt *attempt) {
  uint32_t unit = tg_live_unit(run, attempt->task, attempt->item);
  if (unit == UINT32_MAX) return;
  bool is_open = !tg_task_state_is_terminal((enum tg_task_state)run->tasks[unit].state);
  apply(engine, run, &(struct tg_record){.kind = TG_RECORD_ATTEMPT, .attempt = *attempt});
  if (attempt->state != TG_ATTEMPT_RUNNING || !is_open) return;
  struct tg_record lost = {.kind = TG_RECORD_ATTEMPT, .attempt = *attempt};
  lost.attempt.state = TG_ATTEMPT_LOST;
  lost.attempt.ended_at = engine->now.wall_ms;
  lost.attempt.failure = (struct tg_failure){
      .code = TG_ELOST, .class = TG_CLASS_LOST, .text = "the host ended before the attempt did"};
  run->tasks[unit].is_deciding = true;
  tg_engine_record(engine, &lost);
  // That it was to be cancelled is known by this attempt alone; of a task by its own record.
  if (run->tasks[unit].is_cut && attempt->item != TG_NO_ITEM)
    tg_engine_item_cancel(engine, run, unit);
}

// What was being cancelled goes on to its end.
static void stop_resume(struct tg_engine *engine, struct tg_live_run *run, const char *reason) {
  if (!run->stopped.code && reason) tg_engine_run_stop(engine, run, TG_ECANCELLED, reason);
  tg_engine_cuts_resume(engine, run);
}

// What had a place keeps it; what waited for one waits again, at its old place in the line.
static void place_resume(struct tg_engine *engine, struct tg_live_run *run) {
  run->is_admitted = run->run.started_at != 0;
  if (run->is_admitted)
    tg_engine_run_arm(engine, run);
  else if (!run->stopped.code)
    tg_engine_queue_put(engine, run);
}

// Maps come first, because their items are found through them.
void tg_engine_run_resume(struct tg_engine *engine, const struct tg_input *input) {
  struct tg_live_run *run = run_add(engine, input->resume.run, input->resume.plan);
  if (!run) return;
  run->is_durable = run->is_replaying = true;
  if (run->run.state == TG_RUN_CANCELLING) run->stopped = run->run.failure;
  for (size_t i = 0; i < input->resume.map_count; i++)
    apply(engine, run,
          &(struct tg_record){.kind = TG_RECORD_MAP_ITEMS, .map_items = input->resume.maps[i]});
  for (size_t i = 0; i < input->resume.item_count; i++)
    apply(engine, run, &(struct tg_record){.kind = TG_RECORD_ITEM, .item = input->resume.items[i]});
  for (size_t i = 0; i < input->resume.task_count; i++)
    apply(engine, run, &(struct tg_record){.kind = TG_RECORD_TASK, .task = input->resume.tasks[i]});
  for (size_t i = 0; i < input->resume.step_count; i++)
    apply(engine, run, &(struct tg_record){.kind = TG_RECORD_STEP, .step = input->resume.steps[i]});
  for (size_t i = 0; i < input->resume.attempt_count; i++)
    attempt_resume(engine, run, &input->resume.attempts[i]);
  if (engine->code) return;
  stop_resume(engine, run, input->resume.cancelled);
  place_resume(engine, run);
  tg_engine_check(engine, tg_live_replayed(run));
  for (uint32_t i = 0; i < run->count; i++)
    if (run->tasks[i].state == TG_TASK_WAITING && tg_live_notes(&run->tasks[i])->retry_at &&
        !run->tasks[i].is_deciding) // its next attempt was begun, and lost with the host
      tg_engine_retry_arm(engine, run, i);
}
