// SPDX-License-Identifier: Apache-2.0
// The Lua state of one bundle: the sandbox, `require` (require.h), the sources that the bundle is
// built of, and the fibers in it.
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
  struct tg_map sources; // "kind:name" -> struct tg_state_source, what LOAD brought along
  struct tg_clock clock; // what scripts see
  int64_t now_ms;        // the time that is recorded for a build and for a decision
  bool is_policy, is_building;
  bool has_told_time;  // to what was built: another time may give another bundle
  lua_CFunction cjson; // its luaopen, or NULL when it is not installed
};

struct tg_state_source {
  size_t len;
  const char *text; // stands behind the path
  char path[];
};

struct tg_state_options {
  bool is_policy;
  int64_t bytes_max; // of its memory
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

/// Finds a source that LOAD brought along, or gives NULL; may raise for want of memory.
const struct tg_state_source *tg_state_find_source(lua_State *L, const char *kind,
                                                   const char *name);

/// Asks the host for a source; called in tail position, it waits. The reply's body is path text,
/// text bytes.
int tg_state_request_source(lua_State *L, const char *kind, const char *name,
                            tg_world_reply *reply);
