// SPDX-License-Identifier: Apache-2.0
//
// tidegate.http for plain Lua: the same requests, done at once on a loop of its own. Secrets come
// from TIDEGATE_SECRET_<NAME>; TIDEGATE_CA_FILE names certificates to trust instead of the
// system's.
#include <stdio.h>
#include <stdlib.h>

#include "http/service.h"
#include "loop/loop.h"
#include "script/blocking.h"
#include "script/http_module.h"

struct blocking {
  struct tg_blocking blocking; // the first member
  struct tg_loop *loop;
  struct tg_http *client;
};

struct wait {
  struct tg_buf *reply;
  struct tg_error *err;
  int code;
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
    wait->code = (*wait->err = *err).code;
  else if (!tg_buf_put(wait->reply, reply->data, reply->len))
    wait->code = tg_error_set(wait->err, TG_ENOMEM, "out of memory for a response");
}

static int client_open(struct blocking *self, struct tg_error *err) {
  struct tg_http_options options = {.ca_file = getenv("TIDEGATE_CA_FILE"), .secret = secret_find};
  if (!self->loop) self->loop = tg_loop_new(err);
  if (self->loop && !self->client) self->client = tg_http_new(self->loop, &options, err);
  return self->client ? 0 : err->code;
}

static int answer(struct tg_blocking *blocking, const struct tg_buf *body, struct tg_buf *reply,
                  struct tg_error *err) {
  struct blocking *self = (struct blocking *)blocking;
  struct tg_http_service_call *call;
  struct wait wait = {.reply = reply, .err = err};
  int code = client_open(self, err);
  if (!code)
    code = tg_http_service_start(self->client, NULL, body->data, body->len, 0, request_done, &wait,
                                 &call, err);
  while (!code && !wait.is_done) tg_loop_turn(self->loop, true);
  return code ? code : wait.code;
}

static void client_close(struct tg_blocking *blocking) {
  struct blocking *self = (struct blocking *)blocking;
  tg_http_free(self->client);
  tg_loop_free(self->loop);
  self->client = NULL;
  self->loop = NULL;
}

__attribute__((visibility("default"))) int luaopen_tidegate_http(lua_State *L);

int luaopen_tidegate_http(lua_State *L) {
  struct blocking self = {.blocking = {.answer = answer, .close = client_close}};
  struct tg_blocking *kept =
      tg_blocking_new(L, "tidegate.http.blocking", &self.blocking, sizeof self);
  tg_http_module_push(L, &kept->world);
  return 1;
}
