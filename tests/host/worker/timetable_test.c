// SPDX-License-Identifier: Apache-2.0
#include "worker/timetable.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/units.h"

// The first occurrence after an instant, or why the trigger cannot be.
static void expect_next(const char *fields, const char *after, const char *expected) {
  char text[600], at[TG_TIME_TEXT_LEN + 1];
  snprintf(text, sizeof text, "{\"kind\":\"cron\",%s}", fields);
  for (char *c = text; (c = strchr(c, '\''));) *c = '"';
  json_t *cron = json_loads(text, 0, NULL);
  assert_non_null(cron);
  struct tg_timetable table;
  struct tg_error err = {0};
  int64_t from, next;
  assert_true(tg_time_parse(after, &from));
  if (tg_timetable_init(&table, cron, &err))
    assert_string_equal(err.text, expected);
  else if (!tg_schedule_next(&table.schedule, from, &next))
    assert_string_equal("never", expected);
  else {
    tg_time_format(next, at);
    assert_string_equal(at, expected);
  }
  tg_timetable_deinit(&table);
  json_decref(cron);
}

static void a_trigger_says_when(void **state) {
  (void)state;
  expect_next("'expr':'0 5 * * *'", "2026-11-20T06:00:00Z", "2026-11-21T05:00:00.000Z");
  expect_next("'expr':'0 5 * * *','tz':'+02:00'", "2026-11-20T06:00:00Z",
              "2026-11-21T03:00:00.000Z");
  expect_next("'expr':'@every 15m'", "2026-11-20T06:01:00Z", "2026-11-20T06:15:00.000Z");
  expect_next("'expr':'30 0 0 L * ?'", "2026-11-20T06:01:00Z", "2026-11-30T00:00:30.000Z");
}

static void a_calendar_closes_times(void **state) {
  (void)state;
  const char *friday = "2026-11-20T06:00:00Z"; // the next is on a Saturday
  expect_next("'expr':'0 5 * * *','calendar':{'weekdays':'MON-FRI'}", friday,
              "2026-11-23T05:00:00.000Z");
  expect_next("'expr':'0 5 * * *','calendar':{'weekdays':'MON-FRI','holidays':['2026-11-23']}",
              friday, "2026-11-24T05:00:00.000Z");
  expect_next("'expr':'0 5 * * *','calendar':{'hours':['08:00-18:00']},'on_closed':'shift'", friday,
              "2026-11-20T08:00:00.000Z");
  expect_next("'expr':'0 5 * * *','calendar':{'blackouts':["
              "'2026-11-21T00:00:00Z/2026-11-25T00:00:00Z']}",
              friday, "2026-11-25T05:00:00.000Z");
}

static void what_cannot_be_is_told(void **state) {
  (void)state;
  const char *any = "2026-11-20T06:00:00Z";
  expect_next("'expr':'0 5 * * *','tz':'+99:00'", any,
              "the offset +99:00 is not less than 24 hours");
  expect_next("'expr':'0 5 * * *','calendar':{'blackouts':['x']}", any,
              "\"x\" is no blackout; it is written as two instants, "
              "\"2026-12-20T00:00:00Z/2026-12-27T00:00:00Z\"");
  expect_next("'expr':'0 5 * * *','calendar':{'holidays':[5]}", any, "a calendar is made of texts");
  expect_next("'expr':'0 5 * * *','calendar':{'hours':['00:00-04:00']}", any, "never");
}

static void the_faults_of_a_plan_have_their_place(void **state) {
  (void)state;
  static const char plan[] =
      "{\"name\":\"p\",\"on\":[{\"kind\":\"cron\",\"at\":\"pipelines/p.lua:7\",\"expr\":\"0 25 * * "
      "*\"},"
      "{\"kind\":\"event\"},{\"kind\":\"cron\",\"at\":\"a:b.lua:9\",\"expr\":\"0 5 * * *\","
      "\"calendar\":{\"hours\":[\"00:00-04:00\"]}},{\"kind\":\"cron\",\"expr\":\"0 5 * * *\"}],"
      "\"tasks\":[]}";
  char *text = tg_timetable_faults(plan, sizeof plan - 1);
  json_t *faults = text ? json_loads(text, 0, NULL) : NULL;
  assert_int_equal(json_array_size(faults), 2);
  const json_t *first = json_array_get(faults, 0), *second = json_array_get(faults, 1);
  assert_string_equal(json_string_value(json_object_get(first, "file")), "pipelines/p.lua");
  assert_int_equal(json_integer_value(json_object_get(first, "line")), 7);
  assert_string_equal(json_string_value(json_object_get(second, "file")), "a:b.lua");
  assert_int_equal(json_integer_value(json_object_get(second, "line")), 9);
  json_decref(faults);
  free(text);
  assert_null(tg_timetable_faults("{}", 2));
  assert_null(tg_timetable_faults("{\"on\":5,\"tasks\":[]}", 21));
  assert_null(tg_timetable_faults("[", 1));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_trigger_says_when),
      cmocka_unit_test(a_calendar_closes_times),
      cmocka_unit_test(what_cannot_be_is_told),
      cmocka_unit_test(the_faults_of_a_plan_have_their_place),
  };
  return cmocka_run_group_tests_name("host/worker/timetable", tests, NULL, NULL);
}
