// SPDX-License-Identifier: Apache-2.0
#include "script/sandbox.h"

#include <stddef.h>
#include <string.h>

#include "base/limits.h"
#include "script/coroutine.h"
#include "script/sandbox_parts.h"

// The field of a stand-in's metatable that marks it.
static const char protected_mark;

struct tg_sandbox *tg_sandbox_of(lua_State *L) {
  return (struct tg_sandbox *)((char *)tg_slice_of(L) - offsetof(struct tg_sandbox, slice));
}

void tg_sandbox_copy_fields(lua_State *L, const char *const *names) {
  for (; *names; names++) {
    lua_getfield(L, -2, *names);
    lua_setfield(L, -2, *names);
  }
}

// ---- Read-only tables --------------------------------------------------------------------------

bool tg_sandbox_is_protected(lua_State *L, int index) {
  if (!lua_getmetatable(L, index)) return false;
  bool is_marked = lua_rawgetp(L, -1, &protected_mark) != LUA_TNIL;
  lua_pop(L, 2);
  return is_marked;
}

// Upvalues: a name, a sentence. Arguments: table, key, value.
static int refuse_field(lua_State *L) {
  tg_sandbox_tostring(L, 2, NULL);
  return luaL_error(L, lua_tostring(L, lua_upvalueindex(1)), lua_tostring(L, -1));
}

static int walk_fields(lua_State *L) {
  tg_sandbox_push_walk(L, lua_upvalueindex(1));
  return 1;
}

static int count_fields(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)lua_rawlen(L, lua_upvalueindex(1)));
  return 1;
}

// Sets the metatable that makes the empty table at `index` a stand-in for the table at `real`.
// `refusal` is a sentence with %s for the field that a script tries to set.
static void stand_in(lua_State *L, int index, int real, const char *refusal) {
  index = lua_absindex(L, index);
  real = lua_absindex(L, real);
  lua_createtable(L, 0, 6);
  lua_pushvalue(L, real);
  lua_setfield(L, -2, "__index");
  lua_pushstring(L, refusal);
  lua_pushcclosure(L, refuse_field, 1);
  lua_setfield(L, -2, "__newindex");
  lua_pushvalue(L, real);
  lua_pushcclosure(L, walk_fields, 1);
  lua_setfield(L, -2, "__pairs");
  lua_pushvalue(L, real);
  lua_pushcclosure(L, count_fields, 1);
  lua_setfield(L, -2, "__len");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_pushboolean(L, 1);
  lua_rawsetp(L, -2, &protected_mark);
  lua_setmetatable(L, index);
}

void tg_sandbox_protect(lua_State *L, const char *name) {
  lua_newtable(L);
  lua_pushfstring(L, "%s is read-only: '%%s' cannot be set", name);
  stand_in(L, -2, -3, lua_tostring(L, -1));
  lua_pop(L, 1);
  lua_remove(L, -2);
}

// Moves every global to the table behind the globals.
static int freeze(lua_State *L) {
  lua_pushglobaltable(L);
  lua_newtable(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushvalue(L, 2);
  lua_setfield(L, -2, LUA_GNAME); // for the names of functions in messages
  lua_pop(L, 1);
  for (lua_pushnil(L); lua_next(L, 1);) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, 2);
    lua_pushvalue(L, -1);
    lua_pushnil(L);
    lua_rawset(L, 1); // a field may be emptied during a walk
  }
  stand_in(L, 1, 2,
           "globals are read-only when tasks run: '%s' (use local, or return it as ctx.output)");
  return 0;
}

void tg_sandbox_set_global(lua_State *L, const char *name) {
  lua_pushglobaltable(L);
  if (tg_sandbox_is_protected(L, -1)) {
    lua_getmetatable(L, -1);
    lua_getfield(L, -1, "__index");
    lua_replace(L, -3);
    lua_pop(L, 1);
  }
  lua_insert(L, -2);
  lua_pushstring(L, name);
  lua_insert(L, -2);
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

// ---- Opening -----------------------------------------------------------------------------------

// Messages and tracebacks find the names of functions in the registry's table of loaded libraries,
// which is at index 1; scripts cannot reach it. The library is on top.
static void name_functions(lua_State *L, const char *library) {
  lua_pushvalue(L, -1);
  lua_setfield(L, 1, library);
}

// Builds the globals anew, so that nothing is in them that is not named here.
static int build_globals(lua_State *L) {
  static const struct {
    const char *name;
    void (*push)(lua_State *L);
  } libraries[] = {
      {"string", tg_sandbox_push_string}, {"table", tg_sandbox_push_table},
      {"math", tg_sandbox_push_math},     {"utf8", tg_sandbox_push_utf8},
      {"os", tg_sandbox_push_os},         {"coroutine", tg_coroutine_push},
  };
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  tg_sandbox_push_base(L);
  name_functions(L, LUA_GNAME);
  for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
    libraries[i].push(L);
    name_functions(L, libraries[i].name);
    tg_sandbox_protect(L, libraries[i].name);
    lua_setfield(L, 2, libraries[i].name);
  }
  lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  return 0;
}

static int call_protected(struct tg_sandbox *box, lua_CFunction function, const char *what,
                          struct tg_error *err) {
  lua_pushcfunction(box->L, function);
  if (lua_pcall(box->L, 0, 0, 0) == LUA_OK) return TG_OK;
  lua_settop(box->L, 0);
  return tg_error_set(err, TG_ENOMEM, "no memory to %s", what);
}

int tg_sandbox_open(struct tg_sandbox *box, const struct tg_sandbox_options *options,
                    struct tg_error *err) {
  memset(box, 0, sizeof *box);
  box->options = *options;
  if (!box->options.clock) box->options.clock = tg_clock_system();
  if (!box->options.script_clock) box->options.script_clock = box->options.clock;
  tg_sandbox_seed(box->random, options->seed);
  box->is_deterministic = options->is_deterministic;
  tg_allocator_init(&box->allocator, options->bytes_max);
  box->L = lua_newstate(tg_allocator_realloc, &box->allocator);
  if (!box->L) {
    tg_sandbox_close(box);
    return tg_error_set(err, TG_ENOMEM, "no memory for a Lua state");
  }
  tg_slice_init(&box->slice, box->L, box->options.clock, &box->allocator,
                box->options.has_interrupts);
  int code = call_protected(box, build_globals, "build a Lua state", err);
  if (code) tg_sandbox_close(box);
  return code;
}

void tg_sandbox_close(struct tg_sandbox *box) {
  if (box->L) lua_close(box->L);
  box->L = NULL;
  tg_allocator_deinit(&box->allocator);
}

int tg_sandbox_freeze(struct tg_sandbox *box, struct tg_error *err) {
  return call_protected(box, freeze, "freeze the globals", err);
}

int tg_sandbox_load(lua_State *L, const char *text, size_t len, const char *chunk) {
  if (len <= TG_SOURCE_BYTES_MAX) return luaL_loadbufferx(L, text, len, chunk, "t");
  lua_pushfstring(L, "the source has more than %d bytes", TG_SOURCE_BYTES_MAX);
  return LUA_ERRSYNTAX;
}
