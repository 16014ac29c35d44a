// SPDX-License-Identifier: Apache-2.0
#include "engine/timers.h"

#include <stdlib.h>

#include "base/error.h"

void tg_timers_init(struct tg_timers *timers) {
  *timers = (struct tg_timers){0};
}

void tg_timers_deinit(struct tg_timers *timers) {
  free(timers->items);
  tg_timers_init(timers);
}

int tg_timers_add(struct tg_timers *timers, const struct tg_engine_timer *timer) {
  if (timers->count == timers->cap) {
    size_t cap = timers->cap ? timers->cap * 2 : 16;
    struct tg_engine_timer *items = realloc(timers->items, cap * sizeof *items);
    if (!items) return TG_ENOMEM;
    timers->items = items;
    timers->cap = cap;
  }
  size_t at = timers->count++;
  for (; at && timers->items[(at - 1) / 2].at_ms > timer->at_ms; at = (at - 1) / 2)
    timers->items[at] = timers->items[(at - 1) / 2];
  timers->items[at] = *timer;
  return TG_OK;
}

bool tg_timers_take(struct tg_timers *timers, int64_t now_ms, struct tg_engine_timer *timer) {
  if (!timers->count || timers->items[0].at_ms > now_ms) return false;
  *timer = timers->items[0];
  struct tg_engine_timer last = timers->items[--timers->count];
  size_t at = 0;
  for (;;) {
    size_t child = at * 2 + 1;
    if (child >= timers->count) break;
    if (child + 1 < timers->count && timers->items[child + 1].at_ms < timers->items[child].at_ms)
      child++;
    if (timers->items[child].at_ms >= last.at_ms) break;
    timers->items[at] = timers->items[child];
    at = child;
  }
  if (timers->count) timers->items[at] = last;
  return true;
}

int64_t tg_timers_next(const struct tg_timers *timers) {
  return timers->count ? timers->items[0].at_ms : INT64_MAX;
}
