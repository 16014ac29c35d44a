// SPDX-License-Identifier: Apache-2.0
// logs: what the attempts of a run wrote. Each attempt has a file in the data folder,
// logs/RUN/TASK.ATTEMPT.log, or of an item of a map TASK[ITEM].ATTEMPT.log, of lines "<RFC 3339>
// <stream> <text>"; the stream is out or err of a command, or the level at which a script logged.
// Following reads what was added to the files, a few times a second, until the run has ended.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/map.h"
#include "cli/exit.h"
#include "cli/records.h"
#include "cli/text.h"
#include "cli/verbs.h"

enum { FOLLOW_MS = 200, FLUSH_BYTES = 65536, PATH_BYTES_MAX = 4096, LABEL_BYTES_MAX = 192 };

struct reader {
  struct tg_records records;
  const struct tg_args *args;
  struct tg_arena arena; // of the keys below
  struct tg_map offsets; // "task.attempt" -> int64_t, what was read of the file
  struct tg_buf pending, out;
  bool has_items; // of the JSON list
};

static enum tg_style stream_style(const char *stream) {
  if (strcmp(stream, "err") == 0 || strcmp(stream, "warn") == 0) return TG_STYLE_WARN;
  if (strcmp(stream, "error") == 0) return TG_STYLE_BAD;
  return strcmp(stream, "debug") == 0 ? TG_STYLE_DIM : TG_STYLE_PLAIN;
}

// Where lines come from: an attempt of a task, or of an item of a map.
struct origin {
  const char *task;
  uint32_t item, attempt;
  char label[LABEL_BYTES_MAX]; // "publish.1", "publish[17].1"
};

// One line in its three parts; a line of another shape is all text.
struct line {
  char time[40], stream[16];
  const char *text;
  size_t len;
};

static struct line line_split(const char *text, size_t len) {
  struct line line = {.text = text, .len = len};
  const char *space = memchr(text, ' ', len);
  const char *second = space ? memchr(space + 1, ' ', len - (size_t)(space + 1 - text)) : NULL;
  if (!second) return line;
  snprintf(line.time, sizeof line.time, "%.*s", (int)(space - text), text);
  snprintf(line.stream, sizeof line.stream, "%.*s", (int)(second - space - 1), space + 1);
  line.text = second + 1;
  line.len = len - (size_t)(second + 1 - text);
  return line;
}

static void line_put_text(struct reader *reader, const char *label, const struct line *line) {
  const struct tg_output *output = &reader->records.output;
  struct tg_buf *out = &reader->out;
  tg_text_put_styled(out, line->time, TG_STYLE_DIM, output->has_color);
  tg_buf_putf(out, " %s %-5s ", label, line->stream);
  enum tg_style style = output->has_color ? stream_style(line->stream) : TG_STYLE_PLAIN;
  tg_style_begin(out, style);
  tg_text_put_clean(out, line->text, line->len);
  tg_style_end(out, style);
  tg_buf_putc(out, '\n');
}

// Puts an object; "schema_version" is on each line of jsonl, and at the head of json.
static void line_put_json(struct reader *reader, const struct origin *origin,
                          const struct line *line) {
  struct tg_buf *out = &reader->out;
  bool is_list = reader->records.output.format == TG_FORMAT_JSON;
  if (is_list)
    tg_buf_puts(out, reader->has_items ? ",\n{" : "\n{");
  else
    tg_buf_putf(out, "{\"schema_version\":%d,", TG_OUTPUT_SCHEMA_VERSION);
  reader->has_items = true;
  tg_buf_puts(out, "\"task\":");
  tg_buf_put_json(out, origin->task, strlen(origin->task));
  if (origin->item != TG_NO_ITEM) tg_buf_putf(out, ",\"item\":%u", origin->item);
  tg_buf_putf(out, ",\"attempt\":%u,\"at\":", origin->attempt);
  tg_buf_put_json(out, line->time, strlen(line->time));
  tg_buf_puts(out, ",\"stream\":");
  tg_buf_put_json(out, line->stream, strlen(line->stream));
  tg_buf_puts(out, ",\"text\":");
  tg_buf_put_json(out, line->text, line->len);
  tg_buf_puts(out, is_list ? "}" : "}\n");
}

// Takes the whole lines out of what was read; at the end of a run the last one need not be whole.
static void lines_take(struct reader *reader, const struct origin *origin, bool is_final) {
  const char *at = tg_buf_text(&reader->pending);
  size_t left = reader->pending.len;
  while (left) {
    const char *end = memchr(at, '\n', left);
    if (!end && !is_final) break;
    size_t len = end ? (size_t)(end - at) : left;
    struct line line = line_split(at, len);
    if (reader->records.output.format == TG_FORMAT_TEXT)
      line_put_text(reader, origin->label, &line);
    else
      line_put_json(reader, origin, &line);
    len += end != NULL;
    at += len;
    left -= len;
  }
  tg_buf_consume(&reader->pending, reader->pending.len - left);
}

static int64_t *offset_of(struct reader *reader, const char *key) {
  int64_t *offset = tg_map_get(&reader->offsets, key);
  if (offset) return offset;
  offset = tg_arena_alloc(&reader->arena, sizeof *offset);
  return offset && tg_map_put(&reader->offsets, key, offset) == 0 ? offset : NULL;
}

// Reads on from where the last look ended; an attempt that wrote nothing has no file.
static int file_read(struct reader *reader, const char *path, int64_t *offset,
                     const struct origin *origin, bool is_final) {
  struct tg_error err;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) return TG_EXIT_SUCCESS;
  if (fd < 0) {
    tg_error_errno(&err, tg_file_code(errno), errno, "cannot open %s", path);
    return tg_exit_report(&err);
  }
  int exit_code = TG_EXIT_SUCCESS;
  char *room;
  ssize_t got = 1;
  tg_buf_clear(&reader->pending);
  while (got > 0 && !exit_code && (room = tg_buf_reserve(&reader->pending, FLUSH_BYTES))) {
    got = pread(fd, room, FLUSH_BYTES, *offset + (int64_t)reader->pending.len);
    if (got > 0) reader->pending.len += (size_t)got;
    size_t before = reader->pending.len;
    lines_take(reader, origin, is_final && got == 0);
    *offset += (int64_t)(before - reader->pending.len);
    if (reader->out.len >= FLUSH_BYTES) exit_code = tg_output_text(&reader->out);
  }
  if (got < 0) {
    tg_error_errno(&err, TG_EIO, errno, "cannot read %s", path);
    exit_code = tg_exit_report(&err);
  }
  close(fd);
  return exit_code;
}

static int attempt_read(struct reader *reader, const struct tg_view *view,
                        const struct tg_attempt *attempt, bool is_final) {
  char id[TG_ID_TEXT_LEN + 1], path[PATH_BYTES_MAX];
  struct origin origin = {.task = tg_view_task_name(view, attempt->task),
                          .item = attempt->item,
                          .attempt = attempt->number};
  tg_id_format(view->run.id, id);
  if (attempt->item == TG_NO_ITEM)
    snprintf(origin.label, LABEL_BYTES_MAX, "%s.%u", origin.task, attempt->number);
  else
    snprintf(origin.label, LABEL_BYTES_MAX, "%s[%u].%u", origin.task, attempt->item,
             attempt->number);
  int len = snprintf(path, sizeof path, "%s/logs/%s/%s.log", reader->records.project.data, id,
                     origin.label);
  int64_t *offset = offset_of(reader, origin.label);
  if (!offset || len < 0 || (size_t)len >= sizeof path || strchr(origin.task, '/')) {
    struct tg_error err;
    tg_error_set(&err, offset ? TG_EINVALID : TG_ENOMEM, "cannot read the log of %s", origin.label);
    return tg_exit_report(&err);
  }
  return file_read(reader, path, offset, &origin, is_final);
}

static int by_start(const void *a, const void *b) {
  const struct tg_attempt *x = a, *y = b;
  if (x->started_at != y->started_at) return x->started_at < y->started_at ? -1 : 1;
  if (x->task != y->task) return x->task < y->task ? -1 : 1;
  return x->item != y->item ? (x->item < y->item ? -1 : 1) : 0;
}

// Gives all attempts in the order of their starts: those that have a record, and those of items
// that succeeded at once, which have none.
static struct tg_attempt *attempts_list(struct tg_view *view, size_t *count) {
  size_t recorded = view->attempt_count, at = 0;
  struct tg_attempt *all =
      tg_arena_alloc(&view->arena, (recorded + view->item_count + 1) * sizeof *all);
  if (!all) return NULL;
  if (recorded) memcpy(all, view->attempts, recorded * sizeof *all);
  *count = recorded;
  for (size_t i = 0; i < view->item_count; i++) {
    const struct tg_item *item = &view->items[i];
    const struct tg_attempt *attempt = view->attempts;
    while (at < recorded && (attempt[at].task < item->task ||
                             (attempt[at].task == item->task &&
                              (attempt[at].item == TG_NO_ITEM || attempt[at].item < item->index))))
      at++;
    bool has_record =
        at < recorded && attempt[at].task == item->task && attempt[at].item == item->index;
    if (!has_record && item->attempts == 1)
      all[(*count)++] = (struct tg_attempt){
          .task = item->task, .item = item->index, .number = 1, .started_at = item->started_at};
  }
  if (*count) qsort(all, *count, sizeof *all, by_start);
  return all;
}

// Looks at every log once; *has_ended says whether there is nothing more to come.
static int look(struct reader *reader, bool *has_ended) {
  struct tg_view view;
  uint32_t task;
  int exit_code = tg_records_view(&reader->records, reader->args, &view);
  if (!exit_code) exit_code = tg_records_task(reader->args, &view, &task);
  if (exit_code) goto done;
  *has_ended = tg_run_state_is_terminal(view.run.state);
  bool is_final = *has_ended || !tg_args_has(reader->args, "follow");
  int64_t number = tg_args_count(reader->args, "attempt", 0);
  size_t count = 0;
  const struct tg_attempt *attempts = attempts_list(&view, &count);
  for (size_t i = 0; i < count && !exit_code; i++) {
    const struct tg_attempt *attempt = &attempts[i];
    if ((task == UINT32_MAX || attempt->task == task) && (!number || attempt->number == number))
      exit_code = attempt_read(reader, &view, attempt, is_final);
  }
  if (!exit_code && reader->out.len) exit_code = tg_output_text(&reader->out);

done:
  tg_view_deinit(&view);
  return exit_code;
}

static int logs_read(struct reader *reader) {
  bool is_list = reader->records.output.format == TG_FORMAT_JSON;
  bool has_ended = false, is_last = !tg_args_has(reader->args, "follow");
  if (is_list)
    tg_buf_putf(&reader->out, "{\"schema_version\":%d,\"logs\":[", TG_OUTPUT_SCHEMA_VERSION);
  int exit_code = look(reader, &has_ended);
  while (!exit_code && !is_last) {
    is_last = has_ended; // what was said last may be on its way to the disk yet
    nanosleep(&(struct timespec){.tv_nsec = FOLLOW_MS * 1000000L}, NULL);
    exit_code = look(reader, &has_ended);
  }
  if (exit_code || !is_list) return exit_code;
  tg_buf_puts(&reader->out, "]}\n");
  return tg_output_text(&reader->out);
}

static int logs_run(const struct tg_args *args) {
  struct reader reader = {.args = args};
  tg_arena_init(&reader.arena);
  tg_map_init(&reader.offsets);
  tg_buf_init(&reader.pending, TG_ATTEMPT_LOG_BYTES_MAX + FLUSH_BYTES);
  tg_buf_init(&reader.out, SIZE_MAX / 2);
  int exit_code = tg_records_open(&reader.records, args);
  if (!exit_code) exit_code = logs_read(&reader);
  tg_records_close(&reader.records);
  tg_buf_deinit(&reader.out);
  tg_buf_deinit(&reader.pending);
  tg_map_deinit(&reader.offsets);
  tg_arena_deinit(&reader.arena);
  return exit_code;
}

const struct tg_verb tg_verb_logs = {
    .name = "logs",
    .arguments = "RUN [TASK]",
    .arguments_min = 1,
    .arguments_max = 2,
    .summary = "show what the tasks of a run wrote",
    .prose =
        "RUN is an id, a unique prefix of one, or \"last\". Lines say when, TASK.ATTEMPT, the\n"
        "stream (out and err of a command, or a level), and the text.",
    .options =
        (const struct tg_option[]){
            {"follow", 'f', TG_OPTION_FLAG, NULL, "go on until the run has ended", NULL, NULL},
            {"attempt", 0, TG_OPTION_COUNT, "N", "of this attempt only", NULL, NULL},
            {NULL, 0, TG_OPTION_FLAG, NULL, NULL, NULL, NULL},
        },
    .examples =
        (const struct tg_example[]){
            {"logs last", "everything the newest run wrote"},
            {"logs last bronze -f", "one task, as it goes on"},
            {"logs 0193c8f2 bronze --attempt 2 -o jsonl", "one attempt, for a program"},
            {NULL, NULL},
        },
    .run = logs_run,
};
