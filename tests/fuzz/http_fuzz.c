// SPDX-License-Identifier: Apache-2.0
// What the HTTP client reads from those it does not trust: requests of workers, and what remotes
// say in Location and Retry-After. The loop never turns, so nothing leaves the house.
#include "base/limits.h"
#include "fuzz/input.h"
#include "http/address.h"
#include "http/redirect.h"
#include "http/request.h"
#include "http/service.h"
#include "http/status.h"
#include "ipc/wire.h"

static struct tg_http *client;

static const char *secret(void *self, const char *name) {
  (void)self;
  return strcmp(name, "KEY") == 0 ? "s3cret" : NULL;
}

static void client_open(void) {
  struct tg_http_options options = {.proxy = "", .denies_private = true, .secret = secret};
  struct tg_loop *loop = tg_loop_new(NULL);
  fuzz_check(loop && (client = tg_http_new(loop, &options, NULL)));
}

static void done(void *self, const struct tg_error *err, struct tg_buf *reply) {
  (void)self;
  (void)err;
  (void)reply;
  abort(); // nothing can be done without a turn of the loop
}

static void service_check(const void *body, size_t len) {
  struct tg_http_service_call *call;
  struct tg_error err;
  uint8_t *copy = input_copy(body, len);
  if (tg_http_service_start(client, NULL, copy, len, 0, done, NULL, &call, &err) == TG_OK)
    tg_http_service_cancel(call);
  else // a secret is told to nobody who did not say it himself
    fuzz_check(err.code && *err.text &&
               (!strstr(err.text, "s3cret") || memmem(body, len, "s3cret", 6)));
  free(copy);
}

static void text_put(struct tg_buf *body, struct input *in) {
  struct input part = input_until(in, 0);
  tg_wire_put_bytes(body, part.at, input_left(&part));
}

// A request that is well formed, but for what is in it.
static void request_check(struct input *in) {
  struct tg_buf body;
  tg_buf_init(&body, 1 << 20);
  uint8_t shape = input_u8(in);
  text_put(&body, in);
  text_put(&body, in);
  tg_wire_put_u32(&body, shape & 3);
  for (int i = 0; i < (shape & 3); i++) {
    text_put(&body, in);
    tg_wire_put_u32(&body, 1);
    tg_wire_put_u8(&body, shape >> 2 & 1);
    text_put(&body, in);
  }
  tg_wire_put_u8(&body, shape >> 3 & 1);
  text_put(&body, in);
  for (int i = 0; i < 4; i++) tg_wire_put_i64(&body, (int64_t)input_number(in, 3));
  tg_wire_put_u32(&body, input_u8(in));
  service_check(body.data, body.len);
  tg_buf_deinit(&body);
}

static bool has_header(const struct tg_http_request *request, const char *name) {
  for (size_t i = 0; i < request->header_count; i++)
    if (strcmp(request->headers[i].name, name) == 0) return true;
  return false;
}

static void redirect_check(struct input *in) {
  static const struct tg_http_header headers[] = {{"Authorization", "Bearer x", false},
                                                  {"X-Key", "y", true},
                                                  {"Content-Type", "text/plain", false}};
  static const int statuses[] = {301, 302, 303, 307, 308};
  struct tg_arena arena;
  struct tg_error err;
  tg_arena_init(&arena);
  struct tg_http_request request = {
      .method = "POST", .headers = headers, .header_count = 3, .has_body = true};
  request.url = "https://example.com:443/a/b?c";
  int status = statuses[input_u8(in) % 5];
  char *location = input_text(in), shown[200];
  if (tg_http_redirect(&request, status, location, &arena, &err) == TG_OK) {
    fuzz_check(strncmp(request.url, "https://", 8) == 0);
    bool is_same = strncmp(request.url, "https://example.com/", 20) == 0 ||
                   strncmp(request.url, "https://example.com:443/", 24) == 0;
    fuzz_check(has_header(&request, "Authorization") == has_header(&request, "X-Key"));
    if (!is_same && strncasecmp(request.url, "https://example.com", 19) != 0)
      fuzz_check(!has_header(&request, "Authorization"));
    tg_http_url_show(request.url, shown, sizeof shown);
  }
  free(location);
  tg_arena_deinit(&arena);
}

static void texts_check(struct input *in) {
  static const char *const none[] = {NULL};
  struct tg_address_filter filter;
  char *text = input_text(in), shown[64];
  int64_t ms = tg_http_retry_after_ms(text, 1790000000000);
  fuzz_check(ms >= 0 && ms <= 86400000);
  tg_http_url_show(text, shown, sizeof shown);
  fuzz_check(strlen(shown) < sizeof shown && !strchr(shown, '?'));
  fuzz_check(tg_address_filter_init(&filter, none, true, NULL) == TG_OK);
  tg_address_host_is_denied(&filter, text);
  const char *denied[] = {text, NULL};
  tg_address_filter_init(&filter, denied, false, NULL);
  free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (!client) client_open();
  struct input in = input_of(data, size);
  switch (input_u8(&in) % 4) {
  case 0:
    service_check(in.at, input_left(&in));
    break;
  case 1:
    request_check(&in);
    break;
  case 2:
    redirect_check(&in);
    break;
  default:
    texts_check(&in);
  }
  return 0;
}
