// SPDX-License-Identifier: Apache-2.0
// Why a run or a task came to what it is: reasons in the order of time, derived from the records.
//
// A reason is an object {"task", "kind", "since", "until", "duration_ms", "text"}; "until" is null
// while it lasts. Kinds:
//
//   upstream   an upstream was waited for           retry     the next attempt was waited for
//   rule       the trigger rule's verdict           decision  a policy answered
//   branch     a branch took other ways             check     a contract rule failed
//   slot       a free place to run was waited for   end       how it ended, and why not otherwise
//   attempt    an attempt ran                       carried   it is that of an earlier run
//   map        the items of a map                   item      an item failed
//   step       a step was done, or is begun         sleep     an instant is waited for
//   fallback   what stands in for what
//   child      a child run                          resource  its breaker was, or is, not closed
//   tasks      limits.tasks is reached              pool      a pool has no room
//   limit      a map's limit is reached             key       a map's limit_per_key is reached
//   overlap    a place among the pipeline's runs    wait      an event or a person is waited for
//
//   line       another one stands before it in the line for a pool
//
// Some have more fields: slot, tasks and pool "size", "taken", "needs", "pool"
// and "taken_by", a list of {"run", "pipeline", "task", "item", "slots"}; line "pool" and "behind",
// {"run", "pipeline", "task"}; limit "size", "taken",
// "waiting" and "items"; key "key", "size", "taken" and "waiting"; retry "retry_at"; sleep
// "wake_at"; child "run". Of items retry and sleep have "item", the first, and "waiting", how many.
#pragma once

#include <jansson.h>

#include "cli/takers.h"
#include "cli/view.h"

/// Gives the reasons of one task.
///
/// Shape:  without `takers` (NULL) nothing is said of what it lacks to start now
/// Owns:   the caller releases the list; NULL when memory is out
json_t *tg_reasons_of_task(const struct tg_view *view, struct tg_takers *takers, uint32_t task);

/// Gives the reasons of the run: along the chain of tasks that decided its end. The chain leads to
/// the first task that failed, or else to the last that ended; of a run that is not over, to each
/// task that is open now.
///
/// Owns:   the caller releases the list; NULL when memory is out
json_t *tg_reasons_of_run(const struct tg_view *view, struct tg_takers *takers);
