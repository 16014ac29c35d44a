// SPDX-License-Identifier: Apache-2.0
#include "cli/drive.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/exit.h"
#include "cli/resource.h"
#include "cli/text.h"
#include "cli/view.h"
#include "cli/waiting.h"

enum { REST_BYTES_MAX = 65536 };

static int64_t wall_ms(const struct tg_drive *drive) {
  return tg_clock_wall_ms(tg_loop_clock(tg_host_services(drive->host)->loop));
}

// --- Watching ---

static bool is_ours(const struct tg_drive *drive, const struct tg_live_run *run) {
  return tg_id_equal(run->run.id, drive->launch->run.id);
}

// Puts what a parked task rests for; nothing for another one.
static void rest_put(const struct tg_live_run *run, uint32_t task, struct tg_buf *out) {
  const struct tg_live_task *t = &run->tasks[task];
  const struct tg_live_notes *notes = tg_live_notes(t);
  char id[TG_ID_TEXT_LEN + 1];
  if (!t->is_parked || !notes->step_count) return;
  const char *wait = notes->steps[notes->step_count - 1].wait;
  tg_buf_puts(out, wait ? "waits for " : "sleeps");
  if (!wait) return;
  tg_id_format(run->run.id, id);
  tg_waiting_put(out, wait);
  tg_waiting_put_command(out, wait, id, run->plan->tasks[task].name, TG_NO_ITEM);
}

static void task_changed(void *self, const struct tg_live_run *run, uint32_t task) {
  struct tg_drive *drive = self;
  if (!is_ours(drive, run)) return; // of a child run
  const struct tg_live_task *t = &run->tasks[task];
  const struct tg_live_notes *notes = tg_live_notes(t);
  struct tg_progress_change change = {.task = task,
                                      .state = (enum tg_task_state)t->state,
                                      .attempt = t->attempts,
                                      .error =
                                          t->state != TG_TASK_RUNNING ? notes->failure.text : NULL,
                                      .retry_at = notes->retry_at};
  struct tg_buf rest;
  tg_buf_init(&rest, REST_BYTES_MAX);
  rest_put(run, task, &rest);
  if (rest.len) change.rest = tg_buf_text(&rest);
  tg_progress_task(drive->progress, &change, wall_ms(drive));
  tg_buf_deinit(&rest);
}

static void task_progress(void *self, const struct tg_live_run *run, uint32_t task, double done,
                          double total) {
  struct tg_drive *drive = self;
  if (is_ours(drive, run)) tg_progress_report(drive->progress, task, done, total);
}

static void task_log(void *self, const struct tg_live_run *run, uint32_t task, const char *level,
                     const char *text, size_t len) {
  struct tg_drive *drive = self;
  (void)len;
  tg_progress_log(drive->progress, is_ours(drive, run) ? task : UINT32_MAX, level, text,
                  wall_ms(drive));
}

static void end_take(struct tg_drive *drive, const struct tg_run *run) {
  drive->has_ended = true;
  drive->state = run->state;
  drive->failure = run->failure;
  drive->failure.text = tg_arena_strdup(&drive->launch->arena, run->failure.text);
  tg_progress_finish(drive->progress, run->state, run->ended_at);
}

// Child runs that nobody waited for end before the host does.
static void run_ended(void *self, const struct tg_live_run *run) {
  struct tg_drive *drive = self;
  if (is_ours(drive, run)) end_take(drive, &run->run);
  if (drive->has_ended && !tg_conductor_has_runs(tg_host_services(drive->host)->conductor))
    tg_host_stop(drive->host);
}

static void resource_turned(void *self, const struct tg_resource *resource) {
  struct tg_drive *drive = self;
  char text[TG_RESOURCE_TEXT_MAX];
  enum tg_log_level level = tg_resource_is_closed(resource) ? TG_LOG_INFO : TG_LOG_WARN;
  tg_resource_say(resource, text);
  tg_progress_log(drive->progress, UINT32_MAX, tg_log_level_word(level), text, wall_ms(drive));
}

static void ticked(void *self) {
  struct tg_drive *drive = self;
  tg_progress_tick(drive->progress, wall_ms(drive));
}

// The host's own log goes through the display, which owns the terminal.
static void line_logged(void *self, enum tg_log_level level, const char *line) {
  struct tg_drive *drive = self;
  tg_progress_log(drive->progress, UINT32_MAX, tg_log_level_word(level), line, wall_ms(drive));
}

// --- Going ---

enum tg_progress_mode tg_drive_mode(const struct tg_args *args, const struct tg_output *shown) {
  if (tg_args_has(args, "quiet")) return TG_PROGRESS_QUIET;
  if (tg_args_choice(args, "log-format", TG_LOG_FORMAT_TEXT) == TG_LOG_FORMAT_JSON)
    return TG_PROGRESS_JSON;
  return shown->width ? TG_PROGRESS_LIVE : TG_PROGRESS_PLAIN;
}

static int progress_open(struct tg_drive *drive, struct tg_error *err) {
  const struct tg_launch *launch = drive->launch;
  struct tg_output shown = tg_output_of(drive->args, STDERR_FILENO);
  drive->progress = tg_progress_new(launch->plan, tg_drive_mode(drive->args, &shown),
                                    shown.has_color, tg_progress_stderr(), wall_ms(drive));
  if (!drive->progress) return tg_error_set(err, TG_ENOMEM, "no memory for the display");
  for (size_t i = 0; i < launch->task_count && launch->kind == TG_LAUNCH_RESUMED; i++)
    if (tg_task_state_is_terminal(launch->tasks[i].state))
      tg_progress_known(drive->progress, launch->tasks[i].index, launch->tasks[i].state);
  if (shown.width) tg_log_set_sink(line_logged, drive);
  return TG_OK;
}

int tg_drive_go(struct tg_drive *drive, struct tg_error *err) {
  const struct tg_observer observer = {.task_changed = task_changed,
                                       .task_progress = task_progress,
                                       .task_log = task_log,
                                       .run_ended = run_ended,
                                       .resource_turned = resource_turned,
                                       .self = drive};
  int code = progress_open(drive, err);
  if (!code) code = tg_watch_begin(&drive->watch, drive->host, ticked, drive, err);
  if (!code) {
    tg_conductor_set_observer(tg_host_services(drive->host)->conductor, &observer);
    tg_launch_start(drive->launch, drive->host);
    code = tg_host_run(drive->host, err);
  }
  int signum = drive->watch.signum;
  tg_watch_end(&drive->watch);
  drive->watch.signum = signum;
  tg_log_set_sink(NULL, NULL);
  tg_progress_free(drive->progress);
  drive->progress = NULL;
  return code;
}

// --- Telling ---

int tg_drive_print(const struct tg_drive *drive, const struct tg_output *output) {
  char id[TG_ID_TEXT_LEN + 1];
  struct tg_history *history = NULL;
  struct tg_view view = {0};
  struct tg_error err;
  if (output->format == TG_FORMAT_TEXT) return TG_EXIT_SUCCESS;
  tg_id_format(drive->launch->run.id, id);
  int code = tg_history_open(drive->project->data, &history, &err);
  if (!code) code = tg_view_read(&view, history, id, &err);
  int exit_code =
      code ? tg_exit_report(&err)
           : tg_output_document(output, json_pack("{s:o}", "run", tg_view_json(&view, false)));
  tg_view_deinit(&view);
  tg_history_close(history);
  return exit_code;
}

static int exit_code_of(const struct tg_drive *drive) {
  if (!drive->has_ended) return TG_EXIT_SIGNAL + drive->watch.signum;
  if (drive->state == TG_RUN_SUCCESS || drive->state == TG_RUN_SKIPPED) return TG_EXIT_SUCCESS;
  if (drive->failure.code == TG_ETIMEOUT) return TG_EXIT_DEADLINE;
  if (drive->failure.class == TG_CLASS_CONTRACT) return TG_EXIT_GATE;
  return TG_EXIT_FAILED;
}

static void failure_say(const struct tg_drive *drive, const char *id) {
  const struct tg_failure *failure = &drive->failure;
  const char *text = failure->text ? failure->text : tg_code_text(failure->code);
  const char *word = drive->state == TG_RUN_CANCELLED ? "was cancelled"
                     : drive->state == TG_RUN_SKIPPED ? "did not run"
                                                      : "failed";
  struct tg_buf clean; // the text may be a script's
  tg_buf_init(&clean, SIZE_MAX / 2);
  tg_text_put_clean(&clean, text, strlen(text));
  fprintf(stderr, "tidegate: run %s %s: %s\n  tidegate show %.13s   tidegate why %.13s\n", id, word,
          tg_buf_text(&clean), id, id);
  tg_buf_deinit(&clean);
}

static void end_say(const struct tg_drive *drive) {
  char id[TG_ID_TEXT_LEN + 1];
  tg_id_format(drive->launch->run.id, id);
  if (!drive->has_ended && drive->again)
    fprintf(stderr, "tidegate: run %s was not finished; \"tidegate %s %s\" continues it\n", id,
            drive->again, id);
  else if (!drive->has_ended)
    fprintf(stderr, "tidegate: run %s was not finished; the same command continues it\n", id);
  else if (drive->state != TG_RUN_SUCCESS)
    failure_say(drive, id);
}

int tg_drive(struct tg_drive *drive, const struct tg_output *output) {
  struct tg_error err;
  if (tg_drive_go(drive, &err)) return tg_exit_report(&err);
  if (!tg_args_has(drive->args, "quiet")) end_say(drive);
  int printed = tg_drive_print(drive, output);
  return printed ? printed : exit_code_of(drive);
}
