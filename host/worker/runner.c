// SPDX-License-Identifier: Apache-2.0
#include "worker/runner.h"

#include <stdlib.h>

#include "base/must.h"
#include "worker/requests.h"
#include "worker/retries.h"

struct tg_worker_runner {
  struct tg_scripts *scripts;
  struct tg_commands *commands;
  struct tg_retries *retries;
};

// A command's last resort is a function, as that of any task is.
static bool is_of_command(const struct tg_start *start) {
  return start->run->plan->tasks[start->task].runner == TG_RUNNER_COMMAND &&
         !start->run->tasks[start->unit].is_fallback;
}

static void start(void *self, const struct tg_start *start) {
  struct tg_worker_runner *runner = self;
  if (is_of_command(start))
    tg_commands_start(runner->commands, start);
  else
    tg_scripts_start(runner->scripts, start);
}

static void cancel(void *self, uint64_t attempt, int code) {
  struct tg_worker_runner *runner = self;
  if (!tg_scripts_cancel(runner->scripts, attempt, code))
    tg_commands_cancel(runner->commands, attempt, code);
}

static void step(void *self, uint64_t attempt, uint64_t request, int code, const char *text) {
  struct tg_worker_runner *runner = self;
  struct tg_script_attempt *own = tg_scripts_find(runner->scripts, attempt);
  if (own) tg_requests_step(own, request, code, text);
}

static void decide(void *self, const struct tg_retry_question *question) {
  struct tg_worker_runner *runner = self;
  tg_retries_ask(runner->retries, question);
}

static void run_begun(void *self, const struct tg_live_run *run) {
  struct tg_worker_runner *runner = self;
  tg_subruns_begun(tg_scripts_subruns(runner->scripts), run);
}

static void run_ended(void *self, const struct tg_live_run *run) {
  struct tg_worker_runner *runner = self;
  tg_subruns_ended(tg_scripts_subruns(runner->scripts), run);
}

struct tg_worker_runner *tg_worker_runner_new(const struct tg_services *services) {
  struct tg_worker_runner *runner = tg_must(calloc(1, sizeof *runner));
  runner->scripts = tg_scripts_new(services);
  runner->commands = tg_commands_new(services);
  runner->retries = tg_retries_new(services, runner->scripts);
  if (services->conductor)
    tg_conductor_set_runner(services->conductor, &(struct tg_runner){.start = start,
                                                                     .cancel = cancel,
                                                                     .step = step,
                                                                     .decide = decide,
                                                                     .run_begun = run_begun,
                                                                     .run_ended = run_ended,
                                                                     .self = runner});
  return runner;
}

void tg_worker_runner_free(struct tg_worker_runner *runner) {
  if (!runner) return;
  tg_scripts_free(runner->scripts);
  tg_commands_free(runner->commands);
  tg_retries_free(runner->retries);
  free(runner);
}

struct tg_scripts *tg_worker_runner_scripts(struct tg_worker_runner *runner) {
  return runner->scripts;
}
