// SPDX-License-Identifier: Apache-2.0
// The n-th allocation fails, for every n, in the store and in SQLite below it: what was asked for
// is stored as a whole or not at all, it is told rightly which, and the store that is opened
// afterwards is sound. What is read is whole, or told to have failed.
//
// The few bytes that a call to the store needs for its own books end the host where they are not to
// be had (base/must.h), so they are always there here.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <malloc.h>
#include <sqlite3.h>

#include "fault/memory.h"
#include "ipc/wire.h"
#include "store/events.h"
#include "store/history.h"
#include "store/kv_service.h"
#include "store/store.h"

enum { RUN = 1, CALLS = 4 };

struct drive {
  char folder[64];
  struct tg_loop *loop;
  struct tg_store *store;
  int codes[CALLS]; // what the calls were told
  char texts[CALLS][TG_ERROR_TEXT_MAX];
  int told;
};

// --- SQLite's memory is ours ---

static void *sqlite_alloc(int size) {
  return malloc((size_t)size);
}

static void *sqlite_realloc(void *block, int size) {
  return realloc(block, (size_t)size);
}

static void sqlite_free(void *block) {
  free(block);
}

static int sqlite_size(void *block) {
  return block ? (int)malloc_usable_size(block) : 0;
}

static int sqlite_roundup(int size) {
  return (size + 7) & ~7;
}

static int sqlite_begin(void *self) {
  (void)self;
  return SQLITE_OK;
}

static void sqlite_end(void *self) {
  (void)self;
}

static const sqlite3_mem_methods methods = {
    .xMalloc = sqlite_alloc,
    .xFree = sqlite_free,
    .xRealloc = sqlite_realloc,
    .xSize = sqlite_size,
    .xRoundup = sqlite_roundup,
    .xInit = sqlite_begin,
    .xShutdown = sqlite_end,
};

// --- The store ---

static void store_remove(const struct drive *drive) {
  static const char *const names[] = {"state.db", "state.db-wal", "state.db-shm", "lock"};
  char path[128];
  for (int i = 0; i < 4; i++) {
    snprintf(path, sizeof path, "%s/%s", drive->folder, names[i]);
    unlink(path);
  }
}

static void told(struct drive *drive, int call, const struct tg_error *err) {
  drive->codes[call] = err ? err->code : TG_OK;
  snprintf(drive->texts[call], sizeof drive->texts[call], "%s", err ? err->text : "");
  drive->told++;
}

static void batch_done(void *self, struct tg_batch *batch, const struct tg_error *err) {
  tg_batch_free(batch);
  told(self, 0, err);
}

static void bundle_done(void *self, const struct tg_error *err) {
  told(self, 1, err);
}

static void events_done(void *self, const struct tg_event *events, size_t count,
                        const struct tg_error *err) {
  (void)events;
  (void)count;
  told(self, 2, err);
}

static void kv_done(void *self, const struct tg_error *err, const struct tg_buf *reply) {
  (void)reply;
  told(self, 3, err);
}

static void await(struct drive *drive, int count) {
  memory_resume();
  while (drive->told < count) tg_loop_turn(drive->loop, true);
  memory_pause();
}

static struct tg_batch *batch_make(void) {
  const struct tg_failure failure = {
      .code = TG_EREMOTE, .class = TG_CLASS_TRANSIENT, .text = "no answer"};
  const struct tg_record records[] = {
      {.kind = TG_RECORD_RUN,
       .run = {.number = RUN, .pipeline = "p", .bundle = "b", .params = "{}", .trigger = "manual"}},
      {.kind = TG_RECORD_TASK,
       .task = {.run = RUN, .name = "a", .state = TG_TASK_SUCCESS, .output = "[1,2,3]"}},
      {.kind = TG_RECORD_ATTEMPT,
       .attempt = {.run = RUN,
                   .item = TG_NO_ITEM,
                   .number = 1,
                   .state = TG_ATTEMPT_FAILED,
                   .failure = failure}},
      {.kind = TG_RECORD_STEP,
       .step = {.run = RUN, .item = TG_NO_ITEM, .name = "s", .result = "{\"value\":1}"}},
  };
  struct tg_batch *batch = tg_batch_new();
  assert_non_null(batch);
  for (size_t i = 0; i < sizeof records / sizeof *records; i++)
    assert_int_equal(tg_batch_add(batch, &records[i]), TG_OK);
  return batch;
}

static void kv_put(struct drive *drive) {
  struct tg_buf body;
  tg_buf_init(&body, 1024);
  tg_wire_put_u8(&body, TG_KV_PUT);
  tg_wire_put_text(&body, "key");
  tg_wire_put_text(&body, "\"value\"");
  tg_wire_put_i64(&body, 0);
  tg_kv_service_call(drive->store, "p", body.data, body.len, kv_done, drive);
  tg_buf_deinit(&body);
}

static const struct tg_source source = {.key = "k", .path = "p.lua", .text = "return", .len = 6};
static const struct tg_bundle_row row = {.hash = "b",
                                         .pipeline = "p",
                                         .program = "x",
                                         .plan = "{\"name\":\"p\"}",
                                         .sources = &source,
                                         .count = 1};
static const struct tg_event event = {
    .id = "1", .source = "/a", .type = "t", .subject = "s", .body = "{\"id\":\"1\"}"};

// One after the other, so that each has transactions of its own.
static void calls_make(struct drive *drive) {
  tg_store_commit(drive->store, batch_make(), batch_done, drive);
  await(drive, 1);
  tg_store_put_bundle(drive->store, &row, bundle_done, drive);
  await(drive, 2);
  tg_store_put_events(drive->store, &event, 1, 1000, events_done, drive);
  await(drive, 3);
  kv_put(drive);
  await(drive, 4);
}

static int64_t number(sqlite3 *db, const char *query) {
  sqlite3_stmt *statement;
  assert_int_equal(sqlite3_prepare_v2(db, query, -1, &statement, NULL), SQLITE_OK);
  assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
  int64_t value = sqlite3_column_int64(statement, 0);
  sqlite3_finalize(statement);
  return value;
}

// By a connection that knows nothing of the program.
static int store_judge(const struct drive *drive) {
  static const char *const queries[CALLS] = {
      "SELECT (SELECT count(*) FROM runs) + (SELECT count(*) FROM tasks)"
      " + (SELECT count(*) FROM attempts) + (SELECT count(*) FROM steps)",
      "SELECT (SELECT count(*) FROM bundles) + (SELECT count(*) FROM bundle_files)"
      " + (SELECT count(*) FROM sources)",
      "SELECT count(*) FROM events", "SELECT count(*) FROM kv"};
  static const int64_t whole[CALLS] = {4, 3, 1, 1};
  char path[128];
  sqlite3 *db;
  int code = TG_OK;
  snprintf(path, sizeof path, "%s/state.db", drive->folder);
  assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
  assert_int_equal(number(db, "SELECT integrity_check = 'ok' FROM pragma_integrity_check"), 1);
  for (int i = 0; i < CALLS; i++) {
    int64_t rows = number(db, queries[i]);
    if (rows != 0 && rows != whole[i]) fail_msg("call %d left %lld rows", i, (long long)rows);
    // After a commit whose outcome is not known both are right.
    if (drive->codes[i] == TG_OK) assert_int_equal(rows, whole[i]);
    if (drive->codes[i] == TG_ENOMEM) assert_int_equal(rows, 0);
    if (drive->codes[i] && drive->codes[i] != TG_EDAMAGED && drive->codes[i] != TG_ENOMEM)
      fail_msg("call %d was told %s: %s", i, tg_code_word((enum tg_code)drive->codes[i]),
               drive->texts[i]);
    if (drive->codes[i]) code = TG_ENOMEM;
  }
  sqlite3_close(db);
  return code;
}

static int write_scene(void *self) {
  struct drive *drive = self;
  memory_pause();
  store_remove(drive);
  drive->told = 0;
  drive->loop = tg_loop_new(NULL);
  assert_int_equal(tg_store_open(drive->loop, drive->folder, &drive->store, NULL), TG_OK);
  calls_make(drive);
  tg_store_close(drive->store);
  tg_loop_free(drive->loop);
  int code = store_judge(drive);
  memory_resume();
  return code;
}

// A host that cannot open its store says so; the next one can.
static int open_scene(void *self) {
  struct drive *drive = self;
  struct tg_error err = {0};
  memory_pause();
  store_remove(drive);
  drive->loop = tg_loop_new(NULL);
  memory_resume();
  int code = tg_store_open(drive->loop, drive->folder, &drive->store, &err);
  memory_pause();
  if (code) assert_int_equal(err.code, code);
  if (!code) tg_store_close(drive->store);
  bool has_failed = memory_has_failed();
  assert_int_equal(tg_store_open(drive->loop, drive->folder, &drive->store, NULL), TG_OK);
  tg_store_close(drive->store);
  tg_loop_free(drive->loop);
  // SQLite may say of memory that is out that it cannot open or read the file.
  bool is_told = code == TG_ENOMEM || code == TG_EIO || code == TG_EDAMAGED;
  memory_resume();
  return code && has_failed && is_told ? TG_ENOMEM : code;
}

// --- Reading ---

static int all_read(struct tg_history *history, struct tg_arena *arena, struct tg_error *err) {
  struct tg_run run, *runs;
  struct tg_task *tasks;
  struct tg_attempt *attempts;
  struct tg_step *steps;
  struct tg_bundle_row bundle;
  struct tg_event *events;
  size_t run_count = 0, tasks_count = 0, attempt_count = 0, step_count = 0, event_count = 0;
  struct tg_run_filter filter = {.state = -1, .limit = 10};
  struct tg_event_query query = {.type = "t", .limit = 10};
  int code = tg_history_run(history, "last", arena, &run, err);
  if (!code) code = tg_history_runs(history, &filter, arena, &runs, &run_count, err);
  if (!code) code = tg_history_tasks(history, RUN, arena, &tasks, &tasks_count, err);
  if (!code) code = tg_history_attempts(history, RUN, arena, &attempts, &attempt_count, err);
  if (!code) code = tg_history_steps(history, RUN, arena, &steps, &step_count, err);
  if (!code) code = tg_history_bundle(history, "b", arena, &bundle, err);
  if (!code) code = tg_history_events(history, &query, arena, &events, &event_count, err);
  if (code) return code;
  assert_int_equal(run_count * tasks_count * attempt_count * step_count * event_count, 1);
  assert_string_equal(run.params, "{}");
  assert_string_equal(tasks[0].output, "[1,2,3]");
  assert_string_equal(attempts[0].failure.text, "no answer");
  assert_string_equal(steps[0].result, "{\"value\":1}");
  assert_string_equal(bundle.plan, "{\"name\":\"p\"}");
  assert_string_equal(events[0].subject, "s");
  return TG_OK;
}

static int read_scene(void *self) {
  const struct drive *drive = self;
  struct tg_history *history = NULL;
  struct tg_arena arena;
  struct tg_error err = {0};
  tg_arena_init(&arena);
  int code = tg_history_open(drive->folder, &history, &err);
  if (!code) code = all_read(history, &arena, &err);
  if (code) assert_int_equal(err.code, code);
  if (history) tg_history_close(history);
  tg_arena_deinit(&arena);
  // SQLite may say of memory that is out that it cannot open or read the file.
  return code == TG_EIO && memory_has_failed() ? TG_ENOMEM : code;
}

// --- Tests ---

static int setup(void **state) {
  static struct drive drive;
  drive = (struct drive){.folder = "/dev/shm/tidegate-memory-XXXXXX"};
  if (!mkdtemp(drive.folder)) {
    strcpy(drive.folder, "/tmp/tidegate-memory-XXXXXX");
    if (!mkdtemp(drive.folder)) return -1;
  }
  *state = &drive;
  return 0;
}

static int teardown(void **state) {
  store_remove(*state);
  return rmdir(((struct drive *)*state)->folder);
}

static void what_is_written_is_whole_or_nothing(void **state) {
  assert_true(memory_fail_each(write_scene, *state) > 20);
}

static void a_store_opens_or_says_why_not(void **state) {
  assert_true(memory_fail_each(open_scene, *state) > 50);
}

static void what_is_read_is_whole(void **state) {
  memory_fail_at(0, false);
  memory_resume();
  assert_int_equal(write_scene(*state), TG_OK);
  memory_pause();
  assert_true(memory_fail_each(read_scene, *state) > 20);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  memory_fail_at(0, false);
  sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
  sqlite3_initialize();
  const struct CMUnitTest tests[] = {
      TEST(what_is_written_is_whole_or_nothing),
      TEST(a_store_opens_or_says_why_not),
      TEST(what_is_read_is_whole),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
