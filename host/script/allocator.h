// SPDX-License-Identifier: Apache-2.0
// The memory of one Lua state: a ceiling, and a record of who uses it.
//
// A state is shared by the attempts of one bundle. `charge`, when set, is the counter of the
// attempt whose turn it is, so that at a refusal the worker can tell the hog from its victim.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "script/slab.h"

struct tg_allocator {
  struct tg_slab slab;     // for small blocks
  int64_t used, cap, peak; // bytes
  int64_t *charge;         // net bytes of the running attempt are added here; may be NULL
  int64_t churn;           // bytes allocated, freed ones included, since the last look at the clock
  int64_t churn_max;       // on_pressure is called when churn passes it
  uint64_t refused;        // allocations refused for good, after Lua's emergency collection
  uint64_t calls;          // allocations asked for
  uint64_t fail_at;        // for tests: the call with this number is refused; 0 for none
  const void *asked_block; // what was refused last and may be asked for again
  size_t asked_size;
  /// Called after each refusal, `is_final` or not yet, and when `churn` passes its ceiling; must
  /// not allocate. May be NULL.
  void (*on_pressure)(void *self, int is_final);
  void *self;
};

/// Makes an allocator that gives at most `cap` bytes.
void tg_allocator_init(struct tg_allocator *allocator, int64_t cap);

/// Gives up what it keeps for later blocks, once the state is closed.
void tg_allocator_deinit(struct tg_allocator *allocator);

/// The lua_Alloc; `self` is a struct tg_allocator.
void *tg_allocator_realloc(void *self, void *block, size_t old_size, size_t size);
