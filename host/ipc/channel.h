// SPDX-License-Identifier: Apache-2.0
// One end of the socketpair between the host and a worker: whole frames in and out of a
// non-blocking descriptor. A frame longer than TG_FRAME_BYTES_MAX is a protocol error.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "ipc/wire.h"

struct tg_channel {
  int fd; // owned by the caller
  struct tg_buf in, out;
  size_t in_at;    // start of the first frame that was not taken yet
  size_t out_at;   // start of what was not written yet
  size_t frame_at; // start of the frame being built in `out`
};

/// Makes a channel on a descriptor, which is switched to non-blocking.
void tg_channel_init(struct tg_channel *channel, int fd);
void tg_channel_deinit(struct tg_channel *channel);

/// Starts a frame of a type; put the body into the buffer it gives, then end the frame.
struct tg_buf *tg_channel_begin(struct tg_channel *channel, uint8_t type);

/// Ends the frame. It leaves with the next tg_channel_flush.
///
/// Errors: TG_ELIMIT if it is too large or memory is out; the frame is then taken back
int tg_channel_end(struct tg_channel *channel, struct tg_error *err);

/// Writes what it can without blocking, a piece of a large frame at a time. Returns 0, or an errno
/// that is not EAGAIN.
int tg_channel_flush(struct tg_channel *channel);

/// Says whether something is still to be written.
bool tg_channel_is_pending(const struct tg_channel *channel);

/// Reads what is there without blocking.
///
/// Shape:  returns 0 when something was read or nothing is there, -1 at the end of the stream, or
///         an errno
int tg_channel_fill(struct tg_channel *channel);

/// Takes the next whole frame.
///
/// Shape:  returns 1 and the type and body (valid until the next fill), 0 when no whole frame is
///         here, -1 when the stream is malformed
int tg_channel_next(struct tg_channel *channel, uint8_t *type, struct tg_reader *body);
