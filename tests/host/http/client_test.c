// SPDX-License-Identifier: Apache-2.0
#include "http/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "support/http_server.h"

static struct http_server plain, secure;

struct scene {
  struct tg_loop *loop;
  struct tg_http *client;
  struct tg_http_call *call;
  struct tg_http_options options;
  struct tg_http_request request;
  bool is_done;
  struct tg_error err; // code 0 for a response
  int status;
  struct tg_buf body, headers; // "name: value\n"
  char url[512];
};

static int setup_group(void **state) {
  (void)state;
  return http_server_start(&plain, false) && http_server_start(&secure, true) ? 0 : -1;
}

static int teardown_group(void **state) {
  (void)state;
  http_server_stop(&plain);
  http_server_stop(&secure);
  return 0;
}

static int setup(void **state) {
  static struct scene scene;
  scene = (struct scene){
      .options = {.ca_file = secure.certificate, .proxy = ""},
      .request = {.method = "GET", .redirects_max = TG_HTTP_REDIRECTS_MAX, .total_ms = 60000},
  };
  tg_buf_init(&scene.body, 64 * TG_MIB);
  tg_buf_init(&scene.headers, TG_MIB);
  scene.loop = tg_loop_new(NULL);
  *state = &scene;
  return scene.loop ? 0 : -1;
}

static int teardown(void **state) {
  struct scene *scene = *state;
  tg_http_free(scene->client);
  tg_loop_free(scene->loop);
  tg_buf_deinit(&scene->body);
  tg_buf_deinit(&scene->headers);
  return 0;
}

static void done(void *self, const struct tg_error *err, const struct tg_http_response *response) {
  struct scene *scene = self;
  assert_true(!err != !response);
  scene->is_done = true;
  tg_error_clear(&scene->err);
  tg_loop_stop(scene->loop);
  if (err) {
    scene->err = *err;
    return;
  }
  scene->status = response->status;
  tg_buf_put(&scene->body, response->body, response->body_len);
  for (size_t i = 0; i < response->header_count; i++)
    tg_buf_putf(&scene->headers, "%s: %s\n", response->headers[i].name, response->headers[i].value);
  snprintf(scene->url, sizeof scene->url, "%s", response->url);
  assert_true(response->elapsed_ms >= 0);
}

static void client_make(struct scene *scene) {
  struct tg_error err;
  if (!scene->client) scene->client = tg_http_new(scene->loop, &scene->options, &err);
  assert_non_null(scene->client);
}

static void start(struct scene *scene, const char *url) {
  struct tg_error err;
  client_make(scene);
  scene->request.url = url;
  scene->is_done = false;
  tg_buf_clear(&scene->body);
  tg_buf_clear(&scene->headers);
  tg_error_clear(&err);
  if (tg_http_start(scene->client, &scene->request, done, scene, &scene->call, &err) != 0)
    fail_msg("%s", err.text);
  assert_false(scene->is_done);
}

static void fetch(struct scene *scene, const char *url) {
  start(scene, url);
  while (!scene->is_done) tg_loop_turn(scene->loop, true);
}

static void assert_response(struct scene *scene, int status) {
  if (scene->err.code) fail_msg("%s", scene->err.text);
  assert_int_equal(scene->status, status);
}

static void assert_failed(struct scene *scene, int code, enum tg_class class, const char *text) {
  if (scene->err.code != code || !strstr(scene->err.text, text))
    fail_msg("got code %d, '%s'", scene->err.code, scene->err.text);
  assert_int_equal(scene->err.class, class);
}

static void assert_has(const struct tg_buf *buf, const char *text) {
  if (!strstr(tg_buf_text(buf), text)) fail_msg("'%s' lacks '%s'", tg_buf_text(buf), text);
}

static void assert_lacks(const struct tg_buf *buf, const char *text) {
  if (strstr(tg_buf_text(buf), text)) fail_msg("'%s' has '%s'", tg_buf_text(buf), text);
}

static void sends_method_headers_and_body_as_given(void **state) {
  struct scene *scene = *state;
  static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
  struct tg_http_header headers[] = {{.name = "X-One", .value = "a b"},
                                     {.name = "X-Two", .value = ""}};
  scene->request.headers = headers;
  scene->request.header_count = 2;
  scene->request.body = "pay\0load";
  scene->request.body_len = 8;
  scene->request.has_body = true;
  for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
    char line[64];
    scene->request.method = methods[i];
    fetch(scene, http_server_url(&plain, "/echo?a=%20b"));
    assert_response(scene, 200);
    snprintf(line, sizeof line, "%s /echo?a=%%20b\n", methods[i]);
    assert_has(&scene->body, line);
    assert_has(&scene->body, "X-One: a b\n");
    assert_has(&scene->body, "X-Two: \n");
    assert_has(&scene->body, "Content-Length: 8\n");
    assert_has(&scene->body, "User-Agent: tidegate/");
    assert_lacks(&scene->body, "Content-Type");
    assert_lacks(&scene->body, "Expect");
    assert_memory_equal(scene->body.data + scene->body.len - 8, "pay\0load", 8);
  }
}

static void sends_an_empty_body_where_there_is_none(void **state) {
  struct scene *scene = *state;
  scene->request.method = "POST";
  fetch(scene, http_server_url(&plain, "/echo"));
  assert_response(scene, 200);
  assert_has(&scene->body, "Content-Length: 0\n");
  scene->request.method = "DELETE";
  fetch(scene, http_server_url(&plain, "/echo"));
  assert_has(&scene->body, "DELETE /echo\n");
  scene->request.method = "HEAD";
  fetch(scene, http_server_url(&plain, "/big/1000000000"));
  assert_response(scene, 200);
  assert_int_equal(scene->body.len, 0);
}

static void sends_two_megabytes(void **state) {
  struct scene *scene = *state;
  size_t len = 2 << 20;
  char *body = malloc(len);
  memset(body, 'y', len);
  scene->request.method = "POST";
  scene->request.body = body;
  scene->request.body_len = len;
  scene->request.has_body = true;
  fetch(scene, http_server_url(&plain, "/echo"));
  assert_response(scene, 200);
  assert_true(scene->body.len > len);
  assert_memory_equal(scene->body.data + scene->body.len - len, body, len);
  free(body);
}

static void gives_headers_in_order_with_lower_case_names(void **state) {
  struct scene *scene = *state;
  fetch(scene, http_server_url(&plain, "/headers"));
  assert_response(scene, 200);
  assert_has(&scene->headers, "set-cookie: a=1\nx-mixed-case: Kept As It Is\nset-cookie: b=2\n");
}

static void a_status_is_no_error(void **state) {
  struct scene *scene = *state;
  fetch(scene, http_server_url(&plain, "/status/503?retry_after=7"));
  assert_response(scene, 503);
  assert_has(&scene->headers, "retry-after: 7\n");
  fetch(scene, http_server_url(&plain, "/status/404"));
  assert_response(scene, 404);
}

static void follows_redirects_and_says_where_it_ended(void **state) {
  struct scene *scene = *state;
  fetch(scene, http_server_url(&plain, "/chain/10"));
  assert_response(scene, 200);
  assert_string_equal(tg_buf_text(&scene->body), "end");
  assert_non_null(strstr(scene->url, "/chain/0"));
}

static void more_redirects_than_allowed_are_an_error(void **state) {
  struct scene *scene = *state;
  fetch(scene, http_server_url(&plain, "/loop"));
  assert_failed(scene, TG_ELIMIT, TG_CLASS_PERMANENT, "more than 10 redirects");
  scene->request.redirects_max = 2;
  fetch(scene, http_server_url(&plain, "/chain/3"));
  assert_failed(scene, TG_ELIMIT, TG_CLASS_PERMANENT, "more than 2 redirects");
}

static void without_redirects_a_redirect_is_a_response(void **state) {
  struct scene *scene = *state;
  scene->request.redirects_max = 0;
  fetch(scene, http_server_url(&plain, "/chain/1"));
  assert_response(scene, 302);
  assert_has(&scene->headers, "location: ../chain/0\n");
}

static void post_becomes_get_or_stays_with_its_body(void **state) {
  struct scene *scene = *state;
  scene->request.method = "POST";
  scene->request.body = "data";
  scene->request.body_len = 4;
  scene->request.has_body = true;
  fetch(scene, http_server_url(&plain, "/redirect?to=/echo&status=302"));
  assert_response(scene, 200);
  assert_has(&scene->body, "GET /echo\n");
  assert_lacks(&scene->body, "data");
  fetch(scene, http_server_url(&plain, "/redirect?to=/echo&status=307"));
  assert_has(&scene->body, "POST /echo\n");
  assert_has(&scene->body, "\n\ndata");
}

static void a_redirect_to_another_origin_leaves_credentials_behind(void **state) {
  struct scene *scene = *state;
  char path[256];
  struct tg_http_header headers[] = {{.name = "Authorization", .value = "Bearer t0ken"},
                                     {.name = "Cookie", .value = "c00kie"},
                                     {.name = "X-Key", .value = "k3y", .is_private = true},
                                     {.name = "X-Open", .value = "0pen"}};
  scene->request.headers = headers;
  scene->request.header_count = 4;
  fetch(scene, http_server_url(&plain, "/redirect?to=/echo"));
  assert_has(&scene->body, "t0ken");
  assert_has(&scene->body, "k3y");
  snprintf(path, sizeof path, "/redirect?to=http://localhost:%d/echo", plain.port);
  fetch(scene, http_server_url(&plain, path));
  assert_response(scene, 200);
  assert_lacks(&scene->body, "t0ken");
  assert_lacks(&scene->body, "c00kie");
  assert_lacks(&scene->body, "k3y");
  assert_has(&scene->body, "0pen");
}

static void a_redirect_from_https_to_http_is_refused(void **state) {
  struct scene *scene = *state;
  char path[256];
  snprintf(path, sizeof path, "/redirect?to=%s", http_server_url(&plain, "/echo"));
  fetch(scene, http_server_url(&secure, path));
  assert_failed(scene, TG_EDENIED, TG_CLASS_PERMANENT, "from https to");
}

static void speaks_tls_with_a_trusted_server(void **state) {
  struct scene *scene = *state;
  fetch(scene, http_server_url(&secure, "/echo"));
  assert_response(scene, 200);
}

static void refuses_a_certificate_it_does_not_trust(void **state) {
  struct scene *scene = *state;
  scene->options.ca_file = NULL;
  fetch(scene, http_server_url(&secure, "/echo"));
  assert_failed(scene, TG_ETLS, TG_CLASS_PERMANENT, "certificate");
}

static void refuses_a_certificate_for_another_name(void **state) {
  struct scene *scene = *state;
  char url[64];
  snprintf(url, sizeof url, "https://127.0.0.1:%d/echo", secure.port);
  fetch(scene, url);
  assert_failed(scene, TG_ETLS, TG_CLASS_PERMANENT, "127.0.0.1");
}

static void holds_the_ceiling_of_the_body(void **state) {
  struct scene *scene = *state;
  scene->request.body_max = 100000;
  fetch(scene, http_server_url(&plain, "/big/100000"));
  assert_response(scene, 200);
  assert_int_equal(scene->body.len, 100000);
  fetch(scene, http_server_url(&plain, "/big/100001"));
  assert_failed(scene, TG_ELIMIT, TG_CLASS_PERMANENT, "more than 100000 bytes");
}

static void holds_it_on_what_is_decompressed(void **state) {
  struct scene *scene = *state;
  scene->request.body_max = 100000;
  fetch(scene, http_server_url(&plain, "/gzip/100000"));
  assert_response(scene, 200);
  assert_int_equal(scene->body.len, 100000);
  fetch(scene, http_server_url(&plain, "/gzip/50000000"));
  assert_failed(scene, TG_ELIMIT, TG_CLASS_PERMANENT, "more than 100000 bytes");
}

static void the_usual_ceiling_is_16_mib(void **state) {
  struct scene *scene = *state;
  fetch(scene, http_server_url(&plain, "/big/16777217"));
  assert_failed(scene, TG_ELIMIT, TG_CLASS_PERMANENT, "more than 16777216 bytes");
}

static void holds_the_ceiling_of_the_headers(void **state) {
  struct scene *scene = *state;
  fetch(scene, http_server_url(&plain, "/flood"));
  assert_failed(scene, TG_ELIMIT, TG_CLASS_PERMANENT, "headers of the response");
}

static void compressed_nonsense_is_an_error_of_the_remote(void **state) {
  struct scene *scene = *state;
  fetch(scene, http_server_url(&plain, "/broken_gzip"));
  assert_failed(scene, TG_EREMOTE, TG_CLASS_TRANSIENT, "/broken_gzip");
}

static void a_connection_that_breaks_is_transient(void **state) {
  struct scene *scene = *state;
  fetch(scene, http_server_url(&plain, "/early"));
  assert_failed(scene, TG_ECONNECT, TG_CLASS_TRANSIENT, "/early");
  fetch(scene, http_server_url(&plain, "/reset"));
  assert_failed(scene, TG_ECONNECT, TG_CLASS_TRANSIENT, "/reset");
}

static void nobody_there_is_transient_and_the_message_hides_the_query(void **state) {
  struct scene *scene = *state;
  fetch(scene, "http://127.0.0.1:1/path?sig=s3cret");
  assert_failed(scene, TG_ECONNECT, TG_CLASS_TRANSIENT, "GET http://127.0.0.1:1/path: ");
  assert_null(strstr(scene->err.text, "s3cret"));
  fetch(scene, "http://no-such-host.invalid/");
  assert_failed(scene, TG_ECONNECT, TG_CLASS_TRANSIENT, "no-such-host.invalid");
}

static void the_total_time_is_limited(void **state) {
  struct scene *scene = *state;
  scene->request.total_ms = 100;
  fetch(scene, http_server_url(&plain, "/slow_headers"));
  assert_failed(scene, TG_ETIMEOUT, TG_CLASS_TRANSIENT, "/slow_headers");
}

static void silence_is_limited_before_and_amid_the_body(void **state) {
  struct scene *scene = *state;
  scene->request.idle_ms = 100;
  fetch(scene, http_server_url(&plain, "/slow_headers"));
  assert_failed(scene, TG_ETIMEOUT, TG_CLASS_TRANSIENT, "nothing came for 100ms");
  fetch(scene, http_server_url(&plain, "/slow_body"));
  assert_failed(scene, TG_ETIMEOUT, TG_CLASS_TRANSIENT, "nothing came for 100ms");
}

static void denied_addresses_are_not_connected_to(void **state) {
  struct scene *scene = *state;
  scene->options.denies_private = true;
  fetch(scene, "http://localhost:1/"); // by name: the socket is refused
  assert_failed(scene, TG_EDENIED, TG_CLASS_PERMANENT, "is not allowed");
  struct tg_error err;
  scene->request.url = "http://169.254.169.254/latest/meta-data/";
  assert_int_equal(tg_http_start(scene->client, &scene->request, done, scene, &scene->call, &err),
                   TG_EDENIED);
  assert_non_null(strstr(err.text, "169.254.169.254 is not allowed"));
}

static void a_redirect_to_a_denied_address_is_not_followed(void **state) {
  struct scene *scene = *state;
  fetch(scene, http_server_url(&plain, "/redirect?to=http://169.254.169.254/"));
  assert_failed(scene, TG_EDENIED, TG_CLASS_PERMANENT, "169.254.169.254");
  fetch(scene, http_server_url(&plain, "/redirect?to=file:///etc/passwd"));
  assert_failed(scene, TG_EDENIED, TG_CLASS_PERMANENT, "neither http nor https");
}

static void a_proxy_is_used_where_configured(void **state) {
  struct scene *scene = *state;
  scene->options.proxy = http_server_url(&plain, "");
  fetch(scene, "http://no-such-host.invalid/echo");
  assert_response(scene, 200);
  assert_has(&scene->body, "GET http://no-such-host.invalid/echo\n");
}

static void a_proxy_of_the_environment_is_used_but_for_exceptions(void **state) {
  struct scene *scene = *state;
  scene->options.proxy = NULL;
  setenv("HTTP_PROXY", http_server_url(&plain, ""), 1);
  setenv("NO_PROXY", "direct.invalid", 1);
  fetch(scene, "http://no-such-host.invalid/echo");
  assert_response(scene, 200);
  fetch(scene, "http://direct.invalid/echo");
  assert_failed(scene, TG_ECONNECT, TG_CLASS_TRANSIENT, "direct.invalid");
  unsetenv("HTTP_PROXY");
  unsetenv("NO_PROXY");
}

static void a_cancelled_call_is_never_done(void **state) {
  struct scene *scene = *state;
  start(scene, http_server_url(&plain, "/slow_body"));
  for (int i = 0; i < 20; i++) tg_loop_turn(scene->loop, false);
  tg_http_cancel(scene->call);
  fetch(scene, http_server_url(&plain, "/echo")); // the client goes on
  assert_response(scene, 200);
}

static void a_client_may_be_freed_amid_calls(void **state) {
  struct scene *scene = *state;
  start(scene, http_server_url(&plain, "/slow_body"));
  start(scene, http_server_url(&plain, "/slow_headers"));
  for (int i = 0; i < 20; i++) tg_loop_turn(scene->loop, false);
  tg_http_free(scene->client);
  scene->client = NULL;
  tg_loop_turn(scene->loop, false);
  assert_false(scene->is_done);
}

struct many {
  int left;
};

static void one_done(void *self, const struct tg_error *err,
                     const struct tg_http_response *response) {
  struct many *many = self;
  assert_null(err);
  assert_int_equal(response->status, 200);
  many->left--;
}

static void many_calls_share_few_connections(void **state) {
  struct scene *scene = *state;
  enum { COUNT = 60 };
  struct many many = {.left = COUNT};
  scene->options.host_connections_max = 2;
  client_make(scene);
  scene->request.url = http_server_url(&plain, "/big/1000");
  for (int i = 0; i < COUNT; i++)
    assert_int_equal(
        tg_http_start(scene->client, &scene->request, one_done, &many, &scene->call, NULL), 0);
  while (many.left) tg_loop_turn(scene->loop, true);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(sends_method_headers_and_body_as_given),
      TEST(sends_an_empty_body_where_there_is_none),
      TEST(sends_two_megabytes),
      TEST(gives_headers_in_order_with_lower_case_names),
      TEST(a_status_is_no_error),
      TEST(follows_redirects_and_says_where_it_ended),
      TEST(more_redirects_than_allowed_are_an_error),
      TEST(without_redirects_a_redirect_is_a_response),
      TEST(post_becomes_get_or_stays_with_its_body),
      TEST(a_redirect_to_another_origin_leaves_credentials_behind),
      TEST(a_redirect_from_https_to_http_is_refused),
      TEST(speaks_tls_with_a_trusted_server),
      TEST(refuses_a_certificate_it_does_not_trust),
      TEST(refuses_a_certificate_for_another_name),
      TEST(holds_the_ceiling_of_the_body),
      TEST(holds_it_on_what_is_decompressed),
      TEST(the_usual_ceiling_is_16_mib),
      TEST(holds_the_ceiling_of_the_headers),
      TEST(compressed_nonsense_is_an_error_of_the_remote),
      TEST(a_connection_that_breaks_is_transient),
      TEST(nobody_there_is_transient_and_the_message_hides_the_query),
      TEST(the_total_time_is_limited),
      TEST(silence_is_limited_before_and_amid_the_body),
      TEST(denied_addresses_are_not_connected_to),
      TEST(a_redirect_to_a_denied_address_is_not_followed),
      TEST(a_proxy_is_used_where_configured),
      TEST(a_proxy_of_the_environment_is_used_but_for_exceptions),
      TEST(a_cancelled_call_is_never_done),
      TEST(a_client_may_be_freed_amid_calls),
      TEST(many_calls_share_few_connections),
  };
  return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
