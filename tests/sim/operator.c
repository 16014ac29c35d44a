// SPDX-License-Identifier: Apache-2.0
// The operator: begins runs, some of which are reruns that keep what an earlier run has done,
// cancels them, sets the wall clock, and asks the host to end.
#include "sim/checks.h"

enum { HOUR_MS = 3600 * 1000 };

void sim_operator_begin(struct sim *sim, uint64_t pipeline, bool is_backfill) {
  if (sim->is_down || sim->is_draining) { // he tries again later
    sim_event_add(sim, is_backfill ? SIM_BACKFILL : SIM_BEGIN, 60000, pipeline);
    return;
  }
  struct sim_run *run = sim_run_add(sim, &sim->pipelines[pipeline]);
  if (sim_random_chance(&sim->random, 150)) sim_carry(sim, run);
  run->row.backfill = is_backfill ? "backfill" : NULL;
  if (is_backfill) run->row.logical_at = sim_random_between(&sim->random, 1, 100);
  sim_begin(sim, run);
}

void sim_operator_cancel(struct sim *sim, uint64_t number) {
  struct sim_run *run = sim_run_find(sim, number);
  if (!run || !run->is_live || sim->is_down) return;
  sim_note(sim, "cancel", run, NULL, 0);
  if (!run->is_ending) {
    run->was_cancelled = true;
    run->stop_host = sim->host;
  }
  sim_input(sim, &(struct tg_input){
                     .kind = TG_INPUT_CANCEL,
                     .cancel = {.run = number, .code = TG_ECANCELLED, .reason = "somebody asked"}});
  for (size_t i = 0; i < sim->flight_count && !run->is_ending && !sim->is_down; i++)
    if (sim->flights[i]->run == run && !sim->flights[i]->cancel_code &&
        !sim_task_of(run, sim->flights[i]->unit)->is_teardown)
      sim_fail(sim, "run %llu is cancelled, and an attempt of it is not",
               (unsigned long long)number);
}

void sim_operator_jump(struct sim *sim) {
  int64_t by = sim_random_time(&sim->random, 0, HOUR_MS);
  sim->jumped_ms += by;
  sim->now.wall_ms += sim_random_chance(&sim->random, 500) ? by : -by;
  sim_resources_clock_set(sim);
  sim_note(sim, "the wall clock jumps", NULL, NULL, sim->now.wall_ms);
}

void sim_operator_drain(struct sim *sim) {
  if (sim->is_down || !sim->crashes_left) return;
  sim->is_draining = true;
  sim_note(sim, "drains", NULL, NULL, 0);
  sim_input(sim, &(struct tg_input){.kind = TG_INPUT_DRAIN});
  sim_event_add(sim, SIM_CRASH, sim_random_time(&sim->random, 1, HOUR_MS), 0);
}
