// SPDX-License-Identifier: Apache-2.0
// The base functions: Lua's own where they keep the rules of sandbox.h, ours for the rest.
#include <lualib.h>
#include <string.h>

#include "base/limits.h"
#include "script/sandbox_parts.h"

const char *tg_sandbox_tostring(lua_State *L, int index, size_t *len) {
  index = lua_absindex(L, index);
  int type = lua_type(L, index);
  bool is_scalar =
      type == LUA_TNIL || type == LUA_TBOOLEAN || type == LUA_TNUMBER || type == LUA_TSTRING;
  if (!is_scalar && luaL_getmetafield(L, index, "__tostring") == LUA_TNIL) {
    if (luaL_getmetafield(L, index, "__name") != LUA_TSTRING)
      lua_pushstring(L, lua_typename(L, type));
    return lua_tolstring(L, -1, len);
  }
  if (!is_scalar) lua_pop(L, 1);
  return luaL_tolstring(L, index, len);
}

static int l_tostring(lua_State *L) {
  luaL_checkany(L, 1);
  tg_sandbox_tostring(L, 1, NULL);
  tg_slice_leave(L);
  return 1;
}

static int l_print(lua_State *L) {
  int n = lua_gettop(L);
  luaL_Buffer buffer;
  luaL_buffinit(L, &buffer);
  for (int i = 1; i <= n; i++) {
    if (i > 1) luaL_addchar(&buffer, '\t');
    tg_sandbox_tostring(L, i, NULL);
    luaL_addvalue(&buffer);
    if (luaL_bufflen(&buffer) > TG_STRING_BYTES_MAX)
      return luaL_error(L, "print: the line has more than %d bytes", TG_STRING_BYTES_MAX);
  }
  luaL_pushresult(&buffer);
  size_t len;
  const char *text = lua_tolstring(L, -1, &len);
  const struct tg_sandbox_options *options = &tg_sandbox_of(L)->options;
  if (options->print) options->print(options->self, text, len);
  tg_slice_leave(L);
  return 0;
}

static int l_rawset(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checkany(L, 2);
  luaL_checkany(L, 3);
  if (tg_sandbox_is_protected(L, 1)) return luaL_error(L, "rawset: this table is read-only");
  lua_settop(L, 3);
  lua_rawset(L, 1);
  return 1;
}

static void refuse_field(lua_State *L, const char *name, const char *advice) {
  lua_pushstring(L, name);
  if (lua_rawget(L, 2) != LUA_TNIL)
    luaL_error(L, "setmetatable: %s is not available in scripts%s", name, advice);
  lua_pop(L, 1);
}

static int l_setmetatable(lua_State *L) {
  int type = lua_type(L, 2);
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_argexpected(L, type == LUA_TNIL || type == LUA_TTABLE, 2, "nil or table");
  if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
    return luaL_error(L, "cannot change a protected metatable");
  if (type == LUA_TTABLE) {
    refuse_field(L, "__gc", " (a local with <close> is the way to clean up)");
    refuse_field(L, "__mode", "");
  }
  lua_settop(L, 2);
  lua_setmetatable(L, 1);
  return 1;
}

static int l_collectgarbage(lua_State *L) {
  const char *what = luaL_optstring(L, 1, "collect");
  if (strcmp(what, "count") != 0)
    return luaL_error(L, "collectgarbage: only \"count\" is available in scripts");
  if (tg_sandbox_of(L)->is_deterministic)
    return luaL_error(L, "collectgarbage is not available in policies and while a bundle is built");
  lua_pushnumber(L, (lua_Number)tg_sandbox_of(L)->allocator.used / 1024);
  return 1;
}

// Collects what the function at index 1 gives, piece by piece, and replaces it with the text. Gives
// false with an error on top when a piece fails.
static bool read_pieces(lua_State *L) {
  luaL_Buffer buffer;
  luaL_buffinit(L, &buffer);
  for (;;) {
    lua_pushvalue(L, 1);
    if (lua_pcall(L, 0, 1, 0) != LUA_OK) return false;
    size_t len = 0;
    if (!lua_isnil(L, -1) && !lua_tolstring(L, -1, &len))
      luaL_error(L, "reader function must return a string");
    if (len == 0) break;
    luaL_addvalue(&buffer);
    if (luaL_bufflen(&buffer) > TG_SOURCE_BYTES_MAX) break; // the load refuses it
  }
  if (luaL_bufflen(&buffer) <= TG_SOURCE_BYTES_MAX) lua_pop(L, 1);
  luaL_pushresult(&buffer);
  lua_replace(L, 1);
  return true;
}

static int load_failed(lua_State *L) {
  lua_pushnil(L);
  lua_insert(L, -2);
  return 2;
}

static int l_load(lua_State *L) {
  bool is_text = lua_isstring(L, 1), has_env = !lua_isnone(L, 4);
  const char *name = luaL_optstring(L, 2, is_text ? lua_tostring(L, 1) : "=(load)");
  const char *mode = luaL_optstring(L, 3, "t");
  lua_settop(L, 4);
  if (!strchr(mode, 't')) {
    lua_pushliteral(L, "load: only text can be loaded, mode \"t\"");
    return load_failed(L);
  }
  if (!is_text) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    if (!read_pieces(L)) return load_failed(L);
  }
  size_t len;
  const char *text = lua_tolstring(L, 1, &len);
  if (tg_sandbox_load(L, text, len, name) != LUA_OK) return load_failed(L);
  if (has_env) {
    lua_pushvalue(L, 4);
    lua_setupvalue(L, -2, 1);
  }
  tg_slice_leave(L);
  return 1;
}

// pcall and xpcall keep the place of their results: true first, then what the function gives.
static int xpcall_handled(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  lua_pushboolean(L, 0);
  lua_insert(L, -2);
  return 2;
}

// The handler runs when the stack is unwound: without `debug` it cannot tell, and a handler that
// Lua holds on to would outlive its place on the stack when the coroutine is closed (Lua 5.4.6, bug
// 4).
static int xpcall_return(lua_State *L, int status, lua_KContext context) {
  if (status == LUA_OK || status == LUA_YIELD) return lua_gettop(L) - 2;
  lua_pushvalue(L, 2);
  lua_insert(L, -2);
  status = lua_pcallk(L, 1, 1, 0, context, xpcall_handled);
  return xpcall_handled(L, status, context);
}

static int l_xpcall(lua_State *L) {
  int n = lua_gettop(L);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_pushboolean(L, 1);
  lua_pushvalue(L, 1);
  lua_rotate(L, 3, 2);
  int status = lua_pcallk(L, n - 2, LUA_MULTRET, 0, 0, xpcall_return);
  return xpcall_return(L, status, 0);
}

void tg_sandbox_push_base(lua_State *L) {
  static const char *const kept[] = {"_VERSION", "assert",   "error",  "getmetatable", "ipairs",
                                     "pcall",    "rawequal", "rawget", "rawlen",       "select",
                                     "tonumber", "type",     NULL};
  static const luaL_Reg functions[] = {{"collectgarbage", l_collectgarbage},
                                       {"load", l_load},
                                       {"next", tg_sandbox_next},
                                       {"pairs", tg_sandbox_pairs},
                                       {"print", l_print},
                                       {"rawset", l_rawset},
                                       {"setmetatable", l_setmetatable},
                                       {"tostring", l_tostring},
                                       {"xpcall", l_xpcall},
                                       {NULL, NULL}};
  luaopen_base(L); // fills the globals, which are replaced at the end
  lua_newtable(L);
  tg_sandbox_copy_fields(L, kept);
  lua_remove(L, -2);
  luaL_setfuncs(L, functions, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "_G");
}
