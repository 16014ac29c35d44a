// SPDX-License-Identifier: Apache-2.0
// An engine on a hand-driven host: batches are durable when the test says so, attempts end when it
// says so, and the clock is a number. What the engine wants is kept as a line of words:
//
//   commit  start:a#1  start:m[0]#1 (an item)  cancel:a=timeout  a=success (a task told)
//   a:new  a:done(7)  a:refused (a step answered)  m:1/3 (items that have ended)  end=failed
//   db:open (a breaker that turned)
//   look:t>4 (events of type t behind the number 4 are to be brought)
//
// The rig keeps what was made durable as the store would, and fails the test when the engine starts
// a task too early or changes what is final.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "engine/engine.h"

struct rig_attempt {
  uint64_t handle, seed;
  uint32_t unit, task, item, number;
  int64_t deadline_ms, deadline_at;
  int cancel_code;
  bool is_over;
};

/// What is durable of one run.
struct rig_store {
  struct tg_arena arena;
  bool has_run;
  struct tg_run run;
  struct tg_task tasks[64];
  bool has_task[64];
  struct tg_attempt attempts[1024];
  size_t attempt_count;
  struct tg_map_items maps[16];
  size_t map_count;
  struct tg_item items[256];
  size_t item_count;
  struct tg_step steps[256];
  size_t step_count;
  struct tg_resource resources[16];
  size_t resource_count;
};

struct rig {
  struct tg_plan *plan; // shared
  int64_t deadline_at;  // that its run inherits, 0 for none
  struct tg_engine *engine;
  struct tg_now now;
  struct tg_batch *pending[256];
  size_t pending_count;
  struct rig_attempt attempts[1024];
  size_t attempt_count;
  uint64_t request;  // of the last step that was asked for
  char refusal[256]; // of the last step that was refused
  uint64_t question; // of the last policy that was asked, and its input
  char asked[1024];
  uint32_t in_flight, in_flight_max;
  struct rig_store store;
  struct tg_batch **log; // copies of the durable batches; NULL until asked for
  size_t log_count;
  bool keeps_log;
  struct tg_buf trace;
  bool has_ended;
  enum tg_run_state end;
  int end_code;
  struct tg_error err;
};

/// Makes a plan of tasks like "c after=a,b when=one_success to=d retry=3 timeout=1000 priority=5";
/// `limits` is the inside of the plan's limits ("\"tasks\":1"), or NULL. The list ends with NULL.
/// More words: setup=1 teardown=1 fallback=1; a map has map=1 and may have over=m depth=1 limit=2
/// per_key=1 fail_after=2 share=0.5 items_max=3; the one pool is "w", of which w=2 takes two; and
/// resource=db; decide=1 asks a policy about retries; the task b stands in for one with spare=b.
struct tg_plan *rig_plan(const char *limits, ...);

/// The slots of the pool of the plans that are made next; 4 at first.
extern int rig_pool_slots;

void rig_init(struct rig *rig, struct tg_plan *plan, uint32_t slots);
void rig_deinit(struct rig *rig);

/// Takes a rig down with the plan that was made for it.
void rig_close(struct rig *rig);

void rig_run(struct rig *rig);
void rig_run_carrying(struct rig *rig, const struct tg_task *tasks, size_t count);
void rig_run_carrying_items(struct rig *rig, const struct tg_map_items *map,
                            const struct tg_item *items, size_t count);

void rig_run_keeping_map(struct rig *rig, const struct tg_task *task,
                         const struct tg_map_items *map, const struct tg_item *items, size_t count);

/// Says what holds for a resource.
void rig_rule(struct rig *rig, const struct tg_resource_rules *rules);

void rig_resume(struct rig *rig, const struct rig_store *store);

/// Makes a rig whose run is durable and has begun; rig_begin forgets the words so far as well.
void rig_start(struct rig *rig, struct tg_plan *plan, uint32_t slots);
void rig_begin(struct rig *rig, struct tg_plan *plan, uint32_t slots);

/// Makes the oldest batch durable; rig_settle makes all of them so.
void rig_commit(struct rig *rig);
void rig_settle(struct rig *rig);

/// Ends the attempt that runs for a task.
void rig_success(struct rig *rig, const char *task);
void rig_success_of(struct rig *rig, const char *task, const char *result, const char *facts);
void rig_fail(struct rig *rig, const char *task, int code);
void rig_end(struct rig *rig, const char *task, const struct tg_outcome *outcome);

/// End it as well, and make that durable.
void rig_done(struct rig *rig, const char *task);
void rig_failed(struct rig *rig, const char *task, int code);

/// Comes to a step of the attempt that runs for a task, ends one, sleeps; waits for a child or not.
void rig_step(struct rig *rig, const char *task, const char *name);
void rig_step_end(struct rig *rig, const char *task, const char *name, const char *result);
void rig_sleep(struct rig *rig, const char *task, const char *name, int64_t ms);
void rig_wait(struct rig *rig, const char *task, const char *name, const char *wait, int64_t ms);

/// Answers the last question to a policy for retries.
void rig_decide(struct rig *rig, bool is_retry, int64_t delay_ms, const char *text, int code);

void rig_idle(struct rig *rig, const char *task, bool is_idle);

/// Brings an event that is durable; its data is JSON or NULL. Brings a person's answer.
void rig_event(struct rig *rig, uint64_t number, const char *type, const char *subject,
               const char *data);
void rig_approve(struct rig *rig, uint32_t task, uint32_t item, uint32_t position,
                 const char *result);

/// Brings a result for any handle.
void rig_result(struct rig *rig, uint64_t handle, const struct tg_outcome *outcome);

/// Lets time pass and brings the timer if it is due; rig_timer goes right to the next one.
void rig_pass(struct rig *rig, int64_t ms);
bool rig_timer(struct rig *rig);

void rig_cancel(struct rig *rig, int code);
void rig_cut(struct rig *rig, uint32_t task, uint32_t item);
void rig_drain(struct rig *rig);

/// Compares what the engine wanted since the last call.
void rig_expect_at(struct rig *rig, const char *words, const char *file, int line);
#define rig_expect(rig, words) rig_expect_at(rig, words, __FILE__, __LINE__)

/// Makes records durable in a store that is not a rig's own.
void rig_store_init(struct rig_store *store);
void rig_store_deinit(struct rig_store *store);
void rig_store_apply(struct rig_store *store, const struct tg_batch *batch);
void rig_store_copy(struct rig_store *to, const struct rig_store *from);

/// Gives the attempt that runs for a task "a" or an item "m[0]".
const struct rig_attempt *rig_attempt_of(const struct rig *rig, const char *task);
bool rig_runs(const struct rig *rig, const char *task);

/// Gives what is durable of an item, NULL when that is nothing.
const struct tg_item *rig_store_item(const struct rig_store *store, uint32_t task, uint32_t item);

/// Fail the test when a task, or an item of a map, must not start by what is durable.
void rig_start_check(const struct rig *rig, uint32_t task);
void rig_item_start_check(const struct rig *rig, uint32_t task, uint32_t item);
