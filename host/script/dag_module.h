// SPDX-License-Identifier: Apache-2.0
// tidegate.dag: graphs for scripts; the algorithms are host/dag's.
//
// A graph is a userdata with two user values: the list of its names and the map from a name to its
// place in that list. A graph made of numbers (dag.from_edges) has neither. Its adjacency comes
// from Lua's own allocator, so that it counts towards the state's cap. dag_build.c makes graphs,
// dag_module.c answers questions about them.
#pragma once

#include <lauxlib.h>
#include <lua.h>

#include "base/error.h"
#include "dag/graph.h"

#define TG_LUA_DAG "tidegate.dag.graph"

enum { TG_LUA_DAG_NAMES = 1, TG_LUA_DAG_PLACES = 2 }; // the user values

struct tg_lua_dag {
  struct tg_graph graph;
  struct tg_graph_builder builder;
  lua_Alloc resize;
  void *user;
  lua_State *builder_state; // NULL once the graph is built
};

/// Makes a graph from the table at 1, or from a number of nodes and a list of edges; pushes it, or
/// nil and an error. Raises for arguments of the wrong shape.
int tg_lua_dag_new(lua_State *L);
int tg_lua_dag_from_edges(lua_State *L);

/// Gives the name in the list at stack index `names` that is nearest to `word`, or NULL. Leaves the
/// memory of its search on the stack.
const char *tg_lua_dag_nearest(lua_State *L, int names, const char *word);

/// Sets the error that tells of a cycle. The names of its nodes are in the list at stack index
/// `names`; with 0 they are told by their numbers.
void tg_lua_dag_set_cycle(lua_State *L, int names, const uint32_t *path, uint32_t count,
                          struct tg_error *err);

__attribute__((visibility("default"))) int luaopen_tidegate_dag(lua_State *L);
