// SPDX-License-Identifier: Apache-2.0
// The warehouse: the database of `tg.sql`, on threads of its own.
//
//   loop thread   submit ------------> queues ----> writer thread   the one writing connection
//                 done  <--- wake <--- finished <-- reader threads  read-only connections
//
// A query outside a transaction goes to a reader; one that turns out to write is handed to the
// writer, where everything else goes. The writer works in the order of arrival. While a session has
// a transaction open the writer takes that session's requests alone; the others wait, each up to
// its own deadline. The file is opened, and made, by the first request.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loop/loop.h"
#include "warehouse/service.h"

struct tg_warehouse_options {
  const char *path; // of the database
  /// Opens a file for LOAD_CSV, or refuses it. Called on the writer's thread. NULL refuses all.
  int (*open_read)(void *self, const char *path, int *fd, struct tg_error *err);
  void *open_self;
};

struct tg_warehouse_request {
  uint64_t session;
  int64_t deadline_ms; // on the monotonic clock; 0 for the default
  const void *body;    // as service.h describes it; copied
  size_t len;
  bool may_read_only; // a reader may try it
  tg_warehouse_done *done;
  void *self;
};

/// Starts the threads. Nothing is opened yet.
///
/// Errors: NULL and TG_ENOMEM or TG_EIO
struct tg_warehouse *tg_warehouse_new(struct tg_loop *loop,
                                      const struct tg_warehouse_options *options,
                                      struct tg_error *err);

/// Cancels what is queued or runs, rolls back, calls every `done` that is due, ends the threads.
void tg_warehouse_free(struct tg_warehouse *warehouse); // NULL is fine

/// Queues a request; returns its number, or 0 when memory is out (`done` is not called then).
uint64_t tg_warehouse_submit(struct tg_warehouse *warehouse,
                             const struct tg_warehouse_request *request);

/// Stops a request, queued or running; its `done` gets TG_ECANCELLED, unless it is finished
/// already.
void tg_warehouse_cancel(struct tg_warehouse *warehouse, uint64_t request);

/// Ends a session: stops all its requests and rolls back its transaction. Their `done`s are called.
void tg_warehouse_end_session(struct tg_warehouse *warehouse, uint64_t session);
