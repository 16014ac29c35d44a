// SPDX-License-Identifier: Apache-2.0
// A schedule: a cron expression in a zone, kept by a calendar.
//
// What becomes of an occurrence that falls on a closed time is the schedule's choice: it is left
// out, or it moves to the next open instant. Occurrences that move to the same instant are one.
//
// "Never" is an answer: an expression and a calendar that share no instant, or have closed
// TG_SCHEDULE_TRIES_MAX occurrences in a row, none of them in the same closed stretch, give none.
#pragma once

#include <stddef.h>

#include "calendar/calendar.h"
#include "calendar/cron.h"

/// X(NAME, word): what becomes of an occurrence on a closed time.
#define TG_SCHEDULE_CLOSED(X)                                                                      \
  X(SKIP, "skip")                                                                                  \
  X(SHIFT, "shift")

enum tg_schedule_closed {
#define X(name, word) TG_SCHEDULE_##name,
  TG_SCHEDULE_CLOSED(X)
#undef X
      TG_SCHEDULE_CLOSED_COUNT
};

struct tg_schedule {
  struct tg_cron cron;
  const struct tg_zone *zone;
  const struct tg_calendar *calendar; // NULL: always open
  enum tg_schedule_closed closed;
};

/// The occurrences within start_ms <= t < end_ms; set both, then call tg_schedule_walk_next.
struct tg_schedule_walk {
  const struct tg_schedule *schedule;
  int64_t start_ms, end_ms;
};

/// Gives the first occurrence after an instant, or the last one before it.
///
/// Shape:  false: there is none
bool tg_schedule_next(const struct tg_schedule *schedule, int64_t after_ms, int64_t *at_ms);
bool tg_schedule_prev(const struct tg_schedule *schedule, int64_t before_ms, int64_t *at_ms);

/// Gives the next occurrence of a walk, whose start moves behind it.
bool tg_schedule_walk_next(struct tg_schedule_walk *walk, int64_t *at_ms);

/// Counts the occurrences within start_ms <= t < end_ms, up to `max`.
size_t tg_schedule_count(const struct tg_schedule *schedule, int64_t start_ms, int64_t end_ms,
                         size_t max);

/// Gives the word of a choice, or finds the choice of a word; -1 if there is none.
const char *tg_schedule_closed_word(enum tg_schedule_closed closed);
int tg_schedule_closed_parse(const char *word);
