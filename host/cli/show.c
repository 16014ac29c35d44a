// SPDX-License-Identifier: Apache-2.0
// show: one run with its tasks, decisions, checks and what it produced.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "cli/records.h"
#include "cli/show_task.h"
#include "cli/table.h"
#include "cli/verbs.h"

enum { HASH_COLUMNS = 12 };

static void head_put(struct tg_buf *out, const char *label, const char *text) {
  tg_buf_putf(out, "%-10s", label);
  tg_text_put_clean(out, text, strlen(text));
  tg_buf_putc(out, '\n');
}

static void time_put(struct tg_buf *out, const char *label, int64_t at) {
  char time[TG_TIME_TEXT_LEN + 1];
  if (!at) return;
  tg_time_format(at, time);
  head_put(out, label, time);
}

// Puts the parameters as they would be given: name=value.
static void params_put(struct tg_buf *out, const char *params) {
  json_t *object = tg_view_document_json(params);
  const char *name;
  json_t *value;
  const char *label = "params";
  json_object_foreach(object, name, value) {
    char *text = json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    struct tg_buf line;
    tg_buf_init(&line, SIZE_MAX / 2);
    tg_buf_putf(&line, "%s=%s", name, text ? text : json_string_value(value));
    head_put(out, label, tg_buf_text(&line));
    tg_buf_deinit(&line);
    free(text);
    label = "";
  }
  json_decref(object);
}

static void state_put(const struct tg_run *run, const struct tg_output *output,
                      struct tg_buf *out) {
  const char *state = tg_run_state_word(run->state);
  char duration[TG_DURATION_TEXT_MAX];
  tg_buf_putf(out, "%-10s", "state");
  tg_text_put_styled(out, state, tg_style_of_state(state), output->has_color);
  if (run->ended_at && run->started_at) {
    tg_duration_format(run->ended_at - run->started_at, duration);
    tg_buf_putf(out, " after %s", duration);
  }
  tg_buf_putc(out, '\n');
}

// The data that the run is about.
static void interval_put(struct tg_buf *out, const struct tg_run *run) {
  char start[TG_TIME_TEXT_LEN + 1], end[TG_TIME_TEXT_LEN + 1], text[2 * sizeof start + 8];
  if (!run->interval_end) return;
  tg_time_format(run->interval_start, start);
  tg_time_format(run->interval_end, end);
  snprintf(text, sizeof text, "%s to %s", start, end);
  head_put(out, "interval", text);
}

static void head_lines_put(const struct tg_view *view, const struct tg_output *output,
                           struct tg_buf *out) {
  const struct tg_run *run = &view->run;
  int64_t deadline = tg_plan_deadline(view->plan, run);
  char id[TG_ID_TEXT_LEN + 1];
  tg_id_format(run->id, id);
  head_put(out, "run", id);
  head_put(out, "pipeline", run->pipeline);
  state_put(run, output, out);
  if (run->failure.code) head_put(out, "error", run->failure.text);
  if (run->started_at != run->created_at) time_put(out, "queued", run->created_at);
  time_put(out, "started", run->started_at);
  time_put(out, "ended", run->ended_at);
  if (deadline != INT64_MAX) time_put(out, "deadline", deadline);
  time_put(out, "logical", run->logical_at);
  interval_put(out, run);
  if (run->partition) head_put(out, "partition", run->partition);
  head_put(out, "trigger", run->trigger);
  if (run->rerun_of) head_put(out, "rerun of", run->rerun_of);
  if (run->parent) head_put(out, "child of", run->parent);
  if (run->backfill) head_put(out, "backfill", run->backfill);
  head_put(out, "bundle", run->bundle);
  params_put(out, run->params);
}

static void tasks_put(const struct tg_view *view, const struct tg_output *output,
                      struct tg_buf *out) {
  static const struct tg_column columns[] = {
      {"TASK", false}, {"STATE", false}, {"ATTEMPTS", true}, {"DURATION", true}, {"NOTE", false}};
  struct tg_table table;
  struct tg_buf note;
  tg_table_init(&table, columns, sizeof columns / sizeof *columns);
  tg_buf_init(&note, SIZE_MAX / 2);
  for (uint32_t i = 0; i < view->task_count; i++) {
    const struct tg_task *task = &view->tasks[i];
    const char *state = tg_task_state_word(task->state);
    char attempts[16], duration[TG_DURATION_TEXT_MAX] = "";
    snprintf(attempts, sizeof attempts, "%u", task->attempts);
    if (task->started_at && task->ended_at)
      tg_duration_format(task->ended_at - task->started_at, duration);
    tg_buf_clear(&note);
    tg_show_note(view, i, &note);
    tg_table_add(&table, (struct tg_cell[]){
                             {task->name, TG_STYLE_BOLD},
                             {state, tg_style_of_state(state)},
                             {attempts, TG_STYLE_PLAIN},
                             {duration, TG_STYLE_PLAIN},
                             {tg_buf_text(&note), TG_STYLE_PLAIN},
                         });
  }
  tg_buf_deinit(&note);
  tg_show_table(&table, output, out);
}

// A child of a child is indented below it.
static void child_row(struct tg_table *table, const struct tg_view_child *child) {
  char id[TG_ID_TEXT_LEN + 1], duration[TG_DURATION_TEXT_MAX] = "";
  const char *state = tg_run_state_word(child->run.state);
  struct tg_buf name;
  tg_buf_init(&name, SIZE_MAX / 2);
  tg_text_put_spaces(&name, 2u * (child->depth - 1u));
  tg_buf_puts(&name, child->run.pipeline);
  tg_id_format(child->run.id, id);
  if (child->run.ended_at && child->run.started_at)
    tg_duration_format(child->run.ended_at - child->run.started_at, duration);
  tg_table_add(table, (struct tg_cell[]){
                          {tg_buf_text(&name), TG_STYLE_BOLD},
                          {state, tg_style_of_state(state)},
                          {duration, TG_STYLE_PLAIN},
                          {child->task ? child->task : "", TG_STYLE_PLAIN},
                          {id, TG_STYLE_PLAIN},
                          {child->run.failure.code ? child->run.failure.text : "", TG_STYLE_PLAIN},
                      });
  tg_buf_deinit(&name);
}

static void children_put(const struct tg_view *view, const struct tg_output *output,
                         struct tg_buf *out) {
  static const struct tg_column columns[] = {{"CHILD RUN", false}, {"STATE", false},
                                             {"DURATION", true},   {"STARTED BY", false},
                                             {"ID", false},        {"ERROR", false}};
  struct tg_table table;
  tg_table_init(&table, columns, sizeof columns / sizeof *columns);
  for (size_t i = 0; i < view->child_count; i++) child_row(&table, &view->children[i]);
  tg_show_table(&table, output, out);
}

// The breakers that keep tasks of an open run from starting.
static void resources_put(const struct tg_view *view, const struct tg_output *output,
                          struct tg_buf *out) {
  static const struct tg_column columns[] = {{"WAITS FOR", false},
                                             {"BREAKER", false},
                                             {"UNTIL", false},
                                             {"TASKS", true},
                                             {"LAST FAILURE", false}};
  struct tg_table table;
  tg_table_init(&table, columns, sizeof columns / sizeof *columns);
  for (size_t i = 0; i < view->resource_count; i++) {
    const struct tg_resource *resource = &view->resources[i];
    char until[TG_TIME_TEXT_LEN + 1] = "", tasks[16];
    uint32_t count = 0;
    for (uint32_t task = 0; task < view->task_count; task++)
      count += tg_view_held_by(view, task) == resource;
    if (!count) continue;
    snprintf(tasks, sizeof tasks, "%u", count);
    if (resource->retry_at) tg_time_format(resource->retry_at, until);
    tg_table_add(&table, (struct tg_cell[]){
                             {resource->name, TG_STYLE_BOLD},
                             {resource->phase, TG_STYLE_WARN},
                             {until, TG_STYLE_PLAIN},
                             {tasks, TG_STYLE_PLAIN},
                             {resource->reason ? resource->reason : "", TG_STYLE_PLAIN},
                         });
  }
  tg_show_table(&table, output, out);
}

static void decisions_put(const struct tg_view *view, const struct tg_output *output,
                          struct tg_buf *out) {
  static const struct tg_column columns[] = {{"DECISION OF", false},
                                             {"POLICY", false},
                                             {"VERSION", false},
                                             {"ACTION", false},
                                             {"REASON", false}};
  struct tg_table table;
  tg_table_init(&table, columns, sizeof columns / sizeof *columns);
  for (size_t i = 0; i < view->decision_count; i++) {
    const struct tg_decision *decision = &view->decisions[i];
    char version[HASH_COLUMNS + 1];
    snprintf(version, sizeof version, "%s", decision->version);
    tg_table_add(&table, (struct tg_cell[]){
                             {tg_view_task_name(view, decision->task), TG_STYLE_BOLD},
                             {decision->policy, TG_STYLE_PLAIN},
                             {version, TG_STYLE_DIM},
                             {decision->action, TG_STYLE_PLAIN},
                             {decision->reason, TG_STYLE_PLAIN},
                         });
  }
  tg_show_table(&table, output, out);
}

static enum tg_style outcome_style(const char *outcome) {
  return strcmp(outcome, "passed") == 0 ? TG_STYLE_GOOD : TG_STYLE_BAD;
}

static const char *field(const json_t *object, const char *name) {
  const char *text = json_string_value(json_object_get(object, name));
  return text ? text : "";
}

static void checks_put(const struct tg_view *view, const struct tg_output *output,
                       struct tg_buf *out) {
  static const struct tg_column columns[] = {{"CHECK OF", false}, {"RULE", false},
                                             {"COLUMN", false},   {"OUTCOME", false},
                                             {"ACTION", false},   {"WHAT", false}};
  struct tg_table table;
  tg_table_init(&table, columns, sizeof columns / sizeof *columns);
  for (size_t i = 0; i < view->check_count; i++) {
    json_t *check = tg_view_check_json(view, &view->checks[i]);
    const char *message = field(check, "message"), *outcome = field(check, "outcome");
    tg_table_add(&table, (struct tg_cell[]){
                             {field(check, "task"), TG_STYLE_BOLD},
                             {field(check, "rule"), TG_STYLE_PLAIN},
                             {field(check, "column"), TG_STYLE_PLAIN},
                             {outcome, outcome_style(outcome)},
                             {field(check, "action"), TG_STYLE_PLAIN},
                             {*message ? message : field(check, "expected"), TG_STYLE_PLAIN},
                         });
    json_decref(check);
  }
  tg_show_table(&table, output, out);
}

static void assets_put(const struct tg_view *view, const struct tg_output *output,
                       struct tg_buf *out) {
  static const struct tg_column columns[] = {
      {"ASSET", false}, {"PARTITION", false}, {"ROWS", true}, {"TASK", false}};
  struct tg_table table;
  tg_table_init(&table, columns, sizeof columns / sizeof *columns);
  for (size_t i = 0; i < view->asset_version_count; i++) {
    const struct tg_asset_version *version = &view->asset_versions[i];
    char rows[24] = "";
    if (version->rows >= 0) snprintf(rows, sizeof rows, "%lld", (long long)version->rows);
    tg_table_add(&table, (struct tg_cell[]){
                             {version->asset, TG_STYLE_BOLD},
                             {version->partition, TG_STYLE_PLAIN},
                             {rows, TG_STYLE_PLAIN},
                             {tg_view_task_name(view, version->task), TG_STYLE_PLAIN},
                         });
  }
  tg_show_table(&table, output, out);
}

static int view_print(const struct tg_view *view, const struct tg_output *output) {
  if (output->format != TG_FORMAT_TEXT)
    return tg_output_document(output, json_pack("{s:o}", "run", tg_view_json(view, true)));
  struct tg_buf text;
  tg_buf_init(&text, SIZE_MAX / 2);
  head_lines_put(view, output, &text);
  tasks_put(view, output, &text);
  tg_show_failed_items(view, output, &text);
  tg_show_steps(view, UINT32_MAX, output, &text);
  resources_put(view, output, &text);
  children_put(view, output, &text);
  decisions_put(view, output, &text);
  checks_put(view, output, &text);
  assets_put(view, output, &text);
  int code = tg_output_text(&text);
  tg_buf_deinit(&text);
  return code;
}

static int show_run(const struct tg_args *args) {
  struct tg_records records;
  struct tg_view view = {0};
  uint32_t task = UINT32_MAX;
  int exit_code = tg_records_open(&records, args);
  if (!exit_code) exit_code = tg_records_view(&records, args, &view);
  if (!exit_code) exit_code = tg_records_task(args, &view, &task);
  if (!exit_code)
    exit_code = task == UINT32_MAX ? view_print(&view, &records.output)
                                   : tg_show_task(&view, task, &records.output);
  tg_view_deinit(&view);
  tg_records_close(&records);
  return exit_code;
}

const struct tg_verb tg_verb_show = {
    .name = "show",
    .arguments = "RUN [TASK]",
    .arguments_min = 1,
    .arguments_max = 2,
    .summary = "show one run: its tasks, child runs, decisions, checks and assets",
    .prose =
        "RUN is an id, a unique prefix of one, or \"last\". Of a TASK its attempts, steps and, of\n"
        "a map, all items are shown.",
    .examples =
        (const struct tg_example[]){
            {"show last", "the newest run"},
            {"show last publish", "one task, with the items of a map"},
            {"show 0193c8f2 -o json", "a run by a prefix of its id, for a program"},
            {NULL, NULL},
        },
    .run = show_run,
};
