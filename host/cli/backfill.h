// SPDX-License-Identifier: Apache-2.0
// Running the occurrences that a backfill planned, in one host: in their order, a few at once.
#pragma once

#include "cli/launch.h"
#include "cli/occurrences.h"
#include "cli/output.h"
#include "cli/watch.h"

/// One occurrence, and the run that it got in this backfill.
struct tg_backfill_item {
  const struct tg_occurrence *occurrence;
  struct tg_launch launch;
  struct tg_id run;
  bool is_begun, has_ended;
  enum tg_run_state state;
  int64_t started_at, ended_at;
  const char *error; // why it failed, or NULL
};

struct tg_backfill {
  const struct tg_args *args;
  struct tg_host *host;
  struct tg_history *history;
  const struct tg_version *version;
  struct tg_plan *plan;
  struct tg_backfill_item *items;
  size_t count;
  uint32_t runs_max; // at once
  struct tg_arena arena;
  struct tg_watch watch;
  struct tg_deferred more;
  size_t next, running, ended, total; // total: those that are not left
  bool is_bundle_kept;
};

/// Runs what is not left, until all of it has ended or a signal has stopped it.
///
/// Errors: why the host stopped by itself
int tg_backfill_go(struct tg_backfill *backfill, struct tg_error *err);
