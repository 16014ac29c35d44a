// SPDX-License-Identifier: Apache-2.0
// Reading the store: what happened, for the command line, the API and recovery. A history is a
// read-only connection of its own; it may be used while a host writes, and sees committed facts
// only. Results live in the arena that the caller gives.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "model/event.h"
#include "model/record.h"

struct tg_history;

/// Opens the store of a data folder for reading.
///
/// Errors: TG_ENOT_FOUND when there is no store yet, TG_EDAMAGED, TG_EINVALID when the store was
///         written by a newer version
int tg_history_open(const char *data, struct tg_history **out, struct tg_error *err);
void tg_history_close(struct tg_history *history);

/// What runs to list; zero fields do not restrict.
struct tg_run_filter {
  const char *pipeline;
  int state;          // -1 for any (so set it)
  const char *params; // JSON object, compared as text
  const char *occurrence;
  const char *partition; // "" for runs of none
  const char *parent;    // id: its child runs
  const char *child_key; // of a child run
  const char *backfill;  // id: the runs of it
  bool is_open;          // only those that have not ended
  int64_t open_at;       // only those that had been made and had not ended at an instant; 0 for any
  size_t limit;
};

/// Gives runs, newest first.
int tg_history_runs(struct tg_history *history, const struct tg_run_filter *filter,
                    struct tg_arena *arena, struct tg_run **runs, size_t *count,
                    struct tg_error *err);

/// Finds one run by its id, a unique prefix of it, or "last".
///
/// Errors: TG_ENOT_FOUND; TG_EINVALID when several runs have the prefix
int tg_history_run(struct tg_history *history, const char *name, struct tg_arena *arena,
                   struct tg_run *run, struct tg_error *err);

/// Give what belongs to a run, in the order of task, attempt and time.
int tg_history_tasks(struct tg_history *history, uint64_t run, struct tg_arena *arena,
                     struct tg_task **tasks, size_t *count, struct tg_error *err);
int tg_history_map_items(struct tg_history *history, uint64_t run, struct tg_arena *arena,
                         struct tg_map_items **maps, size_t *count, struct tg_error *err);
int tg_history_items(struct tg_history *history, uint64_t run, struct tg_arena *arena,
                     struct tg_item **items, size_t *count, struct tg_error *err);
int tg_history_steps(struct tg_history *history, uint64_t run, struct tg_arena *arena,
                     struct tg_step **steps, size_t *count, struct tg_error *err);
int tg_history_step(struct tg_history *history, uint64_t run, uint32_t task, uint32_t item,
                    uint32_t position, struct tg_arena *arena, struct tg_step *step,
                    struct tg_error *err); // TG_ENOT_FOUND when there is none
int tg_history_attempts(struct tg_history *history, uint64_t run, struct tg_arena *arena,
                        struct tg_attempt **attempts, size_t *count, struct tg_error *err);
/// Gives the attempts of all open runs that run, but those that sleep or wait for an event or a
/// person at the instant `now`, in the order of run, task and item.
int tg_history_running(struct tg_history *history, int64_t now, struct tg_arena *arena,
                       struct tg_attempt **attempts, size_t *count, struct tg_error *err);
/// Gives the attempts that ran at an instant that is past, of all runs that were open then.
int tg_history_ran(struct tg_history *history, int64_t at, struct tg_arena *arena,
                   struct tg_attempt **attempts, size_t *count, struct tg_error *err);
/// Gives when the last attempt ended that ended later than `after` and not later than `until`; 0
/// when there was none.
int tg_history_last_end(struct tg_history *history, int64_t after, int64_t until, int64_t *at,
                        struct tg_error *err);
int tg_history_decisions(struct tg_history *history, uint64_t run, struct tg_arena *arena,
                         struct tg_decision **decisions, size_t *count, struct tg_error *err);
int tg_history_checks(struct tg_history *history, uint64_t run, struct tg_arena *arena,
                      struct tg_check **checks, size_t *count, struct tg_error *err);
int tg_history_asset_versions(struct tg_history *history, uint64_t run, struct tg_arena *arena,
                              struct tg_asset_version **versions, size_t *count,
                              struct tg_error *err);

/// Gives what is known of resources, by name.
int tg_history_resources(struct tg_history *history, struct tg_arena *arena,
                         struct tg_resource **resources, size_t *count, struct tg_error *err);

/// A version of an asset, and the run that it is of.
struct tg_newer {
  struct tg_id run;
  const char *pipeline;
  int64_t created_at;
};

/// Finds the newest version of an asset that came after a task of a run had begun to read it, from
/// a run of another pipeline that is about the same data: its partition is the same, or one of the
/// two has none, and their intervals overlap, or one of the two has none.
///
/// Shape:  `*count` is 1 and `newer` filled, or 0; a task that did not succeed has read nothing
int tg_history_newer(struct tg_history *history, uint64_t run, const char *task, const char *asset,
                     struct tg_arena *arena, struct tg_newer *newer, size_t *count,
                     struct tg_error *err);

/// Gives the state of a backfill by its whole id, without counting its runs.
///
/// Errors: TG_ENOT_FOUND
int tg_history_fill_state(struct tg_history *history, const char *id, struct tg_arena *arena,
                          enum tg_fill_state *state, struct tg_error *err);

/// Gives the backfills, newest first; and one by its id, a unique prefix of it, or "last".
///
/// Errors: of one: TG_ENOT_FOUND; TG_EINVALID when several have the prefix
int tg_history_fills(struct tg_history *history, struct tg_arena *arena, struct tg_fill **fills,
                     size_t *count, struct tg_error *err);
int tg_history_fill(struct tg_history *history, const char *name, struct tg_arena *arena,
                    struct tg_fill *fill, struct tg_error *err);

/// Gives the plan (JSON text) of a bundle.
///
/// Errors: TG_ENOT_FOUND
int tg_history_plan(struct tg_history *history, const char *bundle, struct tg_arena *arena,
                    const char **plan, struct tg_error *err);

/// One file of a bundle, or one that was looked for in vain: then its path is "" and its text says
/// why.
struct tg_source {
  const char *key, *path; // "contract:silver_orders", "contracts/silver_orders.yaml"
  const char *text;
  size_t len;
};

/// Gives the files of a bundle.
int tg_history_sources(struct tg_history *history, const char *bundle, struct tg_arena *arena,
                       struct tg_source **sources, size_t *count, struct tg_error *err);

/// A bundle as it is kept: its plan and the files it was made of.
struct tg_bundle_row {
  const char *hash, *pipeline, *plan;
  const char *program; // id of the program that may use it again (base/program.h), "" for none
  int64_t built_at;    // ms; what scripts take for now when they are loaded
  const struct tg_source *sources;
  size_t count;
};

/// Gives a bundle with its files.
///
/// Errors: TG_ENOT_FOUND
int tg_history_bundle(struct tg_history *history, const char *hash, struct tg_arena *arena,
                      struct tg_bundle_row *row, struct tg_error *err);

/// Names the bundles that a program may use again and whose entry is this file, the newest first.
///
/// Shape:  path of the file, hash of its text, id of the program -> hashes
int tg_history_builds(struct tg_history *history, const char *path, const char *text_hash,
                      const char *program, struct tg_arena *arena, const char ***hashes,
                      size_t *count, struct tg_error *err);

/// What events to give; zero fields do not restrict.
struct tg_event_query {
  const char *id, *type, *source;
  bool is_forward; // the oldest first, and only those with a higher number than `after`
  uint64_t after;
  size_t limit;
};

/// Gives events.
int tg_history_events(struct tg_history *history, const struct tg_event_query *query,
                      struct tg_arena *arena, struct tg_event **events, size_t *count,
                      struct tg_error *err);

/// Gives how many waits an event has ended.
int tg_history_event_waits(struct tg_history *history, uint64_t event, uint64_t *count,
                           struct tg_error *err);

/// Gives the highest number of an event, 0 when there is none.
int tg_history_last_event(struct tg_history *history, uint64_t *last, struct tg_error *err);

/// Gives the highest run number, 0 when there is none.
int tg_history_last_number(struct tg_history *history, uint64_t *last, struct tg_error *err);

/// Runs SQLite's integrity check; an error's text says what is wrong.
int tg_history_check(struct tg_history *history, struct tg_error *err);
