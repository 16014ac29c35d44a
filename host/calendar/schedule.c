// SPDX-License-Identifier: Apache-2.0
#include "calendar/schedule.h"

#include <string.h>

#include "base/limits.h"

static const char *const closed_words[] = {
#define X(name, word) word,
    TG_SCHEDULE_CLOSED(X)
#undef X
};

const char *tg_schedule_closed_word(enum tg_schedule_closed closed) {
  return (unsigned)closed < TG_SCHEDULE_CLOSED_COUNT ? closed_words[closed] : "unknown";
}

int tg_schedule_closed_parse(const char *word) {
  for (int i = 0; i < TG_SCHEDULE_CLOSED_COUNT; i++)
    if (strcmp(word, closed_words[i]) == 0) return i;
  return -1;
}

static bool cron_next(const struct tg_schedule *schedule, int64_t after_ms, int64_t *at_ms) {
  return tg_cron_next(&schedule->cron, schedule->zone, after_ms, at_ms);
}

static bool cron_prev(const struct tg_schedule *schedule, int64_t before_ms, int64_t *at_ms) {
  return tg_cron_prev(&schedule->cron, schedule->zone, before_ms, at_ms);
}

// What falls on a closed stretch is passed over with the whole stretch.
static bool skip_next(const struct tg_schedule *schedule, int64_t after_ms, int64_t *at_ms) {
  for (int tries = 0; tries < TG_SCHEDULE_TRIES_MAX; tries++) {
    int64_t open_ms;
    if (!cron_next(schedule, after_ms, at_ms)) return false;
    if (!tg_calendar_next_open(schedule->calendar, *at_ms, &open_ms)) return false;
    if (open_ms == *at_ms) return true;
    after_ms = open_ms - 1;
  }
  return false;
}

static bool skip_prev(const struct tg_schedule *schedule, int64_t before_ms, int64_t *at_ms) {
  for (int tries = 0; tries < TG_SCHEDULE_TRIES_MAX; tries++) {
    int64_t open_ms;
    if (!cron_prev(schedule, before_ms, at_ms)) return false;
    if (!tg_calendar_prev_open(schedule->calendar, *at_ms, &open_ms)) return false;
    if (open_ms == *at_ms) return true;
    before_ms = open_ms + 1;
  }
  return false;
}

// The end of the closed stretch that `after_ms` lies in is an occurrence, if one fell into the part
// of the stretch that has passed.
static bool shift_next(const struct tg_schedule *schedule, int64_t after_ms, int64_t *at_ms) {
  int64_t passed_ms;
  if (cron_prev(schedule, after_ms + 1, &passed_ms)) {
    if (!tg_calendar_next_open(schedule->calendar, passed_ms, at_ms)) return false;
    if (*at_ms > after_ms) return true;
  }
  int64_t next_ms;
  return cron_next(schedule, after_ms, &next_ms) &&
         tg_calendar_next_open(schedule->calendar, next_ms, at_ms);
}

// What moved to an instant before `before_ms` was scheduled no later than the last open one.
static bool shift_prev(const struct tg_schedule *schedule, int64_t before_ms, int64_t *at_ms) {
  int64_t open_ms, last_ms;
  return tg_calendar_prev_open(schedule->calendar, before_ms - 1, &open_ms) &&
         cron_prev(schedule, open_ms + 1, &last_ms) &&
         tg_calendar_next_open(schedule->calendar, last_ms, at_ms);
}

bool tg_schedule_next(const struct tg_schedule *schedule, int64_t after_ms, int64_t *at_ms) {
  if (!schedule->calendar) return cron_next(schedule, after_ms, at_ms);
  if (schedule->closed == TG_SCHEDULE_SKIP) return skip_next(schedule, after_ms, at_ms);
  return shift_next(schedule, after_ms, at_ms);
}

bool tg_schedule_prev(const struct tg_schedule *schedule, int64_t before_ms, int64_t *at_ms) {
  if (!schedule->calendar) return cron_prev(schedule, before_ms, at_ms);
  if (schedule->closed == TG_SCHEDULE_SKIP) return skip_prev(schedule, before_ms, at_ms);
  return shift_prev(schedule, before_ms, at_ms);
}

bool tg_schedule_walk_next(struct tg_schedule_walk *walk, int64_t *at_ms) {
  if (!tg_schedule_next(walk->schedule, walk->start_ms - 1, at_ms) || *at_ms >= walk->end_ms)
    return false;
  walk->start_ms = *at_ms + 1;
  return true;
}

size_t tg_schedule_count(const struct tg_schedule *schedule, int64_t start_ms, int64_t end_ms,
                         size_t max) {
  struct tg_schedule_walk walk = {schedule, start_ms, end_ms};
  size_t count = 0;
  for (int64_t at_ms; count < max && tg_schedule_walk_next(&walk, &at_ms);) count++;
  return count;
}
