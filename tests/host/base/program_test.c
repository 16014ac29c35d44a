// SPDX-License-Identifier: Apache-2.0
#include "base/program.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/file.h"

static char digit_of(unsigned nibble) {
  return "0123456789abcdef"[nibble];
}

// The linker's note in the file: its header ends with the type 3, then come "GNU" and the id.
static void is_the_id_that_the_linker_wrote(void **state) {
  (void)state;
  static const char note[] = "\3\0\0\0GNU";
  struct tg_buf file;
  char text[2 * TG_PROGRAM_ID_MAX + 1] = "";
  tg_buf_init(&file, 64 << 20);
  assert_int_equal(tg_file_read("/proc/self/exe", &file, NULL), 0);
  const char *at = memmem(file.data, file.len, note, sizeof note);
  assert_non_null(at);
  size_t len = strlen(tg_program_id()) / 2;
  assert_true(len >= 16);
  for (size_t i = 0; i < len; i++) {
    unsigned byte = (unsigned char)at[sizeof note + i];
    text[2 * i] = digit_of(byte >> 4);
    text[2 * i + 1] = digit_of(byte & 15);
  }
  assert_string_equal(tg_program_id(), text);
  tg_buf_deinit(&file);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(is_the_id_that_the_linker_wrote),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
