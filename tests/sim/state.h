// SPDX-License-Identifier: Apache-2.0
// All that there is in a simulated world. What is said to be durable is what the store has; what is
// of this host goes with it; the rest is the simulation's own memory, over all hosts.
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
  SIM_BACKFILL,  // somebody starts a run as one of a backfill
  SIM_ARRIVE,    // an event comes from outside
  SIM_LOOK,      // the engine asked for events that have come
  SIM_APPROVE,   // a person answers
  SIM_DECIDE,    // a policy for retries answers
  SIM_RESUME,    // a run of an earlier host is taken up
  SIM_CANCEL,    // somebody cancels a run
  SIM_CUT,       // somebody cancels a unit of some run
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
  uint32_t host;                 // that it told
  struct tg_error err;           // without a text
  bool is_mistold;               // a success that the engine must refuse
  bool has_trace;                // it told where
  bool is_answered, may_retry;   // by the policy that was asked
  int64_t delay_ms, answered_at; // of the answer, -1 for the backoff's; wall
  bool is_bystander;             // it was lost, and not by its own fault
  bool was_stopped;              // it was to end when it told
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
  int64_t parked_mono_ms, jumped_ms; // jumped: by the wall clock before it was parked
  int64_t parking_jumped_ms;         // and before it was told to
  int64_t wake_mono_ms;              // not to start before, as far as this host knows
  int64_t deadline_mono_ms;          // of its attempt, sleeps included; 0 for none
  uint32_t losses; // attempts in a row that ended with their worker, by their own fault
  uint64_t question;
  uint32_t parked_at; // the step at which it is parked
  uint32_t asking;    // number of the attempt of which a policy is asked, or 0
  bool is_untold;     // that it has ended, to those who watch
  uint32_t pending;   // records of its end, or of its attempt's, that are on their way
  uint32_t cut_host;  // the host in which somebody cancelled it, or that knows of it
  // Of all.
  bool is_carried; // it was done by an earlier run
  bool is_cut;     // durable: somebody cancelled it
  uint64_t seed;   // of the attempt that was started last
  uint32_t seed_number;
  struct sim_told *told;
  uint32_t told_count;
  struct sim_items *items; // of a map that is durably expanded
};

struct sim_items {
  uint32_t count;
  const char *values, *keys; // JSON, as recorded
  char *key_of;              // one letter for each item, or NULL
  uint32_t told_failed;      // of the items, as far as the engine was told
  struct sim_unit *units;
};

struct sim_run {
  struct tg_run row; // as it is durable, or was asked for
  struct sim_pipeline *pipeline;
  struct sim_unit *units;
  bool is_durable, is_over, is_told_over;
  bool was_cancelled, was_timed; // ever
  uint32_t granted;              // retries, of the budget of the run
  uint32_t stop_host;            // the host in which it was stopped last
  uint64_t events_before;        // that had come when it was begun
  uint64_t parent;               // attempt that waits for it, of this host
  struct sim_carried *carried;   // from an earlier run, or NULL
  // Of this host.
  uint64_t turn;             // of its beginning in this host: the older goes first
  bool is_live, is_ending;   // the engine has it; has decided its end
  int64_t begun_at;          // 0 before its place is decided
  bool is_untold;            // that it has begun, to those who watch
  bool is_queued, has_place; // by what the engine has decided
  int64_t time_over_mono_ms; // of its time limit, 0 for none
};

/// What a run is begun with: tasks that are done, and maps with what is done of them.
struct sim_carried {
  struct tg_task *tasks;
  struct tg_map_items *maps;
  struct tg_item *items;
  uint32_t task_count, map_count, item_count;
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
  int64_t started_mono_ms, jumped_ms; // jumped: by the wall clock before it started
  bool has_slept;                     // it goes on after a sleep
  uint32_t resource_epoch;
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
  struct sim_unit *cut; // that was cancelled in the step that wrote it, or NULL
};

enum { SIM_QUESTIONS_MAX = 4096, SIM_EVENT_TYPES = 3, SIM_ARRIVALS_MAX = 64 };

/// An event that has come; its number is its place + 1.
struct sim_arrival {
  uint32_t type, host; // host: that was told of it last
  int64_t told_mono_ms;
};

enum { SIM_CALLS_MAX = 256 };

/// A call of a resource that its breaker counts.
struct sim_call {
  int64_t at_ms, jumped_ms; // on the wall clock; how far that had jumped
  bool is_failure;
};

/// What is known of a resource that tasks name.
struct sim_resource {
  struct tg_resource_rules rules;
  struct tg_resource row; // durable; no name: there is none
  // Of this host.
  const char *phase; // of its breaker, as the engine said last
  int64_t retry_at, opened_at;
  int64_t asked_by_mono_ms;             // when it is open
  uint32_t epoch;                       // of the phase
  uint32_t failures, successes;         // in a row of calls, of probes
  bool is_known;                        // that there were so many failures
  bool is_share_known;                  // that there were no other calls
  struct sim_call calls[SIM_CALLS_MAX]; // of the phase, the oldest first
  uint32_t call_count;
  // Of all.
  uint64_t firsts, granted; // first tries and retries
};

/// What is to become of a breaker when an attempt has told.
struct sim_expected {
  const struct sim_resource *resource; // or NULL
  bool may_open, must_open, must_close;
};

enum sim_trace { SIM_TRACE_NONE, SIM_TRACE_LAST, SIM_TRACE_ALL };

#define SIM_FAILURE "it went wrong"
#define SIM_CUT_REASON "somebody wanted to be rid of it"
#define SIM_TRACEBACK "where it went wrong"

enum { SIM_LAST_COUNT = 25, SIM_LAST_LEN = 120 };

struct sim {
  uint64_t seed;
  struct sim_random random;
  struct tg_arena arena; // of the durable texts
  struct tg_engine *engine;
  struct tg_now now;
  int64_t begun_ms, jumped_ms; // jumped: by the wall clock, either way
  uint32_t host;               // from 1
  uint32_t slots;
  uint64_t last_run;
  bool is_down, is_draining;
  bool has_places; // pipelines limit their runs
  bool has_waits;  // tasks wait for events and people
  bool has_cuts;   // units are cancelled
  // The world's temper.
  uint32_t failure_permille, lost_permille, again_permille, crash_permille, item_max;
  uint32_t step_permille, crashes_left, deadly_permille, refuse_permille;
  int64_t work_ms, commit_ms;
  // Events.
  struct sim_event *events;
  size_t event_count, event_cap;
  uint64_t last_order, last_turn, steps;
  // The store.
  struct sim_batch *batches;
  size_t batch_count, durable_count, batch_cap;
  uint64_t batches_taken;
  uint32_t pools_least[SIM_POOLS];      // of the project's pools, in every host
  struct tg_plan_pool pools[SIM_POOLS]; // as this host was told
  struct tg_pools pool_list;
  struct sim_resource resources[SIM_RESOURCES];
  struct sim_arrival arrivals[SIM_ARRIVALS_MAX];
  uint32_t arrival_count, field_count;       // field_count: of the data of an event
  struct sim_unit *asked[SIM_QUESTIONS_MAX]; // by question - 1, of this host
  uint32_t asked_count, asking_count;        // in all, and without an answer
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
