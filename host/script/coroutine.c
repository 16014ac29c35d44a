// SPDX-License-Identifier: Apache-2.0
#include "script/coroutine.h"

#include <lauxlib.h>

#include "base/limits.h"
#include "script/slice.h"

static lua_State *check_coroutine(lua_State *L, int index) {
  lua_State *co = lua_tothread(L, index);
  luaL_argexpected(L, co, index, "coroutine");
  return co;
}

enum state { RUNNING, SUSPENDED, NORMAL, DEAD };
static const char *const state_words[] = {"running", "suspended", "normal", "dead"};

// Only coroutines that scripts made can look suspended to them: an attempt's own thread, or one
// that waits for its attempt's next turn, is not theirs to resume.
static enum state coroutine_state(lua_State *L, lua_State *co) {
  if (L == co) return RUNNING;
  if (!tg_script_is_owned(co) || tg_script_is_waiting(co)) return NORMAL;
  if (lua_status(co) == LUA_YIELD) return SUSPENDED;
  if (lua_status(co) != LUA_OK) return DEAD;
  lua_Debug frame;
  if (lua_getstack(co, 0, &frame)) return NORMAL;
  return lua_gettop(co) == 0 ? DEAD : SUSPENDED;
}

static void check_nesting(lua_State *L) {
  if (tg_slice_of(L)->nesting >= TG_SCRIPT_DEPTH_MAX)
    luaL_error(L, "coroutines are nested too deeply (%d)", TG_SCRIPT_DEPTH_MAX);
}

static void close_pending(lua_State *L, lua_State *co, int *status) {
  struct tg_timekeeper *slice = tg_slice_of(L);
  slice->nesting++;
  *status = tg_script_reset(co, L);
  slice->nesting--;
}

// Resumes `co` and moves what it gave to `L`. Gives the number of values, or -1 with the error on
// top of `L`. Does not return when the stop is to be passed outward: then `again` is called later.
static int resume(lua_State *L, lua_State *co, int nargs, lua_KFunction again) {
  struct tg_timekeeper *slice = tg_slice_of(L);
  bool is_pinned = !lua_isyieldable(L);
  int nresults = 0;
  slice->depth++;
  slice->nesting++;
  slice->pinned += is_pinned;
  int status = tg_script_resume(co, L, nargs, &nresults);
  slice->pinned -= is_pinned;
  slice->nesting--;
  slice->depth--;
  if (status == LUA_YIELD && slice->suspend != TG_SUSPEND_NONE) return lua_yieldk(L, 0, 0, again);
  if (status != LUA_OK && status != LUA_YIELD) {
    lua_xmove(co, L, 1);
    return -1;
  }
  if (!lua_checkstack(L, nresults + 1)) {
    lua_pop(co, nresults);
    lua_pushliteral(L, "too many results to resume");
    return -1;
  }
  lua_xmove(co, L, nresults);
  return nresults;
}

// Readies `co` for its arguments, or gives what is wrong.
static const char *pass_arguments(lua_State *L, lua_State *co, int nargs) {
  enum state state = coroutine_state(L, co);
  if (state == DEAD) return "cannot resume dead coroutine";
  if (state != SUSPENDED) return "cannot resume non-suspended coroutine";
  if (!lua_checkstack(co, nargs)) return "too many arguments to resume";
  lua_xmove(L, co, nargs);
  return NULL;
}

static int resume_return(lua_State *L, int nresults) {
  lua_pushboolean(L, nresults >= 0);
  int n = nresults >= 0 ? nresults : 1;
  lua_insert(L, -(n + 1));
  return n + 1;
}

static int resume_again(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  return resume_return(L, resume(L, lua_tothread(L, 1), 0, resume_again));
}

static int l_coroutine_resume(lua_State *L) {
  lua_State *co = check_coroutine(L, 1);
  check_nesting(L);
  int nargs = lua_gettop(L) - 1;
  const char *fault = pass_arguments(L, co, nargs);
  if (fault) {
    lua_pushboolean(L, 0);
    lua_pushstring(L, fault);
    return 2;
  }
  return resume_return(L, resume(L, co, nargs, resume_again));
}

// An error inside a wrapped coroutine is the caller's error; the coroutine is closed first.
static int wrap_return(lua_State *L, int nresults) {
  if (nresults >= 0) return nresults;
  lua_State *co = lua_tothread(L, lua_upvalueindex(1));
  int status = lua_status(co);
  if (tg_script_is_owned(co) && status != LUA_OK && status != LUA_YIELD) {
    lua_pushvalue(L, -1);
    lua_xmove(L, co, 1); // closing starts from the error and ends with what is left of it
    close_pending(L, co, &status);
    lua_xmove(co, L, 1);
  }
  if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
    luaL_where(L, 1);
    lua_insert(L, -2);
    lua_concat(L, 2);
  }
  return lua_error(L);
}

static int wrap_again(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  return wrap_return(L, resume(L, lua_tothread(L, lua_upvalueindex(1)), 0, wrap_again));
}

static int wrap_call(lua_State *L) {
  lua_State *co = lua_tothread(L, lua_upvalueindex(1));
  check_nesting(L);
  int nargs = lua_gettop(L);
  const char *fault = pass_arguments(L, co, nargs);
  if (fault) return luaL_error(L, "%s", fault);
  return wrap_return(L, resume(L, co, nargs, wrap_again));
}

static int l_coroutine_create(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_State *co = lua_newthread(L);
  tg_script_own(co);
  lua_pushvalue(L, 1);
  lua_xmove(L, co, 1);
  return 1;
}

static int l_coroutine_wrap(lua_State *L) {
  l_coroutine_create(L);
  lua_pushcclosure(L, wrap_call, 1);
  return 1;
}

static int l_coroutine_yield(lua_State *L) {
  struct tg_timekeeper *slice = tg_slice_of(L);
  if (slice->depth == 0) return luaL_error(L, "attempt to yield from outside a coroutine");
  slice->suspend = TG_SUSPEND_NONE;
  return lua_yield(L, lua_gettop(L));
}

static int l_coroutine_status(lua_State *L) {
  lua_pushstring(L, state_words[coroutine_state(L, check_coroutine(L, 1))]);
  return 1;
}

static int l_coroutine_running(lua_State *L) {
  lua_pushthread(L);
  lua_pushboolean(L, !tg_script_is_owned(L));
  return 2;
}

static int l_coroutine_isyieldable(lua_State *L) {
  lua_State *co = lua_isnone(L, 1) ? L : check_coroutine(L, 1);
  lua_pushboolean(L, tg_script_is_owned(co) && lua_isyieldable(co));
  return 1;
}

static int l_coroutine_close(lua_State *L) {
  lua_State *co = check_coroutine(L, 1);
  enum state state = coroutine_state(L, co);
  if (state != SUSPENDED && state != DEAD)
    return luaL_error(L, "cannot close a %s coroutine", state_words[state]);
  check_nesting(L);
  int status;
  close_pending(L, co, &status);
  lua_pushboolean(L, status == LUA_OK);
  if (status == LUA_OK) return 1;
  lua_xmove(co, L, 1);
  return 2;
}

void tg_coroutine_push(lua_State *L) {
  static const luaL_Reg functions[] = {{"close", l_coroutine_close},
                                       {"create", l_coroutine_create},
                                       {"isyieldable", l_coroutine_isyieldable},
                                       {"resume", l_coroutine_resume},
                                       {"running", l_coroutine_running},
                                       {"status", l_coroutine_status},
                                       {"wrap", l_coroutine_wrap},
                                       {"yield", l_coroutine_yield},
                                       {NULL, NULL}};
  luaL_newlib(L, functions);
}
