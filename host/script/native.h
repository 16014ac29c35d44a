// SPDX-License-Identifier: Apache-2.0
// tidegate._native: what the worker gives the Lua library and no script (see _native.lua, which is
// the same for plain Lua).
//
//   source(kind, name) -> text, path | nil, message       while a bundle is built
//   where(level) -> "pipelines/orders.lua:12"
//   log(level, text), progress(done, total), now() -> ms
//   decide(policy, input) -> output | nil, err            these three wait for the host
//   output(task) -> value | nil, err
//   sleep(ms)
//   null
//
// Bodies of requests: DECIDE policy text, input bytes (JSON) -> output bytes (JSON), version text;
// OUTPUT task text -> u8 found, bytes (JSON); SLEEP i64 ms -> nothing; PROGRESS f64 done, f64
// total.
#pragma once

#include "script/world.h"

/// Pushes the module's table.
void tg_native_module_push(lua_State *L, struct tg_world *world);
