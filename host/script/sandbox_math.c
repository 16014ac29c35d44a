// SPDX-License-Identifier: Apache-2.0
// math: Lua's own, and random numbers from the sandbox's seed. utf8: Lua's own.
#include <lualib.h>

#include "script/sandbox_parts.h"

static uint64_t rotate(uint64_t word, int bits) {
  return word << bits | word >> (64 - bits);
}

// Source: xoshiro256**, Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2018
static uint64_t next_random(lua_State *L) {
  struct tg_sandbox *box = tg_sandbox_of(L);
  if (box->is_deterministic)
    luaL_error(L, "math.random is not available in policies and while a bundle is built");
  uint64_t *s = box->random;
  uint64_t number = rotate(s[1] * 5, 7) * 9, shifted = s[1] << 17;
  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= shifted;
  s[3] = rotate(s[3], 45);
  return number;
}

// Source: splitmix64, with which the authors of xoshiro fill its state
void tg_sandbox_seed(uint64_t random[4], uint64_t seed) {
  for (int i = 0; i < 4; i++) {
    uint64_t mix = seed += UINT64_C(0x9e3779b97f4a7c15);
    mix = (mix ^ (mix >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mix = (mix ^ (mix >> 27)) * UINT64_C(0x94d049bb133111eb);
    random[i] = mix ^ (mix >> 31);
  }
}

// A number in [0, most], each equally likely: numbers above the last full range are drawn again.
static uint64_t random_upto(lua_State *L, uint64_t most) {
  if (most == UINT64_MAX) return next_random(L);
  uint64_t range = most + 1, rest = (UINT64_MAX % range + 1) % range, number;
  do number = next_random(L);
  while (number > UINT64_MAX - rest);
  return number % range;
}

static int l_math_random(lua_State *L) {
  int nargs = lua_gettop(L);
  if (nargs == 0) {
    lua_pushnumber(L, (lua_Number)(next_random(L) >> 11) * 0x1p-53);
    return 1;
  }
  if (nargs > 2) return luaL_error(L, "wrong number of arguments");
  lua_Integer low = nargs == 2 ? luaL_checkinteger(L, 1) : 1, high = luaL_checkinteger(L, nargs);
  if (nargs == 1 && high == 0) {
    lua_pushinteger(L, (lua_Integer)next_random(L));
    return 1;
  }
  luaL_argcheck(L, low <= high, nargs, "interval is empty");
  uint64_t number = (uint64_t)low + random_upto(L, (uint64_t)high - (uint64_t)low);
  lua_pushinteger(L, (lua_Integer)number);
  return 1;
}

void tg_sandbox_push_math(lua_State *L) {
  static const char *const kept[] = {
      "abs",  "acos", "asin", "atan", "ceil",       "cos",  "deg",        "exp",  "floor",
      "fmod", "huge", "log",  "max",  "maxinteger", "min",  "mininteger", "modf", "pi",
      "rad",  "sin",  "sqrt", "tan",  "tointeger",  "type", "ult",        NULL};
  luaopen_math(L);
  lua_newtable(L);
  tg_sandbox_copy_fields(L, kept);
  lua_remove(L, -2);
  lua_pushcfunction(L, l_math_random);
  lua_setfield(L, -2, "random");
}

void tg_sandbox_push_utf8(lua_State *L) {
  static const char *const kept[] = {"char", "charpattern", "codepoint", "codes",
                                     "len",  "offset",      NULL};
  luaopen_utf8(L);
  lua_newtable(L);
  tg_sandbox_copy_fields(L, kept);
  lua_remove(L, -2);
}
