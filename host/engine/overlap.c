// SPDX-License-Identifier: Apache-2.0
// Overlap: how many runs of a pipeline are at work at once, and what becomes of one too many. A run
// that has begun holds a place of its pipeline until its end is durable. Places are counted from
// the live runs whenever one is wanted, never apart.
//
//   queue            it waits: the oldest logical date first
//   skip             it ends at once, skipped
//   cancel_running   it waits, and the oldest ones are stopped until there is a place for it
//   allow            there is no limit
//
// The runs of backfills stand in a lane of their own, behind all others of their pipeline. They
// always wait, are never stopped for a newer run, and leave one place free where there are several.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine_parts.h"

enum { REASON_BYTES_MAX = 512, HOLDERS_SHOWN_MAX = 3 };

// --- Places ---

static bool is_limited(const struct tg_live_run *run) {
  return run->plan->runs_max && run->plan->overlap != TG_OVERLAP_ALLOW;
}

static bool is_sibling(const struct tg_live_run *a, const struct tg_live_run *b) {
  return strcmp(a->run.pipeline, b->run.pipeline) == 0;
}

static uint32_t places_taken(const struct tg_engine *engine, const struct tg_live_run *run,
                             bool by_backfills) {
  uint32_t taken = 0;
  for (const struct tg_live_run *other = engine->runs; other; other = other->next)
    taken += other != run && other->is_admitted && (!by_backfills || other->run.backfill) &&
             is_sibling(other, run);
  return taken;
}

static bool is_full(const struct tg_engine *engine, const struct tg_live_run *run) {
  return is_limited(run) && places_taken(engine, run, false) >= run->plan->runs_max;
}

static bool has_place(const struct tg_engine *engine, const struct tg_live_run *run) {
  if (is_full(engine, run)) return false;
  return !run->run.backfill || places_taken(engine, run, true) < tg_plan_backfill_places(run->plan);
}

// --- The line ---

static int lane_compare(const struct tg_live_run *a, const struct tg_live_run *b) {
  int by_pipeline = strcmp(a->run.pipeline, b->run.pipeline);
  return by_pipeline ? by_pipeline : (a->run.backfill != NULL) - (b->run.backfill != NULL);
}

static bool is_before(const struct tg_live_run *a, const struct tg_live_run *b) {
  int lane = lane_compare(a, b);
  if (lane) return lane < 0;
  if (a->run.logical_at != b->run.logical_at) return a->run.logical_at < b->run.logical_at;
  return a->run.number < b->run.number;
}

void tg_engine_queue_put(struct tg_engine *engine, struct tg_live_run *run) {
  struct tg_live_run **at = &engine->queue;
  while (*at && is_before(*at, run)) at = &(*at)->next_queued;
  run->next_queued = *at;
  *at = run;
  engine->is_queue_due = true;
}

void tg_engine_queue_take(struct tg_engine *engine, struct tg_live_run *run) {
  struct tg_live_run **at = &engine->queue;
  while (*at && *at != run) at = &(*at)->next_queued;
  if (*at) *at = run->next_queued;
}

// --- A new run ---

static void begin(struct tg_engine *engine, struct tg_live_run *run) {
  run->is_admitted = true;
  run->run.started_at = engine->now.wall_ms;
  tg_engine_run_arm(engine, run);
}

// Names the runs that hold the places, as far as there is room for them.
static void holders_name(const struct tg_engine *engine, const struct tg_live_run *run,
                         char text[REASON_BYTES_MAX]) {
  size_t used = 0;
  uint32_t count = 0;
  for (const struct tg_live_run *other = engine->runs; other; other = other->next) {
    char id[TG_ID_TEXT_LEN + 1];
    if (other == run || !other->is_admitted || !is_sibling(other, run)) continue;
    tg_id_format(other->run.id, id);
    if (++count <= HOLDERS_SHOWN_MAX)
      used +=
          (size_t)snprintf(text + used, REASON_BYTES_MAX - used, "%s%s", count > 1 ? ", " : "", id);
  }
  if (count > HOLDERS_SHOWN_MAX)
    snprintf(text + used, REASON_BYTES_MAX - used, " and %u more", count - HOLDERS_SHOWN_MAX);
}

static void end_at_once(struct tg_engine *engine, struct tg_live_run *run, enum tg_run_state state,
                        int code, const char *reason) {
  run->is_ending = true;
  run->run.state = state;
  run->run.ended_at = engine->now.wall_ms;
  run->run.failure = (struct tg_failure){
      .code = code, .class = tg_code_class(code), .text = tg_arena_strdup(&run->arena, reason)};
}

static void skip(struct tg_engine *engine, struct tg_live_run *run) {
  char holders[REASON_BYTES_MAX] = "", reason[2 * REASON_BYTES_MAX];
  holders_name(engine, run, holders);
  snprintf(reason, sizeof reason,
           "skipped (limits.overlap): limits.runs of %.200s is %u, and it runs in %s",
           run->run.pipeline, run->plan->runs_max, holders);
  end_at_once(engine, run, TG_RUN_SKIPPED, TG_ECANCELLED, reason);
}

static struct tg_live_run *parent_of(const struct tg_engine *engine,
                                     const struct tg_live_run *run) {
  struct tg_id id;
  if (!run->run.parent || !tg_id_parse(run->run.parent, &id)) return NULL;
  struct tg_live_run *other = engine->runs;
  while (other && !tg_id_equal(other->run.id, id)) other = other->next;
  return other;
}

static bool is_ancestor(const struct tg_engine *engine, const struct tg_live_run *of,
                        const struct tg_live_run *run) {
  while (of && of != run) of = parent_of(engine, of);
  return of == run;
}

// Counts the runs that are to stay, and finds the oldest of them that may be stopped for a new one.
static uint32_t staying_count(const struct tg_engine *engine, const struct tg_live_run *run,
                              struct tg_live_run **oldest) {
  uint32_t count = 0;
  *oldest = NULL;
  for (struct tg_live_run *other = engine->runs; other; other = other->next) {
    if (other->stopped.code || other->is_ending || !is_sibling(other, run)) continue;
    if (other->run.backfill && !other->is_admitted) continue;
    count++;
    if (other->run.backfill || is_ancestor(engine, run, other)) continue;
    if (!*oldest || other->run.number < (*oldest)->run.number) *oldest = other;
  }
  return count;
}

static void older_stop(struct tg_engine *engine, const struct tg_live_run *run) {
  char id[TG_ID_TEXT_LEN + 1], reason[REASON_BYTES_MAX];
  struct tg_live_run *oldest;
  tg_id_format(run->run.id, id);
  snprintf(reason, sizeof reason, "cancelled for the newer run %s (limits.overlap)", id);
  while (staying_count(engine, run, &oldest) > run->plan->runs_max && oldest)
    tg_engine_run_stop(engine, oldest, TG_ECANCELLED, reason);
}

void tg_engine_place_ask(struct tg_engine *engine, struct tg_live_run *run) {
  bool may_wait = run->run.backfill || run->plan->overlap != TG_OVERLAP_SKIP;
  run->run.state = TG_RUN_RUNNING;
  if (has_place(engine, run)) {
    begin(engine, run);
  } else if (!may_wait) {
    skip(engine, run);
  } else {
    run->run.state = TG_RUN_QUEUED;
    tg_engine_queue_put(engine, run);
    if (run->plan->overlap == TG_OVERLAP_CANCEL_RUNNING && !run->run.backfill)
      older_stop(engine, run);
  }
}

// --- Waiting for ever ---

static const struct tg_live_run *child_find(const struct tg_engine *engine, const char *key) {
  const struct tg_live_run *run = engine->runs;
  while (run && (!run->run.child_key || strcmp(run->run.child_key, key) != 0)) run = run->next;
  return run;
}

// Says whether a run may come to its end though others stay stuck: none of its attempts waits for
// one of those. A tree of child runs has a limited depth.
static bool may_end(const struct tg_engine *engine, const struct tg_live_run *run) {
  size_t at = 0;
  const struct tg_map_slot *slot;
  if (!run->is_admitted) return !run->is_stuck;
  while ((slot = tg_map_next(&engine->flights, &at))) {
    const struct tg_flight *flight = slot->value;
    if (flight->run != run || !flight->waits_for) continue;
    if (tg_live_is_cut(run, run->tasks[flight->unit].task)) continue; // it is being ended
    const struct tg_live_run *child = child_find(engine, flight->waits_for);
    if (child && !may_end(engine, child)) return false;
  }
  return true;
}

// Says whether a place that a queued run waits for will become free.
static bool may_begin(const struct tg_engine *engine, const struct tg_live_run *run) {
  bool is_lane_full = run->run.backfill && !is_full(engine, run);
  if (has_place(engine, run)) return true;
  for (const struct tg_live_run *other = engine->runs; other; other = other->next)
    if (other->is_admitted && is_sibling(other, run) && (!is_lane_full || other->run.backfill) &&
        may_end(engine, other))
      return true;
  return false;
}

// Whoever stands behind one that may begin may, too.
static bool some_loosen(struct tg_engine *engine) {
  const struct tg_live_run *first = NULL;
  bool may = false, has_changed = false;
  for (struct tg_live_run *run = engine->queue; run; run = run->next_queued) {
    if (!first || lane_compare(first, run)) may = may_begin(engine, run);
    first = run;
    has_changed |= run->is_stuck && may;
    run->is_stuck = !may;
  }
  return has_changed;
}

static void fail(struct tg_engine *engine, struct tg_live_run *run) {
  char holders[REASON_BYTES_MAX] = "", reason[2 * REASON_BYTES_MAX];
  holders_name(engine, run, holders);
  snprintf(reason, sizeof reason,
           "it would wait for ever: limits.runs of %.200s is %u, and what runs (%s) waits for this "
           "run itself; raise limits.runs, or start it with wait = false",
           run->run.pipeline, run->plan->runs_max, holders);
  tg_engine_queue_take(engine, run);
  end_at_once(engine, run, TG_RUN_FAILED, TG_ELIMIT, reason);
  tg_engine_record(engine, &(struct tg_record){.kind = TG_RECORD_RUN, .run = run->run});
}

static bool is_waited_for(const struct tg_engine *engine, const struct tg_live_run *run) {
  size_t at = 0;
  const struct tg_map_slot *slot;
  while (run->run.child_key && (slot = tg_map_next(&engine->flights, &at))) {
    const struct tg_flight *flight = slot->value;
    if (flight->waits_for && strcmp(flight->waits_for, run->run.child_key) == 0) return true;
  }
  return false;
}

// Runs that wait for each other in a ring are told apart from those that only wait long by assuming
// the worst of all and taking it back where something goes on. The newest one in a ring fails.
static void ring_break(struct tg_engine *engine) {
  struct tg_live_run *newest = NULL;
  for (struct tg_live_run *run = engine->queue; run; run = run->next_queued) run->is_stuck = true;
  while (some_loosen(engine)) continue;
  for (struct tg_live_run *run = engine->queue; run; run = run->next_queued)
    if (run->is_stuck && (!newest || run->run.number > newest->run.number) &&
        is_waited_for(engine, run))
      newest = run;
  if (newest) fail(engine, newest);
}

// --- Beginning ---

void tg_engine_queue_advance(struct tg_engine *engine) {
  if (!engine->is_queue_due || !engine->queue || engine->is_draining) return;
  const struct tg_live_run *refused = NULL;
  engine->is_queue_due = false;
  for (struct tg_live_run *run = engine->queue, *next; run; run = next) {
    next = run->next_queued;
    if ((refused && lane_compare(refused, run) == 0) || !has_place(engine, run)) {
      refused = run;
      continue;
    }
    tg_engine_queue_take(engine, run);
    begin(engine, run);
    struct tg_record record = {.kind = TG_RECORD_RUN, .run = run->run};
    record.run.state = TG_RUN_RUNNING;
    tg_engine_record(engine, &record);
  }
  if (engine->queue) ring_break(engine);
}
