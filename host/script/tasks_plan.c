// SPDX-License-Identifier: Apache-2.0
#include <lauxlib.h>
#include <string.h>

#include "base/limits.h"
#include "script/json_module.h"
#include "script/lua_body.h"
#include "script/tasks_module.h"

enum { ODD = 1, DESCRIBE, DESCRIBE_SHAPE }; // the arguments of _tasks.plan

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

// Puts what a function tells of the value on top of the stack, and pops that.
static void told_put(lua_State *L, int function, struct tg_buf *out) {
  static const struct tg_json_caps caps = {.bytes_max = (size_t)TG_FRAME_BYTES_MAX,
                                           .depth_max = TG_RESULT_DEPTH_MAX,
                                           .nodes_max = TG_RESULT_NODES_MAX};
  struct tg_error err;
  lua_pushvalue(L, function);
  lua_insert(L, -2);
  lua_call(L, 1, 1);
  if (tg_lua_json_encode(L, -1, &caps, out, &err)) luaL_error(L, "%s", err.text);
  lua_pop(L, 1);
}

// Puts what a shape tells, with a comma before it. The texts are kept in a table at `texts`.
static void shape_put(lua_State *L, int texts, uint32_t shape, struct tg_buf *out) {
  if (lua_rawgeti(L, texts, shape) == LUA_TNIL) {
    struct tg_buf *text = tg_lua_new_body(L);
    lua_pushinteger(L, shape);
    told_put(L, DESCRIBE_SHAPE, text);
    if (text->len < 2) luaL_error(L, "not enough memory");
    text->data[0] = ','; // in place of its brackets
    lua_pushlstring(L, text->data, text->len == 2 ? 0 : text->len - 1);
    lua_copy(L, -1, -3);
    lua_rawseti(L, texts, shape);
    tg_buf_deinit(text);
    lua_pop(L, 1);
  }
  size_t len;
  const char *text = lua_tolstring(L, -1, &len);
  tg_buf_put(out, text, len);
  lua_pop(L, 1);
}

static void usual_put(lua_State *L, struct tg_buf *out, const struct tg_lua_tasks *tasks,
                      uint32_t position, int texts, struct line *last) {
  const struct tg_declared_task *task = tg_declared_at(&tasks->declared, position);
  struct tg_graph_slice after = tg_graph_upstream(&tasks->graph, position);
  tg_buf_putc(out, '{');
  if (after.count) after_put(out, after);
  tg_buf_puts(out, "\"line\":");
  number_put(out, line_of(tasks, task->place, last));
  text_put(out, tasks, ",\"name\":", task->name);
  if (task->shape) shape_put(L, texts, task->shape, out);
  tg_buf_putc(out, '}');
}

void tg_lua_tasks_put_plan(lua_State *L, struct tg_lua_tasks *tasks, struct tg_buf *out) {
  struct line last = {.place = TG_NO_SYMBOL};
  lua_newtable(L);
  int texts = lua_gettop(L);
  tg_buf_putc(out, '[');
  for (uint32_t i = 0; i < tasks->declared.listed_count && !out->is_failed; i++) {
    if (i) tg_buf_putc(out, ',');
    if (tg_lua_tasks_push_odd(L, ODD, i))
      told_put(L, DESCRIBE, out);
    else
      usual_put(L, out, tasks, i, texts, &last);
  }
  tg_buf_putc(out, ']');
  lua_pop(L, 1); // the texts
}
