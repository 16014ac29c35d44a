// SPDX-License-Identifier: Apache-2.0
// A streaming CSV reader: one record at a time out of a descriptor, in constant memory.
//
// Source: RFC 4180, with any one-byte delimiter and quote, LF as well as CRLF, and a UTF-8 byte
// order mark at the start. A record that breaks the rules is given as a bad one with its reason,
// and the reading goes on behind it:
//   a quote that is never closed       the bad record is its first line alone
//   longer than TG_CSV_RECORD_BYTES_MAX its first line, of which the beginning is kept
//   anything else                       up to the end of the line in which it went wrong
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

struct tg_csv_field {
  const char *data; // not NUL-terminated
  size_t len;
  bool is_quoted;
};

struct tg_csv_record {
  struct tg_csv_field *fields;
  size_t count;
  int64_t line;    // where it starts, from 1
  const char *raw; // as it stands in the file, without its line end
  size_t raw_len;
  const char *reason; // why it is bad, or NULL
};

struct tg_csv {
  int fd; // the caller's
  char delimiter;
  char quote; // 0 for none
  bool is_end;
  bool is_skipping; // the rest of a line that is too long
  bool has_started;
  struct tg_buf in, decoded;
  size_t at; // first byte of `in` that was not given yet
  int64_t line;
  struct tg_csv_field *fields;
  size_t count;
};

/// Starts to read.
///
/// Errors: TG_ENOMEM
int tg_csv_init(struct tg_csv *csv, int fd, char delimiter, char quote, struct tg_error *err);
void tg_csv_deinit(struct tg_csv *csv);

/// Reads the next record, good or bad; it is valid until the next call.
///
/// Shape:  *has_record is false at the end of the file
/// Errors: TG_EIO, TG_ENOMEM
int tg_csv_next(struct tg_csv *csv, struct tg_csv_record *record, bool *has_record,
                struct tg_error *err);
