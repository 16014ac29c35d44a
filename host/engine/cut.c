// SPDX-License-Identifier: Apache-2.0
// Cancelling a task of a run, or an item of a map, and nothing else: what waits for it goes by its
// trigger rule, and the run fails in the end unless somebody cancels that as well.
//
//   not begun, or waiting   it ends at once, cancelled
//   at work                 that it is to end is recorded with it (as running, with the reason),
//   its
//                           attempt is told to end, and it is cancelled when that has
//   an expanded map         the same with each of its items; those that were not let in stay out
#include <stdlib.h>

#include "engine/engine_parts.h"

static bool is_over(const struct tg_live_task *t) {
  return tg_task_state_is_terminal((enum tg_task_state)t->state);
}

static void cuts_add(struct tg_engine *engine, struct tg_live_run *run, uint32_t unit) {
  if (run->cut_count == run->cut_cap) {
    uint32_t cap = run->cut_cap ? run->cut_cap * 2 : 4;
    uint32_t *cuts = realloc(run->cuts, cap * sizeof *cuts);
    if (!cuts) {
      tg_engine_fail(engine, TG_ENOMEM, "out of memory");
      return;
    }
    run->cuts = cuts;
    run->cut_cap = cap;
  }
  run->cuts[run->cut_count++] = unit;
}

// A host that takes the run up finds that the unit was to be cancelled.
static void intent_record(struct tg_engine *engine, struct tg_live_run *run, uint32_t unit) {
  struct tg_live_task *t = &run->tasks[unit];
  struct tg_record record;
  if (t->item == TG_NO_ITEM) {
    record = tg_engine_task_record(run, t->task, TG_TASK_RUNNING, 0);
    record.task.failure = run->cut;
  } else {
    record = tg_engine_attempt_record(run, unit, TG_ATTEMPT_RUNNING);
    record.attempt.failure = run->cut;
  }
  t->is_recorded = true;
  tg_engine_record(engine, &record);
}

static void attempt_end(struct tg_engine *engine, struct tg_live_run *run, uint32_t unit) {
  if (run->tasks[unit].attempt)
    tg_engine_effect(engine, &(struct tg_effect){.kind = TG_EFFECT_CANCEL,
                                                 .run = run,
                                                 .unit = unit,
                                                 .attempt = run->tasks[unit].attempt,
                                                 .code = TG_ECANCELLED});
}

// The end of a map is that of its items, from when it is on its way to the store.
static bool may_be_cut(const struct tg_live_run *run, const struct tg_live_task *t) {
  const struct tg_live_task *map = &run->tasks[t->task];
  bool is_closed = map->map && (map->is_deciding || is_over(map));
  return !t->is_cut && !is_over(t) && !is_closed && !run->is_ending && !run->stopped.code;
}

void tg_engine_cut(struct tg_engine *engine, struct tg_live_run *run, uint32_t unit,
                   const char *reason) {
  struct tg_live_task *t = unit == UINT32_MAX ? NULL : &run->tasks[unit];
  if (!t || !may_be_cut(run, t)) return;
  run->cut = (struct tg_failure){.code = TG_ECANCELLED,
                                 .class = TG_CLASS_CANCELLED,
                                 .text = tg_arena_strdup(&run->arena, reason)};
  t->is_cut = true;
  cuts_add(engine, run, unit);
  if (t->attempt || t->map) intent_record(engine, run, unit);
  attempt_end(engine, run, unit);
  for (uint32_t i = 0; t->map && i < t->map->count; i++)
    attempt_end(engine, run, t->map->first + i);
}

// What is still to be decided, or to end, is looked at again when it has.
static void unit_advance(struct tg_engine *engine, struct tg_live_run *run, uint32_t unit) {
  const struct tg_live_task *t = &run->tasks[unit];
  if (t->attempt || t->is_deciding || is_over(t)) return;
  if (t->item != TG_NO_ITEM)
    tg_engine_item_cancel(engine, run, unit);
  else if (!t->map)
    tg_engine_task_cancel(engine, run, unit);
  for (uint32_t i = 0; t->map && i < t->map->count; i++) {
    const struct tg_live_task *item = &run->tasks[t->map->first + i];
    bool was_let_in = item->state == TG_TASK_READY || item->attempts;
    if (was_let_in) unit_advance(engine, run, t->map->first + i);
  }
}

void tg_engine_cuts_advance(struct tg_engine *engine, struct tg_live_run *run) {
  uint32_t kept = 0;
  for (uint32_t i = 0; i < run->cut_count; i++) {
    unit_advance(engine, run, run->cuts[i]);
    if (!is_over(&run->tasks[run->cuts[i]])) run->cuts[kept++] = run->cuts[i];
  }
  run->cut_count = kept;
}

void tg_engine_cuts_resume(struct tg_engine *engine, struct tg_live_run *run) {
  for (uint32_t i = 0; i < run->count && run->cut.code; i++)
    if (run->tasks[i].is_cut && !is_over(&run->tasks[i])) cuts_add(engine, run, i);
}
