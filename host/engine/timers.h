// SPDX-License-Identifier: Apache-2.0
// What the engine waits for: a heap of instants. A timer is never taken out early; whoever gets a
// fired one looks whether it still means something.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tg_timer_kind {
  TG_TIMER_RETRY,    // a task may be tried again
  TG_TIMER_ATTEMPT,  // an attempt's time is over
  TG_TIMER_RUN,      // a run's time is over
  TG_TIMER_RESOURCE, // the breaker of a resource can be asked again
  TG_TIMER_HELD,     // a unit may not wait for a breaker any longer
  TG_TIMER_STARTS,   // attempts that still run are to be recorded as started
};

struct tg_engine_timer {
  int64_t at_ms; // monotonic
  enum tg_timer_kind kind;
  uint32_t unit;
  uint64_t run, attempt;
};

struct tg_timers {
  struct tg_engine_timer *items;
  size_t count, cap;
};

void tg_timers_init(struct tg_timers *timers);
void tg_timers_deinit(struct tg_timers *timers);

/// Adds a timer; returns TG_ENOMEM when memory is out.
int tg_timers_add(struct tg_timers *timers, const struct tg_engine_timer *timer);

/// Takes the earliest timer out if it is due.
bool tg_timers_take(struct tg_timers *timers, int64_t now_ms, struct tg_engine_timer *timer);

/// Gives the instant of the earliest timer, INT64_MAX when there is none.
int64_t tg_timers_next(const struct tg_timers *timers);
