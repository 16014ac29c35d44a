// SPDX-License-Identifier: Apache-2.0
#include "base/civil.h"

#include <stdbool.h>

static bool is_leap(int64_t year) {
  return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

// A year here starts in March, so that the leap day is its last; an era is 400 years.
int64_t tg_civil_days(int64_t year, int32_t month, int32_t day) {
  year -= month <= 2;
  int64_t era = (year >= 0 ? year : year - 399) / 400;
  int64_t year_of_era = year - era * 400;
  int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + day_of_era - 719468;
}

int64_t tg_civil_seconds(const struct tg_civil *civil) {
  return tg_civil_days(civil->year, civil->month, civil->day) * TG_DAY_S +
         civil->hour * INT64_C(3600) + civil->minute * INT64_C(60) + civil->second;
}

struct tg_civil tg_civil_of(int64_t seconds) {
  int64_t days = tg_civil_day_of(seconds);
  int32_t rest = (int32_t)(seconds - days * TG_DAY_S);
  days += 719468;
  int64_t era = (days >= 0 ? days : days - 146096) / 146097;
  int64_t day_of_era = days - era * 146097;
  int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  int32_t shifted = (int32_t)((5 * day_of_year + 2) / 153);
  struct tg_civil civil = {
      .year = year_of_era + era * 400,
      .month = shifted < 10 ? shifted + 3 : shifted - 9,
      .day = (int32_t)day_of_year - (153 * shifted + 2) / 5 + 1,
      .hour = rest / 3600,
      .minute = rest / 60 % 60,
      .second = rest % 60,
  };
  civil.year += civil.month <= 2;
  return civil;
}

int32_t tg_civil_month_days(int64_t year, int32_t month) {
  static const int32_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return days[month - 1] + (month == 2 && is_leap(year));
}

int32_t tg_civil_weekday(int64_t days) {
  return (int32_t)(((days + 4) % 7 + 7) % 7);
}

int64_t tg_civil_day_of(int64_t seconds) {
  return seconds / TG_DAY_S - (seconds % TG_DAY_S < 0);
}
