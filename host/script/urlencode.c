// SPDX-License-Identifier: Apache-2.0
#include "script/urlencode.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static int key_compare(const void *left, const void *right) {
  const struct tg_lua_key *a = left, *b = right;
  int order = memcmp(a->text, b->text, a->len < b->len ? a->len : b->len);
  return order ? order : (a->len > b->len) - (a->len < b->len);
}

struct tg_lua_key *tg_lua_sort_keys(lua_State *L, int table, const char *what, size_t *count) {
  size_t cap = 0, at = 0;
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING)
      luaL_error(L, "http: the names in %s must be strings", what);
    cap++;
  }
  struct tg_lua_key *keys = lua_newuserdatauv(L, (cap + 1) * sizeof *keys, 0);
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1), at++)
    keys[at].text = lua_tolstring(L, -2, &keys[at].len);
  qsort(keys, cap, sizeof *keys, key_compare);
  *count = cap;
  return keys;
}

// Percent-encoding of all but the unreserved characters of RFC 3986, which a form may have too.
static void encoded_add(luaL_Buffer *out, const char *text, size_t len) {
  static const char digits[] = "0123456789ABCDEF";
  static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  for (size_t i = 0; i < len; i++) {
    unsigned char c = (unsigned char)text[i];
    if (c && strchr(plain, c)) {
      luaL_addchar(out, (char)c);
    } else {
      luaL_addchar(out, '%');
      luaL_addchar(out, digits[c >> 4]);
      luaL_addchar(out, digits[c & 15]);
    }
  }
}

// Adds "&key=value" to the text on top of the stack; the value is on top of it and is popped.
static void pair_add(lua_State *L, const struct tg_lua_key *key, const char *what) {
  size_t len;
  int type = lua_type(L, -1);
  if (type != LUA_TSTRING && type != LUA_TNUMBER && type != LUA_TBOOLEAN)
    luaL_error(L, "http: '%s' in %s is a %s, not a string, number, boolean or list of them",
               key->text, what, luaL_typename(L, -1));
  const char *value = luaL_tolstring(L, -1, &len);
  luaL_Buffer out;
  luaL_buffinit(L, &out);
  encoded_add(&out, key->text, key->len);
  luaL_addchar(&out, '=');
  encoded_add(&out, value, len);
  luaL_pushresult(&out);
  lua_replace(L, -3);
  lua_pop(L, 1);
}

void tg_lua_push_pairs(lua_State *L, int table, const char *what) {
  size_t count;
  lua_newtable(L);
  int list = lua_gettop(L);
  struct tg_lua_key *keys = tg_lua_sort_keys(L, table, what, &count);
  for (size_t i = 0; i < count; i++) {
    lua_pushlstring(L, keys[i].text, keys[i].len);
    bool is_list = lua_rawget(L, table) == LUA_TTABLE;
    lua_Integer values = is_list ? (lua_Integer)lua_rawlen(L, -1) : 1;
    for (lua_Integer n = 1; n <= values; n++) {
      if (is_list)
        lua_rawgeti(L, -1, n);
      else
        lua_pushvalue(L, -1);
      pair_add(L, &keys[i], what);
      lua_rawseti(L, list, (lua_Integer)lua_rawlen(L, list) + 1);
    }
    lua_pop(L, 1);
  }
  luaL_Buffer out;
  lua_Integer pairs = (lua_Integer)lua_rawlen(L, list);
  luaL_buffinit(L, &out);
  for (lua_Integer i = 1; i <= pairs; i++) {
    if (i > 1) luaL_addchar(&out, '&');
    lua_rawgeti(L, list, i);
    luaL_addvalue(&out);
  }
  luaL_pushresult(&out);
  lua_replace(L, list);
  lua_settop(L, list);
}
