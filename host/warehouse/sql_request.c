// SPDX-License-Identifier: Apache-2.0
#include "warehouse/sql_request.h"

#include <string.h>

#include "base/arena.h"
#include "base/limits.h"
#include "ipc/wire.h"
#include "warehouse/service.h"
#include "warehouse/sql_csv.h"
#include "warehouse/sql_load.h"
#include "warehouse/sql_statement.h"

struct request {
  struct tg_sql *sql;
  struct tg_reader in;
  struct tg_arena arena; // for decoded lists
  struct tg_buf *reply;
};

static int malformed(struct tg_error *err) {
  return tg_error_set(err, TG_EPROTOCOL, "malformed SQL request");
}

static int params_get(struct request *self, struct tg_sql_params *params, struct tg_error *err) {
  uint8_t kind = tg_wire_get_u8(&self->in);
  *params = (struct tg_sql_params){.kind = (enum tg_sql_params_kind)kind};
  if (kind > TG_SQL_PARAMS_NAMED) return malformed(err);
  if (kind == TG_SQL_PARAMS_NONE) return TG_OK;
  params->count = tg_wire_get_count(&self->in, 1);
  if (params->count > TG_SQL_PARAMS_MAX)
    return tg_error_set(err, TG_ELIMIT, "%u parameters; a statement takes at most %d",
                        params->count, TG_SQL_PARAMS_MAX);
  struct tg_sql_param *items = tg_arena_alloc(&self->arena, params->count * sizeof *items + 1);
  if (!items) return tg_error_set(err, TG_ENOMEM, "out of memory");
  for (uint32_t i = 0; i < params->count; i++) {
    if (kind == TG_SQL_PARAMS_NAMED) items[i].name = tg_wire_get_text(&self->in);
    items[i].value = tg_wire_get_value(&self->in);
  }
  params->items = items;
  return TG_OK;
}

static int statement_get(struct request *self, const char **text, struct tg_sql_params *params,
                         struct tg_error *err) {
  *text = tg_wire_get_text(&self->in);
  int code = params_get(self, params, err);
  if (code) return code;
  return tg_reader_is_done(&self->in) ? TG_OK : malformed(err);
}

static int exec_run(struct request *self, struct tg_error *err) {
  const char *text;
  struct tg_sql_params params;
  int64_t changes = 0;
  int code = statement_get(self, &text, &params, err);
  if (!code) code = tg_sql_exec(self->sql, text, &params, &changes, err);
  tg_wire_put_i64(self->reply, changes);
  return code;
}

static int query_run(struct request *self, struct tg_error *err) {
  const char *text;
  struct tg_sql_params params;
  int code = statement_get(self, &text, &params, err);
  return code ? code : tg_sql_query(self->sql, text, &params, self->reply, err);
}

static int transaction_run(struct request *self, enum tg_sql_op op, struct tg_error *err) {
  if (!tg_reader_is_done(&self->in)) return malformed(err);
  if (op == TG_SQL_BEGIN) return tg_sql_begin(self->sql, err);
  return op == TG_SQL_COMMIT ? tg_sql_commit(self->sql, err) : tg_sql_rollback(self->sql, err);
}

// Reads a list of names, each with its type if `has_types`.
static int columns_get(struct request *self, bool has_types, const struct tg_sql_column **columns,
                       uint32_t *count, struct tg_error *err) {
  *count = tg_wire_get_count(&self->in, 5);
  if (*count > TG_SQL_COLUMNS_MAX)
    return tg_error_set(err, TG_ELIMIT, "%u columns; a table has at most %d", *count,
                        TG_SQL_COLUMNS_MAX);
  struct tg_sql_column *list = tg_arena_alloc(&self->arena, *count * sizeof *list + 1);
  if (!list) return tg_error_set(err, TG_ENOMEM, "out of memory");
  for (uint32_t i = 0; i < *count; i++) {
    list[i].name = tg_wire_get_text(&self->in);
    list[i].type = has_types ? tg_wire_get_text(&self->in) : "";
  }
  *columns = list;
  return self->in.is_failed ? malformed(err) : TG_OK;
}

static int load_run(struct request *self, struct tg_error *err) {
  int64_t rows = 0;
  struct tg_sql_table table = {.name = tg_wire_get_text(&self->in)};
  table.may_replace = (tg_wire_get_u8(&self->in) & TG_SQL_FLAG_REPLACE) != 0;
  int code = columns_get(self, true, &table.columns, &table.column_count, err);
  if (!code) code = tg_sql_load(self->sql, &table, &self->in, &rows, err);
  tg_wire_put_i64(self->reply, rows);
  return code;
}

// Reads one character, or none where that is allowed.
static int character_get(struct request *self, const char *what, bool may_be_none, char *out,
                         struct tg_error *err) {
  const char *text = tg_wire_get_text(&self->in);
  *out = text[0];
  bool is_line_end = text[0] == '\n' || text[0] == '\r';
  if (!is_line_end && (text[0] ? !text[1] : may_be_none)) return TG_OK;
  if (self->in.is_failed) return malformed(err);
  return tg_error_set(err, TG_EINVALID, "the %s must be one character of one byte, not '%.20s'",
                      what, text);
}

static int csv_get(struct request *self, struct tg_sql_csv *load, struct tg_error *err) {
  *load = (struct tg_sql_csv){.table = tg_wire_get_text(&self->in)};
  load->path = tg_wire_get_text(&self->in);
  uint8_t flags = tg_wire_get_u8(&self->in);
  load->has_header = (flags & TG_SQL_FLAG_HEADER) != 0;
  load->may_replace = (flags & TG_SQL_FLAG_REPLACE) != 0;
  int code = character_get(self, "delimiter", false, &load->delimiter, err);
  if (!code) code = character_get(self, "quote", true, &load->quote, err);
  load->null = tg_wire_get_text(&self->in);
  if (!code) code = columns_get(self, false, &load->columns, &load->column_count, err);
  if (!code) code = columns_get(self, true, &load->types, &load->type_count, err);
  load->quarantine = tg_wire_get_text(&self->in);
  if (!code && !tg_reader_is_done(&self->in)) code = malformed(err);
  if (!code && load->delimiter == load->quote)
    code = tg_error_set(err, TG_EINVALID, "the delimiter and the quote are the same");
  return code;
}

static int csv_run(struct request *self, struct tg_error *err) {
  struct tg_sql_csv load;
  int64_t rows = 0, rejected = 0;
  int code = csv_get(self, &load, err);
  if (!code) code = tg_sql_load_csv(self->sql, &load, &rows, &rejected, err);
  tg_wire_put_i64(self->reply, rows);
  tg_wire_put_i64(self->reply, rejected);
  return code;
}

static int op_run(struct request *self, struct tg_error *err) {
  uint8_t op = tg_wire_get_u8(&self->in);
  const char *connection = tg_wire_get_text(&self->in);
  if (self->in.is_failed) return malformed(err);
  if (*connection)
    return tg_error_set(err, TG_EINVALID, "the connection '%.100s' is not configured", connection);
  switch (op) {
  case TG_SQL_EXEC:
    return exec_run(self, err);
  case TG_SQL_QUERY:
    return query_run(self, err);
  case TG_SQL_BEGIN:
  case TG_SQL_COMMIT:
  case TG_SQL_ROLLBACK:
    return transaction_run(self, op, err);
  case TG_SQL_LOAD:
    return load_run(self, err);
  case TG_SQL_LOAD_CSV:
    return csv_run(self, err);
  default:
    return malformed(err);
  }
}

int tg_sql_request_run(struct tg_sql *sql, const void *body, size_t len, struct tg_buf *reply,
                       struct tg_error *err) {
  struct tg_error why = {.code = TG_OK};
  struct request self = {.sql = sql, .in = tg_reader_of(body, len), .reply = reply};
  tg_arena_init(&self.arena);
  int code = op_run(&self, &why);
  tg_arena_deinit(&self.arena);
  tg_sql_settle(sql, &why);
  if (code) tg_buf_clear(reply);
  if (code && err) *err = why;
  return code;
}
