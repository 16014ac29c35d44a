// SPDX-License-Identifier: Apache-2.0
#include "http/service.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "http/status.h"
#include "ipc/wire.h"

// What a reply needs beside the body: headers, URL and numbers.
#define REPLY_BODY_BYTES_MAX (TG_FRAME_BYTES_MAX - 2 * TG_HTTP_HEADER_BYTES_MAX - TG_MIB)

struct tg_http_service_call {
  struct tg_http_call *call;
  tg_http_service_done *done;
  void *self;
};

static int malformed(struct tg_error *err) {
  return tg_error_set(err, TG_EPROTOCOL, "the HTTP request of a worker is malformed");
}

// Where the secrets of a request come from.
struct secrets {
  struct tg_http *client;
  const struct tg_http_secrets *own;
};

static const char *secret_find(const struct secrets *secrets, const char *name) {
  const char *own = secrets->own ? secrets->own->find(secrets->own->self, name) : NULL;
  return own ? own : tg_http_secret(secrets->client, name);
}

// The parts of a value, one after the other, with secrets in their place.
static int value_read(const struct secrets *secrets, struct tg_reader *in, struct tg_buf *value,
                      bool *is_private, struct tg_error *err) {
  uint32_t count = tg_wire_get_count(in, 6);
  for (uint32_t i = 0; i < count; i++) {
    bool is_secret = tg_wire_get_u8(in) != 0;
    const char *text = tg_wire_get_text(in);
    if (in->is_failed) break;
    if (is_secret) {
      const char *secret = secret_find(secrets, text);
      if (!secret) return tg_error_set(err, TG_EDENIED, "there is no secret '%.100s'", text);
      tg_log_add_secret(secret);
      text = secret;
      *is_private = true;
    }
    tg_buf_puts(value, text);
  }
  if (in->is_failed) return malformed(err);
  if (value->is_failed) return tg_error_set(err, TG_EINVALID, "a header's value is too long");
  return 0;
}

static int headers_read(const struct secrets *secrets, struct tg_reader *in,
                        struct tg_http_request *request, struct tg_arena *arena,
                        struct tg_error *err) {
  uint32_t count = tg_wire_get_count(in, 9);
  struct tg_http_header *headers = tg_arena_alloc(arena, (count + 1) * sizeof *headers);
  if (!headers) return tg_error_set(err, TG_ENOMEM, "out of memory");
  int code = 0;
  for (uint32_t i = 0; !code && i < count; i++) {
    struct tg_buf value;
    tg_buf_init(&value, TG_HTTP_HEADER_BYTES_MAX);
    headers[i].name = tg_wire_get_text(in);
    code = value_read(secrets, in, &value, &headers[i].is_private, err);
    if (!code) {
      headers[i].value = tg_arena_copy(arena, tg_buf_text(&value), value.len);
      if (!headers[i].value) code = tg_error_set(err, TG_ENOMEM, "out of memory");
    }
    tg_buf_deinit(&value);
  }
  request->headers = headers;
  request->header_count = count;
  return code;
}

static int request_read(const struct secrets *secrets, struct tg_reader *in,
                        struct tg_http_request *request, struct tg_arena *arena,
                        struct tg_error *err) {
  request->method = tg_wire_get_text(in);
  request->url = tg_wire_get_text(in);
  int code = headers_read(secrets, in, request, arena, err);
  if (code) return code;
  request->has_body = tg_wire_get_u8(in) != 0;
  struct tg_slice body = tg_wire_get_bytes(in);
  request->body = body.data;
  request->body_len = body.len;
  request->connect_ms = tg_wire_get_i64(in);
  request->total_ms = tg_wire_get_i64(in);
  request->idle_ms = tg_wire_get_i64(in);
  request->body_max = tg_wire_get_i64(in);
  uint32_t redirects_max = tg_wire_get_u32(in);
  if (!tg_reader_is_done(in)) return malformed(err);
  if (request->body_max > REPLY_BODY_BYTES_MAX)
    return tg_error_set(err, TG_EINVALID, "a response may have at most %lld bytes",
                        (long long)REPLY_BODY_BYTES_MAX);
  request->redirects_max = redirects_max > INT32_MAX ? INT32_MAX : (int)redirects_max;
  return 0;
}

static const char *header_find(const struct tg_http_response *response, const char *name) {
  for (size_t i = 0; i < response->header_count; i++)
    if (strcmp(response->headers[i].name, name) == 0) return response->headers[i].value;
  return NULL;
}

static void reply_write(const struct tg_http_response *response, struct tg_buf *reply) {
  const char *retry_after = header_find(response, "retry-after");
  int64_t now_ms = tg_clock_wall_ms(tg_clock_system());
  tg_wire_put_u32(reply, (uint32_t)response->status);
  tg_wire_put_u32(reply, (uint32_t)response->header_count);
  for (size_t i = 0; i < response->header_count; i++) {
    tg_wire_put_text(reply, response->headers[i].name);
    tg_wire_put_text(reply, response->headers[i].value);
  }
  tg_wire_put_bytes(reply, response->body, response->body_len);
  tg_wire_put_text(reply, response->url);
  tg_wire_put_i64(reply, response->elapsed_ms);
  tg_wire_put_u8(reply, (uint8_t)tg_http_status_class(response->status, retry_after != NULL));
  tg_wire_put_i64(reply, retry_after ? tg_http_retry_after_ms(retry_after, now_ms) : 0);
}

static void call_done(void *self, const struct tg_error *err,
                      const struct tg_http_response *response) {
  struct tg_http_service_call *call = self;
  struct tg_error failed;
  struct tg_buf reply;
  tg_buf_init(&reply, TG_FRAME_BYTES_MAX);
  if (!err) reply_write(response, &reply);
  if (reply.is_failed) {
    tg_error_set(&failed, TG_ENOMEM, "out of memory for a response");
    err = &failed;
  }
  call->done(call->self, err, err ? NULL : &reply);
  tg_buf_deinit(&reply);
  free(call);
}

// A request does not take longer than its caller has left.
static void time_cut(struct tg_http_request *request, int64_t left_ms) {
  int64_t total_ms = request->total_ms ? request->total_ms : TG_HTTP_TOTAL_MS;
  if (left_ms < total_ms) request->total_ms = left_ms;
}

int tg_http_service_start(struct tg_http *client, const struct tg_http_secrets *own,
                          const void *body, size_t len, int64_t left_ms, tg_http_service_done *done,
                          void *self, struct tg_http_service_call **result, struct tg_error *err) {
  struct tg_http_service_call *call = calloc(1, sizeof *call);
  if (!call) return tg_error_set(err, TG_ENOMEM, "out of memory");
  *call = (struct tg_http_service_call){.done = done, .self = self};
  struct tg_arena arena;
  tg_arena_init(&arena);
  struct tg_reader in = tg_reader_of(body, len);
  struct secrets secrets = {client, own};
  struct tg_http_request request = {0};
  int code = request_read(&secrets, &in, &request, &arena, err);
  if (!code && left_ms) time_cut(&request, left_ms);
  if (!code) code = tg_http_start(client, &request, call_done, call, &call->call, err);
  tg_arena_deinit(&arena);
  if (code)
    free(call);
  else
    *result = call;
  return code;
}

void tg_http_service_cancel(struct tg_http_service_call *call) {
  tg_http_cancel(call->call);
  free(call);
}
