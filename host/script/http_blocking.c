// SPDX-License-Identifier: Apache-2.0
//
// tidegate.http for plain Lua: the same requests, done at once on a loop of its own. Secrets come
// from TIDEGATE_SECRET_<NAME>; TIDEGATE_CA_FILE names certificates to trust instead of the
// system's.
#include <stdio.h>
#include <stdlib.h>

#include "http/service.h"
#include "loop/loop.h"
#include "script/http_module.h"
#include "script/lua_body.h"

#define BLOCKING "tidegate.http.blocking"

struct blocking {
  struct tg_world world;
  struct tg_loop *loop;
  struct tg_http *client;
};

struct wait {
  struct tg_buf *reply;
  struct tg_error err; // code 0 if it went well
  bool is_done;
};

static const char *secret_find(void *self, const char *name) {
  char variable[256];
  (void)self;
  snprintf(variable, sizeof variable, "TIDEGATE_SECRET_%s", name);
  return getenv(variable);
}

static void request_done(void *self, const struct tg_error *err, struct tg_buf *reply) {
  struct wait *wait = self;
  wait->is_done = true;
  if (err)
    wait->err = *err;
  else if (!tg_buf_put(wait->reply, reply->data, reply->len))
    tg_error_set(&wait->err, TG_ENOMEM, "out of memory for a response");
}

static int client_open(struct blocking *self, struct tg_error *err) {
  struct tg_http_options options = {.ca_file = getenv("TIDEGATE_CA_FILE"), .secret = secret_find};
  if (!self->loop) self->loop = tg_loop_new(err);
  if (self->loop && !self->client) self->client = tg_http_new(self->loop, &options, err);
  return self->client ? 0 : err->code;
}

static int service_run(struct blocking *self, const struct tg_buf *body, struct wait *wait) {
  struct tg_http_service_call *call;
  int code = client_open(self, &wait->err);
  if (!code)
    code = tg_http_service_start(self->client, body->data, body->len, request_done, wait, &call,
                                 &wait->err);
  while (!code && !wait->is_done) tg_loop_turn(self->loop, true);
  return code ? code : wait->err.code;
}

static int request(struct tg_world *world, lua_State *L, enum tg_request kind, struct tg_buf *body,
                   tg_world_reply *reply) {
  (void)kind;
  struct wait wait = {.reply = tg_lua_new_body(L)};
  int code = service_run((struct blocking *)world, body, &wait);
  tg_buf_deinit(body);
  struct tg_reader in = tg_reader_of(tg_buf_text(wait.reply), wait.reply->len);
  return reply(L, code ? &wait.err : NULL, &in);
}

static int l_blocking_gc(lua_State *L) {
  struct blocking *self = lua_touserdata(L, 1);
  tg_http_free(self->client);
  tg_loop_free(self->loop);
  self->client = NULL;
  self->loop = NULL;
  return 0;
}

__attribute__((visibility("default"))) int luaopen_tidegate_http(lua_State *L);

int luaopen_tidegate_http(lua_State *L) {
  struct blocking *self = lua_newuserdatauv(L, sizeof *self, 0);
  *self = (struct blocking){.world.request = request};
  if (luaL_newmetatable(L, BLOCKING)) {
    lua_pushcfunction(L, l_blocking_gc);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  lua_setfield(L, LUA_REGISTRYINDEX, BLOCKING ".it"); // as long as the state lives
  tg_http_module_push(L, &self->world);
  return 1;
}
