// SPDX-License-Identifier: Apache-2.0
#include "script/lua_option.h"

#include <lauxlib.h>
#include <string.h>

#include "base/suggest.h"

int tg_lua_word_unknown(lua_State *L, const struct tg_lua_words *words, const char *word) {
  const char *nearest = tg_suggest(word, words->words, words->count);
  if (nearest)
    return luaL_error(L, "%s '%s' is not known; did you mean '%s'?", words->what, word, nearest);
  luaL_Buffer list;
  luaL_buffinit(L, &list);
  for (size_t i = 0; i < words->count; i++) {
    if (i) luaL_addstring(&list, ", ");
    luaL_addstring(&list, words->words[i]);
  }
  luaL_pushresult(&list);
  return luaL_error(L, "%s '%s' is not known; there are %s", words->what, word,
                    lua_tostring(L, -1));
}

static void key_check(lua_State *L, const struct tg_lua_words *words) {
  if (lua_type(L, -1) != LUA_TSTRING)
    luaL_error(L, "%s must have a name, not a %s", words->what, luaL_typename(L, -1));
  const char *key = lua_tostring(L, -1);
  for (size_t i = 0; i < words->count; i++)
    if (strcmp(key, words->words[i]) == 0) return;
  tg_lua_word_unknown(L, words, key);
}

void tg_lua_option_check(lua_State *L, int index, const struct tg_lua_words *words) {
  index = lua_absindex(L, index);
  lua_pushnil(L);
  while (lua_next(L, index)) {
    lua_pop(L, 1);
    key_check(L, words);
  }
}
