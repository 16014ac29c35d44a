// SPDX-License-Identifier: Apache-2.0
// What holds the places to run, or held them at an instant that is past: the attempts in flight of
// all open runs, as the store knows them.
// The start of an attempt is recorded within 100 ms, so a shorter one is not among them. What a
// host has besides, its slots and the project's pools, is read from the settings as it reads them.
#pragma once

#include "base/limits.h"
#include "cli/project.h"
#include "cli/view.h"
#include "store/history.h"

/// An attempt in flight.
struct tg_taker {
  const struct tg_run *run;
  const struct tg_plan *plan;
  uint32_t task, item; // item: TG_NO_ITEM outside maps
  bool is_idle;        // it waits for a child run and takes nothing
};

struct tg_taker_plan {
  struct tg_taker_plan *next;
  const char *bundle;
  struct tg_plan *plan;
};

struct tg_takers {
  struct tg_arena arena;
  struct tg_taker *all; // in the order of run, task and item
  size_t count;
  const struct tg_run *runs; // that are open then, the newest first
  size_t run_count;
  struct tg_taker_plan *plans; // of what is in flight now, each once
  uint32_t slots;              // of the host
  struct tg_pools pools;
  int64_t now;
  struct tg_history *history; // where the past is read; NULL for it is not
  uint32_t looks;             // into the past
};

enum tg_lack_kind {
  TG_LACK_SLOT,  // of the host: limits.tasks of the project
  TG_LACK_TASKS, // limits.tasks of the pipeline
  TG_LACK_POOL
};

/// What a task has no room in.
struct tg_lack {
  enum tg_lack_kind kind;
  const char *pool;
  uint32_t size, taken, needs;
  bool is_lane; // the last slot is free, which a backfill leaves to others
};

enum { TG_LACKS_MAX = 2 + TG_POOLS_MAX };

/// Reads what is in flight beside an open run; of one that has ended there is nothing to read.
///
/// Owns:   the caller deinits `takers`, also after an error; they refer to the view, the history
///         and the project
/// Errors: those of tg_history_plan and tg_plan_parse
int tg_takers_read(struct tg_takers *takers, const struct tg_view *view, struct tg_history *history,
                   const struct tg_project *project, struct tg_error *err);
void tg_takers_deinit(struct tg_takers *takers);

/// Reads what was in flight at an instant that is past. The sizes of pools and hosts are those of
/// now.
///
/// Owns:   the caller deinits `then`, also after an error, and before `takers`, whose plans it uses
/// Errors: as tg_takers_read
int tg_takers_read_past(struct tg_takers *then, struct tg_takers *takers, int64_t at,
                        struct tg_error *err);

/// Finds all that a task of a run has no room in; gives how much that is. None does not mean that
/// it runs: its start may not be recorded yet, or another task that waits for the same pool stands
/// before it.
uint32_t tg_takers_lack(const struct tg_takers *takers, const struct tg_run *run,
                        const struct tg_plan *plan, uint32_t task,
                        struct tg_lack lacks[TG_LACKS_MAX]);

/// Gives how much of what a task of `run` has no room in an attempt holds, 0 for nothing.
uint32_t tg_taker_share(const struct tg_taker *taker, const struct tg_lack *lack,
                        const struct tg_run *run);
