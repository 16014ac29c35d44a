// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/retry/random.h"
#include "retry/breaker.h"

enum { OPEN_MS = 1000, LEASE_MS = 400, WINDOW_MS = 1000, ASKED_MS = 5000, ASKED_MAX_MS = 100000 };

// Opens after 3 failures in a row; 2 probes at a time, of which 2 must go well.
static struct tg_breaker_policy policy_of(void) {
  return (struct tg_breaker_policy){
      .failures_max = 3,
      .calls_min = 10,
      .window_ms = WINDOW_MS,
      .open_ms = OPEN_MS,
      .retry_after_max_ms = ASKED_MAX_MS,
      .probes_max = 2,
      .successes_to_close = 2,
      .lease_ms = LEASE_MS,
  };
}

// Asks, expects a verdict, and gives the ticket.
static uint64_t ask(const struct tg_breaker_policy *policy, struct tg_breaker *breaker, int64_t now,
                    enum tg_breaker_verdict verdict) {
  struct tg_breaker_answer answer = tg_breaker_ask(policy, breaker, now);
  assert_string_equal(tg_breaker_verdict_word(answer.verdict), tg_breaker_verdict_word(verdict));
  assert_int_equal(answer.ticket == 0, verdict == TG_BREAKER_REFUSE);
  return answer.ticket;
}

static void ask_refused(const struct tg_breaker_policy *policy, struct tg_breaker *breaker,
                        int64_t now, int64_t retry_at) {
  struct tg_breaker_answer answer = tg_breaker_ask(policy, breaker, now);
  assert_int_equal(answer.verdict, TG_BREAKER_REFUSE);
  assert_int_equal(answer.retry_at, retry_at);
}

// Makes calls that all end with a class at once.
static void call(const struct tg_breaker_policy *policy, struct tg_breaker *breaker, int64_t now,
                 int calls, enum tg_class class) {
  for (int i = 0; i < calls; i++) {
    struct tg_breaker_answer answer = tg_breaker_ask(policy, breaker, now);
    assert_int_not_equal(answer.verdict, TG_BREAKER_REFUSE);
    tg_breaker_report(policy, breaker, now, answer.ticket, class, 0);
  }
}

static struct tg_breaker breaker_of(const struct tg_breaker_policy *policy,
                                    enum tg_breaker_phase phase) {
  assert_int_equal(tg_breaker_policy_validate(policy, NULL), 0);
  struct tg_breaker breaker;
  tg_breaker_init(&breaker);
  if (phase != TG_BREAKER_CLOSED) call(policy, &breaker, 0, 3, TG_CLASS_TRANSIENT);
  if (phase == TG_BREAKER_HALF_OPEN) {
    uint64_t probe = ask(policy, &breaker, OPEN_MS, TG_BREAKER_PROBE);
    tg_breaker_report(policy, &breaker, OPEN_MS, probe, TG_CLASS_CANCELLED, 0);
  }
  assert_int_equal(breaker.phase, phase);
  return breaker;
}

static void expect_phase(const struct tg_breaker *breaker, enum tg_breaker_phase phase) {
  assert_string_equal(tg_breaker_phase_word(breaker->phase), tg_breaker_phase_word(phase));
}

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
  const struct tg_breaker_policy policy = policy_of();
  for (size_t i = 0; i < TG_CLASS_COUNT; i++) {
    struct tg_breaker breaker = breaker_of(&policy, TG_BREAKER_CLOSED);
    call(&policy, &breaker, 0, 2, table[i].class);
    expect_phase(&breaker, TG_BREAKER_CLOSED);
    call(&policy, &breaker, 0, 1, table[i].class);
    expect_phase(&breaker, table[i].from_closed);

    breaker = breaker_of(&policy, TG_BREAKER_HALF_OPEN);
    call(&policy, &breaker, OPEN_MS, 1, TG_CLASS_NONE);
    expect_phase(&breaker, TG_BREAKER_HALF_OPEN);
    call(&policy, &breaker, OPEN_MS, 1, table[i].class);
    expect_phase(&breaker, table[i].from_half_open);
  }
}

static void ignores_a_report_without_a_ticket_of_its_phase(void **state) {
  (void)state;
  const struct tg_breaker_policy policy = policy_of();
  for (int phase = 0; phase < TG_BREAKER_PHASE_COUNT; phase++)
    for (int class = 0; class < TG_CLASS_COUNT; class ++) {
      struct tg_breaker breaker = breaker_of(&policy, (enum tg_breaker_phase)phase);
      if (phase == TG_BREAKER_HALF_OPEN) ask(&policy, &breaker, OPEN_MS, TG_BREAKER_PROBE);
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
  const struct tg_breaker_policy policy = policy_of();
  struct tg_breaker breaker = breaker_of(&policy, TG_BREAKER_CLOSED);
  for (int i = 0; i < 100; i++) {
    call(&policy, &breaker, i, 2, TG_CLASS_LOST);
    call(&policy, &breaker, i, 1, TG_CLASS_NONE);
  }
  expect_phase(&breaker, TG_BREAKER_CLOSED);
  call(&policy, &breaker, 100, 1, TG_CLASS_LOST);
  call(&policy, &breaker, 100, 5, TG_CLASS_PERMANENT); // neither breaks the row nor makes it longer
  call(&policy, &breaker, 100, 1, TG_CLASS_TRANSIENT);
  expect_phase(&breaker, TG_BREAKER_CLOSED);
  call(&policy, &breaker, 100, 1, TG_CLASS_THROTTLED);
  expect_phase(&breaker, TG_BREAKER_OPEN);
}

static void lets_nothing_through_while_it_is_open(void **state) {
  (void)state;
  const struct tg_breaker_policy policy = policy_of();
  struct tg_breaker breaker = breaker_of(&policy, TG_BREAKER_OPEN);
  for (int64_t now = 0; now < OPEN_MS; now++) ask_refused(&policy, &breaker, now, OPEN_MS);
  ask(&policy, &breaker, OPEN_MS, TG_BREAKER_PROBE);
  expect_phase(&breaker, TG_BREAKER_HALF_OPEN);
}

static void lets_a_few_probes_through_at_a_time(void **state) {
  (void)state;
  const struct tg_breaker_policy policy = policy_of();
  struct tg_breaker breaker = breaker_of(&policy, TG_BREAKER_HALF_OPEN);
  uint64_t first = ask(&policy, &breaker, 2000, TG_BREAKER_PROBE);
  uint64_t second = ask(&policy, &breaker, 2100, TG_BREAKER_PROBE);
  assert_int_not_equal(first, second);
  ask_refused(&policy, &breaker, 2100, 2000 + LEASE_MS);
  tg_breaker_report(&policy, &breaker, 2150, first, TG_CLASS_NONE, 0);
  ask(&policy, &breaker, 2150, TG_BREAKER_PROBE);
  ask_refused(&policy, &breaker, 2150, 2100 + LEASE_MS);
  tg_breaker_report(&policy, &breaker, 2200, second, TG_CLASS_NONE, 0);
  expect_phase(&breaker, TG_BREAKER_CLOSED);
  ask(&policy, &breaker, 2200, TG_BREAKER_ALLOW);
}

static void opens_again_for_the_first_probe_that_fails(void **state) {
  (void)state;
  const struct tg_breaker_policy policy = policy_of();
  struct tg_breaker breaker = breaker_of(&policy, TG_BREAKER_HALF_OPEN);
  uint64_t bad = ask(&policy, &breaker, 2000, TG_BREAKER_PROBE);
  uint64_t good = ask(&policy, &breaker, 2000, TG_BREAKER_PROBE);
  tg_breaker_report(&policy, &breaker, 2100, bad, TG_CLASS_TRANSIENT, 0);
  ask_refused(&policy, &breaker, 2100, 2100 + OPEN_MS);
  tg_breaker_report(&policy, &breaker, 2100, good, TG_CLASS_NONE, 0);
  expect_phase(&breaker, TG_BREAKER_OPEN);
}

static void begins_anew_after_it_closed(void **state) {
  (void)state;
  struct tg_breaker_policy policy = policy_of();
  policy.share_permille = 500;
  struct tg_breaker breaker = breaker_of(&policy, TG_BREAKER_HALF_OPEN);
  call(&policy, &breaker, OPEN_MS, 2, TG_CLASS_NONE);
  expect_phase(&breaker, TG_BREAKER_CLOSED);
  call(&policy, &breaker, OPEN_MS, 2, TG_CLASS_TRANSIENT);
  expect_phase(&breaker, TG_BREAKER_CLOSED); // the three failures before are forgotten
}

// --- Tickets and leases ---

static void does_not_count_what_was_sent_before_it_opened(void **state) {
  (void)state;
  const struct tg_breaker_policy policy = policy_of();
  struct tg_breaker breaker = breaker_of(&policy, TG_BREAKER_CLOSED);
  uint64_t old = ask(&policy, &breaker, 0, TG_BREAKER_ALLOW);
  call(&policy, &breaker, 0, 3, TG_CLASS_TRANSIENT);
  tg_breaker_report(&policy, &breaker, 10, old, TG_CLASS_NONE, 0);
  expect_phase(&breaker, TG_BREAKER_OPEN);
  uint64_t probe = ask(&policy, &breaker, OPEN_MS, TG_BREAKER_PROBE);
  for (int i = 0; i < 5; i++) tg_breaker_report(&policy, &breaker, OPEN_MS, old, TG_CLASS_NONE, 0);
  expect_phase(&breaker, TG_BREAKER_HALF_OPEN);
  tg_breaker_report(&policy, &breaker, OPEN_MS, old, TG_CLASS_TRANSIENT, 0);
  expect_phase(&breaker, TG_BREAKER_HALF_OPEN);
  tg_breaker_report(&policy, &breaker, OPEN_MS, probe, TG_CLASS_NONE, 0);
  call(&policy, &breaker, OPEN_MS, 1, TG_CLASS_NONE);
  expect_phase(&breaker, TG_BREAKER_CLOSED);
  for (int i = 0; i < 5; i++)
    tg_breaker_report(&policy, &breaker, OPEN_MS, old, TG_CLASS_TRANSIENT, 0);
  expect_phase(&breaker, TG_BREAKER_CLOSED);
}

static void counts_a_probe_once(void **state) {
  (void)state;
  const struct tg_breaker_policy policy = policy_of();
  struct tg_breaker breaker = breaker_of(&policy, TG_BREAKER_HALF_OPEN);
  uint64_t probe = ask(&policy, &breaker, OPEN_MS, TG_BREAKER_PROBE);
  for (int i = 0; i < 5; i++)
    tg_breaker_report(&policy, &breaker, OPEN_MS, probe, TG_CLASS_NONE, 0);
  expect_phase(&breaker, TG_BREAKER_HALF_OPEN);
}

static void gives_up_a_probe_whose_holder_died(void **state) {
  (void)state;
  const struct tg_breaker_policy policy = policy_of();
  struct tg_breaker breaker = breaker_of(&policy, TG_BREAKER_HALF_OPEN);
  int64_t now = OPEN_MS;
  for (int i = 0; i < 1000; i++) { // every holder dies: each lease lets the next two through
    ask(&policy, &breaker, now, TG_BREAKER_PROBE);
    ask(&policy, &breaker, now, TG_BREAKER_PROBE);
    ask_refused(&policy, &breaker, now, now + LEASE_MS);
    ask_refused(&policy, &breaker, now + LEASE_MS - 1, now + LEASE_MS);
    now += LEASE_MS;
  }
  call(&policy, &breaker, now, 2, TG_CLASS_NONE);
  expect_phase(&breaker, TG_BREAKER_CLOSED);
}

static void counts_a_late_probe_until_its_place_is_needed(void **state) {
  (void)state;
  struct tg_breaker_policy policy = policy_of();
  policy.probes_max = 1;
  struct tg_breaker breaker = breaker_of(&policy, TG_BREAKER_HALF_OPEN);
  uint64_t tickets[TG_BREAKER_PROBES_MAX + 1];
  int64_t now = OPEN_MS;
  for (int i = 0; i <= TG_BREAKER_PROBES_MAX; i++, now += LEASE_MS)
    tickets[i] = ask(&policy, &breaker, now, TG_BREAKER_PROBE);
  tg_breaker_report(&policy, &breaker, now, tickets[0], TG_CLASS_TRANSIENT, 0);
  expect_phase(&breaker, TG_BREAKER_HALF_OPEN);
  tg_breaker_report(&policy, &breaker, now, tickets[1], TG_CLASS_NONE, 0);
  tg_breaker_report(&policy, &breaker, now, tickets[2], TG_CLASS_NONE, 0);
  expect_phase(&breaker, TG_BREAKER_CLOSED);
}

static void gives_every_caller_who_waits_its_probe(void **state) {
  (void)state;
  enum { CALLERS = 7, ROUNDS = 7000 };
  struct tg_breaker_policy policy = policy_of();
  policy.probes_max = 1;
  struct tg_breaker breaker = breaker_of(&policy, TG_BREAKER_HALF_OPEN);
  int probes[CALLERS] = {0};
  uint64_t out = ask(&policy, &breaker, OPEN_MS, TG_BREAKER_PROBE);
  for (int round = 0; round < ROUNDS; round++) {
    for (int i = 0; i < CALLERS; i++) ask(&policy, &breaker, OPEN_MS, TG_BREAKER_REFUSE);
    tg_breaker_report(&policy, &breaker, OPEN_MS, out, TG_CLASS_CANCELLED, 0);
    out = ask(&policy, &breaker, OPEN_MS, TG_BREAKER_PROBE);
    probes[round % CALLERS]++; // who asks next gets it, whoever had it before
  }
  for (int i = 0; i < CALLERS; i++) assert_int_equal(probes[i], ROUNDS / CALLERS);
}

static void changes_its_serial_with_all_that_must_be_stored(void **state) {
  (void)state;
  const struct tg_breaker_policy policy = policy_of();
  struct tg_breaker breaker = breaker_of(&policy, TG_BREAKER_CLOSED);
  uint64_t serial = breaker.serial;
  call(&policy, &breaker, 0, 2, TG_CLASS_TRANSIENT);
  assert_int_equal(breaker.serial, serial);
  call(&policy, &breaker, 0, 1, TG_CLASS_TRANSIENT);
  assert_true(breaker.serial > serial);
  serial = breaker.serial;
  ask(&policy, &breaker, 0, TG_BREAKER_REFUSE);
  assert_int_equal(breaker.serial, serial);
  tg_breaker_report(&policy, &breaker, 0, 0, TG_CLASS_THROTTLED, ASKED_MS);
  assert_true(breaker.serial > serial);
  serial = breaker.serial;
  uint64_t probe = ask(&policy, &breaker, ASKED_MS, TG_BREAKER_PROBE);
  assert_true(breaker.serial > serial);
  serial = breaker.serial;
  tg_breaker_report(&policy, &breaker, ASKED_MS, probe, TG_CLASS_NONE, 0);
  assert_true(breaker.serial > serial);
  serial = breaker.serial;
  call(&policy, &breaker, ASKED_MS, 1, TG_CLASS_NONE);
  expect_phase(&breaker, TG_BREAKER_CLOSED);
  assert_true(breaker.serial > serial);
}

// --- Share of a window ---

static struct tg_breaker_policy share_policy_of(uint32_t share_permille) {
  struct tg_breaker_policy policy = policy_of();
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
    struct tg_breaker breaker = breaker_of(&policy, TG_BREAKER_CLOSED);
    call(&policy, &breaker, 50, cases[i].successes, TG_CLASS_NONE);
    call(&policy, &breaker, 50, cases[i].failures_to_open - 1, TG_CLASS_LOST);
    expect_phase(&breaker, TG_BREAKER_CLOSED);
    call(&policy, &breaker, 50, 1, TG_CLASS_LOST);
    expect_phase(&breaker, TG_BREAKER_OPEN);
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
    struct tg_breaker breaker = breaker_of(&policy, TG_BREAKER_CLOSED);
    call(&policy, &breaker, 0, 9, TG_CLASS_TRANSIENT);
    call(&policy, &breaker, cases[i].now, 1, TG_CLASS_TRANSIENT);
    expect_phase(&breaker, cases[i].phase);
  }
}

static void has_both_rules_side_by_side(void **state) {
  (void)state;
  struct tg_breaker_policy policy = policy_of();
  policy.share_permille = 500;
  struct tg_breaker breaker = breaker_of(&policy, TG_BREAKER_CLOSED);
  for (int i = 0; i < 4; i++) {
    call(&policy, &breaker, 0, 1, TG_CLASS_NONE);
    call(&policy, &breaker, 0, 1, TG_CLASS_TRANSIENT);
  }
  call(&policy, &breaker, 0, 1, TG_CLASS_TRANSIENT);
  expect_phase(&breaker, TG_BREAKER_CLOSED);
  struct tg_breaker other = breaker;
  call(&policy, &breaker, 0, 1, TG_CLASS_TRANSIENT); // the third in a row, and 6 of 10
  expect_phase(&breaker, TG_BREAKER_OPEN);
  call(&policy, &other, 0, 1, TG_CLASS_NONE);
  call(&policy, &other, 0, 1, TG_CLASS_TRANSIENT); // the first in a row, and 6 of 11
  expect_phase(&other, TG_BREAKER_OPEN);
}

// --- Retry-After ---

static void opens_until_the_remote_wants_to_be_asked_again(void **state) {
  (void)state;
  const struct tg_breaker_policy policy = policy_of();
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
    struct tg_breaker breaker = breaker_of(&policy, cases[i].from);
    int64_t now = cases[i].from == TG_BREAKER_OPEN ? 500 : OPEN_MS;
    tg_breaker_report(&policy, &breaker, now, 0, TG_CLASS_THROTTLED, cases[i].asked_ms);
    ask_refused(&policy, &breaker, now, now + cases[i].waits_ms);
    ask(&policy, &breaker, now + cases[i].waits_ms, TG_BREAKER_PROBE);
  }
}

static void takes_a_time_to_come_back_from_throttled_calls_only(void **state) {
  (void)state;
  const struct tg_breaker_policy policy = policy_of();
  for (int class = 0; class < TG_CLASS_COUNT; class ++) {
    struct tg_breaker breaker = breaker_of(&policy, TG_BREAKER_CLOSED);
    uint64_t ticket = ask(&policy, &breaker, 0, TG_BREAKER_ALLOW);
    tg_breaker_report(&policy, &breaker, 0, ticket, (enum tg_class) class, ASKED_MS);
    expect_phase(&breaker, class == TG_CLASS_THROTTLED ? TG_BREAKER_OPEN : TG_BREAKER_CLOSED);
  }
}

// --- The clock ---

static void waits_no_longer_than_meant_when_the_clock_goes_back(void **state) {
  (void)state;
  const struct tg_breaker_policy policy = policy_of();
  const int64_t year = INT64_C(365) * 86400000;
  struct tg_breaker breaker = breaker_of(&policy, TG_BREAKER_CLOSED);
  call(&policy, &breaker, year, 3, TG_CLASS_TRANSIENT);
  ask_refused(&policy, &breaker, 5, 5 + OPEN_MS);
  ask_refused(&policy, &breaker, 4 + OPEN_MS, 5 + OPEN_MS);
  ask(&policy, &breaker, 5 + OPEN_MS, TG_BREAKER_PROBE);

  breaker = breaker_of(&policy, TG_BREAKER_CLOSED);
  tg_breaker_report(&policy, &breaker, year, 0, TG_CLASS_THROTTLED, ASKED_MS);
  ask_refused(&policy, &breaker, 5, 5 + ASKED_MS); // what the remote asked for holds
  tg_breaker_report(&policy, &breaker, 0, 0, TG_CLASS_THROTTLED, 2 * ASKED_MS);
  ask_refused(&policy, &breaker, 0, 2 * ASKED_MS);
}

static void gives_a_lease_no_longer_when_the_clock_goes_back(void **state) {
  (void)state;
  const struct tg_breaker_policy policy = policy_of();
  struct tg_breaker breaker = breaker_of(&policy, TG_BREAKER_HALF_OPEN);
  ask(&policy, &breaker, 1000000, TG_BREAKER_PROBE);
  ask(&policy, &breaker, 1000000, TG_BREAKER_PROBE);
  ask_refused(&policy, &breaker, 10, 10 + LEASE_MS);
  ask(&policy, &breaker, 10 + LEASE_MS, TG_BREAKER_PROBE);
}

static void keeps_its_window_when_the_clock_goes_back(void **state) {
  (void)state;
  const struct tg_breaker_policy policy = share_policy_of(500);
  struct tg_breaker breaker = breaker_of(&policy, TG_BREAKER_CLOSED);
  call(&policy, &breaker, 1000000, 5, TG_CLASS_TRANSIENT);
  call(&policy, &breaker, 10, 4, TG_CLASS_TRANSIENT);
  struct tg_breaker later = breaker;
  call(&policy, &breaker, 10, 1, TG_CLASS_TRANSIENT);
  expect_phase(&breaker, TG_BREAKER_OPEN);
  call(&policy, &later, 10 + WINDOW_MS, 1, TG_CLASS_TRANSIENT); // and they leave it as others do
  expect_phase(&later, TG_BREAKER_CLOSED);
}

static void does_not_overflow(void **state) {
  (void)state;
  struct tg_breaker_policy policy = policy_of();
  policy.open_ms = policy.lease_ms = policy.window_ms = policy.retry_after_max_ms = INT64_MAX;
  struct tg_breaker breaker = breaker_of(&policy, TG_BREAKER_CLOSED);
  call(&policy, &breaker, INT64_MIN, 1, TG_CLASS_TRANSIENT);
  call(&policy, &breaker, INT64_MAX, 1, TG_CLASS_NONE);
  call(&policy, &breaker, INT64_MIN, 3, TG_CLASS_TRANSIENT);
  ask_refused(&policy, &breaker, INT64_MIN, -1);
  tg_breaker_report(&policy, &breaker, INT64_MAX, 0, TG_CLASS_THROTTLED, INT64_MAX);
  ask(&policy, &breaker, INT64_MAX, TG_BREAKER_PROBE);
  ask(&policy, &breaker, INT64_MIN, TG_BREAKER_PROBE);
  ask_refused(&policy, &breaker, INT64_MIN, -1);
  tg_breaker_report(&policy, &breaker, INT64_MAX, 0, TG_CLASS_THROTTLED, INT64_MAX);
  ask_refused(&policy, &breaker, 0, INT64_MAX);
}

static void counts_to_the_end_of_its_counters(void **state) {
  (void)state;
  struct tg_breaker_policy policy = share_policy_of(1000);
  struct tg_breaker breaker = breaker_of(&policy, TG_BREAKER_CLOSED);
  for (int i = 0; i < TG_BREAKER_BUCKETS; i++)
    breaker.buckets[i] = (struct tg_breaker_bucket){UINT32_MAX, UINT32_MAX};
  breaker.failures = UINT32_MAX;
  call(&policy, &breaker, 0, 2, TG_CLASS_TRANSIENT);
  assert_int_equal(breaker.failures, UINT32_MAX);
  assert_int_equal(breaker.buckets[0].failures, UINT32_MAX);
  call(&policy, &breaker, 0, 2, TG_CLASS_NONE);
  assert_int_equal(breaker.buckets[0].successes, UINT32_MAX);
  expect_phase(&breaker, TG_BREAKER_CLOSED);
  policy.share_permille = 500;
  call(&policy, &breaker, 0, 1, TG_CLASS_TRANSIENT);
  expect_phase(&breaker, TG_BREAKER_OPEN);
}

// --- Against an oracle ---
//
// The oracle remembers every call, and looks through all of them each time.

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

static struct tg_breaker_policy random_policy(uint64_t *seed) {
  bool has_share = random_below(seed, 2), has_row = !has_share || random_below(seed, 2);
  return (struct tg_breaker_policy){
      .failures_max = has_row ? 1 + (uint32_t)random_below(seed, 6) : 0,
      .share_permille = has_share ? 1 + (uint32_t)random_below(seed, 1000) : 0,
      .calls_min = 1 + (uint32_t)random_below(seed, 20),
      .window_ms = 10 + random_below(seed, 1000),
      .open_ms = 1 + random_below(seed, 200),
      .retry_after_max_ms = 1 + random_below(seed, 300),
      .probes_max = 1 + (uint32_t)random_below(seed, TG_BREAKER_PROBES_MAX),
      .successes_to_close = 1 + (uint32_t)random_below(seed, 5),
      .lease_ms = 1 + random_below(seed, 200),
  };
}

static enum tg_class random_class(uint64_t *seed, int64_t ill_percent) {
  if (random_below(seed, 100) >= ill_percent) return TG_CLASS_NONE;
  return (enum tg_class)random_below(seed, TG_CLASS_COUNT);
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
      enum tg_class class = random_class(seed, ill_percent);
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
    const struct tg_breaker_policy policy = random_policy(&seed);
    assert_int_equal(tg_breaker_policy_validate(&policy, NULL), 0);
    compare(&policy, &seed, seen);
  }
  for (int i = 0; i < TG_BREAKER_VERDICT_COUNT; i++) assert_true(seen[i] > 10000);
}

// --- As text ---

// Gives the breaker that comes out of the text of this one.
static struct tg_breaker through_text(const struct tg_breaker *breaker) {
  struct tg_buf text, again;
  tg_buf_init(&text, 2000);
  tg_buf_init(&again, 2000);
  struct tg_breaker read;
  assert_true(tg_breaker_encode(breaker, &text));
  assert_int_equal(tg_breaker_decode(&read, text.data, text.len, NULL), 0);
  assert_true(tg_breaker_encode(&read, &again));
  assert_string_equal(again.data, text.data);
  tg_buf_deinit(&text);
  tg_buf_deinit(&again);
  return read;
}

// One that goes through the store after every call lives as one that never does, with a clock that
// jumps. Nobody is made to wait longer than the longest wait there is.
static void lives_on_from_its_text_with_any_clock(void **state) {
  (void)state;
  uint64_t seed = 99;
  for (int round = 0; round < 30; round++) {
    struct tg_breaker_policy policy = random_policy(&seed);
    struct tg_breaker breaker, stored;
    tg_breaker_init(&breaker);
    stored = breaker;
    uint64_t tickets[16] = {0};
    int64_t now = 1000000;
    for (int i = 0; i < 2000; i++) {
      now += random_below(&seed, 100) ? random_below(&seed, 30) : random_below(&seed, 4000) - 2000;
      uint64_t *ticket = &tickets[random_below(&seed, 16)];
      if (random_below(&seed, 2)) {
        struct tg_breaker_answer answer = tg_breaker_ask(&policy, &breaker, now);
        struct tg_breaker_answer other = tg_breaker_ask(&policy, &stored, now);
        assert_int_equal(other.verdict, answer.verdict);
        assert_int_equal(other.ticket, answer.ticket);
        assert_int_equal(other.retry_at, answer.retry_at);
        assert_true(answer.verdict != TG_BREAKER_REFUSE ||
                    (answer.retry_at > now && answer.retry_at <= now + 300));
        *ticket = answer.ticket;
      } else {
        enum tg_class class = random_class(&seed, 60);
        int64_t asked_ms = random_below(&seed, 4) ? 0 : random_below(&seed, 400);
        tg_breaker_report(&policy, &breaker, now, *ticket, class, asked_ms);
        tg_breaker_report(&policy, &stored, now, *ticket, class, asked_ms);
      }
      stored = through_text(&stored);
    }
  }
}

static void has_a_text_that_stays_as_it_is(void **state) {
  (void)state;
  const struct tg_breaker_policy policy = policy_of();
  static const char zeros[] = " 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0";
  struct tg_breaker breaker = breaker_of(&policy, TG_BREAKER_OPEN);
  struct tg_buf text;
  char expected[200];
  tg_buf_init(&text, 2000);
  tg_breaker_encode(&breaker, &text);
  snprintf(expected, sizeof expected,
           "breaker1 1 2 0 0 1000 1000 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0%s", zeros);
  assert_string_equal(text.data, expected);
  tg_buf_deinit(&text);
}

// Reads a text of which one number is another: "breaker1", then 43 numbers.
static int decode_with(const struct tg_breaker *breaker, size_t index, const char *number,
                       struct tg_error *err) {
  struct tg_buf text, changed;
  tg_buf_init(&text, 2000);
  tg_buf_init(&changed, 2000);
  tg_breaker_encode(breaker, &text);
  char *rest = text.data;
  for (size_t i = 0; rest; i++) {
    const char *word = strsep(&rest, " ");
    tg_buf_putf(&changed, "%s%s", i ? " " : "", i == index + 1 ? number : word);
  }
  struct tg_breaker read;
  int code = tg_breaker_decode(&read, changed.data, changed.len, err);
  tg_buf_deinit(&text);
  tg_buf_deinit(&changed);
  return code;
}

static void refuses_a_state_that_cannot_be(void **state) {
  (void)state;
  const struct tg_breaker_policy policy = policy_of();
  enum {
    PHASE,
    SERIAL,
    FAILURES,
    SUCCESSES,
    WAIT,
    RETRY_AT,
    BUCKET_AT,
    TICKET,
    UNTIL,
    BUCKET = 23
  };
  static const struct {
    enum tg_breaker_phase phase;
    size_t index;
    const char *number, *message;
  } cases[] = {
      {TG_BREAKER_CLOSED, PHASE, "3", "breaker1: the phase is not known"},
      {TG_BREAKER_CLOSED, PHASE, "-1", "breaker1: the phase is not known"},
      {TG_BREAKER_CLOSED, PHASE, "4294967296", "breaker1: the phase is not known"},
      {TG_BREAKER_CLOSED, SERIAL, "0", "no breaker that is closed has these numbers"},
      {TG_BREAKER_CLOSED, SERIAL, "-1", "no breaker that is closed has these numbers"},
      {TG_BREAKER_CLOSED, SERIAL, "4611686018427387905",
       "no breaker that is closed has these numbers"},
      {TG_BREAKER_CLOSED, FAILURES, "4294967296", "no breaker that is closed has these numbers"},
      {TG_BREAKER_CLOSED, FAILURES, "-1", "no breaker that is closed has these numbers"},
      {TG_BREAKER_CLOSED, SUCCESSES, "1", "no breaker that is closed has these numbers"},
      {TG_BREAKER_CLOSED, WAIT, "1", "no breaker that is closed has these numbers"},
      {TG_BREAKER_CLOSED, RETRY_AT, "1", "no breaker that is closed has these numbers"},
      {TG_BREAKER_CLOSED, TICKET, "1", "no breaker that is closed has these numbers"},
      {TG_BREAKER_CLOSED, BUCKET, "4294967296", "no breaker that is closed has these numbers"},
      {TG_BREAKER_CLOSED, BUCKET, "-1", "no breaker that is closed has these numbers"},
      {TG_BREAKER_CLOSED, BUCKET, "x", "number 24 of 43 is missing or malformed"},
      {TG_BREAKER_OPEN, WAIT, "0", "no breaker that is open has these numbers"},
      {TG_BREAKER_OPEN, WAIT, "-5", "no breaker that is open has these numbers"},
      {TG_BREAKER_OPEN, FAILURES, "1", "no breaker that is open has these numbers"},
      {TG_BREAKER_OPEN, BUCKET, "1", "no breaker that is open has these numbers"},
      {TG_BREAKER_HALF_OPEN, TICKET, "-1", "no breaker that is half_open has these numbers"},
      {TG_BREAKER_HALF_OPEN, TICKET, "1000", "no breaker that is half_open has these numbers"},
      {TG_BREAKER_HALF_OPEN, TICKET, "0", "no breaker that is half_open has these numbers"},
      {TG_BREAKER_HALF_OPEN, TICKET + 2, "5", "no breaker that is half_open has these numbers"},
      {TG_BREAKER_HALF_OPEN, WAIT, "1", "no breaker that is half_open has these numbers"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct tg_breaker breaker = breaker_of(&policy, cases[i].phase);
    if (cases[i].phase == TG_BREAKER_HALF_OPEN)
      assert_int_equal(ask(&policy, &breaker, OPEN_MS, TG_BREAKER_PROBE), 5);
    through_text(&breaker);
    struct tg_error err;
    assert_int_equal(decode_with(&breaker, cases[i].index, cases[i].number, &err), TG_EINVALID);
    assert_non_null(strstr(err.text, cases[i].message));
  }
}

// Changes bytes of good texts: what is read all the same has exactly that text, and changes nothing
// when it is refused.
static void takes_no_harm_from_a_damaged_text(void **state) {
  (void)state;
  const struct tg_breaker_policy policy = policy_of();
  uint64_t seed = 5;
  int refused = 0;
  for (int i = 0; i < 60000; i++) {
    struct tg_breaker breaker = breaker_of(&policy, (enum tg_breaker_phase)(i % 3));
    struct tg_breaker read = breaker;
    struct tg_buf text, again;
    tg_buf_init(&text, 2000);
    tg_buf_init(&again, 2000);
    tg_breaker_encode(&breaker, &text);
    for (int64_t changes = random_below(&seed, 3); changes >= 0; changes--)
      text.data[random_below(&seed, (int64_t)text.len)] =
          random_below(&seed, 4) ? "0123456789 -"[random_below(&seed, 12)]
                                 : (char)random_below(&seed, 256);
    size_t len = random_below(&seed, 4) ? text.len : (size_t)random_below(&seed, (int64_t)text.len);
    if (tg_breaker_decode(&read, text.data, len, NULL)) {
      refused++;
      assert_memory_equal(&read, &breaker, sizeof read);
    } else {
      assert_true(tg_breaker_encode(&read, &again));
      assert_int_equal(again.len, len);
      assert_memory_equal(again.data, text.data, len);
      tg_breaker_ask(&policy, &read, 0); // a state that was read can be worked with
      tg_breaker_report(&policy, &read, 0, 1, TG_CLASS_TRANSIENT, 0);
      through_text(&read);
    }
    tg_buf_deinit(&text);
    tg_buf_deinit(&again);
  }
  assert_in_range(refused, 30000, 59000);
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
  struct tg_breaker_policy policy = policy_of();
  struct tg_breaker breaker = breaker_of(&policy, TG_BREAKER_HALF_OPEN);
  uint64_t first = ask(&policy, &breaker, 2000, TG_BREAKER_PROBE);
  ask(&policy, &breaker, 2000, TG_BREAKER_PROBE);
  policy.probes_max = policy.successes_to_close = 1;
  ask(&policy, &breaker, 2000, TG_BREAKER_REFUSE);
  tg_breaker_report(&policy, &breaker, 2000, first, TG_CLASS_CANCELLED, 0);
  ask(&policy, &breaker, 2000, TG_BREAKER_REFUSE); // the other one is out still
  policy.lease_ms = 10;
  ask_refused(&policy, &breaker, 2000, 2010);
  call(&policy, &breaker, 2010, 1, TG_CLASS_NONE);
  expect_phase(&breaker, TG_BREAKER_CLOSED);
}

static void refuses_what_makes_no_sense_and_names_the_field(void **state) {
  (void)state;
  struct tg_breaker_policy bad[10];
  for (int i = 0; i < 10; i++) bad[i] = policy_of();
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
      cmocka_unit_test(agrees_with_an_oracle_that_remembers_every_call),
      cmocka_unit_test(lives_on_from_its_text_with_any_clock),
      cmocka_unit_test(has_a_text_that_stays_as_it_is),
      cmocka_unit_test(refuses_a_state_that_cannot_be),
      cmocka_unit_test(takes_no_harm_from_a_damaged_text),
      cmocka_unit_test(has_defaults_that_are_valid),
      cmocka_unit_test(bears_a_policy_that_changes_under_it),
      cmocka_unit_test(refuses_what_makes_no_sense_and_names_the_field),
      cmocka_unit_test(knows_its_words),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
