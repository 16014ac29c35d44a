// SPDX-License-Identifier: Apache-2.0
// The Lua state of one bundle: the sandbox, the modules that `require` gives, and the fibers in it.
//
// `require` exists twice. A script's gives the public modules and the project's own files; the
// library's, which only the environment of library chunks holds, gives all of ours. The project's
// files are part of the bundle: they are read while it is built and never later.
#pragma once

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "script/fiber.h"
#include "script/sandbox.h"

struct tg_state {
  struct tg_sandbox box; // the first member: tg_state_of
  struct tg_scheduler *scheduler;
  struct tg_fiber_list fibers;
  struct tg_map sources; // "kind:name" -> what LOAD brought along
  struct tg_clock clock; // what scripts see
  int64_t now_ms;        // the time that is recorded for a build and for a decision
  bool is_policy, is_building;
  lua_CFunction cjson; // its luaopen, or NULL when it is not installed
};

struct tg_state_options {
  bool is_policy;
  int64_t now_ms;
  lua_CFunction cjson;
};

/// Makes the state. The struct must not move until it is closed.
///
/// Errors: TG_ENOMEM
int tg_state_open(struct tg_state *state, struct tg_scheduler *scheduler,
                  const struct tg_state_options *options, struct tg_error *err);

/// Closes the state, which has no fibers any more; safe after a failed tg_state_open.
void tg_state_close(struct tg_state *state);

/// Gives the state that a thread belongs to.
struct tg_state *tg_state_of(lua_State *L);

/// Keeps a source that `require` and the library may ask for.
///
/// Errors: TG_ENOMEM
int tg_state_add_source(struct tg_state *state, const char *key, const char *path, const char *text,
                        size_t len, struct tg_error *err);

/// Pushes the bundle's entry, the source "entry:", as a function; raises when it cannot be
/// compiled.
void tg_state_load_entry(lua_State *L);

/// Ends the building: sources are forgotten, time is live, globals are read-only.
///
/// Errors: TG_ENOMEM
int tg_state_seal(struct tg_state *state, struct tg_error *err);

/// Pushes what `require` gives to the library; may raise and may not yield.
void tg_state_require(lua_State *L, const char *module);

/// Pushes a source's text and path, or nil and a message; in tail position, it may wait for the
/// host.
int tg_state_source(lua_State *L, const char *kind, const char *name);

/// Finds lua-cjson's luaopen where plain Lua would, or NULL. Call it before the process is sealed.
lua_CFunction tg_state_find_cjson(void);
