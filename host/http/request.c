// SPDX-License-Identifier: Apache-2.0
#include "http/request.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/limits.h"

enum { URL_BYTES_MAX = 16 << 10 };

static const char *const methods[] = {"GET",   "HEAD",   "POST",    "PUT",
                                      "PATCH", "DELETE", "OPTIONS", NULL};

// What the client says itself; a second opinion would let two readers of the same request differ.
static const char *const reserved_headers[] = {
    "connection", "content-length",    "expect", "host",
    "keep-alive", "proxy-connection",  "te",     "trailer",
    "upgrade",    "transfer-encoding", NULL};

static bool list_has(const char *const *list, const char *word, bool ignores_case) {
  for (; *list; list++)
    if ((ignores_case ? strcasecmp(*list, word) : strcmp(*list, word)) == 0) return true;
  return false;
}

static int method_check(const struct tg_http_request *request, struct tg_error *err) {
  if (!list_has(methods, request->method, false))
    return tg_error_set(err, TG_EINVALID,
                        "method '%.20s' is none of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
                        request->method);
  if (request->has_body && strcmp(request->method, "HEAD") == 0)
    return tg_error_set(err, TG_EINVALID, "a HEAD request has no body");
  return 0;
}

// A token as RFC 9110 section 5.6.2 has it.
static bool is_token(const char *text) {
  if (!*text) return false;
  for (; *text; text++)
    if (!isalnum((unsigned char)*text) && !strchr("!#$%&'*+-.^_`|~", *text)) return false;
  return true;
}

// A field value as RFC 9110 section 5.5 has it: no control characters but the tab.
static bool is_field_value(const char *text) {
  for (; *text; text++)
    if (((unsigned char)*text < 0x20 && *text != '\t') || *text == 0x7f) return false;
  return true;
}

static int header_check(const struct tg_http_header *header, struct tg_error *err) {
  if (!is_token(header->name))
    return tg_error_set(err, TG_EINVALID, "'%.60s' is no name of a header", header->name);
  if (!is_field_value(header->value))
    return tg_error_set(err, TG_EINVALID, "the value of header '%.60s' has a control character",
                        header->name);
  if (list_has(reserved_headers, header->name, true))
    return tg_error_set(err, TG_EINVALID, "header '%s' is set by the client itself", header->name);
  return 0;
}

static int headers_check(const struct tg_http_request *request, struct tg_error *err) {
  size_t bytes = 0;
  for (size_t i = 0; i < request->header_count; i++) {
    int code = header_check(&request->headers[i], err);
    if (code) return code;
    bytes += strlen(request->headers[i].name) + strlen(request->headers[i].value) + 4;
  }
  if (bytes > TG_HTTP_HEADER_BYTES_MAX)
    return tg_error_set(err, TG_EINVALID, "the headers of the request have more than %lld bytes",
                        (long long)TG_HTTP_HEADER_BYTES_MAX);
  return 0;
}

static bool part_is_set(CURLU *url, CURLUPart part) {
  char *text = NULL;
  CURLUcode status = curl_url_get(url, part, &text, 0);
  bool is_set = status == CURLUE_OK && text && *text;
  curl_free(text);
  return is_set;
}

static bool scheme_is_http(CURLU *url) {
  char *scheme = NULL;
  curl_url_get(url, CURLUPART_SCHEME, &scheme, 0);
  bool is_http = scheme && (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);
  curl_free(scheme);
  return is_http;
}

static bool url_is_plain(const char *text) {
  for (; *text; text++)
    if ((unsigned char)*text <= 0x20 || *text == 0x7f) return false;
  return true;
}

static int url_check(const char *text, struct tg_error *err) {
  char shown[200];
  tg_http_url_show(text, shown, sizeof shown);
  if (strlen(text) > URL_BYTES_MAX)
    return tg_error_set(err, TG_EINVALID, "the URL has more than %d bytes", URL_BYTES_MAX);
  if (!url_is_plain(text))
    return tg_error_set(err, TG_EINVALID,
                        "the URL '%s' has a space or control character; encode it", shown);
  CURLU *url = curl_url();
  if (!url) return tg_error_set(err, TG_ENOMEM, "out of memory");
  int code = 0;
  CURLUcode status = curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME);
  if (status != CURLUE_OK)
    code = tg_error_set(err, TG_EINVALID, "'%s' is no URL: %s", shown, curl_url_strerror(status));
  else if (!scheme_is_http(url))
    code = tg_error_set(err, TG_EINVALID, "the URL '%s' is neither http nor https", shown);
  else if (part_is_set(url, CURLUPART_USER) || part_is_set(url, CURLUPART_PASSWORD))
    code = tg_error_set(err, TG_EINVALID,
                        "the URL holds a user or password; use a header with a secret");
  curl_url_cleanup(url);
  return code;
}

static int numbers_check(const struct tg_http_request *request, struct tg_error *err) {
  const int64_t longest = INT64_C(24) * 3600 * 1000;
  const int64_t times[] = {request->connect_ms, request->total_ms, request->idle_ms};
  for (size_t i = 0; i < sizeof times / sizeof *times; i++)
    if (times[i] < 0 || times[i] > longest)
      return tg_error_set(err, TG_EINVALID, "a timeout must be between 1ms and 24h");
  if (request->body_max < 0)
    return tg_error_set(err, TG_EINVALID, "the ceiling of the body is negative");
  if (request->redirects_max < 0 || request->redirects_max > TG_HTTP_REDIRECTS_MAX)
    return tg_error_set(err, TG_EINVALID, "redirects must be between 0 and %d",
                        TG_HTTP_REDIRECTS_MAX);
  return 0;
}

int tg_http_request_check(const struct tg_http_request *request, struct tg_error *err) {
  int code = method_check(request, err);
  if (!code) code = url_check(request->url, err);
  if (!code) code = headers_check(request, err);
  return code ? code : numbers_check(request, err);
}

// What stands between "//" and "@" of something that is no good URL may be a password.
void tg_http_url_show(const char *url, char *text, size_t size) {
  size_t len = strcspn(url, "?#");
  const char *host = strstr(url, "//");
  const char *at = host ? memchr(url, '@', len) : NULL;
  if (at && at > host)
    snprintf(text, size, "%.*s***%.*s", (int)(host + 2 - url), url, (int)(len - (size_t)(at - url)),
             at);
  else
    snprintf(text, size, "%.*s", (int)len, url);
}
