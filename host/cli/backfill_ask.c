// SPDX-License-Identifier: Apache-2.0
// Backfills that are there already: listed, paused, cancelled, and their words read again.
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/units.h"
#include "cli/backfill.h"
#include "cli/exit.h"
#include "cli/inbox.h"
#include "cli/records.h"
#include "cli/requests.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "cli/view.h"

enum { LOOK_MS = 200, WAKE_LOOKS = 25, DONE_BYTES_MAX = 64 };

// --- The words of a backfill ---

static bool is_own(const struct tg_args *args, const struct tg_option *option) {
  const struct tg_option *own = args->verb->options;
  while (own->name && own != option) own++;
  return own->name != NULL;
}

static bool is_named(const struct tg_given *given, const char *name) {
  return strcmp(given->option->name, name) == 0;
}

static void word_add(json_t *words, const char *option, const char *value) {
  json_array_append_new(words, json_sprintf("--%s", option));
  if (value) json_array_append_new(words, json_string(value));
}

const char *tg_backfill_command(struct tg_backfill *backfill) {
  const struct tg_args *args = backfill->args;
  json_t *words = json_pack("[s]", backfill->plan->name);
  for (size_t i = 0; i < args->given_count; i++)
    if (is_own(args, args->given[i].option) && !is_named(&args->given[i], "param"))
      word_add(words, args->given[i].option->name, args->given[i].value);
  for (size_t i = 0; i < backfill->param_count; i++) word_add(words, "param", backfill->params[i]);
  char *text = json_dumps(words, JSON_COMPACT);
  const char *copy = text ? tg_arena_strdup(&backfill->arena, text) : NULL;
  free(text);
  json_decref(words);
  return copy;
}

int tg_backfill_again(const struct tg_args *args, const struct tg_fill *fill,
                      struct tg_arena *arena, struct tg_args *again, struct tg_error *err) {
  json_t *words = json_pack("[s, s]", "tidegate", "backfill"), *own;
  own = json_loads(fill->command, 0, NULL);
  if (own) json_array_extend(words, own);
  for (size_t i = 0; i < args->given_count; i++)
    if (!is_own(args, args->given[i].option) || is_named(&args->given[i], "max-runs"))
      word_add(words, args->given[i].option->name, args->given[i].value);
  size_t count = json_array_size(words);
  const char **argv = tg_arena_alloc(arena, (count + 1) * sizeof *argv);
  int code = argv ? TG_OK : tg_error_set(err, TG_ENOMEM, "out of memory");
  for (size_t i = 0; i < count && argv; i++)
    argv[i] = tg_arena_strdup(arena, json_string_value(json_array_get(words, i)));
  if (!code) code = tg_args_parse(again, tg_verbs, (int)count, argv, err);
  json_decref(own);
  json_decref(words);
  return code;
}

// --- Finding ---

struct asker {
  struct tg_records records;
  struct tg_arena arena;
  struct tg_fill fill;
  char id[TG_ID_TEXT_LEN + 1];
  struct tg_host *host;
};

static int fill_look(struct asker *asker, const char *name, struct tg_error *err) {
  if (!asker->records.history)
    return tg_error_set(err, TG_ENOT_FOUND, "there are no backfills in %s yet",
                        asker->records.project.data);
  int code = tg_history_fill(asker->records.history, name, &asker->arena, &asker->fill, err);
  if (!code) tg_id_format(asker->fill.id, asker->id);
  return code;
}

static size_t open_count(struct asker *asker) {
  const struct tg_run_filter filter = {.state = -1, .is_open = true, .backfill = asker->id};
  struct tg_run *runs;
  struct tg_arena arena;
  size_t count = 0;
  tg_arena_init(&arena);
  tg_history_runs(asker->records.history, &filter, &arena, &runs, &count, NULL);
  tg_arena_deinit(&arena);
  return count;
}

// --- Asking ---

// With the data folder in its own hands a process does itself what it would have asked for.
static void own_do(struct asker *asker) {
  const struct tg_services *services = tg_host_services(asker->host);
  tg_requests_obey(asker->host);
  while (tg_conductor_has_runs(services->conductor)) tg_loop_turn(services->loop, true);
  tg_host_close(asker->host); // what is to be recorded is durable then
  asker->host = NULL;
}

// Asks again each time, so that a host that came after the one that was asked is asked as well.
static int state_reach(struct asker *asker, const char *kind, enum tg_fill_state state,
                       struct tg_error *err) {
  for (;;) {
    int code = fill_look(asker, asker->id, err);
    bool is_there = !code && asker->fill.state == state;
    if (code || (is_there && (state != TG_FILL_CANCELLED || !open_count(asker)))) return code;
    if (!is_there && tg_fill_state_is_terminal(asker->fill.state))
      return tg_error_set(err, TG_EINVALID, "backfill %s has ended already: %s", asker->id,
                          tg_fill_state_word(asker->fill.state));
    if (!is_there) code = tg_request_fill(asker->records.project.data, &asker->fill, kind, err);
    if (!code) code = tg_host_open(&asker->records.project, true, &asker->host, err);
    if (code && code != TG_EBUSY) return code;
    if (!code)
      own_do(asker);
    else
      nanosleep(&(struct timespec){.tv_nsec = LOOK_MS * 1000000L}, NULL);
  }
}

static int ask(const struct tg_args *args, const char *option, const char *kind,
               enum tg_fill_state state) {
  struct asker asker = {0};
  struct tg_error err;
  tg_arena_init(&asker.arena);
  int exit_code = tg_records_open(&asker.records, args);
  if (!exit_code) {
    int code = fill_look(&asker, tg_args_text(args, option), &err);
    if (!code && tg_fill_state_is_terminal(asker.fill.state))
      code = tg_error_set(&err, TG_EINVALID, "backfill %s has ended already: %s", asker.id,
                          tg_fill_state_word(asker.fill.state));
    if (!code) code = state_reach(&asker, kind, state, &err);
    exit_code = code ? tg_exit_report(&err) : TG_EXIT_SUCCESS;
  }
  if (!exit_code && !tg_args_has(args, "quiet"))
    fprintf(stderr, "tidegate: backfill %s is %s\n", asker.id, tg_fill_state_word(state));
  tg_host_close(asker.host);
  tg_arena_deinit(&asker.arena);
  tg_records_close(&asker.records);
  return exit_code;
}

int tg_backfill_pause(const struct tg_args *args) {
  return ask(args, "pause", TG_FILL_PAUSE, TG_FILL_PAUSED);
}

int tg_backfill_cancel(const struct tg_args *args) {
  return ask(args, "cancel", TG_FILL_CANCEL, TG_FILL_CANCELLED);
}

// One whose runs have not ended since it was paused goes on where it is.
int tg_backfill_wake(const struct tg_project *project, const struct tg_fill *fill,
                     const struct tg_error *busy) {
  char id[TG_ID_TEXT_LEN + 1];
  struct tg_history *history = NULL;
  struct tg_fill now = *fill;
  struct tg_arena arena;
  struct tg_error err;
  tg_id_format(fill->id, id);
  tg_arena_init(&arena);
  int code = tg_request_fill(project->data, fill, TG_FILL_RESUME, &err);
  if (!code) code = tg_history_open(project->data, &history, &err);
  for (int i = 0; i < WAKE_LOOKS && !code && now.state == TG_FILL_PAUSED; i++) {
    nanosleep(&(struct timespec){.tv_nsec = LOOK_MS * 1000000L}, NULL);
    code = tg_history_fill(history, id, &arena, &now, &err);
  }
  tg_inbox_remove(project->data, id, TG_FILL_RESUME);
  bool is_awake = !code && fill->state == TG_FILL_PAUSED && now.state == TG_FILL_RUNNING;
  if (is_awake) fprintf(stderr, "tidegate: backfill %s goes on in the host that works on it\n", id);
  tg_history_close(history);
  tg_arena_deinit(&arena);
  return is_awake ? TG_EXIT_SUCCESS : tg_exit_report(code ? &err : busy);
}

// --- Listing ---

static json_t *fill_json(const struct tg_fill *fill) {
  char id[TG_ID_TEXT_LEN + 1];
  tg_id_format(fill->id, id);
  return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:o, s:o, s:o}", "id", id, "pipeline",
                   fill->pipeline, "state", tg_fill_state_word(fill->state), "total",
                   (json_int_t)fill->total, "success", (json_int_t)fill->success, "failed",
                   (json_int_t)fill->failed, "created_at", tg_view_time_json(fill->created_at),
                   "ended_at", tg_view_time_json(fill->ended_at), "command",
                   tg_view_document_json(fill->command));
}

static void command_put(const struct tg_fill *fill, struct tg_buf *text) {
  json_t *words = json_loads(fill->command, 0, NULL);
  for (size_t i = 1; i < json_array_size(words); i++)
    tg_buf_putf(text, "%s%s", i > 1 ? " " : "", json_string_value(json_array_get(words, i)));
  json_decref(words);
}

static void done_say(const struct tg_fill *fill, char text[DONE_BYTES_MAX]) {
  int used = snprintf(text, DONE_BYTES_MAX, "%u of %u", fill->success + fill->failed, fill->total);
  if (fill->failed && used > 0)
    snprintf(text + used, DONE_BYTES_MAX - (size_t)used, ", %u failed", fill->failed);
}

static int text_print(const struct tg_output *output, const struct tg_fill *fills, size_t count) {
  static const struct tg_column columns[] = {{"BACKFILL", false}, {"PIPELINE", false},
                                             {"STATE", false},    {"DONE", false},
                                             {"CREATED", false},  {"COMMAND", false}};
  struct tg_table table;
  struct tg_buf text, command;
  tg_table_init(&table, columns, sizeof columns / sizeof *columns);
  tg_buf_init(&text, SIZE_MAX / 2);
  tg_buf_init(&command, SIZE_MAX / 2);
  for (size_t i = 0; i < count; i++) {
    char id[TG_ID_TEXT_LEN + 1], time[TG_TIME_TEXT_LEN + 1], done[DONE_BYTES_MAX];
    const char *state = tg_fill_state_word(fills[i].state);
    done_say(&fills[i], done);
    tg_id_format(fills[i].id, id);
    tg_time_format(fills[i].created_at, time);
    tg_buf_clear(&command);
    command_put(&fills[i], &command);
    tg_table_add(&table, (struct tg_cell[]){{id, TG_STYLE_PLAIN},
                                            {fills[i].pipeline, TG_STYLE_BOLD},
                                            {state, tg_style_of_state(state)},
                                            {done, TG_STYLE_PLAIN},
                                            {time, TG_STYLE_PLAIN},
                                            {tg_buf_text(&command), TG_STYLE_DIM}});
  }
  tg_table_put(&table, output, &text);
  int code = tg_output_text(&text);
  tg_buf_deinit(&command);
  tg_buf_deinit(&text);
  tg_table_deinit(&table);
  return code;
}

int tg_backfill_list(const struct tg_args *args) {
  struct asker asker = {0};
  struct tg_fill *fills = NULL;
  size_t count = 0;
  struct tg_error err;
  tg_arena_init(&asker.arena);
  int exit_code = tg_records_open(&asker.records, args);
  int code = TG_OK;
  if (!exit_code && asker.records.history)
    code = tg_history_fills(asker.records.history, &asker.arena, &fills, &count, &err);
  if (code) exit_code = tg_exit_report(&err);
  if (!exit_code && asker.records.output.format == TG_FORMAT_TEXT) {
    exit_code = text_print(&asker.records.output, fills, count);
  } else if (!exit_code) {
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) json_array_append_new(list, fill_json(&fills[i]));
    exit_code = tg_output_list(&asker.records.output, "backfills", list);
  }
  tg_arena_deinit(&asker.arena);
  tg_records_close(&asker.records);
  return exit_code;
}
