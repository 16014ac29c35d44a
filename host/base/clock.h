// SPDX-License-Identifier: Apache-2.0
// The clock as an interface, so that tests and the simulator can hold it.
#pragma once

#include <stdint.h>

struct tg_clock {
  /// Gives the time of day. Units: ms since 1970-01-01T00:00:00Z
  int64_t (*wall_ms)(void *self);
  /// Gives a time that never goes back. Units: ms from an arbitrary start
  int64_t (*mono_ms)(void *self);
  void *self;
};

/// Gives the machine's own clock.
const struct tg_clock *tg_clock_system(void);

static inline int64_t tg_clock_wall_ms(const struct tg_clock *clock) {
  return clock->wall_ms(clock->self);
}

static inline int64_t tg_clock_mono_ms(const struct tg_clock *clock) {
  return clock->mono_ms(clock->self);
}
