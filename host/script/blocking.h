// SPDX-License-Identifier: Apache-2.0
// A world that answers at once, for the modules of plain Lua: what a module needs lives in a
// userdata, is opened when it is first used, and is closed with the Lua state.
#pragma once

#include <stddef.h>

#include "script/world.h"

/// What a module's own struct begins with.
struct tg_blocking {
  struct tg_world world;
  /// Answers a request: reads the body, puts what the reply is read from into `answer`.
  int (*answer)(struct tg_blocking *self, const struct tg_buf *body, struct tg_buf *answer,
                struct tg_error *err);
  /// Gives up what is open; nothing may be.
  void (*close)(struct tg_blocking *self);
};

/// Makes a module's world from a struct of `size` bytes that begins with it. A module that is
/// loaded again begins again: what was made under the same name is closed now, not when the
/// collector comes to it.
struct tg_blocking *tg_blocking_new(lua_State *L, const char *name, const struct tg_blocking *self,
                                    size_t size);

/// Adds a function of plain Lua only to the module on top of the stack; the world is its first
/// upvalue.
void tg_blocking_add(lua_State *L, struct tg_blocking *self, const char *name,
                     lua_CFunction function);
