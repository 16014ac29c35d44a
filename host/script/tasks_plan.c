// SPDX-License-Identifier: Apache-2.0
#include <lauxlib.h>
#include <string.h>

#include "base/limits.h"
#include "script/json_module.h"
#include "script/tasks_module.h"

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

static void usual_put(struct tg_buf *out, const struct tg_lua_tasks *tasks, uint32_t position,
                      struct line *last) {
  const struct tg_declared_task *task = tg_declared_at(&tasks->declared, position);
  struct tg_graph_slice after = tg_graph_upstream(&tasks->graph, position);
  tg_buf_putc(out, '{');
  if (after.count) after_put(out, after);
  tg_buf_puts(out, "\"line\":");
  number_put(out, line_of(tasks, task->place, last));
  text_put(out, tasks, ",\"name\":", task->name);
  tg_buf_putc(out, '}');
}

// Puts what `describe` tells of the odd task on top of the stack, and pops it.
static void odd_put(lua_State *L, int describe, struct tg_buf *out) {
  static const struct tg_json_caps caps = {.bytes_max = (size_t)TG_FRAME_BYTES_MAX,
                                           .depth_max = TG_RESULT_DEPTH_MAX,
                                           .nodes_max = TG_RESULT_NODES_MAX};
  struct tg_error err;
  lua_pushvalue(L, describe);
  lua_insert(L, -2);
  lua_call(L, 1, 1);
  if (tg_lua_json_encode(L, -1, &caps, out, &err)) luaL_error(L, "%s", err.text);
  lua_pop(L, 1);
}

void tg_lua_tasks_put_plan(lua_State *L, struct tg_lua_tasks *tasks, int odd, int describe,
                           struct tg_buf *out) {
  struct line last = {.place = TG_NO_SYMBOL};
  tg_buf_putc(out, '[');
  for (uint32_t i = 0; i < tasks->declared.listed_count && !out->is_failed; i++) {
    if (i) tg_buf_putc(out, ',');
    if (tg_lua_tasks_push_odd(L, odd, i))
      odd_put(L, describe, out);
    else
      usual_put(out, tasks, i, &last);
  }
  tg_buf_putc(out, ']');
}
