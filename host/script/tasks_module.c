// SPDX-License-Identifier: Apache-2.0
#include "script/tasks_module.h"

#include <lauxlib.h>
#include <string.h>

#include "base/limits.h"
#include "script/lua_body.h"
#include "script/place.h"

// The tasks are an upvalue of every function here. They have two user values: the functions of
// usual tasks, by number, and the one that was told last.
#define TASKS "tidegate.tasks"
#define DECLARATION "tidegate.task"

enum { FUNCTIONS = 1, SHAPE_TEXTS };
enum { SHAPE_BYTES_MAX = 4096, SHAPES_MAX = 1000 }; // where there are more, little is shared
enum { LIST_AT_ONCE = 20000 }; // so many are listed before others get their turn

struct declaration {
  uint32_t task;
};

// Garbage may be holding what is missing, and Lua, which does not see these blocks grow, has had no
// reason to collect it.
static void *tasks_resize(void *user, void *block, size_t old_size, size_t new_size) {
  struct tg_lua_tasks *tasks = user;
  void *got = tasks->resize(tasks->user, block, old_size, new_size);
  if (got || !new_size || !tasks->L) return got;
  lua_gc(tasks->L, LUA_GCCOLLECT);
  return tasks->resize(tasks->user, block, old_size, new_size);
}

struct tg_lua_tasks *tg_lua_tasks_of(lua_State *L) {
  struct tg_lua_tasks *tasks = lua_touserdata(L, lua_upvalueindex(1));
  tasks->L = L;
  return tasks;
}

static int l_tasks_gc(lua_State *L) {
  struct tg_lua_tasks *tasks = luaL_checkudata(L, 1, TASKS);
  tasks->L = NULL;
  tg_declared_deinit(&tasks->declared);
  tg_symbols_deinit(&tasks->shapes);
  tg_buf_deinit(&tasks->shape);
  tg_graph_deinit(&tasks->graph);
  tg_graph_builder_deinit(&tasks->edges);
  return 0;
}

static int memory_is_out(lua_State *L) {
  return luaL_error(L, "not enough memory");
}

static uint32_t symbol_of(lua_State *L, struct tg_lua_tasks *tasks, int index) {
  size_t len;
  const char *text = lua_tolstring(L, index, &len);
  uint32_t symbol = tg_symbol_of(&tasks->declared.symbols, text, len);
  if (symbol == TG_NO_SYMBOL) memory_is_out(L);
  return symbol;
}

static void symbol_push(lua_State *L, const struct tg_lua_tasks *tasks, uint32_t symbol) {
  struct tg_slice text = tg_symbol_text(&tasks->declared.symbols, symbol);
  lua_pushlstring(L, text.data, text.len);
}

// --- Declaring ---

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
  return symbol_of(L, tasks, -1);
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
  if (lua_type(L, 1) == LUA_TSTRING) name = symbol_of(L, tasks, 1);
  tg_lua_push_place(L, 1);
  uint32_t place = place_symbol(L, tasks);
  struct declaration *declaration = lua_newuserdatauv(L, sizeof *declaration, 0);
  declaration->task = tg_declared_add(&tasks->declared, word, name, place);
  if (declaration->task == TG_NOT_DECLARED) return memory_is_out(L);
  luaL_setmetatable(L, DECLARATION);
  return 1;
}

static int l_tasks_word(lua_State *L) {
  struct tg_lua_tasks *tasks = tg_lua_tasks_of(L);
  luaL_checkstring(L, 1);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushinteger(L, symbol_of(L, tasks, 1));
  lua_pushcclosure(L, l_task_declare, 2);
  return 1;
}

static int l_tasks_seal(lua_State *L) {
  tg_lua_tasks_of(L)->is_sealed = true;
  return 0;
}

// Gives the task behind a declaration, or NULL for anything else.
static struct tg_declared_task *task_of(lua_State *L, const struct tg_lua_tasks *tasks, int index) {
  const struct declaration *declaration = luaL_testudata(L, index, DECLARATION);
  return declaration ? &tasks->declared.tasks[declaration->task] : NULL;
}

static int l_tasks_number(lua_State *L) {
  const struct declaration *declaration = luaL_testudata(L, 1, DECLARATION);
  if (!declaration) return 0;
  lua_pushinteger(L, (lua_Integer)declaration->task + 1);
  return 1;
}

static int l_tasks_describe(lua_State *L) {
  const struct tg_lua_tasks *tasks = tg_lua_tasks_of(L);
  const struct tg_declared_task *task = task_of(L, tasks, 1);
  if (!task) return 0;
  symbol_push(L, tasks, task->word);
  symbol_push(L, tasks, task->place);
  if (task->name == TG_NO_SYMBOL) return 2;
  symbol_push(L, tasks, task->name);
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
    if (!tg_declared_add_after(&tasks->declared, symbol_of(L, tasks, index))) memory_is_out(L);
    return true;
  }
  if (!lua_istable(L, index) || lua_getmetatable(L, index)) return false;
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
    if (!lua_isinteger(L, -2) || lua_tointeger(L, -2) != place++ || lua_type(L, -1) != LUA_TSTRING)
      return false;
    if (!tg_declared_add_after(&tasks->declared, symbol_of(L, tasks, -1))) memory_is_out(L);
  }
  return true;
}

// Gives the number of the function on top, and pops it. Most tasks have the one before.
static uint32_t function_keep(lua_State *L) {
  lua_getiuservalue(L, lua_upvalueindex(1), FUNCTIONS);
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
  struct tg_declared_task *task = task_of(L, tasks, 1);
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
  struct tg_declared_task *task = task_of(L, tasks, 1);
  if (!task || tasks->shape_task != (uint32_t)(task - tasks->declared.tasks) ||
      tasks->shapes.count == SHAPES_MAX)
    return 0;
  uint32_t shape = tg_symbol_of(&tasks->shapes, tasks->shape.data, tasks->shape.len);
  if (shape == TG_NO_SYMBOL) return memory_is_out(L);
  tasks->shape_task = TG_NOT_DECLARED;
  task->shape = shape + 1;
  task->state = TG_DECLARED_USUAL;
  lua_pushinteger(L, task->shape);
  return 1;
}

// --- Listing ---

static int l_tasks_list(lua_State *L) {
  struct tg_lua_tasks *tasks = tg_lua_tasks_of(L);
  lua_Integer at = luaL_checkinteger(L, 2), end = at + LIST_AT_ONCE;
  luaL_checktype(L, 1, LUA_TTABLE);
  for (; at < end; at++) {
    lua_rawgeti(L, 1, at);
    const struct declaration *declaration = luaL_testudata(L, -1, DECLARATION);
    lua_pop(L, 1); // the list keeps it
    if (!declaration || tasks->declared.tasks[declaration->task].state != TG_DECLARED_USUAL) break;
    if (!tg_declared_list(&tasks->declared, declaration->task)) return memory_is_out(L);
  }
  lua_pushinteger(L, at);
  return 1;
}

static int l_tasks_add(lua_State *L) {
  struct tg_lua_tasks *tasks = tg_lua_tasks_of(L);
  luaL_checkstring(L, 1);
  struct tg_declared *declared = &tasks->declared;
  uint32_t task = tg_declared_add(declared, 0, symbol_of(L, tasks, 1), TG_NO_SYMBOL);
  if (task == TG_NOT_DECLARED) return memory_is_out(L);
  declared->tasks[task].state = TG_DECLARED_ODD;
  if (!tg_declared_list(declared, task)) return memory_is_out(L);
  lua_pushinteger(L, declared->listed_count);
  return 1;
}

// --- Reading ---

static void after_push(lua_State *L, const struct tg_lua_tasks *tasks,
                       const struct tg_declared_task *task) {
  lua_createtable(L, (int)task->after_count, 0);
  for (uint32_t i = 0; i < task->after_count; i++) {
    symbol_push(L, tasks, tasks->declared.after[task->after_at + i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

static int row_push(lua_State *L, const struct tg_lua_tasks *tasks,
                    const struct tg_declared_task *task) {
  if (!task || task->state != TG_DECLARED_USUAL) return 0;
  lua_createtable(L, 0, 4);
  symbol_push(L, tasks, task->name);
  lua_setfield(L, -2, "name");
  symbol_push(L, tasks, task->place);
  lua_setfield(L, -2, "at");
  after_push(L, tasks, task);
  lua_setfield(L, -2, "after");
  lua_getiuservalue(L, lua_upvalueindex(1), FUNCTIONS);
  lua_rawgeti(L, -1, task->run);
  lua_setfield(L, -3, "run");
  lua_pop(L, 1);
  if (!task->shape) return 1;
  lua_pushinteger(L, task->shape);
  return 2;
}

// Gives the position that an argument tells, from 0.
static uint32_t position_check(lua_State *L, const struct tg_lua_tasks *tasks, int index) {
  lua_Integer position = luaL_checkinteger(L, index);
  luaL_argcheck(L, position >= 1 && position <= tasks->declared.listed_count, index,
                "there is no task at this position");
  return (uint32_t)position - 1;
}

static int l_tasks_row(lua_State *L) {
  const struct tg_lua_tasks *tasks = tg_lua_tasks_of(L);
  return row_push(L, tasks, tg_declared_at(&tasks->declared, position_check(L, tasks, 1)));
}

static int l_tasks_row_of(lua_State *L) {
  const struct tg_lua_tasks *tasks = tg_lua_tasks_of(L);
  return row_push(L, tasks, task_of(L, tasks, 1));
}

static int l_tasks_name(lua_State *L) {
  const struct tg_lua_tasks *tasks = tg_lua_tasks_of(L);
  symbol_push(L, tasks, tg_declared_at(&tasks->declared, position_check(L, tasks, 1))->name);
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

// --- The graph ---

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
  uint32_t first = position_check(L, tasks, 2), last = position_check(L, tasks, 3);
  if (tg_lua_tasks_make_graph(L, tasks, 1, &err)) return luaL_error(L, "%s", err.text);
  uint8_t *marks = lua_newuserdatauv(L, tasks->graph.node_count, 0);
  memset(marks, 0, tasks->graph.node_count);
  marks[last] = 1;
  tg_graph_mark_ancestors(&tasks->graph, marks);
  lua_pushboolean(L, first != last && marks[first]);
  return 1;
}

void tg_lua_tasks_push_texts(lua_State *L) {
  lua_getiuservalue(L, lua_upvalueindex(1), SHAPE_TEXTS);
}

bool tg_lua_tasks_push_odd(lua_State *L, int odd, uint32_t position) {
  if (lua_rawgeti(L, odd, (lua_Integer)position + 1) == LUA_TTABLE) return true;
  lua_pop(L, 1);
  return false;
}

// --- The module ---

static const luaL_Reg functions[] = {
    {"word", l_tasks_word},
    {"seal", l_tasks_seal},
    {"number", l_tasks_number},
    {"describe", l_tasks_describe},
    {"take", l_tasks_take},
    {"share", l_tasks_share},
    {"list", l_tasks_list},
    {"add", l_tasks_add},
    {"row", l_tasks_row},
    {"row_of", l_tasks_row_of},
    {"name", l_tasks_name},
    {"count", l_tasks_count},
    {"find", l_tasks_find},
    {"shapes", l_tasks_shapes},
    {"check", l_tasks_check},
    {"is_before", l_tasks_is_before},
    {"plan", tg_lua_tasks_plan},
    {"plan_on", tg_lua_tasks_plan_on},
    {"plan_put", tg_lua_tasks_plan_put},
    {"plan_shape", tg_lua_tasks_plan_shape},
    {NULL, NULL},
};

static void tasks_push(lua_State *L) {
  struct tg_lua_tasks *tasks = lua_newuserdatauv(L, sizeof *tasks, 2);
  *tasks = (struct tg_lua_tasks){.L = L};
  tasks->resize = lua_getallocf(L, &tasks->user);
  struct tg_memory memory = {.resize = tasks_resize, .user = tasks};
  tg_declared_init(&tasks->declared, memory);
  tg_symbols_init(&tasks->shapes, memory);
  tg_buf_init(&tasks->shape, SHAPE_BYTES_MAX);
  tg_graph_builder_init(&tasks->edges, memory);
  tasks->graph.memory = memory;
  if (luaL_newmetatable(L, TASKS)) {
    lua_pushcfunction(L, l_tasks_gc);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  lua_newtable(L);
  lua_setiuservalue(L, -2, FUNCTIONS);
  lua_newtable(L);
  lua_setiuservalue(L, -2, SHAPE_TEXTS);
}

int luaopen_tidegate__tasks(lua_State *L) {
  luaL_newlibtable(L, functions);
  tasks_push(L);
  luaL_setfuncs(L, functions, 1);
  luaL_newmetatable(L, DECLARATION);
  lua_setfield(L, -2, "metatable");
  return 1;
}
