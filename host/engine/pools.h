// SPDX-License-Identifier: Apache-2.0
// The pools of the project, which every pipeline may take from. A plan names a pool that it does
// not declare itself without a size (slots 0); its size is the project's of the moment.
#pragma once

#include "engine/plan.h"

struct tg_pools {
  const struct tg_plan_pool *all;
  size_t count;
};

/// Gives a pool's slots, 0 when there is no such pool.
uint32_t tg_pools_slots(const struct tg_pools *pools, const char *name);

/// Finds the next thing that is wrong with what a plan takes from pools: the size of one that is
/// said twice, then the tasks that could never start; false when there is none.
///
/// Shape:  `at`: 0 at first, then as it was left; `line`: of the task, 1 for the pipeline
bool tg_pools_fault(const struct tg_pools *pools, const struct tg_plan *plan, uint32_t *at,
                    uint32_t *line, struct tg_error *err);

/// Checks that the tasks of a plan can be given what they take, and that no pool has two sizes.
///
/// Shape:  `line`: of the task that cannot, 1 for the pipeline; may be NULL
/// Errors: TG_EINVALID with what to do
int tg_pools_check(const struct tg_pools *pools, const struct tg_plan *plan, uint32_t *line,
                   struct tg_error *err);
