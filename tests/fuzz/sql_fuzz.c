// SPDX-License-Identifier: Apache-2.0
// Requests to the warehouse as a hostile worker might make them. The input is a list: an op, then a
// statement up to a byte 0, or (ops from 0x80) a raw body with its length before it. Whatever was
// asked, the connection works afterwards, and no transaction is open that nobody owns.
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "fuzz/folder.h"
#include "fuzz/input.h"
#include "ipc/wire.h"
#include "warehouse/service.h"
#include "warehouse/sql_request.h"

enum { REQUESTS_MAX = 16, REQUEST_MS = 100, HEAP_BYTES_MAX = 64 << 20, REPLY_BYTES_MAX = 1 << 22 };

static const char csv[] = "a,b\n1,2\n3\n\"x,4\n5,6\n";

static int csv_open(void *self, const char *path, int *fd, struct tg_error *err) {
  (void)self;
  if (strcmp(path, "f.csv") != 0) return tg_error_set(err, TG_EDENIED, "no %.20s", path);
  *fd = memfd_create("csv", MFD_CLOEXEC);
  fuzz_check(*fd >= 0 && pwrite(*fd, csv, sizeof csv - 1, 0) == (ssize_t)sizeof csv - 1);
  return TG_OK;
}

static void body_put(struct tg_buf *body, struct input *in) {
  uint8_t op = input_u8(in);
  if (op >= 0x80) {
    struct input raw = input_bytes(in, input_number(in, 2));
    tg_buf_put(body, raw.at, input_left(&raw));
    return;
  }
  op = 1 + op % 5;
  tg_wire_put_u8(body, op);
  tg_wire_put_text(body, "");
  if (op > TG_SQL_QUERY) return;
  struct input text = input_until(in, 0);
  tg_wire_put_bytes(body, text.at, input_left(&text));
  tg_wire_put_u8(body, 0);
}

static void request_run(struct tg_sql *sql, struct input *in) {
  struct tg_buf body, reply;
  struct tg_error err;
  tg_buf_init(&body, 1 << 20);
  tg_buf_init(&reply, REPLY_BYTES_MAX);
  body_put(&body, in);
  sql->deadline_ms = tg_clock_mono_ms(tg_clock_system()) + REQUEST_MS;
  uint8_t *copy = input_copy(body.data, body.len);
  int code = tg_sql_request_run(sql, copy, body.len, &reply, &err);
  fuzz_check(code == TG_OK || (err.code == code && *err.text && reply.len == 0));
  fuzz_check(sql->in_transaction || sqlite3_get_autocommit(sql->db));
  fuzz_check(!sql->is_aborted || sql->in_transaction);
  tg_buf_deinit(&reply);
  tg_buf_deinit(&body);
  free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct tg_sql_options options = {.path = ":memory:", .open_read = csv_open};
  struct tg_sql sql = {.deadline_ms = INT64_MAX};
  struct input in = input_of(data, size);
  sqlite3_hard_heap_limit64(HEAP_BYTES_MAX);
  fuzz_check(tg_sql_open(&sql, &options, NULL) == TG_OK);
  for (int i = 0; i < REQUESTS_MAX && !input_is_empty(&in); i++) request_run(&sql, &in);
  sql.deadline_ms = INT64_MAX;
  if (sql.in_transaction) fuzz_check(tg_sql_rollback(&sql, NULL) == TG_OK);
  fuzz_check(tg_sql_run(&sql, "SELECT 1", NULL) == TG_OK);
  tg_sql_close(&sql);
  return 0;
}
