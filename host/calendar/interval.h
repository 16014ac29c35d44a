// SPDX-License-Identifier: Apache-2.0
// The data interval of an occurrence, and which occurrences are due.
//
// An occurrence at the end of an interval works on the data of that interval: from the occurrence
// before it (inclusive) to itself (exclusive). The logical date is the interval's start. So the run
// of "0 5 * * *" on 21 November at 5:00 has the logical date 20 November 5:00.
#pragma once

#include <stddef.h>

#include "calendar/schedule.h"

struct tg_interval {
  int64_t start_ms, end_ms; // the logical date; the occurrence
};

/// X(NAME, word): what becomes of the occurrences that were missed.
#define TG_MISSED(X)                                                                               \
  X(SKIP, "skip")                                                                                  \
  X(LATEST, "latest")                                                                              \
  X(ALL, "all")

enum tg_missed {
#define X(name, word) TG_MISSED_##name,
  TG_MISSED(X)
#undef X
      TG_MISSED_COUNT
};

struct tg_missed_policy {
  enum tg_missed missed;
  int64_t grace_ms; // an occurrence no older than this is not missed, only late
};

/// Gives the interval that ends with an occurrence; for an instant that is none, the one that would
/// end there. The first occurrence of all has an empty interval.
struct tg_interval tg_interval_of(const struct tg_schedule *schedule, int64_t occurrence_ms);

/// Lists the intervals whose logical date lies within from_ms <= t < to_ms, oldest first: what a
/// backfill runs.
///
/// Shape:  fills `items` and gives their number; `*has_more` says that `max` cut the list
size_t tg_interval_list(const struct tg_schedule *schedule, int64_t from_ms, int64_t to_ms,
                        struct tg_interval *items, size_t max, bool *has_more);

/// Lists the occurrences to create now, oldest first: those of last_ms < t <= now_ms that the
/// policy wants. `skip` wants what is not missed, `latest` the newest one, `all` the newest `max`.
/// A clock that went back gives none, so nothing is created twice.
///
/// Shape:  fills `items` (at least one) and gives their number; `*has_more` says that older
///         ones were left out by `latest` or by `max`
size_t tg_missed_list(const struct tg_schedule *schedule, const struct tg_missed_policy *policy,
                      int64_t last_ms, int64_t now_ms, int64_t *items, size_t max, bool *has_more);

/// Gives the word of a policy, or finds the policy of a word; -1 if there is none.
const char *tg_missed_word(enum tg_missed missed);
int tg_missed_parse(const char *word);
