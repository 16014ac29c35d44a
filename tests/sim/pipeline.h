// SPDX-License-Identifier: Apache-2.0
// Random pipelines: the grammar. A pipeline is kept twice, as the simulator's own description, by
// which it judges, and as the plan that the engine reads from the JSON of that description.
#pragma once

#include "engine/plan.h"
#include "sim/random.h"

#define SIM_NONE UINT32_MAX

enum { SIM_POOLS = 2, SIM_KEYS = 5, SIM_RESOURCES = 2 };

enum sim_overlap {
  SIM_OVERLAP_QUEUE,
  SIM_OVERLAP_SKIP,
  SIM_OVERLAP_CANCEL_RUNNING,
  SIM_OVERLAP_ALLOW,
  SIM_OVERLAP_COUNT,
};

const char *sim_overlap_word(enum sim_overlap overlap);

struct sim_retry {
  uint32_t attempts, backoff, jitter; // backoff and jitter: places in their lists of words
  int64_t base_ms, cap_ms, total_ms;
  uint32_t factor, classes; // a bit for each class
  bool asks;                // a policy is asked before it is tried again
};

struct sim_map {
  uint32_t over; // a task, or SIM_NONE
  bool is_depth, has_keys;
  uint32_t limit, limit_per_key, fail_after, items_max;
  uint32_t share_percent;
};

struct sim_task {
  char name[12];
  int rule;
  bool is_setup, is_teardown, has_fallback, is_map;
  int32_t priority;
  int64_t timeout_ms;
  uint32_t *up, up_count; // all that it waits for, branches included
  uint32_t *to, to_count; // of a branch
  uint32_t *down, down_count;
  uint32_t tail; // tasks on the longest way from it to an end, itself included
  uint32_t pools[SIM_POOLS];
  uint32_t resource;        // or SIM_NONE
  uint32_t spare, spare_of; // the task that stands in for it, or for which it does, or SIM_NONE
  uint32_t child;           // the pipeline that it runs, or SIM_NONE
  struct sim_map map;
  struct sim_retry retry;
};

struct sim_pipeline {
  char name[12];
  struct sim_task *tasks;
  uint32_t count;
  int64_t timeout_ms;
  uint32_t tasks_max, retries_max, runs_max;
  enum sim_overlap overlap;
  uint32_t pools[SIM_POOLS];     // their sizes, or what its tasks take at most of the project's
  bool is_of_project[SIM_POOLS]; // the plan does not say its size
  struct tg_plan *plan;
};

/// What pipelines of one simulation have in common.
struct sim_taste {
  uint32_t number;           // of the pipeline; it may run those with smaller ones
  uint32_t tasks_max;        // how many tasks it may have
  uint32_t pools[SIM_POOLS]; // the same for all: they stand for the same things
  bool has_resources, has_places, has_project; // has_project: it has pools
  uint32_t map_permille;                       // how many of its tasks are maps
  bool is_traced;                              // its plan is printed
};

/// Makes a pipeline and has its plan parsed.
///
/// Errors: those of tg_plan_parse, which should not fail
int sim_pipeline_make(struct sim_pipeline *pipeline, const struct sim_taste *taste,
                      struct sim_random *random, struct tg_error *err);
void sim_pipeline_free(struct sim_pipeline *pipeline);

/// Says whether a task runs for each item of the map that stands before it.
bool sim_task_is_chain(const struct sim_task *task);

/// Gives the name of a pool.
const char *sim_pool_name(uint32_t pool);
