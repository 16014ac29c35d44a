// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/limits.h"
#include "host/calendar/library.h"

static struct tg_buf file_of(const char *name) {
  struct tg_buf bytes;
  char path[256];
  snprintf(path, sizeof path, "%s/%s", ZONE_FOLDER, name);
  tg_buf_init(&bytes, TG_ZONE_BYTES_MAX);
  assert_int_equal(tg_file_read(path, &bytes, NULL), TG_OK);
  return bytes;
}

// Parses a copy of exactly `len` bytes, so that a sanitizer sees a read past them.
static int parse(const void *bytes, size_t len, struct tg_zone **zone, struct tg_error *err) {
  void *copy = malloc(len ? len : 1);
  assert_non_null(copy);
  memcpy(copy, bytes, len);
  int code = tg_zone_parse("Some/Zone", copy, len, zone, err);
  free(copy);
  return code;
}

static void refuses(const void *bytes, size_t len, const char *part) {
  struct tg_zone *zone = NULL;
  struct tg_error err = {0};
  assert_int_equal(parse(bytes, len, &zone, &err), TG_EINVALID);
  assert_null(zone);
  if (!strstr(err.text, part)) fail_msg("\"%s\" does not say \"%s\"", err.text, part);
}

static void zone_use(const struct tg_zone *zone) {
  for (int64_t year = -100; year < 10100; year += 97) {
    int64_t s = tg_civil_days(year, 3, 28) * TG_DAY_S;
    struct tg_zone_local local = tg_zone_local_of(zone, s);
    assert_true(local.offset_s > -TG_ZONE_OFFSET_MAX_S && local.offset_s < TG_ZONE_OFFSET_MAX_S);
    assert_non_null(local.abbreviation);
    assert_true(strlen(local.abbreviation) < 256);
    tg_zone_utc_of(zone, s);
    tg_zone_first_at(zone, s);
    tg_zone_latest_at(zone, s);
  }
}

static void refuses_a_file_cut_at_any_byte(void **state) {
  (void)state;
  static const char *const names[] = {"Europe/Berlin", "UTC", "Africa/Casablanca"};
  for (size_t i = 0; i < 3; i++) {
    struct tg_buf bytes = file_of(names[i]);
    for (size_t len = 0; len < bytes.len; len++) refuses(bytes.data, len, "is malformed");
    struct tg_zone *zone = NULL;
    assert_int_equal(parse(bytes.data, bytes.len, &zone, NULL), TG_OK);
    tg_zone_free(zone);
    tg_buf_deinit(&bytes);
  }
}

// A generator of numbers that is the same everywhere (Marsaglia's xorshift).
static uint32_t random_next(uint32_t *seed) {
  *seed ^= *seed << 13;
  *seed ^= *seed >> 17;
  *seed ^= *seed << 5;
  return *seed;
}

static void reads_or_refuses_files_with_wrong_bytes_and_stays_whole(void **state) {
  (void)state;
  struct tg_buf bytes = file_of("Europe/Berlin");
  uint32_t seed = 2463534242u, read = 0, refused = 0;
  for (int round = 0; round < 6000; round++) {
    char copy[8192];
    assert_true(bytes.len < sizeof copy);
    memcpy(copy, bytes.data, bytes.len);
    for (uint32_t flips = 1 + random_next(&seed) % 3; flips; flips--) {
      // Half of them go to the two headers and the footer, where they do most.
      uint32_t place = random_next(&seed), from = place % 4 == 0 ? 0 : 44;
      if (place % 4 == 1) from = (uint32_t)bytes.len - 30;
      size_t at_byte = (from + random_next(&seed) % (place % 2 ? bytes.len : 44)) % bytes.len;
      copy[at_byte] = (char)random_next(&seed);
    }
    struct tg_zone *zone = NULL;
    struct tg_error err = {0};
    if (parse(copy, bytes.len, &zone, &err) == TG_OK) {
      zone_use(zone);
      tg_zone_free(zone);
      read++;
    } else {
      assert_int_not_equal(err.text[0], 0);
      refused++;
    }
  }
  assert_true(read > 100 && refused > 100);
  tg_buf_deinit(&bytes);
}

// A version 1 file with two types and two transitions, and offsets of its parts.
enum { V1_TIMES = 44, V1_INDEXES = 52, V1_TYPES = 54, V1_CHARS = 66, V1_LEN = 74 };

static void v1_make(unsigned char file[V1_LEN]) {
  static const unsigned char body[] = {
      0,   0,   0,    0,    0x10, 0,   0,   0, // the Epoch, and 2^28 seconds after it
      1,   0,                                  // to DST and back
      0,   0,   0x0e, 0x10, 0,    0,           // one hour, standard, "AAA"
      0,   0,   0x1c, 0x20, 1,    4,           // two hours, DST, "BBB"
      'A', 'A', 'A',  0,    'B',  'B', 'B', 0,
  };
  memset(file, 0, V1_LEN);
  memcpy(file, "TZif", 4);
  file[35] = 2;
  file[39] = 2;
  file[43] = 8;
  memcpy(file + V1_TIMES, body, sizeof body);
}

static void reads_version_1(void **state) {
  (void)state;
  unsigned char file[V1_LEN];
  struct tg_zone *zone = NULL;
  v1_make(file);
  assert_int_equal(parse(file, sizeof file, &zone, NULL), TG_OK);
  assert_int_equal(tg_zone_local_of(zone, -1).offset_s, 3600);
  assert_int_equal(tg_zone_local_of(zone, 0).offset_s, 7200);
  assert_string_equal(tg_zone_local_of(zone, 0).abbreviation, "BBB");
  assert_int_equal(tg_zone_local_of(zone, (1 << 28) - 1).offset_s, 7200);
  assert_int_equal(tg_zone_local_of(zone, 1 << 28).offset_s, 3600);
  assert_int_equal(tg_zone_local_of(zone, INT64_C(1) << 40).offset_s, 3600);
  tg_zone_free(zone);
}

static void says_what_is_wrong_in_a_file(void **state) {
  (void)state;
  static const struct {
    size_t at_byte;
    unsigned char value;
    const char *part;
  } cases[] = {
      {0, 'X', "\"TZif\" is not there (byte 0)"},
      {4, '9', "version"},
      {23, 1, "UT indicator"},
      {27, 1, "standard indicator"},
      {31, 1, "within a block"},
      {35, 200, "within a block"},
      {32, 0xff, "within a block"},
      {39, 0, "1 to 256 types"},
      {43, 0, "abbreviations"},
      {V1_TIMES + 3, 0xff, NULL},
      {V1_TIMES + 4, 0x80, "not after the one before it (byte 48)"},
      {V1_INDEXES + 1, 2, "type that is not there"},
      {V1_TYPES + 1, 2, "26 hours"},
      {V1_TYPES + 4, 2, "0 or 1"},
      {V1_TYPES + 5, 8, "abbreviation is not there"},
      {V1_LEN - 1, 'X', "no end"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    unsigned char file[V1_LEN];
    v1_make(file);
    file[cases[i].at_byte] = cases[i].value;
    struct tg_zone *zone = NULL;
    if (cases[i].part)
      refuses(file, sizeof file, cases[i].part);
    else
      assert_int_equal(parse(file, sizeof file, &zone, NULL), TG_OK);
    tg_zone_free(zone);
  }
}

static void refuses_leap_seconds(void **state) {
  (void)state;
  unsigned char file[V1_LEN + 8] = {0};
  v1_make(file);
  file[31] = 1;
  refuses(file, sizeof file, "without \"right/\"");
}

// Puts a version 2 file together: the version 1 block, a 64-bit block without transitions, a
// footer.
static size_t v2_make(unsigned char *file, const char *footer) {
  v1_make(file);
  file[4] = '2';
  memset(file + V1_LEN, 0, 44);
  memcpy(file + V1_LEN, "TZif2", 5);
  file[V1_LEN + 39] = 1;
  file[V1_LEN + 43] = 4;
  memcpy(file + V1_LEN + 44, "\0\0\0\0\0\0AAA", 10);
  strcpy((char *)file + V1_LEN + 54, footer);
  return V1_LEN + 54 + strlen(footer);
}

static void lets_the_footer_rule_after_the_last_transition(void **state) {
  (void)state;
  unsigned char file[512];
  struct tg_zone *zone = NULL;
  assert_int_equal(parse(file, v2_make(file, "\nCET-1CEST,M3.5.0,M10.5.0/3\n"), &zone, NULL),
                   TG_OK);
  assert_int_equal(tg_zone_local_of(zone, at("2150-07-01") / 1000).offset_s, 7200);
  assert_int_equal(tg_zone_local_of(zone, at("2150-12-01") / 1000).offset_s, 3600);
  tg_zone_free(zone);
  assert_int_equal(parse(file, v2_make(file, "\n\n"), &zone, NULL), TG_OK);
  assert_int_equal(tg_zone_local_of(zone, 0).offset_s, 0);
  tg_zone_free(zone);
}

static void says_what_is_wrong_in_a_footer(void **state) {
  (void)state;
  unsigned char file[512];
  char long_footer[202];
  refuses(file, v2_make(file, ""), "no footer");
  refuses(file, v2_make(file, "CET-1\n"), "no footer");
  refuses(file, v2_make(file, "\nCET-1"), "within the footer");
  refuses(file, v2_make(file, "\nCET-1CEST\n"), "start of daylight-saving");
  memset(long_footer, 'A', sizeof long_footer);
  long_footer[0] = long_footer[200] = '\n';
  long_footer[201] = 0;
  refuses(file, v2_make(file, long_footer), "127 bytes");
  size_t len = v2_make(file, "\nCET-1\n");
  file[len - 3] = 0;
  refuses(file, len, "zero byte");
}

static void refuses_a_file_that_is_too_large(void **state) {
  (void)state;
  struct tg_zone *zone = NULL;
  char *bytes = calloc(1, TG_ZONE_BYTES_MAX + 1);
  assert_non_null(bytes);
  assert_int_equal(tg_zone_parse("Zone", bytes, TG_ZONE_BYTES_MAX + 1, &zone, NULL), TG_ELIMIT);
  free(bytes);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(refuses_a_file_cut_at_any_byte),
      cmocka_unit_test(reads_or_refuses_files_with_wrong_bytes_and_stays_whole),
      cmocka_unit_test(reads_version_1),
      cmocka_unit_test(says_what_is_wrong_in_a_file),
      cmocka_unit_test(refuses_leap_seconds),
      cmocka_unit_test(lets_the_footer_rule_after_the_last_transition),
      cmocka_unit_test(says_what_is_wrong_in_a_footer),
      cmocka_unit_test(refuses_a_file_that_is_too_large),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
