// SPDX-License-Identifier: Apache-2.0
#include "cli/reasons_parts.h"

bool tg_has_rule_met(const struct tg_view *view, uint32_t task) {
  struct tg_trigger_counts counts = tg_view_counts(view, task);
  return tg_trigger_judge(view->plan->tasks[task].when, &counts) == TG_TRIGGER_READY;
}

// Says whether a run may start tasks at all: it has begun and is not being stopped.
bool tg_is_going(const struct tg_run *run) {
  return run->state == TG_RUN_RUNNING && !run->failure.code;
}

bool tg_is_needed(const struct tg_view *view, uint32_t task) {
  uint32_t owner = view->plan->tasks[task].fallback_of;
  bool is_spare = owner != TG_NO_TASK && tg_view_stand_in(view, owner) == TG_NO_TASK;
  return !is_spare && !tg_view_is_carried(view, task) &&
         !tg_task_state_is_terminal(view->tasks[task].state);
}

static void later(int64_t *since, int64_t at) {
  if (at > *since) *since = at;
}

// Says whether a task's last step is one at which it rests.
static bool rests(const struct tg_teller *teller, uint32_t task, int64_t *since) {
  size_t count;
  const struct tg_step *steps = tg_view_steps(teller->view, task, &count);
  for (size_t i = 0; i < count; i++) {
    bool is_open = steps[i].wait && !steps[i].result;
    if (steps[i].item != TG_NO_ITEM) continue;
    if (is_open || steps[i].wake_at > teller->takers->now) return true;
    later(since, steps[i].wait ? steps[i].ended_at : steps[i].wake_at);
  }
  return false;
}

// Says whether a task has an attempt that keeps it from starting: it runs, or its retry is not due.
static bool is_tried(const struct tg_teller *teller, uint32_t task, int64_t *since) {
  size_t count;
  const struct tg_attempt *attempts = tg_attempts_of(teller, task, &count);
  for (size_t i = 0; i < count; i++) {
    if (!attempts[i].ended_at || attempts[i].retry_at > teller->takers->now) return true;
    later(since, attempts[i].retry_at);
  }
  return false;
}

bool tg_is_ready(const struct tg_teller *teller, uint32_t task, int64_t *since) {
  const struct tg_view *view = teller->view;
  if (!teller->takers || !tg_is_going(&view->run) || !tg_is_needed(view, task)) return false;
  if (view->maps[task].is_expanded || !tg_has_rule_met(view, task)) return false;
  if (tg_view_held_by(view, task)) return false;
  later(since, view->run.started_at);
  return !rests(teller, task, since) && !is_tried(teller, task, since);
}
