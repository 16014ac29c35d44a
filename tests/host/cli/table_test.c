// SPDX-License-Identifier: Apache-2.0
#include "cli/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct tg_column columns[] = {{"NAME", false}, {"N", true}, {"TEXT", false}};

static void expect(const struct tg_output *output, const struct tg_cell (*rows)[3], size_t count,
                   const char *expected) {
  struct tg_table table;
  struct tg_buf out;
  tg_table_init(&table, columns, 3);
  tg_buf_init(&out, 65536);
  for (size_t i = 0; i < count; i++) tg_table_add(&table, rows[i]);
  tg_table_put(&table, output, &out);
  assert_string_equal(tg_buf_text(&out), expected);
  tg_buf_deinit(&out);
  tg_table_deinit(&table);
}

static void aligns_columns_left_and_right(void **state) {
  (void)state;
  const struct tg_cell rows[][3] = {{{"a", 0}, {"5", 0}, {"first", 0}},
                                    {{"longer", 0}, {"1000", 0}, {NULL, 0}}};
  expect(&(struct tg_output){0}, rows, 2,
         "NAME       N  TEXT\n"
         "a          5  first\n"
         "longer  1000\n");
}

static void is_silent_without_rows(void **state) {
  (void)state;
  expect(&(struct tg_output){0}, NULL, 0, "");
}

static void cuts_the_last_column_on_a_terminal_only(void **state) {
  (void)state;
  const struct tg_cell rows[][3] = {{{"a", 0}, {"1", 0}, {"a long text", 0}}};
  expect(&(struct tg_output){.width = 16}, rows, 1,
         "NAME  N  TEXT\n"
         "a     1  a long\xE2\x80\xA6\n");
  expect(&(struct tg_output){.width = 0}, rows, 1,
         "NAME  N  TEXT\n"
         "a     1  a long text\n");
}

static void counts_wide_and_combining_characters(void **state) {
  (void)state;
  const struct tg_cell rows[][3] = {{{"\xE6\x97\xA5\xE6\x9C\xAC", 0}, {"1", 0}, {"x", 0}},
                                    {{"e\xCC\x81t\xC3\xA9", 0}, {"2", 0}, {"y", 0}}};
  expect(&(struct tg_output){0}, rows, 2,
         "NAME  N  TEXT\n"
         "\xE6\x97\xA5\xE6\x9C\xAC  1  x\n"
         "e\xCC\x81t\xC3\xA9   2  y\n");
}

static void lets_no_text_steer_the_terminal(void **state) {
  (void)state;
  const struct tg_cell rows[][3] = {
      {{"\033[31mred\033[0m", 0}, {"1", 0}, {"two\nlines\033]0;title\a\x01\xff\xC2\x9B", 0}}};
  expect(&(struct tg_output){0}, rows, 1,
         "NAME  N  TEXT\n"
         "red   1  two lines\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\n");
}

static void colours_only_if_allowed(void **state) {
  (void)state;
  const struct tg_cell rows[][3] = {{{"a", TG_STYLE_GOOD}, {"1", 0}, {"b", TG_STYLE_BAD}}};
  expect(&(struct tg_output){.has_color = true}, rows, 1,
         "\033[1mNAME\033[0m  \033[1mN\033[0m  \033[1mTEXT\033[0m\n"
         "\033[32ma\033[0m     1  \033[31mb\033[0m\n");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(aligns_columns_left_and_right),
      cmocka_unit_test(is_silent_without_rows),
      cmocka_unit_test(cuts_the_last_column_on_a_terminal_only),
      cmocka_unit_test(counts_wide_and_combining_characters),
      cmocka_unit_test(lets_no_text_steer_the_terminal),
      cmocka_unit_test(colours_only_if_allowed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
