// SPDX-License-Identifier: Apache-2.0
// A pattern and, behind a byte 0xff, a subject: our matcher must agree with Lua's own string.find
// where both come to an end.
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "fuzz/input.h"
#include "script/pattern.h"

enum { STEPS_MAX = 20000, LEN_MAX = 256 };

// Pushes what string.find gives: 2 positions and the captures. False when it raised.
static bool stock_find(lua_State *L, const struct input *text, const struct input *pattern) {
  lua_getglobal(L, "string");
  lua_getfield(L, -1, "find");
  lua_remove(L, -2);
  lua_pushlstring(L, (const char *)text->at, input_left(text));
  lua_pushlstring(L, (const char *)pattern->at, input_left(pattern));
  return lua_pcall(L, 2, LUA_MULTRET, 0) == LUA_OK;
}

static void capture_check(lua_State *L, const struct tg_matcher *matcher, int i) {
  const struct tg_capture *capture = &matcher->captures[i];
  size_t len;
  if (capture->len == TG_CAPTURE_POSITION) {
    fuzz_check(lua_isinteger(L, 3 + i));
    fuzz_check(lua_tointeger(L, 3 + i) == capture->start - matcher->start + 1);
    return;
  }
  const char *text = lua_tolstring(L, 3 + i, &len);
  fuzz_check(text && !lua_isinteger(L, 3 + i) && capture->len >= 0);
  fuzz_check((size_t)capture->len == len && !memcmp(text, capture->start, len));
}

static bool has_open_capture(const struct tg_matcher *matcher) {
  for (int i = 0; i < matcher->level; i++)
    if (matcher->captures[i].len == TG_CAPTURE_OPEN) return true;
  return false;
}

static bool always_pause(void *self, int64_t steps) {
  (void)self;
  return steps > 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static lua_State *L;
  if (!L) {
    fuzz_check((L = luaL_newstate()));
    luaL_requiref(L, "string", luaopen_string, 1);
  }
  if (size > LEN_MAX) return 0;
  struct input text = input_of(data, size), pattern = input_until(&text, 0xff);
  struct tg_pattern_item items[LEN_MAX * 2 + 16];
  struct tg_pattern compiled;
  struct tg_matcher matcher;
  fuzz_check(tg_pattern_items_max(input_left(&pattern)) <= sizeof items / sizeof *items);
  char *pattern_text = input_text(&pattern), *subject = input_text(&text);
  tg_pattern_compile(&compiled, items, pattern_text, input_left(&pattern), true);
  tg_matcher_init(&matcher, &compiled, subject, input_left(&text), STEPS_MAX);
  matcher.tick = always_pause;
  enum tg_match match = tg_matcher_find(&matcher, subject);
  while (match == TG_MATCH_PAUSED) match = tg_matcher_continue(&matcher);
  const char *at = matcher.found, *end = match == TG_MATCH_FOUND ? matcher.found_end : NULL;
  lua_settop(L, 0);
  bool has_ended = matcher.steps >= 0 || !matcher.fault;
  if (has_ended && stock_find(L, &text, &pattern) && !matcher.fault) {
    fuzz_check(!end == lua_isnil(L, 1));
    if (end) {
      fuzz_check(lua_tointeger(L, 1) == at - subject + 1 && lua_tointeger(L, 2) == end - subject);
      fuzz_check(lua_gettop(L) == 2 + matcher.level);
      for (int i = 0; i < matcher.level; i++) capture_check(L, &matcher, i);
    }
  } else if (has_ended && end) {
    fuzz_check(has_open_capture(&matcher)); // the rest of what makes Lua raise is a fault
  }
  free(pattern_text);
  free(subject);
  return 0;
}
