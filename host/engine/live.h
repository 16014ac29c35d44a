// SPDX-License-Identifier: Apache-2.0
// The live state of a run: what is known of each task right now. It changes in two ways only: a
// committed record is applied (tg_live_apply, live and in recovery), and an attempt is dispatched,
// which a crash may forget.
//
// The way of a task:
//   waiting -> ready -> running -> success | failed        (running -> waiting for a retry,
//   waiting -> skipped | upstream_failed | cancelled         running -> ready when it was lost)
// A task that a branch leads to waits for the branch whatever its rule says, so that it is never
// started and then not chosen. Applying a terminal state counts it at each downstream task and asks
// the trigger rule. A task that so became ready goes to `ready`; one that is settled without
// running goes to `settled`, for the engine to record.
//
// Units: what can be tried is a unit. The first units are the tasks of the plan, by their index;
// when a map is expanded its items follow, so that everything about attempts is the same for both.
// An item is let into `ready` when its map's limits allow, and reports to its map when it ends.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dag/ready.h"
#include "engine/plan.h"
#include "model/record.h"

struct tg_live_step {
  const char *name, *result; // in the run's arena; result NULL while there is only the intent
  int64_t wake_at;           // of a sleep, and of a wait with a timeout
  const char *wait;          // what is waited for, as JSON (waits.c), or NULL; in the arena too
  uint64_t after;            // of a wait for an event: only those with a higher number count
  bool is_decided;           // its result is on its way to the store
};

struct tg_wait; // of the engine

// What is noted of a unit only if there is something to note. Most units of a large run go through
// without: what stands here costs them nothing, what stands in tg_live_task costs each of them.
struct tg_live_notes {
  int64_t first_started_at;  // once there is a second attempt
  int64_t retry_at;          // when it goes on, 0 when it does not wait for a time
  int64_t held_at;           // since when it waited for a breaker, if it is held
  int64_t deadline_at;       // of the running attempt, its sleeps included; monotonic, 0 for none
  struct tg_failure failure; // of its end, or of its last attempt; owns its text
  uint32_t lost;             // attempts that were lost, and so do not count as tries
  uint32_t worker_losses;    // in a row, since the host started
  struct tg_wait *wait;      // while it is parked until an event comes
  struct tg_live_step *steps;
  uint32_t step_count, step_at; // step_at: how many the running attempt has come by
};

struct tg_live_task {
  uint32_t task;        // index in the plan
  uint32_t item;        // from 0, or TG_NO_ITEM
  uint32_t attempts;    // number of the last one
  uint8_t state;        // enum tg_task_state
  bool is_deciding : 1; // its attempt has ended, and the record of that is not durable yet
  bool is_unchosen : 1; // a branch went on without it
  bool is_recorded : 1; // its running attempt has a record
  bool is_parked : 1;   // its attempt is ended only to sleep or wait, and does not count
  bool is_idle : 1;     // its attempt waits for a child run and takes no slot
  bool is_fallback : 1; // the next attempt is the last resort
  bool is_held : 1;     // it waits for its resource's breaker, or did before its attempt
  bool is_cut : 1;      // it was cancelled, or is as soon as its attempt has ended
  bool is_let_in : 1;   // of an item: it takes one of its map's places
  uint32_t success, failed, skipped; // upstream tasks that ended so
  uint32_t branches;                 // that lead to it and have not ended
  uint64_t attempt;                  // handle of the running one, or 0
  int64_t started_at;                // of the last attempt
  char *output;                      // JSON, or NULL
  struct tg_live_map *map;           // once it is expanded, or NULL
  struct tg_live_notes *notes;       // or NULL; read with tg_live_notes
};

struct tg_live_run {
  struct tg_run run; // owns its strings through `arena`
  struct tg_arena arena;
  struct tg_plan *plan;       // shared
  struct tg_live_task *tasks; // the units; may move when a map is expanded
  uint32_t count, map_count;  // of the units; of the maps that were expanded
  int64_t *priorities;        // of the plan's tasks
  struct tg_ready ready;
  struct tg_ready *held; // for each pool and then each resource of the plan: ready units that wait
                         // for room in it, or for its breaker
  uint32_t *settled;     // tasks whose state is settled but not recorded
  uint32_t settled_count;
  uint32_t running, open; // attempts in flight; tasks that are not terminal
  uint32_t retries,
      retries_deciding;      // granted, by the records; and those whose record is on its way
  struct tg_failure stopped; // why it is being cancelled; code 0 if it is not
  struct tg_failure cut;     // why units of it were; code 0 if none was
  uint32_t *cuts;            // those that have not ended
  uint32_t cut_count, cut_cap;
  bool is_durable;   // its creation is; nothing starts before
  bool is_admitted;  // it has, or had, a place among the runs of its pipeline
  bool is_stuck;     // while overlap.c looks: it may wait for ever
  bool is_ending;    // its end is recorded but not durable
  bool is_replaying; // it is made again from its records: items are let in afterwards
  struct tg_live_run *next, *next_queued;
};

/// Makes the live state of a run: nothing done, tasks without upstreams ready.
///
/// Owns:   the caller frees it; the plan is shared
/// Errors: NULL when memory is out
struct tg_live_run *tg_live_new(const struct tg_run *run, struct tg_plan *plan);
void tg_live_free(struct tg_live_run *live);

/// Gives what is noted of a unit, all zero when there is nothing.
const struct tg_live_notes *tg_live_notes(const struct tg_live_task *t);

/// Gives the notes of a unit to write in, or NULL when memory is out.
struct tg_live_notes *tg_live_note(struct tg_live_task *t);

/// Says whether an attempt's record grants a retry.
bool tg_live_is_retried(const struct tg_attempt *attempt);

/// Gives the start of a unit's first attempt, 0 if there was none.
int64_t tg_live_first_started_at(const struct tg_live_task *t);

/// Applies a record that is durable. Records of a state that is terminal already change nothing.
///
/// Errors: TG_ENOMEM
int tg_live_apply(struct tg_live_run *live, const struct tg_record *record);

/// Says that all records of a run that is made again were applied: lets go and lets in what could
/// not be judged before.
///
/// Errors: TG_ENOMEM
int tg_live_replayed(struct tg_live_run *live);

/// Gives how many sets of held units a run of a plan has.
uint32_t tg_live_held_count(const struct tg_plan *plan);

/// Finds the unit of a task, or of an item of it; UINT32_MAX when there is none.
uint32_t tg_live_unit(const struct tg_live_run *live, uint32_t task, uint32_t item);

/// Says what has become of a task by its trigger rule and by what became of its upstreams.
enum tg_trigger_verdict tg_live_judge(const struct tg_live_run *live, uint32_t task);

/// Says whether a unit is not to go on: it was cancelled itself, or its map was, or its run is
/// being cancelled and it is no teardown.
bool tg_live_is_cut(const struct tg_live_run *live, uint32_t unit);

/// Says whether a unit has failed and another task stands in for it.
bool tg_live_has_fallen(const struct tg_live_run *live, uint32_t unit);

/// Gives the state that a settled task has: skipped, upstream_failed, or, of one that has failed,
/// what its fallback has made of it.
enum tg_task_state tg_live_settled_state(const struct tg_live_run *live, uint32_t task);

/// Puts a waiting unit whose retry is due back among the ready ones.
int tg_live_make_ready(struct tg_live_run *live, uint32_t unit);

/// Counts an end at the tasks that wait for it. For a map's own use.
const struct tg_plan_task *tg_live_plan(const struct tg_live_run *live, uint32_t unit);
