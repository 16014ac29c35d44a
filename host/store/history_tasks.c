// SPDX-License-Identifier: Apache-2.0
#include "store/history_parts.h"

static void task_read(struct tg_history_query *q, void *item) {
  struct tg_task *task = item;
  const char *state = tg_history_text(q, 3);
  int known = state ? tg_task_state_parse(state) : -1;
  *task = (struct tg_task){
      .run = (uint64_t)tg_history_number(q, 0),
      .index = (uint32_t)tg_history_number(q, 1),
      .name = tg_history_text(q, 2),
      .state = known < 0 ? TG_TASK_WAITING : (enum tg_task_state)known,
      .attempts = (uint32_t)tg_history_number(q, 4),
      .started_at = tg_history_number(q, 5),
      .ended_at = tg_history_number(q, 6),
      .output = tg_history_text(q, 7),
      .chosen = tg_history_text(q, 8),
      .failure = tg_column_failure(q->statement, 9, q->arena),
  };
}

int tg_history_tasks(struct tg_history *history, uint64_t run, struct tg_arena *arena,
                     struct tg_task **tasks, size_t *count, struct tg_error *err) {
  return tg_history_query_of_run(
      history,
      "SELECT run, task, name, state, attempts, started_at, ended_at, output, chosen,"
      " error_code, error_class, error_message FROM tasks WHERE run = ?1"
      " ORDER BY task",
      run, arena, sizeof **tasks, task_read, (void **)tasks, count, err);
}

static uint32_t item_number(int64_t item) {
  return item < 0 ? TG_NO_ITEM : (uint32_t)item;
}

static void map_items_read(struct tg_history_query *q, void *item) {
  *(struct tg_map_items *)item = (struct tg_map_items){
      .run = (uint64_t)tg_history_number(q, 0),
      .task = (uint32_t)tg_history_number(q, 1),
      .count = (uint32_t)tg_history_number(q, 2),
      .items = tg_history_text(q, 3),
      .keys = tg_history_text(q, 4),
  };
}

int tg_history_map_items(struct tg_history *history, uint64_t run, struct tg_arena *arena,
                         struct tg_map_items **maps, size_t *count, struct tg_error *err) {
  return tg_history_query_of_run(
      history,
      "SELECT run, task, count, items, keys FROM map_items WHERE run = ?1"
      " ORDER BY task",
      run, arena, sizeof **maps, map_items_read, (void **)maps, count, err);
}

static void item_read(struct tg_history_query *q, void *item) {
  const char *state = tg_history_text(q, 3);
  int known = state ? tg_task_state_parse(state) : -1;
  *(struct tg_item *)item = (struct tg_item){
      .run = (uint64_t)tg_history_number(q, 0),
      .task = (uint32_t)tg_history_number(q, 1),
      .index = (uint32_t)tg_history_number(q, 2),
      .state = known < 0 ? TG_TASK_WAITING : (enum tg_task_state)known,
      .attempts = (uint32_t)tg_history_number(q, 4),
      .started_at = tg_history_number(q, 5),
      .ended_at = tg_history_number(q, 6),
      .output = tg_history_text(q, 7),
      .failure = tg_column_failure(q->statement, 8, q->arena),
  };
}

int tg_history_items(struct tg_history *history, uint64_t run, struct tg_arena *arena,
                     struct tg_item **items, size_t *count, struct tg_error *err) {
  return tg_history_query_of_run(
      history,
      "SELECT run, task, item, state, attempts, started_at, ended_at, output,"
      " error_code, error_class, error_message FROM items WHERE run = ?1"
      " ORDER BY task, item",
      run, arena, sizeof **items, item_read, (void **)items, count, err);
}

#define STEP_COLUMNS                                                                               \
  "run, task, item, position, name, result, wake_at, intended_at, ended_at, wait, after, event"

static void step_read(struct tg_history_query *q, void *item) {
  *(struct tg_step *)item = (struct tg_step){
      .run = (uint64_t)tg_history_number(q, 0),
      .task = (uint32_t)tg_history_number(q, 1),
      .item = item_number(tg_history_number(q, 2)),
      .position = (uint32_t)tg_history_number(q, 3),
      .name = tg_history_text(q, 4),
      .result = tg_history_text(q, 5),
      .wake_at = tg_history_number(q, 6),
      .intended_at = tg_history_number(q, 7),
      .ended_at = tg_history_number(q, 8),
      .wait = tg_history_text(q, 9),
      .after = (uint64_t)tg_history_number(q, 10),
      .event = (uint64_t)tg_history_number(q, 11),
  };
}

int tg_history_steps(struct tg_history *history, uint64_t run, struct tg_arena *arena,
                     struct tg_step **steps, size_t *count, struct tg_error *err) {
  return tg_history_query_of_run(history,
                                 "SELECT " STEP_COLUMNS " FROM steps WHERE run = ?1"
                                 " ORDER BY task, item, position",
                                 run, arena, sizeof **steps, step_read, (void **)steps, count, err);
}

int tg_history_step(struct tg_history *history, uint64_t run, uint32_t task, uint32_t item,
                    uint32_t position, struct tg_arena *arena, struct tg_step *step,
                    struct tg_error *err) {
  struct tg_history_query q;
  struct tg_step *found = NULL;
  size_t count = 0;
  int code =
      tg_history_query_start(history,
                             "SELECT " STEP_COLUMNS " FROM steps WHERE run = ?1 AND task = ?2"
                             " AND item = ?3 AND position = ?4",
                             arena, &q, err);
  if (code) return code;
  sqlite3_bind_int64(q.statement, 1, (int64_t)run);
  sqlite3_bind_int64(q.statement, 2, task);
  sqlite3_bind_int64(q.statement, 3, item == TG_NO_ITEM ? -1 : (int64_t)item);
  sqlite3_bind_int64(q.statement, 4, position);
  code = tg_history_query_collect(&q, sizeof *found, step_read, (void **)&found, &count, err);
  if (!code && count) *step = found[0];
  return code || count ? code : tg_error_set(err, TG_ENOT_FOUND, "there is no such step");
}

#define ATTEMPT_COLUMNS                                                                            \
  "run, task, number, state, worker, seed, started_at, ended_at, retry_at, error_code,"            \
  " error_class, error_message, traceback, item, is_fallback_next, was_held, stop"

static void attempt_read(struct tg_history_query *q, void *item) {
  struct tg_attempt *attempt = item;
  const char *state = tg_history_text(q, 3);
  int known = state ? tg_attempt_state_parse(state) : -1;
  *attempt = (struct tg_attempt){
      .run = (uint64_t)tg_history_number(q, 0),
      .task = (uint32_t)tg_history_number(q, 1),
      .number = (uint32_t)tg_history_number(q, 2),
      .state = known < 0 ? TG_ATTEMPT_LOST : (enum tg_attempt_state)known,
      .worker = (uint32_t)tg_history_number(q, 4),
      .seed = (uint64_t)tg_history_number(q, 5),
      .started_at = tg_history_number(q, 6),
      .ended_at = tg_history_number(q, 7),
      .retry_at = tg_history_number(q, 8),
      .failure = tg_column_failure(q->statement, 9, q->arena),
      .traceback = tg_history_text(q, 12),
      .item = item_number(tg_history_number(q, 13)),
      .is_fallback_next = tg_history_number(q, 14) != 0,
      .was_held = tg_history_number(q, 15) != 0,
      .stop = tg_history_text(q, 16),
  };
}

int tg_history_attempts(struct tg_history *history, uint64_t run, struct tg_arena *arena,
                        struct tg_attempt **attempts, size_t *count, struct tg_error *err) {
  return tg_history_query_of_run(history,
                                 "SELECT " ATTEMPT_COLUMNS " FROM attempts WHERE run = ?1"
                                 " ORDER BY task, item, number",
                                 run, arena, sizeof **attempts, attempt_read, (void **)attempts,
                                 count, err);
}

int tg_history_running(struct tg_history *history, int64_t now, struct tg_arena *arena,
                       struct tg_attempt **attempts, size_t *count, struct tg_error *err) {
  struct tg_history_query q;
  int code =
      tg_history_query_start(history,
                             "SELECT " ATTEMPT_COLUMNS " FROM attempts WHERE state = 'running'"
                             " AND run IN (SELECT number FROM runs WHERE ended_at IS NULL)"
                             " AND NOT EXISTS (SELECT 1 FROM steps AS s WHERE s.run = attempts.run"
                             " AND s.task = attempts.task AND s.item = attempts.item"
                             " AND s.result IS NULL AND (s.wait IS NOT NULL OR s.wake_at > ?1))"
                             " ORDER BY run, task, item",
                             arena, &q, err);
  if (code) return code;
  sqlite3_bind_int64(q.statement, 1, now);
  return tg_history_query_collect(&q, sizeof **attempts, attempt_read, (void **)attempts, count,
                                  err);
}

int tg_history_ran(struct tg_history *history, int64_t at, struct tg_arena *arena,
                   struct tg_attempt **attempts, size_t *count, struct tg_error *err) {
  struct tg_history_query q;
  int code = tg_history_query_start(
      history,
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
  return tg_history_query_collect(&q, sizeof **attempts, attempt_read, (void **)attempts, count,
                                  err);
}

static void instant_read(struct tg_history_query *q, void *item) {
  *(int64_t *)item = tg_history_number(q, 0);
}

int tg_history_last_end(struct tg_history *history, int64_t after, int64_t until, int64_t *at,
                        struct tg_error *err) {
  struct tg_history_query q;
  struct tg_arena arena;
  int64_t *ends = NULL;
  size_t count = 0;
  tg_arena_init(&arena);
  int code =
      tg_history_query_start(history,
                             "SELECT max(ended_at) FROM attempts WHERE ended_at > ?1"
                             " AND ended_at <= ?2 AND run IN (SELECT number FROM runs"
                             " WHERE created_at <= ?2 AND (ended_at IS NULL OR ended_at > ?1))",
                             &arena, &q, err);
  *at = 0;
  if (!code) {
    sqlite3_bind_int64(q.statement, 1, after);
    sqlite3_bind_int64(q.statement, 2, until);
    code = tg_history_query_collect(&q, sizeof *ends, instant_read, (void **)&ends, &count, err);
  }
  if (!code && count) *at = ends[0];
  tg_arena_deinit(&arena);
  return code;
}
