// SPDX-License-Identifier: Apache-2.0
#include "script/blocking.h"

#include <string.h>

#include "script/lua_body.h"

#define BLOCKING "tidegate.blocking"

// Both bodies are in userdata, for what follows can raise.
static int request(struct tg_world *world, lua_State *L, enum tg_request kind, struct tg_buf *body,
                   tg_world_reply *reply) {
  (void)kind;
  struct tg_blocking *self = (struct tg_blocking *)world;
  struct tg_buf *own = tg_lua_new_body(L), *answer = tg_lua_new_body(L);
  *own = *body;
  tg_buf_init(body, body->max);
  struct tg_error err;
  int code = self->answer(self, own, answer, &err);
  struct tg_reader in = tg_reader_of(tg_buf_text(answer), answer->len);
  return reply(L, code ? &err : NULL, &in);
}

static int l_blocking_gc(lua_State *L) {
  struct tg_blocking *self = lua_touserdata(L, 1);
  self->close(self);
  return 0;
}

static void previous_close(lua_State *L, const char *name) {
  if (lua_getfield(L, LUA_REGISTRYINDEX, name) == LUA_TUSERDATA) {
    struct tg_blocking *previous = lua_touserdata(L, -1);
    previous->close(previous);
  }
  lua_pop(L, 1);
}

struct tg_blocking *tg_blocking_new(lua_State *L, const char *name, const struct tg_blocking *self,
                                    size_t size) {
  previous_close(L, name);
  struct tg_blocking *kept = lua_newuserdatauv(L, size, 0);
  memcpy(kept, self, size);
  kept->world.request = request;
  if (luaL_newmetatable(L, BLOCKING)) {
    lua_pushcfunction(L, l_blocking_gc);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  lua_setfield(L, LUA_REGISTRYINDEX, name); // as long as the state lives
  return kept;
}

void tg_blocking_add(lua_State *L, struct tg_blocking *self, const char *name,
                     lua_CFunction function) {
  lua_pushlightuserdata(L, self);
  lua_pushcclosure(L, function, 1);
  lua_setfield(L, -2, name);
}
