// SPDX-License-Identifier: Apache-2.0
#include "model/yaml_scalar.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

// Reads sign and digits of a base; false when the text is no such integer.
const char tg_yaml_no_memory[] = "out of memory";

static bool integer_scan(const char *text, int *base) {
  *base = 10;
  const char *digits = "0123456789";
  if (strncmp(text, "0x", 2) == 0) {
    *base = 16;
    digits = "0123456789abcdefABCDEF";
  } else if (strncmp(text, "0o", 2) == 0) {
    *base = 8;
    digits = "01234567";
  }
  if (*base != 10)
    text += 2;
  else if (*text == '-' || *text == '+')
    text++;
  size_t len = strspn(text, digits);
  return len && !text[len];
}

// [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?
static bool real_scan(const char *text) {
  const char *digits = "0123456789";
  if (*text == '-' || *text == '+') text++;
  size_t whole = strspn(text, digits);
  text += whole;
  if (*text == '.') {
    size_t part = strspn(++text, digits);
    if (!whole && !part) return false;
    text += part;
  } else if (!whole) {
    return false;
  }
  if (*text != 'e' && *text != 'E') return !*text;
  text++;
  if (*text == '-' || *text == '+') text++;
  size_t exponent = strspn(text, digits);
  return exponent && !text[exponent];
}

static bool is_one_of(const char *text, const char *const *words) {
  for (; *words; words++)
    if (strcmp(text, *words) == 0) return true;
  return false;
}

static const char *number_make(const char *text, json_t **value) {
  int base;
  errno = 0;
  if (integer_scan(text, &base)) {
    long long number = strtoll(base == 10 ? text : text + 2, NULL, base);
    if (errno == ERANGE) return "an integer beyond 64 bits; quote it";
    *value = json_integer(number);
    if (!*value) return tg_yaml_no_memory;
  } else if (real_scan(text)) {
    double number = strtod(text, NULL);
    if (!isfinite(number)) return "a number that is too large; quote it";
    *value = json_real(number);
    if (!*value) return tg_yaml_no_memory;
  }
  return NULL;
}

const char *tg_yaml_scalar_make(const char *text, json_t **value) {
  static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
  static const char *const trues[] = {"true", "True", "TRUE", NULL};
  static const char *const falses[] = {"false", "False", "FALSE", NULL};
  static const char *const others[] = {".inf",  ".Inf",  ".INF", "-.inf", "-.Inf", "-.INF", "+.inf",
                                       "+.Inf", "+.INF", ".nan", ".NaN",  ".NAN",  NULL};
  *value = NULL;
  if (is_one_of(text, others)) return "infinity and NaN are not supported; quote the text";
  if (is_one_of(text, nulls))
    *value = json_null();
  else if (is_one_of(text, trues))
    *value = json_true();
  else if (is_one_of(text, falses))
    *value = json_false();
  else
    return number_make(text, value);
  return NULL;
}
