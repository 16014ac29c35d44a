// SPDX-License-Identifier: Apache-2.0
// Walking tables. Lua's own order depends on addresses and on a seed, so that where decisions are
// made tables are walked in the order of their keys.
#include <string.h>

#include "script/sandbox_parts.h"

enum { STEPS_PER_KEY = 10 };

// The place of a key's type in the order: numbers, strings, booleans.
static int key_rank(lua_State *L, int index) {
  switch (lua_type(L, index)) {
  case LUA_TNUMBER:
    return 0;
  case LUA_TSTRING:
    return 1;
  case LUA_TBOOLEAN:
    return 2;
  default:
    return luaL_error(
        L,
        "a table with a %s as a key has no order here: while a bundle is built and in "
        "policies, keys are strings, numbers or booleans",
        luaL_typename(L, index));
  }
}

static bool text_less(lua_State *L, int a, int b) {
  size_t a_len, b_len;
  const char *a_text = lua_tolstring(L, a, &a_len), *b_text = lua_tolstring(L, b, &b_len);
  int order = memcmp(a_text, b_text, a_len < b_len ? a_len : b_len);
  return order ? order < 0 : a_len < b_len;
}

static bool key_less_at(lua_State *L, int a, int b) {
  int rank = key_rank(L, a), other = key_rank(L, b);
  if (rank != other) return rank < other;
  if (rank == 0) return lua_compare(L, a, b, LUA_OPLT);
  if (rank == 1) return text_less(L, a, b);
  return !lua_toboolean(L, a) && lua_toboolean(L, b);
}

static bool key_less(lua_State *L, void *self) {
  (void)self;
  return key_less_at(L, -1, -2);
}

// Upvalues: the table, the list of its keys, the number of keys given so far.
static int walk_step(lua_State *L) {
  lua_Integer at = lua_tointeger(L, lua_upvalueindex(3));
  for (;;) {
    if (lua_rawgeti(L, lua_upvalueindex(2), ++at) == LUA_TNIL) return 1;
    lua_pushvalue(L, -1);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL) break;
    lua_pop(L, 2); // removed since the walk began
  }
  lua_pushinteger(L, at);
  lua_replace(L, lua_upvalueindex(3));
  return 2;
}

// Compares the key on top with the last of the list; true for the first.
static bool follows_last(lua_State *L, int keys, lua_Integer n) {
  if (n == 0) return true;
  lua_rawgeti(L, keys, n);
  bool follows = key_less_at(L, -1, -2);
  lua_pop(L, 1);
  return follows;
}

// Lists come out of Lua in order already, and tables of one key.
void tg_sandbox_push_walk(lua_State *L, int index) {
  index = lua_absindex(L, index);
  lua_Integer n = 0;
  bool is_ordered = true;
  lua_pushvalue(L, index);
  lua_newtable(L);
  int keys = lua_gettop(L);
  for (lua_pushnil(L); lua_next(L, index); n++) {
    tg_slice_work(L, STEPS_PER_KEY);
    lua_pop(L, 1);
    key_rank(L, -1);
    is_ordered = is_ordered && follows_last(L, keys, n);
    lua_pushvalue(L, -1);
    lua_rawseti(L, keys, n + 1);
  }
  if (!is_ordered) tg_sandbox_sort(L, keys, n, key_less, NULL);
  lua_pushinteger(L, 0);
  lua_pushcclosure(L, walk_step, 3);
}

// Finds the smallest key after the one at index 2 (nil: the smallest of all). Leaves it and its
// value.
static int next_in_order(lua_State *L) {
  bool is_first = lua_isnil(L, 2);
  lua_pushnil(L); // index 3: the best so far
  for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
    tg_slice_work(L, STEPS_PER_KEY);
    key_rank(L, -2);
    if (!is_first && !key_less_at(L, 2, -2)) continue;
    if (!lua_isnil(L, 3) && !key_less_at(L, -2, 3)) continue;
    lua_pushvalue(L, -2);
    lua_replace(L, 3);
  }
  if (lua_isnil(L, 3)) return 1;
  lua_pushvalue(L, 3);
  lua_rawget(L, 1);
  return 2;
}

int tg_sandbox_next(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 2);
  if (tg_sandbox_of(L)->is_deterministic) return next_in_order(L);
  if (lua_next(L, 1)) return 2;
  lua_pushnil(L);
  return 1;
}

static int pairs_return(lua_State *L, int status, lua_KContext context) {
  (void)L;
  (void)status;
  (void)context;
  return 3;
}

int tg_sandbox_pairs(lua_State *L) {
  luaL_checkany(L, 1);
  if (luaL_getmetafield(L, 1, "__pairs") != LUA_TNIL) {
    lua_pushvalue(L, 1);
    lua_callk(L, 1, 3, 0, pairs_return);
    return 3;
  }
  luaL_checktype(L, 1, LUA_TTABLE);
  if (tg_sandbox_of(L)->is_deterministic)
    tg_sandbox_push_walk(L, 1);
  else
    lua_pushcfunction(L, tg_sandbox_next);
  lua_pushvalue(L, 1);
  lua_pushnil(L);
  return 3;
}
