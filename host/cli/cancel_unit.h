// SPDX-License-Identifier: Apache-2.0
// cancel --task: ends one task of a run, or one item of a map, and leaves the rest to go its way.
#pragma once

#include "cli/args.h"

/// Does it, and waits for the end of the task. Of a run that no host works on it is recorded.
///
/// Shape:  returns an exit code: 0 when it is cancelled, 2 when it had ended before
int tg_cancel_unit(const struct tg_args *args);
