// SPDX-License-Identifier: Apache-2.0
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/worker/stand.h"

STAND_FIXTURE

static void the_files_of_a_bundle_are_those_it_was_built_of(void **state) {
  (void)state;
  stand_write(&stand, "pipelines/p.lua",
              "local tg = require 'tidegate'\nlocal lib = require 'lib.dates'\n"
              "local again = require 'lib.dates'\n"
              "return tg.pipeline 'p' { tasks = {\n"
              "  tg.task 'a' { run = function(ctx) ctx:sleep '50ms' return lib.word end },\n"
              "  tg.task 'b' { run = function(ctx) ctx:sleep '50ms' return lib.word end } } }");
  stand_write(&stand, "pipelines/lib/dates.lua", "return { word = 'built' }");
  stand_open(&stand, 2);
  stand_build(&stand);
  assert_int_equal(stand.version->count, 2);
  assert_string_equal(stand.version->sources[0].key, "entry:");
  assert_string_equal(stand.version->sources[1].key, "module:lib.dates");
  assert_string_equal(stand.version->sources[1].path, "pipelines/lib/dates.lua");
  stand_write(&stand, "pipelines/lib/dates.lua", "return { word = 'changed' }");
  stand_write(&stand, "pipelines/p.lua", "no Lua at all");
  stand_begin(&stand, "{}");
  stand_finish(&stand);
  assert_int_equal(stand.end, TG_RUN_SUCCESS);
  assert_int_not_equal(stand_attempt(&stand, "a", 1)->worker,
                       stand_attempt(&stand, "b", 1)->worker);
  assert_string_equal(stand_task(&stand, "a")->output, "\"built\"");
  assert_string_equal(stand_task(&stand, "b")->output, "\"built\"");
}

static void the_same_files_are_the_same_version(void **state) {
  (void)state;
  stand_write(&stand, "pipelines/p.lua",
              "local tg = require 'tidegate'\nlocal lib = require 'lib'\n"
              "return tg.pipeline 'p' { tasks = {"
              " tg.task 'a' { run = function() return lib end } } }");
  stand_write(&stand, "pipelines/lib.lua", "return 1");
  stand_open(&stand, 1);
  stand_build(&stand);
  const struct tg_version *first = stand.version;
  stand_build(&stand);
  assert_ptr_equal(stand.version, first);
  stand_write(&stand, "pipelines/lib.lua", "return 2");
  stand_build(&stand);
  assert_ptr_not_equal(stand.version, first);
  assert_string_not_equal(stand.version->hash, first->hash);
  stand_write(&stand, "pipelines/lib.lua", "return 1");
  stand_build(&stand);
  assert_ptr_equal(stand.version, first);
  stand_begin(&stand, "{}");
  stand_finish(&stand);
  assert_string_equal(stand_task(&stand, "a")->output, "1");
}

static void faults_are_told_and_the_worker_goes_on(void **state) {
  (void)state;
  stand_write(&stand, "pipelines/p.lua", "local tg = require 'tidegate'\nreturn tg.pipelin 'p' {}");
  stand_open(&stand, 1);
  char *faults = stand_faults(&stand, "pipelines/p.lua");
  json_t *list = json_loads(faults, 0, NULL);
  assert_int_equal(json_array_size(list), 1);
  const json_t *fault = json_array_get(list, 0);
  assert_string_equal(json_string_value(json_object_get(fault, "file")), "pipelines/p.lua");
  assert_int_equal(json_integer_value(json_object_get(fault, "line")), 2);
  json_decref(list);
  free(faults);
  pid_t pids[8], same;
  assert_int_equal(stand_workers(pids, 8), 1);
  stand_write(&stand, "pipelines/p.lua",
              "local tg = require 'tidegate'\nreturn tg.pipeline 'p' { tasks = {"
              " tg.task 'a' { run = function() end } } }");
  stand_build(&stand);
  assert_int_equal(stand_workers(&same, 1), 1);
  assert_int_equal(same, pids[0]);
}

static void a_file_that_is_not_there_is_a_fault(void **state) {
  (void)state;
  stand_write(&stand, "pipelines/p.lua", "require 'no.such'");
  stand_open(&stand, 1);
  char *faults = stand_faults(&stand, "pipelines/p.lua");
  assert_non_null(faults);
  assert_non_null(strstr(faults, "pipelines/no/such.lua"));
  free(faults);
  const struct tg_version *version;
  struct tg_error err;
  assert_int_equal(
      tg_host_build(stand.host, TG_BUNDLE_PIPELINE, "pipelines/none.lua", &version, &faults, &err),
      TG_ENOT_FOUND);
}

// --- Builds of an earlier host ---

static const char asking[] = "local tg = require 'tidegate'\n"
                             "local word = 'none'\n"
                             "local found, lib = pcall(require, 'lib')\n"
                             "if found then word = lib end\n"
                             "return tg.pipeline 'p' { doc = word, tasks = {\n"
                             "  tg.task 'a' { run = function() return word end } } }";

static void store_it(void) {
  stand_begin(&stand, "{}");
  stand_finish(&stand);
  assert_int_equal(stand.end, TG_RUN_SUCCESS);
}

static size_t workers_count(void) {
  pid_t pids[8];
  return stand_workers(pids, 8);
}

// The workers of the host before have been ended, but may still be seen for a moment.
static void next_host(void) {
  stand_close(&stand);
  for (int i = 0; i < 10000 && workers_count(); i++) usleep(1000);
  stand_open(&stand, 1);
  stand_build(&stand);
}

static void what_is_as_it_was_is_not_built_again(void **state) {
  (void)state;
  char hash[65];
  stand_write(&stand, "pipelines/p.lua", asking);
  stand_write(&stand, "pipelines/lib.lua", "return 'found'");
  stand_open(&stand, 1);
  stand_build(&stand);
  assert_false(stand.version->is_stored);
  snprintf(hash, sizeof hash, "%s", stand.version->hash);
  store_it();
  next_host();
  assert_int_equal(workers_count(), 0);
  assert_string_equal(stand.version->hash, hash);
  assert_string_equal(stand.plan->doc, "found");
  store_it();
  assert_string_equal(stand_task(&stand, "a")->output, "\"found\"");
}

// A script that got hold of its worker could tell any plan for those that are built after it.
static void what_a_worker_says_after_another_script_is_for_this_host_only(void **state) {
  (void)state;
  stand_write(&stand, "pipelines/other.lua", "return 'no pipeline'");
  stand_write(&stand, "pipelines/p.lua", asking);
  stand_open(&stand, 1);
  free(stand_faults(&stand, "pipelines/other.lua"));
  stand_build(&stand);
  assert_int_equal(workers_count(), 1);
  store_it();
  next_host();
  assert_false(stand.version->is_stored);
  assert_int_equal(workers_count(), 1);
}

static void what_was_known_is_built_when_a_file_has_changed(void **state) {
  (void)state;
  stand_write(&stand, "pipelines/p.lua", asking);
  stand_write(&stand, "pipelines/lib.lua", "return 'found'");
  stand_open(&stand, 1);
  stand_build(&stand);
  store_it();
  stand_write(&stand, "pipelines/lib.lua", "return 'other'");
  next_host();
  assert_int_equal(workers_count(), 1);
  assert_string_equal(stand.plan->doc, "other");
  store_it();
  stand_write(&stand, "pipelines/lib.lua", "return 'found'"); // as it was first
  next_host();
  assert_int_equal(workers_count(), 0);
  assert_string_equal(stand.plan->doc, "found");
  stand_write(&stand, "pipelines/p.lua",
              "local tg = require 'tidegate'\nreturn tg.pipeline 'p' { doc = 'new', tasks = {\n"
              "  tg.task 'a' { run = function() end } } }");
  stand_build(&stand);
  assert_int_equal(workers_count(), 1);
  assert_string_equal(stand.plan->doc, "new");
}

static void a_file_that_was_looked_for_in_vain_is_found_once_it_is_there(void **state) {
  (void)state;
  stand_write(&stand, "pipelines/p.lua", asking);
  stand_open(&stand, 1);
  stand_build(&stand);
  assert_string_equal(stand.plan->doc, "none");
  store_it();
  next_host();
  assert_int_equal(workers_count(), 0);
  assert_string_equal(stand.plan->doc, "none");
  store_it(); // a worker that loads it is refused the file too
  assert_string_equal(stand_task(&stand, "a")->output, "\"none\"");
  stand_write(&stand, "lua/lib.lua", "return 'second'");
  next_host();
  assert_int_equal(workers_count(), 1);
  assert_string_equal(stand.plan->doc, "second");
  store_it();
  stand_write(&stand, "pipelines/lib.lua", "return 'first'"); // where it is looked for before
  next_host();
  assert_int_equal(workers_count(), 1);
  assert_string_equal(stand.plan->doc, "first");
}

static void what_looked_at_the_time_is_built_again(void **state) {
  (void)state;
  stand_write(&stand, "pipelines/p.lua",
              "local tg = require 'tidegate'\nlocal year = os.date '%Y'\n"
              "return tg.pipeline 'p' { tasks = {\n"
              "  tg.task 'a' { run = function() return year end } } }");
  stand_open(&stand, 1);
  stand_build(&stand);
  store_it();
  next_host();
  assert_int_equal(workers_count(), 1);
}

static void a_file_that_is_known_is_built_once_in_a_host(void **state) {
  (void)state;
  pid_t pid;
  stand_write(&stand, "pipelines/p.lua", asking);
  stand_open(&stand, 1);
  stand_build(&stand);
  const struct tg_version *first = stand.version;
  assert_int_equal(stand_workers(&pid, 1), 1);
  kill(pid, SIGKILL);
  stand_await_workers(&stand, 0);
  stand_build(&stand);
  assert_int_equal(workers_count(), 0);
  assert_ptr_equal(stand.version, first);
}

struct told {
  char *faults;
  bool is_done;
};

static void built(void *self, const struct tg_version *version, const char *faults,
                  const struct tg_error *err) {
  struct told *told = self;
  assert_null(version);
  if (err) fail_msg("%s", err->text);
  told->faults = strdup(faults);
  told->is_done = true;
}

// Every worker that loads it dies. The file's name has quotes, which the faults escape.
static void a_file_that_ends_its_workers_is_a_fault(void **state) {
  (void)state;
  struct told told = {.is_done = false};
  pid_t pid, last = 0;
  stand_write(&stand, "pipelines/we\"ird\\.lua", "while true do end");
  stand_open(&stand, 1);
  tg_bundles_build(tg_scripts_bundles(tg_host_scripts(stand.host)), TG_BUNDLE_PIPELINE,
                   "pipelines/we\"ird\\.lua", built, &told);
  while (!told.is_done) {
    tg_loop_turn(tg_host_services(stand.host)->loop, false);
    if (stand_workers(&pid, 1) != 1 || pid == last) continue;
    assert_int_equal(kill(pid, SIGKILL), 0);
    last = pid;
  }
  json_t *list = json_loads(told.faults, 0, NULL);
  assert_non_null(list);
  const json_t *fault = json_array_get(list, 0);
  assert_string_equal(json_string_value(json_object_get(fault, "file")), "pipelines/we\"ird\\.lua");
  const char *why = json_string_value(json_object_get(fault, "message"));
  if (!strstr(why, "(signal 9)")) fail_msg("%s", why);
  json_decref(list);
  free(told.faults);
}

int main(int argc, char **argv) {
  stand_main(argc, argv);
  const struct CMUnitTest tests[] = {
      STAND_TEST(the_files_of_a_bundle_are_those_it_was_built_of),
      STAND_TEST(the_same_files_are_the_same_version),
      STAND_TEST(faults_are_told_and_the_worker_goes_on),
      STAND_TEST(a_file_that_is_not_there_is_a_fault),
      STAND_TEST(what_is_as_it_was_is_not_built_again),
      STAND_TEST(what_a_worker_says_after_another_script_is_for_this_host_only),
      STAND_TEST(what_was_known_is_built_when_a_file_has_changed),
      STAND_TEST(a_file_that_was_looked_for_in_vain_is_found_once_it_is_there),
      STAND_TEST(what_looked_at_the_time_is_built_again),
      STAND_TEST(a_file_that_is_known_is_built_once_in_a_host),
      STAND_TEST(a_file_that_ends_its_workers_is_a_fault),
  };
  return cmocka_run_group_tests_name("host/worker/bundles", tests, NULL, NULL);
}
