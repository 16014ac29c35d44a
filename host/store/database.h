// SPDX-License-Identifier: Apache-2.0
// What the store and its readers share: opening the file, statements, and errors as ours.
#pragma once

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "model/record.h"

/// Opens the state file of a data folder. A writer makes it and brings its schema up to date.
///
/// Errors: TG_ENOT_FOUND (readers), TG_EDENIED, TG_EFULL, TG_EIO, TG_EDAMAGED, TG_EINVALID
int tg_database_open(const char *data, bool is_writer, sqlite3 **db, struct tg_error *err);

/// Turns the connection's last error into ours.
///
/// Shape:  `what` is what was tried: "cannot commit"
int tg_database_error(sqlite3 *db, const char *what, struct tg_error *err);

/// Runs statements that give no rows.
int tg_database_exec(sqlite3 *db, const char *sql, struct tg_error *err);

/// Binds to parameter `at` (from 1): optional text, a time that is NULL when 0, a failure as three.
void tg_bind_text(sqlite3_stmt *statement, int at, const char *text);
void tg_bind_time(sqlite3_stmt *statement, int at, int64_t ms);
void tg_bind_failure(sqlite3_stmt *statement, int at, const struct tg_failure *failure);

/// Reads column `at` (from 0): text into an arena (NULL stays NULL), a failure from three columns.
const char *tg_column_text(sqlite3_stmt *statement, int at, struct tg_arena *arena);
struct tg_failure tg_column_failure(sqlite3_stmt *statement, int at, struct tg_arena *arena);
