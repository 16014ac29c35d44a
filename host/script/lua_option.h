// SPDX-License-Identifier: Apache-2.0
// Tables of options: a key or a word that is not known raises and names the nearest right one.
#pragma once

#include <stddef.h>

#include <lua.h>

/// The words that are allowed, and what they are called in a message ("json.encode: option").
struct tg_lua_words {
  const char *what;
  const char *const *words;
  size_t count;
};

/// Raises "<what> 'x' is not known; did you mean 'y'?" at the line of the caller.
int tg_lua_word_unknown(lua_State *L, const struct tg_lua_words *words, const char *word);

/// Raises unless every key of the table at `index` is one of the words.
void tg_lua_option_check(lua_State *L, int index, const struct tg_lua_words *words);
