// SPDX-License-Identifier: Apache-2.0
#include "script/require.h"

#include <dlfcn.h>
#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "base/suggest.h"
#include "script/dag_module.h"
#include "script/file_module.h"
#include "script/http_module.h"
#include "script/json_module.h"
#include "script/library.h"
#include "script/native.h"
#include "script/retry_module.h"
#include "script/sql_module.h"
#include "script/state.h"
#include "script/store_module.h"
#include "script/tasks_module.h"
#include "script/yaml_module.h"

// Keys of the registry: module -> what it gave; the modules being loaded, outermost first; the
// environment of library chunks.
#define LOADED "tidegate.loaded"
#define LOADING "tidegate.loading"
#define LIBRARY "tidegate.library"

// --- Modules ---

// A module that is written in C: with a world if it asks the host, else on its own.
struct module {
  const char *name;
  lua_CFunction open;
  void (*push)(lua_State *L, struct tg_world *world);
};

static const struct module modules[] = {
    {"tidegate.json", luaopen_tidegate_json, NULL},
    {"tidegate.dag", luaopen_tidegate_dag, NULL},
    {"tidegate.retry", luaopen_tidegate_retry, NULL},
    {"tidegate.http", NULL, tg_http_module_push},
    {"tidegate._sql", NULL, tg_sql_module_push},
    {"tidegate._file", NULL, tg_file_module_push},
    {"tidegate.store", NULL, tg_store_module_push},
    {"tidegate._tasks", luaopen_tidegate__tasks, NULL},
    {"tidegate._yaml", luaopen_tidegate__yaml, NULL},
    {"tidegate._native", NULL, tg_native_module_push},
};

// What scripts may require of ours; the rest is for the library. Policies may not ask the host.
static const struct {
  const char *name;
  bool has_io;
} public_modules[] = {
    {"tidegate", false},        {"tidegate.contract", false}, {"tidegate.dag", false},
    {"tidegate.file", true},    {"tidegate.http", true},      {"tidegate.json", false},
    {"tidegate.quality", true}, {"tidegate.retry", false},    {"tidegate.sql", true},
    {"tidegate.store", true},
};
enum { PUBLIC_COUNT = sizeof public_modules / sizeof *public_modules };

static bool is_ours(const char *name) {
  return strcmp(name, "tidegate") == 0 || strncmp(name, "tidegate.", 9) == 0;
}

static const struct module *module_find(const char *name) {
  for (size_t i = 0; i < sizeof modules / sizeof *modules; i++)
    if (strcmp(modules[i].name, name) == 0) return &modules[i];
  return NULL;
}

// Gives the index of a public module, or PUBLIC_COUNT.
static size_t public_find(const char *name) {
  size_t i = 0;
  while (i < PUBLIC_COUNT && strcmp(public_modules[i].name, name) != 0) i++;
  return i;
}

static int public_unknown(lua_State *L, const char *name) {
  const char *names[PUBLIC_COUNT];
  for (size_t i = 0; i < PUBLIC_COUNT; i++) names[i] = public_modules[i].name;
  const char *nearest = tg_suggest(name, names, PUBLIC_COUNT);
  if (!nearest) return luaL_error(L, "there is no module '%s' for scripts", name);
  return luaL_error(L, "there is no module '%s' for scripts; did you mean '%s'?", name, nearest);
}

static void public_check(lua_State *L, const char *name) {
  size_t i = public_find(name);
  if (i == PUBLIC_COUNT)
    public_unknown(L, name);
  else if (public_modules[i].has_io && tg_state_of(L)->is_policy)
    luaL_error(L, "a policy cannot use %s: it decides from its input alone", name);
}

// --- require ---

enum { NAME = 1, MODULES = 2 }; // the stack of l_require

// Raises when the module is being loaded already, naming the way round.
static void cycle_check(lua_State *L, const char *name) {
  lua_getfield(L, LUA_REGISTRYINDEX, LOADING);
  lua_Integer count = luaL_len(L, -1), first = 0;
  for (lua_Integer i = 1; i <= count && !first; i++) {
    lua_rawgeti(L, -1, i);
    if (strcmp(lua_tostring(L, -1), name) == 0) first = i;
    lua_pop(L, 1);
  }
  if (!first) {
    lua_pushvalue(L, NAME);
    lua_rawseti(L, -2, count + 1);
    lua_pop(L, 1);
    return;
  }
  luaL_Buffer way;
  int loading = lua_gettop(L);
  luaL_buffinit(L, &way);
  for (lua_Integer i = first; i <= count; i++) {
    lua_rawgeti(L, loading, i);
    luaL_addvalue(&way);
    luaL_addstring(&way, " -> ");
  }
  luaL_addstring(&way, name);
  luaL_pushresult(&way);
  luaL_error(L, "modules require one another: %s", lua_tostring(L, -1));
}

static void loading_pop(lua_State *L) {
  lua_getfield(L, LUA_REGISTRYINDEX, LOADING);
  lua_pushnil(L);
  lua_rawseti(L, -2, luaL_len(L, -2));
  lua_pop(L, 1);
}

// Remembers the module on top of the stack. Like Lua's own, a module that gives nothing gives true.
static int module_keep(lua_State *L) {
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    lua_pushboolean(L, 1);
  }
  lua_pushvalue(L, NAME);
  lua_pushvalue(L, -2);
  lua_rawset(L, MODULES);
  return 1;
}

// A public module of the library is shared by all attempts, so no script may change it. One with a
// metatable looks after itself.
static void module_protect(lua_State *L, const char *name) {
  if (public_find(name) == PUBLIC_COUNT || !lua_istable(L, -1)) return;
  if (lua_getmetatable(L, -1))
    lua_pop(L, 1);
  else
    tg_sandbox_protect(L, name);
}

// The module's chunk has run; `context` says whether it is the library's.
static int chunk_ran(lua_State *L, int status, lua_KContext context) {
  loading_pop(L);
  if (status != LUA_OK && status != LUA_YIELD) return lua_error(L);
  if (context) module_protect(L, lua_tostring(L, NAME));
  return module_keep(L);
}

// Runs the function on top of the stack as the module's chunk. The library's cannot be interrupted:
// while a task runs, another one may require the same module, and must not find it half loaded.
static int chunk_run(lua_State *L, bool is_library) {
  cycle_check(L, lua_tostring(L, NAME));
  lua_pushvalue(L, NAME);
  if (!is_library) return chunk_ran(L, lua_pcallk(L, 1, 1, 0, false, chunk_ran), false);
  int status = lua_pcall(L, 1, 1, 0);
  tg_slice_leave(L);
  return chunk_ran(L, status, true);
}

static int library_require(lua_State *L, const struct tg_library_file *file) {
  const char *chunk = lua_pushfstring(L, "=[%s]", file->module);
  if (luaL_loadbufferx(L, file->text, file->len, chunk, "t") != LUA_OK) return lua_error(L);
  lua_getfield(L, LUA_REGISTRYINDEX, LIBRARY);
  lua_setupvalue(L, -2, 1);
  return chunk_run(L, true);
}

static int project_run(lua_State *L, const char *path, const char *text, size_t len) {
  const char *chunk = lua_pushfstring(L, "@%s", path);
  if (tg_sandbox_load(L, text, len, chunk) != LUA_OK) return lua_error(L);
  return chunk_run(L, false);
}

static int project_replied(lua_State *L, const struct tg_error *err, struct tg_reader *body) {
  if (err) return luaL_error(L, "module '%s': %s", lua_tostring(L, NAME), err->text);
  const char *path = tg_wire_get_text(body);
  struct tg_slice text = tg_wire_get_bytes(body);
  return project_run(L, path, text.data, text.len);
}

static int project_require(lua_State *L, const char *name) {
  struct tg_state *state = tg_state_of(L);
  const struct tg_state_source *source = tg_state_find_source(L, "module", name);
  if (source) return project_run(L, source->path, source->text, source->len);
  if (!state->is_building)
    return luaL_error(L,
                      "module '%s' is not part of this bundle: require it at the top of the "
                      "file, where it is found when the file is loaded",
                      name);
  return tg_state_request_source(L, "module", name, project_replied);
}

static int module_push(lua_State *L, const struct module *module) {
  if (module->open) {
    lua_pushcfunction(L, module->open);
    lua_call(L, 0, 1);
  } else {
    module->push(L, &tg_state_of(L)->scheduler->world);
  }
  tg_sandbox_protect(L, module->name);
  return module_keep(L);
}

static int cjson_require(lua_State *L) {
  lua_CFunction open = tg_state_of(L)->cjson;
  if (!open) return luaL_error(L, "module 'cjson' is not installed (the package lua-cjson)");
  lua_pushcfunction(L, open);
  lua_call(L, 0, 1);
  tg_sandbox_protect(L, "cjson");
  return module_keep(L);
}

static int require(lua_State *L, bool is_library) {
  const char *name = luaL_checkstring(L, NAME);
  if (!is_library && is_ours(name)) public_check(L, name);
  lua_settop(L, 1);
  lua_getfield(L, LUA_REGISTRYINDEX, LOADED);
  lua_pushvalue(L, NAME);
  if (lua_rawget(L, MODULES) != LUA_TNIL) return 1;
  lua_pop(L, 1);
  const struct module *module = module_find(name);
  if (module) return module_push(L, module);
  const struct tg_library_file *file = tg_library_find(name);
  if (file) return library_require(L, file);
  if (is_ours(name)) return luaL_error(L, "there is no module '%s'", name);
  if (strcmp(name, "cjson") == 0) return cjson_require(L);
  return project_require(L, name);
}

static int l_require(lua_State *L) {
  return require(L, false);
}

static int l_library_require(lua_State *L) {
  return require(L, true);
}

void tg_require_library(lua_State *L, const char *module) {
  lua_pushcfunction(L, l_library_require);
  lua_pushstring(L, module);
  lua_call(L, 1, 1);
}

// What scripts may not put into a metatable the library does not put there.
static int l_library_setmetatable(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 2);
  lua_setmetatable(L, 1);
  return 1;
}

// Pushes a table with the globals there are: what is found at once is found sooner than through
// __index.
static void globals_push_copy(lua_State *L) {
  lua_newtable(L);
  lua_pushglobaltable(L);
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    lua_pushvalue(L, -2);
    lua_pushvalue(L, -2);
    lua_rawset(L, -6);
  }
  lua_pop(L, 1);
}

// The environment of library chunks is the globals with the other `require` and `setmetatable`.
void tg_require_install(lua_State *L) {
  lua_newtable(L);
  lua_setfield(L, LUA_REGISTRYINDEX, LOADED);
  lua_newtable(L);
  lua_setfield(L, LUA_REGISTRYINDEX, LOADING);
  lua_pushcfunction(L, l_require);
  tg_sandbox_set_global(L, "require");
  globals_push_copy(L);
  lua_pushcfunction(L, l_library_require);
  lua_setfield(L, -2, "require");
  lua_pushcfunction(L, l_library_setmetatable);
  lua_setfield(L, -2, "setmetatable");
  lua_newtable(L);
  lua_pushglobaltable(L);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2);
  lua_setfield(L, LUA_REGISTRYINDEX, LIBRARY);
}

// --- lua-cjson ---

static lua_CFunction cjson_open(lua_State *L) {
  luaL_requiref(L, LUA_LOADLIBNAME, luaopen_package, 0);
  lua_getfield(L, -1, "searchpath");
  lua_pushliteral(L, "cjson");
  lua_getfield(L, -3, "cpath");
  if (lua_pcall(L, 2, 1, 0) != LUA_OK || !lua_isstring(L, -1)) return NULL;
  void *library = dlopen(lua_tostring(L, -1), RTLD_NOW | RTLD_LOCAL);
  void *symbol = library ? dlsym(library, "luaopen_cjson") : NULL;
  lua_CFunction open;
  memcpy(&open, &symbol, sizeof open); // ISO C has no cast for this, POSIX promises it
  return open;
}

lua_CFunction tg_require_find_cjson(void) {
  lua_State *L = luaL_newstate();
  if (!L) return NULL;
  lua_CFunction open = cjson_open(L);
  lua_close(L);
  return open;
}
