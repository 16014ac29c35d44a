// SPDX-License-Identifier: Apache-2.0
// Memory that is out once: the n-th block that is asked for cannot be had.
#pragma once

#include <stdint.h>
#include <stdlib.h>

#include "dag/memory.h"

struct scarce {
  int fail_at, calls;
  int64_t bytes; // that are out
};

static void *scarce_resize(void *user, void *block, size_t old_size, size_t new_size) {
  struct scarce *scarce = user;
  if (new_size && ++scarce->calls == scarce->fail_at) return NULL;
  scarce->bytes += (int64_t)new_size - (int64_t)old_size;
  if (new_size) return realloc(block, new_size);
  free(block);
  return NULL;
}

static inline struct tg_memory scarce_memory(struct scarce *scarce) {
  return (struct tg_memory){.resize = scarce_resize, .user = scarce};
}
