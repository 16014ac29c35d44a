// SPDX-License-Identifier: Apache-2.0
// What the tests of the sandbox share: a sandbox on a clock that goes on by a millisecond each time
// it is read, so that budgets run out without anybody waiting.
#pragma once

#include <lauxlib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/limits.h"
#include "script/lua_error.h"
#include "script/sandbox.h"

enum { WATCHDOG_S = 100 };

struct box {
  struct tg_sandbox sandbox;
  struct tg_clock clock, script_clock;
  int64_t now_ms, wall_ms;
  char printed[4096];
  char text[4096]; // of the last result or error
};

static int64_t box_mono_ms(void *self) {
  return ((struct box *)self)->now_ms++;
}

static int64_t box_wall_ms(void *self) {
  return ((struct box *)self)->wall_ms;
}

static void box_print(void *self, const char *text, size_t len) {
  struct box *box = self;
  snprintf(box->printed, sizeof box->printed, "%.*s", (int)len, text);
}

static inline int box_try_open(struct box *box, int64_t bytes_max, bool is_deterministic) {
  memset(box, 0, sizeof *box);
  box->wall_ms = INT64_C(1700000000000); // 2023-11-14T22:13:20Z
  box->clock = (struct tg_clock){box_wall_ms, box_mono_ms, box};
  box->script_clock = (struct tg_clock){box_wall_ms, box_wall_ms, box};
  struct tg_sandbox_options options = {.bytes_max = bytes_max,
                                       .is_deterministic = is_deterministic,
                                       .seed = 1,
                                       .clock = &box->clock,
                                       .script_clock = &box->script_clock,
                                       .print = box_print,
                                       .self = box};
  return tg_sandbox_open(&box->sandbox, &options, NULL);
}

static inline void box_open(struct box *box, int64_t bytes_max, bool is_deterministic) {
  alarm(WATCHDOG_S); // a script that nothing stops ends the test program
  assert_int_equal(box_try_open(box, bytes_max, is_deterministic), TG_OK);
}

// Everything that the state took was given back.
static inline void box_close(struct box *box) {
  tg_sandbox_close(&box->sandbox);
  assert_int_equal(box->sandbox.allocator.used, 0);
  alarm(0);
}

// Keeps the value on top of `L` as text and pops it.
static inline void box_keep(struct box *box, lua_State *L, bool is_error) {
  struct tg_error err;
  if (is_error) {
    tg_lua_read_error(L, -1, &err);
    snprintf(box->text, sizeof box->text, "%s: %s", tg_code_word(err.code), err.text);
  } else {
    const char *text = lua_tostring(L, -1);
    snprintf(box->text, sizeof box->text, "%s", text ? text : luaL_typename(L, -1));
  }
  lua_pop(L, 1);
}

// Runs a script to its end as a policy is: nothing may yield. Gives Lua's status.
static inline int box_call(struct box *box, const char *script, int64_t budget_ms) {
  lua_State *L = box->sandbox.L;
  struct tg_meter meter;
  tg_meter_init(&meter, box->now_ms + budget_ms);
  int status = tg_sandbox_load(L, script, strlen(script), "=script");
  if (status == LUA_OK) status = tg_script_call(L, 0, 1, 0, &meter);
  box->sandbox.allocator.fail_at = 0; // what follows is the test's own and not protected
  box_keep(box, L, status != LUA_OK);
  assert_int_equal(lua_gettop(L), 0);
  return status;
}

// The script must end well and give this text.
static inline void box_expect(struct box *box, const char *script, const char *text) {
  if (box_call(box, script, TG_POLICY_MS) != LUA_OK || strcmp(box->text, text) != 0)
    fail_msg("gave: %s\n  not: %s\n  script: %s", box->text, text, script);
}

// The script must fail with an error that has this text in it.
static inline void box_expect_error(struct box *box, const char *script, const char *text) {
  if (box_call(box, script, TG_POLICY_MS) == LUA_OK || !strstr(box->text, text))
    fail_msg("gave: %s\n  not the error: %s\n  script: %s", box->text, text, script);
}

// An attempt: a coroutine of the sandbox, on a script.
struct attempt {
  struct tg_meter meter;
  lua_State *co;
  int ref;
};

static inline void attempt_start(struct box *box, struct attempt *attempt, const char *script) {
  lua_State *L = box->sandbox.L;
  tg_meter_init(&attempt->meter, INT64_MAX);
  attempt->co = lua_newthread(L);
  attempt->ref = luaL_ref(L, LUA_REGISTRYINDEX);
  assert_int_equal(tg_sandbox_load(attempt->co, script, strlen(script), "=attempt"), LUA_OK);
}

static inline enum tg_turn attempt_turn(struct attempt *attempt) {
  int nresults;
  return tg_script_turn(attempt->co, &attempt->meter, 0, &nresults);
}

// Gives turns until the attempt waits, ends or fails.
static inline enum tg_turn attempt_run(struct attempt *attempt) {
  enum tg_turn turn;
  do turn = attempt_turn(attempt);
  while (turn == TG_TURN_SLICE);
  return turn;
}

static inline void attempt_end(struct box *box, struct attempt *attempt) {
  luaL_unref(box->sandbox.L, LUA_REGISTRYINDEX, attempt->ref);
}

// Runs a script as an attempt to its end; the text of its result or error is kept.
static inline enum tg_turn box_attempt(struct box *box, const char *script) {
  struct attempt attempt;
  attempt_start(box, &attempt, script);
  enum tg_turn turn = attempt_run(&attempt);
  if (turn == TG_TURN_DONE) {
    lua_settop(attempt.co, 1);
    box_keep(box, attempt.co, false);
  } else if (turn == TG_TURN_FAILED) {
    box_keep(box, attempt.co, true);
  }
  attempt_end(box, &attempt);
  return turn;
}
