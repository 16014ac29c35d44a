// SPDX-License-Identifier: Apache-2.0
#include "warehouse/sql_load.h"

#include <ctype.h>
#include <string.h>

#include "base/limits.h"
#include "warehouse/sql_statement.h"

enum { TABLE_TEXT_BYTES_MAX = 1 << 20, STOP_LOOK_ROWS = 256 };

// A type is words and perhaps a size in parentheses, so that it cannot become more than a type.
static bool type_is_valid(const char *type) {
  bool is_inside = false;
  for (; *type; type++) {
    if (*type == '(' && !is_inside)
      is_inside = true;
    else if (*type == ')' && is_inside)
      is_inside = false;
    else if (is_inside ? !strchr("0123456789, ", *type)
                       : !isalnum((unsigned char)*type) && *type != '_' && *type != ' ')
      return false;
  }
  return !is_inside;
}

static void name_put(struct tg_buf *out, const char *name) {
  tg_buf_putc(out, '"');
  for (; *name; name++) {
    if (*name == '"') tg_buf_putc(out, '"');
    tg_buf_putc(out, *name);
  }
  tg_buf_putc(out, '"');
}

static int columns_check(const struct tg_sql_table *table, struct tg_error *err) {
  if (!*table->name) return tg_error_set(err, TG_EINVALID, "the table has no name");
  if (table->column_count > TG_SQL_COLUMNS_MAX)
    return tg_error_set(err, TG_ELIMIT, "%u columns; a table has at most %d", table->column_count,
                        TG_SQL_COLUMNS_MAX);
  for (uint32_t i = 0; i < table->column_count; i++) {
    const struct tg_sql_column *column = &table->columns[i];
    if (!*column->name) return tg_error_set(err, TG_EINVALID, "column %u has no name", i + 1);
    if (!type_is_valid(column->type))
      return tg_error_set(err, TG_EINVALID, "'%.60s' is no type for the column '%.60s'",
                          column->type, column->name);
    for (uint32_t j = 0; j < i; j++)
      if (sqlite3_stricmp(table->columns[j].name, column->name) == 0)
        return tg_error_set(err, TG_EINVALID, "two columns are named '%.100s'", column->name);
  }
  return TG_OK;
}

static bool name_is_known(sqlite3_stmt *names, const char *name) {
  sqlite3_reset(names);
  while (sqlite3_step(names) == SQLITE_ROW)
    if (sqlite3_stricmp((const char *)sqlite3_column_text(names, 0), name) == 0) return true;
  return false;
}

// Says whether the table is there, and names the columns it lacks.
static int table_look(struct tg_sql *sql, const struct tg_sql_table *table, bool *is_there,
                      struct tg_error *err) {
  sqlite3_stmt *names = NULL;
  struct tg_buf lacks;
  tg_buf_init(&lacks, TG_ERROR_TEXT_MAX / 2);
  int code = TG_OK;
  int result =
      sqlite3_prepare_v2(sql->db, "SELECT name FROM pragma_table_info(?)", -1, &names, NULL);
  if (result == SQLITE_OK) result = sqlite3_bind_text(names, 1, table->name, -1, SQLITE_STATIC);
  if (result == SQLITE_OK) result = sqlite3_step(names);
  *is_there = result == SQLITE_ROW;
  for (uint32_t i = 0; *is_there && i < table->column_count; i++)
    if (!name_is_known(names, table->columns[i].name))
      tg_buf_putf(&lacks, "%s%s", lacks.len ? ", " : "", table->columns[i].name);
  if (result != SQLITE_ROW && result != SQLITE_DONE)
    code = tg_sql_fail(sql, result, NULL, NULL, err);
  else if (!*is_there && !table->column_count)
    code = tg_error_set(err, TG_EINVALID,
                        "there is no table '%.100s', and neither columns nor rows to make it of",
                        table->name);
  else if (lacks.len || lacks.is_failed)
    code = tg_error_set(err, TG_EINVALID, "the table '%.100s' has no column %s%s", table->name,
                        tg_buf_text(&lacks), lacks.is_failed ? ", ..." : "");
  sqlite3_finalize(names);
  tg_buf_deinit(&lacks);
  return code;
}

static int text_run(struct tg_sql *sql, struct tg_buf *text, struct tg_error *err) {
  if (text->is_failed) return tg_error_set(err, TG_ELIMIT, "the names of the columns are too long");
  int result = sqlite3_exec(sql->db, tg_buf_text(text), NULL, NULL, NULL);
  return result == SQLITE_OK ? TG_OK : tg_sql_fail(sql, result, NULL, NULL, err);
}

static int table_create(struct tg_sql *sql, const struct tg_sql_table *table,
                        struct tg_error *err) {
  struct tg_buf text;
  tg_buf_init(&text, TABLE_TEXT_BYTES_MAX);
  tg_buf_puts(&text, "CREATE TABLE ");
  name_put(&text, table->name);
  for (uint32_t i = 0; i < table->column_count; i++) {
    tg_buf_puts(&text, i ? ", " : " (");
    name_put(&text, table->columns[i].name);
    tg_buf_putf(&text, " %s", table->columns[i].type);
  }
  tg_buf_puts(&text, ")");
  int code = text_run(sql, &text, err);
  tg_buf_deinit(&text);
  return code;
}

static int table_empty(struct tg_sql *sql, const struct tg_sql_table *table, struct tg_error *err) {
  struct tg_buf text;
  tg_buf_init(&text, TABLE_TEXT_BYTES_MAX);
  tg_buf_puts(&text, "DELETE FROM ");
  name_put(&text, table->name);
  int code = text_run(sql, &text, err);
  tg_buf_deinit(&text);
  return code;
}

static int insert_prepare(struct tg_sql *sql, const struct tg_sql_table *table,
                          sqlite3_stmt **insert, struct tg_error *err) {
  struct tg_buf text;
  tg_buf_init(&text, TABLE_TEXT_BYTES_MAX);
  tg_buf_puts(&text, "INSERT INTO ");
  name_put(&text, table->name);
  for (uint32_t i = 0; i < table->column_count; i++) {
    tg_buf_puts(&text, i ? ", " : " (");
    name_put(&text, table->columns[i].name);
  }
  for (uint32_t i = 0; i < table->column_count; i++) tg_buf_puts(&text, i ? ", ?" : ") VALUES (?");
  tg_buf_puts(&text, ")");
  int result = sqlite3_prepare_v2(sql->db, tg_buf_text(&text), -1, insert, NULL);
  int code = result == SQLITE_OK ? TG_OK : tg_sql_fail(sql, result, NULL, NULL, err);
  tg_buf_deinit(&text);
  return code;
}

int tg_sql_table_open(struct tg_sql *sql, const struct tg_sql_table *table, sqlite3_stmt **insert,
                      struct tg_error *err) {
  bool is_there = false;
  int code = columns_check(table, err);
  if (!code) code = table_look(sql, table, &is_there, err);
  if (!code && !is_there) code = table_create(sql, table, err);
  if (!code && is_there && table->may_replace) code = table_empty(sql, table, err);
  if (!code && table->column_count) code = insert_prepare(sql, table, insert, err);
  return code;
}

static int row_insert(struct tg_sql *sql, sqlite3_stmt *insert, uint32_t columns,
                      struct tg_reader *in, struct tg_error *err) {
  for (uint32_t i = 0; i < columns; i++) {
    struct tg_value value = tg_wire_get_value(in);
    if (in->is_failed) return tg_error_set(err, TG_EPROTOCOL, "malformed rows");
    int result = tg_sql_bind(insert, (int)i + 1, &value);
    if (result != SQLITE_OK) return tg_sql_fail(sql, result, NULL, NULL, err);
  }
  int result = tg_sql_step(sql, insert);
  int code = result == SQLITE_DONE ? TG_OK : tg_sql_fail(sql, result, NULL, NULL, err);
  sqlite3_reset(insert);
  return code;
}

static int rows_insert(struct tg_sql *sql, sqlite3_stmt *insert, uint32_t columns,
                       struct tg_reader *in, int64_t *rows, struct tg_error *err) {
  uint32_t count = tg_wire_get_count(in, columns);
  if (count && !columns) return tg_error_set(err, TG_EINVALID, "the rows have no columns");
  for (uint32_t i = 0; i < count; i++) {
    if (i % STOP_LOOK_ROWS == 0 && tg_sql_stop_code(sql))
      return tg_sql_fail(sql, SQLITE_INTERRUPT, NULL, NULL, err);
    struct tg_error why;
    int code = row_insert(sql, insert, columns, in, &why);
    if (code == TG_ESQL) return tg_error_set(err, code, "row %u: %s", i + 1, why.text);
    if (code && err) *err = why;
    if (code) return code;
  }
  *rows = count;
  return tg_reader_is_done(in) ? TG_OK : tg_error_set(err, TG_EPROTOCOL, "malformed rows");
}

int tg_sql_load(struct tg_sql *sql, const struct tg_sql_table *table, struct tg_reader *in,
                int64_t *rows, struct tg_error *err) {
  sqlite3_stmt *insert = NULL;
  int code = tg_sql_unit_begin(sql, err);
  if (code) return code;
  code = tg_sql_table_open(sql, table, &insert, err);
  if (!code) code = rows_insert(sql, insert, table->column_count, in, rows, err);
  sqlite3_finalize(insert);
  return tg_sql_unit_end(sql, code, err);
}
