// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "calendar/schedule.h"
#include "host/calendar/library.h"

#define MINUTE_MS INT64_C(60000)

static struct tg_schedule schedule_of(const char *text, const struct tg_calendar *calendar,
                                      enum tg_schedule_closed closed) {
  struct tg_schedule schedule = {
      .zone = zone_of("Europe/Berlin"), .calendar = calendar, .closed = closed};
  struct tg_error err = {0};
  if (tg_cron_parse(text, &schedule.cron, &err)) fail_msg("%s", err.text);
  return schedule;
}

static struct tg_calendar office(void) {
  struct tg_calendar calendar;
  tg_calendar_init(&calendar, zone_of("Europe/Berlin"));
  assert_int_equal(tg_calendar_set_weekdays(&calendar, "MON-FRI", NULL), TG_OK);
  assert_int_equal(tg_calendar_add_window(&calendar, "08:00-18:00", NULL), TG_OK);
  assert_int_equal(tg_calendar_close(&calendar, "2026-04-03..2026-04-06", NULL), TG_OK);
  assert_int_equal(
      tg_calendar_add_blackout(&calendar, at("2026-03-25T10:00Z"), at("2026-03-25T11:00Z"), NULL),
      TG_OK);
  return calendar;
}

// Marks the minutes that are due by going through all of them: an open one that cron names, and,
// when occurrences shift, the first open one after closed ones that cron names.
static void due_mark(const struct tg_schedule *schedule, int64_t start_ms, char *due, int count) {
  int is_waiting = 0;
  for (int i = 0; i < count; i++) {
    int64_t t = start_ms + i * MINUTE_MS, at_ms;
    int is_named = tg_cron_next(&schedule->cron, schedule->zone, t - 1, &at_ms) && at_ms == t;
    int is_open = tg_calendar_is_open(schedule->calendar, t);
    due[i] = (char)(is_open && (is_named || is_waiting));
    is_waiting = schedule->closed == TG_SCHEDULE_SHIFT && !is_open && (is_named || is_waiting);
  }
}

enum { DAYS = 24, COUNT = DAYS * 1440 };

static void compare(const struct tg_schedule *schedule) {
  static char due[COUNT];
  const int64_t start_ms = at("2026-03-18T12:00Z"), end_ms = start_ms + COUNT * MINUTE_MS;
  due_mark(schedule, start_ms, due, COUNT);
  int64_t next_ms = -1, at_ms;
  for (int i = COUNT - 1; i >= 0; i--) {
    int64_t t = start_ms + i * MINUTE_MS;
    assert_true(tg_schedule_next(schedule, t, &at_ms));
    if (next_ms < 0)
      assert_true(at_ms >= end_ms);
    else
      assert_int_equal(at_ms, next_ms);
    if (due[i]) next_ms = t;
  }
  int64_t prev_ms = -1;
  size_t found = 0;
  for (int i = 0; i < COUNT; i++) {
    int64_t t = start_ms + i * MINUTE_MS;
    assert_true(tg_schedule_prev(schedule, t, &at_ms));
    if (prev_ms < 0)
      assert_true(at_ms < start_ms);
    else
      assert_int_equal(at_ms, prev_ms);
    if (due[i]) prev_ms = t;
    found += (size_t)due[i];
  }
  assert_true(found > 1);
  assert_int_equal(tg_schedule_count(schedule, start_ms, end_ms, SIZE_MAX), found);
  assert_int_equal(tg_schedule_count(schedule, start_ms, end_ms, found - 1), found - 1);
}

static const char *const texts[] = {"0 5 * * *",    "0 9 * * *",   "30 17 * * SAT",
                                    "*/30 * * * *", "0 */4 * * *", "15 10-12 * * *",
                                    "@every 5h",    "0 0 1 * WED"};

static void leaves_out_what_falls_on_a_closed_time(void **state) {
  (void)state;
  struct tg_calendar calendar = office();
  static const char *const skipped[] = {"0 9 * * *", "*/30 * * * *", "0 */4 * * *",
                                        "15 10-12 * * *", "@every 5h"};
  for (size_t i = 0; i < sizeof skipped / sizeof *skipped; i++) {
    struct tg_schedule schedule = schedule_of(skipped[i], &calendar, TG_SCHEDULE_SKIP);
    compare(&schedule);
  }
  tg_calendar_deinit(&calendar);
}

static void moves_what_falls_on_a_closed_time_to_the_next_open_one(void **state) {
  (void)state;
  struct tg_calendar calendar = office();
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    struct tg_schedule schedule = schedule_of(texts[i], &calendar, TG_SCHEDULE_SHIFT);
    compare(&schedule);
  }
  tg_calendar_deinit(&calendar);
}

static void has_no_occurrence_if_expression_and_calendar_share_no_time(void **state) {
  (void)state;
  struct tg_calendar calendar = office();
  struct tg_schedule schedule = schedule_of("0 5 * * *", &calendar, TG_SCHEDULE_SKIP);
  int64_t at_ms;
  assert_false(tg_schedule_next(&schedule, at("2026-01-01"), &at_ms));
  assert_false(tg_schedule_prev(&schedule, at("2026-01-01"), &at_ms));
  assert_int_equal(tg_schedule_count(&schedule, at("2026-01-01"), at("2027-01-01"), 10), 0);
  tg_calendar_deinit(&calendar);
}

static void walks_through_a_range(void **state) {
  (void)state;
  struct tg_schedule schedule = schedule_of("0 5 * * *", NULL, TG_SCHEDULE_SKIP);
  struct tg_schedule_walk walk = {&schedule, at("2026-03-28T04:00Z"), at("2026-03-30T03:00Z")};
  int64_t at_ms;
  assert_true(tg_schedule_walk_next(&walk, &at_ms));
  assert_int_equal(at_ms, at("2026-03-28T04:00Z"));
  assert_true(tg_schedule_walk_next(&walk, &at_ms));
  assert_int_equal(at_ms, at("2026-03-29T03:00Z"));
  assert_false(tg_schedule_walk_next(&walk, &at_ms));
  assert_false(tg_schedule_walk_next(&walk, &at_ms));
}

static void knows_its_words(void **state) {
  (void)state;
  for (int i = 0; i < TG_SCHEDULE_CLOSED_COUNT; i++)
    assert_int_equal(tg_schedule_closed_parse(tg_schedule_closed_word((enum tg_schedule_closed)i)),
                     i);
  assert_int_equal(tg_schedule_closed_parse("move"), -1);
  assert_string_equal(tg_schedule_closed_word(TG_SCHEDULE_CLOSED_COUNT), "unknown");
}

static int teardown(void **state) {
  (void)state;
  zones_close();
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(leaves_out_what_falls_on_a_closed_time),
      cmocka_unit_test(moves_what_falls_on_a_closed_time_to_the_next_open_one),
      cmocka_unit_test(has_no_occurrence_if_expression_and_calendar_share_no_time),
      cmocka_unit_test(walks_through_a_range),
      cmocka_unit_test(knows_its_words),
  };
  return cmocka_run_group_tests(tests, NULL, teardown);
}
