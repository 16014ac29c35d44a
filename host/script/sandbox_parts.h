// SPDX-License-Identifier: Apache-2.0
// What the files of the sandbox share; nobody else includes it.
#pragma once

#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>

#include "script/sandbox.h"

/// Each pushes one library's table. The table of the base functions is the globals.
void tg_sandbox_push_base(lua_State *L);
void tg_sandbox_push_string(lua_State *L);
void tg_sandbox_push_table(lua_State *L);
void tg_sandbox_push_math(lua_State *L);
void tg_sandbox_push_utf8(lua_State *L);
void tg_sandbox_push_os(lua_State *L);

/// Copies fields named in a NULL-terminated list from the table below the top into the one on top.
void tg_sandbox_copy_fields(lua_State *L, const char *const *names);

/// Pushes a value as text, like luaL_tolstring but without addresses.
const char *tg_sandbox_tostring(lua_State *L, int index, size_t *len);

/// Compares the two values on top of the stack and leaves them there: says whether the upper comes
/// before the lower. `self` is for the function's own use.
typedef bool tg_sandbox_less(lua_State *L, void *self);

/// Sorts the first `n` elements of the table at `index`, stably, with raw access. Takes at most
/// n log2 n comparisons whatever `less` says, and changes nothing when it raises.
void tg_sandbox_sort(lua_State *L, int index, lua_Integer n, tg_sandbox_less *less, void *self);

/// Pushes a function that walks the table at `index` in the order of its keys, for a for loop; it
/// does not give the table away. Raises for keys that have no order.
void tg_sandbox_push_walk(lua_State *L, int index);

/// The functions pairs and next of a sandbox.
int tg_sandbox_pairs(lua_State *L);
int tg_sandbox_next(lua_State *L);
