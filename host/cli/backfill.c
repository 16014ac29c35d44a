// SPDX-License-Identifier: Apache-2.0
// backfill: the occurrences of a pipeline over a stretch of time. What succeeded is left, so the
// same command goes on where it was stopped.
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/units.h"
#include "cli/backfill.h"
#include "cli/exit.h"
#include "cli/load.h"
#include "cli/records.h"
#include "cli/requests.h"
#include "cli/stale.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "cli/view.h"
#include "engine/partitions.h"

static const char *const only_choices[] = {"all", "missing", "failed", "stale", NULL};

struct filler {
  struct tg_backfill backfill;
  const struct tg_args *resume; // the command line that goes on with one that was there before
  struct tg_project project;
  struct tg_output output;
  struct tg_occurrence *list;
  struct tg_occurrence_range range;
};

static bool is_dry(const struct filler *filler) {
  return tg_args_has(filler->backfill.args, "dry-run");
}

// --- Planning ---

static int identities_match(struct filler *filler, const struct tg_run *runs, size_t count,
                            struct tg_error *err) {
  struct tg_backfill *backfill = &filler->backfill;
  const char **identities = tg_arena_alloc(&backfill->arena, (count + 1) * sizeof *identities);
  bool is_known = identities != NULL;
  for (size_t i = 0; i < count && is_known; i++)
    is_known = (identities[i] = tg_backfill_params_identity(backfill, runs[i].params)) != NULL;
  for (size_t i = 0; i < backfill->count && is_known; i++) {
    struct tg_occurrence *occurrence = &filler->list[i];
    is_known =
        (occurrence->identity = tg_backfill_params_identity(backfill, occurrence->params)) != NULL;
  }
  if (!is_known) return tg_error_set(err, TG_ENOMEM, "no memory for a backfill");
  return tg_occurrences_match(filler->list, backfill->count, runs, identities, count, err);
}

static int runs_match(struct filler *filler, struct tg_error *err) {
  struct tg_backfill *backfill = &filler->backfill;
  struct tg_run_filter filter = {.pipeline = backfill->plan->name, .state = -1};
  struct tg_run *runs = NULL;
  size_t count = 0;
  int code = tg_history_open(filler->project.data, &backfill->history, err);
  if (code == TG_ENOT_FOUND) return TG_OK; // nothing ever ran here
  if (!code)
    code = tg_history_runs(backfill->history, &filter, &backfill->arena, &runs, &count, err);
  return code ? code : identities_match(filler, runs, count, err);
}

// What has ended in a backfill that goes on is done, however it ended.
static void done_take(struct tg_backfill *backfill, struct tg_backfill_item *item,
                      struct tg_occurrence *occurrence) {
  const struct tg_run *last = occurrence->last;
  bool is_ours = last && last->backfill && strcmp(last->backfill, backfill->id) == 0;
  if (!is_ours || !tg_run_state_is_terminal(last->state)) return;
  occurrence->way = TG_WAY_LEAVE;
  item->is_begun = item->has_ended = true;
  item->run = last->id;
  item->state = last->state;
  item->started_at = last->started_at;
  item->ended_at = last->ended_at;
  item->error = last->failure.code ? last->failure.text : NULL;
  backfill->ended++;
}

static int ways_decide(struct filler *filler, struct tg_error *err) {
  struct tg_backfill *backfill = &filler->backfill;
  // The choices are those of TG_ONLIES without the first, which is none given.
  enum tg_only only = (enum tg_only)(tg_args_choice(backfill->args, "only", -1) + 1);
  backfill->items =
      tg_arena_alloc(&backfill->arena, (backfill->count + 1) * sizeof *backfill->items);
  if (!backfill->items) return tg_error_set(err, TG_ENOMEM, "no memory for a backfill");
  int code = TG_OK;
  for (size_t i = 0; i < backfill->count && !code; i++) {
    struct tg_occurrence *occurrence = &filler->list[i];
    if (only == TG_ONLY_STALE)
      code = tg_stale_find(backfill->history, backfill->plan, backfill->version->hash,
                           &backfill->arena, occurrence, err);
    occurrence->way = tg_occurrence_way(only, occurrence);
    backfill->items[i].occurrence = occurrence;
    if (filler->resume) done_take(backfill, &backfill->items[i], occurrence);
    backfill->total += occurrence->way != TG_WAY_LEAVE || backfill->items[i].has_ended;
  }
  return code;
}

// A pipeline that does not say how many of its runs go together is filled one by one. More than
// the places that the engine gives to backfills would only queue.
static void width_decide(struct tg_backfill *backfill) {
  const struct tg_plan *plan = backfill->plan;
  uint32_t usual = plan->has_runs_max && plan->runs_max ? plan->runs_max : 1;
  uint32_t places = tg_plan_backfill_places(plan);
  int64_t asked = tg_args_count(backfill->args, "max-runs", usual);
  backfill->is_narrowed = asked > places;
  backfill->runs_max = asked < places ? (uint32_t)asked : places;
}

static int plan_make(struct filler *filler, struct tg_error *err) {
  struct tg_backfill *backfill = &filler->backfill;
  const char *text = backfill->version->plan;
  struct tg_occurrence_range *range = &filler->range;
  range->every_ms = tg_args_duration_ms(backfill->args, "every", 0);
  int code = tg_plan_parse(text, strlen(text), &backfill->plan, err);
  if (!code) width_decide(backfill);
  if (!code) code = tg_backfill_params_take(backfill, filler->resume, err);
  if (!code)
    code = tg_partitions_pick(backfill->plan, tg_args_text(backfill->args, "partitions"),
                              &backfill->arena, &range->partitions, &range->partition_count, err);
  if (!code)
    code = tg_occurrences_list(backfill->plan, range, &backfill->arena, &filler->list,
                               &backfill->count, err);
  if (!code && !backfill->count)
    code = tg_error_set(err, TG_EINVALID, "pipeline %s has no occurrence from --from to --to",
                        backfill->plan->name);
  if (!code) code = tg_backfill_params_freeze(backfill, filler->list, err);
  if (!code) code = runs_match(filler, err);
  return code ? code : ways_decide(filler, err);
}

// --- Telling ---

// What an occurrence came to: by its run of this backfill, else by the newest before.
struct came {
  char run[TG_ID_TEXT_LEN + 1]; // "" for none
  const char *state, *error;    // NULL for none
  int64_t duration_ms;          // -1 while it is not known
};

static void came_of(const struct tg_backfill_item *item, struct came *came) {
  const struct tg_run *last = item->occurrence->last;
  *came = (struct came){.duration_ms = -1};
  if (item->is_begun || item->has_ended) {
    if (item->is_begun) tg_id_format(item->run, came->run);
    came->state = tg_run_state_word(item->state);
    came->error = item->error;
    if (item->has_ended) came->duration_ms = item->ended_at - item->started_at;
  } else if (last) {
    tg_id_format(last->id, came->run);
    came->state = tg_run_state_word(last->state);
    came->error = last->failure.code ? last->failure.text : NULL;
    if (last->ended_at) came->duration_ms = last->ended_at - last->created_at;
  }
}

static json_t *item_json(const struct tg_backfill_item *item) {
  struct came came;
  came_of(item, &came);
  return json_pack("{s:o, s:o, s:s?, s:s, s:s?, s:s?, s:s?, s:o, s:o}", "start",
                   tg_view_time_json(item->occurrence->start_ms), "end",
                   tg_view_time_json(item->occurrence->end_ms), "partition",
                   item->occurrence->partition, "action", tg_way_word(item->occurrence->way),
                   "stale", item->occurrence->stale, "run", *came.run ? came.run : NULL, "state",
                   came.state, "duration_ms",
                   came.duration_ms < 0 ? json_null() : json_integer(came.duration_ms), "error",
                   tg_view_text_json(came.error));
}

static int print_json(const struct filler *filler) {
  const struct tg_backfill *backfill = &filler->backfill;
  json_t *items = json_array();
  for (size_t i = 0; i < backfill->count; i++)
    json_array_append_new(items, item_json(&backfill->items[i]));
  return tg_output_document(&filler->output,
                            json_pack("{s:{s:s?, s:s, s:o, s:o, s:i, s:o}}", "backfill", "id",
                                      is_dry(filler) ? NULL : backfill->id, "pipeline",
                                      backfill->plan->name, "from",
                                      tg_view_time_json(filler->range.from_ms), "to",
                                      tg_view_time_json(filler->range.to_ms), "max_runs",
                                      (int)backfill->runs_max, "occurrences", items));
}

static void row_add(struct tg_table *table, const struct tg_backfill_item *item) {
  const char *partition = item->occurrence->partition;
  char start[TG_TIME_TEXT_LEN + 1], end[TG_TIME_TEXT_LEN + 1];
  char duration[TG_DURATION_TEXT_MAX] = "";
  struct came came;
  came_of(item, &came);
  tg_time_format(item->occurrence->start_ms, start);
  tg_time_format(item->occurrence->end_ms, end);
  came.run[came.run[0] ? 18 : 0] = 0; // the part that differs, as in `runs`
  if (came.duration_ms >= 0) tg_duration_format(came.duration_ms, duration);
  memcpy(start + strlen("2026-11-20T05:00:00"), "Z", sizeof "Z");
  memcpy(end + strlen("2026-11-20T05:00:00"), "Z", sizeof "Z");
  struct tg_cell cells[] = {
      {partition ? partition : "", TG_STYLE_BOLD},
      {start, TG_STYLE_BOLD},
      {end, TG_STYLE_DIM},
      {tg_way_word(item->occurrence->way), TG_STYLE_PLAIN},
      {came.state ? came.state : "missing",
       came.state ? tg_style_of_state(came.state) : TG_STYLE_DIM},
      {came.run, TG_STYLE_PLAIN},
      {duration, TG_STYLE_PLAIN},
      {came.error ? came.error : item->occurrence->stale, TG_STYLE_PLAIN},
  };
  tg_table_add(table, cells + (partition ? 0 : 1));
}

static int print(const struct filler *filler) {
  static const struct tg_column columns[] = {
      {"PARTITION", false}, {"START", false}, {"END", false},     {"ACTION", false},
      {"STATE", false},     {"RUN", false},   {"DURATION", true}, {"ERROR OR WHY STALE", false}};
  size_t first = filler->backfill.plan->partition_count ? 0 : 1;
  struct tg_table table;
  struct tg_buf text;
  if (filler->output.format != TG_FORMAT_TEXT) return print_json(filler);
  tg_table_init(&table, columns + first, sizeof columns / sizeof *columns - first);
  tg_buf_init(&text, SIZE_MAX / 2);
  for (size_t i = 0; i < filler->backfill.count; i++) row_add(&table, &filler->backfill.items[i]);
  tg_table_put(&table, &filler->output, &text);
  int code = tg_output_text(&text);
  tg_buf_deinit(&text);
  tg_table_deinit(&table);
  return code;
}

// What runs nothing is not recorded, so its id would name nothing.
static void plan_say(const struct filler *filler) {
  const struct tg_backfill *backfill = &filler->backfill;
  bool is_named = backfill->total && !is_dry(filler);
  if (tg_args_has(backfill->args, "quiet")) return;
  fprintf(stderr, "tidegate: backfill %s%sof %s: %zu occurrence%s, %zu to run, at most %u at once",
          is_named ? backfill->id : "", is_named ? " " : "", backfill->plan->name, backfill->count,
          backfill->count == 1 ? "" : "s", backfill->total - backfill->ended, backfill->runs_max);
  if (backfill->is_narrowed)
    fprintf(stderr, " (limits.runs is %u%s)", backfill->plan->runs_max,
            backfill->plan->runs_max > 1 ? ", of which a backfill leaves one to other runs" : "");
  fputc('\n', stderr);
}

static size_t success_count(const struct tg_backfill *backfill) {
  size_t count = 0;
  for (size_t i = 0; i < backfill->count; i++)
    count += backfill->items[i].has_ended && backfill->items[i].state == TG_RUN_SUCCESS;
  return count;
}

static void end_say(const struct tg_backfill *backfill) {
  size_t success = success_count(backfill);
  if (tg_args_has(backfill->args, "quiet")) return;
  fprintf(stderr, "tidegate: %zu of %zu succeeded, %zu did not", success, backfill->total,
          backfill->ended - success);
  if (backfill->ended < backfill->total)
    fprintf(stderr, ", %zu were not finished%s", backfill->total - backfill->ended,
            backfill->is_cancelled ? "; it was cancelled" : "");
  if (backfill->ended < backfill->total && !backfill->is_cancelled)
    fprintf(stderr, "; \"tidegate backfill --resume %s\" goes on", backfill->id);
  fputc('\n', stderr);
}

// --- Going ---

static void begin_record(struct filler *filler) {
  struct tg_backfill *backfill = &filler->backfill;
  struct tg_fill *fill = &backfill->fill;
  fill->state = TG_FILL_RUNNING;
  if (!filler->resume) {
    fill->pipeline = backfill->plan->name;
    fill->command = tg_backfill_command(backfill);
    fill->total = (uint32_t)backfill->total;
    fill->created_at = tg_clock_wall_ms(tg_clock_system());
  }
  tg_fill_begin(backfill->host, fill);
}

static void end_record(struct tg_backfill *backfill) {
  if (backfill->ended < backfill->total || backfill->is_cancelled) return;
  bool is_success = success_count(backfill) == backfill->total;
  backfill->fill.state = is_success ? TG_FILL_SUCCESS : TG_FILL_FAILED;
  backfill->fill.ended_at = tg_clock_wall_ms(tg_clock_system());
  tg_fill_record(backfill->host, &backfill->fill);
}

static int backfill_go(struct filler *filler) {
  struct tg_backfill *backfill = &filler->backfill;
  struct tg_error err;
  if (!backfill->total) return print(filler);
  begin_record(filler);
  int code = tg_backfill_go(backfill, &err);
  if (code) return tg_exit_report(&err);
  end_record(backfill);
  int printed = print(filler);
  end_say(backfill);
  if (printed) return printed;
  if (backfill->watch.signum && backfill->ended < backfill->total)
    return TG_EXIT_SIGNAL + backfill->watch.signum;
  if (backfill->is_paused) return TG_EXIT_SUCCESS;
  return success_count(backfill) == backfill->total ? TG_EXIT_SUCCESS : TG_EXIT_FAILED;
}

static int range_read(struct filler *filler, struct tg_error *err) {
  const struct tg_args *args = filler->backfill.args;
  if (!tg_args_has(args, "from") || !tg_args_has(args, "to"))
    return tg_error_set(err, TG_EINVALID,
                        "backfill needs --from TIME and --to TIME: the first instant, and the "
                        "first that is not part of it any more");
  filler->range.from_ms = tg_args_time_ms(args, "from", 0);
  filler->range.to_ms = tg_args_time_ms(args, "to", 0);
  if (filler->range.from_ms < filler->range.to_ms) return TG_OK;
  return tg_error_set(err, TG_EINVALID, "--from must be before --to, which is not part of it");
}

static int filler_go(struct filler *filler) {
  struct tg_backfill *backfill = &filler->backfill;
  struct tg_error err;
  int code = range_read(filler, &err);
  if (!code) code = tg_host_open(&filler->project, !is_dry(filler), &backfill->host, &err);
  if (code == TG_EBUSY && filler->resume)
    return tg_backfill_wake(&filler->project, &backfill->fill, &err);
  if (code) return tg_exit_report(&err);
  int exit_code = tg_load_version(backfill->host, &filler->project, tg_args_word(backfill->args, 0),
                                  &backfill->version);
  if (exit_code) return exit_code;
  code = plan_make(filler, &err);
  if (code) return tg_exit_report(&err);
  plan_say(filler);
  return is_dry(filler) ? print(filler) : backfill_go(filler);
}

static int filler_run(const struct tg_args *args, const struct tg_args *resume,
                      const struct tg_fill *resumed) {
  struct filler filler = {
      .backfill = {.args = args}, .resume = resume, .output = tg_output_of(args, STDOUT_FILENO)};
  struct tg_backfill *backfill = &filler.backfill;
  int exit_code = tg_load_project(&filler.project, args);
  if (exit_code) return exit_code;
  tg_arena_init(&backfill->arena);
  if (resumed)
    backfill->fill = *resumed;
  else
    backfill->fill.id = tg_id_new(tg_clock_system());
  tg_id_format(backfill->fill.id, backfill->id);
  exit_code = filler_go(&filler);
  tg_host_close(backfill->host);
  tg_history_close(backfill->history);
  tg_plan_free(backfill->plan);
  tg_arena_deinit(&backfill->arena);
  tg_project_deinit(&filler.project);
  return exit_code;
}

static int resume_run(const struct tg_args *args) {
  struct tg_records records;
  struct tg_args again = {0};
  struct tg_arena arena;
  struct tg_fill fill = {0};
  struct tg_error err;
  tg_arena_init(&arena);
  int exit_code = tg_records_open(&records, args);
  int code = TG_OK;
  if (!exit_code && !records.history)
    code = tg_error_set(&err, TG_ENOT_FOUND, "there are no backfills yet");
  if (!exit_code && !code)
    code = tg_history_fill(records.history, tg_args_text(args, "resume"), &arena, &fill, &err);
  if (!exit_code && !code && tg_fill_state_is_terminal(fill.state))
    code = tg_error_set(&err, TG_EINVALID, "the backfill has ended already: %s",
                        tg_fill_state_word(fill.state));
  if (!exit_code && !code) code = tg_backfill_again(args, &fill, &arena, &again, &err);
  if (code) exit_code = tg_exit_report(&err);
  if (!exit_code) exit_code = filler_run(&again, args, &fill);
  tg_args_deinit(&again);
  tg_records_close(&records);
  tg_arena_deinit(&arena);
  return exit_code;
}

static const char *const asks[] = {"list", "pause", "resume", "cancel"};

// What is there already is asked with one word, which takes nothing else; one that goes on may do
// so faster, and be given its secrets again.
static bool is_usage(const struct tg_args *args) {
  static const char *const plan_words[] = {"from", "to",       "every", "partitions",
                                           "only", "max-runs", "param", "dry-run"};
  size_t asked = 0, planned = 0;
  for (size_t i = 0; i < sizeof asks / sizeof *asks; i++) asked += tg_args_has(args, asks[i]);
  for (size_t i = 0; i < sizeof plan_words / sizeof *plan_words; i++)
    planned += tg_args_has(args, plan_words[i]);
  if (tg_args_has(args, "resume"))
    planned -= (size_t)tg_args_has(args, "max-runs") + tg_args_has(args, "param");
  return asked ? asked == 1 && !args->word_count && !planned : args->word_count > 0;
}

static int backfill_run(const struct tg_args *args) {
  if (!is_usage(args)) {
    fputs("tidegate: backfill takes a PIPELINE and what to run of it, or one of --list, --pause, "
          "--cancel, or --resume, which takes --max-runs and -p NAME=SECRET\n",
          stderr);
    return TG_EXIT_USAGE;
  }
  if (tg_args_has(args, "list")) return tg_backfill_list(args);
  if (tg_args_has(args, "pause")) return tg_backfill_pause(args);
  if (tg_args_has(args, "cancel")) return tg_backfill_cancel(args);
  return tg_args_has(args, "resume") ? resume_run(args) : filler_run(args, NULL, NULL);
}

const struct tg_verb tg_verb_backfill = {
    .name = "backfill",
    .arguments = "PIPELINE",
    .arguments_max = 1,
    .summary = "run a pipeline for a stretch of time, occurrence by occurrence",
    .prose =
        "An occurrence has an interval, from its logical date to the next one; those whose\n"
        "logical date lies in --from <= t < --to are run, by the pipeline's own schedule or\n"
        "--every so often. What succeeded already is left and what failed is rerun from its\n"
        "failure, so the same command goes on where it was stopped. Stale is what succeeded with\n"
        "an older version of the pipeline, or before an asset that it reads was made again.\n"
        "Exit code 0: all that was to run succeeded, or it was paused. Its runs go behind all\n"
        "others; ID is its id, a unique prefix of one, or \"last\".",
    .options =
        (const struct tg_option[]){
            {"from", 0, TG_OPTION_TIME, "TIME",
             "the first instant (RFC 3339, or a date: its midnight in UTC)", NULL, NULL},
            {"to", 0, TG_OPTION_TIME, "TIME", "the first instant after it", NULL, NULL},
            {"every", 0, TG_OPTION_DURATION, "DURATION",
             "how far apart (default: the pipeline's tg.cron)", NULL, NULL},
            {"partitions", 0, TG_OPTION_TEXT, "A,B",
             "only these (default: all that the pipeline has)", NULL, NULL},
            {"only", 0, TG_OPTION_CHOICE, "WHICH",
             "all (again), missing, failed (default: missing and failed) or stale", only_choices,
             NULL},
            {"max-runs", 0, TG_OPTION_COUNT, "N",
             "at most so many at once (default: limits.runs, else 1; one place of it is left)",
             NULL, NULL},
            {"param", 'p', TG_OPTION_TEXT, "NAME=VALUE", "a parameter (may be given again)", NULL,
             NULL},
            {"dry-run", 0, TG_OPTION_FLAG, NULL, "say what would run", NULL, NULL},
            {"list", 0, TG_OPTION_FLAG, NULL, "list backfills, newest first", NULL, NULL},
            {"pause", 0, TG_OPTION_TEXT, "ID", "begin nothing more; what runs goes on", NULL, NULL},
            {"resume", 0, TG_OPTION_TEXT, "ID",
             "go on with one that was paused, stopped or killed; takes --max-runs, and -p for "
             "secrets",
             NULL, NULL},
            {"cancel", 0, TG_OPTION_TEXT, "ID", "end it and its runs", NULL, NULL},
            {NULL, 0, TG_OPTION_FLAG, NULL, NULL, NULL, NULL},
        },
    .examples =
        (const struct tg_example[]){
            {"backfill orders --from 2026-11-01 --to 2026-12-01 --dry-run", "what is there"},
            {"backfill orders --from 2026-11-01 --to 2026-12-01 --max-runs 4", "a month"},
            {"backfill orders --from 2026-11-01 --to 2026-11-02 --every 1h --only failed",
             "the hours of a day that failed"},
            {"backfill --pause last", "nothing more begins until --resume"},
            {NULL, NULL},
        },
    .run = backfill_run,
};
