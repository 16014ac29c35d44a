// SPDX-License-Identifier: Apache-2.0
// Selecting tasks of a plan, in dbt's grammar:
//
//   name   +name   name+   +name+   gold_*   tag:nightly   failed   skipped
//
// A space joins selections, a comma intersects them, and binds tighter. `failed` and `skipped` are
// those of an earlier run.
#pragma once

#include "engine/plan.h"
#include "model/record.h"

/// Marks the selected tasks.
///
/// Shape:  `earlier`: the tasks of an earlier run by index, or NULL; `marks`: a byte per task
/// Errors: TG_EINVALID for a selector that selects nothing, with the nearest name
int tg_select(const struct tg_plan *plan, const struct tg_task *earlier, const char *selection,
              uint8_t *marks, struct tg_error *err);
