// SPDX-License-Identifier: Apache-2.0
// Tables for a person: aligned columns under titles. On a terminal the last column is cut to what
// is left of the line; elsewhere nothing is cut.
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "cli/output.h"
#include "cli/text.h"

enum { TG_TABLE_COLUMNS_MAX = 10 };

struct tg_column {
  const char *title;
  bool is_right; // aligned
};

struct tg_cell {
  const char *text; // NULL reads as ""
  enum tg_style style;
};

struct tg_table {
  struct tg_arena arena;
  const struct tg_column *columns;
  size_t column_count, widths[TG_TABLE_COLUMNS_MAX];
  struct tg_cell *cells; // row by row
  size_t row_count, row_cap;
  bool is_failed; // memory was out
};

/// Makes an empty table of up to TG_TABLE_COLUMNS_MAX columns.
void tg_table_init(struct tg_table *table, const struct tg_column *columns, size_t column_count);
void tg_table_deinit(struct tg_table *table);

/// Adds a row, one cell for each column; the texts are cleaned and copied.
void tg_table_add(struct tg_table *table, const struct tg_cell *cells);

/// Appends the table, or nothing when it has no rows.
void tg_table_put(const struct tg_table *table, const struct tg_output *output, struct tg_buf *out);
