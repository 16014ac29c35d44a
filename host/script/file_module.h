// SPDX-License-Identifier: Apache-2.0
// `tidegate._file`: the requests of files/service.h as Lua functions. lua/tidegate/file.lua makes
// the public module of them.
#pragma once

#include <lua.h>

#include "script/world.h"

/// Pushes the module: read, chunk, list, stat, write.
void tg_file_module_push(lua_State *L, struct tg_world *world);
