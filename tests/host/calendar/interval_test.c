// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "calendar/interval.h"
#include "host/calendar/library.h"

static struct tg_schedule schedule_of(const char *text) {
  struct tg_schedule schedule = {.zone = zone_of("Europe/Berlin")};
  struct tg_error err = {0};
  if (tg_cron_parse(text, &schedule.cron, &err)) fail_msg("%s", err.text);
  return schedule;
}

static void reaches_from_the_occurrence_before_to_itself(void **state) {
  (void)state;
  static const struct {
    const char *expression, *start, *end;
  } cases[] = {
      {"0 5 * * *", "2026-11-20T04:00Z", "2026-11-21T04:00Z"},
      {"0 5 * * *", "2026-03-28T04:00Z", "2026-03-29T03:00Z"},
      {"30 2 * * *", "2026-03-28T01:30Z", "2026-03-29T01:00Z"},
      {"0 * * * *", "2026-10-25T00:00Z", "2026-10-25T01:00Z"},
      {"0 0 1 * *", "2026-01-31T23:00Z", "2026-02-28T23:00Z"},
      {"@every 6h", "2026-10-25T00:00Z", "2026-10-25T06:00Z"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct tg_schedule schedule = schedule_of(cases[i].expression);
    struct tg_interval interval = tg_interval_of(&schedule, at(cases[i].end));
    assert_int_equal(interval.start_ms, at(cases[i].start));
    assert_int_equal(interval.end_ms, at(cases[i].end));
  }
}

static void is_empty_for_the_first_occurrence_of_all(void **state) {
  (void)state;
  struct tg_schedule schedule = schedule_of("0 0 1 1 *");
  struct tg_interval interval = tg_interval_of(&schedule, at("1969-12-31T23:00Z"));
  assert_int_equal(interval.start_ms, interval.end_ms);
}

static void lists_the_logical_dates_of_a_range_without_a_hole(void **state) {
  (void)state;
  struct tg_schedule schedule = schedule_of("0 5 * * *");
  struct tg_interval items[10];
  bool has_more;
  size_t count = tg_interval_list(&schedule, at("2026-03-27T04:00Z"), at("2026-03-30T03:00Z"),
                                  items, 10, &has_more);
  assert_int_equal(count, 3);
  assert_false(has_more);
  assert_int_equal(items[0].start_ms, at("2026-03-27T04:00Z"));
  assert_int_equal(items[2].end_ms, at("2026-03-30T03:00Z"));
  for (size_t i = 0; i < count; i++) {
    struct tg_interval interval = tg_interval_of(&schedule, items[i].end_ms);
    assert_int_equal(interval.start_ms, items[i].start_ms);
    if (i > 0) assert_int_equal(items[i].start_ms, items[i - 1].end_ms);
  }
}

static void says_that_a_list_was_cut(void **state) {
  (void)state;
  struct tg_schedule schedule = schedule_of("0 5 * * *");
  struct tg_interval items[3];
  bool has_more;
  int64_t from_ms = at("2026-06-01"), to_ms = at("2026-06-04");
  assert_int_equal(tg_interval_list(&schedule, from_ms, to_ms, items, 2, &has_more), 2);
  assert_true(has_more);
  assert_int_equal(tg_interval_list(&schedule, from_ms, to_ms, items, 3, &has_more), 3);
  assert_false(has_more);
  assert_int_equal(tg_interval_list(&schedule, to_ms, from_ms, items, 3, &has_more), 0);
  assert_false(has_more);
}

struct missed {
  size_t count;
  bool has_more;
  int64_t items[4];
};

static struct missed missed_of(enum tg_missed policy, int64_t grace_ms, const char *last,
                               const char *now) {
  struct tg_schedule schedule = schedule_of("0 5 * * *");
  struct tg_missed_policy missed_policy = {policy, grace_ms};
  struct missed missed = {0};
  missed.count = tg_missed_list(&schedule, &missed_policy, at(last), at(now), missed.items, 4,
                                &missed.has_more);
  return missed;
}

static void creates_the_latest_of_what_was_missed(void **state) {
  (void)state;
  struct missed missed = missed_of(TG_MISSED_LATEST, 0, "2026-06-01T03:00Z", "2026-06-04T10:00Z");
  assert_int_equal(missed.count, 1);
  assert_int_equal(missed.items[0], at("2026-06-04T03:00Z"));
  assert_true(missed.has_more);
  missed = missed_of(TG_MISSED_LATEST, 0, "2026-06-01T03:00Z", "2026-06-02T03:00Z");
  assert_int_equal(missed.count, 1);
  assert_false(missed.has_more);
}

static void creates_all_that_was_missed_up_to_the_cap_the_newest(void **state) {
  (void)state;
  struct missed missed = missed_of(TG_MISSED_ALL, 0, "2026-06-01T03:00Z", "2026-06-04T10:00Z");
  assert_int_equal(missed.count, 3);
  assert_false(missed.has_more);
  assert_int_equal(missed.items[0], at("2026-06-02T03:00Z"));
  assert_int_equal(missed.items[2], at("2026-06-04T03:00Z"));
  missed = missed_of(TG_MISSED_ALL, 0, "2020-06-01T03:00Z", "2026-06-04T10:00Z");
  assert_int_equal(missed.count, 4);
  assert_true(missed.has_more);
  assert_int_equal(missed.items[0], at("2026-06-01T03:00Z"));
  assert_int_equal(missed.items[3], at("2026-06-04T03:00Z"));
}

static void skips_what_was_missed_but_not_what_is_only_late(void **state) {
  (void)state;
  const int64_t grace_ms = 60000;
  struct missed missed =
      missed_of(TG_MISSED_SKIP, grace_ms, "2026-06-01T03:00Z", "2026-06-04T10:00Z");
  assert_int_equal(missed.count, 0);
  missed = missed_of(TG_MISSED_SKIP, grace_ms, "2026-06-01T03:00Z", "2026-06-04T03:01Z");
  assert_int_equal(missed.count, 1);
  assert_int_equal(missed.items[0], at("2026-06-04T03:00Z"));
  missed = missed_of(TG_MISSED_SKIP, grace_ms, "2026-06-01T03:00Z", "2026-06-04T03:01:00.001Z");
  assert_int_equal(missed.count, 0);
  missed = missed_of(TG_MISSED_SKIP, grace_ms, "2026-06-04T03:00Z", "2026-06-04T03:00:30Z");
  assert_int_equal(missed.count, 0);
}

static void creates_nothing_twice_whatever_the_clock_does(void **state) {
  (void)state;
  for (int policy = 0; policy < TG_MISSED_COUNT; policy++) {
    enum tg_missed missed = (enum tg_missed)policy;
    assert_int_equal(missed_of(missed, 9000, "2026-06-04T03:00Z", "2026-06-04T03:00Z").count, 0);
    assert_int_equal(missed_of(missed, 9000, "2026-06-04T03:00Z", "2026-06-05T02:59Z").count, 0);
    assert_int_equal(missed_of(missed, 9000, "2026-06-04T03:00Z", "2026-05-01T00:00Z").count, 0);
    assert_int_equal(missed_of(missed, 9000, "2026-06-04T03:00Z", "2026-06-05T03:00Z").count, 1);
  }
}

static void knows_its_words(void **state) {
  (void)state;
  for (int i = 0; i < TG_MISSED_COUNT; i++)
    assert_int_equal(tg_missed_parse(tg_missed_word((enum tg_missed)i)), i);
  assert_int_equal(tg_missed_parse("none"), -1);
  assert_string_equal(tg_missed_word(TG_MISSED_COUNT), "unknown");
}

static int teardown(void **state) {
  (void)state;
  zones_close();
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reaches_from_the_occurrence_before_to_itself),
      cmocka_unit_test(is_empty_for_the_first_occurrence_of_all),
      cmocka_unit_test(lists_the_logical_dates_of_a_range_without_a_hole),
      cmocka_unit_test(says_that_a_list_was_cut),
      cmocka_unit_test(creates_the_latest_of_what_was_missed),
      cmocka_unit_test(creates_all_that_was_missed_up_to_the_cap_the_newest),
      cmocka_unit_test(skips_what_was_missed_but_not_what_is_only_late),
      cmocka_unit_test(creates_nothing_twice_whatever_the_clock_does),
      cmocka_unit_test(knows_its_words),
  };
  return cmocka_run_group_tests(tests, NULL, teardown);
}
