// SPDX-License-Identifier: Apache-2.0
#include "script/secret.h"

#include <lauxlib.h>
#include <string.h>

#include "ipc/wire.h"

#define SECRET "tidegate.secret"

static bool is_handle(lua_State *L, int index) {
  if (!lua_istable(L, index) || !lua_getmetatable(L, index)) return false;
  luaL_getmetatable(L, SECRET);
  bool is = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return is;
}

// Appends a part to the list on top of the stack; the text stands at `text`.
static void part_add(lua_State *L, bool is_secret, int text) {
  lua_createtable(L, 0, 2);
  lua_pushboolean(L, is_secret);
  lua_setfield(L, -2, "secret");
  lua_pushvalue(L, text);
  lua_setfield(L, -2, "text");
  lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
}

// Appends the parts of the value at `index` to the list on top of the stack.
static bool parts_add(lua_State *L, int index) {
  int list = lua_gettop(L);
  if (lua_isstring(L, index)) {
    part_add(L, false, index);
    return true;
  }
  if (!is_handle(L, index)) return false;
  lua_getfield(L, index, "parts");
  lua_insert(L, list); // the parts, then the list
  for (lua_Integer i = 1; lua_rawgeti(L, list, i) == LUA_TTABLE; i++)
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
  lua_pop(L, 1);
  lua_remove(L, list);
  return true;
}

static int l_secret_tostring(lua_State *L) {
  lua_pushliteral(L, "***");
  return 1;
}

static int l_secret_newindex(lua_State *L) {
  return luaL_error(L, "a secret cannot be changed");
}

static void handle_wrap(lua_State *L);

static int l_secret_concat(lua_State *L) {
  lua_newtable(L);
  if (!parts_add(L, 1) || !parts_add(L, 2))
    return luaL_error(L, "a secret can be joined with strings and secrets only");
  handle_wrap(L);
  return 1;
}

static const luaL_Reg secret_metamethods[] = {
    {"__tostring", l_secret_tostring},
    {"__concat", l_secret_concat},
    {"__newindex", l_secret_newindex},
    {NULL, NULL},
};

// Makes the list on top of the stack a handle.
static void handle_wrap(lua_State *L) {
  lua_createtable(L, 0, 1);
  lua_insert(L, -2);
  lua_setfield(L, -2, "parts");
  if (luaL_newmetatable(L, SECRET)) {
    luaL_setfuncs(L, secret_metamethods, 0);
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
  }
  lua_setmetatable(L, -2);
}

void tg_lua_push_secret(lua_State *L, const char *name) {
  lua_pushstring(L, name);
  lua_newtable(L);
  part_add(L, true, lua_absindex(L, -2));
  lua_remove(L, -2);
  handle_wrap(L);
}

// Reads the part on top of the stack. Scripts can reach the list, so nothing in it is believed.
static bool part_put(lua_State *L, struct tg_buf *out) {
  size_t len = 0;
  if (!lua_istable(L, -1)) return false;
  lua_getfield(L, -1, "secret");
  lua_getfield(L, -2, "text");
  const char *text = lua_isstring(L, -1) ? lua_tolstring(L, -1, &len) : NULL;
  bool ok = text && strlen(text) == len;
  if (ok) {
    tg_wire_put_u8(out, lua_toboolean(L, -2) != 0);
    tg_wire_put_text(out, text);
  }
  lua_pop(L, 2);
  return ok;
}

bool tg_lua_put_parts(lua_State *L, int index, struct tg_buf *out) {
  index = lua_absindex(L, index);
  size_t len = out->len;
  luaL_checkstack(L, 12, NULL);
  lua_newtable(L);
  bool ok = parts_add(L, index);
  lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
  tg_wire_put_u32(out, (uint32_t)count);
  for (lua_Integer i = 1; ok && i <= count; i++) {
    lua_rawgeti(L, -1, i);
    ok = part_put(L, out);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  if (!ok && !out->is_failed) out->len = len;
  return ok;
}
