// SPDX-License-Identifier: Apache-2.0
#include "cli/view.h"

#include <string.h>

#include "cli/resource.h"
#include "dag/trigger.h"

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

const char *tg_view_task_name(const struct tg_view *view, uint32_t task) {
  return task < view->task_count ? view->tasks[task].name : "?";
}
