// SPDX-License-Identifier: Apache-2.0
// Texts, each kept once and known by a number from 0 on in the order in which they came.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "dag/memory.h"
#include "ipc/wire.h"

#define TG_NO_SYMBOL UINT32_MAX

struct tg_symbols {
  struct tg_memory memory;
  char *text; // of all, a NUL behind each
  size_t text_len, text_cap;
  uint32_t *ends; // where in `text` each one's NUL is
  uint32_t count, cap;
  uint32_t *slots; // a hash table of numbers + 1, 0 where it is free
  uint32_t slot_count;
};

/// Makes an empty table of symbols.
void tg_symbols_init(struct tg_symbols *symbols, struct tg_memory memory);

void tg_symbols_deinit(struct tg_symbols *symbols);

/// Gives the number of a text, which is copied if it is new; TG_NO_SYMBOL when memory is out, and
/// nothing has changed then.
uint32_t tg_symbol_of(struct tg_symbols *symbols, const char *text, size_t len);

/// Gives the number of a text that is there, or TG_NO_SYMBOL.
uint32_t tg_symbol_find(const struct tg_symbols *symbols, const char *text, size_t len);

/// Gives a symbol's text, with a NUL behind it, until the next symbol is made.
struct tg_slice tg_symbol_text(const struct tg_symbols *symbols, uint32_t symbol);
