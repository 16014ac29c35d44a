// SPDX-License-Identifier: Apache-2.0
// Starting one process by posix_spawn: look-up in the child's PATH, pipes, descriptors.
#pragma once

#include <sys/types.h>

#include "base/error.h"
#include "loop/child.h"

struct tg_spawned {
  pid_t pid;
  int out[2]; // our ends of stdout and stderr, which tg_poll_new makes non-blocking; or -1
};

/// Starts the process that `spec` describes.
///
/// Owns:   the caller closes `out` and reaps `pid`
/// Errors: TG_EINVALID, TG_ESPAWN, TG_EBUSY; nothing is left open then
int tg_spawn(const struct tg_child_spec *spec, bool has_output, struct tg_spawned *spawned,
             struct tg_error *err);
