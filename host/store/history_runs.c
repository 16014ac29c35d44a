// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "store/history_parts.h"

#define RUN_COLUMNS                                                                                \
  "number, id, pipeline, bundle, params, occurrence, trigger, rerun, rerun_of, logical_at, state," \
  " created_at, ended_at, error_code, error_class, error_message, parent, child_key,"              \
  " interval_start, interval_end, backfill, started_at, nullif(partition, ''), deadline_at,"       \
  " event_after"

static void run_read(struct tg_history_query *q, void *item) {
  struct tg_run *run = item;
  *run = (struct tg_run){
      .number = (uint64_t)tg_history_number(q, 0),
      .pipeline = tg_history_text(q, 2),
      .bundle = tg_history_text(q, 3),
      .params = tg_history_text(q, 4),
      .occurrence = tg_history_text(q, 5),
      .trigger = tg_history_text(q, 6),
      .rerun = (uint32_t)tg_history_number(q, 7),
      .rerun_of = tg_history_text(q, 8),
      .logical_at = tg_history_number(q, 9),
      .created_at = tg_history_number(q, 11),
      .ended_at = tg_history_number(q, 12),
      .failure = tg_column_failure(q->statement, 13, q->arena),
      .parent = tg_history_text(q, 16),
      .child_key = tg_history_text(q, 17),
      .interval_start = tg_history_number(q, 18),
      .interval_end = tg_history_number(q, 19),
      .backfill = tg_history_text(q, 20),
      .started_at = tg_history_number(q, 21),
      .partition = tg_history_text(q, 22),
      .deadline_at = tg_history_number(q, 23),
      .event_after = (uint64_t)tg_history_number(q, 24),
  };
  const char *id = tg_history_text(q, 1), *state = tg_history_text(q, 10);
  if (id) tg_id_parse(id, &run->id);
  int known = state ? tg_run_state_parse(state) : -1;
  run->state = known < 0 ? TG_RUN_FAILED : (enum tg_run_state)known;
}

int tg_history_runs(struct tg_history *history, const struct tg_run_filter *filter,
                    struct tg_arena *arena, struct tg_run **runs, size_t *count,
                    struct tg_error *err) {
  struct tg_history_query q;
  int code = tg_history_query_start(
      history,
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
  return tg_history_query_collect(&q, sizeof **runs, run_read, (void **)runs, count, err);
}

int tg_history_run(struct tg_history *history, const char *name, struct tg_arena *arena,
                   struct tg_run *run, struct tg_error *err) {
  bool is_last = strcmp(name, "last") == 0;
  struct tg_history_query q;
  int code =
      tg_history_query_start(history,
                             is_last ? "SELECT " RUN_COLUMNS " FROM runs WHERE parent IS NULL"
                                       " ORDER BY number DESC LIMIT 1"
                                     : "SELECT " RUN_COLUMNS " FROM runs WHERE substr(id, 1,"
                                       " length(?1)) = ?1 LIMIT 2",
                             arena, &q, err);
  if (code) return code;
  if (!is_last) tg_bind_text(q.statement, 1, name);
  struct tg_run *found = NULL;
  size_t count = 0;
  code = tg_history_query_collect(&q, sizeof *found, run_read, (void **)&found, &count, err);
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

int tg_history_last_number(struct tg_history *history, uint64_t *last, struct tg_error *err) {
  return tg_history_query_number(history, "SELECT ifnull(max(number), 0) FROM runs", last, err);
}

static void fill_read(struct tg_history_query *q, void *item) {
  struct tg_fill *fill = item;
  *fill = (struct tg_fill){.pipeline = tg_history_text(q, 1),
                           .command = tg_history_text(q, 2),
                           .created_at = tg_history_number(q, 4),
                           .ended_at = tg_history_number(q, 5),
                           .total = (uint32_t)tg_history_number(q, 6),
                           .success = (uint32_t)tg_history_number(q, 7),
                           .failed = (uint32_t)tg_history_number(q, 8)};
  const char *id = tg_history_text(q, 0), *state = tg_history_text(q, 3);
  if (id) tg_id_parse(id, &fill->id);
  int known = state ? tg_fill_state_parse(state) : -1;
  fill->state = known < 0 ? TG_FILL_FAILED : (enum tg_fill_state)known;
}

int tg_history_fills(struct tg_history *history, struct tg_arena *arena, struct tg_fill **fills,
                     size_t *count, struct tg_error *err) {
  struct tg_history_query q;
  int code = tg_history_query_start(
      history,
      "SELECT b.id, b.pipeline, b.command, b.state, b.created_at, b.ended_at, b.total,"
      " count(*) FILTER (WHERE r.state IN ('success', 'skipped')),"
      " count(*) FILTER (WHERE r.state IN ('failed', 'cancelled'))"
      " FROM backfills AS b LEFT JOIN runs AS r ON r.backfill = b.id AND r.parent IS NULL"
      " GROUP BY b.id ORDER BY b.id DESC",
      arena, &q, err);
  return code ? code
              : tg_history_query_collect(&q, sizeof **fills, fill_read, (void **)fills, count, err);
}

static void fill_state_read(struct tg_history_query *q, void *item) {
  const char *state = tg_history_text(q, 0);
  int known = state ? tg_fill_state_parse(state) : -1;
  *(int *)item = known < 0 ? TG_FILL_FAILED : known;
}

int tg_history_fill_state(struct tg_history *history, const char *id, struct tg_arena *arena,
                          enum tg_fill_state *state, struct tg_error *err) {
  struct tg_history_query q;
  int *found = NULL, code;
  size_t count = 0;
  code =
      tg_history_query_start(history, "SELECT state FROM backfills WHERE id = ?1", arena, &q, err);
  if (code) return code;
  tg_bind_text(q.statement, 1, id);
  code = tg_history_query_collect(&q, sizeof *found, fill_state_read, (void **)&found, &count, err);
  if (!code && !count) code = tg_error_set(err, TG_ENOT_FOUND, "no backfill has the id '%s'", id);
  if (!code) *state = (enum tg_fill_state)found[0];
  return code;
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
