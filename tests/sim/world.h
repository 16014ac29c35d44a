// SPDX-License-Identifier: Apache-2.0
// One simulated world: the real engine, and around it a clock, a store, workers and an operator
// that are not real. Everything that happens is an event at an instant of the monotonic clock;
// between two events no time passes. A seed decides all of it.
//
//   make.c     what it begins with
//   world.c    the events, the driver of the engine, crashes and the operator
//   books.c    the store: what is durable, and what an engine is resumed from
//   worker.c   attempts: what they do, and how they end
//   check.c    what must hold after each step
//   oracle.c   what must be so when a run has ended
//
// The books know nothing of the engine but what it has had made durable, and what it was told.
#pragma once

#include "base/arena.h"
#include "engine/engine.h"
#include "sim/pipeline.h"

enum sim_event_kind {
  SIM_DURABLE,   // the oldest batch that is not durable becomes so
  SIM_TELL,      // the engine is told of the oldest durable batch
  SIM_WORK,      // an attempt goes on
  SIM_AGAIN,     // a result comes once more, or late
  SIM_BEGIN,     // somebody starts a run
  SIM_RESUME,    // a run of an earlier host is taken up
  SIM_CANCEL,    // somebody cancels a run
  SIM_JUMP,      // the wall clock is set
  SIM_DRAIN,     // the host is to end
  SIM_CRASH,     // the host ends
  SIM_CHILD,     // an attempt asks for its child run
  SIM_IDLE_OVER, // an attempt's child run has ended
};

struct sim_event {
  int64_t at_ms;
  uint64_t order; // among events of one instant
  enum sim_event_kind kind;
  uint32_t host;   // that it belongs to; 0: any
  uint64_t number; // of an attempt or a run
};

/// What an attempt has told the engine.
struct sim_told {
  uint32_t number;
  struct tg_error err; // without a text
  bool is_mistold;     // a success that the engine must refuse
  bool was_stopped;    // its run was being stopped when it told
  const char *result, *chosen;
  uint32_t item_count; // of a map's items
};

/// A unit: a task of a run, or an item of one.
struct sim_unit {
  uint32_t task, item;
  // Durable: its row, or TG_TASK_WAITING; its attempts by number; its steps by position.
  enum tg_task_state state;
  uint32_t row_attempts;
  int64_t started_at, ended_at;
  const char *output, *chosen;
  struct tg_failure failure;
  struct tg_attempt *attempts;
  struct tg_step *steps;
  uint32_t attempt_count, step_count;
  // Of this host.
  struct sim_attempt *flight;
  bool is_parked;
  uint32_t parked_number;
  int64_t wake_mono_ms;     // not to start before, as far as this host knows
  int64_t deadline_mono_ms; // of its attempt, sleeps included; 0 for none
  // Of all.
  struct sim_told *told;
  uint32_t told_count;
  struct sim_items *items; // of a map that is durably expanded
};

struct sim_items {
  uint32_t count;
  const char *values, *keys; // JSON, as recorded
  char *key_of;              // one letter for each item, or NULL
  struct sim_unit *units;
};

struct sim_run {
  struct tg_run row; // as it is durable, or was asked for
  struct sim_pipeline *pipeline;
  struct sim_unit *units;
  bool is_durable, is_over, is_told_over;
  bool was_cancelled, was_timed; // ever
  uint32_t stop_host;            // the host in which it was stopped last
  uint64_t parent;               // attempt that waits for it, of this host
  struct tg_task *carried;
  uint32_t carried_count;
  // Of this host.
  bool is_live, is_ending;   // the engine has it; has decided its end
  int64_t time_over_mono_ms; // of its time limit, 0 for none
};

enum sim_end { SIM_END_SUCCESS, SIM_END_FAILURE, SIM_END_LOST, SIM_END_HANG, SIM_END_MISTOLD };

/// An attempt, as its worker sees it.
struct sim_attempt {
  uint64_t handle;
  struct sim_run *run;
  struct sim_unit *unit;
  uint32_t number;
  bool is_fallback, is_over; // is_over: it has given its result
  bool is_idle, is_asleep;   // is_asleep: a sleep of it is not answered
  bool is_parking;           // it was told to end because it sleeps
  bool was_begun;            // its step is begun and not ended
  bool has_child, is_astray; // is_astray: it comes by other steps than the tries before it
  bool is_expansion;         // it gives a map's items
  int cancel_code;
  int64_t wake_wall_ms; // when it sleeps
  enum sim_end end;
  bool ends_in_step;
  uint32_t end_at;     // how many operations it does before it ends
  uint32_t at, length; // of its program
  uint64_t program;    // what its operations are
  uint64_t request;    // that is not answered, or 0
  uint64_t last_request;
  size_t place; // among the flights
};

struct sim_batch {
  struct tg_batch *batch;
  int64_t durable_at_ms;
};

enum sim_trace { SIM_TRACE_NONE, SIM_TRACE_LAST, SIM_TRACE_ALL };

enum { SIM_LAST_COUNT = 25, SIM_LAST_LEN = 120 };

struct sim {
  uint64_t seed;
  struct sim_random random;
  struct tg_arena arena; // of the durable texts
  struct tg_engine *engine;
  struct tg_now now;
  int64_t begun_ms;
  uint32_t host; // from 1
  uint32_t slots;
  uint64_t last_run;
  bool is_down, is_draining;
  // The world's temper.
  uint32_t failure_permille, lost_permille, again_permille, crash_permille, item_max;
  uint32_t step_permille, crashes_left;
  int64_t work_ms, commit_ms;
  // Events.
  struct sim_event *events;
  size_t event_count, event_cap;
  uint64_t last_order, steps;
  // The store.
  struct sim_batch *batches;
  size_t batch_count, durable_count, batch_cap;
  // Everything there is.
  struct sim_pipeline pipelines[3];
  uint32_t pipeline_count;
  struct sim_run **runs;
  size_t run_count;
  struct sim_attempt **attempts; // of this host, by handle - 1
  size_t attempt_count, attempt_cap;
  struct sim_attempt **flights; // those that have not given their result
  size_t flight_count, flight_cap;
  // What came of it.
  uint64_t hash;
  enum sim_trace trace;
  char last[SIM_LAST_COUNT][SIM_LAST_LEN]; // what happened last, as a ring
  uint64_t noted;
  char failure[1024];
};

/// Lives a seed through to its end.
///
/// Shape:  returns 0, or 1 with `failure` set; `hash` is of everything that happened
int sim_world_run(struct sim *sim);
void sim_world_init(struct sim *sim, uint64_t seed, enum sim_trace trace);

/// Prints what happened last, of a world that kept it.
void sim_world_tell(const struct sim *sim);
void sim_world_deinit(struct sim *sim);

void sim_event_add(struct sim *sim, enum sim_event_kind kind, int64_t wait_ms, uint64_t number);
void sim_fail(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sim_note(struct sim *sim, const char *what, const struct sim_run *run,
              const struct sim_unit *unit, int64_t value);
void sim_input(struct sim *sim, const struct tg_input *input);

/// Starts a host, which takes up the runs that have not ended.
void sim_up(struct sim *sim);

/// Has the engine begin a run.
void sim_begin(struct sim *sim, struct sim_run *run);

// --- books.c ---

struct sim_run *sim_run_find(const struct sim *sim, uint64_t number);
struct sim_run *sim_run_add(struct sim *sim, struct sim_pipeline *pipeline);
void sim_run_free(struct sim_run *run);
struct sim_unit *sim_unit_find(struct sim_run *run, uint32_t task, uint32_t item);
const struct sim_task *sim_task_of(const struct sim_run *run, const struct sim_unit *unit);

/// Makes a batch durable: every record replaces what was there under its key.
void sim_books_apply(struct sim *sim, const struct tg_batch *batch);

/// Forgets what the store did not hear of, and what only the host knew.
void sim_books_forget(struct sim *sim);

/// Gives a fresh engine a run as the store would.
void sim_books_resume(struct sim *sim, struct sim_run *run);

struct sim_told *sim_told_find(struct sim_unit *unit, uint32_t number);
struct sim_told *sim_told_put(struct sim_unit *unit, uint32_t number);

// --- worker.c ---

void sim_worker_start(struct sim *sim, const struct tg_effect *effect);
void sim_worker_cancel(struct sim *sim, const struct tg_effect *effect);
void sim_worker_answer(struct sim *sim, const struct tg_effect *effect);
void sim_worker_work(struct sim *sim, struct sim_attempt *attempt);
void sim_worker_ask(struct sim *sim, struct sim_attempt *attempt);
void sim_worker_child_over(struct sim *sim, struct sim_attempt *attempt);
void sim_worker_again(struct sim *sim, uint64_t handle);
struct sim_attempt *sim_attempt_find(const struct sim *sim, uint64_t handle);
void sim_attempts_forget(struct sim *sim);

/// Says whether the operation that an attempt is at is a sleep.
bool sim_attempt_is_sleep(const struct sim_attempt *attempt);

// --- check.c ---

/// Says what a task's durable upstreams make of it: as sim_rule_verdict.
char sim_check_verdict(struct sim_run *run, uint32_t task);
struct sim_counts sim_check_counts(struct sim_run *run, uint32_t task);

void sim_check_start(struct sim *sim, const struct tg_effect *effect, struct sim_run *run,
                     struct sim_unit *unit);
void sim_check_attempt(struct sim *sim, struct sim_run *run, struct sim_unit *unit,
                       const struct tg_attempt *record);
void sim_check_end(struct sim *sim, struct sim_run *run, struct sim_unit *unit,
                   enum tg_task_state state);
void sim_check_answer(struct sim *sim, const struct sim_attempt *attempt,
                      const struct tg_effect *effect);
void sim_check_resumed(struct sim *sim, struct sim_run *run);

/// Checks that nothing that could run is left lying. For an instant when no batch is on its way.
void sim_check_idle(struct sim *sim);

/// Says whether a run is to end without running what is left of it.
bool sim_check_is_stopped(const struct sim *sim, const struct sim_run *run);

// --- oracle.c ---

/// Judges a run whose end is durable.
void sim_oracle_judge(struct sim *sim, struct sim_run *run);

/// Gives what is derived and not recorded of an item: skipped by the one before it in a chain.
enum tg_task_state sim_item_state(struct sim_run *run, uint32_t task, uint32_t item);
