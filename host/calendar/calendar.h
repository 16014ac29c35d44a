// SPDX-License-Identifier: Apache-2.0
// Business calendars: when work may start.
//
// A calendar is open at an instant if its zone's clocks then show a weekday that is allowed, a date
// that is not closed (a holiday) and a time within an opening window, and if no blackout (a stretch
// of real time, such as a freeze) is in force. A calendar that was given nothing is always open.
//
// Calendars know whole seconds. Nothing is open before 1970 or after 2199.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "calendar/ranges.h"
#include "calendar/zone.h"

struct tg_calendar {
  const struct tg_zone *zone;
  uint32_t weekdays;            // bit 0 is Sunday
  struct tg_ranges closed_days; // days since 1970-01-01
  struct tg_ranges blackouts;   // seconds since then, in UTC
  struct tg_ranges windows;     // seconds of the day; none: the whole day
};

/// Makes a calendar that is always open. The zone must outlive it.
void tg_calendar_init(struct tg_calendar *calendar, const struct tg_zone *zone);
void tg_calendar_deinit(struct tg_calendar *calendar);

/// Sets the weekdays that are open: "MON-FRI", "MON,WED,SAT", "1-5".
///
/// Errors: TG_EINVALID, naming the weekday
int tg_calendar_set_weekdays(struct tg_calendar *calendar, const char *text, struct tg_error *err);

/// Closes a date, "2026-12-25", or a range of dates, "2026-12-24..2026-12-26".
///
/// Errors: TG_EINVALID; TG_ELIMIT past TG_CALENDAR_RANGES_MAX; TG_ENOMEM
int tg_calendar_close(struct tg_calendar *calendar, const char *text, struct tg_error *err);

/// Opens a window of each open day, "08:00-18:00"; "24:00" is the day's end. The first window
/// closes the rest of the day.
///
/// Errors: TG_EINVALID, also for a window over midnight; TG_ELIMIT past TG_CALENDAR_WINDOWS_MAX
int tg_calendar_add_window(struct tg_calendar *calendar, const char *text, struct tg_error *err);

/// Closes start_ms <= t < end_ms, whatever the clocks show; rounded outwards to whole seconds.
///
/// Errors: TG_EINVALID if it ends before it starts; TG_ELIMIT; TG_ENOMEM
int tg_calendar_add_blackout(struct tg_calendar *calendar, int64_t start_ms, int64_t end_ms,
                             struct tg_error *err);

bool tg_calendar_is_open(const struct tg_calendar *calendar, int64_t at_ms);

/// Gives the first open instant at or after one, or the last open one at or before it.
///
/// Shape:  false: there is none
bool tg_calendar_next_open(const struct tg_calendar *calendar, int64_t from_ms, int64_t *open_ms);
bool tg_calendar_prev_open(const struct tg_calendar *calendar, int64_t from_ms, int64_t *open_ms);
