// SPDX-License-Identifier: Apache-2.0
#include "store/kv_service.h"

#include <stdio.h>
#include <unistd.h>

#include "base/limits.h"
#include "host/store/scene.h"
#include "ipc/wire.h"

// Asking.

struct kv_asked {
  struct scene *scene;
  int job;
};

static void replied(void *self, const struct tg_error *err, const struct tg_buf *reply) {
  struct kv_asked *asked = self;
  scene_answer(asked->scene, asked->job, err);
  tg_buf_clear(&asked->scene->reply);
  if (!err) tg_buf_put(&asked->scene->reply, reply->data, reply->len);
  free(asked);
}

static void ask_bytes(struct scene *scene, int job, const void *body, size_t len) {
  struct kv_asked *asked = malloc(sizeof *asked);
  *asked = (struct kv_asked){scene, job};
  scene->asked++;
  tg_kv_service_call(scene->store, "orders", body, len, replied, asked);
}

static struct tg_buf begin(enum tg_kv_operation operation, const char *key) {
  struct tg_buf body;
  tg_buf_init(&body, SIZE_MAX / 2);
  tg_wire_put_u8(&body, (uint8_t)operation);
  tg_wire_put_text(&body, key);
  return body;
}

// Sends a body and frees it; gives the code of the answer.
static int call(struct scene *scene, struct tg_buf body) {
  ask_bytes(scene, -1, body.data, body.len);
  tg_buf_deinit(&body);
  scene_wait(scene);
  return scene->answers[scene->answer_count - 1].code;
}

static struct tg_reader reply_of(struct scene *scene) {
  return tg_reader_of(scene->reply.data, scene->reply.len);
}

static int put_for(struct scene *scene, const char *key, const char *value, int64_t ttl_ms) {
  struct tg_buf body = begin(TG_KV_PUT, key);
  tg_wire_put_text(&body, value);
  tg_wire_put_i64(&body, ttl_ms);
  return call(scene, body);
}

static int put(struct scene *scene, const char *key, const char *value) {
  return put_for(scene, key, value, 0);
}

// Gives the value ("" and version 0 for none), which stands in the scene's arena.
static const char *get(struct scene *scene, const char *key, uint64_t *version) {
  assert_int_equal(call(scene, begin(TG_KV_GET, key)), TG_OK);
  struct tg_reader in = reply_of(scene);
  bool found = tg_wire_get_u8(&in);
  const char *value = tg_arena_strdup(&scene->arena, tg_wire_get_text(&in));
  uint64_t got = tg_wire_get_u64(&in);
  assert_true(tg_reader_is_done(&in));
  assert_int_equal(found, got != 0);
  if (version) *version = got;
  return value;
}

static bool delete (struct scene *scene, const char *key) {
  assert_int_equal(call(scene, begin(TG_KV_DELETE, key)), TG_OK);
  struct tg_reader in = reply_of(scene);
  return tg_wire_get_u8(&in);
}

static struct tg_buf cas_body(const char *key, const char *expected, const char *value,
                              int64_t ttl_ms) {
  struct tg_buf body = begin(TG_KV_CAS, key);
  tg_wire_put_u8(&body, expected != NULL);
  tg_wire_put_text(&body, expected);
  tg_wire_put_text(&body, value);
  tg_wire_put_i64(&body, ttl_ms);
  return body;
}

static bool cas(struct scene *scene, const char *key, const char *expected, const char *value) {
  assert_int_equal(call(scene, cas_body(key, expected, value, 0)), TG_OK);
  struct tg_reader in = reply_of(scene);
  bool swapped = tg_wire_get_u8(&in);
  tg_wire_get_u8(&in);
  tg_wire_get_bytes(&in);
  assert_true(tg_reader_is_done(&in));
  return swapped;
}

// Gives the listed keys, one after the other with a blank behind each.
static const char *list(struct scene *scene, const char *prefix, uint32_t limit) {
  struct tg_buf body = begin(TG_KV_LIST, prefix), keys;
  tg_wire_put_u32(&body, limit);
  assert_int_equal(call(scene, body), TG_OK);
  struct tg_reader in = reply_of(scene);
  tg_buf_init(&keys, 10000);
  for (uint32_t count = tg_wire_get_count(&in, 18); count > 0; count--) {
    tg_buf_putf(&keys, "%s ", tg_wire_get_text(&in));
    tg_wire_get_bytes(&in);
    assert_true(tg_wire_get_u64(&in) > 0);
  }
  assert_true(tg_reader_is_done(&in));
  const char *text = tg_arena_strdup(&scene->arena, tg_buf_text(&keys));
  tg_buf_deinit(&keys);
  return text;
}

// Ends the time of every key that has one.
static void expire(struct scene *scene) {
  scene_sql(scene, "UPDATE kv SET expires_at = 1 WHERE expires_at IS NOT NULL");
}

// The tests.

static void gives_what_was_put_and_its_version(void **state) {
  struct scene *scene = *state;
  uint64_t version;
  assert_string_equal(get(scene, "k", &version), "");
  assert_int_equal(version, 0);
  assert_int_equal(put(scene, "k", "1"), TG_OK);
  assert_string_equal(get(scene, "k", &version), "1");
  assert_int_equal(version, 1);
  assert_int_equal(put(scene, "k", "{\"a\":[2]}"), TG_OK);
  assert_string_equal(get(scene, "k", &version), "{\"a\":[2]}");
  assert_int_equal(version, 2);
}

static void removes_a_key_once(void **state) {
  struct scene *scene = *state;
  put(scene, "k", "1");
  put_for(scene, "timed", "1", 3600000);
  assert_true(delete (scene, "k"));
  assert_false(delete (scene, "k"));
  assert_true(delete (scene, "timed"));
  assert_string_equal(get(scene, "k", NULL), "");
}

static void is_there_again_after_the_store_was_closed(void **state) {
  struct scene *scene = *state;
  put(scene, "k", "\"kept\"");
  scene_close(scene);
  assert_int_equal(scene_open(scene), TG_OK);
  assert_string_equal(get(scene, "k", NULL), "\"kept\"");
}

static void lists_what_begins_with_a_prefix(void **state) {
  struct scene *scene = *state;
  static const char *const keys[] = {"b/2", "a", "b/10", "b", "c", "b%", "b_x", "b/\xC3\xA9"};
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) put(scene, keys[i], "1");
  assert_string_equal(list(scene, "b/", 0), "b/10 b/2 b/\xC3\xA9 ");
  assert_string_equal(list(scene, "b/", 2), "b/10 b/2 ");
  assert_string_equal(list(scene, "", 0), "a b b% b/10 b/2 b/\xC3\xA9 b_x c ");
  assert_string_equal(list(scene, "b%", 0), "b% ");
  assert_string_equal(list(scene, "b_", 0), "b_x ");
  assert_string_equal(list(scene, "B", 0), "");
  assert_string_equal(list(scene, "b/\xC3\xA9", 0), "b/\xC3\xA9 ");
}

static void a_list_that_is_too_large_is_refused(void **state) {
  struct scene *scene = *state;
  char *large = malloc((size_t)TG_KV_VALUE_BYTES_MAX + 1), key[16];
  memset(large, '1', (size_t)TG_KV_VALUE_BYTES_MAX);
  large[TG_KV_VALUE_BYTES_MAX] = 0;
  for (int i = 0; i < 64; i++) {
    snprintf(key, sizeof key, "k%d", i);
    assert_int_equal(put(scene, key, large), TG_OK); // exactly the limit
  }
  struct tg_buf body = begin(TG_KV_LIST, "");
  tg_wire_put_u32(&body, 0);
  assert_int_equal(call(scene, body), TG_EINVALID);
  assert_non_null(strstr(scene->answers[scene->answer_count - 1].text, "give a limit"));
  assert_int_equal(strlen(list(scene, "k1", 2)), 7);
  free(large);
}

static void swaps_only_what_is_as_expected(void **state) {
  struct scene *scene = *state;
  assert_false(cas(scene, "k", "1", "2")); // expected something, there is nothing
  assert_true(cas(scene, "k", NULL, "1"));
  assert_false(cas(scene, "k", NULL, "2"));
  assert_false(cas(scene, "k", "", "2"));
  assert_false(cas(scene, "k", "11", "2"));
  struct tg_reader in = reply_of(scene); // says what is there
  assert_int_equal(tg_wire_get_u8(&in), 0);
  assert_int_equal(tg_wire_get_u8(&in), 1);
  assert_string_equal(tg_wire_get_text(&in), "1");
  assert_true(cas(scene, "k", "1", "2"));
  assert_string_equal(get(scene, "k", NULL), "2");
}

static void one_of_many_swaps_wins(void **state) {
  struct scene *scene = *state;
  int won = 0;
  put(scene, "lock", "0");
  int first = scene->answer_count;
  for (int i = 1; i <= 100; i++) {
    char value[8];
    snprintf(value, sizeof value, "%d", i);
    struct tg_buf body = cas_body("lock", "0", value, 0);
    ask_bytes(scene, i, body.data, body.len);
    tg_buf_deinit(&body);
  }
  scene_wait(scene);
  for (int i = first; i < scene->answer_count; i++) won += scene->answers[i].code == TG_OK;
  assert_int_equal(won, 100);                         // all were answered
  assert_string_equal(get(scene, "lock", NULL), "1"); // the first has won, and nobody after it
}

static void a_key_is_gone_when_its_time_is_over(void **state) {
  struct scene *scene = *state;
  put_for(scene, "k", "1", 3600000);
  put(scene, "stays", "1");
  assert_string_equal(get(scene, "k", NULL), "1");
  expire(scene);
  assert_string_equal(get(scene, "k", NULL), "");
  assert_string_equal(list(scene, "", 0), "stays ");
  assert_false(cas(scene, "k", "1", "2"));
  assert_false(delete (scene, "k"));
  put_for(scene, "k", "1", 3600000);
  expire(scene);
  assert_true(cas(scene, "k", NULL, "3"));
  expire(scene);
  assert_string_equal(get(scene, "k", NULL), "3"); // put without a time, it stays
}

static void a_later_put_sets_the_time_afresh(void **state) {
  struct scene *scene = *state;
  put_for(scene, "k", "1", 3600000);
  put(scene, "k", "2");
  expire(scene);
  assert_string_equal(get(scene, "k", NULL), "2");
  put_for(scene, "k", "3", INT64_MAX);
  assert_string_equal(get(scene, "k", NULL), "3");
}

static void what_is_over_does_not_pile_up(void **state) {
  struct scene *scene = *state;
  for (int i = 0; i < 20; i++) {
    char key[16];
    snprintf(key, sizeof key, "k%d", i);
    put_for(scene, key, "1", 3600000);
  }
  expire(scene);
  put(scene, "new", "1");
  assert_string_equal(scene_sql(scene, "SELECT count(*) FROM kv"), "1");
}

static void pipelines_do_not_see_one_another(void **state) {
  struct scene *scene = *state;
  put(scene, "k", "1");
  scene_sql(scene, "UPDATE kv SET pipeline = 'invoices'");
  assert_string_equal(get(scene, "k", NULL), "");
  assert_string_equal(list(scene, "", 0), "");
  assert_false(delete (scene, "k"));
  assert_true(cas(scene, "k", NULL, "2"));
  assert_string_equal(scene_sql(scene, "SELECT value FROM kv WHERE pipeline = 'invoices'"), "1");
}

static int get_code(struct scene *scene, size_t key_len) {
  char key[1024] = {0};
  memset(key, 'k', key_len);
  return call(scene, begin(TG_KV_GET, key));
}

static void keys_and_values_have_limits(void **state) {
  struct scene *scene = *state;
  assert_int_equal(get_code(scene, 0), TG_EINVALID);
  assert_int_equal(get_code(scene, TG_KV_KEY_BYTES_MAX), TG_OK);
  assert_int_equal(get_code(scene, TG_KV_KEY_BYTES_MAX + 1), TG_EINVALID);
  struct tg_buf body;
  tg_buf_init(&body, 100);
  tg_wire_put_u8(&body, TG_KV_GET);
  tg_wire_put_bytes(&body, "a\0b", 3);
  assert_int_equal(call(scene, body), TG_EINVALID);
  char *large = calloc(1, (size_t)TG_KV_VALUE_BYTES_MAX + 2);
  memset(large, '1', (size_t)TG_KV_VALUE_BYTES_MAX + 1);
  assert_int_equal(put(scene, "k", large), TG_ELIMIT);
  assert_non_null(strstr(scene->answers[scene->answer_count - 1].text, "'k'"));
  assert_int_equal(call(scene, cas_body("k", NULL, large, 0)), TG_ELIMIT);
  free(large);
}

static void values_are_kept_byte_for_byte(void **state) {
  struct scene *scene = *state;
  struct tg_buf body = begin(TG_KV_PUT, "k");
  tg_wire_put_bytes(&body, "a\0\xFFz", 4);
  tg_wire_put_i64(&body, 0);
  assert_int_equal(call(scene, body), TG_OK);
  assert_int_equal(call(scene, begin(TG_KV_GET, "k")), TG_OK);
  struct tg_reader in = reply_of(scene);
  assert_int_equal(tg_wire_get_u8(&in), 1);
  struct tg_slice value = tg_wire_get_bytes(&in);
  assert_int_equal(value.len, 4);
  assert_memory_equal(value.data, "a\0\xFFz", 5);
}

// Every body, cut at every byte, and every body with a byte too many.
static void a_body_that_is_not_whole_is_malformed(void **state) {
  struct scene *scene = *state;
  struct tg_buf bodies[] = {begin(TG_KV_GET, "k"), begin(TG_KV_DELETE, "k"), begin(TG_KV_LIST, "k"),
                            begin(TG_KV_PUT, "k"), cas_body("k", "1", "2", 5)};
  tg_wire_put_u32(&bodies[2], 10);
  tg_wire_put_text(&bodies[3], "1");
  tg_wire_put_i64(&bodies[3], 0);
  for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
    for (size_t len = 0; len <= bodies[i].len + 1; len++) {
      if (len == bodies[i].len) continue;
      char *bytes = calloc(1, len + !len);
      memcpy(bytes, bodies[i].data, len < bodies[i].len ? len : bodies[i].len);
      int before = scene->answer_count;
      ask_bytes(scene, 0, bytes, len);
      assert_int_equal(scene->answer_count, before + 1); // answered at once
      assert_int_equal(scene->answers[before].code, TG_EPROTOCOL);
      free(bytes);
    }
    tg_buf_deinit(&bodies[i]);
  }
}

static void an_operation_that_is_none_is_malformed(void **state) {
  struct scene *scene = *state;
  for (int operation = TG_KV_CAS + 1; operation < 256; operation++)
    assert_int_equal(call(scene, begin((enum tg_kv_operation)operation, "k")), TG_EPROTOCOL);
  assert_int_equal(put_for(scene, "k", "1", -1), TG_EPROTOCOL);
}

#define SCENE_TEST(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      SCENE_TEST(gives_what_was_put_and_its_version),
      SCENE_TEST(removes_a_key_once),
      SCENE_TEST(is_there_again_after_the_store_was_closed),
      SCENE_TEST(lists_what_begins_with_a_prefix),
      SCENE_TEST(a_list_that_is_too_large_is_refused),
      SCENE_TEST(swaps_only_what_is_as_expected),
      SCENE_TEST(one_of_many_swaps_wins),
      SCENE_TEST(a_key_is_gone_when_its_time_is_over),
      SCENE_TEST(a_later_put_sets_the_time_afresh),
      SCENE_TEST(what_is_over_does_not_pile_up),
      SCENE_TEST(pipelines_do_not_see_one_another),
      SCENE_TEST(keys_and_values_have_limits),
      SCENE_TEST(values_are_kept_byte_for_byte),
      SCENE_TEST(a_body_that_is_not_whole_is_malformed),
      SCENE_TEST(an_operation_that_is_none_is_malformed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
