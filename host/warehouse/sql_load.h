// SPDX-License-Identifier: Apache-2.0
// Loading many rows into a table.
#pragma once

#include "ipc/wire.h"
#include "warehouse/sql.h"

struct tg_sql_column {
  const char *name;
  const char *type; // "" for none; else words and an optional size: "TEXT NOT NULL", "DECIMAL(9,2)"
};

struct tg_sql_table {
  const char *name;
  const struct tg_sql_column *columns;
  uint32_t column_count;
  bool may_replace; // delete the rows that are there
};

/// Makes the table if it is absent, checks that it has the columns if it is there, empties it if
/// asked to, and prepares the statement that inserts a row. Without columns the table must be
/// there, and there is nothing to insert: *insert stays NULL.
///
/// Errors: TG_EINVALID naming the columns it lacks, or a name or type that is none; as tg_sql_exec
int tg_sql_table_open(struct tg_sql *sql, const struct tg_sql_table *table, sqlite3_stmt **insert,
                      struct tg_error *err);

/// Loads rows from the wire: a u32 count, and their values one after another. One unit.
///
/// Errors: as tg_sql_table_open and tg_sql_exec; TG_EPROTOCOL
int tg_sql_load(struct tg_sql *sql, const struct tg_sql_table *table, struct tg_reader *in,
                int64_t *rows, struct tg_error *err);
