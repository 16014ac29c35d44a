// SPDX-License-Identifier: Apache-2.0
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void appends_all_kinds(void **state) {
  (void)state;
  struct tg_buf buf;
  tg_buf_init(&buf, 100);
  assert_string_equal(tg_buf_text(&buf), "");
  assert_true(tg_buf_put(&buf, NULL, 0));
  assert_true(tg_buf_put(&buf, "ab\0c", 4));
  assert_true(tg_buf_puts(&buf, "-"));
  assert_true(tg_buf_putc(&buf, 'x'));
  assert_true(tg_buf_putf(&buf, "%d%s", 42, "!"));
  assert_int_equal(buf.len, 9);
  assert_memory_equal(buf.data, "ab\0c-x42!", 10);
  tg_buf_deinit(&buf);
}

static void holds_exactly_its_ceiling(void **state) {
  (void)state;
  struct tg_buf buf;
  tg_buf_init(&buf, 3);
  assert_true(tg_buf_puts(&buf, "abc"));
  assert_true(tg_buf_puts(&buf, ""));
  assert_false(buf.is_failed);
  assert_false(tg_buf_putc(&buf, 'd'));
  assert_true(buf.is_failed);
  assert_string_equal(buf.data, "abc");
  tg_buf_deinit(&buf);
}

static void does_nothing_once_it_failed(void **state) {
  (void)state;
  struct tg_buf buf;
  tg_buf_init(&buf, 4);
  tg_buf_puts(&buf, "ab");
  assert_false(tg_buf_putf(&buf, "%s", "cde"));
  assert_false(tg_buf_putc(&buf, 'c')); // would fit
  assert_null(tg_buf_reserve(&buf, 0));
  assert_string_equal(tg_buf_text(&buf), "ab");
  tg_buf_clear(&buf);
  assert_true(tg_buf_puts(&buf, "cd"));
  assert_string_equal(tg_buf_text(&buf), "cd");
  tg_buf_deinit(&buf);
}

static void refuses_what_no_memory_can_hold(void **state) {
  (void)state;
  struct tg_buf buf;
  tg_buf_init(&buf, SIZE_MAX);
  assert_true(tg_buf_puts(&buf, "x"));
  assert_null(tg_buf_reserve(&buf, SIZE_MAX));
  tg_buf_clear(&buf);
  assert_null(tg_buf_reserve(&buf, SIZE_MAX / 2 + 1));
  tg_buf_clear(&buf);
  assert_null(tg_buf_reserve(&buf, SIZE_MAX - 1));
  tg_buf_deinit(&buf);
}

static void consumes_from_the_front(void **state) {
  (void)state;
  struct tg_buf buf;
  tg_buf_init(&buf, 100);
  tg_buf_consume(&buf, 0);
  tg_buf_puts(&buf, "abcdef");
  tg_buf_consume(&buf, 2);
  assert_string_equal(buf.data, "cdef");
  tg_buf_consume(&buf, 4);
  assert_string_equal(buf.data, "");
  assert_int_equal(buf.len, 0);
  tg_buf_deinit(&buf);
}

static void gives_its_bytes_away(void **state) {
  (void)state;
  struct tg_buf buf;
  tg_buf_init(&buf, 5);
  char *text = tg_buf_take(&buf);
  assert_string_equal(text, "");
  free(text);
  tg_buf_puts(&buf, "abc");
  text = tg_buf_take(&buf);
  assert_string_equal(text, "abc");
  free(text);
  assert_int_equal(buf.len, 0);
  assert_int_equal(buf.max, 5);
  tg_buf_puts(&buf, "abcdef");
  assert_null(tg_buf_take(&buf));
  assert_false(buf.is_failed);
  tg_buf_deinit(&buf);
}

static void expect_json(const char *text, size_t len, const char *expected) {
  struct tg_buf buf;
  tg_buf_init(&buf, 1000);
  assert_true(tg_buf_put_json(&buf, text, len));
  assert_string_equal(tg_buf_text(&buf), expected);
  tg_buf_deinit(&buf);
}

static void escapes_json(void **state) {
  (void)state;
  expect_json("", 0, "\"\"");
  expect_json("plain /", 7, "\"plain /\"");
  expect_json("\"\\\n\r\t", 5, "\"\\\"\\\\\\n\\r\\t\"");
  expect_json("\0\x01\x1f\x7f", 4, "\"\\u0000\\u0001\\u001f\\u007f\"");
  expect_json("\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80", 11,
              "\"\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80\"");
}

static void replaces_what_is_not_utf8_in_json(void **state) {
  (void)state;
  expect_json("a\xFFz", 3, "\"a\xEF\xBF\xBDz\"");
  expect_json("\xE2\x82", 2, "\"\xEF\xBF\xBD\xEF\xBF\xBD\""); // cut
  expect_json("\xC0\x80", 2, "\"\xEF\xBF\xBD\xEF\xBF\xBD\""); // overlong
  expect_json("\xC3\"", 2, "\"\xEF\xBF\xBD\\\"\"");           // does not swallow what follows
}

static void json_that_is_too_long_fails(void **state) {
  (void)state;
  struct tg_buf buf;
  for (size_t max = 0; max < 9; max++) {
    tg_buf_init(&buf, max);
    assert_false(tg_buf_put_json(&buf, "a\x01z", 3));
    tg_buf_deinit(&buf);
  }
  tg_buf_init(&buf, 10);
  assert_true(tg_buf_put_json(&buf, "a\x01z", 3));
  tg_buf_deinit(&buf);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(appends_all_kinds),
      cmocka_unit_test(holds_exactly_its_ceiling),
      cmocka_unit_test(does_nothing_once_it_failed),
      cmocka_unit_test(refuses_what_no_memory_can_hold),
      cmocka_unit_test(consumes_from_the_front),
      cmocka_unit_test(gives_its_bytes_away),
      cmocka_unit_test(escapes_json),
      cmocka_unit_test(replaces_what_is_not_utf8_in_json),
      cmocka_unit_test(json_that_is_too_long_fails),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
