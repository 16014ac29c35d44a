// SPDX-License-Identifier: Apache-2.0
// why: what a run or a task waited for and what decided, in the order of time.
#include <string.h>

#include "base/units.h"
#include "cli/exit.h"
#include "cli/reasons.h"
#include "cli/records.h"
#include "cli/table.h"
#include "cli/verbs.h"

static const char *text_of(const json_t *reason, const char *field) {
  const char *text = json_string_value(json_object_get(reason, field));
  return text ? text : "";
}

static enum tg_style kind_style(const char *kind) {
  if (strcmp(kind, "decision") == 0) return TG_STYLE_BUSY;
  if (strcmp(kind, "check") == 0) return TG_STYLE_BAD;
  return strcmp(kind, "end") == 0 ? TG_STYLE_BOLD : TG_STYLE_PLAIN;
}

// Takes the time of day out of an instant, in whole seconds.
static void clock_copy(char clock[9], const char *time) {
  size_t date = strlen("2026-11-20T");
  clock[0] = 0;
  if (strlen(time) == TG_TIME_TEXT_LEN) {
    memcpy(clock, time + date, 8);
    clock[8] = 0;
  }
}

static void row_add(struct tg_table *table, const json_t *reason) {
  char since[9], until[9], duration[TG_DURATION_TEXT_MAX] = "";
  const json_t *ms = json_object_get(reason, "duration_ms");
  clock_copy(since, text_of(reason, "since"));
  clock_copy(until, text_of(reason, "until"));
  if (json_integer_value(ms) > 0) tg_duration_format(json_integer_value(ms), duration);
  tg_table_add(table, (struct tg_cell[]){
                          {since, TG_STYLE_DIM},
                          {json_is_null(ms) ? "now" : until, TG_STYLE_DIM},
                          {duration, TG_STYLE_PLAIN},
                          {text_of(reason, "task"), TG_STYLE_BOLD},
                          {text_of(reason, "text"), kind_style(text_of(reason, "kind"))},
                      });
}

static int text_print(const struct tg_view *view, const json_t *reasons,
                      const struct tg_output *output) {
  static const struct tg_column columns[] = {
      {"SINCE", false}, {"UNTIL", false}, {"FOR", true}, {"TASK", false}, {"WHAT", false}};
  char id[TG_ID_TEXT_LEN + 1], time[TG_TIME_TEXT_LEN + 1];
  struct tg_table table;
  struct tg_buf text;
  tg_id_format(view->run.id, id);
  tg_time_format(view->run.created_at, time);
  tg_table_init(&table, columns, sizeof columns / sizeof *columns);
  tg_buf_init(&text, SIZE_MAX / 2);
  for (size_t i = 0; i < json_array_size(reasons); i++) row_add(&table, json_array_get(reasons, i));
  tg_buf_putf(&text, "%s %s, started %s; times are UTC\n\n", view->run.pipeline, id, time);
  // The reasons are what is asked for: they are never cut.
  struct tg_output uncut = *output;
  uncut.width = 0;
  tg_table_put(&table, &uncut, &text);
  int code = tg_output_text(&text);
  tg_buf_deinit(&text);
  tg_table_deinit(&table);
  return code;
}

static int reasons_print(const struct tg_view *view, struct tg_takers *takers, uint32_t task,
                         const struct tg_output *output) {
  json_t *reasons =
      task == UINT32_MAX ? tg_reasons_of_run(view, takers) : tg_reasons_of_task(view, takers, task);
  if (output->format != TG_FORMAT_TEXT || !reasons)
    return tg_output_list(output, "reasons", reasons);
  int code = text_print(view, reasons, output);
  json_decref(reasons);
  return code;
}

static int takers_read(struct tg_takers *takers, const struct tg_view *view,
                       const struct tg_records *records) {
  struct tg_error err;
  int code = tg_takers_read(takers, view, records->history, &records->project, &err);
  return code ? tg_exit_report(&err) : TG_EXIT_SUCCESS;
}

static int why_run(const struct tg_args *args) {
  struct tg_records records;
  struct tg_view view = {0};
  struct tg_takers takers = {0};
  uint32_t task;
  int exit_code = tg_records_open(&records, args);
  if (!exit_code) exit_code = tg_records_view(&records, args, &view);
  if (!exit_code) exit_code = tg_records_task(args, &view, &task);
  if (!exit_code) exit_code = takers_read(&takers, &view, &records);
  if (!exit_code) exit_code = reasons_print(&view, &takers, task, &records.output);
  tg_takers_deinit(&takers);
  tg_view_deinit(&view);
  tg_records_close(&records);
  return exit_code;
}

const struct tg_verb tg_verb_why = {
    .name = "why",
    .arguments = "RUN [TASK]",
    .arguments_min = 1,
    .arguments_max = 2,
    .summary = "say what a run or task waited for, and what decided",
    .prose =
        "Of a run: the chain of tasks that decided its end. Of a task: its upstreams, its trigger\n"
        "rule, its attempts, and what policies and checks said. RUN is an id, a unique prefix\n"
        "of one, or \"last\". Of what could start and has not, or did so only later, it names "
        "the\n"
        "slot, pool or limit, and who is or was in it or stands before it in the line.\n"
        "limits.tasks and pools are those of tidegate.yaml as it is now; what runs for less "
        "than\n"
        "100 ms is not known yet.",
    .examples =
        (const struct tg_example[]){
            {"why last", "what decided the newest run"},
            {"why last heavy", "why one task ran, waited, failed or was skipped"},
            {NULL, NULL},
        },
    .run = why_run,
};
