// SPDX-License-Identifier: Apache-2.0
// The store of the simulation. Rows are kept by the keys of the schema; what a record may not do to
// a row is checked where the row changes.
#include <stdlib.h>
#include <string.h>

#include "sim/world.h"

static void *must(void *memory) {
  if (!memory) abort();
  return memory;
}

// --- Finding ---

struct sim_run *sim_run_find(const struct sim *sim, uint64_t number) {
  for (size_t i = 0; i < sim->run_count; i++)
    if (sim->runs[i]->row.number == number) return sim->runs[i];
  return NULL;
}

struct sim_unit *sim_unit_find(struct sim_run *run, uint32_t task, uint32_t item) {
  if (task >= run->pipeline->count) return NULL;
  struct sim_unit *unit = &run->units[task];
  if (item == TG_NO_ITEM) return unit;
  return unit->items && item < unit->items->count ? &unit->items->units[item] : NULL;
}

const struct sim_task *sim_task_of(const struct sim_run *run, const struct sim_unit *unit) {
  return &run->pipeline->tasks[unit->task];
}

struct sim_told *sim_told_find(struct sim_unit *unit, uint32_t number) {
  for (uint32_t i = unit->told_count; i-- > 0;)
    if (unit->told[i].number == number) return &unit->told[i];
  return NULL;
}

struct sim_told *sim_told_put(struct sim_unit *unit, uint32_t number) {
  struct sim_told *told = sim_told_find(unit, number);
  if (!told) {
    unit->told = must(realloc(unit->told, (unit->told_count + 1) * sizeof *unit->told));
    told = &unit->told[unit->told_count++];
  }
  *told = (struct sim_told){.number = number};
  return told;
}

struct sim_run *sim_run_add(struct sim *sim, struct sim_pipeline *pipeline) {
  struct sim_run *run = must(calloc(1, sizeof *run));
  run->pipeline = pipeline;
  run->units = must(calloc(pipeline->count, sizeof *run->units));
  for (uint32_t i = 0; i < pipeline->count; i++)
    run->units[i] = (struct sim_unit){.task = i, .item = TG_NO_ITEM};
  sim->runs = must(realloc(sim->runs, (sim->run_count + 1) * sizeof(struct sim_run *)));
  return sim->runs[sim->run_count++] = run;
}

static void unit_clear(struct sim_unit *unit) {
  free(unit->attempts);
  free(unit->steps);
  free(unit->told);
  for (uint32_t i = 0; unit->items && i < unit->items->count; i++)
    unit_clear(&unit->items->units[i]);
  if (unit->items) {
    free(unit->items->units);
    free(unit->items->key_of);
    free(unit->items);
  }
}

void sim_run_free(struct sim_run *run) {
  for (uint32_t i = 0; i < run->pipeline->count; i++) unit_clear(&run->units[i]);
  free(run->units);
  free(run->carried);
  free(run);
}

// --- Rows ---

static const char *keep(struct sim *sim, const char *text) {
  return tg_arena_strdup(&sim->arena, text);
}

static void run_apply(struct sim *sim, struct sim_run *run, const struct tg_run *record) {
  if (run->is_over) sim_fail(sim, "run %llu ends twice", (unsigned long long)record->number);
  sim_note(sim, tg_run_state_word(record->state), run, NULL, record->failure.code);
  run->is_durable = true;
  run->row.state = record->state;
  run->row.created_at = record->created_at;
  run->row.started_at = record->started_at;
  run->row.ended_at = record->ended_at;
  run->row.failure = record->failure;
  run->row.failure.text = keep(sim, record->failure.text);
  if (!tg_run_state_is_terminal(record->state)) return;
  run->is_over = true;
  sim_oracle_judge(sim, run);
}

static void task_apply(struct sim *sim, struct sim_run *run, const struct tg_task *record) {
  struct sim_unit *unit = sim_unit_find(run, record->index, TG_NO_ITEM);
  if (!unit) {
    sim_fail(sim, "a record of task %u, which is not there", record->index);
    return;
  }
  sim_note(sim, tg_task_state_word(record->state), run, unit, record->attempts);
  if (tg_task_state_is_terminal(unit->state))
    sim_fail(sim, "run %llu: task %u was %s and becomes %s", (unsigned long long)run->row.number,
             record->index, tg_task_state_word(unit->state), tg_task_state_word(record->state));
  unit->state = record->state;
  unit->row_attempts = record->attempts;
  unit->started_at = record->started_at;
  unit->ended_at = record->ended_at;
  unit->output = keep(sim, record->output);
  unit->chosen = keep(sim, record->chosen);
  unit->failure = record->failure;
  unit->failure.text = keep(sim, record->failure.text);
  if (tg_task_state_is_terminal(record->state)) sim_check_end(sim, run, unit, record->state);
}

// Keys are single letters: ["a","c"].
static void keys_read(struct sim_items *items) {
  if (!items->keys) return;
  items->key_of = must(calloc(items->count + 1u, 1));
  uint32_t at = 0;
  for (const char *c = items->keys; *c && at < items->count; c++)
    if (*c >= 'a' && *c < 'a' + SIM_KEYS) items->key_of[at++] = *c;
}

static uint32_t list_count(const char *list) {
  uint32_t count = list && list[0] == '[' && list[1] != ']';
  for (; list && *list; list++) count += *list == ',';
  return count;
}

// Items are as many as were told, or as there are of the map before.
static uint32_t items_expected(struct sim_run *run, struct sim_unit *unit) {
  const struct sim_task *task = sim_task_of(run, unit);
  if (!sim_task_is_chain(task)) {
    uint32_t count = unit->attempt_count;
    const struct sim_told *told =
        count ? sim_told_find(unit, unit->attempts[count - 1].number) : NULL;
    return told ? told->item_count : 0;
  }
  const struct sim_unit *before = &run->units[task->map.over];
  return before->items ? before->items->count : list_count(before->output);
}

static void map_items_apply(struct sim *sim, struct sim_run *run,
                            const struct tg_map_items *record) {
  struct sim_unit *unit = sim_unit_find(run, record->task, TG_NO_ITEM);
  if (!unit || !sim_task_of(run, unit)->is_map || unit->items ||
      tg_task_state_is_terminal(unit->state)) {
    sim_fail(sim, "task %u is expanded and is no open map, or was so before", record->task);
    return;
  }
  sim_note(sim, "expanded", run, unit, record->count);
  if (record->count != items_expected(run, unit))
    sim_fail(sim, "task %u is expanded to %u items", record->task, record->count);
  struct sim_items *items = must(calloc(1, sizeof *items));
  items->count = record->count;
  items->values = keep(sim, record->items);
  items->keys = keep(sim, record->keys);
  items->units = must(calloc(record->count + 1u, sizeof *items->units));
  for (uint32_t i = 0; i < record->count; i++)
    items->units[i] = (struct sim_unit){.task = record->task, .item = i};
  keys_read(items);
  unit->items = items;
}

static void item_apply(struct sim *sim, struct sim_run *run, const struct tg_item *record) {
  struct sim_unit *unit = sim_unit_find(run, record->task, record->index);
  if (!unit) {
    sim_fail(sim, "a record of item %u of task %u, which is not there", record->index,
             record->task);
    return;
  }
  sim_note(sim, tg_task_state_word(record->state), run, unit, record->attempts);
  if (tg_task_state_is_terminal(unit->state))
    sim_fail(sim, "run %llu: item %u of task %u ends twice", (unsigned long long)run->row.number,
             record->index, record->task);
  unit->state = record->state;
  unit->row_attempts = record->attempts;
  unit->started_at = record->started_at;
  unit->ended_at = record->ended_at;
  unit->output = keep(sim, record->output);
  unit->failure = record->failure;
  unit->failure.text = keep(sim, record->failure.text);
  sim_check_end(sim, run, unit, record->state);
}

static void step_apply(struct sim *sim, struct sim_run *run, const struct tg_step *record) {
  struct sim_unit *unit = sim_unit_find(run, record->task, record->item);
  if (!unit || record->position > unit->step_count) {
    sim_fail(sim, "a record of a step that is not there");
    return;
  }
  sim_note(sim, record->result ? "step done" : "step", run, unit, record->position);
  if (record->position == unit->step_count) {
    unit->steps = must(realloc(unit->steps, (unit->step_count + 1) * sizeof *unit->steps));
    unit->steps[unit->step_count++] = (struct tg_step){0};
  }
  struct tg_step *row = &unit->steps[record->position];
  if (row->result && (!record->result || strcmp(row->result, record->result) != 0))
    sim_fail(sim, "the result of step %s changes", row->name);
  if (row->name && strcmp(row->name, record->name) != 0)
    sim_fail(sim, "step %s becomes %s", row->name, record->name);
  *row = *record;
  row->name = keep(sim, record->name);
  row->result = keep(sim, record->result);
}

static void attempt_apply(struct sim *sim, struct sim_run *run, const struct tg_attempt *record) {
  struct sim_unit *unit = sim_unit_find(run, record->task, record->item);
  if (!unit) {
    sim_fail(sim, "a record of an attempt of a unit that is not there");
    return;
  }
  sim_note(sim, tg_attempt_state_word(record->state), run, unit, record->number);
  struct tg_attempt *row = NULL;
  for (uint32_t i = 0; i < unit->attempt_count; i++)
    if (unit->attempts[i].number == record->number) row = &unit->attempts[i];
  if (row && row->state != TG_ATTEMPT_RUNNING)
    sim_fail(sim, "run %llu: attempt %u of task %u ends twice", (unsigned long long)run->row.number,
             record->number, record->task);
  sim_check_attempt(sim, run, unit, record);
  if (!row) {
    unit->attempts =
        must(realloc(unit->attempts, (unit->attempt_count + 1) * sizeof *unit->attempts));
    row = &unit->attempts[unit->attempt_count++];
  }
  *row = *record;
  row->failure.text = keep(sim, record->failure.text);
  row->traceback = keep(sim, record->traceback);
}

static uint64_t run_of(const struct tg_record *record) {
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

static void record_apply(struct sim *sim, struct sim_run *run, const struct tg_record *record) {
  if (run->is_over || (!run->is_durable && record->kind != TG_RECORD_RUN))
    sim_fail(sim, "run %llu is changed while it is not there or over",
             (unsigned long long)run->row.number);
  switch (record->kind) {
  case TG_RECORD_RUN:
    run_apply(sim, run, &record->run);
    break;
  case TG_RECORD_TASK:
    task_apply(sim, run, &record->task);
    break;
  case TG_RECORD_MAP_ITEMS:
    map_items_apply(sim, run, &record->map_items);
    break;
  case TG_RECORD_ITEM:
    item_apply(sim, run, &record->item);
    break;
  case TG_RECORD_STEP:
    step_apply(sim, run, &record->step);
    break;
  case TG_RECORD_ATTEMPT:
    attempt_apply(sim, run, &record->attempt);
    break;
  default:
    break;
  }
}

void sim_books_apply(struct sim *sim, const struct tg_batch *batch) {
  for (size_t i = 0; i < batch->count && !*sim->failure; i++) {
    uint64_t number = run_of(&batch->records[i]);
    struct sim_run *run = number ? sim_run_find(sim, number) : NULL;
    if (run)
      record_apply(sim, run, &batch->records[i]);
    else if (number)
      sim_fail(sim, "a record of run %llu, which nobody asked for", (unsigned long long)number);
  }
}

// --- The end of a host ---

static void unit_forget(struct sim_unit *unit) {
  unit->flight = NULL;
  unit->is_parked = false;
  unit->wake_mono_ms = 0;
  for (uint32_t i = 0; unit->items && i < unit->items->count; i++)
    unit_forget(&unit->items->units[i]);
}

void sim_books_forget(struct sim *sim) {
  size_t kept = 0;
  sim->last_run = 0;
  for (size_t i = 0; i < sim->run_count; i++) {
    struct sim_run *run = sim->runs[i];
    if (!run->is_durable) {
      sim_run_free(run);
      continue;
    }
    for (uint32_t t = 0; t < run->pipeline->count; t++) unit_forget(&run->units[t]);
    run->parent = 0;
    run->is_live = run->is_ending = false;
    if (run->row.number > sim->last_run) sim->last_run = run->row.number;
    sim->runs[kept++] = run;
  }
  sim->run_count = kept;
}

// --- The beginning of one ---

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

void sim_books_resume(struct sim *sim, struct sim_run *run) {
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
  sim_input(sim, &input);
  free(rows.tasks);
  free(rows.attempts);
  free(rows.maps);
  free(rows.items);
  free(rows.steps);
}
