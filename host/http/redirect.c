// SPDX-License-Identifier: Apache-2.0
#include "http/redirect.h"

#include <curl/curl.h>
#include <string.h>
#include <strings.h>

#include "http/request.h"

bool tg_http_is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static bool part_is_same(CURLU *left, CURLU *right, CURLUPart part) {
  char *a = NULL, *b = NULL;
  curl_url_get(left, part, &a, CURLU_DEFAULT_PORT);
  curl_url_get(right, part, &b, CURLU_DEFAULT_PORT);
  bool is_same = a && b && strcasecmp(a, b) == 0;
  curl_free(a);
  curl_free(b);
  return is_same;
}

static bool scheme_is(CURLU *url, const char *word) {
  char *scheme = NULL;
  curl_url_get(url, CURLUPART_SCHEME, &scheme, 0);
  bool is = scheme && strcmp(scheme, word) == 0;
  curl_free(scheme);
  return is;
}

static bool header_is_private(const struct tg_http_header *header) {
  static const char *const names[] = {"authorization", "cookie", "proxy-authorization"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strcasecmp(header->name, names[i]) == 0) return true;
  return header->is_private;
}

static bool header_is_of_body(const struct tg_http_header *header) {
  return strncasecmp(header->name, "content-", 8) == 0;
}

static int headers_drop(struct tg_http_request *request, struct tg_arena *arena,
                        bool (*is_dropped)(const struct tg_http_header *header),
                        struct tg_error *err) {
  struct tg_http_header *kept = tg_arena_alloc(arena, (request->header_count + 1) * sizeof *kept);
  if (!kept) return tg_error_set(err, TG_ENOMEM, "out of memory");
  size_t count = 0;
  for (size_t i = 0; i < request->header_count; i++)
    if (!is_dropped(&request->headers[i])) kept[count++] = request->headers[i];
  request->headers = kept;
  request->header_count = count;
  return 0;
}

static bool becomes_get(const char *method, int status) {
  if (status == 303) return strcmp(method, "HEAD") != 0;
  return (status == 301 || status == 302) && strcmp(method, "POST") == 0;
}

static int target_set(struct tg_http_request *request, CURLU *from, CURLU *to, const char *location,
                      struct tg_arena *arena, struct tg_error *err) {
  CURLUcode status = curl_url_set(from, CURLUPART_URL, request->url, 0);
  if (status == CURLUE_OK) status = curl_url_set(to, CURLUPART_URL, request->url, 0);
  if (status == CURLUE_OK)
    status = curl_url_set(to, CURLUPART_URL, location, CURLU_NON_SUPPORT_SCHEME | CURLU_URLENCODE);
  char *text = NULL;
  if (status == CURLUE_OK) status = curl_url_get(to, CURLUPART_URL, &text, 0);
  if (status != CURLUE_OK)
    return tg_error_set(err, TG_EREMOTE, "the remote redirects to what is no URL: %s",
                        curl_url_strerror(status));
  request->url = tg_arena_strdup(arena, text);
  curl_free(text);
  return request->url ? 0 : tg_error_set(err, TG_ENOMEM, "out of memory");
}

static int hop(struct tg_http_request *request, CURLU *from, CURLU *to, int status,
               const char *location, struct tg_arena *arena, struct tg_error *err) {
  int code = target_set(request, from, to, location, arena, err);
  if (code) return code;
  char shown[200];
  tg_http_url_show(request->url, shown, sizeof shown);
  if (scheme_is(from, "https") && !scheme_is(to, "https"))
    return tg_error_set(err, TG_EDENIED, "a redirect from https to '%s' is not followed", shown);
  if (becomes_get(request->method, status)) {
    request->method = "GET";
    request->has_body = false;
    request->body_len = 0;
    code = headers_drop(request, arena, header_is_of_body, err);
  }
  bool is_same = part_is_same(from, to, CURLUPART_SCHEME) &&
                 part_is_same(from, to, CURLUPART_HOST) && part_is_same(from, to, CURLUPART_PORT);
  if (!code && !is_same) code = headers_drop(request, arena, header_is_private, err);
  struct tg_error refused;
  if (!code && tg_http_request_check(request, &refused) != 0)
    code = tg_error_set(err, TG_EDENIED, "a redirect is not followed: %s", refused.text);
  return code;
}

int tg_http_redirect(struct tg_http_request *request, int status, const char *location,
                     struct tg_arena *arena, struct tg_error *err) {
  CURLU *from = curl_url(), *to = curl_url();
  int code = from && to ? hop(request, from, to, status, location, arena, err)
                        : tg_error_set(err, TG_ENOMEM, "out of memory");
  curl_url_cleanup(from);
  curl_url_cleanup(to);
  return code;
}
