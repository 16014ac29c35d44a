// SPDX-License-Identifier: Apache-2.0
// A serial queue: calls that may take long, made one after another on a thread beside the loop.
//
// It is for files, which know no "not ready": a slow disk holds whoever writes. The calls are made
// in the order in which they were added, so of two writes the later one is what stays. The thread
// starts with the first call.
#pragma once

#include "loop/loop.h"

struct tg_serial;

/// A call. The struct lives in the caller's own and stays until `done`; zero it, fill in the rest.
struct tg_serial_call {
  void (*run)(void *self);  // on the queue's thread
  void (*done)(void *self); // afterwards, on the loop; may free the call, and add others
  void *self;
  struct tg_serial_call *next; // the queue's
};

/// Makes a queue.
///
/// Errors: NULL and TG_ENOMEM or TG_EIO
struct tg_serial *tg_serial_new(struct tg_loop *loop, struct tg_error *err);

/// Adds a call. Where no thread can be started it is made at once.
void tg_serial_add(struct tg_serial *serial, struct tg_serial_call *call);

/// Waits until all calls are made, those too that a `done` adds, and frees the queue.
void tg_serial_free(struct tg_serial *serial); // NULL is fine
