// SPDX-License-Identifier: Apache-2.0
// cmocka wants these four first.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "host/script/worker_harness.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"
#include "script/worker.h"

enum { SILENCE_MS = 60000 };

void host_open(struct host *host) {
  int pair[2];
  assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
  fflush(NULL);
  host->pid = fork();
  assert_true(host->pid >= 0);
  if (host->pid == 0) {
    close(pair[0]);
    exit(getenv("TIDEGATE_TEST_UNSEALED") ? tg_script_worker_serve(pair[1])
                                          : tg_script_worker_main(pair[1]));
  }
  close(pair[1]);
  tg_channel_init(&host->channel, pair[0]);
  tg_buf_init(&host->log, (size_t)TG_GIB);
  host->is_known = false;
}

int host_close(struct host *host) {
  int status;
  close(host->channel.fd);
  tg_channel_deinit(&host->channel);
  tg_buf_deinit(&host->log);
  assert_int_equal(waitpid(host->pid, &status, 0), host->pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

struct tg_buf *host_begin(struct host *host, enum tg_message type) {
  return tg_channel_begin(&host->channel, (uint8_t)type);
}

// Writes all of it, waiting for room.
void host_send(struct host *host) {
  assert_int_equal(tg_channel_end(&host->channel, NULL), TG_OK);
  while (tg_channel_is_pending(&host->channel)) {
    struct pollfd fd = {.fd = host->channel.fd, .events = POLLOUT};
    assert_int_equal(poll(&fd, 1, SILENCE_MS), 1);
    assert_int_equal(tg_channel_flush(&host->channel), 0);
  }
}

void host_load(struct host *host, uint64_t bundle, enum tg_bundle_kind kind, const char *text,
               const char *key, const char *key_text) {
  struct tg_buf *out = host_begin(host, TG_MESSAGE_LOAD);
  tg_wire_put_u64(out, bundle);
  tg_wire_put_u8(out, (uint8_t)kind);
  tg_wire_put_u8(out, !host->is_known);
  tg_wire_put_text(out, "pipelines/p.lua");
  tg_wire_put_i64(out, INT64_C(1790000000000));
  tg_wire_put_i64(out, TG_BUNDLE_STATE_BYTES_MAX);
  tg_wire_put_i64(out, TG_BUNDLE_BUILD_MS);
  tg_wire_put_u32(out, key ? 2 : 1);
  tg_wire_put_text(out, "entry:");
  tg_wire_put_text(out, "pipelines/p.lua");
  tg_wire_put_text(out, text);
  if (key) {
    tg_wire_put_text(out, key);
    tg_wire_put_text(out, "pipelines/lib/given.lua");
    tg_wire_put_text(out, key_text);
  }
  host_send(host);
}

void host_start(struct host *host, uint64_t attempt, uint64_t bundle, uint32_t task,
                uint64_t seed) {
  struct tg_buf *out = host_begin(host, TG_MESSAGE_START);
  tg_wire_put_u64(out, attempt);
  tg_wire_put_u64(out, bundle);
  tg_wire_put_u32(out, task);
  tg_wire_put_u64(out, seed);
  tg_wire_put_text(out, "{\"run\":\"0198\",\"pipeline\":\"p\",\"task\":\"t\",\"attempt\":1,"
                        "\"key\":\"k\",\"params\":{},\"logical_date\":\"2026-11-20T05:00:00.000Z\","
                        "\"now\":\"2026-11-20T05:00:01.000Z\",\"event\":null,\"output\":{},"
                        "\"states\":{}}");
  host_send(host);
}

void host_cancel(struct host *host, uint64_t attempt, int code) {
  struct tg_buf *out = host_begin(host, TG_MESSAGE_CANCEL);
  tg_wire_put_u64(out, attempt);
  tg_wire_put_u8(out, (uint8_t)code);
  host_send(host);
}

void host_reply(struct host *host, uint64_t request, const struct tg_error *err,
                const struct tg_buf *body) {
  struct tg_buf *out = host_begin(host, TG_MESSAGE_REPLY);
  tg_wire_put_u64(out, request);
  tg_wire_put_error(out, err);
  if (body) tg_buf_put(out, body->data, body->len);
  host_send(host);
}

void host_decide(struct host *host, uint64_t decision, uint64_t bundle, const char *input) {
  struct tg_buf *out = host_begin(host, TG_MESSAGE_DECIDE);
  tg_wire_put_u64(out, decision);
  tg_wire_put_u64(out, bundle);
  tg_wire_put_text(out, input);
  host_send(host);
}

void host_drop(struct host *host, uint64_t bundle) {
  tg_wire_put_u64(host_begin(host, TG_MESSAGE_DROP), bundle);
  host_send(host);
}

static void log_take(struct host *host, struct tg_reader *body) {
  uint64_t attempt = tg_wire_get_u64(body);
  uint8_t level = tg_wire_get_u8(body);
  struct tg_slice text = tg_wire_get_bytes(body);
  assert_true(tg_reader_is_done(body));
  assert_true(text.len <= (size_t)TG_LOG_LINE_BYTES_MAX);
  if (attempt == 0 && strncmp(text.data, "seal: ", 6) == 0) return;
  tg_buf_putf(&host->log, "%llu %s ", (unsigned long long)attempt,
              tg_log_level_word((enum tg_log_level)level));
  tg_buf_put(&host->log, text.data, text.len);
  tg_buf_putc(&host->log, '\n');
}

static bool answer_read(struct host *host, uint8_t type, struct tg_reader *body,
                        struct answer *answer) {
  if (type == TG_MESSAGE_LOG) return log_take(host, body), false;
  *answer = (struct answer){.type = type};
  if (type == TG_MESSAGE_PONG) return true;
  answer->id = tg_wire_get_u64(body);
  if (type == TG_MESSAGE_REQUEST) {
    answer->request = tg_wire_get_u64(body);
    answer->kind = tg_wire_get_u8(body);
    answer->body = *body;
    return true;
  }
  if (type == TG_MESSAGE_RESULT || type == TG_MESSAGE_DECIDED)
    tg_wire_get_error(body, &answer->err);
  if (type == TG_MESSAGE_RESULT) answer->traceback = tg_wire_get_bytes(body);
  answer->json = tg_wire_get_bytes(body);
  if (type == TG_MESSAGE_LOADED) answer->is_repeatable = tg_wire_get_u8(body);
  if (type == TG_MESSAGE_RESULT) answer->facts = tg_wire_get_bytes(body);
  assert_true(tg_reader_is_done(body));
  return true;
}

struct answer host_next(struct host *host) {
  struct answer answer;
  struct tg_reader body;
  uint8_t type;
  for (;;) {
    int got = tg_channel_next(&host->channel, &type, &body);
    assert_true(got >= 0);
    if (got > 0 && answer_read(host, type, &body, &answer)) return answer;
    if (got > 0) continue;
    struct pollfd fd = {.fd = host->channel.fd, .events = POLLIN};
    assert_int_equal(poll(&fd, 1, SILENCE_MS), 1);
    assert_int_equal(tg_channel_fill(&host->channel), 0);
  }
}

struct answer host_expect(struct host *host, enum tg_message type, uint64_t id) {
  struct answer answer = host_next(host);
  if (answer.type != type || answer.id != id)
    fail_msg("got frame %d of %llu: %s%s", answer.type, (unsigned long long)answer.id,
             answer.err.text, answer.json.data ? answer.json.data : "");
  return answer;
}

void host_load_task(struct host *host, uint64_t bundle, const char *body) {
  struct tg_buf text;
  tg_buf_init(&text, (size_t)TG_MIB);
  tg_buf_putf(&text,
              "local tg = require 'tidegate'\n"
              "return tg.pipeline 'p' { tasks = { tg.task 't' { run = function(ctx)\n%s\n"
              "end } } }\n",
              body);
  host_load(host, bundle, TG_BUNDLE_PIPELINE, tg_buf_text(&text), NULL, NULL);
  tg_buf_deinit(&text);
  host_expect(host, TG_MESSAGE_LOADED, bundle);
}
