// SPDX-License-Identifier: Apache-2.0
// The engine: the only code that changes a run. It does no input or output: it is given an input
// and the time, and leaves effects for its driver to carry out. The same inputs give the same
// effects.
//
// At each hop: decide (an input comes, records are written into a batch) -> commit (the driver
// makes the batch durable) -> apply (the batch comes back as an input, and changes the live state)
// -> act (what became ready is started). Nothing is started on a fact that is not durable. Only the
// start of an attempt goes ahead of its record: a crash repeats it either way.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/live.h"
#include "engine/pools.h"
#include "engine/resources.h"
#include "engine/timers.h"
#include "model/event.h"

struct tg_now {
  int64_t wall_ms, mono_ms;
};

/// How an attempt ended. Strings are the sender's.
struct tg_outcome {
  struct tg_error err;   // code 0: success
  const char *result;    // JSON, or NULL
  const char *facts;     // JSON object {"chosen", "assets", "checks"}, or NULL
  const char *traceback; // or NULL
  uint32_t worker;       // number of the script worker, 0 for a command
  bool is_bystander;     // lost with its worker, for which another attempt is to blame
};

enum tg_step_operation { TG_STEP_BEGIN, TG_STEP_END, TG_STEP_SLEEP, TG_STEP_WAIT };

enum tg_input_kind {
  TG_INPUT_RUN,       // a new run
  TG_INPUT_RESUME,    // a run that a host did not finish
  TG_INPUT_RESULT,    // an attempt has ended
  TG_INPUT_COMMITTED, // a batch is durable
  TG_INPUT_TIMER,     // tg_engine_next_timer has come
  TG_INPUT_CANCEL,    // a run is to end, or a unit of one
  TG_INPUT_STEP,      // an attempt comes to a step, ends one, sleeps, or waits
  TG_INPUT_EVENT,     // an event is durable
  TG_INPUT_APPROVAL,  // a person has answered
  TG_INPUT_IDLE,      // an attempt waits for a child run, or goes on
  TG_INPUT_DRAIN,     // nothing new is to start
  TG_INPUT_POOLS,     // the pools of the project
  TG_INPUT_DECISION,  // a policy for retries has answered
  TG_INPUT_RESOURCES, // what the project says of resources, and what an earlier host left of them
};

struct tg_input {
  enum tg_input_kind kind;
  union {
    struct {
      const struct tg_run *run;      // without its number, which the engine gives
      struct tg_plan *plan;          // shared
      const struct tg_task *carried; // tasks of an earlier run that need not run again
      size_t carried_count;
      const struct tg_map_items *carried_maps; // and what is done of its maps
      size_t carried_map_count;
      const struct tg_item *carried_items;
      size_t carried_item_count;
    } run;
    struct {
      const struct tg_run *run;
      struct tg_plan *plan;
      const struct tg_task *tasks;
      size_t task_count;
      const struct tg_attempt *attempts;
      size_t attempt_count;
      const struct tg_map_items *maps;
      size_t map_count;
      const struct tg_item *items;
      size_t item_count;
      const struct tg_step *steps;
      size_t step_count;
      const char *cancelled; // why it is only to be cancelled, or NULL: it is to go on
    } resume;
    struct {
      uint64_t attempt;
      const struct tg_outcome *outcome;
    } result;
    struct tg_batch *committed; // the engine frees it
    struct {
      uint64_t run;
      int code; // TG_ECANCELLED or TG_ETIMEOUT
      const char *reason;
      bool is_of_unit;     // only a task of it, or an item
      uint32_t task, item; // then; item: TG_NO_ITEM for the task, with all its items
    } cancel;
    struct {
      uint64_t attempt, request; // the request is told with the answer
      enum tg_step_operation operation;
      const char *name, *result; // the result of an END, as JSON
      int64_t sleep_ms;          // of a WAIT its timeout, 0 for none
      const char *wait;          // of a WAIT: what for, as JSON (waits.c)
    } step;
    const struct tg_event *event;
    struct {
      uint64_t run;
      uint32_t task, item, position; // of a step that waits for it
      const char *result;            // what becomes the step's, as JSON
    } approval;
    struct {
      uint64_t attempt;
      bool is_idle;
      const char *child; // key of the child run whose end is waited for, or NULL
    } idle;
    struct {
      const struct tg_resource_rules *rules;
      size_t rule_count;
      const struct tg_resource *records;
      size_t record_count;
    } resources; // before the first run; the rules may come again
    struct {
      uint64_t question;
      int code; // why there is no answer, or 0
      bool is_retry;
      int64_t delay_ms; // -1 for that of the task's backoff
      const char *text; // the policy's reason, or what is wrong with it
    } decision;
    const struct tg_pools *pools; // they stay while the engine does
  };
};

enum tg_effect_kind {
  TG_EFFECT_COMMIT,    // make `batch` durable, then give it back as an input
  TG_EFFECT_START,     // start an attempt
  TG_EFFECT_CANCEL,    // end an attempt; its result is still to come
  TG_EFFECT_STEP,      // answer a step: done with a result, to be done, or refused
  TG_EFFECT_LOOK,      // bring the events of a type that came `after` once more, in their order
  TG_EFFECT_PROGRESS,  // items of a map have ended, for those who watch
  TG_EFFECT_RUN_BEGUN, // a new run is durable
  TG_EFFECT_TASK,      // a task's state has changed, for those who watch
  TG_EFFECT_RUN_ENDED, // a run has ended; its live state is freed at the next step
  TG_EFFECT_DECIDE,    // ask the task's policy for retries; the answer is TG_INPUT_DECISION
  TG_EFFECT_RESOURCE,  // the breaker of a resource has turned, for those who watch
};

struct tg_effect {
  enum tg_effect_kind kind;
  struct tg_batch *batch;
  struct tg_live_run *run;
  uint32_t unit;    // a task of the plan, or an item of one
  uint32_t number;  // of the attempt
  uint64_t attempt; // handle
  uint64_t seed;
  int64_t deadline_ms; // of an attempt: the earliest of all that bind it; monotonic, 0 for none
  int64_t deadline_at; // and on the wall clock
  int code;            // of a cancel, or of a step that is refused
  uint64_t request;    // of a step
  const char *text;    // of a step: its result, or why it is refused; NULL: it is to be done
                       // of a look: the type
  uint64_t after;
  const struct tg_resource_state *resource;
};

struct tg_engine;

/// Makes an engine that runs at most `slots` attempts at once, and numbers runs from `last_run`
/// + 1.
struct tg_engine *tg_engine_new(uint32_t slots, uint64_t last_run);
void tg_engine_free(struct tg_engine *engine);

/// Says which event was the last one before those that are brought.
void tg_engine_set_last_event(struct tg_engine *engine, uint64_t number);

/// Takes an input and gives the effects, which stay valid until the next step.
///
/// Errors: TG_ENOMEM, TG_EBUG: the live state can no longer be trusted, the host must stop; there
///         are no effects then
int tg_engine_step(struct tg_engine *engine, struct tg_now now, const struct tg_input *input,
                   const struct tg_effect **effects, size_t *count, struct tg_error *err);

/// Gives the monotonic instant of the next TG_INPUT_TIMER, INT64_MAX for none.
int64_t tg_engine_next_timer(const struct tg_engine *engine);

/// Gives the run of an attempt in flight with its unit, or NULL.
struct tg_live_run *tg_engine_find_attempt(struct tg_engine *engine, uint64_t attempt,
                                           uint32_t *unit);

/// Gives a run that has not ended, by its number, or NULL.
struct tg_live_run *tg_engine_find_run(struct tg_engine *engine, uint64_t number);

/// Says whether there are runs that have not ended.
bool tg_engine_has_runs(const struct tg_engine *engine);

/// Says whether no attempt is in flight and no batch is on its way.
bool tg_engine_is_quiet(const struct tg_engine *engine);
