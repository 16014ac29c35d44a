// SPDX-License-Identifier: Apache-2.0
// RFC 8259 with what jansson makes of it: integers must fit 64 bits, reals must be finite, a name
// in an object holds no NUL.
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "model/json.h"

enum { DEPTH_MAX = 2048, SURE_DIGITS_MAX = 18 };

struct scan {
  const char *at, *end;
};

static bool byte_take(struct scan *in, char byte) {
  if (in->at == in->end || *in->at != byte) return false;
  in->at++;
  return true;
}

static void blank_skip(struct scan *in) {
  while (in->at < in->end && memchr(" \t\n\r", *in->at, 4)) in->at++;
}

static bool is_digit(const struct scan *in) {
  return in->at < in->end && *in->at >= '0' && *in->at <= '9';
}

static bool digits_take(struct scan *in) {
  if (!is_digit(in)) return false;
  while (is_digit(in)) in->at++;
  return true;
}

// Gives the four hexadecimal digits behind \u, or -1.
static int unit_take(struct scan *in) {
  int unit = 0;
  if (in->end - in->at < 4) return -1;
  for (int i = 0; i < 4; i++) {
    char c = *in->at++;
    int digit = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
    if (digit < 0) return -1;
    unit = unit * 16 + digit;
  }
  return unit;
}

// A code point beyond the first 65536 is two units, each of which is nothing alone.
static bool code_point_take(struct scan *in, bool may_be_nul) {
  int unit = unit_take(in);
  if (unit < 0 || (unit == 0 && !may_be_nul) || (unit >= 0xdc00 && unit <= 0xdfff)) return false;
  if (unit < 0xd800 || unit > 0xdbff) return true;
  if (!byte_take(in, '\\') || !byte_take(in, 'u')) return false;
  int low = unit_take(in);
  return low >= 0xdc00 && low <= 0xdfff;
}

static bool escape_take(struct scan *in, bool may_have_nul) {
  if (byte_take(in, 'u')) return code_point_take(in, may_have_nul);
  if (in->at == in->end || !memchr("\"\\/bfnrt", *in->at, 8)) return false;
  in->at++;
  return true;
}

static bool string_take(struct scan *in, bool may_have_nul) {
  if (!byte_take(in, '"')) return false;
  while (in->at < in->end) {
    unsigned char c = (unsigned char)*in->at;
    if (c == '"') {
      in->at++;
      return true;
    }
    if (c < 0x20) return false;
    if (c == '\\') {
      in->at++;
      if (!escape_take(in, may_have_nul)) return false;
    } else {
      size_t size = c < 0x80 ? 1 : tg_utf8_length(in->at, (size_t)(in->end - in->at));
      if (!size) return false;
      in->at += size;
    }
  }
  return false;
}

// Reads a number that is long enough to be too large.
static bool number_fits(const char *start, size_t len, bool is_real) {
  char *text = strndup(start, len);
  if (!text) return false;
  errno = 0;
  bool fits = true;
  if (is_real)
    fits = isfinite(strtod(text, NULL));
  else if (strtoll(text, NULL, 10))
    fits = errno != ERANGE;
  free(text);
  return fits;
}

static bool number_take(struct scan *in) {
  const char *start = in->at;
  byte_take(in, '-');
  bool is_zero = byte_take(in, '0'), is_real = false;
  if (is_zero ? is_digit(in) : !digits_take(in)) return false;
  if (byte_take(in, '.')) {
    is_real = true;
    if (!digits_take(in)) return false;
  }
  if (byte_take(in, 'e') || byte_take(in, 'E')) {
    is_real = true;
    if (!byte_take(in, '+')) byte_take(in, '-');
    if (!digits_take(in)) return false;
  }
  size_t len = (size_t)(in->at - start);
  return (!is_real && len <= SURE_DIGITS_MAX) || number_fits(start, len, is_real);
}

static bool word_take(struct scan *in, const char *word) {
  size_t len = strlen(word);
  if ((size_t)(in->end - in->at) < len || memcmp(in->at, word, len) != 0) return false;
  in->at += len;
  return true;
}

static bool value_take(struct scan *in, int depth);

static bool list_take(struct scan *in, int depth) {
  blank_skip(in);
  if (byte_take(in, ']')) return true;
  do
    if (!value_take(in, depth)) return false;
  while (byte_take(in, ','));
  return byte_take(in, ']');
}

static bool member_take(struct scan *in, int depth) {
  blank_skip(in);
  if (!string_take(in, false)) return false;
  blank_skip(in);
  return byte_take(in, ':') && value_take(in, depth);
}

static bool object_take(struct scan *in, int depth) {
  blank_skip(in);
  if (byte_take(in, '}')) return true;
  do
    if (!member_take(in, depth)) return false;
  while (byte_take(in, ','));
  return byte_take(in, '}');
}

// Takes a value with the blanks around it.
static bool value_take(struct scan *in, int depth) {
  if (depth == DEPTH_MAX) return false;
  blank_skip(in);
  bool is_taken = byte_take(in, '[')   ? list_take(in, depth + 1)
                  : byte_take(in, '{') ? object_take(in, depth + 1)
                  : in->at < in->end && *in->at == '"'
                      ? string_take(in, true)
                      : word_take(in, "null") || word_take(in, "true") || word_take(in, "false") ||
                            number_take(in);
  blank_skip(in);
  return is_taken;
}

bool tg_json_is_value(const char *text, size_t len) {
  struct scan in = {.at = text, .end = text + len};
  return value_take(&in, 0) && in.at == in.end;
}
