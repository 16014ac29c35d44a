// SPDX-License-Identifier: Apache-2.0
// The warehouse as worker requests see it (TG_REQUEST_SQL).
//
// A request is a u8 op, the connection's name (text; "" is the warehouse itself, and so far the
// only one), and then, in the encoding of ipc/wire.h:
//
//   op         body                                                      reply
//   EXEC       statements, params                                        i64 changes
//   QUERY      statement, params                                         columns, rows
//   BEGIN      -                                                         -
//   COMMIT     -                                                         -
//   ROLLBACK   -                                                         -
//   LOAD       table, u8 flags, list of (column, type), rows             i64 rows
//   LOAD_CSV   table, path, u8 flags, delimiter, quote, null,            i64 rows, i64 rejected
//              list of column, list of (column, type), quarantine
//
// params    u8 kind: 0 none; 1 a list of values; 2 a list of (name, value)
// columns   a list of names; rows: a u32 count and the rows' values one after another
// flags     REPLACE deletes the table's rows first; HEADER says that the first record names columns
// type      "" for none; delimiter is one byte, quote one or none; quarantine "" for none
//
// A transaction belongs to the session (an attempt) that began it. COMMIT ends it however it goes.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

struct tg_warehouse;

enum tg_sql_op {
  TG_SQL_EXEC = 1,
  TG_SQL_QUERY,
  TG_SQL_BEGIN,
  TG_SQL_COMMIT,
  TG_SQL_ROLLBACK,
  TG_SQL_LOAD,
  TG_SQL_LOAD_CSV,
};

enum { TG_SQL_FLAG_REPLACE = 1, TG_SQL_FLAG_HEADER = 2 };

/// Gets a request's outcome on the loop's thread: `err` is NULL when it went well. The reply is the
/// callee's to read during the call, or to take with tg_buf_take.
typedef void tg_warehouse_done(void *self, const struct tg_error *err, struct tg_buf *reply);

/// Serves one request. `done` is called exactly once, and never before this returns.
///
/// Shape:  returns a number for tg_warehouse_cancel, or 0 when memory is out, and then `done` is
/// not
///         called; the body is copied
/// Units:  deadline_ms is an instant of the monotonic clock; 0 for TG_SQL_STATEMENT_MS from now
/// Errors: all through `done`: TG_EPROTOCOL for a malformed body, TG_EINVALID for a connection that
///         is not configured, else those of sql_statement.h, sql_load.h and sql_csv.h
uint64_t tg_warehouse_service_call(struct tg_warehouse *warehouse, uint64_t session,
                                   int64_t deadline_ms, const void *body, size_t len,
                                   tg_warehouse_done *done, void *self);
