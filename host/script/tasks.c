// SPDX-License-Identifier: Apache-2.0
#include "script/tasks.h"

#define TASKS "tidegate.tasks"

enum { SHAPE_BYTES_MAX = 4096 };

int tg_lua_tasks_no_memory(lua_State *L) {
  return luaL_error(L, "not enough memory");
}

// Garbage may be holding what is missing, and Lua, which does not see these blocks grow, has had no
// reason to collect it.
static void *tasks_resize(void *user, void *block, size_t old_size, size_t new_size) {
  struct tg_lua_tasks *tasks = user;
  void *got = tasks->resize(tasks->user, block, old_size, new_size);
  if (got || !new_size || !tasks->L) return got;
  lua_gc(tasks->L, LUA_GCCOLLECT);
  return tasks->resize(tasks->user, block, old_size, new_size);
}

struct tg_lua_tasks *tg_lua_tasks_of(lua_State *L) {
  struct tg_lua_tasks *tasks = lua_touserdata(L, lua_upvalueindex(1));
  tasks->L = L;
  return tasks;
}

void tg_lua_tasks_push_value(lua_State *L, int value) {
  lua_getiuservalue(L, lua_upvalueindex(1), value);
}

uint32_t tg_lua_tasks_symbol(lua_State *L, struct tg_lua_tasks *tasks, int index) {
  size_t len;
  const char *text = lua_tolstring(L, index, &len);
  uint32_t symbol = tg_symbol_of(&tasks->declared.symbols, text, len);
  if (symbol == TG_NO_SYMBOL) tg_lua_tasks_no_memory(L);
  return symbol;
}

void tg_lua_tasks_push_symbol(lua_State *L, const struct tg_lua_tasks *tasks, uint32_t symbol) {
  struct tg_slice text = tg_symbol_text(&tasks->declared.symbols, symbol);
  lua_pushlstring(L, text.data, text.len);
}

struct tg_declared_task *tg_lua_tasks_task(lua_State *L, const struct tg_lua_tasks *tasks,
                                           int index) {
  const uint32_t *number = luaL_testudata(L, index, TG_LUA_TASK);
  return number ? &tasks->declared.tasks[*number] : NULL;
}

uint32_t tg_lua_tasks_position(lua_State *L, const struct tg_lua_tasks *tasks, int index) {
  lua_Integer position = luaL_checkinteger(L, index);
  luaL_argcheck(L, position >= 1 && position <= tasks->declared.listed_count, index,
                "there is no task at this position");
  return (uint32_t)position - 1;
}

bool tg_lua_tasks_push_odd(lua_State *L, int odd, uint32_t position) {
  if (lua_rawgeti(L, odd, (lua_Integer)position + 1) == LUA_TTABLE) return true;
  lua_pop(L, 1);
  return false;
}

static int l_tasks_gc(lua_State *L) {
  struct tg_lua_tasks *tasks = luaL_checkudata(L, 1, TASKS);
  tasks->L = NULL;
  tg_declared_deinit(&tasks->declared);
  tg_symbols_deinit(&tasks->shapes);
  tg_buf_deinit(&tasks->shape);
  tg_graph_deinit(&tasks->graph);
  tg_graph_builder_deinit(&tasks->edges);
  return 0;
}

void tg_lua_tasks_push(lua_State *L) {
  struct tg_lua_tasks *tasks = lua_newuserdatauv(L, sizeof *tasks, 2);
  *tasks = (struct tg_lua_tasks){.L = L};
  tasks->resize = lua_getallocf(L, &tasks->user);
  struct tg_memory memory = {.resize = tasks_resize, .user = tasks};
  tg_declared_init(&tasks->declared, memory);
  tg_symbols_init(&tasks->shapes, memory);
  tg_buf_init(&tasks->shape, SHAPE_BYTES_MAX);
  tg_graph_builder_init(&tasks->edges, memory);
  tasks->graph.memory = memory;
  if (luaL_newmetatable(L, TASKS)) {
    lua_pushcfunction(L, l_tasks_gc);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  lua_newtable(L);
  lua_setiuservalue(L, -2, TG_LUA_TASKS_FUNCTIONS);
  lua_newtable(L);
  lua_setiuservalue(L, -2, TG_LUA_TASKS_TEXTS);
}
