// SPDX-License-Identifier: Apache-2.0
// A data contract, read by the Lua library in a state like a worker's. Whatever the text is, the
// answer is a contract or a list of faults with places, and never an error that is raised.
#include "base/limits.h"
#include "fuzz/script_state.h"
#include "script/lua_error.h"

enum { INPUTS_PER_STATE = 2000 };

static struct script_state self;
static int inputs;

static int l_library(lua_State *L) {
  tg_require_library(L, "tidegate.contract");
  lua_getfield(L, -1, "parse");
  lua_setfield(L, LUA_REGISTRYINDEX, "fuzz.parse");
  return 0;
}

static int call(lua_CFunction function, void *argument) {
  lua_State *L = self.state.box.L;
  struct tg_meter meter;
  tg_meter_init(&meter, self.clock.now_ms + TG_BUNDLE_BUILD_MS);
  lua_pushcfunction(L, function);
  lua_pushlightuserdata(L, argument);
  int status = tg_script_call(L, 1, 0, 0, &meter);
  if (status == LUA_OK) return 0;
  struct tg_error err;
  tg_lua_read_error(L, -1, &err);
  lua_pop(L, 1);
  if (meter.stopped || status == LUA_ERRMEM) return -1;
  fprintf(stderr, "raised: %s\n", err.text);
  abort();
}

static void faults_check(lua_State *L, int index) {
  lua_Integer count = luaL_len(L, index);
  fuzz_check(count > 0);
  for (lua_Integer i = 1; i <= count; i++) {
    lua_geti(L, index, i);
    lua_getfield(L, -1, "line");
    lua_getfield(L, -2, "column");
    lua_getfield(L, -3, "message");
    fuzz_check(lua_tointeger(L, -3) > 0 && lua_tointeger(L, -2) > 0 && lua_isstring(L, -1));
    lua_pop(L, 4);
  }
}

static int l_parse(lua_State *L) {
  const struct input *in = lua_touserdata(L, 1);
  lua_getfield(L, LUA_REGISTRYINDEX, "fuzz.parse");
  lua_pushlstring(L, (const char *)in->at, input_left(in));
  lua_pushliteral(L, "contracts/f.yaml");
  lua_call(L, 2, 2);
  if (lua_isnil(L, -2))
    faults_check(L, lua_gettop(L));
  else
    fuzz_check(lua_istable(L, -2) && lua_isnil(L, -1));
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct input in = input_of(data, size);
  if (inputs == 0) {
    script_state_open(&self, TG_POLICY_STATE_BYTES_MAX);
    fuzz_check(call(l_library, NULL) == 0);
  }
  call(l_parse, &in);
  lua_gc(self.state.box.L, LUA_GCSTEP, 0);
  if (++inputs < INPUTS_PER_STATE) return 0;
  inputs = 0;
  script_state_close(&self);
  return 0;
}
