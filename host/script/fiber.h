// SPDX-License-Identifier: Apache-2.0
// A fiber is a coroutine that the worker runs in turns: the build of a bundle, an attempt, or a
// decision. Those that have just begun, or have just got what they waited for, go first. One that
// used its last turn up has time: it gets the next when no other is ready and what the others made
// is on its way to the host. So a busy fiber delays its neighbours by one turn at most.
//
//   start
//     |            a turn, which is over
//     v   <-------------------------------
//   READY ------------------------------> RUNNING ----> `finish`: it ended, failed or is late;
//     ^                                      |          its owner closes it
//     |  reply                               | asks the host
//     +---------------- WAITING <------------+
//
// The scheduler is also the world of the Lua modules (world.h): a request becomes a REQUEST frame,
// the fiber waits, and the REPLY makes it ready. A fiber has at most one request under way, since
// the script's own coroutines wait together with it. A build may only ask for sources, a decision
// for nothing.
//
// When the host does not read (a log flood), the scheduler gives no more turns until it does.
#pragma once

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/error.h"
#include "base/log.h"
#include "base/map.h"
#include "ipc/channel.h"
#include "script/sandbox.h"
#include "script/world.h"

enum tg_fiber_kind { TG_FIBER_BUILD, TG_FIBER_ATTEMPT, TG_FIBER_DECISION };

enum tg_fiber_state {
  TG_FIBER_NEW,
  TG_FIBER_READY,
  TG_FIBER_RUNNING,
  TG_FIBER_WAITING,
  TG_FIBER_ENDED, // with results
};

TAILQ_HEAD(tg_fiber_list, tg_fiber);

struct tg_fiber {
  struct tg_scheduler *scheduler;
  struct tg_sandbox *box;
  enum tg_fiber_kind kind;
  enum tg_fiber_state state;
  uint64_t attempt; // as the host calls it; 0 for a build and a decision
  lua_State *thread;
  int thread_ref; // in the registry of the state
  int nargs;      // of the first turn
  struct tg_meter meter;
  uint64_t random[4]; // its own state of math.random (tg_sandbox_seed)
  uint64_t request;   // under way, or 0
  tg_world_reply *reply;
  struct tg_buf body; // of the request that is being made, then of its reply
  uint64_t log_lines_dropped;
  bool is_starved;                // it failed for want of memory
  struct tg_fiber_list *queue;    // that it is ready in
  struct tg_fiber_list *siblings; // those of the same state
  TAILQ_ENTRY(tg_fiber) sibling_link;
  TAILQ_ENTRY(tg_fiber) link; // in its queue
  /// Called once. `turn` is DONE: the top `nresults` values of the thread are the results; FAILED:
  /// the top value is the error; SLICE or WAIT: the deadline passed before the end.
  void (*finish)(struct tg_fiber *fiber, enum tg_turn turn, int nresults);
};

struct tg_scheduler {
  struct tg_world world;
  struct tg_channel *channel;
  const struct tg_clock *clock;
  struct tg_fiber_list fresh, busy; // the ready ones: busy used its last turn up
  struct tg_map waiting;            // request -> fiber
  size_t waiting_timed_count;       // of them, those with a deadline
  struct tg_fiber *current;
  bool has_interrupts; // of the timer
  uint64_t request_last;
};

void tg_scheduler_init(struct tg_scheduler *scheduler, struct tg_channel *channel,
                       const struct tg_clock *clock);
void tg_scheduler_deinit(struct tg_scheduler *scheduler);

/// Starts the timer of this process that interrupts long turns, before the first state is made. It
/// needs processor time to run out.
void tg_scheduler_interrupt(struct tg_scheduler *scheduler);

/// Gives ready fibers their turns: the fresh ones for about `ms`, then a busy one. Returns 0, or
/// the errno of a channel that is broken.
int tg_scheduler_run(struct tg_scheduler *scheduler, int64_t ms);

/// Says whether a turn could be given now.
bool tg_scheduler_is_runnable(const struct tg_scheduler *scheduler);

/// Finishes a waiting fiber whose deadline has passed. Gives the ms until there is one, or -1 when
/// no waiting fiber has a deadline.
int64_t tg_scheduler_expire(struct tg_scheduler *scheduler);

/// Hands a REPLY frame's body to the fiber that waits for it; an unknown request (its attempt was
/// cancelled) is ignored.
///
/// Errors: TG_EPROTOCOL when the frame is malformed, TG_ENOMEM
int tg_scheduler_reply(struct tg_scheduler *scheduler, struct tg_reader *body,
                       struct tg_error *err);

/// Sends a LOG frame for the fiber that runs (attempt 0 when none does), cut at
/// TG_LOG_LINE_BYTES_MAX.
void tg_scheduler_log(struct tg_scheduler *scheduler, enum tg_log_level level, const char *text,
                      size_t len);

/// Sends a request that has no reply for the fiber that runs; takes the body's memory.
void tg_scheduler_tell(struct tg_scheduler *scheduler, enum tg_request kind, struct tg_buf *body);

/// Finds the scheduler of a module's function: the world that is its first upvalue.
struct tg_scheduler *tg_scheduler_of(lua_State *L);

/// Fills a fiber in. The deadline is on the mono clock, INT64_MAX for none.
void tg_fiber_init(struct tg_fiber *fiber, struct tg_scheduler *scheduler, struct tg_sandbox *box,
                   struct tg_fiber_list *siblings, enum tg_fiber_kind kind, int64_t deadline_ms);

/// Calls `prepare` with one light userdata, protected and under the fiber's budget; it leaves a
/// function and its arguments, which are moved to a new thread. The fiber is then ready.
///
/// Errors: what `prepare` raised
int tg_fiber_start(struct tg_fiber *fiber, lua_CFunction prepare, void *self, struct tg_error *err);

/// Calls C code with one light userdata in the fiber's state (not on its thread), protected and
/// under its budget. What it returns is dropped.
///
/// Errors: what it raised
int tg_fiber_call(struct tg_fiber *fiber, lua_CFunction call, void *self, struct tg_error *err);

/// Reads the error on top of a stack. Out of memory, the fiber is told apart that holds the most
/// (TG_ENOMEM) from one that only asked last (TG_ELOST: it may be tried again elsewhere).
void tg_fiber_read_error(struct tg_fiber *fiber, lua_State *L, struct tg_error *err);

/// Writes where the script stands ("pipelines/orders.lua:12"), or "" when it is in none.
void tg_fiber_place(const struct tg_fiber *fiber, char *text, size_t size);

/// Says whether a fiber was initialised and not closed.
bool tg_fiber_is_open(const struct tg_fiber *fiber);

/// Ends a fiber in any state: its pending to-be-closed variables are closed within the worker's
/// grace, the thread is given up, a request under way is forgotten.
void tg_fiber_close(struct tg_fiber *fiber);
