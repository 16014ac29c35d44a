// SPDX-License-Identifier: Apache-2.0
// The parts of reasons.h, which only its files include:
//
//   reasons.c       what was waited for, attempts, decisions, ends, the chain of a run
//   reasons_work.c  what a task did besides: items, steps, child runs
//   reasons_limits.c  whether a task could start, and what the items of a map wait for
//   reasons_lacks.c   what there is no room in, and who is in it
//   reasons_wait.c  what a run waits for that others hold
#pragma once

#include "cli/reasons.h"
#include "cli/takers.h"

struct tg_teller {
  const struct tg_view *view;
  struct tg_takers *takers; // NULL: nothing is said of what would have to be there
  json_t *list;
  bool is_failed; // memory was out
};

/// Adds a reason; `task` may be NULL, `until` 0 while it lasts. Gives it, for the fields that its
/// kind has besides; NULL when memory is out.
json_t *tg_tell(struct tg_teller *teller, const char *task, const char *kind, int64_t since,
                int64_t until, const char *format, ...) __attribute__((format(printf, 6, 7)));

/// Tells of the place among its pipeline's runs that the run waits for, or waited for.
void tg_tell_overlap(struct tg_teller *teller);

/// Gives the attempts of a task, as the first and how many there are; those of the items of a map
/// are not among them.
const struct tg_attempt *tg_attempts_of(const struct tg_teller *teller, uint32_t task,
                                        size_t *count);

/// Says whether a task could start: its rule is met and nothing of its own is to be waited for.
/// *since is when that came to be, and stays as it is if that was before.
bool tg_is_ready(const struct tg_teller *teller, uint32_t task, int64_t *since);

/// Tells what a task that could start since an instant has no room in, and who is in it.
void tg_tell_lacks(struct tg_teller *teller, uint32_t task, int64_t since);

/// Tells what a task had no room in until it started, and who was in it; false when the records do
/// not show it.
bool tg_tell_lacked(struct tg_teller *teller, uint32_t task, int64_t since, int64_t until);

/// Gives when a task could begin: the end of the last upstream that counted, or of the wait for a
/// place of its run.
int64_t tg_ready_at(const struct tg_teller *teller, uint32_t task);

/// Tells what the items of a map wait for that have not begun.
void tg_tell_items(struct tg_teller *teller, uint32_t task, int64_t since);

/// Tells of a task's steps, child runs and items; `ready_at` is when it could begin.
void tg_tell_work(struct tg_teller *teller, uint32_t task, int64_t ready_at);
