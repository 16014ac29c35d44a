// SPDX-License-Identifier: Apache-2.0
#include "base/id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int64_t held_ms;

static int64_t held(void *self) {
  (void)self;
  return held_ms;
}

static const struct tg_clock clock_held = {.wall_ms = held, .mono_ms = held};

static struct tg_id id_at(int64_t ms) {
  held_ms = ms;
  return tg_id_new(&clock_held);
}

static int id_order(struct tg_id a, struct tg_id b) {
  return memcmp(a.bytes, b.bytes, sizeof a.bytes);
}

// The process remembers the newest time, so the tests go forward from one another.
static int64_t start_ms = INT64_C(0x017F22E279B0);

// Source: RFC 9562 appendix A.6
static void has_the_fields_of_version_7(void **state) {
  (void)state;
  char text[TG_ID_TEXT_LEN + 1];
  tg_id_format(id_at(start_ms), text);
  text[13] = 0;
  assert_string_equal(text, "017f22e2-79b0");
  assert_int_equal(text[14], '7');
  assert_non_null(strchr("89ab", text[19]));
  assert_int_equal(text[18], '-');
  assert_int_equal(text[23], '-');
}

static void sorts_in_the_order_of_making(void **state) {
  (void)state;
  struct tg_id last = id_at(start_ms += 10);
  for (int i = 0; i < 20000; i++) { // more than the counter holds, all in one ms
    struct tg_id next = id_at(start_ms);
    assert_true(id_order(last, next) < 0);
    last = next;
  }
  start_ms += 1000;
}

static void sorts_though_the_clock_goes_back(void **state) {
  (void)state;
  struct tg_id before = id_at(start_ms += 10), after = id_at(start_ms - 5);
  assert_true(id_order(before, after) < 0);
  assert_true(id_order(after, id_at(start_ms += 10)) < 0);
}

static void is_read_as_it_was_written(void **state) {
  (void)state;
  for (int i = 0; i < 1000; i++) {
    struct tg_id id = id_at(start_ms += 10), back;
    char text[TG_ID_TEXT_LEN + 1];
    tg_id_format(id, text);
    assert_int_equal(strlen(text), TG_ID_TEXT_LEN);
    assert_true(tg_id_parse(text, &back));
    assert_true(tg_id_equal(id, back));
    back.bytes[i % 16] ^= 1;
    assert_false(tg_id_equal(id, back));
  }
}

static void reads_capital_letters(void **state) {
  (void)state;
  struct tg_id a, b;
  assert_true(tg_id_parse("017F22E2-79B0-7CC3-98C4-DC0C0C07398F", &a));
  assert_true(tg_id_parse("017f22e2-79b0-7cc3-98c4-dc0c0c07398f", &b));
  assert_true(tg_id_equal(a, b));
}

static void refuses_what_is_no_id(void **state) {
  (void)state;
  static const char *const wrong[] = {
      "",
      "017f22e2",
      "017f22e279b07cc398c4dc0c0c07398f",
      "017f22e2-79b0-7cc3-98c4-dc0c0c07398",
      "017f22e2-79b0-7cc3-98c4-dc0c0c07398ff",
      "017f22e2-79b0-7cc3-98c4-dc0c0c07398g",
      "017f22e2-79b0-7cc3-98c40dc0c0c07398f",
      "017f22e2079b0-7cc3-98c4-dc0c0c07398f",
      "0-7f22e2-79b0-7cc3-98c4-dc0c0c07398f",
      "../22e2--79b0-7cc3-98c4-dc0c0c07398f",
  };
  struct tg_id id;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    assert_false(tg_id_parse(wrong[i], &id));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(has_the_fields_of_version_7),
      cmocka_unit_test(sorts_in_the_order_of_making),
      cmocka_unit_test(sorts_though_the_clock_goes_back),
      cmocka_unit_test(is_read_as_it_was_written),
      cmocka_unit_test(reads_capital_letters),
      cmocka_unit_test(refuses_what_is_no_id),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
