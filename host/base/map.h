// SPDX-License-Identifier: Apache-2.0
// Hash maps: from strings (copied) or from 64-bit numbers to pointers. Open addressing.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct tg_map_slot {
  uint64_t hash; // 0 means empty; of a number key: its mix, never 0
  uint64_t number;
  char *key; // NULL for number keys
  void *value;
};

struct tg_map {
  struct tg_map_slot *slots;
  size_t count, cap; // cap is 0 or a power of two
};

void tg_map_init(struct tg_map *map);

/// Frees the map and its keys; the values belong to the caller.
void tg_map_deinit(struct tg_map *map);

/// Sets a key; a value that was there is replaced.
///
/// Errors: returns -1 when memory is out, else 0
int tg_map_put(struct tg_map *map, const char *key, void *value);
int tg_map_put_number(struct tg_map *map, uint64_t key, void *value);

/// Gives the value of a key, or NULL.
void *tg_map_get(const struct tg_map *map, const char *key);
void *tg_map_get_number(const struct tg_map *map, uint64_t key);

/// Removes a key and gives the value it had, or NULL.
void *tg_map_remove(struct tg_map *map, const char *key);
void *tg_map_remove_number(struct tg_map *map, uint64_t key);

/// Walks the map: start with `*at` = 0; gives the next filled slot, or NULL at the end.
/// The map must not change meanwhile.
const struct tg_map_slot *tg_map_next(const struct tg_map *map, size_t *at);
