// SPDX-License-Identifier: Apache-2.0
// What the store remembers of a run when its host has ended, and gives to the next one.
#include <stdlib.h>

#include "sim/world.h"

static void *must(void *memory) {
  if (!memory) abort();
  return memory;
}

static void unit_forget(struct sim_unit *unit) {
  unit->flight = NULL;
  unit->is_parked = unit->is_untold = false;
  unit->asking = 0;
  unit->wake_mono_ms = 0;
  unit->losses = unit->pending = 0;
  for (uint32_t i = 0; unit->items && i < unit->items->count; i++)
    unit_forget(&unit->items->units[i]);
}

void sim_books_forget(struct sim *sim) {
  size_t kept = 0;
  sim->last_run = 0;
  sim->asked_count = sim->asking_count = 0;
  for (size_t i = 0; i < sim->run_count; i++) {
    struct sim_run *run = sim->runs[i];
    if (!run->is_durable) {
      sim_run_free(run);
      continue;
    }
    for (uint32_t t = 0; t < run->pipeline->count; t++) unit_forget(&run->units[t]);
    run->parent = 0;
    run->is_untold = false;
    run->is_live = run->is_ending = run->is_queued = run->has_place = false;
    if (run->row.number > sim->last_run) sim->last_run = run->row.number;
    sim->runs[kept++] = run;
  }
  sim->run_count = kept;
}

struct rows {
  struct tg_task *tasks;
  struct tg_attempt *attempts;
  struct tg_map_items *maps;
  struct tg_item *items;
  struct tg_step *steps;
  size_t task_count, attempt_count, map_count, item_count, step_count;
};

static void *room(void *list, size_t count, size_t more, size_t size) {
  return must(realloc(list, (count + more + 1) * size));
}

static void tries_add(struct rows *rows, const struct sim_unit *unit) {
  rows->attempts =
      room(rows->attempts, rows->attempt_count, unit->attempt_count, sizeof *rows->attempts);
  for (uint32_t i = 0; i < unit->attempt_count; i++)
    rows->attempts[rows->attempt_count++] = unit->attempts[i];
  rows->steps = room(rows->steps, rows->step_count, unit->step_count, sizeof *rows->steps);
  for (uint32_t i = 0; i < unit->step_count; i++) rows->steps[rows->step_count++] = unit->steps[i];
}

static void items_add(struct rows *rows, const struct sim_run *run, const struct sim_unit *map) {
  rows->maps = room(rows->maps, rows->map_count, 1, sizeof *rows->maps);
  rows->maps[rows->map_count++] = (struct tg_map_items){.run = run->row.number,
                                                        .task = map->task,
                                                        .count = map->items->count,
                                                        .items = map->items->values,
                                                        .keys = map->items->keys};
  rows->items = room(rows->items, rows->item_count, map->items->count, sizeof *rows->items);
  for (uint32_t i = 0; i < map->items->count; i++) {
    const struct sim_unit *unit = &map->items->units[i];
    tries_add(rows, unit);
    if (unit->state == TG_TASK_WAITING) continue;
    rows->items[rows->item_count++] = (struct tg_item){.run = run->row.number,
                                                       .task = unit->task,
                                                       .index = i,
                                                       .state = unit->state,
                                                       .attempts = unit->row_attempts,
                                                       .started_at = unit->started_at,
                                                       .ended_at = unit->ended_at,
                                                       .output = unit->output,
                                                       .failure = unit->failure};
  }
}

static void task_add(struct rows *rows, const struct sim_run *run, const struct sim_unit *unit) {
  tries_add(rows, unit);
  if (unit->items) items_add(rows, run, unit);
  if (unit->state == TG_TASK_WAITING) return;
  rows->tasks = room(rows->tasks, rows->task_count, 1, sizeof *rows->tasks);
  rows->tasks[rows->task_count++] = (struct tg_task){.run = run->row.number,
                                                     .index = unit->task,
                                                     .name = sim_task_of(run, unit)->name,
                                                     .state = unit->state,
                                                     .attempts = unit->row_attempts,
                                                     .started_at = unit->started_at,
                                                     .ended_at = unit->ended_at,
                                                     .output = unit->output,
                                                     .chosen = unit->chosen,
                                                     .failure = unit->failure};
}

void sim_books_resume(struct sim *sim, struct sim_run *run, const char *cancelled) {
  struct rows rows = {0};
  for (uint32_t i = 0; i < run->pipeline->count; i++) task_add(&rows, run, &run->units[i]);
  struct tg_input input = {.kind = TG_INPUT_RESUME};
  input.resume.run = &run->row;
  input.resume.plan = run->pipeline->plan;
  input.resume.tasks = rows.tasks;
  input.resume.task_count = rows.task_count;
  input.resume.attempts = rows.attempts;
  input.resume.attempt_count = rows.attempt_count;
  input.resume.maps = rows.maps;
  input.resume.map_count = rows.map_count;
  input.resume.items = rows.items;
  input.resume.item_count = rows.item_count;
  input.resume.steps = rows.steps;
  input.resume.step_count = rows.step_count;
  input.resume.cancelled = cancelled;
  sim_input(sim, &input);
  free(rows.tasks);
  free(rows.attempts);
  free(rows.maps);
  free(rows.items);
  free(rows.steps);
}
