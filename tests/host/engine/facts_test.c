// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "engine/facts.h"

static const char plan_text[] =
    "{\"name\":\"p\",\"tasks\":["
    "{\"name\":\"plain\",\"runner\":\"script\",\"when\":\"always\"},"
    "{\"name\":\"choose\",\"runner\":\"script\",\"when\":\"always\",\"to\":[2,3]},"
    "{\"name\":\"b\",\"runner\":\"script\",\"when\":\"always\"},"
    "{\"name\":\"c\",\"runner\":\"script\",\"when\":\"always\"}]}";

struct read {
  struct tg_plan *plan;
  struct tg_batch *batch;
  const char *chosen;
  struct tg_error err;
};

static int read_facts(struct read *read, uint32_t task, enum tg_attempt_state state,
                      const char *facts) {
  *read = (struct read){.batch = tg_batch_new()};
  assert_int_equal(tg_plan_parse(plan_text, sizeof plan_text - 1, &read->plan, NULL), TG_OK);
  struct tg_attempt attempt = {.run = 7, .task = task, .number = 2, .state = state, .ended_at = 99};
  return tg_facts_record(read->plan, "EU", &attempt, facts, read->batch, &read->chosen, &read->err);
}

static void read_free(struct read *read) {
  tg_batch_free(read->batch);
  tg_plan_free(read->plan);
}

static void checks_and_assets_become_records(void **state) {
  (void)state;
  struct read read;
  int code = read_facts(
      &read, 0, TG_ATTEMPT_SUCCESS,
      "{\"checks\":[{\"rule\":\"r1\",\"failed\":3},{\"rule\":\"nul \\u0000 in it\"}],"
      "\"assets\":[{\"name\":\"gold\",\"rows\":12,\"partition\":\"2026\"},{\"name\":\"raw\"}]}");
  assert_int_equal(code, TG_OK);
  assert_null(read.chosen);
  assert_int_equal(read.batch->count, 4);
  const struct tg_record *r = read.batch->records;
  assert_int_equal(r[0].kind, TG_RECORD_CHECK);
  assert_int_equal(r[0].check.run, 7);
  assert_int_equal(r[0].check.attempt, 2);
  assert_string_equal(r[0].check.body, "{\"failed\":3,\"rule\":\"r1\"}");
  assert_int_equal(r[1].check.position, 1);
  assert_string_equal(r[1].check.body, "{\"rule\":\"nul \\u0000 in it\"}");
  assert_int_equal(r[2].kind, TG_RECORD_ASSET_VERSION);
  assert_string_equal(r[2].asset_version.asset, "gold");
  assert_string_equal(r[2].asset_version.partition, "2026");
  assert_int_equal(r[2].asset_version.rows, 12);
  assert_int_equal(r[2].asset_version.created_at, 99);
  assert_int_equal(r[3].asset_version.rows, -1);
  assert_string_equal(r[3].asset_version.partition, "EU"); // of the run
  read_free(&read);
}

static void a_failed_attempt_keeps_its_checks(void **state) {
  (void)state;
  struct read read;
  assert_int_equal(read_facts(&read, 1, TG_ATTEMPT_FAILED, "{\"checks\":[{}],\"assets\":{}}"),
                   TG_OK);
  assert_int_equal(read.batch->count, 1);
  assert_null(read.chosen);
  read_free(&read);
}

static void a_choice_is_kept_as_it_was_made(void **state) {
  (void)state;
  struct read read;
  assert_int_equal(read_facts(&read, 1, TG_ATTEMPT_SUCCESS, "{\"chosen\":[ \"c\", \"b\" ]}"),
                   TG_OK);
  assert_string_equal(read.chosen, "[\"c\",\"b\"]");
  read_free(&read);
  assert_int_equal(read_facts(&read, 0, TG_ATTEMPT_SUCCESS, "{\"chosen\":[\"c\"]}"), TG_OK);
  assert_null(read.chosen); // only a branch chooses
  read_free(&read);
}

static void malformed_facts_are_refused(void **state) {
  (void)state;
  static const struct {
    uint32_t task;
    const char *facts;
  } cases[] = {
      {0, "x"},
      {0, "[]"},
      {0, "7"},
      {0, "{\"checks\":"},
      {0, "{\"checks\":{\"rule\":1}}"},
      {0, "{\"checks\":7}"},
      {0, "{\"checks\":[7]}"},
      {0, "{\"assets\":\"gold\"}"},
      {0, "{\"assets\":[{}]}"},
      {0, "{\"assets\":[\"gold\"]}"},
      {0, "{\"assets\":[{\"name\":7}]}"},
      {1, NULL},
      {1, "{\"chosen\":null}"},
      {1, "{\"chosen\":\"b\"}"},
      {1, "{\"chosen\":[\"plain\"]}"},
      {1, "{\"chosen\":[\"b\",null]}"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct read read;
    int code = read_facts(&read, cases[i].task, TG_ATTEMPT_SUCCESS, cases[i].facts);
    if (code != TG_EPROTOCOL || read.err.code != TG_EPROTOCOL)
      fail_msg("%s gives %s", cases[i].facts ? cases[i].facts : "no facts", tg_code_word(code));
    read_free(&read);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(checks_and_assets_become_records),
      cmocka_unit_test(a_failed_attempt_keeps_its_checks),
      cmocka_unit_test(a_choice_is_kept_as_it_was_made),
      cmocka_unit_test(malformed_facts_are_refused),
  };
  return cmocka_run_group_tests_name("host/engine/facts", tests, NULL, NULL);
}
