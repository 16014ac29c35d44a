// SPDX-License-Identifier: Apache-2.0
#include "script/symbols.h"

#include <stdbool.h>
#include <string.h>

enum { TEXT_FIRST = 1024, COUNT_FIRST = 64 };

void tg_symbols_init(struct tg_symbols *symbols, struct tg_memory memory) {
  *symbols = (struct tg_symbols){.memory = memory};
}

void tg_symbols_deinit(struct tg_symbols *symbols) {
  const struct tg_memory *memory = &symbols->memory;
  tg_memory_free(memory, symbols->text, symbols->text_cap, 1);
  tg_memory_free(memory, symbols->ends, symbols->cap, sizeof *symbols->ends);
  tg_memory_free(memory, symbols->slots, symbols->slot_count, sizeof *symbols->slots);
  tg_symbols_init(symbols, symbols->memory);
}

struct tg_slice tg_symbol_text(const struct tg_symbols *symbols, uint32_t symbol) {
  uint32_t at = symbol ? symbols->ends[symbol - 1] + 1 : 0;
  return (struct tg_slice){.data = symbols->text + at, .len = symbols->ends[symbol] - at};
}

// FNV-1a, with its upper half folded in: slots are chosen by the lower bits.
static uint32_t hash_of(const char *text, size_t len) {
  uint64_t hash = UINT64_C(0xcbf29ce484222325);
  for (size_t i = 0; i < len; i++) hash = (hash ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
  return (uint32_t)(hash ^ hash >> 32);
}

// Gives the slot of a text, or the free one where it would be. There is always a free one.
static uint32_t *slot_of(const struct tg_symbols *symbols, const char *text, size_t len) {
  uint32_t mask = symbols->slot_count - 1;
  for (uint32_t at = hash_of(text, len) & mask;; at = (at + 1) & mask) {
    uint32_t *slot = &symbols->slots[at];
    if (!*slot) return slot;
    struct tg_slice known = tg_symbol_text(symbols, *slot - 1);
    if (known.len == len && memcmp(known.data, text, len) == 0) return slot;
  }
}

// Makes room in the hash table, which is filled to two thirds at most.
static bool slots_grow(struct tg_symbols *symbols) {
  const struct tg_memory *memory = &symbols->memory;
  if (symbols->count + symbols->count / 2 < symbols->slot_count) return true;
  uint32_t count = symbols->slot_count ? symbols->slot_count * 2 : COUNT_FIRST * 2;
  uint32_t *slots = count ? tg_memory_resize(memory, NULL, 0, count, sizeof *slots) : NULL;
  if (!slots) return false;
  memset(slots, 0, count * sizeof *slots);
  tg_memory_free(memory, symbols->slots, symbols->slot_count, sizeof *slots);
  symbols->slots = slots;
  symbols->slot_count = count;
  for (uint32_t i = 0; i < symbols->count; i++) {
    struct tg_slice known = tg_symbol_text(symbols, i);
    *slot_of(symbols, known.data, known.len) = i + 1;
  }
  return true;
}

static bool text_grow(struct tg_symbols *symbols, size_t more) {
  size_t cap = symbols->text_cap ? symbols->text_cap : TEXT_FIRST, len = symbols->text_len + more;
  if (len <= symbols->text_cap) return true;
  if (more > UINT32_MAX || len > UINT32_MAX) return false;
  while (cap < len) cap *= 2;
  char *text = tg_memory_resize(&symbols->memory, symbols->text, symbols->text_cap, cap, 1);
  if (!text) return false;
  symbols->text = text;
  symbols->text_cap = cap;
  return true;
}

static bool ends_grow(struct tg_symbols *symbols) {
  uint32_t cap = symbols->cap ? symbols->cap * 2 : COUNT_FIRST;
  if (symbols->count < symbols->cap) return true;
  if (cap < symbols->cap) return false;
  uint32_t *ends =
      tg_memory_resize(&symbols->memory, symbols->ends, symbols->cap, cap, sizeof *ends);
  if (!ends) return false;
  symbols->ends = ends;
  symbols->cap = cap;
  return true;
}

uint32_t tg_symbol_find(const struct tg_symbols *symbols, const char *text, size_t len) {
  uint32_t *slot = symbols->slot_count ? slot_of(symbols, text, len) : NULL;
  return slot && *slot ? *slot - 1 : TG_NO_SYMBOL;
}

uint32_t tg_symbol_of(struct tg_symbols *symbols, const char *text, size_t len) {
  if (!slots_grow(symbols)) return TG_NO_SYMBOL;
  uint32_t *slot = slot_of(symbols, text, len);
  if (*slot) return *slot - 1;
  if (!ends_grow(symbols) || !text_grow(symbols, len + 1)) return TG_NO_SYMBOL;
  memcpy(symbols->text + symbols->text_len, text, len);
  symbols->text_len += len + 1;
  symbols->text[symbols->text_len - 1] = 0;
  symbols->ends[symbols->count] = (uint32_t)(symbols->text_len - 1);
  *slot = symbols->count + 1;
  return symbols->count++;
}
