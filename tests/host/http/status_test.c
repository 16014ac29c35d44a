// SPDX-License-Identifier: Apache-2.0
#include "http/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void every_status_has_its_class(void **state) {
  (void)state;
  assert_int_equal(tg_http_status_class(200, false), TG_CLASS_NONE);
  assert_int_equal(tg_http_status_class(304, false), TG_CLASS_NONE);
  assert_int_equal(tg_http_status_class(400, false), TG_CLASS_PERMANENT);
  assert_int_equal(tg_http_status_class(404, true), TG_CLASS_PERMANENT);
  assert_int_equal(tg_http_status_class(408, false), TG_CLASS_TRANSIENT);
  assert_int_equal(tg_http_status_class(425, false), TG_CLASS_TRANSIENT);
  assert_int_equal(tg_http_status_class(429, false), TG_CLASS_THROTTLED);
  assert_int_equal(tg_http_status_class(500, false), TG_CLASS_TRANSIENT);
  assert_int_equal(tg_http_status_class(501, false), TG_CLASS_PERMANENT);
  assert_int_equal(tg_http_status_class(502, false), TG_CLASS_TRANSIENT);
  assert_int_equal(tg_http_status_class(503, false), TG_CLASS_TRANSIENT);
  assert_int_equal(tg_http_status_class(503, true), TG_CLASS_THROTTLED);
  assert_int_equal(tg_http_status_class(504, false), TG_CLASS_TRANSIENT);
  assert_int_equal(tg_http_status_class(599, false), TG_CLASS_TRANSIENT);
}

static void retry_after_is_seconds_or_a_date(void **state) {
  (void)state;
  const int64_t now_ms = INT64_C(784111777) * 1000; // Sun, 06 Nov 1994 08:49:37 GMT
  assert_int_equal(tg_http_retry_after_ms("120", now_ms), 120000);
  assert_int_equal(tg_http_retry_after_ms("0", now_ms), 0);
  assert_int_equal(tg_http_retry_after_ms("Sun, 06 Nov 1994 08:50:07 GMT", now_ms), 30000);
  assert_int_equal(tg_http_retry_after_ms("Sun, 06 Nov 1994 08:49:07 GMT", now_ms), 0);
}

static void a_retry_after_that_is_absurd_or_no_time_does_no_harm(void **state) {
  (void)state;
  assert_int_equal(tg_http_retry_after_ms("99999999999999999999", 0), INT64_C(86400000));
  assert_int_equal(tg_http_retry_after_ms("Fri, 31 Dec 9999 23:59:59 GMT", 0), INT64_C(86400000));
  assert_int_equal(tg_http_retry_after_ms("soon", 0), 0);
  assert_int_equal(tg_http_retry_after_ms("12 minutes", 0), 0);
  assert_int_equal(tg_http_retry_after_ms("", 0), 0);
  assert_int_equal(tg_http_retry_after_ms("-5", 0), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_status_has_its_class),
      cmocka_unit_test(retry_after_is_seconds_or_a_date),
      cmocka_unit_test(a_retry_after_that_is_absurd_or_no_time_does_no_harm),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
