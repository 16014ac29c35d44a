// SPDX-License-Identifier: Apache-2.0
// Policies, and the module. The arithmetic is host/retry's.
#include "script/retry_module.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdint.h>

#include "base/units.h"
#include "retry/policy.h"
#include "script/lua_option.h"
#include "script/retry_parts.h"

#define POLICY "tidegate.retry.policy"
#define WHAT "retry.policy"

enum { DELAYS_MAX = 1000 }; // what policy:delays() lists of a policy without an end

static const char *const option_words[] = {"attempts", "backoff", "base", "cap",
                                           "factor",   "jitter",  "on",   "total"};
static const char *const backoff_words[] = {
#define X(name, word) word,
    TG_BACKOFFS(X)
#undef X
};
static const char *const jitter_words[] = {
#define X(name, word) word,
    TG_JITTERS(X)
#undef X
};

#define WORDS(what, list)                                                                          \
  { what, list, sizeof(list) / sizeof *(list) }

static const struct tg_lua_words options = WORDS(WHAT ": option", option_words);
static const struct tg_lua_words backoffs = WORDS(WHAT ": backoff", backoff_words);
static const struct tg_lua_words jitters = WORDS(WHAT ": jitter", jitter_words);

static int word_read(lua_State *L, const char *name, int (*parse)(const char *),
                     const struct tg_lua_words *words, int value) {
  if (tg_retry_option_push(L, name)) {
    tg_retry_option_check(L, WHAT, name, LUA_TSTRING, "a word");
    value = parse(lua_tostring(L, -1));
    if (value < 0) tg_lua_word_unknown(L, words, lua_tostring(L, -1));
  }
  lua_pop(L, 1);
  return value;
}

static void factor_read(lua_State *L, struct tg_retry_policy *policy) {
  if (tg_retry_option_push(L, "factor")) {
    tg_retry_option_check(L, WHAT, "factor", LUA_TNUMBER, "a number");
    policy->factor = lua_tonumber(L, -1);
  }
  lua_pop(L, 1);
}

static void classes_read(lua_State *L, struct tg_retry_policy *policy) {
  if (tg_retry_option_push(L, "on")) {
    tg_retry_option_check(L, WHAT, "on", LUA_TTABLE, "a list of error classes");
    policy->classes = 0;
    for (lua_Unsigned i = 1, n = lua_rawlen(L, -1); i <= n; i++) {
      if (lua_rawgeti(L, -1, (lua_Integer)i) != LUA_TSTRING)
        luaL_error(L, WHAT ": on must be a list of error classes");
      policy->classes |= TG_RETRY_CLASS_BIT(tg_retry_class(L, -1));
      lua_pop(L, 1);
    }
  }
  lua_pop(L, 1);
}

static int l_retry_policy(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  tg_lua_option_check(L, 1, &options);
  struct tg_retry_policy *policy = lua_newuserdatauv(L, sizeof *policy, 0);
  tg_retry_policy_init(policy);
  luaL_setmetatable(L, POLICY);
  tg_retry_option_count(L, WHAT, "attempts", &policy->attempts_max);
  policy->backoff =
      (enum tg_backoff)word_read(L, "backoff", tg_backoff_parse, &backoffs, (int)policy->backoff);
  policy->jitter =
      (enum tg_jitter)word_read(L, "jitter", tg_jitter_parse, &jitters, (int)policy->jitter);
  tg_retry_option_duration(L, WHAT, "base", &policy->base_ms);
  tg_retry_option_duration(L, WHAT, "cap", &policy->cap_ms);
  tg_retry_option_duration(L, WHAT, "total", &policy->total_ms);
  factor_read(L, policy);
  classes_read(L, policy);
  struct tg_error err;
  if (tg_retry_policy_validate(policy, &err)) return luaL_error(L, WHAT ": %s", err.text);
  return 1;
}

static int l_policy_next(lua_State *L) {
  const struct tg_retry_policy *policy = luaL_checkudata(L, 1, POLICY);
  lua_Integer attempt = luaL_checkinteger(L, 2);
  luaL_argcheck(L, attempt >= 1 && attempt <= UINT32_MAX, 2, "attempts count from 1");
  luaL_checktype(L, 3, LUA_TSTRING);
  enum tg_class class = tg_retry_class(L, 3);
  uint64_t seed = (uint64_t)luaL_checkinteger(L, 4);
  int64_t retry_after_ms = tg_retry_seconds(L, 5);
  lua_Integer elapsed_ms = luaL_optinteger(L, 6, 0);
  luaL_argcheck(L, elapsed_ms >= 0, 6, "milliseconds, not negative, expected");
  struct tg_retry_decision decision =
      tg_retry_decide(policy, (uint32_t)attempt, class, seed, retry_after_ms, elapsed_ms);
  if (decision.stop == TG_RETRY_STOP_NOT) {
    lua_pushinteger(L, decision.delay_ms);
    return 1;
  }
  lua_pushnil(L);
  lua_pushstring(L, tg_retry_stop_word(decision.stop));
  return 2;
}

// Gives a class that the policy tries again; a valid policy has one.
static enum tg_class class_listed(const struct tg_retry_policy *policy) {
  int class = 0;
  while (!(policy->classes & TG_RETRY_CLASS_BIT(class))) class ++;
  return (enum tg_class) class;
}

static int l_policy_delays(lua_State *L) {
  const struct tg_retry_policy *policy = luaL_checkudata(L, 1, POLICY);
  uint64_t seed = (uint64_t)luaL_checkinteger(L, 2);
  enum tg_class class = class_listed(policy);
  int64_t elapsed_ms = 0;
  lua_newtable(L);
  for (uint32_t attempt = 1; attempt <= DELAYS_MAX; attempt++) {
    struct tg_retry_decision decision =
        tg_retry_decide(policy, attempt, class, seed, 0, elapsed_ms);
    if (decision.stop != TG_RETRY_STOP_NOT) break;
    lua_pushinteger(L, decision.delay_ms);
    lua_rawseti(L, -2, attempt);
    elapsed_ms =
        elapsed_ms > INT64_MAX - decision.delay_ms ? INT64_MAX : elapsed_ms + decision.delay_ms;
  }
  return 1;
}

static int l_policy_tostring(lua_State *L) {
  const struct tg_retry_policy *policy = luaL_checkudata(L, 1, POLICY);
  char base[TG_DURATION_TEXT_MAX], cap[TG_DURATION_TEXT_MAX];
  tg_duration_format(policy->base_ms, base);
  tg_duration_format(policy->cap_ms, cap);
  lua_pushfstring(L, WHAT "(%I attempts, %s from %s to %s, jitter %s)",
                  (lua_Integer)policy->attempts_max, tg_backoff_word(policy->backoff), base, cap,
                  tg_jitter_word(policy->jitter));
  return 1;
}

static const luaL_Reg policy_meta[] = {
    {"__tostring", l_policy_tostring},
    {NULL, NULL},
};

static const luaL_Reg policy_methods[] = {
    {"next", l_policy_next},
    {"delays", l_policy_delays},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"policy", l_retry_policy},
    {NULL, NULL},
};

int luaopen_tidegate_retry(lua_State *L) {
  tg_retry_type_new(L, POLICY, policy_meta, policy_methods);
  luaL_newlib(L, functions);
  tg_retry_breaker_push(L);
  lua_setfield(L, -2, "breaker");
  tg_retry_budget_push(L);
  lua_setfield(L, -2, "budget");
  return 1;
}
