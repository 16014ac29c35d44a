// SPDX-License-Identifier: Apache-2.0
#include "script/allocator.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

void tg_allocator_init(struct tg_allocator *allocator, int64_t cap) {
  *allocator = (struct tg_allocator){.cap = cap, .churn_max = INT64_MAX};
}

void tg_allocator_deinit(struct tg_allocator *allocator) {
  tg_slab_deinit(&allocator->slab);
}

// AddressSanitizer sees the blocks of malloc only, so with it all are.
static bool is_in_slab(size_t size) {
#ifdef __SANITIZE_ADDRESS__
  (void)size;
  return false;
#else
  return tg_slab_fits(size);
#endif
}

static void block_free(struct tg_allocator *allocator, void *block, size_t size) {
  if (is_in_slab(size))
    tg_slab_give(&allocator->slab, block, size);
  else
    free(block);
}

// Like realloc, with small blocks in the slab.
static void *block_resize(struct tg_allocator *allocator, void *block, size_t old_size,
                          size_t size) {
  bool was_small = is_in_slab(old_size), is_small = is_in_slab(size);
  if (!was_small && !is_small) return realloc(block, size);
  if (was_small && is_small && tg_slab_is_same(old_size, size)) return block;
  void *moved = is_small ? tg_slab_take(&allocator->slab, size) : malloc(size);
  if (!moved || !block) return moved;
  memcpy(moved, block, old_size < size ? old_size : size);
  block_free(allocator, block, old_size);
  return moved;
}

static void account(struct tg_allocator *allocator, int64_t bytes) {
  allocator->used += bytes;
  if (allocator->used > allocator->peak) allocator->peak = allocator->used;
  if (allocator->charge) *allocator->charge += bytes;
}

static void tell_pressure(struct tg_allocator *allocator, int is_refusal) {
  allocator->churn = 0;
  if (allocator->on_pressure) allocator->on_pressure(allocator->self, is_refusal);
}

// Lua answers a refusal with a full collection and asks for the same once more: only the second
// refusal in a row is one that the script feels.
static void *refuse(struct tg_allocator *allocator, const void *block, size_t size) {
  int is_final = allocator->asked_block == block && allocator->asked_size == size;
  allocator->asked_block = block;
  allocator->asked_size = is_final ? 0 : size;
  allocator->refused += (uint64_t)is_final;
  tell_pressure(allocator, is_final);
  return NULL;
}

// Both the call that a test wants to fail and Lua's second try, which is the next call that grows.
static bool is_to_fail(const struct tg_allocator *allocator) {
  uint64_t n = allocator->fail_at;
  return n && (allocator->calls == n || allocator->calls == n + 1);
}

static void *grow(struct tg_allocator *allocator, void *block, size_t old_size, size_t size) {
  allocator->calls++;
  bool fits =
      size <= (size_t)INT64_MAX && (int64_t)(size - old_size) <= allocator->cap - allocator->used;
  void *grown =
      fits && !is_to_fail(allocator) ? block_resize(allocator, block, old_size, size) : NULL;
  if (!grown) return refuse(allocator, block, size);
  allocator->asked_size = 0;
  account(allocator, (int64_t)(size - old_size));
  allocator->churn += (int64_t)size;
  if (allocator->churn > allocator->churn_max) tell_pressure(allocator, 0);
  return grown;
}

void *tg_allocator_realloc(void *self, void *block, size_t old_size, size_t size) {
  struct tg_allocator *allocator = self;
  if (!block) old_size = 0; // Lua passes the type of the new object there
  if (size > old_size) return grow(allocator, block, old_size, size);
  if (size == 0) {
    if (block) block_free(allocator, block, old_size);
    account(allocator, -(int64_t)old_size);
    return NULL;
  }
  void *shrunk = block_resize(allocator, block, old_size, size);
  if (!shrunk) return NULL; // the machine's memory is out, not the script's
  account(allocator, (int64_t)size - (int64_t)old_size);
  return shrunk;
}
