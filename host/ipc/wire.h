// SPDX-License-Identifier: Apache-2.0
// The encoding of messages: fixed-width little-endian numbers, and strings as a 32-bit length, the
// bytes and a NUL (so that a decoded string is also a C string). A list is a 32-bit count and its
// items. A value is a type byte and its payload.
//
// A reader that runs past the end, or finds a string without its NUL, is marked `is_failed` and
// gives zeros and empty strings from then on; look once at the end.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct tg_slice {
  const char *data; // NUL-terminated, never NULL
  size_t len;
};

/// A scalar as SQL and scripts know it.
enum tg_value_type { TG_VALUE_NULL, TG_VALUE_INT, TG_VALUE_REAL, TG_VALUE_TEXT, TG_VALUE_BOOL };

struct tg_value {
  enum tg_value_type type;
  int64_t integer; // of an INT; 0 or 1 of a BOOL
  double real;
  struct tg_slice text; // any bytes
};

struct tg_reader {
  const char *at, *end;
  bool is_failed;
};

void tg_wire_put_u8(struct tg_buf *out, uint8_t value);
void tg_wire_put_u32(struct tg_buf *out, uint32_t value);
void tg_wire_put_u64(struct tg_buf *out, uint64_t value);
void tg_wire_put_i64(struct tg_buf *out, int64_t value);
void tg_wire_put_f64(struct tg_buf *out, double value);
void tg_wire_put_bytes(struct tg_buf *out, const void *bytes, size_t len);
void tg_wire_put_text(struct tg_buf *out, const char *text); // NULL is put as ""
void tg_wire_put_value(struct tg_buf *out, const struct tg_value *value);

struct tg_reader tg_reader_of(const void *bytes, size_t len);

uint8_t tg_wire_get_u8(struct tg_reader *in);
uint32_t tg_wire_get_u32(struct tg_reader *in);
uint64_t tg_wire_get_u64(struct tg_reader *in);
int64_t tg_wire_get_i64(struct tg_reader *in);
double tg_wire_get_f64(struct tg_reader *in);
struct tg_slice tg_wire_get_bytes(struct tg_reader *in);
const char *tg_wire_get_text(struct tg_reader *in); // fails on a string with a NUL inside
struct tg_value tg_wire_get_value(struct tg_reader *in);

/// Reads a list's count, and fails if so many items of at least `item_min` bytes cannot follow.
uint32_t tg_wire_get_count(struct tg_reader *in, size_t item_min);

/// Says whether all was read and nothing failed.
bool tg_reader_is_done(const struct tg_reader *in);
