// SPDX-License-Identifier: Apache-2.0
// Events come into the store: each once, whatever the number of times it is sent.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "model/event.h"
#include "store/store.h"

/// Is told that events are durable, those that were there before with the number 0; or why none is.
/// The events are valid during the call.
typedef void tg_events_kept(void *self, const struct tg_event *events, size_t count,
                            const struct tg_error *err);

/// Keeps events, all of them or none, and gives the new ones their numbers.
///
/// Errors: through `done`, as those of a commit
void tg_store_put_events(struct tg_store *store, const struct tg_event *events, size_t count,
                         int64_t received_at, tg_events_kept *done, void *self);
