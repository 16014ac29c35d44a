// SPDX-License-Identifier: Apache-2.0
// Cases of many tasks that rest at once: what a parked item costs the host, how soon all of them
// rest, and how soon all of them go on.
#include <math.h>
#include <stdio.h>

#include "bench.h"

// The items sleep until all of them do, and for a while longer.
static const char sleepers_source[] =
    "local tg = require 'tidegate'\n"
    "return tg.pipeline 'sleepers' { tasks = { tg.map 'm' { items_max = %llu,\n"
    "  over = function() local list = {} for i = 1, %llu do list[i] = i end return list end,\n"
    "  run = function(ctx) ctx:sleep('%us') end,\n"
    "} } }\n";

// The items wait for one event, which a command sends when the last of them waits.
static const char waiters_source[] =
    "local tg = require 'tidegate'\n"
    "return tg.pipeline 'waiters' { tasks = { tg.map 'm' { items_max = %llu,\n"
    "  over = function() local list = {} for i = 1, %llu do list[i] = i end return list end,\n"
    "  run = function(ctx) ctx:wait_event { type = 'go' } end,\n"
    "}, tg.cmd 'go' { shell = true, argv =\n"
    "  'sleep %u; echo "
    "\\'{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/\",\"type\":\"go\"}\\''\n"
    "  .. ' | %s --project %s event send -' } } }\n";

static const struct {
  uint32_t per_second, least_seconds; // that fall asleep, with room for a slow machine
} pace = {2500, 4};

static uint32_t nap_seconds(uint64_t n) {
  return (uint32_t)(n / pace.per_second) + pace.least_seconds;
}

// Runs it and fills in what both cases tell: the seconds until all rest, and the largest process.
static struct bench_run rest(const struct bench *bench, struct bench_figure *figure,
                             const char *const *args) {
  bench_project_forget(bench);
  struct bench_run run = bench_run(bench, 0, args);
  double items = bench_query(bench, "SELECT count(*) FROM items WHERE state = 'success'");
  double late = bench_query(bench, "SELECT count(*) FROM steps WHERE wake_at <="
                                   " (SELECT max(intended_at) FROM steps)");
  if (!*run.error && (items != (double)figure->n || late != 0))
    snprintf(run.error, sizeof run.error, "%.0f items succeeded; %.0f did not rest with the others",
             items, late);
  figure->seconds = bench_query(bench, "SELECT (max(intended_at) - (SELECT created_at FROM runs))"
                                       " / 1000.0 FROM steps");
  figure->rate = (double)figure->n / figure->seconds;
  figure->wall_seconds = run.wall_seconds;
  figure->cpu_seconds = run.cpu_seconds;
  figure->peak_rss_bytes = run.peak_rss_bytes;
  return run;
}

static void end(struct bench_figure *figure, const struct bench_run *run) {
  figure->error = *run->error ? run->error : NULL;
  figure->is_reached = !figure->error && figure->peak_rss_bytes <= INT64_C(1) << 30;
  bench_print(figure);
}

void bench_sleepers(const struct bench *bench, uint64_t n) {
  struct bench_figure figure = {
      .name = "sleepers", .n = n, .baseline = NAN, .target = "peak_rss_bytes <= 1 GiB"};
  bench_project_write(bench, "pipelines/sleepers.lua", sleepers_source, (unsigned long long)n,
                      (unsigned long long)n, nap_seconds(n));
  const char *args[] = {"run", "sleepers", "-q", NULL};
  struct bench_run run = rest(bench, &figure, args);
  end(&figure, &run);
}

void bench_waiters(const struct bench *bench, uint64_t n) {
  struct bench_figure figure = {
      .name = "waiters", .n = n, .baseline = NAN, .target = "peak_rss_bytes <= 1 GiB"};
  struct bench_figure woken = {.name = "waiters_woken", .n = n, .baseline = NAN, .target = "none"};
  bench_project_write(bench, "pipelines/waiters.lua", waiters_source, (unsigned long long)n,
                      (unsigned long long)n, nap_seconds(n), bench->binary, bench->folder);
  const char *args[] = {"run", "waiters", "-q", NULL};
  struct bench_run run = rest(bench, &figure, args);
  end(&figure, &run);
  woken.seconds = bench_query(bench, "SELECT (r.ended_at - e.received_at) / 1000.0"
                                     " FROM runs r, events e");
  woken.rate = (double)n / woken.seconds;
  woken.wall_seconds = woken.cpu_seconds = NAN;
  woken.error = figure.error;
  woken.is_reached = !woken.error;
  bench_print(&woken);
}
