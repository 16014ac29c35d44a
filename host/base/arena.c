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
  if (size > SIZE_MAX - sizeof(struct tg_arena_block)) return -1;
  struct tg_arena_block *block = malloc(sizeof *block + size);
  if (!block) return -1;
  block->next = arena->blocks;
  arena->blocks = block;
  arena->size = size;
  arena->used = 0;
  return 0;
}

void *tg_arena_alloc(struct tg_arena *arena, size_t size) {
  const size_t align = alignof(max_align_t);
  bool is_absurd = size > SIZE_MAX - align;
  size = size ? (size + align - 1) & ~(align - 1) : align;
  if (is_absurd || (arena->size - arena->used < size && arena_grow(arena, size) != 0)) {
    arena->is_failed = true;
    return NULL;
  }
  void *result = arena->blocks->bytes + arena->used;
  arena->used += size;
  return memset(result, 0, size);
}

char *tg_arena_copy(struct tg_arena *arena, const char *text, size_t len) {
  char *copy = tg_arena_alloc(arena, len + 1);
  if (copy && len) memcpy(copy, text, len);
  return copy;
}

char *tg_arena_strdup(struct tg_arena *arena, const char *text) {
  return text ? tg_arena_copy(arena, text, strlen(text)) : NULL;
}
