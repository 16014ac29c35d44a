// SPDX-License-Identifier: Apache-2.0
// A merge sort, bottom up: runs of 1, 2, 4, ... elements are merged from one table into another and
// back. It never takes more than n log2 n comparisons, so that a comparator that lies costs
// nothing.
#include "script/sandbox_parts.h"

enum { STEPS_PER_MOVE = 10 };

struct merge {
  int from, to; // stack indices of the two tables
  tg_sandbox_less *less;
  void *self;
};

// Merges from[low..middle) and from[middle..high) into to[low..high); indices start at 0.
static void merge_runs(lua_State *L, const struct merge *merge, lua_Integer low, lua_Integer middle,
                       lua_Integer high) {
  lua_Integer left = low, right = middle;
  for (lua_Integer at = low; at < high; at++) {
    tg_slice_work(L, STEPS_PER_MOVE);
    bool is_right = left == middle;
    if (!is_right && right < high) {
      lua_rawgeti(L, merge->from, left + 1);
      lua_rawgeti(L, merge->from, right + 1);
      is_right = merge->less(L, merge->self);
      lua_pop(L, 2);
    }
    lua_rawgeti(L, merge->from, (is_right ? right++ : left++) + 1);
    lua_rawseti(L, merge->to, at + 1);
  }
}

static lua_Integer least(lua_Integer a, lua_Integer b) {
  return a < b ? a : b;
}

static void copy(lua_State *L, int from, int to, lua_Integer n) {
  for (lua_Integer i = 1; i <= n; i++) {
    tg_slice_work(L, 1);
    lua_rawgeti(L, from, i);
    lua_rawseti(L, to, i);
  }
}

void tg_sandbox_sort(lua_State *L, int index, lua_Integer n, tg_sandbox_less *less, void *self) {
  index = lua_absindex(L, index);
  luaL_checkstack(L, 8, NULL);
  lua_createtable(L, (int)n, 0);
  lua_createtable(L, (int)n, 0);
  int top = lua_gettop(L);
  struct merge merge = {.from = top - 1, .to = top, .less = less, .self = self};
  copy(L, index, merge.from, n);
  for (lua_Integer width = 1; width < n; width *= 2) {
    for (lua_Integer low = 0; low < n; low += 2 * width)
      merge_runs(L, &merge, low, least(low + width, n), least(low + 2 * width, n));
    int sorted = merge.to;
    merge.to = merge.from;
    merge.from = sorted;
  }
  copy(L, merge.from, index, n);
  lua_pop(L, 2);
}
