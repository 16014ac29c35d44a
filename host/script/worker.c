// SPDX-License-Identifier: Apache-2.0
#include "script/worker.h"

#include <errno.h>
#include <lua.h>
#include <malloc.h>
#include <poll.h>
#include <stdio.h>

#include "base/limits.h"
#include "ipc/message.h"
#include "script/attempt.h"
#include "script/bundle.h"
#include "script/require.h"
#include "script/seal.h"
#include "script/worker_parts.h"

enum { EXIT_PROTOCOL = 70, HEAP_STEP_BYTES = 1 << 20, HEAP_KEPT_BYTES = 64 << 20 };

static int frame_handle(struct tg_worker *worker, uint8_t type, struct tg_reader *body,
                        struct tg_error *err) {
  switch (type) {
  case TG_MESSAGE_LOAD:
    return tg_bundle_load(worker, body, err);
  case TG_MESSAGE_DROP:
    return tg_bundle_drop(worker, body, err);
  case TG_MESSAGE_START:
    return tg_attempt_start(worker, body, err);
  case TG_MESSAGE_CANCEL:
    return tg_attempt_cancel(worker, body, err);
  case TG_MESSAGE_DECIDE:
    return tg_attempt_decide(worker, body, err);
  case TG_MESSAGE_REPLY:
    return tg_scheduler_reply(&worker->scheduler, body, err);
  case TG_MESSAGE_PING:
    tg_channel_begin(&worker->channel, TG_MESSAGE_PONG);
    return tg_channel_end(&worker->channel, err);
  default:
    return tg_error_set(err, TG_EPROTOCOL, "a frame of the unknown type %d", type);
  }
}

static int frames_handle(struct tg_worker *worker, struct tg_error *err) {
  struct tg_reader body;
  uint8_t type;
  int next, code = TG_OK;
  while (code == TG_OK && (next = tg_channel_next(&worker->channel, &type, &body)) != 0)
    code = next > 0 ? frame_handle(worker, type, &body, err)
                    : tg_error_set(err, TG_EPROTOCOL, "a frame of an impossible length");
  return code;
}

// Waits until there is something to do. Gives false when the host is gone.
static bool channel_wait(struct tg_worker *worker) {
  struct tg_channel *channel = &worker->channel;
  int64_t wait_ms = tg_scheduler_expire(&worker->scheduler);
  if (tg_channel_flush(channel) != 0) return false;
  if (tg_scheduler_is_runnable(&worker->scheduler)) wait_ms = 0;
  struct pollfd poll_fd = {.fd = channel->fd,
                           .events = tg_channel_is_pending(channel) ? POLLIN | POLLOUT : POLLIN};
  if (poll(&poll_fd, 1, (int)wait_ms) < 0) return errno == EINTR;
  return !(poll_fd.revents & ~POLLOUT) || tg_channel_fill(channel) == 0;
}

static int worker_loop(struct tg_worker *worker) {
  struct tg_error err;
  while (channel_wait(worker)) {
    if (frames_handle(worker, &err) != TG_OK) {
      fprintf(stderr, "tidegate worker: %s\n", err.text);
      return EXIT_PROTOCOL;
    }
    if (tg_scheduler_run(&worker->scheduler, TG_SLICE_MS) != 0) break; // as when the host is gone
  }
  return 0;
}

static void worker_init(struct tg_worker *worker, int fd, lua_CFunction cjson) {
  *worker = (struct tg_worker){.cjson = cjson};
  tg_channel_init(&worker->channel, fd);
  tg_scheduler_init(&worker->scheduler, &worker->channel, tg_clock_system());
  tg_map_init(&worker->bundles);
  tg_map_init(&worker->attempts);
  tg_buf_init(&worker->result, (size_t)TG_RESULT_BYTES_MAX);
  tg_buf_init(&worker->facts, (size_t)TG_RESULT_BYTES_MAX);
}

static void worker_deinit(struct tg_worker *worker) {
  const struct tg_map_slot *slot;
  for (size_t at = 0; (slot = tg_map_next(&worker->bundles, &at)); at = 0) {
    tg_attempts_free(slot->value);
    tg_bundle_free(slot->value);
  }
  tg_map_deinit(&worker->bundles);
  tg_map_deinit(&worker->attempts);
  tg_buf_deinit(&worker->result);
  tg_buf_deinit(&worker->facts);
  tg_scheduler_deinit(&worker->scheduler);
  tg_channel_deinit(&worker->channel);
}

static void seal(struct tg_worker *worker) {
  struct tg_seal_report report;
  char text[sizeof report.text + 8];
  int is_partial = tg_seal_apply(worker->channel.fd, &report);
  int len = snprintf(text, sizeof text, "seal: %s", report.text);
  tg_scheduler_log(&worker->scheduler, is_partial ? TG_LOG_WARN : TG_LOG_INFO, text, (size_t)len);
}

// A Lua state grows and shrinks all the time. The memory that one collection gives back is kept for
// what comes next, and asked for in larger steps.
static void heap_tune(void) {
  mallopt(M_TOP_PAD, HEAP_STEP_BYTES);
  mallopt(M_TRIM_THRESHOLD, HEAP_KEPT_BYTES);
  mallopt(M_MMAP_THRESHOLD, HEAP_KEPT_BYTES / 8);
}

static int serve(int fd, bool has_to_seal) {
  struct tg_worker worker;
  heap_tune();
  worker_init(&worker, fd, tg_require_find_cjson());
  tg_scheduler_interrupt(&worker.scheduler);
  if (has_to_seal) seal(&worker);
  int code = worker_loop(&worker);
  worker_deinit(&worker);
  return code;
}

int tg_script_worker_main(int fd) {
  return serve(fd, true);
}

int tg_script_worker_serve(int fd) {
  return serve(fd, false);
}

const char *tg_script_lua_version(void) {
  return LUA_RELEASE;
}
