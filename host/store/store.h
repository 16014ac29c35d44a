// SPDX-License-Identifier: Apache-2.0
// The store: what a host remembers. One SQLite file in WAL mode, synchronous=FULL, written by one
// connection on a thread of its own. Commits are grouped: whatever was queued while the last
// transaction ran is the next one. Schema and migrations are the SQL files in schema/.
//
// A host holds the data folder by flock for as long as the store is open; the kernel lets go of it
// when the host dies, however it dies.
#pragma once

#include <stdint.h>

#include "base/error.h"
#include "loop/loop.h"
#include "model/record.h"
#include "store/history.h"

struct tg_store;

/// Opens (or makes) the store of a data folder, brings its schema up to date and starts its thread.
///
/// Errors: TG_EBUSY when another host holds the folder (its process id is named), TG_EDENIED,
///         TG_EFULL, TG_EDAMAGED, TG_EINVALID when a newer version wrote it
int tg_store_open(struct tg_loop *loop, const char *data, struct tg_store **out,
                  struct tg_error *err);

/// Opens it for a moment: others who want the folder wait for it, instead of being told that it is
/// in use.
int tg_store_open_briefly(struct tg_loop *loop, const char *data, struct tg_store **out,
                          struct tg_error *err);

/// Ends the thread after what is queued is written, and lets go of the folder. Every `done` has
/// been called when it returns; what a `done` queues meanwhile fails with TG_ECANCELLED.
void tg_store_close(struct tg_store *store);

/// Commits a batch. `done` is called on the loop's thread, in the order of the calls; the batch is
/// then the callback's again.
///
/// Owns:   takes the batch until `done`
/// Errors: through `done`; nothing of the batch is then stored, and the store goes on: TG_EEXISTS
///         (a run with this occurrence, parameters and rerun is there); TG_EFULL, TG_EBUSY (another
///         program writes to the file), and with it fails what was asked for until it is told. After
///         TG_EIO or TG_EDAMAGED the outcome is not known and the store writes no more: the host
///         must stop and read again
typedef void tg_store_done(void *self, struct tg_batch *batch, const struct tg_error *err);
void tg_store_commit(struct tg_store *store, struct tg_batch *batch, tg_store_done *done,
                     void *self);

/// Is told that a bundle is durable, or why not.
typedef void tg_store_kept(void *self, const struct tg_error *err);

/// Keeps a bundle. What is committed after this call becomes durable after it, or with it. What the
/// row points to must stay until `done`.
void tg_store_put_bundle(struct tg_store *store, const struct tg_bundle_row *row,
                         tg_store_kept *done, void *self);
