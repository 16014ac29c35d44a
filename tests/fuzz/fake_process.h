// SPDX-License-Identifier: Apache-2.0
// Script workers that are none: fake_process.c stands in for host/worker/process.c when a target is
// linked. What the host sends is looked at and dropped; what a worker would say, the target says.
#pragma once

#include "worker/process.h"

/// What no worker may ever be told; a frame with it in it is fatal.
#define FAKE_PROCESS_SECRET "not for the ears of workers"

/// What the host asked of the fakes so far.
struct fake_asked {
  uint64_t bundle;      // of the last LOAD
  uint64_t attempts[8]; // of the STARTs; the oldest are overwritten
  size_t attempt_count;
  uint64_t decision; // of the last DECIDE
};

/// Starts afresh. No fake may be alive.
void fake_process_reset(void);

const struct fake_asked *fake_process_asked(void);

/// Gives a live worker, or NULL.
struct tg_process *fake_process_any(size_t choice);

/// Says a frame to the host, as the worker.
void fake_process_say(struct tg_process *process, uint8_t type, const void *body, size_t len);
