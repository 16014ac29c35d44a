// SPDX-License-Identifier: Apache-2.0
// One simulated world: the real engine, and around it a clock, a store, workers and an operator
// that are not real. Everything that happens is an event at an instant of the monotonic clock;
// between two events no time passes. A seed decides all of it.
//
//   make.c      what it begins with
//   world.c     the events, and the driver of the engine
//   events.c    what happened, and what is to happen
//   operator.c  runs are begun, cancelled, drained; the wall clock is set
//   cuts.c      single units are cancelled
//   carry.c     what a rerun keeps
//   host.c      the host ends, and the next one takes over
//   books.c     the store: what is durable
//   resume.c    what of it a new engine is given
//   worker.c    attempts: how they begin and end
//   program.c   what they do on their way: steps, sleeps, child runs
//   hash.c      all that the engine says, as one number
//
// and what is checked:
//
//   check.c     what each effect and each record must be (the list of the invariants is there)
//   tries.c     what may follow a failed attempt
//   order.c     who is to start first, and that nobody is left lying
//   mirror.c    that the engine knows what the books know
//   oracle.c    what must be so when a run has ended
//
// The books know nothing of the engine but what it has had made durable, and what it was told. The
// checks look at nothing else, and share no code with it.
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
  int64_t retry_at;
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

/// Lives a seed through to its end.
///
/// Shape:  returns 0, or 1 with `failure` set; `hash` is of everything that happened
int sim_world_run(struct sim *sim);
void sim_world_init(struct sim *sim, uint64_t seed, enum sim_trace trace);

/// Prints what happened last, of a world that kept it.
void sim_world_tell(const struct sim *sim);
void sim_world_deinit(struct sim *sim);

struct sim_event sim_event_take(struct sim *sim);
void sim_event_add(struct sim *sim, enum sim_event_kind kind, int64_t wait_ms, uint64_t number);
void sim_fail(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sim_note(struct sim *sim, const char *what, const struct sim_run *run,
              const struct sim_unit *unit, int64_t value);
void sim_input(struct sim *sim, const struct tg_input *input);

/// Says whether the engine has been told of all that is durable.
bool sim_is_told(const struct sim *sim);

/// Has the engine begin a run.
void sim_begin(struct sim *sim, struct sim_run *run);

/// Notes when a run has had its time, of which some may be over.
void sim_time_limit_set(struct sim *sim, struct sim_run *run, int64_t created_at);

/// Gives the monotonic instant at which the engine may go on with what waits for a wall clock's.
int64_t sim_waits_until(const struct sim *sim, int64_t at_wall_ms);

// --- operator.c ---

/// Draws what a run keeps of an earlier one (carry.c).
void sim_carry(struct sim *sim, struct sim_run *run);

void sim_operator_begin(struct sim *sim, uint64_t pipeline, bool is_backfill);
void sim_operator_cancel(struct sim *sim, uint64_t run);
void sim_operator_jump(struct sim *sim);
void sim_operator_drain(struct sim *sim);

// --- cuts.c ---

/// Says whether a unit, or the map that it is an item of, was cancelled by itself as far as this
/// host knows; or durably, in whatever host.
bool sim_is_cut(const struct sim *sim, const struct sim_run *run, const struct sim_unit *unit);
bool sim_was_cut(const struct sim_run *run, const struct sim_unit *unit);

/// Says whether a unit is to end: its run is stopped and it is no teardown, or it was cancelled.
bool sim_is_to_end(const struct sim *sim, const struct sim_run *run, const struct sim_unit *unit);

/// Says whether an item has ended so that its map has one success less: cancelled by itself, too.
bool sim_counts_as_failed(const struct sim *sim, const struct sim_run *run,
                          const struct sim_unit *item);

/// Cancels the unit of a place, or with 0 any; or lets somebody do so soon.
void sim_operator_cut(struct sim *sim, uint64_t place);
void sim_cut_later(struct sim *sim, const struct sim_run *run, const struct sim_unit *unit,
                   uint32_t permille);
void sim_cuts_decided(struct sim *sim, const struct tg_batch *batch);
void sim_cut(struct sim *sim, struct sim_run *run, struct sim_unit *unit);
void sim_cuts_resume(const struct sim *sim, struct sim_run *run);

/// Takes in that a unit is recorded as at work, or as ended.
void sim_cut_intent(struct sim *sim, const struct sim_run *run, struct sim_unit *unit,
                    const struct tg_failure *failure);
void sim_cut_end(const struct sim *sim, const struct sim_run *run, struct sim_unit *unit);

// --- host.c ---

/// Starts a host, which takes up the runs that have not ended.
void sim_host_up(struct sim *sim);
void sim_host_resume(struct sim *sim, uint64_t run);

/// Ends the host. Of the batches on their way to the disk the first `durable` get there.
void sim_host_crash(struct sim *sim);
void sim_host_crash_after(struct sim *sim, size_t durable);

/// Ends what a crash has left over, and starts the next host.
void sim_host_restart(struct sim *sim);

// --- books.c and resume.c ---

struct sim_run *sim_run_find(const struct sim *sim, uint64_t number);
struct sim_run *sim_run_add(struct sim *sim, struct sim_pipeline *pipeline);
void sim_run_free(struct sim_run *run);
struct sim_unit *sim_unit_find(struct sim_run *run, uint32_t task, uint32_t item);
const struct sim_task *sim_task_of(const struct sim_run *run, const struct sim_unit *unit);
const struct tg_map_items *sim_carried_map(const struct sim_run *run, uint32_t task);
const struct tg_item *sim_carried_item(const struct sim_run *run, uint32_t task, uint32_t item);

/// Gives the place of a unit as a number, and finds it there, or NULL.
uint64_t sim_place(const struct sim_run *run, uint32_t task, uint32_t item);
struct sim_run *sim_place_find(const struct sim *sim, uint64_t place, struct sim_unit **unit);

/// Gives the unit that a record is of, or NULL; `*run` is NULL for a run that nobody asked for.
struct sim_unit *sim_record_unit(const struct sim *sim, const struct tg_record *record,
                                 struct sim_run **run);

/// Makes a batch durable: every record replaces what was there under its key.
void sim_books_apply(struct sim *sim, const struct sim_batch *batch);

/// Forgets what the store did not hear of, and what only the host knew.
void sim_books_forget(struct sim *sim);

/// Gives a fresh engine a run as the store would; `cancelled` is why it is only to be cancelled, or
/// NULL.
void sim_books_resume(struct sim *sim, struct sim_run *run, const char *cancelled);

struct sim_told *sim_told_find(struct sim_unit *unit, uint32_t number);
struct sim_told *sim_told_put(const struct sim *sim, struct sim_unit *unit, uint32_t number);

// --- worker.c and program.c ---

void sim_worker_start(struct sim *sim, const struct tg_effect *effect);
void sim_worker_cancel(struct sim *sim, const struct tg_effect *effect);
void sim_worker_work(struct sim *sim, struct sim_attempt *attempt);
void sim_worker_again(struct sim *sim, uint64_t handle);
void sim_work_later(struct sim *sim, const struct sim_attempt *attempt);
struct sim_attempt *sim_attempt_find(const struct sim *sim, uint64_t handle);
void sim_attempts_forget(struct sim *sim);

/// Gives what a step waits for, as a number that sim_wait_text understands.
uint64_t sim_wait_chance(const struct sim *sim, const struct sim_run *run, uint32_t task,
                         uint32_t item, uint32_t position);

void sim_program_make(const struct sim *sim, struct sim_attempt *attempt);
void sim_program_operation(struct sim *sim, struct sim_attempt *attempt);
void sim_program_step_end(struct sim *sim, struct sim_attempt *attempt);
void sim_program_answer(struct sim *sim, const struct tg_effect *effect);
void sim_child_begin(struct sim *sim, struct sim_attempt *attempt);
void sim_child_ask(struct sim *sim, struct sim_attempt *attempt);
void sim_child_over(struct sim *sim, struct sim_attempt *attempt);

// --- hash.c ---

void sim_hash_number(struct sim *sim, uint64_t value);
void sim_hash_effect(struct sim *sim, const struct tg_effect *effect);

// --- check.c ---

/// Says what a task's durable upstreams make of it: as sim_rule_verdict.
char sim_check_verdict(struct sim_run *run, uint32_t task);

/// Says whether so many items of a map have failed that it is not to go on.
bool sim_check_is_broken(const struct sim_map *map, uint32_t count, uint32_t failed);

/// Says whether a run is to end without running what is left of it.
bool sim_check_is_stopped(const struct sim *sim, const struct sim_run *run);

void sim_check_start(struct sim *sim, const struct tg_effect *effect, struct sim_run *run,
                     struct sim_unit *unit);
void sim_check_cancel(struct sim *sim, const struct tg_effect *effect,
                      const struct sim_attempt *attempt);
void sim_check_end(struct sim *sim, struct sim_run *run, struct sim_unit *unit,
                   enum tg_task_state state);
void sim_check_answer(struct sim *sim, const struct sim_attempt *attempt,
                      const struct tg_effect *effect);

/// Gives how many slots of the host a run may use.
uint32_t sim_slots_for(const struct sim *sim, const struct sim_run *run);

/// Gives the size of a pool for a run: what its pipeline says, or else the project.
uint32_t sim_pool_slots(const struct sim *sim, const struct sim_run *run, uint32_t pool);

/// Says whether a task has failed and left the rest to the one that stands in for it.
bool sim_has_fallen(const struct sim_run *run, const struct sim_unit *unit);

// --- later.c ---

/// Checks that nothing follows soon from a batch that may wait.
void sim_check_later(struct sim *sim, const struct tg_batch *batch);

// --- fields.c ---

void sim_check_fields(struct sim *sim, const struct tg_record *record);

// --- tries.c ---

void sim_check_attempt(struct sim *sim, struct sim_run *run, struct sim_unit *unit,
                       const struct tg_attempt *record);

/// Says whether the next try of a unit is its last resort, by what is durable.
bool sim_is_fallback_due(const struct sim_unit *unit);
uint32_t sim_last_number(const struct sim_unit *unit);

/// Gives the wall instant by which a run has to end, INT64_MAX for none.
int64_t sim_run_end(const struct sim_run *run);

// --- places.c ---

void sim_places_decided(struct sim *sim, const struct tg_batch *batch);
void sim_place_resume(struct sim_run *run);

/// Says what is wrong with a run that waits for its place, or NULL.
const char *sim_place_fault(const struct sim *sim, const struct sim_run *run);

/// Says what is wrong with a run that ended without having begun, or NULL.
const char *sim_never_begun_fault(const struct sim_run *run);

// --- policies.c ---

void sim_policy_asked(struct sim *sim, const struct tg_effect *effect, struct sim_run *run);
void sim_policy_answers(struct sim *sim, uint64_t question);

/// Says what is wrong with what followed the answer of a policy, or NULL.
const char *sim_policy_fault(const struct sim_told *told, const struct tg_attempt *record);

// --- waits.c ---

/// Gives what a step waits for.
const char *sim_wait_text(struct sim *sim, uint64_t chance);

/// Gives the step at which a unit is parked, if it waits there and has no result, or NULL.
const struct tg_step *sim_open_wait(const struct sim_unit *unit);

void sim_event_arrive(struct sim *sim, uint64_t type);
void sim_events_look(struct sim *sim, uint64_t asked);
void sim_events_asked(struct sim *sim, const struct tg_effect *effect);
void sim_person_asked(struct sim *sim, const struct sim_attempt *attempt);
void sim_person_answers(struct sim *sim, uint64_t place);

/// Checks what is decided of waits: from when on, and by what they end.
void sim_waits_decided(struct sim *sim, const struct tg_batch *batch);

/// Says what is wrong with a wait that goes on, or NULL.
const char *sim_wait_lasts(const struct sim *sim, const struct sim_run *run,
                           const struct sim_unit *unit);

// --- resources.c ---

struct sim_resource *sim_resource_of(struct sim *sim, const struct sim_task *task);
void sim_resources_make(struct sim *sim);
void sim_resources_give(struct sim *sim);
void sim_resources_decided(struct sim *sim, const struct tg_batch *batch);
void sim_resource_apply(struct sim *sim, const struct tg_resource *record);
void sim_resource_start(struct sim *sim, struct sim_attempt *attempt);

/// Says whether a unit may be held up by a breaker.
bool sim_resource_may_hold(struct sim *sim, const struct sim_unit *unit,
                           const struct sim_task *task);

/// Says what a result is to make of a breaker, and checks that it has.
struct sim_expected sim_resource_expect(struct sim *sim, const struct sim_attempt *attempt,
                                        const struct tg_error *err);
void sim_check_expected(struct sim *sim, const struct sim_expected *expected);

/// Says what is wrong with the retry that a record grants or refuses, or NULL.
const char *sim_budget_fault(struct sim *sim, struct sim_run *run, const struct sim_unit *unit,
                             const struct tg_attempt *record);

// --- order.c ---

/// Checks after a step of the engine, whose effects were all carried out, that what it started was
/// the most urgent, and that nothing that could run is left lying.
void sim_check_order(struct sim *sim, const struct tg_effect *effects, size_t count);

/// Checks that nothing is left lying that waits for no start. For an instant when no batch is on
/// its way.
void sim_check_idle(struct sim *sim);

// --- mirror.c ---

/// Checks that the engine knows of a run what the books know, when it has been told of all.
void sim_check_mirror(struct sim *sim, struct sim_run *run);

/// Checks that those who watch are told of nothing that is not durable.
void sim_check_told(struct sim *sim, const struct tg_effect *effect, struct sim_run *run);

// --- oracle.c ---

/// Judges a run whose end is durable.
void sim_oracle_judge(struct sim *sim, struct sim_run *run);

/// Gives what is derived and not recorded of an item: skipped by the one before it in a chain.
enum tg_task_state sim_item_state(struct sim_run *run, uint32_t task, uint32_t item);
