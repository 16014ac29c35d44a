// SPDX-License-Identifier: Apache-2.0
// The worker's state, for the files that handle its frames. worker.h is for everybody else.
#pragma once

#include "base/buf.h"
#include "base/map.h"
#include "ipc/channel.h"
#include "script/fiber.h"

struct tg_worker {
  struct tg_channel channel;
  struct tg_scheduler scheduler;
  struct tg_map bundles;       // id -> struct tg_bundle
  struct tg_map attempts;      // id -> struct tg_attempt
  struct tg_buf result, facts; // JSON on its way out; their memory is used again
  lua_CFunction cjson;         // lua-cjson's luaopen, NULL when it is not installed
};
