// SPDX-License-Identifier: Apache-2.0
#include "host/store/scene.h"

#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

int scene_open(struct scene *scene) {
  return tg_store_open(scene->loop, scene->folder, &scene->store, &scene->err);
}

void scene_close(struct scene *scene) {
  tg_store_close(scene->store);
  scene->store = NULL;
}

int scene_setup(void **state) {
  struct scene *scene = calloc(1, sizeof *scene);
  strcpy(scene->folder, "/tmp/tidegate-test-XXXXXX");
  assert_non_null(mkdtemp(scene->folder));
  tg_arena_init(&scene->arena);
  tg_buf_init(&scene->reply, SIZE_MAX / 2);
  scene->loop = tg_loop_new(&scene->err);
  assert_non_null(scene->loop);
  assert_int_equal(scene_open(scene), TG_OK);
  *state = scene;
  return 0;
}

int scene_teardown(void **state) {
  struct scene *scene = *state;
  scene_close(scene);
  tg_loop_free(scene->loop);
  tg_arena_deinit(&scene->arena);
  tg_buf_deinit(&scene->reply);
  DIR *folder = opendir(scene->folder);
  for (struct dirent *entry; (entry = readdir(folder));)
    if (entry->d_name[0] != '.') unlink(scene_path(scene, entry->d_name));
  closedir(folder);
  int left = rmdir(scene->folder);
  free(scene);
  return left;
}

const char *scene_path(struct scene *scene, const char *name) {
  snprintf(scene->path, sizeof scene->path, "%s/%s", scene->folder, name);
  return scene->path;
}

const char *scene_sql(struct scene *scene, const char *sql) {
  static char text[4096];
  sqlite3 *db;
  sqlite3_stmt *statement;
  assert_int_equal(sqlite3_open(scene_path(scene, "state.db"), &db), SQLITE_OK);
  assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
  bool has_row = sqlite3_step(statement) == SQLITE_ROW;
  const unsigned char *value = has_row ? sqlite3_column_text(statement, 0) : NULL;
  snprintf(text, sizeof text, "%s", value ? (const char *)value : "");
  assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
  sqlite3_close(db);
  return text;
}

void scene_answer(struct scene *scene, int job, const struct tg_error *err) {
  assert_true(scene->answer_count < ANSWERS_MAX);
  struct answer *answer = &scene->answers[scene->answer_count++];
  *answer = (struct answer){.job = job, .code = err ? err->code : TG_OK};
  snprintf(answer->text, sizeof answer->text, "%.*s", (int)sizeof answer->text - 1,
           err ? err->text : "");
}

struct asked {
  struct scene *scene;
  int job;
};

static void committed(void *self, struct tg_batch *batch, const struct tg_error *err) {
  struct asked *asked = self;
  scene_answer(asked->scene, asked->job, err);
  tg_batch_free(batch);
  free(asked);
}

void scene_commit(struct scene *scene, int job, const struct tg_record *records, size_t count) {
  struct tg_batch *batch = tg_batch_new();
  struct asked *asked = malloc(sizeof *asked);
  for (size_t i = 0; i < count; i++) assert_int_equal(tg_batch_add(batch, &records[i]), TG_OK);
  *asked = (struct asked){scene, job};
  scene->asked++;
  tg_store_commit(scene->store, batch, committed, asked);
}

void scene_wait(struct scene *scene) {
  while (scene->answer_count < scene->asked) tg_loop_turn(scene->loop, true);
}

int scene_put(struct scene *scene, const struct tg_record *records, size_t count) {
  scene_commit(scene, -1, records, count);
  scene_wait(scene);
  return scene->answers[scene->answer_count - 1].code;
}

static void kept(void *self, const struct tg_error *err) {
  scene_answer(self, -1, err);
}

int scene_put_bundle(struct scene *scene, const struct tg_bundle_row *row) {
  scene->asked++;
  tg_store_put_bundle(scene->store, row, kept, scene);
  scene_wait(scene);
  return scene->answers[scene->answer_count - 1].code;
}

struct tg_history *scene_history(struct scene *scene) {
  struct tg_history *history = NULL;
  assert_int_equal(tg_history_open(scene->folder, &history, &scene->err), TG_OK);
  return history;
}

struct tg_record scene_run(uint64_t number, const char *occurrence) {
  struct tg_record record = {.kind = TG_RECORD_RUN,
                             .run = {.number = number,
                                     .pipeline = "orders",
                                     .bundle = "b1",
                                     .params = "{}",
                                     .occurrence = occurrence,
                                     .trigger = "manual"}};
  for (int i = 0; i < 8; i++) record.run.id.bytes[15 - i] = (uint8_t)(number >> (8 * i));
  return record;
}
