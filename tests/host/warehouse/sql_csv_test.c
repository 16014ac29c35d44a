// SPDX-License-Identifier: Apache-2.0
#include "warehouse/sql_csv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/warehouse/scratch.h"

static const char text[] = "id,name,note\n"
                           "1,Ada,\n"
                           "2,Bob\n"
                           "3,\"Cy, the \"\"third\"\"\",\"\"\n"
                           "\n"
                           "4,D\"an,x\n"
                           "3,again,y\n"
                           "5,Eve,z\n"
                           "6,\"Fox,open\n"
                           "7,Gil,last\n";

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

static struct tg_sql_csv load_of(struct scratch *scratch, const char *content) {
  return (struct tg_sql_csv){.table = "t",
                             .path = scratch_write(scratch, "in.csv", content, strlen(content)),
                             .has_header = true,
                             .delimiter = ',',
                             .quote = '"',
                             .null = "",
                             .quarantine = ""};
}

static int64_t rows, rejected;

static int load(struct scratch *scratch, const struct tg_sql_csv *from) {
  return tg_sql_load_csv(&scratch->sql, from, &rows, &rejected, &scratch->err);
}

static void bad_rows_go_to_the_quarantine(void **state) {
  struct scratch *scratch = *state;
  struct tg_sql_column types[] = {{.name = "ID", .type = "INTEGER PRIMARY KEY"}};
  struct tg_sql_csv from = load_of(scratch, text);
  from.types = types;
  from.type_count = 1;
  from.quarantine = "bad";
  from.may_replace = true;
  for (int i = 0; i < 2; i++) {
    assert_int_equal(load(scratch, &from), TG_OK);
    assert_int_equal(rows, 4);
    assert_int_equal(rejected, 4);
  }
  assert_int_equal(scratch_count(scratch, "SELECT sum(id) FROM t"), 1 + 3 + 5 + 7);
  assert_string_equal(scratch_text(scratch, "SELECT name FROM t WHERE id = 3"),
                      "Cy, the \"third\"");
  assert_int_equal(scratch_count(scratch, "SELECT count(*) FROM t WHERE note IS NULL"), 1);
  assert_string_equal(scratch_text(scratch, "SELECT group_concat(line || ':' || raw || ':' || "
                                            "reason, '; ') FROM (SELECT * FROM bad ORDER BY line)"),
                      "3:2,Bob:the number of fields is 2, not 3; "
                      "6:4,D\"an,x:a quote inside an unquoted field; "
                      "7:3,again,y:UNIQUE constraint failed: t.id; "
                      "9:6,\"Fox,open:a quote is not closed");
}

static void without_a_quarantine_the_first_bad_row_is_told_and_nothing_stays(void **state) {
  struct scratch *scratch = *state;
  struct tg_sql_csv from = load_of(scratch, text);
  assert_int_equal(load(scratch, &from), TG_EINVALID);
  assert_non_null(strstr(scratch->err.text, "in.csv, line 3: the number of fields is 2, not 3"));
  assert_int_equal(scratch_count(scratch, "SELECT count(*) FROM sqlite_schema"), 0);
}

static void columns_can_be_named(void **state) {
  struct scratch *scratch = *state;
  struct tg_sql_column columns[] = {{.name = "a", .type = ""}, {.name = "b", .type = ""}};
  struct tg_sql_csv from = load_of(scratch, "x;y\n1;NULL\n2;'NULL'\n");
  from.delimiter = ';';
  from.quote = '\'';
  from.null = "NULL";
  from.columns = columns;
  from.column_count = 2;
  assert_int_equal(load(scratch, &from), TG_OK);
  assert_int_equal(scratch_count(scratch, "SELECT count(*) FROM t WHERE b IS NULL"), 1);
  from.has_header = false;
  from.may_replace = true;
  assert_int_equal(load(scratch, &from), TG_OK);
  assert_int_equal(rows, 3);
}

static void a_header_that_cannot_be_is_told(void **state) {
  struct scratch *scratch = *state;
  const char *const cases[][2] = {{"", "is empty"},
                                  {"a,a\n", "two columns are named 'a'"},
                                  {"a,\n", "column 2 has no name"},
                                  {"a\"b\n", "the header is malformed"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct tg_sql_csv from = load_of(scratch, cases[i][0]);
    assert_int_equal(load(scratch, &from), TG_EINVALID);
    if (!strstr(scratch->err.text, cases[i][1])) fail_msg("%s", scratch->err.text);
  }
  struct tg_sql_column types[] = {{.name = "absent", .type = "TEXT"}};
  struct tg_sql_csv from = load_of(scratch, "a\n");
  from.types = types;
  from.type_count = 1;
  assert_int_equal(load(scratch, &from), TG_EINVALID);
  assert_non_null(strstr(scratch->err.text, "'absent', which is no column"));
}

static void a_deadline_stops_a_load(void **state) {
  struct scratch *scratch = *state;
  struct tg_sql_csv from = load_of(scratch, "a\n1\n");
  scratch->sql.deadline_ms = 1;
  assert_int_equal(load(scratch, &from), TG_ETIMEOUT);
  scratch->sql.deadline_ms = INT64_MAX;
  assert_int_equal(scratch_count(scratch, "SELECT count(*) FROM sqlite_schema"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(bad_rows_go_to_the_quarantine),
      TEST(without_a_quarantine_the_first_bad_row_is_told_and_nothing_stays),
      TEST(columns_can_be_named),
      TEST(a_header_that_cannot_be_is_told),
      TEST(a_deadline_stops_a_load),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
