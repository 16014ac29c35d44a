// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/must.h"
#include "ipc/wire.h"
#include "store/database.h"
#include "store/job.h"
#include "store/kv_service.h"

enum { LIST_MAX = 10000 };

// Each write adds one key and removes some of those that have outlived their time, so that these
// never pile up and no write takes long.
#define EXPIRED_DELETE                                                                             \
  "DELETE FROM kv WHERE (pipeline, key) IN"                                                        \
  " (SELECT pipeline, key FROM kv WHERE expires_at <= ?3 LIMIT 100)"

struct kv_job {
  struct tg_job job;
  enum tg_kv_operation operation;
  char *pipeline, *key;
  char *body; // what the slices below point into
  bool has_expected;
  struct tg_slice expected, value;
  int64_t ttl_ms;
  uint32_t limit;
  struct tg_buf reply;
  tg_kv_done *done;
  void *self;
};

static int statement_error(struct tg_writer *writer, sqlite3_stmt *s, struct tg_error *err) {
  int code = tg_database_error(writer->db, "cannot use the key-value state", err);
  sqlite3_finalize(s);
  return code;
}

// Prepares a statement with the pipeline, the key and the time as its first three parameters.
static sqlite3_stmt *kv_prepare(struct kv_job *kv, struct tg_writer *writer, const char *sql) {
  sqlite3_stmt *s = NULL;
  if (sqlite3_prepare_v2(writer->db, sql, -1, &s, NULL) != SQLITE_OK) return NULL;
  tg_bind_text(s, 1, kv->pipeline);
  tg_bind_text(s, 2, kv->key);
  sqlite3_bind_int64(s, 3, tg_clock_wall_ms(tg_clock_system()));
  return s;
}

static void row_put(struct tg_buf *reply, sqlite3_stmt *s, int value, int version) {
  const void *bytes = sqlite3_column_text(s, value);
  tg_wire_put_bytes(reply, bytes, (size_t)sqlite3_column_bytes(s, value));
  tg_wire_put_u64(reply, (uint64_t)sqlite3_column_int64(s, version));
}

static int kv_get(struct kv_job *kv, struct tg_writer *writer, struct tg_error *err) {
  sqlite3_stmt *s = kv_prepare(kv, writer,
                               "SELECT value, version FROM kv WHERE pipeline = ?1 AND key = ?2"
                               " AND (expires_at IS NULL OR expires_at > ?3)");
  if (!s) return statement_error(writer, s, err);
  int result = sqlite3_step(s);
  if (result != SQLITE_ROW && result != SQLITE_DONE) return statement_error(writer, s, err);
  tg_wire_put_u8(&kv->reply, result == SQLITE_ROW);
  if (result == SQLITE_ROW) {
    row_put(&kv->reply, s, 0, 1);
  } else {
    tg_wire_put_text(&kv->reply, "");
    tg_wire_put_u64(&kv->reply, 0);
  }
  sqlite3_finalize(s);
  return TG_OK;
}

static int expired_delete(struct kv_job *kv, struct tg_writer *writer, struct tg_error *err) {
  sqlite3_stmt *s = kv_prepare(kv, writer, EXPIRED_DELETE);
  if (!s || sqlite3_step(s) != SQLITE_DONE) return statement_error(writer, s, err);
  sqlite3_finalize(s);
  return TG_OK;
}

static int kv_write(struct kv_job *kv, struct tg_writer *writer, struct tg_error *err) {
  int code = expired_delete(kv, writer, err);
  if (code) return code;
  sqlite3_stmt *s = kv_prepare(kv, writer,
                               "INSERT INTO kv VALUES (?1, ?2, ?4, 1,"
                               " CASE WHEN ?5 > 0 THEN ?3 + ?5 END)"
                               " ON CONFLICT (pipeline, key) DO UPDATE SET value = ?4,"
                               " version = version + 1, expires_at = excluded.expires_at");
  if (!s) return statement_error(writer, s, err);
  sqlite3_bind_text(s, 4, kv->value.data, (int)kv->value.len, SQLITE_STATIC);
  sqlite3_bind_int64(s, 5, kv->ttl_ms);
  if (sqlite3_step(s) != SQLITE_DONE) return statement_error(writer, s, err);
  sqlite3_finalize(s);
  return TG_OK;
}

static int kv_put(struct kv_job *kv, struct tg_writer *writer, struct tg_error *err) {
  tg_wire_put_u8(&kv->reply, 1);
  return kv_write(kv, writer, err);
}

static int kv_delete(struct kv_job *kv, struct tg_writer *writer, struct tg_error *err) {
  sqlite3_stmt *s = kv_prepare(kv, writer,
                               "DELETE FROM kv WHERE pipeline = ?1 AND key = ?2"
                               " RETURNING coalesce(expires_at > ?3, 1)");
  if (!s) return statement_error(writer, s, err);
  int result = sqlite3_step(s);
  if (result != SQLITE_ROW && result != SQLITE_DONE) return statement_error(writer, s, err);
  tg_wire_put_u8(&kv->reply, result == SQLITE_ROW && sqlite3_column_int(s, 0));
  while (result == SQLITE_ROW) result = sqlite3_step(s);
  if (result != SQLITE_DONE) return statement_error(writer, s, err);
  sqlite3_finalize(s);
  return TG_OK;
}

static int kv_list(struct kv_job *kv, struct tg_writer *writer, struct tg_error *err) {
  sqlite3_stmt *s = kv_prepare(kv, writer,
                               "SELECT key, value, version FROM kv WHERE pipeline = ?1"
                               " AND key >= ?2 AND substr(key, 1, length(?2)) = ?2"
                               " AND (expires_at IS NULL OR expires_at > ?3)"
                               " ORDER BY key LIMIT ?4");
  if (!s) return statement_error(writer, s, err);
  sqlite3_bind_int64(s, 4, kv->limit && kv->limit < LIST_MAX ? kv->limit : LIST_MAX);
  size_t count_at = kv->reply.len;
  uint32_t count = 0;
  tg_wire_put_u32(&kv->reply, 0);
  int result;
  while ((result = sqlite3_step(s)) == SQLITE_ROW && !kv->reply.is_failed) {
    tg_wire_put_text(&kv->reply, (const char *)sqlite3_column_text(s, 0));
    row_put(&kv->reply, s, 1, 2);
    count++;
  }
  if (result != SQLITE_DONE && result != SQLITE_ROW) return statement_error(writer, s, err);
  sqlite3_finalize(s);
  if (!kv->reply.is_failed) memcpy(kv->reply.data + count_at, &count, sizeof count);
  return TG_OK;
}

static int reply_check(const struct kv_job *kv, struct tg_error *err) {
  if (kv->reply.is_out_of_memory) return tg_error_set(err, TG_ENOMEM, "no memory for a reply");
  if (!kv->reply.is_failed) return TG_OK;
  return tg_error_set(err, TG_EINVALID, "the list is larger than a message; give a limit");
}

static int kv_cas(struct kv_job *kv, struct tg_writer *writer, struct tg_error *err) {
  int code = kv_get(kv, writer, err);
  if (!code) code = reply_check(kv, err); // what is not known is not compared
  if (code) return code;
  struct tg_reader current = tg_reader_of(kv->reply.data, kv->reply.len);
  bool found = tg_wire_get_u8(&current);
  struct tg_slice value = tg_wire_get_bytes(&current);
  bool swap = found == kv->has_expected &&
              (!found || (value.len == kv->expected.len &&
                          memcmp(value.data, kv->expected.data, value.len) == 0));
  struct tg_buf reply;
  tg_buf_init(&reply, (size_t)TG_FRAME_BYTES_MAX);
  tg_wire_put_u8(&reply, swap);
  tg_wire_put_u8(&reply, found);
  tg_wire_put_bytes(&reply, value.data, value.len);
  tg_buf_deinit(&kv->reply);
  kv->reply = reply;
  return swap ? kv_write(kv, writer, err) : TG_OK;
}

static int job_write(struct tg_job *job, struct tg_writer *writer, struct tg_error *err) {
  static int (*const operations[])(struct kv_job *, struct tg_writer *, struct tg_error *) = {
      [TG_KV_GET] = kv_get,   [TG_KV_PUT] = kv_put, [TG_KV_DELETE] = kv_delete,
      [TG_KV_LIST] = kv_list, [TG_KV_CAS] = kv_cas,
  };
  struct kv_job *kv = (struct kv_job *)job;
  int code = operations[kv->operation](kv, writer, err);
  return code ? code : reply_check(kv, err);
}

static void job_finish(struct tg_job *job, const struct tg_error *err) {
  struct kv_job *kv = (struct kv_job *)job;
  kv->done(kv->self, err, &kv->reply);
  tg_buf_deinit(&kv->reply);
  free(kv->pipeline);
  free(kv->body);
  free(kv);
}

static int request_read(struct kv_job *kv, size_t len, struct tg_error *err) {
  struct tg_reader in = tg_reader_of(kv->body, len);
  uint8_t operation = tg_wire_get_u8(&in);
  struct tg_slice key = tg_wire_get_bytes(&in);
  if (operation == TG_KV_LIST) kv->limit = tg_wire_get_u32(&in);
  if (operation == TG_KV_CAS) {
    kv->has_expected = tg_wire_get_u8(&in);
    kv->expected = tg_wire_get_bytes(&in);
  }
  if (operation == TG_KV_PUT || operation == TG_KV_CAS) {
    kv->value = tg_wire_get_bytes(&in);
    kv->ttl_ms = tg_wire_get_i64(&in);
  }
  if (!tg_reader_is_done(&in) || operation > TG_KV_CAS || kv->ttl_ms < 0)
    return tg_error_set(err, TG_EPROTOCOL, "malformed request to the key-value state");
  if (strlen(key.data) != key.len || (!key.len && operation != TG_KV_LIST) ||
      key.len > TG_KV_KEY_BYTES_MAX)
    return tg_error_set(err, TG_EINVALID, "a key has 1 to %d bytes and no NUL",
                        TG_KV_KEY_BYTES_MAX);
  if (kv->value.len > (size_t)TG_KV_VALUE_BYTES_MAX)
    return tg_error_set(err, TG_ELIMIT, "the value of '%s' has %zu bytes; at most %lld are kept",
                        key.data, kv->value.len, (long long)TG_KV_VALUE_BYTES_MAX);
  kv->operation = operation;
  kv->key = (char *)key.data;
  return TG_OK;
}

void tg_kv_service_call(struct tg_store *store, const char *pipeline, const void *body, size_t len,
                        tg_kv_done *done, void *self) {
  struct kv_job *kv = tg_must(calloc(1, sizeof *kv));
  *kv = (struct kv_job){.job = {.write = job_write, .finish = job_finish},
                        .pipeline = strdup(pipeline),
                        .body = malloc(len + 1),
                        .done = done,
                        .self = self};
  if (!kv->pipeline || !kv->body) abort();
  if (len) memcpy(kv->body, body, len);
  tg_buf_init(&kv->reply, (size_t)TG_FRAME_BYTES_MAX);
  struct tg_error err;
  if (request_read(kv, len, &err))
    job_finish(&kv->job, &err);
  else
    tg_store_submit(store, &kv->job);
}
