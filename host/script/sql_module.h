// SPDX-License-Identifier: Apache-2.0
// `tidegate._sql`: the requests of warehouse/service.h as Lua functions. lua/tidegate/sql.lua makes
// the public module of them.
#pragma once

#include <lua.h>

#include "script/world.h"

/// Pushes the module: exec, query, load, load_csv, begin, commit, rollback and null. Each
/// function's first argument is the connection's name, "" for the warehouse.
void tg_sql_module_push(lua_State *L, struct tg_world *world);
