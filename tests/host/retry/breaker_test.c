// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "host/retry/breaker_rig.h"

// --- Transitions ---

// What the last of enough reports of a class makes of each phase: the third call of a closed
// breaker, the second probe of a half open one.
static void goes_where_the_class_of_a_report_leads(void **state) {
  (void)state;
  static const struct {
    enum tg_class class;
    enum tg_breaker_phase from_closed, from_half_open;
  } table[] = {
      {TG_CLASS_NONE, TG_BREAKER_CLOSED, TG_BREAKER_CLOSED},
      {TG_CLASS_TRANSIENT, TG_BREAKER_OPEN, TG_BREAKER_OPEN},
      {TG_CLASS_THROTTLED, TG_BREAKER_OPEN, TG_BREAKER_OPEN},
      {TG_CLASS_PERMANENT, TG_BREAKER_CLOSED, TG_BREAKER_HALF_OPEN},
      {TG_CLASS_CONTRACT, TG_BREAKER_CLOSED, TG_BREAKER_HALF_OPEN},
      {TG_CLASS_CANCELLED, TG_BREAKER_CLOSED, TG_BREAKER_HALF_OPEN},
      {TG_CLASS_LOST, TG_BREAKER_OPEN, TG_BREAKER_OPEN},
      {TG_CLASS_BUG, TG_BREAKER_CLOSED, TG_BREAKER_HALF_OPEN},
  };
  assert_int_equal(sizeof table / sizeof *table, TG_CLASS_COUNT);
  const struct tg_breaker_policy policy = rig_policy();
  for (size_t i = 0; i < TG_CLASS_COUNT; i++) {
    struct tg_breaker breaker = rig_breaker(&policy, TG_BREAKER_CLOSED);
    rig_call(&policy, &breaker, 0, 2, table[i].class);
    rig_expect(&breaker, TG_BREAKER_CLOSED);
    rig_call(&policy, &breaker, 0, 1, table[i].class);
    rig_expect(&breaker, table[i].from_closed);

    breaker = rig_breaker(&policy, TG_BREAKER_HALF_OPEN);
    rig_call(&policy, &breaker, OPEN_MS, 1, TG_CLASS_NONE);
    rig_expect(&breaker, TG_BREAKER_HALF_OPEN);
    rig_call(&policy, &breaker, OPEN_MS, 1, table[i].class);
    rig_expect(&breaker, table[i].from_half_open);
  }
}

static void ignores_a_report_without_a_ticket_of_its_phase(void **state) {
  (void)state;
  const struct tg_breaker_policy policy = rig_policy();
  for (int phase = 0; phase < TG_BREAKER_PHASE_COUNT; phase++)
    for (int class = 0; class < TG_CLASS_COUNT; class ++) {
      struct tg_breaker breaker = rig_breaker(&policy, (enum tg_breaker_phase)phase);
      if (phase == TG_BREAKER_HALF_OPEN) rig_ask(&policy, &breaker, OPEN_MS, TG_BREAKER_PROBE);
      const struct tg_breaker before = breaker;
      const uint64_t tickets[] = {0, breaker.serial - 1, breaker.serial + 1, UINT64_MAX};
      for (size_t i = 0; i < 4; i++)
        for (int times = 0; times < 5; times++)
          tg_breaker_report(&policy, &breaker, OPEN_MS, tickets[i], (enum tg_class) class, 0);
      assert_memory_equal(&breaker, &before, sizeof breaker);
    }
}

static void opens_only_for_failures_in_a_row(void **state) {
  (void)state;
  const struct tg_breaker_policy policy = rig_policy();
  struct tg_breaker breaker = rig_breaker(&policy, TG_BREAKER_CLOSED);
  for (int i = 0; i < 100; i++) {
    rig_call(&policy, &breaker, i, 2, TG_CLASS_LOST);
    rig_call(&policy, &breaker, i, 1, TG_CLASS_NONE);
  }
  rig_expect(&breaker, TG_BREAKER_CLOSED);
  rig_call(&policy, &breaker, 100, 1, TG_CLASS_LOST);
  rig_call(&policy, &breaker, 100, 5,
           TG_CLASS_PERMANENT); // neither breaks the row nor makes it longer
  rig_call(&policy, &breaker, 100, 1, TG_CLASS_TRANSIENT);
  rig_expect(&breaker, TG_BREAKER_CLOSED);
  rig_call(&policy, &breaker, 100, 1, TG_CLASS_THROTTLED);
  rig_expect(&breaker, TG_BREAKER_OPEN);
}

static void lets_nothing_through_while_it_is_open(void **state) {
  (void)state;
  const struct tg_breaker_policy policy = rig_policy();
  struct tg_breaker breaker = rig_breaker(&policy, TG_BREAKER_OPEN);
  for (int64_t now = 0; now < OPEN_MS; now++) rig_ask_refused(&policy, &breaker, now, OPEN_MS);
  rig_ask(&policy, &breaker, OPEN_MS, TG_BREAKER_PROBE);
  rig_expect(&breaker, TG_BREAKER_HALF_OPEN);
}

static void lets_a_few_probes_through_at_a_time(void **state) {
  (void)state;
  const struct tg_breaker_policy policy = rig_policy();
  struct tg_breaker breaker = rig_breaker(&policy, TG_BREAKER_HALF_OPEN);
  uint64_t first = rig_ask(&policy, &breaker, 2000, TG_BREAKER_PROBE);
  uint64_t second = rig_ask(&policy, &breaker, 2100, TG_BREAKER_PROBE);
  assert_int_not_equal(first, second);
  rig_ask_refused(&policy, &breaker, 2100, 2000 + LEASE_MS);
  tg_breaker_report(&policy, &breaker, 2150, first, TG_CLASS_NONE, 0);
  rig_ask(&policy, &breaker, 2150, TG_BREAKER_PROBE);
  rig_ask_refused(&policy, &breaker, 2150, 2100 + LEASE_MS);
  tg_breaker_report(&policy, &breaker, 2200, second, TG_CLASS_NONE, 0);
  rig_expect(&breaker, TG_BREAKER_CLOSED);
  rig_ask(&policy, &breaker, 2200, TG_BREAKER_ALLOW);
}

static void opens_again_for_the_first_probe_that_fails(void **state) {
  (void)state;
  const struct tg_breaker_policy policy = rig_policy();
  struct tg_breaker breaker = rig_breaker(&policy, TG_BREAKER_HALF_OPEN);
  uint64_t bad = rig_ask(&policy, &breaker, 2000, TG_BREAKER_PROBE);
  uint64_t good = rig_ask(&policy, &breaker, 2000, TG_BREAKER_PROBE);
  tg_breaker_report(&policy, &breaker, 2100, bad, TG_CLASS_TRANSIENT, 0);
  rig_ask_refused(&policy, &breaker, 2100, 2100 + OPEN_MS);
  tg_breaker_report(&policy, &breaker, 2100, good, TG_CLASS_NONE, 0);
  rig_expect(&breaker, TG_BREAKER_OPEN);
}

static void begins_anew_after_it_closed(void **state) {
  (void)state;
  struct tg_breaker_policy policy = rig_policy();
  policy.share_permille = 500;
  struct tg_breaker breaker = rig_breaker(&policy, TG_BREAKER_HALF_OPEN);
  rig_call(&policy, &breaker, OPEN_MS, 2, TG_CLASS_NONE);
  rig_expect(&breaker, TG_BREAKER_CLOSED);
  rig_call(&policy, &breaker, OPEN_MS, 2, TG_CLASS_TRANSIENT);
  rig_expect(&breaker, TG_BREAKER_CLOSED); // the three failures before are forgotten
}

// --- Tickets and leases ---

static void does_not_count_what_was_sent_before_it_opened(void **state) {
  (void)state;
  const struct tg_breaker_policy policy = rig_policy();
  struct tg_breaker breaker = rig_breaker(&policy, TG_BREAKER_CLOSED);
  uint64_t old = rig_ask(&policy, &breaker, 0, TG_BREAKER_ALLOW);
  rig_call(&policy, &breaker, 0, 3, TG_CLASS_TRANSIENT);
  tg_breaker_report(&policy, &breaker, 10, old, TG_CLASS_NONE, 0);
  rig_expect(&breaker, TG_BREAKER_OPEN);
  uint64_t probe = rig_ask(&policy, &breaker, OPEN_MS, TG_BREAKER_PROBE);
  for (int i = 0; i < 5; i++) tg_breaker_report(&policy, &breaker, OPEN_MS, old, TG_CLASS_NONE, 0);
  rig_expect(&breaker, TG_BREAKER_HALF_OPEN);
  tg_breaker_report(&policy, &breaker, OPEN_MS, old, TG_CLASS_TRANSIENT, 0);
  rig_expect(&breaker, TG_BREAKER_HALF_OPEN);
  tg_breaker_report(&policy, &breaker, OPEN_MS, probe, TG_CLASS_NONE, 0);
  rig_call(&policy, &breaker, OPEN_MS, 1, TG_CLASS_NONE);
  rig_expect(&breaker, TG_BREAKER_CLOSED);
  for (int i = 0; i < 5; i++)
    tg_breaker_report(&policy, &breaker, OPEN_MS, old, TG_CLASS_TRANSIENT, 0);
  rig_expect(&breaker, TG_BREAKER_CLOSED);
}

static void counts_a_probe_once(void **state) {
  (void)state;
  const struct tg_breaker_policy policy = rig_policy();
  struct tg_breaker breaker = rig_breaker(&policy, TG_BREAKER_HALF_OPEN);
  uint64_t probe = rig_ask(&policy, &breaker, OPEN_MS, TG_BREAKER_PROBE);
  for (int i = 0; i < 5; i++)
    tg_breaker_report(&policy, &breaker, OPEN_MS, probe, TG_CLASS_NONE, 0);
  rig_expect(&breaker, TG_BREAKER_HALF_OPEN);
}

static void gives_up_a_probe_whose_holder_died(void **state) {
  (void)state;
  const struct tg_breaker_policy policy = rig_policy();
  struct tg_breaker breaker = rig_breaker(&policy, TG_BREAKER_HALF_OPEN);
  int64_t now = OPEN_MS;
  for (int i = 0; i < 1000; i++) { // every holder dies: each lease lets the next two through
    rig_ask(&policy, &breaker, now, TG_BREAKER_PROBE);
    rig_ask(&policy, &breaker, now, TG_BREAKER_PROBE);
    rig_ask_refused(&policy, &breaker, now, now + LEASE_MS);
    rig_ask_refused(&policy, &breaker, now + LEASE_MS - 1, now + LEASE_MS);
    now += LEASE_MS;
  }
  rig_call(&policy, &breaker, now, 2, TG_CLASS_NONE);
  rig_expect(&breaker, TG_BREAKER_CLOSED);
}

static void counts_a_late_probe_until_its_place_is_needed(void **state) {
  (void)state;
  struct tg_breaker_policy policy = rig_policy();
  policy.probes_max = 1;
  struct tg_breaker breaker = rig_breaker(&policy, TG_BREAKER_HALF_OPEN);
  uint64_t tickets[TG_BREAKER_PROBES_MAX + 1];
  int64_t now = OPEN_MS;
  for (int i = 0; i <= TG_BREAKER_PROBES_MAX; i++, now += LEASE_MS)
    tickets[i] = rig_ask(&policy, &breaker, now, TG_BREAKER_PROBE);
  tg_breaker_report(&policy, &breaker, now, tickets[0], TG_CLASS_TRANSIENT, 0);
  rig_expect(&breaker, TG_BREAKER_HALF_OPEN);
  tg_breaker_report(&policy, &breaker, now, tickets[1], TG_CLASS_NONE, 0);
  tg_breaker_report(&policy, &breaker, now, tickets[2], TG_CLASS_NONE, 0);
  rig_expect(&breaker, TG_BREAKER_CLOSED);
}

static void gives_every_caller_who_waits_its_probe(void **state) {
  (void)state;
  enum { CALLERS = 7, ROUNDS = 7000 };
  struct tg_breaker_policy policy = rig_policy();
  policy.probes_max = 1;
  struct tg_breaker breaker = rig_breaker(&policy, TG_BREAKER_HALF_OPEN);
  int probes[CALLERS] = {0};
  uint64_t out = rig_ask(&policy, &breaker, OPEN_MS, TG_BREAKER_PROBE);
  for (int round = 0; round < ROUNDS; round++) {
    for (int i = 0; i < CALLERS; i++) rig_ask(&policy, &breaker, OPEN_MS, TG_BREAKER_REFUSE);
    tg_breaker_report(&policy, &breaker, OPEN_MS, out, TG_CLASS_CANCELLED, 0);
    out = rig_ask(&policy, &breaker, OPEN_MS, TG_BREAKER_PROBE);
    probes[round % CALLERS]++; // who asks next gets it, whoever had it before
  }
  for (int i = 0; i < CALLERS; i++) assert_int_equal(probes[i], ROUNDS / CALLERS);
}

static void changes_its_serial_with_all_that_must_be_stored(void **state) {
  (void)state;
  const struct tg_breaker_policy policy = rig_policy();
  struct tg_breaker breaker = rig_breaker(&policy, TG_BREAKER_CLOSED);
  uint64_t serial = breaker.serial;
  rig_call(&policy, &breaker, 0, 2, TG_CLASS_TRANSIENT);
  assert_int_equal(breaker.serial, serial);
  rig_call(&policy, &breaker, 0, 1, TG_CLASS_TRANSIENT);
  assert_true(breaker.serial > serial);
  serial = breaker.serial;
  rig_ask(&policy, &breaker, 0, TG_BREAKER_REFUSE);
  assert_int_equal(breaker.serial, serial);
  tg_breaker_report(&policy, &breaker, 0, 0, TG_CLASS_THROTTLED, ASKED_MS);
  assert_true(breaker.serial > serial);
  serial = breaker.serial;
  uint64_t probe = rig_ask(&policy, &breaker, ASKED_MS, TG_BREAKER_PROBE);
  assert_true(breaker.serial > serial);
  serial = breaker.serial;
  tg_breaker_report(&policy, &breaker, ASKED_MS, probe, TG_CLASS_NONE, 0);
  assert_true(breaker.serial > serial);
  serial = breaker.serial;
  rig_call(&policy, &breaker, ASKED_MS, 1, TG_CLASS_NONE);
  rig_expect(&breaker, TG_BREAKER_CLOSED);
  assert_true(breaker.serial > serial);
}

// --- Share of a window ---

static struct tg_breaker_policy share_policy_of(uint32_t share_permille) {
  struct tg_breaker_policy policy = rig_policy();
  policy.failures_max = 0;
  policy.share_permille = share_permille;
  return policy;
}

static void opens_for_a_share_of_enough_calls(void **state) {
  (void)state;
  const struct {
    uint32_t share_permille;
    int successes, failures_to_open;
  } cases[] = {{500, 10, 10}, {500, 0, 10}, {1000, 0, 10}, {1, 9, 1}, {1, 999, 1}, {300, 70, 30}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const struct tg_breaker_policy policy = share_policy_of(cases[i].share_permille);
    struct tg_breaker breaker = rig_breaker(&policy, TG_BREAKER_CLOSED);
    rig_call(&policy, &breaker, 50, cases[i].successes, TG_CLASS_NONE);
    rig_call(&policy, &breaker, 50, cases[i].failures_to_open - 1, TG_CLASS_LOST);
    rig_expect(&breaker, TG_BREAKER_CLOSED);
    rig_call(&policy, &breaker, 50, 1, TG_CLASS_LOST);
    rig_expect(&breaker, TG_BREAKER_OPEN);
  }
}

static void forgets_what_left_the_window(void **state) {
  (void)state;
  const struct tg_breaker_policy policy = share_policy_of(500);
  // The calls of 0..99 leave when the bucket of 1000..1099 begins.
  const struct {
    int64_t now;
    enum tg_breaker_phase phase;
  } cases[] = {{0, TG_BREAKER_OPEN},      {99, TG_BREAKER_OPEN},     {999, TG_BREAKER_OPEN},
               {1000, TG_BREAKER_CLOSED}, {1099, TG_BREAKER_CLOSED}, {1000000, TG_BREAKER_CLOSED}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct tg_breaker breaker = rig_breaker(&policy, TG_BREAKER_CLOSED);
    rig_call(&policy, &breaker, 0, 9, TG_CLASS_TRANSIENT);
    rig_call(&policy, &breaker, cases[i].now, 1, TG_CLASS_TRANSIENT);
    rig_expect(&breaker, cases[i].phase);
  }
}

static void has_both_rules_side_by_side(void **state) {
  (void)state;
  struct tg_breaker_policy policy = rig_policy();
  policy.share_permille = 500;
  struct tg_breaker breaker = rig_breaker(&policy, TG_BREAKER_CLOSED);
  for (int i = 0; i < 4; i++) {
    rig_call(&policy, &breaker, 0, 1, TG_CLASS_NONE);
    rig_call(&policy, &breaker, 0, 1, TG_CLASS_TRANSIENT);
  }
  rig_call(&policy, &breaker, 0, 1, TG_CLASS_TRANSIENT);
  rig_expect(&breaker, TG_BREAKER_CLOSED);
  struct tg_breaker other = breaker;
  rig_call(&policy, &breaker, 0, 1, TG_CLASS_TRANSIENT); // the third in a row, and 6 of 10
  rig_expect(&breaker, TG_BREAKER_OPEN);
  rig_call(&policy, &other, 0, 1, TG_CLASS_NONE);
  rig_call(&policy, &other, 0, 1, TG_CLASS_TRANSIENT); // the first in a row, and 6 of 11
  rig_expect(&other, TG_BREAKER_OPEN);
}

// --- Retry-After ---

static void opens_until_the_remote_wants_to_be_asked_again(void **state) {
  (void)state;
  const struct tg_breaker_policy policy = rig_policy();
  const struct {
    enum tg_breaker_phase from;
    int64_t asked_ms, waits_ms;
  } cases[] = {
      {TG_BREAKER_CLOSED, ASKED_MS, ASKED_MS},
      {TG_BREAKER_CLOSED, 1, 1}, // less than open_ms: the remote knows best
      {TG_BREAKER_CLOSED, INT64_MAX, ASKED_MAX_MS},
      {TG_BREAKER_HALF_OPEN, ASKED_MS, ASKED_MS},
      {TG_BREAKER_HALF_OPEN, 1, 1},
      {TG_BREAKER_OPEN, ASKED_MS, ASKED_MS},
      {TG_BREAKER_OPEN, INT64_MAX, ASKED_MAX_MS},
      {TG_BREAKER_OPEN, 1, OPEN_MS - 500}, // open for longer already
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct tg_breaker breaker = rig_breaker(&policy, cases[i].from);
    int64_t now = cases[i].from == TG_BREAKER_OPEN ? 500 : OPEN_MS;
    tg_breaker_report(&policy, &breaker, now, 0, TG_CLASS_THROTTLED, cases[i].asked_ms);
    rig_ask_refused(&policy, &breaker, now, now + cases[i].waits_ms);
    rig_ask(&policy, &breaker, now + cases[i].waits_ms, TG_BREAKER_PROBE);
  }
}

static void takes_a_time_to_come_back_from_throttled_calls_only(void **state) {
  (void)state;
  const struct tg_breaker_policy policy = rig_policy();
  for (int class = 0; class < TG_CLASS_COUNT; class ++) {
    struct tg_breaker breaker = rig_breaker(&policy, TG_BREAKER_CLOSED);
    uint64_t ticket = rig_ask(&policy, &breaker, 0, TG_BREAKER_ALLOW);
    tg_breaker_report(&policy, &breaker, 0, ticket, (enum tg_class) class, ASKED_MS);
    rig_expect(&breaker, class == TG_CLASS_THROTTLED ? TG_BREAKER_OPEN : TG_BREAKER_CLOSED);
  }
}

// --- The clock ---

static void waits_no_longer_than_meant_when_the_clock_goes_back(void **state) {
  (void)state;
  const struct tg_breaker_policy policy = rig_policy();
  const int64_t year = INT64_C(365) * 86400000;
  struct tg_breaker breaker = rig_breaker(&policy, TG_BREAKER_CLOSED);
  rig_call(&policy, &breaker, year, 3, TG_CLASS_TRANSIENT);
  rig_ask_refused(&policy, &breaker, 5, 5 + OPEN_MS);
  rig_ask_refused(&policy, &breaker, 4 + OPEN_MS, 5 + OPEN_MS);
  rig_ask(&policy, &breaker, 5 + OPEN_MS, TG_BREAKER_PROBE);

  breaker = rig_breaker(&policy, TG_BREAKER_CLOSED);
  tg_breaker_report(&policy, &breaker, year, 0, TG_CLASS_THROTTLED, ASKED_MS);
  rig_ask_refused(&policy, &breaker, 5, 5 + ASKED_MS); // what the remote asked for holds
  tg_breaker_report(&policy, &breaker, 0, 0, TG_CLASS_THROTTLED, 2 * ASKED_MS);
  rig_ask_refused(&policy, &breaker, 0, 2 * ASKED_MS);

  breaker = rig_breaker(&policy, TG_BREAKER_CLOSED);
  tg_breaker_report(&policy, &breaker, year, 0, TG_CLASS_THROTTLED, ASKED_MS);
  tg_breaker_report(&policy, &breaker, 0, 0, TG_CLASS_THROTTLED, 2 * ASKED_MS);
  rig_ask_refused(&policy, &breaker, 0, 2 * ASKED_MS); // though nobody asked in between
}

static void gives_a_lease_no_longer_when_the_clock_goes_back(void **state) {
  (void)state;
  const struct tg_breaker_policy policy = rig_policy();
  struct tg_breaker breaker = rig_breaker(&policy, TG_BREAKER_HALF_OPEN);
  rig_ask(&policy, &breaker, 1000000, TG_BREAKER_PROBE);
  rig_ask(&policy, &breaker, 1000000, TG_BREAKER_PROBE);
  rig_ask_refused(&policy, &breaker, 10, 10 + LEASE_MS);
  rig_ask(&policy, &breaker, 10 + LEASE_MS, TG_BREAKER_PROBE);
}

static void keeps_its_window_when_the_clock_goes_back(void **state) {
  (void)state;
  const struct tg_breaker_policy policy = share_policy_of(500);
  struct tg_breaker breaker = rig_breaker(&policy, TG_BREAKER_CLOSED);
  rig_call(&policy, &breaker, 1000000, 5, TG_CLASS_TRANSIENT);
  rig_call(&policy, &breaker, 10, 4, TG_CLASS_TRANSIENT);
  struct tg_breaker later = breaker;
  rig_call(&policy, &breaker, 10, 1, TG_CLASS_TRANSIENT);
  rig_expect(&breaker, TG_BREAKER_OPEN);
  rig_call(&policy, &later, 10 + WINDOW_MS, 1,
           TG_CLASS_TRANSIENT); // and they leave it as others do
  rig_expect(&later, TG_BREAKER_CLOSED);
}

static void does_not_overflow(void **state) {
  (void)state;
  struct tg_breaker_policy policy = rig_policy();
  policy.open_ms = policy.lease_ms = policy.window_ms = policy.retry_after_max_ms = INT64_MAX;
  struct tg_breaker breaker = rig_breaker(&policy, TG_BREAKER_CLOSED);
  rig_call(&policy, &breaker, INT64_MIN, 1, TG_CLASS_TRANSIENT);
  rig_call(&policy, &breaker, INT64_MAX, 1, TG_CLASS_NONE);
  rig_call(&policy, &breaker, INT64_MIN, 3, TG_CLASS_TRANSIENT);
  rig_ask_refused(&policy, &breaker, INT64_MIN, -1);
  tg_breaker_report(&policy, &breaker, INT64_MAX, 0, TG_CLASS_THROTTLED, INT64_MAX);
  rig_ask(&policy, &breaker, INT64_MAX, TG_BREAKER_PROBE);
  rig_ask(&policy, &breaker, INT64_MIN, TG_BREAKER_PROBE);
  rig_ask_refused(&policy, &breaker, INT64_MIN, -1);
  tg_breaker_report(&policy, &breaker, INT64_MAX, 0, TG_CLASS_THROTTLED, INT64_MAX);
  rig_ask_refused(&policy, &breaker, 0, INT64_MAX);
}

static void counts_to_the_end_of_its_counters(void **state) {
  (void)state;
  struct tg_breaker_policy policy = share_policy_of(1000);
  struct tg_breaker breaker = rig_breaker(&policy, TG_BREAKER_CLOSED);
  for (int i = 0; i < TG_BREAKER_BUCKETS; i++)
    breaker.buckets[i] = (struct tg_breaker_bucket){UINT32_MAX, UINT32_MAX};
  breaker.failures = UINT32_MAX;
  rig_call(&policy, &breaker, 0, 2, TG_CLASS_TRANSIENT);
  assert_int_equal(breaker.failures, UINT32_MAX);
  assert_int_equal(breaker.buckets[0].failures, UINT32_MAX);
  rig_call(&policy, &breaker, 0, 2, TG_CLASS_NONE);
  assert_int_equal(breaker.buckets[0].successes, UINT32_MAX);
  rig_expect(&breaker, TG_BREAKER_CLOSED);
  policy.share_permille = 500;
  rig_call(&policy, &breaker, 0, 1, TG_CLASS_TRANSIENT);
  rig_expect(&breaker, TG_BREAKER_OPEN);
}

// --- Policies and words ---

static void has_defaults_that_are_valid(void **state) {
  (void)state;
  struct tg_breaker_policy policy;
  tg_breaker_policy_init(&policy);
  assert_int_equal(tg_breaker_policy_validate(&policy, NULL), 0);
}

static void bears_a_policy_that_changes_under_it(void **state) {
  (void)state;
  struct tg_breaker_policy policy = rig_policy();
  struct tg_breaker breaker = rig_breaker(&policy, TG_BREAKER_HALF_OPEN);
  uint64_t first = rig_ask(&policy, &breaker, 2000, TG_BREAKER_PROBE);
  rig_ask(&policy, &breaker, 2000, TG_BREAKER_PROBE);
  policy.probes_max = policy.successes_to_close = 1;
  rig_ask(&policy, &breaker, 2000, TG_BREAKER_REFUSE);
  tg_breaker_report(&policy, &breaker, 2000, first, TG_CLASS_CANCELLED, 0);
  rig_ask(&policy, &breaker, 2000, TG_BREAKER_REFUSE); // the other one is out still
  policy.lease_ms = 10;
  rig_ask_refused(&policy, &breaker, 2000, 2010);
  rig_call(&policy, &breaker, 2010, 1, TG_CLASS_NONE);
  rig_expect(&breaker, TG_BREAKER_CLOSED);
}

static void refuses_what_makes_no_sense_and_names_the_field(void **state) {
  (void)state;
  struct tg_breaker_policy bad[10];
  for (int i = 0; i < 10; i++) bad[i] = rig_policy();
  bad[0].failures_max = 0;
  bad[1].share_permille = 1001;
  bad[2].calls_min = 0;
  bad[3].window_ms = 9;
  bad[4].open_ms = 0;
  bad[5].retry_after_max_ms = 0;
  bad[6].probes_max = 0;
  bad[7].probes_max = TG_BREAKER_PROBES_MAX + 1;
  bad[8].successes_to_close = 0;
  bad[9].lease_ms = -1;
  static const char *const messages[] = {
      "failures or share must be given: nothing would open it",
      "share must be between 0.001 and 1",
      "calls must be at least 1",
      "window must be at least 10ms",
      "open must be at least 1ms",
      "retry_after_max must be at least 1ms",
      "probes must be between 1 and 8",
      "probes must be between 1 and 8",
      "successes must be at least 1",
      "lease must be at least 1ms",
  };
  for (int i = 0; i < 10; i++) {
    struct tg_error err;
    assert_int_equal(tg_breaker_policy_validate(&bad[i], &err), TG_EINVALID);
    assert_string_equal(err.text, messages[i]);
  }
}

static void knows_its_words(void **state) {
  (void)state;
  assert_string_equal(tg_breaker_phase_word(TG_BREAKER_HALF_OPEN), "half_open");
  assert_string_equal(tg_breaker_phase_word(TG_BREAKER_PHASE_COUNT), "unknown");
  assert_string_equal(tg_breaker_verdict_word(TG_BREAKER_PROBE), "probe");
  assert_string_equal(tg_breaker_verdict_word(TG_BREAKER_VERDICT_COUNT), "unknown");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(goes_where_the_class_of_a_report_leads),
      cmocka_unit_test(ignores_a_report_without_a_ticket_of_its_phase),
      cmocka_unit_test(opens_only_for_failures_in_a_row),
      cmocka_unit_test(lets_nothing_through_while_it_is_open),
      cmocka_unit_test(lets_a_few_probes_through_at_a_time),
      cmocka_unit_test(opens_again_for_the_first_probe_that_fails),
      cmocka_unit_test(begins_anew_after_it_closed),
      cmocka_unit_test(does_not_count_what_was_sent_before_it_opened),
      cmocka_unit_test(counts_a_probe_once),
      cmocka_unit_test(gives_up_a_probe_whose_holder_died),
      cmocka_unit_test(counts_a_late_probe_until_its_place_is_needed),
      cmocka_unit_test(gives_every_caller_who_waits_its_probe),
      cmocka_unit_test(changes_its_serial_with_all_that_must_be_stored),
      cmocka_unit_test(opens_for_a_share_of_enough_calls),
      cmocka_unit_test(forgets_what_left_the_window),
      cmocka_unit_test(has_both_rules_side_by_side),
      cmocka_unit_test(opens_until_the_remote_wants_to_be_asked_again),
      cmocka_unit_test(takes_a_time_to_come_back_from_throttled_calls_only),
      cmocka_unit_test(waits_no_longer_than_meant_when_the_clock_goes_back),
      cmocka_unit_test(gives_a_lease_no_longer_when_the_clock_goes_back),
      cmocka_unit_test(keeps_its_window_when_the_clock_goes_back),
      cmocka_unit_test(does_not_overflow),
      cmocka_unit_test(counts_to_the_end_of_its_counters),
      cmocka_unit_test(has_defaults_that_are_valid),
      cmocka_unit_test(bears_a_policy_that_changes_under_it),
      cmocka_unit_test(refuses_what_makes_no_sense_and_names_the_field),
      cmocka_unit_test(knows_its_words),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
