// SPDX-License-Identifier: Apache-2.0
#include "calendar/zone_rule.h"

#include <ctype.h>
#include <string.h>

#include "base/civil.h"
#include "calendar/zone.h"

struct reader {
  const char *text, *at;
  struct tg_error *err;
};

static int fault(const struct reader *in, const char *expected) {
  return tg_error_set(in->err, TG_EINVALID, "character %zu of the rule \"%.60s\": expected %s",
                      (size_t)(in->at - in->text) + 1, in->text, expected);
}

static bool accept(struct reader *in, char c) {
  if (*in->at != c) return false;
  in->at++;
  return true;
}

static int number_read(struct reader *in, int32_t min, int32_t max, const char *what,
                       int32_t *number) {
  const char *start = in->at;
  int32_t value = 0;
  while (isdigit((unsigned char)*in->at) && value < 100000) value = value * 10 + (*in->at++ - '0');
  if (in->at > start && value >= min && value <= max) {
    *number = value;
    return TG_OK;
  }
  in->at = start;
  return fault(in, what);
}

// A name is three letters or more, or anything of letters, digits and signs between < and >.
static int name_read(struct reader *in, char name[TG_ZONE_ABBREVIATION_MAX + 1]) {
  bool is_quoted = accept(in, '<');
  size_t len = 0;
  for (; isalpha((unsigned char)*in->at) ||
         (is_quoted && *in->at && (isdigit((unsigned char)*in->at) || strchr("+-", *in->at)));
       in->at++) {
    if (len == TG_ZONE_ABBREVIATION_MAX) return fault(in, "a name of at most 15 characters");
    name[len++] = *in->at;
  }
  name[len] = 0;
  if (len < 3) return fault(in, "a name of at least 3 letters");
  if (is_quoted && !accept(in, '>')) return fault(in, "\">\"");
  return TG_OK;
}

// Reads [+-]hh[:mm[:ss]].
static int time_read(struct reader *in, int32_t hours_max, int32_t *seconds) {
  int32_t sign = accept(in, '-') ? -1 : 1, hours = 0, minutes = 0, rest = 0;
  if (sign > 0) accept(in, '+');
  if (number_read(in, 0, hours_max, "a number of hours", &hours)) return TG_EINVALID;
  if (accept(in, ':')) {
    if (number_read(in, 0, 59, "minutes", &minutes)) return TG_EINVALID;
    if (accept(in, ':') && number_read(in, 0, 59, "seconds", &rest)) return TG_EINVALID;
  }
  *seconds = sign * (hours * 3600 + minutes * 60 + rest);
  return TG_OK;
}

static int day_read(struct reader *in, struct tg_zone_day *day) {
  int code;
  if (accept(in, 'M')) {
    day->kind = TG_ZONE_DAY_OF_WEEK;
    if ((code = number_read(in, 1, 12, "a month", &day->month))) return code;
    if (!accept(in, '.')) return fault(in, "\".\" and a week");
    if ((code = number_read(in, 1, 5, "a week from 1 to 5", &day->week))) return code;
    if (!accept(in, '.')) return fault(in, "\".\" and a weekday");
    code = number_read(in, 0, 6, "a weekday from 0 to 6", &day->day);
  } else if (accept(in, 'J')) {
    day->kind = TG_ZONE_DAY_JULIAN;
    code = number_read(in, 1, 365, "a day of the year from 1 to 365", &day->day);
  } else {
    day->kind = TG_ZONE_DAY_OF_YEAR;
    code = number_read(in, 0, 365, "a day: M, J or a number", &day->day);
  }
  day->time_s = 2 * 3600;
  if (!code && accept(in, '/')) code = time_read(in, 167, &day->time_s);
  return code;
}

static int dst_read(struct reader *in, struct tg_zone_rule *rule) {
  int code = name_read(in, rule->dst_name);
  if (code) return code;
  rule->has_dst = true;
  rule->dst_s = rule->standard_s + 3600;
  if (*in->at && *in->at != ',') {
    if ((code = time_read(in, 24, &rule->dst_s))) return code;
    rule->dst_s = -rule->dst_s;
  }
  if (!accept(in, ',')) return fault(in, "\",\" and the start of daylight-saving time");
  if ((code = day_read(in, &rule->start))) return code;
  if (!accept(in, ',')) return fault(in, "\",\" and the end of daylight-saving time");
  return day_read(in, &rule->end);
}

int tg_zone_rule_parse(const char *text, struct tg_zone_rule *rule, struct tg_error *err) {
  struct reader in = {.text = text, .at = text, .err = err};
  memset(rule, 0, sizeof *rule);
  int code = name_read(&in, rule->standard_name);
  if (!code) code = time_read(&in, 24, &rule->standard_s);
  rule->standard_s = -rule->standard_s;
  if (!code && *in.at) code = dst_read(&in, rule);
  if (!code && *in.at) code = fault(&in, "the end");
  return code;
}

static int64_t day_of_year(const struct tg_zone_day *day, int64_t year) {
  int64_t first = tg_civil_days(year, 1, 1);
  bool is_leap = tg_civil_month_days(year, 2) == 29;
  switch (day->kind) {
  case TG_ZONE_DAY_JULIAN:
    return first + day->day - 1 + (is_leap && day->day >= 60);
  case TG_ZONE_DAY_OF_YEAR:
    return first + day->day;
  case TG_ZONE_DAY_OF_WEEK:
    break;
  }
  int64_t start = tg_civil_days(year, day->month, 1);
  int32_t to_weekday = (day->day - tg_civil_weekday(start) + 7) % 7;
  int32_t of_month = to_weekday + 7 * (day->week - 1);
  if (of_month >= tg_civil_month_days(year, day->month)) of_month -= 7;
  return start + of_month;
}

// Narrows the span to the side of a change on which the instant lies. Where an end and the next
// year's start fall together, daylight-saving time goes on.
static void span_cut(struct tg_zone_span *span, int64_t utc_s, int64_t change_s, bool is_dst) {
  if (change_s > utc_s) {
    if (change_s < span->end_s) span->end_s = change_s;
  } else if (change_s > span->start_s || (change_s == span->start_s && is_dst)) {
    span->start_s = change_s;
    span->is_dst = is_dst;
  }
}

// A time of up to 167 hours moves a change by a week into a neighbouring year, so that a year may
// have none at all: two years on each side are looked at.
void tg_zone_rule_span(const struct tg_zone_rule *rule, int64_t utc_s, struct tg_zone_span *span) {
  *span = (struct tg_zone_span){.start_s = TG_ZONE_START_S, .end_s = TG_ZONE_END_S};
  if (rule->has_dst) {
    int64_t year = tg_civil_of(utc_s).year;
    for (int64_t y = year - 2; y <= year + 2; y++) {
      span_cut(span, utc_s,
               day_of_year(&rule->start, y) * TG_DAY_S + rule->start.time_s - rule->standard_s,
               true);
      span_cut(span, utc_s, day_of_year(&rule->end, y) * TG_DAY_S + rule->end.time_s - rule->dst_s,
               false);
    }
  }
  span->offset_s = span->is_dst ? rule->dst_s : rule->standard_s;
  span->abbreviation = span->is_dst ? rule->dst_name : rule->standard_name;
}
