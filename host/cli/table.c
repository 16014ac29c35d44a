// SPDX-License-Identifier: Apache-2.0
#include "cli/table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { GAP = 2, CELL_BYTES_MAX = 16384 };

void tg_table_init(struct tg_table *table, const struct tg_column *columns, size_t column_count) {
  assert(column_count > 0 && column_count <= TG_TABLE_COLUMNS_MAX);
  *table = (struct tg_table){.columns = columns, .column_count = column_count};
  tg_arena_init(&table->arena);
  for (size_t i = 0; i < column_count; i++) table->widths[i] = tg_text_width(columns[i].title);
}

void tg_table_deinit(struct tg_table *table) {
  tg_arena_deinit(&table->arena);
  free(table->cells);
}

static const char *text_copy(struct tg_table *table, const char *text) {
  struct tg_buf clean;
  tg_buf_init(&clean, CELL_BYTES_MAX);
  tg_text_put_clean(&clean, text, strlen(text));
  const char *copy = tg_arena_copy(&table->arena, tg_buf_text(&clean), clean.len);
  tg_buf_deinit(&clean);
  return copy;
}

static bool row_reserve(struct tg_table *table) {
  if (table->row_count < table->row_cap) return true;
  size_t cap = table->row_cap ? table->row_cap * 2 : 16;
  struct tg_cell *cells = realloc(table->cells, cap * table->column_count * sizeof *table->cells);
  if (!cells) return false;
  table->cells = cells;
  table->row_cap = cap;
  return true;
}

void tg_table_add(struct tg_table *table, const struct tg_cell *cells) {
  if (table->is_failed || !row_reserve(table)) {
    table->is_failed = true;
    return;
  }
  struct tg_cell *row = table->cells + table->row_count * table->column_count;
  for (size_t i = 0; i < table->column_count; i++) {
    row[i].style = cells[i].style;
    row[i].text = text_copy(table, cells[i].text ? cells[i].text : "");
    if (!row[i].text) {
      table->is_failed = true;
      return;
    }
    size_t width = tg_text_width(row[i].text);
    if (width > table->widths[i]) table->widths[i] = width;
  }
  table->row_count++;
}

// Puts one line; the last column is neither padded nor, on a terminal, longer than the line.
static void line_put(const struct tg_table *table, const struct tg_output *output,
                     const struct tg_cell *cells, struct tg_buf *out) {
  size_t column = 0;
  for (size_t i = 0; i < table->column_count; i++) {
    bool is_last = i + 1 == table->column_count;
    size_t width = tg_text_width(cells[i].text);
    size_t padding = table->widths[i] > width ? table->widths[i] - width : 0;
    if (is_last && width == 0) break;
    if (i) tg_text_put_spaces(out, GAP);
    column += i ? GAP : 0;
    if (table->columns[i].is_right) tg_text_put_spaces(out, padding);
    if (output->has_color) tg_style_begin(out, cells[i].style);
    if (is_last && output->width && column + width > output->width)
      tg_text_put_cut(out, cells[i].text, output->width > column ? output->width - column : 1);
    else
      tg_buf_puts(out, cells[i].text);
    if (output->has_color) tg_style_end(out, cells[i].style);
    if (!table->columns[i].is_right && !is_last) tg_text_put_spaces(out, padding);
    column += width + padding;
  }
  while (out->len && out->data[out->len - 1] == ' ') out->data[--out->len] = 0;
  tg_buf_putc(out, '\n');
}

void tg_table_put(const struct tg_table *table, const struct tg_output *output,
                  struct tg_buf *out) {
  if (table->is_failed) out->is_failed = true;
  if (table->row_count == 0) return;
  struct tg_cell titles[TG_TABLE_COLUMNS_MAX];
  for (size_t i = 0; i < table->column_count; i++)
    titles[i] = (struct tg_cell){table->columns[i].title, TG_STYLE_BOLD};
  line_put(table, output, titles, out);
  for (size_t i = 0; i < table->row_count; i++)
    line_put(table, output, table->cells + i * table->column_count, out);
}
