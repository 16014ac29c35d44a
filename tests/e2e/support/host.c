// SPDX-License-Identifier: Apache-2.0
#include "e2e/support/host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { WATCHDOG_MS = 60000, ORPHANS_MS = 10000, LOOK_MS = 2, PATH_MAX_BYTES = 4200 };

extern char **environ;

int64_t host_now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void host_pause_ms(long ms) {
  struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
  while (nanosleep(&pause, &pause) != 0 && errno == EINTR) continue;
}

long host_setting(const char *name, long value) {
  const char *text = getenv(name);
  return text && *text ? strtol(text, NULL, 10) : value;
}

unsigned host_random(unsigned limit) {
  static uint64_t state;
  if (!state) state = (uint64_t)host_setting("TIDEGATE_SEED", 20261120) | 1;
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (unsigned)(state >> 33) % limit;
}

static void file_write(const struct host_project *project, const char *name, const char *text) {
  char path[PATH_MAX_BYTES];
  snprintf(path, sizeof path, "%s/%s", project->dir, name);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fputs(text, file);
  fclose(file);
}

static void folder_make(const struct host_project *project, const char *name) {
  char path[PATH_MAX_BYTES];
  snprintf(path, sizeof path, "%s/%s", project->dir, name);
  assert_int_equal(mkdir(path, 0755), 0);
}

void host_project_make(struct host_project *project, const char *pipeline) {
  const char *build = getenv("TIDEGATE_BUILD");
  char relative[4000];
  snprintf(relative, sizeof relative, "%.3900s/tidegate", build && *build ? build : "build");
  assert_non_null(realpath(relative, project->binary));
  snprintf(project->dir, sizeof project->dir, "/tmp/tidegate-e2e-XXXXXX");
  assert_non_null(mkdtemp(project->dir));
  folder_make(project, "files");
  folder_make(project, "copy");
  folder_make(project, "pipelines");
  file_write(project, "tidegate.yaml", "files:\n  - { path: files, write: true }\n");
  file_write(project, "pipelines/p.lua", pipeline);
}

void host_project_remove(const struct host_project *project) {
  char command[256];
  snprintf(command, sizeof command, "rm -rf '%s'", project->dir);
  assert_int_equal(system(command), 0);
}

pid_t host_start(const struct host_project *project) {
  char dir[80], log[80];
  snprintf(dir, sizeof dir, "%s", project->dir);
  snprintf(log, sizeof log, "%s/stderr", project->dir);
  char *argv[] = {(char *)(uintptr_t)project->binary, "--project", dir, "-q", "run", "p", NULL};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, log, O_WRONLY | O_CREAT | O_TRUNC,
                                   0644);
  pid_t pid;
  assert_int_equal(posix_spawn(&pid, project->binary, &actions, NULL, argv, environ), 0);
  posix_spawn_file_actions_destroy(&actions);
  return pid;
}

static void stderr_show(const struct host_project *project) {
  char path[PATH_MAX_BYTES], text[2000];
  snprintf(path, sizeof path, "%s/stderr", project->dir);
  FILE *file = fopen(path, "r");
  if (!file) return;
  text[fread(text, 1, sizeof text - 1, file)] = 0;
  fclose(file);
  if (*text) print_error("the host said: %s", text);
}

int host_wait(const struct host_project *project, pid_t pid) {
  int status;
  int64_t until = host_now_ms() + WATCHDOG_MS;
  while (waitpid(pid, &status, WNOHANG) == 0) {
    if (host_now_ms() > until) {
      kill(pid, SIGKILL);
      waitpid(pid, &status, 0);
      stderr_show(project);
      fail_msg("the host did not end");
    }
    host_pause_ms(LOOK_MS);
  }
  int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  if (code != 0 && code < 128) stderr_show(project);
  return code;
}

int host_orphans_wait(void) {
  int64_t until = host_now_ms() + ORPHANS_MS;
  for (;;) {
    pid_t pid = waitpid(-1, NULL, WNOHANG);
    if (pid < 0) return 0;
    if (pid > 0) continue;
    if (host_now_ms() > until) break;
    host_pause_ms(LOOK_MS);
  }
  int left = 0;
  siginfo_t info = {0};
  while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0 && left == 0)
    left++;
  return left;
}

// A crash leaves state.db and its log; the file of shared memory is rebuilt by whoever opens them.
static void store_copy(const struct host_project *project, char *path, size_t size) {
  char command[400];
  snprintf(path, size, "%s/copy/state.db", project->dir);
  snprintf(command, sizeof command,
           "rm -f '%s'/copy/* && cp '%s'/.tidegate/state.db* '%s'/copy/ && rm -f '%s'/copy/*-shm",
           project->dir, project->dir, project->dir, project->dir);
  assert_int_equal(system(command), 0);
}

void host_store_ask(const struct host_project *project, const char *query,
                    void (*row)(void *self, const char *text), void *self) {
  char path[PATH_MAX_BYTES];
  sqlite3 *database;
  sqlite3_stmt *statement;
  store_copy(project, path, sizeof path);
  assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
  if (sqlite3_prepare_v2(database, query, -1, &statement, NULL) != SQLITE_OK)
    fail_msg("%s: %s", query, sqlite3_errmsg(database));
  int code;
  while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
    const char *text = (const char *)sqlite3_column_text(statement, 0);
    row(self, text ? text : "");
  }
  assert_int_equal(code, SQLITE_DONE);
  sqlite3_finalize(statement);
  sqlite3_close(database);
}

static void number_row(void *self, const char *text) {
  *(long *)self = strtol(text, NULL, 10);
}

long host_store_number(const struct host_project *project, const char *query) {
  long number = -1;
  host_store_ask(project, query, number_row, &number);
  return number;
}

static void whole_row(void *self, const char *text) {
  (void)self;
  assert_string_equal(text, "ok");
}

void host_store_check(const struct host_project *project) {
  host_store_ask(project, "PRAGMA integrity_check", whole_row, NULL);
}

static bool is_worker_of(pid_t pid, pid_t host) {
  char path[64], text[512];
  snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
  FILE *file = fopen(path, "r");
  if (!file) return false;
  text[fread(text, 1, sizeof text - 1, file)] = 0;
  fclose(file);
  const char *end = strrchr(text, ')'); // the name before it may hold anything
  int parent = 0;
  if (!end || sscanf(end, ") %*c %d", &parent) != 1 || parent != host) return false;
  snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
  file = fopen(path, "r");
  if (!file) return false;
  size_t len = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[len] = 0;
  size_t first = strlen(text) + 1;
  return first < len && strcmp(text + first, "script-worker") == 0;
}

size_t host_workers(pid_t host, pid_t *workers, size_t max) {
  DIR *folder = opendir("/proc");
  assert_non_null(folder);
  size_t count = 0;
  const struct dirent *entry;
  while (count < max && (entry = readdir(folder))) {
    pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
    if (pid > 0 && is_worker_of(pid, host)) workers[count++] = pid;
  }
  closedir(folder);
  return count;
}
