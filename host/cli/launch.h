// SPDX-License-Identifier: Apache-2.0
// Which run `tidegate run` runs: a new one, one that a host did not finish, or the rerun of a
// failed occurrence (EXPERIENCE: "What `run` runs").
#pragma once

#include "cli/host.h"
#include "engine/plan.h"
#include "store/history.h"

struct tg_launch_options {
  const struct tg_version *version; // of the pipeline as it is in the project now
  const char *const *params;        // "name=value"
  size_t param_count;
  bool has_at, is_new;
  int64_t at_ms;      // the occurrence
  const char *select; // or NULL
};

enum tg_launch_kind { TG_LAUNCH_NEW, TG_LAUNCH_RESUMED, TG_LAUNCH_RERUN, TG_LAUNCH_DONE };

/// What was decided. Strings and lists live in the arena.
struct tg_launch {
  struct tg_arena arena;
  enum tg_launch_kind kind;
  struct tg_run run;
  struct tg_plan *plan;
  struct tg_task *tasks; // to carry over, or of the run that is resumed
  size_t task_count;
  struct tg_attempt *attempts; // from here on of the run that is resumed
  struct tg_map_items *maps;
  struct tg_item *items;
  struct tg_step *steps;
  size_t attempt_count, map_count, item_count, step_count;
};

/// Decides which run it is.
///
/// Owns:   the caller deinits the launch, also after an error, and not before the run has ended
/// Errors: TG_EINVALID (parameters, selection); those of the store
int tg_launch_decide(struct tg_launch *launch, struct tg_host *host,
                     const struct tg_launch_options *options, struct tg_error *err);
void tg_launch_deinit(struct tg_launch *launch);

/// Starts it: keeps the bundle of a new run, ends what a killed host left of an old one, and gives
/// it to the conductor.
void tg_launch_start(struct tg_launch *launch, struct tg_host *host,
                     const struct tg_version *version);
