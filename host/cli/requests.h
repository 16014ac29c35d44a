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

/// Takes a request back.
void tg_request_forget(const char *data, const struct tg_run *run);

/// Does what is asked for, events among it. What cannot be done is logged and removed.
void tg_requests_obey(struct tg_host *host);

/// Cancels a run that has not ended, and its child runs.
///
/// Errors: those of the store
int tg_run_cancel(struct tg_host *host, struct tg_history *history, const struct tg_run *run,
                  struct tg_error *err);
