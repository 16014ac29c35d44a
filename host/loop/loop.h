// SPDX-License-Identifier: Apache-2.0
// The event loop: libuv behind a small face.
//
// Everything here belongs to the thread that runs the loop; only tg_wake_send may be called from
// another one. A handle is made with `_new` and given back with `_free`, which may be called at any
// time, its own callback included: the callback is then never called again, and the memory goes
// when the loop has let go of it. Free every handle before the loop.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"

struct tg_loop;
struct tg_timer;
struct tg_poll;
struct tg_wake;
struct tg_signal;

/// Gives the version of libuv that runs.
const char *tg_loop_version(void);

/// Makes a loop, or gives NULL and fills `err`.
struct tg_loop *tg_loop_new(struct tg_error *err);

/// Frees a loop (NULL is fine) whose handles have all been freed.
void tg_loop_free(struct tg_loop *loop);

/// Runs until tg_loop_stop is called, or until nothing is left that could happen.
void tg_loop_run(struct tg_loop *loop);

/// Makes tg_loop_run return after the callbacks of this turn.
void tg_loop_stop(struct tg_loop *loop);

/// Goes round once; with `may_wait` it waits until something happens. Returns whether anything is
/// left that could happen.
bool tg_loop_turn(struct tg_loop *loop, bool may_wait);

/// Gives the clock by which the loop's timers go.
const struct tg_clock *tg_loop_clock(const struct tg_loop *loop);

/// A call that is made on the next turn of the loop, from its bottom: for work that must not happen
/// inside the caller's caller. The struct lives in the caller's own; zero it, fill `call` and
/// `self`.
struct tg_deferred {
  void (*call)(void *self);
  void *self;
  struct tg_deferred *next, **at; // the queue's; `at` is NULL while not queued
};

/// Queues a call (once: a queued one stays where it is), or takes it back.
void tg_loop_defer(struct tg_loop *loop, struct tg_deferred *deferred);
void tg_loop_undefer(struct tg_loop *loop, struct tg_deferred *deferred);

/// Makes a timer that is not running.
struct tg_timer *tg_timer_new(struct tg_loop *loop, void (*fire)(void *self), void *self,
                              struct tg_error *err);

/// Makes it fire once, `ms` from now (0: on the next turn); a running timer starts afresh. One that
/// is very late, because the process was stopped, fires behind what came in meanwhile.
void tg_timer_start(struct tg_timer *timer, int64_t ms);
void tg_timer_stop(struct tg_timer *timer);
bool tg_timer_is_running(const struct tg_timer *timer);
void tg_timer_free(struct tg_timer *timer); // NULL is fine

enum { TG_POLL_READ = 1, TG_POLL_WRITE = 2 };

/// Makes a watch on a descriptor (pipe, socket), which is switched to non-blocking and must stay
/// open until the watch is stopped or freed. The descriptor stays the caller's.
///
/// Shape:  ready gets the events that are there and 0, or 0 and an errno; level-triggered
struct tg_poll *tg_poll_new(struct tg_loop *loop, int fd,
                            void (*ready)(void *self, int events, int errnum), void *self,
                            struct tg_error *err);

/// Says what to watch for from now on: TG_POLL_READ, TG_POLL_WRITE or both.
void tg_poll_start(struct tg_poll *poll, int events);
void tg_poll_stop(struct tg_poll *poll);
void tg_poll_free(struct tg_poll *poll); // NULL is fine

/// Makes a bell that other threads ring. Several rings may become one call.
struct tg_wake *tg_wake_new(struct tg_loop *loop, void (*woken)(void *self), void *self,
                            struct tg_error *err);

/// Rings it, from any thread; the bell must not be freed meanwhile.
void tg_wake_send(struct tg_wake *wake);
void tg_wake_free(struct tg_wake *wake); // NULL is fine

/// Starts to catch a signal, of which there is one watch at a time in a process. It is blocked in
/// this thread and in those that it starts (others must block it themselves: tg_thread_start); how
/// it was before returns when the watch is freed.
struct tg_signal *tg_signal_new(struct tg_loop *loop, int signum,
                                void (*caught)(void *self, int signum), void *self,
                                struct tg_error *err);

/// Says whether the loop goes on for this signal alone (as it does at first), or may return from
/// tg_loop_run while it is watched.
void tg_signal_ref(struct tg_signal *signal);
void tg_signal_unref(struct tg_signal *signal);
void tg_signal_free(struct tg_signal *signal); // NULL is fine
