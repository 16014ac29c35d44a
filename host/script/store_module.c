// SPDX-License-Identifier: Apache-2.0
#include "script/store_module.h"

#include <lauxlib.h>

#include "base/limits.h"
#include "base/units.h"
#include "ipc/wire.h"
#include "script/json_module.h"
#include "script/lua_error.h"
#include "script/lua_option.h"
#include "store/kv_service.h"

enum { LIST_DEFAULT = 1000, LIST_MAX = 10000 };

static const struct tg_json_caps value_caps = {
    .bytes_max = (size_t)TG_KV_VALUE_BYTES_MAX,
    .depth_max = (size_t)TG_JSON_DEPTH_MAX,
    .nodes_max = (size_t)TG_JSON_NODES_MAX,
};

// --- Arguments: what is wrong with them raises ---

static struct tg_slice check_key(lua_State *L, int index, size_t len_min) {
  struct tg_slice key;
  key.data = luaL_checklstring(L, index, &key.len);
  if (key.len < len_min) luaL_argerror(L, index, "a key may not be empty");
  if (key.len > TG_KV_KEY_BYTES_MAX)
    luaL_argerror(L, index, lua_pushfstring(L, "a key has at most %d bytes", TG_KV_KEY_BYTES_MAX));
  for (size_t i = 0; i < key.len; i++)
    if (!key.data[i]) luaL_argerror(L, index, "a key may not contain a NUL");
  return key;
}

static int64_t check_ttl(lua_State *L, int index) {
  static const char *const words[] = {"ttl"};
  static const struct tg_lua_words options = {"store: option", words, 1};
  int64_t ms;
  if (lua_isnoneornil(L, index)) return 0;
  luaL_checktype(L, index, LUA_TTABLE);
  tg_lua_option_check(L, index, &options);
  if (lua_getfield(L, index, "ttl") == LUA_TNIL) return lua_pop(L, 1), 0;
  const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
  if (!tg_duration_parse(text, &ms) || ms == 0)
    luaL_argerror(L, index, "ttl must be a duration such as \"1h\"");
  lua_pop(L, 1);
  return ms;
}

static uint32_t check_limit(lua_State *L, int index) {
  static const char *const words[] = {"limit"};
  static const struct tg_lua_words options = {"store: option", words, 1};
  if (lua_isnoneornil(L, index)) return LIST_DEFAULT;
  luaL_checktype(L, index, LUA_TTABLE);
  tg_lua_option_check(L, index, &options);
  if (lua_getfield(L, index, "limit") == LUA_TNIL) return lua_pop(L, 1), LIST_DEFAULT;
  lua_Integer limit = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : 0;
  if (limit < 1 || limit > LIST_MAX)
    luaL_argerror(L, index, lua_pushfstring(L, "limit must be a number from 1 to %d", LIST_MAX));
  lua_pop(L, 1);
  return (uint32_t)limit;
}

// --- Bodies ---

static struct tg_buf body_begin(enum tg_kv_operation operation, struct tg_slice key) {
  struct tg_buf body;
  tg_buf_init(&body, (size_t)TG_FRAME_BYTES_MAX);
  tg_wire_put_u8(&body, (uint8_t)operation);
  tg_wire_put_bytes(&body, key.data, key.len);
  return body;
}

// Puts the value at `index` as JSON; one that is no plain data, or too large, is the caller's
// fault.
static void value_put(lua_State *L, struct tg_buf *body, int index) {
  struct tg_buf json;
  struct tg_error err;
  tg_buf_init(&json, value_caps.bytes_max);
  int code = tg_lua_json_encode(L, index, &value_caps, &json, &err);
  if (code == TG_OK) tg_wire_put_bytes(body, json.data, json.len);
  tg_buf_deinit(&json);
  if (code == TG_OK) return;
  tg_buf_deinit(body);
  luaL_argerror(L, index, err.text);
}

static void value_push(lua_State *L, struct tg_slice json) {
  struct tg_error err;
  if (tg_lua_json_push(L, json.data, json.len, &value_caps, &err) != TG_OK)
    luaL_error(L, "the store gave a value that is not JSON: %s", err.text);
}

// --- Functions and how their replies are pushed ---

static int get_push(lua_State *L, const struct tg_error *err, struct tg_reader *body) {
  if (err) return tg_lua_fail(L, err);
  bool is_found = tg_wire_get_u8(body);
  struct tg_slice json = tg_wire_get_bytes(body);
  if (!is_found) return lua_pushnil(L), 1;
  value_push(L, json);
  lua_pushinteger(L, (lua_Integer)tg_wire_get_u64(body));
  return 2;
}

static int l_store_get(lua_State *L) {
  struct tg_buf body = body_begin(TG_KV_GET, check_key(L, 1, 1));
  return tg_world_request(L, TG_REQUEST_KV, &body, get_push);
}

static int changed_push(lua_State *L, const struct tg_error *err, struct tg_reader *body) {
  if (err) return tg_lua_fail(L, err);
  lua_pushboolean(L, tg_wire_get_u8(body));
  return 1;
}

static int put_push(lua_State *L, const struct tg_error *err, struct tg_reader *body) {
  (void)body;
  if (err) return tg_lua_fail(L, err);
  lua_pushboolean(L, 1);
  return 1;
}

static int l_store_put(lua_State *L) {
  struct tg_slice key = check_key(L, 1, 1);
  luaL_argcheck(L, !lua_isnoneornil(L, 2), 2, "a value is needed; store.delete removes a key");
  int64_t ttl_ms = check_ttl(L, 3);
  struct tg_buf body = body_begin(TG_KV_PUT, key);
  value_put(L, &body, 2);
  tg_wire_put_i64(&body, ttl_ms);
  return tg_world_request(L, TG_REQUEST_KV, &body, put_push);
}

static int l_store_delete(lua_State *L) {
  struct tg_buf body = body_begin(TG_KV_DELETE, check_key(L, 1, 1));
  return tg_world_request(L, TG_REQUEST_KV, &body, changed_push);
}

static int list_push(lua_State *L, const struct tg_error *err, struct tg_reader *body) {
  if (err) return tg_lua_fail(L, err);
  uint32_t count = tg_wire_get_count(body, 18); // two empty strings and a version
  lua_createtable(L, (int)count, 0);
  for (uint32_t i = 0; i < count; i++) {
    lua_createtable(L, 0, 3);
    lua_pushstring(L, tg_wire_get_text(body));
    lua_setfield(L, -2, "key");
    value_push(L, tg_wire_get_bytes(body));
    lua_setfield(L, -2, "value");
    lua_pushinteger(L, (lua_Integer)tg_wire_get_u64(body));
    lua_setfield(L, -2, "version");
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

static int l_store_list(lua_State *L) {
  struct tg_slice prefix = check_key(L, 1, 0);
  uint32_t limit = check_limit(L, 2);
  struct tg_buf body = body_begin(TG_KV_LIST, prefix);
  tg_wire_put_u32(&body, limit);
  return tg_world_request(L, TG_REQUEST_KV, &body, list_push);
}

static int cas_push(lua_State *L, const struct tg_error *err, struct tg_reader *body) {
  if (err) return tg_lua_fail(L, err);
  bool is_swapped = tg_wire_get_u8(body), is_found = tg_wire_get_u8(body);
  struct tg_slice json = tg_wire_get_bytes(body);
  lua_pushboolean(L, is_swapped);
  if (is_swapped) return 1;
  if (is_found)
    value_push(L, json);
  else
    lua_pushnil(L);
  return 2;
}

static int l_store_cas(lua_State *L) {
  struct tg_slice key = check_key(L, 1, 1);
  luaL_argcheck(L, !lua_isnoneornil(L, 3), 3, "a value is needed; store.delete removes a key");
  int64_t ttl_ms = check_ttl(L, 4);
  struct tg_buf body = body_begin(TG_KV_CAS, key);
  tg_wire_put_u8(&body, !lua_isnil(L, 2));
  if (lua_isnil(L, 2))
    tg_wire_put_bytes(&body, "", 0);
  else
    value_put(L, &body, 2);
  value_put(L, &body, 3);
  tg_wire_put_i64(&body, ttl_ms);
  return tg_world_request(L, TG_REQUEST_KV, &body, cas_push);
}

static const luaL_Reg functions[] = {
    {"get", l_store_get},   {"put", l_store_put}, {"delete", l_store_delete},
    {"list", l_store_list}, {"cas", l_store_cas}, {NULL, NULL},
};

void tg_store_module_push(lua_State *L, struct tg_world *world) {
  tg_world_new_module(L, functions, world);
}
