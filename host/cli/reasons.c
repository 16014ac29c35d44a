// SPDX-License-Identifier: Apache-2.0
#include "cli/reasons.h"

#include <stdlib.h>

#include "cli/reasons_parts.h"

enum { NAMES_SHOWN_MAX = 5 }; // of tasks in one sentence

// Tells what is left of a task that was carried over; false when it was not.
static bool carried_tell(struct tg_teller *teller, uint32_t task) {
  const struct tg_run *run = &teller->view->run;
  const struct tg_task *record = tg_task_at(teller, task);
  if (!tg_view_is_carried(teller->view, task)) return false;
  tg_tell(teller, record->name, "carried", record->ended_at, record->ended_at,
          "carried over: %s in %s%s", tg_task_state_word(record->state),
          run->rerun_of ? "run " : "an earlier run", run->rerun_of ? run->rerun_of : "");
  return true;
}

static json_t *finish(struct tg_teller *teller) {
  if (!teller->is_failed) return teller->list;
  json_decref(teller->list);
  return NULL;
}

// Tells what a task did, once it had begun.
static void work_tell(struct tg_teller *teller, uint32_t task) {
  tg_tell_slot(teller, task);
  tg_tell_attempts(teller, task);
  int64_t since = tg_ready_at(teller, task);
  if (tg_is_ready(teller, task, &since)) tg_tell_lacks(teller, task, since);
  tg_tell_stand_in(teller, task);
  tg_tell_held(teller, task);
  tg_tell_work(teller, task, tg_ready_at(teller, task));
}

json_t *tg_reasons_of_task(const struct tg_view *view, struct tg_takers *takers, uint32_t task) {
  struct tg_teller teller = {.view = view, .takers = takers, .list = json_array()};
  if (carried_tell(&teller, task)) return finish(&teller);
  tg_tell_overlap(&teller);
  tg_tell_upstreams(&teller, task);
  if (!tg_tell_branch(&teller, task) && !tg_tell_fallback(&teller, task))
    tg_tell_rule(&teller, task);
  work_tell(&teller, task);
  tg_tell_end(&teller, task);
  return finish(&teller);
}

// Tells of the tasks that led to a task, the first of them first, and of itself.
static void chain_tell(struct tg_teller *teller, uint32_t task) {
  uint32_t *chain = calloc((size_t)teller->view->task_count + 1, sizeof *chain);
  size_t count = 0;
  if (!chain) {
    teller->is_failed = true;
    return;
  }
  for (; task != UINT32_MAX; task = tg_last_upstream(teller, task)) chain[count++] = task;
  while (count) {
    task = chain[--count];
    if (carried_tell(teller, task)) continue;
    if (!tg_first_attempt(teller, task) && !tg_tell_branch(teller, task) &&
        !tg_tell_fallback(teller, task))
      tg_tell_rule(teller, task);
    work_tell(teller, task);
    if (tg_task_at(teller, task)->state != TG_TASK_SUCCESS) tg_tell_end(teller, task);
  }
  free(chain);
}

// Finds the first task that failed, or UINT32_MAX.
static uint32_t first_failed(const struct tg_view *view) {
  uint32_t found = UINT32_MAX;
  for (uint32_t i = 0; i < view->task_count; i++)
    if (view->tasks[i].state == TG_TASK_FAILED &&
        (found == UINT32_MAX || view->tasks[i].ended_at < view->tasks[found].ended_at))
      found = i;
  return found;
}

static uint32_t last_ended(const struct tg_view *view) {
  uint32_t found = UINT32_MAX;
  for (uint32_t i = 0; i < view->task_count; i++)
    if (view->tasks[i].ended_at &&
        (found == UINT32_MAX || view->tasks[i].ended_at > view->tasks[found].ended_at))
      found = i;
  return found;
}

static void open_tell(struct tg_teller *teller) {
  uint32_t ready_count = 0;
  int64_t since = teller->view->run.created_at;
  for (uint32_t i = 0; i < teller->view->task_count; i++) {
    enum tg_task_state state = teller->view->tasks[i].state;
    // One that went to rest at once has no record of its attempt.
    size_t step_count;
    bool was_begun = tg_first_attempt(teller, i) || tg_view_steps(teller->view, i, &step_count);
    bool is_held = tg_view_held_by(teller->view, i) != NULL;
    int64_t ready_since = teller->view->run.created_at;
    bool is_ready = !was_begun && !is_held && tg_is_ready(teller, i, &ready_since);
    ready_count += is_ready;
    if (is_ready) since = ready_since;
    if (state == TG_TASK_RUNNING || is_held || (state == TG_TASK_WAITING && was_begun) ||
        (is_ready && ready_count <= NAMES_SHOWN_MAX))
      chain_tell(teller, i);
  }
  if (ready_count > NAMES_SHOWN_MAX)
    tg_tell(teller, NULL, "slot", since, 0, "%u more task%s could start but did not yet",
            ready_count - NAMES_SHOWN_MAX, ready_count - NAMES_SHOWN_MAX == 1 ? "" : "s");
}

// Tells of the tasks that failed beside the one whose way was told.
static void failed_tell(struct tg_teller *teller, uint32_t told) {
  const struct tg_view *view = teller->view;
  uint32_t count = 0;
  for (uint32_t i = 0; i < view->task_count; i++) {
    const struct tg_task *task = &view->tasks[i];
    if (task->state != TG_TASK_FAILED || i == told || ++count > NAMES_SHOWN_MAX) continue;
    tg_tell(teller, task->name, "end", task->ended_at, task->ended_at, "ended failed too%s%s",
            task->failure.text ? ": " : "", task->failure.text ? task->failure.text : "");
  }
  if (count > NAMES_SHOWN_MAX)
    tg_tell(teller, NULL, "end", view->run.ended_at, view->run.ended_at, "%u more task%s failed",
            count - NAMES_SHOWN_MAX, count - NAMES_SHOWN_MAX == 1 ? "" : "s");
}

// Tells what did not run because something else failed.
static void blocked_tell(struct tg_teller *teller) {
  const struct tg_view *view = teller->view;
  struct tg_buf names;
  uint32_t count = 0;
  tg_buf_init(&names, TG_REASON_BYTES_MAX);
  for (uint32_t i = 0; i < view->task_count; i++) {
    if (view->tasks[i].state != TG_TASK_UPSTREAM_FAILED) continue;
    if (count < NAMES_SHOWN_MAX)
      tg_buf_putf(&names, "%s%s", count ? ", " : "", view->tasks[i].name);
    count++;
  }
  if (count)
    tg_tell(teller, NULL, "end", view->run.ended_at, view->run.ended_at,
            "%u task%s did not run because of a failed upstream: %s%s", count,
            count == 1 ? "" : "s", tg_buf_text(&names), count > NAMES_SHOWN_MAX ? ", ..." : "");
  tg_buf_deinit(&names);
}

json_t *tg_reasons_of_run(const struct tg_view *view, struct tg_takers *takers) {
  struct tg_teller teller = {.view = view, .takers = takers, .list = json_array()};
  const struct tg_run *run = &view->run;
  uint32_t failed = first_failed(view);
  tg_tell_overlap(&teller);
  if (!tg_run_state_is_terminal(run->state)) {
    open_tell(&teller);
    return finish(&teller);
  }
  chain_tell(&teller, failed != UINT32_MAX ? failed : last_ended(view));
  failed_tell(&teller, failed);
  blocked_tell(&teller);
  tg_tell(&teller, NULL, "end", run->ended_at, run->ended_at, "the run ended %s%s%s",
          tg_run_state_word(run->state), run->failure.code ? ": " : "",
          run->failure.code ? run->failure.text : "");
  return finish(&teller);
}
