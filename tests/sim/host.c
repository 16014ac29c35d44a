// SPDX-License-Identifier: Apache-2.0
// The end of a host, wherever it is, and the next one, which takes over.
#include <stdlib.h>

#include "sim/checks.h"

enum { HOUR_MS = 3600 * 1000 };

// The project may have other sizes than it had for the host before, which hold for all runs.
static void pools_give(struct sim *sim) {
  for (uint32_t i = 0; i < SIM_POOLS; i++) {
    uint32_t more =
        sim_random_chance(&sim->random, 300) ? 1 + sim_random_below(&sim->random, 3) : 0;
    sim->pools[i] =
        (struct tg_plan_pool){.name = sim_pool_name(i), .slots = sim->pools_least[i] + more};
  }
  sim->pool_list = (struct tg_pools){.all = sim->pools, .count = SIM_POOLS};
  sim_input(sim, &(struct tg_input){.kind = TG_INPUT_POOLS, .pools = &sim->pool_list});
}

void sim_host_up(struct sim *sim) {
  sim->host++;
  sim->is_down = sim->is_draining = false;
  sim->engine = tg_engine_new(sim->slots, sim->last_run);
  if (!sim->engine) abort();
  tg_engine_set_last_event(sim->engine, sim->arrival_count);
  pools_give(sim);
  sim_resources_give(sim);
  // Places that nobody has told of would be given away: then all runs are taken up at once.
  for (size_t i = 0; i < sim->run_count && !sim->is_down; i++) {
    struct sim_run *run = sim->runs[i];
    if (run->is_over) continue;
    if (sim->has_places)
      sim_host_resume(sim, run->row.number);
    else
      sim_event_add(sim, SIM_RESUME, sim_random_time(&sim->random, 1, 5000), run->row.number);
  }
}

// What is on its way to the disk gets there, up to somewhere.
void sim_host_crash(struct sim *sim) {
  uint32_t more = (uint32_t)(sim->batch_count - sim->durable_count);
  sim_host_crash_after(sim, sim->durable_count + sim_random_below(&sim->random, more + 1));
}

void sim_host_crash_after(struct sim *sim, size_t durable) {
  if (sim->is_down || !sim->crashes_left) return;
  sim->crashes_left--;
  sim_note(sim, "CRASH", NULL, NULL, (int64_t)sim->batch_count);
  for (size_t i = sim->durable_count; i < durable; i++) sim_books_apply(sim, &sim->batches[i]);
  for (size_t i = 0; i < sim->batch_count; i++) tg_batch_free(sim->batches[i].batch);
  sim->batch_count = sim->durable_count = 0;
  sim->is_down = true;
}

// The engine may still be on the stack when the host ends, so this comes from the loop.
void sim_host_restart(struct sim *sim) {
  for (size_t i = 0; i < sim->run_count; i++)
    if (!sim->runs[i]->is_durable && !sim->runs[i]->row.child_key) // whoever asked asks again
      sim_event_add(sim, SIM_BEGIN, 60000, (uint64_t)(sim->runs[i]->pipeline - sim->pipelines));
  tg_engine_free(sim->engine);
  sim_attempts_forget(sim);
  sim_books_forget(sim);
  int64_t downtime = sim_random_time(&sim->random, 1, HOUR_MS);
  sim->now.mono_ms += downtime;
  sim->now.wall_ms += downtime;
  if (sim_random_chance(&sim->random, 400)) sim_operator_jump(sim);
  sim_host_up(sim);
}

static void failures_resume(const struct sim *sim, const struct sim_run *run,
                            struct sim_items *items) {
  items->told_failed = 0;
  for (uint32_t i = 0; i < items->count; i++)
    items->told_failed += sim_counts_as_failed(sim, run, &items->units[i]);
}

static void waits_resume(struct sim *sim, const struct sim_run *run, struct sim_unit *units,
                         uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    struct sim_unit *unit = &units[i];
    if (unit->items) failures_resume(sim, run, unit->items);
    const struct tg_attempt *last =
        unit->attempt_count ? &unit->attempts[unit->attempt_count - 1] : NULL;
    if (last && last->state == TG_ATTEMPT_FAILED && last->retry_at)
      unit->wake_mono_ms = sim_waits_until(sim, last->retry_at);
    if (unit->items) waits_resume(sim, run, unit->items->units, unit->items->count);
  }
}

void sim_host_resume(struct sim *sim, uint64_t number) {
  struct sim_run *run = sim_run_find(sim, number);
  run->is_live = true;
  run->is_ending = false;
  sim_time_limit_set(sim, run, run->row.started_at);
  run->turn = ++sim->last_turn;
  sim_place_resume(run);
  bool is_cancelled = sim_random_chance(&sim->random, 50);
  if (is_cancelled) run->was_cancelled = true;
  if (is_cancelled || run->row.state == TG_RUN_CANCELLING) run->stop_host = sim->host;
  sim_cuts_resume(sim, run);
  waits_resume(sim, run, run->units, run->pipeline->count);
  sim_note(sim, "RESUME", run, NULL, is_cancelled);
  sim_books_resume(sim, run, is_cancelled ? "somebody asked meanwhile" : NULL);
  if (!sim->is_down) sim_check_mirror(sim, run);
}
