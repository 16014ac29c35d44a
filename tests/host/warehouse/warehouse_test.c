// SPDX-License-Identifier: Apache-2.0
#include "warehouse/warehouse.h"

#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "host/warehouse/scratch.h"

static const char endless[] =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

struct scene {
  struct scratch scratch;
  struct tg_loop *loop;
  struct tg_warehouse *warehouse;
  int done_count;
};

// What became of a request.
struct outcome {
  struct scene *scene;
  bool is_done;
  int place; // among the outcomes, from 1
  int code;
  int64_t number; // the first cell of a query, or the changes of an exec
  char text[256];
};

static int setup(void **state) {
  struct scene *scene = calloc(1, sizeof *scene);
  scratch_init(&scene->scratch);
  scene->loop = tg_loop_new(NULL);
  struct tg_warehouse_options options = {.path = scene->scratch.path};
  scene->warehouse = tg_warehouse_new(scene->loop, &options, NULL);
  *state = scene;
  return scene->warehouse ? 0 : -1;
}

static int teardown(void **state) {
  struct scene *scene = *state;
  tg_warehouse_free(scene->warehouse);
  tg_loop_free(scene->loop);
  scratch_deinit(&scene->scratch);
  free(scene);
  return 0;
}

static void done(void *self, const struct tg_error *err, struct tg_buf *reply) {
  struct outcome *outcome = self;
  assert_false(outcome->is_done);
  outcome->is_done = true;
  outcome->place = ++outcome->scene->done_count;
  outcome->code = err ? err->code : TG_OK;
  if (err) snprintf(outcome->text, sizeof outcome->text, "%.255s", err->text);
  struct tg_reader in = tg_reader_of(tg_buf_text(reply), reply->len);
  if (reply->len == sizeof(int64_t)) {
    outcome->number = tg_wire_get_i64(&in);
  } else if (reply->len) {
    tg_wire_get_u32(&in);
    tg_wire_get_text(&in);
    tg_wire_get_u32(&in);
    outcome->number = tg_wire_get_value(&in).integer;
  }
}

static uint64_t submit(struct scene *scene, uint64_t session, int64_t deadline_ms,
                       enum tg_sql_op op, const char *text, struct outcome *outcome) {
  struct tg_buf body;
  tg_buf_init(&body, 10000);
  tg_wire_put_u8(&body, (uint8_t)op);
  tg_wire_put_text(&body, "");
  if (text) {
    tg_wire_put_text(&body, text);
    tg_wire_put_u8(&body, 0);
  }
  *outcome = (struct outcome){.scene = scene};
  uint64_t number = tg_warehouse_service_call(scene->warehouse, session, deadline_ms, body.data,
                                              body.len, done, outcome);
  tg_buf_deinit(&body);
  return number;
}

static void await(struct scene *scene, const struct outcome *outcome) {
  while (!outcome->is_done) tg_loop_turn(scene->loop, true);
}

static struct outcome call(struct scene *scene, uint64_t session, enum tg_sql_op op,
                           const char *text) {
  struct outcome outcome;
  submit(scene, session, 0, op, text, &outcome);
  await(scene, &outcome);
  return outcome;
}

static int64_t soon(int64_t ms) {
  return tg_clock_mono_ms(tg_clock_system()) + ms;
}

static void serves_writes_and_queries(void **state) {
  struct scene *scene = *state;
  assert_int_equal(call(scene, 1, TG_SQL_QUERY, "SELECT 7").number, 7);
  assert_int_equal(call(scene, 1, TG_SQL_EXEC, "CREATE TABLE t(a)").code, TG_OK);
  assert_int_equal(call(scene, 1, TG_SQL_EXEC, "INSERT INTO t VALUES (1), (2)").number, 2);
  assert_int_equal(call(scene, 2, TG_SQL_QUERY, "SELECT count(*) FROM t").number, 2);
}

static void a_query_that_writes_goes_to_the_writer(void **state) {
  struct scene *scene = *state;
  call(scene, 1, TG_SQL_EXEC, "CREATE TABLE t(a)");
  struct outcome outcome = call(scene, 1, TG_SQL_QUERY, "INSERT INTO t VALUES (5) RETURNING a");
  assert_int_equal(outcome.code, TG_OK);
  assert_int_equal(outcome.number, 5);
  assert_int_equal(call(scene, 1, TG_SQL_QUERY, "SELECT count(*) FROM t").number, 1);
}

static void a_transaction_is_seen_by_its_session_alone_until_it_commits(void **state) {
  struct scene *scene = *state;
  call(scene, 1, TG_SQL_EXEC, "CREATE TABLE t(a)");
  assert_int_equal(call(scene, 1, TG_SQL_BEGIN, NULL).code, TG_OK);
  call(scene, 1, TG_SQL_EXEC, "INSERT INTO t VALUES (1)");
  assert_int_equal(call(scene, 1, TG_SQL_QUERY, "SELECT count(*) FROM t").number, 1);
  assert_int_equal(call(scene, 2, TG_SQL_QUERY, "SELECT count(*) FROM t").number, 0);
  assert_int_equal(call(scene, 1, TG_SQL_BEGIN, NULL).code, TG_EINVALID);
  assert_int_equal(call(scene, 1, TG_SQL_COMMIT, NULL).code, TG_OK);
  assert_int_equal(call(scene, 2, TG_SQL_QUERY, "SELECT count(*) FROM t").number, 1);
  assert_int_equal(call(scene, 1, TG_SQL_COMMIT, NULL).code, TG_EINVALID);
}

static void another_sessions_write_waits_for_the_transaction(void **state) {
  struct scene *scene = *state;
  struct outcome waiting;
  call(scene, 1, TG_SQL_EXEC, "CREATE TABLE t(a)");
  call(scene, 1, TG_SQL_BEGIN, NULL);
  submit(scene, 2, 0, TG_SQL_EXEC, "INSERT INTO t SELECT count(*) FROM t", &waiting);
  call(scene, 1, TG_SQL_EXEC, "INSERT INTO t VALUES (10)");
  struct outcome commit = call(scene, 1, TG_SQL_COMMIT, NULL);
  await(scene, &waiting);
  assert_int_equal(waiting.code, TG_OK);
  assert_true(waiting.place > commit.place);
  assert_int_equal(call(scene, 2, TG_SQL_QUERY, "SELECT sum(a) FROM t").number, 11);
}

static void who_waits_too_long_for_a_transaction_is_told_so(void **state) {
  struct scene *scene = *state;
  struct outcome waiting;
  call(scene, 1, TG_SQL_BEGIN, NULL);
  submit(scene, 2, soon(30), TG_SQL_EXEC, "CREATE TABLE t(a)", &waiting);
  await(scene, &waiting);
  assert_int_equal(waiting.code, TG_ETIMEOUT);
  assert_non_null(strstr(waiting.text, "another attempt's transaction"));
  assert_int_equal(call(scene, 1, TG_SQL_ROLLBACK, NULL).code, TG_OK);
}

static void deadlines_and_cancels_hold_while_every_thread_is_busy(void **state) {
  struct scene *scene = *state;
  struct outcome busy[3], late, late_reader, cancelled;
  call(scene, 9, TG_SQL_EXEC, "CREATE TABLE t(a)");
  for (uint64_t i = 0; i < 3; i++)
    submit(scene, i, 0, i ? TG_SQL_QUERY : TG_SQL_EXEC, endless, &busy[i]);
  submit(scene, 5, soon(30), TG_SQL_EXEC, "SELECT 1", &late);
  submit(scene, 6, soon(30), TG_SQL_QUERY, "SELECT 1", &late_reader);
  uint64_t number = submit(scene, 7, 0, TG_SQL_EXEC, "SELECT 1", &cancelled);
  tg_warehouse_cancel(scene->warehouse, number);
  await(scene, &cancelled);
  await(scene, &late);
  await(scene, &late_reader);
  assert_int_equal(cancelled.code, TG_ECANCELLED);
  assert_int_equal(late.code, TG_ETIMEOUT);
  assert_int_equal(late_reader.code, TG_ETIMEOUT);
  for (uint64_t i = 0; i < 3; i++) {
    assert_false(busy[i].is_done);
    tg_warehouse_end_session(scene->warehouse, i);
    await(scene, &busy[i]);
  }
}

static void the_end_of_a_session_rolls_back_and_lets_the_next_one_on(void **state) {
  struct scene *scene = *state;
  struct outcome waiting;
  call(scene, 1, TG_SQL_EXEC, "CREATE TABLE t(a)");
  call(scene, 1, TG_SQL_BEGIN, NULL);
  call(scene, 1, TG_SQL_EXEC, "INSERT INTO t VALUES (1)");
  submit(scene, 2, 0, TG_SQL_EXEC, "INSERT INTO t SELECT 5", &waiting);
  tg_warehouse_end_session(scene->warehouse, 1);
  await(scene, &waiting);
  assert_int_equal(call(scene, 3, TG_SQL_QUERY, "SELECT sum(a) FROM t").number, 5);
}

static void the_end_of_a_session_stops_what_it_runs(void **state) {
  struct scene *scene = *state;
  struct outcome reading, writing, queued;
  call(scene, 1, TG_SQL_BEGIN, NULL);
  submit(scene, 2, 0, TG_SQL_QUERY, endless, &reading);
  submit(scene, 1, 0, TG_SQL_EXEC, endless, &writing);
  submit(scene, 2, 0, TG_SQL_BEGIN, NULL, &queued);
  tg_warehouse_end_session(scene->warehouse, 2); // first, while session 1 still has the writer
  tg_warehouse_end_session(scene->warehouse, 1);
  await(scene, &reading);
  await(scene, &writing);
  await(scene, &queued);
  assert_int_equal(reading.code, TG_ECANCELLED);
  assert_int_equal(writing.code, TG_ECANCELLED);
  assert_int_equal(queued.code, TG_ECANCELLED);
  assert_int_equal(call(scene, 3, TG_SQL_EXEC, "CREATE TABLE t(a)").code, TG_OK);
}

static void deadlines_and_cancels_stop_one_request(void **state) {
  struct scene *scene = *state;
  struct outcome late, cancelled;
  submit(scene, 1, soon(30), TG_SQL_QUERY, endless, &late);
  uint64_t number = submit(scene, 2, 0, TG_SQL_QUERY, endless, &cancelled);
  await(scene, &late);
  assert_int_equal(late.code, TG_ETIMEOUT);
  assert_false(cancelled.is_done);
  tg_warehouse_cancel(scene->warehouse, number);
  await(scene, &cancelled);
  assert_int_equal(cancelled.code, TG_ECANCELLED);
  assert_int_equal(call(scene, 2, TG_SQL_QUERY, "SELECT 1").number, 1);
}

static void an_aborted_transaction_takes_nothing_more(void **state) {
  struct scene *scene = *state;
  call(scene, 1, TG_SQL_EXEC, "CREATE TABLE t(a UNIQUE)");
  call(scene, 1, TG_SQL_BEGIN, NULL);
  call(scene, 1, TG_SQL_EXEC, "INSERT INTO t VALUES (1)");
  assert_int_equal(call(scene, 1, TG_SQL_EXEC, "INSERT OR ROLLBACK INTO t VALUES (1)").code,
                   TG_ESQL);
  struct outcome refused = call(scene, 1, TG_SQL_EXEC, "INSERT INTO t VALUES (2)");
  assert_int_equal(refused.code, TG_ESQL);
  assert_non_null(strstr(refused.text, "earlier error: UNIQUE constraint failed"));
  assert_int_equal(call(scene, 1, TG_SQL_ROLLBACK, NULL).code, TG_OK);
  assert_int_equal(call(scene, 1, TG_SQL_QUERY, "SELECT count(*) FROM t").number, 0);
}

static void a_malformed_request_is_told(void **state) {
  struct scene *scene = *state;
  struct outcome outcome = {.scene = scene};
  tg_warehouse_service_call(scene->warehouse, 1, 0, "\x02junk", 5, done, &outcome);
  await(scene, &outcome);
  assert_int_equal(outcome.code, TG_EPROTOCOL);
}

static void a_damaged_file_fails_requests_and_no_more(void **state) {
  struct scene *scene = *state;
  char junk[4096];
  memset(junk, 'j', sizeof junk);
  const char *path = scratch_write(&scene->scratch, "junk.db", junk, sizeof junk);
  tg_warehouse_free(scene->warehouse);
  struct tg_warehouse_options options = {.path = path};
  scene->warehouse = tg_warehouse_new(scene->loop, &options, NULL);
  assert_int_equal(call(scene, 1, TG_SQL_QUERY, "SELECT 1").code, TG_EDAMAGED);
  assert_int_equal(call(scene, 1, TG_SQL_EXEC, "SELECT 1").code, TG_EDAMAGED);
}

static void closing_answers_everybody(void **state) {
  struct scene *scene = *state;
  struct outcome outcomes[8];
  call(scene, 9, TG_SQL_BEGIN, NULL);
  for (uint64_t i = 0; i < 8; i++)
    submit(scene, i, 0, i % 2 ? TG_SQL_QUERY : TG_SQL_EXEC, endless, &outcomes[i]);
  tg_warehouse_free(scene->warehouse);
  scene->warehouse = NULL;
  for (int i = 0; i < 8; i++) assert_int_equal(outcomes[i].code, TG_ECANCELLED);
}

// A statement that nothing can stop: it opens a file, which takes until it is let go.
struct hold {
  sem_t has_begun, may_end;
};

static int open_held(void *self, const char *path, int *fd, struct tg_error *err) {
  (void)path;
  (void)fd;
  struct hold *hold = self;
  sem_post(&hold->has_begun);
  while (sem_wait(&hold->may_end)) continue;
  return tg_error_set(err, TG_ENOT_FOUND, "not there");
}

static void load_csv_submit(struct scene *scene, uint64_t session, struct outcome *outcome) {
  struct tg_buf body;
  tg_buf_init(&body, 10000);
  tg_wire_put_u8(&body, TG_SQL_LOAD_CSV);
  const char *const texts[] = {"", "t", "/held"};
  for (int i = 0; i < 3; i++) tg_wire_put_text(&body, texts[i]);
  tg_wire_put_u8(&body, TG_SQL_FLAG_HEADER);
  tg_wire_put_text(&body, ",");
  tg_wire_put_text(&body, "\"");
  tg_wire_put_text(&body, "");
  tg_wire_put_u32(&body, 0);
  tg_wire_put_u32(&body, 0);
  tg_wire_put_text(&body, "");
  *outcome = (struct outcome){.scene = scene};
  tg_warehouse_service_call(scene->warehouse, session, 0, body.data, body.len, done, outcome);
  tg_buf_deinit(&body);
}

static void closing_leaves_behind_what_cannot_be_stopped(void **state) {
  struct scene *scene = *state;
  static struct hold hold; // the thread outlives this test
  sem_init(&hold.has_begun, 0, 0);
  sem_init(&hold.may_end, 0, 0);
  struct tg_warehouse_options options = {
      .path = scene->scratch.path, .open_read = open_held, .open_self = &hold};
  tg_warehouse_free(scene->warehouse);
  scene->warehouse = tg_warehouse_new(scene->loop, &options, NULL);
  struct outcome first, second;
  call(scene, 1, TG_SQL_BEGIN, NULL);
  load_csv_submit(scene, 1, &first);
  while (sem_wait(&hold.has_begun)) continue;
  submit(scene, 2, 0, TG_SQL_EXEC, "SELECT 1", &second);
  tg_warehouse_free(scene->warehouse);
  scene->warehouse = NULL;
  assert_int_equal(first.code, TG_ECANCELLED);
  assert_int_equal(second.code, TG_ECANCELLED);
  // It is held to the end of the process: what it uses is its own until then.
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(serves_writes_and_queries),
      TEST(a_query_that_writes_goes_to_the_writer),
      TEST(a_transaction_is_seen_by_its_session_alone_until_it_commits),
      TEST(another_sessions_write_waits_for_the_transaction),
      TEST(who_waits_too_long_for_a_transaction_is_told_so),
      TEST(deadlines_and_cancels_hold_while_every_thread_is_busy),
      TEST(the_end_of_a_session_rolls_back_and_lets_the_next_one_on),
      TEST(the_end_of_a_session_stops_what_it_runs),
      TEST(deadlines_and_cancels_stop_one_request),
      TEST(an_aborted_transaction_takes_nothing_more),
      TEST(a_malformed_request_is_told),
      TEST(a_damaged_file_fails_requests_and_no_more),
      TEST(closing_answers_everybody),
      TEST(closing_leaves_behind_what_cannot_be_stopped),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
