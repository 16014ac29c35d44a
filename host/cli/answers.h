// SPDX-License-Identifier: Apache-2.0
// What people answer to tasks that wait for approval (engine/waits.c), on its way from the inbox
// into the record of the step. A run that is live takes its answer itself; of another one it is
// recorded for the host that continues it. The first answer to a step counts.
#pragma once

#include <stdbool.h>

#include "engine/conductor.h"
#include "store/history.h"

/// An answer to a step.
struct tg_answer {
  struct tg_id run;
  uint32_t task, item, position;
  const char *result; // what becomes the step's, as JSON
};

/// Asks whoever holds the data folder to take an answer in.
///
/// Errors: those of tg_inbox_put
int tg_answer_put(const char *data, const struct tg_answer *answer, struct tg_error *err);

struct tg_answers;

/// Takes answers in; `conductor` is NULL in a process that runs nothing.
///
/// Owns:   the caller frees it, after the store is closed
/// Errors: NULL when memory is out
struct tg_answers *tg_answers_new(struct tg_store *store, struct tg_conductor *conductor,
                                  const char *data, const struct tg_clock *clock);
void tg_answers_free(struct tg_answers *answers);

/// Looks whether there are answers, and does what comes next with each. A request goes when its
/// step has a result, or cannot have one any more.
void tg_answers_look(struct tg_answers *answers);

/// Says whether nothing is on its way to the store.
bool tg_answers_is_idle(const struct tg_answers *answers);
