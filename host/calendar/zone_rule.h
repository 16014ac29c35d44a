// SPDX-License-Identifier: Apache-2.0
// The rule at the end of a time zone file, a POSIX TZ string: "CET-1CEST,M3.5.0,M10.5.0/3".
//
//   std offset [dst [offset] , start [/time] , end [/time]]
//
// An offset is hours, perhaps with minutes and seconds, west of Greenwich. A day is `Jn` (1-365,
// the leap day is never counted), `n` (0-365, it is) or `Mm.w.d` (weekday d of week w of month m,
// week 5 is the last one). A time may be -167 to 167 hours, as version 3 of TZif allows.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct tg_zone_span;

enum { TG_ZONE_ABBREVIATION_MAX = 15 };

struct tg_zone_day {
  enum { TG_ZONE_DAY_JULIAN, TG_ZONE_DAY_OF_YEAR, TG_ZONE_DAY_OF_WEEK } kind;
  int32_t day; // of the year, or of the week
  int32_t month, week;
  int32_t time_s;
};

struct tg_zone_rule {
  char standard_name[TG_ZONE_ABBREVIATION_MAX + 1], dst_name[TG_ZONE_ABBREVIATION_MAX + 1];
  int32_t standard_s, dst_s; // east of Greenwich is positive
  bool has_dst;
  struct tg_zone_day start, end; // of daylight-saving time
};

/// Reads a rule.
///
/// Errors: TG_EINVALID, with the character where it stops to make sense
/// Source: POSIX.1-2017, Base Definitions 8.3; RFC 9636 section 3.3.1
int tg_zone_rule_parse(const char *text, struct tg_zone_rule *rule, struct tg_error *err);

/// Gives the span that an instant lies in.
void tg_zone_rule_span(const struct tg_zone_rule *rule, int64_t utc_s, struct tg_zone_span *span);
