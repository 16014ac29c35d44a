// SPDX-License-Identifier: Apache-2.0
// The store of the simulation. Rows are kept by the keys of the schema; what a record may not do to
// a row is checked where the row changes.
#include <stdlib.h>
#include <string.h>

#include "sim/checks.h"

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

uint64_t sim_place(const struct sim_run *run, uint32_t task, uint32_t item) {
  return run->row.number << 40 | (uint64_t)task << 20 | ((item + 1u) & 0xfffff);
}

struct sim_run *sim_place_find(const struct sim *sim, uint64_t place, struct sim_unit **unit) {
  struct sim_run *run = sim_run_find(sim, place >> 40);
  uint32_t task = (uint32_t)(place >> 20 & 0xfffff), item = (uint32_t)(place & 0xfffff) - 1;
  *unit = run ? sim_unit_find(run, task, item) : NULL;
  return run;
}

const struct sim_task *sim_task_of(const struct sim_run *run, const struct sim_unit *unit) {
  return &run->pipeline->tasks[unit->task];
}

struct sim_unit *sim_record_unit(const struct sim *sim, const struct tg_record *record,
                                 struct sim_run **run) {
  uint32_t task = TG_NO_TASK, item = TG_NO_ITEM;
  uint64_t number = 0;
  switch (record->kind) {
  case TG_RECORD_RUN:
    number = record->run.number;
    break;
  case TG_RECORD_TASK:
    number = record->task.run, task = record->task.index;
    break;
  case TG_RECORD_MAP_ITEMS:
    number = record->map_items.run, task = record->map_items.task;
    break;
  case TG_RECORD_ITEM:
    number = record->item.run, task = record->item.task, item = record->item.index;
    break;
  case TG_RECORD_STEP:
    number = record->step.run, task = record->step.task, item = record->step.item;
    break;
  case TG_RECORD_ATTEMPT:
    number = record->attempt.run, task = record->attempt.task, item = record->attempt.item;
    break;
  default:
    break;
  }
  *run = number ? sim_run_find(sim, number) : NULL;
  return *run ? sim_unit_find(*run, task, item) : NULL;
}

const struct tg_item *sim_carried_item(const struct sim_run *run, uint32_t task, uint32_t item) {
  for (uint32_t i = 0; run->carried && i < run->carried->item_count; i++)
    if (run->carried->items[i].task == task && run->carried->items[i].index == item)
      return &run->carried->items[i];
  return NULL;
}

static const struct tg_task *carried_task(const struct sim_run *run, uint32_t task) {
  for (uint32_t i = 0; run->carried && i < run->carried->task_count; i++)
    if (run->carried->tasks[i].index == task) return &run->carried->tasks[i];
  return NULL;
}

const struct tg_map_items *sim_carried_map(const struct sim_run *run, uint32_t task) {
  for (uint32_t i = 0; run->carried && i < run->carried->map_count; i++)
    if (run->carried->maps[i].task == task) return &run->carried->maps[i];
  return NULL;
}

struct sim_told *sim_told_find(struct sim_unit *unit, uint32_t number) {
  for (uint32_t i = unit->told_count; i-- > 0;)
    if (unit->told[i].number == number) return &unit->told[i];
  return NULL;
}

struct sim_told *sim_told_put(const struct sim *sim, struct sim_unit *unit, uint32_t number) {
  struct sim_told *told = sim_told_find(unit, number);
  if (!told) {
    unit->told = must(realloc(unit->told, (unit->told_count + 1) * sizeof *unit->told));
    told = &unit->told[unit->told_count++];
  }
  *told = (struct sim_told){.number = number, .host = sim->host};
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
  free(run);
}

// --- Rows ---

static const char *keep(struct sim *sim, const char *text) {
  return tg_arena_strdup(&sim->arena, text);
}

static bool is_same_text(const char *a, const char *b) {
  return (!a && !b) || (a && b && strcmp(a, b) == 0);
}

static void run_apply(struct sim *sim, struct sim_run *run, const struct tg_run *record) {
  if (run->is_over) sim_fail(sim, "run %llu ends twice", (unsigned long long)record->number);
  sim_note(sim, tg_run_state_word(record->state), run, NULL, record->failure.code);
  run->is_durable = true;
  run->row.state = record->state;
  run->row.created_at = record->created_at;
  run->row.started_at = record->started_at;
  run->row.event_after = record->event_after;
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
  const struct tg_task *carried = carried_task(run, record->index);
  unit->is_carried = carried && is_same_text(carried->output, record->output) &&
                     is_same_text(carried->chosen, record->chosen) && !record->attempts &&
                     carried->state == record->state;
  if (carried && !unit->is_carried)
    sim_fail(sim, "task %u was carried over and is another", record->index);
  if (!tg_task_state_is_terminal(record->state)) {
    sim_cut_intent(sim, run, unit, &record->failure);
    return;
  }
  sim_check_end(sim, run, unit, record->state);
  sim_cut_end(sim, run, unit);
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
  const struct tg_map_items *carried = sim_carried_map(run, unit->task);
  if (carried) return carried->count;
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
  const struct tg_item *carried = sim_carried_item(run, record->task, record->index);
  unit->is_carried = carried && is_same_text(carried->output, record->output) &&
                     carried->state == record->state && !record->attempts;
  if (carried && !unit->is_carried)
    sim_fail(sim, "item %u of task %u was carried over and is another", record->index,
             record->task);
  sim_check_end(sim, run, unit, record->state);
  sim_cut_end(sim, run, unit);
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
  if (!row->name) *row = *record;
  row->name = keep(sim, record->name);
  row->result = keep(sim, record->result);
  row->wait = keep(sim, row->wait);
  row->event = record->event;
  row->ended_at = record->ended_at;
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
  if (record->state == TG_ATTEMPT_RUNNING) sim_cut_intent(sim, run, unit, &record->failure);
  if (!row) {
    unit->attempts =
        must(realloc(unit->attempts, (unit->attempt_count + 1) * sizeof *unit->attempts));
    row = &unit->attempts[unit->attempt_count++];
  }
  *row = *record;
  row->failure.text = keep(sim, record->failure.text);
  row->traceback = keep(sim, record->traceback);
}

static void record_apply(struct sim *sim, struct sim_run *run, const struct tg_record *record) {
  if (run->is_over || (!run->is_durable && record->kind != TG_RECORD_RUN))
    sim_fail(sim, "run %llu is changed while it is not there or over",
             (unsigned long long)run->row.number);
  if (record->kind == TG_RECORD_RUN || record->kind == TG_RECORD_ATTEMPT)
    sim_check_fields(sim, record); // against the row before
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
  if (record->kind == TG_RECORD_TASK || record->kind == TG_RECORD_ITEM)
    sim_check_fields(sim, record);
}

void sim_books_apply(struct sim *sim, const struct sim_batch *durable) {
  const struct tg_batch *batch = durable->batch;
  if (durable->cut) durable->cut->is_cut = true;
  for (size_t i = 0; i < batch->count && !*sim->failure; i++) {
    struct sim_run *run;
    sim_record_unit(sim, &batch->records[i], &run);
    if (batch->records[i].kind == TG_RECORD_RESOURCE)
      sim_resource_apply(sim, &batch->records[i].resource);
    else if (run)
      record_apply(sim, run, &batch->records[i]);
    else if (batch->records[i].kind <= TG_RECORD_ATTEMPT)
      sim_fail(sim, "a record of a run that nobody asked for");
  }
}
