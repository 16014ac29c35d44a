// SPDX-License-Identifier: Apache-2.0
#include "base/suggest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *suggest(const char *word) {
  static const char *const words[] = {"after", "retry", "timeout", "tags", "run", "runs"};
  return tg_suggest(word, words, sizeof words / sizeof *words);
}

static void finds_a_word_that_is_slightly_wrong(void **state) {
  (void)state;
  assert_string_equal(suggest("aftr"), "after");      // one missing
  assert_string_equal(suggest("affter"), "after");    // one too many
  assert_string_equal(suggest("ertry"), "retry");     // two swapped
  assert_string_equal(suggest("Timeout"), "timeout"); // letter case
  assert_string_equal(suggest("time_out"), "timeout");
}

static void prefers_the_nearest(void **state) {
  (void)state;
  assert_string_equal(suggest("rnus"), "runs");
  assert_string_equal(suggest("ru"), "run");
}

static void is_silent_when_nothing_is_near(void **state) {
  (void)state;
  assert_null(suggest("schedule"));
  assert_null(suggest("xyz"));
  assert_null(suggest(""));
  char word[TG_SUGGEST_WORD_MAX + 2];
  memset(word, 'a', sizeof word - 1);
  word[sizeof word - 1] = 0;
  assert_null(suggest(word));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(finds_a_word_that_is_slightly_wrong),
      cmocka_unit_test(prefers_the_nearest),
      cmocka_unit_test(is_silent_when_nothing_is_near),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
