// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

enum { ARGS_MAX = 16, SAMPLE_MS = 10, SECONDS_MAX = 300 };

extern char **environ;

static char folder[256]; // for the removal at exit

static void die(const char *what) {
  fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
  exit(1);
}

static int entry_remove(const char *path, const struct stat *info, int kind, struct FTW *at) {
  (void)info;
  (void)kind;
  (void)at;
  return remove(path);
}

static void tree_remove(const char *path) {
  nftw(path, entry_remove, 16, FTW_DEPTH | FTW_PHYS);
}

static void folder_remove(void) {
  tree_remove(folder);
}

void bench_project_make(struct bench *bench) {
  const char *base = getenv("TMPDIR");
  snprintf(bench->folder, sizeof bench->folder, "%.200s/tidegate-bench-XXXXXX",
           base ? base : "/var/tmp");
  if (!mkdtemp(bench->folder)) die(bench->folder);
  snprintf(folder, sizeof folder, "%s", bench->folder);
  atexit(folder_remove);
  char path[512];
  snprintf(path, sizeof path, "%s/pipelines", folder);
  if (mkdir(path, 0755) != 0) die(path);
  bench_project_write(bench, "tidegate.yaml", "name: bench\n");
}

void bench_project_write(const struct bench *bench, const char *name, const char *format, ...) {
  char path[512];
  snprintf(path, sizeof path, "%s/%s", bench->folder, name);
  FILE *file = fopen(path, "w");
  if (!file) die(path);
  va_list args;
  va_start(args, format);
  vfprintf(file, format, args);
  va_end(args);
  if (fclose(file) != 0) die(path);
}

void bench_project_forget(const struct bench *bench) {
  char path[512];
  snprintf(path, sizeof path, "%s/.tidegate", bench->folder);
  tree_remove(path);
}

double bench_query(const struct bench *bench, const char *sql) {
  char path[512];
  sqlite3 *db = NULL;
  sqlite3_stmt *statement = NULL;
  double value = NAN;
  snprintf(path, sizeof path, "%s/.tidegate/state.db", bench->folder);
  if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
      sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK &&
      sqlite3_step(statement) == SQLITE_ROW)
    value = sqlite3_column_double(statement, 0);
  sqlite3_finalize(statement);
  sqlite3_close(db);
  return value;
}

// Starts the binary in the project, its output in files there.
static pid_t start(const struct bench *bench, const char *const *args) {
  char *argv[ARGS_MAX] = {(char *)bench->binary, "--project", (char *)bench->folder};
  char out[512], err[512];
  pid_t pid;
  sigset_t defaults;
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  for (int i = 0; args[i] && i < ARGS_MAX - 4; i++) argv[i + 3] = (char *)args[i];
  snprintf(out, sizeof out, "%s/stdout", bench->folder);
  snprintf(err, sizeof err, "%s/stderr", bench->folder);
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, 1, out, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  posix_spawn_file_actions_addopen(&files, 2, err, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  posix_spawnattr_init(&attributes);
  sigfillset(&defaults);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  errno = posix_spawn(&pid, bench->binary, &files, &attributes, argv, environ);
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  if (errno) die(bench->binary);
  return pid;
}

static int64_t host_rss(pid_t pid) {
  char path[64], line[256];
  long long kib = 0;
  snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
  FILE *file = fopen(path, "r");
  while (file && fgets(line, sizeof line, file))
    if (sscanf(line, "VmHWM: %lld kB", &kib) == 1) break;
  if (file) fclose(file);
  return kib * 1024;
}

// Waits for the child and looks at its memory meanwhile.
static void watch(pid_t pid, struct bench_run *run, double begin) {
  struct pollfd end = {.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};
  if (end.fd < 0) die("pidfd_open");
  while (poll(&end, 1, SAMPLE_MS) == 0) {
    int64_t rss = host_rss(pid);
    if (rss > run->host_rss_bytes) run->host_rss_bytes = rss;
    if (bench_now() - begin > SECONDS_MAX) kill(pid, SIGKILL);
  }
  close(end.fd);
}

static void error_read(const struct bench *bench, int status, struct bench_run *run) {
  char path[512];
  snprintf(path, sizeof path, "%s/stderr", bench->folder);
  int len = snprintf(run->error, sizeof run->error,
                     "ended with %s %d: ", WIFEXITED(status) ? "code" : "signal",
                     WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
  FILE *file = fopen(path, "r");
  size_t got = file ? fread(run->error + len, 1, sizeof run->error - (size_t)len - 1, file) : 0;
  run->error[(size_t)len + got] = 0;
  if (file) fclose(file);
}

static double seconds_of(struct timeval time) {
  return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

struct bench_run bench_run(const struct bench *bench, int code, const char *const *args) {
  struct bench_run run = {.run_seconds = NAN};
  struct rusage usage;
  int status;
  double begin = bench_now();
  pid_t pid = start(bench, args);
  watch(pid, &run, begin);
  while (wait4(pid, &status, 0, &usage) < 0)
    if (errno != EINTR) die("wait4");
  run.wall_seconds = bench_now() - begin;
  run.cpu_seconds = seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
  run.peak_rss_bytes = (int64_t)usage.ru_maxrss * 1024;
  if (!WIFEXITED(status) || WEXITSTATUS(status) != code) {
    error_read(bench, status, &run);
    return run;
  }
  run.run_seconds = bench_query(bench, "SELECT (ended_at - created_at) / 1000.0 FROM runs"
                                       " ORDER BY number DESC LIMIT 1");
  double count = bench_query(bench, "SELECT count(*) FROM tasks WHERE state = 'success'"
                                    " AND run = (SELECT max(number) FROM runs)");
  run.success_count = isfinite(count) ? (int64_t)count : 0;
  return run;
}
