// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "store/history_parts.h"

static void event_read(struct tg_history_query *q, void *item) {
  *(struct tg_event *)item = (struct tg_event){
      .number = (uint64_t)tg_history_number(q, 0),
      .id = tg_history_text(q, 1),
      .source = tg_history_text(q, 2),
      .type = tg_history_text(q, 3),
      .subject = tg_history_text(q, 4),
      .time = tg_history_number(q, 5),
      .received_at = tg_history_number(q, 6),
      .body = tg_history_text(q, 7),
  };
}

int tg_history_events(struct tg_history *history, const struct tg_event_query *query,
                      struct tg_arena *arena, struct tg_event **events, size_t *count,
                      struct tg_error *err) {
#define EVENTS_SQL                                                                                 \
  "SELECT number, id, source, type, subject, time, received_at, body FROM events"                  \
  " WHERE (?1 IS NULL OR id = ?1) AND (?2 IS NULL OR source = ?2) AND "
  struct tg_history_query q;
  const char *sql = query->is_forward && query->type ? EVENTS_SQL
                        "type = ?3 AND number > ?4 ORDER BY number LIMIT ?5"
                    : query->after ? EVENTS_SQL "number > ?4 ORDER BY number LIMIT ?5"
                                   : EVENTS_SQL
                        "(?3 IS NULL OR type = ?3) ORDER BY number DESC LIMIT ?5";
#undef EVENTS_SQL
  int code = tg_history_query_start(history, sql, arena, &q, err);
  if (code) return code;
  tg_bind_text(q.statement, 1, query->id);
  tg_bind_text(q.statement, 2, query->source);
  tg_bind_text(q.statement, 3, query->type);
  sqlite3_bind_int64(q.statement, 4, (int64_t)query->after);
  sqlite3_bind_int64(q.statement, 5, query->limit ? (int64_t)query->limit : -1);
  return tg_history_query_collect(&q, sizeof **events, event_read, (void **)events, count, err);
}

int tg_history_event_waits(struct tg_history *history, uint64_t event, uint64_t *count,
                           struct tg_error *err) {
  char sql[96];
  snprintf(sql, sizeof sql, "SELECT count(*) FROM steps WHERE event = %lld", (long long)event);
  return tg_history_query_number(history, sql, count, err);
}

int tg_history_last_event(struct tg_history *history, uint64_t *last, struct tg_error *err) {
  return tg_history_query_number(history, "SELECT ifnull(max(number), 0) FROM events", last, err);
}
