// SPDX-License-Identifier: Apache-2.0
// The parts of reasons.h, which only its files include:
//
//   reasons.c         the reasons of a task, and of a run along the chain that decided its end
//   reasons_facts.c   what the others ask of the records, and how a reason is told
//   reasons_way.c     what led to a task: upstreams, decisions, branches, rules, fallbacks
//   reasons_tries.c   its attempts, what is between them, and how it ended
//   reasons_work.c    what a task did besides: items, steps, child runs
//   reasons_ready.c   whether a task could start
//   reasons_limits.c  what the items of a map wait for
//   reasons_lacks.c   what there is no room in, and who is in it
//   reasons_wait.c    what a run waits for that others hold
#pragma once

#include "cli/reasons.h"
#include "cli/takers.h"

enum { TG_REASON_BYTES_MAX = 4096 };

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

/// Say whether a run may start tasks at all (it has begun and is not being stopped), whether a task
/// is to be done yet, and whether its rule is met.
bool tg_is_going(const struct tg_run *run);
bool tg_is_needed(const struct tg_view *view, uint32_t task);
bool tg_has_rule_met(const struct tg_view *view, uint32_t task);

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

/// Give the record of a task, its upstreams, its first attempt or NULL.
const struct tg_task *tg_task_at(const struct tg_teller *teller, uint32_t task);
struct tg_graph_slice tg_upstream_of(const struct tg_teller *teller, uint32_t task);
const struct tg_attempt *tg_first_attempt(const struct tg_teller *teller, uint32_t task);

/// Finds the upstream that ended last before a task was settled, or UINT32_MAX.
uint32_t tg_last_upstream(const struct tg_teller *teller, uint32_t task);

/// Gives when a task ended that had not begun, 0 for any other: an upstream may have ended later.
int64_t tg_cut_at(const struct tg_teller *teller, uint32_t task);

/// Tell of the upstreams of a task, and of the verdict of its rule.
void tg_tell_upstreams(struct tg_teller *teller, uint32_t task);
void tg_tell_rule(struct tg_teller *teller, uint32_t task);

/// Tells of the branch that left a task out; false when there is none.
bool tg_tell_branch(struct tg_teller *teller, uint32_t task);

/// Tells of the task that this one stands in for; false when there is none, or it is needed.
bool tg_tell_fallback(struct tg_teller *teller, uint32_t task);

/// Tells what stands in for a task that has failed.
void tg_tell_stand_in(struct tg_teller *teller, uint32_t task);

/// Tells of the decisions about a task, at one of its attempts or (0) at all.
void tg_tell_decisions(struct tg_teller *teller, uint32_t task, uint32_t attempt);

/// Tells of the place that a task waited for before it began.
void tg_tell_slot(struct tg_teller *teller, uint32_t task);

/// Tells of a task's attempts and of the time between them.
void tg_tell_attempts(struct tg_teller *teller, uint32_t task);

/// Tells of the breaker that keeps a task from its next attempt.
void tg_tell_held(struct tg_teller *teller, uint32_t task);

/// Tells how a task ended, and why it got no further attempt.
void tg_tell_end(struct tg_teller *teller, uint32_t task);
