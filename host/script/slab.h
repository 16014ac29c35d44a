// SPDX-License-Identifier: Apache-2.0
// Small blocks of one Lua state. Lua tells the size of what it frees, so a block needs no header:
// it goes into a list of those of its size, and the next of that size is taken from there. New
// blocks are cut from chunks, which are given back together when the state is closed.
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { TG_SLAB_BLOCK_MAX = 256, TG_SLAB_GRAIN = 8, TG_SLAB_CLASSES = 33 };

struct tg_slab {
  void *free[TG_SLAB_CLASSES]; // lists of blocks, by size in grains
  char *at, *end;              // what is left of the newest chunk
  void *chunks;                // list of all
  size_t chunk_bytes;          // of the newest
};

/// Says whether a block of this size is a slab's: from 1 byte to TG_SLAB_BLOCK_MAX.
static inline bool tg_slab_fits(size_t bytes) {
  return bytes > 0 && bytes <= TG_SLAB_BLOCK_MAX;
}

/// Says whether a block that was taken for one size can serve the other as it is.
static inline bool tg_slab_is_same(size_t a, size_t b) {
  return (a + TG_SLAB_GRAIN - 1) / TG_SLAB_GRAIN == (b + TG_SLAB_GRAIN - 1) / TG_SLAB_GRAIN;
}

/// Takes a block of a size that fits; NULL when memory is out. A zeroed slab is an empty one.
///
/// Units:  bytes; blocks are aligned to TG_SLAB_GRAIN, as Lua's own types ask
void *tg_slab_take(struct tg_slab *slab, size_t bytes);

/// Gives a block back that was taken for this size.
void tg_slab_give(struct tg_slab *slab, void *block, size_t bytes);

/// Gives all memory back, whoever still uses it.
void tg_slab_deinit(struct tg_slab *slab);
