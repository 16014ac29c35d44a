// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/limits.h"
#include "script/json_module.h"
#include "script/lua_body.h"
#include "script/tasks.h"

enum { USUAL_AT_ONCE = 20000 }; // so many are written before others get their turn

// What is told of usual tasks: many stand in one line, so each place is taken apart once.
struct line {
  uint32_t place, number;
};

static void text_put(struct tg_buf *out, const struct tg_lua_tasks *tasks, const char *before,
                     uint32_t symbol) {
  struct tg_slice text = tg_symbol_text(&tasks->declared.symbols, symbol);
  tg_buf_puts(out, before);
  tg_buf_put_json(out, text.data, text.len);
}

static void number_put(struct tg_buf *out, uint32_t number) {
  char digits[10];
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

// The line of a place: "pipelines/orders.lua:12".
static uint32_t line_of(const struct tg_lua_tasks *tasks, uint32_t place, struct line *last) {
  if (last->place == place) return last->number;
  struct tg_slice text = tg_symbol_text(&tasks->declared.symbols, place);
  uint32_t number = 0, unit = 1;
  for (size_t i = text.len; i && text.data[i - 1] >= '0' && text.data[i - 1] <= '9'; i--) {
    number += (uint32_t)(text.data[i - 1] - '0') * unit;
    unit *= 10;
  }
  *last = (struct line){.place = place, .number = number};
  return number;
}

static struct tg_buf *body_check(lua_State *L) {
  struct tg_buf *body = tg_lua_test_body(L, 1);
  luaL_argcheck(L, body, 1, "a plan's body expected");
  return body;
}

static void full_check(lua_State *L, const struct tg_buf *out) {
  if (out->is_out_of_memory) luaL_error(L, "not enough memory for the pipeline's plan");
  if (out->is_failed)
    luaL_error(L, "the pipeline's plan has more than %d MiB", (int)(TG_PLAN_BYTES_MAX / TG_MIB));
}

static void table_put(lua_State *L, int index, struct tg_buf *out) {
  static const struct tg_json_caps caps = {.bytes_max = (size_t)TG_FRAME_BYTES_MAX,
                                           .depth_max = TG_RESULT_DEPTH_MAX,
                                           .nodes_max = TG_RESULT_NODES_MAX};
  struct tg_error err;
  luaL_checktype(L, index, LUA_TTABLE);
  int code = tg_lua_json_encode(L, index, &caps, out, &err);
  full_check(L, out);
  if (code) luaL_error(L, "%s", err.text);
}

static void comma_put(struct tg_buf *out) {
  if (out->len > 1) tg_buf_putc(out, ',');
}

static int l_tasks_plan(lua_State *L) {
  struct tg_lua_tasks *tasks = tg_lua_tasks_of(L);
  struct tg_error err;
  luaL_checktype(L, 1, LUA_TTABLE);
  if (tg_lua_tasks_make_graph(L, tasks, 1, &err)) return luaL_error(L, "%s", err.text);
  struct tg_buf *out = tg_lua_new_body(L);
  out->max = (size_t)TG_PLAN_BYTES_MAX;
  tg_buf_putc(out, '[');
  return 1;
}

static int l_tasks_plan_put(lua_State *L) {
  struct tg_buf *out = body_check(L);
  comma_put(out);
  table_put(L, 2, out);
  return 0;
}

// A shape's text is what stands between the brackets, with a comma before it.
static int l_tasks_plan_shape(lua_State *L) {
  lua_Integer shape = luaL_checkinteger(L, 1);
  lua_settop(L, 2);
  struct tg_buf *text = tg_lua_new_body(L);
  table_put(L, 2, text);
  text->data[0] = ',';
  tg_lua_tasks_push_value(L, TG_LUA_TASKS_TEXTS);
  lua_pushlstring(L, text->data, text->len == 2 ? 0 : text->len - 1);
  lua_rawseti(L, -2, shape);
  tg_buf_deinit(text);
  return 0;
}

// Pushes the text of a task's shape; false, and nothing, if nobody has told it yet.
static bool shape_push(lua_State *L, int texts, uint32_t shape) {
  if (!shape) return lua_pushliteral(L, ""), true;
  if (lua_rawgeti(L, texts, shape) == LUA_TSTRING) return true;
  lua_pop(L, 1);
  return false;
}

// Puts the task at a position, with the text of its shape, which is on top of the stack.
static void usual_put(lua_State *L, struct tg_buf *out, const struct tg_lua_tasks *tasks,
                      uint32_t position, struct line *last) {
  const struct tg_declared_task *task = tg_declared_at(&tasks->declared, position);
  struct tg_graph_slice after = tg_graph_upstream(&tasks->graph, position);
  size_t len;
  const char *text = lua_tolstring(L, -1, &len);
  comma_put(out);
  tg_buf_putc(out, '{');
  if (after.count) after_put(out, after);
  tg_buf_puts(out, "\"line\":");
  number_put(out, line_of(tasks, task->place, last));
  text_put(out, tasks, ",\"name\":", task->name);
  tg_buf_put(out, text, len);
  tg_buf_putc(out, '}');
}

static int plan_end(lua_State *L, struct tg_lua_tasks *tasks, struct tg_buf *out) {
  tg_buf_putc(out, ']');
  full_check(L, out);
  tg_graph_deinit(&tasks->graph); // whoever asks about it later makes it again
  return 0;
}

static int l_tasks_plan_on(lua_State *L) {
  struct tg_lua_tasks *tasks = tg_lua_tasks_of(L);
  struct tg_buf *out = body_check(L);
  struct line last = {.place = TG_NO_SYMBOL};
  uint32_t count = tasks->graph.node_count, shape = 0;
  lua_Integer at = luaL_checkinteger(L, 3) - 1, end = at + USUAL_AT_ONCE;
  luaL_checktype(L, 2, LUA_TTABLE);
  luaL_argcheck(L, at >= 0 && at <= count, 3, "there is no task at this position");
  lua_settop(L, 3);
  tg_lua_tasks_push_value(L, TG_LUA_TASKS_TEXTS);
  int texts = lua_gettop(L);
  for (; at < count && at < end && !tg_lua_tasks_push_odd(L, 2, (uint32_t)at); at++) {
    shape = tg_declared_at(&tasks->declared, (uint32_t)at)->shape;
    if (!shape_push(L, texts, shape)) break;
    usual_put(L, out, tasks, (uint32_t)at, &last);
    lua_pop(L, 1);
    shape = 0;
  }
  full_check(L, out);
  if (at == count) return plan_end(L, tasks, out);
  lua_pushinteger(L, at + 1);
  if (!shape) return 1;
  lua_pushinteger(L, shape);
  return 2;
}

const luaL_Reg tg_lua_tasks_planning[] = {
    {"plan", l_tasks_plan},
    {"plan_on", l_tasks_plan_on},
    {"plan_put", l_tasks_plan_put},
    {"plan_shape", l_tasks_plan_shape},
    {NULL, NULL},
};
