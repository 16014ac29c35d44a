// SPDX-License-Identifier: Apache-2.0
// The script workers of a host: started when they are needed, up to a number (one per core by
// default), and again when one was lost.
#pragma once

#include "worker/process.h"

enum { TG_POOL_SLOTS = 64 };

struct tg_pool;

/// Makes a pool without workers. One that was killed keeps its slot until it is gone, and does not
/// count among `workers_max`.
struct tg_pool *tg_pool_new(struct tg_loop *loop, struct tg_children *children,
                            uint32_t workers_max, const struct tg_process_events *events);
void tg_pool_free(struct tg_pool *pool);

/// Gives the worker with the least to do; starts one while all are busy and there may be more.
///
/// Errors: TG_ESPAWN, TG_EIO when there is none and none can be started; TG_ELOST when every slot
/// is
///         held by a worker that was killed
int tg_pool_pick(struct tg_pool *pool, struct tg_process **process, struct tg_error *err);

/// Gives the worker in a slot, or NULL.
struct tg_process *tg_pool_worker(const struct tg_pool *pool, uint32_t slot);
