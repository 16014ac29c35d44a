// SPDX-License-Identifier: Apache-2.0
// Selecting tasks of a plan, in dbt's grammar:
//
//   name   +name   name+   +name+   gold_*   tag:nightly   failed   skipped   result:cancelled
//
// A space joins selections, a comma intersects them, and binds tighter. `failed`, `skipped` and
// result:STATE are those of an earlier run. `failed` takes also what failed with its upstreams, and
// of a map that has items those that did not succeed.
#pragma once

#include "cli/carry.h"

/// Marks the selected tasks.
///
/// Shape:  `earlier` may be NULL; `marks`: a byte per task, of enum tg_mark
/// Errors: TG_EINVALID for a selector that selects nothing, with the nearest name
int tg_select(const struct tg_plan *plan, const struct tg_earlier *earlier, const char *selection,
              uint8_t *marks, struct tg_error *err);
