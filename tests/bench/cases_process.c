// SPDX-License-Identifier: Apache-2.0
// Cases about processes: how fast one starts, how well the cores are used, how far one that
// misbehaves holds up the others.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"

static const char cold_source[] = "local tg = require 'tidegate'\n"
                                  "return tg.pipeline 'cold' {\n"
                                  "  tasks = { tg.task 'only' { run = function() end } },\n"
                                  "}\n";

#define FIB "local function fib(n) return n < 2 and n or fib(n - 1) + fib(n - 2) end\n"

static const char fib_source[] =
    "local tg = require 'tidegate'\n" FIB "local tasks = {}\n"
    "for i = 1, 10 do\n"
    "  tasks[i] = tg.task('t' .. i) { run = function() return fib(%llu) end }\n"
    "end\n"
    "return tg.pipeline 'fib' { tasks = tasks }\n";

// Eight chains beside a task that never leaves one pattern match.
static const char neighbour_source[] =
    "local tg = require 'tidegate'\n"
    "local function noop() end\n"
    "local text, pattern = ('a'):rep(5000), ('.-'):rep(12) .. 'b'\n"
    "local tasks = {\n"
    "  tg.task 'hostile' {\n"
    "    timeout = '5s', priority = 1,\n"
    "    run = function() while true do pcall(string.find, text, pattern) end end,\n"
    "  },\n"
    "}\n"
    "for i = 1, %llu do\n"
    "  tasks[i + 1] = tg.task('t' .. i) { after = i > 8 and { 't' .. i - 8 } or {}, run = noop }\n"
    "end\n"
    "return tg.pipeline 'neighbour' { tasks = tasks }\n";

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

void bench_cold(const struct bench *bench, uint64_t n) {
  struct bench_run run = {0};
  double walls[16];
  int64_t peak = 0;
  uint64_t count = 0;
  bench_project_write(bench, "pipelines/cold.lua", "%s", cold_source);
  const char *args[] = {"run", "cold", "-q", NULL};
  for (; count < n && !*run.error; count++) {
    bench_project_forget(bench);
    run = bench_run(bench, 0, args);
    walls[count] = run.wall_seconds;
    if (run.peak_rss_bytes > peak) peak = run.peak_rss_bytes;
  }
  qsort(walls, count, sizeof *walls, compare);
  double median = walls[count / 2];
  bench_print(
      &(struct bench_figure){.name = "cold",
                             .n = n,
                             .seconds = median,
                             .wall_seconds = median,
                             .rate = 1 / median,
                             .baseline = NAN,
                             .peak_rss_bytes = peak,
                             .target = "wall_seconds <= 0.025, peak_rss_bytes <= 25 MB",
                             .is_reached = !*run.error && median <= 0.025 && peak <= 25000000,
                             .error = *run.error ? run.error : NULL});
}

static struct bench_run fib_run(const struct bench *bench, int workers) {
  bench_project_write(bench, "tidegate.yaml", "name: bench\nlimits:\n  workers: %d\n", workers);
  bench_project_forget(bench);
  const char *args[] = {"run", "fib", "-q", NULL};
  struct bench_run run = bench_run(bench, 0, args);
  bench_project_write(bench, "tidegate.yaml", "name: bench\n");
  return run;
}

// What the machine itself gives for a second core: plain Lua, one process after the other and two
// at a time.
static void fib_lua(uint64_t n) {
  char script[256];
  snprintf(script, sizeof script, FIB "fib(%llu)", (unsigned long long)n);
  double one = bench_baseline_lua(script, 10, 1), two = bench_baseline_lua(script, 10, 2);
  bench_print(&(struct bench_figure){.name = "fib_lua",
                                     .n = n,
                                     .seconds = two,
                                     .wall_seconds = two,
                                     .rate = 10 / two,
                                     .baseline = one,
                                     .target = "none: plain lua5.4, for comparison",
                                     .is_reached = true});
}

void bench_fib(const struct bench *bench, uint64_t n) {
  bench_project_write(bench, "pipelines/fib.lua", fib_source, (unsigned long long)n);
  struct bench_run one = fib_run(bench, 1), two = fib_run(bench, 2);
  const struct bench_run *failed = *one.error ? &one : *two.error ? &two : NULL;
  bench_print(&(struct bench_figure){.name = "fib",
                                     .n = n,
                                     .seconds = two.run_seconds,
                                     .wall_seconds = two.wall_seconds,
                                     .rate = 10 / two.run_seconds,
                                     .baseline = one.run_seconds,
                                     .peak_rss_bytes = two.peak_rss_bytes,
                                     .target = "ratio >= 1.8",
                                     .is_reached = one.run_seconds / two.run_seconds >= 1.8,
                                     .error = failed ? failed->error : NULL});
  fib_lua(n);
}

// The time from a task's start in the host to its end there; the tasks themselves do nothing.
void bench_neighbour(const struct bench *bench, uint64_t n) {
  bench_project_write(bench, "pipelines/neighbour.lua", neighbour_source, (unsigned long long)n);
  bench_project_forget(bench);
  const char *args[] = {"run", "neighbour", "-q", NULL};
  struct bench_run run = bench_run(bench, 4, args);
  double p99 = bench_query(bench, "SELECT (ended_at - started_at) / 1000.0 FROM tasks"
                                  " WHERE name <> 'hostile' ORDER BY ended_at - started_at DESC"
                                  " LIMIT 1 OFFSET (SELECT count(*) / 100 FROM tasks)");
  if (!*run.error && run.success_count != (int64_t)n)
    snprintf(run.error, sizeof run.error, "%lld tasks succeeded", (long long)run.success_count);
  bench_print(&(struct bench_figure){.name = "neighbour",
                                     .n = n,
                                     .seconds = p99,
                                     .wall_seconds = run.wall_seconds,
                                     .rate = NAN,
                                     .baseline = NAN,
                                     .peak_rss_bytes = run.peak_rss_bytes,
                                     .target = "seconds (p99) <= 0.02",
                                     .is_reached = !*run.error && p99 <= 0.02,
                                     .error = *run.error ? run.error : NULL});
}
