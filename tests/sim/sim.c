// SPDX-License-Identifier: Apache-2.0
// sim --seeds N [--from S]   lives N seeds, and says which of them fails
// sim --seed S               lives one seed and tells everything that happens
// sim --until-caught N       of a planted bug: ends well if one of N seeds fails
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sim/world.h"

struct options {
  uint64_t seed, from, seeds, until_caught;
  bool has_seed;
};

// Of the seed that is being lived, for when the process itself ends.
static volatile uint64_t seed_now;
static volatile bool dies_well;

static void died(int signal) {
  char text[96];
  int len = snprintf(text, sizeof text, "seed %" PRIu64 ": the process ended with signal %d\n",
                     (uint64_t)seed_now, signal);
  if (len > 0 && write(STDOUT_FILENO, text, (size_t)len) < 0) _exit(3);
  _exit(dies_well ? 0 : 3);
}

static double seconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

struct totals {
  uint64_t seeds, failed, steps, hash;
  double hours;
};

static bool seed_live(uint64_t seed, enum sim_trace trace, struct totals *totals) {
  struct sim sim;
  seed_now = seed;
  sim_world_init(&sim, seed, trace);
  bool has_failed = sim_world_run(&sim) != 0;
  totals->seeds++;
  totals->failed += has_failed;
  totals->steps += sim.steps;
  totals->hash = (totals->hash ^ sim.hash) * UINT64_C(0x100000001b3);
  totals->hours += (double)(sim.now.mono_ms - sim.begun_ms) / 3600000;
  if (trace == SIM_TRACE_LAST) sim_world_tell(&sim);
  if (has_failed && trace != SIM_TRACE_NONE)
    printf("seed %" PRIu64 " FAILS: %s\n", seed, sim.failure);
  if (trace == SIM_TRACE_ALL)
    printf("hash %016" PRIx64 ", %" PRIu64 " steps\n", sim.hash, sim.steps);
  sim_world_deinit(&sim);
  return !has_failed;
}

// Shows how a seed failed by living it again, which must come out the same.
static void failure_show(uint64_t seed) {
  struct totals again = {0};
  if (seed_live(seed, SIM_TRACE_LAST, &again))
    printf("seed %" PRIu64 " FAILS, and does not when it is lived again\n", seed);
  printf("  ./dev sim --seed %" PRIu64 " tells all of it\n", seed);
}

// Says whether a seed comes out the same each time: other addresses must make no difference, so the
// second world lives in memory that was stirred.
static bool is_same_again(uint64_t seed) {
  enum { BLOCKS = 500 };
  struct totals first = {0}, second = {0};
  void *blocks[BLOCKS];
  seed_live(seed, SIM_TRACE_NONE, &first);
  for (size_t i = 0; i < BLOCKS; i++) blocks[i] = malloc(16 + (i * 7919 + seed) % 4096);
  for (size_t i = 0; i < BLOCKS; i += 2) free(blocks[i]);
  seed_live(seed, SIM_TRACE_NONE, &second);
  for (size_t i = 1; i < BLOCKS; i += 2) free(blocks[i]);
  if (first.hash == second.hash) return true;
  printf("seed %" PRIu64 " FAILS: it does not come out the same each time\n", seed);
  return false;
}

static int seeds_live(const struct options *options) {
  enum { FAILURES_SHOWN = 20, AGAIN_EACH = 100 };
  struct totals totals = {0};
  double begun = seconds();
  for (uint64_t i = 0; i < options->seeds && totals.failed < FAILURES_SHOWN; i++) {
    uint64_t seed = options->from + i;
    if (!seed_live(seed, SIM_TRACE_NONE, &totals)) failure_show(seed);
    if (i % AGAIN_EACH == 0 && !is_same_again(seed)) totals.failed++;
  }
  double taken = seconds() - begun;
  printf("%" PRIu64 " seeds, %" PRIu64 " failed, %.1f s, %.0f seeds/s, %" PRIu64
         " steps, %.0f simulated hours, %.0f hours per CPU-minute, hash %016" PRIx64 "\n",
         totals.seeds, totals.failed, taken, (double)totals.seeds / taken, totals.steps,
         totals.hours, totals.hours / taken * 60, totals.hash);
  return totals.failed ? 1 : 0;
}

static int until_caught(const struct options *options) {
  enum { SEEDS_TWICE = 20 };
  struct totals totals = {0};
  dies_well = true;
  for (uint64_t i = 0; i < options->until_caught; i++) {
    uint64_t seed = options->from + i;
    bool is_right = seed_live(seed, SIM_TRACE_NONE, &totals);
    if (!is_right) failure_show(seed);
    if (is_right && i < SEEDS_TWICE) is_right = is_same_again(seed);
    if (is_right) continue;
    printf("caught by seed %" PRIu64 ", the %" PRIu64 ". one\n", seed, i + 1);
    return 0;
  }
  printf("not caught by %" PRIu64 " seeds\n", options->until_caught);
  return 1;
}

static bool number_read(const char *text, uint64_t *number) {
  char *end;
  *number = strtoull(text, &end, 10);
  return *text && !*end;
}

static bool options_read(int argc, char **argv, struct options *options) {
  *options = (struct options){.from = 1, .seeds = 1000};
  for (int i = 1; i + 1 < argc; i += 2) {
    uint64_t number;
    if (!number_read(argv[i + 1], &number)) return false;
    if (strcmp(argv[i], "--seeds") == 0)
      options->seeds = number;
    else if (strcmp(argv[i], "--from") == 0)
      options->from = number;
    else if (strcmp(argv[i], "--until-caught") == 0)
      options->until_caught = number;
    else if (strcmp(argv[i], "--seed") == 0)
      options->seed = number, options->has_seed = true;
    else
      return false;
  }
  return argc % 2 == 1;
}

int main(int argc, char **argv) {
  struct options options;
  if (!options_read(argc, argv, &options)) {
    fputs("usage: sim [--seeds N] [--from S] | --seed S | --until-caught N\n", stderr);
    return 2;
  }
  signal(SIGABRT, died);
  signal(SIGSEGV, died);
  signal(SIGFPE, died);
  if (options.until_caught) return until_caught(&options);
  if (!options.has_seed) return seeds_live(&options);
  struct totals totals = {0};
  return seed_live(options.seed, SIM_TRACE_ALL, &totals) ? 0 : 1;
}
