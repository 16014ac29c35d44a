// SPDX-License-Identifier: Apache-2.0
// Retry budgets for scripts: policy and state in one object. The arithmetic is host/retry's.
#include <lauxlib.h>
#include <lua.h>
#include <stdint.h>

#include "retry/budget.h"
#include "script/lua_error.h"
#include "script/lua_option.h"
#include "script/retry_parts.h"

#define BUDGET "tidegate.retry.budget"
#define WHAT "retry.budget"

static const char *const option_words[] = {"cap", "ratio", "reserve"};

static const struct tg_lua_words options = {WHAT ": option", option_words,
                                            sizeof option_words / sizeof *option_words};

struct budget {
  struct tg_budget_policy policy;
  struct tg_budget state;
};

static int l_retry_budget(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  tg_lua_option_check(L, 1, &options);
  int64_t now = luaL_checkinteger(L, 2);
  struct budget *budget = lua_newuserdatauv(L, sizeof *budget, 0);
  struct tg_budget_policy *policy = &budget->policy;
  tg_budget_policy_init(policy);
  tg_retry_option_milli(L, WHAT, "ratio", &policy->ratio_milli);
  tg_retry_option_milli(L, WHAT, "reserve", &policy->reserve_milli);
  tg_retry_option_milli(L, WHAT, "cap", &policy->cap_milli);
  struct tg_error err;
  if (tg_budget_policy_validate(policy, &err)) return luaL_error(L, WHAT ": %s", err.text);
  tg_budget_init(&budget->state, policy, now);
  luaL_setmetatable(L, BUDGET);
  return 1;
}

static struct budget *budget_check(lua_State *L) {
  return luaL_checkudata(L, 1, BUDGET);
}

static int l_budget_deposit(lua_State *L) {
  struct budget *budget = budget_check(L);
  tg_budget_deposit(&budget->policy, &budget->state, luaL_checkinteger(L, 2));
  return 0;
}

static int l_budget_try(lua_State *L) {
  struct budget *budget = budget_check(L);
  int64_t now = luaL_checkinteger(L, 2);
  lua_pushboolean(L, tg_budget_try(&budget->policy, &budget->state, now));
  return 1;
}

static int l_budget_left(lua_State *L) {
  const struct budget *budget = budget_check(L);
  int64_t now = luaL_checkinteger(L, 2);
  lua_pushinteger(L, tg_budget_left(&budget->policy, &budget->state, now));
  return 1;
}

static int l_budget_encode(lua_State *L) {
  char text[TG_BUDGET_TEXT_MAX];
  size_t len = tg_budget_encode(&budget_check(L)->state, text);
  lua_pushlstring(L, text, len);
  return 1;
}

static int l_budget_decode(lua_State *L) {
  struct budget *budget = budget_check(L);
  size_t len;
  const char *text = luaL_checklstring(L, 2, &len);
  struct tg_error err;
  if (tg_budget_decode(&budget->state, text, len, &err)) return tg_lua_fail(L, &err);
  lua_pushboolean(L, 1);
  return 1;
}

static int l_budget_tostring(lua_State *L) {
  const struct tg_budget_policy *policy = &budget_check(L)->policy;
  lua_pushfstring(L, WHAT "(%f of first tries, %f a second, at most %f)",
                  (lua_Number)policy->ratio_milli / 1000, (lua_Number)policy->reserve_milli / 1000,
                  (lua_Number)policy->cap_milli / 1000);
  return 1;
}

static const luaL_Reg budget_meta[] = {
    {"__tostring", l_budget_tostring},
    {NULL, NULL},
};

static const luaL_Reg budget_methods[] = {
    {"deposit", l_budget_deposit}, {"try", l_budget_try},       {"left", l_budget_left},
    {"encode", l_budget_encode},   {"decode", l_budget_decode}, {NULL, NULL},
};

void tg_retry_budget_push(lua_State *L) {
  tg_retry_type_new(L, BUDGET, budget_meta, budget_methods);
  lua_pushcfunction(L, l_retry_budget);
}
