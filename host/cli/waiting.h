// SPDX-License-Identifier: Apache-2.0
// What a task waits for, in a person's words.
#pragma once

#include <stdint.h>

#include "base/buf.h"

/// Appends what a step waits for, from its record (engine/waits.c): "an event order (id = 7)",
/// "approval: Publish?".
void tg_waiting_put(struct tg_buf *out, const char *wait);

/// Appends what became of it, from its result: "came: 0193-7 of /orders", "approved by ada".
void tg_waiting_put_result(struct tg_buf *out, const char *result);

/// Appends the command that answers a wait for approval, and nothing for another one.
///
/// Shape:  "; tidegate approve 0193c8f2 publish[3]"; `item` may be TG_NO_ITEM
void tg_waiting_put_command(struct tg_buf *out, const char *wait, const char *run, const char *task,
                            uint32_t item);
