// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "cli/view.h"
#include "engine/context.h"

// Puts the records of the tasks at their places in the plan.
static int tasks_spread(struct tg_view *view, const struct tg_task *rows, size_t count,
                        struct tg_error *err) {
  view->task_count = view->plan->count;
  view->tasks = tg_arena_alloc(&view->arena, (view->task_count + 1) * sizeof *view->tasks);
  if (!view->tasks) return tg_error_set(err, TG_ENOMEM, "no memory for the tasks of a run");
  for (uint32_t i = 0; i < view->plan->count; i++)
    view->tasks[i] =
        (struct tg_task){.run = view->run.number, .index = i, .name = view->plan->tasks[i].name};
  for (size_t i = 0; i < count; i++)
    if (rows[i].index < view->task_count) view->tasks[rows[i].index] = rows[i];
  return TG_OK;
}

static int tasks_read(struct tg_view *view, struct tg_history *history, struct tg_error *err) {
  const char *text;
  struct tg_task *rows;
  size_t count;
  int code = tg_history_plan(history, view->run.bundle, &view->arena, &text, err);
  if (!code) code = tg_plan_parse(text, strlen(text), &view->plan, err);
  if (!code) code = tg_history_tasks(history, view->run.number, &view->arena, &rows, &count, err);
  return code ? code : tasks_spread(view, rows, count, err);
}

static int maps_read(struct tg_view *view, struct tg_history *history, struct tg_error *err) {
  struct tg_map_items *maps;
  size_t count;
  uint64_t run = view->run.number;
  int code = tg_history_map_items(history, run, &view->arena, &maps, &count, err);
  if (!code)
    code = tg_history_items(history, run, &view->arena, &view->items, &view->item_count, err);
  if (code) return code;
  view->maps = tg_arena_alloc(&view->arena, (view->task_count + 1) * sizeof *view->maps);
  if (!view->maps) return tg_error_set(err, TG_ENOMEM, "no memory for the maps of a run");
  for (size_t i = 0; i < count; i++)
    if (maps[i].task < view->task_count)
      view->maps[maps[i].task] =
          (struct tg_view_map){.is_expanded = true, .count = maps[i].count, .keys = maps[i].keys};
  for (size_t i = 0; i < view->item_count; i++) {
    if (view->items[i].task >= view->task_count) continue;
    struct tg_view_map *map = &view->maps[view->items[i].task];
    enum tg_task_state state = view->items[i].state;
    map->success += state == TG_TASK_SUCCESS;
    map->failed += state == TG_TASK_FAILED;
    map->skipped += state == TG_TASK_SKIPPED;
    map->cancelled += state == TG_TASK_CANCELLED;
  }
  return TG_OK;
}

struct children {
  struct tg_view *view;
  struct tg_history *history;
  size_t cap;
  struct tg_error *err;
};

static int child_add(struct children *c, const struct tg_run *run, uint32_t parent) {
  struct tg_view *view = c->view;
  if (view->child_count == c->cap) {
    size_t cap = c->cap ? c->cap * 2 : 16;
    struct tg_view_child *more = tg_arena_alloc(&view->arena, cap * sizeof *more);
    if (!more) return tg_error_set(c->err, TG_ENOMEM, "no memory for child runs");
    if (view->child_count) memcpy(more, view->children, view->child_count * sizeof *more);
    view->children = more;
    c->cap = cap;
  }
  uint32_t depth = parent == UINT32_MAX ? 1 : view->children[parent].depth + 1;
  view->children[view->child_count++] =
      (struct tg_view_child){.run = *run, .depth = depth, .parent = parent};
  return TG_OK;
}

// Adds what a run started, each followed by what that started. The newest come first out of the
// store.
static int children_add(struct children *c, struct tg_id run, uint32_t parent) {
  char id[TG_ID_TEXT_LEN + 1];
  struct tg_run *runs;
  size_t count;
  tg_id_format(run, id);
  struct tg_run_filter filter = {.state = -1, .parent = id};
  int code = tg_history_runs(c->history, &filter, &c->view->arena, &runs, &count, c->err);
  while (count && !code) {
    const struct tg_run *child = &runs[--count];
    uint32_t index = (uint32_t)c->view->child_count;
    code = child_add(c, child, parent);
    if (!code) code = children_add(c, child->id, index);
  }
  return code;
}

// A child's key begins with that of the task, or the item, that started it.
static void child_name(struct tg_view *view, struct tg_view_child *child) {
  char key[TG_KEY_TEXT_LEN + 1], unit[TG_UNIT_NAME_MAX];
  const char *known = child->run.child_key;
  for (uint32_t i = 0; i < view->task_count && known; i++) {
    const char *task = view->tasks[i].name;
    tg_context_key_of(view->run.id, task, key);
    bool is_it = strncmp(key, known, TG_KEY_TEXT_LEN) == 0;
    snprintf(unit, sizeof unit, "%s", task);
    for (uint32_t item = 0; item < view->maps[i].count && !is_it; item++) {
      snprintf(unit, sizeof unit, "%s[%u]", task, item);
      tg_context_key_of(view->run.id, unit, key);
      is_it = strncmp(key, known, TG_KEY_TEXT_LEN) == 0;
    }
    if (!is_it) continue;
    child->task = tg_arena_strdup(&view->arena, unit);
    return;
  }
}

static int children_read(struct tg_view *view, struct tg_history *history, struct tg_error *err) {
  struct children c = {.view = view, .history = history, .err = err};
  int code = children_add(&c, view->run.id, UINT32_MAX);
  for (size_t i = 0; i < view->child_count && !code; i++)
    if (view->children[i].parent == UINT32_MAX) child_name(view, &view->children[i]);
  return code;
}

// What a run waits for may be held by others.
static int open_runs_read(struct tg_view *view, struct tg_history *history, struct tg_error *err) {
  const struct tg_run_filter filter = {.state = -1, .is_open = true};
  if (tg_run_state_is_terminal(view->run.state)) return TG_OK;
  return tg_history_runs(history, &filter, &view->arena, &view->open_runs, &view->open_run_count,
                         err);
}

int tg_view_read(struct tg_view *view, struct tg_history *history, const char *name,
                 struct tg_error *err) {
  *view = (struct tg_view){0};
  struct tg_arena *arena = &view->arena;
  tg_arena_init(arena);
  int code = tg_history_run(history, name, arena, &view->run, err);
  uint64_t run = view->run.number;
  if (!code) code = tasks_read(view, history, err);
  if (!code)
    code = tg_history_attempts(history, run, arena, &view->attempts, &view->attempt_count, err);
  if (!code)
    code = tg_history_decisions(history, run, arena, &view->decisions, &view->decision_count, err);
  if (!code) code = tg_history_checks(history, run, arena, &view->checks, &view->check_count, err);
  if (!code)
    code = tg_history_asset_versions(history, run, arena, &view->asset_versions,
                                     &view->asset_version_count, err);
  if (!code)
    code = tg_history_resources(history, arena, &view->resources, &view->resource_count, err);
  if (!code) code = maps_read(view, history, err);
  if (!code) code = tg_history_steps(history, run, arena, &view->steps, &view->step_count, err);
  if (!code) code = open_runs_read(view, history, err);
  return code ? code : children_read(view, history, err);
}

void tg_view_deinit(struct tg_view *view) {
  tg_plan_free(view->plan);
  tg_arena_deinit(&view->arena);
  *view = (struct tg_view){0};
}
