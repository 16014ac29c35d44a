// SPDX-License-Identifier: Apache-2.0
// Decodes a request (service.h) and does it on a connection, on whatever thread that belongs to.
#pragma once

#include "base/buf.h"
#include "warehouse/sql.h"

/// Does one request and appends its reply to `reply`, which is empty on an error.
///
/// Errors: TG_EPROTOCOL when the body is malformed; nothing was done then, or it was undone
int tg_sql_request_run(struct tg_sql *sql, const void *body, size_t len, struct tg_buf *reply,
                       struct tg_error *err);
