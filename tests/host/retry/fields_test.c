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
  struct tg_buf text;
  tg_buf_init(&text, 1000);
  assert_true(tg_fields_encode("word1", values, 6, &text));
  assert_string_equal(text.data, "word1 0 1 -1 42 9223372036854775807 -9223372036854775808");
  int64_t read[6];
  assert_int_equal(tg_fields_decode("word1", text.data, text.len, read, 6, NULL), 0);
  assert_memory_equal(read, values, sizeof values);
  tg_buf_deinit(&text);
}

static void says_when_the_buffer_is_full(void **state) {
  (void)state;
  struct tg_buf text;
  tg_buf_init(&text, 8);
  assert_false(tg_fields_encode("word1", (int64_t[]){12345}, 1, &text));
  tg_buf_deinit(&text);
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
  struct tg_buf again;
  tg_buf_init(&again, 100);
  int accepted = 0;
  for (int i = 0; i < 300000; i++) {
    char text[12] = "w ";
    size_t len = 2 + (size_t)random_below(&seed, sizeof text - 2);
    for (size_t j = 2; j < len; j++)
      text[j] = alphabet[random_below(&seed, (int64_t)sizeof alphabet - 1)];
    int64_t values[2];
    if (tg_fields_decode("w", text, len, values, 2, NULL)) continue;
    accepted++;
    tg_buf_clear(&again);
    assert_true(tg_fields_encode("w", values, 2, &again));
    assert_int_equal(again.len, len);
    assert_memory_equal(again.data, text, len);
  }
  assert_true(accepted > 1000);
  tg_buf_deinit(&again);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reads_what_it_wrote),
      cmocka_unit_test(says_when_the_buffer_is_full),
      cmocka_unit_test(refuses_what_it_would_not_write),
      cmocka_unit_test(stops_at_the_length_it_was_given),
      cmocka_unit_test(accepts_one_text_for_a_state),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
