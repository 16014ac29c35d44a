// SPDX-License-Identifier: Apache-2.0
#include "script/lua_body.h"

#include <lauxlib.h>

#include "base/limits.h"

#define BODY "tidegate.body"

enum { FRAME_HEAD_BYTES = 64 }; // what the frame adds to the body

static int l_body_gc(lua_State *L) {
  tg_buf_deinit(lua_touserdata(L, 1));
  return 0;
}

static int l_body_tostring(lua_State *L) {
  const struct tg_buf *body = lua_touserdata(L, 1);
  lua_pushlstring(L, tg_buf_text(body), body->len);
  return 1;
}

struct tg_buf *tg_lua_test_body(lua_State *L, int index) {
  return luaL_testudata(L, index, BODY);
}

struct tg_buf *tg_lua_new_body(lua_State *L) {
  struct tg_buf *body = lua_newuserdatauv(L, sizeof *body, 0);
  tg_buf_init(body, TG_FRAME_BYTES_MAX - FRAME_HEAD_BYTES);
  if (luaL_newmetatable(L, BODY)) {
    lua_pushcfunction(L, l_body_gc);
    lua_setfield(L, -2, "__gc");
    lua_pushcfunction(L, l_body_tostring);
    lua_setfield(L, -2, "__tostring");
  }
  lua_setmetatable(L, -2);
  return body;
}
