// SPDX-License-Identifier: Apache-2.0
// A run that is about to be given to the conductor: a new one, one that a host did not finish, or
// the rerun of an earlier one with what it carries over. What becomes a launch is decided in
// decide.h, rerun.c, cancel.c and backfill.c.
#pragma once

#include "cli/carry.h"
#include "cli/host.h"
#include "engine/plan.h"
#include "store/history.h"

enum tg_launch_kind { TG_LAUNCH_NEW, TG_LAUNCH_RESUMED, TG_LAUNCH_RERUN, TG_LAUNCH_DONE };

/// What was decided. Strings and lists live in the arena; the plan is shared.
struct tg_launch {
  struct tg_arena arena;
  enum tg_launch_kind kind;
  const struct tg_version *version; // whose bundle is kept with the run; NULL: the store has it
  struct tg_run run;
  struct tg_plan *plan;
  const enum tg_fate *fates;     // of a rerun, or a run of a selection: by task
  const struct tg_task *earlier; // and what became of the tasks before, by index
  const char *cancelled;         // of a run that is resumed only to be cancelled: why
  struct tg_task *tasks;         // to carry over, or of the run that is resumed
  struct tg_map_items *maps;
  struct tg_item *items;
  size_t task_count, map_count, item_count;
  struct tg_attempt *attempts; // of the run that is resumed
  struct tg_step *steps;
  size_t attempt_count, step_count;
};

/// Makes an empty launch; its owner deinits it, also after an error, and not before the host is
/// closed.
void tg_launch_init(struct tg_launch *launch);
void tg_launch_deinit(struct tg_launch *launch);

/// Reads the plan of a run that is in the store, and with a host its bundle, for its workers.
///
/// Errors: those of the store; TG_EDAMAGED when the bundle is not what its name says
int tg_launch_bundle(struct tg_launch *launch, struct tg_host *host, struct tg_history *history,
                     const char *bundle, struct tg_error *err);

/// Makes it the run that a host did not finish.
///
/// Errors: as tg_launch_bundle
int tg_launch_resume(struct tg_launch *launch, struct tg_host *host, struct tg_history *history,
                     const struct tg_run *run, struct tg_error *err);

/// How an earlier run is run again.
struct tg_rerun {
  const struct tg_run *of;
  const char *bundle, *params; // of the new run
  const char *select;          // only these, on what the earlier run left; or NULL
  bool is_from_failure;        // only what did not succeed
};

/// Makes it the rerun of a run, on the launch's plan: what it carries over, and a run with the
/// occurrence, logical instant and interval of the earlier one.
///
/// Errors: TG_EINVALID (the selection), those of the store
int tg_launch_rerun(struct tg_launch *launch, struct tg_history *history,
                    const struct tg_rerun *rerun, struct tg_error *err);

/// Lets a new run do a selection only, on what an earlier run (or NULL) left.
///
/// Errors: as tg_launch_rerun
int tg_launch_select(struct tg_launch *launch, struct tg_history *history,
                     const struct tg_run *earlier, const char *select, struct tg_error *err);

/// Starts it: keeps the bundle of a new run, ends what a killed host left of an old one, and gives
/// it to the conductor.
void tg_launch_start(struct tg_launch *launch, struct tg_host *host);
