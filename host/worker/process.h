// SPDX-License-Identifier: Apache-2.0
// One script worker as the host sees it: a child process of our own binary with a channel on its
// descriptor 3. Frames that are put leave at the end of the loop's turn, together.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "ipc/message.h"
#include "loop/child.h"
#include "loop/loop.h"

struct tg_process;

struct tg_process_events {
  /// Gets a frame. A malformed one is told with tg_process_distrust.
  void (*frame)(void *self, struct tg_process *process, uint8_t type, struct tg_reader *body);

  /// Is told once that the process is gone, and why; the process is freed after it.
  void (*gone)(void *self, struct tg_process *process, const char *why);

  void *self;
};

/// Starts a worker. `slot` tells it from the others that live at the same time.
///
/// Errors: TG_ESPAWN, TG_EIO
int tg_process_start(struct tg_loop *loop, struct tg_children *children, uint32_t slot,
                     const struct tg_process_events *events, struct tg_process **process,
                     struct tg_error *err);

/// Starts a frame; put its body, then send it.
struct tg_buf *tg_process_begin(struct tg_process *process, enum tg_message type);

/// Sends the frame.
///
/// Errors: TG_ELIMIT when it is too large; nothing is sent then
int tg_process_send(struct tg_process *process, struct tg_error *err);

/// Kills the worker: at once, whatever it does. `gone` is called from the loop. `why` is kept; NULL
/// for a worker that is at its end already, whose exit status tells.
void tg_process_kill(struct tg_process *process, const char *why);
bool tg_process_is_killed(const struct tg_process *process);

/// Ends a worker that nobody needs any more, without telling anybody. For the host's own end.
void tg_process_free(struct tg_process *process);

uint32_t tg_process_slot(const struct tg_process *process);

/// How many attempts it carries; the pool's user counts.
uint32_t tg_process_load(const struct tg_process *process);
void tg_process_add_load(struct tg_process *process, int32_t change);
