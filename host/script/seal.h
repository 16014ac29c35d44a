// SPDX-License-Identifier: Apache-2.0
// The worker shuts itself in before it sees the first script: no environment, no descriptors but
// 0 to 2 and the channel, no new privileges, resource limits, an allow-list of system calls, and
// Landlock with no path. What a kernel refuses is reported, not fatal: the host decides.
//
// What must be opened (shared libraries) is opened before. Two things stay open to a script that
// has taken the process over: its own memory, and the channel, which the host does not trust.
#pragma once

#include <stdint.h>

/// The layers, as bits.
enum tg_seal_layer {
  TG_SEAL_ENVIRONMENT = 1 << 0,
  TG_SEAL_DESCRIPTORS = 1 << 1,
  TG_SEAL_PRIVILEGES = 1 << 2,
  TG_SEAL_PARENT = 1 << 3, // dies with its parent
  TG_SEAL_DUMPABLE = 1 << 4,
  TG_SEAL_LIMITS = 1 << 5,
  TG_SEAL_LANDLOCK = 1 << 6,
  TG_SEAL_SYSCALLS = 1 << 7,
};

struct tg_seal_report {
  uint32_t missing; // layers that are not in place, or only in part
  char text[512];   // "complete", or what is missing and why
};

/// Applies every layer it can to this process, for good.
///
/// Shape:  the channel's descriptor -> 0 when all is in place, -1 when something is missing
/// Source: prctl(2), landlock(7), seccomp(2)
int tg_seal_apply(int channel_fd, struct tg_seal_report *report);
