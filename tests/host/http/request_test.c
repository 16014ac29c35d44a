// SPDX-License-Identifier: Apache-2.0
#include "http/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct tg_http_request get(const char *url) {
  return (struct tg_http_request){.method = "GET", .url = url};
}

static void assert_refused(const struct tg_http_request *request, const char *text) {
  struct tg_error err;
  tg_error_clear(&err);
  assert_int_equal(tg_http_request_check(request, &err), TG_EINVALID);
  if (!strstr(err.text, text)) fail_msg("'%s' lacks '%s'", err.text, text);
}

static void takes_good_requests(void **state) {
  (void)state;
  static const char *const urls[] = {"http://example.com", "https://example.com:8443/a/b?c=d#e",
                                     "http://127.0.0.1:1/", "http://[::1]:80/x",
                                     "HTTPS://EXAMPLE.COM/"};
  for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
    struct tg_http_request request = get(urls[i]);
    assert_int_equal(tg_http_request_check(&request, NULL), 0);
  }
}

static void refuses_urls_that_are_not_http(void **state) {
  (void)state;
  struct tg_http_request request = get("file:///etc/passwd");
  assert_refused(&request, "neither http nor https");
  request = get("ftp://example.com/");
  assert_refused(&request, "neither http nor https");
  request = get("gopher://example.com/");
  assert_refused(&request, "neither http nor https");
  request = get("");
  assert_refused(&request, "is no URL");
  request = get("http://");
  assert_refused(&request, "is no URL");
  request = get("http://a b/");
  assert_refused(&request, "encode it");
  request = get("http://example.com/\r\nX: y");
  assert_refused(&request, "encode it");
}

static void refuses_credentials_in_a_url_and_does_not_repeat_them(void **state) {
  (void)state;
  struct tg_error err;
  struct tg_http_request request = get("http://user:hunter2@example.com/");
  assert_refused(&request, "holds a user or password");
  tg_http_request_check(&request, &err);
  assert_null(strstr(err.text, "hunter2"));
  request = get("ftp://user:hunter2@example.com/?token=hunter2");
  tg_http_request_check(&request, &err);
  assert_null(strstr(err.text, "hunter2"));
  assert_non_null(strstr(err.text, "ftp://***@example.com/"));
}

static void refuses_methods_it_does_not_know(void **state) {
  (void)state;
  struct tg_http_request request = get("http://example.com/");
  request.method = "get";
  assert_refused(&request, "'get' is none of GET");
  request.method = "GET / HTTP/1.1\r\nX: y";
  assert_refused(&request, "is none of GET");
  request.method = "HEAD";
  request.has_body = true;
  assert_refused(&request, "has no body");
}

static void refuses_headers_that_would_break_the_request(void **state) {
  (void)state;
  static const struct {
    struct tg_http_header header;
    const char *text;
  } cases[] = {
      {{.name = "X-A", .value = "a\r\nX-B: b"}, "control character"},
      {{.name = "X-A", .value = "a\nb"}, "control character"},
      {{.name = "X A", .value = "b"}, "is no name"},
      {{.name = "X:A", .value = "b"}, "is no name"},
      {{.name = "", .value = "b"}, "is no name"},
      {{.name = "X\xc3\xa4", .value = "b"}, "is no name"},
      {{.name = "Host", .value = "b"}, "set by the client itself"},
      {{.name = "content-LENGTH", .value = "5"}, "set by the client itself"},
      {{.name = "Transfer-Encoding", .value = "chunked"}, "set by the client itself"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct tg_http_request request = get("http://example.com/");
    request.headers = &cases[i].header;
    request.header_count = 1;
    assert_refused(&request, cases[i].text);
  }
}

static void refuses_numbers_out_of_range(void **state) {
  (void)state;
  struct tg_http_request request = get("http://example.com/");
  request.total_ms = -1;
  assert_refused(&request, "timeout");
  request = get("http://example.com/");
  request.idle_ms = INT64_MAX;
  assert_refused(&request, "timeout");
  request = get("http://example.com/");
  request.redirects_max = 11;
  assert_refused(&request, "redirects must be between 0 and 10");
  request = get("http://example.com/");
  request.body_max = -1;
  assert_refused(&request, "negative");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(takes_good_requests),
      cmocka_unit_test(refuses_urls_that_are_not_http),
      cmocka_unit_test(refuses_credentials_in_a_url_and_does_not_repeat_them),
      cmocka_unit_test(refuses_methods_it_does_not_know),
      cmocka_unit_test(refuses_headers_that_would_break_the_request),
      cmocka_unit_test(refuses_numbers_out_of_range),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
