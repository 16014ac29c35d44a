// SPDX-License-Identifier: Apache-2.0
// Cron expressions: what they say, and when they fire in a time zone.
//
//   minute hour day-of-month month weekday            "0 5 * * MON-FRI"
//   second minute hour day-of-month month weekday     six fields have seconds first
//   @hourly @daily @midnight @weekly @monthly @yearly @annually
//   @every 15m                                        multiples of an interval since 1970, in UTC
//
// A field is a list of `*`, `5`, `1-5`, each perhaps with a step (`*/15`, `8-18/2`, `5/15`). Months
// and weekdays have names (JAN, MON); Sunday is 0 or 7. Days also know
//
//   ?      the same as *                     L      the last day of the month
//   15W    the weekday nearest to the 15th   L-3    three days before the last one
//   5L     the last Friday of the month      LW     the last weekday (Monday to Friday)
//   MON#2  the second Monday
//
// If day-of-month and weekday both name days, either suffices; if one of them starts with `*` or is
// `?`, both must hold. That is the rule of Vixie's cron.
//
// What a change of the clocks does depends on the hours (PROMISES.md, P8):
//
//   hours are named       Runs when the clocks first show the time or have passed it. So a skipped
//   (`30 2`, `0 9-17`)    time runs once, at the first valid instant after; a repeated one runs
//   once,
//                         the first.
//   every hour (`*`)      Runs at each real instant at which the clocks show the time: through a
//                         repeated hour twice, and through a skipped one not at all, since the hour
//                         after it comes at once.
//   steps over hours      As every hour, and a skipped time runs at the first valid instant after:
//   (`*/2`)               no longer than the step passes between two runs.
//
// Occurrences are searched for by field, between 1970 and 2199, without allocating.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "calendar/zone.h"

#define TG_CRON_YEAR_MIN 1970
#define TG_CRON_YEAR_MAX 2199

enum tg_cron_kind {
  TG_CRON_NAMED_HOURS,
  TG_CRON_EVERY_HOUR,
  TG_CRON_STEPPED_HOURS,
  TG_CRON_INTERVAL // @every
};

/// Sets of numbers are masks: bit n is the number n.
struct tg_cron {
  enum tg_cron_kind kind;
  uint64_t seconds, minutes;
  uint32_t hours, months;
  uint32_t days;           // of the month, 1-31
  uint32_t days_near;      // nW
  uint32_t days_from_last; // L is 0, L-n is n
  bool has_last_weekday;   // LW
  uint32_t weekdays;       // 0-6
  uint32_t weekdays_last;  // nL
  uint32_t weekdays_nth[5];
  bool has_both_days; // day-of-month and weekday must both hold; else either
  int64_t every_ms;
};

/// Reads an expression.
///
/// Errors: TG_EINVALID, with the character where the fault is, what it is and the nearest right
///         word; an expression that no date can match is refused
/// Source: crontab(5) of Vixie's cron; L, W and # as in Quartz
int tg_cron_parse(const char *text, struct tg_cron *cron, struct tg_error *err);

/// Reads weekdays alone, "MON-FRI" or "1,3,5": bit 0 is Sunday.
///
/// Errors: as tg_cron_parse
int tg_cron_weekdays_parse(const char *text, uint32_t *weekdays, struct tg_error *err);

/// Gives the first occurrence after an instant, or the last one before it.
///
/// Shape:  false: there is none
/// Units:  ms since 1970-01-01T00:00:00Z
bool tg_cron_next(const struct tg_cron *cron, const struct tg_zone *zone, int64_t after_ms,
                  int64_t *at_ms);
bool tg_cron_prev(const struct tg_cron *cron, const struct tg_zone *zone, int64_t before_ms,
                  int64_t *at_ms);
