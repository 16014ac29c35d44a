// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void sets_code_class_and_text(void **state) {
  (void)state;
  struct tg_error err = {.retry_after_ms = 5};
  assert_int_equal(tg_error_set(&err, TG_ETIMEOUT, "waited %d s", 3), TG_ETIMEOUT);
  assert_int_equal(err.code, TG_ETIMEOUT);
  assert_int_equal(err.class, TG_CLASS_TRANSIENT);
  assert_int_equal(err.retry_after_ms, 0);
  assert_string_equal(err.text, "waited 3 s");
  tg_error_clear(&err);
  assert_int_equal(err.code, TG_OK);
  assert_int_equal(err.class, TG_CLASS_NONE);
  assert_string_equal(err.text, "");
}

static void does_without_an_error(void **state) {
  (void)state;
  assert_int_equal(tg_error_set(NULL, TG_EIO, "%s", "x"), TG_EIO);
  assert_int_equal(tg_error_errno(NULL, TG_EIO, ENOSPC, "%s", "x"), TG_EFULL);
  tg_error_clear(NULL);
}

static void cuts_a_text_that_is_too_long(void **state) {
  (void)state;
  struct tg_error err;
  char text[2 * TG_ERROR_TEXT_MAX];
  memset(text, 'x', sizeof text - 1);
  text[sizeof text - 1] = 0;
  tg_error_errno(&err, TG_EIO, ENOENT, "%s", text);
  assert_int_equal(strlen(err.text), TG_ERROR_TEXT_MAX - 1);
}

static void tells_errno_and_a_full_disk(void **state) {
  (void)state;
  struct tg_error err;
  assert_int_equal(tg_error_errno(&err, TG_EIO, ENOENT, "cannot open %s", "f"), TG_EIO);
  assert_string_equal(err.text, "cannot open f: No such file or directory");
  assert_int_equal(tg_error_errno(&err, TG_EIO, ENOSPC, "w"), TG_EFULL);
  assert_int_equal(err.class, TG_CLASS_TRANSIENT);
  assert_int_equal(tg_error_errno(&err, TG_EIO, EDQUOT, "w"), TG_EFULL);
}

static void every_word_is_found_again(void **state) {
  (void)state;
  for (int code = 0; code < TG_CODE_COUNT; code++) {
    assert_int_equal(tg_code_parse(tg_code_word(code)), code);
    assert_true(strlen(tg_code_text(code)) > 0);
    assert_true(code == TG_OK || tg_code_class(code) != TG_CLASS_NONE);
  }
  for (int class = 0; class < TG_CLASS_COUNT; class ++)
    assert_int_equal(tg_class_parse(tg_class_word((enum tg_class) class)), class);
}

static void survives_codes_that_are_none(void **state) {
  (void)state;
  assert_string_equal(tg_code_word(-1), "unknown");
  assert_string_equal(tg_code_word(TG_CODE_COUNT), "unknown");
  assert_string_equal(tg_code_text(255), "unknown error");
  assert_int_equal(tg_code_class(255), TG_CLASS_BUG);
  assert_string_equal(tg_class_word(TG_CLASS_COUNT), "unknown");
  assert_int_equal(tg_code_parse("Timeout"), -1);
  assert_int_equal(tg_code_parse(""), -1);
  assert_int_equal(tg_class_parse("nothing"), -1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sets_code_class_and_text),
      cmocka_unit_test(does_without_an_error),
      cmocka_unit_test(cuts_a_text_that_is_too_long),
      cmocka_unit_test(tells_errno_and_a_full_disk),
      cmocka_unit_test(every_word_is_found_again),
      cmocka_unit_test(survives_codes_that_are_none),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
