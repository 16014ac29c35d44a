// SPDX-License-Identifier: Apache-2.0
#include <lauxlib.h>

#include "base/units.h"
#include "script/lua_option.h"
#include "script/retry_parts.h"

static const char *const class_words[] = {
#define X(name, word) word,
    TG_CLASSES(X)
#undef X
};

static const struct tg_lua_words classes = {"retry: class", class_words, TG_CLASS_COUNT};

bool tg_retry_option_push(lua_State *L, const char *name) {
  lua_pushstring(L, name);
  return lua_rawget(L, 1) != LUA_TNIL;
}

void tg_retry_option_check(lua_State *L, const char *what, const char *name, int type,
                           const char *expected) {
  if (lua_type(L, -1) != type)
    luaL_error(L, "%s: %s must be %s, not a %s", what, name, expected, luaL_typename(L, -1));
}

void tg_retry_option_duration(lua_State *L, const char *what, const char *name, int64_t *ms) {
  if (tg_retry_option_push(L, name)) {
    tg_retry_option_check(L, what, name, LUA_TSTRING, "a duration such as \"30s\"");
    if (!tg_duration_parse(lua_tostring(L, -1), ms))
      luaL_error(L, "%s: %s is '%s', not a duration such as \"30s\"", what, name,
                 lua_tostring(L, -1));
  }
  lua_pop(L, 1);
}

void tg_retry_option_count(lua_State *L, const char *what, const char *name, uint32_t *count) {
  if (tg_retry_option_push(L, name)) {
    tg_retry_option_check(L, what, name, LUA_TNUMBER, "a whole number");
    int is_whole;
    lua_Integer value = lua_tointegerx(L, -1, &is_whole);
    if (!is_whole || value < 1 || value > UINT32_MAX)
      luaL_error(L, "%s: %s must be a whole number of at least 1", what, name);
    *count = (uint32_t)value;
  }
  lua_pop(L, 1);
}

void tg_retry_option_milli(lua_State *L, const char *what, const char *name, int64_t *milli) {
  if (tg_retry_option_push(L, name)) {
    tg_retry_option_check(L, what, name, LUA_TNUMBER, "a number");
    lua_Number value = lua_tonumber(L, -1);
    if (!(value >= 0 && value <= 1000000))
      luaL_error(L, "%s: %s must be between 0 and a million", what, name);
    *milli = (int64_t)(value * 1000 + 0.5);
  }
  lua_pop(L, 1);
}

enum tg_class tg_retry_class(lua_State *L, int index) {
  const char *word = lua_tostring(L, index);
  int class = tg_class_parse(word);
  if (class < 0) tg_lua_word_unknown(L, &classes, word);
  return (enum tg_class) class;
}

int64_t tg_retry_seconds(lua_State *L, int index) {
  lua_Number seconds = luaL_optnumber(L, index, 0);
  luaL_argcheck(L, seconds >= 0 && seconds < 1e15, index, "seconds, not negative, expected");
  return (int64_t)(seconds * 1000);
}

void tg_retry_type_new(lua_State *L, const char *type, const luaL_Reg *meta,
                       const luaL_Reg *methods) {
  luaL_newmetatable(L, type);
  luaL_setfuncs(L, meta, 0);
  lua_newtable(L);
  luaL_setfuncs(L, methods, 0);
  lua_setfield(L, -2, "__index");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_pop(L, 1);
}
