// SPDX-License-Identifier: Apache-2.0
#include "worker/pool.h"

#include <stdlib.h>

#include "base/must.h"

struct tg_pool {
  struct tg_loop *loop;
  struct tg_children *children;
  struct tg_process_events events; // the user's
  uint32_t workers_max;
  struct tg_process *workers[TG_POOL_SLOTS]; // by slot
};

static void frame(void *self, struct tg_process *process, uint8_t type, struct tg_reader *body) {
  struct tg_pool *pool = self;
  pool->events.frame(pool->events.self, process, type, body);
}

static void gone(void *self, struct tg_process *process, const char *why) {
  struct tg_pool *pool = self;
  pool->workers[tg_process_slot(process)] = NULL;
  pool->events.gone(pool->events.self, process, why);
}

struct tg_pool *tg_pool_new(struct tg_loop *loop, struct tg_children *children,
                            uint32_t workers_max, const struct tg_process_events *events) {
  struct tg_pool *pool = tg_must(calloc(1, sizeof *pool));
  pool->loop = loop;
  pool->children = children;
  pool->events = *events;
  pool->workers_max = workers_max ? workers_max : 1;
  return pool;
}

void tg_pool_free(struct tg_pool *pool) {
  if (!pool) return;
  for (uint32_t i = 0; i < TG_POOL_SLOTS; i++) tg_process_free(pool->workers[i]);
  free(pool);
}

int tg_pool_pick(struct tg_pool *pool, struct tg_process **process, struct tg_error *err) {
  struct tg_process *best = NULL;
  uint32_t empty = TG_POOL_SLOTS, alive = 0;
  for (uint32_t i = TG_POOL_SLOTS; i-- > 0;) {
    struct tg_process *worker = pool->workers[i];
    if (!worker) empty = i;
    if (!worker || tg_process_is_killed(worker)) continue;
    alive++;
    if (!best || tg_process_load(worker) <= tg_process_load(best)) best = worker;
  }
  *process = best;
  if (best && (tg_process_load(best) == 0 || alive >= pool->workers_max)) return TG_OK;
  if (empty == TG_POOL_SLOTS)
    return best ? TG_OK : tg_error_set(err, TG_ELOST, "every script worker is being replaced");
  struct tg_process_events events = {.frame = frame, .gone = gone, .self = pool};
  int code =
      tg_process_start(pool->loop, pool->children, empty, &events, &pool->workers[empty], err);
  if (!code) *process = pool->workers[empty];
  return *process ? TG_OK : code;
}

struct tg_process *tg_pool_worker(const struct tg_pool *pool, uint32_t slot) {
  return pool->workers[slot];
}
