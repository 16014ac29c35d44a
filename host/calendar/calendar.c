// SPDX-License-Identifier: Apache-2.0
#include "calendar/calendar.h"

#include <ctype.h>
#include <string.h>

#include "base/civil.h"
#include "base/limits.h"
#include "base/units.h"
#include "calendar/cron.h"

void tg_calendar_init(struct tg_calendar *calendar, const struct tg_zone *zone) {
  *calendar = (struct tg_calendar){.zone = zone, .weekdays = 0x7f};
}

void tg_calendar_deinit(struct tg_calendar *calendar) {
  tg_ranges_deinit(&calendar->closed_days);
  tg_ranges_deinit(&calendar->blackouts);
  tg_ranges_deinit(&calendar->windows);
}

int tg_calendar_set_weekdays(struct tg_calendar *calendar, const char *text, struct tg_error *err) {
  return tg_cron_weekdays_parse(text, &calendar->weekdays, err);
}

// Reads a date of exactly ten characters.
static bool date_read(const char *text, int64_t *day) {
  char date[11];
  int64_t ms;
  if (strnlen(text, 10) < 10) return false;
  memcpy(date, text, 10);
  date[10] = 0;
  if (!tg_time_parse(date, &ms)) return false;
  *day = tg_civil_day_of(ms / 1000);
  return true;
}

int tg_calendar_close(struct tg_calendar *calendar, const char *text, struct tg_error *err) {
  struct tg_range days;
  bool is_read = date_read(text, &days.first);
  if (is_read && !text[10])
    days.last = days.first;
  else if (!is_read || strncmp(text + 10, "..", 2) != 0 || !date_read(text + 12, &days.last) ||
           text[22])
    return tg_error_set(err, TG_EINVALID,
                        "\"%.40s\" is not a date or a range of dates; write \"2026-12-25\" or "
                        "\"2026-12-24..2026-12-26\"",
                        text);
  if (days.last < days.first)
    return tg_error_set(err, TG_EINVALID, "the range of dates \"%s\" ends before it starts", text);
  return tg_ranges_add(&calendar->closed_days, days, TG_CALENDAR_RANGES_MAX, err);
}

// Reads hh:mm.
static bool minute_read(const char *text, int64_t *seconds) {
  for (int i = 0; i < 5; i++)
    if (i == 2 ? text[i] != ':' : !isdigit((unsigned char)text[i])) return false;
  int hour = (text[0] - '0') * 10 + text[1] - '0', minute = (text[3] - '0') * 10 + text[4] - '0';
  *seconds = hour * 3600 + minute * 60;
  return minute < 60 && *seconds <= TG_DAY_S;
}

int tg_calendar_add_window(struct tg_calendar *calendar, const char *text, struct tg_error *err) {
  int64_t start, end;
  if (!minute_read(text, &start) || text[5] != '-' || !minute_read(text + 6, &end) || text[11])
    return tg_error_set(err, TG_EINVALID,
                        "\"%.40s\" is not a window of the day; write \"08:00-18:00\"", text);
  if (end <= start)
    return tg_error_set(err, TG_EINVALID,
                        "the window \"%s\" ends before it starts; one over midnight is two, "
                        "\"%.5s-24:00\" and \"00:00-%.5s\"",
                        text, text, text + 6);
  return tg_ranges_add(&calendar->windows, (struct tg_range){start, end - 1},
                       TG_CALENDAR_WINDOWS_MAX, err);
}

static int64_t second_of(int64_t ms) {
  return ms / 1000 - (ms % 1000 < 0);
}

int tg_calendar_add_blackout(struct tg_calendar *calendar, int64_t start_ms, int64_t end_ms,
                             struct tg_error *err) {
  if (end_ms <= start_ms) return tg_error_set(err, TG_EINVALID, "a blackout ends before it starts");
  struct tg_range range = {second_of(start_ms), second_of(end_ms - 1)};
  return tg_ranges_add(&calendar->blackouts, range, TG_CALENDAR_RANGES_MAX, err);
}

static bool day_is_open(const struct tg_calendar *calendar, int64_t day) {
  return (calendar->weekdays >> tg_civil_weekday(day) & 1) &&
         !tg_ranges_around(&calendar->closed_days, day);
}

bool tg_calendar_is_open(const struct tg_calendar *calendar, int64_t at_ms) {
  int64_t open_ms;
  return tg_calendar_next_open(calendar, at_ms, &open_ms) && open_ms == at_ms;
}

// Finds the first open day at or after one. The weekdays decide within a week, so that each turn
// but a few passes a whole range of closed days.
static bool day_next(const struct tg_calendar *calendar, int64_t *day) {
  const int64_t end = tg_civil_days(TG_CRON_YEAR_MAX + 1, 1, 1);
  for (; *day < end; ++*day) {
    const struct tg_range *closed = tg_ranges_around(&calendar->closed_days, *day);
    if (closed) *day = closed->last;
    if (day_is_open(calendar, *day)) return true;
  }
  return false;
}

static bool day_prev(const struct tg_calendar *calendar, int64_t *day) {
  for (; *day >= 0; --*day) {
    const struct tg_range *closed = tg_ranges_around(&calendar->closed_days, *day);
    if (closed) *day = closed->first;
    if (day_is_open(calendar, *day)) return true;
  }
  return false;
}

// The opening time of a day at or after a second of it, or the last one at or before; -1 for none.
static int64_t time_next(const struct tg_calendar *calendar, int64_t second) {
  if (!calendar->windows.count) return second;
  const struct tg_range *window = tg_ranges_from(&calendar->windows, second);
  if (!window) return -1;
  return window->first > second ? window->first : second;
}

static int64_t time_prev(const struct tg_calendar *calendar, int64_t second) {
  if (!calendar->windows.count) return second;
  const struct tg_range *window = tg_ranges_until(&calendar->windows, second);
  if (!window) return -1;
  return window->last < second ? window->last : second;
}

// Finds the first time on the clocks, at or after one, that is open; blackouts aside.
static bool local_next(const struct tg_calendar *calendar, int64_t *local_s) {
  int64_t first = tg_civil_day_of(*local_s), day = first < 0 ? 0 : first;
  for (; day_next(calendar, &day); day++) {
    int64_t time_s = time_next(calendar, day == first ? *local_s - day * TG_DAY_S : 0);
    if (time_s < 0) continue;
    *local_s = day * TG_DAY_S + time_s;
    return true;
  }
  return false;
}

static bool local_prev(const struct tg_calendar *calendar, int64_t *local_s) {
  const int64_t end = tg_civil_days(TG_CRON_YEAR_MAX + 1, 1, 1);
  int64_t first = tg_civil_day_of(*local_s), day = first < end ? first : end - 1;
  for (; day_prev(calendar, &day); day--) {
    int64_t time_s = time_prev(calendar, day == first ? *local_s - day * TG_DAY_S : TG_DAY_S - 1);
    if (time_s < 0) continue;
    *local_s = day * TG_DAY_S + time_s;
    return true;
  }
  return false;
}

// The same of instants: the clocks of each span of the zone are read by themselves.
static bool second_next(const struct tg_calendar *calendar, int64_t *at_s) {
  struct tg_zone_span span;
  tg_zone_span_at(calendar->zone, *at_s, &span);
  for (;;) {
    int64_t local_s = *at_s + span.offset_s;
    if (!local_next(calendar, &local_s)) return false;
    *at_s = local_s - span.offset_s;
    if (*at_s < span.end_s) return true;
    *at_s = span.end_s;
    tg_zone_span_at(calendar->zone, *at_s, &span);
  }
}

static bool second_prev(const struct tg_calendar *calendar, int64_t *at_s) {
  struct tg_zone_span span;
  tg_zone_span_at(calendar->zone, *at_s, &span);
  for (;;) {
    int64_t local_s = *at_s + span.offset_s;
    if (!local_prev(calendar, &local_s)) return false;
    *at_s = local_s - span.offset_s;
    if (*at_s >= span.start_s) return true;
    *at_s = span.start_s - 1;
    tg_zone_span_at(calendar->zone, *at_s, &span);
  }
}

bool tg_calendar_next_open(const struct tg_calendar *calendar, int64_t from_ms, int64_t *open_ms) {
  const int64_t from_s = second_of(from_ms);
  int64_t at_s = from_s;
  while (second_next(calendar, &at_s)) {
    const struct tg_range *blackout = tg_ranges_around(&calendar->blackouts, at_s);
    if (!blackout) {
      *open_ms = at_s == from_s ? from_ms : at_s * 1000;
      return true;
    }
    at_s = blackout->last + 1;
  }
  return false;
}

bool tg_calendar_prev_open(const struct tg_calendar *calendar, int64_t from_ms, int64_t *open_ms) {
  const int64_t from_s = second_of(from_ms);
  int64_t at_s = from_s;
  while (second_prev(calendar, &at_s)) {
    const struct tg_range *blackout = tg_ranges_around(&calendar->blackouts, at_s);
    if (!blackout) {
      *open_ms = at_s == from_s ? from_ms : at_s * 1000 + 999;
      return true;
    }
    at_s = blackout->first - 1;
  }
  return false;
}
