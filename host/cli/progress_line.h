// SPDX-License-Identifier: Apache-2.0
// The lines of progress that stay, as text or as JSON; and the parts that live lines share with
// them.
#pragma once

#include "base/buf.h"
#include "cli/progress.h"

/// How lines are written.
struct tg_progress_style {
  const struct tg_plan *plan;
  bool is_json, has_color;
  size_t name_columns; // of the column of task names
};

/// Fills in a style; the longest name sets the column, up to a limit.
void tg_progress_style_init(struct tg_progress_style *style, const struct tg_plan *plan,
                            bool is_json, bool has_color);

/// Append a line: about a change of a task, what somebody wrote, or how the run ended.
///
/// Units:  `started_ms` is 0 for a task that never ran
void tg_progress_line_change(struct tg_buf *out, const struct tg_progress_style *style,
                             const struct tg_progress_change *change, int64_t started_ms,
                             int64_t now_ms);
void tg_progress_line_log(struct tg_buf *out, const struct tg_progress_style *style, uint32_t task,
                          const char *stream, const char *text, int64_t now_ms);
void tg_progress_line_end(struct tg_buf *out, const struct tg_progress_style *style,
                          enum tg_run_state state, const uint32_t counts[TG_TASK_STATE_COUNT],
                          int64_t duration_ms, int64_t now_ms);

/// Appends what a task rests for, or that it waits for its next attempt, and for how long; nothing
/// when `retry_at` is 0.
void tg_progress_put_pause(struct tg_buf *out, const char *rest, int64_t retry_at, int64_t now_ms);

/// Append a task's name in its column; a duration; how many tasks are in each state.
void tg_progress_put_name(struct tg_buf *out, const struct tg_progress_style *style, uint32_t task,
                          bool has_color);
void tg_progress_put_duration(struct tg_buf *out, int64_t ms);
void tg_progress_put_counts(struct tg_buf *out, const uint32_t counts[TG_TASK_STATE_COUNT]);
