// SPDX-License-Identifier: Apache-2.0
// The parts of reasons.h, which only its files include:
//
//   reasons.c       what was waited for, attempts, decisions, ends, the chain of a run
//   reasons_work.c  what a task did besides: items, steps, child runs
//   reasons_wait.c  what a run or a task waits for that others hold
#pragma once

#include "cli/reasons.h"

struct tg_teller {
  const struct tg_view *view;
  json_t *list;
  bool is_failed; // memory was out
};

/// Adds a reason; `task` may be NULL, `until` 0 while it lasts.
void tg_tell(struct tg_teller *teller, const char *task, const char *kind, int64_t since,
             int64_t until, const char *format, ...) __attribute__((format(printf, 6, 7)));

/// Tells of the place among its pipeline's runs that the run waits for, or waited for.
void tg_tell_overlap(struct tg_teller *teller);

/// Tells of a task's steps, child runs and items; `ready_at` is when it could begin.
void tg_tell_work(struct tg_teller *teller, uint32_t task, int64_t ready_at);
