// SPDX-License-Identifier: Apache-2.0
// The occurrences of a pipeline: their intervals, what ran for them, and what a backfill does.
//
// An occurrence is known by its logical date, which is where its interval starts; so `run --at` and
// `backfill` speak of the same runs. The interval ends where the next one starts.
#pragma once

#include "engine/plan.h"
#include "model/record.h"

/// X(NAME, word): which occurrences a backfill runs. Whatever it says, a run that a host did not
/// finish is continued.
#define TG_ONLIES(X)                                                                               \
  X(OPEN, "open")       /* those that are missing or failed */                                     \
  X(ALL, "all")         /* also those that succeeded, again from their beginning */                \
  X(MISSING, "missing") /* those that never ran */                                                 \
  X(FAILED, "failed")   /* those that failed or were cancelled */                                  \
  X(STALE, "stale")     /* those that succeeded on an older bundle or older data (stale.h) */

/// X(NAME, word): what a backfill does with an occurrence.
#define TG_WAYS(X)                                                                                 \
  X(NEW, "run")                                                                                    \
  X(CONTINUE, "continue")                                                                          \
  X(REPAIR, "rerun from failure")                                                                  \
  X(AGAIN, "rerun")                                                                                \
  X(LEAVE, "leave")

enum tg_only {
#define X(name, word) TG_ONLY_##name,
  TG_ONLIES(X)
#undef X
};

enum tg_way {
#define X(name, word) TG_WAY_##name,
  TG_WAYS(X)
#undef X
};

const char *tg_way_word(enum tg_way way);

struct tg_occurrence {
  int64_t start_ms, end_ms;
  const char *partition;     // or NULL
  const char *params;        // that its run has
  const char *identity;      // by which it is found again (model/params.h)
  const struct tg_run *last; // its newest run with these parameters, or NULL
  const char *stale;         // why its success is, or NULL; known to --only stale alone
  enum tg_way way;
};

/// What occurrences a backfill is about.
struct tg_occurrence_range {
  int64_t from_ms, to_ms, every_ms;
  const char *const *partitions; // each occurrence is run for each; one NULL for none
  size_t partition_count;
};

/// Lists the occurrences whose logical date lies within from_ms <= t < to_ms, oldest first: every
/// `every_ms` from the first on, or with 0 as the pipeline's cron says.
///
/// Errors: TG_EINVALID when the pipeline has no cron, or several, or one that cannot be;
///         TG_ENOT_FOUND for its time zone; TG_ELIMIT past TG_BACKFILL_RUNS_MAX; TG_ENOMEM
int tg_occurrences_list(const struct tg_plan *plan, const struct tg_occurrence_range *range,
                        struct tg_arena *arena, struct tg_occurrence **list, size_t *count,
                        struct tg_error *err);

/// Finds the newest run of each, among runs of the pipeline from the newest to the oldest, by what
/// the parameters of each run are compared by.
///
/// Errors: TG_ENOMEM
int tg_occurrences_match(struct tg_occurrence *list, size_t count, const struct tg_run *runs,
                         const char *const *identities, size_t run_count, struct tg_error *err);

/// Says what to do with an occurrence, by its newest run and whether that is stale.
enum tg_way tg_occurrence_way(enum tg_only only, const struct tg_occurrence *occurrence);

/// Gives the next occurrences of a tg.cron, after an instant.
///
/// Shape:  -> how many there are, up to `max`
/// Errors: as tg_timetable_init
int tg_occurrences_next(const json_t *cron, int64_t after_ms, int64_t *at_ms, size_t max,
                        size_t *count, struct tg_error *err);

/// Gives the first occurrence of a pipeline with one cron that is not before an instant; 0 for none,
/// and for another pipeline.
///
/// Errors: as tg_timetable_init
int tg_occurrence_from(const struct tg_plan *plan, int64_t from_ms, int64_t *at_ms,
                       struct tg_error *err);

/// Gives a run of a pipeline with one cron its interval: of an occurrence from its logical instant
/// to the next one, of a run by hand the last that was over at its logical instant. A run of
/// another pipeline gets none.
///
/// Errors: as tg_occurrences_list
int tg_occurrence_interval(const struct tg_plan *plan, struct tg_run *run, struct tg_error *err);
