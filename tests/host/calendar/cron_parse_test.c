// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "calendar/cron.h"

static struct tg_cron cron_of(const char *text) {
  struct tg_cron cron;
  struct tg_error err = {0};
  if (tg_cron_parse(text, &cron, &err)) fail_msg("%s", err.text);
  return cron;
}

static void says_where_and_what_is_wrong(void **state) {
  (void)state;
  static const struct {
    const char *text, *where, *what;
  } cases[] = {
      {"", "empty", "0 5 * * *"},
      {"   ", "empty", ""},
      {"0 5 * *", "character 7", "4 fields"},
      {"5", "character 1", "1 field;"},
      {"0 0 5 * * * *", "character 13", "there is no year"},
      {"60 * * * *", "character 1:", "\"60\" is not a minute (0-59)"},
      {"0 24 * * *", "character 3:", "\"24\" is not an hour (0-23)"},
      {"0 5 0 * *", "character 5:", "day of the month (1-31)"},
      {"0 5 32 * *", "character 5:", "day of the month (1-31)"},
      {"0 5 * 13 *", "character 7:", "\"13\" is not a month (1-12)"},
      {"0 5 * * 8", "character 9:", "\"8\" is not a weekday (0-7)"},
      {"99999999999999999999 * * * *", "character 1:", "is not a minute"},
      {"60 0 5 * * *", "character 1:", "is not a second"},
      {"0 5 1 FEV *", "character 7:", "did you mean FEB?"},
      {"0 5 1 january *", "character 7:", "did you mean JAN?"},
      {"0 5 * * MON-FIR", "character 13:", "did you mean FRI?"},
      {"0 5 * * Monday", "character 9:", "did you mean MON?"},
      {"0 5 * QQQ *", "character 7:", "JAN-DEC"},
      {"x 5 * * *", "character 1:", "\"x\" is not a minute"},
      {"5x * * * *", "character 2:", "\"x\" cannot follow"},
      {"0 5,,6 * * *", "character 5:", "the hour is missing"},
      {"0 5, * * *", "character 5:", "the hour is missing"},
      {"0 5- * * *", "character 5:", "the hour is missing"},
      {"0 -5 * * *", "character 3:", "\"-\" is not an hour"},
      {"0 22-2 * * *", "character 6:", "write 22-23,0-2"},
      {"0 5 * * FRI-MON", "character 13:", "write 5-6,0-1"},
      {"*/0 * * * *", "character 3:", "1-59"},
      {"*/90 * * * *", "character 3:", "@every 90m"},
      {"*/ * * * *", "character 3:", "step"},
      {"0 0 */31 * *", "character 7:", "1-30"},
      {"*5 * * * *", "character 2:", "cannot follow"},
      {"0 ? * * *", "character 3:", "? is for days"},
      {"0 0 L-31 * *", "character 7:", "0-30"},
      {"0 0 L- * *", "character 7:", "before the last"},
      {"0 0 LX * *", "character 6:", "cannot follow"},
      {"0 0 * * L", "character 9:", "5L or FRIL"},
      {"0 0 * * MON#6", "character 13:", "1-5"},
      {"0 0 * * MON#", "character 13:", "1-5"},
      {"0 0 15W-17 * *", "character 8:", "cannot follow"},
      {"0 0 * * 5L-6", "character 11:", "cannot follow"},
      {"15W * * * *", "character 3:", "cannot follow"},
      {"0 0 31 2 *", "character 5:", "\"31\" never come in the months \"2\""},
      {"0 0 30,31 FEB ?", "character 5:", "no date up to 2199"},
      {"0 0 31 4,6,9,11 *", "character 5:", "no date"},
      {"0 0 31W FEB *", "character 5:", "no date"},
      {"@dayly", "character 1:", "did you mean @daily?"},
      {"@foo", "character 1:", "is not known"},
      {"@reboot", "character 1:", "no time"},
      {"@daily 5", "character 8:", "nothing may follow"},
      {"@every", "character 7:", "15m"},
      {"@every 15", "character 8:", "duration"},
      {"@every 10ms", "character 8:", "1s to 366d"},
      {"@every 400d", "character 8:", "1s to 366d"},
      {"TZ=UTC 0 5 * * *", "character 1:", "option of its own"},
      {"0 5 * * \x01", "character 9 ", "printable"},
      {"0 5 * * \xc3\xa9", "character 9 ", "printable"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct tg_cron cron;
    struct tg_error err = {0};
    assert_int_equal(tg_cron_parse(cases[i].text, &cron, &err), TG_EINVALID);
    if (!strstr(err.text, cases[i].where) || !strstr(err.text, cases[i].what))
      fail_msg("\"%s\" gives: %s", cases[i].text, err.text);
  }
}

static void refuses_what_is_too_long(void **state) {
  (void)state;
  struct tg_cron cron;
  struct tg_error err = {0};
  char text[300];
  memset(text, '1', sizeof text);
  text[299] = 0;
  assert_int_equal(tg_cron_parse(text, &cron, &err), TG_EINVALID);
  assert_non_null(strstr(err.text, "at most 256 characters, not 299"));
}

static void reads_spellings_of_one_expression_alike(void **state) {
  (void)state;
  static const char *const pairs[][2] = {
      {"0 0 * * 0", "0 0 * * 7"},
      {"0 0 * * SUN", "0 0 ? * sun"},
      {"0 0 * * SAT-SUN", "0 0 * * 0,6"},
      {"0 0 * * 5-7", "0 0 * * FRI,SAT,SUN"},
      {"0 0 1 JAN-MAR *", "0 0 1 1,2,3 ?"},
      {"*/15 * * * *", "0,15,30,45 0-23 * * *"},
      {"5/15 * * * *", "5,20,35,50 * * * *"},
      {"0 0 5 * * *", "0 5 * * *"},
      {"  0\t5  * * * ", "0 5 * * *"},
      {"@hourly", "0 * * * *"},
      {"@daily", "0 0 * * *"},
      {"@midnight", "@DAILY "},
      {"@weekly", "0 0 * * SUN"},
      {"@monthly", "0 0 1 * *"},
      {"@yearly", "@annually"},
      {"@every 90m", "@every 1h30m"},
      {"0 0 L * *", "0 0 l * *"},
      {"0 0 L-0 * *", "0 0 L * *"},
      {"0 0 * * FRIL", "0 0 * * 5L"},
      {"0 0 * * 7#2", "0 0 * * SUN#2"},
      {"0 0 * * 1-7/2", "0 0 * * 1,3,5,7"},
      {"0 0 * * 1/2", "0 0 * * 1,3,5"},
      {"0 0 * * */2", "0 0 * * 0,2,4,6"},
  };
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
    struct tg_cron a = cron_of(pairs[i][0]), b = cron_of(pairs[i][1]);
    if (memcmp(&a, &b, sizeof a) != 0) fail_msg("%s is not %s", pairs[i][0], pairs[i][1]);
  }
}

static void sorts_expressions_by_their_hours(void **state) {
  (void)state;
  assert_int_equal(cron_of("0 * * * *").kind, TG_CRON_EVERY_HOUR);
  assert_int_equal(cron_of("0 0-23 * * *").kind, TG_CRON_EVERY_HOUR);
  assert_int_equal(cron_of("0 0-22/2,1-23/2 * * *").kind, TG_CRON_EVERY_HOUR);
  assert_int_equal(cron_of("0 */1 * * *").kind, TG_CRON_EVERY_HOUR);
  assert_int_equal(cron_of("0 */2 * * *").kind, TG_CRON_STEPPED_HOURS);
  assert_int_equal(cron_of("0 8-18/2 * * *").kind, TG_CRON_STEPPED_HOURS);
  assert_int_equal(cron_of("0 8-18 * * *").kind, TG_CRON_NAMED_HOURS);
  assert_int_equal(cron_of("*/5 2 * * *").kind, TG_CRON_NAMED_HOURS);
  assert_int_equal(cron_of("@every 1h").kind, TG_CRON_INTERVAL);
}

static void reads_weekdays_alone(void **state) {
  (void)state;
  uint32_t weekdays;
  struct tg_error err = {0};
  assert_int_equal(tg_cron_weekdays_parse("MON-FRI", &weekdays, NULL), TG_OK);
  assert_int_equal(weekdays, 0x3e);
  assert_int_equal(tg_cron_weekdays_parse("sat,7", &weekdays, NULL), TG_OK);
  assert_int_equal(weekdays, 0x41);
  assert_int_equal(tg_cron_weekdays_parse("MON-FRX", &weekdays, &err), TG_EINVALID);
  assert_non_null(strstr(err.text, "did you mean FRI?"));
  assert_int_equal(tg_cron_weekdays_parse("MON FRI", &weekdays, &err), TG_EINVALID);
  assert_non_null(strstr(err.text, "nothing may follow"));
  assert_int_equal(tg_cron_weekdays_parse("MON#2", &weekdays, &err), TG_EINVALID);
  assert_int_equal(tg_cron_weekdays_parse("", &weekdays, &err), TG_EINVALID);
}

// Every text of a few characters that mean something, and texts made at random of them.
static void reads_or_refuses_any_text(void **state) {
  (void)state;
  static const char letters[] = "0159*?/-,#LW MONJ@\t";
  uint32_t seed = 1, read = 0, refused = 0;
  for (int round = 0; round < 200000; round++) {
    char text[40] = "* * * * ";
    size_t start = round % 2 ? 8 : 0, len;
    seed = seed * 1664525 + 1013904223;
    len = start + 1 + (seed >> 24) % (round % 2 ? 8 : 30);
    for (size_t i = start; i < len; i++) {
      seed = seed * 1664525 + 1013904223;
      text[i] = letters[(seed >> 24) % (sizeof letters - 1)];
    }
    text[len] = 0;
    struct tg_cron cron;
    struct tg_error err = {0};
    int64_t at_ms;
    if (tg_cron_parse(text, &cron, &err) == TG_OK) {
      assert_true(tg_cron_next(&cron, tg_zone_utc(), 0, &at_ms) && at_ms > 0);
      read++;
    } else {
      assert_int_not_equal(err.text[0], 0);
      refused++;
    }
  }
  assert_true(read > 1000 && refused > 1000);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(says_where_and_what_is_wrong),
      cmocka_unit_test(refuses_what_is_too_long),
      cmocka_unit_test(reads_spellings_of_one_expression_alike),
      cmocka_unit_test(sorts_expressions_by_their_hours),
      cmocka_unit_test(reads_weekdays_alone),
      cmocka_unit_test(reads_or_refuses_any_text),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
