// SPDX-License-Identifier: Apache-2.0
// How a Lua module reaches the world. In a script worker a request is a message to the host and the
// coroutine yields until the reply is there; in plain Lua the module does the thing itself and
// waits. The module's code is the same: it encodes the request (the bodies are documented where
// they are served) and says how a reply is pushed.
#pragma once

#include <lauxlib.h>
#include <lua.h>

#include "base/buf.h"
#include "base/error.h"
#include "ipc/message.h"

/// Pushes the results of a call from its reply and returns their number. `err` is NULL when it went
/// well; a failure of the world is pushed as nil and an error table (tg_lua_push_error).
typedef int tg_world_reply(lua_State *L, const struct tg_error *err, struct tg_reader *body);

struct tg_world {
  /// Makes a request and frees the body's memory; called in tail position, it may yield.
  int (*request)(struct tg_world *self, lua_State *L, enum tg_request kind, struct tg_buf *body,
                 tg_world_reply *reply);
};

/// Makes a request with the world that was given to the module as its first upvalue (a light
/// userdata). Takes the body's memory: the buffer is emptied. A body that failed (too large) is
/// pushed as nil and an error without asking anybody.
int tg_world_request(lua_State *L, enum tg_request kind, struct tg_buf *body,
                     tg_world_reply *reply);

/// Makes a module table from a function list whose functions have the world as their only upvalue.
void tg_world_new_module(lua_State *L, const luaL_Reg *functions, struct tg_world *world);
