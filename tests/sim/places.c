// SPDX-License-Identifier: Apache-2.0
// How many runs of a pipeline are at work at once (limits.runs), and what becomes of one too many:
// it waits in its lane, is skipped, or older ones are stopped for it. A run holds a place from the
// moment its beginning is decided until its end is durable and the engine was told of it.
#include <string.h>

#include "sim/checks.h"

static const char *const words[SIM_OVERLAP_COUNT] = {"queue", "skip", "cancel_running", "allow"};

const char *sim_overlap_word(enum sim_overlap overlap) {
  return words[overlap];
}

static bool is_limited(const struct sim_run *run) {
  return run->pipeline->runs_max && run->pipeline->overlap != SIM_OVERLAP_ALLOW;
}

static uint32_t places_taken(const struct sim *sim, const struct sim_run *run, bool by_backfills) {
  uint32_t taken = 0;
  for (size_t i = 0; i < sim->run_count; i++) {
    const struct sim_run *other = sim->runs[i];
    taken += other != run && other->has_place && other->pipeline == run->pipeline &&
             (!by_backfills || other->row.backfill);
  }
  return taken;
}

static bool has_room(const struct sim *sim, const struct sim_run *run) {
  uint32_t max = run->pipeline->runs_max;
  if (!is_limited(run)) return true;
  if (places_taken(sim, run, false) >= max) return false;
  return !run->row.backfill || max == 1 || places_taken(sim, run, true) < max - 1;
}

static bool is_waiting(const struct sim_run *run) {
  return run->is_live && !run->is_ending && run->is_queued;
}

// Says whether a run stands before another one in the lane of both.
static bool is_before(const struct sim_run *a, const struct sim_run *b) {
  if (a->pipeline != b->pipeline || !a->row.backfill != !b->row.backfill) return false;
  if (a->row.logical_at != b->row.logical_at) return a->row.logical_at < b->row.logical_at;
  return a->row.number < b->row.number;
}

// The oldest one is stopped for a newer one, but no child makes its own parents end.
static bool may_be_stopped(const struct sim *sim, const struct sim_run *run) {
  bool has_newer = false, has_older = false, has_child = false;
  for (size_t i = 0; i < sim->run_count; i++) {
    const struct sim_run *other = sim->runs[i];
    if (other == run || other->pipeline != run->pipeline || other->row.backfill) continue;
    bool is_newer = other->row.number > run->row.number;
    bool goes_on = other->is_live && !other->is_ending && !sim_check_is_stopped(sim, other);
    has_newer |= is_newer;
    has_child |= is_newer && other->row.child_key;
    has_older |= !is_newer && goes_on;
  }
  return is_limited(run) && run->pipeline->overlap == SIM_OVERLAP_CANCEL_RUNNING &&
         !run->row.backfill && has_newer && (!has_older || has_child);
}

// --- What the engine decides ---

static const char *beginning_fault(const struct sim *sim, const struct sim_run *run) {
  if (!has_room(sim, run)) return "begins and there is no place for it";
  if (run->is_queued && sim->is_draining) return "begins although the host drains";
  for (size_t i = 0; i < sim->run_count && run->is_queued; i++)
    if (sim->runs[i] != run && is_waiting(sim->runs[i]) && is_before(sim->runs[i], run) &&
        !sim_check_is_stopped(sim, sim->runs[i]))
      return "begins before one that stands before it";
  return NULL;
}

static const char *record_fault(const struct sim *sim, const struct sim_run *run,
                                const struct tg_run *record) {
  bool is_alone = has_room(sim, run);
  enum sim_overlap overlap = run->pipeline->overlap;
  switch (record->state) {
  case TG_RUN_RUNNING:
    return record->started_at ? beginning_fault(sim, run) : "begins at no time";
  case TG_RUN_QUEUED:
    if (record->started_at) return "is queued and has begun";
    return is_alone || (overlap == SIM_OVERLAP_SKIP && !run->row.backfill)
               ? "is queued and should not be"
               : NULL;
  case TG_RUN_SKIPPED:
    return is_alone || overlap != SIM_OVERLAP_SKIP || run->row.backfill
               ? "is skipped and should not be"
               : NULL;
  case TG_RUN_CANCELLING: // by whom? An older one may be stopped for a newer one
    return sim_check_is_stopped(sim, run) || may_be_stopped(sim, run)
               ? NULL
               : "is being cancelled and nobody asked";
  default:
    return NULL;
  }
}

static void record_decided(struct sim *sim, const struct tg_run *record) {
  struct sim_run *run = sim_run_find(sim, record->number);
  if (!run) return;
  const char *fault = record_fault(sim, run, record);
  if (fault) sim_fail(sim, "run %llu %s", (unsigned long long)record->number, fault);
  run->is_queued = record->state == TG_RUN_QUEUED;
  if (record->state == TG_RUN_RUNNING) {
    run->has_place = true;
    sim_time_limit_set(sim, run, record->started_at);
  }
  if (record->state == TG_RUN_CANCELLING && !sim_check_is_stopped(sim, run)) {
    run->was_cancelled = true;
    run->stop_host = sim->host;
  }
}

void sim_places_decided(struct sim *sim, const struct tg_batch *batch) {
  for (size_t i = 0; i < batch->count; i++)
    if (batch->records[i].kind == TG_RECORD_RUN) record_decided(sim, &batch->records[i].run);
}

void sim_place_resume(struct sim_run *run) {
  run->is_queued = run->row.state == TG_RUN_QUEUED;
  run->has_place = run->row.started_at != 0;
}

// --- What must not last ---

// Waiting children may be waited for by those that hold the places: that is for the engine to see.
const char *sim_place_fault(const struct sim *sim, const struct sim_run *run) {
  if (!is_waiting(run) || sim_check_is_stopped(sim, run)) return NULL;
  return has_room(sim, run) ? "is queued and there is a place for it" : NULL;
}

const char *sim_never_begun_fault(const struct sim_run *run) {
  bool is_ring = run->row.state == TG_RUN_FAILED && run->row.failure.code == TG_ELIMIT;
  if (is_ring && !run->row.child_key) return "has failed before it began";
  for (uint32_t i = 0; i < run->pipeline->count; i++) {
    const struct sim_unit *unit = &run->units[i];
    bool has_changed = unit->attempt_count || (unit->items && !sim_carried_map(run, i)) ||
                       (unit->state != TG_TASK_WAITING && !unit->is_carried && !unit->is_cut);
    if (has_changed) return "has never begun, and a task of it is changed";
  }
  return NULL;
}
