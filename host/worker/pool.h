// SPDX-License-Identifier: Apache-2.0
// The script workers of a host: started when they are needed, up to a number (one per core by
// default), and again when one was lost.
#pragma once

#include "worker/process.h"

enum { TG_POOL_WORKERS_MAX = 64 };

struct tg_pool;

/// Makes a pool without workers.
struct tg_pool *tg_pool_new(struct tg_loop *loop, struct tg_children *children, uint32_t workers_max,
                            const struct tg_process_events *events);
void tg_pool_free(struct tg_pool *pool);

/// Gives the worker with the least to do; starts one while all are busy and there may be more.
///
/// Errors: TG_ESPAWN, TG_EIO when there is none and none can be started
int tg_pool_pick(struct tg_pool *pool, struct tg_process **process, struct tg_error *err);
