// SPDX-License-Identifier: Apache-2.0
// What a process asks of the host that holds the data folder, through the inbox (inbox.h).
//
// Cancelling reaches the run and every child run below it, whether it is live in the host or was
// left by one that ended: the latter is resumed for its teardowns only.
#pragma once

#include "cli/host.h"

/// Asks the host to cancel a run. Asking again changes nothing.
///
/// Errors: those of tg_file_write
int tg_request_cancel(const char *data, const struct tg_run *run, struct tg_error *err);

/// Asks the host to cancel a task of a run, or an item of it. Of a run that nobody works on it is
/// recorded, and done when the run is continued.
struct tg_unit_cancel {
  const struct tg_run *run;
  uint32_t task, item; // item: TG_NO_ITEM for the task
};
int tg_request_cancel_unit(const char *data, const struct tg_unit_cancel *unit,
                           struct tg_error *err);

/// Takes a request back.
void tg_request_forget(const char *data, const struct tg_run *run);

/// Asks the host to pause a backfill, to go on with one that is paused, or to cancel it and its
/// runs. To go on is for the host that works on it; the others are for any.
#define TG_FILL_PAUSE "fill-pause"
#define TG_FILL_RESUME "fill-resume"
#define TG_FILL_CANCEL "fill-cancel"
int tg_request_fill(const char *data, const struct tg_fill *fill, const char *kind,
                    struct tg_error *err);

/// Record a backfill; one that begins is durable when this returns. A failure is logged.
void tg_fill_record(struct tg_host *host, const struct tg_fill *fill);
void tg_fill_begin(struct tg_host *host, const struct tg_fill *fill);

/// Does what is asked for, events among it. What cannot be done is logged and removed.
void tg_requests_obey(struct tg_host *host);

/// Cancels a run that has not ended, and its child runs.
///
/// Errors: those of the store
int tg_run_cancel(struct tg_host *host, struct tg_history *history, const struct tg_run *run,
                  struct tg_error *err);
