// SPDX-License-Identifier: Apache-2.0
#include "cli/project.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"

// A project's folder, and where we were before.
struct folder {
  char path[PATH_MAX], before[PATH_MAX];
};

static int folder_setup(void **state) {
  struct folder *folder = calloc(1, sizeof *folder);
  char pattern[] = "/tmp/tidegate-project-XXXXXX";
  assert_non_null(folder);
  assert_non_null(mkdtemp(pattern));
  assert_non_null(realpath(pattern, folder->path));
  assert_non_null(getcwd(folder->before, sizeof folder->before));
  *state = folder;
  return 0;
}

static int folder_teardown(void **state) {
  struct folder *folder = *state;
  char command[PATH_MAX + 16];
  assert_int_equal(chdir(folder->before), 0);
  snprintf(command, sizeof command, "rm -r '%s'", folder->path);
  assert_int_equal(system(command), 0);
  free(folder);
  return 0;
}

static const char *path_in(const struct folder *folder, const char *name) {
  static char path[PATH_MAX * 2];
  snprintf(path, sizeof path, "%s/%s", folder->path, name);
  return path;
}

static void file_write(const struct folder *folder, const char *name, const char *text) {
  struct tg_error err;
  if (tg_file_write(path_in(folder, name), text, strlen(text), &err)) fail_msg("%s", err.text);
}

static void project_open(struct tg_project *project, const struct folder *folder, const char *env) {
  struct tg_error err;
  if (tg_project_open(project, folder->path, NULL, env, &err)) fail_msg("%s", err.text);
}

static void expect_error(const struct folder *folder, const char *env, int code,
                         const char *message) {
  struct tg_project project;
  struct tg_error err;
  assert_int_equal(tg_project_open(&project, folder->path, NULL, env, &err), code);
  assert_string_equal(err.text, message);
  tg_project_deinit(&project);
}

static void has_defaults_without_a_file(void **state) {
  const struct folder *folder = *state;
  struct tg_project project;
  project_open(&project, folder, NULL);
  assert_string_equal(project.root, folder->path);
  assert_string_equal(project.name, strrchr(folder->path, '/') + 1);
  assert_string_equal(project.data, path_in(folder, ".tidegate"));
  assert_int_equal(project.file_count, 0);
  assert_int_equal(project.limits.tasks, 0);
  assert_null(project.http.proxy);
  tg_project_deinit(&project);
}

static void reads_every_setting(void **state) {
  const struct folder *folder = *state;
  file_write(folder, "tidegate.yaml",
             "name: orders\n"
             "files:\n"
             "  - path: /var/lib/dpkg\n"
             "  - { path: export, write: true }\n"
             "  - data\n"
             "limits: { tasks: 16, workers: 2, bundle_memory: 1GiB, bundle_time: 1m }\n"
             "http: { proxy: 'http://proxy:3128', ca_file: ca.pem, deny_private: true }\n");
  struct tg_project project;
  project_open(&project, folder, NULL);
  assert_string_equal(project.name, "orders");
  assert_int_equal(project.file_count, 3);
  assert_string_equal(project.files[0].path, "/var/lib/dpkg");
  assert_false(project.files[0].may_write);
  assert_string_equal(project.files[1].path, path_in(folder, "export"));
  assert_true(project.files[1].may_write);
  assert_string_equal(project.files[2].path, path_in(folder, "data"));
  assert_int_equal(project.limits.tasks, 16);
  assert_int_equal(project.limits.workers, 2);
  assert_int_equal(project.limits.bundle_bytes, INT64_C(1) << 30);
  assert_int_equal(project.limits.bundle_ms, 60000);
  assert_string_equal(project.http.proxy, "http://proxy:3128");
  assert_string_equal(project.http.ca_file, path_in(folder, "ca.pem"));
  assert_true(project.http.has_deny_private);
  tg_project_deinit(&project);
}

static void lays_an_environment_over_it(void **state) {
  const struct folder *folder = *state;
  struct tg_error err;
  assert_int_equal(tg_file_make_folder(path_in(folder, "env"), &err), TG_OK);
  file_write(folder, "tidegate.yaml",
             "name: orders\nlimits: { tasks: 16, workers: 2 }\nfiles: [a, b]\n");
  file_write(folder, "env/prod.yaml", "limits: { tasks: 64 }\nfiles: [c]\n");
  struct tg_project project;
  project_open(&project, folder, "prod");
  assert_string_equal(project.env, "prod");
  assert_string_equal(project.name, "orders");
  assert_int_equal(project.limits.tasks, 64);
  assert_int_equal(project.limits.workers, 2);
  assert_int_equal(project.file_count, 1);
  tg_project_deinit(&project);
}

static void names_an_environment_that_is_not_there(void **state) {
  const struct folder *folder = *state;
  char message[PATH_MAX + 128];
  snprintf(message, sizeof message, "there is no environment \"prod\": %s/env/prod.yaml is missing",
           folder->path);
  expect_error(folder, "prod", TG_ENOT_FOUND, message);
  expect_error(folder, "../x", TG_EINVALID, "\"../x\" is no name of an environment");
}

static void names_the_place_and_the_nearest_key(void **state) {
  const struct folder *folder = *state;
  file_write(folder, "tidegate.yaml", "name: x\nlimts: { tasks: 1 }\n");
  expect_error(folder, NULL, TG_EINVALID,
               "tidegate.yaml:2:1: unknown key \"limts\"; did you mean \"limits\"?");
  file_write(folder, "tidegate.yaml", "limits:\n  tasks: 1\n  worker: 1\n");
  expect_error(folder, NULL, TG_EINVALID,
               "tidegate.yaml:3:3: unknown key \"worker\"; did you mean \"workers\"?");
  file_write(folder, "tidegate.yaml", "http:\n  a/b~c: 1\n");
  expect_error(folder, NULL, TG_EINVALID,
               "tidegate.yaml:2:3: unknown key \"a/b~c\"; here are known: proxy, ca_file, "
               "deny_private");
}

static void names_the_place_of_a_wrong_value(void **state) {
  const struct folder *folder = *state;
  file_write(folder, "tidegate.yaml", "limits:\n  tasks: 0\n");
  expect_error(folder, NULL, TG_EINVALID,
               "tidegate.yaml:2:3: tasks takes a whole number from 1 to 100000");
  file_write(folder, "tidegate.yaml", "limits:\n  bundle_memory: 2GiB\n");
  expect_error(folder, NULL, TG_EINVALID,
               "tidegate.yaml:2:3: bundle_memory takes a size from \"16MiB\" to \"1536MiB\"");
  file_write(folder, "tidegate.yaml", "limits:\n  bundle_time: 1h\n");
  expect_error(folder, NULL, TG_EINVALID,
               "tidegate.yaml:2:3: bundle_time takes a duration from \"1s\" to \"10m\"");
  file_write(folder, "tidegate.yaml", "files:\n  - write: true\n");
  expect_error(folder, NULL, TG_EINVALID, "tidegate.yaml:2:5: a folder needs a path");
  file_write(folder, "tidegate.yaml", "http: 5\n");
  expect_error(folder, NULL, TG_EINVALID, "tidegate.yaml:1:1: http takes a mapping");
  file_write(folder, "tidegate.yaml", "name: 5\n");
  expect_error(folder, NULL, TG_EINVALID, "tidegate.yaml:1:1: name takes a text");
}

static void is_found_from_a_folder_below(void **state) {
  const struct folder *folder = *state;
  struct tg_error err;
  file_write(folder, "tidegate.yaml", "name: above\n");
  assert_int_equal(tg_file_make_folder(path_in(folder, "a/b"), &err), TG_OK);
  assert_int_equal(chdir(path_in(folder, "a/b")), 0);
  struct tg_project project;
  assert_int_equal(tg_project_open(&project, NULL, "data", NULL, &err), TG_OK);
  assert_string_equal(project.root, folder->path);
  assert_string_equal(project.name, "above");
  assert_string_equal(project.data, path_in(folder, "a/b/data"));
  tg_project_deinit(&project);
}

static void is_the_current_folder_where_none_is_above(void **state) {
  const struct folder *folder = *state;
  struct tg_error err;
  assert_int_equal(chdir(folder->path), 0);
  struct tg_project project;
  assert_int_equal(tg_project_open(&project, NULL, "/data", NULL, &err), TG_OK);
  assert_string_equal(project.root, folder->path);
  assert_string_equal(project.data, "/data");
  tg_project_deinit(&project);
}

static void refuses_a_folder_that_is_none(void **state) {
  const struct folder *folder = *state;
  struct tg_project project;
  struct tg_error err;
  file_write(folder, "file", "");
  assert_int_equal(tg_project_open(&project, path_in(folder, "file"), NULL, NULL, &err),
                   TG_EINVALID);
  tg_project_deinit(&project);
  assert_int_equal(tg_project_open(&project, path_in(folder, "missing"), NULL, NULL, &err),
                   TG_ENOT_FOUND);
  tg_project_deinit(&project);
}

static void reads_what_holds_for_resources(void **state) {
  const struct folder *folder = *state;
  struct tg_project project;
  file_write(
      folder, "tidegate.yaml",
      "resources:\n"
      "  databricks:\n"
      "    breaker: { failures: 3, open: 2m, probes: 2, successes: 2, retry_after_max: 3h }\n"
      "    retries: { ratio: 0.5, reserve: 0.25, cap: 4 }\n"
      "  warehouse: { breaker: { share: 0.25, calls: 8, window: 5m, lease: 10m } }\n"
      "  other: { breaker: false, retries: false }\n"
      "  plain:\n");
  project_open(&project, folder, NULL);
  assert_int_equal(project.resource_count, 4);
  const struct tg_resource_rules *rules = project.resources;
  assert_string_equal(rules[0].name, "databricks");
  assert_int_equal(rules[0].breaker.failures_max, 3);
  assert_int_equal(rules[0].breaker.open_ms, 120000);
  assert_int_equal(rules[0].breaker.probes_max, 2);
  assert_int_equal(rules[0].breaker.successes_to_close, 2);
  assert_int_equal(rules[0].breaker.retry_after_max_ms, 3 * 3600000);
  assert_int_equal(rules[0].budget.ratio_milli, 500);
  assert_int_equal(rules[0].budget.reserve_milli, 250);
  assert_int_equal(rules[0].budget.cap_milli, 4000);
  assert_int_equal(rules[1].breaker.failures_max, 0); // the share is its only rule
  assert_int_equal(rules[1].breaker.share_permille, 250);
  assert_int_equal(rules[1].breaker.calls_min, 8);
  assert_int_equal(rules[1].breaker.window_ms, 300000);
  assert_int_equal(rules[1].breaker.lease_ms, 600000);
  assert_false(rules[2].has_breaker || rules[2].has_budget);
  assert_true(rules[3].has_breaker && rules[3].has_budget);
  assert_int_equal(rules[3].breaker.failures_max, 5);
  tg_project_deinit(&project);
}

static void says_what_is_wrong_with_a_resource(void **state) {
  static const struct {
    const char *text, *message;
  } cases[] = {
      {"resources: [a]\n", "tidegate.yaml:1:1: resources takes a mapping of names"},
      {"resources:\n  a b: {}\n",
       "tidegate.yaml:2:3: a resource has a name of 1 to 128 bytes without spaces"},
      {"resources:\n  a: { braker: {} }\n",
       "tidegate.yaml:2:8: unknown key \"braker\"; did you mean \"breaker\"?"},
      {"resources:\n  a: { breaker: { share: 2 } }\n",
       "tidegate.yaml:2:19: share takes a number from 0.001 to 1"},
      {"resources:\n  a: { breaker: { open: 0s } }\n",
       "tidegate.yaml:2:8: open must be at least 1ms"},
      {"resources:\n  a: { retries: { cap: 0.5 } }\n",
       "tidegate.yaml:2:8: cap must be 0 (no retries) or at least 1"},
      {"resources:\n  a: { retries: { ratio: -1 } }\n",
       "tidegate.yaml:2:19: ratio takes a number from 0 to 1000000"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    file_write(*state, "tidegate.yaml", cases[i].text);
    expect_error(*state, NULL, TG_EINVALID, cases[i].message);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, folder_setup, folder_teardown)
      TEST(has_defaults_without_a_file),         TEST(reads_every_setting),
      TEST(lays_an_environment_over_it),         TEST(names_an_environment_that_is_not_there),
      TEST(names_the_place_and_the_nearest_key), TEST(names_the_place_of_a_wrong_value),
      TEST(is_found_from_a_folder_below),        TEST(is_the_current_folder_where_none_is_above),
      TEST(refuses_a_folder_that_is_none),       TEST(reads_what_holds_for_resources),
      TEST(says_what_is_wrong_with_a_resource),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
