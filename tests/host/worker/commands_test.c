// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "host/worker/stand.h"

STAND_FIXTURE

// The host is closed: logs are written beside the loop, and whole then.
static char *log_of(const char *task, uint32_t number, size_t *len) {
  stand_close(&stand);
  char id[TG_ID_TEXT_LEN + 1], path[256];
  tg_id_format(stand.run.id, id);
  snprintf(path, sizeof path, ".tidegate/logs/%s/%s.%u.log", id, task, number);
  return stand_read_file(&stand, path, len);
}

static void a_command_ends_as_its_exit_code_says(void **state) {
  (void)state;
  stand_run(&stand, 1,
            PIPELINE("tg.cmd 'good' { argv = { 'true' } },"
                     "tg.cmd 'bad' { argv = 'echo oops >&2; exit 7', shell = true },"
                     "tg.cmd 'fine' { argv = 'exit 7', shell = true, ok_codes = { 0, 7 } },"
                     "tg.cmd 'zero' { argv = { 'true' }, ok_codes = { 7 } },"
                     "tg.cmd 'signal' { argv = 'kill -SEGV $$', shell = true },"
                     "tg.cmd 'none' { argv = { 'there-is-no-such-program' } },"
                     "tg.cmd 'folder' { argv = { 'true' }, cwd = 'no/such' }"));
  assert_int_equal(stand.end, TG_RUN_FAILED);
  assert_string_equal(stand_task(&stand, "good")->output, "{\"exit_code\":0}");
  assert_string_equal(stand_task(&stand, "bad")->failure.text,
                      "the command ended with exit code 7: oops");
  assert_int_equal(stand_task(&stand, "bad")->failure.code, TG_EEXIT);
  assert_string_equal(stand_task(&stand, "fine")->output, "{\"exit_code\":7}");
  assert_int_equal(stand_task(&stand, "zero")->state, TG_TASK_FAILED);
  assert_non_null(strstr(stand_task(&stand, "signal")->failure.text, "signal 11"));
  assert_int_equal(stand_task(&stand, "none")->failure.code, TG_ESPAWN);
  assert_int_equal(stand_task(&stand, "folder")->failure.code, TG_ESPAWN);
  assert_int_equal(stand_attempt(&stand, "good", 1)->worker, 0);
}

static void the_last_line_of_json_is_its_result(void **state) {
  (void)state;
  stand_run(
      &stand, 1,
      PIPELINE("tg.cmd 'last' { argv = 'echo [1]; echo; echo \"{\\\\\"rows\\\\\": 3}\"; echo',"
               " shell = true, output = 'json' },"
               "tg.cmd 'scalar' { argv = { 'printf', '7' }, output = 'json' },"
               "tg.cmd 'text' { argv = { 'echo', 'rows: 3' }, output = 'json' },"
               "tg.cmd 'silent' { argv = { 'true' }, output = 'json' },"
               "tg.task 'next' { after = 'last', run = function(ctx)"
               " return ctx.output.last.rows end }"));
  assert_string_equal(stand_task(&stand, "last")->output, "{\"rows\":3}");
  assert_string_equal(stand_task(&stand, "scalar")->output, "7");
  assert_string_equal(stand_task(&stand, "next")->output, "3");
  assert_int_equal(stand_task(&stand, "text")->failure.code, TG_EEXIT);
  assert_non_null(strstr(stand_task(&stand, "text")->failure.text, "rows: 3"));
  assert_int_equal(stand_task(&stand, "silent")->state, TG_TASK_FAILED);
}

static bool log_has(const char *task, const char *line) {
  char *log = log_of(task, 1, NULL);
  bool has = log && strstr(log, line);
  free(log);
  return has;
}

static void its_environment_is_what_was_asked_for(void **state) {
  (void)state;
  setenv("SECRET_OF_THE_HOST", "hidden", 1);
  setenv("PASSED", "from the host", 1);
  stand_write(&stand, "pipelines/p.lua",
              "local tg = require 'tidegate'\n"
              "return tg.pipeline 'p' { params = { region = tg.string { default = 'EU' },"
              " count = tg.int { default = 3 } }, tasks = {\n"
              "  tg.cmd 'usual' { argv = { 'env' } },"
              "  tg.cmd 'named' { argv = { '/usr/bin/env' },"
              " env = { 'PASSED', 'NOT_THERE', STAGE = 'prod' } } } }");
  stand_open(&stand, 1);
  stand_build(&stand);
  stand_begin(&stand, "{\"region\":\"U S\",\"count\":3}");
  stand_finish(&stand);
  assert_int_equal(stand.end, TG_RUN_SUCCESS);
  char line[128], id[TG_ID_TEXT_LEN + 1];
  tg_id_format(stand.run.id, id);
  snprintf(line, sizeof line, " out TIDEGATE_RUN_ID=%s\n", id);
  assert_true(log_has("usual", line));
  assert_true(log_has("usual", " out PATH="));
  assert_true(log_has("usual", " out TIDEGATE_PIPELINE=p\n"));
  assert_true(log_has("usual", " out TIDEGATE_TASK=usual\n"));
  assert_true(log_has("usual", " out TIDEGATE_ATTEMPT=1\n"));
  assert_true(log_has("usual", " out TIDEGATE_KEY="));
  assert_true(log_has("usual", " out TIDEGATE_LOGICAL_DATE=2026-11-20T05:00:00.000Z\n"));
  assert_true(log_has("usual", " out TIDEGATE_PARAMS={\"region\":\"U S\",\"count\":3}\n"));
  assert_true(log_has("usual", " out TIDEGATE_PARAM_REGION=U S\n"));
  assert_true(log_has("usual", " out TIDEGATE_PARAM_COUNT=3\n"));
  assert_false(log_has("usual", "hidden"));
  assert_false(log_has("usual", "PASSED"));
  assert_true(log_has("named", " out PASSED=from the host\n"));
  assert_true(log_has("named", " out STAGE=prod\n"));
  assert_false(log_has("named", "NOT_THERE"));
  assert_false(log_has("named", " out PATH="));
}

static void it_gets_its_arguments_its_input_and_its_folder(void **state) {
  (void)state;
  stand_write(&stand, "marts/here.txt", "");
  stand_run(&stand, 1,
            PIPELINE("tg.cmd 'args' { argv = { 'printf', '<%s>\\\\n', 'a b', '$HOME', '' } },"
                     "tg.cmd 'input' { argv = { 'cat' }, stdin = 'one\\ntwo\\n' },"
                     "tg.cmd 'empty' { argv = { 'cat' } },"
                     "tg.cmd 'folder' { argv = { 'ls' }, cwd = 'marts' }"));
  assert_int_equal(stand.end, TG_RUN_SUCCESS);
  assert_true(log_has("args", " out <a b>\n"));
  assert_true(log_has("args", " out <$HOME>\n"));
  assert_true(log_has("args", " out <>\n"));
  assert_true(log_has("input", " out two\n"));
  assert_null(log_of("empty", 1, NULL));
  assert_true(log_has("folder", " out here.txt\n"));
}

static void a_command_over_its_time_is_ended_with_all_it_started(void **state) {
  (void)state;
  stand_run(&stand, 1,
            PIPELINE("tg.cmd 'slow' { argv = { 'sleep', '1000' }, timeout = '200ms' },"
                     "tg.cmd 'deaf' { timeout = '200ms', grace = '100ms', shell = true,"
                     " argv = 'trap \"\" TERM; echo $$; sleep 1000 & sleep 1000; sleep 1000' }"));
  assert_int_equal(stand.run.failure.code, TG_ETIMEOUT);
  assert_int_equal(stand_task(&stand, "slow")->failure.code, TG_ETIMEOUT);
  assert_int_equal(stand_task(&stand, "deaf")->failure.code, TG_ETIMEOUT);
  char *log = log_of("deaf", 1, NULL);
  int group = atoi(strstr(log, " out ") + 5);
  free(log);
  assert_true(group > 1);
  assert_int_equal(kill(-group, 0), -1);
  assert_int_equal(errno, ESRCH);
}

static void what_a_command_leaves_behind_is_ended_and_said(void **state) {
  (void)state;
  stand_run(&stand, 1, PIPELINE("tg.cmd 'a' { argv = 'sleep 1000 & echo $$', shell = true }"));
  assert_int_equal(stand.end, TG_RUN_SUCCESS);
  assert_true(log_has("a", " warn the command left processes behind; they were ended\n"));
}

static void a_flood_of_output_is_kept_in_part(void **state) {
  (void)state;
  stand_run(&stand, 1,
            PIPELINE("tg.cmd 'lines' { argv = 'yes \"a line of output\" | head -c 64000000',"
                     " shell = true },"
                     "tg.cmd 'one' { argv = 'head -c 64000000 /dev/zero; echo; echo 7',"
                     " shell = true, output = 'json' }"));
  assert_int_equal(stand.end, TG_RUN_SUCCESS);
  size_t len;
  char *log = log_of("lines", 1, &len);
  assert_true(len > TG_ATTEMPT_LOG_BYTES_MAX / 2);
  assert_true(len < TG_ATTEMPT_LOG_BYTES_MAX + 1024);
  assert_non_null(strstr(log, " bytes) dropped\n"));
  free(log);
  log = log_of("one", 1, &len);
  assert_true(len < 256 * 1024);
  assert_non_null(strstr(log, "bytes of this line dropped"));
  free(log);
  assert_string_equal(stand_task(&stand, "one")->output, "7");
}

static void cancel(void) {
  tg_conductor_input(
      tg_host_services(stand.host)->conductor,
      &(struct tg_input){.kind = TG_INPUT_CANCEL,
                         .cancel = {.run = 1, .code = TG_ECANCELLED, .reason = "asked for"}});
}

// Leaves the host room for a few more descriptors only; gives the limit that was.
static struct rlimit descriptors_limit(rlim_t more) {
  struct rlimit before;
  int highest = dup(0);
  assert_true(highest >= 0);
  close(highest);
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
  struct rlimit limit = {.rlim_cur = (rlim_t)highest + more, .rlim_max = before.rlim_max};
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
  return before;
}

static const char many_commands[] =
    "local tg = require 'tidegate'\n"
    "local tasks = {}\n"
    "for i = 1, 30 do tasks[i] = tg.cmd('t' .. i) { argv = { 'sleep', '%s' } } end\n"
    "return tg.pipeline 'p' { tasks = tasks }\n";

static struct rlimit many_begin(const char *seconds) {
  char text[512];
  snprintf(text, sizeof text, many_commands, seconds);
  stand_write(&stand, "pipelines/p.lua", text);
  stand_open(&stand, 1);
  stand_build(&stand);
  struct rlimit before = descriptors_limit(16);
  stand_begin(&stand, "{}");
  return before;
}

static void a_command_waits_for_descriptors(void **state) {
  (void)state;
  struct rlimit before = many_begin("0.02");
  stand_finish(&stand);
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
  assert_int_equal(stand.end, TG_RUN_SUCCESS);
  for (int i = 1; i <= 30; i++) {
    char name[8];
    snprintf(name, sizeof name, "t%d", i);
    assert_int_equal(stand_task(&stand, name)->attempts, 1); // waiting is no failed try
  }
}

static void a_command_that_waits_for_descriptors_can_be_cancelled(void **state) {
  (void)state;
  struct rlimit before = many_begin("1000");
  stand_await_running(&stand, 30);
  cancel();
  stand_finish(&stand);
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
  assert_int_equal(stand.end, TG_RUN_CANCELLED);
  assert_int_equal(stand_task(&stand, "t30")->state, TG_TASK_CANCELLED);
}

static void cancelling_ends_a_command(void **state) {
  (void)state;
  stand_write(&stand, "pipelines/p.lua", PIPELINE("tg.cmd 'a' { argv = { 'sleep', '1000' } }"));
  stand_open(&stand, 1);
  stand_build(&stand);
  stand_begin(&stand, "{}");
  stand_await_running(&stand, 1);
  cancel();
  stand_finish(&stand);
  assert_int_equal(stand.end, TG_RUN_CANCELLED);
  assert_int_equal(stand_task(&stand, "a")->state, TG_TASK_CANCELLED);
  assert_string_equal(stand_task(&stand, "a")->failure.text, "asked for");
}

static void a_command_is_tried_again_with_the_same_key(void **state) {
  (void)state;
  stand_run(&stand, 1,
            PIPELINE("tg.cmd 'a' { argv = 'echo $TIDEGATE_KEY; test $TIDEGATE_ATTEMPT = 2',"
                     " shell = true, retry = { attempts = 2, base = '1ms' } }"));
  assert_int_equal(stand.end, TG_RUN_SUCCESS);
  char *first = log_of("a", 1, NULL), *second = log_of("a", 2, NULL);
  assert_string_equal(strstr(first, " out "), strstr(second, " out "));
  free(first);
  free(second);
}

int main(int argc, char **argv) {
  stand_main(argc, argv);
  const struct CMUnitTest tests[] = {
      STAND_TEST(a_command_ends_as_its_exit_code_says),
      STAND_TEST(the_last_line_of_json_is_its_result),
      STAND_TEST(its_environment_is_what_was_asked_for),
      STAND_TEST(it_gets_its_arguments_its_input_and_its_folder),
      STAND_TEST(a_command_over_its_time_is_ended_with_all_it_started),
      STAND_TEST(what_a_command_leaves_behind_is_ended_and_said),
      STAND_TEST(a_flood_of_output_is_kept_in_part),
      STAND_TEST(a_command_waits_for_descriptors),
      STAND_TEST(a_command_that_waits_for_descriptors_can_be_cancelled),
      STAND_TEST(cancelling_ends_a_command),
      STAND_TEST(a_command_is_tried_again_with_the_same_key),
  };
  return cmocka_run_group_tests_name("host/worker/commands", tests, NULL, NULL);
}
