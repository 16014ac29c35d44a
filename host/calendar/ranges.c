// SPDX-License-Identifier: Apache-2.0
#include "calendar/ranges.h"

#include <stdlib.h>
#include <string.h>

void tg_ranges_deinit(struct tg_ranges *ranges) {
  free(ranges->items);
  *ranges = (struct tg_ranges){0};
}

// The index of the first range that ends at or after `at`.
static size_t index_from(const struct tg_ranges *ranges, int64_t at) {
  size_t low = 0, high = ranges->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (ranges->items[middle].last < at)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

static int make_room(struct tg_ranges *ranges, size_t max, struct tg_error *err) {
  if (ranges->count < ranges->cap) return TG_OK;
  if (ranges->count >= max)
    return tg_error_set(err, TG_ELIMIT, "a calendar has at most %zu ranges of a kind", max);
  size_t cap = ranges->cap ? ranges->cap * 2 : 8;
  if (cap > max) cap = max;
  void *items = realloc(ranges->items, cap * sizeof *ranges->items);
  if (!items) return tg_error_set(err, TG_ENOMEM, "no memory for a calendar");
  ranges->items = items;
  ranges->cap = cap;
  return TG_OK;
}

int tg_ranges_add(struct tg_ranges *ranges, struct tg_range range, size_t max,
                  struct tg_error *err) {
  int code = make_room(ranges, max, err);
  if (code) return code;
  struct tg_range *items = ranges->items;
  size_t first = index_from(ranges, range.first - 1), after = first;
  for (; after < ranges->count && items[after].first <= range.last + 1; after++) {
    if (items[after].first < range.first) range.first = items[after].first;
    if (items[after].last > range.last) range.last = items[after].last;
  }
  memmove(&items[first + 1], &items[after], (ranges->count - after) * sizeof *items);
  items[first] = range;
  ranges->count = ranges->count - (after - first) + 1;
  return TG_OK;
}

const struct tg_range *tg_ranges_from(const struct tg_ranges *ranges, int64_t at) {
  size_t index = index_from(ranges, at);
  return index < ranges->count ? &ranges->items[index] : NULL;
}

const struct tg_range *tg_ranges_until(const struct tg_ranges *ranges, int64_t at) {
  size_t index = index_from(ranges, at);
  if (index < ranges->count && ranges->items[index].first <= at) return &ranges->items[index];
  return index > 0 ? &ranges->items[index - 1] : NULL;
}

const struct tg_range *tg_ranges_around(const struct tg_ranges *ranges, int64_t at) {
  const struct tg_range *range = tg_ranges_from(ranges, at);
  return range && range->first <= at ? range : NULL;
}
