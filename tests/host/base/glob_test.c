// SPDX-License-Identifier: Apache-2.0
#include "base/glob.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void matches_whole_texts(void **state) {
  (void)state;
  assert_true(tg_glob_matches("abc", "abc"));
  assert_false(tg_glob_matches("abc", "abcd"));
  assert_false(tg_glob_matches("bc", "abc"));
  assert_true(tg_glob_matches("", ""));
  assert_false(tg_glob_matches("", "a"));
  assert_false(tg_glob_matches("a", ""));
}

static void a_star_stands_for_any_characters(void **state) {
  (void)state;
  assert_true(tg_glob_matches("*", ""));
  assert_true(tg_glob_matches("*", "a/b"));
  assert_true(tg_glob_matches("*/raw/orders/*", "/lake/blobs/raw/orders/2026/11/x.parquet"));
  assert_false(tg_glob_matches("*/raw/orders/*", "/lake/blobs/raw/order/x.parquet"));
  assert_true(tg_glob_matches("a*b*c", "aXbXbXc"));
  assert_false(tg_glob_matches("a*b*c", "aXbXbX"));
  assert_true(tg_glob_matches("***a", "bba"));
}

static void a_question_mark_stands_for_one_character(void **state) {
  (void)state;
  assert_true(tg_glob_matches("a?c", "abc"));
  assert_true(tg_glob_matches("a?c", "a\xE2\x82\xAC"
                                     "c"));
  assert_false(tg_glob_matches("a?c", "ac"));
  assert_false(tg_glob_matches("a?", "a"));
  assert_true(tg_glob_matches("*?", "xy"));
  assert_false(tg_glob_matches("*?", ""));
}

static void nothing_else_is_special(void **state) {
  (void)state;
  assert_true(tg_glob_matches("[a]\\*", "[a]\\xyz"));
  assert_false(tg_glob_matches("[a]", "a"));
}

// A matcher that goes back for each star would not come to the end of this.
static void many_stars_take_no_longer_than_their_product(void **state) {
  (void)state;
  char pattern[2001], text[4001];
  for (size_t i = 0; i < 2000; i++) pattern[i] = i % 2 ? '*' : 'a';
  pattern[1999] = 'b';
  pattern[2000] = 0;
  memset(text, 'a', 4000);
  text[4000] = 0;
  assert_false(tg_glob_matches(pattern, text));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(matches_whole_texts),
      cmocka_unit_test(a_star_stands_for_any_characters),
      cmocka_unit_test(a_question_mark_stands_for_one_character),
      cmocka_unit_test(nothing_else_is_special),
      cmocka_unit_test(many_stars_take_no_longer_than_their_product),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
