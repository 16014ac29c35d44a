// SPDX-License-Identifier: Apache-2.0
// What the engine's driver needs from whoever carries attempts out. Filled in by host/worker.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "engine/live.h"

/// An attempt to be carried out. Pointers are valid during the call.
struct tg_start {
  uint64_t attempt; // handle
  const struct tg_live_run *run;
  uint32_t unit, task, number; // the unit; its task's index in the plan
  uint64_t seed;
  int64_t deadline_ms, deadline_at; // its end, on the monotonic and on the wall clock; 0 for none
  const char *context;              // JSON; NULL when it is larger than a message may be
  size_t context_len;
};

/// A question to a task's policy for retries. Pointers are valid during the call.
struct tg_retry_question {
  uint64_t question;
  const struct tg_live_run *run;
  uint32_t task, number; // of the attempt that failed
  const char *input;     // JSON
};

struct tg_runner {
  /// Starts an attempt; its result comes through tg_conductor_result, exactly once, and not before
  /// this returns.
  void (*start)(void *self, const struct tg_start *start);

  /// Ends an attempt that was started; the result still comes, soon, with this code.
  void (*cancel)(void *self, uint64_t attempt, int code);

  /// Answers a step: code 0 and a result (JSON), code 0 and NULL: it is to be done, or a code and
  /// why it is refused.
  void (*step)(void *self, uint64_t attempt, uint64_t request, int code, const char *text);

  /// Asks a policy; the answer comes as TG_INPUT_DECISION, exactly once, and not before this
  /// returns.
  void (*decide)(void *self, const struct tg_retry_question *question);

  /// Is told that a new run is durable, and that one has ended; it may start other runs, but only
  /// from the loop.
  void (*run_begun)(void *self, const struct tg_live_run *run);
  void (*run_ended)(void *self, const struct tg_live_run *run);

  void *self;
};

/// Those who watch: a progress display, a log. Any function may be NULL.
struct tg_observer {
  void (*task_changed)(void *self, const struct tg_live_run *run, uint32_t task);
  void (*task_progress)(void *self, const struct tg_live_run *run, uint32_t task, double done,
                        double total);
  void (*task_log)(void *self, const struct tg_live_run *run, uint32_t task, const char *level,
                   const char *text, size_t len);
  void (*run_ended)(void *self, const struct tg_live_run *run);
  void (*resource_turned)(void *self, const struct tg_resource *resource);
  void *self;
};
