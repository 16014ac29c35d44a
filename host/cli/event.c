// SPDX-License-Identifier: Apache-2.0
// event: sends events into the store, and shows those that are there. An event that is sent is put
// into the inbox (inbox.h), durably; where no host is at work this process takes it in itself.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/id.h"
#include "base/limits.h"
#include "base/suggest.h"
#include "base/units.h"
#include "cli/exit.h"
#include "cli/inbox.h"
#include "cli/intake.h"
#include "cli/records.h"
#include "cli/table.h"
#include "cli/verbs.h"

enum { LIMIT = 20 };

// --- Sending ---

struct sender {
  const struct tg_args *args;
  struct tg_records *records;
  struct tg_arena arena;
  struct tg_event *events;
  size_t count, known_count;
  bool *is_known; // by event
};

static int text_read(const char *name, struct tg_buf *text, struct tg_error *err) {
  bool is_stdin = strcmp(name, "-") == 0;
  return is_stdin ? tg_file_read_from(STDIN_FILENO, "standard input", text, err)
                  : tg_file_read(name, text, err);
}

static int events_read(struct sender *sender, struct tg_error *err) {
  struct tg_buf text;
  tg_buf_init(&text, (size_t)TG_EVENTS_BYTES_MAX);
  int code = text_read(tg_args_word(sender->args, 1), &text, err);
  if (!code)
    code = tg_events_parse(tg_buf_text(&text), text.len, &sender->arena, &sender->events,
                           &sender->count, err);
  tg_buf_deinit(&text);
  if (code) return code;
  sender->is_known = tg_arena_alloc(&sender->arena, sender->count * sizeof *sender->is_known);
  return sender->is_known ? TG_OK : tg_error_set(err, TG_ENOMEM, "no memory for the events");
}

static bool is_same(const struct tg_event *a, const struct tg_event *b) {
  return strcmp(a->id, b->id) == 0 && strcmp(a->source, b->source) == 0;
}

static void known_mark(struct sender *sender, size_t index) {
  sender->known_count += !sender->is_known[index];
  sender->is_known[index] = true;
}

// Finds those that the store has already.
static int known_find(struct sender *sender, struct tg_error *err) {
  int code = TG_OK;
  for (size_t i = 0; sender->records->history && i < sender->count && !code; i++) {
    struct tg_event_query query = {
        .id = sender->events[i].id, .source = sender->events[i].source, .limit = 1};
    struct tg_event *found;
    size_t count;
    code = tg_history_events(sender->records->history, &query, &sender->arena, &found, &count, err);
    if (!code && count) known_mark(sender, i);
  }
  return code;
}

static int inbox_put(struct sender *sender, struct tg_error *err) {
  struct tg_buf lines;
  char name[TG_ID_TEXT_LEN + 1];
  tg_buf_init(&lines, (size_t)TG_EVENTS_BYTES_MAX * 2);
  for (size_t i = 0; i < sender->count; i++)
    if (!sender->is_known[i]) tg_buf_putf(&lines, "%s\n", sender->events[i].body);
  tg_id_format(tg_id_new(tg_clock_system()), name);
  int code = lines.is_failed ? tg_error_set(err, TG_ENOMEM, "no memory for the events")
                             : tg_inbox_put(sender->records->project.data, name, "event",
                                            tg_buf_text(&lines), lines.len, err);
  tg_buf_deinit(&lines);
  return code;
}

// Events of others may lie in the inbox as well; ours stand in it in their order.
static void told(void *self, const struct tg_event *events, size_t count) {
  struct sender *sender = self;
  for (size_t e = 0, next = 0; e < count; e++) {
    size_t i = next;
    while (i < sender->count && !is_same(&sender->events[i], &events[e])) i++;
    if (i == sender->count) continue;
    if (!events[e].number) known_mark(sender, i);
    next = i + 1;
  }
}

static int store_take(struct sender *sender, struct tg_loop *loop, struct tg_error *err) {
  const char *data = sender->records->project.data;
  struct tg_store *store;
  int code = tg_store_open_briefly(loop, data, &store, err);
  if (code) return code == TG_EBUSY ? TG_OK : code; // the host that is at work takes them in
  struct tg_intake *intake = tg_intake_new(store, data, tg_loop_clock(loop), told, sender);
  if (intake) {
    tg_intake_look(intake);
    while (!tg_intake_is_idle(intake)) tg_loop_turn(loop, true);
  }
  tg_store_close(store);
  tg_intake_free(intake);
  return TG_OK;
}

static int events_take(struct sender *sender, struct tg_error *err) {
  int code = tg_file_make_folder(sender->records->project.data, err);
  if (!code) code = inbox_put(sender, err);
  struct tg_loop *loop = code ? NULL : tg_loop_new(err);
  if (!code) code = loop ? store_take(sender, loop, err) : TG_EIO;
  tg_loop_free(loop);
  return code;
}

static json_t *sent_json(const struct sender *sender) {
  json_t *list = json_array();
  for (size_t i = 0; i < sender->count; i++)
    json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:b}", "id", sender->events[i].id,
                                          "source", sender->events[i].source, "type",
                                          sender->events[i].type, "known", sender->is_known[i]));
  return list;
}

static int sent_say(const struct sender *sender) {
  const struct tg_output *output = &sender->records->output;
  size_t new_count = sender->count - sender->known_count;
  if (!tg_args_has(sender->args, "quiet")) {
    fprintf(stderr, "tidegate: %zu event%s accepted", new_count, new_count == 1 ? "" : "s");
    if (sender->known_count)
      fprintf(stderr, "; %zu %s known already", sender->known_count,
              sender->known_count == 1 ? "was" : "were");
    fputc('\n', stderr);
  }
  if (output->format == TG_FORMAT_TEXT) return TG_EXIT_SUCCESS;
  return tg_output_list(output, "events", sent_json(sender));
}

static int events_send(const struct tg_args *args, struct tg_records *records) {
  struct sender sender = {.args = args, .records = records};
  struct tg_error err;
  tg_arena_init(&sender.arena);
  int code = events_read(&sender, &err);
  if (!code) code = known_find(&sender, &err);
  if (!code && sender.known_count < sender.count) code = events_take(&sender, &err);
  int exit_code = code ? tg_exit_report(&err) : sent_say(&sender);
  tg_arena_deinit(&sender.arena);
  return exit_code;
}

// --- Looking ---

static json_t *event_json(const struct tg_event *event) {
  return json_pack("{s:I, s:o, s:o}", "number", (json_int_t)event->number, "received_at",
                   tg_view_time_json(event->received_at), "event",
                   tg_view_document_json(event->body));
}

static void event_row(struct tg_table *table, const struct tg_event *event) {
  char received[TG_TIME_TEXT_LEN + 1];
  tg_time_format(event->received_at, received);
  tg_table_add(table, (struct tg_cell[]){
                          {event->id, TG_STYLE_BOLD},
                          {received, TG_STYLE_PLAIN},
                          {event->type, TG_STYLE_PLAIN},
                          {event->source, TG_STYLE_PLAIN},
                          {event->subject, TG_STYLE_DIM},
                      });
}

static int list_text(const struct tg_event *events, size_t count, const struct tg_output *output) {
  static const struct tg_column columns[] = {
      {"ID", false}, {"RECEIVED", false}, {"TYPE", false}, {"SOURCE", false}, {"SUBJECT", false}};
  struct tg_table table;
  struct tg_buf text;
  tg_table_init(&table, columns, sizeof columns / sizeof *columns);
  tg_buf_init(&text, SIZE_MAX / 2);
  for (size_t i = 0; i < count; i++) event_row(&table, &events[i]);
  tg_table_put(&table, output, &text);
  int code = tg_output_text(&text);
  tg_buf_deinit(&text);
  tg_table_deinit(&table);
  return code;
}

static int list_print(const struct tg_event *events, size_t count, const struct tg_output *output) {
  if (output->format == TG_FORMAT_TEXT) return list_text(events, count, output);
  json_t *list = json_array();
  for (size_t i = 0; i < count; i++) json_array_append_new(list, event_json(&events[i]));
  return tg_output_list(output, "events", list);
}

static int events_ls(const struct tg_args *args, struct tg_records *records) {
  struct tg_event_query query = {.type = tg_args_text(args, "type"),
                                 .source = tg_args_text(args, "source"),
                                 .limit = (size_t)tg_args_count(args, "limit", LIMIT)};
  struct tg_arena arena;
  struct tg_event *events = NULL;
  size_t count = 0;
  struct tg_error err;
  tg_arena_init(&arena);
  int code = records->history
                 ? tg_history_events(records->history, &query, &arena, &events, &count, &err)
                 : TG_OK;
  int exit_code = code ? tg_exit_report(&err) : list_print(events, count, &records->output);
  tg_arena_deinit(&arena);
  return exit_code;
}

static int event_text(const struct tg_event *event, uint64_t waits) {
  struct tg_buf text;
  char received[TG_TIME_TEXT_LEN + 1];
  tg_time_format(event->received_at, received);
  tg_buf_init(&text, SIZE_MAX / 2);
  tg_buf_putf(&text, "received  %s, number %llu\n", received, (unsigned long long)event->number);
  if (waits)
    tg_buf_putf(&text, "fate      ended %llu wait%s\n", (unsigned long long)waits,
                waits == 1 ? "" : "s");
  else
    tg_buf_puts(&text, "fate      nothing waited for it\n");
  json_t *body = json_loads(event->body, JSON_ALLOW_NUL, NULL);
  char *pretty = json_dumps(body, JSON_INDENT(2) | JSON_ENSURE_ASCII);
  tg_buf_putf(&text, "%s\n", pretty ? pretty : event->body);
  free(pretty);
  json_decref(body);
  int code = tg_output_text(&text);
  tg_buf_deinit(&text);
  return code;
}

// An id says which event it is only together with its source.
static int event_find(const struct tg_args *args, struct tg_records *records,
                      struct tg_arena *arena, struct tg_event *event, struct tg_error *err) {
  const char *id = tg_args_word(args, 1);
  bool is_last = strcmp(id, "last") == 0;
  struct tg_event_query query = {.id = is_last ? NULL : id,
                                 .type = tg_args_text(args, "type"),
                                 .source = tg_args_text(args, "source"),
                                 .limit = is_last ? 1 : 2};
  struct tg_event *events;
  size_t count = 0;
  int code = records->history
                 ? tg_history_events(records->history, &query, arena, &events, &count, err)
                 : TG_OK;
  if (code) return code;
  if (count == 1) {
    *event = events[0];
    return TG_OK;
  }
  if (!count)
    return tg_error_set(err, TG_ENOT_FOUND,
                        "no event has the id '%.100s'; \"tidegate event ls\" lists them", id);
  return tg_error_set(err, TG_EINVALID,
                      "events of %.100s and %.100s have the id '%.100s'; say which with --source",
                      events[1].source, events[0].source, id);
}

static int event_print(const struct tg_event *event, uint64_t waits,
                       const struct tg_output *output) {
  if (output->format == TG_FORMAT_TEXT) return event_text(event, waits);
  json_t *fields = event_json(event);
  json_object_set_new(fields, "waits_ended", json_integer((json_int_t)waits));
  return tg_output_document(output, fields);
}

static int event_show(const struct tg_args *args, struct tg_records *records) {
  struct tg_arena arena;
  struct tg_event event = {0};
  uint64_t waits = 0;
  struct tg_error err;
  tg_arena_init(&arena);
  int code = event_find(args, records, &arena, &event, &err);
  if (!code) code = tg_history_event_waits(records->history, event.number, &waits, &err);
  int exit_code = code ? tg_exit_report(&err) : event_print(&event, waits, &records->output);
  tg_arena_deinit(&arena);
  return exit_code;
}

// --- The verb ---

struct part {
  const char *name, *argument; // what it takes, or NULL
  int (*run)(const struct tg_args *args, struct tg_records *records);
};

static const struct part parts[] = {
    {"send", "a file, or - for standard input", events_send},
    {"ls", NULL, events_ls},
    {"show", "an event's id, or last", event_show},
};

static const struct part *part_find(const struct tg_args *args, struct tg_error *err) {
  const char *names[sizeof parts / sizeof *parts], *word = tg_args_word(args, 0);
  const char *nearest;
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    const struct part *part = &parts[i];
    names[i] = part->name;
    if (strcmp(word, part->name) != 0) continue;
    bool has_argument = args->word_count > 1;
    if (has_argument == (part->argument != NULL)) return part;
    tg_error_set(err, TG_EINVALID, "event %s takes %s", part->name,
                 part->argument ? part->argument : "no argument");
    return NULL;
  }
  nearest = tg_suggest(word, names, sizeof parts / sizeof *parts);
  tg_error_set(err, TG_EINVALID, "event can send, ls or show, not \"%.100s\"%s%s%s", word,
               nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
  return NULL;
}

static int event_run(const struct tg_args *args) {
  struct tg_records records;
  struct tg_error err;
  const struct part *part = part_find(args, &err);
  if (!part) return tg_exit_report(&err);
  int exit_code = tg_records_open(&records, args);
  if (!exit_code) exit_code = part->run(args, &records);
  tg_records_close(&records);
  return exit_code;
}

const struct tg_verb tg_verb_event = {
    .name = "event",
    .arguments = "send FILE|- | ls | show ID",
    .arguments_min = 1,
    .arguments_max = 2,
    .summary = "send events to waiting runs, and show those that came",
    .prose =
        "An event is a CloudEvent 1.0 as JSON; a file may hold one, a list of them, or one a\n"
        "line. When send ends with 0 its events are on disk, and a host that is at work takes\n"
        "them in at once, else the next one. An event is known by its source and id: sent again\n"
        "it is accepted and told, and nothing happens twice. ID is the event's id, or \"last\".",
    .options =
        (const struct tg_option[]){
            {"type", 0, TG_OPTION_TEXT, "TYPE", "ls, show: of this type only", NULL, NULL},
            {"source", 0, TG_OPTION_TEXT, "SOURCE", "ls, show: from this source only", NULL, NULL},
            {"limit", 'n', TG_OPTION_COUNT, "N", "ls: at most so many (default 20)", NULL, NULL},
            {NULL, 0, TG_OPTION_FLAG, NULL, NULL, NULL, NULL},
        },
    .examples =
        (const struct tg_example[]){
            {"event send order.json", "one event, or several"},
            {"event send - < events.jsonl", "from standard input"},
            {"event ls --type com.example.order.placed", "the newest of a type"},
            {"event show last -o json", "the newest of all, for a program"},
            {NULL, NULL},
        },
    .run = event_run,
};
