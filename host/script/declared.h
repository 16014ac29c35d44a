// SPDX-License-Identifier: Apache-2.0
// The tasks that a file declares, in columns. A file may declare a million of them, most with
// nothing but a name, a place, a function and what they are after: such a usual task is all here.
// One that says more is odd: it has a table in Lua, and only its name is here.
//
// A task is known by its number, from 0 in the order of declaring. Those of the pipeline are listed
// in its order, by positions from 0.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dag/graph.h"
#include "dag/memory.h"
#include "script/symbols.h"

#define TG_NOT_DECLARED UINT32_MAX

enum tg_declared_state { TG_DECLARED_NEW, TG_DECLARED_USUAL, TG_DECLARED_ODD };

struct tg_declared_task {
  uint32_t word, name, place;     // symbols; TG_NO_SYMBOL for what it has not
  uint32_t after_at, after_count; // of a usual one, in `after`
  uint32_t run;                   // of a usual one, as the caller numbers functions
  uint32_t shape;                 // of a usual one, as the caller numbers shapes; 0 for none
  enum tg_declared_state state;
};

struct tg_declared {
  struct tg_memory memory;
  struct tg_symbols symbols;
  struct tg_declared_task *tasks;
  uint32_t count, cap;
  uint32_t *after; // symbols
  uint32_t after_count, after_cap;
  uint32_t *listed; // tasks in the pipeline's order
  uint32_t listed_count, listed_cap;
  uint32_t *positions; // by symbol: 1 + the first position of a task of this name, or 0
  uint32_t position_cap;
};

void tg_declared_init(struct tg_declared *declared, struct tg_memory memory);

void tg_declared_deinit(struct tg_declared *declared);

/// Declares a task; gives its number, or TG_NOT_DECLARED when memory is out.
uint32_t tg_declared_add(struct tg_declared *declared, uint32_t word, uint32_t name,
                         uint32_t place);

/// Adds a name to `after`, where a task's are side by side. False when memory is out.
bool tg_declared_add_after(struct tg_declared *declared, uint32_t name);

/// Makes a task, whose name is one, the next of the pipeline. False when memory is out.
bool tg_declared_list(struct tg_declared *declared, uint32_t task);

/// Gives the first position of a task of a name, or TG_NOT_DECLARED.
uint32_t tg_declared_find(const struct tg_declared *declared, uint32_t name);

/// Gives the task at a position.
const struct tg_declared_task *tg_declared_at(const struct tg_declared *declared,
                                              uint32_t position);
