// SPDX-License-Identifier: Apache-2.0
#include "script/lua_error.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

static int l_error_tostring(lua_State *L) {
  lua_getfield(L, 1, "message");
  return 1;
}

void tg_lua_push_error(lua_State *L, const struct tg_error *err) {
  lua_createtable(L, 0, 4);
  lua_pushstring(L, tg_code_word(err->code));
  lua_setfield(L, -2, "code");
  lua_pushstring(L, tg_class_word(err->class));
  lua_setfield(L, -2, "class");
  lua_pushstring(L, err->text);
  lua_setfield(L, -2, "message");
  if (err->retry_after_ms > 0) {
    lua_pushnumber(L, (lua_Number)err->retry_after_ms / 1000);
    lua_setfield(L, -2, "retry_after");
  }
  if (luaL_newmetatable(L, "tidegate.error")) {
    lua_pushcfunction(L, l_error_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
  }
  lua_setmetatable(L, -2);
}

int tg_lua_fail(lua_State *L, const struct tg_error *err) {
  lua_pushnil(L);
  tg_lua_push_error(L, err);
  return 2;
}

// Looks a string field up without metamethods; "" when it is absent or no string.
static const char *field_text(lua_State *L, int index, const char *name) {
  lua_pushstring(L, name);
  lua_rawget(L, index);
  const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
  lua_pop(L, 1); // the table keeps the string alive
  return text;
}

static void table_read(lua_State *L, int index, struct tg_error *err) {
  int code = tg_code_parse(field_text(L, index, "code"));
  int class = tg_class_parse(field_text(L, index, "class"));
  const char *message = field_text(L, index, "message");
  tg_error_set(err, code > TG_OK ? code : TG_ESCRIPT, "%s",
               *message ? message : "the task failed with a table without a message");
  if (class > TG_CLASS_NONE) err->class = (enum tg_class) class;
  lua_pushliteral(L, "retry_after");
  lua_rawget(L, index);
  double seconds = lua_tonumber(L, -1);
  if (seconds > 0 && seconds < 1e9) err->retry_after_ms = (int64_t)(seconds * 1000);
  lua_pop(L, 1);
}

void tg_lua_read_error(lua_State *L, int index, struct tg_error *err) {
  index = lua_absindex(L, index);
  switch (lua_type(L, index)) {
  case LUA_TTABLE:
    table_read(L, index, err);
    break;
  case LUA_TSTRING:
  case LUA_TNUMBER: {
    char text[TG_ERROR_TEXT_MAX];
    lua_pushvalue(L, index);
    snprintf(text, sizeof text, "%s", lua_tostring(L, -1));
    lua_pop(L, 1);
    tg_error_set(err, TG_ESCRIPT, "%s", text);
    break;
  }
  case LUA_TNIL:
    tg_error_set(err, TG_ESCRIPT, "the task failed without saying why");
    break;
  default:
    tg_error_set(err, TG_ESCRIPT, "the task failed with a %s value", luaL_typename(L, index));
  }
}
