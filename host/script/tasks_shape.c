// SPDX-License-Identifier: Apache-2.0
#include "script/tasks.h"

enum { DEPTH_MAX = 4 };

static bool number_put(lua_State *L, int index, struct tg_buf *out) {
  lua_Integer whole = lua_tointeger(L, index);
  lua_Number number = lua_tonumber(L, index);
  if (lua_isinteger(L, index))
    return tg_buf_putc(out, 'i') && tg_buf_put(out, &whole, sizeof whole);
  return tg_buf_putc(out, 'f') && tg_buf_put(out, &number, sizeof number);
}

static bool string_put(lua_State *L, int index, struct tg_buf *out) {
  size_t len;
  const char *text = lua_tolstring(L, index, &len);
  return tg_buf_putc(out, 's') && tg_buf_put(out, &len, sizeof len) && tg_buf_put(out, text, len);
}

static bool value_put(lua_State *L, int index, int depth, struct tg_buf *out);

static bool table_put(lua_State *L, int index, int depth, struct tg_buf *out) {
  int top = lua_gettop(L);
  bool is_put = depth < DEPTH_MAX && !lua_getmetatable(L, index) && tg_buf_putc(out, '{');
  if (is_put) lua_pushnil(L);
  while (is_put && lua_next(L, index)) {
    is_put = value_put(L, lua_gettop(L) - 1, depth + 1, out) &&
             value_put(L, lua_gettop(L), depth + 1, out);
    lua_pop(L, 1);
  }
  lua_settop(L, top);
  return is_put && tg_buf_putc(out, '}');
}

static bool value_put(lua_State *L, int index, int depth, struct tg_buf *out) {
  switch (lua_type(L, index)) {
  case LUA_TBOOLEAN:
    return tg_buf_putc(out, lua_toboolean(L, index) ? 't' : 'u');
  case LUA_TNUMBER:
    return number_put(L, index, out);
  case LUA_TSTRING:
    return string_put(L, index, out);
  case LUA_TTABLE:
    return table_put(L, index, depth, out);
  default:
    return false;
  }
}

bool tg_lua_tasks_put_shape(lua_State *L, struct tg_buf *out) {
  luaL_checkstack(L, 4 * DEPTH_MAX, NULL);
  int value = lua_gettop(L);
  return value_put(L, value - 1, 0, out) && value_put(L, value, 0, out);
}
