// SPDX-License-Identifier: Apache-2.0
#include "cli/secrets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/log.h"

static struct tg_secrets secrets;
static struct tg_arena arena;
static json_t *schema;
static char folder[] = "/tmp/tidegate-secrets-XXXXXX", path[64];

static int setup(void **state) {
  (void)state;
  strcpy(folder + strlen(folder) - 6, "XXXXXX");
  if (!mkdtemp(folder)) return -1;
  snprintf(path, sizeof path, "%s/key", folder);
  tg_secrets_init(&secrets);
  tg_arena_init(&arena);
  schema = json_loads("[{\"name\":\"token\",\"type\":\"string\",\"secret\":true},"
                      "{\"name\":\"other\",\"type\":\"string\",\"secret\":true},"
                      "{\"name\":\"plain\",\"type\":\"string\"}]",
                      0, NULL);
  return schema ? 0 : -1;
}

static int teardown(void **state) {
  (void)state;
  unlink(path);
  rmdir(folder);
  json_decref(schema);
  tg_arena_deinit(&arena);
  tg_secrets_deinit(&secrets);
  return 0;
}

static const char *found(const char *place) {
  static struct tg_error err;
  const char *value = tg_secrets_find(&secrets, place, &err);
  return value ? value : err.text;
}

static void finds_a_secret_at_each_kind_of_place(void **state) {
  (void)state;
  setenv("TG_TEST_SECRET", "from env", 1);
  setenv("TIDEGATE_SECRET_SHOP", "from name", 1);
  assert_int_equal(tg_file_write(path, "from file \n\n", 12, NULL), TG_OK);
  char place[80];
  snprintf(place, sizeof place, "file:%s", path);
  assert_string_equal(found("env:TG_TEST_SECRET"), "from env");
  assert_string_equal(found("secret:SHOP"), "from name");
  assert_string_equal(found(place), "from file");
}

static void says_why_there_is_none(void **state) {
  (void)state;
  setenv("TG_TEST_EMPTY", "", 1);
  unsetenv("TG_TEST_NONE");
  assert_string_equal(found("env:TG_TEST_NONE"),
                      "the environment variable TG_TEST_NONE, which holds a secret, is not set");
  assert_string_equal(found("env:TG_TEST_EMPTY"), "the secret at env:TG_TEST_EMPTY is empty");
  assert_non_null(strstr(found("file:/nowhere/at/all"), "cannot open /nowhere/at/all"));
  assert_string_equal(found("secret:../etc/passwd"), "there is no secret '../etc/passwd'");
  assert_non_null(strstr(found("secret:TG_NONE"), "nor /run/secrets/TG_NONE"));
  assert_string_equal(
      found("stdin"),
      "it was given on standard input, and that is not kept; give it again with -p");
  assert_non_null(strstr(found("value:token"), "on the command line, and that is not kept"));
}

static void takes_what_is_secret_off_the_command_line(void **state) {
  (void)state;
  assert_int_equal(tg_file_write(path, "k", 1, NULL), TG_OK);
  char file[80];
  snprintf(file, sizeof file, "other=file:%s/../%s/key", folder, strrchr(folder, '/') + 1);
  const char *given[] = {"token=value:canary=1", file, "plain=value:x", "nix=value:y", "broken"};
  struct tg_error err;
  assert_int_equal(tg_secrets_take(&secrets, schema, given, 5, &arena, &err), TG_OK);
  assert_string_equal(given[0], "token=value:token");
  assert_string_equal(given[1] + strlen("other=file:"), path); // wherever the next command stands
  assert_string_equal(given[2], "plain=value:x");
  assert_string_equal(given[3], "nix=value:y");
  assert_string_equal(given[4], "broken");
  assert_string_equal(found("value:token"), "canary=1");
  const char *again[] = {"token=value:canary=2"};
  assert_int_equal(tg_secrets_take(&secrets, schema, again, 1, &arena, &err), TG_OK);
  assert_string_equal(found("value:token"), "canary=2");
}

static void reads_standard_input_once(void **state) {
  (void)state;
  assert_int_equal(tg_file_write(path, "typed\n", 6, NULL), TG_OK);
  assert_non_null(freopen(path, "r", stdin));
  const char *given[] = {"token=-", "other=-"};
  struct tg_error err;
  assert_int_equal(tg_secrets_take(&secrets, schema, given, 1, &arena, &err), TG_OK);
  assert_string_equal(given[0], "token=stdin");
  assert_string_equal(found("stdin"), "typed");
  assert_int_equal(tg_secrets_take(&secrets, schema, given + 1, 1, &arena, &err), TG_EINVALID);
  assert_string_equal(err.text, "only one parameter can be read from standard input");
}

static void hides_every_line_of_what_it_gave_out(void **state) {
  (void)state;
  setenv("TG_TEST_LINES", "-----BEGIN\ncanaryone\r\nshort\ncanarytwo\n", 1);
  found("env:TG_TEST_LINES");
  char text[] = "x canaryone y canarytwo z short";
  tg_log_redact(text);
  assert_string_equal(text, "x *** y *** z short");
}

static void hides_what_it_gave_out_as_others_write_it(void **state) {
  (void)state;
  static const struct {
    const char *value, *text, *hidden;
  } cases[] = {
      {"p\"ss\\word1", "{\"a\":\"p\\\"ss\\\\word1\"}", "{\"a\":\"***\"}"},
      {"canary-7f3a9c", "Y2FuYXJ5LTdmM2E5Yw==", "***w=="},                 // alone
      {"canary-7f3a9c", "dTpjYW5hcnktN2YzYTljCg==", "dTp***Cg=="},         // "u:canary-7f3a9c\n"
      {"canary-7f3a9c", "dXM6Y2FuYXJ5LTdmM2E5Yyx4", "dXM6***yx4"},         // "us:canary-7f3a9c,x"
      {"canary-7f3a9c", "eyJhIjoiY2FuYXJ5LTdmM2E5YyJ9", "eyJhIjoi***yJ9"}, // in JSON
      {"canary-7f3a9c", "MTIzNGNhbmFyeS03ZjNhOWM7", "MTIzNG***M7"},
      {"short", "c2hvcnQ= short", "c2hvcnQ= ***"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[64];
    setenv("TG_TEST_FORMS", cases[i].value, 1);
    found("env:TG_TEST_FORMS");
    snprintf(text, sizeof text, "%s", cases[i].text);
    tg_log_redact(text);
    assert_string_equal(text, cases[i].hidden);
  }
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      test(finds_a_secret_at_each_kind_of_place),
      test(says_why_there_is_none),
      test(takes_what_is_secret_off_the_command_line),
      test(reads_standard_input_once),
      test(hides_every_line_of_what_it_gave_out),
      test(hides_what_it_gave_out_as_others_write_it),
  };
  return cmocka_run_group_tests_name("host/cli/secrets", tests, NULL, NULL);
}
