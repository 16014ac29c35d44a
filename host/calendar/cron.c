// SPDX-License-Identifier: Apache-2.0
// With named hours an occurrence is the first instant at which the clocks show a scheduled time or
// have passed it. So the next one belongs to the first scheduled time that the clocks have not
// passed yet, and the last one to the last scheduled time that they have: one search by field each.
//
// With every hour, or steps, the clocks of each span (zone.h) are read by themselves: what they
// show within the span counts, and with steps what the gap between two spans skips counts too. From
// one span to the next the scheduled time that was found is kept for as long as it still answers.
#include "calendar/cron.h"

#include "base/civil.h"
#include "calendar/cron_search.h"

// The scheduled time that is next to any of a range of times, the ones from `low` to `high`: of a
// search forwards it is `high`, of one backwards `low`.
struct found {
  int64_t low, high;
};

static bool found_holds(const struct found *found, int64_t local_s) {
  return found->low <= local_s && local_s <= found->high;
}

static bool found_next(struct tg_cron_search *search, int64_t local_s, struct found *found) {
  if (found_holds(found, local_s)) return true;
  *found = (struct found){local_s, local_s};
  return tg_cron_fields_next(search, &found->high);
}

static bool found_prev(struct tg_cron_search *search, int64_t local_s, struct found *found) {
  if (found_holds(found, local_s)) return true;
  *found = (struct found){local_s, local_s};
  return tg_cron_fields_prev(search, &found->low);
}

static bool spans_next(struct tg_cron_search *search, const struct tg_zone *zone, int64_t after_s,
                       int64_t *at_s) {
  const bool has_steps = search->cron->kind == TG_CRON_STEPPED_HOURS;
  struct found found = {1, 0};
  struct tg_zone_span span;
  int64_t from_s = after_s + 1;
  tg_zone_span_at(zone, after_s, &span);
  for (;; search->steps++) {
    if (!found_next(search, from_s + span.offset_s, &found)) return false;
    *at_s = found.high - span.offset_s;
    if (*at_s < span.end_s) return true;
    if (span.end_s >= TG_ZONE_END_S) return false;
    *at_s = from_s = span.end_s;
    tg_zone_span_at(zone, from_s, &span);
    if (has_steps && found.high < from_s + span.offset_s) return true;
  }
}

static bool spans_prev(struct tg_cron_search *search, const struct tg_zone *zone, int64_t before_s,
                       int64_t *at_s) {
  const bool has_steps = search->cron->kind == TG_CRON_STEPPED_HOURS;
  struct found found = {1, 0};
  struct tg_zone_span span;
  int64_t until_s = before_s - 1;
  tg_zone_span_at(zone, until_s, &span);
  for (;; search->steps++) {
    if (!found_prev(search, until_s + span.offset_s, &found)) return false;
    *at_s = found.low - span.offset_s;
    if (*at_s >= span.start_s) return true;
    if (span.start_s <= TG_ZONE_START_S) return false;
    *at_s = span.start_s;
    until_s = span.start_s - 1;
    tg_zone_span_at(zone, until_s, &span);
    if (has_steps && found.low > until_s + span.offset_s) return true;
  }
}

bool tg_cron_search_next(struct tg_cron_search *search, const struct tg_zone *zone, int64_t after_s,
                         int64_t *at_s) {
  if (search->cron->kind != TG_CRON_NAMED_HOURS) return spans_next(search, zone, after_s, at_s);
  int64_t local_s = tg_zone_latest_at(zone, after_s) + 1;
  if (!tg_cron_fields_next(search, &local_s)) return false;
  *at_s = tg_zone_first_at(zone, local_s);
  return true;
}

bool tg_cron_search_prev(struct tg_cron_search *search, const struct tg_zone *zone,
                         int64_t before_s, int64_t *at_s) {
  if (search->cron->kind != TG_CRON_NAMED_HOURS) return spans_prev(search, zone, before_s, at_s);
  int64_t local_s = tg_zone_latest_at(zone, before_s - 1);
  if (!tg_cron_fields_prev(search, &local_s)) return false;
  *at_s = tg_zone_first_at(zone, local_s);
  return true;
}

static int64_t floor_div(int64_t value, int64_t by) {
  return value / by - (value % by < 0);
}

static int64_t ceil_div(int64_t value, int64_t by) {
  return value / by + (value % by > 0);
}

// The years of TG_CRON_YEAR_MIN and TG_CRON_YEAR_MAX in UTC, with a day for the offsets.
static int64_t start_ms(void) {
  return (tg_civil_days(TG_CRON_YEAR_MIN, 1, 1) - 2) * TG_DAY_S * 1000;
}

static int64_t end_ms(void) {
  return (tg_civil_days(TG_CRON_YEAR_MAX + 1, 1, 1) + 2) * TG_DAY_S * 1000;
}

bool tg_cron_next(const struct tg_cron *cron, const struct tg_zone *zone, int64_t after_ms,
                  int64_t *at_ms) {
  if (after_ms >= end_ms()) return false;
  if (after_ms < start_ms()) after_ms = start_ms();
  if (cron->kind == TG_CRON_INTERVAL) {
    *at_ms = (floor_div(after_ms, cron->every_ms) + 1) * cron->every_ms;
    return *at_ms < end_ms();
  }
  struct tg_cron_search search = {.cron = cron};
  int64_t at_s;
  if (!tg_cron_search_next(&search, zone, floor_div(after_ms, 1000), &at_s)) return false;
  *at_ms = at_s * 1000;
  return true;
}

bool tg_cron_prev(const struct tg_cron *cron, const struct tg_zone *zone, int64_t before_ms,
                  int64_t *at_ms) {
  if (before_ms <= start_ms()) return false;
  if (before_ms > end_ms()) before_ms = end_ms();
  if (cron->kind == TG_CRON_INTERVAL) {
    *at_ms = (ceil_div(before_ms, cron->every_ms) - 1) * cron->every_ms;
    return *at_ms >= start_ms();
  }
  struct tg_cron_search search = {.cron = cron};
  int64_t at_s;
  if (!tg_cron_search_prev(&search, zone, ceil_div(before_ms, 1000), &at_s)) return false;
  *at_ms = at_s * 1000;
  return true;
}
