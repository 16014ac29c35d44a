// SPDX-License-Identifier: Apache-2.0
// Reasons are derived from what a real store holds: each test commits the records of a run and
// reads them back.
#include "cli/reasons.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "loop/loop.h"
#include "store/store.h"

// 2026-11-20T05:00:00Z
static const int64_t start_ms = INT64_C(1795150800000);

static const char bundle[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

#define TASK(name, after, when, attempts, more)                                                    \
  "{\"name\":\"" name "\",\"word\":\"task\",\"runner\":\"script\",\"line\":1,\"after\":" after     \
  ",\"when\":\"" when "\",\"retry\":{\"attempts\":" attempts ",\"backoff\":\"constant\","          \
  "\"base_ms\":4000,\"cap_ms\":4000,\"factor\":2,\"jitter\":\"none\",\"on\":[\"transient\"],"      \
  "\"total_ms\":0}" more "}"

enum { BRONZE, SILVER, WAY, HEAVY, LIGHT };

static const char plan_text[] =
    "{\"name\":\"orders\",\"doc\":\"\",\"file\":\"pipelines/orders.lua\",\"line\":1,\"limits\":{},"
    "\"params\":[],\"on\":[],\"policies\":[],\"tasks\":[" TASK(
        "bronze", "[]", "all_success", "2",
        "") "," TASK("silver", "[0]", "all_success", "1",
                     "") "," TASK("way", "[1]", "all_success", "1",
                                  ",\"to\":[3,4]") "," TASK("heavy", "[2]", "all_success", "1",
                                                            "") "," TASK("light", "[2]",
                                                                         "all_success", "1",
                                                                         "") "]}";

struct fixture {
  char data[64];
  struct tg_loop *loop;
  struct tg_store *store;
  struct tg_batch *batch;
  struct tg_history *history;
  struct tg_view view;
  bool is_kept, is_committed;
};

static void kept(void *self, const struct tg_error *err) {
  struct fixture *f = self;
  if (err) fail_msg("%s", err->text);
  f->is_kept = true;
}

static int fixture_setup(void **state) {
  struct fixture *f = calloc(1, sizeof *f);
  struct tg_error err = {0};
  assert_non_null(f);
  strcpy(f->data, "/tmp/tidegate-reasons-XXXXXX");
  assert_non_null(mkdtemp(f->data));
  f->loop = tg_loop_new(&err);
  f->batch = tg_batch_new();
  if (!f->loop || tg_store_open(f->loop, f->data, &f->store, &err)) fail_msg("%s", err.text);
  const struct tg_bundle_row row = {.hash = bundle, .pipeline = "orders", .plan = plan_text};
  tg_store_put_bundle(f->store, &row, kept, f);
  while (!f->is_kept) tg_loop_turn(f->loop, true);
  *state = f;
  return 0;
}

static int fixture_teardown(void **state) {
  struct fixture *f = *state;
  char command[128];
  tg_view_deinit(&f->view);
  tg_history_close(f->history);
  tg_store_close(f->store);
  tg_loop_free(f->loop);
  snprintf(command, sizeof command, "rm -r %s", f->data);
  assert_int_equal(system(command), 0);
  free(f);
  return 0;
}

static void record_add(struct fixture *f, const struct tg_record *record) {
  assert_int_equal(tg_batch_add(f->batch, record), TG_OK);
}

static void run_add(struct fixture *f, enum tg_run_state state, int64_t ended_at, int code,
                    const char *text) {
  struct tg_record record = {.kind = TG_RECORD_RUN,
                             .run = {.number = 1,
                                     .pipeline = "orders",
                                     .bundle = bundle,
                                     .params = "{}",
                                     .trigger = "manual",
                                     .logical_at = start_ms,
                                     .state = state,
                                     .created_at = start_ms,
                                     .ended_at = ended_at ? start_ms + ended_at : 0,
                                     .failure = {code, tg_code_class(code), text}}};
  record.run.id.bytes[0] = 1;
  record_add(f, &record);
}

// Times are ms from the start of the run, 0 for none.
static void task_add(struct fixture *f, uint32_t index, enum tg_task_state state, uint32_t attempts,
                     int64_t started_at, int64_t ended_at, const char *chosen) {
  static const char *const names[] = {"bronze", "silver", "way", "heavy", "light"};
  struct tg_record record = {.kind = TG_RECORD_TASK,
                             .task = {.run = 1,
                                      .index = index,
                                      .name = names[index],
                                      .state = state,
                                      .attempts = attempts,
                                      .started_at = attempts ? start_ms + started_at : 0,
                                      .ended_at = ended_at ? start_ms + ended_at : 0,
                                      .chosen = chosen}};
  record_add(f, &record);
}

static void attempt_add(struct fixture *f, uint32_t task, uint32_t number, int64_t started_at,
                        int64_t ended_at, int64_t retry_at, int code, const char *text) {
  struct tg_record record = {.kind = TG_RECORD_ATTEMPT,
                             .attempt = {.run = 1,
                                         .task = task,
                                         .item = TG_NO_ITEM,
                                         .number = number,
                                         .state = !ended_at ? TG_ATTEMPT_RUNNING
                                                  : code    ? TG_ATTEMPT_FAILED
                                                            : TG_ATTEMPT_SUCCESS,
                                         .started_at = start_ms + started_at,
                                         .ended_at = ended_at ? start_ms + ended_at : 0,
                                         .retry_at = retry_at ? start_ms + retry_at : 0,
                                         .failure = {code, tg_code_class(code), text}}};
  record_add(f, &record);
}

static void committed(void *self, struct tg_batch *batch, const struct tg_error *err) {
  struct fixture *f = self;
  if (err && err->code) fail_msg("%s", err->text);
  tg_batch_free(batch);
  f->is_committed = true;
}

static void view_read(struct fixture *f) {
  struct tg_error err = {0};
  tg_store_commit(f->store, f->batch, committed, f);
  while (!f->is_committed) tg_loop_turn(f->loop, true);
  if (tg_history_open(f->data, &f->history, &err)) fail_msg("%s", err.text);
  if (tg_view_read(&f->view, f->history, "last", &err)) fail_msg("%s", err.text);
}

// Compares with lines of "kind since until text", times in ms from the start, "-" for none.
static void expect(json_t *reasons, const char *expected) {
  struct tg_buf text;
  tg_buf_init(&text, 65536);
  assert_non_null(reasons);
  for (size_t i = 0; i < json_array_size(reasons); i++) {
    const char *kind, *since, *what;
    json_t *ms;
    assert_int_equal(json_unpack(json_array_get(reasons, i), "{s:s, s:s, s:o, s:s}", "kind", &kind,
                                 "since", &since, "duration_ms", &ms, "text", &what),
                     0);
    tg_buf_putf(&text, "%s %.12s ", kind, since + strlen("2026-11-20T"));
    if (json_is_null(ms))
      tg_buf_puts(&text, "-");
    else
      tg_buf_putf(&text, "%lld", (long long)json_integer_value(ms));
    tg_buf_putf(&text, " %s\n", what);
  }
  json_decref(reasons);
  assert_string_equal(tg_buf_text(&text), expected);
  tg_buf_deinit(&text);
}

static void tells_of_attempts_and_the_wait_between_them(void **state) {
  struct fixture *f = *state;
  run_add(f, TG_RUN_FAILED, 9000, TG_ESCRIPT, "bronze: no luck");
  task_add(f, BRONZE, TG_TASK_FAILED, 2, 500, 8000, NULL);
  attempt_add(f, BRONZE, 1, 500, 1000, 5000, TG_ESCRIPT, "bad luck");
  attempt_add(f, BRONZE, 2, 5000, 8000, 0, TG_ESCRIPT, "no luck");
  view_read(f);
  expect(tg_reasons_of_task(&f->view, NULL, BRONZE),
         "slot 05:00:00.000 500 waited for a free place to run\n"
         "attempt 05:00:00.500 500 attempt 1: failed (script, class transient): bad luck\n"
         "retry 05:00:01.000 4000 waited for attempt 2: 4.0s by its backoff (constant)\n"
         "attempt 05:00:05.000 3000 attempt 2: failed (script, class transient): no luck\n"
         "end 05:00:08.000 0 ended failed; its 2 attempts were used up\n");
}

static void says_why_there_was_no_further_attempt(void **state) {
  struct fixture *f = *state;
  run_add(f, TG_RUN_FAILED, 3000, TG_ESQL, "bronze: no such table");
  task_add(f, BRONZE, TG_TASK_FAILED, 1, 0, 1000, NULL);
  attempt_add(f, BRONZE, 1, 0, 1000, 0, TG_ESQL, "no such table");
  view_read(f);
  expect(tg_reasons_of_task(&f->view, NULL, BRONZE),
         "attempt 05:00:00.000 1000 attempt 1: failed (sql, class permanent): no such table\n"
         "end 05:00:01.000 0 ended failed; the class permanent is not tried again\n");
}

static void follows_a_failure_to_the_end_of_the_run(void **state) {
  struct fixture *f = *state;
  run_add(f, TG_RUN_FAILED, 3100, TG_ESCRIPT, "silver: broken");
  task_add(f, BRONZE, TG_TASK_SUCCESS, 1, 0, 1000, NULL);
  task_add(f, SILVER, TG_TASK_FAILED, 1, 1000, 3000, NULL);
  task_add(f, WAY, TG_TASK_UPSTREAM_FAILED, 0, 0, 3000, NULL);
  task_add(f, HEAVY, TG_TASK_UPSTREAM_FAILED, 0, 0, 3000, NULL);
  task_add(f, LIGHT, TG_TASK_UPSTREAM_FAILED, 0, 0, 3000, NULL);
  attempt_add(f, BRONZE, 1, 0, 1000, 0, TG_OK, NULL);
  attempt_add(f, SILVER, 1, 1000, 3000, 0, TG_ESCRIPT, "broken");
  view_read(f);
  expect(tg_reasons_of_run(&f->view, NULL),
         "attempt 05:00:00.000 1000 attempt 1: success\n"
         "attempt 05:00:01.000 2000 attempt 1: failed (script, class transient): broken\n"
         "end 05:00:03.000 0 ended failed; it has no retry\n"
         "end 05:00:03.100 0 3 tasks did not run because of a failed upstream: way, heavy, light\n"
         "end 05:00:03.100 0 the run ended failed: silver: broken\n");
  expect(tg_reasons_of_task(&f->view, NULL, WAY),
         "upstream 05:00:00.000 3000 waited for silver: failed\n"
         "rule 05:00:03.000 0 rule all_success cannot be met any more: of 1 upstream 0 success, 1 "
         "failed, 0 skipped\n"
         "end 05:00:03.000 0 ended upstream_failed\n");
}

static void tells_what_a_branch_and_its_policy_decided(void **state) {
  struct fixture *f = *state;
  run_add(f, TG_RUN_SUCCESS, 4000, TG_OK, NULL);
  task_add(f, BRONZE, TG_TASK_SUCCESS, 1, 0, 1000, NULL);
  task_add(f, SILVER, TG_TASK_SUCCESS, 1, 1000, 2000, NULL);
  task_add(f, WAY, TG_TASK_SUCCESS, 1, 2000, 3000, "[\"light\"]");
  task_add(f, HEAVY, TG_TASK_SKIPPED, 0, 0, 3000, NULL);
  task_add(f, LIGHT, TG_TASK_SUCCESS, 1, 3000, 4000, NULL);
  for (int64_t i = 0; i < HEAVY; i++)
    attempt_add(f, (uint32_t)i, 1, i * 1000, i * 1000 + 1000, 0, TG_OK, NULL);
  attempt_add(f, LIGHT, 1, 3000, 4000, 0, TG_OK, NULL);
  struct tg_record decision = {.kind = TG_RECORD_DECISION,
                               .decision = {.run = 1,
                                            .task = WAY,
                                            .attempt = 1,
                                            .policy = "route_by_volume",
                                            .version = bundle,
                                            .input = "{}",
                                            .output = "{}",
                                            .action = "light",
                                            .reason = "few rows",
                                            .decided_at = start_ms + 2500}};
  record_add(f, &decision);
  view_read(f);
  expect(tg_reasons_of_task(&f->view, NULL, HEAVY),
         "upstream 05:00:00.000 3000 waited for way: success\n"
         "decision 05:00:02.500 0 policy route_by_volume (version 0123456789ab) decided light: few "
         "rows\n"
         "branch 05:00:03.000 0 branch way chose [\"light\"]\n"
         "end 05:00:03.000 0 ended skipped\n");
  expect(tg_reasons_of_run(&f->view, NULL),
         "attempt 05:00:00.000 1000 attempt 1: success\n"
         "attempt 05:00:01.000 1000 attempt 1: success\n"
         "decision 05:00:02.500 0 policy route_by_volume (version 0123456789ab) decided light: few "
         "rows\n"
         "attempt 05:00:02.000 1000 attempt 1: success\n"
         "attempt 05:00:03.000 1000 attempt 1: success\n"
         "end 05:00:04.000 0 the run ended success\n");
}

static void names_the_checks_that_failed(void **state) {
  struct fixture *f = *state;
  run_add(f, TG_RUN_FAILED, 1000, TG_ECONTRACT, "bronze");
  task_add(f, BRONZE, TG_TASK_FAILED, 1, 0, 1000, NULL);
  attempt_add(f, BRONZE, 1, 0, 1000, 0, TG_ECONTRACT, "1 of 2 checks failed");
  static const char *const bodies[] = {
      "{\"rule\":\"id.required\",\"column\":\"id\",\"action\":\"fail\",\"outcome\":\"passed\"}",
      "{\"rule\":\"rows\",\"action\":\"fail\",\"outcome\":\"failed\",\"message\":\"it is 0\"}"};
  for (uint32_t i = 0; i < 2; i++) {
    struct tg_record check = {
        .kind = TG_RECORD_CHECK,
        .check = {.run = 1, .task = BRONZE, .attempt = 1, .position = i, .body = bodies[i]}};
    record_add(f, &check);
  }
  view_read(f);
  expect(tg_reasons_of_task(&f->view, NULL, BRONZE),
         "check 05:00:01.000 0 check rows ended failed, its action is fail: it is 0\n"
         "attempt 05:00:00.000 1000 attempt 1: failed (contract, class contract): 1 of 2 checks "
         "failed\n"
         "end 05:00:01.000 0 ended failed; the class contract is not tried again\n");
}

static void tells_what_an_open_run_waits_for(void **state) {
  struct fixture *f = *state;
  run_add(f, TG_RUN_RUNNING, 0, TG_OK, NULL);
  task_add(f, BRONZE, TG_TASK_WAITING, 1, 0, 0, NULL);
  attempt_add(f, BRONZE, 1, 0, 1000, 5000, TG_ESCRIPT, "bad luck");
  view_read(f);
  expect(tg_reasons_of_run(&f->view, NULL),
         "attempt 05:00:00.000 1000 attempt 1: failed (script, class transient): bad luck\n"
         "retry 05:00:01.000 - waits for attempt 2 until 2026-11-20T05:00:05.000Z: 4.0s by its "
         "backoff "
         "(constant)\n");
  expect(tg_reasons_of_task(&f->view, NULL, SILVER),
         "upstream 05:00:00.000 - waits for bronze, which is waiting\n"
         "rule 05:00:00.000 - rule all_success is still open: of 1 upstream 0 success, 0 failed, "
         "0 skipped\n");
}

static void shows_records_as_json_with_every_detail(void **state) {
  struct fixture *f = *state;
  run_add(f, TG_RUN_FAILED, 3000, TG_ESQL, "bronze: \xff");
  task_add(f, BRONZE, TG_TASK_FAILED, 1, 0, 1000, NULL);
  attempt_add(f, BRONZE, 1, 0, 1000, 0, TG_ESQL, "no such table");
  struct tg_record version = {.kind = TG_RECORD_ASSET_VERSION,
                              .asset_version = {.run = 1,
                                                .task = BRONZE,
                                                .attempt = 1,
                                                .asset = "bronze_orders",
                                                .partition = "",
                                                .rows = -1,
                                                .facts = "{\"a\":1}",
                                                .created_at = start_ms}};
  struct tg_record decision = {.kind = TG_RECORD_DECISION,
                               .decision = {.run = 1,
                                            .task = BRONZE,
                                            .attempt = 1,
                                            .policy = "p",
                                            .version = bundle,
                                            .input = "{\"rows\":1}",
                                            .output = "{}",
                                            .decided_at = start_ms}};
  record_add(f, &version);
  record_add(f, &decision);
  view_read(f);
  json_t *run = tg_view_json(&f->view, true);
  assert_non_null(run);
  char *text = json_dumps(run, JSON_COMPACT);
  assert_non_null(text);
  assert_non_null(strstr(text, "\"error\":{\"code\":\"sql\",\"class\":\"permanent\","
                               "\"message\":\"bronze: \xEF\xBF\xBD\"}"));
  assert_non_null(
      strstr(text, "{\"name\":\"silver\",\"state\":\"waiting\",\"attempts\":0,\"carried\":false,"
                   "\"started_at\":null,\"ended_at\":null"));
  assert_non_null(strstr(text, "\"asset_versions\":[{\"asset\":\"bronze_orders\","
                               "\"task\":\"bronze\",\"attempt\":1,\"partition\":\"\","
                               "\"rows\":null,"));
  assert_non_null(strstr(text, "\"action\":null,\"reason\":null,\"decided_at\":"
                               "\"2026-11-20T05:00:00.000Z\",\"input\":{\"rows\":1}"));
  free(text);
  json_decref(run);
}

int main(void) {
  const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
      TEST(tells_of_attempts_and_the_wait_between_them),
      TEST(says_why_there_was_no_further_attempt),
      TEST(follows_a_failure_to_the_end_of_the_run),
      TEST(tells_what_a_branch_and_its_policy_decided),
      TEST(names_the_checks_that_failed),
      TEST(tells_what_an_open_run_waits_for),
      TEST(shows_records_as_json_with_every_detail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
