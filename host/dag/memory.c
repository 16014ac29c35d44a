// SPDX-License-Identifier: Apache-2.0
#include "dag/memory.h"

#include <stdint.h>
#include <stdlib.h>

static void *heap_resize(void *user, void *block, size_t old_size, size_t new_size) {
  (void)user;
  (void)old_size;
  if (new_size) return realloc(block, new_size);
  free(block);
  return NULL;
}

struct tg_memory tg_memory_heap(void) {
  return (struct tg_memory){.resize = heap_resize};
}

void *tg_memory_resize(const struct tg_memory *memory, void *block, size_t old_count,
                       size_t new_count, size_t item) {
  if (new_count > SIZE_MAX / item) return NULL;
  return memory->resize(memory->user, block, old_count * item, new_count * item);
}

void tg_memory_free(const struct tg_memory *memory, void *block, size_t count, size_t item) {
  if (block) memory->resize(memory->user, block, count * item, 0);
}
