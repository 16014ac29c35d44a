// SPDX-License-Identifier: Apache-2.0
#include "warehouse/csv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/utf8.h"

enum { READ_BYTES = 64 * 1024, RAW_KEPT_BYTES = 1024 };

enum scan { SCAN_DONE, SCAN_MORE, SCAN_OPEN_QUOTE };

static const char reason_long[] = "longer than 1 MiB";
static const char reason_open[] = "a quote is not closed";
static const char reason_stray[] = "a quote inside an unquoted field";
static const char reason_after[] = "text after a closing quote";
static const char reason_fields[] = "more than 2000 fields";
static const char reason_utf8[] = "not valid UTF-8";

int tg_csv_init(struct tg_csv *csv, int fd, char delimiter, char quote, struct tg_error *err) {
  *csv = (struct tg_csv){.fd = fd, .delimiter = delimiter, .quote = quote, .line = 1};
  tg_buf_init(&csv->in, TG_CSV_RECORD_BYTES_MAX + READ_BYTES);
  tg_buf_init(&csv->decoded, TG_CSV_RECORD_BYTES_MAX + READ_BYTES);
  csv->fields = calloc(TG_SQL_COLUMNS_MAX, sizeof *csv->fields);
  return csv->fields ? TG_OK : tg_error_set(err, TG_ENOMEM, "out of memory");
}

void tg_csv_deinit(struct tg_csv *csv) {
  tg_buf_deinit(&csv->in);
  tg_buf_deinit(&csv->decoded);
  free(csv->fields);
  csv->fields = NULL;
}

static int block_read(struct tg_csv *csv, struct tg_error *err) {
  tg_buf_consume(&csv->in, csv->at);
  csv->at = 0;
  char *room = tg_buf_reserve(&csv->in, READ_BYTES);
  if (!room) return tg_error_set(err, TG_ENOMEM, "out of memory");
  ssize_t got;
  do got = read(csv->fd, room, READ_BYTES);
  while (got < 0 && errno == EINTR);
  if (got < 0) return tg_error_errno(err, TG_EIO, errno, "cannot read the file");
  csv->in.len += (size_t)got;
  room[got] = 0;
  csv->is_end = got == 0;
  return TG_OK;
}

// The record under construction: a cursor over what is buffered of it.
struct cursor {
  struct tg_csv *csv;
  const char *at, *end;
  const char *reason;
};

// Reads past the opening quote to behind the closing one. A field without doubled quotes stays
// where it is; one with them is put together in `decoded`, which never moves while a record is
// read.
static enum scan quoted_scan(struct cursor *in, struct tg_csv_field *field) {
  struct tg_csv *csv = in->csv;
  const char *piece = ++in->at;
  size_t kept_at = csv->decoded.len;
  field->is_quoted = true;
  for (;;) {
    const char *quote = memchr(in->at, csv->quote, (size_t)(in->end - in->at));
    if (!quote) return csv->is_end ? SCAN_OPEN_QUOTE : SCAN_MORE;
    if (quote + 1 == in->end && !csv->is_end) return SCAN_MORE;
    in->at = quote + 1;
    if (quote + 1 == in->end || quote[1] != csv->quote) {
      tg_buf_put(&csv->decoded, piece, (size_t)(quote - piece));
      break;
    }
    tg_buf_put(&csv->decoded, piece, (size_t)(quote + 1 - piece));
    piece = ++in->at;
  }
  field->data = csv->decoded.data + kept_at;
  field->len = csv->decoded.len - kept_at;
  return SCAN_DONE;
}

static bool is_line_end(const struct cursor *in, const char *at) {
  return at == in->end || *at == '\n' || (*at == '\r' && at + 1 < in->end && at[1] == '\n');
}

static void unquoted_scan(struct cursor *in, struct tg_csv_field *field) {
  const char *start = in->at;
  while (!is_line_end(in, in->at) && *in->at != in->csv->delimiter) {
    if (in->csv->quote && *in->at == in->csv->quote) in->reason = reason_stray;
    in->at++;
  }
  field->data = start;
  field->len = (size_t)(in->at - start);
  field->is_quoted = false;
}

static enum scan field_scan(struct cursor *in, struct tg_csv_field *field) {
  if (!in->csv->quote || in->at == in->end || *in->at != in->csv->quote) {
    unquoted_scan(in, field);
    return SCAN_DONE;
  }
  enum scan scan = quoted_scan(in, field);
  if (scan == SCAN_DONE && !is_line_end(in, in->at) && *in->at != in->csv->delimiter)
    in->reason = reason_after;
  return scan;
}

// Reads the fields of one record. SCAN_MORE says that its end is not buffered yet.
static enum scan record_scan(struct cursor *in) {
  struct tg_csv *csv = in->csv;
  csv->count = 0;
  for (;;) {
    if (csv->count == TG_SQL_COLUMNS_MAX) {
      in->reason = reason_fields;
      break;
    }
    enum scan scan = field_scan(in, &csv->fields[csv->count]);
    if (scan != SCAN_DONE) return scan;
    csv->count++;
    if (in->reason || is_line_end(in, in->at)) break;
    in->at++; // the delimiter
  }
  while (!is_line_end(in, in->at)) in->at++; // what is left of a bad line
  return in->at == in->end && !csv->is_end ? SCAN_MORE : SCAN_DONE;
}

// Gives the bytes up to `len` away, with the line end behind them.
static void record_take(struct tg_csv *csv, struct tg_csv_record *record, size_t len,
                        const char *reason) {
  const char *raw = csv->in.data + csv->at;
  size_t left = csv->in.len - csv->at;
  *record = (struct tg_csv_record){.fields = csv->fields,
                                   .count = reason ? 0 : csv->count,
                                   .line = csv->line,
                                   .raw = raw,
                                   .raw_len = len,
                                   .reason = reason};
  if (!reason && !tg_utf8_is_valid(raw, len)) record->reason = reason_utf8;
  if (len < left && raw[len] == '\r') len++;
  if (len < left && raw[len] == '\n') len++;
  for (size_t i = 0; i < len; i++) csv->line += raw[i] == '\n';
  csv->at += len;
}

// Gives the first line of what is buffered as a bad record.
static void line_take(struct tg_csv *csv, struct tg_csv_record *record, const char *reason) {
  const char *raw = csv->in.data + csv->at;
  size_t left = csv->in.len - csv->at;
  const char *newline = memchr(raw, '\n', left);
  if (newline || csv->is_end) {
    size_t len = newline ? (size_t)(newline - raw) : left;
    if (newline && len && raw[len - 1] == '\r') len--;
    record_take(csv, record, len, reason);
    return;
  }
  record_take(csv, record, left, reason_long);
  record->raw_len = RAW_KEPT_BYTES;
  csv->is_skipping = true;
}

static int line_skip(struct tg_csv *csv, struct tg_error *err) {
  while (csv->is_skipping) {
    size_t left = csv->in.len - csv->at;
    const char *newline = left ? memchr(csv->in.data + csv->at, '\n', left) : NULL;
    csv->at = newline ? (size_t)(newline + 1 - csv->in.data) : csv->in.len;
    csv->line += newline != NULL;
    csv->is_skipping = !newline && !csv->is_end;
    int code = csv->is_skipping ? block_read(csv, err) : TG_OK;
    if (code) return code;
  }
  return TG_OK;
}

static int start(struct tg_csv *csv, struct tg_error *err) {
  csv->has_started = true;
  // Reserved once and whole, so that fields may point into it.
  if (!tg_buf_reserve(&csv->decoded, csv->decoded.max))
    return tg_error_set(err, TG_ENOMEM, "out of memory");
  while (!csv->is_end && csv->in.len < 3) {
    int code = block_read(csv, err);
    if (code) return code;
  }
  if (csv->in.len >= 3 && memcmp(csv->in.data, "\xEF\xBB\xBF", 3) == 0) csv->at = 3;
  return TG_OK;
}

int tg_csv_next(struct tg_csv *csv, struct tg_csv_record *record, bool *has_record,
                struct tg_error *err) {
  *has_record = false;
  int code = csv->has_started ? line_skip(csv, err) : start(csv, err);
  while (!code) {
    size_t left = csv->in.len - csv->at;
    if (!left && csv->is_end) return TG_OK;
    const char *raw = csv->in.data + csv->at;
    struct cursor in = {.csv = csv, .at = raw, .end = raw + left};
    tg_buf_clear(&csv->decoded);
    enum scan scan = record_scan(&in);
    *has_record = true;
    if (scan == SCAN_DONE)
      record_take(csv, record, (size_t)(in.at - raw), in.reason);
    else if (scan == SCAN_OPEN_QUOTE || left >= (size_t)TG_CSV_RECORD_BYTES_MAX)
      line_take(csv, record, reason_open);
    else
      *has_record = false;
    if (*has_record) return TG_OK;
    code = block_read(csv, err);
  }
  return code;
}
