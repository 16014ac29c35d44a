// SPDX-License-Identifier: Apache-2.0
// A plan: what a pipeline was baked to, as the engine uses it. It is read from the JSON that a
// script worker gives (and the store keeps), and never changes afterwards.
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "dag/graph.h"
#include "dag/trigger.h"
#include "model/record.h"
#include "retry/policy.h"

enum tg_runner_kind { TG_RUNNER_SCRIPT, TG_RUNNER_COMMAND };

/// X(NAME, word): what becomes of a run of a pipeline that has limits.runs of them.
#define TG_OVERLAPS(X)                                                                             \
  X(QUEUE, "queue")                                                                                \
  X(SKIP, "skip")                                                                                  \
  X(CANCEL_RUNNING, "cancel_running")                                                              \
  X(ALLOW, "allow")

enum tg_overlap {
#define X(name, word) TG_OVERLAP_##name,
  TG_OVERLAPS(X)
#undef X
      TG_OVERLAP_COUNT
};

const char *tg_overlap_word(enum tg_overlap overlap);

/// A command task's part of the plan.
struct tg_plan_command {
  const char *const *argv; // NULL-terminated; with is_shell one text for sh -c
  bool is_shell;
  const char *const *env_pass; // names, NULL-terminated
  const char *const *env_set;  // "NAME=value", NULL-terminated
  const char *cwd;             // "" for the project's folder
  const char *stdin_text;
  int64_t grace_ms;
  const int *ok_codes;
  uint32_t ok_code_count;
  bool is_json_output; // the last line of JSON on stdout is the result
};

#define TG_NO_TASK UINT32_MAX
/// An asset that a task reads; few tasks say so.
struct tg_plan_read {
  uint32_t task;
  const char *asset;
  const struct tg_plan_read *next;
};

#define TG_NO_RESOURCE UINT32_MAX

/// How a task is run for each item of a list.
struct tg_plan_map {
  uint32_t over;          // the map whose outputs are the items; TG_NO_TASK: the script says
  bool is_depth;          // an item follows the one before it at once, not when all are done
  uint32_t limit;         // items at once, 0 for no limit
  uint32_t limit_per_key; // items of one key at once, 0 for no limit
  uint32_t fail_after;    // how many failed items end the map as failed, 0 for none
  double fail_share;      // or more than which share of the items; 0 for none. Without both any
                          // failed item fails the map, once all have run
  uint32_t items_max;
};

/// What of a pool a task takes while it runs.
struct tg_plan_pool {
  const char *name;
  uint32_t slots;
};

struct tg_plan_task {
  const char *name, *word;
  const uint32_t *to;                    // of a branch: the tasks it chooses among
  const char *retry_decide;              // the policy that is asked about each retry, or NULL
  const struct tg_retry_policy *retry;   // tasks of the same policy that follow each other share it
  const char *const *tags;               // NULL-terminated
  const char *const *produces;           // NULL-terminated
  const struct tg_plan_command *command; // NULL for scripts
  const struct tg_plan_map *map;         // NULL unless it is one
  const struct tg_plan_pool *pools;
  int64_t timeout_ms; // 0 for none
  uint32_t line, to_count, pool_count;
  int32_t priority;
  uint32_t resource;    // index in the plan's, or TG_NO_RESOURCE
  uint32_t fallback;    // the task that stands in for it when it has failed, or TG_NO_TASK
  uint32_t fallback_of; // the task that it stands in for, or TG_NO_TASK
  uint8_t when;         // enum tg_trigger_rule
  uint8_t runner;       // enum tg_runner_kind
  bool is_setup : 1, is_teardown : 1;
  bool has_fallback : 1; // a function of its own as its last resort
};

struct tg_plan {
  uint32_t references;
  struct tg_arena arena;
  const char *name, *doc, *file;
  int64_t timeout_ms;               // of a run, 0 for none
  uint32_t tasks_max;               // running at once in a run, 0 for no limit
  const struct tg_plan_pool *pools; // with their sizes, 0 for one of the project
  uint32_t pool_count;
  const char **resources; // that its tasks name, each once
  uint32_t resource_count;
  bool has_fallbacks;   // tasks that stand in for others
  uint32_t retries_max; // of all tasks of a run together, 0 for no limit
  uint32_t runs_max;    // of the pipeline at once, 0 for no limit
  bool has_runs_max;    // it says so itself
  enum tg_overlap overlap;
  const char *const *partitions; // each occurrence is run for each of them; NULL-terminated
  uint32_t partition_count;
  const struct tg_plan_read *reads; // of all tasks
  json_t *params;                   // the list of parameter schemas (model/params.h)
  json_t *triggers; // the list of what starts it: {"kind": "cron", "expr", "tz", ...}, ...
  struct tg_plan_task *tasks;
  uint32_t count;
  struct tg_graph graph;
};

/// Reads a plan and checks it as a stranger's: indexes, words, numbers, no cycle.
///
/// Owns:   the caller frees the plan
/// Errors: TG_EINVALID with the field's path, TG_ENOMEM
int tg_plan_parse(const char *text, size_t len, struct tg_plan **plan, struct tg_error *err);

/// Reads a plan without its tasks, and then its tasks; both is what tg_plan_parse does.
int tg_plan_parse_head(const char *text, size_t len, struct tg_plan **plan, struct tg_error *err);
int tg_plan_parse_tasks(struct tg_plan *plan, const char *text, size_t len, struct tg_error *err);
void tg_plan_free(struct tg_plan *plan); // when nobody else refers to it

/// Lets one more refer to a plan; each lets go of it with tg_plan_free.
struct tg_plan *tg_plan_share(struct tg_plan *plan);

/// Gives the wall instant at which a run of a plan is over whatever it does, by the plan's time
/// limit and by what its parent has left; INT64_MAX for none. Teardowns are not bound by it.
int64_t tg_plan_deadline(const struct tg_plan *plan, const struct tg_run *run);

/// Gives how many runs of the pipeline backfills may have at work at once: where there are several
/// places they leave one to other runs. UINT32_MAX for no limit.
uint32_t tg_plan_backfill_places(const struct tg_plan *plan);

/// Finds a task by name; returns its index or UINT32_MAX.
uint32_t tg_plan_find(const struct tg_plan *plan, const char *name);
