// SPDX-License-Identifier: Apache-2.0
#include "script/file_module.h"

#include <string.h>

#include "files/service.h"
#include "script/lua_body.h"
#include "script/lua_error.h"

static const char *type_word(uint8_t type) {
  static const char *const words[] = {"file", "folder", "link", "other"};
  return words[type <= TG_FILE_TYPE_OTHER ? type : TG_FILE_TYPE_OTHER];
}

static struct tg_buf *request_begin(lua_State *L, int args, enum tg_file_op op) {
  size_t len;
  const char *path = luaL_checklstring(L, 1, &len);
  luaL_argcheck(L, strlen(path) == len, 1, "contains a zero byte");
  lua_settop(L, args);
  struct tg_buf *body = tg_lua_new_body(L);
  tg_wire_put_u8(body, (uint8_t)op);
  tg_wire_put_text(body, path);
  return body;
}

static void bytes_push(lua_State *L, struct tg_reader *body) {
  struct tg_slice bytes = tg_wire_get_bytes(body);
  lua_pushlstring(L, bytes.data, bytes.len);
}

static int reply_bytes(lua_State *L, const struct tg_error *err, struct tg_reader *body) {
  if (err) return tg_lua_fail(L, err);
  bytes_push(L, body);
  return 1;
}

static int l_file_read(lua_State *L) {
  lua_Integer max = luaL_optinteger(L, 2, 0);
  luaL_argcheck(L, max >= 0, 2, "must not be negative");
  struct tg_buf *body = request_begin(L, 2, TG_FILE_READ);
  tg_wire_put_u64(body, (uint64_t)max);
  return tg_world_request(L, TG_REQUEST_FILE, body, reply_bytes);
}

static int reply_chunk(lua_State *L, const struct tg_error *err, struct tg_reader *body) {
  if (err) return tg_lua_fail(L, err);
  bytes_push(L, body);
  lua_pushinteger(L, (lua_Integer)tg_wire_get_u64(body));
  lua_pushinteger(L, (lua_Integer)tg_wire_get_u64(body));
  lua_pushboolean(L, tg_wire_get_u8(body));
  return 4;
}

// chunk(path, offset, identity) -> bytes, offset, identity, is_end
static int l_file_chunk(lua_State *L) {
  uint64_t offset = (uint64_t)luaL_checkinteger(L, 2);
  uint64_t identity = (uint64_t)luaL_checkinteger(L, 3);
  struct tg_buf *body = request_begin(L, 3, TG_FILE_CHUNK);
  tg_wire_put_u64(body, offset);
  tg_wire_put_u64(body, identity);
  tg_wire_put_u64(body, 0);
  return tg_world_request(L, TG_REQUEST_FILE, body, reply_chunk);
}

static int reply_list(lua_State *L, const struct tg_error *err, struct tg_reader *body) {
  if (err) return tg_lua_fail(L, err);
  uint32_t count = tg_wire_get_count(body, 14);
  lua_createtable(L, (int)count, 0);
  for (uint32_t i = 1; i <= count; i++) {
    lua_createtable(L, 0, 3);
    lua_pushstring(L, tg_wire_get_text(body));
    lua_setfield(L, -2, "name");
    lua_pushstring(L, type_word(tg_wire_get_u8(body)));
    lua_setfield(L, -2, "type");
    lua_pushinteger(L, tg_wire_get_i64(body));
    lua_setfield(L, -2, "size");
    lua_rawseti(L, -2, i);
  }
  return 1;
}

static int l_file_list(lua_State *L) {
  struct tg_buf *body = request_begin(L, 1, TG_FILE_LIST);
  return tg_world_request(L, TG_REQUEST_FILE, body, reply_list);
}

static int reply_stat(lua_State *L, const struct tg_error *err, struct tg_reader *body) {
  if (err) return tg_lua_fail(L, err);
  lua_createtable(L, 0, 3);
  lua_pushstring(L, type_word(tg_wire_get_u8(body)));
  lua_setfield(L, -2, "type");
  lua_pushinteger(L, tg_wire_get_i64(body));
  lua_setfield(L, -2, "size");
  lua_pushinteger(L, tg_wire_get_i64(body));
  lua_setfield(L, -2, "modified_ms");
  return 1;
}

static int l_file_stat(lua_State *L) {
  struct tg_buf *body = request_begin(L, 1, TG_FILE_STAT);
  return tg_world_request(L, TG_REQUEST_FILE, body, reply_stat);
}

static int reply_nothing(lua_State *L, const struct tg_error *err, struct tg_reader *body) {
  (void)body;
  if (err) return tg_lua_fail(L, err);
  lua_pushboolean(L, 1);
  return 1;
}

static int l_file_write(lua_State *L) {
  size_t len;
  const char *bytes = luaL_checklstring(L, 2, &len);
  struct tg_buf *body = request_begin(L, 2, TG_FILE_WRITE);
  tg_wire_put_bytes(body, bytes, len);
  return tg_world_request(L, TG_REQUEST_FILE, body, reply_nothing);
}

void tg_file_module_push(lua_State *L, struct tg_world *world) {
  static const luaL_Reg functions[] = {{"read", l_file_read},   {"chunk", l_file_chunk},
                                       {"list", l_file_list},   {"stat", l_file_stat},
                                       {"write", l_file_write}, {NULL, NULL}};
  tg_world_new_module(L, functions, world);
}
