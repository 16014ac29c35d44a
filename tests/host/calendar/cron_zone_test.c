// SPDX-License-Identifier: Apache-2.0
// PROMISES.md, P8: cron expressions at the changes of the clocks, against an oracle that shares
// nothing with the code. It goes through a stretch of time minute by minute, asks the C library
// what the clocks show, and matches that against the expression's text:
//
//   hours are named      a minute is due if it is the first to show a time that matches, or if the
//                        clocks just jumped over a time that matches and was never shown
//   every hour           a minute is due if what it shows matches
//   steps over hours     either of both
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "calendar/cron.h"
#include "host/calendar/library.h"

static const char *const zone_names[] = {
    "UTC",
    "Europe/Berlin",
    "Europe/London",
    "Europe/Dublin",
    "Europe/Lisbon",
    "Europe/Athens",
    "Europe/Istanbul",
    "Europe/Moscow",
    "Europe/Chisinau",
    "Atlantic/Azores",
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Phoenix",
    "America/Los_Angeles",
    "America/Anchorage",
    "America/St_Johns",
    "America/Halifax",
    "America/Havana",
    "America/Mexico_City",
    "America/Sao_Paulo",
    "America/Santiago",
    "America/Asuncion",
    "America/Nuuk",
    "America/Scoresbysund",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Africa/Johannesburg",
    "Africa/Juba",
    "Asia/Beirut",
    "Asia/Gaza",
    "Asia/Jerusalem",
    "Asia/Tehran",
    "Asia/Amman",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Asia/Tokyo",
    "Australia/Sydney",
    "Australia/Adelaide",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
    "Pacific/Chatham",
    "Pacific/Norfolk",
    "Pacific/Apia",
    "Pacific/Easter",
    "Antarctica/Troll",
};

static const char *const expressions[] = {
    "*/15 * * * *",   "0 * * * *",    "30 * * * *",     "7,37 */1 * * *", "0 */2 * * *",
    "30 */3 * * *",   "0 */12 * * *", "0 1-23/2 * * *", "0 0 * * *",      "30 0 * * *",
    "0 1 * * *",      "30 1 * * *",   "0 2 * * *",      "15,45 2 * * *",  "59 1,2,3 * * *",
    "0 0-6 * * *",    "*/10 2 * * *", "*/7 0-3 * * *",  "0 3 * * SUN",    "0 2 * * 0,6",
    "30 2 25-31 3 *", "45 23 * * *",  "0 2 1-7 * 0",    "0 12 15 6 *",
};

struct pattern {
  enum { NAMED, EVERY, STEPS } hours;
  int is_either_day;
  char minute[60], hour[24], day[32], month[13], weekday[8];
};

// Marks the numbers of "a", "a-b", "*", each perhaps with "/step", in a list.
static void field_mark(const char *text, int min, int max, char *marks) {
  char copy[128], *rest = NULL;
  snprintf(copy, sizeof copy, "%s", text);
  for (char *item = strtok_r(copy, ",", &rest); item; item = strtok_r(NULL, ",", &rest)) {
    int first = min, last = max, step = 1;
    char *slash = strchr(item, '/');
    if (slash) step = atoi(slash + 1);
    if (strcmp(item, "SUN") == 0)
      first = last = 0;
    else if (*item != '*' && sscanf(item, "%d-%d", &first, &last) == 1 && !slash)
      last = first;
    for (int n = first; n <= last; n += step) marks[n] = 1;
  }
}

static struct pattern pattern_of(const char *text) {
  struct pattern pattern = {.hours = NAMED};
  char minute[64], hour[64], day[64], month[64], weekday[64];
  assert_int_equal(sscanf(text, "%63s %63s %63s %63s %63s", minute, hour, day, month, weekday), 5);
  field_mark(minute, 0, 59, pattern.minute);
  field_mark(hour, 0, 23, pattern.hour);
  field_mark(day, 1, 31, pattern.day);
  field_mark(month, 1, 12, pattern.month);
  field_mark(weekday, 0, 6, pattern.weekday);
  pattern.is_either_day = *day != '*' && *weekday != '*';
  if (!memchr(pattern.hour, 0, 24))
    pattern.hours = EVERY;
  else if (strchr(hour, '/') && strcmp(strchr(hour, '/'), "/1") != 0)
    pattern.hours = STEPS;
  return pattern;
}

// What the clocks show in a minute, or would show in one that is skipped.
struct shown {
  int64_t label; // local minutes since 1970
  signed char minute, hour, day, month, weekday;
};

static struct shown shown_of(int64_t label) {
  struct tm tm;
  time_t t = (time_t)(label * 60);
  assert_non_null(gmtime_r(&t, &tm));
  return (struct shown){label,
                        (signed char)tm.tm_min,
                        (signed char)tm.tm_hour,
                        (signed char)tm.tm_mday,
                        (signed char)(tm.tm_mon + 1),
                        (signed char)tm.tm_wday};
}

static int matches(const struct pattern *pattern, const struct shown *shown) {
  int day = pattern->day[shown->day], weekday = pattern->weekday[shown->weekday];
  return pattern->minute[shown->minute] && pattern->hour[shown->hour] &&
         pattern->month[shown->month] && (pattern->is_either_day ? day || weekday : day && weekday);
}

enum { MINUTES_MAX = 60 * 24 * 45 };

static struct window {
  const struct tg_zone *zone;
  int64_t start; // minutes since 1970
  int count;
  struct shown shown[MINUTES_MAX];
} window;

static void window_fill(const char *name, int64_t start, int count) {
  assert_true(count <= MINUTES_MAX);
  library_use(name);
  window.zone = zone_of(name);
  window.start = start;
  window.count = count;
  for (int i = 0; i < count; i++)
    window.shown[i] = shown_of(library_local_s((start + i) * 60) / 60);
}

static int jump_is_due(const struct pattern *pattern, int64_t latest, int64_t label) {
  for (int64_t skipped = latest + 1; skipped < label; skipped++) {
    struct shown shown = shown_of(skipped);
    if (matches(pattern, &shown)) return 1;
  }
  return 0;
}

// Gives the minutes of the window that are due.
static int oracle(const struct pattern *pattern, int64_t *due) {
  int count = 0;
  int64_t latest = window.shown[0].label - 1;
  for (int i = 0; i < window.count; i++) {
    const struct shown *shown = &window.shown[i];
    int is_new = shown->label > latest;
    int is_due = matches(pattern, shown) && (is_new || pattern->hours != NAMED);
    if (pattern->hours != EVERY && shown->label > latest + 1)
      is_due |= jump_is_due(pattern, latest, shown->label);
    if (is_due) due[count++] = window.start + i;
    if (is_new) latest = shown->label;
  }
  return count;
}

// Asks from minutes between the occurrences too, such as those in the second pass of a fold.
static void compare_between(const struct tg_cron *cron, const int64_t *due, int count) {
  int passed = 0;
  for (int64_t minute = window.start; minute < window.start + window.count; minute += 29) {
    int64_t at_ms;
    while (passed < count && due[passed] <= minute) passed++;
    if (passed < count) {
      assert_true(tg_cron_next(cron, window.zone, minute * 60000, &at_ms));
      assert_int_equal(at_ms, due[passed] * 60000);
    }
    if (passed > 0) {
      assert_true(tg_cron_prev(cron, window.zone, minute * 60000 + 1, &at_ms));
      assert_int_equal(at_ms, due[passed - 1] * 60000);
    }
  }
}

static void expression_compare(const char *text) {
  static int64_t due[MINUTES_MAX];
  struct pattern pattern = pattern_of(text);
  struct tg_cron cron;
  struct tg_error err = {0};
  if (tg_cron_parse(text, &cron, &err)) fail_msg("%s", err.text);
  int count = oracle(&pattern, due);
  const int64_t start_ms = window.start * 60000, end_ms = start_ms + window.count * INT64_C(60000);
  int64_t at_ms = start_ms - 1;
  for (int i = 0; i < count; i++)
    if (!tg_cron_next(&cron, window.zone, at_ms, &at_ms) || at_ms != due[i] * 60000)
      fail_msg("\"%s\" in %s: next gives %lld, not %lld", text, tg_zone_name(window.zone),
               (long long)at_ms, (long long)due[i] * 60000);
  if (tg_cron_next(&cron, window.zone, at_ms, &at_ms)) assert_true(at_ms >= end_ms);
  at_ms = end_ms;
  for (int i = count - 1; i >= 0; i--)
    if (!tg_cron_prev(&cron, window.zone, at_ms, &at_ms) || at_ms != due[i] * 60000)
      fail_msg("\"%s\" in %s: prev gives %lld, not %lld", text, tg_zone_name(window.zone),
               (long long)at_ms, (long long)due[i] * 60000);
  if (tg_cron_prev(&cron, window.zone, at_ms, &at_ms)) assert_true(at_ms < start_ms);
  compare_between(&cron, due, count);
}

// Finds the next change of the library's clocks after an instant, to the second; 0 if there is
// none.
static int64_t change_next(int64_t from_s, int64_t end_s) {
  const int64_t stride_s = 12 * 3600;
  int64_t low = from_s;
  long offset = library_local(from_s).tm_gmtoff;
  while (library_local(low + stride_s).tm_gmtoff == offset)
    if ((low += stride_s) >= end_s) return 0;
  int64_t high = low + stride_s;
  while (high - low > 1) {
    int64_t middle = low + (high - low) / 2;
    if (library_local(middle).tm_gmtoff == offset)
      low = middle;
    else
      high = middle;
  }
  return high;
}

static void agrees_with_the_oracle_at_every_change_until_2037(void **state) {
  (void)state;
  const int64_t end_s = at("2038-01-01") / 1000;
  const int hours = 36;
  int changes = 0;
  for (size_t i = 0; i < sizeof zone_names / sizeof *zone_names; i++) {
    library_use(zone_names[i]);
    int64_t change_s = at("2020-01-01") / 1000;
    while ((change_s = change_next(change_s, end_s))) {
      window_fill(zone_names[i], change_s / 60 - hours * 60, 2 * hours * 60);
      for (size_t j = 0; j < sizeof expressions / sizeof *expressions; j++)
        expression_compare(expressions[j]);
      changes++;
    }
  }
  assert_true(changes > 1000);
}

static uint32_t random_below(uint32_t *seed, uint32_t n) {
  *seed = *seed * 1664525 + 1013904223;
  return (*seed >> 16) % n;
}

// Writes a field: mostly a star, else a number, a range, a list or steps.
static void field_make(uint32_t *seed, int min, int max, char *text, size_t size) {
  int a = min + (int)random_below(seed, (uint32_t)(max - min + 1));
  int b = a + (int)random_below(seed, (uint32_t)(max - a + 1));
  int step = 1 + (int)random_below(seed, (uint32_t)(max - min));
  switch (random_below(seed, 8)) {
  case 0:
    snprintf(text, size, "%d", a);
    break;
  case 1:
    snprintf(text, size, "%d-%d", a, b);
    break;
  case 2:
    snprintf(text, size, "%d,%d", b, a);
    break;
  case 3:
    snprintf(text, size, "*/%d", step);
    break;
  case 4:
    snprintf(text, size, "%d-%d/%d", a, b, step);
    break;
  default:
    snprintf(text, size, "*");
    break;
  }
}

static void agrees_with_the_oracle_on_random_expressions(void **state) {
  (void)state;
  uint32_t seed = 20261120;
  const uint32_t zone_count = sizeof zone_names / sizeof *zone_names;
  for (int round = 0; round < 40; round++) {
    const char *name = zone_names[random_below(&seed, zone_count)];
    int64_t start_s = at("2020-01-01") / 1000 + (int64_t)random_below(&seed, 6400) * TG_DAY_S;
    library_use(name);
    // A stretch may not start within two days of a change: the oracle knows no past.
    int64_t change_s = change_next(start_s, start_s + 400 * TG_DAY_S);
    window_fill(name, (change_s ? change_s - 9 * TG_DAY_S : start_s) / 60, 18 * 24 * 60);
    for (int i = 0; i < 60; i++) {
      char minute[32], hour[32], day[32], month[32], weekday[32], text[256];
      field_make(&seed, 0, 59, minute, sizeof minute);
      field_make(&seed, 0, 23, hour, sizeof hour);
      field_make(&seed, 1, 28, day, sizeof day);
      field_make(&seed, 1, 12, month, sizeof month);
      field_make(&seed, 0, 6, weekday, sizeof weekday);
      snprintf(text, sizeof text, "%s %s %s %s %s", minute, hour, day, month, weekday);
      expression_compare(text);
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
      cmocka_unit_test(agrees_with_the_oracle_at_every_change_until_2037),
      cmocka_unit_test(agrees_with_the_oracle_on_random_expressions),
  };
  return cmocka_run_group_tests(tests, NULL, teardown);
}
