// SPDX-License-Identifier: Apache-2.0
#include "store/history_parts.h"

static void decision_read(struct tg_history_query *q, void *item) {
  *(struct tg_decision *)item = (struct tg_decision){
      .run = (uint64_t)tg_history_number(q, 0),
      .task = (uint32_t)tg_history_number(q, 1),
      .attempt = (uint32_t)tg_history_number(q, 2),
      .policy = tg_history_text(q, 3),
      .version = tg_history_text(q, 4),
      .input = tg_history_text(q, 5),
      .output = tg_history_text(q, 6),
      .action = tg_history_text(q, 7),
      .reason = tg_history_text(q, 8),
      .decided_at = tg_history_number(q, 9),
  };
}

int tg_history_decisions(struct tg_history *history, uint64_t run, struct tg_arena *arena,
                         struct tg_decision **decisions, size_t *count, struct tg_error *err) {
  return tg_history_query_of_run(
      history,
      "SELECT run, task, attempt, policy, version, input, output, action, reason,"
      " decided_at FROM decisions WHERE run = ?1 ORDER BY decided_at, rowid",
      run, arena, sizeof **decisions, decision_read, (void **)decisions, count, err);
}

static void check_read(struct tg_history_query *q, void *item) {
  *(struct tg_check *)item = (struct tg_check){
      .run = (uint64_t)tg_history_number(q, 0),
      .task = (uint32_t)tg_history_number(q, 1),
      .attempt = (uint32_t)tg_history_number(q, 2),
      .position = (uint32_t)tg_history_number(q, 3),
      .body = tg_history_text(q, 4),
  };
}

int tg_history_checks(struct tg_history *history, uint64_t run, struct tg_arena *arena,
                      struct tg_check **checks, size_t *count, struct tg_error *err) {
  return tg_history_query_of_run(
      history,
      "SELECT run, task, attempt, position, body FROM checks WHERE run = ?1"
      " ORDER BY task, attempt, position",
      run, arena, sizeof **checks, check_read, (void **)checks, count, err);
}

static void asset_version_read(struct tg_history_query *q, void *item) {
  bool has_rows = sqlite3_column_type(q->statement, 5) != SQLITE_NULL;
  *(struct tg_asset_version *)item = (struct tg_asset_version){
      .run = (uint64_t)tg_history_number(q, 0),
      .task = (uint32_t)tg_history_number(q, 1),
      .attempt = (uint32_t)tg_history_number(q, 2),
      .asset = tg_history_text(q, 3),
      .partition = tg_history_text(q, 4),
      .rows = has_rows ? tg_history_number(q, 5) : -1,
      .facts = tg_history_text(q, 6),
      .created_at = tg_history_number(q, 7),
  };
}

int tg_history_asset_versions(struct tg_history *history, uint64_t run, struct tg_arena *arena,
                              struct tg_asset_version **versions, size_t *count,
                              struct tg_error *err) {
  return tg_history_query_of_run(
      history,
      "SELECT run, task, attempt, asset, partition, rows, facts, created_at"
      " FROM asset_versions WHERE run = ?1 ORDER BY version",
      run, arena, sizeof **versions, asset_version_read, (void **)versions, count, err);
}

static void newer_read(struct tg_history_query *q, void *item) {
  struct tg_newer *newer = item;
  const char *id = tg_history_text(q, 0);
  *newer =
      (struct tg_newer){.pipeline = tg_history_text(q, 1), .created_at = tg_history_number(q, 2)};
  if (id) tg_id_parse(id, &newer->run);
}

int tg_history_newer(struct tg_history *history, uint64_t run, const char *task, const char *asset,
                     struct tg_arena *arena, struct tg_newer *newer, size_t *count,
                     struct tg_error *err) {
  struct tg_history_query q;
  struct tg_newer *found = NULL;
  int code = tg_history_query_start(
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
  code = tg_history_query_collect(&q, sizeof *found, newer_read, (void **)&found, count, err);
  if (!code && *count) *newer = *found;
  return code;
}
