// SPDX-License-Identifier: Apache-2.0
#include "http/call.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/limits.h"
#include "http/redirect.h"
#include "http/request.h"

static int64_t now_ms(const struct tg_http_call *call) {
  return tg_clock_mono_ms(tg_loop_clock(call->client->loop));
}

static int no_memory(struct tg_error *err) {
  return tg_error_set(err, TG_ENOMEM, "out of memory");
}

static void call_touch(struct tg_http_call *call) {
  call->active_at = now_ms(call);
}

// Callbacks of curl. They note a failure and make curl give up; tg_http_call_settle reports it.

static size_t header_came(char *bytes, size_t one, size_t len, void *self) {
  struct tg_http_call *call = self;
  (void)one;
  (void)bytes;
  call_touch(call);
  call->header_bytes += len;
  if (call->header_bytes <= TG_HTTP_HEADER_BYTES_MAX) return len;
  tg_error_set(&call->failure, TG_ELIMIT, "the headers of the response have more than %lld bytes",
               (long long)TG_HTTP_HEADER_BYTES_MAX);
  return 0;
}

static size_t body_came(char *bytes, size_t one, size_t len, void *self) {
  struct tg_http_call *call = self;
  (void)one;
  call_touch(call);
  if (tg_buf_put(&call->body, bytes, len)) return len;
  if (call->body.len + len > call->body.max)
    tg_error_set(&call->failure, TG_ELIMIT, "the response has more than %zu bytes", call->body.max);
  else
    no_memory(&call->failure);
  return CURL_WRITEFUNC_ERROR;
}

static int progress_came(void *self, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                         curl_off_t up) {
  struct tg_http_call *call = self;
  (void)down_total;
  (void)up_total;
  if (down + up != call->bytes) call_touch(call);
  call->bytes = down + up;
  return 0;
}

// The idle clock starts when there is a connection; until then the connect timeout rules. An
// address that was denied on the way here no longer matters: another one of the same name was
// found.
static int request_leaves(void *self, char *remote_ip, char *local_ip, int remote_port,
                          int local_port) {
  struct tg_http_call *call = self;
  (void)remote_ip;
  (void)local_ip;
  (void)remote_port;
  (void)local_port;
  tg_error_clear(&call->failure);
  call_touch(call);
  tg_timer_start(call->idle, call->request.idle_ms);
  return CURL_PREREQFUNC_OK;
}

static curl_socket_t socket_open(void *self, curlsocktype purpose, struct curl_sockaddr *address) {
  struct tg_http_call *call = self;
  char text[TG_ADDRESS_TEXT_MAX];
  (void)purpose;
  if (tg_address_is_denied(&call->client->filter, &address->addr, text)) {
    tg_error_set(&call->failure, TG_EDENIED, "the address %s is not allowed", text);
    return CURL_SOCKET_BAD;
  }
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

// Making a call.

static int headers_copy(struct tg_http_call *call, const struct tg_http_request *request) {
  struct tg_http_header *headers =
      tg_arena_alloc(&call->arena, (request->header_count + 1) * sizeof *headers);
  if (!headers) return -1;
  for (size_t i = 0; i < request->header_count; i++) {
    headers[i] = request->headers[i];
    headers[i].name = tg_arena_strdup(&call->arena, request->headers[i].name);
    headers[i].value = tg_arena_strdup(&call->arena, request->headers[i].value);
    if (!headers[i].name || !headers[i].value) return -1;
  }
  call->request.headers = headers;
  return 0;
}

static int request_copy(struct tg_http_call *call, const struct tg_http_request *request) {
  call->request = *request;
  struct tg_http_request *own = &call->request;
  own->method = tg_arena_strdup(&call->arena, request->method);
  own->url = tg_arena_strdup(&call->arena, request->url);
  own->body =
      tg_arena_copy(&call->arena, request->body_len ? request->body : "", request->body_len);
  if (!own->method || !own->url || !own->body) return -1;
  if (!own->connect_ms) own->connect_ms = TG_HTTP_CONNECT_MS;
  if (!own->total_ms) own->total_ms = TG_HTTP_TOTAL_MS;
  if (!own->idle_ms) own->idle_ms = TG_HTTP_IDLE_MS;
  if (!own->body_max) own->body_max = TG_HTTP_BODY_BYTES_MAX;
  return headers_copy(call, request);
}

static bool has_header(const struct tg_http_request *request, const char *name) {
  for (size_t i = 0; i < request->header_count; i++)
    if (strcasecmp(request->headers[i].name, name) == 0) return true;
  return false;
}

static int line_add(struct tg_http_call *call, const char *line) {
  struct curl_slist *lines = curl_slist_append(call->lines, line);
  if (!lines) return -1;
  call->lines = lines;
  return 0;
}

// Without a value curl wants "Name;". What curl would add unasked is taken away by "Name:".
static int lines_make(struct tg_http_call *call) {
  curl_slist_free_all(call->lines);
  call->lines = NULL;
  int status = line_add(call, "Expect:");
  if (!status && !has_header(&call->request, "content-type"))
    status = line_add(call, "Content-Type:");
  for (size_t i = 0; !status && i < call->request.header_count; i++) {
    const struct tg_http_header *header = &call->request.headers[i];
    struct tg_buf line;
    tg_buf_init(&line, 2 * TG_HTTP_HEADER_BYTES_MAX);
    if (*header->value)
      tg_buf_putf(&line, "%s: %s", header->name, header->value);
    else
      tg_buf_putf(&line, "%s;", header->name);
    status = line.is_failed ? -1 : line_add(call, line.data);
    tg_buf_deinit(&line);
  }
  return status;
}

static void method_set(struct tg_http_call *call) {
  const struct tg_http_request *request = &call->request;
  CURL *easy = call->easy;
  bool sends_length = strcmp(request->method, "POST") == 0 || strcmp(request->method, "PUT") == 0 ||
                      strcmp(request->method, "PATCH") == 0;
  curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, NULL);
  curl_easy_setopt(easy, CURLOPT_NOBODY, 0L);
  curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
  if (strcmp(request->method, "HEAD") == 0) {
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    return;
  }
  if (request->has_body || sends_length) {
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body);
  }
  curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
}

// Curl reads HTTP_PROXY in lower case only, because a CGI program's client may set the upper one.
static const char *proxy_of(const struct tg_http_call *call) {
  if (call->client->options.proxy) return call->client->options.proxy;
  bool is_plain = strncasecmp(call->request.url, "http:", 5) == 0;
  bool curl_knows = getenv("http_proxy") || getenv("REQUEST_METHOD");
  return is_plain && !curl_knows ? getenv("HTTP_PROXY") : NULL;
}

static void hop_set(struct tg_http_call *call) {
  CURL *easy = call->easy;
  int64_t left_ms = call->request.total_ms - (now_ms(call) - call->started_at);
  curl_easy_setopt(easy, CURLOPT_URL, call->request.url);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->lines);
  curl_easy_setopt(easy, CURLOPT_PROXY, proxy_of(call));
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(left_ms > 1 ? left_ms : 1));
  method_set(call);
}

static void call_set(struct tg_http_call *call) {
  CURL *easy = call->easy;
  curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->text);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  // Else ending a call whose name is being resolved would wait for the resolver.
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
  curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
  if (call->client->options.ca_file)
    curl_easy_setopt(easy, CURLOPT_CAINFO, call->client->options.ca_file);
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "tidegate/" TG_VERSION);
  curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)call->request.connect_ms);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, socket_open);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, call);
  curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, request_leaves);
  curl_easy_setopt(easy, CURLOPT_PREREQDATA, call);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, header_came);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, body_came);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
  curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, progress_came);
  curl_easy_setopt(easy, CURLOPT_XFERINFODATA, call);
}

static int address_check(const struct tg_http_call *call, struct tg_error *err) {
  CURLU *url = curl_url();
  char *host = NULL;
  if (!url) return no_memory(err);
  if (curl_url_set(url, CURLUPART_URL, call->request.url, 0) == CURLUE_OK)
    curl_url_get(url, CURLUPART_HOST, &host, 0);
  // A proxy would connect where our own socket is never opened.
  bool is_denied = host && tg_address_host_is_denied(&call->client->filter, host);
  if (is_denied) tg_error_set(err, TG_EDENIED, "the address %.60s is not allowed", host);
  curl_free(host);
  curl_url_cleanup(url);
  return is_denied ? TG_EDENIED : 0;
}

static int hop_begin(struct tg_http_call *call, struct tg_error *err) {
  int code = address_check(call, err);
  if (code) return code;
  if (lines_make(call) != 0) return no_memory(err);
  tg_buf_clear(&call->body);
  call->header_bytes = 0;
  call->bytes = 0;
  call->text[0] = 0;
  tg_error_clear(&call->failure);
  hop_set(call);
  return 0;
}

int tg_http_call_new(struct tg_http *client, const struct tg_http_request *request,
                     void (*is_idle)(void *self), struct tg_http_call **result,
                     struct tg_error *err) {
  int code = tg_http_request_check(request, err);
  if (code) return code;
  struct tg_http_call *call = calloc(1, sizeof *call);
  if (!call) return no_memory(err);
  call->client = client;
  tg_arena_init(&call->arena);
  code = TG_ENOMEM;
  if (request_copy(call, request) != 0 || !(call->easy = curl_easy_init())) {
    no_memory(err);
    goto failed;
  }
  tg_buf_init(&call->body, (size_t)call->request.body_max);
  call->started_at = now_ms(call);
  call->idle = tg_timer_new(client->loop, is_idle, call, err);
  if (!call->idle) goto failed;
  call_set(call);
  code = hop_begin(call, err);
  if (code) goto failed;
  *result = call;
  return 0;

failed:
  tg_http_call_free(call);
  return code;
}

void tg_http_call_free(struct tg_http_call *call) {
  tg_timer_free(call->idle);
  curl_easy_cleanup(call->easy);
  curl_slist_free_all(call->lines);
  tg_buf_deinit(&call->body);
  tg_arena_deinit(&call->arena);
  free(call);
}

bool tg_http_call_is_idle(struct tg_http_call *call, struct tg_error *err) {
  int64_t left_ms = call->active_at + call->request.idle_ms - now_ms(call);
  if (left_ms > 0) {
    tg_timer_start(call->idle, left_ms);
    return false;
  }
  char shown[200];
  tg_http_url_show(call->request.url, shown, sizeof shown);
  tg_error_set(err, TG_ETIMEOUT, "%s %s: nothing came for %lldms", call->request.method, shown,
               (long long)call->request.idle_ms);
  return true;
}

// What a finished hop means.

static int code_of(CURLcode result) {
  switch (result) {
  case CURLE_OPERATION_TIMEDOUT:
    return TG_ETIMEOUT;
  case CURLE_COULDNT_RESOLVE_HOST:
  case CURLE_COULDNT_RESOLVE_PROXY:
  case CURLE_COULDNT_CONNECT:
  case CURLE_SEND_ERROR:
  case CURLE_RECV_ERROR:
  case CURLE_GOT_NOTHING:
  case CURLE_PARTIAL_FILE:
  case CURLE_PROXY:
  case CURLE_HTTP2:
  case CURLE_HTTP2_STREAM:
    return TG_ECONNECT;
  case CURLE_SSL_CONNECT_ERROR:
  case CURLE_PEER_FAILED_VERIFICATION:
  case CURLE_SSL_CACERT_BADFILE:
  case CURLE_SSL_CERTPROBLEM:
  case CURLE_SSL_CIPHER:
  case CURLE_SSL_ISSUER_ERROR:
  case CURLE_SSL_ENGINE_INITFAILED:
  case CURLE_SSL_INVALIDCERTSTATUS:
    return TG_ETLS;
  case CURLE_OUT_OF_MEMORY:
    return TG_ENOMEM;
  case CURLE_URL_MALFORMAT:
  case CURLE_UNSUPPORTED_PROTOCOL:
    return TG_EINVALID;
  default:
    return TG_EREMOTE;
  }
}

static int hop_failed(struct tg_http_call *call, CURLcode result, struct tg_error *err) {
  char shown[200];
  tg_http_url_show(call->request.url, shown, sizeof shown);
  if (call->failure.code)
    return tg_error_set(err, call->failure.code, "%s %s: %s", call->request.method, shown,
                        call->failure.text);
  int code = tg_error_set(err, code_of(result), "%s %s: %s", call->request.method, shown,
                          *call->text ? call->text : curl_easy_strerror(result));
  long errnum = 0;
  curl_easy_getinfo(call->easy, CURLINFO_OS_ERRNO, &errnum);
  // A handshake that was cut off may go through the next time; one that was refused will not.
  if (err && code == TG_ETLS && (errnum == ECONNRESET || errnum == EPIPE))
    err->class = TG_CLASS_TRANSIENT;
  return code;
}

static char *name_copy(struct tg_arena *arena, const char *name) {
  char *copy = tg_arena_strdup(arena, name);
  for (char *c = copy; c && *c; c++) *c = (char)tolower((unsigned char)*c);
  return copy;
}

static int headers_take(struct tg_http_call *call, struct tg_http_response *response,
                        struct tg_error *err) {
  size_t count = 0;
  struct curl_header *header = NULL;
  while ((header = curl_easy_nextheader(call->easy, CURLH_HEADER, -1, header))) count++;
  struct tg_http_header *headers = tg_arena_alloc(&call->arena, (count + 1) * sizeof *headers);
  if (!headers) return no_memory(err);
  for (size_t i = 0; i < count; i++) {
    header = curl_easy_nextheader(call->easy, CURLH_HEADER, -1, i ? header : NULL);
    headers[i].name = name_copy(&call->arena, header->name);
    headers[i].value = tg_arena_strdup(&call->arena, header->value);
    if (!headers[i].name || !headers[i].value) return no_memory(err);
  }
  response->headers = headers;
  response->header_count = count;
  return 0;
}

static int redirect(struct tg_http_call *call, int status, const char *location,
                    struct tg_error *err) {
  char shown[200];
  tg_http_url_show(call->request.url, shown, sizeof shown);
  if (call->redirects == call->request.redirects_max)
    return tg_error_set(err, TG_ELIMIT, "%s %s: more than %d redirects", call->request.method,
                        shown, call->request.redirects_max);
  call->redirects++;
  int code = tg_http_redirect(&call->request, status, location, &call->arena, err);
  return code ? code : hop_begin(call, err);
}

int tg_http_call_settle(struct tg_http_call *call, CURLcode result, bool *goes_on,
                        struct tg_http_response *response, struct tg_error *err) {
  tg_timer_stop(call->idle);
  *goes_on = false;
  if (result != CURLE_OK) return hop_failed(call, result, err);
  long status = 0;
  curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
  struct curl_header *location;
  if (call->request.redirects_max > 0 && tg_http_is_redirect((int)status) &&
      curl_easy_header(call->easy, "Location", 0, CURLH_HEADER, -1, &location) == CURLHE_OK) {
    *goes_on = true;
    return redirect(call, (int)status, location->value, err);
  }
  *response = (struct tg_http_response){
      .status = (int)status,
      .body = tg_buf_text(&call->body),
      .body_len = call->body.len,
      .url = call->request.url,
      .elapsed_ms = now_ms(call) - call->started_at,
  };
  return headers_take(call, response, err);
}
