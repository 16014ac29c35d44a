// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "retry/policy.h"

static struct tg_retry_policy policy_of(enum tg_backoff backoff, enum tg_jitter jitter) {
  struct tg_retry_policy policy;
  tg_retry_policy_init(&policy);
  policy.attempts_max = UINT32_MAX;
  policy.backoff = backoff;
  policy.jitter = jitter;
  policy.base_ms = 100;
  policy.cap_ms = 1000;
  return policy;
}

static int64_t next(const struct tg_retry_policy *policy, uint32_t attempt, uint64_t seed) {
  return tg_backoff_next(policy, attempt, TG_CLASS_TRANSIENT, seed);
}

static void gives_the_exact_series_without_jitter(void **state) {
  (void)state;
  const struct {
    enum tg_backoff backoff;
    double factor;
    int64_t delays[6];
  } cases[] = {
      {TG_BACKOFF_CONSTANT, 2, {100, 100, 100, 100, 100, 100}},
      {TG_BACKOFF_LINEAR, 2, {100, 200, 300, 400, 500, 600}},
      {TG_BACKOFF_EXPONENTIAL, 2, {100, 200, 400, 800, 1000, 1000}},
      {TG_BACKOFF_EXPONENTIAL, 1.5, {100, 150, 225, 337, 506, 759}},
      {TG_BACKOFF_EXPONENTIAL, 1, {100, 100, 100, 100, 100, 100}},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct tg_retry_policy policy = policy_of(cases[i].backoff, TG_JITTER_NONE);
    policy.factor = cases[i].factor;
    for (uint32_t n = 1; n <= 6; n++) assert_int_equal(next(&policy, n, n), cases[i].delays[n - 1]);
  }
}

static void stops_after_the_last_attempt(void **state) {
  (void)state;
  struct tg_retry_policy policy = policy_of(TG_BACKOFF_CONSTANT, TG_JITTER_NONE);
  policy.attempts_max = 3;
  assert_int_equal(next(&policy, 2, 0), 100);
  assert_true(next(&policy, 3, 0) < 0);
  assert_true(next(&policy, 4, 0) < 0);
  policy.attempts_max = 1;
  assert_true(next(&policy, 1, 0) < 0);
}

static void stops_for_a_class_that_is_not_listed(void **state) {
  (void)state;
  struct tg_retry_policy policy = policy_of(TG_BACKOFF_CONSTANT, TG_JITTER_NONE);
  for (int class = 0; class < TG_CLASS_COUNT; class ++) {
    bool is_listed = class == TG_CLASS_TRANSIENT || class == TG_CLASS_THROTTLED;
    assert_int_equal(tg_backoff_next(&policy, 1, (enum tg_class) class, 0) >= 0, is_listed);
  }
}

// Draws many delays of attempt 3 (800 ms before jitter) and checks bounds, mean and spread.
static void check_draws(enum tg_jitter jitter, int64_t low, int64_t high) {
  enum { DRAWS = 20000, BINS = 8 };
  struct tg_retry_policy policy = policy_of(TG_BACKOFF_EXPONENTIAL, jitter);
  policy.base_ms = 200;
  int bins[BINS] = {0};
  double sum = 0;
  for (uint64_t seed = 0; seed < DRAWS; seed++) {
    int64_t delay = next(&policy, 3, seed);
    assert_in_range(delay, low, high);
    bins[(delay - low) * BINS / (high - low + 1)]++;
    sum += (double)delay;
  }
  assert_true(fabs(sum / DRAWS - (double)(low + high) / 2) < (double)(high - low) / 100);
  for (int i = 0; i < BINS; i++)
    assert_in_range(bins[i], DRAWS / BINS * 9 / 10, DRAWS / BINS * 11 / 10);
}

static void spreads_full_jitter_evenly_from_zero_to_the_delay(void **state) {
  (void)state;
  check_draws(TG_JITTER_FULL, 0, 800);
}

static void spreads_equal_jitter_evenly_over_the_upper_half(void **state) {
  (void)state;
  check_draws(TG_JITTER_EQUAL, 400, 800);
}

static void keeps_decorrelated_delays_between_base_and_thrice_the_one_before(void **state) {
  (void)state;
  struct tg_retry_policy policy = policy_of(TG_BACKOFF_DECORRELATED, TG_JITTER_NONE);
  policy.cap_ms = 60000;
  bool has_grown = false;
  for (uint64_t seed = 0; seed < 500; seed++) {
    int64_t before = policy.base_ms;
    for (uint32_t n = 1; n <= 50; n++) {
      int64_t delay = next(&policy, n, seed);
      assert_in_range(delay, policy.base_ms,
                      before * 3 < policy.cap_ms ? before * 3 : policy.cap_ms);
      has_grown |= delay == policy.cap_ms;
      before = delay;
    }
  }
  assert_true(has_grown);
}

static void gives_the_same_delay_for_the_same_seed_and_attempt(void **state) {
  (void)state;
  for (int backoff = 0; backoff < TG_BACKOFF_COUNT; backoff++) {
    struct tg_retry_policy policy = policy_of((enum tg_backoff)backoff, TG_JITTER_FULL);
    int differing = 0;
    for (uint32_t n = 1; n < 300; n++) {
      assert_int_equal(next(&policy, n, 42), next(&policy, n, 42));
      differing += next(&policy, n, 42) != next(&policy, n, 43);
    }
    assert_true(differing > 50);
  }
  // Fixed for ever: a journal that was written by an older build must replay.
  struct tg_retry_policy policy = policy_of(TG_BACKOFF_EXPONENTIAL, TG_JITTER_FULL);
  policy.cap_ms = 1000000000;
  assert_int_equal(next(&policy, 1, 42), 23);
  assert_int_equal(next(&policy, 20, 42), 41033274);
}

static void does_not_overflow(void **state) {
  (void)state;
  for (int backoff = 0; backoff < TG_BACKOFF_COUNT; backoff++)
    for (int jitter = 0; jitter < TG_JITTER_COUNT; jitter++) {
      struct tg_retry_policy policy = policy_of((enum tg_backoff)backoff, (enum tg_jitter)jitter);
      for (int huge = 0; huge < 4; huge++) {
        policy.base_ms = huge & 1 ? INT64_MAX : 1;
        policy.factor = huge & 2 ? 1e300 : 1.0000001;
        policy.cap_ms = INT64_MAX;
        assert_int_equal(tg_retry_policy_validate(&policy, NULL), 0);
        assert_true(next(&policy, 1, UINT64_MAX) >= 0);
        assert_true(next(&policy, 4000000000, UINT64_MAX) >= 0);
      }
      policy.base_ms = policy.cap_ms = 0;
      policy.factor = 1e300;
      assert_int_equal(next(&policy, 4000000000, 1), 0);
    }
}

static void waits_at_least_what_the_remote_asked_for(void **state) {
  (void)state;
  struct tg_retry_policy policy = policy_of(TG_BACKOFF_CONSTANT, TG_JITTER_NONE);
  struct tg_retry_decision decision = tg_retry_decide(&policy, 1, TG_CLASS_THROTTLED, 0, 5000, 0);
  assert_int_equal(decision.stop, TG_RETRY_STOP_NOT);
  assert_int_equal(decision.delay_ms, 5000);
  decision = tg_retry_decide(&policy, 1, TG_CLASS_THROTTLED, 0, 50, 0);
  assert_int_equal(decision.delay_ms, 100);
}

static void stops_before_a_wait_that_would_pass_the_total_time(void **state) {
  (void)state;
  struct tg_retry_policy policy = policy_of(TG_BACKOFF_CONSTANT, TG_JITTER_NONE);
  policy.total_ms = 1000;
  const enum tg_class class = TG_CLASS_TRANSIENT;
  assert_int_equal(tg_retry_decide(&policy, 1, class, 0, 0, 900).stop, TG_RETRY_STOP_NOT);
  assert_int_equal(tg_retry_decide(&policy, 1, class, 0, 0, 901).stop, TG_RETRY_STOP_TOTAL);
  assert_int_equal(tg_retry_decide(&policy, 1, class, 0, 1001, 0).stop, TG_RETRY_STOP_TOTAL);
  assert_int_equal(tg_retry_decide(&policy, 1, class, 0, 0, INT64_MAX).stop, TG_RETRY_STOP_TOTAL);
  policy.total_ms = 0;
  assert_int_equal(tg_retry_decide(&policy, 1, class, 0, 0, INT64_MAX).stop, TG_RETRY_STOP_NOT);
}

static void says_why_it_stops(void **state) {
  (void)state;
  struct tg_retry_policy policy = policy_of(TG_BACKOFF_CONSTANT, TG_JITTER_NONE);
  policy.attempts_max = 2;
  assert_int_equal(tg_retry_decide(&policy, 2, TG_CLASS_TRANSIENT, 0, 0, 0).stop,
                   TG_RETRY_STOP_ATTEMPTS);
  assert_int_equal(tg_retry_decide(&policy, 2, TG_CLASS_PERMANENT, 0, 0, 0).stop,
                   TG_RETRY_STOP_CLASS);
  assert_string_equal(tg_retry_stop_word(TG_RETRY_STOP_TOTAL), "total");
}

static void refuses_what_makes_no_sense_and_names_the_field(void **state) {
  (void)state;
  const struct tg_retry_policy good = policy_of(TG_BACKOFF_LINEAR, TG_JITTER_EQUAL);
  struct tg_retry_policy bad[8];
  for (int i = 0; i < 8; i++) bad[i] = good;
  bad[0].attempts_max = 0;
  bad[1].base_ms = -1;
  bad[2].cap_ms = 99;
  bad[3].total_ms = -1;
  bad[4].factor = 0.5;
  bad[5].factor = (double)NAN;
  bad[6].classes = 0;
  bad[7].classes |= TG_RETRY_CLASS_BIT(TG_CLASS_CANCELLED);
  const char *const texts[] = {
      "attempts must be at least 1",
      "base must not be negative",
      "cap (99ms) must not be less than base (100ms)",
      "total must not be negative",
      "factor must be a number of at least 1",
      "factor must be a number of at least 1",
      "on must name at least one class",
      "on cannot name cancelled: it was stopped on purpose",
  };
  assert_int_equal(tg_retry_policy_validate(&good, NULL), 0);
  for (int i = 0; i < 8; i++) {
    struct tg_error err;
    assert_int_equal(tg_retry_policy_validate(&bad[i], &err), TG_EINVALID);
    assert_string_equal(err.text, texts[i]);
  }
}

static void knows_its_words(void **state) {
  (void)state;
  assert_int_equal(tg_backoff_parse("decorrelated"), TG_BACKOFF_DECORRELATED);
  assert_int_equal(tg_backoff_parse("exponental"), -1);
  assert_int_equal(tg_jitter_parse("equal"), TG_JITTER_EQUAL);
  assert_int_equal(tg_jitter_parse(""), -1);
  assert_string_equal(tg_backoff_word(TG_BACKOFF_LINEAR), "linear");
  assert_string_equal(tg_jitter_word(TG_JITTER_COUNT), "unknown");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(gives_the_exact_series_without_jitter),
      cmocka_unit_test(stops_after_the_last_attempt),
      cmocka_unit_test(stops_for_a_class_that_is_not_listed),
      cmocka_unit_test(spreads_full_jitter_evenly_from_zero_to_the_delay),
      cmocka_unit_test(spreads_equal_jitter_evenly_over_the_upper_half),
      cmocka_unit_test(keeps_decorrelated_delays_between_base_and_thrice_the_one_before),
      cmocka_unit_test(gives_the_same_delay_for_the_same_seed_and_attempt),
      cmocka_unit_test(does_not_overflow),
      cmocka_unit_test(waits_at_least_what_the_remote_asked_for),
      cmocka_unit_test(stops_before_a_wait_that_would_pass_the_total_time),
      cmocka_unit_test(says_why_it_stops),
      cmocka_unit_test(refuses_what_makes_no_sense_and_names_the_field),
      cmocka_unit_test(knows_its_words),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
