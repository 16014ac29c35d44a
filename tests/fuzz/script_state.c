// SPDX-License-Identifier: Apache-2.0
#include "fuzz/script_state.h"

#include <stddef.h>

#include "base/limits.h"

enum { CLOCK_STEP_MS = 50 };

// The first byte of an answer says whether it is an error, the second how long it is.
static int request(struct tg_world *world, lua_State *L, enum tg_request kind, struct tg_buf *body,
                   tg_world_reply *reply) {
  struct script_state *self =
      (struct script_state *)((char *)world - offsetof(struct script_state, scheduler));
  struct tg_error err;
  (void)kind;
  tg_buf_deinit(&self->asked);
  self->asked = *body;
  tg_buf_init(body, body->max);
  uint8_t code = input_u8(&self->replies);
  struct input bytes = input_bytes(&self->replies, input_u8(&self->replies));
  free(self->answer); // kept until the next one, since a reply may raise
  self->answer = input_copy(bytes.at, input_left(&bytes));
  struct tg_reader in = tg_reader_of(self->answer, input_left(&bytes));
  if (code < 0xf0) return reply(L, NULL, &in);
  tg_error_set(&err, 1 + code % (TG_CODE_COUNT - 1), "the world failed");
  return reply(L, &err, &in);
}

void script_state_open(struct script_state *self, int64_t bytes_max) {
  struct tg_state_options options = {.bytes_max = TG_BUNDLE_STATE_BYTES_MAX,
                                     .now_ms = INT64_C(1790000000000)};
  *self = (struct script_state){.replies = input_of(NULL, 0)};
  fuzz_clock_init(&self->clock, CLOCK_STEP_MS);
  tg_channel_init(&self->channel, -1); // what is logged stays in its buffer
  tg_scheduler_init(&self->scheduler, &self->channel, &self->clock.face);
  self->scheduler.world.request = request;
  tg_buf_init(&self->asked, 0);
  fuzz_check(tg_state_open(&self->state, &self->scheduler, &options, NULL) == TG_OK);
  self->state.box.allocator.cap = bytes_max;
}

void script_state_close(struct script_state *self) {
  tg_state_close(&self->state);
  fuzz_check(self->state.box.allocator.used == 0);
  tg_scheduler_deinit(&self->scheduler);
  tg_channel_deinit(&self->channel);
  tg_buf_deinit(&self->asked);
  free(self->answer);
}
