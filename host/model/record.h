// SPDX-License-Identifier: Apache-2.0
// The records: what the engine decides, the store remembers and readers show. Plain data.
//
// Every change of a run is one of these records. They travel in batches: the engine fills a batch,
// the store commits it whole, and only then is each record applied to the live state. Strings of
// a batch live in its arena and may be NULL where a field is optional; times are ms since 1970,
// 0 where not known; documents are JSON text.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/id.h"
#include "model/state.h"

/// A failure as it is kept; code 0 means there was none.
struct tg_failure {
  int code;
  enum tg_class class;
  const char *text;
};

/// One execution of one pipeline version for one trigger, logical instant and parameters.
struct tg_run {
  uint64_t number; // the store's key, in order of creation, from 1
  struct tg_id id;
  const char *pipeline;
  const char *bundle;     // hash
  const char *params;     // JSON object
  const char *occurrence; // RFC 3339 instant of a scheduled run; NULL for one by hand
  const char *partition;  // of the pipeline's, or NULL
  const char *trigger;    // "manual", "at", "rerun"
  uint32_t rerun;         // 0 for the first run of an occurrence, then 1, 2, ...
  const char *rerun_of;   // id of the run this one repeats, or NULL
  const char *parent;     // of a child run: the id of the run that started it, or NULL
  const char *child_key;  // and what it was started for: unique, so that it is started once
  int64_t logical_at;
  int64_t deadline_at; // of a child run that is waited for: that of its parent; 0 for none
  int64_t interval_start, interval_end; // the data it is about: start <= t < end; 0 for none
  const char *backfill;                 // id of the backfill that it belongs to, or NULL
  uint64_t event_after; // the number of the last event that was known when it was made
  enum tg_run_state state;
  int64_t created_at, started_at, ended_at; // started_at: 0 while it is queued
  struct tg_failure failure;                // why it ended so, or is being stopped, or was skipped
};

/// A node of a run's frozen graph. Tasks without a row are waiting.
struct tg_task {
  uint64_t run;
  uint32_t index; // in the plan
  const char *name;
  enum tg_task_state state;
  uint32_t attempts; // tries that were started
  int64_t started_at, ended_at;
  const char *output; // JSON, or NULL
  const char *chosen; // of a branch: JSON list of task names, or NULL
  struct tg_failure failure;
};

/// What a map was expanded to: its items, each a task of its own from then on.
struct tg_map_items {
  uint64_t run;
  uint32_t task;
  uint32_t count;
  const char *items; // JSON list, or NULL when they are the outputs of the map before it
  const char *keys;  // JSON list of texts by which items are limited, or NULL
};

/// One item of a map that has ended.
struct tg_item {
  uint64_t run;
  uint32_t task, index; // of the map in the plan; of the item, from 0
  enum tg_task_state state;
  uint32_t attempts;
  int64_t started_at, ended_at;
  const char *output; // JSON, or NULL
  struct tg_failure failure;
};

#define TG_NO_ITEM UINT32_MAX // where an item could stand, but none does

/// A memoised piece of a task: its intent, and later its result.
struct tg_step {
  uint64_t run;
  uint32_t task, item; // item: TG_NO_ITEM outside maps
  uint32_t position;   // in the order of the intents, from 0
  const char *name;
  const char *result; // JSON; NULL while there is only the intent
  int64_t wake_at;    // of a sleep, and of a wait with a timeout; 0 otherwise
  const char *wait;   // what is waited for, as JSON (engine/waits.c); or NULL
  uint64_t after;     // of a wait for an event: only those with a higher number count
  uint64_t event;     // the number of the event that ended it
  int64_t intended_at, ended_at;
};

/// One try of a task, or of an item.
struct tg_attempt {
  uint64_t run;
  uint32_t task;
  uint32_t item;   // TG_NO_ITEM outside maps
  uint32_t number; // from 1
  enum tg_attempt_state state;
  uint32_t worker; // number of the script worker, 0 for a command
  uint64_t seed;
  int64_t started_at, ended_at;
  int64_t retry_at;      // when the next try may start, 0 if there is none
  bool is_fallback_next; // that try is the task's fallback
  bool was_held;         // it waited for the breaker of its resource before it began
  struct tg_failure failure;
  const char *stop; // why there is no further try although there could be one, or NULL
  const char *traceback;
};

/// What a policy answered.
struct tg_decision {
  uint64_t run;
  uint32_t task, attempt;
  const char *policy;
  const char *version;        // hash of the policy's source
  const char *input, *output; // JSON
  const char *action, *reason;
  int64_t decided_at;
};

/// One contract rule on one asset version.
struct tg_check {
  uint64_t run;
  uint32_t task, attempt;
  uint32_t position; // in the order of the checks
  const char *body;  // JSON object as tidegate.quality gives it
};

/// What an attempt produced.
struct tg_asset_version {
  uint64_t run;
  uint32_t task, attempt;
  const char *asset;
  const char *partition; // "" for none
  int64_t rows;          // -1 if not known
  const char *facts;     // JSON object
  int64_t created_at;
};

/// What is known of a resource that tasks name: its circuit breaker, and its budget of retries.
struct tg_resource {
  const char *name;
  const char *phase;            // of the breaker: "closed", "open", "half_open"
  int64_t opened_at;            // 0 while it is closed
  int64_t retry_at;             // while it is open: when it may be probed
  const char *reason;           // the failure that opened it, or NULL
  const char *breaker, *budget; // the states, as retry/breaker.h and retry/budget.h write them
};

/// A backfill: the runs of many occurrences that were asked for together.
struct tg_fill {
  struct tg_id id;
  const char *pipeline;
  const char *command; // JSON list of the words that asked for it, without the verb
  enum tg_fill_state state;
  int64_t created_at, ended_at;
  uint32_t total;           // occurrences that were to run when it was made
  uint32_t success, failed; // of its runs, as the store counts them
};

/// X(NAME, struct, field of the union)
#define TG_RECORDS(X)                                                                              \
  X(RUN, tg_run, run)                                                                              \
  X(TASK, tg_task, task)                                                                           \
  X(MAP_ITEMS, tg_map_items, map_items)                                                            \
  X(ITEM, tg_item, item)                                                                           \
  X(STEP, tg_step, step)                                                                           \
  X(ATTEMPT, tg_attempt, attempt)                                                                  \
  X(DECISION, tg_decision, decision)                                                               \
  X(CHECK, tg_check, check)                                                                        \
  X(ASSET_VERSION, tg_asset_version, asset_version)                                                \
  X(RESOURCE, tg_resource, resource)                                                               \
  X(FILL, tg_fill, fill)

#define X(name, type, field) TG_RECORD_##name,
enum tg_record_kind { TG_RECORDS(X) TG_RECORD_COUNT };
#undef X

struct tg_record {
  enum tg_record_kind kind;
  union {
#define X(name, type, field) struct type field;
    TG_RECORDS(X)
#undef X
  };
};

/// Records that become durable together, or not at all.
struct tg_batch {
  struct tg_arena arena;
  struct tg_record *records;
  size_t count, cap;
  bool may_wait;         // nothing starts on it soon: it need not have a commit of its own
  struct tg_batch *next; // for whoever holds it in a list
};

/// Makes an empty batch, or gives NULL when memory is out.
struct tg_batch *tg_batch_new(void);
void tg_batch_free(struct tg_batch *batch);

/// Adds a record (a copy of the struct; its strings are copied into the arena).
///
/// Errors: returns TG_ENOMEM and leaves the batch as it was
int tg_batch_add(struct tg_batch *batch, const struct tg_record *record);
