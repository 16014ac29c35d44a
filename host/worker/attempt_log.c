// SPDX-License-Identifier: Apache-2.0
#include "worker/attempt_log.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/must.h"
#include "base/units.h"

static const char *const stream_words[] = {"out", "err"};

// The line of a command's stream that is not ended yet, and the last one that was.
struct stream {
  struct tg_buf open, last;
  int64_t beyond; // bytes of the open line that were not kept
};

// The file, which the queue's thread alone touches, and what it is given to write.
struct sink {
  struct tg_serial_call call;
  char folder[4096], path[4096];
  int fd;
  bool is_last; // the piece ends the log
  struct tg_buf piece;
  int64_t failed_lines, failed_bytes; // there is no folder, or no space: the run goes on without
};

struct tg_attempt_log {
  struct tg_serial *disk;
  struct sink sink;
  bool is_writing; // the sink is the queue's
  bool is_ended;
  int64_t kept; // bytes that went to the sink
  int64_t dropped_lines, dropped_bytes;
  struct tg_buf out;  // lines for the next piece
  bool is_head_full;  // from then on lines go to the tail
  struct tg_buf tail; // whole lines, at most twice what is kept of them
  struct stream streams[2];
  char time[TG_TIME_TEXT_LEN + 1]; // of the call: its lines came together
};

static bool file_open(struct sink *sink) {
  if (sink->fd >= 0) return true;
  if (tg_file_make_folder(sink->folder, NULL)) return false;
  sink->fd = open(sink->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  return sink->fd >= 0;
}

static void piece_write(void *self) {
  struct tg_attempt_log *log = self;
  struct sink *sink = &log->sink;
  bool is_open = sink->piece.len && file_open(sink);
  size_t done = is_open ? tg_file_put(sink->fd, sink->piece.data, sink->piece.len) : 0;
  if (done < sink->piece.len) sink->failed_lines++;
  sink->failed_bytes += (int64_t)(sink->piece.len - done);
  if (sink->is_last && sink->fd >= 0) close(sink->fd);
}

static void piece_written(void *self);

struct tg_attempt_log *tg_attempt_log_new(struct tg_serial *disk, const char *data, const char *run,
                                          const char *task, uint32_t attempt) {
  struct tg_attempt_log *log = tg_must(calloc(1, sizeof *log));
  log->disk = disk;
  struct sink *sink = &log->sink;
  sink->fd = -1;
  sink->call = (struct tg_serial_call){.run = piece_write, .done = piece_written, .self = log};
  snprintf(sink->folder, sizeof sink->folder, "%s/logs/%s", data, run);
  snprintf(sink->path, sizeof sink->path, "%.3800s/%.128s.%" PRIu32 ".log", sink->folder, task,
           attempt);
  tg_buf_init(&sink->piece, (size_t)TG_ATTEMPT_LOG_BYTES_MAX * 2);
  tg_buf_init(&log->out, (size_t)TG_ATTEMPT_LOG_BYTES_MAX * 2);
  tg_buf_init(&log->tail, (size_t)TG_ATTEMPT_LOG_TAIL_BYTES_MAX * 4);
  for (int i = 0; i < 2; i++) {
    tg_buf_init(&log->streams[i].open, (size_t)TG_RESULT_BYTES_MAX);
    tg_buf_init(&log->streams[i].last, (size_t)TG_RESULT_BYTES_MAX);
  }
  return log;
}

static void drop(struct tg_attempt_log *log, size_t len) {
  log->dropped_lines++;
  log->dropped_bytes += (int64_t)len;
}

// Drops the first lines of the tail until no more than `max` bytes are left.
static void tail_cut(struct tg_attempt_log *log, size_t max) {
  struct tg_buf *tail = &log->tail;
  if (tail->len <= max) return;
  const char *at = tail->data, *from = tail->data + (tail->len - max);
  for (const char *end; at < from && (end = strchr(at, '\n')); at = end + 1)
    drop(log, (size_t)(end + 1 - at));
  tg_buf_consume(tail, (size_t)(at - tail->data));
}

// Says where a line goes: into the next piece, or to the tail.
static struct tg_buf *place_for(struct tg_attempt_log *log, size_t len) {
  const int64_t head_max = TG_ATTEMPT_LOG_BYTES_MAX - TG_ATTEMPT_LOG_TAIL_BYTES_MAX;
  if (log->kept + (int64_t)(log->out.len + len) > head_max) log->is_head_full = true;
  if (!log->is_head_full) return &log->out;
  if (log->tail.len > 2 * (size_t)TG_ATTEMPT_LOG_TAIL_BYTES_MAX)
    tail_cut(log, (size_t)TG_ATTEMPT_LOG_TAIL_BYTES_MAX);
  return &log->tail;
}

static bool is_control(char c) {
  return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}

// Formats a line, of which `whole` bytes were printed.
static void line_format(const struct tg_attempt_log *log, struct tg_buf *out, const char *stream,
                        const char *text, size_t len, size_t whole) {
  size_t kept = len < (size_t)TG_LOG_LINE_BYTES_MAX ? len : (size_t)TG_LOG_LINE_BYTES_MAX;
  tg_buf_put(out, log->time, TG_TIME_TEXT_LEN);
  tg_buf_putc(out, ' ');
  tg_buf_puts(out, stream);
  tg_buf_putc(out, ' ');
  for (size_t i = 0, plain; i < kept; i += plain) {
    for (plain = 0; i + plain < kept && !is_control(text[i + plain]);) plain++;
    tg_buf_put(out, text + i, plain);
    if (i + plain < kept) tg_buf_putf(out, "\\x%02x", (unsigned char)text[i + plain++]);
  }
  if (kept < whole) tg_buf_putf(out, " (%zu bytes of this line dropped)", whole - kept);
  tg_buf_putc(out, '\n');
}

static void time_take(struct tg_attempt_log *log) {
  tg_time_format(tg_clock_wall_ms(tg_clock_system()), log->time);
}

static void line_put(struct tg_attempt_log *log, const char *stream, const char *text, size_t len,
                     size_t whole) {
  line_format(log, place_for(log, len), stream, text, len, whole);
}

// Gives the queue what has gathered.
static void piece_send(struct tg_attempt_log *log) {
  struct tg_buf gathered = log->out;
  if (gathered.len) tg_log_redact(gathered.data);
  gathered.len = strlen(tg_buf_text(&gathered));
  log->out = log->sink.piece;
  log->sink.piece = gathered;
  log->kept += (int64_t)gathered.len;
  log->is_writing = true;
  tg_serial_add(log->disk, &log->sink.call);
}

// Puts what ends a log behind what has been written of it.
static void end_gather(struct tg_attempt_log *log) {
  log->sink.is_last = true;
  log->dropped_lines += log->sink.failed_lines;
  log->dropped_bytes += log->sink.failed_bytes;
  tail_cut(log, (size_t)TG_ATTEMPT_LOG_TAIL_BYTES_MAX);
  if (log->dropped_lines) {
    char text[128];
    int len = snprintf(text, sizeof text, "%" PRId64 " lines (%" PRId64 " bytes) dropped",
                       log->dropped_lines, log->dropped_bytes);
    line_format(log, &log->out, "warn", text, (size_t)len, (size_t)len);
  }
  tg_buf_put(&log->out, tg_buf_text(&log->tail), log->tail.len);
}

static void release(struct tg_attempt_log *log) {
  tg_buf_deinit(&log->sink.piece);
  tg_buf_deinit(&log->out);
  tg_buf_deinit(&log->tail);
  for (int i = 0; i < 2; i++) {
    tg_buf_deinit(&log->streams[i].open);
    tg_buf_deinit(&log->streams[i].last);
  }
  free(log);
}

// Goes on with what is to be written: what has gathered, then the end, then nothing.
static void advance(struct tg_attempt_log *log) {
  if (log->is_writing) return;
  if (log->out.len) {
    piece_send(log);
  } else if (log->is_ended && !log->sink.is_last) {
    end_gather(log);
    if (log->kept || log->out.len)
      piece_send(log);
    else
      release(log);
  } else if (log->is_ended) {
    release(log);
  }
}

static void piece_written(void *self) {
  struct tg_attempt_log *log = self;
  log->is_writing = false;
  tg_buf_clear(&log->sink.piece);
  advance(log);
}

void tg_attempt_log_line(struct tg_attempt_log *log, const char *stream, const char *text,
                         size_t len) {
  time_take(log);
  while (len) {
    const char *end = memchr(text, '\n', len);
    size_t line = end ? (size_t)(end - text) : len;
    line_put(log, stream, text, line, line);
    if (!end) break;
    text += line + 1;
    len -= line + 1;
  }
  advance(log);
}

static bool is_blank(const char *text, size_t len) {
  while (len && (text[len - 1] == ' ' || text[len - 1] == '\t' || text[len - 1] == '\r')) len--;
  return len == 0;
}

// A line that was too long to be kept is nobody's last line, and hides the one before it.
static void stream_line(struct tg_attempt_log *log, int at) {
  struct stream *stream = &log->streams[at];
  struct tg_buf *open = &stream->open;
  if (!stream->beyond && open->len && open->data[open->len - 1] == '\r')
    open->data[--open->len] = 0;
  line_put(log, stream_words[at], tg_buf_text(open), open->len, open->len + (size_t)stream->beyond);
  if (stream->beyond) {
    tg_buf_clear(&stream->last);
  } else if (!is_blank(tg_buf_text(open), open->len)) {
    struct tg_buf last = stream->last;
    stream->last = *open;
    *open = last;
  }
  stream->beyond = 0;
  tg_buf_clear(open);
}

static bool has_open_line(const struct stream *stream) {
  return stream->open.len || stream->beyond;
}

void tg_attempt_log_output(struct tg_attempt_log *log, int stream, const char *bytes, size_t len) {
  time_take(log);
  while (len) {
    const char *end = memchr(bytes, '\n', len);
    size_t part = end ? (size_t)(end - bytes) : len;
    if (!tg_buf_put(&log->streams[stream].open, bytes, part))
      log->streams[stream].beyond += (int64_t)part;
    if (!end) break;
    stream_line(log, stream);
    bytes += part + 1;
    len -= part + 1;
  }
  advance(log);
}

const char *tg_attempt_log_last(struct tg_attempt_log *log, int stream, size_t *len) {
  struct stream *s = &log->streams[stream];
  time_take(log);
  if (has_open_line(s)) stream_line(log, stream);
  *len = s->last.len;
  return tg_buf_text(&s->last);
}

void tg_attempt_log_free(struct tg_attempt_log *log) {
  if (!log) return;
  time_take(log);
  for (int i = 0; i < 2; i++)
    if (has_open_line(&log->streams[i])) stream_line(log, i);
  log->is_ended = true;
  advance(log);
}
