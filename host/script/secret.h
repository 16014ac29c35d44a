// SPDX-License-Identifier: Apache-2.0
// Secrets as scripts see them: a handle that names one and never holds its value. Handles join with
// strings ("Bearer " .. secret) into handles; tostring gives "***". The host puts the value in its
// place where it sends a request.
//
// A handle is a table {parts = {{secret = true, text = NAME} | {secret = false, text = TEXT}, ...}}
// with the metatable "tidegate.secret".
#pragma once

#include <stdbool.h>

#include <lua.h>

#include "base/buf.h"

/// Pushes the handle of a secret.
void tg_lua_push_secret(lua_State *L, const char *name);

/// Puts a string, number or handle as a list of parts: u8 is_secret, text (http/service.h).
///
/// Errors: returns false, with nothing put, for any other value and for text with a zero byte
bool tg_lua_put_parts(lua_State *L, int index, struct tg_buf *out);
