// SPDX-License-Identifier: Apache-2.0
// Every C function that Lua is given, called with arguments of every kind: those of the sandbox, of
// the modules, and of what the modules make. The input is a list of calls; what a call gives can be
// an argument of the next. Nothing but a Lua error may come of it, in time and within memory.
//
// A call: the function (2 bytes), the number of arguments (and whether it runs in a coroutine), the
// arguments. An argument: its kind, and what the kind needs.
#include <math.h>

#include "base/limits.h"
#include "fuzz/script_state.h"

enum {
  MIB = 1 << 20,
  CALLS_MAX = 64,
  ARGS_MAX = 6,
  POOL_SIZE = 16,
  BUDGET_MS = 2000,
  DEPTH_MAX = 3
};

// Registry: the list of functions, the values that calls gave.
#define FUNCTIONS "fuzz.functions"
#define POOL "fuzz.pool"

static const char *const modules[] = {
    "tidegate.json",  "tidegate.dag",   "tidegate.retry", "tidegate.http",    "tidegate._sql",
    "tidegate._file", "tidegate.store", "tidegate._yaml", "tidegate._native",
};

static const char prelude[] =
    "local dag, http = require 'tidegate.dag', require 'tidegate.http'\n"
    "local graph = dag.new { a = {}, b = { 'a' } }\n"
    "local values = { graph, assert(http.get 'https://x/'), dag.from_edges(3, { 1, 2 }), "
    "http.secret 'KEY', 'text',\n"
    "  coroutine.create(function(...) while true do coroutine.yield(...) end end),\n"
    "  function(a, b) return a, b end, function() error 'no' end, function() return 1 end,\n"
    "  setmetatable({}, { __index = function(t, k) return k end, __len = function() return 3 end,\n"
    "    __call = function(_, ...) return ... end, __lt = function() return true end,\n"
    "    __concat = function() return 'c' end, __tostring = function() return 'm' end,\n"
    "    __pairs = function(t) return next, {}, nil end, __close = function() end }),\n"
    "  { 1, 2, 3 }, { a = 1, b = { true } } }\n"
    "return values\n";

struct calls {
  struct script_state *self;
  struct input in;
};

// Adds the C functions of a table, of what stands behind it and of tables in it to the list at 1,
// each once. The sets of what was seen are at 2.
static void functions_add(lua_State *L, int depth) {
  luaL_checkstack(L, 8, NULL);
  if (lua_iscfunction(L, -1) || (lua_istable(L, -1) && depth > 0)) {
    lua_pushvalue(L, -1);
    if (lua_rawget(L, 2) != LUA_TNIL) {
      lua_pop(L, 1);
      return;
    }
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    lua_pushboolean(L, 1);
    lua_rawset(L, 2);
  }
  if (lua_iscfunction(L, -1)) {
    lua_pushvalue(L, -1);
    lua_rawseti(L, 1, luaL_len(L, 1) + 1);
  } else if (lua_istable(L, -1) && depth > 0) {
    if (lua_getmetatable(L, -1)) {
      functions_add(L, depth - 1);
      lua_pop(L, 1);
    }
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) functions_add(L, depth - 1);
  }
}

static int by_name(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

// Adds the functions of a table in the order of their names, so that an input means the same in
// every process.
static void table_add(lua_State *L) {
  const char *names[256];
  size_t count = 0;
  if (lua_getmetatable(L, -1)) {
    if (lua_getfield(L, -1, "__index") == LUA_TTABLE) {
      table_add(L);
      lua_pop(L, 2);
      return;
    }
    lua_pop(L, 2);
  }
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
    if (lua_type(L, -2) == LUA_TSTRING && count < 256) names[count++] = lua_tostring(L, -2);
  qsort(names, count, sizeof *names, by_name);
  for (size_t i = 0; i < count; i++) {
    lua_pushstring(L, names[i]);
    lua_rawget(L, -2);
    functions_add(L, DEPTH_MAX);
    lua_pop(L, 1);
  }
}

// The answer to the prelude's request.
static void response_give(struct script_state *self, struct tg_buf *body) {
  tg_wire_put_u8(body, 0);
  tg_wire_put_u8(body, 0);
  tg_wire_put_u32(body, 200);
  tg_wire_put_u32(body, 1);
  tg_wire_put_text(body, "a");
  tg_wire_put_text(body, "b");
  tg_wire_put_text(body, "[1]");
  tg_wire_put_text(body, "https://x/");
  tg_wire_put_i64(body, 5);
  tg_wire_put_u8(body, 0);
  tg_wire_put_i64(body, 0);
  body->data[1] = (char)(body->len - 2);
  self->replies = input_of((const uint8_t *)body->data, body->len);
}

static void values_add(lua_State *L) {
  fuzz_check(tg_sandbox_load(L, prelude, sizeof prelude - 1, "=prelude") == LUA_OK);
  lua_call(L, 0, 1);
  for (lua_Integer i = 1; i <= luaL_len(L, -1); i++) {
    lua_rawgeti(L, -1, i);
    if (lua_getmetatable(L, -1)) {
      table_add(L);
      lua_pop(L, 1);
    }
    lua_pop(L, 1);
  }
  lua_setfield(L, LUA_REGISTRYINDEX, POOL);
}

static int l_functions(lua_State *L) {
  lua_settop(L, 0);
  lua_newtable(L);
  lua_newtable(L);
  static const char *const libraries[] = {"string", "table", "math", "utf8", "coroutine", "os"};
  lua_pushglobaltable(L);
  table_add(L);
  for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
    lua_getglobal(L, libraries[i]);
    table_add(L);
  }
  for (size_t i = 0; i < sizeof modules / sizeof *modules; i++) {
    tg_require_library(L, modules[i]);
    table_add(L);
  }
  values_add(L);
  lua_pushvalue(L, 1);
  lua_setfield(L, LUA_REGISTRYINDEX, FUNCTIONS);
  return 0;
}

static void function_push(lua_State *L, uint64_t choice) {
  lua_getfield(L, LUA_REGISTRYINDEX, FUNCTIONS);
  lua_rawgeti(L, -1, 1 + (lua_Integer)(choice % (uint64_t)luaL_len(L, -1)));
  lua_remove(L, -2);
}

static void bytes_push(lua_State *L, struct input *in, size_t len) {
  struct input bytes = input_bytes(in, len);
  lua_pushlstring(L, (const char *)bytes.at, input_left(&bytes));
}

static void value_push(lua_State *L, struct input *in, int depth);

// A list and a few named fields.
static void table_push(lua_State *L, struct input *in, int depth) {
  uint8_t shape = input_u8(in);
  lua_newtable(L);
  for (int i = 1; i <= (shape & 7); i++) {
    value_push(L, in, depth + 1);
    lua_rawseti(L, -2, i);
  }
  for (int i = 0; i < (shape >> 3 & 3); i++) {
    bytes_push(L, in, input_u8(in) & 15);
    value_push(L, in, depth + 1);
    lua_rawset(L, -3);
  }
}

static void value_push(lua_State *L, struct input *in, int depth) {
  static const lua_Integer edges[] = {0, 1, -1, LUA_MAXINTEGER, LUA_MININTEGER, 1 << 30, 255, 1e10};
  static const lua_Number numbers[] = {0.0, -0.0, 0.5, 1e308, -1e308, 1e-320, 1e15, -1.5};
  uint8_t kind = input_u8(in);
  luaL_checkstack(L, 8, NULL);
  switch (kind % 16) {
  case 0:
    lua_pushnil(L);
    break;
  case 1:
    lua_pushboolean(L, kind & 16);
    break;
  case 2:
    lua_pushinteger(L, edges[kind >> 4 & 7]);
    break;
  case 3:
    lua_pushnumber(L, numbers[kind >> 4 & 7]);
    break;
  case 4:
    lua_pushinteger(L, (int8_t)input_u8(in));
    break;
  case 5:
    lua_pushinteger(L, (lua_Integer)input_number(in, 8));
    break;
  case 6:
    lua_pushnumber(L, kind & 16 ? (lua_Number)INFINITY : (lua_Number)NAN);
    break;
  case 7:
    function_push(L, input_number(in, 2));
    break;
  case 8:
  case 9:
    bytes_push(L, in, input_u8(in) & 63);
    break;
  case 10:
    bytes_push(L, in, input_number(in, 2));
    break;
  case 11: // a long string of few bytes
    bytes_push(L, in, 1 + (input_u8(in) & 7));
    lua_pushfstring(L, "%s%s%s%s", lua_tostring(L, -1), lua_tostring(L, -1), lua_tostring(L, -1),
                    lua_tostring(L, -1));
    lua_remove(L, -2);
    break;
  case 12:
  case 13:
    if (depth < DEPTH_MAX) {
      table_push(L, in, depth);
      break;
    } // else one of the pool
    __attribute__((fallthrough));
  default:
    lua_getfield(L, LUA_REGISTRYINDEX, POOL);
    lua_rawgeti(L, -1, 1 + input_u8(in) % POOL_SIZE);
    lua_remove(L, -2);
  }
}

static void results_keep(lua_State *L, int base, struct input *in) {
  int count = lua_gettop(L) - base;
  uint8_t first = input_u8(in);
  lua_getfield(L, LUA_REGISTRYINDEX, POOL);
  for (int i = 0; i < count && i < 3; i++) {
    lua_pushvalue(L, base + 1 + i);
    lua_rawseti(L, -2, 1 + (first + i) % POOL_SIZE);
  }
}

static int l_call(lua_State *L) {
  struct calls *calls = lua_touserdata(L, 1);
  struct input *in = &calls->in;
  int base = lua_gettop(L);
  function_push(L, input_number(in, 2));
  int count = input_u8(in) % (ARGS_MAX + 1);
  for (int i = 0; i < count; i++) value_push(L, in, 0);
  calls->self->replies = *in; // an answer is made of what comes next
  lua_call(L, count, LUA_MULTRET);
  luaL_checkstack(L, 8, NULL);
  results_keep(L, base, in);
  return 0;
}

static void protected_call(struct script_state *self, lua_CFunction function, void *argument) {
  lua_State *L = self->state.box.L;
  struct tg_meter meter;
  tg_meter_init(&meter, self->clock.now_ms + BUDGET_MS);
  lua_pushcfunction(L, function);
  lua_pushlightuserdata(L, argument);
  tg_script_call(L, 1, 0, 0, &meter);
  lua_settop(L, 0);
}

// The same in a coroutine, in turns, as an attempt is.
static void turns_give(struct script_state *self, struct calls *calls) {
  lua_State *L = self->state.box.L, *co = lua_newthread(L);
  struct tg_meter meter;
  enum tg_turn turn;
  int nresults, nargs = 1;
  tg_meter_init(&meter, self->clock.now_ms + BUDGET_MS);
  lua_pushcfunction(co, l_call);
  lua_pushlightuserdata(co, calls);
  while ((turn = tg_script_turn(co, &meter, nargs, &nresults)) == TG_TURN_SLICE) {
    nargs = 0;
    if (self->clock.now_ms > meter.deadline_ms) break;
  }
  if (turn != TG_TURN_DONE) tg_script_close(co, &meter, TG_WORKER_GRACE_MS);
  lua_settop(L, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct script_state self;
  struct calls calls = {.self = &self, .in = input_of(data, size)};
  struct tg_buf response;
  script_state_open(&self, 24 * MIB);
  tg_buf_init(&response, 200);
  response_give(&self, &response);
  protected_call(&self, l_functions, NULL);
  tg_buf_deinit(&response);
  lua_getfield(self.state.box.L, LUA_REGISTRYINDEX, FUNCTIONS);
  fuzz_check(lua_istable(self.state.box.L, -1)); // the prelude went well
  lua_settop(self.state.box.L, 0);
  self.state.box.is_deterministic = input_u8(&calls.in) & 1;
  for (int i = 0; i < CALLS_MAX && !input_is_empty(&calls.in); i++) {
    if (input_u8(&calls.in) & 1)
      turns_give(&self, &calls);
    else
      protected_call(&self, l_call, &calls);
    fuzz_check(self.state.box.allocator.used <= self.state.box.allocator.cap);
  }
  script_state_close(&self);
  return 0;
}
