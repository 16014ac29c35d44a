// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "host/retry/breaker_rig.h"
#include "host/retry/random.h"

// Gives the breaker that comes out of the text of this one.
static struct tg_breaker through_text(const struct tg_breaker *breaker) {
  char text[TG_BREAKER_TEXT_MAX], again[TG_BREAKER_TEXT_MAX];
  struct tg_breaker read;
  size_t len = tg_breaker_encode(breaker, text);
  assert_int_equal(tg_breaker_decode(&read, text, len, NULL), 0);
  tg_breaker_encode(&read, again);
  assert_string_equal(again, text);
  return read;
}

// One that goes through the store after every call lives as one that never does, with a clock that
// jumps. Nobody is made to wait longer than the longest wait there is.
static void lives_on_from_its_text_with_any_clock(void **state) {
  (void)state;
  uint64_t seed = 99;
  for (int round = 0; round < 30; round++) {
    struct tg_breaker_policy policy = rig_random_policy(&seed);
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
        enum tg_class class = rig_random_class(&seed, 60);
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
  const struct tg_breaker_policy policy = rig_policy();
  static const char zeros[] = " 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0";
  struct tg_breaker breaker = rig_breaker(&policy, TG_BREAKER_OPEN);
  char text[TG_BREAKER_TEXT_MAX], expected[200];
  tg_breaker_encode(&breaker, text);
  snprintf(expected, sizeof expected,
           "breaker1 1 2 0 0 1000 1000 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0%s", zeros);
  assert_string_equal(text, expected);
}

// Reads a text of which one number is another: "breaker1", then 43 numbers.
static int decode_with(const struct tg_breaker *breaker, size_t index, const char *number,
                       struct tg_error *err) {
  char text[TG_BREAKER_TEXT_MAX], changed[2 * TG_BREAKER_TEXT_MAX], *rest = text;
  size_t len = 0;
  tg_breaker_encode(breaker, text);
  for (size_t i = 0; rest; i++) {
    const char *word = strsep(&rest, " ");
    len += (size_t)snprintf(changed + len, sizeof changed - len, "%s%s", i ? " " : "",
                            i == index + 1 ? number : word);
  }
  struct tg_breaker read;
  return tg_breaker_decode(&read, changed, len, err);
}

static void refuses_a_state_that_cannot_be(void **state) {
  (void)state;
  const struct tg_breaker_policy policy = rig_policy();
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
      {TG_BREAKER_HALF_OPEN, TICKET + 2, "6", "no breaker that is half_open has these numbers"},
      {TG_BREAKER_HALF_OPEN, WAIT, "1", "no breaker that is half_open has these numbers"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct tg_breaker breaker = rig_breaker(&policy, cases[i].phase);
    if (cases[i].phase == TG_BREAKER_HALF_OPEN)
      assert_int_equal(rig_ask(&policy, &breaker, OPEN_MS, TG_BREAKER_PROBE), 6);
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
  const struct tg_breaker_policy policy = rig_policy();
  uint64_t seed = 5;
  int refused = 0;
  for (int i = 0; i < 60000; i++) {
    struct tg_breaker breaker = rig_breaker(&policy, (enum tg_breaker_phase)(i % 3));
    struct tg_breaker read = breaker;
    char text[TG_BREAKER_TEXT_MAX], again[TG_BREAKER_TEXT_MAX];
    size_t full = tg_breaker_encode(&breaker, text);
    for (int64_t changes = random_below(&seed, 3); changes >= 0; changes--)
      text[random_below(&seed, (int64_t)full)] = random_below(&seed, 4)
                                                     ? "0123456789 -"[random_below(&seed, 12)]
                                                     : (char)random_below(&seed, 256);
    size_t len = random_below(&seed, 4) ? full : (size_t)random_below(&seed, (int64_t)full);
    if (tg_breaker_decode(&read, text, len, NULL)) {
      refused++;
      assert_memory_equal(&read, &breaker, sizeof read);
    } else {
      assert_int_equal(tg_breaker_encode(&read, again), len);
      assert_memory_equal(again, text, len);
      tg_breaker_ask(&policy, &read, 0); // a state that was read can be worked with
      tg_breaker_report(&policy, &read, 0, 1, TG_CLASS_TRANSIENT, 0);
      through_text(&read);
    }
  }
  assert_in_range(refused, 30000, 59000);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(lives_on_from_its_text_with_any_clock),
      cmocka_unit_test(has_a_text_that_stays_as_it_is),
      cmocka_unit_test(refuses_a_state_that_cannot_be),
      cmocka_unit_test(takes_no_harm_from_a_damaged_text),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
