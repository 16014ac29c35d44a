// SPDX-License-Identifier: Apache-2.0
// One simulated world (state.h): the real engine, and around it a clock, a store, workers and an
// operator that are not real. Everything that happens is an event at an instant of the monotonic
// clock; between two events no time passes. A seed decides all of it.
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
//   fields.c    what records say besides their state
//   tries.c     what may follow a failed attempt
//   later.c     what may be durable a little later
//   places.c    how many runs of a pipeline are at work at once
//   resources.c what attempts make of what they share outside
//   policies.c  what is asked before a try is followed by another
//   waits.c     what waits for events and people, and by what that ends
//   order.c     who is to start first, and that nobody is left lying
//   mirror.c    that the engine knows what the books know
//   oracle.c    what must be so when a run has ended
//
// The books know nothing of the engine but what it has had made durable, and what it was told. The
// checks look at nothing else, and share no code with it.
#pragma once

#include "sim/state.h"

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
