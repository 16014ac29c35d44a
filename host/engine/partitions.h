// SPDX-License-Identifier: Apache-2.0
// The partitions of a pipeline, as a command names them.
#pragma once

#include "base/arena.h"
#include "engine/plan.h"

/// Checks the partition that a run is to be of; `name` may be NULL, for none.
///
/// Errors: TG_EINVALID: one is needed, or there are none, or not this one, with the nearest
int tg_partition_check(const struct tg_plan *plan, const char *name, struct tg_error *err);

/// Reads a list "EU,US"; NULL stands for all of the pipeline's.
///
/// Shape:  a pipeline without partitions gives the list of one NULL
/// Owns:   the list is in the arena
/// Errors: as tg_partition_check; TG_EINVALID for one that is named twice; TG_ENOMEM
int tg_partitions_pick(const struct tg_plan *plan, const char *text, struct tg_arena *arena,
                       const char *const **list, size_t *count, struct tg_error *err);
