// SPDX-License-Identifier: Apache-2.0
// A growing byte buffer with a ceiling stated at birth.
//
// A write that would pass the ceiling, or finds no memory, changes nothing and marks the buffer
// `is_failed`; every later write is a no-op. So a writer may put many times and look once.
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct tg_buf {
  char *data; // NUL-terminated when not NULL
  size_t len, cap, max;
  bool is_failed;
  bool is_out_of_memory; // that is why
};

/// Makes an empty buffer that never holds more than `max` bytes.
void tg_buf_init(struct tg_buf *buf, size_t max);

/// Frees what the buffer holds.
void tg_buf_deinit(struct tg_buf *buf);

/// Empties the buffer and keeps its memory; clears `is_failed`.
void tg_buf_clear(struct tg_buf *buf);

/// Makes it failed for want of memory: what was to be put could not be made.
void tg_buf_fail(struct tg_buf *buf);

/// Makes room for `more` bytes and gives a pointer to them, or NULL. The length is not changed.
void *tg_buf_reserve(struct tg_buf *buf, size_t more);

/// Appends bytes, a string, a character or formatted text. Returns false when the buffer failed.
bool tg_buf_put(struct tg_buf *buf, const void *bytes, size_t len);
bool tg_buf_puts(struct tg_buf *buf, const char *text);
bool tg_buf_putc(struct tg_buf *buf, char c);
bool tg_buf_putf(struct tg_buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool tg_buf_vputf(struct tg_buf *buf, const char *format, va_list args);

/// Appends a JSON string literal, quotes and escapes included; invalid UTF-8 becomes U+FFFD.
bool tg_buf_put_json(struct tg_buf *buf, const char *text, size_t len);

/// Removes the first `len` bytes.
void tg_buf_consume(struct tg_buf *buf, size_t len);

/// Gives the text, "" when nothing was ever put.
const char *tg_buf_text(const struct tg_buf *buf);

/// Gives the bytes to the caller and leaves the buffer empty.
///
/// Owns:   the caller frees the result; NULL if the buffer failed
char *tg_buf_take(struct tg_buf *buf);
