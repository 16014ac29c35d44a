// SPDX-License-Identifier: Apache-2.0
// Left to the other parser besides faults: integers of more than 18 digits, numbers of more than
// NUMBER_BYTES_MAX bytes, and the escape of U+0000.
#include "script/json_read.h"

#include <lauxlib.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "script/json_module.h"

enum { STACK_PER_LEVEL = 8, NUMBER_BYTES_MAX = 63, INTEGER_DIGITS_MAX = 18 };

struct reading {
  lua_State *L;
  const char *at, *end;
  const struct tg_json_hints *hints;
  size_t opened; // arrays and objects so far
};

static bool value_read(struct reading *r);

static void space_skip(struct reading *r) {
  while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t'))
    r->at++;
}

// Takes a character, with the space before it, if it is the next.
static bool is_next(struct reading *r, char c) {
  space_skip(r);
  if (r->at == r->end || *r->at != c) return false;
  r->at++;
  return true;
}

// --- Strings ---

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// Reads the four digits behind \u; 0 stands for a fault, too.
static uint32_t unit_read(struct reading *r) {
  uint32_t unit = 0;
  if (r->end - r->at < 4) return 0;
  for (int i = 0; i < 4; i++) {
    int digit = hex_digit(*r->at++);
    if (digit < 0) return 0;
    unit = unit << 4 | (uint32_t)digit;
  }
  return unit;
}

static void code_point_add(luaL_Buffer *out, uint32_t code) {
  char bytes[4];
  size_t len = 0;
  if (code < 0x80) {
    bytes[len++] = (char)code;
  } else if (code < 0x800) {
    bytes[len++] = (char)(0xC0 | code >> 6);
  } else {
    if (code >= 0x10000) bytes[len++] = (char)(0xF0 | code >> 18);
    bytes[len++] = (char)(code >= 0x10000 ? 0x80 | (code >> 12 & 0x3F) : 0xE0 | code >> 12);
    bytes[len++] = (char)(0x80 | (code >> 6 & 0x3F));
  }
  if (code >= 0x80) bytes[len++] = (char)(0x80 | (code & 0x3F));
  luaL_addlstring(out, bytes, len);
}

static bool unicode_read(struct reading *r, luaL_Buffer *out) {
  uint32_t code = unit_read(r);
  if (code >= 0xD800 && code < 0xDC00) {
    if (r->end - r->at < 2 || r->at[0] != '\\' || r->at[1] != 'u') return false;
    r->at += 2;
    uint32_t low = unit_read(r);
    if (low < 0xDC00 || low > 0xDFFF) return false;
    code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
  } else if (code >= 0xDC00 && code <= 0xDFFF) {
    return false;
  }
  if (code) code_point_add(out, code);
  return code != 0;
}

static bool escape_read(struct reading *r, luaL_Buffer *out) {
  static const char names[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
  if (r->at == r->end) return false;
  char c = *r->at++;
  if (c == 'u') return unicode_read(r, out);
  const char *name = c ? strchr(names, c) : NULL;
  if (name) luaL_addchar(out, meant[name - names]);
  return name != NULL;
}

// Passes by what stands for itself; stops at a quote, a backslash or a fault.
static void plain_skip(struct reading *r) {
  while (r->at < r->end) {
    unsigned char c = (unsigned char)*r->at;
    if (c == '"' || c == '\\' || c < 0x20) return;
    size_t len = c < 0x80 ? 1 : tg_utf8_length(r->at, (size_t)(r->end - r->at));
    if (!len) return;
    r->at += len;
  }
}

static bool escaped_read(struct reading *r, const char *begin) {
  luaL_Buffer out;
  luaL_buffinit(r->L, &out);
  for (;;) {
    luaL_addlstring(&out, begin, (size_t)(r->at - begin));
    if (r->at == r->end || (*r->at != '"' && *r->at != '\\')) return false;
    if (*r->at++ == '"') break;
    if (!escape_read(r, &out)) return false;
    begin = r->at;
    plain_skip(r);
  }
  luaL_pushresult(&out);
  return true;
}

static bool string_read(struct reading *r) {
  const char *begin = r->at;
  plain_skip(r);
  if (r->at == r->end || *r->at != '"') return escaped_read(r, begin);
  lua_pushlstring(r->L, begin, (size_t)(r->at++ - begin));
  return true;
}

// --- Numbers ---

static size_t digits_skip(struct reading *r) {
  const char *begin = r->at;
  while (r->at < r->end && *r->at >= '0' && *r->at <= '9') r->at++;
  return (size_t)(r->at - begin);
}

static bool real_push(struct reading *r, const char *begin) {
  char text[NUMBER_BYTES_MAX + 1];
  size_t len = (size_t)(r->at - begin);
  if (len > NUMBER_BYTES_MAX) return false;
  memcpy(text, begin, len);
  text[len] = 0;
  double value = strtod(text, NULL);
  if (isfinite(value)) lua_pushnumber(r->L, value);
  return isfinite(value);
}

static bool number_read(struct reading *r) {
  const char *begin = r->at;
  if (*r->at == '-') r->at++;
  const char *whole = r->at;
  size_t digits = digits_skip(r);
  if (!digits || (digits > 1 && *whole == '0')) return false;
  const char *end = r->at;
  if (r->at < r->end && *r->at == '.' && (r->at++, !digits_skip(r))) return false;
  if (r->at < r->end && (*r->at == 'e' || *r->at == 'E')) {
    r->at++;
    if (r->at < r->end && (*r->at == '+' || *r->at == '-')) r->at++;
    if (!digits_skip(r)) return false;
  }
  if (r->at > end) return real_push(r, begin);
  if (digits > INTEGER_DIGITS_MAX) return false;
  lua_Integer value = 0;
  for (; whole < end; whole++) value = value * 10 + (*whole - '0');
  lua_pushinteger(r->L, *begin == '-' ? -value : value);
  return true;
}

// --- Tables ---

static int hint_take(struct reading *r) {
  size_t at = r->opened++;
  return at < TG_JSON_HINTS ? r->hints->members[at] : 0;
}

static bool array_read(struct reading *r) {
  lua_createtable(r->L, hint_take(r), 0);
  tg_lua_json_push_array_mark(r->L);
  lua_setmetatable(r->L, -2);
  if (is_next(r, ']')) return true;
  lua_Integer count = 0;
  do {
    if (!value_read(r)) return false;
    lua_rawseti(r->L, -2, ++count);
  } while (is_next(r, ','));
  return is_next(r, ']');
}

static bool object_read(struct reading *r) {
  lua_createtable(r->L, 0, hint_take(r));
  if (is_next(r, '}')) return true;
  do {
    if (!is_next(r, '"') || !string_read(r) || !is_next(r, ':') || !value_read(r)) return false;
    lua_rawset(r->L, -3);
  } while (is_next(r, ','));
  return is_next(r, '}');
}

static bool is_word(struct reading *r, const char *word) {
  size_t len = strlen(word);
  if ((size_t)(r->end - r->at) < len || memcmp(r->at, word, len) != 0) return false;
  r->at += len;
  return true;
}

static bool word_read(struct reading *r) {
  if (is_word(r, "null"))
    lua_pushlightuserdata(r->L, NULL);
  else if (is_word(r, "true"))
    lua_pushboolean(r->L, 1);
  else if (is_word(r, "false"))
    lua_pushboolean(r->L, 0);
  else
    return false;
  return true;
}

static bool value_read(struct reading *r) {
  luaL_checkstack(r->L, STACK_PER_LEVEL, NULL);
  if (is_next(r, '{')) return object_read(r);
  if (is_next(r, '[')) return array_read(r);
  if (is_next(r, '"')) return string_read(r);
  if (r->at == r->end) return false;
  return *r->at == '-' || (*r->at >= '0' && *r->at <= '9') ? number_read(r) : word_read(r);
}

bool tg_lua_json_read(lua_State *L, const char *text, size_t len,
                      const struct tg_json_hints *hints) {
  struct reading reading = {.L = L, .at = text, .end = text + len, .hints = hints};
  int top = lua_gettop(L);
  bool is_read = value_read(&reading);
  space_skip(&reading);
  if (is_read && reading.at == reading.end) return true;
  lua_settop(L, top);
  return false;
}
