// SPDX-License-Identifier: Apache-2.0
#include "script/dag_module.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/suggest.h"
#include "script/lua_error.h"

enum { SUGGEST_NODES_MAX = 10000 }; // a larger graph is not searched for the nearest name
enum { CYCLE_NODES_SHOWN = 12 };    // a longer cycle is shown without its middle

// Garbage may be holding what is missing, and Lua, which does not see these blocks grow, has had no
// reason to collect it.
static void *dag_resize(void *user, void *block, size_t old_size, size_t new_size) {
  struct tg_lua_dag *dag = user;
  void *got = dag->resize(dag->user, block, old_size, new_size);
  if (got || !new_size || !dag->builder_state) return got;
  lua_gc(dag->builder_state, LUA_GCCOLLECT, 0);
  return dag->resize(dag->user, block, old_size, new_size);
}

static struct tg_lua_dag *dag_push(lua_State *L) {
  struct tg_lua_dag *dag = lua_newuserdatauv(L, sizeof *dag, 2);
  memset(dag, 0, sizeof *dag);
  dag->resize = lua_getallocf(L, &dag->user);
  dag->builder_state = L;
  dag->graph.memory = (struct tg_memory){.resize = dag_resize, .user = dag};
  tg_graph_builder_init(&dag->builder, dag->graph.memory);
  luaL_setmetatable(L, TG_LUA_DAG);
  return dag;
}

const char *tg_lua_dag_nearest(lua_State *L, int names, const char *word) {
  size_t n = lua_rawlen(L, names);
  if (n > SUGGEST_NODES_MAX) return NULL;
  const char **candidates = lua_newuserdatauv(L, (n + 1) * sizeof *candidates, 0);
  for (size_t i = 0; i < n; i++) {
    lua_rawgeti(L, names, (lua_Integer)i + 1);
    candidates[i] = lua_tostring(L, -1);
    lua_pop(L, 1);
  }
  return tg_suggest(word, candidates, n);
}

// Fails with the error; out of memory raises, as it does everywhere in Lua.
static int dag_fail(lua_State *L, const struct tg_error *err) {
  if (err->code == TG_ENOMEM) return luaL_error(L, "not enough memory");
  return tg_lua_fail(L, err);
}

static void edge_add(lua_State *L, struct tg_lua_dag *dag, uint32_t from, uint32_t to) {
  struct tg_error err;
  if (tg_graph_add_edge(&dag->builder, from, to, &err)) luaL_error(L, "%s", err.text);
}

// Writes a node's name, or its number if it has none, behind `len` bytes of `text`.
static size_t name_write(lua_State *L, int names, uint32_t node, const char *before, char *text,
                         size_t len) {
  char number[16];
  const char *name = number;
  snprintf(number, sizeof number, "%u", node + 1);
  if (names) {
    lua_rawgeti(L, names, (lua_Integer)node + 1);
    name = lua_tostring(L, -1);
    lua_pop(L, 1); // the list keeps it
  }
  size_t room = TG_ERROR_TEXT_MAX - len;
  int more = snprintf(text + len, room, "%s%.*s", before, TG_NAME_BYTES_MAX, name);
  return (size_t)more < room ? len + (size_t)more : TG_ERROR_TEXT_MAX - 1;
}

void tg_lua_dag_set_cycle(lua_State *L, int names, const uint32_t *path, uint32_t count,
                          struct tg_error *err) {
  tg_error_set(err, TG_EINVALID, "the graph has a cycle: ");
  size_t len = strlen(err->text);
  uint32_t shown = count > CYCLE_NODES_SHOWN ? CYCLE_NODES_SHOWN / 2 : count;
  for (uint32_t i = 0; i < count; i++) {
    if (i == shown && shown < count) {
      i = count - CYCLE_NODES_SHOWN / 2;
      int more = snprintf(err->text + len, sizeof err->text - len, " -> (%u more)", i - shown);
      if ((size_t)more >= sizeof err->text - len) return;
      len += (size_t)more;
    }
    len = name_write(L, names, path[i], i ? " -> " : "", err->text, len);
  }
  name_write(L, names, path[0], " -> ", err->text, len);
}

// Freezes the edges; the graph is at `index`, the list of its names at `names` (0: it has none).
static int dag_freeze(lua_State *L, struct tg_lua_dag *dag, int index, int names, lua_Integer n) {
  struct tg_error err;
  uint32_t count = 0;
  if (n > TG_GRAPH_NODES_MAX) n = TG_GRAPH_NODES_MAX + 1; // which tg_graph_init refuses
  int code = tg_graph_init(&dag->graph, (uint32_t)n, &dag->builder, &err);
  tg_graph_builder_deinit(&dag->builder);
  if (!code && !tg_graph_is_acyclic(&dag->graph)) {
    uint32_t *path = lua_newuserdatauv(L, (size_t)n * sizeof *path, 0);
    code = tg_graph_find_cycle(&dag->graph, path, &count, &err);
    if (!code) {
      tg_lua_dag_set_cycle(L, names, path, count, &err);
      code = err.code;
    }
  }
  dag->builder_state = NULL;
  if (code) return dag_fail(L, &err);
  lua_pushvalue(L, index);
  return 1;
}

struct name {
  const char *text;
  size_t len;
};

static int name_compare(const void *a, const void *b) {
  const struct name *x = a, *y = b;
  size_t len = x->len < y->len ? x->len : y->len;
  int order = memcmp(x->text, y->text, len);
  return order ? order : (x->len > y->len) - (x->len < y->len);
}

// Pushes the keys of the table at 1 as a sorted list: the order of a Lua table is not to be seen.
static void keys_push_sorted(lua_State *L) {
  lua_Integer n = 0;
  lua_newtable(L); // holds on to the keys while they are sorted
  int keys = lua_gettop(L);
  lua_pushnil(L);
  while (lua_next(L, 1)) {
    lua_pop(L, 1);
    if (lua_type(L, -1) != LUA_TSTRING)
      luaL_error(L, "dag.new: a name must be a string, not a %s", luaL_typename(L, -1));
    lua_pushvalue(L, -1);
    lua_rawseti(L, keys, ++n);
  }
  struct name *sorted = lua_newuserdatauv(L, (size_t)(n + 1) * sizeof *sorted, 0);
  for (lua_Integer i = 0; i < n; i++) {
    lua_rawgeti(L, keys, i + 1);
    sorted[i].text = lua_tolstring(L, -1, &sorted[i].len);
    lua_pop(L, 1);
  }
  if (n) qsort(sorted, (size_t)n, sizeof *sorted, name_compare);
  lua_createtable(L, (int)(n < INT32_MAX ? n : 0), 0);
  for (lua_Integer i = 0; i < n; i++) {
    lua_pushlstring(L, sorted[i].text, sorted[i].len);
    lua_rawseti(L, -2, i + 1);
  }
  lua_replace(L, keys);
  lua_settop(L, keys);
}

// Says whether the table at `index` has only places 1..n as keys.
static bool is_list(lua_State *L, int index) {
  index = lua_absindex(L, index);
  lua_Integer n = (lua_Integer)lua_rawlen(L, index), found = 0;
  lua_pushnil(L);
  while (lua_next(L, index)) {
    lua_pop(L, 1);
    found++;
  }
  return found == n;
}

// Pushes the names of the list of tasks at 1.
static void list_push_names(lua_State *L) {
  if (!is_list(L, 1)) luaL_error(L, "dag.new: the table has both places and names as keys");
  lua_Integer n = (lua_Integer)lua_rawlen(L, 1);
  lua_newtable(L);
  for (lua_Integer i = 1; i <= n; i++) {
    if (lua_rawgeti(L, 1, i) != LUA_TTABLE)
      luaL_error(L, "dag.new: entry %I must be a table { name =, after = }, not a %s", i,
                 luaL_typename(L, -1));
    lua_pushliteral(L, "name");
    if (lua_rawget(L, -2) != LUA_TSTRING)
      luaL_error(L, "dag.new: the name of entry %I must be a string, not a %s", i,
                 luaL_typename(L, -1));
    lua_rawseti(L, -3, i);
    lua_pop(L, 1);
  }
}

// Fills the map of places; gives the place of the second of two equal names, or 0.
static lua_Integer places_fill(lua_State *L, int names, int places) {
  lua_Integer n = (lua_Integer)lua_rawlen(L, names);
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, names, i);
    lua_pushvalue(L, -1);
    if (lua_rawget(L, places) != LUA_TNIL) return i;
    lua_pop(L, 1);
    lua_pushinteger(L, i);
    lua_rawset(L, places);
  }
  return 0;
}

// Writes "'<start>' waits for ..." about an upstream that is not there.
static void upstream_unknown(lua_State *L, int names, const char *task, const char *upstream,
                             struct tg_error *err) {
  const char *nearest = tg_lua_dag_nearest(L, names, upstream);
  tg_error_set(err, TG_EINVALID, "'%.*s' is after '%.*s', which is not in the graph%s%.*s%s",
               TG_NAME_BYTES_MAX, task, TG_NAME_BYTES_MAX, upstream,
               nearest ? "; did you mean '" : "", TG_NAME_BYTES_MAX, nearest ? nearest : "",
               nearest ? "'?" : "");
}

// Adds the edge from the name on top of the stack, and pops it.
static int upstream_add(lua_State *L, struct tg_lua_dag *dag, int names, int places,
                        const char *task, uint32_t to, struct tg_error *err) {
  if (lua_type(L, -1) != LUA_TSTRING)
    luaL_error(L, "dag.new: '%s' must be after a list of names, not after a %s", task,
               luaL_typename(L, -1));
  const char *upstream = lua_tostring(L, -1);
  lua_pushvalue(L, -1);
  if (lua_rawget(L, places) != LUA_TNUMBER) {
    upstream_unknown(L, names, task, upstream, err);
    return err->code;
  }
  edge_add(L, dag, (uint32_t)lua_tointeger(L, -1) - 1, to);
  lua_pop(L, 2);
  return 0;
}

// Adds the edges from the upstreams on top of the stack (a list of names, a name or nil).
static int upstreams_add(lua_State *L, struct tg_lua_dag *dag, int names, int places,
                         const char *task, uint32_t to, struct tg_error *err) {
  if (lua_isnil(L, -1)) return 0;
  if (lua_type(L, -1) != LUA_TTABLE) {
    lua_pushvalue(L, -1);
    return upstream_add(L, dag, names, places, task, to, err);
  }
  if (!is_list(L, -1)) luaL_error(L, "dag.new: what '%s' is after must be a list of names", task);
  for (lua_Integer i = 1, n = (lua_Integer)lua_rawlen(L, -1); i <= n; i++) {
    lua_rawgeti(L, -1, i);
    int code = upstream_add(L, dag, names, places, task, to, err);
    if (code) return code;
  }
  return 0;
}

// Pushes what task `i` is after, from the list or map at 1.
static void after_push(lua_State *L, bool has_places, lua_Integer i, int name) {
  if (!has_places) {
    lua_pushvalue(L, name);
    lua_rawget(L, 1);
    return;
  }
  lua_rawgeti(L, 1, i);
  lua_pushliteral(L, "after");
  lua_rawget(L, -2);
}

static int edges_read(lua_State *L, struct tg_lua_dag *dag, bool has_places, int names, int places,
                      struct tg_error *err) {
  int top = lua_gettop(L), code = 0;
  lua_Integer n = (lua_Integer)lua_rawlen(L, names);
  if (n > TG_GRAPH_NODES_MAX) return 0; // refused when it is frozen
  for (lua_Integer i = 1; i <= n && !code; i++) {
    lua_rawgeti(L, names, i);
    after_push(L, has_places, i, top + 1);
    code = upstreams_add(L, dag, names, places, lua_tostring(L, top + 1), (uint32_t)i - 1, err);
    lua_settop(L, top);
  }
  return code;
}

int tg_lua_dag_new(lua_State *L) {
  enum { SELF = 2, LIST, MAP };
  struct tg_error err;
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  bool has_places = lua_rawlen(L, 1) > 0;
  struct tg_lua_dag *dag = dag_push(L);
  if (has_places)
    list_push_names(L);
  else
    keys_push_sorted(L);
  lua_newtable(L);
  if (places_fill(L, LIST, MAP)) {
    tg_error_set(&err, TG_EINVALID, "two tasks are named '%.*s'", TG_NAME_BYTES_MAX,
                 lua_tostring(L, -2));
    return dag_fail(L, &err);
  }
  if (edges_read(L, dag, has_places, LIST, MAP, &err)) return dag_fail(L, &err);
  lua_pushvalue(L, LIST);
  lua_setiuservalue(L, SELF, TG_LUA_DAG_NAMES);
  lua_pushvalue(L, MAP);
  lua_setiuservalue(L, SELF, TG_LUA_DAG_PLACES);
  return dag_freeze(L, dag, SELF, LIST, (lua_Integer)lua_rawlen(L, LIST));
}

static uint32_t edge_node_check(lua_State *L, lua_Integer i, lua_Integer n) {
  int is_whole;
  lua_rawgeti(L, 2, i);
  lua_Integer node = lua_tointegerx(L, -1, &is_whole);
  if (lua_type(L, -1) != LUA_TNUMBER || !is_whole || node < 1 || node > n)
    luaL_error(L, "dag.from_edges: item %I is %s, not a node of 1..%I", i,
               luaL_tolstring(L, -1, NULL), n);
  lua_pop(L, 1);
  return (uint32_t)node - 1;
}

int tg_lua_dag_from_edges(lua_State *L) {
  lua_Integer n = luaL_checkinteger(L, 1);
  luaL_argcheck(L, n >= 0 && n <= TG_GRAPH_NODES_MAX, 1, "more nodes than a graph may have");
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_Integer count = (lua_Integer)lua_rawlen(L, 2);
  luaL_argcheck(L, count % 2 == 0, 2, "pairs of from and to expected");
  lua_settop(L, 2);
  struct tg_lua_dag *dag = dag_push(L);
  for (lua_Integer i = 1; i < count; i += 2) {
    uint32_t from = edge_node_check(L, i, n);
    edge_add(L, dag, from, edge_node_check(L, i + 1, n));
  }
  return dag_freeze(L, dag, 3, 0, n);
}
