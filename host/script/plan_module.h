// SPDX-License-Identifier: Apache-2.0
// `tidegate._plan`, for library code only: writes the tasks of a plan as JSON. A plan may have a
// million of them, most with nothing but a name, a place and what they are after; those are written
// without a table for each. It needs no world, so it is the same in a script worker and in plain
// lua5.4.
//
//   _plan.tasks(graph, tasks, lines, describe) -> text
//
// `graph` is of tidegate.dag, made of the tasks; `lines` gives the line for a place; `describe`
// gives a table for a task that has more.
#pragma once

#include <lua.h>

__attribute__((visibility("default"))) int luaopen_tidegate__plan(lua_State *L);
