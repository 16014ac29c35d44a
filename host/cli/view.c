// SPDX-License-Identifier: Apache-2.0
#include "cli/view.h"

#include <string.h>

#include "base/buf.h"
#include "base/units.h"

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
  return code;
}

void tg_view_deinit(struct tg_view *view) {
  tg_plan_free(view->plan);
  tg_arena_deinit(&view->arena);
  *view = (struct tg_view){0};
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

json_t *tg_view_run_json(const struct tg_run *run) {
  char id[TG_ID_TEXT_LEN + 1];
  tg_id_format(run->id, id);
  return json_pack(
      "{s:s, s:s, s:s, s:o, s:o, s:o, s:s, s:s, s:o, s:o, s:s?, s:i, s:s?, s:o}", "id", id,
      "pipeline", run->pipeline, "state", tg_run_state_word(run->state), "started_at",
      tg_view_time_json(run->created_at), "ended_at", tg_view_time_json(run->ended_at),
      "duration_ms", duration_json(run->created_at, run->ended_at), "bundle", run->bundle,
      "trigger", run->trigger, "params", tg_view_document_json(run->params), "logical_date",
      tg_view_time_json(run->logical_at), "occurrence", run->occurrence, "rerun", (int)run->rerun,
      "rerun_of", run->rerun_of, "error", failure_json(&run->failure));
}

json_t *tg_view_task_json(const struct tg_task *task) {
  return json_pack("{s:s, s:s, s:i, s:o, s:o, s:o, s:o, s:o, s:o}", "name", task->name, "state",
                   tg_task_state_word(task->state), "attempts", (int)task->attempts, "started_at",
                   tg_view_time_json(task->started_at), "ended_at",
                   tg_view_time_json(task->ended_at), "duration_ms",
                   duration_json(task->started_at, task->ended_at), "error",
                   failure_json(&task->failure), "output", tg_view_document_json(task->output),
                   "chosen", tg_view_document_json(task->chosen));
}

json_t *tg_view_attempt_json(const struct tg_view *view, const struct tg_attempt *attempt) {
  return json_pack("{s:s, s:i, s:s, s:i, s:o, s:o, s:o, s:o, s:o, s:o}", "task",
                   tg_view_task_name(view, attempt->task), "attempt", (int)attempt->number, "state",
                   tg_attempt_state_word(attempt->state), "worker", (int)attempt->worker,
                   "started_at", tg_view_time_json(attempt->started_at), "ended_at",
                   tg_view_time_json(attempt->ended_at), "duration_ms",
                   duration_json(attempt->started_at, attempt->ended_at), "retry_at",
                   tg_view_time_json(attempt->retry_at), "error", failure_json(&attempt->failure),
                   "traceback", tg_view_text_json(attempt->traceback));
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

static bool details_add(const struct tg_view *view, json_t *run) {
  bool ok = true;
  LIST_ADD(ok, run, "attempts", view->attempt_count,
           tg_view_attempt_json(view, &view->attempts[i]));
  LIST_ADD(ok, run, "decisions", view->decision_count,
           tg_view_decision_json(view, &view->decisions[i]));
  LIST_ADD(ok, run, "checks", view->check_count, tg_view_check_json(view, &view->checks[i]));
  LIST_ADD(ok, run, "asset_versions", view->asset_version_count,
           tg_view_asset_json(view, &view->asset_versions[i]));
  return ok;
}

json_t *tg_view_json(const struct tg_view *view, bool has_details) {
  json_t *run = tg_view_run_json(&view->run);
  bool ok = true;
  LIST_ADD(ok, run, "tasks", view->task_count, tg_view_task_json(&view->tasks[i]));
  if (has_details) ok &= details_add(view, run);
  if (ok) return run;
  json_decref(run);
  return NULL;
}
