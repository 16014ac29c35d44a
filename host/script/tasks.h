// SPDX-License-Identifier: Apache-2.0
// What the parts of tidegate._tasks (script/tasks_module.h) share: the tasks of a Lua state, in a
// userdata that is an upvalue of all their functions.
//
//   tasks          the userdata, and what all need of it
//   tasks_declare  words, and what they are given
//   tasks_shape    what a body says, as a text by which another is known that says the same
//   tasks_list     the tasks of the pipeline
//   tasks_graph    their graph
//   tasks_plan     their plan
#pragma once

#include <lauxlib.h>
#include <lua.h>

#include "base/buf.h"
#include "base/error.h"
#include "dag/graph.h"
#include "script/declared.h"

#define TG_LUA_TASK "tidegate.task" // the metatable of declarations

// The user values: the functions of usual tasks, and the texts of shapes in a plan, by number.
enum { TG_LUA_TASKS_FUNCTIONS = 1, TG_LUA_TASKS_TEXTS };

struct tg_lua_tasks {
  struct tg_declared declared;
  struct tg_symbols shapes; // the bodies' fields, as tg_lua_tasks_put_shape writes them
  struct tg_buf shape;      // of the body that came last
  uint32_t shape_task;      // whose it is; TG_NOT_DECLARED if it can have none
  struct tg_graph graph;    // of the pipeline; empty until somebody asks
  struct tg_graph_builder edges;
  lua_Alloc resize;
  void *user;
  lua_State *L; // that is at work
  bool is_sealed;
};

/// Pushes an empty one.
void tg_lua_tasks_push(lua_State *L);

/// Gives the tasks of the function that runs.
struct tg_lua_tasks *tg_lua_tasks_of(lua_State *L);

/// Pushes one of their user values.
void tg_lua_tasks_push_value(lua_State *L, int value);

/// Gives the task behind a declaration, or NULL for anything else.
struct tg_declared_task *tg_lua_tasks_task(lua_State *L, const struct tg_lua_tasks *tasks,
                                           int index);

/// Gives the symbol of the string at a place of the stack. Raises when memory is out.
uint32_t tg_lua_tasks_symbol(lua_State *L, struct tg_lua_tasks *tasks, int index);
void tg_lua_tasks_push_symbol(lua_State *L, const struct tg_lua_tasks *tasks, uint32_t symbol);

/// Gives the position that an argument tells, from 0. Raises if there is none.
uint32_t tg_lua_tasks_position(lua_State *L, const struct tg_lua_tasks *tasks, int index);

/// Pushes the table of the odd task at a position (from 0); false, and nothing, if it is a usual
/// one.
bool tg_lua_tasks_push_odd(lua_State *L, int odd, uint32_t position);

/// Raises "not enough memory".
int tg_lua_tasks_no_memory(lua_State *L);

/// Puts the field that is on top of the stack, its name below it, so that two fields with the same
/// text say the same. False if it has no such text: functions, declarations, what is large.
bool tg_lua_tasks_put_shape(lua_State *L, struct tg_buf *out);

/// Makes the graph if it is not there.
///
/// Errors: TG_EINVALID for a cycle, which the text tells; TG_EINVALID with the text "" for names;
///         TG_ELIMIT. Raises when memory is out
int tg_lua_tasks_make_graph(lua_State *L, struct tg_lua_tasks *tasks, int odd,
                            struct tg_error *err);

// The module's functions.
extern const luaL_Reg tg_lua_tasks_declaring[], tg_lua_tasks_listing[], tg_lua_tasks_graphing[],
    tg_lua_tasks_planning[];
