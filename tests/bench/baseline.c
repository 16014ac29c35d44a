// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <spawn.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

extern char **environ;

static bool commits_do(sqlite3 *db, uint64_t n) {
  sqlite3_stmt *statement = NULL;
  bool is_good = sqlite3_prepare_v2(db, "INSERT INTO t VALUES (?1, 'success')", -1, &statement,
                                    NULL) == SQLITE_OK;
  for (uint64_t i = 0; i < n && is_good; i++) {
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)i);
    is_good = sqlite3_step(statement) == SQLITE_DONE;
    sqlite3_reset(statement);
  }
  sqlite3_finalize(statement);
  return is_good;
}

double bench_baseline_commits(const struct bench *bench, uint64_t n) {
  char path[512];
  sqlite3 *db = NULL;
  double seconds = NAN;
  snprintf(path, sizeof path, "%s/baseline.db", bench->folder);
  if (sqlite3_open(path, &db) == SQLITE_OK &&
      sqlite3_exec(db,
                   "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                   "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)",
                   NULL, NULL, NULL) == SQLITE_OK) {
    double begin = bench_now();
    if (commits_do(db, n)) seconds = bench_now() - begin;
  }
  sqlite3_close(db);
  unlink(path);
  return seconds;
}

// Gives the seconds of `n` children, `width` at a time; NaN if one fails.
static double children_run(char **argv, uint64_t n, int width) {
  uint64_t started = 0;
  int running = 0, status;
  bool is_good = true;
  double begin = bench_now();
  while (started < n || running) {
    pid_t pid;
    if (started < n && running < width) {
      if (posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ) != 0) return NAN;
      started++;
      running++;
    } else if (waitpid(-1, &status, 0) > 0) {
      running--;
      is_good = is_good && status == 0;
    }
  }
  return is_good ? bench_now() - begin : NAN;
}

double bench_baseline_spawns(uint64_t n, int width) {
  char *argv[] = {"/bin/true", NULL};
  return children_run(argv, n, width);
}

double bench_baseline_lua(const char *script, uint64_t n, int width) {
  char *argv[] = {"lua5.4", "-e", (char *)script, NULL};
  return children_run(argv, n, width);
}
