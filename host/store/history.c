// SPDX-License-Identifier: Apache-2.0
#include "store/history.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/database.h"

struct tg_history {
  sqlite3 *db;
};

int tg_history_open(const char *data, struct tg_history **out, struct tg_error *err) {
  struct tg_history *history = calloc(1, sizeof *history);
  if (!history) return tg_error_set(err, TG_ENOMEM, "no memory to read the store");
  int code = tg_database_open(data, false, &history->db, err);
  if (code) {
    free(history);
    return code;
  }
  *out = history;
  return TG_OK;
}

void tg_history_close(struct tg_history *history) {
  if (!history) return;
  sqlite3_close(history->db);
  free(history);
}

// A query in progress: rows are read into `items`, one after the other.
struct query {
  sqlite3 *db;
  sqlite3_stmt *statement;
  struct tg_arena *arena;
};

static int query_start(struct tg_history *history, const char *sql, struct tg_arena *arena,
                       struct query *query, struct tg_error *err) {
  *query = (struct query){.db = history->db, .arena = arena};
  if (sqlite3_prepare_v2(query->db, sql, -1, &query->statement, NULL) == SQLITE_OK) return TG_OK;
  return tg_database_error(query->db, "cannot read the store", err);
}

// Steps through the rows and lets `read` fill one item each; the items stand in the arena.
static int query_collect(struct query *query, size_t item_size,
                         void (*read)(struct query *query, void *item), void **items, size_t *count,
                         struct tg_error *err) {
  size_t cap = 0, used = 0;
  char *list = NULL;
  int result;
  while ((result = sqlite3_step(query->statement)) == SQLITE_ROW) {
    if (used == cap) {
      cap = cap ? cap * 2 : 16;
      char *bigger = tg_arena_alloc(query->arena, cap * item_size);
      if (!bigger) break;
      if (used) memcpy(bigger, list, used * item_size);
      list = bigger;
    }
    read(query, list + used++ * item_size);
  }
  int code = result == SQLITE_DONE  ? TG_OK
             : result == SQLITE_ROW ? tg_error_set(err, TG_ENOMEM, "no memory for what was read")
                                    : tg_database_error(query->db, "cannot read the store", err);
  sqlite3_finalize(query->statement);
  *items = list;
  *count = used;
  return code;
}

static const char *text(struct query *query, int at) {
  return tg_column_text(query->statement, at, query->arena);
}

static int64_t number(struct query *query, int at) {
  return sqlite3_column_int64(query->statement, at);
}

#define RUN_COLUMNS                                                                                \
  "number, id, pipeline, bundle, params, occurrence, trigger, rerun, rerun_of, logical_at, state," \
  " created_at, ended_at, error_code, error_class, error_message, parent, child_key,"              \
  " interval_start, interval_end, backfill, started_at, nullif(partition, ''), deadline_at,"       \
  " event_after"

static void run_read(struct query *q, void *item) {
  struct tg_run *run = item;
  *run = (struct tg_run){
      .number = (uint64_t)number(q, 0),
      .pipeline = text(q, 2),
      .bundle = text(q, 3),
      .params = text(q, 4),
      .occurrence = text(q, 5),
      .trigger = text(q, 6),
      .rerun = (uint32_t)number(q, 7),
      .rerun_of = text(q, 8),
      .logical_at = number(q, 9),
      .created_at = number(q, 11),
      .ended_at = number(q, 12),
      .failure = tg_column_failure(q->statement, 13, q->arena),
      .parent = text(q, 16),
      .child_key = text(q, 17),
      .interval_start = number(q, 18),
      .interval_end = number(q, 19),
      .backfill = text(q, 20),
      .started_at = number(q, 21),
      .partition = text(q, 22),
      .deadline_at = number(q, 23),
      .event_after = (uint64_t)number(q, 24),
  };
  const char *id = text(q, 1), *state = text(q, 10);
  if (id) tg_id_parse(id, &run->id);
  int known = state ? tg_run_state_parse(state) : -1;
  run->state = known < 0 ? TG_RUN_FAILED : (enum tg_run_state)known;
}

int tg_history_runs(struct tg_history *history, const struct tg_run_filter *filter,
                    struct tg_arena *arena, struct tg_run **runs, size_t *count,
                    struct tg_error *err) {
  struct query q;
  int code = query_start(history,
                         "SELECT " RUN_COLUMNS " FROM runs WHERE (?1 IS NULL OR pipeline = ?1)"
                         " AND (?2 IS NULL OR state = ?2) AND (?3 IS NULL OR params = ?3)"
                         " AND (?4 IS NULL OR occurrence = ?4) AND (?6 IS NULL OR parent = ?6)"
                         " AND (?7 IS NULL OR child_key = ?7) AND (?8 IS NULL OR backfill = ?8)"
                         " AND (NOT ?9 OR ended_at IS NULL)"
                         " AND (?10 IS NULL OR partition = ?10) AND (?11 = 0 OR (created_at <= ?11"
                         " AND (ended_at IS NULL OR ended_at > ?11))) ORDER BY number DESC"
                         " LIMIT ?5",
                         arena, &q, err);
  if (code) return code;
  tg_bind_text(q.statement, 1, filter->pipeline);
  tg_bind_text(q.statement, 2,
               filter->state < 0 ? NULL : tg_run_state_word((enum tg_run_state)filter->state));
  tg_bind_text(q.statement, 3, filter->params);
  tg_bind_text(q.statement, 4, filter->occurrence);
  sqlite3_bind_int64(q.statement, 5, filter->limit ? (int64_t)filter->limit : -1);
  tg_bind_text(q.statement, 6, filter->parent);
  tg_bind_text(q.statement, 7, filter->child_key);
  tg_bind_text(q.statement, 8, filter->backfill);
  sqlite3_bind_int(q.statement, 9, filter->is_open);
  tg_bind_text(q.statement, 10, filter->partition);
  sqlite3_bind_int64(q.statement, 11, filter->open_at);
  return query_collect(&q, sizeof **runs, run_read, (void **)runs, count, err);
}

int tg_history_run(struct tg_history *history, const char *name, struct tg_arena *arena,
                   struct tg_run *run, struct tg_error *err) {
  bool is_last = strcmp(name, "last") == 0;
  struct query q;
  int code = query_start(history,
                         is_last ? "SELECT " RUN_COLUMNS " FROM runs WHERE parent IS NULL"
                                   " ORDER BY number DESC LIMIT 1"
                                 : "SELECT " RUN_COLUMNS " FROM runs WHERE substr(id, 1,"
                                   " length(?1)) = ?1 LIMIT 2",
                         arena, &q, err);
  if (code) return code;
  if (!is_last) tg_bind_text(q.statement, 1, name);
  struct tg_run *found = NULL;
  size_t count = 0;
  code = query_collect(&q, sizeof *found, run_read, (void **)&found, &count, err);
  if (code) return code;
  if (count == 1 && *name) {
    *run = found[0];
    return TG_OK;
  }
  if (is_last) return tg_error_set(err, TG_ENOT_FOUND, "there is no run yet");
  if (!count || !*name)
    return tg_error_set(err, TG_ENOT_FOUND, "no run has the id '%s'; `tidegate runs` lists them",
                        name);
  return tg_error_set(err, TG_EINVALID,
                      "several runs have an id that starts with '%s'; give more"
                      " of it",
                      name);
}

// Runs a query about one run.
static int run_collect(struct tg_history *history, const char *sql, uint64_t run,
                       struct tg_arena *arena, size_t item_size,
                       void (*read)(struct query *query, void *item), void **items, size_t *count,
                       struct tg_error *err) {
  struct query q;
  int code = query_start(history, sql, arena, &q, err);
  if (code) return code;
  sqlite3_bind_int64(q.statement, 1, (int64_t)run);
  return query_collect(&q, item_size, read, items, count, err);
}

static void task_read(struct query *q, void *item) {
  struct tg_task *task = item;
  const char *state = text(q, 3);
  int known = state ? tg_task_state_parse(state) : -1;
  *task = (struct tg_task){
      .run = (uint64_t)number(q, 0),
      .index = (uint32_t)number(q, 1),
      .name = text(q, 2),
      .state = known < 0 ? TG_TASK_WAITING : (enum tg_task_state)known,
      .attempts = (uint32_t)number(q, 4),
      .started_at = number(q, 5),
      .ended_at = number(q, 6),
      .output = text(q, 7),
      .chosen = text(q, 8),
      .failure = tg_column_failure(q->statement, 9, q->arena),
  };
}

int tg_history_tasks(struct tg_history *history, uint64_t run, struct tg_arena *arena,
                     struct tg_task **tasks, size_t *count, struct tg_error *err) {
  return run_collect(
      history,
      "SELECT run, task, name, state, attempts, started_at, ended_at, output, chosen,"
      " error_code, error_class, error_message FROM tasks WHERE run = ?1"
      " ORDER BY task",
      run, arena, sizeof **tasks, task_read, (void **)tasks, count, err);
}

static uint32_t item_number(int64_t item) {
  return item < 0 ? TG_NO_ITEM : (uint32_t)item;
}

static void map_items_read(struct query *q, void *item) {
  *(struct tg_map_items *)item = (struct tg_map_items){
      .run = (uint64_t)number(q, 0),
      .task = (uint32_t)number(q, 1),
      .count = (uint32_t)number(q, 2),
      .items = text(q, 3),
      .keys = text(q, 4),
  };
}

int tg_history_map_items(struct tg_history *history, uint64_t run, struct tg_arena *arena,
                         struct tg_map_items **maps, size_t *count, struct tg_error *err) {
  return run_collect(history,
                     "SELECT run, task, count, items, keys FROM map_items WHERE run = ?1"
                     " ORDER BY task",
                     run, arena, sizeof **maps, map_items_read, (void **)maps, count, err);
}

static void item_read(struct query *q, void *item) {
  const char *state = text(q, 3);
  int known = state ? tg_task_state_parse(state) : -1;
  *(struct tg_item *)item = (struct tg_item){
      .run = (uint64_t)number(q, 0),
      .task = (uint32_t)number(q, 1),
      .index = (uint32_t)number(q, 2),
      .state = known < 0 ? TG_TASK_WAITING : (enum tg_task_state)known,
      .attempts = (uint32_t)number(q, 4),
      .started_at = number(q, 5),
      .ended_at = number(q, 6),
      .output = text(q, 7),
      .failure = tg_column_failure(q->statement, 8, q->arena),
  };
}

int tg_history_items(struct tg_history *history, uint64_t run, struct tg_arena *arena,
                     struct tg_item **items, size_t *count, struct tg_error *err) {
  return run_collect(history,
                     "SELECT run, task, item, state, attempts, started_at, ended_at, output,"
                     " error_code, error_class, error_message FROM items WHERE run = ?1"
                     " ORDER BY task, item",
                     run, arena, sizeof **items, item_read, (void **)items, count, err);
}

static void step_read(struct query *q, void *item) {
  *(struct tg_step *)item = (struct tg_step){
      .run = (uint64_t)number(q, 0),
      .task = (uint32_t)number(q, 1),
      .item = item_number(number(q, 2)),
      .position = (uint32_t)number(q, 3),
      .name = text(q, 4),
      .result = text(q, 5),
      .wake_at = number(q, 6),
      .intended_at = number(q, 7),
      .ended_at = number(q, 8),
      .wait = text(q, 9),
      .after = (uint64_t)number(q, 10),
      .event = (uint64_t)number(q, 11),
  };
}

#define STEP_COLUMNS                                                                               \
  "run, task, item, position, name, result, wake_at, intended_at, ended_at, wait, after, event"

int tg_history_steps(struct tg_history *history, uint64_t run, struct tg_arena *arena,
                     struct tg_step **steps, size_t *count, struct tg_error *err) {
  return run_collect(history,
                     "SELECT " STEP_COLUMNS " FROM steps WHERE run = ?1"
                     " ORDER BY task, item, position",
                     run, arena, sizeof **steps, step_read, (void **)steps, count, err);
}

int tg_history_step(struct tg_history *history, uint64_t run, uint32_t task, uint32_t item,
                    uint32_t position, struct tg_arena *arena, struct tg_step *step,
                    struct tg_error *err) {
  struct query q;
  struct tg_step *found = NULL;
  size_t count = 0;
  int code = query_start(history,
                         "SELECT " STEP_COLUMNS " FROM steps WHERE run = ?1 AND task = ?2"
                         " AND item = ?3 AND position = ?4",
                         arena, &q, err);
  if (code) return code;
  sqlite3_bind_int64(q.statement, 1, (int64_t)run);
  sqlite3_bind_int64(q.statement, 2, task);
  sqlite3_bind_int64(q.statement, 3, item == TG_NO_ITEM ? -1 : (int64_t)item);
  sqlite3_bind_int64(q.statement, 4, position);
  code = query_collect(&q, sizeof *found, step_read, (void **)&found, &count, err);
  if (!code && count) *step = found[0];
  return code || count ? code : tg_error_set(err, TG_ENOT_FOUND, "there is no such step");
}

static void attempt_read(struct query *q, void *item) {
  struct tg_attempt *attempt = item;
  const char *state = text(q, 3);
  int known = state ? tg_attempt_state_parse(state) : -1;
  *attempt = (struct tg_attempt){
      .run = (uint64_t)number(q, 0),
      .task = (uint32_t)number(q, 1),
      .number = (uint32_t)number(q, 2),
      .state = known < 0 ? TG_ATTEMPT_LOST : (enum tg_attempt_state)known,
      .worker = (uint32_t)number(q, 4),
      .seed = (uint64_t)number(q, 5),
      .started_at = number(q, 6),
      .ended_at = number(q, 7),
      .retry_at = number(q, 8),
      .failure = tg_column_failure(q->statement, 9, q->arena),
      .traceback = text(q, 12),
      .item = item_number(number(q, 13)),
      .is_fallback_next = number(q, 14) != 0,
      .was_held = number(q, 15) != 0,
      .stop = text(q, 16),
  };
}

#define ATTEMPT_COLUMNS                                                                            \
  "run, task, number, state, worker, seed, started_at, ended_at, retry_at, error_code,"            \
  " error_class, error_message, traceback, item, is_fallback_next, was_held, stop"

int tg_history_attempts(struct tg_history *history, uint64_t run, struct tg_arena *arena,
                        struct tg_attempt **attempts, size_t *count, struct tg_error *err) {
  return run_collect(history,
                     "SELECT " ATTEMPT_COLUMNS " FROM attempts WHERE run = ?1"
                     " ORDER BY task, item, number",
                     run, arena, sizeof **attempts, attempt_read, (void **)attempts, count, err);
}

int tg_history_running(struct tg_history *history, int64_t now, struct tg_arena *arena,
                       struct tg_attempt **attempts, size_t *count, struct tg_error *err) {
  struct query q;
  int code = query_start(history,
                         "SELECT " ATTEMPT_COLUMNS " FROM attempts WHERE state = 'running'"
                         " AND run IN (SELECT number FROM runs WHERE ended_at IS NULL)"
                         " AND NOT EXISTS (SELECT 1 FROM steps AS s WHERE s.run = attempts.run"
                         " AND s.task = attempts.task AND s.item = attempts.item"
                         " AND s.result IS NULL AND (s.wait IS NOT NULL OR s.wake_at > ?1))"
                         " ORDER BY run, task, item",
                         arena, &q, err);
  if (code) return code;
  sqlite3_bind_int64(q.statement, 1, now);
  return query_collect(&q, sizeof **attempts, attempt_read, (void **)attempts, count, err);
}

int tg_history_ran(struct tg_history *history, int64_t at, struct tg_arena *arena,
                   struct tg_attempt **attempts, size_t *count, struct tg_error *err) {
  struct query q;
  int code =
      query_start(history,
                  "SELECT " ATTEMPT_COLUMNS " FROM attempts WHERE run IN (SELECT number FROM runs"
                  " WHERE created_at <= ?1 AND (ended_at IS NULL OR ended_at > ?1))"
                  " AND started_at <= ?1 AND (ended_at IS NULL OR ended_at > ?1)"
                  " AND NOT EXISTS (SELECT 1 FROM steps AS s WHERE s.run = attempts.run"
                  " AND s.task = attempts.task AND s.item = attempts.item"
                  " AND s.intended_at <= ?1 AND CASE WHEN s.wait IS NULL"
                  " THEN s.wake_at > ?1 ELSE s.ended_at IS NULL OR s.ended_at > ?1 END)"
                  " ORDER BY run, task, item",
                  arena, &q, err);
  if (code) return code;
  sqlite3_bind_int64(q.statement, 1, at);
  return query_collect(&q, sizeof **attempts, attempt_read, (void **)attempts, count, err);
}

static void instant_read(struct query *q, void *item) {
  *(int64_t *)item = number(q, 0);
}

int tg_history_last_end(struct tg_history *history, int64_t after, int64_t until, int64_t *at,
                        struct tg_error *err) {
  struct query q;
  struct tg_arena arena;
  int64_t *ends = NULL;
  size_t count = 0;
  tg_arena_init(&arena);
  int code = query_start(history,
                         "SELECT max(ended_at) FROM attempts WHERE ended_at > ?1"
                         " AND ended_at <= ?2 AND run IN (SELECT number FROM runs"
                         " WHERE created_at <= ?2 AND (ended_at IS NULL OR ended_at > ?1))",
                         &arena, &q, err);
  *at = 0;
  if (!code) {
    sqlite3_bind_int64(q.statement, 1, after);
    sqlite3_bind_int64(q.statement, 2, until);
    code = query_collect(&q, sizeof *ends, instant_read, (void **)&ends, &count, err);
  }
  if (!code && count) *at = ends[0];
  tg_arena_deinit(&arena);
  return code;
}

static void decision_read(struct query *q, void *item) {
  *(struct tg_decision *)item = (struct tg_decision){
      .run = (uint64_t)number(q, 0),
      .task = (uint32_t)number(q, 1),
      .attempt = (uint32_t)number(q, 2),
      .policy = text(q, 3),
      .version = text(q, 4),
      .input = text(q, 5),
      .output = text(q, 6),
      .action = text(q, 7),
      .reason = text(q, 8),
      .decided_at = number(q, 9),
  };
}

int tg_history_decisions(struct tg_history *history, uint64_t run, struct tg_arena *arena,
                         struct tg_decision **decisions, size_t *count, struct tg_error *err) {
  return run_collect(history,
                     "SELECT run, task, attempt, policy, version, input, output, action, reason,"
                     " decided_at FROM decisions WHERE run = ?1 ORDER BY decided_at, rowid",
                     run, arena, sizeof **decisions, decision_read, (void **)decisions, count, err);
}

static void check_read(struct query *q, void *item) {
  *(struct tg_check *)item = (struct tg_check){
      .run = (uint64_t)number(q, 0),
      .task = (uint32_t)number(q, 1),
      .attempt = (uint32_t)number(q, 2),
      .position = (uint32_t)number(q, 3),
      .body = text(q, 4),
  };
}

int tg_history_checks(struct tg_history *history, uint64_t run, struct tg_arena *arena,
                      struct tg_check **checks, size_t *count, struct tg_error *err) {
  return run_collect(history,
                     "SELECT run, task, attempt, position, body FROM checks WHERE run = ?1"
                     " ORDER BY task, attempt, position",
                     run, arena, sizeof **checks, check_read, (void **)checks, count, err);
}

static void asset_version_read(struct query *q, void *item) {
  bool has_rows = sqlite3_column_type(q->statement, 5) != SQLITE_NULL;
  *(struct tg_asset_version *)item = (struct tg_asset_version){
      .run = (uint64_t)number(q, 0),
      .task = (uint32_t)number(q, 1),
      .attempt = (uint32_t)number(q, 2),
      .asset = text(q, 3),
      .partition = text(q, 4),
      .rows = has_rows ? number(q, 5) : -1,
      .facts = text(q, 6),
      .created_at = number(q, 7),
  };
}

int tg_history_asset_versions(struct tg_history *history, uint64_t run, struct tg_arena *arena,
                              struct tg_asset_version **versions, size_t *count,
                              struct tg_error *err) {
  return run_collect(history,
                     "SELECT run, task, attempt, asset, partition, rows, facts, created_at"
                     " FROM asset_versions WHERE run = ?1 ORDER BY version",
                     run, arena, sizeof **versions, asset_version_read, (void **)versions, count,
                     err);
}

static void newer_read(struct query *q, void *item) {
  struct tg_newer *newer = item;
  const char *id = text(q, 0);
  *newer = (struct tg_newer){.pipeline = text(q, 1), .created_at = number(q, 2)};
  if (id) tg_id_parse(id, &newer->run);
}

int tg_history_newer(struct tg_history *history, uint64_t run, const char *task, const char *asset,
                     struct tg_arena *arena, struct tg_newer *newer, size_t *count,
                     struct tg_error *err) {
  struct query q;
  struct tg_newer *found = NULL;
  int code = query_start(
      history,
      "SELECT r.id, r.pipeline, v.created_at FROM asset_versions v"
      " JOIN runs r ON r.number = v.run JOIN runs mine ON mine.number = ?1"
      " JOIN tasks t ON t.run = ?1 AND t.name = ?2 AND t.state = 'success'"
      " WHERE v.asset = ?3 AND v.created_at >= t.started_at AND r.pipeline <> mine.pipeline"
      " AND (v.partition = '' OR mine.partition = '' OR v.partition = mine.partition)"
      " AND (r.interval_end IS NULL OR mine.interval_end IS NULL"
      "      OR (r.interval_start < mine.interval_end AND mine.interval_start < r.interval_end))"
      " ORDER BY v.version DESC LIMIT 1",
      arena, &q, err);
  if (code) return code;
  sqlite3_bind_int64(q.statement, 1, (int64_t)run);
  tg_bind_text(q.statement, 2, task);
  tg_bind_text(q.statement, 3, asset);
  code = query_collect(&q, sizeof *found, newer_read, (void **)&found, count, err);
  if (!code && *count) *newer = *found;
  return code;
}

static void resource_read(struct query *q, void *item) {
  *(struct tg_resource *)item = (struct tg_resource){
      .name = text(q, 0),
      .phase = text(q, 1),
      .opened_at = number(q, 2),
      .retry_at = number(q, 3),
      .reason = text(q, 4),
      .breaker = text(q, 5),
      .budget = text(q, 6),
  };
}

int tg_history_resources(struct tg_history *history, struct tg_arena *arena,
                         struct tg_resource **resources, size_t *count, struct tg_error *err) {
  struct query q;
  int code = query_start(history,
                         "SELECT name, phase, opened_at, retry_at, reason, breaker, budget"
                         " FROM resources ORDER BY name",
                         arena, &q, err);
  return code
             ? code
             : query_collect(&q, sizeof **resources, resource_read, (void **)resources, count, err);
}

static void fill_read(struct query *q, void *item) {
  struct tg_fill *fill = item;
  *fill = (struct tg_fill){.pipeline = text(q, 1),
                           .command = text(q, 2),
                           .created_at = number(q, 4),
                           .ended_at = number(q, 5)};
  const char *id = text(q, 0), *state = text(q, 3);
  if (id) tg_id_parse(id, &fill->id);
  int known = state ? tg_fill_state_parse(state) : -1;
  fill->state = known < 0 ? TG_FILL_FAILED : (enum tg_fill_state)known;
}

int tg_history_fills(struct tg_history *history, struct tg_arena *arena, struct tg_fill **fills,
                     size_t *count, struct tg_error *err) {
  struct query q;
  int code = query_start(history,
                         "SELECT id, pipeline, command, state, created_at, ended_at FROM backfills"
                         " ORDER BY id DESC",
                         arena, &q, err);
  return code ? code : query_collect(&q, sizeof **fills, fill_read, (void **)fills, count, err);
}

int tg_history_fill(struct tg_history *history, const char *name, struct tg_arena *arena,
                    struct tg_fill *fill, struct tg_error *err) {
  bool is_last = strcmp(name, "last") == 0;
  struct tg_fill *fills;
  size_t count = 0, found = 0;
  int code = tg_history_fills(history, arena, &fills, &count, err);
  for (size_t i = 0; i < count && !code && !(is_last && found); i++) {
    char id[TG_ID_TEXT_LEN + 1];
    tg_id_format(fills[i].id, id);
    if (!is_last && (!*name || strncmp(id, name, strlen(name)) != 0)) continue;
    if (!found++) *fill = fills[i];
  }
  if (code || found == 1) return code;
  if (found)
    return tg_error_set(err, TG_EINVALID, "several backfills have an id that starts with '%s'",
                        name);
  return tg_error_set(err, TG_ENOT_FOUND,
                      "there is no backfill '%s'; `tidegate backfill --list` lists them", name);
}

static void text_read(struct query *q, void *item) {
  *(const char **)item = text(q, 0);
}

int tg_history_plan(struct tg_history *history, const char *bundle, struct tg_arena *arena,
                    const char **plan, struct tg_error *err) {
  struct query q;
  int code = query_start(history, "SELECT plan FROM bundles WHERE hash = ?1", arena, &q, err);
  if (code) return code;
  tg_bind_text(q.statement, 1, bundle);
  const char **found = NULL;
  size_t count = 0;
  code = query_collect(&q, sizeof *found, text_read, (void **)&found, &count, err);
  if (code) return code;
  if (!count) return tg_error_set(err, TG_ENOT_FOUND, "the store has no bundle %s", bundle);
  *plan = found[0];
  return TG_OK;
}

static void source_read(struct query *q, void *item) {
  struct tg_source *source = item;
  const char *bytes = sqlite3_column_blob(q->statement, 2);
  size_t len = (size_t)sqlite3_column_bytes(q->statement, 2);
  *source = (struct tg_source){
      .key = text(q, 0),
      .path = text(q, 1),
      .text = tg_arena_copy(q->arena, bytes ? bytes : "", bytes ? len : 0),
      .len = len,
  };
}

int tg_history_sources(struct tg_history *history, const char *bundle, struct tg_arena *arena,
                       struct tg_source **sources, size_t *count, struct tg_error *err) {
  struct query q;
  int code = query_start(history,
                         "SELECT f.key, f.path, s.text FROM bundle_files f"
                         " JOIN sources s ON s.hash = f.source WHERE f.bundle = ?1 ORDER BY f.key",
                         arena, &q, err);
  if (code) return code;
  tg_bind_text(q.statement, 1, bundle);
  return query_collect(&q, sizeof **sources, source_read, (void **)sources, count, err);
}

static void bundle_read(struct query *q, void *item) {
  *(struct tg_bundle_row *)item = (struct tg_bundle_row){
      .hash = text(q, 0),
      .pipeline = text(q, 1),
      .program = text(q, 2),
      .built_at = number(q, 3),
      .plan = text(q, 4),
  };
}

int tg_history_bundle(struct tg_history *history, const char *hash, struct tg_arena *arena,
                      struct tg_bundle_row *row, struct tg_error *err) {
  struct query q;
  struct tg_bundle_row *found = NULL;
  struct tg_source *sources = NULL;
  size_t count = 0;
  int code = query_start(
      history, "SELECT hash, pipeline, program, built_at, plan FROM bundles WHERE hash = ?1", arena,
      &q, err);
  if (code) return code;
  tg_bind_text(q.statement, 1, hash);
  code = query_collect(&q, sizeof *found, bundle_read, (void **)&found, &count, err);
  if (!code && !count) code = tg_error_set(err, TG_ENOT_FOUND, "the store has no bundle %s", hash);
  if (code) return code;
  *row = *found;
  code = tg_history_sources(history, hash, arena, &sources, &row->count, err);
  row->sources = sources;
  return code;
}

int tg_history_builds(struct tg_history *history, const char *path, const char *text_hash,
                      const char *program, struct tg_arena *arena, const char ***hashes,
                      size_t *count, struct tg_error *err) {
  struct query q;
  int code = query_start(history,
                         "SELECT b.hash FROM bundle_files f JOIN bundles b ON b.hash = f.bundle"
                         " WHERE f.source = ?1 AND f.key = 'entry:' AND f.path = ?2"
                         " AND b.program = ?3 ORDER BY b.built_at DESC",
                         arena, &q, err);
  if (code) return code;
  tg_bind_text(q.statement, 1, text_hash);
  tg_bind_text(q.statement, 2, path);
  tg_bind_text(q.statement, 3, program);
  return query_collect(&q, sizeof **hashes, text_read, (void **)hashes, count, err);
}

static void number_read(struct query *q, void *item) {
  *(uint64_t *)item = (uint64_t)number(q, 0);
}

static int number_get(struct tg_history *history, const char *sql, uint64_t *last,
                      struct tg_error *err) {
  struct tg_arena arena;
  struct query q;
  tg_arena_init(&arena);
  uint64_t *found = NULL;
  size_t count = 0;
  int code = query_start(history, sql, &arena, &q, err);
  if (!code) code = query_collect(&q, sizeof *found, number_read, (void **)&found, &count, err);
  *last = !code && count ? found[0] : 0;
  tg_arena_deinit(&arena);
  return code;
}

int tg_history_last_number(struct tg_history *history, uint64_t *last, struct tg_error *err) {
  return number_get(history, "SELECT ifnull(max(number), 0) FROM runs", last, err);
}

static void event_read(struct query *q, void *item) {
  *(struct tg_event *)item = (struct tg_event){
      .number = (uint64_t)number(q, 0),
      .id = text(q, 1),
      .source = text(q, 2),
      .type = text(q, 3),
      .subject = text(q, 4),
      .time = number(q, 5),
      .received_at = number(q, 6),
      .body = text(q, 7),
  };
}

int tg_history_events(struct tg_history *history, const struct tg_event_query *query,
                      struct tg_arena *arena, struct tg_event **events, size_t *count,
                      struct tg_error *err) {
#define EVENTS_SQL                                                                                 \
  "SELECT number, id, source, type, subject, time, received_at, body FROM events"                  \
  " WHERE (?1 IS NULL OR id = ?1) AND (?2 IS NULL OR source = ?2) AND "
  struct query q;
  const char *sql = query->is_forward && query->type ? EVENTS_SQL
                        "type = ?3 AND number > ?4 ORDER BY number LIMIT ?5"
                    : query->after ? EVENTS_SQL "number > ?4 ORDER BY number LIMIT ?5"
                                   : EVENTS_SQL
                        "(?3 IS NULL OR type = ?3) ORDER BY number DESC LIMIT ?5";
#undef EVENTS_SQL
  int code = query_start(history, sql, arena, &q, err);
  if (code) return code;
  tg_bind_text(q.statement, 1, query->id);
  tg_bind_text(q.statement, 2, query->source);
  tg_bind_text(q.statement, 3, query->type);
  sqlite3_bind_int64(q.statement, 4, (int64_t)query->after);
  sqlite3_bind_int64(q.statement, 5, query->limit ? (int64_t)query->limit : -1);
  return query_collect(&q, sizeof **events, event_read, (void **)events, count, err);
}

int tg_history_event_waits(struct tg_history *history, uint64_t event, uint64_t *count,
                           struct tg_error *err) {
  char sql[96];
  snprintf(sql, sizeof sql, "SELECT count(*) FROM steps WHERE event = %lld", (long long)event);
  return number_get(history, sql, count, err);
}

int tg_history_last_event(struct tg_history *history, uint64_t *last, struct tg_error *err) {
  return number_get(history, "SELECT ifnull(max(number), 0) FROM events", last, err);
}

int tg_history_check(struct tg_history *history, struct tg_error *err) {
  struct tg_arena arena;
  struct query q;
  tg_arena_init(&arena);
  const char **lines = NULL;
  size_t count = 0;
  int code = query_start(history, "PRAGMA integrity_check(1)", &arena, &q, err);
  if (!code) code = query_collect(&q, sizeof *lines, text_read, (void **)&lines, &count, err);
  if (!code && (count != 1 || !lines[0] || strcmp(lines[0], "ok") != 0))
    code = tg_error_set(err, TG_EDAMAGED, "the store is damaged: %s",
                        count && lines[0] ? lines[0] : "no answer");
  tg_arena_deinit(&arena);
  return code;
}
