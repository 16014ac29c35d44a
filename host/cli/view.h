// SPDX-License-Identifier: Apache-2.0
// Records as JSON for readers: times RFC 3339 in UTC or null, durations in ms, states as words.
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "engine/plan.h"
#include "model/record.h"
#include "store/history.h"

/// What became of the items of a map; `count` 0 while it is not expanded, or has none.
struct tg_view_map {
  bool is_expanded;
  uint32_t count, success, failed, skipped, cancelled;
  const char *keys; // JSON list by which items are limited, or NULL
};

/// A run that was started by a task of the run, or of a run below it.
struct tg_view_child {
  struct tg_run run;
  uint32_t depth;   // from 1
  uint32_t parent;  // index of its parent among the children, UINT32_MAX for the run itself
  const char *task; // of its parent that started it, NULL if not known
};

/// What is known of one run; everything but the plan lives in the arena.
struct tg_view {
  struct tg_arena arena;
  struct tg_run run;
  struct tg_plan *plan;
  struct tg_task *tasks; // by index in the plan; those without a record are waiting
  struct tg_attempt *attempts;
  struct tg_decision *decisions;
  struct tg_check *checks;
  struct tg_asset_version *asset_versions;
  struct tg_view_map *maps; // by index in the plan
  struct tg_item *items;    // in the order of task and item
  struct tg_step *steps;
  struct tg_view_child *children; // a child before its own children
  struct tg_resource *resources;  // of the host, as they stand now
  struct tg_run *open_runs; // of a run that has not ended: all that have not, the newest first
  size_t task_count, attempt_count, decision_count, check_count, asset_version_count;
  size_t item_count, step_count, child_count, resource_count, open_run_count;
};

/// Reads a run by its id, a unique prefix of it, or "last".
///
/// Owns:   the caller deinits the view, also after an error
/// Errors: those of tg_history_run
int tg_view_read(struct tg_view *view, struct tg_history *history, const char *name,
                 struct tg_error *err);
void tg_view_deinit(struct tg_view *view);

/// Gives the name of a task by its index, "?" when the plan has no such task.
const char *tg_view_task_name(const struct tg_view *view, uint32_t task);

/// Gives a task's items, of those that have ended, or its steps; *count how many there are.
const struct tg_item *tg_view_items(const struct tg_view *view, uint32_t task, size_t *count);
const struct tg_step *tg_view_steps(const struct tg_view *view, uint32_t task, size_t *count);

/// Says whether a task was carried over from an earlier run, or an attempt was its fallback.
bool tg_view_is_carried(const struct tg_view *view, uint32_t task);
/// Says whether a branch has not chosen a task that it leads to.
bool tg_view_is_unchosen(const struct tg_view *view, uint32_t branch, uint32_t task);
bool tg_view_is_fallback(const struct tg_view *view, const struct tg_attempt *attempt);

/// Gives the task that stands in for one that has failed, TG_NO_TASK when there is none.
uint32_t tg_view_stand_in(const struct tg_view *view, uint32_t task);

/// Counts what became of a task's upstreams.
struct tg_trigger_counts tg_view_counts(const struct tg_view *view, uint32_t task);

/// Gives the resource that keeps a task of an open run from starting: its breaker is not closed and
/// nothing of the task runs; NULL when there is none.
const struct tg_resource *tg_view_held_by(const struct tg_view *view, uint32_t task);

/// Gives until when a task sleeps, 0 when it does not.
int64_t tg_view_sleeps_until(const struct tg_view *view, uint32_t task);

/// Gives the first step of a task, or of its items, that waits for an event or a person, or NULL;
/// *count how many do.
const struct tg_step *tg_view_wait(const struct tg_view *view, uint32_t task, size_t *count);

/// Gives when the task of a sleep or a wait, or the item, ended before that was over: it was
/// cancelled, or its time was. 0 when that is not so.
int64_t tg_view_step_cut_at(const struct tg_view *view, const struct tg_step *step);

/// Give a record as an object. Strings that hold JSON become JSON.
///
/// Owns:   the caller releases the result; NULL when memory is out
json_t *tg_view_run_json(const struct tg_run *run);
json_t *tg_view_task_json(const struct tg_view *view, uint32_t task);
json_t *tg_view_item_json(const struct tg_item *item);
json_t *tg_view_step_json(const struct tg_view *view, const struct tg_step *step);
json_t *tg_view_attempt_json(const struct tg_view *view, const struct tg_attempt *attempt);
json_t *tg_view_decision_json(const struct tg_view *view, const struct tg_decision *decision);
json_t *tg_view_check_json(const struct tg_view *view, const struct tg_check *check);
json_t *tg_view_asset_json(const struct tg_view *view, const struct tg_asset_version *version);

/// Gives the run with its tasks: {"id", "pipeline", "state", "started_at", "ended_at", "bundle",
/// ..., "tasks": [{"name", "state", "attempts", "started_at", "ended_at", "error", ...}]}, and
/// with `has_details` its attempts, steps, decisions, checks, asset versions and "children", each
/// with its own "children".
///
/// Owns:   the caller releases the result; NULL when memory is out
json_t *tg_view_json(const struct tg_view *view, bool has_details);

/// Give an instant, null for 0; a text, null for NULL, its invalid UTF-8 replaced; and a text that
/// holds JSON as what it holds.
json_t *tg_view_time_json(int64_t ms);
json_t *tg_view_text_json(const char *text);
json_t *tg_view_document_json(const char *text);
