// SPDX-License-Identifier: Apache-2.0
#include "store/history_parts.h"

int tg_history_plan(struct tg_history *history, const char *bundle, struct tg_arena *arena,
                    const char **plan, struct tg_error *err) {
  struct tg_history_query q;
  int code =
      tg_history_query_start(history, "SELECT plan FROM bundles WHERE hash = ?1", arena, &q, err);
  if (code) return code;
  tg_bind_text(q.statement, 1, bundle);
  const char **found = NULL;
  size_t count = 0;
  code = tg_history_query_collect(&q, sizeof *found, tg_history_read_text, (void **)&found, &count,
                                  err);
  if (code) return code;
  if (!count) return tg_error_set(err, TG_ENOT_FOUND, "the store has no bundle %s", bundle);
  *plan = found[0];
  return TG_OK;
}

static void source_read(struct tg_history_query *q, void *item) {
  struct tg_source *source = item;
  const char *bytes = sqlite3_column_blob(q->statement, 2);
  size_t len = (size_t)sqlite3_column_bytes(q->statement, 2);
  *source = (struct tg_source){
      .key = tg_history_text(q, 0),
      .path = tg_history_text(q, 1),
      .text = tg_arena_copy(q->arena, bytes ? bytes : "", bytes ? len : 0),
      .len = len,
  };
}

int tg_history_sources(struct tg_history *history, const char *bundle, struct tg_arena *arena,
                       struct tg_source **sources, size_t *count, struct tg_error *err) {
  struct tg_history_query q;
  int code = tg_history_query_start(
      history,
      "SELECT f.key, f.path, s.text FROM bundle_files f"
      " JOIN sources s ON s.hash = f.source WHERE f.bundle = ?1 ORDER BY f.key",
      arena, &q, err);
  if (code) return code;
  tg_bind_text(q.statement, 1, bundle);
  return tg_history_query_collect(&q, sizeof **sources, source_read, (void **)sources, count, err);
}

static void bundle_read(struct tg_history_query *q, void *item) {
  *(struct tg_bundle_row *)item = (struct tg_bundle_row){
      .hash = tg_history_text(q, 0),
      .pipeline = tg_history_text(q, 1),
      .program = tg_history_text(q, 2),
      .built_at = tg_history_number(q, 3),
      .plan = tg_history_text(q, 4),
  };
}

int tg_history_bundle(struct tg_history *history, const char *hash, struct tg_arena *arena,
                      struct tg_bundle_row *row, struct tg_error *err) {
  struct tg_history_query q;
  struct tg_bundle_row *found = NULL;
  struct tg_source *sources = NULL;
  size_t count = 0;
  int code = tg_history_query_start(
      history, "SELECT hash, pipeline, program, built_at, plan FROM bundles WHERE hash = ?1", arena,
      &q, err);
  if (code) return code;
  tg_bind_text(q.statement, 1, hash);
  code = tg_history_query_collect(&q, sizeof *found, bundle_read, (void **)&found, &count, err);
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
  struct tg_history_query q;
  int code =
      tg_history_query_start(history,
                             "SELECT b.hash FROM bundle_files f JOIN bundles b ON b.hash = f.bundle"
                             " WHERE f.source = ?1 AND f.key = 'entry:' AND f.path = ?2"
                             " AND b.program = ?3 ORDER BY b.built_at DESC",
                             arena, &q, err);
  if (code) return code;
  tg_bind_text(q.statement, 1, text_hash);
  tg_bind_text(q.statement, 2, path);
  tg_bind_text(q.statement, 3, program);
  return tg_history_query_collect(&q, sizeof **hashes, tg_history_read_text, (void **)hashes, count,
                                  err);
}
