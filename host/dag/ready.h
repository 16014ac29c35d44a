// SPDX-License-Identifier: Apache-2.0
// The ready set: tasks that may start, the most urgent first.
//
// A binary heap. Among equal priorities the smallest node comes first, so the order depends on what
// is in the set and never on when it was put there.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "dag/memory.h"

struct tg_ready_item {
  int64_t priority;
  uint32_t node;
};

struct tg_ready {
  struct tg_memory memory;
  struct tg_ready_item *items;
  size_t count, cap;
};

/// Makes an empty set.
void tg_ready_init(struct tg_ready *ready, struct tg_memory memory);

/// Frees what the set holds.
void tg_ready_deinit(struct tg_ready *ready);

/// Puts a node in; the caller sees to it that it is in only once.
///
/// Errors: TG_ENOMEM; the set is unchanged
int tg_ready_push(struct tg_ready *ready, uint32_t node, int64_t priority, struct tg_error *err);

/// Takes the node with the highest priority out; false when the set is empty.
bool tg_ready_pop(struct tg_ready *ready, uint32_t *node);
