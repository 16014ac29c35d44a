// SPDX-License-Identifier: Apache-2.0
#include "script/plan_module.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "base/limits.h"
#include "script/dag_module.h"
#include "script/json_module.h"
#include "script/lua_body.h"

enum { GRAPH = 1, TASKS, LINES, DESCRIBE, OUT }; // the stack of l_plan_tasks

// What every baked task has of its own: name, at, after, and `own` or `run`
// (lua/tidegate/pipeline/bake.lua). The rest is shared, through a metatable.
enum { USUAL_FIELDS = 4 };

static bool is_usual(lua_State *L, int task) {
  int count = 0;
  for (lua_pushnil(L); lua_next(L, task); lua_pop(L, 1)) count++;
  return count == USUAL_FIELDS;
}

static void text_put(lua_State *L, struct tg_buf *out, int task, const char *field) {
  size_t len;
  lua_getfield(L, task, field);
  const char *text = luaL_checklstring(L, -1, &len);
  tg_buf_puts(out, ",\"");
  tg_buf_puts(out, field);
  tg_buf_puts(out, "\":");
  tg_buf_put_json(out, text, len);
  lua_pop(L, 1);
}

static void number_put(struct tg_buf *out, uint64_t number) {
  char digits[20];
  size_t at = sizeof digits;
  do digits[--at] = (char)('0' + number % 10);
  while (number /= 10);
  tg_buf_put(out, digits + at, sizeof digits - at);
}

static void after_put(struct tg_buf *out, struct tg_graph_slice after) {
  tg_buf_puts(out, "\"after\":[");
  for (uint32_t i = 0; i < after.count; i++) {
    if (i) tg_buf_putc(out, ',');
    number_put(out, after.nodes[i]);
  }
  tg_buf_puts(out, "],");
}

// The word that needs not be told.
static bool is_task(lua_State *L, int task) {
  lua_getfield(L, task, "word");
  bool is_it = strcmp(luaL_checkstring(L, -1), "task") == 0;
  lua_pop(L, 1);
  return is_it;
}

static void usual_put(lua_State *L, struct tg_buf *out, int task, struct tg_graph_slice after) {
  tg_buf_putc(out, '{');
  if (after.count) after_put(out, after);
  lua_getfield(L, task, "at");
  lua_gettable(L, LINES);
  tg_buf_puts(out, "\"line\":");
  number_put(out, (uint64_t)luaL_checkinteger(L, -1));
  lua_pop(L, 1);
  text_put(L, out, task, "name");
  if (!is_task(L, task)) text_put(L, out, task, "word");
  tg_buf_putc(out, '}');
}

static void rare_put(lua_State *L, struct tg_buf *out, int task) {
  static const struct tg_json_caps caps = {.bytes_max = (size_t)TG_FRAME_BYTES_MAX,
                                           .depth_max = TG_RESULT_DEPTH_MAX,
                                           .nodes_max = TG_RESULT_NODES_MAX};
  struct tg_error err;
  lua_pushvalue(L, DESCRIBE);
  lua_pushvalue(L, task);
  lua_call(L, 1, 1);
  if (tg_lua_json_encode(L, -1, &caps, out, &err)) luaL_error(L, "%s", err.text);
  lua_pop(L, 1);
}

static int l_plan_tasks(lua_State *L) {
  const struct tg_lua_dag *dag = luaL_checkudata(L, GRAPH, TG_LUA_DAG);
  luaL_checktype(L, TASKS, LUA_TTABLE);
  luaL_checktype(L, LINES, LUA_TTABLE);
  luaL_checktype(L, DESCRIBE, LUA_TFUNCTION);
  lua_settop(L, DESCRIBE);
  struct tg_buf *out = tg_lua_new_body(L);
  tg_buf_putc(out, '[');
  for (uint32_t i = 0; i < dag->graph.node_count; i++) {
    if (i) tg_buf_putc(out, ',');
    int task = OUT + 1;
    if (lua_rawgeti(L, TASKS, (lua_Integer)i + 1) != LUA_TTABLE)
      return luaL_error(L, "the graph is not of these tasks");
    if (is_usual(L, task))
      usual_put(L, out, task, tg_graph_upstream(&dag->graph, i));
    else
      rare_put(L, out, task);
    lua_settop(L, OUT);
  }
  tg_buf_putc(out, ']');
  if (out->is_out_of_memory) return luaL_error(L, "not enough memory for the pipeline's plan");
  if (out->is_failed)
    return luaL_error(L, "the pipeline's plan has more than %d MiB",
                      (int)(TG_FRAME_BYTES_MAX / TG_MIB));
  lua_pushlstring(L, out->data, out->len);
  return 1;
}

int luaopen_tidegate__plan(lua_State *L) {
  static const luaL_Reg functions[] = {{"tasks", l_plan_tasks}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
