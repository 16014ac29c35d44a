// SPDX-License-Identifier: Apache-2.0
// What the files of tidegate.retry share: reading a table of options, and the constructors.
//
// Each reader leaves the value as it was when the option is not there, and raises at the caller's
// line for a value of another kind.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <lauxlib.h>
#include <lua.h>

#include "base/error.h"

/// Pushes an option of the table at index 1 and says whether it is there.
bool tg_retry_option_push(lua_State *L, const char *name);

/// Raises "<what>: <name> must be <expected>, not a <type>" unless the value on top has the type.
void tg_retry_option_check(lua_State *L, const char *what, const char *name, int type,
                           const char *expected);

/// Reads a duration ("30s") in ms.
void tg_retry_option_duration(lua_State *L, const char *what, const char *name, int64_t *ms);

/// Reads a whole number of 1 or more, up to UINT32_MAX.
void tg_retry_option_count(lua_State *L, const char *what, const char *name, uint32_t *count);

/// Reads a number, 0 to a million, in thousandths; what is smaller is rounded.
void tg_retry_option_milli(lua_State *L, const char *what, const char *name, int64_t *milli);

/// Reads the error class in the string at an index; an unknown one names the nearest.
enum tg_class tg_retry_class(lua_State *L, int index);

/// Reads optional seconds, not negative, in ms.
int64_t tg_retry_seconds(lua_State *L, int index);

/// Makes the metatable of a type: metamethods, methods, closed to scripts. Pushes nothing.
void tg_retry_type_new(lua_State *L, const char *type, const luaL_Reg *meta,
                       const luaL_Reg *methods);

/// Make a type and push its constructor: retry.breaker(options), retry.budget(options, now).
void tg_retry_breaker_push(lua_State *L);
void tg_retry_budget_push(lua_State *L);
