// SPDX-License-Identifier: Apache-2.0
#include "calendar/zone.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calendar/zone_inside.h"

static int64_t clamp(int64_t utc_s) {
  if (utc_s < TG_ZONE_START_S) return TG_ZONE_START_S;
  return utc_s < TG_ZONE_END_S ? utc_s : TG_ZONE_END_S - 1;
}

const struct tg_zone *tg_zone_utc(void) {
  static const struct tg_zone utc = {
      .name = "UTC", .has_rule = true, .rule = {.standard_name = "UTC"}};
  return &utc;
}

static bool two_digits_read(const char **text, int32_t *value) {
  const char *s = *text;
  if (!isdigit((unsigned char)s[0]) || !isdigit((unsigned char)s[1])) return false;
  *value = (s[0] - '0') * 10 + (s[1] - '0');
  *text += 2;
  return true;
}

// Reads +hh, +hhmm or +hh:mm.
static bool offset_read(const char *text, int32_t *offset_s) {
  int32_t hours, minutes = 0, sign = *text == '-' ? -1 : 1;
  if (*text != '+' && *text != '-') return false;
  text++;
  if (!two_digits_read(&text, &hours)) return false;
  bool has_colon = *text == ':';
  text += has_colon;
  if ((*text || has_colon) && !two_digits_read(&text, &minutes)) return false;
  *offset_s = sign * (hours * 3600 + minutes * 60);
  return !*text && minutes < 60;
}

int tg_zone_fixed(const char *name, struct tg_zone **zone, struct tg_error *err) {
  int32_t offset_s = 0;
  *zone = NULL;
  if (strcmp(name, "UTC") != 0 && strcmp(name, "Z") != 0 && strcmp(name, "Etc/UTC") != 0 &&
      !offset_read(name, &offset_s))
    return TG_OK;
  if (abs(offset_s) >= 24 * 3600)
    return tg_error_set(err, TG_EINVALID, "the offset %s is not less than 24 hours", name);
  struct tg_zone *made = calloc(1, sizeof *made);
  if (!made) return tg_error_set(err, TG_ENOMEM, "no memory for a time zone");
  snprintf(made->name, sizeof made->name, "%s", name);
  made->has_rule = true;
  made->rule.standard_s = offset_s;
  snprintf(made->rule.standard_name, sizeof made->rule.standard_name, "%s",
           offset_s ? name : "UTC");
  *zone = made;
  return TG_OK;
}

void tg_zone_free(struct tg_zone *zone) {
  if (!zone) return;
  tg_arena_deinit(&zone->arena);
  free(zone);
}

int tg_zone_name_check(const char *name, struct tg_error *err) {
  size_t len = strlen(name);
  if (len == 0) return tg_error_set(err, TG_EINVALID, "the name of a time zone is empty");
  if (len > TG_ZONE_NAME_MAX)
    return tg_error_set(err, TG_EINVALID, "a time zone's name has at most %d characters, not %zu",
                        TG_ZONE_NAME_MAX, len);
  char before = '/';
  for (size_t i = 0; i <= len; i++) {
    char c = i < len ? name[i] : '/';
    bool is_part_start = before == '/';
    bool is_fine = is_part_start ? isalnum((unsigned char)c) || c == '+' || c == '-'
                                 : isalnum((unsigned char)c) || strchr("+-_/.", c);
    if (!is_fine)
      return tg_error_set(err, TG_EINVALID,
                          "character %zu of a time zone's name cannot stand there: a name is "
                          "like \"Europe/Berlin\", \"UTC\" or \"+02:00\"",
                          i < len ? i + 1 : len);
    before = c;
  }
  return TG_OK;
}

const char *tg_zone_name(const struct tg_zone *zone) {
  return zone->name;
}

// Counts the transitions at or before an instant.
static size_t transitions_until(const struct tg_zone *zone, int64_t utc_s) {
  size_t low = 0, high = zone->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (zone->at_s[middle] <= utc_s)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

void tg_zone_span_at(const struct tg_zone *zone, int64_t utc_s, struct tg_zone_span *span) {
  utc_s = clamp(utc_s);
  size_t passed = transitions_until(zone, utc_s);
  int64_t start_s = passed ? zone->at_s[passed - 1] : TG_ZONE_START_S;
  if (passed == zone->count && zone->has_rule) {
    tg_zone_rule_span(&zone->rule, utc_s, span);
    if (span->start_s < start_s) span->start_s = start_s;
    return;
  }
  const struct tg_zone_type *type = &zone->types[passed ? zone->types_at[passed - 1] : 0];
  *span = (struct tg_zone_span){
      .start_s = start_s,
      .end_s = passed < zone->count ? zone->at_s[passed] : TG_ZONE_END_S,
      .offset_s = type->offset_s,
      .is_dst = type->is_dst,
      .abbreviation = type->abbreviation,
  };
}

struct tg_zone_local tg_zone_local_of(const struct tg_zone *zone, int64_t utc_s) {
  struct tg_zone_span span;
  utc_s = clamp(utc_s);
  tg_zone_span_at(zone, utc_s, &span);
  int64_t local_s = utc_s + span.offset_s;
  return (struct tg_zone_local){
      .civil = tg_civil_of(local_s),
      .weekday = tg_civil_weekday(tg_civil_day_of(local_s)),
      .offset_s = span.offset_s,
      .is_dst = span.is_dst,
      .abbreviation = span.abbreviation,
  };
}

// Before local_s - TG_ZONE_OFFSET_MAX_S no clock shows local_s yet: there the search starts.
int64_t tg_zone_first_at(const struct tg_zone *zone, int64_t local_s) {
  int64_t at = clamp(local_s - TG_ZONE_OFFSET_MAX_S);
  for (;;) {
    struct tg_zone_span span;
    tg_zone_span_at(zone, at, &span);
    int64_t utc_s = local_s - span.offset_s;
    if (utc_s < at) utc_s = at;
    if (utc_s < span.end_s || span.end_s >= TG_ZONE_END_S) return utc_s;
    at = span.end_s;
  }
}

int64_t tg_zone_latest_at(const struct tg_zone *zone, int64_t utc_s) {
  struct tg_zone_span span;
  utc_s = clamp(utc_s);
  tg_zone_span_at(zone, utc_s, &span);
  int64_t latest = utc_s + span.offset_s;
  while (span.start_s > TG_ZONE_START_S && span.start_s > utc_s - 2 * TG_ZONE_OFFSET_MAX_S) {
    int64_t last_s = span.start_s - 1;
    tg_zone_span_at(zone, last_s, &span);
    if (last_s + span.offset_s > latest) latest = last_s + span.offset_s;
  }
  return latest;
}

struct tg_zone_utc tg_zone_utc_of(const struct tg_zone *zone, int64_t local_s) {
  struct tg_zone_span span;
  int64_t at = clamp(local_s - TG_ZONE_OFFSET_MAX_S), found[2];
  size_t count = 0;
  do {
    tg_zone_span_at(zone, at, &span);
    int64_t utc_s = local_s - span.offset_s;
    if (utc_s >= at && utc_s < span.end_s) found[count++] = utc_s;
    at = span.end_s;
  } while (count < 2 && at < TG_ZONE_END_S && at <= local_s + TG_ZONE_OFFSET_MAX_S);
  if (count == 2) return (struct tg_zone_utc){TG_ZONE_FOLD, found[0], found[1]};
  if (count == 1) return (struct tg_zone_utc){TG_ZONE_ONE, found[0], found[0]};
  int64_t first_s = tg_zone_first_at(zone, local_s);
  return (struct tg_zone_utc){TG_ZONE_GAP, first_s, first_s};
}
