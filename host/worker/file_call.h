// SPDX-License-Identifier: Apache-2.0
// File requests of attempts, served beside the loop: a slow disk holds who asked and nobody else.
//
// They are served in the order in which they came, those of an attempt that has ended too, so a
// later try of a task never finds that an earlier one writes behind it.
#pragma once

#include "base/buf.h"
#include "ipc/wire.h"
#include "worker/services.h"

/// Gets the outcome on the loop's thread: `err` is NULL when it went well.
typedef void tg_file_call_done(void *self, const struct tg_error *err, struct tg_buf *reply);

/// Starts to serve a request (files/service.h); `done` is called exactly once, and not before this
/// returns, unless it fails. The body is copied.
///
/// Errors: TG_EPROTOCOL for a malformed body, TG_ENOMEM
int tg_file_call_start(const struct tg_services *services, struct tg_slice body,
                       tg_file_call_done *done, void *self, struct tg_error *err);
