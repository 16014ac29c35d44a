// SPDX-License-Identifier: Apache-2.0
// The Lua state of a bundle without a worker around it. What its modules ask of the world is
// answered at once, with bytes of the caller's choice.
#pragma once

#include <lauxlib.h>
#include <lua.h>

#include "fuzz/clock.h"
#include "fuzz/input.h"
#include "script/require.h"
#include "script/state.h"

struct script_state {
  struct tg_state state;
  struct tg_scheduler scheduler;
  struct tg_channel channel;
  struct fuzz_clock clock;
  struct tg_buf asked;  // the body of the last request
  struct input replies; // where the answers come from
  uint8_t *answer;      // the last one
};

/// Opens it with a ceiling on its memory.
void script_state_open(struct script_state *self, int64_t bytes_max);

/// Closes it, and checks that every byte came back.
void script_state_close(struct script_state *self);
