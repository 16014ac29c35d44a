// SPDX-License-Identifier: Apache-2.0
#include "store/store.h"

#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "host/store/scene.h"
#include "model/record.h"
#include "store/database.h"
#include "store/kv_service.h"
#include "store/schema.h"

static uint64_t last_number(struct scene *scene) {
  struct tg_history *history = scene_history(scene);
  uint64_t number;
  assert_int_equal(tg_history_last_number(history, &number, &scene->err), TG_OK);
  tg_history_close(history);
  return number;
}

static void makes_its_folder_and_schema(void **state) {
  struct scene *scene = *state;
  char version[16];
  snprintf(version, sizeof version, "%d", tg_schema_count);
  assert_string_equal(scene_sql(scene, "PRAGMA user_version"), version);
  assert_string_equal(scene_sql(scene, "PRAGMA journal_mode"), "wal");
  assert_string_equal(scene_sql(scene, "PRAGMA integrity_check"), "ok");
  assert_int_equal(last_number(scene), 0);
}

// The writer's own connection is not to be had, so one is opened as the store does it.
static void every_commit_is_synced(void **state) {
  struct scene *scene = *state;
  sqlite3 *db;
  sqlite3_stmt *statement;
  assert_int_equal(tg_database_open(scene->folder, true, &db, &scene->err), TG_OK);
  assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA synchronous", -1, &statement, NULL), SQLITE_OK);
  assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
  assert_int_equal(sqlite3_column_int(statement, 0), 2); // FULL
  sqlite3_finalize(statement);
  sqlite3_close(db);
}

static void is_there_again_after_it_was_closed(void **state) {
  struct scene *scene = *state;
  struct tg_record run = scene_run(1, NULL);
  assert_int_equal(scene_put(scene, &run, 1), TG_OK);
  scene_close(scene);
  assert_int_equal(scene_open(scene), TG_OK);
  assert_int_equal(last_number(scene), 1);
}

static void a_second_host_is_told_who_holds_the_folder(void **state) {
  struct scene *scene = *state;
  struct tg_store *other = NULL;
  char process[32];
  assert_int_equal(tg_store_open(scene->loop, scene->folder, &other, &scene->err), TG_EBUSY);
  assert_null(other);
  snprintf(process, sizeof process, "(process %d)", (int)getpid());
  assert_non_null(strstr(scene->err.text, process));
  assert_non_null(strstr(scene->err.text, "--data"));
}

// What a host that is killed between the start of a child and its exec leaves: the lock is the
// child's for a moment, and the process that is named in the file is no more.
static void waits_for_what_a_dead_host_leaves(void **state) {
  struct scene *scene = *state;
  int pipes[2];
  scene_close(scene);
  assert_int_equal(pipe(pipes), 0);
  pid_t host = fork();
  if (host == 0) {
    struct tg_store *store;
    if (tg_store_open(tg_loop_new(NULL), scene->folder, &store, NULL) != TG_OK) _exit(1);
    if (fork() == 0) { // inherits the lock
      close(pipes[0]);
      close(pipes[1]);
      usleep(300000);
      _exit(0);
    }
    raise(SIGKILL);
  }
  close(pipes[1]);
  int status;
  char none;
  assert_int_equal(waitpid(host, &status, 0), host);
  assert_int_equal(read(pipes[0], &none, 1), 0); // the child has begun to wait
  close(pipes[0]);
  assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  assert_int_equal(scene_open(scene), TG_OK);
}

static void the_folder_is_free_when_its_host_dies(void **state) {
  struct scene *scene = *state;
  scene_close(scene);
  pid_t child = fork();
  if (child == 0) {
    struct tg_store *store;
    struct tg_loop *loop = tg_loop_new(NULL);
    if (tg_store_open(loop, scene->folder, &store, NULL) == TG_OK) raise(SIGKILL);
    _exit(1);
  }
  int status;
  waitpid(child, &status, 0);
  assert_true(WIFSIGNALED(status));
  assert_int_equal(scene_open(scene), TG_OK);
}

static void answers_come_in_the_order_of_the_calls(void **state) {
  struct scene *scene = *state;
  for (int i = 0; i < 500; i++) {
    struct tg_record run = scene_run((uint64_t)i + 1, NULL);
    scene_commit(scene, i, &run, 1);
  }
  scene_wait(scene);
  for (int i = 0; i < 500; i++) {
    assert_int_equal(scene->answers[i].job, i);
    assert_int_equal(scene->answers[i].code, TG_OK);
  }
  assert_int_equal(last_number(scene), 500);
}

static void what_was_answered_is_seen_by_readers(void **state) {
  struct scene *scene = *state;
  struct tg_history *history = scene_history(scene);
  for (uint64_t i = 1; i <= 20; i++) {
    struct tg_record run = scene_run(i, NULL);
    uint64_t number;
    assert_int_equal(scene_put(scene, &run, 1), TG_OK);
    assert_int_equal(tg_history_last_number(history, &number, &scene->err), TG_OK);
    assert_int_equal(number, i);
  }
  tg_history_close(history);
}

// Each runner commits a record, and the next one when that is durable.
struct relay {
  struct scene *scene;
  uint32_t runner, at, *arrived;
};

enum { RUNNERS = 9, LAPS = 30 };

static void lap_run(struct relay *relay);

static void lap_done(void *self, struct tg_batch *batch, const struct tg_error *err) {
  struct relay *relay = self;
  assert_null(err);
  tg_batch_free(batch);
  if (++relay->at < LAPS)
    lap_run(relay);
  else
    ++*relay->arrived;
}

static void lap_run(struct relay *relay) {
  struct tg_batch *batch = tg_batch_new();
  struct tg_record step = {.kind = TG_RECORD_STEP,
                           .step = {.run = 1,
                                    .task = relay->runner,
                                    .item = TG_NO_ITEM,
                                    .position = relay->at,
                                    .name = "lap",
                                    .intended_at = 1}};
  assert_int_equal(tg_batch_add(batch, &step), TG_OK);
  batch->may_wait = relay->runner % 3 == 1;
  tg_store_commit(relay->scene->store, batch, lap_done, relay);
}

// The writer waits for those that follow a group, and with what may wait; nobody may be forgotten.
static void who_follows_a_commit_arrives(void **state) {
  struct scene *scene = *state;
  struct relay relays[RUNNERS];
  uint32_t arrived = 0;
  for (uint32_t i = 0; i < RUNNERS; i++) {
    relays[i] = (struct relay){.scene = scene, .runner = i, .arrived = &arrived};
    lap_run(&relays[i]);
    if (i % 3 == 0) tg_loop_turn(scene->loop, true); // so that they are not all in step
  }
  while (arrived < RUNNERS) tg_loop_turn(scene->loop, true);
  char expected[16];
  snprintf(expected, sizeof expected, "%d", RUNNERS * LAPS);
  assert_string_equal(scene_sql(scene, "SELECT count(*) FROM steps"), expected);
}

static void closing_writes_what_is_queued(void **state) {
  struct scene *scene = *state;
  for (int i = 0; i < 300; i++) {
    struct tg_record run = scene_run((uint64_t)i + 1, NULL);
    scene_commit(scene, i, &run, 1);
  }
  scene_close(scene);
  assert_int_equal(scene->answer_count, 300);
  assert_int_equal(scene->answers[299].code, TG_OK);
  assert_int_equal(last_number(scene), 300);
}

static void late(void *self, struct tg_batch *batch, const struct tg_error *err) {
  scene_answer(self, 2, err);
  tg_batch_free(batch);
}

static void commits_another(void *self, struct tg_batch *batch, const struct tg_error *err) {
  struct scene *scene = self;
  scene_answer(scene, 1, err);
  tg_store_commit(scene->store, batch, late, scene);
}

static void what_is_queued_while_it_closes_is_refused(void **state) {
  struct scene *scene = *state;
  tg_store_commit(scene->store, tg_batch_new(), commits_another, scene);
  scene_close(scene);
  assert_int_equal(scene->answer_count, 2);
  assert_int_equal(scene->answers[0].code, TG_OK);
  assert_int_equal(scene->answers[1].job, 2);
  assert_int_equal(scene->answers[1].code, TG_ECANCELLED);
}

static void one_occurrence_is_one_run(void **state) {
  struct scene *scene = *state;
  struct tg_record first = scene_run(1, "2026-11-20T05:00:00Z"), second = first;
  second.run.number = 2;
  second.run.id.bytes[15] = 2;
  assert_int_equal(scene_put(scene, &first, 1), TG_OK);
  assert_int_equal(scene_put(scene, &second, 1), TG_EEXISTS);
  assert_non_null(strstr(scene->answers[1].text, "orders for 2026-11-20T05:00:00Z"));
  second.run.rerun = 1;
  assert_int_equal(scene_put(scene, &second, 1), TG_OK); // a rerun is another one
  second = scene_run(3, "2026-11-20T05:00:00Z");
  second.run.params = "{\"full\":true}";
  assert_int_equal(scene_put(scene, &second, 1), TG_OK); // and so are other parameters
  assert_int_equal(scene_put(scene, &first, 1), TG_OK);  // the same record again changes nothing
  assert_string_equal(scene_sql(scene, "SELECT count(*) FROM runs"), "3");
}

static void a_batch_is_stored_whole_or_not_at_all(void **state) {
  struct scene *scene = *state;
  struct tg_record taken = scene_run(1, "2026-11-20T05:00:00Z");
  struct tg_record records[] = {
      {.kind = TG_RECORD_TASK, .task = {.run = 2, .name = "before"}},
      scene_run(2, "2026-11-20T05:00:00Z"),
      {.kind = TG_RECORD_TASK, .task = {.run = 2, .index = 1, .name = "after"}},
  };
  assert_int_equal(scene_put(scene, &taken, 1), TG_OK);
  assert_int_equal(scene_put(scene, records, 3), TG_EEXISTS);
  assert_string_equal(scene_sql(scene, "SELECT count(*) FROM tasks"), "0");
  assert_string_equal(scene_sql(scene, "SELECT count(*) FROM runs"), "1");
}

static void one_bad_batch_does_not_harm_the_others(void **state) {
  struct scene *scene = *state;
  for (int i = 0; i < 100; i++) { // each occurrence three times: only the first is taken
    struct tg_record run = scene_run((uint64_t)i + 1, NULL);
    char occurrence[16];
    snprintf(occurrence, sizeof occurrence, "at %d", i / 3);
    run.run.occurrence = occurrence;
    scene_commit(scene, i, &run, 1);
  }
  scene_wait(scene);
  for (int i = 0; i < 100; i++)
    assert_int_equal(scene->answers[i].code, i % 3 ? TG_EEXISTS : TG_OK);
  assert_string_equal(scene_sql(scene, "SELECT count(*) FROM runs"), "34");
}

static void a_record_that_cannot_be_is_a_bug(void **state) {
  struct scene *scene = *state;
  struct tg_record run = scene_run(1, NULL);
  run.run.pipeline = NULL;
  assert_int_equal(scene_put(scene, &run, 1), TG_EBUG);
  run.run.pipeline = "orders";
  assert_int_equal(scene_put(scene, &run, 1), TG_OK);
}

static void an_empty_batch_is_answered(void **state) {
  assert_int_equal(scene_put(*state, NULL, 0), TG_OK);
}

static void another_program_that_writes_is_waited_for(void **state) {
  struct scene *scene = *state;
  struct tg_record run = scene_run(1, NULL);
  sqlite3 *db;
  assert_int_equal(sqlite3_open(scene_path(scene, "state.db"), &db), SQLITE_OK);
  assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
  scene_commit(scene, 1, &run, 1);
  assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
  sqlite3_close(db);
  scene_wait(scene);
  assert_int_equal(scene->answers[0].code, TG_OK);
}

static void keeps_bundles_and_their_sources(void **state) {
  struct scene *scene = *state;
  const struct tg_source sources[] = {
      {"main", "pipelines/orders.lua", "return 1", 8},
      {"empty", "lib/empty.lua", NULL, 0},
      {"binary", "b.bin", "a\0\xff", 3},
      {"same", "lib/same.lua", "return 1", 8},
  };
  const struct tg_bundle_row row = {
      .hash = "h1", .pipeline = "orders", .plan = "{\"v\":1}", .sources = sources, .count = 4};
  assert_int_equal(scene_put_bundle(scene, &row), TG_OK);
  assert_int_equal(scene_put_bundle(scene, &row), TG_OK); // what is there already stays
  struct tg_history *history = scene_history(scene);
  struct tg_source *found;
  size_t count;
  const char *plan;
  assert_int_equal(tg_history_plan(history, "h1", &scene->arena, &plan, &scene->err), TG_OK);
  assert_string_equal(plan, "{\"v\":1}");
  assert_int_equal(tg_history_sources(history, "h1", &scene->arena, &found, &count, &scene->err),
                   TG_OK);
  assert_int_equal(count, 4); // by key: binary, empty, main, same
  assert_int_equal(found[0].len, 3);
  assert_memory_equal(found[0].text, "a\0\xff", 4);
  assert_int_equal(found[1].len, 0);
  assert_string_equal(found[1].path, "lib/empty.lua");
  assert_string_equal(found[2].text, "return 1");
  assert_string_equal(found[3].key, "same");
  assert_int_equal(tg_history_plan(history, "h2", &scene->arena, &plan, &scene->err),
                   TG_ENOT_FOUND);
  tg_history_close(history);
}

static void finds_what_a_program_built_of_a_file(void **state) {
  struct scene *scene = *state;
  const struct tg_source entry = {"entry:", "pipelines/p.lua", "return 1", 8};
  char text_hash[TG_HASH_TEXT_LEN + 1];
  tg_hash_text(entry.text, entry.len, text_hash);
  struct tg_bundle_row rows[] = {
      {.hash = "old", .pipeline = "p", .plan = "{}", .program = "id", .built_at = 5},
      {.hash = "new", .pipeline = "p", .plan = "{ }", .program = "id", .built_at = 6},
      {.hash = "once", .pipeline = "p", .plan = "{}", .program = "", .built_at = 7},
      {.hash = "other", .pipeline = "p", .plan = "{}", .program = "other", .built_at = 8},
  };
  for (int i = 0; i < 4; i++) {
    rows[i].sources = &entry;
    rows[i].count = 1;
    assert_int_equal(scene_put_bundle(scene, &rows[i]), TG_OK);
  }
  rows[3].program = ""; // does not take it from the other
  assert_int_equal(scene_put_bundle(scene, &rows[3]), TG_OK);
  struct tg_history *history = scene_history(scene);
  const char **hashes;
  size_t count;
  assert_int_equal(tg_history_builds(history, "pipelines/p.lua", text_hash, "id", &scene->arena,
                                     &hashes, &count, &scene->err),
                   TG_OK);
  assert_int_equal(count, 2);
  assert_string_equal(hashes[0], "new");
  assert_string_equal(hashes[1], "old");
  tg_history_builds(history, "pipelines/q.lua", text_hash, "id", &scene->arena, &hashes, &count,
                    NULL);
  assert_int_equal(count, 0);
  tg_history_close(history);
  rows[3].program = "id"; // built again by this one
  assert_int_equal(scene_put_bundle(scene, &rows[3]), TG_OK);
  history = scene_history(scene);
  tg_history_builds(history, "pipelines/p.lua", text_hash, "id", &scene->arena, &hashes, &count,
                    NULL);
  assert_int_equal(count, 3);
  struct tg_bundle_row row;
  assert_int_equal(tg_history_bundle(history, "other", &scene->arena, &row, &scene->err), TG_OK);
  assert_string_equal(row.plan, "{}");
  assert_string_equal(row.program, "id");
  assert_int_equal(row.built_at, 8);
  assert_int_equal(row.count, 1);
  assert_string_equal(row.sources[0].path, "pipelines/p.lua");
  assert_int_equal(tg_history_bundle(history, "none", &scene->arena, &row, &scene->err),
                   TG_ENOT_FOUND);
  tg_history_close(history);
}

static void a_bundle_waits_for_what_was_queued_before_it(void **state) {
  struct scene *scene = *state;
  for (int i = 0; i < 50; i++) {
    struct tg_record run = scene_run((uint64_t)i + 1, NULL);
    scene_commit(scene, i, &run, 1);
  }
  const struct tg_bundle_row row = {.hash = "h", .pipeline = "p", .plan = "{}"};
  assert_int_equal(scene_put_bundle(scene, &row), TG_OK);
  assert_int_equal(scene->answer_count, 51);
  for (int i = 0; i < 50; i++) assert_int_equal(scene->answers[i].job, i);
}

static void a_newer_store_is_left_alone(void **state) {
  struct scene *scene = *state;
  struct tg_history *history;
  scene_close(scene);
  scene_sql(scene, "PRAGMA user_version = 999");
  scene_sql(scene, "PRAGMA journal_mode = DELETE");
  assert_int_equal(scene_open(scene), TG_EINVALID);
  assert_non_null(strstr(scene->err.text, "newer tidegate"));
  assert_int_equal(tg_history_open(scene->folder, &history, &scene->err), TG_EINVALID);
  assert_string_equal(scene_sql(scene, "PRAGMA journal_mode"), "delete");
}

static void damage_is_told_and_what_to_do(void **state) {
  struct scene *scene = *state;
  struct tg_history *history;
  scene_close(scene);
  tg_file_write(scene_path(scene, "state.db"),
                "this is not a database, but long enough to be"
                " read as the beginning of one if nobody looks at what it says in there",
                110, NULL);
  assert_int_equal(scene_open(scene), TG_EDAMAGED);
  assert_non_null(strstr(scene->err.text, "move the file away"));
  assert_int_equal(tg_history_open(scene->folder, &history, &scene->err), TG_EDAMAGED);
}

static void a_store_without_its_tables_is_damaged(void **state) {
  struct scene *scene = *state;
  scene_close(scene);
  scene_sql(scene, "DROP TABLE runs");
  assert_int_equal(scene_open(scene), TG_EDAMAGED);
  assert_non_null(strstr(scene->err.text, "no such table"));
}

// Overwrites the page where the table of the runs begins.
static void runs_spoil(struct scene *scene) {
  long page = atol(scene_sql(scene, "SELECT rootpage FROM sqlite_schema WHERE name = 'runs'"));
  FILE *file = fopen(scene_path(scene, "state.db"), "r+");
  fseek(file, (page - 1) * 4096, SEEK_SET);
  for (int i = 0; i < 4096; i++) fputc(0x5a, file);
  fclose(file);
}

static void damaged_pages_stop_the_store(void **state) {
  struct scene *scene = *state;
  struct tg_record run = scene_run(1, NULL);
  assert_int_equal(scene_put(scene, &run, 1), TG_OK);
  scene_close(scene);
  runs_spoil(scene);
  assert_int_equal(scene_open(scene), TG_OK);
  run = scene_run(2, NULL);
  assert_int_equal(scene_put(scene, &run, 1), TG_EDAMAGED);
  assert_int_equal(scene_put(scene, NULL, 0), TG_EDAMAGED); // and it stays so
  struct tg_history *history = scene_history(scene);
  assert_int_equal(tg_history_check(history, &scene->err), TG_EDAMAGED);
  tg_history_close(history);
}

static void a_whole_store_passes_the_check(void **state) {
  struct tg_history *history = scene_history(*state);
  assert_int_equal(tg_history_check(history, NULL), TG_OK);
  tg_history_close(history);
}

// Opens the store as a user who may not write there.
static int open_as_nobody(struct scene *scene) {
  if (geteuid() == 0 && (setegid(65534) != 0 || seteuid(65534) != 0)) return -1;
  struct tg_loop *loop = tg_loop_new(NULL);
  struct tg_store *store = NULL;
  int code = tg_store_open(loop, scene->folder, &store, &scene->err);
  tg_loop_free(loop);
  return code;
}

static void a_folder_that_may_not_be_written_is_refused(void **state) {
  struct scene *scene = *state;
  scene_close(scene);
  unlink(scene_path(scene, "lock"));
  chmod(scene->folder, 0555);
  pid_t child = fork();
  if (child == 0) _exit(open_as_nobody(scene));
  int status;
  waitpid(child, &status, 0);
  chmod(scene->folder, 0755);
  assert_int_equal(WEXITSTATUS(status), TG_EDENIED);
}

static void a_reader_needs_a_store(void **state) {
  struct scene *scene = *state;
  struct tg_history *history;
  scene_close(scene);
  assert_int_equal(tg_history_open("/proc/none", &history, &scene->err), TG_ENOT_FOUND);
  assert_non_null(strstr(scene->err.text, "tidegate run"));
  // As if the first host had died while it made the store.
  assert_int_equal(truncate(scene_path(scene, "state.db"), 0), 0);
  assert_int_equal(tg_history_open(scene->folder, &history, &scene->err), TG_ENOT_FOUND);
  assert_int_equal(scene_open(scene), TG_OK); // a host makes it whole
}

static void a_path_that_is_too_long_is_refused(void **state) {
  struct scene *scene = *state;
  struct tg_store *store = NULL;
  struct tg_history *history;
  char path[5000];
  memset(path, 'x', sizeof path - 1);
  path[sizeof path - 1] = 0;
  assert_int_equal(tg_store_open(scene->loop, path, &store, &scene->err), TG_EINVALID);
  assert_int_equal(tg_history_open(path, &history, &scene->err), TG_EINVALID);
}

#define SCENE_TEST(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      SCENE_TEST(makes_its_folder_and_schema),
      SCENE_TEST(every_commit_is_synced),
      SCENE_TEST(is_there_again_after_it_was_closed),
      SCENE_TEST(a_second_host_is_told_who_holds_the_folder),
      SCENE_TEST(the_folder_is_free_when_its_host_dies),
      SCENE_TEST(waits_for_what_a_dead_host_leaves),
      SCENE_TEST(answers_come_in_the_order_of_the_calls),
      SCENE_TEST(what_was_answered_is_seen_by_readers),
      SCENE_TEST(who_follows_a_commit_arrives),
      SCENE_TEST(closing_writes_what_is_queued),
      SCENE_TEST(what_is_queued_while_it_closes_is_refused),
      SCENE_TEST(one_occurrence_is_one_run),
      SCENE_TEST(a_batch_is_stored_whole_or_not_at_all),
      SCENE_TEST(one_bad_batch_does_not_harm_the_others),
      SCENE_TEST(a_record_that_cannot_be_is_a_bug),
      SCENE_TEST(an_empty_batch_is_answered),
      SCENE_TEST(another_program_that_writes_is_waited_for),
      SCENE_TEST(keeps_bundles_and_their_sources),
      SCENE_TEST(finds_what_a_program_built_of_a_file),
      SCENE_TEST(a_bundle_waits_for_what_was_queued_before_it),
      SCENE_TEST(a_newer_store_is_left_alone),
      SCENE_TEST(damage_is_told_and_what_to_do),
      SCENE_TEST(a_store_without_its_tables_is_damaged),
      SCENE_TEST(damaged_pages_stop_the_store),
      SCENE_TEST(a_whole_store_passes_the_check),
      SCENE_TEST(a_folder_that_may_not_be_written_is_refused),
      SCENE_TEST(a_reader_needs_a_store),
      SCENE_TEST(a_path_that_is_too_long_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
