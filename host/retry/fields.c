// SPDX-License-Identifier: Apache-2.0
#include "retry/fields.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

size_t tg_fields_encode(const char *word, const int64_t *values, size_t count, char *text) {
  char *at = stpcpy(text, word);
  for (size_t i = 0; i < count; i++) at += snprintf(at, 22, " %" PRId64, values[i]);
  return (size_t)(at - text);
}

static bool is_digit(const char *at, const char *end) {
  return at < end && *at >= '0' && *at <= '9';
}

// Reads " " and a number. Gives where it ends, or NULL.
static const char *number_read(const char *at, const char *end, int64_t *value) {
  if (at == end || *at++ != ' ') return NULL;
  bool is_negative = at < end && *at == '-';
  if (is_negative) at++;
  const char *first = at;
  const uint64_t max = (uint64_t)INT64_MAX + is_negative;
  uint64_t size = 0;
  for (; is_digit(at, end); at++) {
    uint64_t digit = (uint64_t)(*at - '0');
    if (size > (max - digit) / 10) return NULL;
    size = size * 10 + digit;
  }
  bool is_padded = *first == '0' && (at - first > 1 || is_negative);
  if (at == first || is_padded) return NULL;
  // -size, in an order that reaches INT64_MIN.
  *value = is_negative ? -(int64_t)(size - 1) - 1 : (int64_t)size;
  return at;
}

int tg_fields_decode(const char *word, const char *text, size_t len, int64_t *values, size_t count,
                     struct tg_error *err) {
  const size_t word_len = strlen(word);
  if (len < word_len || memcmp(text, word, word_len) != 0)
    return tg_error_set(err, TG_EINVALID, "the state does not begin with '%s'", word);
  const char *at = text + word_len, *end = text + len;
  for (size_t i = 0; i < count; i++) {
    at = number_read(at, end, &values[i]);
    if (!at)
      return tg_error_set(err, TG_EINVALID, "%s: number %zu of %zu is missing or malformed", word,
                          i + 1, count);
  }
  if (at != end)
    return tg_error_set(err, TG_EINVALID, "%s: there is more after the last of %zu numbers", word,
                        count);
  return 0;
}
