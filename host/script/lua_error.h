// SPDX-License-Identifier: Apache-2.0
// Errors as Lua sees them: a table with `code` ("timeout"), `class` ("transient"), `message` and,
// where the remote asked for it, `retry_after` (seconds). tostring() gives the message.
#pragma once

#include <lua.h>

#include "base/error.h"

/// Pushes an error table.
void tg_lua_push_error(lua_State *L, const struct tg_error *err);

/// Pushes nil and an error table; returns 2, so that `return tg_lua_fail(L, &err)` reads well.
int tg_lua_fail(lua_State *L, const struct tg_error *err);

/// Reads whatever a script raised or returned as an error: an error table keeps its code, class and
/// retry_after; any other value is TG_ESCRIPT with its text (class transient).
void tg_lua_read_error(lua_State *L, int index, struct tg_error *err);
