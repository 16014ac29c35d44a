// SPDX-License-Identifier: Apache-2.0
// The engine's own parts, which only its files include:
//
//   engine.c   inputs in, effects out, timers
//   begin.c    runs are created and resumed
//   overlap.c  runs wait for a place among those of their pipeline
//   dispatch.c what is ready is started, as slots and pools allow
//   cut.c      single units are cancelled
//   finish.c   attempts, maps and runs end
//   retries.c  whether an attempt that failed is followed by another
//   guard.c    the breakers of resources, before an attempt and after it
//   steps.c    what an attempt remembers on its way
//   waits.c    waiting for events and for people
//   stop.c     runs are stopped: cancelled, or their time is over
//   effects.c  what all of them do: records, effects, timers, faults
#pragma once

#include "base/limits.h"
#include "base/map.h"
#include "engine/engine.h"
#include "engine/live_map.h"

// An attempt in flight: handle -> where it belongs.
struct tg_flight {
  struct tg_live_run *run;
  uint32_t unit;
  uint64_t ticket; // of its resource's breaker
  char *waits_for; // key of the child run whose end it waits for, or NULL
};

// A step whose record is on its way: who is told when it is durable.
struct tg_step_waiting {
  uint64_t run, attempt, request;
  uint32_t unit, position;
  enum tg_step_operation operation;
  struct tg_step_waiting *next;
};

struct tg_engine {
  uint32_t slots, running;
  uint64_t last_run, last_attempt;
  struct tg_live_run *runs, *ended; // ended: told in the last step, freed in this one
  struct tg_live_run *queue;        // those that wait for a place, as overlap.c orders them
  bool is_queue_due;                // a place may have become free
  struct tg_pools pools;            // of the project
  const char *stuck[TG_POOLS_MAX];  // pools for which a run waits, while the runs are gone through
  uint32_t stuck_count;
  struct tg_map flights; // struct tg_flight by handle
  struct tg_timers timers;
  struct tg_step_waiting *steps;
  struct tg_resources resources;
  struct tg_retry_asking *askings; // policies that are asked whether to try again
  uint64_t last_question;
  struct tg_map waits; // what waits for events: struct tg_wait_list by key (waits.c)
  uint64_t last_event;
  bool has_starts_timer, is_draining;
  struct tg_batch *open; // what this step decided
  size_t travelling;     // batches on their way to the store
  struct tg_now now;
  struct tg_effect *effects;
  size_t effect_count, effect_cap;
  int code; // of the first thing that went wrong in this step
  struct tg_error *err;
};

// Notes what went wrong; the step's caller stops the host. `check` does so for a code that is none.
void tg_engine_fail(struct tg_engine *engine, int code, const char *what);
void tg_engine_check(struct tg_engine *engine, int code);

void tg_engine_effect(struct tg_engine *engine, const struct tg_effect *effect);
void tg_engine_tell(struct tg_engine *engine, struct tg_live_run *run, uint32_t unit);

// Records what something follows from, or what nothing follows from soon: the latter may wait for
// the commit of others.
void tg_engine_record(struct tg_engine *engine, const struct tg_record *record);
void tg_engine_record_later(struct tg_engine *engine, const struct tg_record *record);

// Gives a unit's notes to write in, or NULL, and then the engine stops.
struct tg_live_notes *tg_engine_note(struct tg_engine *engine, struct tg_live_task *t);

struct tg_batch *tg_engine_batch(struct tg_engine *engine);
void tg_engine_timer(struct tg_engine *engine, const struct tg_engine_timer *timer);

// Adds a wait, which may come from outside, to an instant.
int64_t tg_engine_after(int64_t instant_ms, int64_t wait_ms);

// The same run, unit and attempt always get the same seed.
uint64_t tg_engine_seed(const struct tg_live_run *run, uint32_t unit, uint32_t number);

// What is recorded of a unit, and of its current attempt.
struct tg_record tg_engine_task_record(const struct tg_live_run *run, uint32_t task,
                                       enum tg_task_state state, int64_t ended_at);
struct tg_record tg_engine_attempt_record(const struct tg_live_run *run, uint32_t unit,
                                          enum tg_attempt_state state);

// Arms the timer of a unit that waits for its next attempt.
void tg_engine_retry_arm(struct tg_engine *engine, struct tg_live_run *run, uint32_t unit);

// Stops a run: what has not begun is cancelled, what runs is told to end, teardowns still run.
void tg_engine_run_stop(struct tg_engine *engine, struct tg_live_run *run, int code,
                        const char *reason);

// Why what is cancelled in a run is so.
struct tg_failure tg_engine_cancel_reason(const struct tg_live_run *run);

// Ends a unit that has no attempt in flight as cancelled.
void tg_engine_task_cancel(struct tg_engine *engine, struct tg_live_run *run, uint32_t task);

// Records what waited for the end of something else in a run that is being stopped.
void tg_engine_stopped_cancel(struct tg_engine *engine);
void tg_engine_item_cancel(struct tg_engine *engine, struct tg_live_run *run, uint32_t unit);

// Cancels a unit of a run; its attempt is told to end. The others go by their trigger rules.
void tg_engine_cut(struct tg_engine *engine, struct tg_live_run *run, uint32_t unit,
                   const char *reason);
void tg_engine_cuts_advance(struct tg_engine *engine, struct tg_live_run *run);
void tg_engine_cuts_resume(struct tg_engine *engine, struct tg_live_run *run);

// Arms the time limit of a run that begins, or goes on.
void tg_engine_run_arm(struct tg_engine *engine, const struct tg_live_run *run);

// Decides what becomes of a new run: running, queued or skipped, as its pipeline has places. Older
// runs may be stopped for it.
void tg_engine_place_ask(struct tg_engine *engine, struct tg_live_run *run);

// Lets runs wait for a place again, or no more; and lets those begin that have one.
void tg_engine_queue_put(struct tg_engine *engine, struct tg_live_run *run);
void tg_engine_queue_take(struct tg_engine *engine, struct tg_live_run *run);
void tg_engine_queue_advance(struct tg_engine *engine);

void tg_flight_free(struct tg_flight *flight);

void tg_engine_run_create(struct tg_engine *engine, const struct tg_input *input);
void tg_engine_run_resume(struct tg_engine *engine, const struct tg_input *input);
void tg_engine_ready_start(struct tg_engine *engine, struct tg_live_run *run);
void tg_engine_starts_record(struct tg_engine *engine);
void tg_engine_result(struct tg_engine *engine, uint64_t handle, const struct tg_outcome *outcome);
void tg_engine_settled_record(struct tg_engine *engine, struct tg_live_run *run);
void tg_engine_maps_end(struct tg_engine *engine, struct tg_live_run *run);
void tg_engine_run_end(struct tg_engine *engine, struct tg_live_run *run);
// What the breaker of its resource says of an attempt that is about to start.
enum tg_guard_verdict { TG_GUARD_LETS, TG_GUARD_HOLDS, TG_GUARD_ENDS };
enum tg_guard_verdict tg_engine_guard(struct tg_engine *engine, struct tg_live_run *run,
                                      uint32_t unit, uint64_t *ticket);
void tg_engine_guard_report(struct tg_engine *engine, struct tg_live_run *run, uint32_t unit,
                            uint64_t ticket, const struct tg_error *err);

// Grants a retry after a delay, or says with the failure why there is none; asks the task's policy
// for retries, whose answer comes as TG_INPUT_DECISION.
void tg_engine_retry_decide(struct tg_engine *engine, struct tg_live_run *run, uint32_t unit,
                            struct tg_attempt *attempt, int64_t delay_ms);
void tg_engine_retry_ask(struct tg_engine *engine, struct tg_live_run *run, uint32_t unit,
                         const struct tg_record *record, int64_t delay_ms, int64_t retry_after_ms);
void tg_engine_retry_decided(struct tg_engine *engine, const struct tg_input *input);
void tg_engine_retries_free(struct tg_engine *engine);

// Records an attempt that did not succeed, with what follows if it was the last.
void tg_engine_failed_record(struct tg_engine *engine, struct tg_live_run *run, uint32_t unit,
                             struct tg_record *record);

// Says whether a retry could not begin before the end of its run; and in `why` when that is.
bool tg_engine_retry_is_late(const struct tg_live_run *run, uint32_t unit, int64_t retry_at,
                             char *why, size_t size);

// Takes a retry out of the budgets of its run and its resource; says in `why` which of them has
// none left.
bool tg_engine_retry_grant(struct tg_engine *engine, struct tg_live_run *run, uint32_t unit,
                           char *why, size_t size);

// A unit that waits for a breaker may not wait longer; what it waited for when its run was stopped,
// false when it did not wait.
void tg_engine_held_over(struct tg_engine *engine, struct tg_live_run *run, uint32_t unit);
bool tg_engine_held_text(struct tg_engine *engine, const struct tg_live_run *run, uint32_t unit,
                         char *text, size_t size);

// Ends a unit whose next attempt cannot begin in time. Its wait is told as an attempt that failed,
// after which only a last resort can come.
void tg_engine_give_up(struct tg_engine *engine, struct tg_live_run *run, uint32_t unit,
                       const struct tg_error *err);

void tg_engine_resources_take(struct tg_engine *engine, const struct tg_input *input);
void tg_engine_resources_ring(struct tg_engine *engine);
void tg_engine_resources_record(struct tg_engine *engine);
void tg_engine_step_take(struct tg_engine *engine, const struct tg_input *input);
void tg_engine_step_durable(struct tg_engine *engine, const struct tg_step *record);
void tg_engine_steps_forget(struct tg_engine *engine, uint64_t attempt);
void tg_engine_steps_free(struct tg_engine *engine);

// A wait, as an attempt asks for it: checked, and written as it is kept. NULL and an error, or the
// text, which the caller frees.
char *tg_engine_wait_check(const struct tg_engine *engine, const struct tg_run *run,
                           const char *text, uint64_t *after, struct tg_error *err);

// Lets events find a unit that is parked at a step, and looks for those that came meanwhile; does
// nothing for a wait for a person. `forget` is its end.
void tg_engine_wait_enter(struct tg_engine *engine, struct tg_live_run *run, uint32_t unit,
                          uint32_t position);
void tg_engine_wait_forget(struct tg_engine *engine, struct tg_live_run *run, uint32_t unit);

// Ends the wait that a unit is parked at if its time is over; false if it is not.
bool tg_engine_wait_timeout(struct tg_engine *engine, struct tg_live_run *run, uint32_t unit);

// Wakes a unit after the result of its wait has become durable.
void tg_engine_wait_over(struct tg_engine *engine, struct tg_live_run *run, uint32_t unit);

void tg_engine_event(struct tg_engine *engine, const struct tg_event *event);
void tg_engine_approval(struct tg_engine *engine, const struct tg_input *input);
void tg_engine_waits_free(struct tg_engine *engine);
