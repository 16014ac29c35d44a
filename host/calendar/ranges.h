// SPDX-License-Identifier: Apache-2.0
// Sorted lists of ranges of numbers, none touching another.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/// first <= n <= last
struct tg_range {
  int64_t first, last;
};

struct tg_ranges {
  struct tg_range *items;
  size_t count, cap;
};

/// Frees a list, which starts as zeros.
void tg_ranges_deinit(struct tg_ranges *ranges);

/// Adds a range and joins it with those that it overlaps or touches.
///
/// Errors: TG_ELIMIT past `max` ranges, TG_ENOMEM; the list is then unchanged
int tg_ranges_add(struct tg_ranges *ranges, struct tg_range range, size_t max,
                  struct tg_error *err);

/// Gives the first range that ends at or after `at`, or the last that starts at or before it; NULL
/// if there is none.
const struct tg_range *tg_ranges_from(const struct tg_ranges *ranges, int64_t at);
const struct tg_range *tg_ranges_until(const struct tg_ranges *ranges, int64_t at);

/// Gives the range that `at` lies in, or NULL.
const struct tg_range *tg_ranges_around(const struct tg_ranges *ranges, int64_t at);
