// SPDX-License-Identifier: Apache-2.0
#include "script/tasks.h"

enum { LIST_AT_ONCE = 20000 }; // so many are listed before others get their turn

static int l_tasks_list(lua_State *L) {
  struct tg_lua_tasks *tasks = tg_lua_tasks_of(L);
  lua_Integer at = luaL_checkinteger(L, 2), end = at + LIST_AT_ONCE;
  luaL_checktype(L, 1, LUA_TTABLE);
  for (; at < end; at++) {
    lua_rawgeti(L, 1, at);
    const uint32_t *number = luaL_testudata(L, -1, TG_LUA_TASK);
    lua_pop(L, 1); // the list keeps it
    if (!number || tasks->declared.tasks[*number].state != TG_DECLARED_USUAL) break;
    if (!tg_declared_list(&tasks->declared, *number)) return tg_lua_tasks_no_memory(L);
  }
  lua_pushinteger(L, at);
  return 1;
}

static int l_tasks_add(lua_State *L) {
  struct tg_lua_tasks *tasks = tg_lua_tasks_of(L);
  luaL_checkstring(L, 1);
  struct tg_declared *declared = &tasks->declared;
  uint32_t task = tg_declared_add(declared, 0, tg_lua_tasks_symbol(L, tasks, 1), TG_NO_SYMBOL);
  if (task == TG_NOT_DECLARED) return tg_lua_tasks_no_memory(L);
  declared->tasks[task].state = TG_DECLARED_ODD;
  if (!tg_declared_list(declared, task)) return tg_lua_tasks_no_memory(L);
  lua_pushinteger(L, declared->listed_count);
  return 1;
}

static void after_push(lua_State *L, const struct tg_lua_tasks *tasks,
                       const struct tg_declared_task *task) {
  lua_createtable(L, (int)task->after_count, 0);
  for (uint32_t i = 0; i < task->after_count; i++) {
    tg_lua_tasks_push_symbol(L, tasks, tasks->declared.after[task->after_at + i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

static int row_push(lua_State *L, const struct tg_lua_tasks *tasks,
                    const struct tg_declared_task *task) {
  if (!task || task->state != TG_DECLARED_USUAL) return 0;
  lua_createtable(L, 0, 4);
  tg_lua_tasks_push_symbol(L, tasks, task->name);
  lua_setfield(L, -2, "name");
  tg_lua_tasks_push_symbol(L, tasks, task->place);
  lua_setfield(L, -2, "at");
  after_push(L, tasks, task);
  lua_setfield(L, -2, "after");
  tg_lua_tasks_push_value(L, TG_LUA_TASKS_FUNCTIONS);
  lua_rawgeti(L, -1, task->run);
  lua_setfield(L, -3, "run");
  lua_pop(L, 1);
  if (!task->shape) return 1;
  lua_pushinteger(L, task->shape);
  return 2;
}

static int l_tasks_row(lua_State *L) {
  const struct tg_lua_tasks *tasks = tg_lua_tasks_of(L);
  return row_push(L, tasks, tg_declared_at(&tasks->declared, tg_lua_tasks_position(L, tasks, 1)));
}

static int l_tasks_row_of(lua_State *L) {
  const struct tg_lua_tasks *tasks = tg_lua_tasks_of(L);
  return row_push(L, tasks, tg_lua_tasks_task(L, tasks, 1));
}

static int l_tasks_name(lua_State *L) {
  const struct tg_lua_tasks *tasks = tg_lua_tasks_of(L);
  tg_lua_tasks_push_symbol(
      L, tasks, tg_declared_at(&tasks->declared, tg_lua_tasks_position(L, tasks, 1))->name);
  return 1;
}

static int l_tasks_count(lua_State *L) {
  lua_pushinteger(L, tg_lua_tasks_of(L)->declared.listed_count);
  return 1;
}

static int l_tasks_find(lua_State *L) {
  const struct tg_lua_tasks *tasks = tg_lua_tasks_of(L);
  size_t len;
  const char *name = luaL_checklstring(L, 1, &len);
  uint32_t symbol = tg_symbol_find(&tasks->declared.symbols, name, len);
  uint32_t position = tg_declared_find(&tasks->declared, symbol);
  if (position == TG_NOT_DECLARED) return 0;
  lua_pushinteger(L, (lua_Integer)position + 1);
  return 1;
}

static int l_tasks_shapes(lua_State *L) {
  const struct tg_lua_tasks *tasks = tg_lua_tasks_of(L);
  lua_newtable(L);
  uint32_t left = tasks->shapes.count;
  for (uint32_t i = 0; left && i < tasks->declared.listed_count; i++) {
    const struct tg_declared_task *task = tg_declared_at(&tasks->declared, i);
    if (task->state != TG_DECLARED_USUAL || !task->shape) continue;
    bool is_first = lua_rawgeti(L, -1, task->shape) == LUA_TNIL;
    lua_pop(L, 1);
    if (!is_first) continue;
    left--;
    lua_pushinteger(L, (lua_Integer)i + 1);
    lua_rawseti(L, -2, task->shape);
  }
  return 1;
}

const luaL_Reg tg_lua_tasks_listing[] = {
    {"list", l_tasks_list},     {"add", l_tasks_add},       {"row", l_tasks_row},
    {"row_of", l_tasks_row_of}, {"name", l_tasks_name},     {"count", l_tasks_count},
    {"find", l_tasks_find},     {"shapes", l_tasks_shapes}, {NULL, NULL},
};
