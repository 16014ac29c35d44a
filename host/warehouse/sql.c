// SPDX-License-Identifier: Apache-2.0
#include "warehouse/sql.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "warehouse/sql_function.h"
#include "warehouse/sql_guard.h"
#include "warehouse/sql_text.h"

enum { BUSY_STEP_MS = 10, PROGRESS_INSTRUCTIONS = 1000 };

int tg_sql_stop_code(const struct tg_sql *sql) {
  int code = atomic_load_explicit(&sql->stop_code, memory_order_relaxed);
  if (code) return code;
  return tg_clock_mono_ms(tg_clock_system()) >= sql->deadline_ms ? TG_ETIMEOUT : TG_OK;
}

// SQLite asks this every PROGRESS_INSTRUCTIONS; a flag that is looked at cannot be lost between two
// statements, as a call of sqlite3_interrupt can.
static int progress(void *self) {
  struct tg_sql *sql = self;
  return !sql->is_internal && tg_sql_stop_code(sql) != TG_OK;
}

static int busy_wait(void *self, int count) {
  struct tg_sql *sql = self;
  if (count * BUSY_STEP_MS >= TG_SQL_BUSY_MS || tg_sql_stop_code(sql) != TG_OK) return 0;
  nanosleep(&(struct timespec){.tv_nsec = BUSY_STEP_MS * 1000000L}, NULL);
  return 1;
}

static int result_code(const struct tg_sql *sql, int result) {
  int stop = tg_sql_stop_code(sql);
  if (sql->guard_text[0]) return TG_EDENIED; // SQLite tells a refused function as a plain error
  switch (result & 0xff) {
  case SQLITE_INTERRUPT:
    return stop ? stop : TG_ECANCELLED;
  case SQLITE_BUSY:
  case SQLITE_LOCKED:
    return stop ? stop : TG_EBUSY;
  case SQLITE_FULL:
    return TG_EFULL;
  case SQLITE_CORRUPT:
  case SQLITE_NOTADB:
    return TG_EDAMAGED;
  case SQLITE_NOMEM:
    return TG_ENOMEM;
  case SQLITE_IOERR:
  case SQLITE_CANTOPEN:
    return TG_EIO;
  case SQLITE_TOOBIG:
    return TG_ELIMIT;
  case SQLITE_AUTH:
  case SQLITE_PERM:
  case SQLITE_READONLY:
    return TG_EDENIED;
  default:
    return TG_ESQL;
  }
}

// Says where in a text an error is: at the line and column of the offset, counted from 1, or, when
// SQLite knows no offset and the text holds several statements, in which of them.
static void position_put(char *out, size_t size, const char *text, const char *at, int offset) {
  size_t line = 1;
  const char *place = offset >= 0 ? at + offset : at, *start = text;
  if (offset < 0 && at == text) return;
  for (const char *c = text; c < place; c++) {
    if (*c != '\n') continue;
    line++;
    start = c + 1;
  }
  snprintf(out, size, " (%sline %zu, column %zu)", offset < 0 ? "in the statement at " : "", line,
           (size_t)(place - start) + 1);
}

static int file_fail(const struct tg_sql *sql, int code, struct tg_error *err) {
  return tg_error_set(err, code, "%s: %s", sql->options.path, sqlite3_errmsg(sql->db));
}

int tg_sql_fail(struct tg_sql *sql, int result, const char *text, const char *at,
                struct tg_error *err) {
  int code = result_code(sql, result);
  char position[96] = "";
  if (text) position_put(position, sizeof position, text, at, sqlite3_error_offset(sql->db));
  switch (code) {
  case TG_ETIMEOUT:
    return tg_error_set(err, code, "the statement passed its deadline");
  case TG_ECANCELLED:
    return tg_error_set(err, code, "the statement was cancelled");
  case TG_EBUSY:
    return tg_error_set(err, code,
                        "%s is locked by another program; end its transaction (an open sqlite3 "
                        "shell?) and try again",
                        sql->options.path);
  case TG_EDAMAGED:
    return tg_error_set(err, code,
                        "%s is damaged or no SQLite database: %s; move it away and run the "
                        "pipelines again",
                        sql->options.path, sqlite3_errmsg(sql->db));
  case TG_EDENIED:
    if (sql->guard_text[0]) return tg_error_set(err, code, "%s", sql->guard_text);
    return file_fail(sql, code, err);
  case TG_EFULL:
  case TG_EIO:
    return file_fail(sql, code, err);
  default:
    break;
  }
  const char *message = sqlite3_errmsg(sql->db);
  if (strcmp(message, "LIKE or GLOB pattern too complex") == 0)
    return tg_error_set(err, code, "a pattern of LIKE or GLOB has at most %d bytes%s",
                        TG_LIKE_PATTERN_BYTES_MAX, position);
  return tg_error_set(err, code, "%s%s", message, position);
}

int tg_sql_run(struct tg_sql *sql, const char *text, struct tg_error *err) {
  sql->is_internal = true;
  sql->guard_text[0] = 0;
  int result = sqlite3_exec(sql->db, text, NULL, NULL, NULL);
  int code = result == SQLITE_OK ? TG_OK : tg_sql_fail(sql, result, NULL, NULL, err);
  sql->is_internal = false;
  return code;
}

static void limits_set(sqlite3 *db) {
  sqlite3_limit(db, SQLITE_LIMIT_LENGTH, (int)TG_SQL_VALUE_BYTES_MAX);
  sqlite3_limit(db, SQLITE_LIMIT_SQL_LENGTH, (int)TG_SQL_VALUE_BYTES_MAX);
  sqlite3_limit(db, SQLITE_LIMIT_LIKE_PATTERN_LENGTH, TG_LIKE_PATTERN_BYTES_MAX);
  sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
  sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
}

static int connection_set_up(struct tg_sql *sql, struct tg_error *err) {
  sqlite3_extended_result_codes(sql->db, 1);
  sqlite3_busy_handler(sql->db, busy_wait, sql);
  sqlite3_progress_handler(sql->db, PROGRESS_INSTRUCTIONS, progress, sql);
  limits_set(sql->db);
  // A reader that is closed last would checkpoint; only the writer does that.
  if (sql->options.is_read_only)
    sqlite3_db_config(sql->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
  int code = tg_sql_run(sql,
                        sql->options.is_read_only
                            ? "PRAGMA query_only = on; SELECT count(*) FROM sqlite_schema"
                            : "PRAGMA journal_mode = wal; PRAGMA synchronous = full; "
                              "PRAGMA foreign_keys = on",
                        err);
  if (code) return code;
  int result = tg_sql_function_install(sql->db);
  if (result == SQLITE_OK) result = tg_sql_text_install(sql->db);
  if (result != SQLITE_OK) return tg_sql_fail(sql, result, NULL, NULL, err);
  tg_sql_guard_install(sql);
  return TG_OK;
}

static int folder_make(const char *path, struct tg_error *err) {
  const char *slash = strrchr(path, '/');
  if (!slash || slash == path) return TG_OK;
  char *folder = strndup(path, (size_t)(slash - path));
  if (!folder) return tg_error_set(err, TG_ENOMEM, "out of memory");
  int code = tg_file_make_folder(folder, err);
  free(folder);
  return code;
}

int tg_sql_open(struct tg_sql *sql, const struct tg_sql_options *options, struct tg_error *err) {
  sql->options = *options;
  sql->options.path = strdup(options->path);
  if (!sql->options.path) return tg_error_set(err, TG_ENOMEM, "out of memory");
  int code = options->is_read_only ? TG_OK : folder_make(options->path, err);
  if (code) goto done;
  int flags = SQLITE_OPEN_NOMUTEX;
  flags |=
      options->is_read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  int result = sqlite3_open_v2(options->path, &sql->db, flags, NULL);
  if (result != SQLITE_OK)
    code = tg_error_set(err, result == SQLITE_NOMEM ? TG_ENOMEM : TG_EIO, "cannot open %s: %s",
                        options->path, sqlite3_errmsg(sql->db));
  else
    code = connection_set_up(sql, err);

done:
  if (code) tg_sql_close(sql);
  return code;
}

void tg_sql_close(struct tg_sql *sql) {
  sqlite3_close(sql->db); // rolls back
  free((char *)sql->options.path);
  sql->db = NULL;
  sql->options.path = NULL;
  sql->in_transaction = sql->is_aborted = false;
}

int tg_sql_check_aborted(const struct tg_sql *sql, struct tg_error *err) {
  if (!sql->is_aborted) return TG_OK;
  return tg_error_set(err, TG_ESQL, "the transaction was rolled back after an earlier error: %s",
                      sql->abort_text);
}

int tg_sql_begin(struct tg_sql *sql, struct tg_error *err) {
  if (sql->in_transaction)
    return tg_error_set(err, TG_EINVALID, "a transaction is open already; they do not nest");
  int code = tg_sql_run(sql, "BEGIN IMMEDIATE", err);
  sql->in_transaction = code == TG_OK;
  return code;
}

// Leaves the connection without a transaction, whatever it was in.
static void transaction_forget(struct tg_sql *sql) {
  if (!sqlite3_get_autocommit(sql->db)) tg_sql_run(sql, "ROLLBACK", NULL);
  sql->in_transaction = sql->is_aborted = false;
  tg_sql_settle(sql, NULL);
}

int tg_sql_commit(struct tg_sql *sql, struct tg_error *err) {
  if (!sql->in_transaction) return tg_error_set(err, TG_EINVALID, "no transaction is open");
  int code = tg_sql_check_aborted(sql, err);
  if (!code) code = tg_sql_run(sql, "COMMIT", err);
  transaction_forget(sql);
  return code;
}

int tg_sql_rollback(struct tg_sql *sql, struct tg_error *err) {
  if (!sql->in_transaction) return tg_error_set(err, TG_EINVALID, "no transaction is open");
  transaction_forget(sql);
  return TG_OK;
}

int tg_sql_unit_begin(struct tg_sql *sql, struct tg_error *err) {
  int code = tg_sql_check_aborted(sql, err);
  if (code) return code;
  return tg_sql_run(sql, sql->in_transaction ? "SAVEPOINT unit" : "BEGIN IMMEDIATE", err);
}

int tg_sql_unit_end(struct tg_sql *sql, int code, struct tg_error *err) {
  bool is_gone = sqlite3_get_autocommit(sql->db) != 0;
  if (!code && !is_gone)
    code = tg_sql_run(sql, sql->in_transaction ? "RELEASE unit" : "COMMIT", err);
  if (code && !sqlite3_get_autocommit(sql->db))
    tg_sql_run(sql, sql->in_transaction ? "ROLLBACK TO unit; RELEASE unit" : "ROLLBACK", NULL);
  return code;
}

void tg_sql_settle(struct tg_sql *sql, const struct tg_error *err) {
  if (sql->in_transaction && !sql->is_aborted && sqlite3_get_autocommit(sql->db)) {
    sql->is_aborted = true;
    snprintf(sql->abort_text, sizeof sql->abort_text, "%.255s", err ? err->text : "");
  }
  if (!sql->has_temporary || sql->in_transaction) return;
  // One statement that drops the next of them; dropping a table takes its indexes and triggers.
  static const char next[] =
      "SELECT 'DROP ' || type || ' temp.\"' || replace(name, '\"', '\"\"') || '\"' "
      "FROM temp.sqlite_schema WHERE type IN ('table', 'view', 'trigger') "
      "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' LIMIT 1";
  bool has_more = true;
  while (has_more) {
    char *drop = NULL;
    sqlite3_stmt *stmt = NULL;
    sql->is_internal = true;
    has_more = sqlite3_prepare_v2(sql->db, next, -1, &stmt, NULL) == SQLITE_OK &&
               sqlite3_step(stmt) == SQLITE_ROW;
    if (has_more) drop = sqlite3_mprintf("%s", sqlite3_column_text(stmt, 0));
    sqlite3_finalize(stmt);
    has_more = has_more && drop && tg_sql_run(sql, drop, NULL) == TG_OK;
    sqlite3_free(drop);
  }
  sql->is_internal = false;
  sql->has_temporary = false;
}
