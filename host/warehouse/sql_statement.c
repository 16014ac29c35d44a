// SPDX-License-Identifier: Apache-2.0
#include "warehouse/sql_statement.h"

#include <string.h>

#include "base/limits.h"

int tg_sql_step(struct tg_sql *sql, sqlite3_stmt *stmt) {
  sql->is_stepping = true;
  int result = sqlite3_step(stmt);
  sql->is_stepping = false;
  return result;
}

// Gives the first place in a text that is neither space, semicolon nor comment.
static const char *blank_skip(const char *at) {
  for (;;) {
    at += strspn(at, " \t\r\n\f;");
    if (at[0] == '-' && at[1] == '-') {
      at += strcspn(at, "\n");
    } else if (at[0] == '/' && at[1] == '*') {
      const char *end = strstr(at + 2, "*/");
      at = end ? end + 2 : at + strlen(at);
    } else {
      return at;
    }
  }
}

// Prepares the statement at `*at` and moves `*at` behind it.
static int statement_prepare(struct tg_sql *sql, const char *text, const char **at,
                             sqlite3_stmt **stmt, struct tg_error *err) {
  const char *start = *at;
  sql->guard_text[0] = 0;
  int result = sqlite3_prepare_v2(sql->db, start, -1, stmt, at);
  *at = blank_skip(*at ? *at : "");
  return result == SQLITE_OK ? TG_OK : tg_sql_fail(sql, result, text, start, err);
}

int tg_sql_bind(sqlite3_stmt *stmt, int index, const struct tg_value *value) {
  switch (value->type) {
  case TG_VALUE_INT:
  case TG_VALUE_BOOL:
    return sqlite3_bind_int64(stmt, index, value->integer);
  case TG_VALUE_REAL:
    return sqlite3_bind_double(stmt, index, value->real);
  case TG_VALUE_TEXT:
    return sqlite3_bind_text64(stmt, index, value->text.data, value->text.len, SQLITE_STATIC,
                               SQLITE_UTF8);
  case TG_VALUE_NULL:
    break;
  }
  return sqlite3_bind_null(stmt, index);
}

static const struct tg_value *param_find(const struct tg_sql_params *params, const char *name) {
  for (uint32_t i = 0; i < params->count; i++)
    if (strcmp(params->items[i].name, name) == 0) return &params->items[i].value;
  return NULL;
}

// Finds the value of the statement's parameter `index`, or says why there is none (TG_EINVALID).
static const struct tg_value *param_choose(sqlite3_stmt *stmt, int index,
                                           const struct tg_sql_params *params,
                                           struct tg_error *err) {
  if (params->kind == TG_SQL_PARAMS_LIST) return &params->items[index - 1].value;
  const char *name = sqlite3_bind_parameter_name(stmt, index);
  bool is_numbered = !name || *name == '?';
  const struct tg_value *value = is_numbered ? NULL : param_find(params, name + 1);
  if (params->kind == TG_SQL_PARAMS_NAMED && is_numbered)
    tg_error_set(err, TG_EINVALID,
                 "the statement has a '?' parameter, but the values have names; give a list or "
                 "write :name");
  else if (!value)
    tg_error_set(err, TG_EINVALID, "no value for the parameter %.100s", name ? name : "?");
  return value;
}

static int params_bind(struct tg_sql *sql, sqlite3_stmt *stmt, const struct tg_sql_params *params,
                       struct tg_error *err) {
  int count = sqlite3_bind_parameter_count(stmt);
  if (params->kind == TG_SQL_PARAMS_LIST && params->count != (uint32_t)count)
    return tg_error_set(err, TG_EINVALID,
                        "the statement has %d parameters, but %u values were given", count,
                        params->count);
  for (int i = 1; i <= count; i++) {
    const struct tg_value *value = param_choose(stmt, i, params, err);
    if (!value) return TG_EINVALID;
    int result = tg_sql_bind(stmt, i, value);
    if (result != SQLITE_OK) return tg_sql_fail(sql, result, NULL, NULL, err);
  }
  return TG_OK;
}

static int statement_finish(struct tg_sql *sql, sqlite3_stmt *stmt, const char *text,
                            const char *start, struct tg_error *err) {
  int result;
  do result = tg_sql_step(sql, stmt);
  while (result == SQLITE_ROW);
  return result == SQLITE_DONE ? TG_OK : tg_sql_fail(sql, result, text, start, err);
}

static int statement_run(struct tg_sql *sql, const char *text, const char **at,
                         const struct tg_sql_params *params, struct tg_error *err) {
  sqlite3_stmt *stmt = NULL;
  const char *start = *at;
  int code = statement_prepare(sql, text, at, &stmt, err);
  if (!code) code = params_bind(sql, stmt, params, err);
  if (!code) code = statement_finish(sql, stmt, text, start, err);
  sqlite3_finalize(stmt);
  return code;
}

static int script_run(struct tg_sql *sql, const char *text, const char *at,
                      const struct tg_sql_params *params, struct tg_error *err) {
  if (params->kind == TG_SQL_PARAMS_LIST)
    return tg_error_set(err, TG_EINVALID,
                        "a list of values needs a single statement; use names for several");
  int code = tg_sql_unit_begin(sql, err);
  if (code) return code;
  while (!code && *at) code = statement_run(sql, text, &at, params, err);
  return tg_sql_unit_end(sql, code, err);
}

// Says whether a text holds a single statement. SQLite alone knows where a statement ends, and it
// says so even where a later statement's table does not exist yet.
static int text_is_single(struct tg_sql *sql, const char *text, const char *at, bool *is_single,
                          struct tg_error *err) {
  sqlite3_stmt *stmt = NULL;
  int code = statement_prepare(sql, text, &at, &stmt, err);
  sqlite3_finalize(stmt);
  *is_single = !*at;
  return code;
}

static int text_check(const struct tg_sql *sql, const char *text, const char **at,
                      struct tg_error *err) {
  *at = blank_skip(text);
  if (!**at) return tg_error_set(err, TG_EINVALID, "there is no statement in the text");
  return tg_sql_check_aborted(sql, err);
}

int tg_sql_exec(struct tg_sql *sql, const char *text, const struct tg_sql_params *params,
                int64_t *changes, struct tg_error *err) {
  const char *at;
  bool is_single = false;
  int64_t before = sqlite3_total_changes64(sql->db);
  int code = text_check(sql, text, &at, err);
  if (!code) code = text_is_single(sql, text, at, &is_single, err);
  // A single statement is all or nothing by itself, and some (VACUUM) cannot run in a unit.
  if (!code && is_single)
    code = statement_run(sql, text, &at, params, err);
  else if (!code)
    code = script_run(sql, text, at, params, err);
  *changes = sqlite3_total_changes64(sql->db) - before;
  return code;
}

// Counts how often the name of a column occurred before it.
static int column_repeats(sqlite3_stmt *stmt, int column) {
  int repeats = 0;
  for (int i = 0; i < column; i++)
    repeats += strcmp(sqlite3_column_name(stmt, i), sqlite3_column_name(stmt, column)) == 0;
  return repeats;
}

static void columns_put(sqlite3_stmt *stmt, int count, struct tg_buf *out) {
  tg_wire_put_u32(out, (uint32_t)count);
  for (int i = 0; i < count; i++) {
    char name[256];
    int repeats = column_repeats(stmt, i);
    if (repeats) {
      sqlite3_snprintf(sizeof name, name, "%.200s:%d", sqlite3_column_name(stmt, i), repeats);
      tg_wire_put_text(out, name);
    } else {
      tg_wire_put_text(out, sqlite3_column_name(stmt, i));
    }
  }
}

static void cell_put(sqlite3_stmt *stmt, int column, struct tg_buf *out) {
  struct tg_value value = {.type = TG_VALUE_NULL};
  switch (sqlite3_column_type(stmt, column)) {
  case SQLITE_INTEGER:
    value.type = TG_VALUE_INT;
    value.integer = sqlite3_column_int64(stmt, column);
    break;
  case SQLITE_FLOAT:
    value.type = TG_VALUE_REAL;
    value.real = sqlite3_column_double(stmt, column);
    break;
  case SQLITE_TEXT:
  case SQLITE_BLOB:
    value.type = TG_VALUE_TEXT;
    value.text.data = sqlite3_column_blob(stmt, column);
    value.text.len = (size_t)sqlite3_column_bytes(stmt, column);
    break;
  default:
    break;
  }
  tg_wire_put_value(out, &value);
}

static int rows_put(struct tg_sql *sql, sqlite3_stmt *stmt, const char *text, const char *start,
                    struct tg_buf *out, struct tg_error *err) {
  int columns = sqlite3_column_count(stmt), result;
  uint32_t rows = 0;
  columns_put(stmt, columns, out);
  size_t count_at = out->len;
  tg_wire_put_u32(out, 0);
  while ((result = tg_sql_step(sql, stmt)) == SQLITE_ROW) {
    if (++rows > TG_SQL_ROWS_MAX)
      return tg_error_set(err, TG_ELIMIT,
                          "the query gives more than %d rows; add LIMIT or aggregate",
                          TG_SQL_ROWS_MAX);
    for (int i = 0; i < columns; i++) cell_put(stmt, i, out);
    if (out->is_failed)
      return tg_error_set(err, TG_ELIMIT,
                          "the query gives more than %zu bytes; add LIMIT or aggregate", out->max);
  }
  if (result != SQLITE_DONE) return tg_sql_fail(sql, result, text, start, err);
  if (out->is_failed) return tg_error_set(err, TG_ENOMEM, "out of memory");
  memcpy(out->data + count_at, &rows, sizeof rows); // the wire is little-endian, as we are
  return TG_OK;
}

// A statement that writes and gives rows (RETURNING) is a unit: when its result is too large, what
// it wrote must not stay.
static int query_run(struct tg_sql *sql, sqlite3_stmt *stmt, const char *text, const char *start,
                     struct tg_buf *out, struct tg_error *err) {
  bool is_unit = !sqlite3_stmt_readonly(stmt);
  int code = is_unit ? tg_sql_unit_begin(sql, err) : TG_OK;
  if (code) return code;
  code = rows_put(sql, stmt, text, start, out, err);
  sqlite3_reset(stmt);
  return is_unit ? tg_sql_unit_end(sql, code, err) : code;
}

int tg_sql_query(struct tg_sql *sql, const char *text, const struct tg_sql_params *params,
                 struct tg_buf *out, struct tg_error *err) {
  sqlite3_stmt *stmt = NULL;
  const char *at;
  int code = text_check(sql, text, &at, err);
  if (code) return code;
  const char *start = at;
  code = statement_prepare(sql, text, &at, &stmt, err);
  if (!code && *at)
    code = tg_error_set(err, TG_EINVALID, "a query is one statement; use sql.exec for several");
  if (!code) code = params_bind(sql, stmt, params, err);
  if (!code && sql->options.is_read_only && !sqlite3_stmt_readonly(stmt)) {
    sql->needs_writer = true;
    code = tg_error_set(err, TG_EDENIED, "this connection only reads");
  }
  if (!code) code = query_run(sql, stmt, text, start, out, err);
  sqlite3_finalize(stmt);
  return code;
}
