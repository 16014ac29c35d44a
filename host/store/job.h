// SPDX-License-Identifier: Apache-2.0
// What is queued for the store's thread. A job writes inside the group's transaction; it is
// finished, on the loop's thread, when the group is durable or has failed.
#pragma once

#include "base/error.h"
#include "store/store.h"
#include "store/writer.h"

struct tg_job {
  /// Does the job's part of the transaction. TG_EEXISTS and TG_EINVALID are the job's own failure,
  /// any other code fails the group. Runs on the store's thread.
  int (*write)(struct tg_job *job, struct tg_writer *writer, struct tg_error *err);

  /// Tells whoever asked, and frees the job. `err` is NULL when the job is durable.
  void (*finish)(struct tg_job *job, const struct tg_error *err);

  bool is_sure;  // it has no failure of its own, and needs no savepoint to take it back
  bool may_wait; // nobody waits for it: it is done with others, or after TG_COMMIT_PATIENCE_MS

  struct tg_error err; // of this job
  struct tg_job *next;
};

/// Queues a job.
void tg_store_submit(struct tg_store *store, struct tg_job *job);
