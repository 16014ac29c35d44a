// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/limits.h"
#include "script/dag_module.h"
#include "script/tasks.h"

// What a name or an edge cannot be: the library's rules say at which task, and why.
static int name_fault(struct tg_error *err) {
  return tg_error_set(err, TG_EINVALID, "%s", "");
}

static int edge_add(struct tg_lua_tasks *tasks, uint32_t name, uint32_t to, struct tg_error *err) {
  uint32_t from = tg_declared_find(&tasks->declared, name);
  if (from == TG_NOT_DECLARED || from == to) return name_fault(err);
  return tg_graph_add_edge(&tasks->edges, from, to, err);
}

// Adds the edges of the odd task on top of the stack, and pops it.
static int odd_edges_add(lua_State *L, struct tg_lua_tasks *tasks, uint32_t to,
                         struct tg_error *err) {
  int top = lua_gettop(L), code = TG_OK;
  lua_getfield(L, -1, "after");
  luaL_checktype(L, -1, LUA_TTABLE);
  for (lua_Integer i = 1; !code && lua_rawgeti(L, top + 1, i) != LUA_TNIL; i++, lua_pop(L, 1)) {
    size_t len;
    const char *name = luaL_checklstring(L, -1, &len);
    code = edge_add(tasks, tg_symbol_find(&tasks->declared.symbols, name, len), to, err);
  }
  lua_settop(L, top - 1);
  return code;
}

static int usual_edges_add(struct tg_lua_tasks *tasks, uint32_t to, struct tg_error *err) {
  const struct tg_declared_task *task = tg_declared_at(&tasks->declared, to);
  const uint32_t *after = tasks->declared.after + task->after_at;
  int code = TG_OK;
  for (uint32_t i = 0; i < task->after_count && !code; i++)
    code = edge_add(tasks, after[i], to, err);
  return code;
}

static int edges_add(lua_State *L, struct tg_lua_tasks *tasks, int odd, struct tg_error *err) {
  uint32_t count = tasks->declared.listed_count;
  int code = TG_OK;
  for (uint32_t i = 0; i < count && !code; i++) {
    if (tg_declared_find(&tasks->declared, tg_declared_at(&tasks->declared, i)->name) != i)
      code = name_fault(err); // two have it
    else if (tg_lua_tasks_push_odd(L, odd, i))
      code = odd_edges_add(L, tasks, i, err);
    else
      code = usual_edges_add(tasks, i, err);
  }
  return code;
}

static int cycle_fault(lua_State *L, struct tg_lua_tasks *tasks, struct tg_error *err) {
  uint32_t count, *path = lua_newuserdatauv(L, tasks->graph.node_count * sizeof *path, 0);
  int code = tg_graph_find_cycle(&tasks->graph, path, &count, err);
  if (code) return code;
  lua_newtable(L);
  for (uint32_t i = 0; i < count; i++) {
    const struct tg_declared_task *task = tg_declared_at(&tasks->declared, path[i]);
    struct tg_slice name = tg_symbol_text(&tasks->declared.symbols, task->name);
    lua_pushlstring(L, name.data, name.len);
    lua_rawseti(L, -2, (lua_Integer)path[i] + 1);
  }
  tg_lua_dag_set_cycle(L, lua_gettop(L), path, count, err);
  return err->code;
}

int tg_lua_tasks_make_graph(lua_State *L, struct tg_lua_tasks *tasks, int odd,
                            struct tg_error *err) {
  int top = lua_gettop(L);
  uint32_t count = tasks->declared.listed_count;
  if (tasks->graph.node_count) return TG_OK;
  if (count > TG_GRAPH_NODES_MAX)
    return tg_error_set(err, TG_ELIMIT, "there are more than %d tasks", TG_GRAPH_NODES_MAX);
  int code = edges_add(L, tasks, odd, err);
  if (!code) code = tg_graph_init(&tasks->graph, count, &tasks->edges, err);
  tg_graph_builder_deinit(&tasks->edges);
  if (!code && !tg_graph_is_acyclic(&tasks->graph)) {
    code = cycle_fault(L, tasks, err);
    tg_graph_deinit(&tasks->graph);
  }
  lua_settop(L, top);
  if (code == TG_ENOMEM) tg_lua_tasks_no_memory(L);
  return code;
}

static int l_tasks_check(lua_State *L) {
  struct tg_lua_tasks *tasks = tg_lua_tasks_of(L);
  struct tg_error err;
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  int code = tg_lua_tasks_make_graph(L, tasks, 1, &err);
  lua_pushboolean(L, code == TG_OK);
  if (code == TG_OK || !*err.text) return 1;
  lua_pushstring(L, err.text);
  return 2;
}

static int l_tasks_is_before(lua_State *L) {
  struct tg_lua_tasks *tasks = tg_lua_tasks_of(L);
  struct tg_error err;
  luaL_checktype(L, 1, LUA_TTABLE);
  uint32_t first = tg_lua_tasks_position(L, tasks, 2), last = tg_lua_tasks_position(L, tasks, 3);
  if (tg_lua_tasks_make_graph(L, tasks, 1, &err)) return luaL_error(L, "%s", err.text);
  uint8_t *marks = lua_newuserdatauv(L, tasks->graph.node_count, 0);
  memset(marks, 0, tasks->graph.node_count);
  marks[last] = 1;
  tg_graph_mark_ancestors(&tasks->graph, marks);
  lua_pushboolean(L, first != last && marks[first]);
  return 1;
}

const luaL_Reg tg_lua_tasks_graphing[] = {
    {"check", l_tasks_check},
    {"is_before", l_tasks_is_before},
    {NULL, NULL},
};
