// SPDX-License-Identifier: Apache-2.0
#include "cli/requests.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "cli/launch.h"

static const char reason[] = "cancelled from the command line";
static const char suffix[] = ".cancel";

static void path_put(const char *data, const struct tg_run *run, char path[TG_REQUEST_PATH_MAX]) {
  char id[TG_ID_TEXT_LEN + 1];
  tg_id_format(run->id, id);
  snprintf(path, TG_REQUEST_PATH_MAX, "%s/requests/%s%s", data, id, suffix);
}

int tg_request_cancel(const char *data, const struct tg_run *run, struct tg_error *err) {
  char path[TG_REQUEST_PATH_MAX];
  snprintf(path, sizeof path, "%s/requests", data);
  int code = tg_file_make_folder(path, err);
  if (code) return code;
  path_put(data, run, path);
  return tg_file_write(path, "", 0, err);
}

void tg_request_forget(const char *data, const struct tg_run *run) {
  char path[TG_REQUEST_PATH_MAX];
  path_put(data, run, path);
  unlink(path);
}

// --- Cancelling ---

static int left_cancel(struct tg_host *host, struct tg_history *history, const struct tg_run *run,
                       struct tg_error *err) {
  struct tg_launch launch;
  tg_launch_init(&launch);
  launch.cancelled = reason;
  int code = tg_launch_resume(&launch, host, history, run, err);
  if (!code) tg_launch_start(&launch, host);
  tg_launch_deinit(&launch); // the engine has copied what it needs
  return code;
}

static int one_cancel(struct tg_host *host, struct tg_history *history, const struct tg_run *run,
                      struct tg_error *err) {
  struct tg_conductor *conductor = tg_host_services(host)->conductor;
  if (!tg_conductor_find_run(conductor, run->number)) return left_cancel(host, history, run, err);
  tg_conductor_input(
      conductor,
      &(struct tg_input){.kind = TG_INPUT_CANCEL,
                         .cancel = {.run = run->number, .code = TG_ECANCELLED, .reason = reason}});
  return TG_OK;
}

// The parent first, so that it does not take the end of a child for a failure. The runs of a tree
// are few and its depth is limited by the number of child runs that a host knows.
int tg_run_cancel(struct tg_host *host, struct tg_history *history, const struct tg_run *run,
                  struct tg_error *err) {
  struct tg_arena arena;
  struct tg_run *children;
  size_t count = 0;
  char id[TG_ID_TEXT_LEN + 1];
  tg_id_format(run->id, id);
  struct tg_run_filter filter = {.state = TG_RUN_RUNNING, .parent = id};
  tg_arena_init(&arena);
  int code = one_cancel(host, history, run, err);
  if (!code) code = tg_history_runs(history, &filter, &arena, &children, &count, err);
  for (size_t i = 0; i < count && !code; i++)
    code = tg_run_cancel(host, history, &children[i], err);
  tg_arena_deinit(&arena);
  return code;
}

// --- Requests ---

// Takes the id out of the name of a request.
static bool id_of(const char *name, char id[TG_ID_TEXT_LEN + 1]) {
  struct tg_id known;
  if (strlen(name) != TG_ID_TEXT_LEN + strlen(suffix)) return false;
  memcpy(id, name, TG_ID_TEXT_LEN);
  id[TG_ID_TEXT_LEN] = 0;
  return strcmp(name + TG_ID_TEXT_LEN, suffix) == 0 && tg_id_parse(id, &known);
}

static void request_obey(struct tg_host *host, const char *id) {
  struct tg_history *history = NULL;
  struct tg_arena arena;
  struct tg_run run;
  struct tg_error err;
  tg_arena_init(&arena);
  int code = tg_history_open(tg_host_services(host)->data, &history, &err);
  if (!code) code = tg_history_run(history, id, &arena, &run, &err);
  if (!code && !tg_run_state_is_terminal(run.state))
    code = tg_run_cancel(host, history, &run, &err);
  if (code) tg_log(TG_LOG_WARN, "run %s was to be cancelled: %s", id, err.text);
  tg_history_close(history);
  tg_arena_deinit(&arena);
}

void tg_requests_obey(struct tg_host *host) {
  char folder[TG_REQUEST_PATH_MAX], path[TG_REQUEST_PATH_MAX + 64], id[TG_ID_TEXT_LEN + 1];
  snprintf(folder, sizeof folder, "%s/requests", tg_host_services(host)->data);
  DIR *requests = opendir(folder);
  struct dirent *entry;
  while (requests && (entry = readdir(requests))) {
    if (!id_of(entry->d_name, id)) continue;
    request_obey(host, id);
    snprintf(path, sizeof path, "%s/%.60s", folder, entry->d_name);
    unlink(path);
  }
  if (requests) closedir(requests);
}
