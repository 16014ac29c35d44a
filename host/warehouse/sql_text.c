// SPDX-License-Identifier: Apache-2.0
#include "warehouse/sql_text.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/limits.h"

struct bytes {
  const char *data;
  size_t len;
};

static bool is_null(sqlite3_value *value) {
  return sqlite3_value_type(value) == SQLITE_NULL;
}

// Gives a value's text, or without data when memory is out.
static struct bytes text_of(sqlite3_value *value) {
  const char *data = (const char *)sqlite3_value_text(value);
  return (struct bytes){data, (size_t)sqlite3_value_bytes(value)};
}

// Gives a value's bytes; a blob stays one, for the value may be the statement's own.
static struct bytes bytes_of(sqlite3_value *value) {
  if (sqlite3_value_type(value) != SQLITE_BLOB) return text_of(value);
  const char *data = sqlite3_value_blob(value); // NULL if it is empty
  return (struct bytes){data ? data : "", (size_t)sqlite3_value_bytes(value)};
}

static bool is_inside_character(char c) {
  return ((unsigned char)c & 0xc0) == 0x80;
}

static const char *bytes_find(struct bytes in, struct bytes part) {
  return memmem(in.data, in.len, part.data, part.len);
}

// A part is looked for where characters begin; one that begins inside of a character can only be
// at the very start.
static const char *text_find(struct bytes in, struct bytes part) {
  if (!part.len || !is_inside_character(*part.data)) return bytes_find(in, part);
  if (in.len > part.len) in.len = part.len;
  return bytes_find(in, part);
}

static sqlite3_int64 characters_between(const char *start, const char *end) {
  sqlite3_int64 count = 0;
  while (start++ < end) count += !is_inside_character(*start);
  return count;
}

static void function_instr(sqlite3_context *context, int count, sqlite3_value **values) {
  (void)count;
  if (is_null(values[0]) || is_null(values[1])) return;
  bool is_text =
      sqlite3_value_type(values[0]) != SQLITE_BLOB || sqlite3_value_type(values[1]) != SQLITE_BLOB;
  struct bytes in = bytes_of(values[0]), part = bytes_of(values[1]);
  if (!in.data || !part.data) {
    sqlite3_result_error_nomem(context);
    return;
  }
  const char *found = is_text ? text_find(in, part) : bytes_find(in, part);
  sqlite3_int64 place = 0;
  if (found) place = 1 + (is_text ? characters_between(in.data, found) : found - in.data);
  sqlite3_result_int64(context, place);
}

static size_t parts_count(struct bytes in, struct bytes part) {
  size_t count = 0;
  for (const char *at; (at = bytes_find(in, part)); count++) {
    in.len -= (size_t)(at - in.data) + part.len;
    in.data = at + part.len;
  }
  return count;
}

// Copies a text with its parts replaced; `out` has room for all of it.
static void parts_replace(struct bytes in, struct bytes part, struct bytes other, char *out) {
  for (const char *at; (at = bytes_find(in, part));) {
    size_t before = (size_t)(at - in.data);
    memcpy(out, in.data, before);
    memcpy(out + before, other.data, other.len);
    out += before + other.len;
    in.len -= before + part.len;
    in.data = at + part.len;
  }
  memcpy(out, in.data, in.len);
}

static void function_replace(sqlite3_context *context, int count, sqlite3_value **values) {
  (void)count;
  if (is_null(values[0]) || is_null(values[1])) return;
  struct bytes in = text_of(values[0]), part = text_of(values[1]), other = text_of(values[2]);
  if (!in.data || !part.data || (!other.data && !is_null(values[2]))) {
    sqlite3_result_error_nomem(context);
    return;
  }
  if (!part.len || !*part.data) { // nothing to look for, as in SQLite
    sqlite3_result_value(context, values[0]);
    return;
  }
  if (!other.data) return;
  size_t parts = parts_count(in, part);
  sqlite3_uint64 len = in.len - parts * part.len + (sqlite3_uint64)parts * other.len;
  if (len >
      (sqlite3_uint64)sqlite3_limit(sqlite3_context_db_handle(context), SQLITE_LIMIT_LENGTH, -1)) {
    sqlite3_result_error_toobig(context);
    return;
  }
  char *out = sqlite3_malloc64(len + 1);
  if (!out) {
    sqlite3_result_error_nomem(context);
    return;
  }
  parts_replace(in, part, other, out);
  sqlite3_result_text64(context, out, len, sqlite3_free, SQLITE_UTF8);
}

// Gives the length of the character at the start, which is what follows a byte from 0xc0 on.
static size_t character_len(struct bytes text) {
  size_t len = 1;
  if ((unsigned char)*text.data >= 0xc0)
    while (len < text.len && is_inside_character(text.data[len])) len++;
  return len;
}

// Gives the length of the character of the set that a text starts, or ends, with; 0 if of none.
static size_t set_match(struct bytes set, struct bytes text, bool is_at_end) {
  for (size_t len; set.len; set.data += len, set.len -= len) {
    len = character_len(set);
    if (len > text.len) continue;
    const char *at = is_at_end ? text.data + text.len - len : text.data;
    if (memcmp(at, set.data, len) == 0) return len;
  }
  return 0;
}

enum { TRIM_START = 1, TRIM_END = 2 };

static void function_trim(sqlite3_context *context, int count, sqlite3_value **values) {
  (void)count;
  intptr_t ends = (intptr_t)sqlite3_user_data(context);
  if (is_null(values[0]) || is_null(values[1])) return;
  struct bytes text = text_of(values[0]), set = text_of(values[1]);
  if (!text.data || !set.data) {
    sqlite3_result_error_nomem(context);
    return;
  }
  if (set.len > TG_TRIM_SET_BYTES_MAX) {
    sqlite3_result_error(context, "trim: the characters to take away are more than 1000 bytes", -1);
    return;
  }
  for (size_t len; ends & TRIM_START && (len = set_match(set, text, false));) {
    text.data += len;
    text.len -= len;
  }
  for (size_t len; ends & TRIM_END && (len = set_match(set, text, true));) text.len -= len;
  sqlite3_result_text64(context, text.data, text.len, SQLITE_TRANSIENT, SQLITE_UTF8);
}

int tg_sql_text_install(sqlite3 *db) {
  static const struct {
    const char *name;
    int count;
    intptr_t data;
    void (*call)(sqlite3_context *, int, sqlite3_value **);
  } functions[] = {{"instr", 2, 0, function_instr},
                   {"replace", 3, 0, function_replace},
                   {"trim", 2, TRIM_START | TRIM_END, function_trim},
                   {"ltrim", 2, TRIM_START, function_trim},
                   {"rtrim", 2, TRIM_END, function_trim}};
  int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS, result = SQLITE_OK;
  for (size_t i = 0; result == SQLITE_OK && i < sizeof functions / sizeof *functions; i++)
    result = sqlite3_create_function(db, functions[i].name, functions[i].count, flags,
                                     (void *)functions[i].data, functions[i].call, NULL, NULL);
  return result;
}
