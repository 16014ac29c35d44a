// SPDX-License-Identifier: Apache-2.0
// What the parts of the history share: a query whose rows are read, one after the other, into items
// that stand in the caller's arena.
//
//   history          opens and closes; resources; the check of the file
//   history_query    this
//   history_runs     runs and backfills
//   history_tasks    what a run is made of: tasks, maps and their items, steps, attempts
//   history_results  what attempts gave: decisions, checks, asset versions
//   history_bundles  plans and the files they were made of
//   history_events   events
#pragma once

#include "store/database.h"
#include "store/history.h"

struct tg_history {
  sqlite3 *db;
};

struct tg_history_query {
  sqlite3 *db;
  sqlite3_stmt *statement;
  struct tg_arena *arena;
};

/// Prepares a query, whose values are then bound.
int tg_history_query_start(struct tg_history *history, const char *sql, struct tg_arena *arena,
                           struct tg_history_query *query, struct tg_error *err);

/// Steps through the rows, lets `read` fill one item each, and ends the query.
int tg_history_query_collect(struct tg_history_query *query, size_t item_size,
                             void (*read)(struct tg_history_query *query, void *item), void **items,
                             size_t *count, struct tg_error *err);

/// Runs a query whose one value is the number of a run.
int tg_history_query_of_run(struct tg_history *history, const char *sql, uint64_t run,
                            struct tg_arena *arena, size_t item_size,
                            void (*read)(struct tg_history_query *query, void *item), void **items,
                            size_t *count, struct tg_error *err);

/// Runs a query that gives one number; 0 when it gives none.
int tg_history_query_number(struct tg_history *history, const char *sql, uint64_t *last,
                            struct tg_error *err);

/// Reads a row's only column into an item `const char *`.
void tg_history_read_text(struct tg_history_query *query, void *item);

static inline const char *tg_history_text(struct tg_history_query *query, int at) {
  return tg_column_text(query->statement, at, query->arena);
}

static inline int64_t tg_history_number(struct tg_history_query *query, int at) {
  return sqlite3_column_int64(query->statement, at);
}
