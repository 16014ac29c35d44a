// SPDX-License-Identifier: Apache-2.0
// Reading a TZif file (RFC 9636). All numbers are big-endian.
//
//   header   "TZif", version, 15 bytes unused, six counts of 4 bytes:
//            UT indicators, standard indicators, leap seconds, transitions, types, characters
//   block    transition times (4 bytes each in version 1, else 8), the type that each begins (1),
//            the types (offset 4, is DST 1, index of the abbreviation 1), the abbreviations,
//            the leap seconds, the indicators
//
// Version 1 is a header and a block. The others have that first, for old readers, then a header and
// a block with 8-byte times, then a footer: a newline, the rule of zone_rule.h or nothing, a
// newline. The indicators matter only to programs that read POSIX TZ strings by files: not to us.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "calendar/zone_inside.h"

enum { HEADER_BYTES = 44, TYPE_BYTES = 6, LEAP_BYTES = 4 };

struct header {
  unsigned char version; // '1' for the first
  size_t ut_count, standard_count, leap_count, time_count, type_count, char_count;
};

struct reader {
  const char *name;
  const unsigned char *bytes;
  size_t at, len;
  struct tg_error *err;
};

// What is wrong, and the byte where it is.
static int fault(const struct reader *in, size_t at, const char *what) {
  return tg_error_set(in->err, TG_EINVALID, "the time zone file of %s is malformed: %s (byte %zu)",
                      in->name, what, at);
}

static uint32_t word_at(const unsigned char *bytes) {
  return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static int64_t time_at(const unsigned char *bytes, size_t width) {
  if (width == 4) return (int32_t)word_at(bytes);
  return (int64_t)((uint64_t)word_at(bytes) << 32 | word_at(bytes + 4));
}

// Keeps the times of transitions where offsets can be added to them.
static int64_t clamp(int64_t utc_s) {
  if (utc_s < TG_ZONE_START_S) return TG_ZONE_START_S;
  return utc_s < TG_ZONE_END_S ? utc_s : TG_ZONE_END_S;
}

static int header_check(const struct reader *in, const struct header *header) {
  const size_t at = in->at;
  if (header->type_count == 0 || header->type_count > 256)
    return fault(in, at + 36, "it must have 1 to 256 types of local time");
  if (header->char_count == 0) return fault(in, at + 40, "it has no abbreviations");
  if (header->ut_count != 0 && header->ut_count != header->type_count)
    return fault(in, at + 20, "it must have an UT indicator for each type, or none");
  if (header->standard_count != 0 && header->standard_count != header->type_count)
    return fault(in, at + 24, "it must have a standard indicator for each type, or none");
  return TG_OK;
}

static int header_read(struct reader *in, struct header *header) {
  if (in->len - in->at < HEADER_BYTES) return fault(in, in->len, "it ends within a header");
  const unsigned char *bytes = in->bytes + in->at;
  if (memcmp(bytes, "TZif", 4) != 0) return fault(in, in->at, "\"TZif\" is not there");
  if (bytes[4] != 0 && (bytes[4] < '2' || bytes[4] > '4'))
    return fault(in, in->at + 4, "its version is not known");
  *header = (struct header){
      .version = bytes[4] ? bytes[4] : '1',
      .ut_count = word_at(bytes + 20),
      .standard_count = word_at(bytes + 24),
      .leap_count = word_at(bytes + 28),
      .time_count = word_at(bytes + 32),
      .type_count = word_at(bytes + 36),
      .char_count = word_at(bytes + 40),
  };
  int code = header_check(in, header);
  if (!code) in->at += HEADER_BYTES;
  return code;
}

// The counts have 32 bits, so that the sum cannot overflow.
static uint64_t block_bytes(const struct header *header, size_t width) {
  return (uint64_t)header->time_count * (width + 1) + (uint64_t)header->type_count * TYPE_BYTES +
         header->char_count + (uint64_t)header->leap_count * (width + LEAP_BYTES) +
         header->standard_count + header->ut_count;
}

static int block_skip(struct reader *in, const struct header *header, size_t width) {
  uint64_t size = block_bytes(header, width);
  if (size > in->len - in->at) return fault(in, in->len, "it ends within a block");
  in->at += (size_t)size;
  return TG_OK;
}

static int times_read(struct reader *in, const struct header *header, size_t width,
                      struct tg_zone *zone) {
  const unsigned char *times = in->bytes + in->at, *types = times + header->time_count * width;
  for (size_t i = 0; i < header->time_count; i++) {
    int64_t at_s = time_at(times + i * width, width);
    if (i > 0 && at_s <= time_at(times + (i - 1) * width, width))
      return fault(in, in->at + i * width, "a transition is not after the one before it");
    zone->at_s[i] = clamp(at_s);
    zone->types_at[i] = types[i];
    if (types[i] >= header->type_count)
      return fault(in, (size_t)(types + i - in->bytes),
                   "a transition is to a type that is not there");
  }
  zone->count = header->time_count;
  return TG_OK;
}

static int types_read(struct reader *in, size_t at, const struct header *header,
                      struct tg_zone *zone, const char *abbreviations) {
  for (size_t i = 0; i < header->type_count; i++, at += TYPE_BYTES) {
    const unsigned char *bytes = in->bytes + at;
    int32_t offset_s = (int32_t)word_at(bytes);
    if (offset_s <= -TG_ZONE_OFFSET_MAX_S || offset_s >= TG_ZONE_OFFSET_MAX_S)
      return fault(in, at, "an offset is not within 26 hours");
    if (bytes[4] > 1) return fault(in, at + 4, "a sign of daylight-saving time is not 0 or 1");
    if (bytes[5] >= header->char_count) return fault(in, at + 5, "an abbreviation is not there");
    zone->types[i] = (struct tg_zone_type){offset_s, bytes[4] == 1, abbreviations + bytes[5]};
  }
  return TG_OK;
}

static int block_read(struct reader *in, const struct header *header, size_t width,
                      struct tg_zone *zone) {
  size_t types_at = in->at + header->time_count * (width + 1);
  size_t chars_at = types_at + header->type_count * TYPE_BYTES;
  int code =
      block_skip(&(struct reader){in->name, in->bytes, in->at, in->len, in->err}, header, width);
  if (code) return code;
  if (header->leap_count)
    return fault(in, in->at, "it counts leap seconds; use the zone without \"right/\"");
  if (in->bytes[chars_at + header->char_count - 1] != 0)
    return fault(in, chars_at, "the last abbreviation has no end");
  // One byte more, so that an empty array is not mistaken for a lack of memory.
  zone->at_s = tg_arena_alloc(&zone->arena, header->time_count * sizeof *zone->at_s + 1);
  zone->types_at = tg_arena_alloc(&zone->arena, header->time_count + 1);
  zone->types = tg_arena_alloc(&zone->arena, header->type_count * sizeof *zone->types);
  char *abbreviations =
      tg_arena_copy(&zone->arena, (const char *)in->bytes + chars_at, header->char_count);
  if (!zone->at_s || !zone->types_at || !zone->types || !abbreviations)
    return tg_error_set(in->err, TG_ENOMEM, "no memory for the time zone %s", in->name);
  code = times_read(in, header, width, zone);
  if (!code) code = types_read(in, types_at, header, zone, abbreviations);
  if (!code) code = block_skip(in, header, width);
  return code;
}

static int footer_read(struct reader *in, struct tg_zone *zone) {
  const char *text = (const char *)in->bytes + in->at + 1;
  if (in->at >= in->len || in->bytes[in->at] != '\n') return fault(in, in->at, "it has no footer");
  const char *end = memchr(text, '\n', in->len - in->at - 1);
  if (!end) return fault(in, in->len, "it ends within the footer");
  if (end == text) return TG_OK;
  char rule[128] = "";
  size_t len = (size_t)(end - text);
  if (len >= sizeof rule) return fault(in, in->at, "its rule is longer than 127 bytes");
  memcpy(rule, text, len);
  if (strlen(rule) != len) return fault(in, in->at, "its rule has a zero byte");
  struct tg_error err;
  if (tg_zone_rule_parse(rule, &zone->rule, &err)) return fault(in, in->at + 1, err.text);
  zone->has_rule = true;
  return TG_OK;
}

static int file_read(struct reader *in, struct tg_zone *zone) {
  struct header header = {0};
  int code = header_read(in, &header);
  if (code) return code;
  if (header.version == '1') return block_read(in, &header, 4, zone);
  if ((code = block_skip(in, &header, 4))) return code;
  if ((code = header_read(in, &header))) return code;
  if ((code = block_read(in, &header, 8, zone))) return code;
  return footer_read(in, zone);
}

int tg_zone_parse(const char *name, const void *bytes, size_t len, struct tg_zone **zone,
                  struct tg_error *err) {
  struct reader in = {.name = name, .bytes = bytes, .len = len, .err = err};
  int code = tg_zone_name_check(name, err);
  if (code) return code;
  if (len > TG_ZONE_BYTES_MAX)
    return tg_error_set(err, TG_ELIMIT, "the time zone file of %s has %zu bytes, more than %d",
                        name, len, TG_ZONE_BYTES_MAX);
  struct tg_zone *made = calloc(1, sizeof *made);
  if (!made) return tg_error_set(err, TG_ENOMEM, "no memory for the time zone %s", name);
  snprintf(made->name, sizeof made->name, "%s", name);
  tg_arena_init(&made->arena);
  code = file_read(&in, made);
  if (code)
    tg_zone_free(made);
  else
    *zone = made;
  return code;
}
