// SPDX-License-Identifier: Apache-2.0
// The writing half of the store: prepared statements that put records into the state file. Used on
// the store's thread only, inside its transaction.
#pragma once

#include <sqlite3.h>

#include "model/record.h"
#include "store/history.h"

struct tg_writer {
  sqlite3 *db;
  sqlite3_stmt *records[TG_RECORD_COUNT];
};

/// Prepares the statements.
int tg_writer_init(struct tg_writer *writer, sqlite3 *db, struct tg_error *err);
void tg_writer_deinit(struct tg_writer *writer);

/// Writes one record.
///
/// Errors: TG_EEXISTS when a run's occurrence is there already; else as tg_database_error
int tg_writer_put(struct tg_writer *writer, const struct tg_record *record, struct tg_error *err);

/// Writes a bundle with its sources; what is there already stays, but for the program that may use
/// it again.
int tg_writer_put_bundle(struct tg_writer *writer, const struct tg_bundle_row *row,
                         struct tg_error *err);
