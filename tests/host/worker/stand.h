// SPDX-License-Identifier: Apache-2.0
// A whole host in a test: a project in a temporary folder, the real loop, store and warehouse, real
// script workers and commands. The script workers are this test program, started again by itself.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

#include "cli/host.h"
#include "engine/plan.h"
#include "store/history.h"

struct stand {
  char folder[64];
  struct tg_project project;
  struct tg_project_folder files;
  struct tg_host *host;
  const struct tg_version *version;
  struct tg_plan *plan;
  bool has_ended;
  enum tg_run_state end;
  uint32_t running; // tasks, as the observer hears of them
  uint32_t progress_count;
  struct tg_buf log; // what the observer heard: "a info text\n", "a is running\n"
  // What is in the store, after stand_read.
  struct tg_arena arena;
  struct tg_run run;
  struct tg_task *tasks;
  struct tg_attempt *attempts;
  struct tg_decision *decisions;
  size_t task_count, attempt_count, decision_count;
};

/// A pipeline of a few tasks, as text.
#define STAND_PIPELINE(name, tasks)                                                                \
  "local tg = require 'tidegate'\nreturn tg.pipeline '" name "' { tasks = {\n" tasks "\n} }"
#define PIPELINE(tasks) STAND_PIPELINE("p", tasks)

/// Starts a script worker when the program was started as one; else returns. First thing in main.
void stand_main(int argc, char **argv);

/// Makes the folder, and goes there; the project is empty.
void stand_init(struct stand *stand);
void stand_deinit(struct stand *stand);

/// Writes a file of the project; folders are made.
void stand_write(const struct stand *stand, const char *path, const char *text);
void stand_write_bytes(const struct stand *stand, const char *path, const void *bytes, size_t len);

/// Reads a file of the project whole; the caller frees the text. NULL if there is none.
char *stand_read_file(const struct stand *stand, const char *path, size_t *len);

void stand_open(struct stand *stand, uint32_t workers);
void stand_close(struct stand *stand);

/// Builds the pipeline in pipelines/p.lua; fails the test if it has faults.
void stand_build(struct stand *stand);

/// Tries to build a file; gives the faults, which the caller frees, or NULL.
char *stand_faults(struct stand *stand, const char *path);

/// Begins a run of what was built, with parameters as JSON.
void stand_begin(struct stand *stand, const char *params);

/// Turns the loop until the run has ended, until so many tasks run at once, until
/// the observer has heard something, until there are so many workers, or once.
void stand_finish(struct stand *stand);
void stand_await_running(struct stand *stand, uint32_t count);
void stand_await_log(struct stand *stand, const char *text);
void stand_await_workers(struct stand *stand, uint32_t count);
void stand_turn(struct stand *stand);

/// Does all of it: writes pipelines/p.lua, opens with `workers`, builds, runs, reads the store.
void stand_run(struct stand *stand, uint32_t workers, const char *pipeline);

/// Reads what the store has of the run.
void stand_read(struct stand *stand);
const struct tg_task *stand_task(const struct stand *stand, const char *name);

/// Gives the nth attempt of a task, from 1.
const struct tg_attempt *stand_attempt(const struct stand *stand, const char *task,
                                       uint32_t number);

/// Gives the process ids of the script workers that live.
size_t stand_workers(pid_t *pids, size_t max);

/// Declares a test file's stand; STAND_TEST makes it before a test and takes it down afterwards.
#define STAND_FIXTURE                                                                              \
  static struct stand stand;                                                                       \
  static int setup(void **state) {                                                                 \
    (void)state;                                                                                   \
    stand_init(&stand);                                                                            \
    return 0;                                                                                      \
  }                                                                                                \
  static int teardown(void **state) {                                                              \
    (void)state;                                                                                   \
    stand_deinit(&stand);                                                                          \
    return 0;                                                                                      \
  }
#define STAND_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
