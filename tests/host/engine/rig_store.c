// SPDX-License-Identifier: Apache-2.0
// cmocka wants these four first.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "host/engine/rig.h"

#include <string.h>

void rig_store_init(struct rig_store *store) {
  memset(store, 0, sizeof *store);
  tg_arena_init(&store->arena);
}

void rig_store_deinit(struct rig_store *store) {
  tg_arena_deinit(&store->arena);
}

static const char *keep(struct rig_store *store, const char *text) {
  return tg_arena_strdup(&store->arena, text);
}

static void run_put(struct rig_store *store, const struct tg_run *run) {
  assert_false(store->has_run && tg_run_state_is_terminal(store->run.state));
  store->has_run = true;
  store->run = *run;
  store->run.pipeline = keep(store, run->pipeline);
  store->run.bundle = keep(store, run->bundle);
  store->run.params = keep(store, run->params);
  store->run.trigger = keep(store, run->trigger);
  store->run.failure.text = keep(store, run->failure.text);
}

static void task_row_put(struct rig_store *store, const struct tg_task *task) {
  struct tg_task *row = &store->tasks[task->index];
  if (store->has_task[task->index] && tg_task_state_is_terminal(row->state))
    fail_msg("task %s was %s and is recorded as %s", row->name, tg_task_state_word(row->state),
             tg_task_state_word(task->state));
  *row = *task;
  row->name = keep(store, task->name);
  row->output = keep(store, task->output);
  row->chosen = keep(store, task->chosen);
  row->failure.text = keep(store, task->failure.text);
  store->has_task[task->index] = true;
}

static bool is_after(const struct tg_attempt *a, const struct tg_attempt *b) {
  if (a->task != b->task) return a->task > b->task;
  return a->item != b->item ? a->item > b->item : a->number > b->number;
}

static void attempt_put(struct rig_store *store, const struct tg_attempt *attempt) {
  size_t at = 0;
  while (at < store->attempt_count && is_after(attempt, &store->attempts[at])) at++;
  struct tg_attempt *row = &store->attempts[at];
  if (at == store->attempt_count || is_after(row, attempt)) {
    assert_true(store->attempt_count < 1024);
    memmove(row + 1, row, (store->attempt_count++ - at) * sizeof *row);
  } else if (row->state != TG_ATTEMPT_RUNNING) {
    fail_msg("attempt %u of task %u ended twice", attempt->number, attempt->task);
  }
  *row = *attempt;
  row->failure.text = keep(store, attempt->failure.text);
  row->stop = keep(store, attempt->stop);
  row->traceback = keep(store, attempt->traceback);
}

static void map_items_put(struct rig_store *store, const struct tg_map_items *map) {
  assert_true(store->map_count < sizeof store->maps / sizeof *store->maps);
  for (size_t i = 0; i < store->map_count; i++)
    if (store->maps[i].task == map->task) fail_msg("map %u is expanded twice", map->task);
  struct tg_map_items *row = &store->maps[store->map_count++];
  *row = *map;
  row->items = keep(store, map->items);
  row->keys = keep(store, map->keys);
}

static void item_put(struct rig_store *store, const struct tg_item *item) {
  assert_true(store->item_count < sizeof store->items / sizeof *store->items);
  if (rig_store_item(store, item->task, item->index))
    fail_msg("item %u of task %u ended twice", item->index, item->task);
  struct tg_item *row = &store->items[store->item_count++];
  *row = *item;
  row->output = keep(store, item->output);
  row->failure.text = keep(store, item->failure.text);
}

static void step_put(struct rig_store *store, const struct tg_step *step) {
  size_t at = 0;
  while (at < store->step_count &&
         (store->steps[at].task != step->task || store->steps[at].item != step->item ||
          store->steps[at].position != step->position))
    at++;
  struct tg_step *row = &store->steps[at];
  assert_true(at < sizeof store->steps / sizeof *store->steps);
  if (at < store->step_count && (row->result || !step->result))
    fail_msg("step %u (%s) of task %u, item %u is recorded again", step->position, step->name,
             step->task, step->item);
  // An end changes what it says and no more.
  if (at == store->step_count) {
    store->step_count++;
    *row = *step;
    row->name = keep(store, step->name);
    row->wait = keep(store, step->wait);
  }
  row->result = keep(store, step->result);
  row->ended_at = step->ended_at;
  row->event = step->event;
}

static void resource_put(struct rig_store *store, const struct tg_resource *resource) {
  size_t at = 0;
  while (at < store->resource_count && strcmp(store->resources[at].name, resource->name) != 0) at++;
  assert_true(at < sizeof store->resources / sizeof *store->resources);
  if (at == store->resource_count) store->resource_count++;
  store->resources[at] = *resource;
  store->resources[at].name = keep(store, resource->name);
  store->resources[at].phase = keep(store, resource->phase);
  store->resources[at].reason = keep(store, resource->reason);
  store->resources[at].breaker = keep(store, resource->breaker);
  store->resources[at].budget = keep(store, resource->budget);
}

const struct tg_item *rig_store_item(const struct rig_store *store, uint32_t task, uint32_t item) {
  for (size_t i = 0; i < store->item_count; i++)
    if (store->items[i].task == task && store->items[i].index == item) return &store->items[i];
  return NULL;
}

void rig_store_apply(struct rig_store *store, const struct tg_batch *batch) {
  for (size_t i = 0; i < batch->count; i++) {
    const struct tg_record *record = &batch->records[i];
    if (record->kind == TG_RECORD_RUN) run_put(store, &record->run);
    if (record->kind == TG_RECORD_TASK) task_row_put(store, &record->task);
    if (record->kind == TG_RECORD_ATTEMPT) attempt_put(store, &record->attempt);
    if (record->kind == TG_RECORD_MAP_ITEMS) map_items_put(store, &record->map_items);
    if (record->kind == TG_RECORD_ITEM) item_put(store, &record->item);
    if (record->kind == TG_RECORD_STEP) step_put(store, &record->step);
    if (record->kind == TG_RECORD_RESOURCE) resource_put(store, &record->resource);
  }
}

void rig_store_copy(struct rig_store *to, const struct rig_store *from) {
  run_put(to, &from->run);
  for (size_t i = 0; i < sizeof from->tasks / sizeof *from->tasks; i++)
    if (from->has_task[i]) task_row_put(to, &from->tasks[i]);
  for (size_t i = 0; i < from->attempt_count; i++) attempt_put(to, &from->attempts[i]);
  for (size_t i = 0; i < from->map_count; i++) map_items_put(to, &from->maps[i]);
  for (size_t i = 0; i < from->item_count; i++) item_put(to, &from->items[i]);
  for (size_t i = 0; i < from->step_count; i++) step_put(to, &from->steps[i]);
  for (size_t i = 0; i < from->resource_count; i++) resource_put(to, &from->resources[i]);
}
