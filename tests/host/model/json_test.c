// SPDX-License-Identifier: Apache-2.0
// jansson says what is right: whatever it reads is a value, and nothing else is, but for NULs.
#include "model/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static bool is_read(const char *text, size_t len) {
  json_t *value = NULL;
  tg_json_read(text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &value, NULL);
  bool is_value = value != NULL;
  json_decref(value);
  return is_value;
}

// jansson passes over a NUL behind a number or a word; what is kept as text would end there.
static void expect_alike(const char *text, size_t len) {
  if (memchr(text, 0, len)) {
    assert_false(tg_json_is_value(text, len));
    return;
  }
  if (tg_json_is_value(text, len) == is_read(text, len)) return;
  fail_msg("jansson %s it: %.*s", is_read(text, len) ? "reads" : "refuses", (int)len, text);
}

static const char *const texts[] = {"",
                                    " ",
                                    "null",
                                    " true\t",
                                    "false\r\n",
                                    "nul",
                                    "nullx",
                                    "truefalse",
                                    "0",
                                    "-0",
                                    "-",
                                    "01",
                                    "-01",
                                    "1.",
                                    "1.5",
                                    ".5",
                                    "1e",
                                    "1e5",
                                    "1E+5",
                                    "1e-5",
                                    "1e+",
                                    "1e999",
                                    "-1e999",
                                    "1e-999",
                                    "9223372036854775807",
                                    "9223372036854775808",
                                    "-9223372036854775808",
                                    "-9223372036854775809",
                                    "00000000000000000000000",
                                    "1.00000000000000000000000000000",
                                    "\"\"",
                                    "\"a",
                                    "\"\\\"\"",
                                    "\"\\x\"",
                                    "\"\\u12\"",
                                    "\"\\u0000\"",
                                    "\"\\ud834\\udd1e\"",
                                    "\"\\ud834\"",
                                    "\"\\ud834\\u0041\"",
                                    "\"\\udd1e\"",
                                    "\"\x01\"",
                                    "\"\x7f\"",
                                    "\"\xc3\xa4\"",
                                    "\"\xc3\"",
                                    "\"\xed\xa0\x80\"",
                                    "\"\xf4\x90\x80\x80\"",
                                    "\"\xc0\x80\"",
                                    "[]",
                                    "[",
                                    "[1",
                                    "[1,",
                                    "[1,]",
                                    "[,1]",
                                    "[1 2]",
                                    "[ 1 , 2 ]",
                                    "]",
                                    "{}",
                                    "{",
                                    "{\"a\"}",
                                    "{\"a\":}",
                                    "{\"a\":1}",
                                    "{\"a\":1,}",
                                    "{\"a\":1,\"a\":2}",
                                    "{a:1}",
                                    "{\"\\u0000\":1}",
                                    "{\"a\\u0000\":1}",
                                    "{\"\":1}",
                                    "{\"a\":[{}]}",
                                    "1 2",
                                    "[1]x",
                                    "\xef\xbb\xbf"
                                    "1",
                                    "//c\n1",
                                    "NaN",
                                    "Infinity",
                                    "'a'",
                                    "[1]\n",
                                    "\"a\nb\""};

static void answers_as_jansson_does(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    expect_alike(texts[i], strlen(texts[i]));
  expect_alike("[1\0]", 4);
  expect_alike("\"a\0b\"", 5);
  expect_alike("1\0", 2);
}

// Texts of the pieces that matter, put together by chance, and changed by a byte.
static void answers_so_for_texts_of_chance(void **state) {
  (void)state;
  static const char *const pieces[] = {
      "[",       "]",       "{",       "}",        ",",      ":",     "\"a\"",    "\"",
      "1",       "0",       "-",       ".5",       "e3",     "null",  "true",     " ",
      "\\u0000", "\\ud834", "\\udd1e", "\xc3\xa4", "\"b\":", "[1,2]", "{\"a\":0}"};
  unsigned seed = 1;
  for (int i = 0; i < 300000; i++) {
    char text[128];
    size_t len = 0;
    for (int count = rand_r(&seed) % 9; count; count--)
      len += (size_t)snprintf(text + len, sizeof text - len, "%s",
                              pieces[(size_t)rand_r(&seed) % (sizeof pieces / sizeof *pieces)]);
    expect_alike(text, len);
    if (len) text[(size_t)rand_r(&seed) % len] = (char)rand_r(&seed);
    expect_alike(text, len);
  }
}

static void is_as_deep_as_jansson(void **state) {
  (void)state;
  for (size_t depth = 2040; depth < 2056; depth++) {
    char text[2 * 2056 + 1];
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    expect_alike(text, 2 * depth);
    text[depth - 1] = '0'; // the same with a scalar inside
    expect_alike(text, 2 * depth - 1);
  }
}

static void a_number_may_be_as_long_as_the_text(void **state) {
  (void)state;
  static char text[1 << 20];
  memset(text, '7', sizeof text);
  expect_alike(text, sizeof text);
  text[1] = '.';
  expect_alike(text, sizeof text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(answers_as_jansson_does),
      cmocka_unit_test(answers_so_for_texts_of_chance),
      cmocka_unit_test(is_as_deep_as_jansson),
      cmocka_unit_test(a_number_may_be_as_long_as_the_text),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
