// SPDX-License-Identifier: Apache-2.0
#include "worker/attempt_log.h"

#include <errno.h>
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
#include "base/units.h"

static const char *const stream_words[] = {"out", "err"};

// The line of a command's stream that is not ended yet, and the last one that was.
struct stream {
  struct tg_buf open, last;
  int64_t beyond; // bytes of the open line that were not kept
};

struct tg_attempt_log {
  char folder[4096], path[4096];
  int fd;
  int64_t written;
  int64_t dropped_lines, dropped_bytes;
  struct tg_buf out;  // lines of one call, written together
  bool is_head_full;  // from then on lines go to the tail
  struct tg_buf tail; // whole lines, at most twice what is kept of them
  struct stream streams[2];
  char time[TG_TIME_TEXT_LEN + 1]; // of the call: its lines came together
};

struct tg_attempt_log *tg_attempt_log_new(const char *data, const char *run, const char *task,
                                          uint32_t attempt) {
  struct tg_attempt_log *log = calloc(1, sizeof *log);
  if (!log) abort();
  log->fd = -1;
  snprintf(log->folder, sizeof log->folder, "%s/logs/%s", data, run);
  snprintf(log->path, sizeof log->path, "%.3800s/%.128s.%" PRIu32 ".log", log->folder, task,
           attempt);
  tg_buf_init(&log->out, (size_t)TG_ATTEMPT_LOG_BYTES_MAX * 2);
  tg_buf_init(&log->tail, (size_t)TG_ATTEMPT_LOG_TAIL_BYTES_MAX * 4);
  for (int i = 0; i < 2; i++) {
    tg_buf_init(&log->streams[i].open, (size_t)TG_RESULT_BYTES_MAX);
    tg_buf_init(&log->streams[i].last, (size_t)TG_RESULT_BYTES_MAX);
  }
  return log;
}

static bool file_open(struct tg_attempt_log *log) {
  if (log->fd >= 0) return true;
  if (tg_file_make_folder(log->folder, NULL)) return false;
  log->fd = open(log->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  return log->fd >= 0;
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

// Says where a line goes: what is written with the next flush, or the tail.
static struct tg_buf *place_for(struct tg_attempt_log *log, size_t len) {
  const int64_t head_max = TG_ATTEMPT_LOG_BYTES_MAX - TG_ATTEMPT_LOG_TAIL_BYTES_MAX;
  if (log->written + (int64_t)(log->out.len + len) > head_max) log->is_head_full = true;
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

static void write_out(struct tg_attempt_log *log, struct tg_buf *out) {
  if (!out->len) return;
  tg_log_redact(out->data);
  size_t len = strlen(out->data), done = 0;
  while (file_open(log) && done < len) {
    ssize_t put = write(log->fd, out->data + done, len - done);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) break;
    done += (size_t)put;
  }
  if (done < len) drop(log, len - done); // no folder, or no space: the run goes on without
  log->written += (int64_t)done;
  tg_buf_clear(out);
}

static void flush(struct tg_attempt_log *log) {
  write_out(log, &log->out);
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
  flush(log);
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
  flush(log);
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
  flush(log);
  tail_cut(log, (size_t)TG_ATTEMPT_LOG_TAIL_BYTES_MAX);
  if (log->dropped_lines) {
    char text[128];
    int len = snprintf(text, sizeof text, "%" PRId64 " lines (%" PRId64 " bytes) dropped",
                       log->dropped_lines, log->dropped_bytes);
    line_format(log, &log->out, "warn", text, (size_t)len, (size_t)len);
    flush(log);
  }
  write_out(log, &log->tail);
  if (log->fd >= 0) close(log->fd);
  tg_buf_deinit(&log->out);
  tg_buf_deinit(&log->tail);
  for (int i = 0; i < 2; i++) {
    tg_buf_deinit(&log->streams[i].open);
    tg_buf_deinit(&log->streams[i].last);
  }
  free(log);
}
