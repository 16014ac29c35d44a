// SPDX-License-Identifier: Apache-2.0
#include "store/events.h"

#include "host/store/scene.h"

#include <stdio.h>

static uint64_t numbers[64];

struct asked {
  struct scene *scene;
  int job;
};

static void kept(void *self, const struct tg_event *events, size_t count,
                 const struct tg_error *err) {
  struct asked *asked = self;
  for (size_t i = 0; i < count && !err; i++) numbers[i] = events[i].number;
  scene_answer(asked->scene, asked->job, err);
  free(asked);
}

static void put(struct scene *scene, const struct tg_event *events, size_t count) {
  struct asked *asked = malloc(sizeof *asked);
  *asked = (struct asked){scene, scene->asked++};
  tg_store_put_events(scene->store, events, count, 1000 + scene->asked, kept, asked);
  scene_wait(scene);
  assert_int_equal(scene->answers[scene->answer_count - 1].code, TG_OK);
}

static const struct tg_event first = {
    .id = "1", .source = "/a", .type = "t", .subject = "s", .time = 5, .body = "{\"id\":\"1\"}"};
static const struct tg_event second = {.id = "1", .source = "/b", .type = "t", .body = "{}"};
static const struct tg_event third = {.id = "2", .source = "/a", .type = "u", .body = "{}"};

static void keeps_each_event_once(void **state) {
  struct scene *scene = *state;
  put(scene, (struct tg_event[]){first, second, first}, 3);
  assert_int_equal(numbers[0], 1);
  assert_int_equal(numbers[1], 2);
  assert_int_equal(numbers[2], 0);
  put(scene, (struct tg_event[]){second, third}, 2);
  assert_int_equal(numbers[0], 0);
  assert_true(numbers[1] > 2);
  assert_string_equal(
      scene_sql(scene,
                "SELECT group_concat(source || id) FROM (SELECT * FROM events ORDER BY number)"),
      "/a1,/b1,/a2");
  assert_string_equal(scene_sql(scene, "SELECT count(DISTINCT received_at) FROM events"), "2");
}

// The last one that was deleted does not give its number to the next.
static void numbers_never_come_again(void **state) {
  struct scene *scene = *state;
  put(scene, (struct tg_event[]){first, second}, 2);
  scene_sql(scene, "DELETE FROM events");
  put(scene, (struct tg_event[]){third}, 1);
  assert_true(numbers[0] > 2);
}

static struct tg_event *found;
static size_t found_count;

static size_t find(struct scene *scene, struct tg_event_query query) {
  struct tg_history *history = scene_history(scene);
  assert_int_equal(
      tg_history_events(history, &query, &scene->arena, &found, &found_count, &scene->err), TG_OK);
  tg_history_close(history);
  return found_count;
}

static void gives_events_in_full(void **state) {
  struct scene *scene = *state;
  put(scene, &first, 1);
  assert_int_equal(find(scene, (struct tg_event_query){.id = "1"}), 1);
  assert_int_equal(found->number, 1);
  assert_string_equal(found->id, "1");
  assert_string_equal(found->source, "/a");
  assert_string_equal(found->type, "t");
  assert_string_equal(found->subject, "s");
  assert_int_equal(found->time, 5);
  assert_true(found->received_at > 1000);
  assert_string_equal(found->body, first.body);
}

static void finds_events_by_what_is_asked(void **state) {
  struct scene *scene = *state;
  uint64_t last;
  put(scene, (struct tg_event[]){first, second, third}, 3);
  assert_int_equal(find(scene, (struct tg_event_query){0}), 3);
  assert_int_equal(found[0].number, 3); // the newest first
  assert_int_equal(find(scene, (struct tg_event_query){.limit = 1}), 1);
  assert_int_equal(find(scene, (struct tg_event_query){.id = "1"}), 2);
  assert_int_equal(find(scene, (struct tg_event_query){.id = "1", .source = "/a"}), 1);
  assert_int_equal(find(scene, (struct tg_event_query){.type = "t"}), 2);
  assert_int_equal(find(scene, (struct tg_event_query){.is_forward = true, .after = 1}), 2);
  assert_int_equal(found[0].number, 2); // the oldest first
  assert_int_equal(
      find(scene, (struct tg_event_query){.is_forward = true, .after = 1, .type = "t"}), 1);
  assert_int_equal(
      find(scene, (struct tg_event_query){.is_forward = true, .after = 2, .type = "t"}), 0);
  struct tg_history *history = scene_history(scene);
  assert_int_equal(tg_history_last_event(history, &last, &scene->err), TG_OK);
  assert_int_equal(last, 3);
  tg_history_close(history);
}

// Whoever holds the folder for a moment is waited for; a host is not.
static void a_brief_owner_is_waited_for(void **state) {
  struct scene *scene = *state;
  struct tg_store *brief, *other;
  assert_int_equal(tg_store_open_briefly(scene->loop, scene->folder, &brief, &scene->err),
                   TG_EBUSY);
  scene_close(scene);
  assert_int_equal(tg_store_open_briefly(scene->loop, scene->folder, &brief, &scene->err), TG_OK);
  FILE *lock = fopen(scene_path(scene, "lock"), "r");
  assert_int_equal(fgetc(lock), EOF); // no owner is named, which is how the others know
  fclose(lock);
  tg_store_close(brief);
  assert_int_equal(tg_store_open(scene->loop, scene->folder, &other, &scene->err), TG_OK);
  tg_store_close(other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(keeps_each_event_once),       TEST(numbers_never_come_again),
      TEST(gives_events_in_full),        TEST(finds_events_by_what_is_asked),
      TEST(a_brief_owner_is_waited_for),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
