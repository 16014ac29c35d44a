// SPDX-License-Identifier: Apache-2.0
#include "warehouse/sql_csv.h"

#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/limits.h"
#include "warehouse/csv.h"
#include "warehouse/sql_statement.h"

enum { STOP_LOOK_ROWS = 256 };

struct loading {
  struct tg_sql *sql;
  const struct tg_sql_csv *load;
  struct tg_csv csv;
  struct tg_arena arena;
  struct tg_sql_column *columns;
  uint32_t column_count;
  sqlite3_stmt *insert;
  sqlite3_stmt *quarantine;
  int64_t rows, rejected;
};

static const struct tg_sql_column quarantine_columns[] = {
    {.name = "line", .type = "INTEGER"},
    {.name = "raw", .type = "TEXT"},
    {.name = "reason", .type = "TEXT"},
};

static int columns_from_header(struct loading *self, const struct tg_csv_record *header,
                               struct tg_error *err) {
  self->column_count = (uint32_t)header->count;
  self->columns = tg_arena_alloc(&self->arena, header->count * sizeof *self->columns);
  for (size_t i = 0; self->columns && i < header->count; i++) {
    const struct tg_csv_field *field = &header->fields[i];
    self->columns[i].type = "";
    self->columns[i].name = tg_arena_copy(&self->arena, field->data, field->len);
    if (!self->columns[i].name) self->columns = NULL;
  }
  return self->columns ? TG_OK : tg_error_set(err, TG_ENOMEM, "out of memory");
}

static int columns_from_load(struct loading *self, const struct tg_csv_record *header,
                             struct tg_error *err) {
  const struct tg_sql_csv *load = self->load;
  if (header && header->count != load->column_count)
    return tg_error_set(err, TG_EINVALID, "%s: the header has %zu fields, but %u columns are named",
                        load->path, header->count, load->column_count);
  self->column_count = load->column_count;
  self->columns = tg_arena_alloc(&self->arena, load->column_count * sizeof *self->columns);
  if (!self->columns) return tg_error_set(err, TG_ENOMEM, "out of memory");
  memcpy(self->columns, load->columns, load->column_count * sizeof *self->columns);
  return TG_OK;
}

static int types_apply(struct loading *self, struct tg_error *err) {
  for (uint32_t i = 0; i < self->load->type_count; i++) {
    const struct tg_sql_column *type = &self->load->types[i];
    uint32_t at = 0;
    while (at < self->column_count && sqlite3_stricmp(self->columns[at].name, type->name) != 0)
      at++;
    if (at == self->column_count)
      return tg_error_set(err, TG_EINVALID, "%s: a type is given for '%.100s', which is no column",
                          self->load->path, type->name);
    self->columns[at].type = type->type;
  }
  return TG_OK;
}

static int columns_find(struct loading *self, struct tg_error *err) {
  const struct tg_sql_csv *load = self->load;
  struct tg_csv_record header;
  bool has_header = false;
  int code = load->has_header ? tg_csv_next(&self->csv, &header, &has_header, err) : TG_OK;
  if (code) return code;
  if (load->has_header && !has_header)
    return tg_error_set(err, TG_EINVALID, "%s is empty; a header was expected", load->path);
  if (has_header && header.reason)
    return tg_error_set(err, TG_EINVALID, "%s, line %lld: the header is malformed: %s", load->path,
                        (long long)header.line, header.reason);
  if (!has_header && !load->column_count)
    return tg_error_set(err, TG_EINVALID, "%s has no header, so 'columns' must name the columns",
                        load->path);
  code = load->column_count ? columns_from_load(self, has_header ? &header : NULL, err)
                            : columns_from_header(self, &header, err);
  return code ? code : types_apply(self, err);
}

static int tables_open(struct loading *self, struct tg_error *err) {
  struct tg_sql_table table = {.name = self->load->table,
                               .columns = self->columns,
                               .column_count = self->column_count,
                               .may_replace = self->load->may_replace};
  int code = tg_sql_table_open(self->sql, &table, &self->insert, err);
  if (code || !*self->load->quarantine) return code;
  table.name = self->load->quarantine;
  table.columns = quarantine_columns;
  table.column_count = 3;
  return tg_sql_table_open(self->sql, &table, &self->quarantine, err);
}

static int row_reject(struct loading *self, const struct tg_csv_record *record, const char *reason,
                      struct tg_error *err) {
  if (!self->quarantine)
    return tg_error_set(err, TG_EINVALID,
                        "%s, line %lld: %s; name a 'quarantine' table to load the other rows",
                        self->load->path, (long long)record->line, reason);
  self->rejected++;
  sqlite3_bind_int64(self->quarantine, 1, record->line);
  sqlite3_bind_text64(self->quarantine, 2, record->raw, record->raw_len, SQLITE_STATIC,
                      SQLITE_UTF8);
  sqlite3_bind_text(self->quarantine, 3, reason, -1, SQLITE_STATIC);
  int result = tg_sql_step(self->sql, self->quarantine);
  int code = result == SQLITE_DONE ? TG_OK : tg_sql_fail(self->sql, result, NULL, NULL, err);
  sqlite3_reset(self->quarantine);
  return code;
}

static void field_bind(struct loading *self, int index, const struct tg_csv_field *field) {
  const char *null = self->load->null;
  if (!field->is_quoted && field->len == strlen(null) && memcmp(field->data, null, field->len) == 0)
    sqlite3_bind_null(self->insert, index);
  else
    sqlite3_bind_text64(self->insert, index, field->data, field->len, SQLITE_STATIC, SQLITE_UTF8);
}

static int row_insert(struct loading *self, const struct tg_csv_record *record,
                      struct tg_error *err) {
  for (uint32_t i = 0; i < self->column_count; i++)
    field_bind(self, (int)i + 1, &record->fields[i]);
  int result = tg_sql_step(self->sql, self->insert);
  struct tg_error why = {.code = TG_OK};
  if (result != SQLITE_DONE) tg_sql_fail(self->sql, result, NULL, NULL, &why);
  sqlite3_reset(self->insert);
  if (result == SQLITE_DONE) {
    self->rows++;
    return TG_OK;
  }
  int kind = result & 0xff;
  if (kind == SQLITE_CONSTRAINT || kind == SQLITE_MISMATCH)
    return row_reject(self, record, why.text, err);
  if (err) *err = why;
  return why.code;
}

static int record_load(struct loading *self, const struct tg_csv_record *record,
                       struct tg_error *err) {
  if (record->reason) return row_reject(self, record, record->reason, err);
  if (!record->raw_len && self->column_count > 1) return TG_OK; // an empty line
  if (record->count == self->column_count) return row_insert(self, record, err);
  char reason[64];
  sqlite3_snprintf(sizeof reason, reason, "the number of fields is %d, not %u", (int)record->count,
                   self->column_count);
  return row_reject(self, record, reason, err);
}

static int records_load(struct loading *self, struct tg_error *err) {
  for (int64_t i = 0;; i++) {
    struct tg_csv_record record;
    bool has_record;
    int code = tg_csv_next(&self->csv, &record, &has_record, err);
    if (code || !has_record) return code;
    if (i % STOP_LOOK_ROWS == 0 && tg_sql_stop_code(self->sql))
      return tg_sql_fail(self->sql, SQLITE_INTERRUPT, NULL, NULL, err);
    code = record_load(self, &record, err);
    if (code) return code;
  }
}

static int unit_run(struct loading *self, struct tg_error *err) {
  int code = tg_sql_unit_begin(self->sql, err);
  if (code) return code;
  code = columns_find(self, err);
  if (!code) code = tables_open(self, err);
  if (!code) code = records_load(self, err);
  sqlite3_finalize(self->insert);
  sqlite3_finalize(self->quarantine);
  return tg_sql_unit_end(self->sql, code, err);
}

int tg_sql_load_csv(struct tg_sql *sql, const struct tg_sql_csv *load, int64_t *rows,
                    int64_t *rejected, struct tg_error *err) {
  int fd = -1;
  int code = sql->options.open_read(sql->options.open_self, load->path, &fd, err);
  if (code) return code;
  struct loading self = {.sql = sql, .load = load};
  tg_arena_init(&self.arena);
  code = tg_csv_init(&self.csv, fd, load->delimiter, load->quote, err);
  if (!code) code = unit_run(&self, err);
  *rows = self.rows;
  *rejected = self.rejected;
  tg_csv_deinit(&self.csv);
  tg_arena_deinit(&self.arena);
  close(fd);
  return code;
}
