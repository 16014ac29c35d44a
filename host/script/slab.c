// SPDX-License-Identifier: Apache-2.0
#include "script/slab.h"

#include <stdlib.h>

enum { CHUNK_BYTES_FIRST = 8 << 10, CHUNK_BYTES_MAX = 1 << 20 };

// What a block is while nobody uses it, and what a chunk begins with.
struct link {
  struct link *next;
};

static size_t class_of(size_t bytes) {
  return (bytes + TG_SLAB_GRAIN - 1) / TG_SLAB_GRAIN;
}

static bool chunk_add(struct tg_slab *slab) {
  size_t bytes = slab->chunk_bytes ? slab->chunk_bytes * 2 : CHUNK_BYTES_FIRST;
  if (bytes > CHUNK_BYTES_MAX) bytes = CHUNK_BYTES_MAX;
  struct link *chunk = malloc(bytes);
  if (!chunk) return false;
  chunk->next = slab->chunks;
  slab->chunks = chunk;
  slab->chunk_bytes = bytes;
  slab->at = (char *)(chunk + 1);
  slab->end = (char *)chunk + bytes;
  return true;
}

void *tg_slab_take(struct tg_slab *slab, size_t bytes) {
  size_t class = class_of(bytes), room = class * TG_SLAB_GRAIN;
  struct link *block = slab->free[class];
  if (block) {
    slab->free[class] = block->next;
    return block;
  }
  if ((size_t)(slab->end - slab->at) < room && !chunk_add(slab)) return NULL;
  slab->at += room;
  return slab->at - room;
}

void tg_slab_give(struct tg_slab *slab, void *block, size_t bytes) {
  struct link *link = block;
  size_t class = class_of(bytes);
  link->next = slab->free[class];
  slab->free[class] = link;
}

void tg_slab_deinit(struct tg_slab *slab) {
  for (struct link *chunk = slab->chunks, *next; chunk; chunk = next) {
    next = chunk->next;
    free(chunk);
  }
  *slab = (struct tg_slab){0};
}
