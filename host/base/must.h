// SPDX-License-Identifier: Apache-2.0
// Memory for the host's own books.
#pragma once

#include <stdlib.h>

/// Gives memory back as it is, or ends the program: a host that cannot keep its own books does not
/// go on.
static inline void *tg_must(void *memory) {
  if (!memory) abort();
  return memory;
}
