// SPDX-License-Identifier: Apache-2.0
#include "cli/show_task.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/units.h"
#include "cli/waiting.h"

enum {
  FAILED_ITEMS_MAX = 10,
  ITEM_STEPS_MAX = 10,
  RESULT_COLUMNS_MAX = 60,
  OUTPUT_COLUMNS_MAX = 1000
};

void tg_show_table(struct tg_table *table, const struct tg_output *output, struct tg_buf *out) {
  if (table->row_count || table->is_failed) tg_buf_putc(out, '\n');
  tg_table_put(table, output, out);
  tg_table_deinit(table);
}

// --- Notes ---

static void note_join(struct tg_buf *out, size_t begin) {
  if (out->len > begin) tg_buf_puts(out, "; ");
}

// How many failed is said by the failure of the map, where it has one.
static void map_note(const struct tg_view_map *map, bool has_failed, struct tg_buf *out) {
  uint32_t done = map->success + map->failed + map->skipped + map->cancelled;
  tg_buf_putf(out, "%u of %u item%s", done, map->count, map->count == 1 ? "" : "s");
  if (map->failed && !has_failed) tg_buf_putf(out, ", %u failed", map->failed);
  if (map->skipped) tg_buf_putf(out, ", %u skipped", map->skipped);
}

// The last attempt of the task itself, or NULL; attempts stand in the order of tasks and items.
static const struct tg_attempt *last_attempt(const struct tg_view *view, uint32_t task) {
  const struct tg_attempt *last = NULL;
  for (size_t i = 0; i < view->attempt_count && view->attempts[i].task <= task; i++)
    if (view->attempts[i].task == task && view->attempts[i].item == TG_NO_ITEM)
      last = &view->attempts[i];
  return last;
}

static void wait_note(const struct tg_view *view, uint32_t task, struct tg_buf *out, size_t begin) {
  size_t count;
  const struct tg_step *step = tg_view_wait(view, task, &count);
  char id[TG_ID_TEXT_LEN + 1], time[TG_TIME_TEXT_LEN + 1];
  if (!step) return;
  note_join(out, begin);
  if (count > 1) tg_buf_putf(out, "%zu items wait, one of them ", count);
  tg_buf_puts(out, "waits for ");
  tg_waiting_put(out, step->wait);
  tg_time_format(step->wake_at, time);
  if (step->wake_at) tg_buf_putf(out, ", until %s", time);
  tg_id_format(view->run.id, id);
  tg_waiting_put_command(out, step->wait, id, view->tasks[task].name, step->item);
}

// Says what of its upstreams kept a task from running.
static void upstream_note(const struct tg_view *view, uint32_t task, struct tg_buf *out) {
  struct tg_graph_slice up = tg_graph_upstream(&view->plan->graph, task);
  for (uint32_t i = 0; i < up.count; i++) {
    const struct tg_task *other = &view->tasks[up.nodes[i]];
    bool is_cause = other->state == TG_TASK_FAILED || other->state == TG_TASK_UPSTREAM_FAILED ||
                    other->state == TG_TASK_CANCELLED;
    if (!is_cause) continue;
    bool is_gate = strcmp(view->plan->tasks[up.nodes[i]].word, "gate") == 0;
    tg_buf_putf(out, is_gate && other->state == TG_TASK_FAILED ? "gate %s stopped it" : "%s: %s",
                other->name, tg_task_state_word(other->state));
    return;
  }
}

// Says why a task was skipped: a branch, a task that it would have stood in for, or its rule.
static void skip_note(const struct tg_view *view, uint32_t task, struct tg_buf *out) {
  struct tg_graph_slice up = tg_graph_upstream(&view->plan->graph, task);
  uint32_t owner = view->plan->tasks[task].fallback_of;
  for (uint32_t i = 0; i < up.count; i++) {
    if (!tg_view_is_unchosen(view, up.nodes[i], task)) continue;
    tg_buf_putf(out, "branch %s chose otherwise", view->tasks[up.nodes[i]].name);
    return;
  }
  if (owner != TG_NO_TASK)
    tg_buf_putf(out, "%s did not need it", view->tasks[owner].name);
  else if (up.count)
    tg_buf_putf(out, "by %s", tg_trigger_rule_word(view->plan->tasks[task].when));
}

// Says why a task did not run.
static void idle_note(const struct tg_view *view, uint32_t task, struct tg_buf *out, size_t begin) {
  const struct tg_task *record = &view->tasks[task];
  if (record->attempts || record->failure.text) return;
  if (record->state != TG_TASK_UPSTREAM_FAILED && record->state != TG_TASK_SKIPPED) return;
  note_join(out, begin);
  if (record->state == TG_TASK_SKIPPED)
    skip_note(view, task, out);
  else
    upstream_note(view, task, out);
}

void tg_show_note(const struct tg_view *view, uint32_t task, struct tg_buf *out) {
  const struct tg_task *record = &view->tasks[task];
  const struct tg_attempt *last = last_attempt(view, task);
  size_t begin = out->len;
  int64_t until = tg_view_sleeps_until(view, task);
  char time[TG_TIME_TEXT_LEN + 1];
  if (tg_view_is_carried(view, task)) tg_buf_puts(out, "carried over");
  if (view->maps[task].is_expanded) {
    note_join(out, begin);
    map_note(&view->maps[task], record->state == TG_TASK_FAILED, out);
  }
  if (last && tg_view_is_fallback(view, last)) {
    note_join(out, begin);
    tg_buf_puts(out, "fallback");
  }
  uint32_t stand_in = tg_view_stand_in(view, task), owner = view->plan->tasks[task].fallback_of;
  if (stand_in != TG_NO_TASK) {
    note_join(out, begin);
    tg_buf_putf(out, "fallback %s", view->tasks[stand_in].name);
  }
  if (owner != TG_NO_TASK && tg_view_stand_in(view, owner) != TG_NO_TASK) {
    note_join(out, begin);
    tg_buf_putf(out, "in the place of %s", view->tasks[owner].name);
  }
  if (until) {
    note_join(out, begin);
    tg_time_format(until, time);
    tg_buf_putf(out, "sleeps until %s", time);
  }
  wait_note(view, task, out, begin);
  idle_note(view, task, out, begin);
  if (!record->failure.code || !record->failure.text) return;
  note_join(out, begin);
  tg_buf_puts(out, record->failure.text);
}

// --- Steps ---

// Says where a step is: a sleep and a wait by what they are for.
static void step_state_put(struct tg_buf *out, const struct tg_step *step, bool is_cut) {
  char time[TG_TIME_TEXT_LEN + 1];
  tg_time_format(step->wake_at, time);
  if (step->wait) {
    tg_buf_puts(out, step->result || is_cut ? "waited for " : "waits for ");
    tg_waiting_put(out, step->wait);
    if (!step->result && !is_cut && step->wake_at) tg_buf_putf(out, ", until %s", time);
  } else if (step->wake_at) {
    bool is_over = step->wake_at <= tg_clock_wall_ms(tg_clock_system());
    tg_buf_putf(out, "%s %s",
                is_cut    ? "was to sleep until"
                : is_over ? "slept until"
                          : "sleeps until",
                time);
  } else {
    tg_buf_puts(out, step->result ? "done" : "begun");
  }
}

static void step_row(struct tg_table *table, const struct tg_view *view,
                     const struct tg_step *step) {
  char task[TG_NAME_BYTES_MAX + 16], duration[TG_DURATION_TEXT_MAX] = "";
  bool is_done = step->result != NULL, rests = step->wait || step->wake_at;
  int64_t cut_at = rests ? tg_view_step_cut_at(view, step) : 0;
  const char *name = tg_view_task_name(view, step->task);
  struct tg_buf state, result;
  if (step->item == TG_NO_ITEM)
    snprintf(task, sizeof task, "%s", name);
  else
    snprintf(task, sizeof task, "%.128s[%u]", name, step->item);
  if (is_done)
    tg_duration_format(step->ended_at - step->intended_at, duration);
  else if (cut_at || step->wake_at)
    tg_duration_format((cut_at ? cut_at : step->wake_at) - step->intended_at, duration);
  tg_buf_init(&state, SIZE_MAX / 2);
  tg_buf_init(&result, SIZE_MAX / 2);
  step_state_put(&state, step, cut_at != 0);
  if (is_done && step->wait)
    tg_waiting_put_result(&result, step->result);
  else if (is_done)
    tg_text_put_cut(&result, step->result, RESULT_COLUMNS_MAX);
  tg_table_add(table, (struct tg_cell[]){
                          {task, TG_STYLE_BOLD},
                          {step->name, TG_STYLE_PLAIN},
                          {tg_buf_text(&state), is_done  ? TG_STYLE_GOOD
                                                : cut_at ? TG_STYLE_DIM
                                                         : TG_STYLE_BUSY},
                          {duration, TG_STYLE_PLAIN},
                          {tg_buf_text(&result), TG_STYLE_DIM},
                      });
  tg_buf_deinit(&result);
  tg_buf_deinit(&state);
}

// In the whole run only some steps of the items of a map are told: there may be very many.
void tg_show_steps(const struct tg_view *view, uint32_t task, const struct tg_output *output,
                   struct tg_buf *out) {
  static const struct tg_column columns[] = {
      {"STEP OF", false}, {"STEP", false}, {"STATE", false}, {"DURATION", true}, {"RESULT", false}};
  struct tg_table table;
  uint32_t shown = 0, of = UINT32_MAX;
  size_t more = 0;
  tg_table_init(&table, columns, sizeof columns / sizeof *columns);
  for (size_t i = 0; i < view->step_count; i++) {
    const struct tg_step *step = &view->steps[i];
    if (task != UINT32_MAX && step->task != task) continue;
    if (step->task != of) shown = 0;
    of = step->task;
    bool is_limited = task == UINT32_MAX && step->item != TG_NO_ITEM;
    if (is_limited && shown++ >= ITEM_STEPS_MAX)
      more++;
    else
      step_row(&table, view, step);
  }
  tg_show_table(&table, output, out);
  if (more) tg_buf_putf(out, "and %zu more; \"tidegate show RUN TASK\" lists all steps\n", more);
}

// --- Items ---

static void item_row(struct tg_table *table, const char *name, const struct tg_item *item) {
  char attempts[16], duration[TG_DURATION_TEXT_MAX] = "";
  const char *state = tg_task_state_word(item->state);
  bool is_carried = !item->attempts && item->state == TG_TASK_SUCCESS;
  snprintf(attempts, sizeof attempts, "%u", item->attempts);
  if (item->started_at && item->ended_at)
    tg_duration_format(item->ended_at - item->started_at, duration);
  tg_table_add(table, (struct tg_cell[]){
                          {name, TG_STYLE_BOLD},
                          {state, tg_style_of_state(state)},
                          {attempts, TG_STYLE_PLAIN},
                          {duration, TG_STYLE_PLAIN},
                          {item->failure.code ? item->failure.text
                           : is_carried       ? "carried over"
                                              : "",
                           TG_STYLE_PLAIN},
                      });
}

static const struct tg_column item_columns[] = {
    {"ITEM", false}, {"STATE", false}, {"ATTEMPTS", true}, {"DURATION", true}, {"NOTE", false}};

void tg_show_failed_items(const struct tg_view *view, const struct tg_output *output,
                          struct tg_buf *out) {
  struct tg_table table;
  uint32_t shown = 0, task = UINT32_MAX;
  bool has_more = false;
  tg_table_init(&table, item_columns, sizeof item_columns / sizeof *item_columns);
  for (size_t i = 0; i < view->item_count; i++) {
    const struct tg_item *item = &view->items[i];
    char name[TG_NAME_BYTES_MAX + 16];
    if (item->state != TG_TASK_FAILED) continue;
    if (item->task != task) shown = 0;
    task = item->task;
    has_more |= shown == FAILED_ITEMS_MAX;
    if (shown++ >= FAILED_ITEMS_MAX) continue;
    snprintf(name, sizeof name, "%.128s[%u]", tg_view_task_name(view, task), item->index);
    item_row(&table, name, item);
  }
  tg_show_table(&table, output, out);
  if (has_more) tg_buf_puts(out, "and more; \"tidegate show RUN TASK\" lists all items\n");
}

static void items_put(const struct tg_view *view, uint32_t task, const struct tg_output *output,
                      struct tg_buf *out) {
  struct tg_table table;
  size_t count;
  const struct tg_item *items = tg_view_items(view, task, &count);
  tg_table_init(&table, item_columns, sizeof item_columns / sizeof *item_columns);
  for (size_t i = 0; i < count; i++) {
    char name[16];
    snprintf(name, sizeof name, "%u", items[i].index);
    item_row(&table, name, &items[i]);
  }
  tg_show_table(&table, output, out);
}

// --- One task ---

static void attempts_put(const struct tg_view *view, uint32_t task, const struct tg_output *output,
                         struct tg_buf *out) {
  static const struct tg_column columns[] = {
      {"ATTEMPT", true}, {"STATE", false}, {"STARTED", false}, {"DURATION", true}, {"NOTE", false}};
  struct tg_table table;
  tg_table_init(&table, columns, sizeof columns / sizeof *columns);
  for (size_t i = 0; i < view->attempt_count; i++) {
    const struct tg_attempt *attempt = &view->attempts[i];
    char number[16], time[TG_TIME_TEXT_LEN + 1], duration[TG_DURATION_TEXT_MAX] = "";
    const char *state = tg_attempt_state_word(attempt->state);
    if (attempt->task != task || attempt->item != TG_NO_ITEM) continue;
    snprintf(number, sizeof number, "%u", attempt->number);
    tg_time_format(attempt->started_at, time);
    if (attempt->ended_at) tg_duration_format(attempt->ended_at - attempt->started_at, duration);
    tg_table_add(&table, (struct tg_cell[]){
                             {number, TG_STYLE_BOLD},
                             {state, tg_style_of_state(state)},
                             {time, TG_STYLE_PLAIN},
                             {duration, TG_STYLE_PLAIN},
                             {attempt->failure.code                ? attempt->failure.text
                              : tg_view_is_fallback(view, attempt) ? "fallback"
                                                                   : "",
                              TG_STYLE_PLAIN},
                         });
  }
  tg_show_table(&table, output, out);
}

// Keeps those objects of a list that are of a task.
static json_t *list_of(const struct tg_view *view, uint32_t task, bool is_steps) {
  json_t *list = json_array();
  for (size_t i = 0; i < view->step_count && is_steps; i++)
    if (view->steps[i].task == task)
      json_array_append_new(list, tg_view_step_json(view, &view->steps[i]));
  for (size_t i = 0; i < view->attempt_count && !is_steps; i++)
    if (view->attempts[i].task == task)
      json_array_append_new(list, tg_view_attempt_json(view, &view->attempts[i]));
  return list;
}

static json_t *task_json(const struct tg_view *view, uint32_t task) {
  size_t count;
  const struct tg_item *items = tg_view_items(view, task, &count);
  json_t *object = tg_view_task_json(view, task), *list = json_array();
  for (size_t i = 0; i < count; i++) json_array_append_new(list, tg_view_item_json(&items[i]));
  json_object_set_new(object, "items", list);
  json_object_set_new(object, "attempts_list", list_of(view, task, false));
  json_object_set_new(object, "steps", list_of(view, task, true));
  return object;
}

// What the task gave to those after it; JSON output has all of it.
static void output_put(const struct tg_task *record, struct tg_buf *out) {
  if (!record->output) return;
  tg_buf_putf(out, "%-10s", "output");
  tg_text_put_cut(out, record->output, OUTPUT_COLUMNS_MAX);
  tg_buf_putc(out, '\n');
}

int tg_show_task(const struct tg_view *view, uint32_t task, const struct tg_output *output) {
  if (output->format != TG_FORMAT_TEXT)
    return tg_output_document(output, json_pack("{s:o}", "task", task_json(view, task)));
  const struct tg_task *record = &view->tasks[task];
  const char *state = tg_task_state_word(record->state);
  struct tg_buf text, note;
  tg_buf_init(&text, SIZE_MAX / 2);
  tg_buf_init(&note, SIZE_MAX / 2);
  tg_show_note(view, task, &note);
  tg_buf_putf(&text, "%-10s%s\n%-10s", "task", record->name, "state");
  tg_text_put_styled(&text, state, tg_style_of_state(state), output->has_color);
  if (note.len) tg_buf_puts(&text, ": ");
  tg_text_put_clean(&text, tg_buf_text(&note), note.len);
  tg_buf_putc(&text, '\n');
  output_put(record, &text);
  attempts_put(view, task, output, &text);
  tg_show_steps(view, task, output, &text);
  items_put(view, task, output, &text);
  int code = tg_output_text(&text);
  tg_buf_deinit(&note);
  tg_buf_deinit(&text);
  return code;
}
