// SPDX-License-Identifier: Apache-2.0
//
// `tidegate._sql` for plain Lua: the same requests, done at once on a connection of its own.
// Scripts of plain Lua have `io` anyway, so any file may be loaded.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/limits.h"
#include "script/lua_body.h"
#include "script/lua_error.h"
#include "script/sql_module.h"
#include "warehouse/sql.h"
#include "warehouse/sql_request.h"

#define BLOCKING "tidegate.sql.blocking"

struct blocking {
  struct tg_world world;
  struct tg_sql sql;
};

static int file_open(void *self, const char *path, int *fd, struct tg_error *err) {
  (void)self;
  *fd = open(path, O_RDONLY | O_CLOEXEC);
  if (*fd >= 0) return TG_OK;
  return tg_error_errno(err, tg_file_code(errno), errno, "cannot open %.500s", path);
}

static int database_open(struct blocking *self, const char *path, struct tg_error *err) {
  if (self->sql.db) tg_sql_close(&self->sql);
  struct tg_sql_options options = {.path = path, .open_read = file_open};
  return tg_sql_open(&self->sql, &options, err);
}

static int default_open(struct blocking *self, struct tg_error *err) {
  if (self->sql.db) return TG_OK;
  const char *path = getenv("TIDEGATE_WAREHOUSE");
  return database_open(self, path ? path : ".tidegate/warehouse.db", err);
}

static int request(struct tg_world *world, lua_State *L, enum tg_request kind, struct tg_buf *body,
                   tg_world_reply *reply) {
  (void)kind;
  struct blocking *self = (struct blocking *)world;
  struct tg_error err;
  struct tg_buf *answer = tg_lua_new_body(L); // in a userdata, for pushing it can raise
  answer->max = TG_SQL_RESULT_BYTES_MAX;
  int code = default_open(self, &err);
  if (!code) code = tg_sql_request_run(&self->sql, body->data, body->len, answer, &err);
  tg_buf_deinit(body);
  struct tg_reader in = tg_reader_of(tg_buf_text(answer), answer->len);
  return reply(L, code ? &err : NULL, &in);
}

static int l_sql_open(lua_State *L) {
  struct blocking *self = lua_touserdata(L, lua_upvalueindex(1));
  struct tg_error err;
  if (database_open(self, luaL_checkstring(L, 1), &err)) return tg_lua_fail(L, &err);
  lua_pushboolean(L, 1);
  return 1;
}

static int l_blocking_gc(lua_State *L) {
  struct blocking *self = lua_touserdata(L, 1);
  tg_sql_close(&self->sql);
  return 0;
}

__attribute__((visibility("default"))) int luaopen_tidegate__sql(lua_State *L);

int luaopen_tidegate__sql(lua_State *L) {
  struct blocking *self = lua_newuserdatauv(L, sizeof *self, 0);
  *self = (struct blocking){.world.request = request, .sql.deadline_ms = INT64_MAX};
  if (luaL_newmetatable(L, BLOCKING)) {
    lua_pushcfunction(L, l_blocking_gc);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  lua_setfield(L, LUA_REGISTRYINDEX, BLOCKING ".it"); // as long as the state lives
  tg_sql_module_push(L, &self->world);
  lua_pushlightuserdata(L, self);
  lua_pushcclosure(L, l_sql_open, 1);
  lua_setfield(L, -2, "open");
  return 1;
}
