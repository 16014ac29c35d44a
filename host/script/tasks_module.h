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

__attribute__((visibility("default"))) int luaopen_tidegate__tasks(lua_State *L);
