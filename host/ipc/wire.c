// SPDX-License-Identifier: Apache-2.0
#include "ipc/wire.h"

#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the wire is little-endian");

void tg_wire_put_u8(struct tg_buf *out, uint8_t value) {
  tg_buf_put(out, &value, sizeof value);
}

void tg_wire_put_u32(struct tg_buf *out, uint32_t value) {
  tg_buf_put(out, &value, sizeof value);
}

void tg_wire_put_u64(struct tg_buf *out, uint64_t value) {
  tg_buf_put(out, &value, sizeof value);
}

void tg_wire_put_i64(struct tg_buf *out, int64_t value) {
  tg_buf_put(out, &value, sizeof value);
}

void tg_wire_put_f64(struct tg_buf *out, double value) {
  tg_buf_put(out, &value, sizeof value);
}

void tg_wire_put_bytes(struct tg_buf *out, const void *bytes, size_t len) {
  if (len > UINT32_MAX) {
    out->is_failed = true;
    return;
  }
  tg_wire_put_u32(out, (uint32_t)len);
  tg_buf_put(out, bytes, len);
  tg_buf_putc(out, 0);
}

void tg_wire_put_text(struct tg_buf *out, const char *text) {
  tg_wire_put_bytes(out, text ? text : "", text ? strlen(text) : 0);
}

void tg_wire_put_value(struct tg_buf *out, const struct tg_value *value) {
  tg_wire_put_u8(out, (uint8_t)value->type);
  switch (value->type) {
  case TG_VALUE_NULL:
    break;
  case TG_VALUE_INT:
    tg_wire_put_i64(out, value->integer);
    break;
  case TG_VALUE_REAL:
    tg_wire_put_f64(out, value->real);
    break;
  case TG_VALUE_TEXT:
    tg_wire_put_bytes(out, value->text.data, value->text.len);
    break;
  case TG_VALUE_BOOL:
    tg_wire_put_u8(out, value->integer != 0);
    break;
  }
}

struct tg_reader tg_reader_of(const void *bytes, size_t len) {
  return (struct tg_reader){.at = bytes, .end = len ? (const char *)bytes + len : bytes};
}

static void number_get(struct tg_reader *in, void *value, size_t size) {
  if (in->is_failed || (size_t)(in->end - in->at) < size) {
    in->is_failed = true;
    memset(value, 0, size);
    return;
  }
  memcpy(value, in->at, size);
  in->at += size;
}

uint8_t tg_wire_get_u8(struct tg_reader *in) {
  uint8_t value;
  number_get(in, &value, sizeof value);
  return value;
}

uint32_t tg_wire_get_u32(struct tg_reader *in) {
  uint32_t value;
  number_get(in, &value, sizeof value);
  return value;
}

uint64_t tg_wire_get_u64(struct tg_reader *in) {
  uint64_t value;
  number_get(in, &value, sizeof value);
  return value;
}

int64_t tg_wire_get_i64(struct tg_reader *in) {
  int64_t value;
  number_get(in, &value, sizeof value);
  return value;
}

double tg_wire_get_f64(struct tg_reader *in) {
  double value;
  number_get(in, &value, sizeof value);
  return value;
}

struct tg_slice tg_wire_get_bytes(struct tg_reader *in) {
  size_t len = tg_wire_get_u32(in);
  if (in->is_failed || (size_t)(in->end - in->at) < len + 1 || in->at[len] != 0) {
    in->is_failed = true;
    return (struct tg_slice){.data = ""};
  }
  struct tg_slice slice = {.data = in->at, .len = len};
  in->at += len + 1;
  return slice;
}

const char *tg_wire_get_text(struct tg_reader *in) {
  struct tg_slice slice = tg_wire_get_bytes(in);
  if (strlen(slice.data) == slice.len) return slice.data;
  in->is_failed = true;
  return "";
}

struct tg_value tg_wire_get_value(struct tg_reader *in) {
  struct tg_value value = {.type = TG_VALUE_NULL, .text = {.data = ""}};
  switch (tg_wire_get_u8(in)) {
  case TG_VALUE_NULL:
    break;
  case TG_VALUE_INT:
    value.type = TG_VALUE_INT;
    value.integer = tg_wire_get_i64(in);
    break;
  case TG_VALUE_REAL:
    value.type = TG_VALUE_REAL;
    value.real = tg_wire_get_f64(in);
    break;
  case TG_VALUE_TEXT:
    value.type = TG_VALUE_TEXT;
    value.text = tg_wire_get_bytes(in);
    break;
  case TG_VALUE_BOOL:
    value.type = TG_VALUE_BOOL;
    value.integer = tg_wire_get_u8(in) != 0;
    break;
  default:
    in->is_failed = true;
  }
  return value;
}

uint32_t tg_wire_get_count(struct tg_reader *in, size_t item_min) {
  uint32_t count = tg_wire_get_u32(in);
  if (item_min && count > (size_t)(in->end - in->at) / item_min) in->is_failed = true;
  return in->is_failed ? 0 : count;
}

bool tg_reader_is_done(const struct tg_reader *in) {
  return !in->is_failed && in->at == in->end;
}
