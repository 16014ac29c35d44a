// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "host/calendar/library.h"

struct counted {
  struct tg_zone_source folder;
  int reads;
};

static int counted_read(void *self, const char *name, struct tg_buf *bytes, struct tg_error *err) {
  struct counted *counted = self;
  counted->reads++;
  return counted->folder.read(counted->folder.self, name, bytes, err);
}

static void reads_a_file_once_and_none_for_utc_and_offsets(void **state) {
  (void)state;
  struct counted counted = {.folder = tg_zone_source_folder(ZONE_FOLDER)};
  struct tg_zones zones;
  const struct tg_zone *first, *second;
  tg_zones_init(&zones, (struct tg_zone_source){counted_read, &counted});
  assert_int_equal(tg_zones_get(&zones, "UTC", &first, NULL), TG_OK);
  assert_int_equal(tg_zones_get(&zones, "+02:00", &first, NULL), TG_OK);
  assert_int_equal(counted.reads, 0);
  assert_int_equal(tg_zones_get(&zones, "Europe/Berlin", &first, NULL), TG_OK);
  assert_int_equal(tg_zones_get(&zones, "Europe/Berlin", &second, NULL), TG_OK);
  assert_ptr_equal(first, second);
  assert_string_equal(tg_zone_name(first), "Europe/Berlin");
  assert_int_equal(counted.reads, 1);
  tg_zones_deinit(&zones);
}

static void knows_utc_and_offsets(void **state) {
  (void)state;
  static const struct {
    const char *name;
    int32_t offset_s;
  } cases[] = {
      {"UTC", 0},         {"Z", 0},       {"Etc/UTC", 0},    {"+00:00", 0},     {"+02:00", 7200},
      {"-03:30", -12600}, {"+14", 50400}, {"-0930", -34200}, {"+23:59", 86340},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct tg_zone_local local = tg_zone_local_of(zone_of(cases[i].name), 0);
    assert_int_equal(local.offset_s, cases[i].offset_s);
    assert_false(local.is_dst);
  }
}

static void refuses(const char *name, int code, const char *part) {
  struct tg_zones zones;
  struct tg_error err = {0};
  const struct tg_zone *zone;
  tg_zones_init(&zones, tg_zone_source_folder(ZONE_FOLDER));
  int got = tg_zones_get(&zones, name, &zone, &err);
  if (got != code || !strstr(err.text, part)) fail_msg("\"%s\": %d %s", name, got, err.text);
  tg_zones_deinit(&zones);
}

static void refuses_names_that_could_leave_the_folder(void **state) {
  (void)state;
  static const char *const names[] = {
      "",         "/etc/passwd", "../../etc/passwd", "Europe/../UTC", "Europe/", "Europe//Berlin",
      ".",        "Europe/.x",   "Europe\\Berlin",   "Europe Berlin", "a\nb",    "Z\xc3\xbcrich",
      "_Berlin/x"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) refuses(names[i], TG_EINVALID, "name");
  char name[66];
  memset(name, 'a', 64);
  name[64] = 0;
  refuses(name, TG_EINVALID, "at most 63");
}

static void suggests_the_nearest_name(void **state) {
  (void)state;
  refuses("Europe/Berln", TG_ENOT_FOUND, "did you mean \"Europe/Berlin\"?");
  refuses("europe/berlin", TG_ENOT_FOUND, "did you mean \"Europe/Berlin\"?");
  refuses("Asia/Kolkatta", TG_ENOT_FOUND, "did you mean \"Asia/Kolkata\"?");
  refuses("Nowhere/AtAllXYZ", TG_ENOT_FOUND, "tzdata");
}

static void refuses_what_is_no_zone(void **state) {
  (void)state;
  refuses("+24:00", TG_EINVALID, "24 hours");
  refuses("zone.tab", TG_EINVALID, "\"TZif\" is not there");
  refuses("Europe", TG_ENOT_FOUND, "\"Europe\"");
  refuses("+2", TG_ENOT_FOUND, "+2");
}

static void says_so_without_a_database(void **state) {
  (void)state;
  struct tg_zones zones;
  struct tg_error err = {0};
  const struct tg_zone *zone;
  tg_zones_init(&zones, tg_zone_source_folder("/nonexistent"));
  assert_int_equal(tg_zones_get(&zones, "Europe/Berlin", &zone, &err), TG_ENOT_FOUND);
  assert_non_null(strstr(err.text, "tzdata"));
  tg_zones_deinit(&zones);
}

static int teardown(void **state) {
  (void)state;
  zones_close();
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reads_a_file_once_and_none_for_utc_and_offsets),
      cmocka_unit_test(knows_utc_and_offsets),
      cmocka_unit_test(refuses_names_that_could_leave_the_folder),
      cmocka_unit_test(suggests_the_nearest_name),
      cmocka_unit_test(refuses_what_is_no_zone),
      cmocka_unit_test(says_so_without_a_database),
  };
  return cmocka_run_group_tests(tests, NULL, teardown);
}
