// SPDX-License-Identifier: Apache-2.0
// A declaration is a userdata with the number of its task.
#include <string.h>

#include "base/limits.h"
#include "script/place.h"
#include "script/tasks.h"

enum { SHAPES_MAX = 1000 }; // where there are more, little is shared

static const char *word_text(const struct tg_lua_tasks *tasks, uint32_t word) {
  return tg_symbol_text(&tasks->declared.symbols, word).data;
}

// Gives the symbol of the place on top of the stack. A loop declares many tasks at one.
static uint32_t place_symbol(lua_State *L, struct tg_lua_tasks *tasks) {
  size_t len;
  const char *text = lua_tolstring(L, -1, &len);
  if (tasks->declared.count) {
    uint32_t last = tasks->declared.tasks[tasks->declared.count - 1].place;
    if (last != TG_NO_SYMBOL && strcmp(word_text(tasks, last), text) == 0) return last;
  }
  return tg_lua_tasks_symbol(L, tasks, -1);
}

// tg.task "name"; its word is the second upvalue.
static int l_task_declare(lua_State *L) {
  struct tg_lua_tasks *tasks = tg_lua_tasks_of(L);
  uint32_t word = (uint32_t)lua_tointeger(L, lua_upvalueindex(2)), name = TG_NO_SYMBOL;
  if (tasks->is_sealed)
    return luaL_error(L,
                      "tg.%s declares: it belongs in the file itself, not in a function that "
                      "runs later",
                      word_text(tasks, word));
  if (lua_type(L, 1) == LUA_TSTRING) name = tg_lua_tasks_symbol(L, tasks, 1);
  tg_lua_push_place(L, 1);
  uint32_t place = place_symbol(L, tasks);
  uint32_t *number = lua_newuserdatauv(L, sizeof *number, 0);
  *number = tg_declared_add(&tasks->declared, word, name, place);
  if (*number == TG_NOT_DECLARED) return tg_lua_tasks_no_memory(L);
  luaL_setmetatable(L, TG_LUA_TASK);
  return 1;
}

static int l_tasks_word(lua_State *L) {
  struct tg_lua_tasks *tasks = tg_lua_tasks_of(L);
  luaL_checkstring(L, 1);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushinteger(L, tg_lua_tasks_symbol(L, tasks, 1));
  lua_pushcclosure(L, l_task_declare, 2);
  return 1;
}

static int l_tasks_seal(lua_State *L) {
  tg_lua_tasks_of(L)->is_sealed = true;
  return 0;
}

static int l_tasks_number(lua_State *L) {
  const uint32_t *number = luaL_testudata(L, 1, TG_LUA_TASK);
  if (!number) return 0;
  lua_pushinteger(L, (lua_Integer)*number + 1);
  return 1;
}

static int l_tasks_describe(lua_State *L) {
  const struct tg_lua_tasks *tasks = tg_lua_tasks_of(L);
  const struct tg_declared_task *task = tg_lua_tasks_task(L, tasks, 1);
  if (!task) return 0;
  tg_lua_tasks_push_symbol(L, tasks, task->word);
  tg_lua_tasks_push_symbol(L, tasks, task->place);
  if (task->name == TG_NO_SYMBOL) return 2;
  tg_lua_tasks_push_symbol(L, tasks, task->name);
  return 3;
}

// --- Bodies ---

// As schema.name has it.
static bool is_name(struct tg_slice text) {
  if (!text.len || text.len > TG_NAME_BYTES_MAX || text.data[0] < 'a' || text.data[0] > 'z')
    return false;
  for (size_t i = 1; i < text.len; i++) {
    char c = text.data[i];
    if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_') return false;
  }
  return true;
}

// Takes the names that the value at `index` has: a name alone or a list of them.
static bool after_take(lua_State *L, struct tg_lua_tasks *tasks, int index) {
  lua_Integer place = 1;
  if (lua_type(L, index) == LUA_TSTRING) {
    if (!tg_declared_add_after(&tasks->declared, tg_lua_tasks_symbol(L, tasks, index)))
      tg_lua_tasks_no_memory(L);
    return true;
  }
  if (!lua_istable(L, index) || lua_getmetatable(L, index)) return false;
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
    if (!lua_isinteger(L, -2) || lua_tointeger(L, -2) != place++ || lua_type(L, -1) != LUA_TSTRING)
      return false;
    if (!tg_declared_add_after(&tasks->declared, tg_lua_tasks_symbol(L, tasks, -1)))
      tg_lua_tasks_no_memory(L);
  }
  return true;
}

// Gives the number of the function on top, and pops it. Most tasks have the one before.
static uint32_t function_keep(lua_State *L) {
  tg_lua_tasks_push_value(L, TG_LUA_TASKS_FUNCTIONS);
  lua_Unsigned count = lua_rawlen(L, -1);
  lua_rawgeti(L, -1, (lua_Integer)count);
  bool is_last = lua_rawequal(L, -1, -3);
  lua_pop(L, 1);
  lua_pushvalue(L, -2);
  if (is_last)
    lua_pop(L, 1);
  else
    lua_rawseti(L, -2, (lua_Integer)++count);
  lua_pop(L, 2);
  return (uint32_t)count;
}

// Takes the field on top of the stack, its name below it; pops nothing.
static bool field_take(lua_State *L, struct tg_lua_tasks *tasks, struct tg_declared_task *task) {
  int value = lua_gettop(L);
  const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
  bool is_taken;
  if (strcmp(name, "run") == 0) {
    is_taken = lua_isfunction(L, value);
    lua_pushvalue(L, value);
    if (is_taken) task->run = function_keep(L);
  } else if (strcmp(name, "after") == 0) {
    is_taken = after_take(L, tasks, value);
  } else {
    // What stands in for a task is bound to it; no other can say the same.
    is_taken = *name && strcmp(name, "fallback") != 0 && tg_lua_tasks_put_shape(L, &tasks->shape);
  }
  lua_settop(L, value);
  return is_taken;
}

// Takes a body's fields; false if it has some that only an odd task has.
static bool body_take(lua_State *L, struct tg_lua_tasks *tasks, struct tg_declared_task *task) {
  uint32_t after_at = tasks->declared.after_count;
  bool is_taken = true;
  tg_buf_clear(&tasks->shape);
  task->run = 0;
  for (lua_pushnil(L); is_taken && lua_next(L, 2); lua_pop(L, 1))
    is_taken = field_take(L, tasks, task);
  lua_settop(L, 2);
  if (!task->run) is_taken = false;
  if (!is_taken) tasks->declared.after_count = after_at;
  task->after_at = after_at;
  task->after_count = tasks->declared.after_count - after_at;
  return is_taken;
}

// Says whether a task may be a usual one, whatever its body says.
static bool can_be_usual(const struct tg_lua_tasks *tasks, const struct tg_declared_task *task) {
  return strcmp(word_text(tasks, task->word), "task") == 0 && task->name != TG_NO_SYMBOL &&
         is_name(tg_symbol_text(&tasks->declared.symbols, task->name));
}

// Finds the shape of the body that was just taken.
static bool shape_find(const struct tg_lua_tasks *tasks, uint32_t *shape) {
  *shape = 0;
  if (!tasks->shape.len) return true;
  uint32_t known = tg_symbol_find(&tasks->shapes, tasks->shape.data, tasks->shape.len);
  if (known != TG_NO_SYMBOL) *shape = known + 1;
  return *shape;
}

static int l_tasks_take(lua_State *L) {
  struct tg_lua_tasks *tasks = tg_lua_tasks_of(L);
  struct tg_declared_task *task = tg_lua_tasks_task(L, tasks, 1);
  lua_settop(L, 2);
  if (!task || task->state != TG_DECLARED_NEW || tasks->is_sealed) return 0;
  bool is_plain = lua_istable(L, 2) && !lua_getmetatable(L, 2);
  bool is_taken = is_plain && can_be_usual(tasks, task) && body_take(L, tasks, task);
  tasks->shape_task = is_taken ? (uint32_t)(task - tasks->declared.tasks) : TG_NOT_DECLARED;
  bool is_usual = is_taken && shape_find(tasks, &task->shape);
  task->state = is_usual ? TG_DECLARED_USUAL : TG_DECLARED_ODD;
  lua_pushboolean(L, is_usual);
  return 1;
}

static int l_tasks_share(lua_State *L) {
  struct tg_lua_tasks *tasks = tg_lua_tasks_of(L);
  struct tg_declared_task *task = tg_lua_tasks_task(L, tasks, 1);
  if (!task || tasks->shape_task != (uint32_t)(task - tasks->declared.tasks) ||
      tasks->shapes.count == SHAPES_MAX)
    return 0;
  uint32_t shape = tg_symbol_of(&tasks->shapes, tasks->shape.data, tasks->shape.len);
  if (shape == TG_NO_SYMBOL) return tg_lua_tasks_no_memory(L);
  tasks->shape_task = TG_NOT_DECLARED;
  task->shape = shape + 1;
  task->state = TG_DECLARED_USUAL;
  lua_pushinteger(L, task->shape);
  return 1;
}

const luaL_Reg tg_lua_tasks_declaring[] = {
    {"word", l_tasks_word},
    {"seal", l_tasks_seal},
    {"number", l_tasks_number},
    {"describe", l_tasks_describe},
    {"take", l_tasks_take},
    {"share", l_tasks_share},
    {NULL, NULL},
};
