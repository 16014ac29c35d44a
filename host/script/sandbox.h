// SPDX-License-Identifier: Apache-2.0
// A Lua state for scripts: a ceiling on memory, budgets on time, and globals from an allow-list.
//
//   struct tg_sandbox box;
//   struct tg_sandbox_options options = {
//       .bytes_max = TG_BUNDLE_STATE_BYTES_MAX, .clock = tg_clock_system(), .print = print_to_log
//       };
//   if (tg_sandbox_open(&box, &options, &err)) return err.code;
//   ... install `require` and the modules: push it, tg_sandbox_set_global(box.L, "require") ...
//   status = tg_sandbox_load(box.L, text, len, "@pipelines/orders.lua"); // pushes a function
//   status = tg_script_call(box.L, 0, 1, 0, &meter);                     // slice.h
//   tg_sandbox_freeze(&box, &err);                                       // before any task runs
//   ... attempts: threads of box.L, run with tg_script_turn ...
//   tg_sandbox_close(&box);
//
// Scripts have: the base functions (load is text only), string, table, math, utf8, coroutine, and
// os.time, os.date, os.clock on a clock of the caller's choice. They do not have: io, package,
// require (the caller's to add), dofile, loadfile, debug, string.dump, finalizers (__gc), weak
// tables
// (__mode). Library tables and the metatable of strings cannot be changed. Nothing shows an
// address.
//
// While `is_deterministic` (policies, the building of a bundle) pairs and next walk in the order of
// the keys (numbers, strings, booleans) and refuse other keys; math.random and collectgarbage
// refuse. The worker may turn it off when the bundle is built, so that its tasks have them.
//
// Functions that allocate in the state can raise, as everywhere in Lua; code of the worker that
// does so runs inside tg_script_call. The functions below do this themselves.
#pragma once

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"
#include "script/allocator.h"
#include "script/slice.h"

struct tg_sandbox_options {
  int64_t bytes_max;                   // ceiling of the state's memory
  uint64_t seed;                       // of math.random
  bool is_deterministic;               // policies and the building of bundles
  bool has_interrupts;                 // a timer calls tg_slice_interrupt
  const struct tg_clock *clock;        // for budgets; NULL for the machine's
  const struct tg_clock *script_clock; // for os.time, os.date, os.clock; NULL for `clock`
  /// Gets what print writes, without the newline; NULL drops it. Must not call Lua.
  void (*print)(void *self, const char *text, size_t len);
  void *self; // the first argument of print
};

struct tg_sandbox {
  struct tg_allocator allocator;
  struct tg_timekeeper slice;
  struct tg_sandbox_options options;
  uint64_t random[4]; // state of math.random; the worker keeps one per attempt
  bool is_deterministic;
  lua_State *L;
};

/// Makes a state with everything in it. The struct must not move until it is closed.
///
/// Errors: TG_ENOMEM
int tg_sandbox_open(struct tg_sandbox *box, const struct tg_sandbox_options *options,
                    struct tg_error *err);

/// Fills a state of math.random from a seed.
void tg_sandbox_seed(uint64_t random[4], uint64_t seed);

/// Closes the state; safe after a failed tg_sandbox_open and twice.
void tg_sandbox_close(struct tg_sandbox *box);

/// Finds the sandbox of a state, from any of its threads. The state was made by tg_sandbox_open.
struct tg_sandbox *tg_sandbox_of(lua_State *L);

/// Pops a value and makes it a global; also when the globals are frozen. Like lua_setglobal it can
/// raise for want of memory.
void tg_sandbox_set_global(lua_State *L, const char *name);

/// Makes the table on top of the stack read-only: replaces it by an empty stand-in through which it
/// can be read and walked, and which no function of a script can change. For modules that `require`
/// gives. `name` is for the message: "string is read-only: it has no room for 'x'".
void tg_sandbox_protect(lua_State *L, const char *name);

/// Says whether the value at `index` is such a stand-in.
bool tg_sandbox_is_protected(lua_State *L, int index);

/// Makes the globals read-only: from now on assigning one raises. Called once, when the bundle is
/// built. Library and module tables are read-only all along.
///
/// Errors: TG_ENOMEM
int tg_sandbox_freeze(struct tg_sandbox *box, struct tg_error *err);

/// Loads text (never bytecode) as a function with the sandbox's globals and pushes it, or pushes
/// the error. At most TG_SOURCE_BYTES_MAX.
///
/// Shape:  returns LUA_OK or an error's status; chunk is Lua's chunk name ("@pipelines/orders.lua")
int tg_sandbox_load(lua_State *L, const char *text, size_t len, const char *chunk);
