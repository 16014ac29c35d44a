// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TEXT_MAX = 100000 };

struct lines {
  int count;
  enum tg_log_level level;
  char last[TEXT_MAX];
};

static void lines_add(void *self, enum tg_log_level level, const char *line) {
  struct lines *lines = self;
  lines->count++;
  lines->level = level;
  strncpy(lines->last, line, TEXT_MAX - 1);
}

static int setup(void **state) {
  struct lines *lines = calloc(1, sizeof *lines);
  tg_log_set_sink(lines_add, lines);
  tg_log_configure(TG_LOG_DEBUG, false);
  *state = lines;
  return 0;
}

static int teardown(void **state) {
  tg_log_set_sink(NULL, NULL);
  free(*state);
  return 0;
}

// Gives what stands after the time and the level.
static const char *message(const struct lines *lines) {
  assert_true(strlen(lines->last) >= 31);
  return lines->last + 31;
}

static void writes_time_level_and_text(void **state) {
  struct lines *lines = *state;
  tg_log(TG_LOG_WARN, "hello %d", 5);
  assert_int_equal(lines->count, 1);
  assert_int_equal(lines->level, TG_LOG_WARN);
  assert_int_equal(lines->last[23], 'Z');
  assert_string_equal(lines->last + 24, " warn  hello 5");
}

static void leaves_out_what_is_below_the_level(void **state) {
  struct lines *lines = *state;
  tg_log_configure(TG_LOG_ERROR, false);
  tg_log(TG_LOG_WARN, "quiet");
  assert_int_equal(lines->count, 0);
  tg_log(TG_LOG_ERROR, "loud");
  assert_int_equal(lines->count, 1);
}

static void writes_json(void **state) {
  struct lines *lines = *state;
  tg_log_configure(TG_LOG_DEBUG, true);
  tg_log(TG_LOG_INFO, "a \"b\"\n\x1b[31m");
  assert_memory_equal(lines->last, "{\"time\":\"", 9);
  assert_string_equal(lines->last + 33,
                      "\",\"level\":\"info\",\"message\":\"a \\\"b\\\"\\n\\u001b[31m\"}");
}

static void escapes_what_a_terminal_would_obey(void **state) {
  struct lines *lines = *state;
  tg_log(TG_LOG_INFO, "a\nb\r\x1b[31m\x7f");
  assert_string_equal(message(lines), "a\\nb\\x0d\\x1b[31m\\x7f");
  tg_log(TG_LOG_INFO, "\xC2\x9B"
                      "31m \xC2\x80 \x9B \xFF"); // CSI as U+009B, and as a bare byte
  assert_string_equal(message(lines), "\\xc2\\x9b31m \\xc2\\x80 \\x9b \\xff");
  tg_log(TG_LOG_INFO, "\xC3\xA9 \xE2\x82\xAC \xC2\xA0");
  assert_string_equal(message(lines), "\xC3\xA9 \xE2\x82\xAC \xC2\xA0");
}

static void cuts_a_line_that_is_too_long(void **state) {
  struct lines *lines = *state;
  char *text = malloc(TEXT_MAX);
  memset(text, 1, TEXT_MAX - 1);
  text[TEXT_MAX - 1] = 0;
  tg_log(TG_LOG_INFO, "%s", text);
  assert_int_equal(strlen(message(lines)), 8191 * 4);
  tg_log_configure(TG_LOG_DEBUG, true);
  tg_log(TG_LOG_INFO, "%s", text);
  assert_string_equal(lines->last + strlen(lines->last) - 8, "\\u0001\"}");
  free(text);
}

static void blanks_secrets(void **state) {
  struct lines *lines = *state;
  tg_log_add_secret("hunter2secret");
  tg_log(TG_LOG_INFO, "password=hunter2secret;again hunter2secrethunter2secret");
  assert_string_equal(message(lines), "password=***;again ******");
  char text[] = "x hunter2secret y";
  tg_log_redact(text);
  assert_string_equal(text, "x *** y");
}

static void leaves_short_words_alone(void **state) {
  (void)state;
  tg_log_add_secret("");
  tg_log_add_secret("the");
  char text[] = "the other";
  tg_log_redact(text);
  assert_string_equal(text, "the other");
}

static void blanks_the_longer_of_two_secrets_that_begin_alike(void **state) {
  (void)state;
  tg_log_add_secret("abcd-short");
  tg_log_add_secret("abcd-short-and-long");
  char text[] = "abcd-short-and-long abcd-short";
  tg_log_redact(text);
  assert_string_equal(text, "*** ***");
}

static void a_cut_line_shows_no_part_of_a_secret(void **state) {
  struct lines *lines = *state;
  tg_log_add_secret("QRSTUVWXYZQRSTUVWXYZ");
  for (int before = 8191 - 25; before <= 8191; before++) {
    tg_log(TG_LOG_INFO, "%0*d%s and more", before, 0, "QRSTUVWXYZQRSTUVWXYZ");
    assert_null(strpbrk(message(lines), "QRSTUVWXYZ"));
  }
}

static void knows_its_levels(void **state) {
  (void)state;
  for (int level = 0; level < TG_LOG_LEVEL_COUNT; level++)
    assert_int_equal(tg_log_level_parse(tg_log_level_word((enum tg_log_level)level)), level);
  assert_int_equal(tg_log_level_parse("WARN"), -1);
  assert_int_equal(tg_log_level_parse(""), -1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(writes_time_level_and_text, setup, teardown),
      cmocka_unit_test_setup_teardown(leaves_out_what_is_below_the_level, setup, teardown),
      cmocka_unit_test_setup_teardown(writes_json, setup, teardown),
      cmocka_unit_test_setup_teardown(escapes_what_a_terminal_would_obey, setup, teardown),
      cmocka_unit_test_setup_teardown(cuts_a_line_that_is_too_long, setup, teardown),
      cmocka_unit_test_setup_teardown(blanks_secrets, setup, teardown),
      cmocka_unit_test_setup_teardown(leaves_short_words_alone, setup, teardown),
      cmocka_unit_test_setup_teardown(blanks_the_longer_of_two_secrets_that_begin_alike, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(a_cut_line_shows_no_part_of_a_secret, setup, teardown),
      cmocka_unit_test_setup_teardown(knows_its_levels, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
