// SPDX-License-Identifier: Apache-2.0
// Which occurrences are stale: they succeeded, but would not come out the same today. As Dagster
// has it, by what the store knows:
//
//   the code    its newest run had another bundle than the pipeline has now
//   the data    an asset that a task of it reads (`reads = { "orders" }`) was made again by another
//               pipeline, for the same partition and interval, after that task had begun
#pragma once

#include "cli/occurrences.h"
#include "store/history.h"

/// Says in `occurrence->stale` why it is stale; NULL when it is not, or did not succeed.
///
/// Shape:  the pipeline's plan and the hash of its bundle, as they are now
/// Owns:   the text is in the arena
/// Errors: those of the store
int tg_stale_find(struct tg_history *history, const struct tg_plan *plan, const char *bundle,
                  struct tg_arena *arena, struct tg_occurrence *occurrence, struct tg_error *err);
