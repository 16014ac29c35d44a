// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "base/civil.h"

static struct tm library_of(int64_t seconds) {
  struct tm tm;
  time_t at = (time_t)seconds;
  assert_non_null(gmtime_r(&at, &tm));
  return tm;
}

static void reads_every_day_as_the_c_library_does(void **state) {
  (void)state;
  for (int64_t day = -150000; day <= 150000; day++) {
    struct tm tm = library_of(day * TG_DAY_S);
    struct tg_civil civil = tg_civil_of(day * TG_DAY_S + 86399);
    assert_int_equal(civil.year, tm.tm_year + 1900);
    assert_int_equal(civil.month, tm.tm_mon + 1);
    assert_int_equal(civil.day, tm.tm_mday);
    assert_int_equal(civil.hour * 3600 + civil.minute * 60 + civil.second, 86399);
    assert_int_equal(tg_civil_weekday(day), tm.tm_wday);
    assert_int_equal(tg_civil_days(civil.year, civil.month, civil.day), day);
    assert_int_equal(tg_civil_day_of(day * TG_DAY_S), day);
    assert_int_equal(tg_civil_day_of(day * TG_DAY_S - 1), day - 1);
  }
}

static void comes_back_to_the_second_it_started_from(void **state) {
  (void)state;
  for (int64_t second = -100000000000; second < 200000000000; second += 98765431) {
    struct tg_civil civil = tg_civil_of(second);
    assert_int_equal(tg_civil_seconds(&civil), second);
  }
}

static void knows_leap_years(void **state) {
  (void)state;
  assert_int_equal(tg_civil_month_days(2024, 2), 29);
  assert_int_equal(tg_civil_month_days(2023, 2), 28);
  assert_int_equal(tg_civil_month_days(2000, 2), 29);
  assert_int_equal(tg_civil_month_days(2100, 2), 28);
  assert_int_equal(tg_civil_month_days(2100, 12), 31);
}

static void counts_a_day_past_the_month_into_the_next(void **state) {
  (void)state;
  assert_int_equal(tg_civil_days(2023, 2, 29), tg_civil_days(2023, 3, 1));
  assert_int_equal(tg_civil_days(2023, 12, 32), tg_civil_days(2024, 1, 1));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reads_every_day_as_the_c_library_does),
      cmocka_unit_test(comes_back_to_the_second_it_started_from),
      cmocka_unit_test(knows_leap_years),
      cmocka_unit_test(counts_a_day_past_the_month_into_the_next),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
