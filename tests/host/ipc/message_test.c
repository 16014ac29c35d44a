// SPDX-License-Identifier: Apache-2.0
#include "ipc/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct tg_error pass(const struct tg_error *err) {
  struct tg_buf out;
  struct tg_error got;
  tg_buf_init(&out, 10000);
  tg_wire_put_error(&out, err);
  struct tg_reader in = tg_reader_of(out.data, out.len);
  tg_wire_get_error(&in, &got);
  assert_true(tg_reader_is_done(&in));
  tg_buf_deinit(&out);
  return got;
}

static void an_error_arrives_as_it_left(void **state) {
  (void)state;
  for (int code = 0; code < TG_CODE_COUNT; code++) {
    struct tg_error err = {.class = TG_CLASS_THROTTLED, .retry_after_ms = INT64_MAX};
    err.code = code;
    memset(err.text, 'x', sizeof err.text - 1);
    struct tg_error got = pass(&err);
    assert_int_equal(got.code, code);
    assert_int_equal(got.class, TG_CLASS_THROTTLED);
    assert_int_equal(got.retry_after_ms, INT64_MAX);
    assert_string_equal(got.text, err.text);
  }
}

static void no_error_arrives_as_none(void **state) {
  (void)state;
  struct tg_error got = pass(NULL);
  assert_int_equal(got.code, TG_OK);
  assert_string_equal(got.text, "");
}

static bool is_refused(uint8_t code, uint8_t class, int64_t retry_after_ms) {
  struct tg_buf out;
  struct tg_error got;
  tg_buf_init(&out, 1000);
  tg_wire_put_u8(&out, code);
  tg_wire_put_u8(&out, class);
  tg_wire_put_i64(&out, retry_after_ms);
  tg_wire_put_text(&out, "text");
  struct tg_reader in = tg_reader_of(out.data, out.len);
  tg_wire_get_error(&in, &got);
  tg_buf_deinit(&out);
  return in.is_failed;
}

static void refuses_an_error_that_cannot_be(void **state) {
  (void)state;
  assert_false(is_refused(TG_EIO, TG_CLASS_BUG, 0));
  assert_true(is_refused(TG_CODE_COUNT, TG_CLASS_BUG, 0));
  assert_true(is_refused(255, TG_CLASS_BUG, 0));
  assert_true(is_refused(TG_EIO, TG_CLASS_COUNT, 0));
  assert_true(is_refused(TG_EIO, TG_CLASS_BUG, -1));
}

static void cuts_a_text_that_is_too_long(void **state) {
  (void)state;
  struct tg_buf out;
  struct tg_error got;
  char text[3 * TG_ERROR_TEXT_MAX] = {0};
  memset(text, 'x', sizeof text - 1);
  tg_buf_init(&out, 10000);
  tg_wire_put_u8(&out, TG_EIO);
  tg_wire_put_u8(&out, TG_CLASS_BUG);
  tg_wire_put_i64(&out, 0);
  tg_wire_put_text(&out, text);
  struct tg_reader in = tg_reader_of(out.data, out.len);
  tg_wire_get_error(&in, &got);
  assert_false(in.is_failed);
  assert_int_equal(strlen(got.text), TG_ERROR_TEXT_MAX - 1);
  tg_buf_deinit(&out);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_error_arrives_as_it_left),
      cmocka_unit_test(no_error_arrives_as_none),
      cmocka_unit_test(refuses_an_error_that_cannot_be),
      cmocka_unit_test(cuts_a_text_that_is_too_long),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
