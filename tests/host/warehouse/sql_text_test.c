// SPDX-License-Identifier: Apache-2.0
// SQLite's own functions say what is right: each call is made on a connection that has ours and on
// one that has not.
#include "warehouse/sql_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"

struct scene {
  sqlite3 *ours, *theirs;
};

static int setup(void **state) {
  struct scene *scene = calloc(1, sizeof *scene);
  *state = scene;
  if (sqlite3_open(":memory:", &scene->ours) || sqlite3_open(":memory:", &scene->theirs)) return -1;
  return tg_sql_text_install(scene->ours);
}

static int teardown(void **state) {
  struct scene *scene = *state;
  sqlite3_close(scene->ours);
  sqlite3_close(scene->theirs);
  free(scene);
  return 0;
}

// An argument: NULL, a number, or bytes as text or as a blob.
struct argument {
  int type;
  int len;
  char bytes[40];
};

static sqlite3_stmt *call(sqlite3 *db, const char *text, const struct argument arguments[3]) {
  sqlite3_stmt *stmt;
  assert_int_equal(sqlite3_prepare_v2(db, text, -1, &stmt, NULL), SQLITE_OK);
  for (int i = 0; i < sqlite3_bind_parameter_count(stmt); i++) {
    const struct argument *argument = &arguments[i];
    if (argument->type == SQLITE_INTEGER)
      sqlite3_bind_int(stmt, i + 1, argument->len * 101);
    else if (argument->type == SQLITE_TEXT)
      sqlite3_bind_text(stmt, i + 1, argument->bytes, argument->len, SQLITE_STATIC);
    else if (argument->type == SQLITE_BLOB)
      sqlite3_bind_blob(stmt, i + 1, argument->bytes, argument->len, SQLITE_STATIC);
  }
  assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
  return stmt;
}

static void expect_alike(struct scene *scene, const char *text,
                         const struct argument arguments[3]) {
  sqlite3_stmt *ours = call(scene->ours, text, arguments);
  sqlite3_stmt *theirs = call(scene->theirs, text, arguments);
  for (int i = 0; i < sqlite3_column_count(theirs); i++) {
    assert_int_equal(sqlite3_column_type(ours, i), sqlite3_column_type(theirs, i));
    assert_int_equal(sqlite3_column_bytes(ours, i), sqlite3_column_bytes(theirs, i));
    if (sqlite3_column_bytes(theirs, i))
      assert_memory_equal(sqlite3_column_blob(ours, i), sqlite3_column_blob(theirs, i),
                          (size_t)sqlite3_column_bytes(theirs, i));
  }
  sqlite3_finalize(ours);
  sqlite3_finalize(theirs);
}

// Few different characters, so that parts are often found; some of the bytes are no UTF-8.
static struct argument argument_random(unsigned *seed, int len_max) {
  static const char *const pieces[] = {"a", "b", "1", "\xc3\xa4", "\xe2\x82\xac", "\x82", "\xc3"};
  static const int types[] = {SQLITE_TEXT, SQLITE_TEXT, SQLITE_TEXT,   SQLITE_TEXT,
                              SQLITE_BLOB, SQLITE_NULL, SQLITE_INTEGER};
  struct argument argument = {.type = types[rand_r(seed) % 7]};
  int end = rand_r(seed) % (len_max + 1), alphabet = 1 + rand_r(seed) % 7;
  while (argument.len < end) {
    const char *piece = pieces[rand_r(seed) % alphabet];
    memcpy(argument.bytes + argument.len, piece, strlen(piece));
    argument.len += (int)strlen(piece);
  }
  return argument;
}

static void answers_as_sqlite_does(void **state) {
  struct scene *scene = *state;
  unsigned seed = 2;
  for (int i = 0; i < 20000; i++) {
    struct argument arguments[3] = {argument_random(&seed, 30), argument_random(&seed, 4),
                                    argument_random(&seed, 6)};
    expect_alike(scene, "SELECT instr(?1, ?2), typeof(?1)", arguments);
    expect_alike(scene, "SELECT replace(?1, ?2, ?3)", arguments);
    expect_alike(scene, "SELECT trim(?1, ?2), ltrim(?1, ?2), rtrim(?1, ?2), trim(?1)", arguments);
  }
}

static int result_of(sqlite3 *db, const char *text) {
  sqlite3_stmt *stmt;
  assert_int_equal(sqlite3_prepare_v2(db, text, -1, &stmt, NULL), SQLITE_OK);
  sqlite3_step(stmt);
  return sqlite3_finalize(stmt);
}

static void results_have_sqlites_ceiling(void **state) {
  struct scene *scene = *state;
  sqlite3_limit(scene->ours, SQLITE_LIMIT_LENGTH, 1000);
  assert_int_equal(result_of(scene->ours, "SELECT replace(hex(zeroblob(400)), '0', 'ab')"),
                   SQLITE_TOOBIG);
  assert_int_equal(result_of(scene->ours, "SELECT replace(hex(zeroblob(400)), '00', 'ab')"),
                   SQLITE_OK);
}

// SQLite's own would take days for each.
static void large_arguments_take_linear_time(void **state) {
  struct scene *scene = *state;
  static const char *const texts[] = {
      "WITH v(t) AS (SELECT hex(zeroblob(20000000))) SELECT instr(t, substr(t, 1, 20000000) || 'b')"
      " FROM v",
      "WITH v(t) AS (SELECT hex(zeroblob(20000000))) SELECT replace(t, substr(t, 1, 20000000) || "
      "'b', '') FROM v"};
  for (size_t i = 0; i < 2; i++) assert_int_equal(result_of(scene->ours, texts[i]), SQLITE_OK);
  assert_int_equal(
      result_of(scene->ours, "SELECT trim('a', hex(zeroblob(500))), trim('a', hex(zeroblob(501)))"),
      SQLITE_ERROR);
  assert_string_equal(sqlite3_errmsg(scene->ours),
                      "trim: the characters to take away are more than 1000 bytes");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(answers_as_sqlite_does),
      TEST(results_have_sqlites_ceiling),
      TEST(large_arguments_take_linear_time),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
