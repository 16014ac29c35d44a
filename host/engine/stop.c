// SPDX-License-Identifier: Apache-2.0
// Stopping: a run that is cancelled, or whose time is over, ends what is open in it. Its teardowns
// still run.
#include "engine/engine_parts.h"

struct tg_failure tg_engine_cancel_reason(const struct tg_live_run *run) {
  return run->stopped.code ? run->stopped : run->cut;
}

// What was ended only to sleep will not go on: its try is over, too.
static void parked_cancel(struct tg_engine *engine, struct tg_live_run *run, uint32_t unit) {
  struct tg_live_task *t = &run->tasks[unit];
  if (!t->is_parked) return;
  struct tg_record record = tg_engine_attempt_record(run, unit, TG_ATTEMPT_CANCELLED);
  record.attempt.ended_at = engine->now.wall_ms;
  record.attempt.failure = tg_engine_cancel_reason(run);
  t->is_parked = false;
  tg_engine_wait_forget(engine, run, unit);
  tg_engine_record(engine, &record);
}

void tg_engine_task_cancel(struct tg_engine *engine, struct tg_live_run *run, uint32_t task) {
  char text[TG_ERROR_TEXT_MAX];
  struct tg_record record =
      tg_engine_task_record(run, task, TG_TASK_CANCELLED, engine->now.wall_ms);
  record.task.failure = tg_engine_cancel_reason(run);
  if (tg_engine_held_text(engine, run, task, text, sizeof text)) record.task.failure.text = text;
  parked_cancel(engine, run, task);
  run->tasks[task].is_deciding = true;
  tg_engine_record(engine, &record);
}

// Of a teardown that waits itself it is not known yet.
static bool may_have_begun(const struct tg_live_run *run, uint32_t task) {
  const struct tg_live_task *t = &run->tasks[task];
  return t->attempts || t->map || t->state == TG_TASK_SUCCESS ||
         (run->plan->tasks[task].is_teardown &&
          !tg_task_state_is_terminal((enum tg_task_state)t->state));
}

// A teardown still runs if something was begun that it tears down.
static bool is_kept(const struct tg_live_run *run, uint32_t task) {
  if (!run->plan->tasks[task].is_teardown) return false;
  struct tg_graph_slice up = tg_graph_upstream(&run->plan->graph, task);
  for (uint32_t i = 0; i < up.count; i++)
    if (may_have_begun(run, up.nodes[i])) return true;
  return false;
}

// What is not in flight ends here; expanded maps end when the last of their items has.
static void open_cancel(struct tg_engine *engine, struct tg_live_run *run) {
  for (uint32_t i = 0; i < run->plan->count; i++) {
    const struct tg_live_task *t = &run->tasks[i];
    if (!t->attempt && !t->map && !t->is_deciding && !is_kept(run, i) &&
        !tg_task_state_is_terminal((enum tg_task_state)t->state))
      tg_engine_task_cancel(engine, run, i);
  }
}

void tg_engine_item_cancel(struct tg_engine *engine, struct tg_live_run *run, uint32_t unit) {
  struct tg_live_task *t = &run->tasks[unit];
  parked_cancel(engine, run, unit);
  t->is_deciding = true;
  tg_engine_record(engine, &(struct tg_record){.kind = TG_RECORD_ITEM,
                                               .item = {.run = run->run.number,
                                                        .task = t->task,
                                                        .index = t->item,
                                                        .state = TG_TASK_CANCELLED,
                                                        .attempts = t->attempts,
                                                        .started_at = tg_live_first_started_at(t),
                                                        .ended_at = engine->now.wall_ms,
                                                        .failure = tg_engine_cancel_reason(run)}});
}

// Items that were let in and are not in flight will not be: their map must not wait for them.
static void items_cancel(struct tg_engine *engine, struct tg_live_run *run) {
  for (uint32_t i = run->plan->count; i < run->count; i++) {
    const struct tg_live_task *t = &run->tasks[i];
    bool was_let_in = t->state == TG_TASK_READY || (t->state == TG_TASK_WAITING && t->attempts);
    if (was_let_in && !t->is_deciding && tg_live_is_cut(run, i))
      tg_engine_item_cancel(engine, run, i);
  }
}

// That a run is being stopped is recorded with what it ends at once, so that a host that takes it
// up after a crash goes on stopping it.
void tg_engine_run_stop(struct tg_engine *engine, struct tg_live_run *run, int code,
                        const char *reason) {
  if (run->stopped.code || run->is_ending) return;
  if (!run->is_admitted) tg_engine_queue_take(engine, run);
  run->stopped = (struct tg_failure){
      .code = code, .class = tg_code_class(code), .text = tg_arena_strdup(&run->arena, reason)};
  struct tg_record record = {.kind = TG_RECORD_RUN, .run = run->run};
  record.run.state = TG_RUN_CANCELLING;
  record.run.failure = run->stopped;
  tg_engine_record(engine, &record);
  for (uint32_t i = 0; i < run->count; i++)
    if (run->tasks[i].attempt && !tg_live_plan(run, i)->is_teardown)
      tg_engine_effect(engine, &(struct tg_effect){.kind = TG_EFFECT_CANCEL,
                                                   .run = run,
                                                   .unit = i,
                                                   .attempt = run->tasks[i].attempt,
                                                   .code = TG_ECANCELLED});
}

// Also of a run whose tasks were deciding when it was cancelled, and of one that is resumed in the
// middle of its cancelling.
void tg_engine_stopped_cancel(struct tg_engine *engine) {
  for (struct tg_live_run *run = engine->runs; run; run = run->next) {
    if (run->cut_count) tg_engine_cuts_advance(engine, run);
    if (!run->stopped.code || run->is_ending || !run->open) continue;
    open_cancel(engine, run);
    items_cancel(engine, run);
  }
}
