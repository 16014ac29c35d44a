// SPDX-License-Identifier: Apache-2.0
// The script's coroutine library: create, wrap, resume, yield, status, running, isyieldable, close.
//
// It behaves like Lua's own, except for what a script cannot see: when the coroutine that it
// resumed stops because its turn is over or because it waits for the host, the resume itself yields
// outward, up to the attempt's coroutine, and at the next turn resumes inward again. Coroutines can
// be resumed and closed inside one another TG_SCRIPT_DEPTH_MAX deep.
#pragma once

#include <lua.h>

/// Pushes the library's table. The state has a time keeper (slice.h).
void tg_coroutine_push(lua_State *L);
