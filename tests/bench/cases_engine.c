// SPDX-License-Identifier: Apache-2.0
// Cases of many tasks: what the engine, the store and the workers do for each.
#include <math.h>
#include <stdio.h>
#include <time.h>

#include "bench.h"

enum { STEPS_RUNS = 5000, STEPS_SECONDS = 10, STEPS_COMMITS = 300 };

#define BENCH_MINUTES_FROM INT64_C(1704067200) // 2024-01-01T00:00:00Z

static const char chain_source[] =
    "local tg = require 'tidegate'\n"
    "local tasks = {}\n"
    "local function noop() end\n"
    "for i = 1, %llu do\n"
    "  tasks[i] = tg.task('t' .. i) { after = i > 1 and { 't' .. i - 1 } or {}, run = noop }\n"
    "end\n"
    "return tg.pipeline 'chain' { tasks = tasks }\n";

static const char fanout_source[] =
    "local tg = require 'tidegate'\n"
    "local function noop() end\n"
    "local tasks, names = { tg.task 'first' { run = noop } }, {}\n"
    "for i = 1, %llu do\n"
    "  names[i] = 't' .. i\n"
    "  tasks[i + 1] = tg.task(names[i]) { after = 'first', run = noop }\n"
    "end\n"
    "tasks[#tasks + 1] = tg.task 'last' { after = names, run = noop }\n"
    "return tg.pipeline 'fanout' { tasks = tasks }\n";

// Each node waits for two of the 500 before it; the same graph every time.
static const char graph_source[] = "local tg = require 'tidegate'\n"
                                   "local function noop() end\n"
                                   "local tasks, seed = {}, 1\n"
                                   "local function before(i)\n"
                                   "  seed = (seed * 1103515245 + 12345) %% 2147483648\n"
                                   "  return 't' .. math.max(1, i - 1 - seed // 65536 %% 500)\n"
                                   "end\n"
                                   "for i = 1, %llu do\n"
                                   "  local after = i > 1 and { before(i), before(i) } or {}\n"
                                   "  tasks[i] = tg.task('t' .. i) { after = after, run = noop }\n"
                                   "end\n"
                                   "return tg.pipeline '%s' { tasks = tasks }\n";

static const char cmd_source[] =
    "local tg = require 'tidegate'\n"
    "local tasks = {}\n"
    "for i = 1, %llu do tasks[i] = tg.cmd('t' .. i) { argv = { '/bin/true' } } end\n"
    "return tg.pipeline 'cmd' { limits = { tasks = 8 }, tasks = tasks }\n";

static const char steps_source[] =
    "local tg = require 'tidegate'\n"
    "local function one() return 1 end\n"
    "return tg.pipeline 'steps' { limits = { runs = %llu }, tasks = {\n"
    "  tg.task 'walk' { run = function(ctx)\n"
    "    for i = 1, 10 do ctx:step('s' .. i, one) end\n"
    "  end },\n"
    "} }\n";

// Runs a pipeline on a fresh store and fills in what every case tells.
static struct bench_run run(const struct bench *bench, struct bench_figure *figure,
                            const char *const *args, uint64_t tasks) {
  bench_project_forget(bench);
  struct bench_run run = bench_run(bench, 0, args);
  if (!*run.error && run.success_count != (int64_t)tasks)
    snprintf(run.error, sizeof run.error, "%lld tasks succeeded", (long long)run.success_count);
  figure->seconds = *run.error ? (double)NAN : run.run_seconds;
  figure->wall_seconds = run.wall_seconds;
  figure->cpu_seconds = run.cpu_seconds;
  figure->rate = (double)tasks / figure->seconds;
  figure->peak_rss_bytes = run.peak_rss_bytes;
  return run;
}

static void figure_end(struct bench_figure *figure, const struct bench_run *run, bool is_reached) {
  figure->error = *run->error ? run->error : NULL;
  figure->is_reached = is_reached && !figure->error;
  bench_print(figure);
}

void bench_chain(const struct bench *bench, uint64_t n) {
  struct bench_figure figure = {.name = "chain", .n = n, .target = "ratio >= 0.5"};
  bench_project_write(bench, "pipelines/chain.lua", chain_source, (unsigned long long)n);
  double before = bench_baseline_commits(bench, n);
  const char *args[] = {"run", "chain", "-q", NULL};
  struct bench_run result = run(bench, &figure, args, n);
  figure.baseline = (before + bench_baseline_commits(bench, n)) / 2;
  figure_end(&figure, &result, figure.seconds <= 2.0 * figure.baseline);
}

void bench_fanout(const struct bench *bench, uint64_t n) {
  struct bench_figure figure = {
      .name = "fanout", .n = n, .baseline = NAN, .target = "rate >= 40000"};
  bench_project_write(bench, "pipelines/fanout.lua", fanout_source, (unsigned long long)n);
  const char *args[] = {"run", "fanout", "-q", NULL};
  struct bench_run result = run(bench, &figure, args, n + 2);
  figure_end(&figure, &result, figure.rate >= 40000);
}

static void graph_load(const struct bench *bench, uint64_t n) {
  struct bench_figure figure = {
      .name = "graph_load", .n = n, .baseline = NAN, .target = "wall_seconds <= 0.5"};
  char path[512];
  snprintf(path, sizeof path, "%s/pipelines/graph.lua", bench->folder);
  const char *args[] = {"check", path, NULL};
  bench_project_forget(bench);
  struct bench_run result = bench_run(bench, 0, args);
  figure.seconds = figure.wall_seconds = result.wall_seconds;
  figure.rate = (double)n / result.wall_seconds;
  figure.peak_rss_bytes = result.peak_rss_bytes;
  figure_end(&figure, &result, figure.wall_seconds <= 0.5);
}

// The host's peak less that of the host of one task.
static void graph_bytes(const struct bench *bench, uint64_t n, const struct bench_run *large) {
  const char *args[] = {"run", "one", "-q", NULL};
  bench_project_write(bench, "pipelines/one.lua", graph_source, 1ull, "one");
  bench_project_forget(bench);
  struct bench_run small = bench_run(bench, 0, args);
  int64_t bytes = large->host_rss_bytes - small.host_rss_bytes;
  struct bench_figure figure = {.name = "graph_bytes",
                                .n = n,
                                .seconds = NAN,
                                .wall_seconds = NAN,
                                .rate = (double)bytes / (double)n,
                                .baseline = NAN,
                                .peak_rss_bytes = large->host_rss_bytes,
                                .target = "rate (bytes a node) <= 400"};
  figure_end(&figure, *large->error ? large : &small, figure.rate <= 400);
}

void bench_graph(const struct bench *bench, uint64_t n) {
  bench_project_write(bench, "pipelines/graph.lua", graph_source, (unsigned long long)n, "graph");
  graph_load(bench, n);
  const char *args[] = {"run", "graph", "-q", "--at", "2024-01-01T00:00:00Z", NULL};
  struct bench_figure figure = {
      .name = "graph_run", .n = n, .baseline = NAN, .target = "seconds <= 4"};
  struct bench_run large = run(bench, &figure, args, n);
  figure_end(&figure, &large, figure.seconds <= 4);
  struct bench_run again = bench_run(bench, 0, args);
  figure = (struct bench_figure){.name = "graph_again",
                                 .n = n,
                                 .seconds = again.wall_seconds,
                                 .wall_seconds = again.wall_seconds,
                                 .rate = NAN,
                                 .baseline = NAN,
                                 .peak_rss_bytes = again.peak_rss_bytes,
                                 .target = "wall_seconds <= 0.05"};
  figure_end(&figure, &again, again.wall_seconds <= 0.05);
  graph_bytes(bench, n, &large);
}

void bench_million(const struct bench *bench, uint64_t n) {
  struct bench_figure figure = {.name = "million",
                                .n = n,
                                .baseline = NAN,
                                .target = "wall_seconds <= 60, peak_rss_bytes <= 1 GiB"};
  bench_project_write(bench, "pipelines/million.lua", graph_source, (unsigned long long)n,
                      "million");
  const char *args[] = {"run", "million", "-q", NULL};
  struct bench_run result = run(bench, &figure, args, n);
  figure_end(&figure, &result,
             result.wall_seconds <= 60 && result.peak_rss_bytes <= INT64_C(1) << 30);
}

void bench_cmd(const struct bench *bench, uint64_t n) {
  struct bench_figure figure = {.name = "cmd", .n = n, .target = "ratio >= 0.85"};
  bench_project_write(bench, "pipelines/cmd.lua", cmd_source, (unsigned long long)n);
  double before = bench_baseline_spawns(n, 8);
  const char *args[] = {"run", "cmd", "-q", NULL};
  struct bench_run result = run(bench, &figure, args, n);
  figure.baseline = (before + bench_baseline_spawns(n, 8)) / 2;
  figure_end(&figure, &result, figure.baseline / figure.seconds >= 0.85);
}

// Backfills 5,000 minutes with `n` runs live at once; gives the seconds from the first run's
// beginning to the last one's end.
static double steps_fill(const struct bench *bench, uint64_t n, int from, struct bench_run *run) {
  char begin[32], end[32], width[32], query[128];
  time_t at = BENCH_MINUTES_FROM + (time_t)from * 60, to = at + (time_t)STEPS_RUNS * 60;
  strftime(begin, sizeof begin, "%Y-%m-%dT%H:%M:%SZ", gmtime(&at));
  strftime(end, sizeof end, "%Y-%m-%dT%H:%M:%SZ", gmtime(&to));
  snprintf(width, sizeof width, "%llu", (unsigned long long)n);
  snprintf(query, sizeof query,
           "SELECT (max(ended_at) - min(created_at)) / 1000.0 FROM runs WHERE number > %d", from);
  const char *args[] = {"backfill", "steps", "--from",     begin, "--to", end,
                        "--every",  "1m",    "--max-runs", width, "-q",   NULL};
  *run = bench_run(bench, 0, args);
  return *run->error ? (double)NAN : bench_query(bench, query);
}

// A backfill leaves a place free for other runs. New runs take the place of those that end, for ten
// seconds. The baseline is what the disk could do: a step waits for two commits, and one commit can
// be that of all the runs.
void bench_steps(const struct bench *bench, uint64_t n) {
  struct bench_figure figure = {.name = "steps", .n = n, .target = "rate >= 25000"};
  struct bench_run run;
  int runs = 0;
  bench_project_write(bench, "tidegate.yaml", "name: bench\nlimits:\n  tasks: %llu\n",
                      (unsigned long long)n + 1);
  bench_project_write(bench, "pipelines/steps.lua", steps_source, (unsigned long long)n + 1);
  bench_project_forget(bench);
  double before = bench_baseline_commits(bench, STEPS_COMMITS);
  do {
    figure.seconds += steps_fill(bench, n, runs, &run);
    figure.wall_seconds += run.wall_seconds;
    figure.cpu_seconds += run.cpu_seconds;
    if (run.peak_rss_bytes > figure.peak_rss_bytes) figure.peak_rss_bytes = run.peak_rss_bytes;
    runs += STEPS_RUNS;
  } while (!*run.error && !bench->is_quick && figure.seconds < STEPS_SECONDS);
  double steps = bench_query(bench, "SELECT count(*) FROM steps WHERE ended_at IS NOT NULL");
  if (!*run.error && steps != runs * 10.0)
    snprintf(run.error, sizeof run.error, "%.0f steps of %d runs are durable", steps, runs);
  bench_project_write(bench, "tidegate.yaml", "name: bench\n");
  double commit = (before + bench_baseline_commits(bench, STEPS_COMMITS)) / 2 / STEPS_COMMITS;
  figure.baseline = commit * 2 * steps / (double)n;
  figure.rate = steps / figure.seconds;
  figure_end(&figure, &run, figure.rate >= 25000);
}
