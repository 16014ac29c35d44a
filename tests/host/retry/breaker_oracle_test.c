// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "host/retry/breaker_rig.h"
#include "host/retry/random.h"

// The oracle of these tests remembers every call, and looks through all of them each time.

enum { CALLS = 1200 };

struct oracle_call {
  uint64_t ticket; // what the breaker gave
  int period;      // of the breaker's life: one between two transitions
  bool is_probe, is_over, is_given_up;
  int64_t until;
  int64_t reported_at;
  bool is_failure, counts;
};

struct oracle {
  const struct tg_breaker_policy *policy;
  enum tg_breaker_phase phase;
  int period, call_count;
  int64_t retry_at;
  struct oracle_call calls[CALLS];
};

static void oracle_enter(struct oracle *oracle, enum tg_breaker_phase phase, int64_t retry_at) {
  oracle->phase = phase;
  oracle->period++;
  oracle->retry_at = retry_at;
}

static bool is_of_period(const struct oracle *oracle, const struct oracle_call *call) {
  return call->period == oracle->period;
}

// Counts the probes that hold a place: those out, or also those that were late.
static uint32_t oracle_places(const struct oracle *oracle, int64_t now, bool is_late_one) {
  uint32_t places = 0;
  for (int i = 0; i < oracle->call_count; i++) {
    const struct oracle_call *call = &oracle->calls[i];
    if (!is_of_period(oracle, call) || call->is_over || call->is_given_up) continue;
    places += is_late_one || call->until > now;
  }
  return places;
}

static int64_t oracle_free_at(const struct oracle *oracle, int64_t now) {
  int64_t free_at = INT64_MAX;
  for (int i = 0; i < oracle->call_count; i++) {
    const struct oracle_call *call = &oracle->calls[i];
    if (is_of_period(oracle, call) && !call->is_over && call->until > now && call->until < free_at)
      free_at = call->until;
  }
  return free_at;
}

static void oracle_give_up_oldest(struct oracle *oracle) {
  for (int i = 0; i < oracle->call_count; i++) {
    struct oracle_call *call = &oracle->calls[i];
    if (!is_of_period(oracle, call) || call->is_over || call->is_given_up) continue;
    call->is_given_up = true;
    return;
  }
}

// Gives the verdict and, if refused, when to come back.
static enum tg_breaker_verdict oracle_ask(struct oracle *oracle, int64_t now, int64_t *retry_at) {
  if (oracle->phase == TG_BREAKER_OPEN && now >= oracle->retry_at)
    oracle_enter(oracle, TG_BREAKER_HALF_OPEN, 0);
  if (oracle->phase == TG_BREAKER_CLOSED) return TG_BREAKER_ALLOW;
  *retry_at = oracle->retry_at;
  if (oracle->phase == TG_BREAKER_OPEN) return TG_BREAKER_REFUSE;
  *retry_at = oracle_free_at(oracle, now);
  if (oracle_places(oracle, now, false) >= oracle->policy->probes_max) return TG_BREAKER_REFUSE;
  if (oracle_places(oracle, now, true) == TG_BREAKER_PROBES_MAX) oracle_give_up_oldest(oracle);
  return TG_BREAKER_PROBE;
}

static struct oracle_call *oracle_begin(struct oracle *oracle, enum tg_breaker_verdict verdict,
                                        uint64_t ticket, int64_t now) {
  struct oracle_call *call = &oracle->calls[oracle->call_count++];
  *call = (struct oracle_call){.ticket = ticket,
                               .period = oracle->period,
                               .is_probe = verdict == TG_BREAKER_PROBE,
                               .until = now + oracle->policy->lease_ms};
  return call;
}

static bool oracle_must_open(const struct oracle *oracle, const int order[], int order_count,
                             int64_t now) {
  const struct tg_breaker_policy *policy = oracle->policy;
  const int64_t width = policy->window_ms / TG_BREAKER_BUCKETS;
  uint32_t row = 0, calls = 0, failures = 0;
  for (int i = 0; i < order_count; i++) {
    const struct oracle_call *call = &oracle->calls[order[i]];
    if (!is_of_period(oracle, call) || !call->counts) continue;
    row = call->is_failure ? row + 1 : 0;
    if (now / width - call->reported_at / width >= TG_BREAKER_BUCKETS) continue;
    calls++;
    failures += call->is_failure;
  }
  if (policy->failures_max && row >= policy->failures_max) return true;
  return policy->share_permille && calls >= policy->calls_min &&
         failures * 1000 >= calls * policy->share_permille;
}

// Notes a report; `order` lists the calls in the order in which they were reported.
static void oracle_report(struct oracle *oracle, const int order[], int order_count, int64_t now,
                          enum tg_class class, int64_t asked_ms) {
  const struct tg_breaker_policy *policy = oracle->policy;
  struct oracle_call *call = &oracle->calls[order[order_count - 1]];
  call->is_over = true;
  call->reported_at = now;
  call->is_failure =
      class == TG_CLASS_TRANSIENT || class == TG_CLASS_THROTTLED || class == TG_CLASS_LOST;
  call->counts = call->is_failure || class == TG_CLASS_NONE;
  if (class == TG_CLASS_THROTTLED && asked_ms) {
    if (asked_ms > policy->retry_after_max_ms) asked_ms = policy->retry_after_max_ms;
    if (oracle->phase != TG_BREAKER_OPEN || now + asked_ms > oracle->retry_at)
      oracle_enter(oracle, TG_BREAKER_OPEN, now + asked_ms);
    return;
  }
  if (!is_of_period(oracle, call) || call->is_given_up || !call->counts) return;
  if (oracle->phase == TG_BREAKER_CLOSED) {
    if (call->is_failure && oracle_must_open(oracle, order, order_count, now))
      oracle_enter(oracle, TG_BREAKER_OPEN, now + policy->open_ms);
    return;
  }
  uint32_t successes = 0;
  for (int i = 0; i < order_count; i++) {
    const struct oracle_call *other = &oracle->calls[order[i]];
    successes +=
        is_of_period(oracle, other) && other->counts && !other->is_failure && !other->is_given_up;
  }
  if (call->is_failure)
    oracle_enter(oracle, TG_BREAKER_OPEN, now + policy->open_ms);
  else if (successes >= policy->successes_to_close)
    oracle_enter(oracle, TG_BREAKER_CLOSED, 0);
}

// Lets the breaker and the oracle live through the same calls.
static void compare(const struct tg_breaker_policy *policy, uint64_t *seed, int seen[]) {
  static struct oracle oracle;
  static int order[CALLS];
  struct tg_breaker breaker;
  tg_breaker_init(&breaker);
  oracle = (struct oracle){.policy = policy};
  int order_count = 0;
  int64_t now = 0;
  while (oracle.call_count < CALLS && now < 1000000) {
    now += random_below(seed, 3) * random_below(seed, 40);
    int64_t ill_percent = now / 2000 % 2 ? 20 : 90;
    int which = oracle.call_count ? (int)random_below(seed, oracle.call_count) : 0;
    if (oracle.call_count > 40 && random_below(seed, 2)) which = oracle.call_count - 1 - which % 40;
    if (oracle.call_count && !oracle.calls[which].is_over && random_below(seed, 3)) {
      enum tg_class class = rig_random_class(seed, ill_percent);
      int64_t asked_ms = random_below(seed, 4) ? 0 : random_below(seed, 400);
      order[order_count++] = which;
      tg_breaker_report(policy, &breaker, now, oracle.calls[which].ticket, class, asked_ms);
      oracle_report(&oracle, order, order_count, now, class, asked_ms);
    } else {
      int64_t retry_at = 0;
      enum tg_breaker_verdict verdict = oracle_ask(&oracle, now, &retry_at);
      struct tg_breaker_answer answer = tg_breaker_ask(policy, &breaker, now);
      assert_int_equal(answer.verdict, verdict);
      if (verdict == TG_BREAKER_REFUSE)
        assert_int_equal(answer.retry_at, retry_at);
      else
        oracle_begin(&oracle, verdict, answer.ticket, now);
      seen[verdict]++;
    }
    assert_int_equal(breaker.phase, oracle.phase);
  }
}

static void agrees_with_an_oracle_that_remembers_every_call(void **state) {
  (void)state;
  uint64_t seed = 2026;
  int seen[TG_BREAKER_VERDICT_COUNT] = {0};
  for (int round = 0; round < 400; round++) {
    const struct tg_breaker_policy policy = rig_random_policy(&seed);
    assert_int_equal(tg_breaker_policy_validate(&policy, NULL), 0);
    compare(&policy, &seed, seen);
  }
  for (int i = 0; i < TG_BREAKER_VERDICT_COUNT; i++) assert_true(seen[i] > 10000);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(agrees_with_an_oracle_that_remembers_every_call),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
