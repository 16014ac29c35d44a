// SPDX-License-Identifier: Apache-2.0
// Where a graph's memory comes from: one realloc-like function, so that a graph made by a script is
// charged to the script's own Lua state.
#pragma once

#include <stddef.h>

struct tg_memory {
  /// Resizes a block; a `new_size` of 0 frees it and gives NULL. The shape is lua_Alloc's. A block
  /// that cannot be had is NULL, and the old one is untouched.
  void *(*resize)(void *user, void *block, size_t old_size, size_t new_size);
  void *user;
};

/// Gives the C library's realloc and free.
struct tg_memory tg_memory_heap(void);

/// Resizes an array of `old_count` items to `new_count` of `item` bytes each, or gives NULL when
/// memory is out or the size overflows.
void *tg_memory_resize(const struct tg_memory *memory, void *block, size_t old_count,
                       size_t new_count, size_t item);

/// Frees an array (NULL is fine).
void tg_memory_free(const struct tg_memory *memory, void *block, size_t count, size_t item);
