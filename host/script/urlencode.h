// SPDX-License-Identifier: Apache-2.0
// Tables as the query of a URL or as a form, in an order that depends on nothing but the keys.
#pragma once

#include <stddef.h>

#include <lua.h>

struct tg_lua_key {
  const char *text;
  size_t len;
};

/// Pushes memory with the keys of a table in the order of their bytes; they stay valid as long as
/// the table has them.
///
/// Errors: raises "http: the names in <what> must be strings"
struct tg_lua_key *tg_lua_sort_keys(lua_State *L, int table, const char *what, size_t *count);

/// Pushes "a=1&b=2" for a table; a list as a value gives a pair for each of its items.
///
/// Shape:  values are strings, numbers, booleans or lists of them
/// Errors: raises for any other, naming the key
/// Source: percent-encoding of all but the unreserved characters, RFC 3986 section 2.3
void tg_lua_push_pairs(lua_State *L, int table, const char *what);
