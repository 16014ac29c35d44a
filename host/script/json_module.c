// SPDX-License-Identifier: Apache-2.0
#include "script/json_module.h"

#include <jansson.h>
#include <lauxlib.h>

#include "base/limits.h"
#include "script/lua_error.h"
#include "script/lua_option.h"

#define ARRAY "tidegate.json.array"

static const char *const option_words[] = {"pretty", "sort"};
static const struct tg_lua_words options = {"json.encode: option", option_words, 2};

struct tg_json_caps tg_json_caps_default(void) {
  return (struct tg_json_caps){
      .bytes_max = TG_JSON_BYTES_MAX,
      .depth_max = TG_JSON_DEPTH_MAX,
      .nodes_max = TG_JSON_NODES_MAX,
  };
}

void tg_lua_json_push_array_mark(lua_State *L) {
  if (!luaL_newmetatable(L, ARRAY)) return;
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
}

static int l_json_decode(lua_State *L) {
  size_t len;
  const char *text = luaL_checklstring(L, 1, &len);
  const struct tg_json_caps caps = tg_json_caps_default();
  struct tg_json_place place;
  struct tg_error err;
  if (tg_lua_json_push_at(L, text, len, &caps, &place, &err) == 0) return 1;
  tg_lua_fail(L, &err);
  if (!place.line) return 2;
  lua_pushinteger(L, place.line);
  lua_setfield(L, -2, "line");
  lua_pushinteger(L, place.column);
  lua_setfield(L, -2, "column");
  lua_pushinteger(L, place.position);
  lua_setfield(L, -2, "position");
  return 2;
}

static bool option_read(lua_State *L, const char *name, bool value) {
  lua_pushstring(L, name);
  int type = lua_rawget(L, 2);
  if (type != LUA_TNIL && type != LUA_TBOOLEAN)
    luaL_error(L, "json.encode: %s must be true or false, not a %s", name, luaL_typename(L, -1));
  if (type == LUA_TBOOLEAN) value = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return value;
}

static int l_json_encode(lua_State *L) {
  luaL_checkany(L, 1);
  struct tg_json_format format = {.is_sorted = true};
  if (!lua_isnoneornil(L, 2)) {
    luaL_checktype(L, 2, LUA_TTABLE);
    tg_lua_option_check(L, 2, &options);
    format.is_pretty = option_read(L, "pretty", format.is_pretty);
    format.is_sorted = option_read(L, "sort", format.is_sorted);
  }
  const struct tg_json_caps caps = tg_json_caps_default();
  struct tg_error err;
  if (tg_lua_json_push_text(L, 1, &caps, format, &err)) return tg_lua_fail(L, &err);
  return 1;
}

static int l_json_array(lua_State *L) {
  if (lua_isnoneornil(L, 1)) {
    lua_settop(L, 0);
    lua_newtable(L);
  }
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  tg_lua_json_push_array_mark(L);
  if (lua_getmetatable(L, 1)) {
    luaL_argcheck(L, lua_rawequal(L, -1, -2), 1, "the table has another metatable already");
    lua_pop(L, 1);
  }
  lua_setmetatable(L, 1);
  return 1;
}

static int l_null_tostring(lua_State *L) {
  if (lua_touserdata(L, 1))
    lua_pushfstring(L, "userdata: %p", lua_touserdata(L, 1));
  else
    lua_pushliteral(L, "null");
  return 1;
}

// Pushes json.null. Light userdata share one metatable; if somebody has set it, it stays his.
static void null_push(lua_State *L) {
  lua_pushlightuserdata(L, NULL);
  if (lua_getmetatable(L, -1)) {
    lua_pop(L, 1);
    return;
  }
  lua_createtable(L, 0, 2);
  lua_pushcfunction(L, l_null_tostring);
  lua_setfield(L, -2, "__tostring");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_setmetatable(L, -2);
}

static const luaL_Reg functions[] = {
    {"decode", l_json_decode},
    {"encode", l_json_encode},
    {"array", l_json_array},
    {NULL, NULL},
};

int luaopen_tidegate_json(lua_State *L) {
  json_object_seed(0); // reads /dev/urandom, which a sandbox will not allow later
  luaL_newlib(L, functions);
  null_push(L);
  lua_setfield(L, -2, "null");
  return 1;
}
