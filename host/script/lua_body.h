// SPDX-License-Identifier: Apache-2.0
// The body of a request or a reply, in a userdata: a mistake that raises in the middle, or memory
// that runs out, leaks nothing.
#pragma once

#include <lua.h>

#include "base/buf.h"

/// Pushes a userdata with an empty buffer that holds what fits into a frame; tg_world_request takes
/// what is put into it.
struct tg_buf *tg_lua_new_body(lua_State *L);

/// Gives the buffer of a body at a place of the stack, or NULL for anything else. To Lua a body is
/// opaque, but tostring() gives its bytes.
struct tg_buf *tg_lua_test_body(lua_State *L, int index);
