// SPDX-License-Identifier: Apache-2.0
// The n-th allocation fails, in C or in Lua: a worker's inside, without its process, loads a bundle
// and carries out an attempt. It says what it should, or that memory was out, or it ends
// (TG_ENOMEM); it never tells another plan or another result, and everything is freed.
//
// There are tens of thousands of allocations: the first are taken one by one, the others by a
// sample that TIDEGATE_FAULT_SEED chooses.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "fault/memory.h"
#include "script/attempt.h"
#include "script/bundle.h"

enum { EACH_MAX = 100, ALL_MAX = 3000, SAMPLES = 300, TURNS_MAX = 5000, SAID_BYTES = 65536 };

static const char script[] =
    "local tg = require 'tidegate'\n"
    "local json = require 'tidegate.json'\n"
    "return tg.pipeline 'p' { tasks = {\n"
    "  tg.task 'a' { run = function(ctx)\n"
    "    local list = {}\n"
    "    for i = 1, 50 do list[i] = { n = i, text = ('x'):rep(i) } end\n"
    "    assert(#assert(json.encode(list)) > 1000)\n"
    "    local ok = pcall(error, 'caught')\n"
    "    return { ok = ok, found = ('a1b2'):gsub('%d', '-'), list = list }\n"
    "  end, retry = { attempts = 3 } },\n"
    "  tg.map 'm' { after = 'a', over = function() return { 1 } end, run = function() end },\n"
    "} }\n";

static const char context[] =
    "{\"run\":\"01a1fb00-0000-7000-8000-000000000000\",\"pipeline\":\"p\",\"task\":\"a\","
    "\"attempt\":1,\"key\":\"k\",\"params\":{},\"logical_date\":\"2026-11-20T00:00:00.000Z\","
    "\"now\":\"2026-11-20T00:00:00.000Z\",\"output\":{},\"states\":{}}";

struct worker {
  struct tg_worker inner;
  struct tg_clock clock;
  int64_t now_ms;
};

// What was said, by kind; the first run without a fault is what the others are compared with.
static char plan[SAID_BYTES], result[SAID_BYTES];
static size_t plan_len, result_len;

static int64_t mono_ms(void *self) {
  return ((struct worker *)self)->now_ms;
}

static int64_t wall_ms(void *self) {
  (void)self;
  return INT64_C(1790000000000);
}

static void worker_open(struct worker *worker) {
  *worker = (struct worker){.now_ms = 1};
  worker->clock = (struct tg_clock){wall_ms, mono_ms, worker};
  tg_channel_init(&worker->inner.channel, -1); // what it says stays in the buffer
  tg_scheduler_init(&worker->inner.scheduler, &worker->inner.channel, &worker->clock);
  tg_buf_init(&worker->inner.result, (size_t)TG_RESULT_BYTES_MAX);
  tg_buf_init(&worker->inner.facts, (size_t)TG_RESULT_BYTES_MAX);
}

static void worker_close(struct tg_worker *worker) {
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

static void turns_give(struct tg_worker *worker) {
  for (int i = 0; i < TURNS_MAX && tg_scheduler_is_runnable(&worker->scheduler); i++)
    tg_scheduler_run(&worker->scheduler, TG_SLICE_MS);
}

static int load(struct tg_worker *worker) {
  static char bytes[4096];
  struct tg_buf body;
  struct tg_error err;
  memory_pause();
  tg_buf_init(&body, sizeof bytes);
  tg_wire_put_u64(&body, 1);
  tg_wire_put_u8(&body, TG_BUNDLE_PIPELINE);
  tg_wire_put_u8(&body, 1);
  tg_wire_put_text(&body, "pipelines/p.lua");
  tg_wire_put_i64(&body, INT64_C(1790000000000));
  tg_wire_put_i64(&body, TG_BUNDLE_STATE_BYTES_MAX);
  tg_wire_put_i64(&body, TG_BUNDLE_BUILD_MS);
  tg_wire_put_u32(&body, 1);
  tg_wire_put_text(&body, "entry:");
  tg_wire_put_text(&body, "pipelines/p.lua");
  tg_wire_put_bytes(&body, script, sizeof script - 1);
  size_t len = body.len;
  memcpy(bytes, body.data, len);
  tg_buf_deinit(&body);
  memory_resume();
  struct tg_reader reader = tg_reader_of(bytes, len);
  int code = tg_bundle_load(worker, &reader, &err);
  if (!code) turns_give(worker);
  return code;
}

static int start(struct tg_worker *worker) {
  static char bytes[4096];
  struct tg_buf body;
  struct tg_error err;
  memory_pause();
  tg_buf_init(&body, sizeof bytes);
  tg_wire_put_u64(&body, 7);
  tg_wire_put_u64(&body, 1);
  tg_wire_put_u32(&body, 0);
  tg_wire_put_u64(&body, 1);
  tg_wire_put_bytes(&body, context, sizeof context - 1);
  size_t len = body.len;
  memcpy(bytes, body.data, len);
  tg_buf_deinit(&body);
  memory_resume();
  struct tg_reader reader = tg_reader_of(bytes, len);
  int code = tg_attempt_start(worker, &reader, &err);
  if (!code) turns_give(worker);
  return code;
}

// Keeps what was said of a kind, or compares it.
static void said_check(char *kept, size_t *kept_len, const char *what, const char *bytes,
                       size_t len) {
  if (!*kept_len) {
    assert_true(!memory_has_failed() && len <= SAID_BYTES);
    memcpy(kept, bytes, len);
    *kept_len = len;
  } else if (*kept_len != len || memcmp(kept, bytes, len) != 0) {
    fail_msg("another %s: %.*s", what, (int)len, bytes);
  }
}

// The frames that the worker has put into its buffer: length u32, type u8, body.
static void heard(struct tg_worker *worker) {
  struct tg_channel mirror;
  uint8_t type;
  struct tg_reader body;
  bool is_loaded = false;
  memory_pause();
  tg_channel_init(&mirror, -1);
  tg_buf_put(&mirror.in, worker->channel.out.data, worker->channel.out.len);
  while (!worker->channel.out.is_failed && tg_channel_next(&mirror, &type, &body) == 1) {
    const char *bytes = (const char *)body.at;
    size_t len = (size_t)(body.end - body.at);
    struct tg_reader inner = body;
    tg_wire_get_u64(&inner);
    is_loaded |= type == TG_MESSAGE_LOADED;
    if (type == TG_MESSAGE_LOADED) said_check(plan, &plan_len, "plan", bytes, len);
    if (type == TG_MESSAGE_FAULTS && !memory_has_failed()) fail_msg("%.*s", (int)len, bytes);
    if (type != TG_MESSAGE_RESULT) continue;
    struct tg_error err;
    tg_wire_get_error(&inner, &err);
    if (!err.code)
      said_check(result, &result_len, "result", bytes, len);
    else if (is_loaded && err.code != TG_ENOMEM && !strstr(err.text, "memory"))
      fail_msg("the attempt failed: %s", err.text);
  }
  tg_channel_deinit(&mirror);
  memory_resume();
}

static int scene(void) {
  struct worker worker;
  worker_open(&worker);
  int code = load(&worker.inner);
  if (!code) code = start(&worker.inner);
  heard(&worker.inner);
  worker_close(&worker.inner);
  return code;
}

static long one_fail(long n, bool is_sticky) {
  long before = memory_blocks();
  memory_fail_at(n, is_sticky);
  memory_resume();
  int code = scene();
  memory_pause();
  if (memory_blocks() != before)
    fail_msg("allocation %ld fails: %ld blocks are left", n, memory_blocks() - before);
  if (code && code != TG_ENOMEM && code != TG_ENOT_FOUND)
    fail_msg("allocation %ld fails: %s", n, tg_code_word(code));
  return memory_count();
}

static void a_bundle_and_an_attempt_survive(void **state) {
  const char *seed = getenv("TIDEGATE_FAULT_SEED");
  (void)state;
  one_fail(0, false); // the first time a library may keep something for good
  plan_len = result_len = 0;
  long count = one_fail(0, false);
  assert_true(count > EACH_MAX && plan_len && result_len);
  // Lua's small blocks come out of few chunks; under the sanitizer each is an allocation.
  long each = count <= ALL_MAX ? count : EACH_MAX;
  for (long n = 1; n <= each; n++) {
    one_fail(n, false);
    one_fail(n, true);
  }
  if (each == count) return;
  srand(seed ? (unsigned)strtoul(seed, NULL, 10) : 20261120);
  for (int i = 0; i < SAMPLES; i++) {
    long n = 1 + (long)((double)rand() / ((double)RAND_MAX + 1) * (double)count);
    one_fail(n, i % 3 != 0);
  }
}

int main(void) {
  memory_fail_at(0, false);
  const struct CMUnitTest tests[] = {cmocka_unit_test(a_bundle_and_an_attempt_survive)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
