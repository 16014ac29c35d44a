// SPDX-License-Identifier: Apache-2.0
// A clock that goes on each time it is read: budgets run out after the same work on every machine,
// and soon.
#pragma once

#include "base/clock.h"

struct fuzz_clock {
  struct tg_clock face;
  int64_t now_ms, step_ms;
};

static int64_t fuzz_clock_read(void *self) {
  struct fuzz_clock *clock = self;
  return clock->now_ms += clock->step_ms;
}

static inline void fuzz_clock_init(struct fuzz_clock *clock, int64_t step_ms) {
  *clock = (struct fuzz_clock){.face = {fuzz_clock_read, fuzz_clock_read, clock},
                               .now_ms = INT64_C(1790000000000),
                               .step_ms = step_ms};
}
