// SPDX-License-Identifier: Apache-2.0
// `require`, which exists twice. A script's gives the public modules, cjson, and the project's own
// files; the library's, which only the environment of library chunks holds, gives all of ours.
//
// The project's files are part of the bundle: they are read while it is built and never later.
#pragma once

#include <lua.h>

/// Makes `require` a global, and the environment of library chunks; may raise.
void tg_require_install(lua_State *L);

/// Pushes what the library's `require` gives; may raise and does not yield.
void tg_require_library(lua_State *L, const char *module);

/// Finds lua-cjson's luaopen where plain Lua would, or NULL. Call it before the process is sealed.
lua_CFunction tg_require_find_cjson(void);
