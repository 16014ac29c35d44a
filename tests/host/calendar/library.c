// SPDX-License-Identifier: Apache-2.0
#include "host/calendar/library.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/units.h"

static struct tg_zones zones;

void library_use(const char *name) {
  assert_int_equal(setenv("TZ", name, 1), 0);
  tzset();
}

struct tm library_local(int64_t utc_s) {
  struct tm tm;
  time_t t = (time_t)utc_s;
  assert_non_null(localtime_r(&t, &tm));
  return tm;
}

int64_t library_local_s(int64_t utc_s) {
  return utc_s + library_local(utc_s).tm_gmtoff;
}

const struct tg_zone *zone_of(const char *name) {
  const struct tg_zone *zone = NULL;
  struct tg_error err = {0};
  if (!zones.source.read) tg_zones_init(&zones, tg_zone_source_folder(ZONE_FOLDER));
  if (tg_zones_get(&zones, name, &zone, &err)) fail_msg("%s", err.text);
  return zone;
}

void zones_close(void) {
  tg_zones_deinit(&zones);
  zones = (struct tg_zones){0};
}

int64_t at(const char *text) {
  int64_t ms;
  if (!tg_time_parse(text, &ms)) fail_msg("%s is no time", text);
  return ms;
}
