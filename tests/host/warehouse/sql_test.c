// SPDX-License-Identifier: Apache-2.0
#include "warehouse/sql.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/limits.h"
#include "host/warehouse/scratch.h"
#include "warehouse/service.h"
#include "warehouse/sql_load.h"
#include "warehouse/sql_request.h"

static const char endless[] = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) ";

static int setup(void **state) {
  struct scratch *scratch = malloc(sizeof *scratch);
  scratch_init(scratch);
  scratch_open(scratch);
  *state = scratch;
  return 0;
}

static int teardown(void **state) {
  scratch_deinit(*state);
  free(*state);
  return 0;
}

static void expect_error(struct scratch *scratch, const char *text, int code, const char *word) {
  assert_int_equal(scratch_exec(scratch, text), code);
  if (!strstr(scratch->err.text, word)) fail_msg("%s: %s", text, scratch->err.text);
}

static int exec_with(struct scratch *scratch, const char *text,
                     const struct tg_sql_params *params) {
  int64_t changes;
  return tg_sql_exec(&scratch->sql, text, params, &changes, &scratch->err);
}

static void keeps_the_file_as_promised(void **state) {
  struct scratch *scratch = *state;
  assert_string_equal(scratch_text(scratch, "PRAGMA journal_mode"), "wal");
  assert_int_equal(scratch_count(scratch, "PRAGMA synchronous"), 2);
  assert_int_equal(scratch_count(scratch, "PRAGMA foreign_keys"), 1);
}

static void a_script_is_all_or_nothing(void **state) {
  struct scratch *scratch = *state;
  expect_error(scratch,
               "CREATE TABLE t(a); INSERT INTO t VALUES (1); INSERT INTO absent VALUES (1)",
               TG_ESQL, "no such table: absent (in the statement at line 1, column 46)");
  assert_int_equal(scratch_count(scratch, "SELECT count(*) FROM sqlite_schema"), 0);
  assert_int_equal(scratch_exec(scratch, "CREATE TABLE t(a); INSERT INTO t VALUES (1), (2)"), 0);
  assert_int_equal(scratch_count(scratch, "SELECT count(*) FROM t"), 2);
}

static void a_script_in_a_transaction_undoes_only_itself(void **state) {
  struct scratch *scratch = *state;
  scratch_exec(scratch, "CREATE TABLE t(a UNIQUE)");
  assert_int_equal(tg_sql_begin(&scratch->sql, NULL), TG_OK);
  assert_int_equal(scratch_exec(scratch, "INSERT INTO t VALUES (1)"), TG_OK);
  expect_error(scratch, "INSERT INTO t VALUES (2); INSERT INTO t VALUES (1)", TG_ESQL,
               "UNIQUE constraint failed: t.a");
  assert_int_equal(tg_sql_commit(&scratch->sql, NULL), TG_OK);
  assert_int_equal(scratch_count(scratch, "SELECT sum(a) FROM t"), 1);
}

static void errors_say_line_and_column(void **state) {
  struct scratch *scratch = *state;
  expect_error(scratch, "SELECT 1;\n-- a comment;\nSELECT\n  nope", TG_ESQL,
               "no such column: nope (line 4, column 3)");
  expect_error(scratch, "SELEC 1", TG_ESQL, "(line 1, column 1)");
  expect_error(scratch, " /* nothing */ ; -- here", TG_EINVALID, "no statement");
}

static void refuses_what_is_the_hosts(void **state) {
  struct scratch *scratch = *state;
  scratch_exec(scratch, "CREATE TABLE t(a)");
  expect_error(scratch, "BEGIN", TG_EDENIED, "sql.transaction");
  expect_error(scratch, "COMMIT", TG_EDENIED, "sql.transaction");
  expect_error(scratch, "ROLLBACK", TG_EDENIED, "sql.transaction");
  expect_error(scratch, "SAVEPOINT x", TG_EDENIED, "sql.transaction");
  expect_error(scratch, "ATTACH '/tmp/other.db' AS other", TG_EDENIED, "one file");
  expect_error(scratch, "ATTACH '' AS other", TG_EDENIED, "one file");
  expect_error(scratch, "DETACH main", TG_EDENIED, "one file");
  expect_error(scratch, "VACUUM INTO '/tmp/other.db'", TG_EDENIED, "one file");
  expect_error(scratch, "SELECT load_extension('x')", TG_EDENIED, "load_extension");
  expect_error(scratch, "PRAGMA writable_schema = on", TG_EDENIED, "PRAGMA writable_schema");
  expect_error(scratch, "PRAGMA foreign_keys = off", TG_EDENIED, "PRAGMA foreign_keys");
  expect_error(scratch, "PRAGMA journal_mode = delete", TG_EDENIED, "PRAGMA journal_mode");
  expect_error(scratch, "DELETE FROM sqlite_schema", TG_ESQL, "may not be modified");
}

static void allows_what_reads_the_schema_and_vacuum(void **state) {
  struct scratch *scratch = *state;
  assert_int_equal(scratch_exec(scratch, "CREATE TABLE t(a, b)"), TG_OK);
  assert_int_equal(scratch_exec(scratch, "PRAGMA table_info(t)"), TG_OK);
  assert_int_equal(scratch_exec(scratch, "VACUUM"), TG_OK);
  assert_int_equal(scratch_count(scratch, "SELECT count(*) FROM pragma_table_info('t')"), 2);
  assert_string_equal(scratch_text(scratch, "PRAGMA integrity_check"), "ok");
}

static void a_deadline_stops_what_never_ends(void **state) {
  struct scratch *scratch = *state;
  char text[256];
  snprintf(text, sizeof text, "%sSELECT count(*) FROM n", endless);
  scratch->sql.deadline_ms = tg_clock_mono_ms(tg_clock_system()) + 30;
  expect_error(scratch, text, TG_ETIMEOUT, "deadline");
  assert_int_equal(scratch->err.class, TG_CLASS_TRANSIENT);
  scratch->sql.deadline_ms = INT64_MAX;
  assert_int_equal(scratch_count(scratch, "SELECT 1"), 1);
}

static void an_interrupted_write_aborts_its_transaction(void **state) {
  struct scratch *scratch = *state;
  char text[256];
  snprintf(text, sizeof text, "INSERT INTO t %sSELECT i FROM n", endless);
  scratch_exec(scratch, "CREATE TABLE t(a)");
  assert_int_equal(tg_sql_begin(&scratch->sql, NULL), TG_OK);
  assert_int_equal(scratch_exec(scratch, "INSERT INTO t VALUES (1)"), TG_OK);
  scratch->sql.deadline_ms = tg_clock_mono_ms(tg_clock_system()) + 30;
  assert_int_equal(scratch_exec(scratch, text), TG_ETIMEOUT);
  scratch->sql.deadline_ms = INT64_MAX;
  assert_true(scratch->sql.is_aborted);
  expect_error(scratch, "INSERT INTO t VALUES (2)", TG_ESQL, "rolled back after an earlier error");
  assert_int_equal(tg_sql_commit(&scratch->sql, &scratch->err), TG_ESQL);
  assert_int_equal(scratch_count(scratch, "SELECT count(*) FROM t"), 0);
  assert_int_equal(scratch_exec(scratch, "INSERT INTO t VALUES (2)"), TG_OK);
}

static void binds_by_place_and_by_name(void **state) {
  struct scratch *scratch = *state;
  struct tg_sql_param items[] = {
      {.name = "a", .value = {.type = TG_VALUE_INT, .integer = 7}},
      {.name = "b", .value = {.type = TG_VALUE_TEXT, .text = {.data = "x\0y", .len = 3}}},
      {.name = "unused", .value = {.type = TG_VALUE_BOOL, .integer = 1}},
  };
  struct tg_sql_params named = {.kind = TG_SQL_PARAMS_NAMED, .count = 3, .items = items};
  struct tg_sql_params list = {.kind = TG_SQL_PARAMS_LIST, .count = 3, .items = items};
  scratch_exec(scratch, "CREATE TABLE t(a, b, c)");
  assert_int_equal(exec_with(scratch, "INSERT INTO t VALUES (:a, @b, $a)", &named), TG_OK);
  assert_int_equal(scratch_count(scratch, "SELECT a + c + length(CAST(b AS BLOB)) FROM t"), 17);
  assert_int_equal(exec_with(scratch, "UPDATE t SET a = ?, b = ?, c = ?", &list), TG_OK);
  assert_int_equal(scratch_count(scratch, "SELECT c FROM t"), 1);
  assert_int_equal(exec_with(scratch, "SELECT :missing", &named), TG_EINVALID);
  assert_non_null(strstr(scratch->err.text, ":missing"));
  assert_int_equal(exec_with(scratch, "SELECT ?", &named), TG_EINVALID);
  assert_int_equal(exec_with(scratch, "SELECT ?, ?", &list), TG_EINVALID);
  assert_int_equal(exec_with(scratch, "SELECT ?; SELECT ?", &list), TG_EINVALID);
  expect_error(scratch, "SELECT :x", TG_EINVALID, "no value for the parameter :x");
}

static int query_into(struct scratch *scratch, const char *text, size_t max) {
  struct tg_sql_params none = {.kind = TG_SQL_PARAMS_NONE};
  struct tg_buf out;
  tg_buf_init(&out, max);
  int code = tg_sql_query(&scratch->sql, text, &none, &out, &scratch->err);
  tg_buf_deinit(&out);
  return code;
}

static void results_have_ceilings(void **state) {
  struct scratch *scratch = *state;
  char text[256];
  snprintf(text, sizeof text, "%sSELECT i FROM n", endless);
  assert_int_equal(query_into(scratch, text, TG_SQL_RESULT_BYTES_MAX), TG_ELIMIT);
  assert_non_null(strstr(scratch->err.text, "1000000 rows; add LIMIT"));
  assert_int_equal(query_into(scratch, text, 1000), TG_ELIMIT);
  assert_non_null(strstr(scratch->err.text, "1000 bytes; add LIMIT"));
  assert_int_equal(query_into(scratch, "SELECT 1; SELECT 2", 1000), TG_EINVALID);
}

static void a_writing_query_with_too_large_a_result_leaves_nothing(void **state) {
  struct scratch *scratch = *state;
  scratch_exec(scratch, "CREATE TABLE t(a)");
  assert_int_equal(
      query_into(scratch, "INSERT INTO t VALUES (hex(zeroblob(900))), (2) RETURNING a", 1000),
      TG_ELIMIT);
  assert_int_equal(scratch_count(scratch, "SELECT count(*) FROM t"), 0);
  assert_int_equal(query_into(scratch, "INSERT INTO t VALUES (1) RETURNING a", 1000), TG_OK);
  assert_int_equal(scratch_count(scratch, "SELECT count(*) FROM t"), 1);
}

static void temporary_tables_end_with_their_unit(void **state) {
  struct scratch *scratch = *state;
  assert_int_equal(scratch_exec(scratch, "CREATE TEMP TABLE s AS SELECT 1 AS a;"
                                         "CREATE TEMP VIEW v AS SELECT * FROM s;"
                                         "CREATE TABLE t AS SELECT * FROM v"),
                   TG_OK);
  expect_error(scratch, "SELECT * FROM s", TG_ESQL, "no such table: s");
  assert_int_equal(scratch_count(scratch, "SELECT a FROM t"), 1);
}

static void functions_for_pipelines(void **state) {
  struct scratch *scratch = *state;
  assert_int_equal(scratch_count(scratch, "SELECT 'abc-12' REGEXP '^[a-c]+-[0-9]{2}$'"), 1);
  assert_int_equal(scratch_count(scratch, "SELECT 'abc' REGEXP '^b'"), 0);
  assert_string_equal(scratch_text(scratch, "SELECT sha256('abc')"),
                      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  assert_string_equal(scratch_text(scratch, "SELECT typeof(NULL REGEXP 'x')"), "null");
  expect_error(scratch, "SELECT 'a' REGEXP '('", TG_ESQL, "REGEXP: ");
  expect_error(scratch, "SELECT 'a' REGEXP '((a{200}){200}){200}'", TG_ESQL, "repetitions");
  expect_error(scratch, "SELECT 'a' REGEXP '([]{x]{200}){200}'", TG_ESQL, "repetitions");
  // Side by side, repetitions only add.
  static const char *const counted[] = {
      "SELECT 'DE89370400440532013000' REGEXP "
      "'^[A-Z]{2}[0-9]{2}[A-Z0-9]{4}[0-9]{7}([A-Z0-9]?){0,16}$'",
      "SELECT '01a1fb2d-0c4d-7184-9401-5d54da5a7f8c' REGEXP "
      "'^[0-9a-f]{8}-([[:xdigit:]]{4}-){3}[0-9a-f]{12}$'",
  };
  for (size_t i = 0; i < 2; i++) assert_int_equal(scratch_count(scratch, counted[i]), 1);
  expect_error(scratch, "SELECT 'aa' REGEXP '(a)\\1'", TG_ESQL, "back-references");
  expect_error(scratch, "SELECT hex(zeroblob(50000)) REGEXP 'a'", TG_ESQL, "64 KiB");
}

static void what_one_match_may_cost_is_bounded(void **state) {
  struct scratch *scratch = *state;
  static const char *const words[] = {"LIKE", "GLOB"};
  for (size_t i = 0; i < 2; i++) {
    char text[128];
    snprintf(text, sizeof text, "SELECT 'a' %s hex(zeroblob(500))", words[i]);
    assert_int_equal(scratch_exec(scratch, text), TG_OK);
    snprintf(text, sizeof text, "SELECT 'a' %s hex(zeroblob(501))", words[i]);
    expect_error(scratch, text, TG_ESQL, "a pattern of LIKE or GLOB has at most 1000 bytes");
  }
  expect_error(scratch, "SELECT trim('a', hex(zeroblob(501)))", TG_ESQL, "1000 bytes");
}

// An index serves a prefix as long as the two are SQLite's own.
static void an_index_serves_a_prefix(void **state) {
  struct scratch *scratch = *state;
  scratch_exec(scratch, "CREATE TABLE t(a TEXT); CREATE INDEX i ON t(a)");
  sqlite3_stmt *stmt;
  assert_int_equal(sqlite3_prepare_v2(scratch->sql.db,
                                      "EXPLAIN QUERY PLAN SELECT * FROM t WHERE a GLOB 'x*'", -1,
                                      &stmt, NULL),
                   SQLITE_OK);
  assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
  const char *detail = (const char *)sqlite3_column_text(stmt, 3);
  assert_non_null(strstr(detail, "(a>? AND a<?)"));
  sqlite3_finalize(stmt);
}

static void loads_rows(void **state) {
  struct scratch *scratch = *state;
  struct tg_sql_column columns[] = {{.name = "id", .type = "INTEGER PRIMARY KEY"},
                                    {.name = "we\"ird", .type = ""}};
  struct tg_sql_table table = {.name = "t", .columns = columns, .column_count = 2};
  struct tg_buf wire;
  tg_buf_init(&wire, 1000);
  tg_wire_put_u32(&wire, 2);
  for (int64_t i = 1; i <= 2; i++) {
    tg_wire_put_value(&wire, &(struct tg_value){.type = TG_VALUE_INT, .integer = i});
    tg_wire_put_value(&wire, &(struct tg_value){.type = TG_VALUE_NULL});
  }
  int64_t rows = 0;
  for (int replace = 0; replace < 2; replace++) {
    struct tg_reader in = tg_reader_of(wire.data, wire.len);
    table.may_replace = replace;
    assert_int_equal(tg_sql_load(&scratch->sql, &table, &in, &rows, &scratch->err), TG_OK);
    assert_int_equal(rows, 2);
  }
  struct tg_reader in = tg_reader_of(wire.data, wire.len);
  table.may_replace = false;
  assert_int_equal(tg_sql_load(&scratch->sql, &table, &in, &rows, &scratch->err), TG_ESQL);
  assert_non_null(strstr(scratch->err.text, "row 1: UNIQUE constraint failed: t.id"));
  columns[1].name = "extra";
  in = tg_reader_of(wire.data, wire.len);
  assert_int_equal(tg_sql_load(&scratch->sql, &table, &in, &rows, &scratch->err), TG_EINVALID);
  assert_non_null(strstr(scratch->err.text, "the table 't' has no column extra"));
  columns[1].type = "TEXT); DROP TABLE t; --";
  table.name = "u";
  in = tg_reader_of(wire.data, wire.len);
  assert_int_equal(tg_sql_load(&scratch->sql, &table, &in, &rows, &scratch->err), TG_EINVALID);
  in = tg_reader_of(wire.data, wire.len - 3);
  columns[1].type = "DECIMAL(9, 2)";
  assert_int_equal(tg_sql_load(&scratch->sql, &table, &in, &rows, &scratch->err), TG_EPROTOCOL);
  assert_int_equal(scratch_count(scratch, "SELECT count(*) FROM sqlite_schema"), 1);
  assert_int_equal(scratch_count(scratch, "SELECT count(*) FROM t"), 2);
  tg_buf_deinit(&wire);
}

static void a_file_that_is_no_database_is_told(void **state) {
  (void)state;
  struct scratch scratch;
  scratch_init(&scratch);
  char junk[4096];
  memset(junk, 'j', sizeof junk);
  struct tg_sql_options options = {.path = scratch_write(&scratch, "junk.db", junk, sizeof junk)};
  struct tg_sql sql = {.deadline_ms = INT64_MAX};
  assert_int_equal(tg_sql_open(&sql, &options, &scratch.err), TG_EDAMAGED);
  assert_non_null(strstr(scratch.err.text, "junk.db is damaged"));
  scratch_deinit(&scratch);
}

static void a_damaged_page_is_told(void **state) {
  struct scratch *scratch = *state;
  scratch_exec(scratch, "CREATE TABLE t(a); INSERT INTO t VALUES (hex(zeroblob(20000)))");
  tg_sql_close(&scratch->sql); // writes the WAL back
  FILE *file = fopen(scratch->path, "r+b");
  assert_non_null(file);
  assert_int_equal(fseek(file, 4096, SEEK_SET), 0);
  for (int i = 0; i < 4096; i++) fputc('j', file);
  fclose(file);
  scratch_open(scratch);
  expect_error(scratch, "SELECT * FROM t", TG_EDAMAGED, "is damaged");
}

static void another_programs_lock_is_busy(void **state) {
  struct scratch *scratch = *state;
  scratch_exec(scratch, "CREATE TABLE t(a)");
  sqlite3 *other;
  assert_int_equal(sqlite3_open(scratch->path, &other), SQLITE_OK);
  assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
  scratch->sql.deadline_ms = tg_clock_mono_ms(tg_clock_system()) + 50;
  assert_int_equal(scratch_exec(scratch, "INSERT INTO t VALUES (1)"), TG_ETIMEOUT);
  scratch->sql.deadline_ms = INT64_MAX;
  atomic_store(&scratch->sql.stop_code, TG_ECANCELLED);
  assert_int_equal(scratch_exec(scratch, "INSERT INTO t VALUES (1)"), TG_ECANCELLED);
  atomic_store(&scratch->sql.stop_code, 0);
  sqlite3_close(other);
  assert_int_equal(scratch_exec(scratch, "INSERT INTO t VALUES (1)"), TG_OK);
}

// A request cut short, or with any one byte changed, is served or refused, never more.
static void malformed_requests_are_refused(void **state) {
  struct scratch *scratch = *state;
  struct tg_buf body, reply;
  tg_buf_init(&body, 1000);
  tg_buf_init(&reply, 1000);
  tg_wire_put_u8(&body, TG_SQL_LOAD_CSV);
  const char *const texts[] = {"", "t", "/absent"};
  for (int i = 0; i < 3; i++) tg_wire_put_text(&body, texts[i]);
  tg_wire_put_u8(&body, TG_SQL_FLAG_HEADER);
  tg_wire_put_text(&body, ",");
  tg_wire_put_text(&body, "\"");
  tg_wire_put_text(&body, "");
  tg_wire_put_u32(&body, 1);
  tg_wire_put_text(&body, "a");
  tg_wire_put_u32(&body, 0);
  tg_wire_put_text(&body, "");
  assert_int_equal(tg_sql_request_run(&scratch->sql, body.data, body.len, &reply, &scratch->err),
                   TG_ENOT_FOUND);
  for (size_t len = 0; len < body.len; len++)
    assert_int_equal(tg_sql_request_run(&scratch->sql, body.data, len, &reply, NULL), TG_EPROTOCOL);
  for (size_t i = 0; i < body.len; i++) {
    body.data[i] = (char)(body.data[i] ^ 0x55);
    assert_int_not_equal(tg_sql_request_run(&scratch->sql, body.data, body.len, &reply, NULL),
                         TG_OK);
    assert_int_equal(reply.len, 0);
    body.data[i] = (char)(body.data[i] ^ 0x55);
  }
  tg_buf_clear(&body);
  tg_wire_put_u8(&body, TG_SQL_BEGIN);
  tg_wire_put_text(&body, "lake");
  assert_int_equal(tg_sql_request_run(&scratch->sql, body.data, body.len, &reply, &scratch->err),
                   TG_EINVALID);
  assert_string_equal(scratch->err.text, "the connection 'lake' is not configured");
  tg_buf_deinit(&body);
  tg_buf_deinit(&reply);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(keeps_the_file_as_promised),
      TEST(a_script_is_all_or_nothing),
      TEST(a_script_in_a_transaction_undoes_only_itself),
      TEST(errors_say_line_and_column),
      TEST(refuses_what_is_the_hosts),
      TEST(allows_what_reads_the_schema_and_vacuum),
      TEST(a_deadline_stops_what_never_ends),
      TEST(an_interrupted_write_aborts_its_transaction),
      TEST(binds_by_place_and_by_name),
      TEST(results_have_ceilings),
      TEST(a_writing_query_with_too_large_a_result_leaves_nothing),
      TEST(temporary_tables_end_with_their_unit),
      TEST(functions_for_pipelines),
      TEST(what_one_match_may_cost_is_bounded),
      TEST(an_index_serves_a_prefix),
      TEST(loads_rows),
      cmocka_unit_test(a_file_that_is_no_database_is_told),
      TEST(a_damaged_page_is_told),
      TEST(another_programs_lock_is_busy),
      TEST(malformed_requests_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
