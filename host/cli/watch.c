// SPDX-License-Identifier: Apache-2.0
#include "cli/watch.h"

#include <signal.h>
#include <stdio.h>

#include "cli/requests.h"

enum { TICK_MS = 100, DRAIN_MS = 8000, TICKS_A_REQUEST = 2 };

static int64_t mono_ms(const struct tg_watch *watch) {
  return tg_clock_mono_ms(tg_loop_clock(tg_host_services(watch->host)->loop));
}

static bool is_drained(const struct tg_watch *watch) {
  return mono_ms(watch) >= watch->drain_until ||
         tg_conductor_is_quiet(tg_host_services(watch->host)->conductor);
}

static void tick_fired(void *self) {
  struct tg_watch *watch = self;
  watch->ticked(watch->self);
  if (watch->signum && is_drained(watch)) tg_host_stop(watch->host);
  if (!watch->signum && watch->ticks++ % TICKS_A_REQUEST == 0) tg_requests_obey(watch->host);
  tg_timer_start(watch->tick, TICK_MS);
}

static void signal_caught(void *self, int signum) {
  struct tg_watch *watch = self;
  if (watch->signum) {
    tg_host_stop(watch->host);
    return;
  }
  watch->signum = signum;
  watch->drain_until = mono_ms(watch) + DRAIN_MS;
  fprintf(stderr, "tidegate: stopping: running tasks have %d s to end; once more to stop at once\n",
          DRAIN_MS / 1000);
  tg_conductor_input(tg_host_services(watch->host)->conductor,
                     &(struct tg_input){.kind = TG_INPUT_DRAIN});
}

int tg_watch_begin(struct tg_watch *watch, struct tg_host *host, void (*ticked)(void *self),
                   void *self, struct tg_error *err) {
  static const int signums[] = {SIGINT, SIGTERM};
  struct tg_loop *loop = tg_host_services(host)->loop;
  *watch = (struct tg_watch){.host = host, .ticked = ticked, .self = self};
  watch->tick = tg_timer_new(loop, tick_fired, watch, err);
  if (!watch->tick) return TG_EIO;
  tg_timer_start(watch->tick, TICK_MS);
  for (int i = 0; i < 2; i++) {
    watch->signals[i] = tg_signal_new(loop, signums[i], signal_caught, watch, err);
    if (!watch->signals[i]) return TG_EIO;
  }
  return TG_OK;
}

void tg_watch_end(struct tg_watch *watch) {
  tg_timer_free(watch->tick);
  for (int i = 0; i < 2; i++) tg_signal_free(watch->signals[i]);
  *watch = (struct tg_watch){0};
}
