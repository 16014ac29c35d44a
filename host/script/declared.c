// SPDX-License-Identifier: Apache-2.0
#include "script/declared.h"

#include <string.h>

enum { COUNT_FIRST = 64 };

void tg_declared_init(struct tg_declared *declared, struct tg_memory memory) {
  *declared = (struct tg_declared){.memory = memory};
  tg_symbols_init(&declared->symbols, memory);
}

void tg_declared_deinit(struct tg_declared *declared) {
  const struct tg_memory *memory = &declared->memory;
  tg_symbols_deinit(&declared->symbols);
  tg_memory_free(memory, declared->tasks, declared->cap, sizeof *declared->tasks);
  tg_memory_free(memory, declared->after, declared->after_cap, sizeof *declared->after);
  tg_memory_free(memory, declared->listed, declared->listed_cap, sizeof *declared->listed);
  tg_memory_free(memory, declared->positions, declared->position_cap, sizeof *declared->positions);
  tg_declared_init(declared, declared->memory);
}

// Makes room for one more item than there are; NULL when memory is out. The capacity grows by half,
// so that a large array is copied rarely and yet has little room that is not used.
static void *grow(const struct tg_memory *memory, void *items, uint32_t count, uint32_t *cap,
                  size_t item) {
  if (count < *cap) return items;
  uint32_t more = *cap ? *cap / 2 : COUNT_FIRST;
  if (*cap > UINT32_MAX - more) return NULL;
  void *grown = tg_memory_resize(memory, items, *cap, *cap + more, item);
  if (grown) *cap += more;
  return grown;
}

uint32_t tg_declared_add(struct tg_declared *declared, uint32_t word, uint32_t name,
                         uint32_t place) {
  struct tg_declared_task *tasks =
      grow(&declared->memory, declared->tasks, declared->count, &declared->cap, sizeof *tasks);
  if (!tasks) return TG_NOT_DECLARED;
  declared->tasks = tasks;
  tasks[declared->count] = (struct tg_declared_task){.word = word, .name = name, .place = place};
  return declared->count++;
}

bool tg_declared_add_after(struct tg_declared *declared, uint32_t name) {
  uint32_t *after = grow(&declared->memory, declared->after, declared->after_count,
                         &declared->after_cap, sizeof *after);
  if (!after) return false;
  declared->after = after;
  after[declared->after_count++] = name;
  return true;
}

// Makes room for the positions of all symbols that there are.
static bool positions_grow(struct tg_declared *declared) {
  uint32_t old = declared->position_cap, cap = declared->symbols.cap;
  if (declared->symbols.count <= old) return true;
  uint32_t *positions =
      tg_memory_resize(&declared->memory, declared->positions, old, cap, sizeof *positions);
  if (!positions) return false;
  memset(positions + old, 0, (cap - old) * sizeof *positions);
  declared->positions = positions;
  declared->position_cap = cap;
  return true;
}

bool tg_declared_list(struct tg_declared *declared, uint32_t task) {
  uint32_t *listed = grow(&declared->memory, declared->listed, declared->listed_count,
                          &declared->listed_cap, sizeof *listed);
  if (!listed) return false;
  declared->listed = listed;
  if (!positions_grow(declared)) return false;
  uint32_t *position = &declared->positions[declared->tasks[task].name];
  listed[declared->listed_count++] = task;
  if (!*position) *position = declared->listed_count;
  return true;
}

uint32_t tg_declared_find(const struct tg_declared *declared, uint32_t name) {
  if (name >= declared->position_cap || !declared->positions[name]) return TG_NOT_DECLARED;
  return declared->positions[name] - 1;
}

const struct tg_declared_task *tg_declared_at(const struct tg_declared *declared,
                                              uint32_t position) {
  return &declared->tasks[declared->listed[position]];
}
