// SPDX-License-Identifier: Apache-2.0
#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_BLOCK = 1024, LARGEST_BLOCK = 1 << 20 };

struct tg_arena_block {
  struct tg_arena_block *next;
  alignas(max_align_t) char bytes[];
};

void tg_arena_init(struct tg_arena *arena) {
  *arena = (struct tg_arena){0};
}

void tg_arena_deinit(struct tg_arena *arena) {
  while (arena->blocks) {
    struct tg_arena_block *block = arena->blocks;
    arena->blocks = block->next;
    free(block);
  }
  tg_arena_init(arena);
}

static int arena_grow(struct tg_arena *arena, size_t need) {
  size_t size = arena->size ? arena->size * 2 : FIRST_BLOCK;
  if (size > LARGEST_BLOCK) size = LARGEST_BLOCK;
  if (size < need) size = need;
  if (size > PTRDIFF_MAX - sizeof(struct tg_arena_block)) return -1; // nothing is larger
  struct tg_arena_block *block = malloc(sizeof *block + size);
  if (!block) return -1;
  block->next = arena->blocks;
  arena->blocks = block;
  arena->size = size;
  arena->used = 0;
  return 0;
}

// Takes `size` bytes, which are not set.
static void *bytes_take(struct tg_arena *arena, size_t size) {
  if (arena->size - arena->used < size && arena_grow(arena, size) != 0) {
    arena->is_failed = true;
    return NULL;
  }
  void *result = arena->blocks->bytes + arena->used;
  arena->used += size;
  return result;
}

void *tg_arena_alloc(struct tg_arena *arena, size_t size) {
  const size_t align = alignof(max_align_t);
  size_t used = (arena->used + align - 1) & ~(align - 1);
  arena->used = used < arena->size ? used : arena->size;
  void *result = bytes_take(arena, size ? size : 1);
  return result ? memset(result, 0, size) : NULL;
}

// Texts follow each other without gaps: many are shorter than an alignment is wide.
char *tg_arena_copy(struct tg_arena *arena, const char *text, size_t len) {
  char *copy = bytes_take(arena, len < SIZE_MAX ? len + 1 : len);
  if (!copy) return NULL;
  if (len) memcpy(copy, text, len);
  copy[len] = 0;
  return copy;
}

char *tg_arena_strdup(struct tg_arena *arena, const char *text) {
  return text ? tg_arena_copy(arena, text, strlen(text)) : NULL;
}
