// SPDX-License-Identifier: Apache-2.0
#include "script/native.h"

#include "base/limits.h"
#include "script/fiber.h"
#include "script/json_module.h"
#include "script/lua_body.h"
#include "script/lua_error.h"
#include "script/place.h"
#include "script/secret.h"
#include "script/state.h"

// What passes between a script and the host as JSON is held to what a task may return.
static const struct tg_json_caps caps = {
    .bytes_max = (size_t)TG_RESULT_BYTES_MAX,
    .depth_max = TG_RESULT_DEPTH_MAX,
    .nodes_max = TG_RESULT_NODES_MAX,
};

static struct tg_buf body_new(void) {
  struct tg_buf body;
  tg_buf_init(&body, (size_t)TG_FRAME_BYTES_MAX);
  return body;
}

// Pushes JSON that the host sent; what does not parse is the host's mistake.
static int json_push(lua_State *L, struct tg_slice json) {
  struct tg_error err;
  if (tg_lua_json_push(L, json.data, json.len, &caps, &err) != TG_OK) return tg_lua_fail(L, &err);
  return 1;
}

static int source_push(lua_State *L, const struct tg_error *err, struct tg_reader *body) {
  if (err) {
    lua_pushnil(L);
    lua_pushstring(L, err->text);
    return 2;
  }
  const char *path = tg_wire_get_text(body);
  struct tg_slice text = tg_wire_get_bytes(body);
  lua_pushlstring(L, text.data, text.len);
  lua_pushstring(L, path);
  return 2;
}

static int l_native_source(lua_State *L) {
  const char *kind = luaL_checkstring(L, 1), *name = luaL_checkstring(L, 2);
  const struct tg_state_source *source = tg_state_find_source(L, kind, name);
  if (!source) return tg_state_request_source(L, kind, name, source_push);
  lua_pushlstring(L, source->text, source->len);
  lua_pushstring(L, source->path);
  return 2;
}

// Level 1 is who calls the library's function that asks.
static int l_native_where(lua_State *L) {
  tg_lua_push_place(L, (int)luaL_checkinteger(L, 1) + 1);
  return 1;
}

static int l_native_size(lua_State *L) {
  lua_Integer count = 0;
  luaL_checktype(L, 1, LUA_TTABLE);
  for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) count++;
  lua_pushinteger(L, count);
  return 1;
}

static int l_native_log(lua_State *L) {
  size_t len;
  int level = tg_log_level_parse(luaL_checkstring(L, 1));
  const char *text = luaL_checklstring(L, 2, &len);
  luaL_argcheck(L, level >= 0, 1, "no such level");
  tg_scheduler_log(tg_scheduler_of(L), (enum tg_log_level)level, text, len);
  return 0;
}

static int l_native_secret(lua_State *L) {
  tg_lua_push_secret(L, luaL_checkstring(L, 1));
  return 1;
}

static int l_native_progress(lua_State *L) {
  double done = luaL_checknumber(L, 1), total = luaL_checknumber(L, 2);
  struct tg_buf body = body_new();
  tg_wire_put_f64(&body, done);
  tg_wire_put_f64(&body, total);
  tg_scheduler_tell(tg_scheduler_of(L), TG_REQUEST_PROGRESS, &body);
  return 0;
}

static int l_native_now(lua_State *L) {
  lua_pushinteger(L, tg_clock_wall_ms(&tg_state_of(L)->clock));
  return 1;
}

static int decide_push(lua_State *L, const struct tg_error *err, struct tg_reader *body) {
  return err ? tg_lua_fail(L, err) : json_push(L, tg_wire_get_bytes(body));
}

static int l_native_decide(lua_State *L) {
  const char *policy = luaL_checkstring(L, 1);
  struct tg_buf json = body_new(), body = body_new();
  struct tg_error err;
  luaL_checktype(L, 2, LUA_TTABLE);
  if (tg_lua_json_encode(L, 2, &caps, &json, &err) != TG_OK) {
    tg_buf_deinit(&json);
    return tg_lua_fail(L, &err);
  }
  tg_wire_put_text(&body, policy);
  tg_wire_put_bytes(&body, json.data, json.len);
  tg_buf_deinit(&json);
  return tg_world_request(L, TG_REQUEST_DECIDE, &body, decide_push);
}

static int output_push(lua_State *L, const struct tg_error *err, struct tg_reader *body) {
  if (err) return tg_lua_fail(L, err);
  if (!tg_wire_get_u8(body)) return lua_pushnil(L), 1;
  return json_push(L, tg_wire_get_bytes(body));
}

static int l_native_output(lua_State *L) {
  const char *task = luaL_checkstring(L, 1);
  struct tg_buf body = body_new();
  tg_wire_put_text(&body, task);
  return tg_world_request(L, TG_REQUEST_OUTPUT, &body, output_push);
}

static int sleep_push(lua_State *L, const struct tg_error *err, struct tg_reader *body) {
  (void)body;
  return err ? tg_lua_fail(L, err) : 0;
}

static int l_native_sleep(lua_State *L) {
  lua_Integer ms = luaL_checkinteger(L, 1);
  luaL_argcheck(L, ms >= 0, 1, "negative");
  struct tg_buf body = body_new();
  tg_wire_put_i64(&body, ms);
  return tg_world_request(L, TG_REQUEST_SLEEP, &body, sleep_push);
}

// --- Steps and children ---

enum step_operation { STEP_BEGIN, STEP_END, STEP_SLEEP, STEP_WAIT }; // as they are on the wire

static struct tg_buf *step_body(lua_State *L, enum step_operation operation) {
  const char *name = luaL_checkstring(L, 1);
  struct tg_buf *body = tg_lua_new_body(L);
  tg_wire_put_u8(body, (uint8_t)operation);
  tg_wire_put_text(body, name);
  return body;
}

// Puts the value at `index` as JSON.
static int value_put(lua_State *L, int index, struct tg_buf *body, struct tg_error *err) {
  struct tg_buf *json = tg_lua_new_body(L);
  int code = tg_lua_json_encode(L, index, &caps, json, err);
  if (code == TG_OK) tg_wire_put_bytes(body, tg_buf_text(json), json->len);
  tg_buf_deinit(json);
  return code;
}

static int step_push(lua_State *L, const struct tg_error *err, struct tg_reader *body) {
  if (err) return tg_lua_fail(L, err);
  if (!tg_wire_get_u8(body)) return lua_pushliteral(L, "new"), 1;
  lua_pushliteral(L, "done");
  int count = json_push(L, tg_wire_get_bytes(body));
  return count == 1 ? 2 : count;
}

static int true_push(lua_State *L, const struct tg_error *err, struct tg_reader *body) {
  (void)body;
  if (err) return tg_lua_fail(L, err);
  lua_pushboolean(L, true);
  return 1;
}

static int l_native_step(lua_State *L) {
  return tg_world_request(L, TG_REQUEST_STEP, step_body(L, STEP_BEGIN), step_push);
}

static int l_native_step_end(lua_State *L) {
  struct tg_error err;
  lua_settop(L, 2);
  struct tg_buf *body = step_body(L, STEP_END);
  if (value_put(L, 2, body, &err) != TG_OK) return tg_lua_fail(L, &err);
  return tg_world_request(L, TG_REQUEST_STEP, body, true_push);
}

static int l_native_sleep_until(lua_State *L) {
  lua_Integer ms = luaL_checkinteger(L, 2);
  luaL_argcheck(L, ms >= 0, 2, "negative");
  struct tg_buf *body = step_body(L, STEP_SLEEP);
  tg_wire_put_i64(body, ms);
  return tg_world_request(L, TG_REQUEST_STEP, body, true_push);
}

static int wait_push(lua_State *L, const struct tg_error *err, struct tg_reader *body) {
  return err ? tg_lua_fail(L, err) : json_push(L, tg_wire_get_bytes(body));
}

static int l_native_wait(lua_State *L) {
  struct tg_error err;
  lua_Integer ms = luaL_checkinteger(L, 3);
  luaL_checktype(L, 2, LUA_TTABLE);
  luaL_argcheck(L, ms >= 0, 3, "negative");
  struct tg_buf *body = step_body(L, STEP_WAIT);
  if (value_put(L, 2, body, &err) != TG_OK) return tg_lua_fail(L, &err);
  tg_wire_put_i64(body, ms);
  return tg_world_request(L, TG_REQUEST_STEP, body, wait_push);
}

static int child_push(lua_State *L, const struct tg_error *err, struct tg_reader *body) {
  return err ? tg_lua_fail(L, err) : json_push(L, tg_wire_get_bytes(body));
}

static int l_native_child(lua_State *L) {
  const char *pipeline = luaL_checkstring(L, 1);
  struct tg_error err;
  luaL_checktype(L, 2, LUA_TTABLE);
  luaL_checktype(L, 3, LUA_TTABLE);
  lua_getfield(L, 3, "wait");
  bool is_waiting = lua_toboolean(L, -1);
  lua_getfield(L, 3, "partition");
  const char *partition = luaL_optstring(L, -1, "");
  struct tg_buf *body = tg_lua_new_body(L);
  tg_wire_put_text(body, pipeline);
  if (value_put(L, 2, body, &err) != TG_OK) return tg_lua_fail(L, &err);
  tg_wire_put_u8(body, is_waiting);
  tg_wire_put_text(body, partition);
  return tg_world_request(L, TG_REQUEST_CHILD, body, child_push);
}

static const luaL_Reg functions[] = {
    {"source", l_native_source},
    {"where", l_native_where},
    {"size", l_native_size},
    {"log", l_native_log},
    {"progress", l_native_progress},
    {"secret", l_native_secret},
    {"now", l_native_now},
    {"decide", l_native_decide},
    {"output", l_native_output},
    {"sleep", l_native_sleep},
    {"step", l_native_step},
    {"step_end", l_native_step_end},
    {"sleep_until", l_native_sleep_until},
    {"wait", l_native_wait},
    {"child", l_native_child},
    {NULL, NULL},
};

void tg_native_module_push(lua_State *L, struct tg_world *world) {
  tg_world_new_module(L, functions, world);
  lua_pushlightuserdata(L, NULL); // as tidegate.json has it
  lua_setfield(L, -2, "null");
}
