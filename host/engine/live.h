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
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dag/ready.h"
#include "engine/plan.h"
#include "model/record.h"

struct tg_live_task {
  uint8_t state;          // enum tg_task_state
  bool is_deciding;       // its attempt has ended, and the record of that is not durable yet
  bool is_unchosen;       // a branch went on without it
  bool is_recorded;       // its running attempt has a record
  uint32_t attempts;      // number of the last one
  uint32_t lost;          // how many of them were lost, and so do not count as tries
  uint32_t worker_losses; // in a row, since the host started
  uint32_t success, failed, skipped; // upstream tasks that ended so
  uint32_t branches;                 // that lead to it and have not ended
  uint64_t attempt;                  // handle of the running one, or 0
  int64_t first_started_at, started_at, ended_at, retry_at;
  char *output;              // JSON, or NULL
  struct tg_failure failure; // of its end, or of its last attempt; owns its text
};

struct tg_live_run {
  struct tg_run run; // owns its strings through `arena`
  struct tg_arena arena;
  struct tg_plan *plan; // shared; outlives the run
  struct tg_live_task *tasks;
  int64_t *priorities;
  struct tg_ready ready;
  uint32_t *settled; // tasks whose state is settled but not recorded
  uint32_t settled_count;
  uint32_t running, open;    // attempts in flight; tasks that are not terminal
  struct tg_failure stopped; // why it is being cancelled; code 0 if it is not
  bool is_durable;           // its creation is; nothing starts before
  bool is_ending;            // its end is recorded but not durable
  struct tg_live_run *next;
};

/// Makes the live state of a run: nothing done, tasks without upstreams ready.
///
/// Owns:   the caller frees it; the plan is shared
/// Errors: NULL when memory is out
struct tg_live_run *tg_live_new(const struct tg_run *run, struct tg_plan *plan);
void tg_live_free(struct tg_live_run *live);

/// Applies a record that is durable. Records of a state that is terminal already change nothing.
///
/// Errors: TG_ENOMEM
int tg_live_apply(struct tg_live_run *live, const struct tg_record *record);

/// Gives the state that a settled task has: skipped or upstream_failed.
enum tg_task_state tg_live_settled_state(const struct tg_live_run *live, uint32_t task);

/// Puts a waiting task whose retry is due back among the ready ones.
int tg_live_make_ready(struct tg_live_run *live, uint32_t task);
