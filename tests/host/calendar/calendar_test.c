// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "calendar/calendar.h"
#include "host/calendar/library.h"

#define MINUTE_MS INT64_C(60000)

// Monday to Friday, 08:00-12:00 and 13:00-18:00 in Berlin, without Easter and New Year, and not in
// a freeze from Wednesday to Thursday.
static struct tg_calendar office(void) {
  struct tg_calendar calendar;
  tg_calendar_init(&calendar, zone_of("Europe/Berlin"));
  assert_int_equal(tg_calendar_set_weekdays(&calendar, "MON-FRI", NULL), TG_OK);
  assert_int_equal(tg_calendar_add_window(&calendar, "13:00-18:00", NULL), TG_OK);
  assert_int_equal(tg_calendar_add_window(&calendar, "08:00-12:00", NULL), TG_OK);
  assert_int_equal(tg_calendar_close(&calendar, "2026-04-03..2026-04-06", NULL), TG_OK);
  assert_int_equal(tg_calendar_close(&calendar, "2026-01-01", NULL), TG_OK);
  assert_int_equal(
      tg_calendar_add_blackout(&calendar, at("2026-04-08T14:30Z"), at("2026-04-09T08:00Z"), NULL),
      TG_OK);
  return calendar;
}

// The same in other words, minute by minute, on the C library's clocks.
static int office_is_open(int64_t at_ms) {
  struct tm tm = library_local(at_ms / 1000);
  if (tm.tm_wday == 0 || tm.tm_wday == 6) return 0;
  if (tm.tm_hour < 8 || tm.tm_hour == 12 || tm.tm_hour >= 18) return 0;
  if (tm.tm_year == 126 && tm.tm_mon == 3 && tm.tm_mday >= 3 && tm.tm_mday <= 6) return 0;
  if (tm.tm_year == 126 && tm.tm_mon == 0 && tm.tm_mday == 1) return 0;
  return at_ms < at("2026-04-08T14:30Z") || at_ms >= at("2026-04-09T08:00Z");
}

static void is_open_when_weekday_date_window_and_blackouts_allow_it(void **state) {
  (void)state;
  struct tg_calendar calendar = office();
  library_use("Europe/Berlin");
  const int64_t start_ms = at("2026-03-20"), end_ms = at("2026-04-20");
  int64_t last_open_ms = -1, open_ms;
  for (int64_t t = start_ms; t < end_ms; t += MINUTE_MS) {
    int is_open = office_is_open(t);
    assert_int_equal(tg_calendar_is_open(&calendar, t), is_open);
    if (is_open) last_open_ms = t;
    if (last_open_ms < 0) continue;
    assert_true(tg_calendar_prev_open(&calendar, t, &open_ms));
    assert_int_equal(open_ms / MINUTE_MS, last_open_ms / MINUTE_MS);
    assert_int_equal(open_ms, is_open ? t : last_open_ms + MINUTE_MS - 1);
  }
  int64_t next_open_ms = -1;
  for (int64_t t = end_ms; t >= start_ms; t -= MINUTE_MS) {
    if (office_is_open(t)) next_open_ms = t;
    if (next_open_ms < 0) continue;
    assert_true(tg_calendar_next_open(&calendar, t, &open_ms));
    assert_int_equal(open_ms, next_open_ms);
  }
  tg_calendar_deinit(&calendar);
}

static void reads_the_clocks_through_a_repeated_and_a_skipped_hour(void **state) {
  (void)state;
  struct tg_calendar calendar;
  int64_t open_ms;
  tg_calendar_init(&calendar, zone_of("Europe/Berlin"));
  assert_int_equal(tg_calendar_add_window(&calendar, "02:00-02:30", NULL), TG_OK);
  // Open in both passes of 2:00, and not at all on the day that has none.
  assert_true(tg_calendar_is_open(&calendar, at("2026-10-25T00:10Z")));
  assert_false(tg_calendar_is_open(&calendar, at("2026-10-25T00:40Z")));
  assert_true(tg_calendar_is_open(&calendar, at("2026-10-25T01:10Z")));
  assert_true(tg_calendar_next_open(&calendar, at("2026-10-25T00:40Z"), &open_ms));
  assert_int_equal(open_ms, at("2026-10-25T01:00Z"));
  assert_true(tg_calendar_prev_open(&calendar, at("2026-10-25T00:59:59Z"), &open_ms));
  assert_int_equal(open_ms, at("2026-10-25T00:29:59.999Z"));
  assert_true(tg_calendar_next_open(&calendar, at("2026-03-28T12:00Z"), &open_ms));
  assert_int_equal(open_ms, at("2026-03-30T00:00Z"));
  assert_true(tg_calendar_prev_open(&calendar, at("2026-03-29T12:00Z"), &open_ms));
  assert_int_equal(open_ms, at("2026-03-28T01:29:59.999Z"));
  tg_calendar_deinit(&calendar);
}

static void is_always_open_if_it_was_given_nothing(void **state) {
  (void)state;
  struct tg_calendar calendar;
  tg_calendar_init(&calendar, tg_zone_utc());
  assert_true(tg_calendar_is_open(&calendar, at("2026-10-25T00:10:00.123Z")));
  assert_true(tg_calendar_is_open(&calendar, 0));
  assert_false(tg_calendar_is_open(&calendar, at("2200-01-01")));
  assert_false(tg_calendar_is_open(&calendar, -1));
  tg_calendar_deinit(&calendar);
}

static void joins_what_overlaps_or_touches(void **state) {
  (void)state;
  struct tg_calendar calendar;
  int64_t open_ms;
  tg_calendar_init(&calendar, tg_zone_utc());
  static const char *const closed[] = {
      "2026-05-10..2026-05-12", "2026-05-01", "2026-05-13", "2026-05-09", "2026-05-11",
      "2026-04-20..2026-05-20"};
  static const size_t counts[] = {1, 2, 2, 2, 2, 1};
  for (size_t i = 0; i < 6; i++) {
    assert_int_equal(tg_calendar_close(&calendar, closed[i], NULL), TG_OK);
    assert_int_equal(calendar.closed_days.count, counts[i]);
  }
  assert_true(tg_calendar_next_open(&calendar, at("2026-04-25"), &open_ms));
  assert_int_equal(open_ms, at("2026-05-21"));
  tg_calendar_deinit(&calendar);
}

static void may_never_open(void **state) {
  (void)state;
  struct tg_calendar calendar;
  int64_t open_ms;
  tg_calendar_init(&calendar, zone_of("Europe/Berlin"));
  assert_int_equal(tg_calendar_close(&calendar, "1960-01-01..2300-01-01", NULL), TG_OK);
  assert_false(tg_calendar_next_open(&calendar, at("2026-04-25"), &open_ms));
  assert_false(tg_calendar_prev_open(&calendar, at("2026-04-25"), &open_ms));
  tg_calendar_deinit(&calendar);
}

static void refuses_what_it_cannot_read(void **state) {
  (void)state;
  struct tg_calendar calendar;
  struct tg_error err = {0};
  tg_calendar_init(&calendar, tg_zone_utc());
  static const char *const dates[] = {"",
                                      "2026-13-01",
                                      "2026-02-29",
                                      "2026-1-1",
                                      "tomorrow",
                                      "2026-01-01x",
                                      "2026-01-01..",
                                      "2026-01-01..2026-01-0",
                                      "2026-01-01-2026-01-02",
                                      "2026-01-01..2026-01-02x"};
  for (size_t i = 0; i < sizeof dates / sizeof *dates; i++) {
    assert_int_equal(tg_calendar_close(&calendar, dates[i], &err), TG_EINVALID);
    assert_non_null(strstr(err.text, "write \"2026-12-25\""));
  }
  assert_int_equal(tg_calendar_close(&calendar, "2026-01-02..2026-01-01", &err), TG_EINVALID);
  assert_non_null(strstr(err.text, "ends before it starts"));
  static const char *const windows[] = {"",      "8:00-9:00",   "08:00",       "08:00-25:00",
                                        "08-09", "08:60-09:00", "08:00-09:00x"};
  for (size_t i = 0; i < sizeof windows / sizeof *windows; i++) {
    assert_int_equal(tg_calendar_add_window(&calendar, windows[i], &err), TG_EINVALID);
    assert_non_null(strstr(err.text, "write \"08:00-18:00\""));
  }
  assert_int_equal(tg_calendar_add_window(&calendar, "22:00-06:00", &err), TG_EINVALID);
  assert_non_null(strstr(err.text, "\"22:00-24:00\" and \"00:00-06:00\""));
  assert_int_equal(tg_calendar_set_weekdays(&calendar, "MON-FRY", &err), TG_EINVALID);
  assert_int_equal(tg_calendar_add_blackout(&calendar, 5, 5, &err), TG_EINVALID);
  assert_int_equal(calendar.closed_days.count + calendar.windows.count + calendar.blackouts.count,
                   0);
  tg_calendar_deinit(&calendar);
}

static void has_a_ceiling(void **state) {
  (void)state;
  struct tg_calendar calendar;
  tg_calendar_init(&calendar, tg_zone_utc());
  for (int64_t i = 0; i < TG_CALENDAR_RANGES_MAX; i++)
    assert_int_equal(tg_calendar_add_blackout(&calendar, i * 5000, i * 5000 + 1000, NULL), TG_OK);
  assert_int_equal(tg_calendar_add_blackout(&calendar, -9000, -8000, NULL), TG_ELIMIT);
  assert_int_equal(calendar.blackouts.count, TG_CALENDAR_RANGES_MAX);
  tg_calendar_deinit(&calendar);
}

static int teardown(void **state) {
  (void)state;
  zones_close();
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(is_open_when_weekday_date_window_and_blackouts_allow_it),
      cmocka_unit_test(reads_the_clocks_through_a_repeated_and_a_skipped_hour),
      cmocka_unit_test(is_always_open_if_it_was_given_nothing),
      cmocka_unit_test(joins_what_overlaps_or_touches),
      cmocka_unit_test(may_never_open),
      cmocka_unit_test(refuses_what_it_cannot_read),
      cmocka_unit_test(has_a_ceiling),
  };
  return cmocka_run_group_tests(tests, NULL, teardown);
}
