// SPDX-License-Identifier: Apache-2.0
#include "store/history.h"

#include <stdlib.h>
#include <string.h>

#include "store/history_parts.h"

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

static void resource_read(struct tg_history_query *q, void *item) {
  *(struct tg_resource *)item = (struct tg_resource){
      .name = tg_history_text(q, 0),
      .phase = tg_history_text(q, 1),
      .opened_at = tg_history_number(q, 2),
      .retry_at = tg_history_number(q, 3),
      .reason = tg_history_text(q, 4),
      .breaker = tg_history_text(q, 5),
      .budget = tg_history_text(q, 6),
  };
}

int tg_history_resources(struct tg_history *history, struct tg_arena *arena,
                         struct tg_resource **resources, size_t *count, struct tg_error *err) {
  struct tg_history_query q;
  int code =
      tg_history_query_start(history,
                             "SELECT name, phase, opened_at, retry_at, reason, breaker, budget"
                             " FROM resources ORDER BY name",
                             arena, &q, err);
  return code ? code
              : tg_history_query_collect(&q, sizeof **resources, resource_read, (void **)resources,
                                         count, err);
}

int tg_history_check(struct tg_history *history, struct tg_error *err) {
  struct tg_arena arena;
  struct tg_history_query q;
  tg_arena_init(&arena);
  const char **lines = NULL;
  size_t count = 0;
  int code = tg_history_query_start(history, "PRAGMA integrity_check(1)", &arena, &q, err);
  if (!code)
    code = tg_history_query_collect(&q, sizeof *lines, tg_history_read_text, (void **)&lines,
                                    &count, err);
  if (!code && (count != 1 || !lines[0] || strcmp(lines[0], "ok") != 0))
    code = tg_error_set(err, TG_EDAMAGED, "the store is damaged: %s",
                        count && lines[0] ? lines[0] : "no answer");
  tg_arena_deinit(&arena);
  return code;
}
