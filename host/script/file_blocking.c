// SPDX-License-Identifier: Apache-2.0
//
// `tidegate._file` for plain Lua: the same requests, done at once.
#include <stdlib.h>
#include <string.h>

#include "files/service.h"
#include "script/file_module.h"
#include "script/lua_body.h"
#include "script/lua_error.h"

#define BLOCKING "tidegate.file.blocking"

struct blocking {
  struct tg_world world;
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

static int request(struct tg_world *world, lua_State *L, enum tg_request kind, struct tg_buf *body,
                   tg_world_reply *reply) {
  (void)kind;
  struct blocking *self = (struct blocking *)world;
  struct tg_error err;
  struct tg_buf *answer = tg_lua_new_body(L); // in a userdata, for pushing it can raise
  int code = files_start(self, &err);
  if (!code) code = tg_files_service_call(&self->files, body->data, body->len, answer, &err);
  tg_buf_deinit(body);
  struct tg_reader in = tg_reader_of(tg_buf_text(answer), answer->len);
  return reply(L, code ? &err : NULL, &in);
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

static int l_blocking_gc(lua_State *L) {
  struct blocking *self = lua_touserdata(L, 1);
  tg_files_deinit(&self->files);
  return 0;
}

__attribute__((visibility("default"))) int luaopen_tidegate__file(lua_State *L);

int luaopen_tidegate__file(lua_State *L) {
  struct blocking *self = lua_newuserdatauv(L, sizeof *self, 0);
  *self = (struct blocking){.world.request = request};
  if (luaL_newmetatable(L, BLOCKING)) {
    lua_pushcfunction(L, l_blocking_gc);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  lua_setfield(L, LUA_REGISTRYINDEX, BLOCKING ".it"); // as long as the state lives
  tg_file_module_push(L, &self->world);
  lua_pushlightuserdata(L, self);
  lua_pushcclosure(L, l_file_allow, 1);
  lua_setfield(L, -2, "allow");
  return 1;
}
