// SPDX-License-Identifier: Apache-2.0
// What an attempt is told: its context, as the JSON document that becomes `ctx` in Lua.
#pragma once

#include "base/buf.h"
#include "engine/live.h"

enum { TG_KEY_TEXT_LEN = 32, TG_UNIT_NAME_MAX = 160 };

/// Gives the idempotency key of a unit: the same for all its attempts, different for every other
/// task, item and run. Source: the first half of SHA-256 over the run's id and the unit's name.
void tg_context_key(const struct tg_live_run *run, uint32_t unit, char key[TG_KEY_TEXT_LEN + 1]);

/// Gives that key by the name of the unit.
void tg_context_key_of(struct tg_id run, const char *unit, char key[TG_KEY_TEXT_LEN + 1]);

/// Gives the name of a unit: "publish", or "publish[17]" for the item 17 (from 0) of a map.
void tg_context_unit_name(const struct tg_live_run *run, uint32_t unit,
                          char name[TG_UNIT_NAME_MAX]);

/// Writes the context of an attempt.
///
/// Shape:  {"run", "pipeline", "task", "attempt", "key", "params", "logical_date", "interval":
///         {"start", "end"}, "now", "deadline" (absent without one), "output": {upstream task:
///         value}, "states": {upstream task: word}}; outputs of the direct upstream tasks only, and
///         of them only small ones. What kind of attempt it is: "phase" absent for the usual,
///         "over" for the items of a map, "item" with "item" and "index" (from 0), "fallback" with
///         "error" {code, class, message}
void tg_context_write(const struct tg_live_run *run, uint32_t unit, uint32_t number,
                      int64_t now_wall_ms, int64_t deadline_wall_ms, struct tg_buf *out);

/// Says whether `ancestor` must be done before `task` can start, directly or not.
bool tg_context_is_ancestor(const struct tg_plan *plan, uint32_t ancestor, uint32_t task);
