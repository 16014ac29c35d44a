// SPDX-License-Identifier: Apache-2.0
// An arena: many small allocations that are freed together.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct tg_arena_block;

struct tg_arena {
  struct tg_arena_block *blocks; // newest first
  size_t used, size;             // of the newest block
  bool is_failed;                // memory was out at some time
};

/// Makes an empty arena; it takes no memory until it is used.
void tg_arena_init(struct tg_arena *arena);

/// Frees everything that was allocated from the arena.
void tg_arena_deinit(struct tg_arena *arena);

/// Gives `size` zeroed bytes, aligned for any type, or NULL when memory is out.
void *tg_arena_alloc(struct tg_arena *arena, size_t size);

/// Copies `len` bytes and adds a NUL, or gives NULL.
char *tg_arena_copy(struct tg_arena *arena, const char *text, size_t len);

/// Copies a string, NULL included.
char *tg_arena_strdup(struct tg_arena *arena, const char *text);
