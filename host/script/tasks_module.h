// SPDX-License-Identifier: Apache-2.0
// `tidegate._tasks`, for library code only: the tasks that a file declares (script/declared.h), for
// lua/tidegate/pipeline/tasks.lua. It needs no world, so it is the same in a script worker and in
// plain lua5.4.
//
//   _tasks.metatable                  of declarations; __call and the like are the library's to add
//   _tasks.word("sql")                -> a function (name) -> declaration
//   _tasks.seal()                     nothing can be declared any more
//   _tasks.number(value)              -> the number of a declaration, or nil for anything else
//   _tasks.describe(value)            -> word, place, name? of a declaration
//   _tasks.take(declaration, body)    -> true if that makes it a usual task, else nothing is
//   changed _tasks.list(declarations, from)   -> the first place from there on with no usual task;
//   those
//                                     before it are the next of the pipeline. May stop early
//   _tasks.add(name)                  -> the position of an odd task, the next of the pipeline
//   _tasks.row(position)              -> { name, at, after, run } and its shape, if it has one; nil
//                                     for an odd task
//   _tasks.row_of(declaration)        -> the same
//   _tasks.name(position), _tasks.count(), _tasks.find(name) -> position?
//   _tasks.shapes()                   -> the first positions of tasks of each shape
//   _tasks.check(odd)                 -> true if a graph can be made, else false and a cycle if
//   that
//                                     is why; `odd` has the tables of odd tasks by position
//   _tasks.is_before(odd, a, b)       -> whether the task at `b` waits for that at `a`, directly or
//   not _tasks.plan(odd, describe)        -> the plan's tasks as JSON; `describe` gives the table
//   for an
//                                     odd one
//
// Positions count from 1.
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

/// Writes the plan's tasks as JSON. The graph is there; the arguments of _tasks.plan are at 1 to 3.
void tg_lua_tasks_put_plan(lua_State *L, struct tg_lua_tasks *tasks, struct tg_buf *out);

__attribute__((visibility("default"))) int luaopen_tidegate__tasks(lua_State *L);
