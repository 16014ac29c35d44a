// SPDX-License-Identifier: Apache-2.0
// The only source of chance in a simulation: a seed gives the same numbers everywhere.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct sim_random {
  uint64_t state;
};

/// Gives the next 64 bits.
///
/// Source: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014
static inline uint64_t sim_random_next(struct sim_random *random) {
  uint64_t x = random->state += UINT64_C(0x9e3779b97f4a7c15);
  x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
  return x ^ (x >> 31);
}

/// Gives a number of 0..count-1; 0 for a count of 0.
static inline uint32_t sim_random_below(struct sim_random *random, uint32_t count) {
  return (uint32_t)(((sim_random_next(random) >> 32) * count) >> 32);
}

/// Gives a number of low..high, each as likely.
static inline int64_t sim_random_between(struct sim_random *random, int64_t low, int64_t high) {
  return low + (int64_t)(sim_random_next(random) % (uint64_t)(high - low + 1));
}

/// Gives a time of low..high, each order of magnitude as likely.
static inline int64_t sim_random_time(struct sim_random *random, int64_t low, int64_t high) {
  uint32_t orders = 0;
  for (int64_t span = high - low; span; span >>= 1) orders++;
  return low + sim_random_between(random, 0, (high - low) >> sim_random_below(random, orders));
}

static inline bool sim_random_chance(struct sim_random *random, uint32_t permille) {
  return sim_random_below(random, 1000) < permille;
}
