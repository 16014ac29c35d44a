// SPDX-License-Identifier: Apache-2.0
// Where a script stands, as faults tell it: "pipelines/orders.lua:12".
#pragma once

#include <lua.h>

/// Pushes the place of the function at a level of the stack: 1 is the one that called the C
/// function that runs. "?:0" if there is none.
void tg_lua_push_place(lua_State *L, int level);
