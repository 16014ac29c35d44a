// SPDX-License-Identifier: Apache-2.0
// Linear probing at a load of at most 3/4; a removal moves later slots back, so there are no
// tombstones.
#include "base/map.h"

#include <stdlib.h>
#include <string.h>

static uint64_t number_mix(uint64_t x) {
  x ^= x >> 30;
  x *= UINT64_C(0xbf58476d1ce4e5b9);
  x ^= x >> 27;
  x *= UINT64_C(0x94d049bb133111eb);
  x ^= x >> 31;
  return x ? x : 1;
}

// FNV-1a, finished with a mix so that the low bits are good.
static uint64_t text_hash(const char *key) {
  uint64_t hash = UINT64_C(0xcbf29ce484222325);
  for (; *key; key++) hash = (hash ^ (unsigned char)*key) * UINT64_C(0x100000001b3);
  return number_mix(hash);
}

void tg_map_init(struct tg_map *map) {
  *map = (struct tg_map){0};
}

void tg_map_deinit(struct tg_map *map) {
  for (size_t i = 0; i < map->cap; i++) free(map->slots[i].key);
  free(map->slots);
  tg_map_init(map);
}

static struct tg_map_slot *slot_find(const struct tg_map *map, uint64_t hash, const char *key,
                                     uint64_t number) {
  for (size_t i = hash & (map->cap - 1);; i = (i + 1) & (map->cap - 1)) {
    struct tg_map_slot *slot = &map->slots[i];
    if (!slot->hash) return slot;
    if (slot->hash != hash || !key != !slot->key) continue;
    if (key ? strcmp(slot->key, key) == 0 : slot->number == number) return slot;
  }
}

static int map_grow(struct tg_map *map) {
  struct tg_map bigger = {.cap = map->cap ? map->cap * 2 : 16};
  bigger.slots = calloc(bigger.cap, sizeof *bigger.slots);
  if (!bigger.slots) return -1;
  for (size_t i = 0; i < map->cap; i++) {
    const struct tg_map_slot *old = &map->slots[i];
    if (old->hash) *slot_find(&bigger, old->hash, old->key, old->number) = *old;
  }
  bigger.count = map->count;
  free(map->slots);
  *map = bigger;
  return 0;
}

static int map_put(struct tg_map *map, uint64_t hash, const char *key, uint64_t number,
                   void *value) {
  if (map->count + 1 > map->cap / 4 * 3 && map_grow(map) != 0) return -1;
  struct tg_map_slot *slot = slot_find(map, hash, key, number);
  if (!slot->hash) {
    char *copy = key ? strdup(key) : NULL;
    if (key && !copy) return -1;
    *slot = (struct tg_map_slot){.hash = hash, .number = number, .key = copy};
    map->count++;
  }
  slot->value = value;
  return 0;
}

static void *map_get(const struct tg_map *map, uint64_t hash, const char *key, uint64_t number) {
  return map->cap ? slot_find(map, hash, key, number)->value : NULL;
}

static void *map_remove(struct tg_map *map, uint64_t hash, const char *key, uint64_t number) {
  if (!map->cap) return NULL;
  struct tg_map_slot *slot = slot_find(map, hash, key, number);
  if (!slot->hash) return NULL;
  void *value = slot->value;
  free(slot->key);
  map->count--;
  size_t hole = (size_t)(slot - map->slots);
  for (size_t i = hole;;) {
    i = (i + 1) & (map->cap - 1);
    if (!map->slots[i].hash) break;
    size_t home = map->slots[i].hash & (map->cap - 1);
    if (((i - home) & (map->cap - 1)) >= ((i - hole) & (map->cap - 1))) {
      map->slots[hole] = map->slots[i];
      hole = i;
    }
  }
  map->slots[hole] = (struct tg_map_slot){0};
  return value;
}

int tg_map_put(struct tg_map *map, const char *key, void *value) {
  return map_put(map, text_hash(key), key, 0, value);
}

int tg_map_put_number(struct tg_map *map, uint64_t key, void *value) {
  return map_put(map, number_mix(key), NULL, key, value);
}

void *tg_map_get(const struct tg_map *map, const char *key) {
  return map_get(map, text_hash(key), key, 0);
}

void *tg_map_get_number(const struct tg_map *map, uint64_t key) {
  return map_get(map, number_mix(key), NULL, key);
}

void *tg_map_remove(struct tg_map *map, const char *key) {
  return map_remove(map, text_hash(key), key, 0);
}

void *tg_map_remove_number(struct tg_map *map, uint64_t key) {
  return map_remove(map, number_mix(key), NULL, key);
}

const struct tg_map_slot *tg_map_next(const struct tg_map *map, size_t *at) {
  while (*at < map->cap) {
    const struct tg_map_slot *slot = &map->slots[(*at)++];
    if (slot->hash) return slot;
  }
  return NULL;
}
