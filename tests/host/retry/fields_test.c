// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "host/retry/random.h"
#include "retry/fields.h"

static void reads_what_it_wrote(void **state) {
  (void)state;
  const int64_t values[] = {0, 1, -1, 42, INT64_MAX, INT64_MIN};
  char text[TG_FIELDS_TEXT_MAX(6)];
  size_t len = tg_fields_encode("word1", values, 6, text);
  assert_string_equal(text, "word1 0 1 -1 42 9223372036854775807 -9223372036854775808");
  assert_int_equal(len, strlen(text));
  int64_t read[6];
  assert_int_equal(tg_fields_decode("word1", text, len, read, 6, NULL), 0);
  assert_memory_equal(read, values, sizeof values);
}

static void has_room_for_the_longest_text(void **state) {
  (void)state;
  const int64_t values[] = {INT64_MIN, INT64_MIN};
  char text[TG_FIELDS_TEXT_MAX(2)];
  assert_true(tg_fields_encode("fifteen-bytes-x", values, 2, text) < sizeof text);
}

static void refuses_what_it_would_not_write(void **state) {
  (void)state;
  static const struct {
    const char *text, *message;
  } cases[] = {
      {"", "the state does not begin with 'w'"},
      {"x 1 2", "the state does not begin with 'w'"},
      {"w2 1 2", "w: number 1 of 2 is missing or malformed"},
      {"w", "w: number 1 of 2 is missing or malformed"},
      {"w 1", "w: number 2 of 2 is missing or malformed"},
      {"w 1 ", "w: number 2 of 2 is missing or malformed"},
      {"w 1 -", "w: number 2 of 2 is missing or malformed"},
      {"w 1 +2", "w: number 2 of 2 is missing or malformed"},
      {"w 1  2", "w: number 2 of 2 is missing or malformed"},
      {"w 1\t2", "w: number 2 of 2 is missing or malformed"},
      {"w 1 02", "w: number 2 of 2 is missing or malformed"},
      {"w 1 -0", "w: number 2 of 2 is missing or malformed"},
      {"w 1 00", "w: number 2 of 2 is missing or malformed"},
      {"w 1 x", "w: number 2 of 2 is missing or malformed"},
      {"w 1 9223372036854775808", "w: number 2 of 2 is missing or malformed"},
      {"w 1 -9223372036854775809", "w: number 2 of 2 is missing or malformed"},
      {"w 1 99999999999999999999999", "w: number 2 of 2 is missing or malformed"},
      {"w 1 2 ", "w: there is more after the last of 2 numbers"},
      {"w 1 2 3", "w: there is more after the last of 2 numbers"},
      {"w 1 2.5", "w: there is more after the last of 2 numbers"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    int64_t values[2];
    struct tg_error err;
    const char *text = cases[i].text;
    assert_int_equal(tg_fields_decode("w", text, strlen(text), values, 2, &err), TG_EINVALID);
    assert_string_equal(err.text, cases[i].message);
  }
}

static void stops_at_the_length_it_was_given(void **state) {
  (void)state;
  int64_t value;
  assert_int_equal(tg_fields_decode("w", "w 12345", 5, &value, 1, NULL), 0);
  assert_int_equal(value, 123);
  assert_int_equal(tg_fields_decode("w", "w 1\0", 4, &value, 1, NULL), TG_EINVALID);
}

// Whatever is accepted is the one text of its values.
static void accepts_one_text_for_a_state(void **state) {
  (void)state;
  static const char alphabet[] = "w 0129-+.";
  uint64_t seed = 1;
  int accepted = 0;
  for (int i = 0; i < 300000; i++) {
    char text[12] = "w ";
    size_t len = 2 + (size_t)random_below(&seed, sizeof text - 2);
    for (size_t j = 2; j < len; j++)
      text[j] = alphabet[random_below(&seed, (int64_t)sizeof alphabet - 1)];
    int64_t values[2];
    if (tg_fields_decode("w", text, len, values, 2, NULL)) continue;
    accepted++;
    char again[TG_FIELDS_TEXT_MAX(2)];
    assert_int_equal(tg_fields_encode("w", values, 2, again), len);
    assert_memory_equal(again, text, len);
  }
  assert_true(accepted > 1000);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reads_what_it_wrote),
      cmocka_unit_test(has_room_for_the_longest_text),
      cmocka_unit_test(refuses_what_it_would_not_write),
      cmocka_unit_test(stops_at_the_length_it_was_given),
      cmocka_unit_test(accepts_one_text_for_a_state),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
