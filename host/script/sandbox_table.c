// SPDX-License-Identifier: Apache-2.0
// The table library, with ceilings. Like Lua's own it respects metamethods, so that a read-only
// table refuses to be changed here too.
#include "base/limits.h"
#include "script/sandbox_parts.h"

enum { STEPS_PER_ELEMENT = 10 };

static lua_Integer check_length(lua_State *L, const char *function) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_Integer n = luaL_len(L, 1);
  if (n > TG_LIST_LENGTH_MAX)
    luaL_error(L, "%s: the list has more than %d elements", function, TG_LIST_LENGTH_MAX);
  return n;
}

static int l_table_insert(lua_State *L) {
  lua_Integer end = check_length(L, "table.insert") + 1, at = end;
  switch (lua_gettop(L)) {
  case 2:
    break;
  case 3:
    at = luaL_checkinteger(L, 2);
    // As unsigned numbers, so that positions below 1 are refused too.
    luaL_argcheck(L, (lua_Unsigned)at - 1 < (lua_Unsigned)end, 2, "position out of bounds");
    for (lua_Integer i = end; i > at; i--) {
      tg_slice_work(L, STEPS_PER_ELEMENT);
      lua_geti(L, 1, i - 1);
      lua_seti(L, 1, i);
    }
    break;
  default:
    return luaL_error(L, "wrong number of arguments to 'insert'");
  }
  lua_seti(L, 1, at);
  tg_slice_leave(L);
  return 0;
}

static int l_table_remove(lua_State *L) {
  lua_Integer size = check_length(L, "table.remove");
  lua_Integer at = luaL_optinteger(L, 2, size);
  if (at != size)
    luaL_argcheck(L, (lua_Unsigned)at - 1 <= (lua_Unsigned)size, 2, "position out of bounds");
  lua_geti(L, 1, at);
  for (; at < size; at++) {
    tg_slice_work(L, STEPS_PER_ELEMENT);
    lua_geti(L, 1, at + 1);
    lua_seti(L, 1, at);
  }
  lua_pushnil(L);
  lua_seti(L, 1, at);
  tg_slice_leave(L);
  return 1;
}

static void move_one(lua_State *L, int to, lua_Integer from_at, lua_Integer to_at) {
  tg_slice_work(L, STEPS_PER_ELEMENT);
  lua_geti(L, 1, from_at);
  lua_seti(L, to, to_at);
}

static int l_table_move(lua_State *L) {
  lua_Integer first = luaL_checkinteger(L, 2), last = luaL_checkinteger(L, 3);
  lua_Integer target = luaL_checkinteger(L, 4);
  int to = lua_isnoneornil(L, 5) ? 1 : 5;
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checktype(L, to, LUA_TTABLE);
  lua_pushvalue(L, to);
  if (last < first) return 1;
  lua_Unsigned more = (lua_Unsigned)last - (lua_Unsigned)first;
  luaL_argcheck(L, more < TG_LIST_LENGTH_MAX, 3, "too many elements to move");
  lua_Integer n = (lua_Integer)more;
  luaL_argcheck(L, target <= LUA_MAXINTEGER - n, 4, "destination wrap around");
  bool is_overlapping = target > first && target <= last && lua_rawequal(L, 1, to);
  for (lua_Integer i = 0; i <= n; i++) {
    lua_Integer step = is_overlapping ? n - i : i;
    move_one(L, to, first + step, target + step);
  }
  tg_slice_leave(L);
  return 1;
}

static int l_table_pack(lua_State *L) {
  int n = lua_gettop(L);
  lua_createtable(L, n, 1);
  lua_insert(L, 1);
  for (int i = n; i >= 1; i--) lua_rawseti(L, 1, i);
  lua_pushinteger(L, n);
  lua_setfield(L, 1, "n");
  return 1;
}

static int l_table_unpack(lua_State *L) {
  lua_Integer first = luaL_optinteger(L, 2, 1);
  lua_Integer last = luaL_opt(L, luaL_checkinteger, 3, luaL_len(L, 1));
  if (first > last) return 0;
  lua_Unsigned more = (lua_Unsigned)last - (lua_Unsigned)first;
  if (more >= TG_UNPACK_MAX || !lua_checkstack(L, (int)more + 1))
    return luaL_error(L, "too many results to unpack (at most %d)", TG_UNPACK_MAX);
  for (lua_Unsigned i = 0; i <= more; i++) lua_geti(L, 1, (lua_Integer)((lua_Unsigned)first + i));
  tg_slice_work(L, (int64_t)(more + 1) * STEPS_PER_ELEMENT);
  tg_slice_leave(L);
  return (int)more + 1;
}

static void add_text(lua_State *L, luaL_Buffer *buffer, lua_Integer at) {
  tg_slice_work(L, STEPS_PER_ELEMENT);
  lua_geti(L, 1, at);
  if (!lua_isstring(L, -1))
    luaL_error(L, "invalid value (a %s at index %I) in table for 'concat'", luaL_typename(L, -1),
               at);
  luaL_addvalue(buffer);
  if (luaL_bufflen(buffer) > TG_STRING_BYTES_MAX)
    luaL_error(L, "table.concat: the result has more than %d bytes", TG_STRING_BYTES_MAX);
}

static int l_table_concat(lua_State *L) {
  lua_Integer last = check_length(L, "table.concat");
  size_t separator_len;
  const char *separator = luaL_optlstring(L, 2, "", &separator_len);
  lua_Integer at = luaL_optinteger(L, 3, 1);
  last = luaL_optinteger(L, 4, last);
  luaL_Buffer buffer;
  luaL_buffinit(L, &buffer);
  for (; at < last; at++) {
    add_text(L, &buffer, at);
    luaL_addlstring(&buffer, separator, separator_len);
  }
  if (at == last) add_text(L, &buffer, at);
  luaL_pushresult(&buffer);
  tg_slice_leave(L);
  return 1;
}

static void charge_comparison(lua_State *L) {
  if (lua_type(L, -1) == LUA_TSTRING && lua_type(L, -2) == LUA_TSTRING)
    tg_slice_work(L, (int64_t)(lua_rawlen(L, -1) / 16));
}

static bool value_less(lua_State *L, void *self) {
  (void)self;
  charge_comparison(L);
  return lua_compare(L, -1, -2, LUA_OPLT);
}

// The script's comparator is at index 2.
static bool script_less(lua_State *L, void *self) {
  (void)self;
  lua_pushvalue(L, 2);
  lua_pushvalue(L, -2);
  lua_pushvalue(L, -4);
  lua_call(L, 2, 1);
  bool is_less = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return is_less;
}

// A sort cannot fail, but an order that contradicts itself is the script's mistake.
static void check_order(lua_State *L, int list, lua_Integer n, tg_sandbox_less *less) {
  for (lua_Integer i = 1; i < n; i++) {
    lua_rawgeti(L, list, i);
    lua_rawgeti(L, list, i + 1);
    if (less(L, NULL))
      luaL_error(L,
                 "invalid order function for sorting (it must be false for equal values, and not "
                 "true both ways)");
    lua_pop(L, 2);
  }
}

static int l_table_sort(lua_State *L) {
  lua_Integer n = check_length(L, "table.sort");
  if (!lua_isnoneornil(L, 2)) luaL_checktype(L, 2, LUA_TFUNCTION);
  tg_sandbox_less *less = lua_isnoneornil(L, 2) ? value_less : script_less;
  lua_settop(L, 2);
  lua_createtable(L, n > 0 ? (int)n : 0, 0);
  for (lua_Integer i = 1; i <= n; i++) {
    tg_slice_work(L, STEPS_PER_ELEMENT);
    lua_geti(L, 1, i);
    lua_rawseti(L, 3, i);
  }
  tg_sandbox_sort(L, 3, n, less, NULL);
  if (less == script_less) check_order(L, 3, n, less);
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, 3, i);
    lua_seti(L, 1, i);
  }
  tg_slice_leave(L);
  return 0;
}

void tg_sandbox_push_table(lua_State *L) {
  static const luaL_Reg functions[] = {{"concat", l_table_concat}, {"insert", l_table_insert},
                                       {"move", l_table_move},     {"pack", l_table_pack},
                                       {"remove", l_table_remove}, {"sort", l_table_sort},
                                       {"unpack", l_table_unpack}, {NULL, NULL}};
  luaL_newlib(L, functions);
}
