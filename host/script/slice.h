// SPDX-License-Identifier: Apache-2.0
// Time in a Lua state: turns, budgets, and the only way into a coroutine.
//
// Every coroutine of a state runs under one count hook. Lua goes slower while a hook is set (more
// than twice as slow in 5.4), so where a timer calls tg_slice_interrupt it is set only then, for
// one look at the clock; else it is always set. When a turn is over the hook yields, which pcall
// cannot catch; the yield passes outward through the script's own coroutines (coroutine.h) to the
// attempt's coroutine, and the worker gives the next attempt its turn. Where a yield is not
// possible (inside a sort comparator, a gsub callback, a metamethod called from C, a bundle that is
// being loaded) the code goes on until its budget is over. Then the attempt is *stopped*: the hook
// raises an error at every instruction of every coroutine that runs for this attempt, so that a
// loop around pcall cannot swallow it, until the attempt is at its end.
//
// An attempt in the worker's loop:
//
//   struct tg_meter meter;
//   tg_meter_init(&meter, deadline);                 // mono clock, ms
//   ... make a thread `co` in the state and push a function and its arguments on it ...
//   switch (tg_script_turn(co, &meter, nargs, &nresults)) {
//   case TG_TURN_DONE:   ... the top nresults values of co are the results ...
//   case TG_TURN_SLICE:  ... let others run, then tg_script_turn(co, &meter, 0, &nresults) ...
//   case TG_TURN_WAIT:   ... the same, when the host's reply is there ...
//   case TG_TURN_FAILED: ... the top value of co is the error; tg_script_close(co, &meter, ms) ...
//   }
//
// A turn that ended with SLICE or WAIT leaves nothing on the stack of `co` for the worker: it must
// not push, pop or read there. An attempt that is cancelled or past its deadline is closed with
// tg_script_close between two turns.
//
// A function that needs the host:
//
//   static int l_http_get(lua_State *L) {
//     ... check the arguments ...
//     tg_script_check_wait(L);                       // raises where waiting is not possible
//     ... send the request ...
//     return tg_script_wait(L, context, reply_push); // reply_push pushes the results
//   }
//
// Loading a bundle or asking a policy, where nothing may yield:
//
//   tg_meter_init(&meter, tg_clock_mono_ms(clock) + TG_POLICY_MS);
//   int status = tg_script_call(L, nargs, nresults, 0, &meter); // LUA_OK, LUA_ERRRUN, ...
#pragma once

#include <lua.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "script/allocator.h"

/// What one attempt (or call) may use and has used. Kept by the caller, who hands it in at each
/// turn.
struct tg_meter {
  int64_t deadline_ms;      // mono clock; INT64_MAX for none
  atomic_bool is_cancelled; // may be set from a signal handler or another thread
  int64_t bytes;            // net bytes allocated in its turns: large for a hog, small for a victim
  uint32_t refusals;        // allocations refused in its turns
  int stopped;              // TG_OK, or the code with which every further instruction fails
  const char *reason;       // why it was stopped
};

void tg_meter_init(struct tg_meter *meter, int64_t deadline_ms);

/// Why the coroutine that runs gave way outward; TG_SUSPEND_NONE for a script's own yield.
enum tg_suspend { TG_SUSPEND_NONE, TG_SUSPEND_SLICE, TG_SUSPEND_HOST };

/// The time keeper of a state. Filled by tg_slice_init; read by the functions here and by nobody
/// else.
struct tg_timekeeper {
  const struct tg_clock *clock;
  struct tg_allocator *allocator; // may be NULL
  struct tg_meter *meter;         // of the turn that runs; NULL between turns
  lua_State *running;             // the innermost coroutine that runs
  int64_t turn_end_ms;            // a turn yields after it
  int64_t pinned_end_ms;          // a turn that cannot yield is stopped after it
  enum tg_suspend suspend;
  int instructions; // between two looks at the clock; 0 where a timer interrupts
  bool is_due;      // the turn is over, but what ran could not yield
  int depth;        // coroutines of the script that are being resumed inside one another
  int nesting;      // the same, with those that are being closed
  int pinned;       // of them, those resumed from where no yield can pass
  int64_t steps;    // work of C functions since the last look at the clock
};

/// Binds a time keeper to a new state, before any other thread is made in it. The allocator's
/// on_pressure is set, so that huge allocations count as time. With `has_interrupts` somebody calls
/// tg_slice_interrupt every few ms while a script runs.
void tg_slice_init(struct tg_timekeeper *slice, lua_State *L, const struct tg_clock *clock,
                   struct tg_allocator *allocator, bool has_interrupts);

/// Finds the time keeper of a state, from any of its threads. The state must have one.
struct tg_timekeeper *tg_slice_of(lua_State *L);

enum tg_turn { TG_TURN_DONE, TG_TURN_SLICE, TG_TURN_WAIT, TG_TURN_FAILED };

/// Gives an attempt's coroutine its turn of TG_SLICE_MS.
///
/// Shape:  first turn: a function and `nargs` arguments on `co`; later turns: nargs 0
enum tg_turn tg_script_turn(lua_State *co, struct tg_meter *meter, int nargs, int *nresults);

/// Calls a function like lua_pcall, under the meter's deadline; nothing inside can wait or yield
/// outward. Also the way to run C code that may fail to find memory.
int tg_script_call(lua_State *L, int nargs, int nresults, int handler, struct tg_meter *meter);

/// Closes an attempt's coroutine: pending to-be-closed variables are closed within `budget_ms`.
/// Gives LUA_OK, or an error's status with the error on top of `co`. The thread is dead afterwards.
int tg_script_close(lua_State *co, struct tg_meter *meter, int64_t budget_ms);

/// Raises when the function that runs cannot wait for the host, or its attempt was stopped.
void tg_script_check_wait(lua_State *L);

/// Waits for the host; called in tail position after tg_script_check_wait. At the attempt's next
/// turn `reply` is called with `context` and status LUA_YIELD and gives the number of results; the
/// stack is as it was. It may call tg_script_wait again.
int tg_script_wait(lua_State *L, lua_KContext context, lua_KFunction reply);

/// The only door into a coroutine, for coroutine.c; others use tg_script_turn.
///
/// Shape:  like lua_resume; when it gives LUA_YIELD, slice->suspend says who yielded
int tg_script_resume(lua_State *co, lua_State *from, int nargs, int *nresults);

/// Closes a coroutine, for coroutine.c; gives a status, with the error on top of `co`.
int tg_script_reset(lua_State *co, lua_State *from);

/// Marks a coroutine as made by a script. Only such a one may be resumed or closed by a script, and
/// not while it waits for its attempt's next turn.
void tg_script_own(lua_State *co);
bool tg_script_is_owned(lua_State *co);
bool tg_script_is_waiting(lua_State *co);

/// Counts work that a C function did without running instructions (bytes copied, steps walked), and
/// looks at the clock now and then. Raises when the attempt's budget is over. Cheap. Gives true
/// when the turn is over and the function may give way with tg_slice_yield; one that cannot goes
/// on.
///
/// Units:  a step is about 1 ns to 10 ns of work
bool tg_slice_work(lua_State *L, int64_t steps);

/// Lets others run in the middle of a C function; called in tail position after tg_slice_work gave
/// true. At the attempt's next turn `again` is called with `context`, as after tg_script_wait.
int tg_slice_yield(lua_State *L, lua_KContext context, lua_KFunction again);

/// Makes the coroutine that runs look at the clock at its next instruction. Safe in a signal
/// handler of the thread that runs Lua.
///
/// Source: lua_sethook in the reference manual, 4.7; lua.c does the same for SIGINT
void tg_slice_interrupt(struct tg_timekeeper *slice);

/// Called at the end of a C function that called back into Lua: when the turn ended meanwhile, the
/// next instruction yields.
void tg_slice_leave(lua_State *L);
