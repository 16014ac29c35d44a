// SPDX-License-Identifier: Apache-2.0
// tidegate._native: what the worker gives the Lua library and no script (see _native.lua, which is
// the same for plain Lua).
//
//   source(kind, name) -> text, path | nil, message       while a bundle is built
//   where(level) -> "pipelines/orders.lua:12"
//   log(level, text), progress(done, total), now() -> ms
//   decide(policy, input) -> output | nil, err            these wait for the host
//   output(task) -> value | nil, err
//   sleep(ms)
//   step(name) -> "new" | "done", value | nil, err
//   step_end(name, value) -> true | nil, err
//   sleep_until(name, ms) -> true | nil, err
//   wait(name, what, timeout_ms) -> { value = } | { error = } | nil, err
//   child(pipeline, params, {wait=}) -> {run=, state=, outputs=} | nil, err
//   null
//
// Steps: what an attempt came by is a list of names with their values, which the host keeps for the
// task (or the item of a map) and each attempt of it comes by in the same order. A step is new
// until its value is recorded; one that failed stays new and may be followed by others. A sleep is
// a step whose value is the time at which it is over: the ms count from when its name was recorded.
// The host may end an attempt that sleeps, and starts another when the time is over, to which the
// sleep is done. A child is one for a task or item, however often it is asked for.
//
// Bodies of requests: DECIDE policy text, input bytes (JSON) -> output bytes (JSON), version text;
// OUTPUT task text -> u8 found, bytes (JSON); SLEEP i64 ms -> nothing; PROGRESS f64 done, f64
// total; STEP u8 operation, name text, then of 0 (begin) -> u8 done, bytes (JSON, of a step that is
// done), of 1 (end) bytes (JSON, "null" for none) -> nothing, of 2 (sleep) i64 ms -> nothing, of 3
// (wait) bytes (JSON: engine/waits.c), i64 timeout_ms, 0 for none -> bytes (JSON); CHILD
// pipeline text, params bytes (JSON, an object), u8 wait -> bytes (JSON {"run":,"state":,
// "outputs":{}}). A step out of order is refused with TG_EINVALID.
#pragma once

#include "script/world.h"

/// Pushes the module's table.
void tg_native_module_push(lua_State *L, struct tg_world *world);
