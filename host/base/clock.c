// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"

#include <time.h>

static int64_t clock_read(clockid_t id) {
  struct timespec now;
  clock_gettime(id, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t system_wall_ms(void *self) {
  (void)self;
  return clock_read(CLOCK_REALTIME);
}

static int64_t system_mono_ms(void *self) {
  (void)self;
  return clock_read(CLOCK_MONOTONIC);
}

const struct tg_clock *tg_clock_system(void) {
  static const struct tg_clock clock = {.wall_ms = system_wall_ms, .mono_ms = system_mono_ms};
  return &clock;
}
