// SPDX-License-Identifier: Apache-2.0
// The states of runs, tasks and attempts, each list once: as an enum, and as the word that the
// store, the API and the command line show.
#pragma once

#include <stdbool.h>

/// X(NAME, word, is_terminal)
#define TG_RUN_STATES(X)                                                                           \
  X(RUNNING, "running", false)                                                                     \
  X(QUEUED, "queued", false)         /* waits for a place among the runs of its pipeline */        \
  X(CANCELLING, "cancelling", false) /* was stopped; what it has begun is being ended */           \
  X(SUCCESS, "success", true)                                                                      \
  X(FAILED, "failed", true)                                                                        \
  X(SKIPPED, "skipped", true) /* found no place, and does not wait for one */                      \
  X(CANCELLED, "cancelled", true)

/// X(NAME, word, is_terminal)
#define TG_TASK_STATES(X)                                                                          \
  X(WAITING, "waiting", false)                                                                     \
  X(READY, "ready", false)                                                                         \
  X(RUNNING, "running", false)                                                                     \
  X(SUCCESS, "success", true)                                                                      \
  X(FAILED, "failed", true)                                                                        \
  X(SKIPPED, "skipped", true)                                                                      \
  X(UPSTREAM_FAILED, "upstream_failed", true)                                                      \
  X(CANCELLED, "cancelled", true)

/// X(NAME, word, is_terminal)
#define TG_ATTEMPT_STATES(X)                                                                       \
  X(RUNNING, "running", false)                                                                     \
  X(SUCCESS, "success", true)                                                                      \
  X(FAILED, "failed", true)                                                                        \
  X(LOST, "lost", true)                                                                            \
  X(CANCELLED, "cancelled", true)

/// X(NAME, word, is_terminal)
#define TG_FILL_STATES(X)                                                                          \
  X(RUNNING, "running", false)                                                                     \
  X(PAUSED, "paused", false) /* what has begun goes on, nothing more begins */                     \
  X(SUCCESS, "success", true)                                                                      \
  X(FAILED, "failed", true)                                                                        \
  X(CANCELLED, "cancelled", true)

#define X(name, word, is_terminal) TG_RUN_##name,
enum tg_run_state { TG_RUN_STATES(X) TG_RUN_STATE_COUNT };
#undef X

#define X(name, word, is_terminal) TG_TASK_##name,
enum tg_task_state { TG_TASK_STATES(X) TG_TASK_STATE_COUNT };
#undef X

#define X(name, word, is_terminal) TG_ATTEMPT_##name,
enum tg_attempt_state { TG_ATTEMPT_STATES(X) TG_ATTEMPT_STATE_COUNT };
#undef X

#define X(name, word, is_terminal) TG_FILL_##name,
enum tg_fill_state { TG_FILL_STATES(X) TG_FILL_STATE_COUNT };
#undef X

/// Gives the word of a state.
const char *tg_run_state_word(enum tg_run_state state);
const char *tg_task_state_word(enum tg_task_state state);
const char *tg_attempt_state_word(enum tg_attempt_state state);
const char *tg_fill_state_word(enum tg_fill_state state);

/// Finds a state by its word, or -1.
int tg_run_state_parse(const char *word);
int tg_task_state_parse(const char *word);
int tg_attempt_state_parse(const char *word);
int tg_fill_state_parse(const char *word);

bool tg_run_state_is_terminal(enum tg_run_state state);
bool tg_task_state_is_terminal(enum tg_task_state state);
bool tg_fill_state_is_terminal(enum tg_fill_state state);
