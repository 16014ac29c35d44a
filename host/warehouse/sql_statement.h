// SPDX-License-Identifier: Apache-2.0
// Statements that a script wrote: bound, stepped, and their rows put on the wire.
#pragma once

#include "ipc/wire.h"
#include "warehouse/sql.h"

enum tg_sql_params_kind { TG_SQL_PARAMS_NONE, TG_SQL_PARAMS_LIST, TG_SQL_PARAMS_NAMED };

struct tg_sql_param {
  const char *name; // without its ':', '@' or '$'; NULL in a list
  struct tg_value value;
};

struct tg_sql_params {
  enum tg_sql_params_kind kind;
  uint32_t count;
  const struct tg_sql_param *items;
};

/// Runs all statements of a text and counts the rows they changed. Several statements are one unit;
/// rows that a statement gives are not kept.
///
/// Errors: TG_ESQL (with line and column), TG_EINVALID for parameters that do not fit or a text
///         without a statement, TG_EDENIED by the guard, TG_ETIMEOUT, TG_ECANCELLED, TG_EBUSY,
///         TG_EFULL, TG_EDAMAGED, TG_EIO
int tg_sql_exec(struct tg_sql *sql, const char *text, const struct tg_sql_params *params,
                int64_t *changes, struct tg_error *err);

/// Runs exactly one statement and appends its result to `out`: the list of column names, the number
/// of rows as u32, and the rows' values one after another. A name that occurs again gets ":1",
/// ":2".
///
/// Shape:  on a read-only connection a writing statement is refused and `needs_writer` set
/// Errors: as tg_sql_exec; TG_ELIMIT past TG_SQL_ROWS_MAX or the ceiling of `out`
int tg_sql_query(struct tg_sql *sql, const char *text, const struct tg_sql_params *params,
                 struct tg_buf *out, struct tg_error *err);

/// Steps a statement; `is_stepping` holds meanwhile.
int tg_sql_step(struct tg_sql *sql, sqlite3_stmt *stmt);

/// Binds one value; the bytes must stay until the statement is reset. Returns a SQLite result.
int tg_sql_bind(sqlite3_stmt *stmt, int index, const struct tg_value *value);
