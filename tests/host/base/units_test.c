// SPDX-License-Identifier: Apache-2.0
#include "base/units.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void expect_duration(const char *text, int64_t expected) {
  int64_t ms = -1;
  assert_true(tg_duration_parse(text, &ms));
  assert_int_equal(ms, expected);
}

static void reads_durations(void **state) {
  (void)state;
  expect_duration("0s", 0);
  expect_duration("850ms", 850);
  expect_duration("30s", 30000);
  expect_duration("1.5s", 1500);
  expect_duration("0.001s", 1);
  expect_duration("5m", 300000);
  expect_duration("2h", 7200000);
  expect_duration("3d", 259200000);
  expect_duration("1h30m", 5400000);
  expect_duration("1d2h3m4s5ms", 93784005);
  expect_duration("1.000000000000000000000000000001s", 1000);
  expect_duration("106751991166d", INT64_C(106751991166) * 86400000);
}

static void refuses_what_is_no_duration(void **state) {
  (void)state;
  static const char *const wrong[] = {
      "",
      " ",
      "5",
      "s",
      "-5s",
      "+5s",
      "5 s",
      " 5s",
      "5s ",
      "5S",
      "5sec",
      "1.s",
      ".5s",
      "1h 30m",
      "1h30",
      "1e3s",
      "0x1s",
      "1,5s",
      "nan",
      "inf",
      "106751991168d",
      "99999999999999999999s",
      "106751991166d106751991166d",
  };
  int64_t ms = 7;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    assert_false(tg_duration_parse(wrong[i], &ms));
    assert_int_equal(ms, 7);
  }
}

static void expect_shown(int64_t ms, const char *expected) {
  char text[TG_DURATION_TEXT_MAX];
  tg_duration_format(ms, text);
  assert_string_equal(text, expected);
}

static void writes_durations_for_a_person(void **state) {
  (void)state;
  expect_shown(0, "0ms");
  expect_shown(999, "999ms");
  expect_shown(1000, "1.0s");
  expect_shown(4250, "4.2s");
  expect_shown(59999, "59.9s");
  expect_shown(60000, "1m00s");
  expect_shown(192000, "3m12s");
  expect_shown(3600000, "1h00m");
  expect_shown(7500000, "2h05m");
  expect_shown(86400000, "1d0h");
  expect_shown(INT64_C(273600000), "3d4h");
  expect_shown(-5, "-5ms");
  expect_shown(INT64_MAX, "106751991167d7h");
}

static void expect_size(const char *text, int64_t expected) {
  int64_t bytes = -1;
  assert_true(tg_size_parse(text, &bytes));
  assert_int_equal(bytes, expected);
}

static void reads_sizes(void **state) {
  (void)state;
  expect_size("0B", 0);
  expect_size("512B", 512);
  expect_size("1KB", 1000);
  expect_size("1KiB", 1024);
  expect_size("2MB", 2000000);
  expect_size("64MiB", 67108864);
  expect_size("1.5GiB", INT64_C(1610612736));
  expect_size("3GB", INT64_C(3000000000));
}

static void refuses_what_is_no_size(void **state) {
  (void)state;
  static const char *const wrong[] = {
      "",     "1",     "B",     "-1B",           "1 B",
      "1kb",  "1KiBs", "1KB1B", "1TiB1",         "1.KiB",
      "1mib", "1K",    "0x1B",  "8589934592GiB", "99999999999999999999B"};
  int64_t bytes = 7;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    assert_false(tg_size_parse(wrong[i], &bytes));
    assert_int_equal(bytes, 7);
  }
}

static void expect_time(const char *text, int64_t expected) {
  int64_t ms = -1;
  assert_true(tg_time_parse(text, &ms));
  assert_int_equal(ms, expected);
}

static void reads_instants(void **state) {
  (void)state;
  expect_time("1970-01-01T00:00:00Z", 0);
  expect_time("1970-01-01", 0);
  expect_time("2001-09-09T01:46:40Z", INT64_C(1000000000000));
  expect_time("2026-11-20T05:00:00.123Z", INT64_C(1795150800123));
  expect_time("2026-11-20t05:00:00.123999z", INT64_C(1795150800123));
  expect_time("2026-11-20 06:30:00.5+01:30", INT64_C(1795150800500));
  expect_time("2026-11-19T22:00-07:00", INT64_C(1795150800000));
  expect_time("2024-02-29", INT64_C(1709164800000));
  expect_time("2000-02-29T00:00:00Z", INT64_C(951782400000));
  expect_time("1969-12-31T23:59:59.999Z", -1);
  expect_time("2016-12-31T23:59:60Z", INT64_C(1483228800000)); // a leap second
}

static void refuses_what_is_no_instant(void **state) {
  (void)state;
  static const char *const wrong[] = {
      "",
      "2026",
      "2026-11",
      "2026-1-2",
      "26-11-20",
      "2026-13-01",
      "2026-00-01",
      "2026-11-31",
      "2026-11-00",
      "2026-02-29",
      "1900-02-29",
      "2026-11-20T",
      "2026-11-20T05",
      "2026-11-20T05:00:00",
      "2026-11-20T5:00:00Z",
      "2026-11-20T24:00:00Z",
      "2026-11-20T05:60:00Z",
      "2026-11-20T05:00:61Z",
      "2026-11-20T05:00:00.Z",
      "2026-11-20T05:00.5Z",
      "2026-11-20T05:00:Z",
      "2026-11-20T05:00:00Zx",
      "2026-11-20T05:00:00+1:00",
      "2026-11-20T05:00:00+0100",
      "2026-11-20T05:00:00+24:00",
      "2026-11-20T05:00:00+01:60",
      "2026-11-20x05:00:00Z",
      "2026-11-20T05:00:00 Z",
      " 2026-11-20",
      "2026-11-20 ",
      "+2026-11-20",
  };
  int64_t ms = 7;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    assert_false(tg_time_parse(wrong[i], &ms));
    assert_int_equal(ms, 7);
  }
}

static void instants_are_read_as_they_were_written(void **state) {
  (void)state;
  const int64_t first = INT64_C(-62167219200000), last = INT64_C(253402300799999);
  char text[TG_TIME_TEXT_LEN + 1];
  tg_time_format(first, text);
  assert_string_equal(text, "0000-01-01T00:00:00.000Z");
  tg_time_format(last, text);
  assert_string_equal(text, "9999-12-31T23:59:59.999Z");
  for (int64_t ms = first; ms <= last; ms += INT64_C(86399999) * 29) {
    tg_time_format(ms, text);
    assert_int_equal(strlen(text), TG_TIME_TEXT_LEN);
    expect_time(text, ms);
  }
}

static void shows_instants_that_have_no_year(void **state) {
  (void)state;
  static const int64_t far[] = {INT64_C(253402300800000), INT64_C(-62167219200001), INT64_MAX,
                                INT64_MIN};
  char text[TG_TIME_TEXT_LEN + 1];
  for (size_t i = 0; i < sizeof far / sizeof *far; i++) {
    tg_time_format(far[i], text);
    assert_string_equal(text, "out-of-range");
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reads_durations),
      cmocka_unit_test(refuses_what_is_no_duration),
      cmocka_unit_test(writes_durations_for_a_person),
      cmocka_unit_test(reads_sizes),
      cmocka_unit_test(refuses_what_is_no_size),
      cmocka_unit_test(reads_instants),
      cmocka_unit_test(refuses_what_is_no_instant),
      cmocka_unit_test(instants_are_read_as_they_were_written),
      cmocka_unit_test(shows_instants_that_have_no_year),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
