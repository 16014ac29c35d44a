// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/units.h"
#include "cli/reasons_parts.h"
#include "cli/waiting.h"

enum {
  ITEMS_SHOWN_MAX = 5,
  QUEUED_MS_MIN = 100, // a shorter time is the ordinary way to a start
};

static void items_tell(struct tg_teller *teller, uint32_t task, int64_t ready_at) {
  const struct tg_view_map *map = &teller->view->maps[task];
  const struct tg_task *record = &teller->view->tasks[task];
  size_t count;
  uint32_t told = 0;
  const struct tg_item *items = tg_view_items(teller->view, task, &count);
  if (!map->is_expanded) return;
  tg_tell(teller, record->name, "map", record->started_at ? record->started_at : ready_at,
          record->ended_at, "%u item%s: %u success, %u failed, %u skipped, %u cancelled, %u %s",
          map->count, map->count == 1 ? "" : "s", map->success, map->failed, map->skipped,
          map->cancelled, map->count - (uint32_t)count,
          tg_task_state_is_terminal(record->state) ? "not run" : "open");
  for (size_t i = 0; i < count && told < ITEMS_SHOWN_MAX; i++) {
    const struct tg_failure *failure = &items[i].failure;
    if (items[i].state != TG_TASK_FAILED) continue;
    tg_tell(teller, record->name, "item", items[i].started_at, items[i].ended_at,
            "%s[%u] failed after %u attempt%s: %s", record->name, items[i].index, items[i].attempts,
            items[i].attempts == 1 ? "" : "s",
            failure->text ? failure->text : tg_code_text(failure->code));
    told++;
  }
  if (map->failed > told)
    tg_tell(teller, record->name, "item", record->ended_at, record->ended_at,
            "%u more failed; \"tidegate show RUN %s\" lists them", map->failed - told,
            record->name);
}

static void wait_tell(struct tg_teller *teller, const char *name, const struct tg_step *step) {
  int64_t cut_at = tg_view_step_cut_at(teller->view, step);
  char id[TG_ID_TEXT_LEN + 1], time[TG_TIME_TEXT_LEN + 1];
  struct tg_buf text;
  tg_buf_init(&text, SIZE_MAX / 2);
  tg_buf_puts(&text, step->result || cut_at ? "waited for " : "waits for ");
  tg_waiting_put(&text, step->wait);
  if (step->result) {
    tg_buf_puts(&text, ": ");
    tg_waiting_put_result(&text, step->result);
  } else if (cut_at) {
    tg_buf_puts(&text, ", and ended before it came");
  } else {
    tg_id_format(teller->view->run.id, id);
    tg_time_format(step->wake_at, time);
    if (step->wake_at) tg_buf_putf(&text, ", until %s", time);
    tg_waiting_put_command(&text, step->wait, id, name, step->item);
  }
  tg_tell(teller, name, "wait", step->intended_at, cut_at ? cut_at : step->ended_at, "%s",
          tg_buf_text(&text));
  tg_buf_deinit(&text);
}

// Items are told as one: the first of those that wait.
static void items_wait_tell(struct tg_teller *teller, uint32_t task) {
  size_t count;
  const struct tg_step *step = tg_view_wait(teller->view, task, &count);
  if (step && step->item != TG_NO_ITEM) wait_tell(teller, teller->view->tasks[task].name, step);
}

static void sleep_tell(struct tg_teller *teller, const char *name, const struct tg_step *step,
                       bool is_now) {
  char time[TG_TIME_TEXT_LEN + 1];
  int64_t cut_at = tg_view_step_cut_at(teller->view, step);
  tg_time_format(step->wake_at, time);
  json_t *reason = tg_tell(teller, name, "sleep", step->intended_at,
                           is_now   ? 0
                           : cut_at ? cut_at
                                    : step->wake_at,
                           "%s until %s (%s)%s",
                           is_now   ? "sleeps"
                           : cut_at ? "was to sleep"
                                    : "slept",
                           time, step->name, cut_at ? ", and ended before" : "");
  json_object_set_new(reason, "wake_at", tg_view_time_json(step->wake_at));
}

static void steps_tell(struct tg_teller *teller, uint32_t task) {
  size_t count;
  const struct tg_step *steps = tg_view_steps(teller->view, task, &count);
  const char *name = teller->view->tasks[task].name;
  int64_t until = tg_view_sleeps_until(teller->view, task);
  for (size_t i = 0; i < count; i++) {
    const struct tg_step *step = &steps[i];
    bool is_now = until && step->wake_at >= until;
    if (step->item != TG_NO_ITEM) continue;
    if (step->wait)
      wait_tell(teller, name, step);
    else if (step->wake_at)
      sleep_tell(teller, name, step, is_now);
    else
      tg_tell(teller, name, "step", step->intended_at, step->ended_at, "step %s: %s", step->name,
              step->result ? "done" : "begun");
  }
  items_wait_tell(teller, task);
}

// A child run of an item is one of its map.
static bool is_child_of(const struct tg_view_child *child, const char *task) {
  size_t len = strlen(task);
  return child->depth == 1 && child->task && strncmp(child->task, task, len) == 0 &&
         (!child->task[len] || child->task[len] == '[');
}

static void children_tell(struct tg_teller *teller, uint32_t task) {
  const struct tg_view *view = teller->view;
  const char *name = teller->view->tasks[task].name;
  for (size_t i = 0; i < view->child_count; i++) {
    const struct tg_run *run = &view->children[i].run;
    char id[TG_ID_TEXT_LEN + 1];
    if (!is_child_of(&view->children[i], name)) continue;
    tg_id_format(run->id, id);
    // What a script started with wait = false is not waited for, and nobody knows which that is.
    bool is_queued = run->state == TG_RUN_QUEUED;
    bool is_waited_for = !run->ended_at && strcmp(view->plan->tasks[task].word, "run") == 0 &&
                         !tg_task_state_is_terminal(view->tasks[task].state);
    json_t *reason = tg_tell(
        teller, name, "child", run->created_at, run->ended_at, "%schild run %s of %s: %s%s%s%s",
        is_waited_for ? "waits for " : "", id, run->pipeline, tg_run_state_word(run->state),
        is_queued ? " for a place among its runs (limits.runs)" : "", run->failure.text ? ": " : "",
        run->failure.text ? run->failure.text : "");
    json_object_set_new(reason, "run", json_string(id));
    if (run->started_at - run->created_at >= QUEUED_MS_MIN)
      json_object_set_new(tg_tell(teller, name, "child", run->created_at, run->started_at,
                                  "child run %s of %s was queued for a place among its runs "
                                  "(limits.runs)",
                                  id, run->pipeline),
                          "run", json_string(id));
  }
}

void tg_tell_work(struct tg_teller *teller, uint32_t task, int64_t ready_at) {
  steps_tell(teller, task);
  children_tell(teller, task);
  items_tell(teller, task, ready_at);
  tg_tell_items(teller, task, ready_at);
}
