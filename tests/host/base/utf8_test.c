// SPDX-License-Identifier: Apache-2.0
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// Every code point, encoded by the rule of RFC 3629 section 3.
static size_t encode(uint32_t c, unsigned char out[4]) {
  size_t more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  static const unsigned char lead[] = {0, 0xC0, 0xE0, 0xF0};
  for (size_t i = more; i > 0; i--, c >>= 6) out[i] = (unsigned char)(0x80 | (c & 0x3f));
  out[0] = (unsigned char)(lead[more] | c);
  return more + 1;
}

static void knows_every_code_point(void **state) {
  (void)state;
  for (uint32_t c = 0; c <= 0x10FFFF; c++) {
    unsigned char bytes[4];
    size_t len = encode(c, bytes), expected = c >= 0xD800 && c <= 0xDFFF ? 0 : len;
    assert_int_equal(tg_utf8_length((char *)bytes, len), expected);
    if (len > 1) assert_int_equal(tg_utf8_length((char *)bytes, len - 1), 0); // cut
  }
}

static void refuses_all_else(void **state) {
  (void)state;
  static const char *const wrong[] = {
      "\x80",
      "\xBF",
      "\xC0\x80",
      "\xC1\xBF",
      "\xC3(",
      "\xE0\x9F\xBF",
      "\xED\xA0\x80",
      "\xE2(\xA1",
      "\xE2\x82(",
      "\xF0\x8F\xBF\xBF",
      "\xF4\x90\x80\x80",
      "\xF5\x80\x80\x80",
      "\xF8\x88\x80\x80\x80",
      "\xFE",
      "\xFF",
  };
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    assert_int_equal(tg_utf8_length(wrong[i], strlen(wrong[i])), 0);
    assert_false(tg_utf8_is_valid(wrong[i], strlen(wrong[i])));
  }
  assert_int_equal(tg_utf8_length("", 0), 0);
}

static void judges_whole_texts(void **state) {
  (void)state;
  assert_true(tg_utf8_is_valid("", 0));
  assert_true(tg_utf8_is_valid("a\0\xC3\xA9", 4));
  assert_false(tg_utf8_is_valid("a\xC3\xA9\xE2\x82", 5));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(knows_every_code_point),
      cmocka_unit_test(refuses_all_else),
      cmocka_unit_test(judges_whole_texts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
