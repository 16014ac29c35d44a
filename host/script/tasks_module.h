// SPDX-License-Identifier: Apache-2.0
// `tidegate._tasks`, for library code only: the tasks that a file declares (script/declared.h), for
// lua/tidegate/pipeline/tasks.lua. It needs no world, so it is the same in a script worker and in
// plain lua5.4.
//
// Declaring:
//   metatable                 of declarations; __call and the like are the library's to add
//   word("sql")               -> a function (name) -> declaration
//   seal()                    nothing can be declared any more
//   number(value)             -> the number of a declaration, or nil for anything else
//   describe(value)           -> word, place and name (if it has one) of a declaration
//   take(declaration, body)   -> true if that makes it a usual task; the library bakes others
//   share(declaration)        -> the new shape of the task that was just baked, which is usual from
//                             now on; nil if it can have none
// The tasks of the pipeline, by positions from 1:
//   list(declarations, from)  adds usual tasks -> the first place of what is none. May stop early
//   add(name)                 adds an odd task -> its position
//   row(position)             -> { name, at, after, run } and its shape; nil for an odd task
//   row_of(declaration)       -> the same
//   name(position), find(name) -> position?, count()
//   shapes()                  -> by shape, the first position of a task of it
// Their graph and plan; `odd` has the tables of odd tasks by position:
//   check(odd)                -> true if a graph can be made, else false and why if not for names
//   is_before(odd, a, b)      -> whether the task at `b` waits for that at `a`, directly or not
//   plan(odd)                 -> a body (script/lua_body.h) for the tasks as JSON
//   plan_on(body, odd, from)  writes usual tasks -> the position it came to, and its shape if that
//                             has not been told; nil at the end of all
//   plan_put(body, table)     what is told of an odd task
//   plan_shape(shape, table)  what is told of tasks of a shape
#pragma once

#include <lua.h>

#include "base/buf.h"
#include "base/error.h"
#include "dag/graph.h"
#include "script/declared.h"

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

/// Pushes the table of the odd task at a position (from 0); false, and nothing, if it is a usual
/// one.
bool tg_lua_tasks_push_odd(lua_State *L, int odd, uint32_t position);

/// Makes the graph if it is not there.
///
/// Errors: TG_EINVALID for a cycle, which the text tells; TG_EINVALID with the text "" for names;
///         TG_ELIMIT. Raises when memory is out
int tg_lua_tasks_make_graph(lua_State *L, struct tg_lua_tasks *tasks, int odd,
                            struct tg_error *err);

/// Puts the field that is on top of the stack, its name below it, so that two fields with the same
/// text say the same. False if it has no such text: functions, declarations, what is large.
bool tg_lua_tasks_put_shape(lua_State *L, struct tg_buf *out);

/// Gives the tasks of the module's function that runs.
struct tg_lua_tasks *tg_lua_tasks_of(lua_State *L);

/// Pushes the table of what is told of shapes, by their numbers.
void tg_lua_tasks_push_texts(lua_State *L);

// The functions that write the plan.
int tg_lua_tasks_plan(lua_State *L);
int tg_lua_tasks_plan_on(lua_State *L);
int tg_lua_tasks_plan_put(lua_State *L);
int tg_lua_tasks_plan_shape(lua_State *L);

__attribute__((visibility("default"))) int luaopen_tidegate__tasks(lua_State *L);
