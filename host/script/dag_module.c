// SPDX-License-Identifier: Apache-2.0
#include "script/dag_module.h"

#include <stdbool.h>
#include <string.h>

static struct tg_lua_dag *dag_check(lua_State *L) {
  return luaL_checkudata(L, 1, TG_LUA_DAG);
}

static int l_dag_gc(lua_State *L) {
  struct tg_lua_dag *dag = dag_check(L);
  tg_graph_builder_deinit(&dag->builder);
  tg_graph_deinit(&dag->graph);
  return 0;
}

// Pushes the list of names (or nil) of the graph at 1, and gives its place on the stack.
static int names_push(lua_State *L) {
  lua_getiuservalue(L, 1, TG_LUA_DAG_NAMES);
  return lua_gettop(L);
}

static void node_push(lua_State *L, int names, uint32_t node) {
  if (lua_isnil(L, names))
    lua_pushinteger(L, (lua_Integer)node + 1);
  else
    lua_rawgeti(L, names, (lua_Integer)node + 1);
}

static int list_push(lua_State *L, const uint32_t *nodes, uint32_t count) {
  int names = names_push(L);
  lua_createtable(L, (int)count, 0);
  for (uint32_t i = 0; i < count; i++) {
    node_push(L, names, nodes[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

static int node_unknown(lua_State *L, int index) {
  const char *word = luaL_tolstring(L, index, NULL), *nearest = NULL;
  int names = names_push(L);
  if (!lua_isnil(L, names)) nearest = tg_lua_dag_nearest(L, names, word);
  if (nearest) return luaL_error(L, "'%s' is not in the graph; did you mean '%s'?", word, nearest);
  return luaL_error(L, "'%s' is not in the graph", word);
}

// Gives the node that the value at `index` names; raises when there is none.
static uint32_t node_check(lua_State *L, const struct tg_lua_dag *dag, int index) {
  index = lua_absindex(L, index);
  lua_Integer node = 0;
  if (lua_getiuservalue(L, 1, TG_LUA_DAG_PLACES) == LUA_TNIL) {
    if (lua_isinteger(L, index)) node = lua_tointeger(L, index);
  } else if (!lua_isnoneornil(L, index)) {
    lua_pushvalue(L, index);
    lua_rawget(L, -2);
    node = lua_tointeger(L, -1);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  if (node < 1 || node > dag->graph.node_count) node_unknown(L, index);
  return (uint32_t)node - 1;
}

// Gives the node that a method's only argument names.
static uint32_t node_argument(lua_State *L, const struct tg_lua_dag *dag) {
  lua_settop(L, 2);
  return node_check(L, dag, 2);
}

// Pushes zeroed memory for one item per node.
static void *scratch_push(lua_State *L, const struct tg_lua_dag *dag, size_t item) {
  size_t size = ((size_t)dag->graph.node_count + 1) * item;
  return memset(lua_newuserdatauv(L, size, 0), 0, size);
}

static int l_dag_order(lua_State *L) {
  struct tg_lua_dag *dag = dag_check(L);
  return list_push(L, dag->graph.order, dag->graph.node_count);
}

static int l_dag_upstream(lua_State *L) {
  struct tg_lua_dag *dag = dag_check(L);
  struct tg_graph_slice slice = tg_graph_upstream(&dag->graph, node_argument(L, dag));
  return list_push(L, slice.nodes, slice.count);
}

static int l_dag_downstream(lua_State *L) {
  struct tg_lua_dag *dag = dag_check(L);
  struct tg_graph_slice slice = tg_graph_downstream(&dag->graph, node_argument(L, dag));
  return list_push(L, slice.nodes, slice.count);
}

// Pushes the nodes that `mark` marks, without the one it starts from, in the order of their work.
static int marked_push(lua_State *L, void (*mark)(const struct tg_graph *, uint8_t *)) {
  struct tg_lua_dag *dag = dag_check(L);
  uint32_t node = node_argument(L, dag), count = 0;
  uint8_t *marks = scratch_push(L, dag, sizeof *marks);
  uint32_t *nodes = scratch_push(L, dag, sizeof *nodes);
  marks[node] = 1;
  mark(&dag->graph, marks);
  marks[node] = 0;
  for (uint32_t i = 0; i < dag->graph.node_count; i++)
    if (marks[dag->graph.order[i]]) nodes[count++] = dag->graph.order[i];
  return list_push(L, nodes, count);
}

static int l_dag_ancestors(lua_State *L) {
  return marked_push(L, tg_graph_mark_ancestors);
}

static int l_dag_descendants(lua_State *L) {
  return marked_push(L, tg_graph_mark_descendants);
}

static int l_dag_levels(lua_State *L) {
  struct tg_lua_dag *dag = dag_check(L);
  uint32_t *levels = scratch_push(L, dag, sizeof *levels);
  uint32_t count = tg_graph_levels(&dag->graph, levels);
  int names = names_push(L);
  lua_createtable(L, (int)count, 0);
  for (uint32_t i = 0, level = 0; level < count; level++) {
    lua_newtable(L);
    for (lua_Integer k = 1; i < dag->graph.node_count && levels[dag->graph.order[i]] == level;
         i++) {
      node_push(L, names, dag->graph.order[i]);
      lua_rawseti(L, -2, k++);
    }
    lua_rawseti(L, -2, (lua_Integer)level + 1);
  }
  return 1;
}

// Reads the set at 2 (nil is empty) into one byte per node.
static void done_read(lua_State *L, const struct tg_lua_dag *dag, uint8_t *done) {
  if (lua_isnoneornil(L, 2)) return;
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_pushnil(L);
  while (lua_next(L, 2)) {
    bool is_done = lua_toboolean(L, -1);
    lua_pop(L, 1);
    uint32_t node = node_check(L, dag, -1);
    if (is_done) done[node] = 1;
  }
}

static bool is_ready(const struct tg_graph *graph, const uint8_t *done, uint32_t node) {
  if (done[node]) return false;
  struct tg_graph_slice up = tg_graph_upstream(graph, node);
  for (uint32_t i = 0; i < up.count; i++)
    if (!done[up.nodes[i]]) return false;
  return true;
}

static int l_dag_ready(lua_State *L) {
  struct tg_lua_dag *dag = dag_check(L);
  lua_settop(L, 2);
  uint8_t *done = scratch_push(L, dag, sizeof *done);
  uint32_t *ready = scratch_push(L, dag, sizeof *ready), count = 0;
  done_read(L, dag, done);
  for (uint32_t node = 0; node < dag->graph.node_count; node++)
    if (is_ready(&dag->graph, done, node)) ready[count++] = node;
  return list_push(L, ready, count);
}

// Reads the weights at 2; a node without one weighs nothing.
static void weights_read(lua_State *L, const struct tg_lua_dag *dag, int64_t *weights) {
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_pushnil(L);
  while (lua_next(L, 2)) {
    int is_whole;
    lua_Integer weight = lua_tointegerx(L, -1, &is_whole);
    if (lua_type(L, -1) != LUA_TNUMBER || !is_whole || weight < 0)
      luaL_argerror(L, 2, "a weight must be a whole number, not negative");
    lua_pop(L, 1);
    weights[node_check(L, dag, -1)] = weight;
  }
}

static int l_dag_critical_path(lua_State *L) {
  struct tg_lua_dag *dag = dag_check(L);
  lua_settop(L, 2);
  int64_t *weights = NULL, *tails = scratch_push(L, dag, sizeof *tails);
  uint32_t *path = scratch_push(L, dag, sizeof *path);
  if (!lua_isnil(L, 2)) {
    weights = scratch_push(L, dag, sizeof *weights);
    weights_read(L, dag, weights);
  }
  tg_graph_tails(&dag->graph, weights, tails);
  uint32_t count = tg_graph_critical_path(&dag->graph, tails, path);
  list_push(L, path, count);
  lua_pushinteger(L, count ? tails[path[0]] : 0);
  return 2;
}

static int l_dag_len(lua_State *L) {
  lua_pushinteger(L, dag_check(L)->graph.node_count);
  return 1;
}

static int l_dag_tostring(lua_State *L) {
  const struct tg_graph *graph = &dag_check(L)->graph;
  lua_pushfstring(L, "dag(%I nodes, %I edges)", (lua_Integer)graph->node_count,
                  (lua_Integer)graph->edge_count);
  return 1;
}

static const luaL_Reg dag_meta[] = {
    {"__gc", l_dag_gc},
    {"__len", l_dag_len},
    {"__tostring", l_dag_tostring},
    {NULL, NULL},
};

static const luaL_Reg dag_methods[] = {
    {"order", l_dag_order},
    {"levels", l_dag_levels},
    {"ready", l_dag_ready},
    {"critical_path", l_dag_critical_path},
    {"upstream", l_dag_upstream},
    {"downstream", l_dag_downstream},
    {"ancestors", l_dag_ancestors},
    {"descendants", l_dag_descendants},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"new", tg_lua_dag_new},
    {"from_edges", tg_lua_dag_from_edges},
    {NULL, NULL},
};

int luaopen_tidegate_dag(lua_State *L) {
  luaL_newmetatable(L, TG_LUA_DAG);
  luaL_setfuncs(L, dag_meta, 0);
  luaL_newlib(L, dag_methods);
  lua_setfield(L, -2, "__index");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  luaL_newlib(L, functions);
  return 1;
}
