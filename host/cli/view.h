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
  size_t task_count, attempt_count, decision_count, check_count, asset_version_count;
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

/// Give a record as an object. Strings that hold JSON become JSON.
///
/// Owns:   the caller releases the result; NULL when memory is out
json_t *tg_view_run_json(const struct tg_run *run);
json_t *tg_view_task_json(const struct tg_task *task);
json_t *tg_view_attempt_json(const struct tg_view *view, const struct tg_attempt *attempt);
json_t *tg_view_decision_json(const struct tg_view *view, const struct tg_decision *decision);
json_t *tg_view_check_json(const struct tg_view *view, const struct tg_check *check);
json_t *tg_view_asset_json(const struct tg_view *view, const struct tg_asset_version *version);

/// Gives the run with its tasks: {"id", "pipeline", "state", "started_at", "ended_at", "bundle",
/// ..., "tasks": [{"name", "state", "attempts", "started_at", "ended_at", "error", ...}]}, and
/// with `has_details` its attempts, decisions, checks and asset versions.
///
/// Owns:   the caller releases the result; NULL when memory is out
json_t *tg_view_json(const struct tg_view *view, bool has_details);

/// Give an instant, null for 0; a text, null for NULL, its invalid UTF-8 replaced; and a text that
/// holds JSON as what it holds.
json_t *tg_view_time_json(int64_t ms);
json_t *tg_view_text_json(const char *text);
json_t *tg_view_document_json(const char *text);
