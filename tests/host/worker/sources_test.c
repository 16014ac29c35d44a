// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <ftw.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "worker/sources.h"

static char root[64], path[4096];
static struct tg_buf text;
static struct tg_error err;

static int setup(void **state) {
  (void)state;
  strcpy(root, "/tmp/tidegate-test-XXXXXX");
  assert_non_null(mkdtemp(root));
  tg_buf_init(&text, 1000);
  return 0;
}

static int entry_remove(const char *name, const struct stat *info, int type, struct FTW *walk) {
  (void)info;
  (void)type;
  (void)walk;
  return remove(name);
}

static int teardown(void **state) {
  (void)state;
  tg_buf_deinit(&text);
  return nftw(root, entry_remove, 8, FTW_DEPTH | FTW_PHYS);
}

// Each file says its own path.
static void put(const char *name) {
  char whole[256], above[256];
  snprintf(whole, sizeof whole, "%s/%s", root, name);
  strcpy(above, whole);
  assert_int_equal(tg_file_make_folder(dirname(above), NULL), TG_OK);
  assert_int_equal(tg_file_write(whole, name, strlen(name), NULL), TG_OK);
}

static int find(const char *kind, const char *name) {
  tg_buf_clear(&text);
  tg_error_clear(&err);
  return tg_sources_find(root, kind, name, path, &text, &err);
}

static void finds(const char *kind, const char *name, const char *where) {
  if (find(kind, name)) fail_msg("%s", err.text);
  assert_string_equal(path, where);
  assert_string_equal(tg_buf_text(&text), where);
}

static void each_kind_is_looked_for_in_its_order(void **state) {
  (void)state;
  static const struct {
    const char *kind, *name, *where;
  } places[] = {
      {"module", "lib.dates", "lua/lib/dates/init.lua"},
      {"module", "lib.dates", "lua/lib/dates.lua"},
      {"module", "lib.dates", "pipelines/lib/dates/init.lua"},
      {"module", "lib.dates", "pipelines/lib/dates.lua"},
      {"sql", "daily.sql", "daily.sql"},
      {"sql", "daily.sql", "pipelines/daily.sql"},
      {"contract", "orders", "contracts/orders.odcs.yaml"},
      {"contract", "orders", "contracts/orders.yml"},
      {"contract", "orders", "contracts/orders.yaml"},
      {"policy", "late", "pipelines/policies/late.lua"},
  };
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    put(places[i].where); // goes before those that were put earlier
    finds(places[i].kind, places[i].name, places[i].where);
  }
}

static void what_is_not_there_is_said_with_the_places(void **state) {
  (void)state;
  assert_int_equal(find("contract", "orders"), TG_ENOT_FOUND);
  assert_string_equal(err.text,
                      "there is no contract 'orders' in the project (looked for "
                      "contracts/orders.yaml, contracts/orders.yml, contracts/orders.odcs.yaml)");
}

static void names_that_lead_out_are_none(void **state) {
  (void)state;
  static const char *const names[] = {"",   "/etc/passwd", "../x",       "a/../../x",
                                      "..", "a\\b",        ".hidden.x.."};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    assert_int_equal(find("sql", names[i]), TG_EINVALID);
  assert_int_equal(find("module", ".etc.passwd"), TG_EINVALID);
  char name[2000] = "";
  memset(name, 'a', sizeof name - 1);
  assert_int_equal(find("sql", name), TG_EINVALID);
  assert_int_equal(find("robot", "x"), TG_EINVALID);
}

static void links_may_stay_inside_and_not_lead_out(void **state) {
  (void)state;
  char from[128], to[128];
  put("pipelines/real.sql");
  snprintf(from, sizeof from, "%s/pipelines/inside.sql", root);
  assert_int_equal(symlink("real.sql", from), 0);
  if (find("sql", "inside.sql")) fail_msg("%s", err.text);
  assert_string_equal(tg_buf_text(&text), "pipelines/real.sql");
  static const char *const outside[] = {"/etc/passwd", "../../../../../../etc/passwd"};
  for (size_t i = 0; i < 2; i++) {
    snprintf(to, sizeof to, "%s/pipelines/out%zu.sql", root, i);
    assert_int_equal(symlink(outside[i], to), 0);
    snprintf(to, sizeof to, "out%zu.sql", i);
    assert_int_equal(find("sql", to), TG_EDENIED);
    assert_int_equal(text.len, 0);
  }
}

static void only_files_are_read(void **state) {
  (void)state;
  char name[128];
  put("pipelines/x.sql"); // makes the folder
  snprintf(name, sizeof name, "%s/pipelines/pipe.sql", root);
  assert_int_equal(mkfifo(name, 0600), 0);
  snprintf(name, sizeof name, "%s/pipelines/folder.sql", root);
  assert_int_equal(mkdir(name, 0700), 0);
  assert_int_equal(find("sql", "pipe.sql"), TG_ENOT_FOUND);
  assert_int_equal(find("sql", "folder.sql"), TG_ENOT_FOUND);
}

static void a_file_may_not_be_larger_than_the_buffer(void **state) {
  (void)state;
  char bytes[1001] = "", name[128];
  put("pipelines/x.sql");
  snprintf(name, sizeof name, "%s/pipelines/large.sql", root);
  assert_int_equal(tg_file_write(name, bytes, sizeof bytes, NULL), TG_OK);
  assert_int_equal(find("sql", "large.sql"), TG_ELIMIT);
  assert_string_equal(err.text, "pipelines/large.sql is larger than 1000 bytes");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(each_kind_is_looked_for_in_its_order, setup, teardown),
      cmocka_unit_test_setup_teardown(what_is_not_there_is_said_with_the_places, setup, teardown),
      cmocka_unit_test_setup_teardown(names_that_lead_out_are_none, setup, teardown),
      cmocka_unit_test_setup_teardown(links_may_stay_inside_and_not_lead_out, setup, teardown),
      cmocka_unit_test_setup_teardown(only_files_are_read, setup, teardown),
      cmocka_unit_test_setup_teardown(a_file_may_not_be_larger_than_the_buffer, setup, teardown),
  };
  return cmocka_run_group_tests_name("host/worker/sources", tests, NULL, NULL);
}
