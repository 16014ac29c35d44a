// SPDX-License-Identifier: Apache-2.0
// What a person sees while a run goes on.
//
//   live   on a terminal: tasks that ended scroll away as lines; below them stands a line for each
//          running task and one for the run, drawn again at most ten times a second
//   plain  a line for each change of a task
//   json   the same, each line an object
//   quiet  nothing
//
// The calls remember, and write whole lines at once; in live mode they are shown at the next tick.
// Whatever else is written to the same terminal goes through tg_progress_log.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "engine/plan.h"
#include "model/state.h"

struct tg_progress;

enum tg_progress_mode {
  TG_PROGRESS_LIVE,
  TG_PROGRESS_PLAIN,
  TG_PROGRESS_JSON,
  TG_PROGRESS_QUIET,
};

/// Where it is shown.
struct tg_progress_target {
  void (*write)(void *self, const char *bytes, size_t len);
  /// Gives the size of the terminal now, in characters.
  void (*size)(void *self, uint32_t *width, uint32_t *height);
  void *self;
};

/// Gives the target that writes to stderr.
struct tg_progress_target tg_progress_stderr(void);

/// Makes the progress of a run of `plan`, which outlives it; NULL when memory is out.
///
/// Units:  every `now_ms`, and `started_ms`, is ms since 1970
struct tg_progress *tg_progress_new(const struct tg_plan *plan, enum tg_progress_mode mode,
                                    bool has_color, struct tg_progress_target target,
                                    int64_t started_ms);

/// Gives back the terminal as it was; NULL is fine.
void tg_progress_free(struct tg_progress *progress);

/// A change of a task. A task that waits for its next attempt is told with `retry_at`, 0 otherwise,
/// and one that is at rest with what it rests for, "sleeps" or "waits for an event order"; its
/// `retry_at` is INT64_MAX if it has no end. `error` and `rest` may be NULL.
struct tg_progress_change {
  uint32_t task;
  enum tg_task_state state;
  uint32_t attempt; // 0 without one
  const char *error;
  int64_t retry_at;
  const char *rest;
};

void tg_progress_task(struct tg_progress *progress, const struct tg_progress_change *change,
                      int64_t now_ms);

/// Takes in what became of a task before: in a run that is continued. It is counted, not shown.
void tg_progress_known(struct tg_progress *progress, uint32_t task, enum tg_task_state state);

/// Shows how far a running task is; `total` 0 when it is not known.
void tg_progress_report(struct tg_progress *progress, uint32_t task, double done, double total);

/// Shows a line of a task's output, or with UINT32_MAX of anything else, above the live lines.
void tg_progress_log(struct tg_progress *progress, uint32_t task, const char *stream,
                     const char *text, int64_t now_ms);

/// Draws again if it is time; to be called ten times a second in live mode.
void tg_progress_tick(struct tg_progress *progress, int64_t now_ms);

/// Shows how the run ended; nothing is drawn after it.
void tg_progress_finish(struct tg_progress *progress, enum tg_run_state state, int64_t now_ms);
