// SPDX-License-Identifier: Apache-2.0
// Benchmarks: each case runs the real binary as a whole process, or calls one function in a loop,
// and prints a line of JSON. What is compared is measured in the same run, on the same disk.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct bench {
  const char *binary;
  bool is_quick;
  char folder[256]; // the temporary project
};

/// What a case measured. A number that is NaN is printed as null.
struct bench_figure {
  const char *name;
  uint64_t n;
  double seconds;         // of the run as its store tells it, or of the loop
  double wall_seconds;    // of the whole process
  double cpu_seconds;     // of all processes together
  double rate;            // per second
  double baseline;        // seconds for the same n
  int64_t peak_rss_bytes; // of the largest process; 0 for none
  const char *target;
  bool is_reached;
  const char *error; // why there are no numbers, or NULL
};

/// Prints a figure; the ratio is baseline / seconds: the speed as a multiple of the baseline's.
void bench_print(const struct bench_figure *figure);

double bench_now(void);

// --- project.c: the temporary project, and runs in it ---

/// Makes the project's folder, on a disk: TMPDIR, or /var/tmp. It is removed at exit.
void bench_project_make(struct bench *bench);

/// Writes a file of the project.
void bench_project_write(const struct bench *bench, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/// Removes the project's data folder, so that the next run finds a fresh store.
void bench_project_forget(const struct bench *bench);

struct bench_run {
  double wall_seconds, cpu_seconds;
  double run_seconds;     // of the last run in the store; NaN if there is none
  int64_t peak_rss_bytes; // of the largest process
  int64_t host_rss_bytes; // of the host alone, looked at every 10 ms
  int64_t success_count;  // tasks of the last run that succeeded
  char error[512];        // what it said on stderr, if it did not end with `code`
};

/// Runs tidegate with the arguments (NULL-terminated) and waits for it, 300 s at most.
struct bench_run bench_run(const struct bench *bench, int code, const char *const *args);

/// Asks the project's store for one number; NaN if there is no answer.
double bench_query(const struct bench *bench, const char *sql);

// --- baseline.c ---

/// Gives the seconds that SQLite takes for `n` transactions of one row, WAL and synchronous=FULL.
double bench_baseline_commits(const struct bench *bench, uint64_t n);

/// Gives the seconds that a bare loop takes for `n` x /bin/true, `width` at a time.
double bench_baseline_spawns(uint64_t n, int width);

/// Gives the seconds that plain lua5.4 processes take for a script `n` times, `width` at a time.
double bench_baseline_lua(const char *script, uint64_t n, int width);

// --- the cases ---

void bench_chain(const struct bench *bench, uint64_t n);
void bench_fanout(const struct bench *bench, uint64_t n);
void bench_graph(const struct bench *bench, uint64_t n);
void bench_million(const struct bench *bench, uint64_t n);
void bench_cmd(const struct bench *bench, uint64_t n);
void bench_steps(const struct bench *bench, uint64_t n);
void bench_sleepers(const struct bench *bench, uint64_t n);
void bench_waiters(const struct bench *bench, uint64_t n);
void bench_cold(const struct bench *bench, uint64_t n);
void bench_fib(const struct bench *bench, uint64_t n);
void bench_neighbour(const struct bench *bench, uint64_t n);
void bench_backoff(const struct bench *bench, uint64_t n);
void bench_dag_walk(const struct bench *bench, uint64_t n);
