// SPDX-License-Identifier: Apache-2.0
// run: one run of a pipeline, to its end. Progress goes to stderr, the result to stdout.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/exit.h"
#include "cli/faults.h"
#include "cli/launch.h"
#include "cli/load.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/text.h"
#include "cli/verbs.h"
#include "cli/view.h"

enum { TICK_MS = 100, DRAIN_MS = 8000 };

struct runner {
  const struct tg_args *args;
  struct tg_project project;
  struct tg_host *host;
  struct tg_launch launch;
  struct tg_progress *progress;
  struct tg_timer *tick;
  struct tg_signal *signals[2];
  int signum;          // that asked to stop, or 0
  int64_t drain_until; // monotonic, after a signal
  bool has_ended;
  struct tg_failure failure;
  enum tg_run_state state;
};

static int64_t mono_ms(const struct runner *runner) {
  return tg_clock_mono_ms(tg_loop_clock(tg_host_services(runner->host)->loop));
}

static int64_t wall_ms(const struct runner *runner) {
  return tg_clock_wall_ms(tg_loop_clock(tg_host_services(runner->host)->loop));
}

// Watching.

static bool is_ours(const struct runner *runner, const struct tg_live_run *run) {
  return tg_id_equal(run->run.id, runner->launch.run.id);
}

static void task_changed(void *self, const struct tg_live_run *run, uint32_t task) {
  struct runner *runner = self;
  if (!is_ours(runner, run)) return; // of a child run
  const struct tg_live_task *t = &run->tasks[task];
  struct tg_progress_change change = {.task = task,
                                      .state = (enum tg_task_state)t->state,
                                      .attempt = t->attempts,
                                      .error = t->state != TG_TASK_RUNNING ? t->failure.text : NULL,
                                      .retry_at = t->retry_at};
  tg_progress_task(runner->progress, &change, wall_ms(runner));
}

static void task_progress(void *self, const struct tg_live_run *run, uint32_t task, double done,
                          double total) {
  struct runner *runner = self;
  if (!is_ours(runner, run)) return;
  tg_progress_report(runner->progress, task, done, total);
}

static void task_log(void *self, const struct tg_live_run *run, uint32_t task, const char *level,
                     const char *text, size_t len) {
  struct runner *runner = self;
  (void)len;
  tg_progress_log(runner->progress, is_ours(runner, run) ? task : UINT32_MAX, level, text, wall_ms(runner));
}

static void run_ended(void *self, const struct tg_live_run *run) {
  struct runner *runner = self;
  if (!is_ours(runner, run)) return; // a child run
  runner->has_ended = true;
  runner->state = run->run.state;
  runner->failure = run->run.failure;
  runner->failure.text = tg_arena_strdup(&runner->launch.arena, run->run.failure.text);
  tg_progress_finish(runner->progress, run->run.state, run->run.ended_at);
  tg_host_stop(runner->host);
}

static void ticked(void *self) {
  struct runner *runner = self;
  tg_progress_tick(runner->progress, wall_ms(runner));
  if (runner->drain_until && (mono_ms(runner) >= runner->drain_until ||
                              tg_conductor_is_quiet(tg_host_services(runner->host)->conductor)))
    tg_host_stop(runner->host);
  tg_timer_start(runner->tick, TICK_MS);
}

// The host's own log goes through the display, which owns the terminal.
static void line_logged(void *self, enum tg_log_level level, const char *line) {
  struct runner *runner = self;
  tg_progress_log(runner->progress, UINT32_MAX, tg_log_level_word(level), line, wall_ms(runner));
}

// The first signal lets what runs end; the second stops at once. Both leave a run that the next
// `run` continues.
static void signal_caught(void *self, int signum) {
  struct runner *runner = self;
  if (runner->signum) {
    tg_host_stop(runner->host);
    return;
  }
  runner->signum = signum;
  runner->drain_until = mono_ms(runner) + DRAIN_MS;
  fprintf(stderr, "tidegate: stopping: running tasks have %d s to end; once more to stop at once\n",
          DRAIN_MS / 1000);
  tg_conductor_input(tg_host_services(runner->host)->conductor,
                     &(struct tg_input){.kind = TG_INPUT_DRAIN});
}

static int watch(struct runner *runner, struct tg_error *err) {
  static const int signums[] = {SIGINT, SIGTERM};
  const struct tg_services *services = tg_host_services(runner->host);
  runner->tick = tg_timer_new(services->loop, ticked, runner, err);
  if (!runner->tick) return TG_EIO;
  tg_timer_start(runner->tick, TICK_MS);
  for (int i = 0; i < 2; i++) {
    runner->signals[i] = tg_signal_new(services->loop, signums[i], signal_caught, runner, err);
    if (!runner->signals[i]) return TG_EIO;
  }
  struct tg_observer observer = {.task_changed = task_changed,
                                 .task_progress = task_progress,
                                 .task_log = task_log,
                                 .run_ended = run_ended,
                                 .self = runner};
  tg_conductor_set_observer(services->conductor, &observer);
  return TG_OK;
}

// Telling.

static int exit_code_of(const struct runner *runner) {
  if (!runner->has_ended) return TG_EXIT_SIGNAL + runner->signum;
  if (runner->state == TG_RUN_SUCCESS) return TG_EXIT_SUCCESS;
  if (runner->failure.code == TG_ETIMEOUT) return TG_EXIT_DEADLINE;
  if (runner->failure.class == TG_CLASS_CONTRACT) return TG_EXIT_GATE;
  return TG_EXIT_FAILED;
}

static int result_print(const struct runner *runner, const struct tg_output *output) {
  char id[TG_ID_TEXT_LEN + 1];
  struct tg_history *history = NULL;
  struct tg_view view = {0};
  struct tg_error err;
  tg_id_format(runner->launch.run.id, id);
  int code = tg_history_open(runner->project.data, &history, &err);
  if (!code) code = tg_view_read(&view, history, id, &err);
  int exit_code =
      code ? tg_exit_report(&err)
           : tg_output_document(output, json_pack("{s:o}", "run", tg_view_json(&view, false)));
  tg_view_deinit(&view);
  tg_history_close(history);
  return exit_code;
}

static void failure_say(const struct runner *runner, const char *id) {
  const struct tg_failure *failure = &runner->failure;
  const char *text = failure->text ? failure->text : tg_code_text(failure->code);
  struct tg_buf clean; // the text may be a script's
  tg_buf_init(&clean, SIZE_MAX / 2);
  tg_text_put_clean(&clean, text, strlen(text));
  fprintf(stderr, "tidegate: run %s failed: %s\n  tidegate show %.13s   tidegate why %.13s\n", id,
          tg_buf_text(&clean), id, id);
  tg_buf_deinit(&clean);
}

static void end_say(const struct runner *runner) {
  char id[TG_ID_TEXT_LEN + 1];
  tg_id_format(runner->launch.run.id, id);
  if (!runner->has_ended)
    fprintf(stderr, "tidegate: run %s was not finished; the same command continues it\n", id);
  else if (runner->state != TG_RUN_SUCCESS)
    failure_say(runner, id);
}

static int done_say(const struct runner *runner, const struct tg_output *output) {
  char id[TG_ID_TEXT_LEN + 1];
  tg_id_format(runner->launch.run.id, id);
  if (!tg_args_has(runner->args, "quiet"))
    fprintf(stderr, "tidegate: the occurrence %s of %s has succeeded already, in run %s\n",
            runner->launch.run.occurrence, runner->launch.run.pipeline, id);
  return output->format == TG_FORMAT_TEXT ? TG_EXIT_SUCCESS : result_print(runner, output);
}

// Going.

static enum tg_progress_mode mode_of(const struct tg_args *args, const struct tg_output *shown) {
  if (tg_args_has(args, "quiet")) return TG_PROGRESS_QUIET;
  if (tg_args_choice(args, "log-format", TG_LOG_FORMAT_TEXT) == TG_LOG_FORMAT_JSON)
    return TG_PROGRESS_JSON;
  return shown->width ? TG_PROGRESS_LIVE : TG_PROGRESS_PLAIN;
}

static int run_go(struct runner *runner, const struct tg_version *version,
                  const struct tg_output *output) {
  struct tg_error err;
  struct tg_output shown = tg_output_of(runner->args, STDERR_FILENO);
  runner->progress = tg_progress_new(runner->launch.plan, mode_of(runner->args, &shown),
                                     shown.has_color, tg_progress_stderr(), wall_ms(runner));
  for (size_t i = 0; runner->progress && i < runner->launch.task_count; i++)
    if (runner->launch.kind == TG_LAUNCH_RESUMED &&
        tg_task_state_is_terminal(runner->launch.tasks[i].state))
      tg_progress_known(runner->progress, runner->launch.tasks[i].index,
                        runner->launch.tasks[i].state);
  if (runner->progress && shown.width) tg_log_set_sink(line_logged, runner);
  int code = runner->progress ? watch(runner, &err)
                              : tg_error_set(&err, TG_ENOMEM, "no memory for the display");
  if (!code) tg_launch_start(&runner->launch, runner->host, version);
  if (!code) code = tg_host_run(runner->host, &err);
  tg_log_set_sink(NULL, NULL);
  tg_progress_free(runner->progress);
  if (code) return tg_exit_report(&err);
  int exit_code = exit_code_of(runner);
  if (!tg_args_has(runner->args, "quiet")) end_say(runner);
  if (output->format == TG_FORMAT_TEXT) return exit_code;
  int printed = result_print(runner, output);
  return printed ? printed : exit_code;
}

static int pipeline_run(struct runner *runner, const struct tg_output *output) {
  const struct tg_args *args = runner->args;
  const struct tg_version *version = NULL;
  char path[4096], *faults = NULL;
  struct tg_error err;
  int code = tg_load_find(runner->host, &runner->project, tg_args_word(args, 0), path, &err);
  if (!code) code = tg_host_build(runner->host, TG_BUNDLE_PIPELINE, path, &version, &faults, &err);
  if (code) return tg_exit_report(&err);
  if (faults) {
    int exit_code = tg_faults_report(faults);
    free(faults);
    return exit_code;
  }
  const char **params =
      tg_arena_alloc(&runner->project.arena, (args->given_count + 1) * sizeof *params);
  size_t count = 0;
  while (params && (params[count] = tg_args_nth(args, "param", count))) count++;
  struct tg_launch_options options = {
      .version = version,
      .params = params,
      .param_count = count,
      .has_at = tg_args_has(args, "at"),
      .at_ms = tg_args_time_ms(args, "at", 0),
      .is_new = tg_args_has(args, "new"),
      .select = tg_args_text(args, "select"),
  };
  code = tg_launch_decide(&runner->launch, runner->host, &options, &err);
  if (code) return tg_exit_report(&err);
  return runner->launch.kind == TG_LAUNCH_DONE ? done_say(runner, output)
                                               : run_go(runner, version, output);
}

static int run_run(const struct tg_args *args) {
  struct runner runner = {.args = args};
  struct tg_output output = tg_output_of(args, STDOUT_FILENO);
  struct tg_error err;
  int exit_code = tg_load_project(&runner.project, args);
  if (exit_code) return exit_code;
  int code = tg_host_open(&runner.project, true, &runner.host, &err);
  exit_code = code ? tg_exit_report(&err) : pipeline_run(&runner, &output);
  tg_timer_free(runner.tick);
  for (int i = 0; i < 2; i++) tg_signal_free(runner.signals[i]);
  tg_host_close(runner.host);
  tg_launch_deinit(&runner.launch);
  tg_project_deinit(&runner.project);
  return exit_code;
}

const struct tg_verb tg_verb_run = {
    .name = "run",
    .arguments = "PIPELINE",
    .arguments_min = 1,
    .arguments_max = 1,
    .summary = "run a pipeline to its end",
    .prose =
        "PIPELINE is a name in the project or a path. A run that was not finished (its host was\n"
        "killed) and has the same parameters is continued; else a new one starts. With --at it\n"
        "is the occurrence at that instant: unfinished it is continued, failed it is rerun from\n"
        "its failure, and if it succeeded that is said and nothing runs.",
    .options =
        (const struct tg_option[]){
            {"param", 'p', TG_OPTION_TEXT, "NAME=VALUE", "a parameter (may be given again)", NULL,
             NULL},
            {"at", 0, TG_OPTION_TIME, "TIME", "the occurrence at this instant (RFC 3339 or a date)",
             NULL, NULL},
            {"select", 0, TG_OPTION_TEXT, "SEL", "only these tasks (name, +name, name+, tag:x, *)",
             NULL, NULL},
            {"new", 0, TG_OPTION_FLAG, NULL, "always start afresh", NULL, NULL},
            {NULL, 0, TG_OPTION_FLAG, NULL, NULL, NULL, NULL},
        },
    .examples =
        (const struct tg_example[]){
            {"run packages", "a run by hand"},
            {"run orders -p region=US --at 2026-11-20", "the occurrence of a day"},
            {"run orders --select gold_daily+ -o json", "a part of it, the result as JSON"},
            {NULL, NULL},
        },
    .run = run_run,
};
