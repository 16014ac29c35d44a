// SPDX-License-Identifier: Apache-2.0
#include "calendar/cron_fields.h"

#include "base/civil.h"

// The least number of a set that is at least `from`, or -1.
static int32_t bit_next(uint64_t set, int32_t from) {
  if (from > 63) return -1;
  set &= UINT64_MAX << from;
  return set ? __builtin_ctzll(set) : -1;
}

// The greatest number of a set that is at most `from`, or -1.
static int32_t bit_prev(uint64_t set, int32_t from) {
  if (from < 0) return -1;
  set &= UINT64_MAX >> (63 - from);
  return set ? 63 - __builtin_clzll(set) : -1;
}

// The weekday, Monday to Friday, nearest to a day without leaving the month.
static int32_t day_near(int32_t day, int32_t last, int32_t weekday) {
  if (weekday == 6) return day > 1 ? day - 1 : day + 2;
  if (weekday == 0) return day < last ? day + 1 : day - 2;
  return day;
}

static uint32_t days_by_number(const struct tg_cron *cron, int32_t last, int32_t first_weekday) {
  uint32_t days = cron->days;
  for (uint32_t set = cron->days_from_last; set; set &= set - 1) {
    int32_t day = last - __builtin_ctz(set);
    if (day >= 1) days |= UINT32_C(1) << day;
  }
  uint32_t near = cron->days_near;
  if (cron->has_last_weekday) near |= UINT32_C(1) << last;
  for (; near; near &= near - 1) {
    int32_t day = __builtin_ctz(near);
    if (day > last) break;
    days |= UINT32_C(1) << day_near(day, last, (first_weekday + day - 1) % 7);
  }
  return days;
}

static uint32_t days_by_weekday(const struct tg_cron *cron, int32_t last, int32_t first_weekday) {
  uint32_t days = 0;
  for (int32_t weekday = 0; weekday < 7; weekday++) {
    const uint32_t bit = UINT32_C(1) << weekday;
    int32_t day = 1 + (weekday - first_weekday + 7) % 7;
    for (int32_t nth = 0; day <= last; nth++, day += 7)
      if (cron->weekdays & bit || cron->weekdays_nth[nth] & bit ||
          (cron->weekdays_last & bit && day + 7 > last))
        days |= UINT32_C(1) << day;
  }
  return days;
}

uint32_t tg_cron_days_of(const struct tg_cron *cron, int64_t year, int32_t month) {
  int32_t last = tg_civil_month_days(year, month);
  int32_t first_weekday = tg_civil_weekday(tg_civil_days(year, month, 1));
  uint32_t by_number = days_by_number(cron, last, first_weekday);
  uint32_t by_weekday = days_by_weekday(cron, last, first_weekday);
  uint32_t days = cron->has_both_days ? by_number & by_weekday : by_number | by_weekday;
  return days & (UINT32_MAX >> (31 - last)) & ~UINT32_C(1);
}

// Moves to the first matching day at or after the one in `at`, whose day may be past the month.
static bool day_next(struct tg_cron_search *search, struct tg_civil *at) {
  for (; at->year <= TG_CRON_YEAR_MAX; at->year++, at->month = 1, at->day = 1)
    for (int32_t month; (month = bit_next(search->cron->months, at->month)) > 0; at->month++) {
      if (month != at->month) at->day = 1;
      at->month = month;
      search->steps++;
      int32_t day = bit_next(tg_cron_days_of(search->cron, at->year, month), at->day);
      at->day = day > 0 ? day : 1;
      if (day > 0) return true;
    }
  return false;
}

// Moves to the last matching day at or before the one in `at`, whose day may be 0.
static bool day_prev(struct tg_cron_search *search, struct tg_civil *at) {
  for (; at->year >= TG_CRON_YEAR_MIN; at->year--, at->month = 12, at->day = 31)
    for (int32_t month; (month = bit_prev(search->cron->months, at->month)) > 0; at->month--) {
      if (month != at->month) at->day = 31;
      at->month = month;
      search->steps++;
      int32_t day = bit_prev(tg_cron_days_of(search->cron, at->year, month), at->day);
      at->day = day > 0 ? day : 31;
      if (day > 0) return true;
    }
  return false;
}

static void time_set(struct tg_civil *at, int32_t hour, int32_t minute, int32_t second) {
  at->hour = hour;
  at->minute = minute;
  at->second = second;
}

static void time_first(const struct tg_cron *cron, struct tg_civil *at, int32_t hour) {
  time_set(at, hour, bit_next(cron->minutes, 0), bit_next(cron->seconds, 0));
}

static void time_last(const struct tg_cron *cron, struct tg_civil *at, int32_t hour) {
  time_set(at, hour, bit_prev(cron->minutes, 59), bit_prev(cron->seconds, 59));
}

// Moves to the first matching time of the day at or after the one in `at`.
static bool time_next(const struct tg_cron *cron, struct tg_civil *at) {
  int32_t hour = bit_next(cron->hours, at->hour);
  if (hour == at->hour) {
    int32_t minute = bit_next(cron->minutes, at->minute);
    int32_t second = minute == at->minute ? bit_next(cron->seconds, at->second) : -1;
    if (second < 0 && minute == at->minute) minute = bit_next(cron->minutes, at->minute + 1);
    if (second < 0) second = bit_next(cron->seconds, 0);
    time_set(at, hour, minute, second);
    if (minute >= 0) return true;
    hour = bit_next(cron->hours, hour + 1);
  }
  if (hour < 0) return false;
  time_first(cron, at, hour);
  return true;
}

// Moves to the last matching time of the day at or before the one in `at`.
static bool time_prev(const struct tg_cron *cron, struct tg_civil *at) {
  int32_t hour = bit_prev(cron->hours, at->hour);
  if (hour == at->hour) {
    int32_t minute = bit_prev(cron->minutes, at->minute);
    int32_t second = minute == at->minute ? bit_prev(cron->seconds, at->second) : -1;
    if (second < 0 && minute == at->minute) minute = bit_prev(cron->minutes, at->minute - 1);
    if (second < 0) second = bit_prev(cron->seconds, 59);
    time_set(at, hour, minute, second);
    if (minute >= 0) return true;
    hour = bit_prev(cron->hours, hour - 1);
  }
  if (hour < 0) return false;
  time_last(cron, at, hour);
  return true;
}

bool tg_cron_fields_next(struct tg_cron_search *search, int64_t *local_s) {
  struct tg_civil at = tg_civil_of(*local_s), day = at;
  if (at.year < TG_CRON_YEAR_MIN) at = day = (struct tg_civil){TG_CRON_YEAR_MIN, 1, 1, 0, 0, 0};
  if (!day_next(search, &day)) return false;
  bool is_same = day.year == at.year && day.month == at.month && day.day == at.day;
  if (!is_same || !time_next(search->cron, &day)) {
    if (is_same) {
      day.day++;
      if (!day_next(search, &day)) return false;
    }
    time_first(search->cron, &day, bit_next(search->cron->hours, 0));
  }
  *local_s = tg_civil_seconds(&day);
  return true;
}

bool tg_cron_fields_prev(struct tg_cron_search *search, int64_t *local_s) {
  struct tg_civil at = tg_civil_of(*local_s), day = at;
  if (at.year > TG_CRON_YEAR_MAX)
    at = day = (struct tg_civil){TG_CRON_YEAR_MAX, 12, 31, 23, 59, 59};
  if (!day_prev(search, &day)) return false;
  bool is_same = day.year == at.year && day.month == at.month && day.day == at.day;
  if (!is_same || !time_prev(search->cron, &day)) {
    if (is_same) {
      day.day--;
      if (!day_prev(search, &day)) return false;
    }
    time_last(search->cron, &day, bit_prev(search->cron->hours, 23));
  }
  *local_s = tg_civil_seconds(&day);
  return true;
}
