// SPDX-License-Identifier: Apache-2.0
//
// `tidegate._sql` for plain Lua: the same requests, done at once on a connection of its own.
// Scripts of plain Lua have `io` anyway, so any file may be loaded.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/limits.h"
#include "script/blocking.h"
#include "script/lua_error.h"
#include "script/sql_module.h"
#include "warehouse/sql.h"
#include "warehouse/sql_request.h"

struct blocking {
  struct tg_blocking blocking; // the first member
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

static int answer(struct tg_blocking *blocking, const struct tg_buf *body, struct tg_buf *reply,
                  struct tg_error *err) {
  struct blocking *self = (struct blocking *)blocking;
  reply->max = TG_SQL_RESULT_BYTES_MAX;
  int code = default_open(self, err);
  return code ? code : tg_sql_request_run(&self->sql, body->data, body->len, reply, err);
}

static void database_close(struct tg_blocking *self) {
  tg_sql_close(&((struct blocking *)self)->sql);
}

static int l_sql_open(lua_State *L) {
  struct blocking *self = lua_touserdata(L, lua_upvalueindex(1));
  struct tg_error err;
  if (database_open(self, luaL_checkstring(L, 1), &err)) return tg_lua_fail(L, &err);
  lua_pushboolean(L, 1);
  return 1;
}

__attribute__((visibility("default"))) int luaopen_tidegate__sql(lua_State *L);

int luaopen_tidegate__sql(lua_State *L) {
  struct blocking self = {.blocking = {.answer = answer, .close = database_close},
                          .sql.deadline_ms = INT64_MAX};
  struct tg_blocking *kept =
      tg_blocking_new(L, "tidegate.sql.blocking", &self.blocking, sizeof self);
  tg_sql_module_push(L, &kept->world);
  tg_blocking_add(L, kept, "open", l_sql_open);
  return 1;
}
