// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/retry/random.h"
#include "retry/budget.h"

static struct tg_budget budget_of(const struct tg_budget_policy *policy, int64_t now) {
  assert_int_equal(tg_budget_policy_validate(policy, NULL), 0);
  struct tg_budget budget;
  tg_budget_init(&budget, policy, now);
  return budget;
}

// Takes until it is refused, and gives how many there were.
static int drain(const struct tg_budget_policy *policy, struct tg_budget *budget, int64_t now) {
  int taken = 0;
  while (tg_budget_try(policy, budget, now)) taken++;
  return taken;
}

static void begins_full_and_refuses_when_empty(void **state) {
  (void)state;
  const struct tg_budget_policy policy = {.ratio_milli = 200, .cap_milli = 3000};
  struct tg_budget budget = budget_of(&policy, 0);
  assert_int_equal(tg_budget_left(&policy, &budget, 0), 3);
  assert_int_equal(drain(&policy, &budget, 0), 3);
  assert_int_equal(tg_budget_left(&policy, &budget, 0), 0);
  assert_false(tg_budget_try(&policy, &budget, 1000000));
}

static void lets_retries_add_a_share_of_the_first_tries(void **state) {
  (void)state;
  const struct {
    int64_t ratio_milli;
    int retries;
  } cases[] = {{0, 0}, {1, 1}, {200, 200}, {333, 333}, {1000, 1000}, {2500, 2500}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const struct tg_budget_policy policy = {.ratio_milli = cases[i].ratio_milli, .cap_milli = 5000};
    struct tg_budget budget = budget_of(&policy, 0);
    drain(&policy, &budget, 0);
    int retries = 0;
    for (int first = 0; first < 1000; first++) {
      tg_budget_deposit(&policy, &budget, 0);
      retries += drain(&policy, &budget, 0);
    }
    assert_int_equal(retries, cases[i].retries);
  }
}

static void gives_the_reserve_as_time_passes(void **state) {
  (void)state;
  const struct tg_budget_policy policy = {.reserve_milli = 100, .cap_milli = 10000};
  struct tg_budget budget = budget_of(&policy, 5000);
  drain(&policy, &budget, 5000);
  assert_false(tg_budget_try(&policy, &budget, 14999));
  assert_true(tg_budget_try(&policy, &budget, 15000));
  assert_false(tg_budget_try(&policy, &budget, 15000));
  assert_int_equal(tg_budget_left(&policy, &budget, 45000), 3);
  assert_int_equal(drain(&policy, &budget, 45000), 3);
}

static void loses_nothing_to_rounding(void **state) {
  (void)state;
  const struct tg_budget_policy policy = {.reserve_milli = 1, .cap_milli = 1000};
  struct tg_budget budget = budget_of(&policy, 0);
  drain(&policy, &budget, 0);
  for (int64_t now = 1; now < 1000000; now++) assert_false(tg_budget_try(&policy, &budget, now));
  assert_true(tg_budget_try(&policy, &budget, 1000000));
}

static void holds_no_more_than_the_cap(void **state) {
  (void)state;
  const struct tg_budget_policy policy = {
      .ratio_milli = 1000, .reserve_milli = 1000, .cap_milli = 2000};
  struct tg_budget budget = budget_of(&policy, 0);
  for (int i = 0; i < 100; i++) tg_budget_deposit(&policy, &budget, i * 1000);
  assert_int_equal(drain(&policy, &budget, 100000), 2);
}

static void drops_what_is_above_a_cap_that_was_lowered(void **state) {
  (void)state;
  struct tg_budget_policy policy = {.cap_milli = 9000};
  struct tg_budget budget = budget_of(&policy, 0);
  policy.cap_milli = 2000;
  assert_int_equal(tg_budget_left(&policy, &budget, 0), 2);
  assert_int_equal(drain(&policy, &budget, 0), 2);
}

static void is_a_plain_counter_without_ratio_and_reserve(void **state) {
  (void)state;
  const struct tg_budget_policy policy = {.cap_milli = 20000};
  struct tg_budget budget = budget_of(&policy, 0);
  for (int i = 0; i < 20; i++) {
    tg_budget_deposit(&policy, &budget, i);
    assert_true(tg_budget_try(&policy, &budget, i));
  }
  assert_false(tg_budget_try(&policy, &budget, INT64_MAX));
  const struct tg_budget_policy none = {.cap_milli = 0};
  budget = budget_of(&none, 0);
  assert_false(tg_budget_try(&none, &budget, 0));
}

static void gives_nothing_when_the_clock_goes_back(void **state) {
  (void)state;
  const struct tg_budget_policy policy = {.reserve_milli = 1000, .cap_milli = 10000};
  struct tg_budget budget = budget_of(&policy, 1000000);
  drain(&policy, &budget, 1000000);
  assert_false(tg_budget_try(&policy, &budget, 0));
  assert_false(tg_budget_try(&policy, &budget, 999)); // and does not wait for the old time
  assert_true(tg_budget_try(&policy, &budget, 1000));
}

static void does_not_overflow(void **state) {
  (void)state;
  const struct tg_budget_policy policy = {.ratio_milli = TG_BUDGET_MILLI_MAX,
                                          .reserve_milli = TG_BUDGET_MILLI_MAX,
                                          .cap_milli = TG_BUDGET_MILLI_MAX};
  struct tg_budget budget = budget_of(&policy, INT64_MIN);
  const int64_t instants[] = {INT64_MAX, INT64_MIN, 0, INT64_MAX, -1, INT64_MAX, INT64_MIN};
  for (size_t i = 0; i < sizeof instants / sizeof *instants; i++) {
    tg_budget_deposit(&policy, &budget, instants[i]);
    assert_int_equal(tg_budget_left(&policy, &budget, instants[i]), 1000000);
    assert_true(tg_budget_try(&policy, &budget, instants[i]));
  }
  const struct tg_budget_policy slow = {.reserve_milli = 1, .cap_milli = TG_BUDGET_MILLI_MAX};
  budget = budget_of(&slow, INT64_MIN);
  budget.balance_micro = 0;
  assert_int_equal(tg_budget_left(&slow, &budget, INT64_MAX), 1000000);
}

// The same bucket, one millisecond after the other.
struct oracle {
  int64_t micro, now;
};

static void oracle_put(struct oracle *oracle, const struct tg_budget_policy *policy,
                       int64_t micro) {
  oracle->micro += micro;
  if (oracle->micro > policy->cap_milli * 1000) oracle->micro = policy->cap_milli * 1000;
}

static void oracle_wait(struct oracle *oracle, const struct tg_budget_policy *policy, int64_t now) {
  for (; oracle->now < now; oracle->now++) oracle_put(oracle, policy, policy->reserve_milli);
}

static void agrees_with_a_bucket_that_is_filled_each_millisecond(void **state) {
  (void)state;
  uint64_t seed = 7;
  for (int round = 0; round < 300; round++) {
    const struct tg_budget_policy policy = {.ratio_milli = random_below(&seed, 1500),
                                            .reserve_milli = random_below(&seed, 3000),
                                            .cap_milli = 1000 + random_below(&seed, 9000)};
    struct tg_budget budget = budget_of(&policy, 0);
    struct oracle oracle = {policy.cap_milli * 1000, 0};
    int64_t now = 0;
    for (int i = 0; i < 1000; i++) {
      now += random_below(&seed, 2) * random_below(&seed, 300);
      oracle_wait(&oracle, &policy, now);
      if (random_below(&seed, 2)) {
        tg_budget_deposit(&policy, &budget, now);
        oracle_put(&oracle, &policy, policy.ratio_milli * 1000);
      } else {
        bool may = oracle.micro >= 1000000;
        if (may) oracle.micro -= 1000000;
        assert_int_equal(tg_budget_try(&policy, &budget, now), may);
      }
      assert_int_equal(tg_budget_left(&policy, &budget, now), oracle.micro / 1000000);
    }
  }
}

// retries <= cap + ratio * first tries + reserve * seconds, between any two instants: what counts
// against it may never rise by more than the cap above the lowest it was.
static void keeps_its_promise_over_every_stretch_of_time(void **state) {
  (void)state;
  uint64_t seed = 11;
  const struct tg_budget_policy policy = {
      .ratio_milli = 200, .reserve_milli = 50, .cap_milli = 10000};
  struct tg_budget budget = budget_of(&policy, 0);
  int64_t now = 0, used = 0, lowest = 0, highest = 0;
  for (int i = 0; i < 1000000; i++) {
    int64_t passed = random_below(&seed, 20);
    bool is_storm = i / 5000 % 2;
    now += passed;
    used -= passed * policy.reserve_milli;
    if (!is_storm || random_below(&seed, 4) == 0) {
      tg_budget_deposit(&policy, &budget, now);
      used -= policy.ratio_milli * 1000;
    } else if (tg_budget_try(&policy, &budget, now)) {
      used += 1000000;
    }
    if (used < lowest) lowest = used;
    if (used - lowest > highest) highest = used - lowest;
  }
  assert_true(highest <= policy.cap_milli * 1000);
  assert_true(highest > policy.cap_milli * 900); // the storms did use it up
}

static void favours_nobody_who_asks_in_any_order(void **state) {
  (void)state;
  enum { CALLERS = 5, ROUNDS = 50000 };
  const struct tg_budget_policy policy = {.ratio_milli = 200, .cap_milli = 1000};
  struct tg_budget budget = budget_of(&policy, 0);
  uint64_t seed = 3;
  int got[CALLERS] = {0};
  for (int i = 0; i < ROUNDS; i++) {
    tg_budget_deposit(&policy, &budget, 0);
    got[random_below(&seed, CALLERS)] += tg_budget_try(&policy, &budget, 0);
  }
  for (int i = 0; i < CALLERS; i++) // a fifth of a fifth of the rounds each, give or take 10 %
    assert_in_range(got[i], ROUNDS / 25 * 9 / 10, ROUNDS / 25 * 11 / 10);
}

static void comes_back_from_its_text(void **state) {
  (void)state;
  const struct tg_budget cases[] = {
      {0, 0}, {9800000, 1790000000000}, {1, INT64_MIN}, {INT64_C(1000000000000), INT64_MAX}};
  char text[TG_BUDGET_TEXT_MAX];
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    size_t len = tg_budget_encode(&cases[i], text);
    struct tg_budget read;
    assert_int_equal(tg_budget_decode(&read, text, len, NULL), 0);
    assert_memory_equal(&read, &cases[i], sizeof read);
  }
  tg_budget_encode(&cases[1], text);
  assert_string_equal(text, "budget1 9800000 1790000000000"); // fixed: stores hold it
}

static void refuses_a_malformed_text_and_changes_nothing(void **state) {
  (void)state;
  static const struct {
    const char *text, *message;
  } cases[] = {
      {"budget2 0 0", "the state does not begin with 'budget1'"},
      {"budget1 0", "budget1: number 2 of 2 is missing or malformed"},
      {"budget1 -1 0", "budget1: the balance is out of range"},
      {"budget1 1000000000001 0", "budget1: the balance is out of range"},
      {"budget1 0 0 0", "budget1: there is more after the last of 2 numbers"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct tg_budget budget = {5, 6};
    struct tg_error err;
    const char *text = cases[i].text;
    assert_int_equal(tg_budget_decode(&budget, text, strlen(text), &err), TG_EINVALID);
    assert_string_equal(err.text, cases[i].message);
    assert_int_equal(budget.balance_micro, 5);
    assert_int_equal(budget.refilled_at, 6);
  }
}

static void has_defaults_that_are_valid(void **state) {
  (void)state;
  struct tg_budget_policy policy;
  tg_budget_policy_init(&policy);
  assert_int_equal(tg_budget_policy_validate(&policy, NULL), 0);
}

static void refuses_what_makes_no_sense_and_names_the_field(void **state) {
  (void)state;
  const struct {
    struct tg_budget_policy policy;
    const char *message;
  } cases[] = {
      {{-1, 0, 1000}, "ratio must be between 0 and a million"},
      {{TG_BUDGET_MILLI_MAX + 1, 0, 1000}, "ratio must be between 0 and a million"},
      {{0, -1, 1000}, "reserve must be between 0 and a million a second"},
      {{0, INT64_MAX, 1000}, "reserve must be between 0 and a million a second"},
      {{0, 0, -1}, "cap must be between 0 and a million"},
      {{0, 0, INT64_MAX}, "cap must be between 0 and a million"},
      {{200, 0, 999}, "cap must be 0 (no retries) or at least 1"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct tg_error err;
    assert_int_equal(tg_budget_policy_validate(&cases[i].policy, &err), TG_EINVALID);
    assert_string_equal(err.text, cases[i].message);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(begins_full_and_refuses_when_empty),
      cmocka_unit_test(lets_retries_add_a_share_of_the_first_tries),
      cmocka_unit_test(gives_the_reserve_as_time_passes),
      cmocka_unit_test(loses_nothing_to_rounding),
      cmocka_unit_test(holds_no_more_than_the_cap),
      cmocka_unit_test(drops_what_is_above_a_cap_that_was_lowered),
      cmocka_unit_test(is_a_plain_counter_without_ratio_and_reserve),
      cmocka_unit_test(gives_nothing_when_the_clock_goes_back),
      cmocka_unit_test(does_not_overflow),
      cmocka_unit_test(agrees_with_a_bucket_that_is_filled_each_millisecond),
      cmocka_unit_test(keeps_its_promise_over_every_stretch_of_time),
      cmocka_unit_test(favours_nobody_who_asks_in_any_order),
      cmocka_unit_test(comes_back_from_its_text),
      cmocka_unit_test(refuses_a_malformed_text_and_changes_nothing),
      cmocka_unit_test(has_defaults_that_are_valid),
      cmocka_unit_test(refuses_what_makes_no_sense_and_names_the_field),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
