// SPDX-License-Identifier: Apache-2.0
#include "base/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

void tg_buf_init(struct tg_buf *buf, size_t max) {
  *buf = (struct tg_buf){.max = max};
}

void tg_buf_deinit(struct tg_buf *buf) {
  free(buf->data);
  *buf = (struct tg_buf){.max = buf->max};
}

void tg_buf_clear(struct tg_buf *buf) {
  buf->len = 0;
  buf->is_failed = buf->is_out_of_memory = false;
  if (buf->data) buf->data[0] = 0;
}

void tg_buf_fail(struct tg_buf *buf) {
  buf->is_failed = buf->is_out_of_memory = true;
}

void *tg_buf_reserve(struct tg_buf *buf, size_t more) {
  if (buf->is_failed) return NULL;
  if (more > buf->max - buf->len || more > SIZE_MAX / 2 - buf->len) goto failed;
  size_t need = buf->len + more + 1;
  if (need > buf->cap) {
    size_t cap = buf->cap ? buf->cap : 64;
    while (cap < need) cap *= 2;
    char *data = realloc(buf->data, cap);
    if (!data) {
      tg_buf_fail(buf);
      return NULL;
    }
    buf->data = data;
    buf->cap = cap;
  }
  return buf->data + buf->len;

failed:
  buf->is_failed = true;
  return NULL;
}

bool tg_buf_put(struct tg_buf *buf, const void *bytes, size_t len) {
  char *room = tg_buf_reserve(buf, len);
  if (!room) return false;
  if (len) memcpy(room, bytes, len);
  buf->len += len;
  buf->data[buf->len] = 0;
  return true;
}

bool tg_buf_puts(struct tg_buf *buf, const char *text) {
  return tg_buf_put(buf, text, strlen(text));
}

bool tg_buf_putc(struct tg_buf *buf, char c) {
  return tg_buf_put(buf, &c, 1);
}

bool tg_buf_vputf(struct tg_buf *buf, const char *format, va_list args) {
  va_list again;
  va_copy(again, args);
  int len = vsnprintf(NULL, 0, format, again);
  va_end(again);
  if (len < 0) {
    buf->is_failed = true;
    return false;
  }
  char *room = tg_buf_reserve(buf, (size_t)len);
  if (!room) return false;
  vsnprintf(room, (size_t)len + 1, format, args);
  buf->len += (size_t)len;
  return true;
}

bool tg_buf_putf(struct tg_buf *buf, const char *format, ...) {
  va_list args;
  va_start(args, format);
  bool ok = tg_buf_vputf(buf, format, args);
  va_end(args);
  return ok;
}

static bool json_put_escape(struct tg_buf *buf, unsigned char c) {
  switch (c) {
  case '"':
    return tg_buf_puts(buf, "\\\"");
  case '\\':
    return tg_buf_puts(buf, "\\\\");
  case '\n':
    return tg_buf_puts(buf, "\\n");
  case '\r':
    return tg_buf_puts(buf, "\\r");
  case '\t':
    return tg_buf_puts(buf, "\\t");
  default:
    return tg_buf_putf(buf, "\\u%04x", c);
  }
}

bool tg_buf_put_json(struct tg_buf *buf, const char *text, size_t len) {
  tg_buf_putc(buf, '"');
  for (size_t i = 0; i < len && !buf->is_failed;) {
    size_t plain = i;
    while (plain < len && (unsigned char)text[plain] >= 0x20 && (unsigned char)text[plain] < 0x7f &&
           text[plain] != '"' && text[plain] != '\\')
      plain++;
    if (plain > i) {
      tg_buf_put(buf, text + i, plain - i);
      i = plain;
      continue;
    }
    unsigned char c = (unsigned char)text[i];
    size_t wide = c >= 0x80 ? tg_utf8_length(text + i, len - i) : 0;
    if (c < 0x80) {
      json_put_escape(buf, c);
      i++;
    } else if (wide) {
      tg_buf_put(buf, text + i, wide);
      i += wide;
    } else {
      tg_buf_puts(buf, "\xEF\xBF\xBD");
      i++;
    }
  }
  return tg_buf_putc(buf, '"');
}

void tg_buf_consume(struct tg_buf *buf, size_t len) {
  if (!len) return;
  buf->len -= len;
  memmove(buf->data, buf->data + len, buf->len + 1);
}

const char *tg_buf_text(const struct tg_buf *buf) {
  return buf->data ? buf->data : "";
}

char *tg_buf_take(struct tg_buf *buf) {
  char *data = buf->is_failed ? NULL : buf->data;
  if (buf->is_failed)
    free(buf->data);
  else if (!data)
    data = calloc(1, 1);
  *buf = (struct tg_buf){.max = buf->max};
  return data;
}
