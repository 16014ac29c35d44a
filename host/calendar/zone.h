// SPDX-License-Identifier: Apache-2.0
// One time zone: what its clocks show at an instant, and when they show a given time.
//
// A zone is read once (zones.h) and never changes. To the functions below it is a row of spans,
// stretches of time with one offset from UTC:
//
//        span              span               span
//   ----------------)[----------------)[-----------------
//     offset +1:00      offset +2:00       offset +1:00
//                    ^ a gap: clocks   ^ a fold: clocks
//                      skip an hour      repeat an hour
//
// Instants are seconds since 1970-01-01T00:00:00Z (`utc_s`); what a clock shows is a civil second
// of base/civil.h (`local_s`). Instants outside of the years 1 to 9999 are taken as the nearest of
// them. Nothing here allocates.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/civil.h"
#include "base/error.h"

#define TG_ZONE_START_S INT64_C(-62135596800) // 0001-01-01T00:00:00Z
#define TG_ZONE_END_S INT64_C(253402300800)   // 10000-01-01T00:00:00Z
#define TG_ZONE_OFFSET_MAX_S INT64_C(93600)   // 26 h: every offset is nearer to UTC than this

enum { TG_ZONE_NAME_MAX = 63 };

struct tg_zone;

/// A stretch of time with one offset: start_s <= t < end_s.
struct tg_zone_span {
  int64_t start_s, end_s;
  int32_t offset_s; // east of Greenwich is positive
  bool is_dst;
  const char *abbreviation; // "CEST"; lives as long as the zone
};

/// What a clock of the zone shows.
struct tg_zone_local {
  struct tg_civil civil;
  int32_t weekday; // 0 is Sunday
  int32_t offset_s;
  bool is_dst;
  const char *abbreviation;
};

enum tg_zone_match {
  TG_ZONE_ONE, // the time is shown once, at first_s
  TG_ZONE_GAP, // it is skipped; first_s is the first valid instant after
  TG_ZONE_FOLD // it is shown at first_s and again at second_s
};

struct tg_zone_utc {
  enum tg_zone_match match;
  int64_t first_s, second_s; // equal if there is no fold
};

/// Makes a zone of the bytes of a TZif file, version 1 to 4.
///
/// Owns:   the caller frees the zone with tg_zone_free
/// Errors: TG_EINVALID says what is malformed, and where; leap seconds are refused; TG_ENOMEM
/// Source: RFC 8536 and RFC 9636
int tg_zone_parse(const char *name, const void *bytes, size_t len, struct tg_zone **zone,
                  struct tg_error *err);

/// Makes a zone with one offset for ever, of "UTC", "Z", "+02", "-03:30" or "+0530".
///
/// Shape:  *zone stays NULL, without an error, for a name that is none of these
/// Errors: TG_EINVALID for an offset of 24 hours or more; TG_ENOMEM
int tg_zone_fixed(const char *name, struct tg_zone **zone, struct tg_error *err);

/// Frees a zone; NULL is fine.
void tg_zone_free(struct tg_zone *zone);

/// Gives the zone of UTC, which is always there.
const struct tg_zone *tg_zone_utc(void);

/// Checks a name before it becomes part of a path: letters, digits, `+-_/.`, no part that is empty
/// or starts with a dot, nothing absolute.
///
/// Errors: TG_EINVALID
int tg_zone_name_check(const char *name, struct tg_error *err);

const char *tg_zone_name(const struct tg_zone *zone);

/// Gives the span that an instant lies in.
void tg_zone_span_at(const struct tg_zone *zone, int64_t utc_s, struct tg_zone_span *span);

/// Gives what the clocks show at an instant.
struct tg_zone_local tg_zone_local_of(const struct tg_zone *zone, int64_t utc_s);

/// Finds when the clocks show a time.
struct tg_zone_utc tg_zone_utc_of(const struct tg_zone *zone, int64_t local_s);

/// Gives the first instant at which the clocks show a time or have passed it: the first of two, or
/// the end of the gap that skips it.
int64_t tg_zone_first_at(const struct tg_zone *zone, int64_t local_s);

/// Gives the latest time that the clocks have shown up to an instant, itself included. In the
/// second pass of a fold this is still the end of the first.
///
/// Shape:  tg_zone_first_at(zone, l) <= t exactly if l <= tg_zone_latest_at(zone, t)
int64_t tg_zone_latest_at(const struct tg_zone *zone, int64_t utc_s);
