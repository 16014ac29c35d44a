// SPDX-License-Identifier: Apache-2.0
// Running the occurrences that a backfill planned, in one host: in their order, a few at once.
#pragma once

#include "cli/args.h"
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
  struct tg_fill fill; // as it is recorded
  char id[TG_ID_TEXT_LEN + 1];
  struct tg_host *host;
  struct tg_history *history;
  const struct tg_version *version;
  struct tg_plan *plan;
  struct tg_backfill_item *items;
  size_t count;
  const char **params; // "name=value", of secrets the place only
  size_t param_count;
  uint32_t runs_max; // at once
  bool is_narrowed;  // more were asked for than limits.runs leaves to backfills
  struct tg_arena arena;
  struct tg_watch watch;
  struct tg_deferred more;
  size_t next, running, ended, total; // total: those that are not left
  bool is_bundle_kept;
  bool is_paused, is_cancelled; // nothing more begins
  uint32_t looks;
};

/// Runs what is not left, until all of it has ended, or it is paused or cancelled and what has
/// begun has ended, or a signal has stopped it.
///
/// Errors: why the host stopped by itself
int tg_backfill_go(struct tg_backfill *backfill, struct tg_error *err);

/// Takes what is given for parameters, of secrets their places; `again` is the command line that
/// goes on with a backfill, whose -p give its secrets again, or NULL.
///
/// Errors: those of tg_secrets_take; TG_EINVALID for what is no secret of a backfill that goes on
int tg_backfill_params_take(struct tg_backfill *backfill, const struct tg_args *again,
                            struct tg_error *err);

/// Freezes the parameters of each occurrence.
///
/// Errors: those of tg_freeze
int tg_backfill_params_freeze(struct tg_backfill *backfill, struct tg_occurrence *list,
                              struct tg_error *err);

/// Gives by what the parameters of runs are compared.
///
/// Owns:   the text is the backfill's; NULL when memory is out
const char *tg_backfill_params_identity(struct tg_backfill *backfill, const char *params);

/// Gives the words of the command line as they are recorded: with the pipeline by its name, and of
/// secrets the place only.
///
/// Owns:   the text is the backfill's; NULL when memory is out
const char *tg_backfill_command(struct tg_backfill *backfill);

/// Reads the recorded words again, with the global options and --max-runs of this command line.
///
/// Owns:   the caller deinits `again`, also after an error
int tg_backfill_again(const struct tg_args *args, const struct tg_fill *fill,
                      struct tg_arena *arena, struct tg_args *again, struct tg_error *err);

/// Do what --list, --pause and --cancel ask for; --resume of one that a host is at work on.
///
/// Shape:  return an exit code
int tg_backfill_list(const struct tg_args *args);
int tg_backfill_pause(const struct tg_args *args);
int tg_backfill_cancel(const struct tg_args *args);
int tg_backfill_wake(const struct tg_project *project, const struct tg_fill *fill,
                     const struct tg_error *busy);
