// SPDX-License-Identifier: Apache-2.0
// Loading a CSV file into a table.
#pragma once

#include "ipc/wire.h"
#include "warehouse/sql_load.h"

struct tg_sql_csv {
  const char *table;
  const char *path;
  bool has_header;
  bool may_replace;
  char delimiter;
  char quote;                          // 0 for none
  const char *null;                    // an unquoted field with this text is NULL
  const struct tg_sql_column *columns; // names; none: they are the header's
  uint32_t column_count;
  const struct tg_sql_column *types; // types for some of the columns, by name
  uint32_t type_count;
  const char *quarantine; // the table for bad rows; "" makes the first of them an error
};

/// Loads the file in one unit. Fields are text; a column's type turns them into what SQLite's type
/// affinity makes of them. With a header and `columns`, the header is skipped, but must be as wide.
/// A row with the wrong number of fields, one that breaks the CSV rules, and one that the table's
/// own constraints refuse is bad: it goes to the quarantine table (line, raw, reason), which is
/// made if it is absent and, with `may_replace`, emptied first.
///
/// Errors: TG_EINVALID naming the line; as tg_sql_table_open; what `open_read` refuses; TG_EIO
int tg_sql_load_csv(struct tg_sql *sql, const struct tg_sql_csv *load, int64_t *rows,
                    int64_t *rejected, struct tg_error *err);
