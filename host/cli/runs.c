// SPDX-License-Identifier: Apache-2.0
// runs: what ran, newest first.
#include <string.h>

#include "base/units.h"
#include "cli/exit.h"
#include "cli/records.h"
#include "cli/table.h"
#include "cli/verbs.h"

enum { LIMIT = 20, COLUMNS = 7, OCCURRENCE = 2 };

// Takes in the part of an id that differs between runs of the same millisecond.
enum { ID_COLUMNS = 18 };

#define X(name, word, is_terminal) word,
static const char *const state_choices[] = {TG_RUN_STATES(X) NULL};
#undef X

static void seconds_format(int64_t at, char text[TG_TIME_TEXT_LEN + 1]) {
  tg_time_format(at, text);
  memcpy(text + strlen("2026-11-20T05:00:00"), "Z", sizeof "Z");
}

// What the run is of: "orders", "orders [EU]".
static const char *pipeline_text(struct tg_arena *arena, const struct tg_run *run) {
  struct tg_buf text;
  tg_buf_init(&text, SIZE_MAX / 2);
  tg_buf_putf(&text, "%s [%s]", run->pipeline, run->partition ? run->partition : "");
  const char *kept = run->partition ? tg_arena_strdup(arena, tg_buf_text(&text)) : run->pipeline;
  tg_buf_deinit(&text);
  return kept ? kept : run->pipeline;
}

static void row_add(struct tg_table *table, struct tg_arena *arena, const struct tg_run *run,
                    bool has_occurrences) {
  char id[TG_ID_TEXT_LEN + 1], started[TG_TIME_TEXT_LEN + 1], occurrence[TG_TIME_TEXT_LEN + 1] = "";
  char duration[TG_DURATION_TEXT_MAX] = "";
  tg_id_format(run->id, id);
  id[ID_COLUMNS] = 0;
  seconds_format(run->started_at ? run->started_at : run->created_at, started);
  if (run->occurrence) seconds_format(run->logical_at, occurrence);
  if (run->ended_at && run->started_at)
    tg_duration_format(run->ended_at - run->started_at, duration);
  const char *state = tg_run_state_word(run->state);
  struct tg_cell cells[COLUMNS] = {{id, TG_STYLE_PLAIN},
                                   {pipeline_text(arena, run), TG_STYLE_BOLD}};
  size_t used = 2;
  if (has_occurrences) cells[used++] = (struct tg_cell){occurrence, TG_STYLE_PLAIN};
  cells[used++] = (struct tg_cell){state, tg_style_of_state(state)};
  cells[used++] = (struct tg_cell){started, TG_STYLE_PLAIN};
  cells[used++] = (struct tg_cell){duration, TG_STYLE_PLAIN};
  cells[used] = (struct tg_cell){run->failure.code ? run->failure.text : run->params, TG_STYLE_DIM};
  tg_table_add(table, cells);
}

// Only where there are occurrences there is a column for them.
static int text_print(const struct tg_output *output, const struct tg_run *runs, size_t count) {
  struct tg_arena arena;
  static const struct tg_column columns[COLUMNS] = {
      {"RUN", false},     {"PIPELINE", false}, {"OCCURRENCE", false},         {"STATE", false},
      {"STARTED", false}, {"DURATION", true},  {"PARAMETERS OR ERROR", false}};
  struct tg_column shown[COLUMNS];
  struct tg_table table;
  struct tg_buf text;
  size_t used = 0;
  bool has_occurrences = false;
  for (size_t i = 0; i < count && !has_occurrences; i++) has_occurrences = runs[i].occurrence;
  for (size_t i = 0; i < COLUMNS; i++)
    if (i != OCCURRENCE || has_occurrences) shown[used++] = columns[i];
  tg_table_init(&table, shown, used);
  tg_buf_init(&text, SIZE_MAX / 2);
  tg_arena_init(&arena);
  for (size_t i = 0; i < count; i++) row_add(&table, &arena, &runs[i], has_occurrences);
  tg_table_put(&table, output, &text);
  int code = tg_output_text(&text);
  tg_buf_deinit(&text);
  tg_table_deinit(&table);
  tg_arena_deinit(&arena);
  return code;
}

static int runs_print(const struct tg_output *output, const struct tg_run *runs, size_t count) {
  if (output->format == TG_FORMAT_TEXT) return text_print(output, runs, count);
  json_t *list = json_array();
  for (size_t i = 0; i < count; i++) json_array_append_new(list, tg_view_run_json(&runs[i]));
  return tg_output_list(output, "runs", list);
}

// Gives the id of the backfill that is asked for, "" for none.
static int backfill_find(const struct tg_records *records, const char *name, struct tg_arena *arena,
                         char id[TG_ID_TEXT_LEN + 1], struct tg_error *err) {
  struct tg_fill fill;
  *id = 0;
  if (!name) return TG_OK;
  if (!records->history) return tg_error_set(err, TG_ENOT_FOUND, "there are no backfills yet");
  int code = tg_history_fill(records->history, name, arena, &fill, err);
  if (!code) tg_id_format(fill.id, id);
  return code;
}

static int runs_run(const struct tg_args *args) {
  struct tg_records records;
  struct tg_arena arena;
  struct tg_run *runs = NULL;
  size_t count = 0;
  struct tg_error err;
  tg_arena_init(&arena);
  int exit_code = tg_records_open(&records, args);
  if (exit_code) goto done;
  struct tg_run_filter filter = {.pipeline = tg_args_text(args, "pipeline"),
                                 .state = tg_args_choice(args, "state", -1),
                                 .partition = tg_args_text(args, "partition"),
                                 .limit = (size_t)tg_args_count(args, "limit", LIMIT)};
  char backfill[TG_ID_TEXT_LEN + 1];
  int code = backfill_find(&records, tg_args_text(args, "backfill"), &arena, backfill, &err);
  filter.backfill = *backfill ? backfill : NULL;
  if (!code && records.history)
    code = tg_history_runs(records.history, &filter, &arena, &runs, &count, &err);
  exit_code = code ? tg_exit_report(&err) : runs_print(&records.output, runs, count);

done:
  tg_records_close(&records);
  tg_arena_deinit(&arena);
  return exit_code;
}

const struct tg_verb tg_verb_runs = {
    .name = "runs",
    .arguments = "",
    .summary = "list runs, newest first",
    .options =
        (const struct tg_option[]){
            {"pipeline", 0, TG_OPTION_TEXT, "NAME", "of this pipeline only", NULL, NULL},
            {"partition", 0, TG_OPTION_TEXT, "NAME", "of this partition only", NULL, NULL},
            {"backfill", 0, TG_OPTION_TEXT, "ID", "of this backfill only (or \"last\")", NULL,
             NULL},
            {"state", 0, TG_OPTION_CHOICE, "STATE", "running, queued, success, failed, ...",
             state_choices, NULL},
            {"limit", 'n', TG_OPTION_COUNT, "N", "at most so many (default 20)", NULL, NULL},
            {NULL, 0, TG_OPTION_FLAG, NULL, NULL, NULL, NULL},
        },
    .examples =
        (const struct tg_example[]){
            {"runs --state failed", "what failed lately"},
            {"runs --backfill last --state failed", "what failed of the newest backfill"},
            {"runs --pipeline packages --limit 1 -o json", "the last run of one pipeline"},
            {NULL, NULL},
        },
    .run = runs_run,
};
