// SPDX-License-Identifier: Apache-2.0
#include "fuzz/fake_process.h"

#include <stdio.h>
#include <stdlib.h>

#include "fuzz/input.h"
#include "ipc/channel.h"

enum { FAKES_MAX = 64 };

struct tg_process {
  struct tg_loop *loop;
  struct tg_process_events events;
  struct tg_channel channel;
  struct tg_deferred gone;
  uint32_t slot, load;
  bool is_killed;
  char why[256];
};

static struct tg_process *fakes[FAKES_MAX];
static struct fake_asked asked;

void fake_process_reset(void) {
  for (size_t i = 0; i < FAKES_MAX; i++) fuzz_check(!fakes[i]);
  asked = (struct fake_asked){0};
}

const struct fake_asked *fake_process_asked(void) {
  return &asked;
}

struct tg_process *fake_process_any(size_t choice) {
  for (size_t i = 0; i < FAKES_MAX; i++) {
    struct tg_process *process = fakes[(choice + i) % FAKES_MAX];
    if (process && !process->is_killed) return process;
  }
  return NULL;
}

void fake_process_say(struct tg_process *process, uint8_t type, const void *body, size_t len) {
  uint8_t *copy = input_copy(body, len);
  struct tg_reader in = tg_reader_of(copy, len);
  process->events.frame(process->events.self, process, type, &in);
  free(copy);
}

static void release(struct tg_process *process) {
  tg_loop_undefer(process->loop, &process->gone);
  tg_channel_deinit(&process->channel);
  if (fakes[process->slot] == process) fakes[process->slot] = NULL;
  free(process);
}

static void gone(void *self) {
  struct tg_process *process = self;
  fakes[process->slot] = NULL; // whoever hears of it may start another in its place
  process->events.gone(process->events.self, process, process->why);
  release(process);
}

int tg_process_start(struct tg_loop *loop, struct tg_children *children, uint32_t slot,
                     const struct tg_process_events *events, struct tg_process **out,
                     struct tg_error *err) {
  struct tg_process *process = calloc(1, sizeof *process);
  (void)children;
  (void)err;
  fuzz_check(process && slot < FAKES_MAX && !fakes[slot]);
  process->loop = loop;
  process->events = *events;
  process->slot = slot;
  process->gone = (struct tg_deferred){.call = gone, .self = process};
  tg_channel_init(&process->channel, -1); // nobody reads there
  *out = fakes[slot] = process;
  return TG_OK;
}

struct tg_buf *tg_process_begin(struct tg_process *process, enum tg_message type) {
  return tg_channel_begin(&process->channel, (uint8_t)type);
}

static void frame_note(struct tg_reader *frame) {
  tg_wire_get_u32(frame);
  uint8_t type = tg_wire_get_u8(frame);
  uint64_t handle = tg_wire_get_u64(frame);
  if (type == TG_MESSAGE_LOAD) asked.bundle = handle;
  if (type == TG_MESSAGE_DECIDE) asked.decision = handle;
  if (type == TG_MESSAGE_START) asked.attempts[asked.attempt_count++ % 8] = handle;
}

int tg_process_send(struct tg_process *process, struct tg_error *err) {
  struct tg_buf *out = &process->channel.out;
  int code = tg_channel_end(&process->channel, err);
  if (code) return code;
  struct tg_reader frame = tg_reader_of(out->data, out->len);
  frame_note(&frame);
  fuzz_check(!memmem(out->data, out->len, FAKE_PROCESS_SECRET, sizeof FAKE_PROCESS_SECRET - 1));
  tg_buf_clear(out);
  return TG_OK;
}

void tg_process_kill(struct tg_process *process, const char *why) {
  if (process->is_killed) return;
  process->is_killed = true;
  snprintf(process->why, sizeof process->why, "%s", why);
  tg_loop_defer(process->loop, &process->gone);
}

bool tg_process_is_killed(const struct tg_process *process) {
  return process->is_killed;
}

void tg_process_free(struct tg_process *process) {
  if (process) release(process);
}

uint32_t tg_process_slot(const struct tg_process *process) {
  return process->slot;
}

uint32_t tg_process_load(const struct tg_process *process) {
  return process->load;
}

void tg_process_add_load(struct tg_process *process, int32_t change) {
  process->load = (uint32_t)((int32_t)process->load + change);
  fuzz_check((int32_t)process->load >= 0);
}
