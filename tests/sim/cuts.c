// SPDX-License-Identifier: Apache-2.0
// Somebody cancels a single unit of a run: a task, a map with all its items, or an item. From then
// on nothing of it starts; and if the host had time to write it down, in no later host either.
#include "sim/checks.h"

enum { DRAWS = 6 };

bool sim_is_cut(const struct sim *sim, const struct sim_run *run, const struct sim_unit *unit) {
  return unit->cut_host == sim->host || run->units[unit->task].cut_host == sim->host;
}

bool sim_was_cut(const struct sim_run *run, const struct sim_unit *unit) {
  return unit->is_cut || run->units[unit->task].is_cut;
}

bool sim_is_to_end(const struct sim *sim, const struct sim_run *run, const struct sim_unit *unit) {
  bool is_stopped = sim_check_is_stopped(sim, run) && !sim_task_of(run, unit)->is_teardown;
  return is_stopped || sim_is_cut(sim, run, unit);
}

static struct sim_unit *unit_draw(struct sim *sim, struct sim_run *run) {
  struct sim_unit *unit = &run->units[sim_random_below(&sim->random, run->pipeline->count)];
  bool is_item = unit->items && unit->items->count && sim_random_chance(&sim->random, 800);
  return is_item ? &unit->items->units[sim_random_below(&sim->random, unit->items->count)] : unit;
}

// That the item before it has not succeeded may be durable, and the engine not know it yet.
static bool is_open(const struct sim *sim, struct sim_run *run, const struct sim_unit *unit) {
  bool is_item = unit->item != TG_NO_ITEM && sim_is_told(sim);
  enum tg_task_state state = is_item ? sim_item_state(run, unit->task, unit->item) : unit->state;
  return !tg_task_state_is_terminal(state) &&
         !tg_task_state_is_terminal(run->units[unit->task].state);
}

// A map may be on its way to its end, or to its items: then the engine knows of none of them.
static bool is_on_its_way(const struct sim *sim, const struct sim_run *run, uint32_t task,
                          enum tg_record_kind kind) {
  bool is_there = false;
  for (size_t b = 0; b < sim->batch_count; b++) {
    const struct tg_batch *batch = sim->batches[b].batch;
    for (size_t i = 0; i < batch->count; i++) {
      const struct tg_record *r = &batch->records[i];
      if (r->kind != kind) continue;
      if (kind == TG_RECORD_TASK)
        is_there |= r->task.run == run->row.number && r->task.index == task &&
                    tg_task_state_is_terminal(r->task.state);
      else
        is_there |= r->map_items.run == run->row.number && r->map_items.task == task;
    }
  }
  return is_there;
}

static bool is_within_reach(const struct sim *sim, const struct sim_run *run,
                            const struct sim_unit *unit) {
  const struct sim_unit *map = &run->units[unit->task];
  if (!map->items || !map->pending) return true;
  if (is_on_its_way(sim, run, unit->task, TG_RECORD_TASK)) return false;
  return unit == map || !is_on_its_way(sim, run, unit->task, TG_RECORD_MAP_ITEMS);
}

// What is at work, or is a map that has begun, has to be written down; the rest ends at once.
static bool must_be_recorded(const struct sim_unit *unit) {
  return unit->flight || (unit->items && !unit->pending);
}

static bool is_told(const struct sim_unit *unit) {
  bool is_told = !unit->flight || unit->flight->cancel_code;
  for (uint32_t i = 0; unit->items && i < unit->items->count; i++)
    is_told &=
        is_told && (!unit->items->units[i].flight || unit->items->units[i].flight->cancel_code);
  return is_told;
}

void sim_cut(struct sim *sim, struct sim_run *run, struct sim_unit *unit) {
  bool is_new = !run->is_ending && !sim_check_is_stopped(sim, run) && unit->cut_host != sim->host &&
                is_open(sim, run, unit) && is_within_reach(sim, run, unit);
  bool must = is_new && must_be_recorded(unit) && sim_is_told(sim);
  uint64_t batches = sim->batches_taken;
  sim_note(sim, "cut", run, unit, is_new);
  if (is_new) unit->cut_host = sim->host;
  sim_input(sim, &(struct tg_input){.kind = TG_INPUT_CANCEL,
                                    .cancel = {.run = run->row.number,
                                               .code = TG_ECANCELLED,
                                               .reason = SIM_CUT_REASON,
                                               .is_of_unit = true,
                                               .task = unit->task,
                                               .item = unit->item}});
  if (sim->is_down || !is_new) return;
  if (sim->batches_taken > batches)
    sim->batches[sim->batch_count - 1].cut = unit;
  else if (must)
    sim_fail(sim, "run %llu: task %u item %d is cancelled, and that is not recorded",
             (unsigned long long)run->row.number, unit->task, (int)unit->item);
  if (!is_told(unit))
    sim_fail(sim, "run %llu: task %u item %d is cancelled, and goes on",
             (unsigned long long)run->row.number, unit->task, (int)unit->item);
}

static uint32_t chained_to(const struct sim_run *run, uint32_t task) {
  for (uint32_t i = task + 1; i < run->pipeline->count; i++)
    if (run->pipeline->tasks[i].is_map && run->pipeline->tasks[i].map.over == task) return i;
  return task;
}

// The best moment for a fault is when something is on its way: of the unit, of the map that it is
// of, or of the item before it in a chain.
void sim_cut_later(struct sim *sim, const struct sim_run *run, const struct sim_unit *unit,
                   uint32_t permille) {
  if (!sim->has_cuts || !sim_random_chance(&sim->random, permille)) return;
  bool is_item = unit->item != TG_NO_ITEM;
  uint32_t draw = sim_random_below(&sim->random, 4), task = unit->task, item = unit->item;
  if (is_item && draw == 0) item = TG_NO_ITEM;
  if (is_item && draw > 1) task = chained_to(run, task);
  if (is_item && draw == 3) item += sim_random_below(&sim->random, 3);
  int64_t wait = sim_random_time(&sim->random, 0, 2 * sim->commit_ms);
  sim_event_add(sim, SIM_CUT, wait, sim_place(run, task, item));
}

// A map whose end is decided is followed by another one, of which an item is cancelled; a task that
// has failed and left the rest to another one is cancelled while that one works.
static void decided_cut(struct sim *sim, const struct tg_record *record) {
  struct sim_run *run;
  struct sim_unit *unit = sim_record_unit(sim, record, &run);
  bool is_task = record->kind == TG_RECORD_TASK && tg_task_state_is_terminal(record->task.state);
  bool has_fallen = record->kind == TG_RECORD_ATTEMPT && record->attempt.is_fallback_next;
  if (!unit || !sim_random_chance(&sim->random, 300)) return;
  if (is_task && unit->items)
    sim_event_add(sim, SIM_CUT, sim_random_time(&sim->random, 0, sim->commit_ms),
                  sim_place(run, chained_to(run, unit->task),
                            sim_random_below(&sim->random, unit->items->count)));
  if (has_fallen && sim_task_of(run, unit)->spare != SIM_NONE)
    sim_event_add(sim, SIM_CUT, sim_random_time(&sim->random, 0, sim->work_ms),
                  sim_place(run, unit->task, unit->item));
}

void sim_cuts_decided(struct sim *sim, const struct tg_batch *batch) {
  for (size_t i = 0; i < batch->count && sim->has_cuts; i++) decided_cut(sim, &batch->records[i]);
}

void sim_operator_cut(struct sim *sim, uint64_t place) {
  struct sim_unit *aimed;
  struct sim_run *run_aimed = sim_place_find(sim, place, &aimed);
  if (place && aimed && run_aimed->is_live && !sim->is_down) sim_cut(sim, run_aimed, aimed);
  if (place) return;
  for (int i = 0; i < DRAWS && sim->run_count && !sim->is_down; i++) {
    struct sim_run *run = sim->runs[sim_random_below(&sim->random, (uint32_t)sim->run_count)];
    struct sim_unit *unit = unit_draw(sim, run);
    if (!run->is_live || (i + 1 < DRAWS && !is_open(sim, run, unit))) continue;
    sim_cut(sim, run, unit);
    return;
  }
}

bool sim_counts_as_failed(const struct sim *sim, const struct sim_run *run,
                          const struct sim_unit *item) {
  if (item->state != TG_TASK_CANCELLED) return item->state == TG_TASK_FAILED;
  return !sim_is_to_end(sim, run, &run->units[item->task]);
}

// --- Over hosts ---

static void unit_resume(const struct sim *sim, struct sim_unit *unit) {
  unit->cut_host = unit->is_cut ? sim->host : 0;
  for (uint32_t i = 0; unit->items && i < unit->items->count; i++)
    unit_resume(sim, &unit->items->units[i]);
}

void sim_cuts_resume(const struct sim *sim, struct sim_run *run) {
  for (uint32_t i = 0; i < run->pipeline->count; i++) unit_resume(sim, &run->units[i]);
}

void sim_cut_intent(struct sim *sim, const struct sim_run *run, struct sim_unit *unit,
                    const struct tg_failure *failure) {
  if (failure->code != TG_ECANCELLED) return;
  if (!sim_is_cut(sim, run, unit))
    sim_fail(sim, "run %llu: task %u item %d is to be cancelled, and nobody asked",
             (unsigned long long)run->row.number, unit->task, (int)unit->item);
  unit->is_cut = true;
}

void sim_cut_end(const struct sim *sim, const struct sim_run *run, struct sim_unit *unit) {
  if (unit->state == TG_TASK_CANCELLED) unit->is_cut |= sim_is_cut(sim, run, unit);
}
