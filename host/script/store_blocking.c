// SPDX-License-Identifier: Apache-2.0
//
// tidegate.store for plain Lua: the same requests, done at once on a store of its own, which is
// opened when it is first used and closed with the Lua state. The data folder is TIDEGATE_DATA or
// .tidegate, the pipeline whose state it is TIDEGATE_PIPELINE or "lua"; store.open{path=,
// pipeline=} names others. A folder that a host holds is refused.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/wire.h"
#include "loop/loop.h"
#include "script/blocking.h"
#include "script/lua_error.h"
#include "script/lua_option.h"
#include "script/store_module.h"
#include "store/kv_service.h"
#include "store/store.h"

enum { DATA_SIZE = 4096, PIPELINE_SIZE = 256 };

struct blocking {
  struct tg_blocking blocking; // the first member
  struct tg_loop *loop;
  struct tg_store *store; // NULL until it is used
  char data[DATA_SIZE], pipeline[PIPELINE_SIZE];
};

struct wait {
  struct tg_buf *reply;
  struct tg_error *err;
  int code;
  bool is_done;
};

static void store_close(struct tg_blocking *blocking) {
  struct blocking *self = (struct blocking *)blocking;
  if (self->store) tg_store_close(self->store);
  tg_loop_free(self->loop);
  self->store = NULL;
  self->loop = NULL;
}

static int store_open(struct blocking *self, struct tg_error *err) {
  if (self->store) return TG_OK;
  self->loop = tg_loop_new(err);
  if (!self->loop) return err->code;
  int code = tg_store_open(self->loop, self->data, &self->store, err);
  if (code) store_close(&self->blocking);
  return code;
}

// Closes the store; the next use opens the one that is chosen.
static int store_choose(struct blocking *self, const char *data, const char *pipeline,
                        struct tg_error *err) {
  if (strlen(data) >= sizeof self->data || strlen(pipeline) >= sizeof self->pipeline)
    return tg_error_set(err, TG_EINVALID,
                        "a folder's name has at most %d bytes, a pipeline's at most %d",
                        DATA_SIZE - 1, PIPELINE_SIZE - 1);
  store_close(&self->blocking);
  snprintf(self->data, sizeof self->data, "%s", data);
  snprintf(self->pipeline, sizeof self->pipeline, "%s", pipeline);
  return TG_OK;
}

static void request_done(void *self, const struct tg_error *err, const struct tg_buf *reply) {
  struct wait *wait = self;
  wait->is_done = true;
  if (err)
    wait->code = (*wait->err = *err).code;
  else if (!tg_buf_put(wait->reply, reply->data, reply->len))
    wait->code = tg_error_set(wait->err, TG_ENOMEM, "out of memory for a reply");
}

static int answer(struct tg_blocking *blocking, const struct tg_buf *body, struct tg_buf *reply,
                  struct tg_error *err) {
  struct blocking *self = (struct blocking *)blocking;
  struct wait wait = {.reply = reply, .err = err};
  int code = store_open(self, err);
  if (code) return code;
  tg_kv_service_call(self->store, self->pipeline, body->data, body->len, request_done, &wait);
  while (!wait.is_done) tg_loop_turn(self->loop, true);
  return wait.code;
}

static int l_store_open(lua_State *L) {
  static const char *const words[] = {"path", "pipeline"};
  static const struct tg_lua_words options = {"store.open: option", words, 2};
  struct blocking *self = lua_touserdata(L, lua_upvalueindex(1));
  struct tg_error err;
  luaL_checktype(L, 1, LUA_TTABLE);
  tg_lua_option_check(L, 1, &options);
  lua_getfield(L, 1, "path");
  lua_getfield(L, 1, "pipeline");
  const char *data = luaL_checkstring(L, -2), *pipeline = luaL_optstring(L, -1, "lua");
  if (store_choose(self, data, pipeline, &err) || store_open(self, &err))
    return tg_lua_fail(L, &err);
  lua_pushboolean(L, 1);
  return 1;
}

__attribute__((visibility("default"))) int luaopen_tidegate_store(lua_State *L);

int luaopen_tidegate_store(lua_State *L) {
  struct blocking self = {.blocking = {.answer = answer, .close = store_close}};
  const char *data = getenv("TIDEGATE_DATA"), *pipeline = getenv("TIDEGATE_PIPELINE");
  struct tg_error err;
  if (store_choose(&self, data ? data : ".tidegate", pipeline ? pipeline : "lua", &err))
    return luaL_error(L, "tidegate.store: %s", err.text);
  struct tg_blocking *kept =
      tg_blocking_new(L, "tidegate.store.blocking", &self.blocking, sizeof self);
  tg_store_module_push(L, &kept->world);
  tg_blocking_add(L, kept, "open", l_store_open);
  return 1;
}
