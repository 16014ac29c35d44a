// SPDX-License-Identifier: Apache-2.0
// A time zone's file, or (first byte even) its last line alone, put into a file around it. Whatever
// is accepted has spans that follow one another and clocks that agree with themselves.
#include "calendar/zone.h"
#include "fuzz/input.h"

enum { INSTANTS = 8 };

static void instant_check(const struct tg_zone *zone, int64_t utc_s) {
  struct tg_zone_span span, before;
  tg_zone_span_at(zone, utc_s, &span);
  fuzz_check(span.start_s <= utc_s && utc_s < span.end_s && span.abbreviation);
  fuzz_check(span.offset_s > -TG_ZONE_OFFSET_MAX_S && span.offset_s < TG_ZONE_OFFSET_MAX_S);
  if (span.start_s > TG_ZONE_START_S) {
    tg_zone_span_at(zone, span.start_s - 1, &before);
    fuzz_check(before.end_s == span.start_s);
  }
  int64_t local_s = utc_s + span.offset_s;
  struct tg_zone_utc utc = tg_zone_utc_of(zone, local_s);
  fuzz_check(utc.match != TG_ZONE_GAP && utc.first_s <= utc_s);
  fuzz_check(utc.match == TG_ZONE_FOLD || utc.first_s == utc_s);
  int64_t latest_s = tg_zone_latest_at(zone, utc_s);
  fuzz_check(latest_s >= local_s && tg_zone_first_at(zone, latest_s) <= utc_s);
  fuzz_check(tg_zone_first_at(zone, latest_s + 1) > utc_s);
}

static void put_be32(uint8_t *out, uint32_t value) {
  for (int i = 0; i < 4; i++) out[i] = (uint8_t)(value >> (24 - 8 * i));
}

// A file of version 2 with no transition, one type and this last line.
static uint8_t *file_make(const struct input *line, size_t *size) {
  enum { HEADER = 44, TYPES = 10 };
  size_t len = input_left(line);
  uint8_t *file = calloc(1, 2 * (HEADER + TYPES) + len + 2);
  fuzz_check(file);
  for (int i = 0; i < 2; i++) {
    uint8_t *head = file + i * (HEADER + TYPES);
    memcpy(head, "TZif2", 5);
    put_be32(head + 36, 1);
    put_be32(head + 40, 4);
    memcpy(head + HEADER + 6, "UTC", 4);
  }
  uint8_t *at = file + 2 * (HEADER + TYPES);
  *at++ = '\n';
  if (len) memcpy(at, line->at, len);
  at[len] = '\n';
  *size = (size_t)(at + len + 1 - file);
  return file;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct input in = input_of(data, size);
  bool is_line = (input_u8(&in) & 1) == 0;
  uint8_t *file = is_line ? file_make(&in, &size) : (uint8_t *)input_text(&in);
  if (!is_line) size = input_left(&in);
  struct tg_zone *zone = NULL;
  struct tg_error err;
  if (tg_zone_parse("Some/Zone", file, size, &zone, &err) == TG_OK) {
    static const int64_t instants[INSTANTS] = {
        TG_ZONE_START_S + 200000, -2000000000, 0, 1000000000, 1790000000, 1774746000, 7000000000,
        TG_ZONE_END_S - 200000};
    for (int i = 0; i < INSTANTS; i++) instant_check(zone, instants[i]);
    if (input_left(&in) >= 8) {
      struct input last = {.at = in.end - 4, .end = in.end};
      instant_check(zone, (int64_t)(int32_t)input_number(&last, 4) * 3);
    }
  } else {
    fuzz_check(!zone && err.code && *err.text);
  }
  tg_zone_free(zone);
  free(file);
  return 0;
}
