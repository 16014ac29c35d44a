// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stdio.h>

#include "cli/reasons_parts.h"

json_t *tg_tell(struct tg_teller *teller, const char *task, const char *kind, int64_t since,
                int64_t until, const char *format, ...) {
  char text[TG_REASON_BYTES_MAX];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  if (until && until < since) since = until; // carried over from an earlier run
  json_t *reason =
      json_pack("{s:s?, s:s, s:o, s:o, s:o, s:o}", "task", task, "kind", kind, "since",
                tg_view_time_json(since), "until", tg_view_time_json(until), "duration_ms",
                until ? json_integer(until - since) : json_null(), "text", tg_view_text_json(text));
  if (reason && json_array_append_new(teller->list, reason) == 0) return reason;
  teller->is_failed = true;
  return NULL;
}

const struct tg_task *tg_task_at(const struct tg_teller *teller, uint32_t task) {
  return &teller->view->tasks[task];
}

struct tg_graph_slice tg_upstream_of(const struct tg_teller *teller, uint32_t task) {
  return tg_graph_upstream(&teller->view->plan->graph, task);
}

// Gives the place of the first attempt of a task, or of a later one where it has none. Attempts
// stand in the order of tasks.
static size_t attempts_begin(const struct tg_view *view, uint32_t task) {
  size_t low = 0, high = view->attempt_count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (view->attempts[middle].task < task)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

// Those of the items of a map follow its own.
const struct tg_attempt *tg_attempts_of(const struct tg_teller *teller, uint32_t task,
                                        size_t *count) {
  const struct tg_view *view = teller->view;
  size_t begin = attempts_begin(view, task);
  *count = 0;
  while (begin + *count < view->attempt_count && view->attempts[begin + *count].task == task &&
         view->attempts[begin + *count].item == TG_NO_ITEM)
    ++*count;
  return *count ? &view->attempts[begin] : NULL;
}

// Gives the first attempt of a task, or NULL.
const struct tg_attempt *tg_first_attempt(const struct tg_teller *teller, uint32_t task) {
  size_t count;
  return tg_attempts_of(teller, task, &count);
}

// Gives when a task was past waiting: its first attempt, or its end without one; else 0.
static int64_t settled_at(const struct tg_teller *teller, uint32_t task) {
  const struct tg_attempt *first = tg_first_attempt(teller, task);
  return first ? first->started_at : tg_task_at(teller, task)->ended_at;
}

// Finds the upstream that ended last before a task was settled, or UINT32_MAX.
uint32_t tg_last_upstream(const struct tg_teller *teller, uint32_t task) {
  struct tg_graph_slice up = tg_upstream_of(teller, task);
  int64_t settled = settled_at(teller, task);
  uint32_t last = UINT32_MAX;
  for (uint32_t i = 0; i < up.count; i++) {
    int64_t ended = tg_task_at(teller, up.nodes[i])->ended_at;
    if (!ended || (settled && ended > settled)) continue;
    if (last == UINT32_MAX || ended > tg_task_at(teller, last)->ended_at) last = up.nodes[i];
  }
  return last;
}

int64_t tg_ready_at(const struct tg_teller *teller, uint32_t task) {
  uint32_t last = tg_last_upstream(teller, task);
  const struct tg_run *run = &teller->view->run;
  if (last != UINT32_MAX) return tg_task_at(teller, last)->ended_at;
  return run->started_at ? run->started_at : run->created_at;
}

// Gives when a task ended that had not begun, 0 for any other: an upstream may have ended later.
int64_t tg_cut_at(const struct tg_teller *teller, uint32_t task) {
  const struct tg_task *record = tg_task_at(teller, task);
  bool is_cut = record->state == TG_TASK_CANCELLED && !tg_first_attempt(teller, task);
  return is_cut ? record->ended_at : 0;
}
