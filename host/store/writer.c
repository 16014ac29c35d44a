// SPDX-License-Identifier: Apache-2.0
#include "store/writer.h"

#include "base/clock.h"
#include "base/hash.h"
#include "store/database.h"

// A later record of the same key updates what may change; the rest was fixed by the first.
static const char *const record_sql[TG_RECORD_COUNT] = {
    [TG_RECORD_RUN] =
        "INSERT INTO runs (number, id, pipeline, bundle, params, occurrence, trigger, rerun,"
        " rerun_of, logical_at, state, created_at, ended_at, error_code, error_class,"
        " error_message, parent, child_key, interval_start, interval_end, backfill, started_at,"
        " partition, deadline_at, event_after)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18,"
        " ?19, ?20, ?21, ?22, ?23, ?24, ?25) ON CONFLICT (number) DO UPDATE SET state = ?11, "
        "ended_at = "
        "?13,"
        " error_code = ?14, error_class = ?15, error_message = ?16, started_at = ?22",
    [TG_RECORD_TASK] =
        "INSERT INTO tasks VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"
        " ON CONFLICT (run, task) DO UPDATE SET state = ?4, attempts = ?5, started_at = ?6,"
        " ended_at = ?7, output = ?8, chosen = ?9, error_code = ?10, error_class = ?11,"
        " error_message = ?12",
    [TG_RECORD_MAP_ITEMS] = "INSERT OR REPLACE INTO map_items VALUES (?1, ?2, ?3, ?4, ?5)",
    [TG_RECORD_ITEM] =
        "INSERT OR REPLACE INTO items VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    [TG_RECORD_STEP] =
        "INSERT INTO steps VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"
        " ON CONFLICT (run, task, item, position) DO UPDATE SET result = ?6, ended_at = ?9,"
        " event = ?12",
    [TG_RECORD_ATTEMPT] =
        "INSERT INTO attempts VALUES (?1, ?2, ?14, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?15, ?16, ?10,"
        " ?11, ?12, ?17, ?13)"
        " ON CONFLICT (run, task, item, number) DO UPDATE SET state = ?4, worker = ?5, ended_at = "
        "?8,"
        " retry_at = ?9, is_fallback_next = ?15, error_code = ?10, error_class = ?11, "
        "error_message = ?12, stop = ?17, traceback = ?13",
    [TG_RECORD_DECISION] = "INSERT INTO decisions VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    [TG_RECORD_CHECK] = "INSERT OR REPLACE INTO checks VALUES (?1, ?2, ?3, ?4, ?5)",
    [TG_RECORD_ASSET_VERSION] = ("INSERT INTO asset_versions (asset, partition, run, task, attempt,"
                                 " rows, facts, created_at)"
                                 " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"),
    [TG_RECORD_FILL] = "INSERT INTO backfills VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (id)"
                       " DO UPDATE SET state = ?4, ended_at = ?6 WHERE ended_at IS NULL",
    [TG_RECORD_RESOURCE] = "INSERT OR REPLACE INTO resources VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
};

int tg_writer_init(struct tg_writer *writer, sqlite3 *db, struct tg_error *err) {
  *writer = (struct tg_writer){.db = db};
  for (int i = 0; i < TG_RECORD_COUNT; i++)
    if (sqlite3_prepare_v3(db, record_sql[i], -1, SQLITE_PREPARE_PERSISTENT, &writer->records[i],
                           NULL) != SQLITE_OK) {
      int code =
          tg_error_set(err, TG_EDAMAGED,
                       "the store %s does not have the tables it should (%s): a version before the "
                       "first release may have made it; move it away, or use another --data",
                       sqlite3_db_filename(db, "main"), sqlite3_errmsg(db));
      tg_writer_deinit(writer);
      return code;
    }
  return TG_OK;
}

void tg_writer_deinit(struct tg_writer *writer) {
  for (int i = 0; i < TG_RECORD_COUNT; i++) {
    sqlite3_finalize(writer->records[i]);
    writer->records[i] = NULL;
  }
}

static void int_bind(sqlite3_stmt *s, int at, int64_t value) {
  sqlite3_bind_int64(s, at, value);
}

static void run_bind(sqlite3_stmt *s, const struct tg_run *run, char id[TG_ID_TEXT_LEN + 1]) {
  tg_id_format(run->id, id);
  int_bind(s, 1, (int64_t)run->number);
  tg_bind_text(s, 2, id);
  tg_bind_text(s, 3, run->pipeline);
  tg_bind_text(s, 4, run->bundle);
  tg_bind_text(s, 5, run->params);
  tg_bind_text(s, 6, run->occurrence);
  tg_bind_text(s, 7, run->trigger);
  int_bind(s, 8, run->rerun);
  tg_bind_text(s, 9, run->rerun_of);
  int_bind(s, 10, run->logical_at);
  tg_bind_text(s, 11, tg_run_state_word(run->state));
  int_bind(s, 12, run->created_at);
  tg_bind_time(s, 13, run->ended_at);
  tg_bind_failure(s, 14, &run->failure);
  tg_bind_text(s, 17, run->parent);
  tg_bind_text(s, 18, run->child_key);
  tg_bind_time(s, 19, run->interval_start);
  tg_bind_time(s, 20, run->interval_end);
  tg_bind_text(s, 21, run->backfill);
  tg_bind_time(s, 22, run->started_at);
  tg_bind_text(s, 23, run->partition ? run->partition : "");
  tg_bind_time(s, 24, run->deadline_at);
  int_bind(s, 25, (int64_t)run->event_after);
}

static void task_bind(sqlite3_stmt *s, const struct tg_task *task) {
  int_bind(s, 1, (int64_t)task->run);
  int_bind(s, 2, task->index);
  tg_bind_text(s, 3, task->name);
  tg_bind_text(s, 4, tg_task_state_word(task->state));
  int_bind(s, 5, task->attempts);
  tg_bind_time(s, 6, task->started_at);
  tg_bind_time(s, 7, task->ended_at);
  tg_bind_text(s, 8, task->output);
  tg_bind_text(s, 9, task->chosen);
  tg_bind_failure(s, 10, &task->failure);
}

// No item is kept as -1.
static int64_t item_number(uint32_t item) {
  return item == TG_NO_ITEM ? -1 : (int64_t)item;
}

static void map_items_bind(sqlite3_stmt *s, const struct tg_map_items *map) {
  int_bind(s, 1, (int64_t)map->run);
  int_bind(s, 2, map->task);
  int_bind(s, 3, map->count);
  tg_bind_text(s, 4, map->items);
  tg_bind_text(s, 5, map->keys);
}

static void item_bind(sqlite3_stmt *s, const struct tg_item *item) {
  int_bind(s, 1, (int64_t)item->run);
  int_bind(s, 2, item->task);
  int_bind(s, 3, item->index);
  tg_bind_text(s, 4, tg_task_state_word(item->state));
  int_bind(s, 5, item->attempts);
  tg_bind_time(s, 6, item->started_at);
  tg_bind_time(s, 7, item->ended_at);
  tg_bind_text(s, 8, item->output);
  tg_bind_failure(s, 9, &item->failure);
}

static void step_bind(sqlite3_stmt *s, const struct tg_step *step) {
  int_bind(s, 1, (int64_t)step->run);
  int_bind(s, 2, step->task);
  int_bind(s, 3, item_number(step->item));
  int_bind(s, 4, step->position);
  tg_bind_text(s, 5, step->name);
  tg_bind_text(s, 6, step->result);
  tg_bind_time(s, 7, step->wake_at);
  int_bind(s, 8, step->intended_at);
  tg_bind_time(s, 9, step->ended_at);
  tg_bind_text(s, 10, step->wait);
  int_bind(s, 11, (int64_t)step->after);
  tg_bind_time(s, 12, (int64_t)step->event);
}

static void attempt_bind(sqlite3_stmt *s, const struct tg_attempt *attempt) {
  int_bind(s, 1, (int64_t)attempt->run);
  int_bind(s, 2, attempt->task);
  int_bind(s, 3, attempt->number);
  tg_bind_text(s, 4, tg_attempt_state_word(attempt->state));
  int_bind(s, 5, attempt->worker);
  int_bind(s, 6, (int64_t)attempt->seed);
  int_bind(s, 7, attempt->started_at);
  tg_bind_time(s, 8, attempt->ended_at);
  tg_bind_time(s, 9, attempt->retry_at);
  tg_bind_failure(s, 10, &attempt->failure);
  tg_bind_text(s, 13, attempt->traceback);
  int_bind(s, 14, item_number(attempt->item));
  int_bind(s, 15, attempt->is_fallback_next);
  int_bind(s, 16, attempt->was_held);
  tg_bind_text(s, 17, attempt->stop);
}

static void decision_bind(sqlite3_stmt *s, const struct tg_decision *decision) {
  int_bind(s, 1, (int64_t)decision->run);
  int_bind(s, 2, decision->task);
  int_bind(s, 3, decision->attempt);
  tg_bind_text(s, 4, decision->policy);
  tg_bind_text(s, 5, decision->version);
  tg_bind_text(s, 6, decision->input);
  tg_bind_text(s, 7, decision->output);
  tg_bind_text(s, 8, decision->action);
  tg_bind_text(s, 9, decision->reason);
  int_bind(s, 10, decision->decided_at);
}

static void check_bind(sqlite3_stmt *s, const struct tg_check *check) {
  int_bind(s, 1, (int64_t)check->run);
  int_bind(s, 2, check->task);
  int_bind(s, 3, check->attempt);
  int_bind(s, 4, check->position);
  tg_bind_text(s, 5, check->body);
}

static void asset_version_bind(sqlite3_stmt *s, const struct tg_asset_version *version) {
  tg_bind_text(s, 1, version->asset);
  tg_bind_text(s, 2, version->partition);
  int_bind(s, 3, (int64_t)version->run);
  int_bind(s, 4, version->task);
  int_bind(s, 5, version->attempt);
  if (version->rows < 0)
    sqlite3_bind_null(s, 6);
  else
    int_bind(s, 6, version->rows);
  tg_bind_text(s, 7, version->facts);
  int_bind(s, 8, version->created_at);
}

static void resource_bind(sqlite3_stmt *s, const struct tg_resource *resource) {
  tg_bind_text(s, 1, resource->name);
  tg_bind_text(s, 2, resource->phase);
  tg_bind_time(s, 3, resource->opened_at);
  tg_bind_time(s, 4, resource->retry_at);
  tg_bind_text(s, 5, resource->reason);
  tg_bind_text(s, 6, resource->breaker);
  tg_bind_text(s, 7, resource->budget);
}

static void fill_bind(sqlite3_stmt *s, const struct tg_fill *fill, char id[TG_ID_TEXT_LEN + 1]) {
  tg_id_format(fill->id, id);
  tg_bind_text(s, 1, id);
  tg_bind_text(s, 2, fill->pipeline);
  tg_bind_text(s, 3, fill->command);
  tg_bind_text(s, 4, tg_fill_state_word(fill->state));
  int_bind(s, 5, fill->created_at);
  tg_bind_time(s, 6, fill->ended_at);
  sqlite3_bind_int64(s, 7, fill->total);
}

// Another run of the same occurrence is the one thing that may be there already.
static int put_error(sqlite3 *db, const struct tg_record *record, struct tg_error *err) {
  if (record->kind != TG_RECORD_RUN || sqlite3_extended_errcode(db) != SQLITE_CONSTRAINT_UNIQUE)
    return tg_database_error(db, "cannot write to the store", err);
  return tg_error_set(err, TG_EEXISTS, "a run of %s for %s with these parameters is there already",
                      record->run.pipeline,
                      record->run.occurrence ? record->run.occurrence : "no occurrence");
}

int tg_writer_put(struct tg_writer *writer, const struct tg_record *record, struct tg_error *err) {
  sqlite3_stmt *s = writer->records[record->kind];
  char id[TG_ID_TEXT_LEN + 1];
  switch (record->kind) {
  case TG_RECORD_RUN:
    run_bind(s, &record->run, id);
    break;
  case TG_RECORD_TASK:
    task_bind(s, &record->task);
    break;
  case TG_RECORD_MAP_ITEMS:
    map_items_bind(s, &record->map_items);
    break;
  case TG_RECORD_ITEM:
    item_bind(s, &record->item);
    break;
  case TG_RECORD_STEP:
    step_bind(s, &record->step);
    break;
  case TG_RECORD_ATTEMPT:
    attempt_bind(s, &record->attempt);
    break;
  case TG_RECORD_DECISION:
    decision_bind(s, &record->decision);
    break;
  case TG_RECORD_CHECK:
    check_bind(s, &record->check);
    break;
  case TG_RECORD_ASSET_VERSION:
    asset_version_bind(s, &record->asset_version);
    break;
  case TG_RECORD_FILL:
    fill_bind(s, &record->fill, id);
    break;
  case TG_RECORD_RESOURCE:
    resource_bind(s, &record->resource);
    break;
  case TG_RECORD_COUNT:
    break;
  }
  int code = sqlite3_step(s) == SQLITE_DONE ? TG_OK : put_error(writer->db, record, err);
  sqlite3_reset(s);
  return code;
}

// Runs a statement of text parameters once; a blob or a number may come last.
static int texts_put(sqlite3 *db, const char *sql, const char *const *texts, int count,
                     const struct tg_source *blob, const int64_t *number, struct tg_error *err) {
  sqlite3_stmt *s = NULL;
  if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK)
    return tg_database_error(db, "cannot write to the store", err);
  for (int i = 0; i < count; i++) tg_bind_text(s, i + 1, texts[i]);
  if (blob)
    sqlite3_bind_blob64(s, count + 1, blob->len ? blob->text : "", blob->len, SQLITE_STATIC);
  if (number) sqlite3_bind_int64(s, count + 1, *number);
  int code = sqlite3_step(s) == SQLITE_DONE
                 ? TG_OK
                 : tg_database_error(db, "cannot write to the store", err);
  sqlite3_finalize(s);
  return code;
}

static int source_put(sqlite3 *db, const char *bundle, const struct tg_source *source,
                      struct tg_error *err) {
  char hash[TG_HASH_TEXT_LEN + 1];
  tg_hash_text(source->text, source->len, hash);
  const char *name[] = {hash};
  const char *file[] = {bundle, source->key, source->path, hash};
  int code = texts_put(db, "INSERT OR IGNORE INTO sources (hash, text) VALUES (?1, ?2)", name, 1,
                       source, NULL, err);
  if (code) return code;
  return texts_put(db, "INSERT OR IGNORE INTO bundle_files VALUES (?1, ?2, ?3, ?4)", file, 4, NULL,
                   NULL, err);
}

// A program that builds the same again may use it from now on.
int tg_writer_put_bundle(struct tg_writer *writer, const struct tg_bundle_row *row,
                         struct tg_error *err) {
  const char *texts[] = {row->hash, row->pipeline, row->program ? row->program : "", row->plan};
  int code = texts_put(writer->db,
                       "INSERT INTO bundles (hash, pipeline, program, plan, built_at)"
                       " VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (hash) DO UPDATE"
                       " SET program = excluded.program WHERE excluded.program <> ''",
                       texts, 4, NULL, &row->built_at, err);
  for (size_t i = 0; i < row->count && !code; i++)
    code = source_put(writer->db, row->hash, &row->sources[i], err);
  return code;
}
