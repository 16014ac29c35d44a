// SPDX-License-Identifier: Apache-2.0
// usage: bench [CASE...] [--quick]
#include "bench.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const struct {
  const char *name;
  void (*run)(const struct bench *bench, uint64_t n);
  uint64_t n, n_quick;
} cases[] = {
    {"chain", bench_chain, 1000, 200},
    {"fanout", bench_fanout, 100000, 5000},
    {"graph", bench_graph, 100000, 5000},
    {"million", bench_million, 1000000, 20000},
    {"cmd", bench_cmd, 2000, 200},
    {"steps", bench_steps, 64, 64},
    {"sleepers", bench_sleepers, 100000, 2000},
    {"waiters", bench_waiters, 100000, 2000},
    {"cold", bench_cold, 11, 3},
    {"fib", bench_fib, 33, 25},
    {"neighbour", bench_neighbour, 800, 200},
    {"backoff", bench_backoff, 50000000, 1000000},
    {"dag_walk", bench_dag_walk, 100000, 100000},
};

enum { CASE_COUNT = sizeof cases / sizeof *cases };

double bench_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void number_print(const char *name, const char *format, double value) {
  printf(",\"%s\":", name);
  if (isfinite(value))
    printf(format, value);
  else
    printf("null");
}

static void text_print(const char *name, const char *text) {
  printf(",\"%s\":\"", name);
  for (const char *c = text; *c; c++) {
    if (*c == '"' || *c == '\\') putchar('\\');
    putchar((unsigned char)*c < ' ' ? ' ' : *c);
  }
  putchar('"');
}

void bench_print(const struct bench_figure *figure) {
  printf("{\"case\":\"%s\",\"n\":%llu", figure->name, (unsigned long long)figure->n);
  number_print("seconds", "%.6f", figure->seconds);
  number_print("wall_seconds", "%.3f", figure->wall_seconds);
  if (figure->cpu_seconds > 0) number_print("cpu_seconds", "%.3f", figure->cpu_seconds);
  number_print("rate", "%.1f", figure->rate);
  number_print("baseline", "%.6f", figure->baseline);
  number_print("ratio", "%.3f", figure->baseline / figure->seconds);
  number_print("peak_rss_bytes", "%.0f",
               figure->peak_rss_bytes ? (double)figure->peak_rss_bytes : (double)NAN);
  text_print("target", figure->target);
  printf(",\"reached\":%s", figure->is_reached ? "true" : "false");
  if (figure->error) text_print("error", figure->error);
  printf("}\n");
  fflush(stdout);
}

static bool is_wanted(const char *name, int argc, char **argv) {
  bool has_names = false;
  for (int i = 1; i < argc; i++) {
    if (*argv[i] == '-') continue;
    has_names = true;
    if (strcmp(argv[i], name) == 0) return true;
  }
  return !has_names;
}

static bool is_known(const char *word) {
  for (size_t i = 0; i < CASE_COUNT; i++)
    if (strcmp(word, cases[i].name) == 0) return true;
  return strcmp(word, "--quick") == 0;
}

static int usage(const char *word) {
  fprintf(stderr, "bench: there is no case '%s'; usage: bench [CASE...] [--quick]\ncases:", word);
  for (size_t i = 0; i < CASE_COUNT; i++) fprintf(stderr, " %s", cases[i].name);
  fputc('\n', stderr);
  return 2;
}

int main(int argc, char **argv) {
  struct bench bench = {.binary = TG_BENCH_BINARY};
  for (int i = 1; i < argc; i++) {
    if (!is_known(argv[i])) return usage(argv[i]);
    if (strcmp(argv[i], "--quick") == 0) bench.is_quick = true;
  }
  signal(SIGINT, SIG_IGN); // it ends the child, whose case then fails, and the folder is removed
  bench_project_make(&bench);
  for (size_t i = 0; i < CASE_COUNT; i++)
    if (is_wanted(cases[i].name, argc, argv))
      cases[i].run(&bench, bench.is_quick ? cases[i].n_quick : cases[i].n);
  return 0;
}
