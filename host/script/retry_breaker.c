// SPDX-License-Identifier: Apache-2.0
// Circuit breakers for scripts: policy and state in one object. The decisions are host/retry's.
#include <lauxlib.h>
#include <lua.h>
#include <stdint.h>

#include "base/units.h"
#include "retry/breaker.h"
#include "script/lua_error.h"
#include "script/lua_option.h"
#include "script/retry_parts.h"

#define BREAKER "tidegate.retry.breaker"
#define WHAT "retry.breaker"

static const char *const option_words[] = {"calls",     "failures",        "lease",
                                           "open",      "probes",          "share",
                                           "successes", "retry_after_max", "window"};

static const struct tg_lua_words options = {WHAT ": option", option_words,
                                            sizeof option_words / sizeof *option_words};

struct breaker {
  struct tg_breaker_policy policy;
  struct tg_breaker state;
};

// A share alone is the only rule; failures in a row are the default of who names none.
static void rules_read(lua_State *L, struct tg_breaker_policy *policy) {
  if (tg_retry_option_push(L, "share")) {
    tg_retry_option_check(L, WHAT, "share", LUA_TNUMBER, "a number");
    lua_Number share = lua_tonumber(L, -1);
    if (!(share >= 0.001 && share <= 1)) luaL_error(L, WHAT ": share must be between 0.001 and 1");
    policy->share_permille = (uint32_t)(share * 1000 + 0.5);
    policy->failures_max = 0;
  }
  lua_pop(L, 1);
  tg_retry_option_count(L, WHAT, "failures", &policy->failures_max);
}

static void policy_read(lua_State *L, struct tg_breaker_policy *policy) {
  tg_breaker_policy_init(policy);
  rules_read(L, policy);
  tg_retry_option_count(L, WHAT, "calls", &policy->calls_min);
  tg_retry_option_duration(L, WHAT, "window", &policy->window_ms);
  tg_retry_option_duration(L, WHAT, "open", &policy->open_ms);
  tg_retry_option_duration(L, WHAT, "retry_after_max", &policy->retry_after_max_ms);
  tg_retry_option_count(L, WHAT, "probes", &policy->probes_max);
  tg_retry_option_count(L, WHAT, "successes", &policy->successes_to_close);
  tg_retry_option_duration(L, WHAT, "lease", &policy->lease_ms);
  struct tg_error err;
  if (tg_breaker_policy_validate(policy, &err)) luaL_error(L, WHAT ": %s", err.text);
}

static int l_retry_breaker(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  tg_lua_option_check(L, 1, &options);
  struct breaker *breaker = lua_newuserdatauv(L, sizeof *breaker, 0);
  tg_breaker_init(&breaker->state);
  luaL_setmetatable(L, BREAKER);
  policy_read(L, &breaker->policy);
  return 1;
}

static struct breaker *breaker_check(lua_State *L) {
  return luaL_checkudata(L, 1, BREAKER);
}

static int l_breaker_ask(lua_State *L) {
  struct breaker *breaker = breaker_check(L);
  struct tg_breaker_answer answer =
      tg_breaker_ask(&breaker->policy, &breaker->state, luaL_checkinteger(L, 2));
  lua_pushstring(L, tg_breaker_verdict_word(answer.verdict));
  bool is_refused = answer.verdict == TG_BREAKER_REFUSE;
  lua_pushinteger(L, is_refused ? answer.retry_at : (lua_Integer)answer.ticket);
  return 2;
}

static int l_breaker_report(lua_State *L) {
  struct breaker *breaker = breaker_check(L);
  int64_t now = luaL_checkinteger(L, 2);
  uint64_t ticket = (uint64_t)luaL_checkinteger(L, 3);
  luaL_checktype(L, 4, LUA_TSTRING);
  enum tg_class class = tg_retry_class(L, 4);
  int64_t retry_after_ms = tg_retry_seconds(L, 5);
  tg_breaker_report(&breaker->policy, &breaker->state, now, ticket, class, retry_after_ms);
  lua_pushstring(L, tg_breaker_phase_word(breaker->state.phase));
  return 1;
}

static int l_breaker_phase(lua_State *L) {
  lua_pushstring(L, tg_breaker_phase_word(breaker_check(L)->state.phase));
  return 1;
}

static int l_breaker_encode(lua_State *L) {
  char text[TG_BREAKER_TEXT_MAX];
  size_t len = tg_breaker_encode(&breaker_check(L)->state, text);
  lua_pushlstring(L, text, len);
  return 1;
}

static int l_breaker_decode(lua_State *L) {
  struct breaker *breaker = breaker_check(L);
  size_t len;
  const char *text = luaL_checklstring(L, 2, &len);
  struct tg_error err;
  if (tg_breaker_decode(&breaker->state, text, len, &err)) return tg_lua_fail(L, &err);
  lua_pushboolean(L, 1);
  return 1;
}

static int l_breaker_tostring(lua_State *L) {
  const struct breaker *breaker = breaker_check(L);
  char open[TG_DURATION_TEXT_MAX];
  tg_duration_format(breaker->policy.open_ms, open);
  lua_pushfstring(L, WHAT "(%s, opens for %s)", tg_breaker_phase_word(breaker->state.phase), open);
  return 1;
}

static const luaL_Reg breaker_meta[] = {
    {"__tostring", l_breaker_tostring},
    {NULL, NULL},
};

static const luaL_Reg breaker_methods[] = {
    {"ask", l_breaker_ask},       {"report", l_breaker_report}, {"phase", l_breaker_phase},
    {"encode", l_breaker_encode}, {"decode", l_breaker_decode}, {NULL, NULL},
};

void tg_retry_breaker_push(lua_State *L) {
  tg_retry_type_new(L, BREAKER, breaker_meta, breaker_methods);
  lua_pushcfunction(L, l_retry_breaker);
}
