// SPDX-License-Identifier: Apache-2.0
// Retry policies: after a failed attempt, how long to wait before the next one, or why to stop.
//
// Everything is computed from the policy, the attempt's number and a seed; nothing is remembered.
// So the same run, replayed, waits the same times. Attempts that were lost with their worker do not
// count: the caller passes the number of tries that really ended.
//
// The delay after attempt n, before jitter, is at most cap_ms and otherwise
//
//   constant      base
//   linear        base * n
//   exponential   base * factor^(n - 1)
//   decorrelated  random between base and 3 * the delay before; it is its own jitter
//
// and jitter makes of a delay d: none d, full a random one of 0..d, equal one of d/2..d.
#pragma once

#include <stdint.h>

#include "base/error.h"

/// X(NAME, word)
#define TG_BACKOFFS(X)                                                                             \
  X(CONSTANT, "constant")                                                                          \
  X(LINEAR, "linear")                                                                              \
  X(EXPONENTIAL, "exponential")                                                                    \
  X(DECORRELATED, "decorrelated")

/// X(NAME, word)
#define TG_JITTERS(X)                                                                              \
  X(NONE, "none")                                                                                  \
  X(FULL, "full")                                                                                  \
  X(EQUAL, "equal")

/// X(NAME, word): why there is no further attempt.
#define TG_RETRY_STOPS(X)                                                                          \
  X(NOT, "not")                                                                                    \
  X(CLASS, "class")                                                                                \
  X(ATTEMPTS, "attempts")                                                                          \
  X(TOTAL, "total")

enum tg_backoff {
#define X(name, word) TG_BACKOFF_##name,
  TG_BACKOFFS(X)
#undef X
      TG_BACKOFF_COUNT
};

enum tg_jitter {
#define X(name, word) TG_JITTER_##name,
  TG_JITTERS(X)
#undef X
      TG_JITTER_COUNT
};

enum tg_retry_stop {
#define X(name, word) TG_RETRY_STOP_##name,
  TG_RETRY_STOPS(X)
#undef X
      TG_RETRY_STOP_COUNT
};

/// The bit of a class in `tg_retry_policy.classes`.
#define TG_RETRY_CLASS_BIT(class) (UINT32_C(1) << (class))

struct tg_retry_policy {
  uint32_t attempts_max; // tries in all; 1 is no retry
  enum tg_backoff backoff;
  enum tg_jitter jitter;
  int64_t base_ms, cap_ms;
  int64_t total_ms; // from the start of the first attempt to the start of the last; 0 is no limit
  double factor;
  uint32_t classes; // TG_RETRY_CLASS_BIT of each class that is tried again
};

struct tg_retry_decision {
  enum tg_retry_stop stop; // TG_RETRY_STOP_NOT: try again after delay_ms
  int64_t delay_ms;
};

/// Fills in what `retry = {}` means: 3 attempts, exponential from 1s by 2 to 5m, full jitter, for
/// transient and throttled failures.
void tg_retry_policy_init(struct tg_retry_policy *policy);

/// Checks a policy; the functions below need a valid one.
///
/// Errors: TG_EINVALID, naming the field
int tg_retry_policy_validate(const struct tg_retry_policy *policy, struct tg_error *err);

/// Gives the delay before the next attempt, or a negative number to stop.
///
/// Shape:  policy, number of the attempt that failed (from 1), its error class, seed -> delay
/// Units:  ms
/// Errors: none; a class the policy does not list stops
/// Source: "Exponential Backoff And Jitter", AWS Architecture Blog 2015
int64_t tg_backoff_next(const struct tg_retry_policy *policy, uint32_t attempt, enum tg_class class,
                        uint64_t seed);

/// Decides on a retry with all that is known. What the remote asked for is a minimum, above the cap
/// too; a delay that would pass the total time stops at once instead of after waiting.
///
/// Units:  `retry_after_ms` 0 if nothing was asked; `elapsed_ms` since the first attempt started
struct tg_retry_decision tg_retry_decide(const struct tg_retry_policy *policy, uint32_t attempt,
                                         enum tg_class class, uint64_t seed, int64_t retry_after_ms,
                                         int64_t elapsed_ms);

/// Gives the word of a kind of backoff or jitter, or of a reason to stop; "unknown" if there is
/// none.
const char *tg_backoff_word(enum tg_backoff backoff);
const char *tg_jitter_word(enum tg_jitter jitter);
const char *tg_retry_stop_word(enum tg_retry_stop stop);

/// Finds a kind by its word, or -1.
int tg_backoff_parse(const char *word);
int tg_jitter_parse(const char *word);
