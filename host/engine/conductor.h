// SPDX-License-Identifier: Apache-2.0
// The conductor drives the engine in a real host: it brings results, durable batches and timers in,
// and carries the effects out with the store and the runner. Everything on the loop's thread.
#pragma once

#include "base/error.h"
#include "engine/engine.h"
#include "engine/runner.h"
#include "loop/loop.h"
#include "store/store.h"

struct tg_conductor;

/// Makes a conductor. `failed` is called once when the host must stop: the store's outcome is not
/// known, or the engine cannot trust its state.
struct tg_conductor *tg_conductor_new(struct tg_loop *loop, struct tg_store *store, uint32_t slots,
                                      uint64_t last_run,
                                      void (*failed)(void *self, const struct tg_error *err),
                                      void *self, struct tg_error *err);
void tg_conductor_free(struct tg_conductor *conductor);

/// Says who carries attempts out, and who watches (may be NULL). Before the first input.
void tg_conductor_set_runner(struct tg_conductor *conductor, const struct tg_runner *runner);
void tg_conductor_set_observer(struct tg_conductor *conductor, const struct tg_observer *observer);
const struct tg_observer *tg_conductor_observer(const struct tg_conductor *conductor);

/// Where events are read again, after the one with the number `after`: those of a type, the oldest
/// first, at most `limit`.
struct tg_event_source {
  int (*read)(void *self, const char *type, uint64_t after, size_t limit, struct tg_arena *arena,
              struct tg_event **events, size_t *count, struct tg_error *err);
  void *self;
};

/// Says where events are, and which was the last one. Before the first input.
void tg_conductor_set_events(struct tg_conductor *conductor, const struct tg_event_source *source,
                             uint64_t last_event);

/// Keeps the bundle of the runs that are brought next. What the row points to must stay for as long
/// as the conductor. A failure stops the host.
void tg_conductor_put_bundle(struct tg_conductor *conductor, const struct tg_bundle_row *row);

/// Brings an input: a new run, a run to resume, a cancel, a drain.
void tg_conductor_input(struct tg_conductor *conductor, const struct tg_input *input);

/// Brings the result of an attempt. One that is not in flight changes nothing.
void tg_conductor_result(struct tg_conductor *conductor, uint64_t attempt,
                         const struct tg_outcome *outcome);

/// Gives the run and unit of an attempt in flight, or NULL.
const struct tg_live_run *tg_conductor_find_attempt(struct tg_conductor *conductor,
                                                    uint64_t attempt, uint32_t *unit);

/// Gives a run that has not ended, by its number, or NULL.
const struct tg_live_run *tg_conductor_find_run(struct tg_conductor *conductor, uint64_t number);

/// Says whether there are runs that have not ended.
bool tg_conductor_has_runs(const struct tg_conductor *conductor);

/// Takes no input any more; batches that are still on their way are freed when they come back.
void tg_conductor_stop(struct tg_conductor *conductor);

/// Says whether nothing is in flight.
bool tg_conductor_is_quiet(const struct tg_conductor *conductor);
