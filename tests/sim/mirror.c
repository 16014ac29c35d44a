// SPDX-License-Identifier: Apache-2.0
// What the engine knows must be what the books know: at any moment at which it has been told of
// all, and so also right after a host was started again, since one function applies a record in
// both cases. This file and the start of an attempt (worker.c) are the only ones that look into
// the engine's live state.
#include <string.h>

#include "engine/live_map.h"
#include "sim/checks.h"

static bool is_same_text(const char *a, const char *b) {
  return (!a && !b) || (a && b && strcmp(a, b) == 0);
}

static const char *steps_fault(const struct tg_live_task *live, const struct sim_unit *unit) {
  const struct tg_live_notes *notes = tg_live_notes(live);
  if (notes->step_count != unit->step_count) return "has other steps";
  for (uint32_t i = 0; i < unit->step_count; i++) {
    const struct tg_live_step *now = &notes->steps[i];
    const struct tg_step *row = &unit->steps[i];
    if (!is_same_text(now->name, row->name) || !is_same_text(now->result, row->result) ||
        now->wake_at != row->wake_at)
      return "has another step";
  }
  return NULL;
}

static uint32_t number_of(const struct sim_unit *unit) {
  if (unit->flight) return unit->flight->number;
  if (unit->asking) return unit->asking;
  return unit->is_parked ? unit->parked_number : sim_last_number(unit);
}

static const char *unit_fault(const struct tg_live_task *live, const struct sim_unit *unit,
                              enum tg_task_state state) {
  enum tg_task_state now = (enum tg_task_state)live->state;
  bool has_ended = tg_task_state_is_terminal(state);
  if (has_ended != tg_task_state_is_terminal(now) || (has_ended && state != now))
    return "has another end";
  if (has_ended && !is_same_text(live->output, unit->output)) return "has another output";
  if (!has_ended && !unit->pending && live->attempts != number_of(unit))
    return "has another number of attempts";
  if (!has_ended && !unit->flight != !live->attempt) return "has another attempt";
  return steps_fault(live, unit);
}

void sim_check_mirror(struct sim *sim, struct sim_run *run) {
  struct tg_live_run *live = tg_engine_find_run(sim->engine, run->row.number);
  unsigned long long number = run->row.number;
  if (!live) {
    sim_fail(sim, "run %llu is not known to the engine", number);
    return;
  }
  for (uint32_t i = 0; i < live->count; i++) {
    struct sim_unit *unit = sim_unit_find(run, live->tasks[i].task, live->tasks[i].item);
    if (!unit) {
      sim_fail(sim, "run %llu has a unit that was not there", number);
      return;
    }
    enum tg_task_state state =
        unit->item == TG_NO_ITEM ? unit->state : sim_item_state(run, unit->task, unit->item);
    const char *fault = unit_fault(&live->tasks[i], unit, state);
    bool is_cut = live->tasks[i].is_cut || live->tasks[unit->task].is_cut;
    bool is_open = !tg_task_state_is_terminal(state) &&
                   !tg_task_state_is_terminal(run->units[unit->task].state);
    if (is_open && is_cut != sim_is_cut(sim, run, unit))
      fault = "is cancelled, or is not, and is otherwise";
    if (fault)
      sim_fail(sim, "run %llu: task %u item %d %s in the engine than on the disk", number,
               unit->task, (int)unit->item, fault);
  }
}

static uint32_t ended_count(struct sim_run *run, const struct sim_unit *map) {
  uint32_t ended = 0;
  for (uint32_t i = 0; map->items && i < map->items->count; i++)
    ended += tg_task_state_is_terminal(sim_item_state(run, map->task, i));
  return ended;
}

void sim_check_told(struct sim *sim, const struct tg_effect *effect, struct sim_run *run) {
  const struct tg_live_task *live = &effect->run->tasks[effect->unit];
  struct sim_unit *unit = sim_unit_find(run, live->task, TG_NO_ITEM);
  enum tg_task_state state = (enum tg_task_state)live->state;
  bool is_end = effect->kind == TG_EFFECT_TASK && tg_task_state_is_terminal(state);
  if (is_end) unit->is_untold = false;
  if (is_end && unit->state != state)
    sim_fail(sim, "run %llu: task %u is told to be %s and is not",
             (unsigned long long)run->row.number, live->task, tg_task_state_word(state));
  if (effect->kind == TG_EFFECT_PROGRESS && live->map->done > ended_count(run, unit))
    sim_fail(sim, "run %llu: task %u is told to have done more items than it has",
             (unsigned long long)run->row.number, live->task);
}
