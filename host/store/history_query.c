// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "store/history_parts.h"

int tg_history_query_start(struct tg_history *history, const char *sql, struct tg_arena *arena,
                           struct tg_history_query *query, struct tg_error *err) {
  *query = (struct tg_history_query){.db = history->db, .arena = arena};
  if (sqlite3_prepare_v2(query->db, sql, -1, &query->statement, NULL) == SQLITE_OK) return TG_OK;
  return tg_database_error(query->db, "cannot read the store", err);
}

int tg_history_query_collect(struct tg_history_query *query, size_t item_size,
                             void (*read)(struct tg_history_query *query, void *item), void **items,
                             size_t *count, struct tg_error *err) {
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

int tg_history_query_of_run(struct tg_history *history, const char *sql, uint64_t run,
                            struct tg_arena *arena, size_t item_size,
                            void (*read)(struct tg_history_query *query, void *item), void **items,
                            size_t *count, struct tg_error *err) {
  struct tg_history_query q;
  int code = tg_history_query_start(history, sql, arena, &q, err);
  if (code) return code;
  sqlite3_bind_int64(q.statement, 1, (int64_t)run);
  return tg_history_query_collect(&q, item_size, read, items, count, err);
}

void tg_history_read_text(struct tg_history_query *q, void *item) {
  *(const char **)item = tg_history_text(q, 0);
}

static void number_read(struct tg_history_query *q, void *item) {
  *(uint64_t *)item = (uint64_t)tg_history_number(q, 0);
}

int tg_history_query_number(struct tg_history *history, const char *sql, uint64_t *last,
                            struct tg_error *err) {
  struct tg_arena arena;
  struct tg_history_query q;
  tg_arena_init(&arena);
  uint64_t *found = NULL;
  size_t count = 0;
  int code = tg_history_query_start(history, sql, &arena, &q, err);
  if (!code)
    code = tg_history_query_collect(&q, sizeof *found, number_read, (void **)&found, &count, err);
  *last = !code && count ? found[0] : 0;
  tg_arena_deinit(&arena);
  return code;
}
