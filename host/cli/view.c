// SPDX-License-Identifier: Apache-2.0
#include "cli/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/units.h"
#include "cli/resource.h"
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

// --- Children ---

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

// --- Questions ---

const struct tg_item *tg_view_items(const struct tg_view *view, uint32_t task, size_t *count) {
  size_t begin = 0;
  while (begin < view->item_count && view->items[begin].task < task) begin++;
  for (*count = 0; begin + *count < view->item_count; ++*count)
    if (view->items[begin + *count].task != task) break;
  return *count ? &view->items[begin] : NULL;
}

static const struct tg_resource *resource_of(const struct tg_view *view, uint32_t task) {
  uint32_t index = view->plan->tasks[task].resource;
  if (index == TG_NO_RESOURCE) return NULL;
  for (size_t i = 0; i < view->resource_count; i++)
    if (strcmp(view->resources[i].name, view->plan->resources[index]) == 0)
      return &view->resources[i];
  return NULL;
}

static bool has_running(const struct tg_view *view, uint32_t task) {
  for (size_t i = 0; i < view->attempt_count; i++)
    if (view->attempts[i].task == task && view->attempts[i].state == TG_ATTEMPT_RUNNING)
      return true;
  return false;
}

uint32_t tg_view_stand_in(const struct tg_view *view, uint32_t task) {
  uint32_t fallback = view->plan->tasks[task].fallback;
  for (size_t i = 0; i < view->attempt_count && fallback != TG_NO_TASK; i++)
    if (view->attempts[i].task == task && view->attempts[i].is_fallback_next) return fallback;
  return TG_NO_TASK;
}

// A task that stands in for another waits until that one has failed.
static bool is_spare(const struct tg_view *view, uint32_t task) {
  uint32_t owner = view->plan->tasks[task].fallback_of;
  return owner != TG_NO_TASK && tg_view_stand_in(view, owner) == TG_NO_TASK;
}

struct tg_trigger_counts tg_view_counts(const struct tg_view *view, uint32_t task) {
  struct tg_graph_slice up = tg_graph_upstream(&view->plan->graph, task);
  struct tg_trigger_counts counts = {.upstream = up.count};
  for (uint32_t i = 0; i < up.count; i++) {
    enum tg_task_state state = view->tasks[up.nodes[i]].state;
    counts.success += state == TG_TASK_SUCCESS;
    counts.skipped += state == TG_TASK_SKIPPED;
    counts.failed +=
        tg_task_state_is_terminal(state) && state != TG_TASK_SUCCESS && state != TG_TASK_SKIPPED;
  }
  return counts;
}

const struct tg_resource *tg_view_held_by(const struct tg_view *view, uint32_t task) {
  const struct tg_resource *resource = resource_of(view, task);
  bool is_open = !tg_run_state_is_terminal(view->run.state) &&
                 !tg_task_state_is_terminal(view->tasks[task].state);
  if (!resource || !is_open || tg_resource_is_closed(resource) || is_spare(view, task)) return NULL;
  struct tg_trigger_counts counts = tg_view_counts(view, task);
  if (tg_trigger_judge(view->plan->tasks[task].when, &counts) != TG_TRIGGER_READY) return NULL;
  return has_running(view, task) ? NULL : resource;
}

const struct tg_step *tg_view_steps(const struct tg_view *view, uint32_t task, size_t *count) {
  size_t begin = 0;
  while (begin < view->step_count && view->steps[begin].task < task) begin++;
  for (*count = 0; begin + *count < view->step_count; ++*count)
    if (view->steps[begin + *count].task != task) break;
  return *count ? &view->steps[begin] : NULL;
}

// A carried task keeps the times that it had, which lie before the run.
bool tg_view_is_carried(const struct tg_view *view, uint32_t task) {
  const struct tg_task *record = &view->tasks[task];
  return !record->attempts && record->ended_at && record->ended_at < view->run.created_at;
}

bool tg_view_is_unchosen(const struct tg_view *view, uint32_t branch, uint32_t task) {
  const struct tg_plan_task *plan = &view->plan->tasks[branch];
  const char *chosen = view->tasks[branch].chosen;
  bool is_way = false, is_chosen = false;
  for (uint32_t i = 0; i < plan->to_count; i++) is_way |= plan->to[i] == task;
  if (!is_way || !chosen) return false;
  json_t *names = json_loads(chosen, 0, NULL);
  for (size_t i = 0; i < json_array_size(names) && !is_chosen; i++) {
    const char *name = json_string_value(json_array_get(names, i));
    is_chosen = name && strcmp(name, view->tasks[task].name) == 0;
  }
  json_decref(names);
  return !is_chosen;
}

bool tg_view_is_fallback(const struct tg_view *view, const struct tg_attempt *attempt) {
  if (attempt == view->attempts) return false;
  const struct tg_attempt *before = attempt - 1;
  return before->task == attempt->task && before->item == attempt->item && before->is_fallback_next;
}

int64_t tg_view_sleeps_until(const struct tg_view *view, uint32_t task) {
  size_t count;
  const struct tg_step *steps = tg_view_steps(view, task, &count);
  int64_t until = 0;
  if (tg_task_state_is_terminal(view->tasks[task].state)) return 0;
  for (size_t i = 0; i < count; i++)
    if (steps[i].wake_at > until && !steps[i].wait) until = steps[i].wake_at;
  return until > tg_clock_wall_ms(tg_clock_system()) ? until : 0;
}

static int64_t unit_ended_at(const struct tg_view *view, uint32_t task, uint32_t item) {
  size_t count;
  const struct tg_item *items = tg_view_items(view, task, &count);
  for (size_t i = 0; i < count && item != TG_NO_ITEM; i++)
    if (items[i].index == item) return items[i].ended_at;
  return view->tasks[task].ended_at;
}

int64_t tg_view_step_cut_at(const struct tg_view *view, const struct tg_step *step) {
  int64_t ended_at = unit_ended_at(view, step->task, step->item);
  bool is_over = step->wait ? step->result != NULL : step->wake_at <= ended_at;
  return is_over ? 0 : ended_at;
}

const struct tg_step *tg_view_wait(const struct tg_view *view, uint32_t task, size_t *count) {
  const struct tg_step *first = NULL;
  size_t step_count;
  const struct tg_step *steps = tg_view_steps(view, task, &step_count);
  *count = 0;
  if (tg_task_state_is_terminal(view->tasks[task].state)) return NULL;
  for (size_t i = 0; i < step_count; i++) {
    if (!steps[i].wait || steps[i].result) continue;
    if (!first) first = &steps[i];
    ++*count;
  }
  return first;
}

// What waits, as an object {"for", "item", "name", "until", "waiting": how many do}, or null.
static json_t *wait_json(const struct tg_view *view, uint32_t task) {
  size_t count;
  const struct tg_step *step = tg_view_wait(view, task, &count);
  if (!step) return json_null();
  return json_pack("{s:o, s:o, s:s, s:o, s:I}", "for", tg_view_document_json(step->wait), "item",
                   step->item == TG_NO_ITEM ? json_null() : json_integer(step->item), "name",
                   step->name, "until", tg_view_time_json(step->wake_at), "waiting",
                   (json_int_t)count);
}

const char *tg_view_task_name(const struct tg_view *view, uint32_t task) {
  return task < view->task_count ? view->tasks[task].name : "?";
}

json_t *tg_view_time_json(int64_t ms) {
  if (!ms) return json_null();
  char text[TG_TIME_TEXT_LEN + 1];
  tg_time_format(ms, text);
  return json_string(text);
}

json_t *tg_view_text_json(const char *text) {
  if (!text) return json_null();
  json_t *value = json_string(text);
  if (value) return value;
  struct tg_buf literal;
  tg_buf_init(&literal, SIZE_MAX / 2);
  tg_buf_put_json(&literal, text, strlen(text));
  value = literal.is_failed ? NULL : json_loads(tg_buf_text(&literal), JSON_DECODE_ANY, NULL);
  tg_buf_deinit(&literal);
  return value;
}

json_t *tg_view_document_json(const char *text) {
  json_t *value = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
  return value ? value : tg_view_text_json(text);
}

static json_t *duration_json(int64_t started_at, int64_t ended_at) {
  return started_at && ended_at ? json_integer(ended_at - started_at) : json_null();
}

static json_t *failure_json(const struct tg_failure *failure) {
  if (!failure->code) return json_null();
  return json_pack("{s:s, s:s, s:o}", "code", tg_code_word(failure->code), "class",
                   tg_class_word(failure->class), "message", tg_view_text_json(failure->text));
}

static json_t *interval_json(const struct tg_run *run) {
  if (!run->interval_end) return json_null();
  return json_pack("{s:o, s:o}", "start", tg_view_time_json(run->interval_start), "end",
                   tg_view_time_json(run->interval_end));
}

json_t *tg_view_run_json(const struct tg_run *run) {
  char id[TG_ID_TEXT_LEN + 1];
  tg_id_format(run->id, id);
  return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:s, s:s, s:o, s:o, s:o, s:s?, s:s?, s:i, "
                   "s:s?, s:s?, s:s?, "
                   "s:o}",
                   "id", id, "pipeline", run->pipeline, "state", tg_run_state_word(run->state),
                   "created_at", tg_view_time_json(run->created_at), "started_at",
                   tg_view_time_json(run->started_at), "ended_at", tg_view_time_json(run->ended_at),
                   "duration_ms", duration_json(run->started_at, run->ended_at), "bundle",
                   run->bundle, "trigger", run->trigger, "params",
                   tg_view_document_json(run->params), "logical_date",
                   tg_view_time_json(run->logical_at), "interval", interval_json(run), "occurrence",
                   run->occurrence, "partition", run->partition, "rerun", (int)run->rerun,
                   "rerun_of", run->rerun_of, "parent", run->parent, "backfill", run->backfill,
                   "error", failure_json(&run->failure));
}

static json_t *map_json(const struct tg_view_map *map) {
  if (!map->is_expanded) return json_null();
  return json_pack("{s:i, s:i, s:i, s:i, s:i}", "items", (int)map->count, "success",
                   (int)map->success, "failed", (int)map->failed, "skipped", (int)map->skipped,
                   "cancelled", (int)map->cancelled);
}

json_t *tg_view_task_json(const struct tg_view *view, uint32_t index) {
  const struct tg_task *task = &view->tasks[index];
  uint32_t stand_in = tg_view_stand_in(view, index);
  return json_pack(
      "{s:s, s:s, s:i, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s?}", "name", task->name,
      "state", tg_task_state_word(task->state), "attempts", (int)task->attempts, "carried",
      tg_view_is_carried(view, index), "started_at", tg_view_time_json(task->started_at),
      "ended_at", tg_view_time_json(task->ended_at), "duration_ms",
      duration_json(task->started_at, task->ended_at), "sleeps_until",
      tg_view_time_json(tg_view_sleeps_until(view, index)), "waits", wait_json(view, index), "map",
      map_json(&view->maps[index]), "error", failure_json(&task->failure), "output",
      tg_view_document_json(task->output), "chosen", tg_view_document_json(task->chosen),
      "fallback", stand_in == TG_NO_TASK ? NULL : view->tasks[stand_in].name);
}

json_t *tg_view_item_json(const struct tg_item *item) {
  return json_pack("{s:i, s:s, s:i, s:o, s:o, s:o, s:o, s:o}", "item", (int)item->index, "state",
                   tg_task_state_word(item->state), "attempts", (int)item->attempts, "started_at",
                   tg_view_time_json(item->started_at), "ended_at",
                   tg_view_time_json(item->ended_at), "duration_ms",
                   duration_json(item->started_at, item->ended_at), "error",
                   failure_json(&item->failure), "output", tg_view_document_json(item->output));
}

static json_t *item_number_json(uint32_t item) {
  return item == TG_NO_ITEM ? json_null() : json_integer(item);
}

json_t *tg_view_step_json(const struct tg_view *view, const struct tg_step *step) {
  return json_pack("{s:s, s:o, s:i, s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:o}", "task",
                   tg_view_task_name(view, step->task), "item", item_number_json(step->item),
                   "position", (int)step->position, "name", step->name, "done",
                   step->result != NULL, "started_at", tg_view_time_json(step->intended_at),
                   "ended_at", tg_view_time_json(step->ended_at), "duration_ms",
                   duration_json(step->intended_at, step->ended_at), "wake_at",
                   tg_view_time_json(step->wake_at), "waits_for", tg_view_document_json(step->wait),
                   "result", tg_view_document_json(step->result));
}

json_t *tg_view_attempt_json(const struct tg_view *view, const struct tg_attempt *attempt) {
  return json_pack(
      "{s:s, s:o, s:i, s:b, s:b, s:s, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "task",
      tg_view_task_name(view, attempt->task), "item", item_number_json(attempt->item), "attempt",
      (int)attempt->number, "fallback", tg_view_is_fallback(view, attempt), "was_held",
      attempt->was_held, "state", tg_attempt_state_word(attempt->state), "worker",
      (int)attempt->worker, "started_at", tg_view_time_json(attempt->started_at), "ended_at",
      tg_view_time_json(attempt->ended_at), "duration_ms",
      duration_json(attempt->started_at, attempt->ended_at), "retry_at",
      tg_view_time_json(attempt->retry_at), "error", failure_json(&attempt->failure), "stop",
      tg_view_text_json(attempt->stop), "traceback", tg_view_text_json(attempt->traceback));
}

json_t *tg_view_decision_json(const struct tg_view *view, const struct tg_decision *decision) {
  return json_pack(
      "{s:s, s:i, s:s, s:s, s:o, s:o, s:o, s:o, s:o}", "task",
      tg_view_task_name(view, decision->task), "attempt", (int)decision->attempt, "policy",
      decision->policy, "version", decision->version, "action", tg_view_text_json(decision->action),
      "reason", tg_view_text_json(decision->reason), "decided_at",
      tg_view_time_json(decision->decided_at), "input", tg_view_document_json(decision->input),
      "output", tg_view_document_json(decision->output));
}

json_t *tg_view_check_json(const struct tg_view *view, const struct tg_check *check) {
  json_t *object = json_pack("{s:s, s:i}", "task", tg_view_task_name(view, check->task), "attempt",
                             (int)check->attempt);
  json_t *body = tg_view_document_json(check->body);
  if (json_is_object(body)) json_object_update(object, body);
  json_decref(body);
  return object;
}

json_t *tg_view_asset_json(const struct tg_view *view, const struct tg_asset_version *version) {
  return json_pack("{s:s, s:s, s:i, s:s, s:o, s:o, s:o}", "asset", version->asset, "task",
                   tg_view_task_name(view, version->task), "attempt", (int)version->attempt,
                   "partition", version->partition, "rows",
                   version->rows < 0 ? json_null() : json_integer(version->rows), "created_at",
                   tg_view_time_json(version->created_at), "facts",
                   tg_view_document_json(version->facts));
}

// Adds a list of records, each made by `make`, to an object; clears `ok` when memory is out.
#define LIST_ADD(ok, object, name, count, make)                                                    \
  do {                                                                                             \
    json_t *list = json_array();                                                                   \
    for (size_t i = 0; i < (count); i++) (ok) &= json_array_append_new(list, make) == 0;           \
    (ok) &= json_object_set_new(object, name, list) == 0;                                          \
  } while (0)

// Puts each child into the list of its parent, which stands before it.
static bool children_put(const struct tg_view *view, json_t *run) {
  // NOLINTNEXTLINE(bugprone-sizeof-expression): a list of pointers is meant
  json_t **lists = calloc(view->child_count + 1, sizeof *lists);
  json_t *top = json_array();
  bool ok = lists && json_object_set_new(run, "children", top) == 0;
  for (size_t i = 0; i < view->child_count && ok; i++) {
    const struct tg_view_child *child = &view->children[i];
    json_t *object = tg_view_run_json(&child->run);
    lists[i] = json_array();
    ok = json_object_set_new(object, "task", tg_view_text_json(child->task)) == 0 &&
         json_object_set_new(object, "children", lists[i]) == 0 &&
         json_array_append_new(child->parent == UINT32_MAX ? top : lists[child->parent], object) ==
             0;
  }
  free(lists);
  return ok;
}

// The resources that the plan names, as they stand now.
static bool resources_put(const struct tg_view *view, json_t *run) {
  json_t *list = json_array();
  bool ok = json_object_set_new(run, "resources", list) == 0;
  for (uint32_t i = 0; i < view->plan->resource_count; i++)
    for (size_t r = 0; r < view->resource_count && ok; r++)
      if (strcmp(view->resources[r].name, view->plan->resources[i]) == 0)
        ok = json_array_append_new(list, tg_resource_json(&view->resources[r])) == 0;
  return ok;
}

static bool details_add(const struct tg_view *view, json_t *run) {
  int64_t deadline = tg_plan_deadline(view->plan, &view->run);
  bool ok = json_object_set_new(run, "deadline",
                                tg_view_time_json(deadline == INT64_MAX ? 0 : deadline)) == 0;
  LIST_ADD(ok, run, "attempts", view->attempt_count,
           tg_view_attempt_json(view, &view->attempts[i]));
  LIST_ADD(ok, run, "steps", view->step_count, tg_view_step_json(view, &view->steps[i]));
  LIST_ADD(ok, run, "decisions", view->decision_count,
           tg_view_decision_json(view, &view->decisions[i]));
  LIST_ADD(ok, run, "checks", view->check_count, tg_view_check_json(view, &view->checks[i]));
  LIST_ADD(ok, run, "asset_versions", view->asset_version_count,
           tg_view_asset_json(view, &view->asset_versions[i]));
  return resources_put(view, run) && children_put(view, run) && ok;
}

json_t *tg_view_json(const struct tg_view *view, bool has_details) {
  json_t *run = tg_view_run_json(&view->run);
  bool ok = true;
  LIST_ADD(ok, run, "tasks", view->task_count, tg_view_task_json(view, (uint32_t)i));
  if (has_details) ok &= details_add(view, run);
  if (ok) return run;
  json_decref(run);
  return NULL;
}
