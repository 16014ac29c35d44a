// SPDX-License-Identifier: Apache-2.0
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/worker/stand.h"

STAND_FIXTURE

static void a_task_gives_its_result_to_the_next(void **state) {
  (void)state;
  stand_run(&stand, 1,
            PIPELINE("tg.task 'a' { run = function() return { n = 41, text = 'x\\0y' } end },"
                     "tg.task 'b' { after = 'a', run = function(ctx)"
                     " return { n = ctx.output.a.n + 1, len = #ctx.output.a.text } end },"
                     "tg.task 'none' { run = function() end }"));
  assert_int_equal(stand.end, TG_RUN_SUCCESS);
  assert_string_equal(stand_task(&stand, "b")->output, "{\"len\":3,\"n\":42}");
  assert_int_equal(stand_attempt(&stand, "a", 1)->worker, 1);
}

static void a_failure_has_the_class_the_task_gave_it(void **state) {
  (void)state;
  stand_run(
      &stand, 1,
      PIPELINE("tg.task 'raised' { run = function() error 'boom' end },"
               "tg.task 'told' { run = function()"
               " return nil, { class = 'permanent', message = 'no such thing' } end },"
               "tg.task 'faked' { run = function()"
               " return nil, { class = 'cancelled', message = 'not really' } end },"
               "tg.task 'again' { retry = { attempts = 3, base = '1ms', backoff = 'constant' },"
               " run = function(ctx) if ctx.attempt < 3 then error { class = 'transient',"
               " message = 'not yet' } end return ctx.attempt end }"));
  assert_int_equal(stand.end, TG_RUN_FAILED);
  const struct tg_task *raised = stand_task(&stand, "raised");
  assert_int_equal(raised->failure.code, TG_ESCRIPT);
  assert_non_null(strstr(raised->failure.text, "boom"));
  assert_non_null(strstr(stand_attempt(&stand, "raised", 1)->traceback, "p.lua:3"));
  assert_int_equal(stand_task(&stand, "told")->failure.class, TG_CLASS_PERMANENT);
  assert_int_equal(stand_task(&stand, "faked")->state, TG_TASK_FAILED);
  assert_int_equal(stand_task(&stand, "again")->state, TG_TASK_SUCCESS);
  assert_string_equal(stand_task(&stand, "again")->output, "3");
}

static void what_is_no_plain_data_is_no_result(void **state) {
  (void)state;
  stand_run(&stand, 1,
            PIPELINE("tg.task 'f' { run = function() return print end },"
                     "tg.task 'c' { run = function() local t = {} t.t = t return t end },"
                     "tg.task 'u' { run = function() return '\\xff' end },"
                     "tg.task 'l' { run = function() return ('x'):rep(9 * 1024 * 1024) end }"));
  assert_int_equal(stand.end, TG_RUN_FAILED);
  static const char *const names[] = {"f", "c", "u", "l"};
  for (size_t i = 0; i < 4; i++) {
    assert_int_equal(stand_task(&stand, names[i])->state, TG_TASK_FAILED);
    assert_int_equal(stand_attempt(&stand, names[i], 1)->state, TG_ATTEMPT_FAILED);
  }
}

static void an_endless_loop_ends_with_its_time(void **state) {
  (void)state;
  stand_run(&stand, 1,
            PIPELINE("tg.task 'loop' { timeout = '200ms', run = function() while true do end end },"
                     "tg.task 'caught' { timeout = '200ms', run = function()"
                     " while true do pcall(function() while true do end end) end end },"
                     "tg.task 'sleeper' { timeout = '200ms', run = function(ctx) ctx:sleep '1h'"
                     " end }"));
  assert_int_equal(stand.end, TG_RUN_FAILED);
  assert_int_equal(stand.run.failure.code, TG_ETIMEOUT);
  assert_int_equal(stand_task(&stand, "loop")->failure.code, TG_ETIMEOUT);
  assert_int_equal(stand_task(&stand, "caught")->failure.code, TG_ETIMEOUT);
  assert_int_equal(stand_task(&stand, "sleeper")->failure.code, TG_ETIMEOUT);
}

// Short sleeps keep the attempt; a long one would end it.
#define SLEEP " for _ = 1, 7200 do ctx:sleep '500ms' end "
#define SLEEP_ONCE "run = function(ctx) if ctx.attempt == 1 then" SLEEP "end return 1 end"

static void killed_workers_cost_no_retry_and_no_run(void **state) {
  (void)state;
  stand_write(&stand, "pipelines/p.lua",
              PIPELINE("tg.task 'a' { " SLEEP_ONCE " }, tg.task 'b' { " SLEEP_ONCE " },"
                       "tg.task 'c' { " SLEEP_ONCE " }, tg.task 'd' { after = { 'a', 'b', 'c' },"
                       " run = function() end }"));
  stand_open(&stand, 2);
  stand_build(&stand);
  stand_begin(&stand, "{}");
  stand_await_running(&stand, 3);
  stand_await_workers(&stand, 2);
  pid_t pids[8];
  assert_int_equal(stand_workers(pids, 8), 2);
  for (int i = 0; i < 2; i++) assert_int_equal(kill(pids[i], SIGKILL), 0);
  stand_finish(&stand);
  assert_int_equal(stand.end, TG_RUN_SUCCESS);
  static const char *const names[] = {"a", "b", "c"};
  for (size_t i = 0; i < 3; i++) {
    assert_int_equal(stand_attempt(&stand, names[i], 1)->state, TG_ATTEMPT_LOST);
    assert_string_equal(stand_attempt(&stand, names[i], 1)->failure.text,
                        "its worker was lost (signal 9)");
    assert_int_equal(stand_attempt(&stand, names[i], 2)->state, TG_ATTEMPT_SUCCESS);
  }
}

static void a_worker_that_does_not_answer_is_killed_and_its_others_go_on(void **state) {
  (void)state;
  stand_write(&stand, "pipelines/p.lua",
              PIPELINE("tg.task 'stuck' { timeout = '300ms', run = function(ctx)" SLEEP "end },"
                       "tg.task 'neighbour' { " SLEEP_ONCE " }"));
  stand_open(&stand, 1);
  stand_build(&stand);
  stand_begin(&stand, "{}");
  stand_await_running(&stand, 2);
  stand_await_workers(&stand, 1);
  pid_t pid;
  assert_int_equal(stand_workers(&pid, 1), 1);
  assert_int_equal(kill(pid, SIGSTOP), 0);
  stand_finish(&stand);
  assert_int_equal(stand_task(&stand, "stuck")->failure.code, TG_ETIMEOUT);
  assert_int_equal(stand_attempt(&stand, "neighbour", 1)->state, TG_ATTEMPT_LOST);
  assert_int_equal(stand_task(&stand, "neighbour")->state, TG_TASK_SUCCESS);
  assert_int_equal(kill(pid, 0), -1); // reaped
}

static void a_task_that_always_kills_its_worker_fails_alone(void **state) {
  (void)state;
  stand_write(&stand, "pipelines/p.lua",
              PIPELINE("tg.task 'a' { run = function(ctx)" SLEEP "end },"
                       "tg.task 'b' { run = function() return 1 end }"));
  stand_open(&stand, 1);
  stand_build(&stand);
  stand_begin(&stand, "{}");
  pid_t last = 0, pid;
  while (!stand.has_ended) {
    stand_turn(&stand);
    if (stand.running && stand_workers(&pid, 1) == 1 && pid != last) {
      kill(pid, SIGKILL);
      last = pid;
    }
  }
  stand_read(&stand);
  assert_int_equal(stand.end, TG_RUN_FAILED);
  assert_int_equal(stand_task(&stand, "a")->failure.class, TG_CLASS_LOST);
  assert_int_equal(stand_task(&stand, "a")->attempts, 5);
}

static void cancelling_a_run_ends_its_attempts(void **state) {
  (void)state;
  stand_write(&stand, "pipelines/p.lua",
              PIPELINE("tg.task 'a' { run = function(ctx)" SLEEP "end },"
                       "tg.task 'b' { run = function() while true do end end },"
                       "tg.task 'c' { after = 'a', run = function() end }"));
  stand_open(&stand, 2);
  stand_build(&stand);
  stand_begin(&stand, "{}");
  stand_await_running(&stand, 2);
  tg_conductor_input(
      tg_host_services(stand.host)->conductor,
      &(struct tg_input){.kind = TG_INPUT_CANCEL,
                         .cancel = {.run = 1, .code = TG_ECANCELLED, .reason = "asked for"}});
  stand_finish(&stand);
  assert_int_equal(stand.end, TG_RUN_CANCELLED);
  static const char *const names[] = {"a", "b", "c"};
  for (size_t i = 0; i < 3; i++)
    assert_int_equal(stand_task(&stand, names[i])->state, TG_TASK_CANCELLED);
}

// Together they are larger than a message may be; each is asked for when it is looked at.
static void upstreams_may_give_more_than_a_message_holds(void **state) {
  (void)state;
  stand_run(&stand, 2,
            "local tg = require 'tidegate'\n"
            "local tasks, names = {}, {}\n"
            "for i = 1, 9 do\n"
            "  names[i] = 't' .. i\n"
            "  tasks[i] = tg.task(names[i]) { run = function() return ('x'):rep(8000000) end }\n"
            "end\n"
            "tasks[10] = tg.task 'all' { after = names, run = function(ctx)\n"
            "  local len = 0\n"
            "  for _, name in ipairs(names) do len = len + #ctx.output[name] end\n"
            "  return len\n"
            "end }\n"
            "return tg.pipeline 'p' { tasks = tasks }");
  assert_string_equal(stand_task(&stand, "all")->output, "72000000");
}

static void what_a_task_logs_is_kept_and_heard(void **state) {
  (void)state;
  stand_run(&stand, 1,
            PIPELINE("tg.task 'a' { run = function(ctx) ctx:log('one\\ntwo') print('three')"
                     " ctx:progress(3, 4) end }"));
  char id[TG_ID_TEXT_LEN + 1], path[128];
  tg_id_format(stand.run.id, id);
  stand_close(&stand); // logs are written beside the loop, and whole then
  snprintf(path, sizeof path, ".tidegate/logs/%s/a.1.log", id);
  char *log = stand_read_file(&stand, path, NULL);
  assert_non_null(log);
  assert_non_null(strstr(log, " info one\n"));
  assert_non_null(strstr(log, " info two\n"));
  assert_non_null(strstr(log, "three\n"));
  assert_non_null(strstr(tg_buf_text(&stand.log), "a progress 3/4\n"));
  assert_non_null(strstr(tg_buf_text(&stand.log), "a info one\ntwo\n"));
  free(log);
}

int main(int argc, char **argv) {
  stand_main(argc, argv);
  const struct CMUnitTest tests[] = {
      STAND_TEST(a_task_gives_its_result_to_the_next),
      STAND_TEST(a_failure_has_the_class_the_task_gave_it),
      STAND_TEST(what_is_no_plain_data_is_no_result),
      STAND_TEST(an_endless_loop_ends_with_its_time),
      STAND_TEST(killed_workers_cost_no_retry_and_no_run),
      STAND_TEST(a_worker_that_does_not_answer_is_killed_and_its_others_go_on),
      STAND_TEST(a_task_that_always_kills_its_worker_fails_alone),
      STAND_TEST(cancelling_a_run_ends_its_attempts),
      STAND_TEST(upstreams_may_give_more_than_a_message_holds),
      STAND_TEST(what_a_task_logs_is_kept_and_heard),
  };
  return cmocka_run_group_tests_name("host/worker/scripts", tests, NULL, NULL);
}
