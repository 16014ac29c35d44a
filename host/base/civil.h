// SPDX-License-Identifier: Apache-2.0
// Dates and times of day in the proleptic Gregorian calendar, without time zones.
//
// A civil second counts from 1970-01-01T00:00:00 on the clock in question: for UTC it is the
// instant itself, for another clock it says what that clock shows.
#pragma once

#include <stdint.h>

#define TG_DAY_S INT64_C(86400)

struct tg_civil {
  int64_t year;
  int32_t month, day;           // from 1
  int32_t hour, minute, second; // from 0
};

/// Gives the days from 1970-01-01 to a date; a day past the month's end counts into the next.
///
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil
int64_t tg_civil_days(int64_t year, int32_t month, int32_t day);

/// Gives the civil second of a date and time, and the date and time of a civil second.
int64_t tg_civil_seconds(const struct tg_civil *civil);
struct tg_civil tg_civil_of(int64_t seconds);

/// Gives the number of days of a month.
int32_t tg_civil_month_days(int64_t year, int32_t month);

/// Gives the day of the week of a day counted from 1970-01-01: 0 is Sunday.
int32_t tg_civil_weekday(int64_t days);

/// Gives the day, counted from 1970-01-01, that a civil second belongs to.
int64_t tg_civil_day_of(int64_t seconds);
