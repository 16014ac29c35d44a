// SPDX-License-Identifier: Apache-2.0
// A world is made: its temper, its pipelines, and what its operator is going to do.
#include <stdlib.h>
#include <string.h>

#include "sim/checks.h"

enum { HOUR_MS = 3600 * 1000 };

#define WALL_START_MS INT64_C(1750000000000)

static void pipelines_make(struct sim *sim) {
  struct sim_taste taste = {.tasks_max = 2 + sim_random_below(&sim->random, 8),
                            .map_permille = 20 + sim_random_below(&sim->random, 4) * 150,
                            .is_traced = sim->trace == SIM_TRACE_ALL};
  taste.has_resources = sim_random_chance(&sim->random, 300);
  sim->has_waits = sim_random_chance(&sim->random, 300);
  sim->field_count = sim_random_chance(&sim->random, 150) ? 24 : 4;
  if (sim->has_waits && sim->field_count > 4) sim->step_permille = 900;
  sim->has_cuts = sim_random_chance(&sim->random, 300);
  bool is_of_maps = sim->has_cuts && sim_random_chance(&sim->random, 400);
  if (is_of_maps) taste.map_permille = 700;
  taste.has_places = sim->has_places = sim_random_chance(&sim->random, 300);
  sim_resources_make(sim);
  for (uint32_t i = 0; i < SIM_POOLS; i++) taste.pools[i] = sim_random_below(&sim->random, 5);
  taste.has_project = sim_random_chance(&sim->random, 400);
  memcpy(sim->pools_least, taste.pools, sizeof sim->pools_least);
  sim->pipeline_count = 1 + sim_random_below(&sim->random, 3);
  for (uint32_t i = 0; i < sim->pipeline_count && !*sim->failure; i++) {
    struct tg_error err;
    taste.number = i;
    if (i + 1 == sim->pipeline_count && !is_of_maps)
      taste.tasks_max = 1 + sim_random_below(&sim->random, 40);
    if (taste.tasks_max > 30 && sim_random_chance(&sim->random, 50)) taste.tasks_max = 300;
    if (sim_pipeline_make(&sim->pipelines[i], &taste, &sim->random, &err))
      sim_fail(sim, "a plan is refused: %s", err.text);
  }
}

static void operator_plan(struct sim *sim) {
  struct sim_random *random = &sim->random;
  for (uint32_t n = 2 + sim_random_below(random, 12); n; n--)
    sim_event_add(sim, SIM_BEGIN, sim_random_time(random, 0, 4 * HOUR_MS),
                  sim_random_below(random, sim->pipeline_count));
  int64_t burst_ms = sim_random_time(random, 0, 4 * HOUR_MS); // as a backfill begins them
  bool has_burst = sim->pipelines[0].count <= 12 && sim_random_chance(random, 100);
  for (uint32_t n = has_burst ? 5 + sim_random_below(random, 40) : 0; n; n--)
    sim_event_add(sim, SIM_BACKFILL, burst_ms, 0);
  for (uint32_t n = sim->has_waits ? sim_random_below(random, 40) : 0; n; n--)
    sim_event_add(sim, SIM_ARRIVE, sim_random_time(random, 1, 6 * HOUR_MS),
                  sim_random_below(random, SIM_EVENT_TYPES));
  for (uint32_t n = sim_random_below(random, 5); n; n--)
    sim_event_add(sim, SIM_CANCEL, sim_random_time(random, 1, 6 * HOUR_MS),
                  1 + sim_random_below(random, 12));
  for (uint32_t n = sim->has_cuts ? sim_random_below(random, 30) : 0; n; n--)
    sim_event_add(sim, SIM_CUT, sim_random_time(random, 1, 6 * HOUR_MS), 0);
  uint32_t jumps = sim_random_chance(random, 150) ? 20 : 3;
  for (uint32_t n = sim_random_below(random, jumps); n; n--)
    sim_event_add(sim, SIM_JUMP, sim_random_time(random, 1, 6 * HOUR_MS), 0);
  if (sim_random_chance(random, 100))
    sim_event_add(sim, SIM_DRAIN, sim_random_time(random, 1, 6 * HOUR_MS), 0);
  for (uint32_t n = sim_random_below(random, 3); n && sim->crashes_left; n--)
    sim_event_add(sim, SIM_CRASH, sim_random_time(random, 1, 12 * HOUR_MS), 0);
}

void sim_world_init(struct sim *sim, uint64_t seed, enum sim_trace trace) {
  *sim = (struct sim){.seed = seed, .random = {seed}};
  struct sim_random *random = &sim->random;
  random->state = sim_random_next(random); // neighbours have nothing in common
  sim->trace = trace;
  sim->begun_ms = sim->now.mono_ms = sim_random_between(random, 0, 1 << 30);
  sim->now.wall_ms = WALL_START_MS;
  tg_arena_init(&sim->arena);
  sim->slots = 1 + sim_random_below(random, sim_random_chance(random, 500) ? 3 : 16);
  sim->failure_permille = sim_random_below(random, 4) * 120;
  sim->lost_permille = sim_random_below(random, 3) * 40;
  sim->again_permille = sim_random_below(random, 2) * 60;
  sim->step_permille = sim_random_below(random, 3) * 150;
  sim->crashes_left = sim_random_chance(random, 300) ? 0 : 1 + sim_random_below(random, 6);
  sim->crash_permille = 1 + sim_random_below(random, 30);
  sim->deadly_permille = sim_random_chance(random, 200) ? 30 : 0;
  sim->refuse_permille = sim_random_chance(random, 200) ? 1 + sim_random_below(random, 5) : 0;
  sim->item_max = (uint32_t)sim_random_time(random, 2, 200);
  sim->work_ms = sim_random_time(random, 10, HOUR_MS);
  sim->commit_ms = sim_random_time(random, 1, 5000);
  pipelines_make(sim);
  if (*sim->failure) return;
  operator_plan(sim);
  sim_host_up(sim);
}

void sim_world_deinit(struct sim *sim) {
  for (size_t i = 0; i < sim->batch_count; i++) tg_batch_free(sim->batches[i].batch);
  tg_engine_free(sim->engine);
  sim_attempts_forget(sim);
  for (size_t i = 0; i < sim->run_count; i++) sim_run_free(sim->runs[i]);
  for (uint32_t i = 0; i < sim->pipeline_count; i++) sim_pipeline_free(&sim->pipelines[i]);
  free(sim->attempts);
  free(sim->flights);
  free(sim->runs);
  free(sim->events);
  free(sim->batches);
  tg_arena_deinit(&sim->arena);
}
