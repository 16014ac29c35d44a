// SPDX-License-Identifier: Apache-2.0
// Opens a path below a folder so that nothing, neither `..` nor a link, leads out of it.
//
// Source: openat2(2), RESOLVE_BENEATH and RESOLVE_NO_MAGICLINKS. Where the kernel lacks it the path
// is resolved by hand and then opened component by component without following links, so that a
// link that is put there meanwhile makes the call fail. As with openat2, an absolute link is
// refused.
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/// Opens `path` (relative; "." is the folder itself) below `folder` with the flags of open(2).
///
/// Shape:  returns a descriptor, or -1 and errno: EXDEV for a path that leads out, ELOOP for too
///         many links, else as open(2)
/// Owns:   the caller closes the descriptor
int tg_beneath_open(int folder, const char *path, int flags);

/// The same by hand, as on a kernel without openat2.
int tg_beneath_open_by_hand(int folder, const char *path, int flags);
