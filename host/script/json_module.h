// SPDX-License-Identifier: Apache-2.0
// JSON between Lua values and text: for tidegate.json, and for the worker, which writes a task's
// result with it.
//
//   JSON            Lua
//   null            json.null, a light userdata (a nil inside a table could not be seen)
//   true, false     boolean
//   integer         integer, exact over all 64 bits; one that does not fit is an error
//   other number    float; written so that it reads back the same and is never taken for an integer
//   string          string; it must be UTF-8
//   array           table marked by json.array; unmarked, a table with the keys 1..n and n > 0
//   object          table with string keys; {} without a mark
//
// Tables are read raw: no metamethod is called. Nothing here raises, not even when memory is out:
// the work is done in a protected call, so that an error of Lua's cannot jump over memory of C's.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <lua.h>

#include "base/buf.h"
#include "base/error.h"

struct tg_json_caps {
  size_t bytes_max; // of the text
  size_t depth_max; // of arrays and objects inside one another
  size_t nodes_max; // values of every kind
};

struct tg_json_format {
  bool is_pretty; // indented by two spaces
  bool is_sorted; // by the bytes of the keys
};

/// Where in a text the first fault is.
struct tg_json_place {
  int line, column; // from 1; column counts characters
  int position;     // bytes from the start
};

/// The caps of limits.h for documents of a script's own.
struct tg_json_caps tg_json_caps_default(void);

/// Appends the value at `index` to `out`, compact and with sorted keys: one value, one text.
///
/// Errors: TG_EINVALID naming the path ("$.a[3]: a function cannot be encoded"), TG_ELIMIT for a
/// cap
///         (`out` has a ceiling of its own too), TG_ENOMEM; `out` then holds a piece of the text
int tg_lua_json_encode(lua_State *L, int index, const struct tg_json_caps *caps, struct tg_buf *out,
                       struct tg_error *err);

/// Pushes the text of the value at `index`; pushes nothing if it fails.
int tg_lua_json_push_text(lua_State *L, int index, const struct tg_json_caps *caps,
                          struct tg_json_format format, struct tg_error *err);

/// Pushes the value that a text stands for; pushes nothing if it fails.
///
/// Shape:  `place` (may be NULL) gets the place of a fault, line 0 if it has none
/// Errors: TG_EINVALID with line and column, TG_ELIMIT for a cap, TG_ENOMEM
int tg_lua_json_push_at(lua_State *L, const char *text, size_t len, const struct tg_json_caps *caps,
                        struct tg_json_place *place, struct tg_error *err);

/// Does the same without the place.
int tg_lua_json_push(lua_State *L, const char *text, size_t len, const struct tg_json_caps *caps,
                     struct tg_error *err);

/// Pushes the metatable that marks arrays; may raise when memory is out.
void tg_lua_json_push_array_mark(lua_State *L);

__attribute__((visibility("default"))) int luaopen_tidegate_json(lua_State *L);
