// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/units.h"
#include "calendar/cron_search.h"
#include "host/calendar/library.h"

static struct tg_cron cron_of(const char *text) {
  struct tg_cron cron;
  struct tg_error err = {0};
  if (tg_cron_parse(text, &cron, &err)) fail_msg("%s", err.text);
  return cron;
}

static void comes_next(const char *expression, const char *zone, const char *after,
                       const char *const expected[], size_t count) {
  struct tg_cron cron = cron_of(expression);
  int64_t at_ms = at(after);
  for (size_t i = 0; i < count; i++) {
    assert_true(tg_cron_next(&cron, zone_of(zone), at_ms, &at_ms));
    if (at_ms != at(expected[i])) {
      char text[TG_TIME_TEXT_LEN + 1];
      tg_time_format(at_ms, text);
      fail_msg("\"%s\" gives %s, not %s", expression, text, expected[i]);
    }
  }
  for (size_t i = count - 1; i > 0; i--) {
    assert_true(tg_cron_prev(&cron, zone_of(zone), at_ms, &at_ms));
    assert_int_equal(at_ms, at(expected[i - 1]));
  }
}

#define COMES_NEXT(expression, zone, after, ...)                                                   \
  do {                                                                                             \
    static const char *const expected[] = {__VA_ARGS__};                                           \
    comes_next(expression, zone, after, expected, sizeof expected / sizeof *expected);             \
  } while (0)

static void comes_on_the_days_that_are_named(void **state) {
  (void)state;
  COMES_NEXT("0 5 * * *", "UTC", "2026-02-27T05:00Z", "2026-02-28T05:00Z", "2026-03-01T05:00Z");
  COMES_NEXT("30 4 1,15 * *", "UTC", "2026-01-01T04:30Z", "2026-01-15T04:30Z", "2026-02-01T04:30Z");
  COMES_NEXT("0 0 29 2 *", "UTC", "2095-01-01", "2096-02-29", "2104-02-29");
  COMES_NEXT("0 0 31 * *", "UTC", "2026-01-31", "2026-03-31", "2026-05-31", "2026-07-31");
  COMES_NEXT("0 0 L * *", "UTC", "2028-01-31", "2028-02-29", "2028-03-31", "2028-04-30");
  COMES_NEXT("0 0 L-3 * *", "UTC", "2027-02-01", "2027-02-25", "2027-03-28");
  COMES_NEXT("0 0 LW * *", "UTC", "2026-01-01", "2026-01-30", "2026-02-27", "2026-03-31");
  COMES_NEXT("0 0 15W * *", "UTC", "2026-08-01", "2026-08-14", "2026-09-15", "2026-10-15",
             "2026-11-16");
  COMES_NEXT("0 0 1W * *", "UTC", "2026-07-31", "2026-08-03", "2026-09-01");
  COMES_NEXT("0 0 31W * *", "UTC", "2026-05-01", "2026-05-29", "2026-07-31", "2026-08-31");
  COMES_NEXT("0 0 * * MON#2", "UTC", "2026-06-01", "2026-06-08", "2026-07-13");
  COMES_NEXT("0 0 * * 5#5", "UTC", "2026-01-01", "2026-01-30", "2026-05-29");
  COMES_NEXT("0 0 * * 5L", "UTC", "2026-02-01", "2026-02-27", "2026-03-27");
  COMES_NEXT("0 0 1,L * ?", "UTC", "2026-02-02", "2026-02-28", "2026-03-01", "2026-03-31");
}

static void takes_either_day_if_both_are_named_and_both_if_one_is_a_star(void **state) {
  (void)state;
  COMES_NEXT("0 0 13 * FRI", "UTC", "2026-11-05", "2026-11-06", "2026-11-13", "2026-11-20",
             "2026-11-27", "2026-12-04", "2026-12-11", "2026-12-13");
  COMES_NEXT("0 0 */2 * MON", "UTC", "2026-06-01", "2026-06-15", "2026-06-29");
  COMES_NEXT("0 0 13 * */5", "UTC", "2026-01-01", "2026-02-13", "2026-03-13", "2026-09-13");
}

static void comes_to_the_second(void **state) {
  (void)state;
  COMES_NEXT("*/20 59 23 31 12 *", "UTC", "2026-12-31T23:59:20Z", "2026-12-31T23:59:40Z",
             "2027-12-31T23:59:00Z");
  COMES_NEXT("* * * * *", "UTC", "2026-12-31T23:58:59.999Z", "2026-12-31T23:59:00Z", "2027-01-01");
}

// What P8 promises, spelled out; cron_zone_test.c looks at every change of the clocks.
static void runs_a_skipped_time_once_and_a_repeated_one_the_first_time(void **state) {
  (void)state;
  COMES_NEXT("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00Z", "2026-03-29T01:00Z",
             "2026-03-30T00:30Z");
  COMES_NEXT("0,30 2,3 * * *", "Europe/Berlin", "2026-03-28T12:00Z", "2026-03-29T01:00Z",
             "2026-03-29T01:30Z", "2026-03-30T00:00Z");
  COMES_NEXT("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00Z", "2026-10-25T00:30Z",
             "2026-10-26T01:30Z");
  COMES_NEXT("*/20 2 * * *", "Europe/Berlin", "2026-10-24T12:00Z", "2026-10-25T00:00Z",
             "2026-10-25T00:20Z", "2026-10-25T00:40Z", "2026-10-26T01:00Z");
  COMES_NEXT("0 0 * * *", "Africa/Cairo", "2026-04-23T12:00Z", "2026-04-23T22:00Z",
             "2026-04-24T21:00Z");
  COMES_NEXT("0 5 30 12 *", "Pacific/Apia", "2011-12-29T12:00Z", "2011-12-30T10:00Z",
             "2012-12-29T15:00Z");
}

static void follows_elapsed_time_if_every_hour_counts(void **state) {
  (void)state;
  COMES_NEXT("0 * * * *", "Europe/Berlin", "2026-03-28T23:00Z", "2026-03-29T00:00Z",
             "2026-03-29T01:00Z", "2026-03-29T02:00Z");
  COMES_NEXT("30 * * * *", "Europe/Berlin", "2026-03-29T00:00Z", "2026-03-29T00:30Z",
             "2026-03-29T01:30Z", "2026-03-29T02:30Z");
  COMES_NEXT("30 * * * *", "Europe/Berlin", "2026-10-25T00:00Z", "2026-10-25T00:30Z",
             "2026-10-25T01:30Z", "2026-10-25T02:30Z");
  COMES_NEXT("*/15 * * * *", "Europe/Berlin", "2026-10-25T00:30Z", "2026-10-25T00:45Z",
             "2026-10-25T01:00Z", "2026-10-25T01:15Z", "2026-10-25T01:30Z");
}

static void waits_no_longer_than_a_step_over_hours(void **state) {
  (void)state;
  COMES_NEXT("0 */2 * * *", "Europe/Berlin", "2026-03-28T22:00Z", "2026-03-28T23:00Z",
             "2026-03-29T01:00Z", "2026-03-29T02:00Z", "2026-03-29T04:00Z");
  COMES_NEXT("0 */2 * * *", "Europe/Berlin", "2026-10-24T22:30Z", "2026-10-25T00:00Z",
             "2026-10-25T01:00Z", "2026-10-25T03:00Z");
  COMES_NEXT("0 */12 * * *", "Africa/Cairo", "2026-04-23T00:00Z", "2026-04-23T10:00Z",
             "2026-04-23T22:00Z", "2026-04-24T09:00Z");
}

static void keeps_an_interval_whatever_the_clocks_do(void **state) {
  (void)state;
  COMES_NEXT("@every 90m", "Europe/Berlin", "2026-03-29T00:00Z", "2026-03-29T01:30Z",
             "2026-03-29T03:00Z", "2026-03-29T04:30Z");
  COMES_NEXT("@every 1d", "Europe/Berlin", "2026-10-24T00:00Z", "2026-10-25", "2026-10-26");
  struct tg_cron cron = cron_of("@every 7s");
  int64_t at_ms;
  assert_true(tg_cron_next(&cron, tg_zone_utc(), -1, &at_ms));
  assert_int_equal(at_ms, 0);
  assert_true(tg_cron_prev(&cron, tg_zone_utc(), 1, &at_ms));
  assert_int_equal(at_ms, 0);
  assert_true(tg_cron_prev(&cron, tg_zone_utc(), 0, &at_ms));
  assert_int_equal(at_ms, -7000);
}

static void is_strictly_after_and_strictly_before(void **state) {
  (void)state;
  static const char *const expressions[] = {"0 5 * * *", "0 * * * *", "0 */5 * * *", "@every 5h"};
  for (size_t i = 0; i < 4; i++) {
    struct tg_cron cron = cron_of(expressions[i]);
    int64_t a, b, c;
    assert_true(tg_cron_next(&cron, tg_zone_utc(), at("2026-06-01"), &a));
    assert_true(tg_cron_next(&cron, tg_zone_utc(), a, &b) && b > a);
    assert_true(tg_cron_next(&cron, tg_zone_utc(), a - 1, &c) && c == a);
    assert_true(tg_cron_prev(&cron, tg_zone_utc(), b, &c) && c == a);
    assert_true(tg_cron_prev(&cron, tg_zone_utc(), a + 1, &c) && c == a);
    assert_true(tg_cron_prev(&cron, tg_zone_utc(), a, &c) && c < a);
  }
}

static void ends_with_the_year_2199_and_starts_with_1970(void **state) {
  (void)state;
  static const char *const expressions[] = {"0 5 * * *", "0 * * * *", "0 */5 * * *", "@every 5h"};
  for (size_t i = 0; i < 4; i++) {
    struct tg_cron cron = cron_of(expressions[i]);
    int64_t at_ms, last = 0;
    for (at_ms = at("2199-12-01"); tg_cron_next(&cron, tg_zone_utc(), at_ms, &at_ms);) last = at_ms;
    assert_true(last > at("2199-12-31") && last < at("2200-01-04"));
    for (at_ms = at("1970-02-01"); tg_cron_prev(&cron, tg_zone_utc(), at_ms, &at_ms);) last = at_ms;
    assert_true(last < at("1970-01-02") && last > at("1969-12-29"));
    assert_false(tg_cron_next(&cron, tg_zone_utc(), INT64_MAX, &at_ms));
    assert_false(tg_cron_prev(&cron, tg_zone_utc(), INT64_MIN, &at_ms));
    assert_true(tg_cron_next(&cron, tg_zone_utc(), INT64_MIN, &at_ms));
    assert_true(tg_cron_prev(&cron, tg_zone_utc(), INT64_MAX, &at_ms));
  }
}

// Says day by day what L, W and # mean, in the words of the header.
static int is_weekday(int64_t day) {
  int32_t weekday = tg_civil_weekday(day);
  return weekday >= 1 && weekday <= 5;
}

static int64_t nearest_weekday(int64_t day) {
  struct tg_civil month = tg_civil_of(day * TG_DAY_S);
  for (int64_t away = 0;; away++)
    for (int64_t sign = -1; sign <= 1; sign += 2) {
      struct tg_civil other = tg_civil_of((day + sign * away) * TG_DAY_S);
      if (is_weekday(day + sign * away) && other.month == month.month) return day + sign * away;
    }
}

static int is_due(const char *expression, int64_t day) {
  struct tg_civil date = tg_civil_of(day * TG_DAY_S);
  int64_t first = day - date.day + 1;
  int32_t last = tg_civil_month_days(date.year, date.month), weekday = tg_civil_weekday(day);
  if (strcmp(expression, "L") == 0) return date.day == last;
  if (strcmp(expression, "L-30") == 0) return date.day == last - 30;
  if (strcmp(expression, "LW") == 0) return day == nearest_weekday(first + last - 1);
  if (strcmp(expression, "1W") == 0) return day == nearest_weekday(first);
  if (strcmp(expression, "30W") == 0) return last >= 30 && day == nearest_weekday(first + 29);
  if (strcmp(expression, "* * 3L") == 0) return weekday == 3 && date.day + 7 > last;
  if (strcmp(expression, "* * SUN#1") == 0) return weekday == 0 && date.day <= 7;
  if (strcmp(expression, "* * 6#5") == 0) return weekday == 6 && date.day > 28;
  fail_msg("%s is not known here", expression);
  return 0;
}

static void finds_special_days_as_a_walk_over_all_days_does(void **state) {
  (void)state;
  static const char *const days[] = {"L",   "L-30",   "LW",        "1W",
                                     "30W", "* * 3L", "* * SUN#1", "* * 6#5"};
  for (size_t i = 0; i < sizeof days / sizeof *days; i++) {
    char text[64];
    snprintf(text, sizeof text, "0 0 %s%s", days[i], *days[i] == '*' ? "" : " * *");
    struct tg_cron cron = cron_of(text);
    int64_t day = tg_civil_days(2090, 1, 1), end = tg_civil_days(2125, 1, 1), at_ms;
    at_ms = day * 86400000 - 1;
    for (; day < end; day++) {
      if (!is_due(days[i], day)) continue;
      assert_true(tg_cron_next(&cron, tg_zone_utc(), at_ms, &at_ms));
      assert_int_equal(at_ms, day * 86400000);
    }
  }
}

// The work is counted, not timed: months and spans that were looked at.
static void finds_rare_dates_in_few_steps(void **state) {
  (void)state;
  static const struct {
    const char *text;
    uint32_t steps_max;
  } cases[] = {
      {"0 5 * * *", 3},        {"* * * * *", 3},     {"0 0 29 2 *", 10}, {"0 0 * 2 MON#5", 41},
      {"0 * 29 2 *", 10 + 17}, {"0 * * 2 1#5", 126}, {"0 0 31 12 *", 3}, {"0 */2 29 2 *", 10 + 17},
  };
  const struct tg_zone *zone = zone_of("Europe/Berlin");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct tg_cron cron = cron_of(cases[i].text);
    for (int64_t t = at("2096-01-01") / 1000; t < at("2104-03-02") / 1000; t += 1000003) {
      struct tg_cron_search next = {.cron = &cron}, prev = {.cron = &cron};
      int64_t at_s;
      assert_true(tg_cron_search_next(&next, zone, t, &at_s));
      assert_true(tg_cron_search_prev(&prev, zone, t, &at_s));
      if (next.steps > cases[i].steps_max || prev.steps > cases[i].steps_max)
        fail_msg("\"%s\" takes %u and %u steps", cases[i].text, next.steps, prev.steps);
    }
  }
}

static int teardown(void **state) {
  (void)state;
  zones_close();
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(comes_on_the_days_that_are_named),
      cmocka_unit_test(takes_either_day_if_both_are_named_and_both_if_one_is_a_star),
      cmocka_unit_test(comes_to_the_second),
      cmocka_unit_test(runs_a_skipped_time_once_and_a_repeated_one_the_first_time),
      cmocka_unit_test(follows_elapsed_time_if_every_hour_counts),
      cmocka_unit_test(waits_no_longer_than_a_step_over_hours),
      cmocka_unit_test(keeps_an_interval_whatever_the_clocks_do),
      cmocka_unit_test(is_strictly_after_and_strictly_before),
      cmocka_unit_test(ends_with_the_year_2199_and_starts_with_1970),
      cmocka_unit_test(finds_special_days_as_a_walk_over_all_days_does),
      cmocka_unit_test(finds_rare_dates_in_few_steps),
  };
  return cmocka_run_group_tests(tests, NULL, teardown);
}
