// SPDX-License-Identifier: Apache-2.0
#include "http/redirect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

struct hop {
  struct tg_arena arena;
  struct tg_http_request request;
  struct tg_error err;
};

static int hop(struct hop *hop, const char *method, const char *from, int status,
               const char *location) {
  static const struct tg_http_header headers[] = {
      {.name = "Authorization", .value = "Bearer x"},
      {.name = "Content-Type", .value = "text/plain"},
      {.name = "X-Key", .value = "y", .is_private = true},
      {.name = "Accept", .value = "*/*"},
  };
  tg_arena_init(&hop->arena);
  hop->request = (struct tg_http_request){.method = method,
                                          .url = from,
                                          .headers = headers,
                                          .header_count = 4,
                                          .body = "body",
                                          .body_len = 4,
                                          .has_body = true};
  return tg_http_redirect(&hop->request, status, location, &hop->arena, &hop->err);
}

static void assert_hop(const char *method, int status, const char *expected, bool keeps_body) {
  struct hop it;
  assert_int_equal(hop(&it, method, "http://a.example/x/y", status, "../z?q=1"), 0);
  assert_string_equal(it.request.method, expected);
  assert_string_equal(it.request.url, "http://a.example/z?q=1");
  assert_int_equal(it.request.has_body, keeps_body);
  assert_int_equal(it.request.header_count, keeps_body ? 4 : 3);
  tg_arena_deinit(&it.arena);
}

static void a_redirect_changes_the_method_as_the_status_says(void **state) {
  (void)state;
  assert_hop("POST", 301, "GET", false);
  assert_hop("POST", 302, "GET", false);
  assert_hop("PUT", 302, "PUT", true);
  assert_hop("PUT", 303, "GET", false);
  assert_hop("DELETE", 303, "GET", false);
  assert_hop("POST", 307, "POST", true);
  assert_hop("POST", 308, "POST", true);
}

static void assert_keeps(const char *from, const char *to, size_t headers) {
  struct hop it;
  assert_int_equal(hop(&it, "POST", from, 307, to), 0);
  assert_int_equal(it.request.header_count, headers);
  tg_arena_deinit(&it.arena);
}

static void private_headers_stay_with_their_origin(void **state) {
  (void)state;
  assert_keeps("http://a.example/", "/other", 4);
  assert_keeps("http://a.example/", "http://A.EXAMPLE:80/", 4);
  assert_keeps("http://a.example/", "http://b.example/", 2);
  assert_keeps("http://a.example/", "//a.example.evil/", 2);
  assert_keeps("http://a.example/", "http://a.example:81/", 2);
  assert_keeps("http://a.example/", "https://a.example/", 2);
}

static void assert_not_followed(const char *from, const char *to, int code, const char *text) {
  struct hop it;
  assert_int_equal(hop(&it, "GET", from, 302, to), code);
  if (!strstr(it.err.text, text)) fail_msg("'%s' lacks '%s'", it.err.text, text);
  tg_arena_deinit(&it.arena);
}

static void dangerous_redirects_are_not_followed(void **state) {
  (void)state;
  assert_not_followed("https://a.example/", "http://a.example/", TG_EDENIED, "from https to");
  assert_not_followed("http://a.example/", "file:///etc/passwd", TG_EDENIED, "neither http");
  assert_not_followed("http://a.example/", "http://u:p@b.example/", TG_EDENIED, "user or password");
  assert_not_followed("http://a.example/", "http://", TG_EREMOTE, "no URL");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_redirect_changes_the_method_as_the_status_says),
      cmocka_unit_test(private_headers_stay_with_their_origin),
      cmocka_unit_test(dangerous_redirects_are_not_followed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
