// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "calendar/zone_inside.h"
#include "host/calendar/library.h"

#define WEEK_S (7 * TG_DAY_S)

static int64_t second(const char *text) {
  return at(text) / 1000;
}

static void same_as_library(const struct tg_zone *zone, int64_t utc_s) {
  struct tm tm = library_local(utc_s);
  struct tg_zone_local local = tg_zone_local_of(zone, utc_s);
  if (local.offset_s != tm.tm_gmtoff || local.is_dst != (tm.tm_isdst > 0) ||
      strcmp(local.abbreviation, tm.tm_zone) != 0)
    fail_msg("%s at %lld: %d %s, the library says %ld %s", tg_zone_name(zone), (long long)utc_s,
             local.offset_s, local.abbreviation, tm.tm_gmtoff, tm.tm_zone);
  assert_int_equal(local.civil.year, tm.tm_year + 1900);
  assert_int_equal(local.civil.month, tm.tm_mon + 1);
  assert_int_equal(local.civil.day, tm.tm_mday);
  assert_int_equal(local.civil.hour, tm.tm_hour);
  assert_int_equal(local.civil.minute, tm.tm_min);
  assert_int_equal(local.civil.second, tm.tm_sec);
  assert_int_equal(local.weekday, tm.tm_wday);
}

// Compares around every change that we know of, and every week in case there are more.
static void zone_compare(const struct tg_zone *zone, int64_t start_s, int64_t end_s) {
  struct tg_zone_span span;
  for (int64_t s = start_s; s < end_s; s = span.end_s) {
    tg_zone_span_at(zone, s, &span);
    assert_true(span.start_s <= s && s < span.end_s);
    int64_t end = span.end_s < end_s ? span.end_s : end_s;
    for (int64_t t = s; t < end; t += WEEK_S) same_as_library(zone, t);
    same_as_library(zone, end - 1);
  }
}

// Calls `visit` for each zone in the database's list. Some systems put old names into a package of
// their own: those may be missing.
static int each_zone(void (*visit)(const char *name)) {
  struct tg_buf list;
  int count = 0;
  char *rest = NULL;
  tg_buf_init(&list, 1 << 20);
  assert_int_equal(tg_file_read(ZONE_FOLDER "/tzdata.zi", &list, NULL), TG_OK);
  for (char *line = strtok_r(list.data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
    char *words = NULL;
    if (strncmp(line, "Z ", 2) != 0) continue;
    const char *name = strtok_r(line + 2, " ", &words);
    char path[256];
    snprintf(path, sizeof path, "%s/%s", ZONE_FOLDER, name);
    if (access(path, R_OK) != 0) continue;
    visit(name);
    count++;
  }
  tg_buf_deinit(&list);
  return count;
}

static void zone_visit(const char *name) {
  library_use(name);
  zone_compare(zone_of(name), second("1960-01-01"), second("2060-01-01"));
}

static void shows_what_the_c_library_shows_in_every_zone(void **state) {
  (void)state;
  assert_true(each_zone(zone_visit) > 300);
}

static void follows_posix_rules_as_the_c_library_does(void **state) {
  (void)state;
  static const char *const rules[] = {
      "CET-1CEST,M3.5.0,M10.5.0/3",
      "EST5EDT,M3.2.0,M11.1.0",
      "<-03>3<-02>,M3.5.0/-2,M10.5.0/-1",
      "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
      "IST-1GMT0,M10.5.0,M3.5.0/1",
      "NZST-12NZDT,M9.5.0,M4.1.0/3",
      "AAA3BBB,J60,J300/3",
      "AAA3BBB2:15,59/1:30:15,300",
      "EET-2EEST,M3.4.4/50,M10.4.4/50",
      "JST-9",
      "<+0545>-5:45",
  };
  for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
    struct tg_error err = {0};
    struct tg_zone zone = {.name = "Rule", .has_rule = true};
    if (tg_zone_rule_parse(rules[i], &zone.rule, &err)) fail_msg("%s", err.text);
    library_use(rules[i]);
    zone_compare(&zone, second("1971-01-01"), second("2110-01-01"));
  }
}

static void stays_in_daylight_saving_time_where_the_rule_says_so(void **state) {
  (void)state;
  struct tg_zone zone = {.name = "Rule", .has_rule = true};
  assert_int_equal(tg_zone_rule_parse("XXX3EDT4,0/0,J365/23", &zone.rule, NULL), TG_OK);
  for (int64_t t = second("2024-12-20"); t < second("2025-01-10"); t += 600) {
    assert_int_equal(tg_zone_local_of(&zone, t).offset_s, -4 * 3600);
    assert_true(tg_zone_local_of(&zone, t).is_dst);
  }
}

static void refuses_a_rule_and_says_where(void **state) {
  (void)state;
  static const struct {
    const char *rule, *part;
  } cases[] = {
      {"", "character 1"},
      {"CE-1", "3 letters"},
      {"CET", "character 4"},
      {"CET-25", "character 5"},
      {"CET-1CEST", "character 10"},
      {"CET-1CEST,M3.5.0", "character 17"},
      {"CET-1CEST,M13.5.0,M10.5.0", "a month"},
      {"CET-1CEST,M3.6.0,M10.5.0", "a week"},
      {"CET-1CEST,M3.5.7,M10.5.0", "a weekday"},
      {"CET-1CEST,J0,J5", "1 to 365"},
      {"CET-1CEST,366,J5", "a day"},
      {"CET-1CEST,M3.5.0/168,M10.5.0", "hours"},
      {"CET-1CEST,M3.5.0,M10.5.0x", "the end"},
      {"<CET-1", "\">\""},
      {"ABCDEFGHIJKLMNOPQ0", "at most 15"},
      {"CET-1:60", "minutes"},
      {"CET-999999999999", "hours"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct tg_zone_rule rule;
    struct tg_error err = {0};
    assert_int_equal(tg_zone_rule_parse(cases[i].rule, &rule, &err), TG_EINVALID);
    if (!strstr(err.text, cases[i].part)) fail_msg("\"%s\": %s", cases[i].rule, err.text);
  }
}

// Asks the library's clocks second by second (of 15 minutes: every offset since 1972 is a multiple
// of that) which instants show a time.
static void compare_utc_of(const struct tg_zone *zone, int64_t local_s) {
  int64_t shown[2], first_past = 0;
  int count = 0;
  for (int64_t t = local_s - 27 * 3600; t <= local_s + 27 * 3600; t += 900) {
    int64_t shows = library_local_s(t);
    if (shows == local_s && count < 2) shown[count++] = t;
    if (shows >= local_s && !first_past) first_past = t;
  }
  struct tg_zone_utc utc = tg_zone_utc_of(zone, local_s);
  assert_int_equal(utc.match, count == 0 ? TG_ZONE_GAP : count == 1 ? TG_ZONE_ONE : TG_ZONE_FOLD);
  assert_int_equal(utc.first_s, count ? shown[0] : first_past);
  assert_int_equal(utc.second_s, count == 2 ? shown[1] : utc.first_s);
  assert_int_equal(tg_zone_first_at(zone, local_s), first_past);
}

static void finds_times_once_twice_or_never_as_the_clocks_show_them(void **state) {
  (void)state;
  static const struct {
    const char *zone, *from;
  } cases[] = {
      {"Europe/Berlin", "2026-03-28T12:00Z"},       {"Europe/Berlin", "2026-10-24T12:00Z"},
      {"America/New_York", "2045-03-11T18:00Z"},    {"America/New_York", "2045-11-04T18:00Z"},
      {"Australia/Lord_Howe", "2026-04-04T03:00Z"}, {"Australia/Lord_Howe", "2026-10-03T03:00Z"},
      {"Africa/Cairo", "2026-04-23T12:00Z"},        {"America/Havana", "2026-10-31T18:00Z"},
      {"Pacific/Apia", "2011-12-29T12:00Z"},        {"Europe/Dublin", "2026-10-24T12:00Z"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    library_use(cases[i].zone);
    int64_t from_s = second(cases[i].from);
    for (int64_t local_s = from_s; local_s < from_s + 3 * TG_DAY_S; local_s += 900)
      compare_utc_of(zone_of(cases[i].zone), local_s);
  }
}

static void knows_the_latest_time_that_was_shown(void **state) {
  (void)state;
  const struct tg_zone *zone = zone_of("Europe/Berlin");
  library_use("Europe/Berlin");
  int64_t from_s = second("2026-10-24T00:00Z"), latest = 0;
  for (int64_t t = from_s - 2 * TG_DAY_S; t < from_s + 3 * TG_DAY_S; t++) {
    int64_t shows = library_local_s(t);
    if (shows > latest) latest = shows;
    if (t >= from_s) assert_int_equal(tg_zone_latest_at(zone, t), latest);
  }
}

static void takes_far_away_instants_as_the_nearest_year(void **state) {
  (void)state;
  const struct tg_zone *zone = zone_of("Europe/Berlin");
  assert_int_equal(tg_zone_local_of(zone, INT64_MIN / 2).civil.year, 1);
  assert_int_equal(tg_zone_local_of(zone, INT64_MAX / 2).civil.year, 10000);
  assert_int_equal(tg_zone_local_of(tg_zone_utc(), INT64_MIN).civil.year, 1);
  assert_int_equal(tg_zone_local_of(tg_zone_utc(), INT64_MAX).civil.year, 9999);
}

static int teardown(void **state) {
  (void)state;
  zones_close();
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(shows_what_the_c_library_shows_in_every_zone),
      cmocka_unit_test(follows_posix_rules_as_the_c_library_does),
      cmocka_unit_test(stays_in_daylight_saving_time_where_the_rule_says_so),
      cmocka_unit_test(refuses_a_rule_and_says_where),
      cmocka_unit_test(finds_times_once_twice_or_never_as_the_clocks_show_them),
      cmocka_unit_test(knows_the_latest_time_that_was_shown),
      cmocka_unit_test(takes_far_away_instants_as_the_nearest_year),
  };
  return cmocka_run_group_tests(tests, NULL, teardown);
}
