// SPDX-License-Identifier: Apache-2.0
#include "http/service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "base/log.h"
#include "ipc/wire.h"
#include "support/http_server.h"

static struct http_server server;

struct scene {
  struct tg_loop *loop;
  struct tg_http *client;
  struct tg_http_service_call *call;
  struct tg_buf body, reply;
  struct tg_error err;
  int64_t left_ms;
  bool is_done;
};

static int setup_group(void **state) {
  (void)state;
  return http_server_start(&server, false) ? 0 : -1;
}

static int teardown_group(void **state) {
  (void)state;
  http_server_stop(&server);
  return 0;
}

static const char *secret(void *self, const char *name) {
  (void)self;
  if (strcmp(name, "TOKEN") == 0) return "t0p-s3cret";
  return strcmp(name, "BROKEN") == 0 ? "line\r\nX-Smuggled: 1" : NULL;
}

static int setup(void **state) {
  static struct scene scene;
  struct tg_http_options options = {.proxy = "", .secret = secret};
  scene = (struct scene){.call = NULL};
  tg_buf_init(&scene.body, TG_FRAME_BYTES_MAX);
  tg_buf_init(&scene.reply, TG_FRAME_BYTES_MAX);
  scene.loop = tg_loop_new(NULL);
  scene.client = tg_http_new(scene.loop, &options, NULL);
  *state = &scene;
  return scene.client ? 0 : -1;
}

static int teardown(void **state) {
  struct scene *scene = *state;
  tg_http_free(scene->client);
  tg_loop_free(scene->loop);
  tg_buf_deinit(&scene->body);
  tg_buf_deinit(&scene->reply);
  return 0;
}

static void done(void *self, const struct tg_error *err, struct tg_buf *reply) {
  struct scene *scene = self;
  assert_true(!err != !reply);
  scene->is_done = true;
  if (err)
    scene->err = *err;
  else
    tg_buf_put(&scene->reply, reply->data, reply->len);
}

// A request with one header of two parts: a text and, if there is a name, a secret.
static void request_put(struct tg_buf *body, const char *url, const char *secret_name) {
  tg_wire_put_text(body, "GET");
  tg_wire_put_text(body, url);
  tg_wire_put_u32(body, 1);
  tg_wire_put_text(body, "Authorization");
  tg_wire_put_u32(body, secret_name ? 2 : 1);
  tg_wire_put_u8(body, 0);
  tg_wire_put_text(body, "Bearer ");
  if (secret_name) {
    tg_wire_put_u8(body, 1);
    tg_wire_put_text(body, secret_name);
  }
  tg_wire_put_u8(body, 0);
  tg_wire_put_bytes(body, "", 0);
  for (int i = 0; i < 4; i++) tg_wire_put_i64(body, 0);
  tg_wire_put_u32(body, 10);
}

static int start(struct scene *scene, struct tg_error *err) {
  return tg_http_service_start(scene->client, NULL, scene->body.data, scene->body.len,
                               scene->left_ms, done, scene, &scene->call, err);
}

static void run(struct scene *scene) {
  assert_int_equal(start(scene, NULL), 0);
  while (!scene->is_done) tg_loop_turn(scene->loop, true);
}

static void a_secret_goes_to_the_remote_and_is_blanked_in_logs(void **state) {
  struct scene *scene = *state;
  char text[] = "saw t0p-s3cret here";
  request_put(&scene->body, http_server_url(&server, "/echo"), "TOKEN");
  run(scene);
  struct tg_reader in = tg_reader_of(scene->reply.data, scene->reply.len);
  assert_int_equal(tg_wire_get_u32(&in), 200);
  uint32_t headers = tg_wire_get_count(&in, 10);
  for (uint32_t i = 0; i < headers; i++) {
    tg_wire_get_text(&in);
    tg_wire_get_bytes(&in);
  }
  assert_non_null(strstr(tg_wire_get_bytes(&in).data, "Authorization: Bearer t0p-s3cret\n"));
  assert_string_equal(tg_wire_get_text(&in), http_server_url(&server, "/echo"));
  assert_true(tg_wire_get_i64(&in) >= 0);
  assert_int_equal(tg_wire_get_u8(&in), TG_CLASS_NONE);
  assert_int_equal(tg_wire_get_i64(&in), 0);
  assert_true(tg_reader_is_done(&in));
  tg_log_redact(text);
  assert_string_equal(text, "saw *** here");
}

static void no_request_takes_longer_than_its_caller_has_left(void **state) {
  struct scene *scene = *state;
  scene->left_ms = 50;
  request_put(&scene->body, http_server_url(&server, "/slow_headers"), NULL);
  run(scene);
  assert_int_equal(scene->err.code, TG_ETIMEOUT);
}

static void an_unknown_secret_is_named(void **state) {
  struct scene *scene = *state;
  struct tg_error err;
  request_put(&scene->body, http_server_url(&server, "/echo"), "NO_SUCH");
  assert_int_equal(start(scene, &err), TG_EDENIED);
  assert_non_null(strstr(err.text, "'NO_SUCH'"));
}

static void a_secret_cannot_smuggle_a_header_nor_show_in_the_error(void **state) {
  struct scene *scene = *state;
  struct tg_error err;
  request_put(&scene->body, http_server_url(&server, "/echo"), "BROKEN");
  assert_int_equal(start(scene, &err), TG_EINVALID);
  assert_null(strstr(err.text, "Smuggled"));
}

static void tells_the_class_of_a_status_and_when_to_come_back(void **state) {
  struct scene *scene = *state;
  request_put(&scene->body, http_server_url(&server, "/status/503?retry_after=7"), NULL);
  run(scene);
  assert_true(scene->reply.len > 9);
  const char *tail = scene->reply.data + scene->reply.len - 9;
  struct tg_reader in = tg_reader_of(tail, 9);
  assert_int_equal(tg_wire_get_u8(&in), TG_CLASS_THROTTLED);
  assert_int_equal(tg_wire_get_i64(&in), 7000);
}

static void hands_on_errors(void **state) {
  struct scene *scene = *state;
  request_put(&scene->body, "http://127.0.0.1:1/", NULL);
  run(scene);
  assert_int_equal(scene->err.code, TG_ECONNECT);
}

static void no_prefix_of_a_request_is_believed(void **state) {
  struct scene *scene = *state;
  request_put(&scene->body, http_server_url(&server, "/echo"), "TOKEN");
  size_t len = scene->body.len;
  for (scene->body.len = 0; scene->body.len < len; scene->body.len++) {
    struct tg_error err;
    assert_int_equal(start(scene, &err), TG_EPROTOCOL);
    assert_int_equal(err.class, TG_CLASS_BUG);
  }
  tg_buf_putc(&scene->body, 0); // and nothing may follow
  assert_int_equal(start(scene, NULL), TG_EPROTOCOL);
}

static void a_count_that_lies_is_refused(void **state) {
  struct scene *scene = *state;
  tg_wire_put_text(&scene->body, "GET");
  tg_wire_put_text(&scene->body, "http://127.0.0.1:1/");
  tg_wire_put_u32(&scene->body, UINT32_MAX);
  assert_int_equal(start(scene, NULL), TG_EPROTOCOL);
}

static void a_cancelled_call_is_never_done(void **state) {
  struct scene *scene = *state;
  request_put(&scene->body, http_server_url(&server, "/slow_headers"), NULL);
  assert_int_equal(start(scene, NULL), 0);
  for (int i = 0; i < 20; i++) tg_loop_turn(scene->loop, false);
  tg_http_service_cancel(scene->call);
  tg_loop_turn(scene->loop, false);
  assert_false(scene->is_done);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_secret_goes_to_the_remote_and_is_blanked_in_logs),
      TEST(no_request_takes_longer_than_its_caller_has_left),
      TEST(an_unknown_secret_is_named),
      TEST(a_secret_cannot_smuggle_a_header_nor_show_in_the_error),
      TEST(tells_the_class_of_a_status_and_when_to_come_back),
      TEST(hands_on_errors),
      TEST(no_prefix_of_a_request_is_believed),
      TEST(a_count_that_lies_is_refused),
      TEST(a_cancelled_call_is_never_done),
  };
  return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
