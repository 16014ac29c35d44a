// SPDX-License-Identifier: Apache-2.0
#include "script/world.h"

#include "script/lua_error.h"

int tg_world_request(lua_State *L, enum tg_request kind, struct tg_buf *body,
                     tg_world_reply *reply) {
  struct tg_world *world = lua_touserdata(L, lua_upvalueindex(1));
  if (body->is_failed) {
    struct tg_error err;
    if (body->is_out_of_memory)
      tg_error_set(&err, TG_ENOMEM, "no memory for the request");
    else
      tg_error_set(&err, TG_ELIMIT, "the request has more than %zu bytes", body->max);
    tg_buf_deinit(body);
    lua_pushnil(L);
    tg_lua_push_error(L, &err);
    return 2;
  }
  return world->request(world, L, kind, body, reply);
}

void tg_world_new_module(lua_State *L, const luaL_Reg *functions, struct tg_world *world) {
  lua_newtable(L);
  lua_pushlightuserdata(L, world);
  luaL_setfuncs(L, functions, 1);
}
