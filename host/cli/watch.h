// SPDX-License-Identifier: Apache-2.0
// A host at work, looked after: ten times a second somebody is told that time goes on, what other
// processes ask for is done (requests.h), and signals are obeyed. The first SIGINT or SIGTERM lets
// running attempts end, for a while; the second stops at once. Both leave runs that a later host
// continues.
#pragma once

#include "cli/host.h"
#include "loop/loop.h"

struct tg_watch {
  struct tg_host *host;
  void (*ticked)(void *self);
  void *self;
  struct tg_timer *tick;
  struct tg_signal *signals[2];
  int signum;          // that asked to stop, or 0
  int64_t drain_until; // monotonic, after a signal
  uint32_t ticks;
};

/// Begins to watch a host that is open; `ticked` must not give inputs to the conductor.
///
/// Owns:   the caller ends the watch, also after an error, before the host is closed
int tg_watch_begin(struct tg_watch *watch, struct tg_host *host, void (*ticked)(void *self),
                   void *self, struct tg_error *err);
void tg_watch_end(struct tg_watch *watch);
