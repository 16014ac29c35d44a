// SPDX-License-Identifier: Apache-2.0
#include "dag/ready.h"

void tg_ready_init(struct tg_ready *ready, struct tg_memory memory) {
  *ready = (struct tg_ready){.memory = memory};
}

void tg_ready_deinit(struct tg_ready *ready) {
  tg_memory_free(&ready->memory, ready->items, ready->cap, sizeof *ready->items);
  tg_ready_init(ready, ready->memory);
}

static bool is_before(const struct tg_ready_item *a, const struct tg_ready_item *b) {
  return a->priority != b->priority ? a->priority > b->priority : a->node < b->node;
}

int tg_ready_push(struct tg_ready *ready, uint32_t node, int64_t priority, struct tg_error *err) {
  if (ready->count == ready->cap) {
    size_t cap = ready->cap ? ready->cap * 2 : 16;
    struct tg_ready_item *items =
        tg_memory_resize(&ready->memory, ready->items, ready->cap, cap, sizeof *items);
    if (!items) return tg_error_set(err, TG_ENOMEM, "no memory for the ready set");
    ready->items = items;
    ready->cap = cap;
  }
  const struct tg_ready_item item = {priority, node};
  size_t at = ready->count++;
  for (; at > 0 && is_before(&item, &ready->items[(at - 1) / 2]); at = (at - 1) / 2)
    ready->items[at] = ready->items[(at - 1) / 2];
  ready->items[at] = item;
  return 0;
}

bool tg_ready_pop(struct tg_ready *ready, uint32_t *node) {
  if (!ready->count) return false;
  *node = ready->items[0].node;
  const struct tg_ready_item last = ready->items[--ready->count];
  size_t at = 0, child = 1;
  for (; child < ready->count; at = child, child = 2 * at + 1) {
    if (child + 1 < ready->count && is_before(&ready->items[child + 1], &ready->items[child]))
      child++;
    if (!is_before(&ready->items[child], &last)) break;
    ready->items[at] = ready->items[child];
  }
  ready->items[at] = last;
  return true;
}
