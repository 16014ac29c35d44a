// SPDX-License-Identifier: Apache-2.0
#include "retry/policy.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

// The random walk of decorrelated backoff is taken anew each time; this bounds it. By then the walk
// has long forgotten where it began.
enum { WALK_MAX = 256 };

static const char *const backoff_words[] = {
#define X(name, word) word,
    TG_BACKOFFS(X)
#undef X
};

static const char *const jitter_words[] = {
#define X(name, word) word,
    TG_JITTERS(X)
#undef X
};

static const char *const stop_words[] = {
#define X(name, word) word,
    TG_RETRY_STOPS(X)
#undef X
};

void tg_retry_policy_init(struct tg_retry_policy *policy) {
  *policy = (struct tg_retry_policy){
      .attempts_max = 3,
      .backoff = TG_BACKOFF_EXPONENTIAL,
      .jitter = TG_JITTER_FULL,
      .base_ms = 1000,
      .cap_ms = 300000,
      .factor = 2,
      .classes = TG_RETRY_CLASS_BIT(TG_CLASS_TRANSIENT) | TG_RETRY_CLASS_BIT(TG_CLASS_THROTTLED),
  };
}

static int classes_validate(uint32_t classes, struct tg_error *err) {
  if (!classes) return tg_error_set(err, TG_EINVALID, "on must name at least one class");
  if (classes >> TG_CLASS_COUNT) return tg_error_set(err, TG_EINVALID, "on has an unknown class");
  if (classes & TG_RETRY_CLASS_BIT(TG_CLASS_NONE))
    return tg_error_set(err, TG_EINVALID, "on cannot name none: a success is not tried again");
  if (classes & TG_RETRY_CLASS_BIT(TG_CLASS_CANCELLED))
    return tg_error_set(err, TG_EINVALID, "on cannot name cancelled: it was stopped on purpose");
  return 0;
}

int tg_retry_policy_validate(const struct tg_retry_policy *policy, struct tg_error *err) {
  if (policy->attempts_max < 1)
    return tg_error_set(err, TG_EINVALID, "attempts must be at least 1");
  if ((unsigned)policy->backoff >= TG_BACKOFF_COUNT)
    return tg_error_set(err, TG_EINVALID, "backoff is of no known kind");
  if ((unsigned)policy->jitter >= TG_JITTER_COUNT)
    return tg_error_set(err, TG_EINVALID, "jitter is of no known kind");
  if (policy->base_ms < 0) return tg_error_set(err, TG_EINVALID, "base must not be negative");
  if (policy->cap_ms < policy->base_ms)
    return tg_error_set(err, TG_EINVALID,
                        "cap (%" PRId64 "ms) must not be less than base (%" PRId64 "ms)",
                        policy->cap_ms, policy->base_ms);
  if (policy->total_ms < 0) return tg_error_set(err, TG_EINVALID, "total must not be negative");
  if (!(policy->factor >= 1) || isinf(policy->factor))
    return tg_error_set(err, TG_EINVALID, "factor must be a number of at least 1");
  return classes_validate(policy->classes, err);
}

// Gives the random number that belongs to a counter under a seed.
// Source: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014
static uint64_t random_at(uint64_t seed, uint64_t counter) {
  uint64_t x = seed + counter * UINT64_C(0x9e3779b97f4a7c15);
  x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
  return x ^ (x >> 31);
}

// Gives a number of low..high. The bias of the remainder is below 2^-20 for spans of up to 500
// years.
static int64_t random_between(int64_t low, int64_t high, uint64_t random) {
  return low + (int64_t)(random % ((uint64_t)(high - low) + 1));
}

static int64_t linear_delay(const struct tg_retry_policy *policy, uint32_t attempt) {
  return policy->base_ms > policy->cap_ms / attempt ? policy->cap_ms : policy->base_ms * attempt;
}

// Multiplies by squaring, so that the result is the same on every machine, as pow()'s need not be.
static double power(double x, uint32_t n) {
  double result = 1;
  for (; n; n >>= 1, x *= x)
    if (n & 1) result *= x;
  return result;
}

static int64_t exponential_delay(const struct tg_retry_policy *policy, uint32_t attempt) {
  if (!policy->base_ms) return 0; // 0 times infinity is no number
  double delay = (double)policy->base_ms * power(policy->factor, attempt - 1);
  return delay < (double)policy->cap_ms ? (int64_t)delay : policy->cap_ms;
}

static int64_t decorrelated_delay(const struct tg_retry_policy *policy, uint32_t attempt,
                                  uint64_t seed) {
  int64_t delay = policy->base_ms;
  for (uint32_t i = attempt > WALK_MAX ? attempt - WALK_MAX + 1 : 1;; i++) {
    int64_t high = delay > INT64_MAX / 3 ? INT64_MAX : delay * 3;
    delay = random_between(policy->base_ms, high, random_at(seed, i));
    if (delay > policy->cap_ms) delay = policy->cap_ms;
    if (i == attempt) return delay;
  }
}

static int64_t jitter_apply(enum tg_jitter jitter, int64_t delay, uint64_t random) {
  switch (jitter) {
  case TG_JITTER_FULL:
    return random_between(0, delay, random);
  case TG_JITTER_EQUAL:
    return random_between(delay / 2, delay, random);
  default:
    return delay;
  }
}

static int64_t delay_compute(const struct tg_retry_policy *policy, uint32_t attempt,
                             uint64_t seed) {
  int64_t delay = policy->base_ms;
  switch (policy->backoff) {
  case TG_BACKOFF_LINEAR:
    delay = linear_delay(policy, attempt);
    break;
  case TG_BACKOFF_EXPONENTIAL:
    delay = exponential_delay(policy, attempt);
    break;
  case TG_BACKOFF_DECORRELATED:
    return decorrelated_delay(policy, attempt, seed);
  default:
    break;
  }
  if (policy->jitter == TG_JITTER_NONE) return delay;
  return jitter_apply(policy->jitter, delay, random_at(seed, attempt));
}

static enum tg_retry_stop stop_reason(const struct tg_retry_policy *policy, uint32_t attempt,
                                      enum tg_class class) {
  if (!(policy->classes & TG_RETRY_CLASS_BIT(class))) return TG_RETRY_STOP_CLASS;
  return attempt >= policy->attempts_max ? TG_RETRY_STOP_ATTEMPTS : TG_RETRY_STOP_NOT;
}

int64_t tg_backoff_next(const struct tg_retry_policy *policy, uint32_t attempt, enum tg_class class,
                        uint64_t seed) {
  assert(attempt > 0);
  if (stop_reason(policy, attempt, class) != TG_RETRY_STOP_NOT) return -1;
  return delay_compute(policy, attempt, seed);
}

struct tg_retry_decision tg_retry_decide(const struct tg_retry_policy *policy, uint32_t attempt,
                                         enum tg_class class, uint64_t seed, int64_t retry_after_ms,
                                         int64_t elapsed_ms) {
  assert(attempt > 0);
  struct tg_retry_decision decision = {.stop = stop_reason(policy, attempt, class)};
  if (decision.stop != TG_RETRY_STOP_NOT) return decision;
  int64_t delay = delay_compute(policy, attempt, seed);
  if (delay < retry_after_ms) delay = retry_after_ms;
  if (policy->total_ms && (elapsed_ms > policy->total_ms || delay > policy->total_ms - elapsed_ms))
    decision.stop = TG_RETRY_STOP_TOTAL;
  else
    decision.delay_ms = delay;
  return decision;
}

const char *tg_backoff_word(enum tg_backoff backoff) {
  return (unsigned)backoff < TG_BACKOFF_COUNT ? backoff_words[backoff] : "unknown";
}

const char *tg_jitter_word(enum tg_jitter jitter) {
  return (unsigned)jitter < TG_JITTER_COUNT ? jitter_words[jitter] : "unknown";
}

const char *tg_retry_stop_word(enum tg_retry_stop stop) {
  return (unsigned)stop < TG_RETRY_STOP_COUNT ? stop_words[stop] : "unknown";
}

int tg_backoff_parse(const char *word) {
  for (int i = 0; i < TG_BACKOFF_COUNT; i++)
    if (strcmp(word, backoff_words[i]) == 0) return i;
  return -1;
}

int tg_jitter_parse(const char *word) {
  for (int i = 0; i < TG_JITTER_COUNT; i++)
    if (strcmp(word, jitter_words[i]) == 0) return i;
  return -1;
}
