// SPDX-License-Identifier: Apache-2.0
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "host/worker/stand.h"

STAND_FIXTURE

#define PARENT(fields)                                                                             \
  PIPELINE("tg.run 'c' { pipeline = 'child'" fields " },"                                          \
           "tg.task 'after' { after = 'c', run = function(ctx) return ctx.output.c end }")

// A child that leaves a line each time it runs, and stays until the file "go" is there.
#define CHILD                                                                                      \
  STAND_PIPELINE("child", "tg.cmd 'work' { shell = true, argv = 'echo ran >>log; "                 \
                          "while ! test -e go; do sleep 0.01; done' }")

// What the store has of the children.
struct children {
  struct tg_arena arena;
  struct tg_run *runs;
  size_t count;
};

static void children_read(struct children *children) {
  struct tg_history *history;
  struct tg_error err;
  struct tg_run_filter filter = {.state = -1, .pipeline = "child"};
  tg_arena_init(&children->arena);
  int code = tg_history_open(stand.project.data, &history, &err);
  if (!code)
    code = tg_history_runs(history, &filter, &children->arena, &children->runs, &children->count,
                           &err);
  tg_history_close(history);
  if (code) fail_msg("%s", err.text);
}

static void child_expect(enum tg_run_state state) {
  struct children children;
  children_read(&children);
  assert_int_equal(children.count, 1);
  assert_int_equal(children.runs[0].state, state);
  assert_non_null(children.runs[0].parent);
  tg_arena_deinit(&children.arena);
}

static bool child_is_over(void) {
  struct children children;
  children_read(&children);
  bool is_over = children.count == 1 && tg_run_state_is_terminal(children.runs[0].state);
  tg_arena_deinit(&children.arena);
  return is_over;
}

static const char *log_read(void) {
  static char text[256];
  char *log = stand_read_file(&stand, "log", NULL);
  snprintf(text, sizeof text, "%s", log ? log : "");
  free(log);
  return text;
}

static void parent_begin(const char *parent, uint32_t workers) {
  stand_write(&stand, "pipelines/p.lua", parent);
  stand_open(&stand, workers);
  stand_build(&stand);
  stand_begin(&stand, "{}");
}

static void log_await(void) {
  while (!*log_read()) stand_turn(&stand);
}

static void parent_cancel(void) {
  tg_conductor_input(
      tg_host_services(stand.host)->conductor,
      &(struct tg_input){.kind = TG_INPUT_CANCEL,
                         .cancel = {.run = 1, .code = TG_ECANCELLED, .reason = "asked for"}});
}

static const char *failure_of(const char *task) {
  const char *text = stand_task(&stand, task)->failure.text;
  return text ? text : "";
}

static void its_outputs_are_those_of_the_task(void **state) {
  (void)state;
  stand_write(&stand, "pipelines/child.lua",
              "local tg = require 'tidegate'\n"
              "return tg.pipeline 'child' { params = { n = tg.int { default = 1 } }, tasks = {"
              " tg.task 'double' { run = function(ctx) return ctx.params.n * 2 end } } }");
  stand_run(&stand, 1, PARENT(", params = { n = 21 }"));
  assert_int_equal(stand.end, TG_RUN_SUCCESS);
  json_t *output = json_loads(stand_task(&stand, "after")->output, 0, NULL);
  assert_string_equal(json_string_value(json_object_get(output, "state")), "success");
  assert_int_equal(
      json_integer_value(json_object_get(json_object_get(output, "outputs"), "double")), 42);
  json_decref(output);
  child_expect(TG_RUN_SUCCESS);
}

static void its_failure_fails_the_task(void **state) {
  (void)state;
  stand_write(&stand, "pipelines/child.lua",
              STAND_PIPELINE("child", "tg.task 'bad' { run = function() error 'boom' end }"));
  stand_run(&stand, 1, PARENT(""));
  assert_int_equal(stand.end, TG_RUN_FAILED);
  assert_non_null(strstr(failure_of("c"), "ended failed"));
  child_expect(TG_RUN_FAILED);
}

static void one_that_is_not_there_or_has_faults_is_told(void **state) {
  (void)state;
  stand_run(&stand, 1, PARENT(""));
  assert_int_equal(stand.end, TG_RUN_FAILED);
  assert_non_null(strstr(failure_of("c"), "there is no pipeline \"child\""));
  stand_close(&stand);
  stand_write(&stand, "pipelines/child.lua", STAND_PIPELINE("child", "tg.nothing 'x' {}"));
  stand_run(&stand, 1, PARENT(""));
  assert_non_null(strstr(failure_of("c"), "pipeline child has faults: pipelines/child.lua:"));
  assert_non_null(strstr(failure_of("c"), ": tg.nothing is not a word of Tidegate"));
}

static void bad_parameters_are_told(void **state) {
  (void)state;
  stand_write(&stand, "pipelines/child.lua",
              "local tg = require 'tidegate'\n"
              "return tg.pipeline 'child' { params = { n = tg.int { max = 5 } }, tasks = {"
              " tg.task 'a' { run = function() end } } }");
  stand_run(&stand, 1, PARENT(", params = { n = 6 }"));
  assert_int_equal(stand.end, TG_RUN_FAILED);
  assert_non_null(strstr(failure_of("c"), "5"));
  stand_close(&stand);
  stand_run(&stand, 1, PARENT(", params = { other = 6 }"));
  assert_non_null(strstr(failure_of("c"), "other"));
}

static void a_parent_that_lost_its_worker_finds_its_child_again(void **state) {
  (void)state;
  stand_write(&stand, "pipelines/child.lua", CHILD);
  parent_begin(PARENT(""), 1);
  log_await();
  pid_t pid;
  assert_int_equal(stand_workers(&pid, 1), 1);
  assert_int_equal(kill(pid, SIGKILL), 0);
  while (strstr(tg_buf_text(&stand.log), "c is ready") == NULL &&
         strstr(strstr(tg_buf_text(&stand.log), "c is running") + 1, "c is running") == NULL)
    stand_turn(&stand);
  stand_write(&stand, "go", "");
  stand_finish(&stand);
  assert_int_equal(stand.end, TG_RUN_SUCCESS);
  assert_int_equal(stand_attempt(&stand, "c", 1)->state, TG_ATTEMPT_LOST);
  assert_string_equal(log_read(), "ran\n");
  child_expect(TG_RUN_SUCCESS);
}

// Asking without a parent's attempt.

struct told {
  int code;
  char run[TG_ID_TEXT_LEN + 1], state[16];
  uint32_t count;
};

static void answered(void *self, const struct tg_error *err, const char *answer) {
  struct told *told = self;
  told->count++;
  told->code = err ? err->code : TG_OK;
  json_t *document = answer ? json_loads(answer, 0, NULL) : NULL;
  const char *run = json_string_value(json_object_get(document, "run"));
  const char *state = json_string_value(json_object_get(document, "state"));
  snprintf(told->run, sizeof told->run, "%s", run ? run : "");
  snprintf(told->state, sizeof told->state, "%s", state ? state : "");
  json_decref(document);
}

static uint64_t ask(const char *pipeline, bool is_waiting, struct told *told) {
  const struct tg_subrun_question question = {
      .pipeline = pipeline, .params = "{}", .parent = "", .key = "k", .is_waiting = is_waiting};
  *told = (struct told){0};
  return tg_subruns_ask(tg_scripts_subruns(tg_host_scripts(stand.host)), &question, answered, told);
}

static void a_child_that_has_ended_is_told_at_once(void **state) {
  (void)state;
  struct told first, second, third;
  stand_write(&stand, "go", "");
  stand_write(&stand, "pipelines/child.lua", CHILD);
  stand_open(&stand, 1);
  assert_int_not_equal(ask("child", true, &first), 0);
  while (!first.count) stand_turn(&stand);
  assert_string_equal(first.state, "success");
  assert_int_equal(ask("child", true, &second), 0);
  assert_int_equal(second.count, 1);
  stand_close(&stand);
  stand_open(&stand, 1); // another host knows as much
  assert_int_equal(ask("child", true, &third), 0);
  assert_string_equal(third.state, "success");
  assert_string_equal(third.run, first.run);
  assert_string_equal(second.run, first.run);
  assert_string_equal(log_read(), "ran\n");
}

static void a_child_whose_host_died_goes_on(void **state) {
  (void)state;
  struct told first, second;
  stand_write(&stand, "pipelines/child.lua", CHILD);
  stand_open(&stand, 1);
  ask("child", false, &first);
  log_await();
  assert_string_equal(first.state, "running");
  stand_close(&stand);
  stand_open(&stand, 1);
  stand_write(&stand, "go", "");
  ask("child", true, &second);
  while (!second.count) stand_turn(&stand);
  assert_string_equal(second.state, "success");
  assert_string_equal(second.run, first.run);
  child_expect(TG_RUN_SUCCESS);
}

static void several_may_ask_for_the_same_child(void **state) {
  (void)state;
  struct told begun, ended, late, forgotten;
  stand_write(&stand, "pipelines/child.lua", CHILD);
  stand_open(&stand, 1);
  ask("child", false, &begun);
  ask("child", true, &ended);
  uint64_t number = ask("child", true, &forgotten);
  while (!begun.count) stand_turn(&stand);
  ask("child", false, &late); // it has begun long ago
  assert_int_equal(late.count, 1);
  tg_subruns_forget(tg_scripts_subruns(tg_host_scripts(stand.host)), number, false);
  stand_write(&stand, "go", "");
  while (!ended.count) stand_turn(&stand);
  assert_int_equal(forgotten.count, 0);
  assert_string_equal(ended.state, "success");
  assert_string_equal(ended.run, begun.run);
  assert_string_equal(log_read(), "ran\n");
}

static void one_that_is_taken_back_while_it_is_built_does_not_begin(void **state) {
  (void)state;
  struct told first, second;
  stand_write(&stand, "pipelines/child.lua", CHILD);
  stand_open(&stand, 1);
  uint64_t number = ask("child", true, &first);
  tg_subruns_forget(tg_scripts_subruns(tg_host_scripts(stand.host)), number, true);
  ask("child", true, &second); // it waits for the same
  while (!second.count) stand_turn(&stand);
  assert_int_equal(second.code, TG_ECANCELLED);
  assert_int_equal(first.count, 0);
  struct children children;
  children_read(&children);
  assert_int_equal(children.count, 0);
  tg_arena_deinit(&children.arena);
}

static void cancelling_the_parent_cancels_the_child(void **state) {
  (void)state;
  stand_write(&stand, "pipelines/child.lua", CHILD);
  parent_begin(PARENT(""), 1);
  log_await();
  parent_cancel();
  stand_finish(&stand);
  assert_int_equal(stand.end, TG_RUN_CANCELLED);
  while (!child_is_over()) stand_turn(&stand); // it ends after its process has
  child_expect(TG_RUN_CANCELLED);
}

static void one_that_is_not_waited_for_lets_its_parent_go_on(void **state) {
  (void)state;
  stand_write(&stand, "pipelines/child.lua", CHILD);
  parent_begin(PARENT(", wait = false"), 1);
  stand_finish(&stand);
  assert_int_equal(stand.end, TG_RUN_SUCCESS);
  assert_non_null(strstr(stand_task(&stand, "after")->output, "\"state\":\"running\""));
  child_expect(TG_RUN_RUNNING);
}

static void each_task_has_a_child_of_its_own(void **state) {
  (void)state;
  stand_write(&stand, "pipelines/child.lua",
              STAND_PIPELINE("child", "tg.task 'a' { run = function() return 1 end }"));
  stand_run(&stand, 1,
            PIPELINE("tg.run 'one' { pipeline = 'child' },"
                     "tg.run 'two' { pipeline = 'child' }"));
  assert_int_equal(stand.end, TG_RUN_SUCCESS);
  struct children children;
  children_read(&children);
  assert_int_equal(children.count, 2);
  tg_arena_deinit(&children.arena);
}

// What starts itself directly is refused when it is built.
static void pipelines_that_start_each_other_come_to_an_end(void **state) {
  (void)state;
  stand_write(&stand, "pipelines/child.lua",
              STAND_PIPELINE("child", "tg.run 'a' { pipeline = 'other' }"));
  stand_write(&stand, "pipelines/other.lua",
              STAND_PIPELINE("other", "tg.run 'b' { pipeline = 'child' }"));
  stand_run(&stand, 1, PARENT(""));
  assert_int_equal(stand.end, TG_RUN_FAILED);
  struct children children;
  children_read(&children);
  assert_int_equal(children.count, 1); // "other" did not begin another one of it
  for (size_t i = 0; i < children.count; i++)
    assert_int_equal(children.runs[i].state, TG_RUN_FAILED);
  tg_arena_deinit(&children.arena);
}

int main(int argc, char **argv) {
  stand_main(argc, argv);
  const struct CMUnitTest tests[] = {
#define TEST(name) STAND_TEST(name)
      TEST(its_outputs_are_those_of_the_task),
      TEST(its_failure_fails_the_task),
      TEST(one_that_is_not_there_or_has_faults_is_told),
      TEST(bad_parameters_are_told),
      TEST(a_parent_that_lost_its_worker_finds_its_child_again),
      TEST(a_child_that_has_ended_is_told_at_once),
      TEST(a_child_whose_host_died_goes_on),
      TEST(several_may_ask_for_the_same_child),
      TEST(one_that_is_taken_back_while_it_is_built_does_not_begin),
      TEST(cancelling_the_parent_cancels_the_child),
      TEST(one_that_is_not_waited_for_lets_its_parent_go_on),
      TEST(each_task_has_a_child_of_its_own),
      TEST(pipelines_that_start_each_other_come_to_an_end),
  };
  return cmocka_run_group_tests_name("host/worker/subruns", tests, NULL, NULL);
}
