// SPDX-License-Identifier: Apache-2.0
#include "host/warehouse/scratch.h"

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"

void scratch_init(struct scratch *scratch) {
  *scratch = (struct scratch){.folder = "/tmp/tidegate-test-XXXXXX"};
  assert_non_null(mkdtemp(scratch->folder));
  snprintf(scratch->path, sizeof scratch->path, "%s/data/warehouse.db", scratch->folder);
}

static int any_open(void *self, const char *path, int *fd, struct tg_error *err) {
  (void)self;
  *fd = open(path, O_RDONLY | O_CLOEXEC);
  return *fd >= 0 ? TG_OK : tg_error_set(err, TG_ENOT_FOUND, "cannot open %s", path);
}

void scratch_open(struct scratch *scratch) {
  struct tg_sql_options options = {.path = scratch->path, .open_read = any_open};
  scratch->sql.deadline_ms = INT64_MAX;
  int code = tg_sql_open(&scratch->sql, &options, &scratch->err);
  if (code) fail_msg("%s", scratch->err.text);
}

static int entry_remove(const char *path, const struct stat *info, int type, struct FTW *walk) {
  (void)info;
  (void)type;
  (void)walk;
  return remove(path);
}

void scratch_deinit(struct scratch *scratch) {
  tg_sql_close(&scratch->sql);
  nftw(scratch->folder, entry_remove, 8, FTW_DEPTH | FTW_PHYS);
}

const char *scratch_write(struct scratch *scratch, const char *name, const void *bytes,
                          size_t len) {
  static char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/%s", scratch->folder, name);
  assert_int_equal(tg_file_write(path, bytes, len, NULL), TG_OK);
  return path;
}

int scratch_exec(struct scratch *scratch, const char *text) {
  struct tg_sql_params none = {.kind = TG_SQL_PARAMS_NONE};
  int64_t changes;
  tg_error_clear(&scratch->err);
  int code = tg_sql_exec(&scratch->sql, text, &none, &changes, &scratch->err);
  tg_sql_settle(&scratch->sql, &scratch->err);
  return code;
}

// Gives the only value of a query's result; its text lies in the buffer.
static struct tg_value query_one(struct scratch *scratch, const char *text, struct tg_buf *out) {
  struct tg_sql_params none = {.kind = TG_SQL_PARAMS_NONE};
  tg_error_clear(&scratch->err);
  if (tg_sql_query(&scratch->sql, text, &none, out, &scratch->err))
    fail_msg("%s: %s", text, scratch->err.text);
  struct tg_reader in = tg_reader_of(out->data, out->len);
  assert_int_equal(tg_wire_get_count(&in, 1), 1);
  tg_wire_get_text(&in);
  assert_int_equal(tg_wire_get_u32(&in), 1);
  struct tg_value value = tg_wire_get_value(&in);
  assert_true(tg_reader_is_done(&in));
  return value;
}

int64_t scratch_count(struct scratch *scratch, const char *text) {
  struct tg_buf out;
  tg_buf_init(&out, 1 << 20);
  struct tg_value value = query_one(scratch, text, &out);
  tg_buf_deinit(&out);
  assert_int_equal(value.type, TG_VALUE_INT);
  return value.integer;
}

const char *scratch_text(struct scratch *scratch, const char *text) {
  static char copy[4096];
  struct tg_buf out;
  tg_buf_init(&out, 1 << 20);
  struct tg_value value = query_one(scratch, text, &out);
  assert_int_equal(value.type, TG_VALUE_TEXT);
  snprintf(copy, sizeof copy, "%.*s", (int)value.text.len, value.text.data);
  tg_buf_deinit(&out);
  return copy;
}
