// SPDX-License-Identifier: Apache-2.0
// A cron expression, after 5 bytes: the zone and an instant. What the search
// finds from either side must be the same, and what the clocks then show must match.
#include "base/civil.h"
#include "calendar/cron.h"
#include "fuzz/input.h"

enum { HOPS = 6, MS = 1000 };

static const char *const rules[] = {"UTC", "+05:30", "-03:30", "+14:00"};

static struct tg_zone *zones[sizeof rules / sizeof *rules];

static void zones_open(void) {
  for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
    fuzz_check(tg_zone_fixed(rules[i], &zones[i], NULL) == TG_OK && zones[i]);
}

static void occurrence_check(const struct tg_cron *cron, const struct tg_zone *zone, int64_t at) {
  if (cron->kind == TG_CRON_INTERVAL) {
    fuzz_check(at % cron->every_ms == 0);
    return;
  }
  fuzz_check(at % MS == 0);
  struct tg_zone_local local = tg_zone_local_of(zone, at / MS);
  fuzz_check(local.civil.year >= TG_CRON_YEAR_MIN && local.civil.year <= TG_CRON_YEAR_MAX);
  fuzz_check(cron->months >> local.civil.month & 1);
  fuzz_check(cron->hours >> local.civil.hour & 1); // there is no gap in these zones
  fuzz_check(cron->minutes >> local.civil.minute & 1);
  fuzz_check(cron->seconds >> local.civil.second & 1);
}

static void occurrences_check(const struct tg_cron *cron, const struct tg_zone *zone,
                              int64_t after) {
  int64_t at, back;
  for (int i = 0; i < HOPS && tg_cron_next(cron, zone, after, &at); i++) {
    fuzz_check(at > after);
    occurrence_check(cron, zone, at);
    fuzz_check(tg_cron_prev(cron, zone, at + 1, &back) && back == at);
    if (tg_cron_prev(cron, zone, at, &back)) fuzz_check(back <= after);
    after = at;
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (!zones[0]) zones_open();
  struct input in = input_of(data, size);
  const struct tg_zone *zone = zones[input_u8(&in) % 4];
  int64_t after = (int64_t)input_number(&in, 4) * MS;
  char *text = input_text(&in);
  struct tg_cron cron;
  struct tg_error err;
  if (tg_cron_parse(text, &cron, &err) == TG_OK)
    occurrences_check(&cron, zone, after);
  else
    fuzz_check(err.code == TG_EINVALID && *err.text);
  free(text);
  return 0;
}
