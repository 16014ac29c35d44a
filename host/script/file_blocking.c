// SPDX-License-Identifier: Apache-2.0
//
// `tidegate._file` for plain Lua: the same requests, done at once.
#include <stdlib.h>
#include <string.h>

#include "files/service.h"
#include "script/blocking.h"
#include "script/file_module.h"
#include "script/lua_error.h"

struct blocking {
  struct tg_blocking blocking; // the first member
  struct tg_files files;
};

static int roots_default(struct tg_files *files, struct tg_error *err) {
  const char *list = getenv("TIDEGATE_FILES");
  if (!list) return tg_files_add_root(files, ".", true, err);
  char *copy = strdup(list), *rest = copy;
  int code = copy ? TG_OK : tg_error_set(err, TG_ENOMEM, "out of memory");
  for (char *path; !code && (path = strsep(&rest, ":"));)
    if (*path) code = tg_files_add_root(files, path, true, err);
  free(copy);
  return code;
}

static int files_start(struct blocking *self, struct tg_error *err) {
  if (self->files.base) return TG_OK;
  int code = tg_files_init(&self->files, ".", err);
  if (!code) code = roots_default(&self->files, err);
  if (code) tg_files_deinit(&self->files);
  return code;
}

static int answer(struct tg_blocking *blocking, const struct tg_buf *body, struct tg_buf *reply,
                  struct tg_error *err) {
  struct blocking *self = (struct blocking *)blocking;
  int code = files_start(self, err);
  return code ? code : tg_files_service_call(&self->files, body->data, body->len, reply, err);
}

static void files_close(struct tg_blocking *self) {
  tg_files_deinit(&((struct blocking *)self)->files);
}

static int root_add(lua_State *L, struct tg_files *files, lua_Integer i, struct tg_error *err) {
  if (lua_rawgeti(L, 1, i) != LUA_TTABLE) return luaL_error(L, "root %I is no table", i);
  if (lua_getfield(L, -1, "path") != LUA_TSTRING) return luaL_error(L, "root %I has no path", i);
  lua_getfield(L, -2, "write");
  int code = tg_files_add_root(files, lua_tostring(L, -2), lua_toboolean(L, -1), err);
  lua_pop(L, 3);
  return code;
}

static int l_file_allow(lua_State *L) {
  struct blocking *self = lua_touserdata(L, lua_upvalueindex(1));
  struct tg_error err;
  luaL_checktype(L, 1, LUA_TTABLE);
  tg_files_deinit(&self->files);
  int code = tg_files_init(&self->files, ".", &err);
  for (lua_Integer i = 1; !code && i <= (lua_Integer)lua_rawlen(L, 1); i++)
    code = root_add(L, &self->files, i, &err);
  if (code) return tg_lua_fail(L, &err);
  lua_pushboolean(L, 1);
  return 1;
}

__attribute__((visibility("default"))) int luaopen_tidegate__file(lua_State *L);

int luaopen_tidegate__file(lua_State *L) {
  struct blocking self = {.blocking = {.answer = answer, .close = files_close}};
  struct tg_blocking *kept =
      tg_blocking_new(L, "tidegate.file.blocking", &self.blocking, sizeof self);
  tg_file_module_push(L, &kept->world);
  tg_blocking_add(L, kept, "allow", l_file_allow);
  return 1;
}
