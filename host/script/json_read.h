// SPDX-License-Identifier: Apache-2.0
// JSON text straight into Lua values, without a tree between. It reads what is right and leaves all
// else to the parser that can say what is wrong.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

enum { TG_JSON_HINTS = 64, TG_JSON_HINT_MAX = 4096 };

/// What a look over the text told: how many members its first arrays and objects have, in the order
/// in which they open. Only a hint, so that tables are made in their size.
struct tg_json_hints {
  uint16_t members[TG_JSON_HINTS];
};

/// Pushes the value that a text stands for; its depth was checked before. May raise, when memory is
/// out.
///
/// Shape:  false, and nothing is pushed, if the text is not right or has something rare
bool tg_lua_json_read(lua_State *L, const char *text, size_t len,
                      const struct tg_json_hints *hints);
