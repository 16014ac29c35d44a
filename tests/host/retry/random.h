// SPDX-License-Identifier: Apache-2.0
// Random numbers for tests that try many sequences: the same in every run.
#pragma once

#include <stdint.h>

/// Gives the next number of 0..count-1.
///
/// Source: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014
static inline int64_t random_below(uint64_t *seed, int64_t count) {
  uint64_t x = *seed += UINT64_C(0x9e3779b97f4a7c15);
  x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
  return (int64_t)((x ^ (x >> 31)) % (uint64_t)count);
}
