// SPDX-License-Identifier: Apache-2.0
// One connection to the warehouse: a SQLite file under a guard, a deadline and a cancel.
//
// A connection belongs to one thread; only `stop_code` may be set from another. Work is done in
// units: a unit is all or nothing, whether it is a transaction of its own or a part of the open
// one.
//
//   outside a transaction   BEGIN IMMEDIATE ... COMMIT    or ROLLBACK
//   inside a transaction    SAVEPOINT ... RELEASE         or ROLLBACK TO
//
// SQLite ends a transaction by itself on some errors (a full disk, an interrupted write). The
// connection then is `is_aborted` and refuses everything up to the ROLLBACK or COMMIT of its owner,
// so that no statement that was meant for the transaction is committed alone.
#pragma once

#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct tg_sql_options {
  const char *path;
  bool is_read_only;
  /// Opens a file that a statement asked for, or refuses. Called on the connection's thread.
  int (*open_read)(void *self, const char *path, int *fd, struct tg_error *err);
  void *open_self;
};

struct tg_sql {
  sqlite3 *db;
  struct tg_sql_options options; // the path is owned
  int64_t deadline_ms;           // on the monotonic clock
  atomic_int stop_code;          // 0, or the code with which to stop what runs
  bool is_internal;              // our own statement runs: no guard, no interruption
  bool is_stepping;              // a statement runs; what is prepared now is SQLite's own
  bool has_temporary;            // a temporary table was made
  bool in_transaction;           // from begin to commit or rollback
  bool is_aborted;               // SQLite ended that transaction by itself
  bool needs_writer;             // a read-only connection was given a writing statement
  char abort_text[256];          // why it is aborted
  char guard_text[256];          // why the guard refused
};

/// Opens the file in WAL mode; one that writes makes file and folder where they are missing. The
/// struct is zeroed before the first time, with the deadline set; both and `stop_code` hold
/// already.
///
/// Errors: TG_EDAMAGED (no database), TG_EDENIED, TG_EIO, TG_EBUSY; `sql` is then closed
int tg_sql_open(struct tg_sql *sql, const struct tg_sql_options *options, struct tg_error *err);

/// Rolls back what is open and closes; fine on a closed one.
void tg_sql_close(struct tg_sql *sql);

/// Opens, commits or gives up the owner's transaction. After commit there is none, however it went.
int tg_sql_begin(struct tg_sql *sql, struct tg_error *err);
int tg_sql_commit(struct tg_sql *sql, struct tg_error *err);
int tg_sql_rollback(struct tg_sql *sql, struct tg_error *err);

/// Starts a unit. Refuses on an aborted transaction.
int tg_sql_unit_begin(struct tg_sql *sql, struct tg_error *err);

/// Ends a unit: keeps its work when `code` is 0, else undoes it. Gives `code`, or why it cannot be
/// kept.
int tg_sql_unit_end(struct tg_sql *sql, int code, struct tg_error *err);

/// Refuses with the reason when the open transaction is aborted.
int tg_sql_check_aborted(const struct tg_sql *sql, struct tg_error *err);

/// Does what every piece of work ends with: notices an aborted transaction, and drops the temporary
/// tables when none is open.
void tg_sql_settle(struct tg_sql *sql, const struct tg_error *err);

/// Gives the code with which work must stop now (cancelled, past its deadline), or 0.
int tg_sql_stop_code(const struct tg_sql *sql);

/// Tells a SQLite result as an error. With `text`, the statements, and `at`, where in them the one
/// that failed starts, the line and column are added where SQLite knows them.
int tg_sql_fail(struct tg_sql *sql, int result, const char *text, const char *at,
                struct tg_error *err);

/// Runs one statement of ours.
int tg_sql_run(struct tg_sql *sql, const char *text, struct tg_error *err);
