// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "cli/resource.h"
#include "cli/view.h"

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
