// SPDX-License-Identifier: Apache-2.0
#include "store/database.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "store/schema.h"

// After a sync that failed nobody knows what is on the disk.
static bool is_sync_failure(int code) {
  return code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC;
}

static int code_of(sqlite3 *db) {
  if (is_sync_failure(sqlite3_extended_errcode(db))) return TG_EDAMAGED;
  switch (sqlite3_errcode(db) & 0xff) {
  case SQLITE_FULL:
    return TG_EFULL;
  case SQLITE_CORRUPT:
  case SQLITE_NOTADB:
    return TG_EDAMAGED;
  case SQLITE_NOMEM:
    return TG_ENOMEM;
  case SQLITE_PERM:
  case SQLITE_AUTH:
  case SQLITE_READONLY:
    return TG_EDENIED;
  case SQLITE_BUSY:
  case SQLITE_LOCKED:
    return TG_EBUSY;
  case SQLITE_CANTOPEN:
    return tg_file_code(sqlite3_system_errno(db));
  case SQLITE_CONSTRAINT:
  case SQLITE_MISUSE:
  case SQLITE_ERROR:
    return TG_EBUG;
  default:
    return TG_EIO;
  }
}

int tg_database_error(sqlite3 *db, const char *what, struct tg_error *err) {
  if (!db) return tg_error_set(err, TG_ENOMEM, "%s: no memory", what);
  int code = code_of(db);
  const char *file = sqlite3_db_filename(db, "main");
  bool is_corrupt = code == TG_EDAMAGED && !is_sync_failure(sqlite3_extended_errcode(db));
  const char *mend =
      is_corrupt ? "; move the file away to start afresh, or restore a copy of it" : "";
  return tg_error_set(err, code, "%s (%s): %s%s", what, file ? file : "no file", sqlite3_errmsg(db),
                      mend);
}

int tg_database_exec(sqlite3 *db, const char *sql, struct tg_error *err) {
  if (sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK) return TG_OK;
  return tg_database_error(db, "the store refuses a statement", err);
}

static int version_get(sqlite3 *db, int *version, struct tg_error *err) {
  sqlite3_stmt *statement = NULL;
  if (sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &statement, NULL) != SQLITE_OK ||
      sqlite3_step(statement) != SQLITE_ROW) {
    sqlite3_finalize(statement);
    return tg_database_error(db, "cannot read the store", err);
  }
  *version = sqlite3_column_int(statement, 0);
  sqlite3_finalize(statement);
  if (*version <= tg_schema_count) return TG_OK;
  return tg_error_set(err, TG_EINVALID,
                      "the store %s has schema %d, written by a newer tidegate; this one knows %d",
                      sqlite3_db_filename(db, "main"), *version, tg_schema_count);
}

static int none_error(const char *data, struct tg_error *err) {
  return tg_error_set(err, TG_ENOT_FOUND, "there is no store in %s yet; `tidegate run` makes one",
                      data);
}

// Each migration and its number become durable together.
static int migrate(sqlite3 *db, int version, struct tg_error *err) {
  for (; version < tg_schema_count; version++) {
    char number[64];
    snprintf(number, sizeof number, "PRAGMA user_version = %d; COMMIT", version + 1);
    int code = tg_database_exec(db, "BEGIN IMMEDIATE", err);
    if (!code) code = tg_database_exec(db, tg_schema[version], err);
    if (!code) code = tg_database_exec(db, number, err);
    if (code) return code;
  }
  return TG_OK;
}

// SQLite answers with the mode it has, which is another one where the file system cannot do WAL.
static int wal_set(sqlite3 *db, struct tg_error *err) {
  sqlite3_stmt *statement = NULL;
  int code = TG_OK;
  if (sqlite3_prepare_v2(db, "PRAGMA journal_mode = WAL", -1, &statement, NULL) != SQLITE_OK ||
      sqlite3_step(statement) != SQLITE_ROW)
    code = tg_database_error(db, "cannot prepare the store", err);
  else if (strcmp((const char *)sqlite3_column_text(statement, 0), "wal") != 0)
    code = tg_error_set(err, TG_EIO,
                        "the file system of %s cannot hold a store; give a folder on"
                        " a local disk with --data",
                        sqlite3_db_filename(db, "main"));
  sqlite3_finalize(statement);
  return code;
}

// The version comes first: what a newer tidegate wrote is not touched.
static int writer_prepare(sqlite3 *db, struct tg_error *err) {
  int version = 0;
  int code = version_get(db, &version, err);
  if (!code) code = wal_set(db, err);
  if (!code)
    code = tg_database_exec(db,
                            "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000;"
                            "PRAGMA cache_size = -2048",
                            err);
  return code ? code : migrate(db, version, err);
}

// A reader changes nothing, so it needs a store that a writer has brought up to date.
static int reader_prepare(sqlite3 *db, const char *data, struct tg_error *err) {
  int version = 0;
  int code = version_get(db, &version, err);
  if (code || version == tg_schema_count) return code;
  if (!version) return none_error(data, err);
  return tg_error_set(err, TG_EINVALID,
                      "the store in %s has schema %d, written by an older tidegate; `tidegate run`"
                      " brings it up to date",
                      data, version);
}

int tg_database_open(const char *data, bool is_writer, sqlite3 **db, struct tg_error *err) {
  char path[4096];
  if ((size_t)snprintf(path, sizeof path, "%s/state.db", data) >= sizeof path)
    return tg_error_set(err, TG_EINVALID, "path too long: %s", data);
  struct stat info;
  if (!is_writer && stat(path, &info) != 0)
    return tg_file_code(errno) == TG_ENOT_FOUND
               ? none_error(data, err)
               : tg_error_errno(err, tg_file_code(errno), errno, "cannot read %s", path);
  *db = NULL;
  int flags = SQLITE_OPEN_NOMUTEX |
              (is_writer ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY);
  int code;
  if (sqlite3_open_v2(path, db, flags, NULL) != SQLITE_OK) {
    code = tg_database_error(*db, "cannot open the store", err);
  } else {
    sqlite3_extended_result_codes(*db, 1);
    sqlite3_busy_timeout(*db, 5000);
    code = is_writer ? writer_prepare(*db, err) : reader_prepare(*db, data, err);
  }
  if (!code) return TG_OK;
  sqlite3_close(*db);
  *db = NULL;
  return code;
}

void tg_bind_text(sqlite3_stmt *statement, int at, const char *text) {
  if (text)
    sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
  else
    sqlite3_bind_null(statement, at);
}

void tg_bind_time(sqlite3_stmt *statement, int at, int64_t ms) {
  if (ms)
    sqlite3_bind_int64(statement, at, ms);
  else
    sqlite3_bind_null(statement, at);
}

void tg_bind_failure(sqlite3_stmt *statement, int at, const struct tg_failure *failure) {
  bool failed = failure->code != TG_OK;
  tg_bind_text(statement, at, failed ? tg_code_word(failure->code) : NULL);
  tg_bind_text(statement, at + 1, failed ? tg_class_word(failure->class) : NULL);
  tg_bind_text(statement, at + 2, failed ? failure->text : NULL);
}

const char *tg_column_text(sqlite3_stmt *statement, int at, struct tg_arena *arena) {
  const char *text = (const char *)sqlite3_column_text(statement, at);
  if (!text) return NULL;
  return tg_arena_copy(arena, text, (size_t)sqlite3_column_bytes(statement, at));
}

struct tg_failure tg_column_failure(sqlite3_stmt *statement, int at, struct tg_arena *arena) {
  struct tg_failure failure = {0};
  const char *code = tg_column_text(statement, at, arena);
  if (!code) return failure;
  const char *class = tg_column_text(statement, at + 1, arena);
  int known = tg_code_parse(code), known_class = class ? tg_class_parse(class) : -1;
  failure.code = known < 0 ? TG_EBUG : known;
  failure.class = known_class < 0 ? TG_CLASS_BUG : (enum tg_class)known_class;
  failure.text = tg_column_text(statement, at + 2, arena);
  return failure;
}
