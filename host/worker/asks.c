// SPDX-License-Identifier: Apache-2.0
#include "worker/asks.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/map.h"
#include "base/must.h"

struct ask {
  struct tg_asks *asks;
  uint64_t handle;
  const struct tg_version *version;
  const char *what, *input;
  struct tg_process *process; // from the choice of a worker on
  struct tg_timer *deadline;
  bool is_sent, is_overdue;
  tg_asks_answer *answer;
  void *self;
};

struct tg_asks {
  const struct tg_services *services;
  struct tg_pool *pool;
  struct tg_bundles *bundles;
  struct tg_map open; // struct ask by handle
  uint64_t last_handle;
};

struct tg_asks *tg_asks_new(const struct tg_services *services, struct tg_pool *pool,
                            struct tg_bundles *bundles) {
  struct tg_asks *asks = tg_must(calloc(1, sizeof *asks));
  asks->services = services;
  asks->pool = pool;
  asks->bundles = bundles;
  return asks;
}

const struct tg_services *tg_asks_services(const struct tg_asks *asks) {
  return asks->services;
}

static void ask_end(struct ask *ask, const struct tg_error *err, struct tg_slice output) {
  tg_map_remove_number(&ask->asks->open, ask->handle);
  if (ask->process) tg_process_add_load(ask->process, -1);
  tg_timer_free(ask->deadline);
  ask->answer(ask->self, err, output);
  free(ask);
}

static void ask_fail(struct ask *ask, const struct tg_error *err) {
  ask_end(ask, err, (struct tg_slice){.data = "", .len = 0});
}

void tg_asks_free(struct tg_asks *asks) {
  if (!asks) return;
  struct tg_error err;
  const struct tg_map_slot *slot;
  tg_error_set(&err, TG_ECANCELLED, "the host ends");
  for (size_t at = 0; (slot = tg_map_next(&asks->open, &at)); at = 0) {
    struct ask *ask = slot->value;
    ask->process = NULL; // the workers' loads do not matter any more
    ask_fail(ask, &err);
  }
  tg_map_deinit(&asks->open);
  free(asks);
}

int tg_asks_decided(struct tg_asks *asks, struct tg_process *process, struct tg_reader *body,
                    struct tg_error *err) {
  uint64_t handle = tg_wire_get_u64(body);
  struct tg_error failed;
  tg_wire_get_error(body, &failed);
  struct tg_slice output = tg_wire_get_bytes(body);
  struct ask *ask = tg_map_get_number(&asks->open, handle);
  if (!tg_reader_is_done(body)) return tg_error_set(err, TG_EPROTOCOL, "its decision is malformed");
  if (!ask || ask->process != process) return TG_OK; // it was ended before
  if (!ask->is_sent) return tg_error_set(err, TG_EPROTOCOL, "it decides what it was not asked");
  ask_end(ask, failed.code ? &failed : NULL, output);
  return TG_OK;
}

// --- Asking ---

static void overdue(void *self) {
  struct ask *ask = self;
  ask->is_overdue = true;
  tg_process_kill(ask->process, "a decision took longer than its budget");
}

static void version_ready(void *self, const struct tg_error *err) {
  struct ask *ask = self;
  if (err) {
    ask_fail(ask, err);
    return;
  }
  struct tg_error failed;
  struct tg_buf *out = tg_process_begin(ask->process, TG_MESSAGE_DECIDE);
  tg_wire_put_u64(out, ask->handle);
  tg_wire_put_u64(out, ask->version->handle);
  tg_wire_put_bytes(out, ask->input, strlen(ask->input));
  if (tg_process_send(ask->process, &failed)) {
    ask_fail(ask, &failed);
    return;
  }
  ask->is_sent = true;
  tg_timer_start(ask->deadline, TG_POLICY_MS + TG_WORKER_GRACE_MS);
}

void tg_asks_put(struct tg_asks *asks, const struct tg_version *version, const char *what,
                 const char *input, tg_asks_answer *answer, void *self) {
  struct ask *ask = tg_must(calloc(1, sizeof *ask));
  *ask = (struct ask){.asks = asks,
                      .handle = ++asks->last_handle,
                      .version = version,
                      .what = what,
                      .input = input,
                      .answer = answer,
                      .self = self};
  struct tg_error err;
  if (tg_map_put_number(&asks->open, ask->handle, ask)) abort();
  ask->deadline = tg_timer_new(asks->services->loop, overdue, ask, &err);
  if (!ask->deadline || tg_pool_pick(asks->pool, &ask->process, &err)) {
    ask->process = NULL;
    ask_fail(ask, &err);
    return;
  }
  tg_process_add_load(ask->process, 1);
  tg_bundles_require(asks->bundles, version, ask->process, version_ready, ask);
}

static struct ask *ask_at(struct tg_asks *asks, const struct tg_process *process) {
  const struct tg_map_slot *slot;
  for (size_t at = 0; (slot = tg_map_next(&asks->open, &at));) {
    struct ask *ask = slot->value;
    if (ask->process == process) return ask;
  }
  return NULL;
}

void tg_asks_worker_gone(struct tg_asks *asks, struct tg_process *process, const char *why) {
  struct ask *ask;
  while ((ask = ask_at(asks, process))) {
    struct tg_error err;
    if (ask->is_overdue)
      tg_error_set(&err, TG_ETIMEOUT, "%s took longer than %d ms", ask->what, TG_POLICY_MS);
    else
      tg_error_set(&err, TG_ELOST, "the worker was lost (%s)", why);
    ask->process = NULL;
    ask_fail(ask, &err);
  }
}
