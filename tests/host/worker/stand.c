// SPDX-License-Identifier: Apache-2.0
// cmocka wants these four first.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "host/worker/stand.h"

#include <ftw.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "loop/proc.h"
#include "script/worker.h"

enum { WORKER_FD = 3, PATH_MAX_BYTES = 4096, PATIENCE_MS = 60000 };

void stand_main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "script-worker") == 0) exit(tg_script_worker_main(WORKER_FD));
}

void stand_init(struct stand *stand) {
  *stand = (struct stand){.folder = "/tmp/tidegate-test-XXXXXX"};
  assert_non_null(mkdtemp(stand->folder));
  assert_int_equal(chdir(stand->folder), 0);
  tg_buf_init(&stand->log, 64 << 20);
  tg_arena_init(&stand->arena);
  tg_arena_init(&stand->project.arena);
  char data[80];
  snprintf(data, sizeof data, "%s/.tidegate", stand->folder);
  stand->project.root = stand->folder;
  stand->project.name = "test";
  stand->project.data = tg_arena_strdup(&stand->project.arena, data);
  stand->files = (struct tg_project_folder){.path = stand->folder, .may_write = true};
  stand->project.files = &stand->files;
  stand->project.file_count = 1;
  tg_log_configure(TG_LOG_ERROR, false);
}

static int entry_remove(const char *path, const struct stat *info, int type, struct FTW *walk) {
  (void)info;
  (void)type;
  (void)walk;
  return remove(path);
}

void stand_deinit(struct stand *stand) {
  stand_close(stand);
  tg_arena_deinit(&stand->arena);
  tg_arena_deinit(&stand->project.arena);
  tg_buf_deinit(&stand->log);
  assert_int_equal(chdir("/"), 0);
  assert_int_equal(nftw(stand->folder, entry_remove, 8, FTW_DEPTH | FTW_PHYS), 0);
}

void stand_write_bytes(const struct stand *stand, const char *path, const void *bytes, size_t len) {
  char whole[PATH_MAX_BYTES], folder[PATH_MAX_BYTES];
  snprintf(whole, sizeof whole, "%s/%s", stand->folder, path);
  snprintf(folder, sizeof folder, "%s", whole);
  assert_int_equal(tg_file_make_folder(dirname(folder), NULL), TG_OK);
  assert_int_equal(tg_file_write(whole, bytes, len, NULL), TG_OK);
}

void stand_write(const struct stand *stand, const char *path, const char *text) {
  stand_write_bytes(stand, path, text, strlen(text));
}

char *stand_read_file(const struct stand *stand, const char *path, size_t *len) {
  char whole[PATH_MAX_BYTES];
  struct tg_buf text;
  snprintf(whole, sizeof whole, "%s/%s", stand->folder, path);
  tg_buf_init(&text, 64 << 20);
  int code = tg_file_read(whole, &text, NULL);
  if (!code && !text.data) tg_buf_puts(&text, "");
  if (len) *len = text.len;
  if (!code) return tg_buf_take(&text);
  tg_buf_deinit(&text);
  return NULL;
}

// Watching.

static void task_changed(void *self, const struct tg_live_run *run, uint32_t task) {
  struct stand *stand = self;
  stand->running = run->running;
  tg_buf_putf(&stand->log, "%s is %s\n", run->plan->tasks[task].name,
              tg_task_state_word((enum tg_task_state)run->tasks[task].state));
}

static void task_progress(void *self, const struct tg_live_run *run, uint32_t task, double done,
                          double total) {
  struct stand *stand = self;
  stand->progress_count++;
  tg_buf_putf(&stand->log, "%s progress %g/%g\n", run->plan->tasks[task].name, done, total);
}

static void task_log(void *self, const struct tg_live_run *run, uint32_t task, const char *level,
                     const char *text, size_t len) {
  struct stand *stand = self;
  tg_buf_putf(&stand->log, "%s %s %.*s\n", run->plan->tasks[task].name, level, (int)len, text);
}

static void run_ended(void *self, const struct tg_live_run *run) {
  struct stand *stand = self;
  if (run->run.parent) return; // the child of the one that is waited for
  stand->has_ended = true;
  stand->end = run->run.state;
}

// The host.

void stand_open(struct stand *stand, uint32_t workers) {
  struct tg_error err;
  stand->project.limits.workers = workers;
  if (tg_host_open(&stand->project, true, &stand->host, &err)) fail_msg("%s", err.text);
  tg_conductor_set_observer(tg_host_services(stand->host)->conductor,
                            &(struct tg_observer){.task_changed = task_changed,
                                                  .task_progress = task_progress,
                                                  .task_log = task_log,
                                                  .run_ended = run_ended,
                                                  .self = stand});
}

void stand_close(struct stand *stand) {
  tg_host_close(stand->host);
  tg_plan_free(stand->plan);
  stand->host = NULL;
  stand->plan = NULL;
  stand->has_ended = false;
}

void stand_build(struct stand *stand) {
  struct tg_error err;
  char *faults = NULL;
  if (tg_host_build(stand->host, TG_BUNDLE_PIPELINE, "pipelines/p.lua", &stand->version, &faults,
                    &err))
    fail_msg("%s", err.text);
  if (faults) fail_msg("%s", faults);
  tg_plan_free(stand->plan);
  const char *plan = stand->version->plan;
  if (tg_plan_parse(plan, strlen(plan), &stand->plan, &err)) fail_msg("%s", err.text);
}

char *stand_faults(struct stand *stand, const char *path) {
  const struct tg_version *version;
  struct tg_error err;
  char *faults = NULL;
  if (tg_host_build(stand->host, TG_BUNDLE_PIPELINE, path, &version, &faults, &err))
    fail_msg("%s", err.text);
  return faults;
}

void stand_begin(struct stand *stand, const char *params) {
  const struct tg_services *services = tg_host_services(stand->host);
  const struct tg_version *version = stand->version;
  struct tg_bundle_row row = tg_version_row(version, "p");
  tg_conductor_put_bundle(services->conductor, &row);
  struct tg_run run = {.id = tg_id_new(tg_clock_system()),
                       .pipeline = "p",
                       .bundle = version->hash,
                       .params = params,
                       .trigger = "manual",
                       .logical_at = INT64_C(1795150800000)};
  stand->has_ended = false;
  tg_conductor_input(
      services->conductor,
      &(struct tg_input){.kind = TG_INPUT_RUN, .run = {.run = &run, .plan = stand->plan}});
}

void stand_turn(struct stand *stand) {
  tg_loop_turn(tg_host_services(stand->host)->loop, true);
}

// Fails the test when nothing comes of it.
static int64_t give_up_at(void) {
  return tg_clock_mono_ms(tg_clock_system()) + PATIENCE_MS;
}

static void patience_fired(void *self) {
  *(bool *)self = true;
}

// What a test waits for.
struct wish {
  uint32_t running;
  const char *text;
};

static void turn_until(struct stand *stand,
                       bool (*is_done)(const struct stand *, const struct wish *),
                       const struct wish *wish) {
  bool is_over = false;
  struct tg_timer *patience =
      tg_timer_new(tg_host_services(stand->host)->loop, patience_fired, &is_over, NULL);
  tg_timer_start(patience, give_up_at() - tg_clock_mono_ms(tg_clock_system()));
  while (!is_done(stand, wish) && !is_over) stand_turn(stand);
  tg_timer_free(patience);
  if (is_over) fail_msg("nothing happens any more: %s", tg_buf_text(&stand->log));
}

static bool run_has_ended(const struct stand *stand, const struct wish *wish) {
  (void)wish;
  return stand->has_ended;
}

static bool so_many_run(const struct stand *stand, const struct wish *wish) {
  return stand->running >= wish->running;
}

static bool log_has_text(const struct stand *stand, const struct wish *wish) {
  return strstr(tg_buf_text(&stand->log), wish->text) != NULL;
}

void stand_finish(struct stand *stand) {
  turn_until(stand, run_has_ended, NULL);
  stand_read(stand);
}

void stand_await_running(struct stand *stand, uint32_t count) {
  turn_until(stand, so_many_run, &(struct wish){.running = count});
}

void stand_await_log(struct stand *stand, const char *text) {
  turn_until(stand, log_has_text, &(struct wish){.text = text});
}

static bool so_many_workers(const struct stand *stand, uint32_t count) {
  pid_t pids[64];
  (void)stand;
  return stand_workers(pids, 64) == count;
}

// The host hears nothing of a worker's exec, so the loop is not waited for.
void stand_await_workers(struct stand *stand, uint32_t count) {
  while (!so_many_workers(stand, count)) {
    usleep(1000);
    tg_loop_turn(tg_host_services(stand->host)->loop, false);
  }
}

void stand_run(struct stand *stand, uint32_t workers, const char *pipeline) {
  stand_write(stand, "pipelines/p.lua", pipeline);
  stand_open(stand, workers);
  stand_build(stand);
  stand_begin(stand, "{}");
  stand_finish(stand);
}

// The last run that is no child of another.
static int run_find(struct tg_history *history, struct stand *stand, struct tg_error *err) {
  struct tg_run_filter filter = {.state = -1, .pipeline = "p"};
  struct tg_run *runs;
  size_t count;
  int code = tg_history_runs(history, &filter, &stand->arena, &runs, &count, err);
  if (!code && !count) code = tg_error_set(err, TG_ENOT_FOUND, "there is no run");
  if (!code) stand->run = runs[0];
  return code;
}

void stand_read(struct stand *stand) {
  struct tg_history *history;
  struct tg_error err;
  int code = tg_history_open(stand->project.data, &history, &err);
  if (code) fail_msg("%s", err.text);
  code = run_find(history, stand, &err);
  uint64_t run = stand->run.number;
  if (!code)
    code = tg_history_tasks(history, run, &stand->arena, &stand->tasks, &stand->task_count, &err);
  if (!code)
    code = tg_history_attempts(history, run, &stand->arena, &stand->attempts, &stand->attempt_count,
                               &err);
  if (!code)
    code = tg_history_decisions(history, run, &stand->arena, &stand->decisions,
                                &stand->decision_count, &err);
  tg_history_close(history);
  if (code) fail_msg("%s", err.text);
}

const struct tg_task *stand_task(const struct stand *stand, const char *name) {
  for (size_t i = 0; i < stand->task_count; i++)
    if (strcmp(stand->tasks[i].name, name) == 0) return &stand->tasks[i];
  fail_msg("task %s is not in the store", name);
  return NULL;
}

const struct tg_attempt *stand_attempt(const struct stand *stand, const char *task,
                                       uint32_t number) {
  uint32_t index = stand_task(stand, task)->index;
  for (size_t i = 0; i < stand->attempt_count; i++)
    if (stand->attempts[i].task == index && stand->attempts[i].number == number)
      return &stand->attempts[i];
  fail_msg("attempt %u of task %s is not in the store", number, task);
  return NULL;
}

static bool is_worker(pid_t pid) {
  char path[64], line[4096] = "";
  snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
  FILE *file = fopen(path, "r");
  if (!file) return false;
  size_t len = fread(line, 1, sizeof line - 1, file);
  fclose(file);
  return memmem(line, len, "script-worker", 13) != NULL;
}

struct worker_list {
  pid_t *pids;
  size_t count, max;
};

static bool worker_add(void *self, pid_t pid) {
  struct worker_list *list = self;
  if (list->count < list->max && is_worker(pid)) list->pids[list->count++] = pid;
  return true;
}

size_t stand_workers(pid_t *pids, size_t max) {
  struct worker_list list = {.pids = pids, .max = max};
  tg_proc_each_child(worker_add, &list);
  return list.count;
}
