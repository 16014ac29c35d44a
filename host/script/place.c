// SPDX-License-Identifier: Apache-2.0
#include "script/place.h"

#include <lauxlib.h>
#include <stdbool.h>

// The place that was asked for last, in the registry: a loop asks for one place very often.
static const char last_function, last_line, last_text;

// With a function on top: pushes the text of its last place if it is at this line.
static bool last_push(lua_State *L, int line) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &last_function);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &last_line);
  bool is_last = lua_rawequal(L, -2, -3) && lua_tointeger(L, -1) == line;
  lua_pop(L, 2);
  if (is_last) lua_rawgetp(L, LUA_REGISTRYINDEX, &last_text);
  return is_last;
}

// With a function and its place on top: keeps both.
static void last_keep(lua_State *L, int line) {
  lua_pushvalue(L, -2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &last_function);
  lua_pushinteger(L, line);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &last_line);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &last_text);
}

void tg_lua_push_place(lua_State *L, int level) {
  lua_Debug at;
  if (!lua_getstack(L, level, &at)) {
    lua_pushliteral(L, "?:0");
    return;
  }
  lua_getinfo(L, "fl", &at);
  if (!last_push(L, at.currentline)) {
    lua_getinfo(L, "S", &at);
    const char *source = *at.source == '@' ? at.source + 1 : at.short_src;
    lua_pushfstring(L, "%s:%d", source, at.currentline);
    last_keep(L, at.currentline);
  }
  lua_remove(L, -2); // the function
}
