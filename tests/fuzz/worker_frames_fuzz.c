// SPDX-License-Identifier: Apache-2.0
// A script worker's inside, without its process, and a host that says anything. The input is a list
// of frames; the first byte says which, the rest what is in it (frame_say).
#include "base/limits.h"
#include "fuzz/clock.h"
#include "fuzz/input.h"
#include "script/attempt.h"
#include "script/bundle.h"
#include "script/require.h"

enum { FRAMES_MAX = 12, TURNS_MAX = 200, CLOCK_STEP_MS = 20, MIB = 1 << 20 };

struct scene {
  struct tg_worker worker;
  struct fuzz_clock clock;
  uint64_t attempts;
};

static void worker_init(struct scene *scene) {
  static lua_CFunction cjson;
  static bool is_looked_for;
  if (!is_looked_for) cjson = tg_require_find_cjson();
  is_looked_for = true;
  *scene = (struct scene){.worker.cjson = cjson};
  fuzz_clock_init(&scene->clock, CLOCK_STEP_MS);
  tg_channel_init(&scene->worker.channel, -1); // what it says stays in the buffer
  tg_scheduler_init(&scene->worker.scheduler, &scene->worker.channel, &scene->clock.face);
  tg_buf_init(&scene->worker.result, (size_t)TG_RESULT_BYTES_MAX);
  tg_buf_init(&scene->worker.facts, (size_t)TG_RESULT_BYTES_MAX);
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

static void bytes_put(struct tg_buf *body, const struct input *bytes) {
  tg_wire_put_bytes(body, bytes->at, input_left(bytes));
}

static void load_put(struct tg_buf *body, struct input *in, enum tg_bundle_kind kind) {
  struct input text = input_until(in, 0);
  tg_wire_put_u64(body, 1 + input_u8(in) % 4);
  tg_wire_put_u8(body, (uint8_t)kind);
  tg_wire_put_u8(body, 1);
  tg_wire_put_text(body, "pipelines/p.lua");
  tg_wire_put_i64(body, INT64_C(1790000000000));
  tg_wire_put_i64(body, TG_BUNDLE_STATE_BYTES_MAX);
  tg_wire_put_i64(body, TG_BUNDLE_BUILD_MS);
  tg_wire_put_u32(body, 1);
  tg_wire_put_text(body, "entry:");
  tg_wire_put_text(body, "pipelines/p.lua");
  bytes_put(body, &text);
}

static void start_put(struct scene *scene, struct tg_buf *body, struct input *in) {
  struct input context = input_until(in, 0);
  tg_wire_put_u64(body, ++scene->attempts);
  tg_wire_put_u64(body, 1 + input_u8(in) % 4);
  tg_wire_put_u32(body, input_u8(in) % 4);
  tg_wire_put_u64(body, 1);
  bytes_put(body, &context);
}

static void reply_put(struct scene *scene, struct tg_buf *body, struct input *in) {
  uint8_t back = input_u8(in), code = input_u8(in);
  struct input rest = input_bytes(in, input_number(in, 2));
  struct tg_error err;
  tg_error_set(&err, code < TG_CODE_COUNT ? code : TG_OK, "no");
  tg_wire_put_u64(body, scene->worker.scheduler.request_last - back);
  tg_wire_put_error(body, err.code ? &err : NULL);
  tg_buf_put(body, rest.at, input_left(&rest));
}

static void decide_put(struct tg_buf *body, struct input *in) {
  struct input given = input_until(in, 0);
  tg_wire_put_u64(body, 7);
  tg_wire_put_u64(body, 1 + input_u8(in) % 4);
  bytes_put(body, &given);
}

static int (*const handlers[])(struct tg_worker *worker, struct tg_reader *body,
                               struct tg_error *err) = {
    tg_bundle_load, tg_bundle_load,    tg_attempt_start, tg_attempt_cancel,
    NULL,           tg_attempt_decide, tg_bundle_drop,
};

static int handle(struct tg_worker *worker, uint8_t which, struct tg_reader *body) {
  struct tg_error err;
  if (handlers[which]) return handlers[which](worker, body, &err);
  return tg_scheduler_reply(&worker->scheduler, body, &err);
}

// Says a frame; gives what its handler gave.
static int frame_say(struct scene *scene, struct input *in) {
  struct tg_buf body;
  uint8_t which = input_u8(in);
  bool is_raw = which >= 0x80;
  which %= sizeof handlers / sizeof *handlers;
  tg_buf_init(&body, MIB);
  if (is_raw) {
    struct input raw = input_bytes(in, input_number(in, 2));
    tg_buf_put(&body, raw.at, input_left(&raw));
  } else if (which < 2) {
    load_put(&body, in, which ? TG_BUNDLE_POLICY : TG_BUNDLE_PIPELINE);
  } else if (which == 2) {
    start_put(scene, &body, in);
  } else if (which == 4) {
    reply_put(scene, &body, in);
  } else if (which == 5) {
    decide_put(&body, in);
  } else {
    tg_wire_put_u64(&body, 1 + input_u8(in) % 4);
    if (which == 3) tg_wire_put_u8(&body, input_u8(in));
  }
  uint8_t *copy = input_copy(body.data, body.len);
  struct tg_reader reader = tg_reader_of(copy, body.len);
  int code = handle(&scene->worker, which, &reader);
  free(copy);
  tg_buf_deinit(&body);
  return code;
}

static void turns_give(struct scene *scene) {
  struct tg_scheduler *scheduler = &scene->worker.scheduler;
  for (int i = 0; i < TURNS_MAX && tg_scheduler_is_runnable(scheduler); i++)
    tg_scheduler_run(scheduler, TG_SLICE_MS);
  tg_scheduler_expire(scheduler);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct input in = input_of(data, size);
  struct scene scene;
  int code = TG_OK;
  worker_init(&scene);
  for (int i = 0; i < FRAMES_MAX && !input_is_empty(&in) && !code; i++) {
    code = frame_say(&scene, &in); // nonsense ends a worker
    turns_give(&scene);
  }
  worker_deinit(&scene.worker);
  return 0;
}
