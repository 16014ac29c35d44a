// SPDX-License-Identifier: Apache-2.0
#include "loop/loop.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <uv.h>

enum { TIMER_LATE_MS = 50, TIMER_HEARS_MS = 10 };

struct tg_loop {
  uv_loop_t uv;
  uv_idle_t idle; // runs while calls are queued
  struct tg_deferred *first, **last;
};

// In each handle libuv's struct comes first, so that freeing the one frees the other.
struct tg_timer {
  uv_timer_t uv;
  void (*fire)(void *self);
  void *self;
  uint64_t due_ms; // on the loop's clock
  bool has_waited; // for what came in, because it is late
};

struct tg_poll {
  uv_poll_t uv;
  int wanted; // what is watched for, as libuv has it; 0 while stopped
  void (*ready)(void *self, int events, int errnum);
  void *self;
};

struct tg_wake {
  uv_async_t uv;
  void (*woken)(void *self);
  void *self;
};

// A signal is taken from a descriptor, and is blocked as long as it is watched: a handler would
// have to pass it on by a pipe, and libuv's waits for ever where it could not write to it.
struct tg_signal {
  uv_poll_t uv;
  int fd, signum;
  struct sigaction before;
  bool was_blocked;
  void (*caught)(void *self, int signum);
  void *self;
};

static void handle_closed(uv_handle_t *handle) {
  free(handle);
}

static void *handle_alloc(size_t size, struct tg_error *err) {
  void *handle = calloc(1, size);
  if (!handle) tg_error_set(err, TG_ENOMEM, "out of memory");
  return handle;
}

// The queue may grow while it is worked off; what is added then waits for the next turn.
static void deferred_run(uv_idle_t *idle) {
  struct tg_loop *loop = idle->data;
  struct tg_deferred *queue = loop->first;
  loop->first = NULL;
  loop->last = &loop->first;
  uv_idle_stop(&loop->idle);
  if (queue) queue->at = &queue;
  while (queue) {
    struct tg_deferred *deferred = queue;
    queue = deferred->next;
    if (queue) queue->at = &queue;
    deferred->next = NULL;
    deferred->at = NULL;
    deferred->call(deferred->self);
  }
}

const char *tg_loop_version(void) {
  return uv_version_string();
}

struct tg_loop *tg_loop_new(struct tg_error *err) {
  struct tg_loop *loop = handle_alloc(sizeof *loop, err);
  if (!loop) return NULL;
  int status = uv_loop_init(&loop->uv);
  if (status) {
    free(loop);
    tg_error_errno(err, TG_EIO, -status, "cannot make an event loop");
    return NULL;
  }
  uv_idle_init(&loop->uv, &loop->idle);
  loop->idle.data = loop;
  loop->last = &loop->first;
  return loop;
}

void tg_loop_free(struct tg_loop *loop) {
  if (!loop) return;
  uv_close((uv_handle_t *)&loop->idle, NULL);
  uv_run(&loop->uv, UV_RUN_NOWAIT); // delivers the close callbacks
  int status = uv_loop_close(&loop->uv);
  assert(status == 0); // else a handle was not freed
  (void)status;
  free(loop);
}

void tg_loop_run(struct tg_loop *loop) {
  uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void tg_loop_stop(struct tg_loop *loop) {
  uv_stop(&loop->uv);
}

bool tg_loop_turn(struct tg_loop *loop, bool may_wait) {
  return uv_run(&loop->uv, may_wait ? UV_RUN_ONCE : UV_RUN_NOWAIT) != 0;
}

const struct tg_clock *tg_loop_clock(const struct tg_loop *loop) {
  (void)loop;
  return tg_clock_system();
}

void tg_loop_defer(struct tg_loop *loop, struct tg_deferred *deferred) {
  if (deferred->at) return;
  deferred->next = NULL;
  deferred->at = loop->last;
  *loop->last = deferred;
  loop->last = &deferred->next;
  uv_idle_start(&loop->idle, deferred_run);
}

void tg_loop_undefer(struct tg_loop *loop, struct tg_deferred *deferred) {
  if (!deferred->at) return;
  *deferred->at = deferred->next;
  if (deferred->next) deferred->next->at = deferred->at;
  if (loop->last == &deferred->next) loop->last = deferred->at;
  deferred->next = NULL;
  deferred->at = NULL;
  if (!loop->first) uv_idle_stop(&loop->idle);
}

// A timer that is very late fires in a process that did not run for a while. What came in meanwhile
// came before it, so it is heard first: an answer is not to be taken for none.
static void timer_fired(uv_timer_t *uv) {
  struct tg_timer *timer = (struct tg_timer *)uv;
  bool is_late = uv_now(uv->loop) > timer->due_ms + TIMER_LATE_MS;
  if (is_late && !timer->has_waited) {
    timer->has_waited = true;
    uv_timer_start(uv, timer_fired, TIMER_HEARS_MS, 0);
    return;
  }
  timer->fire(timer->self);
}

struct tg_timer *tg_timer_new(struct tg_loop *loop, void (*fire)(void *self), void *self,
                              struct tg_error *err) {
  struct tg_timer *timer = handle_alloc(sizeof *timer, err);
  if (!timer) return NULL;
  uv_timer_init(&loop->uv, &timer->uv);
  timer->fire = fire;
  timer->self = self;
  return timer;
}

void tg_timer_start(struct tg_timer *timer, int64_t ms) {
  // The loop's own time stands still during a turn; a long one would shorten the timer.
  uv_update_time(timer->uv.loop);
  uint64_t wait_ms = ms > 0 ? (uint64_t)ms : 0;
  timer->due_ms = uv_now(timer->uv.loop) + wait_ms;
  timer->has_waited = false;
  uv_timer_start(&timer->uv, timer_fired, wait_ms, 0);
}

void tg_timer_stop(struct tg_timer *timer) {
  uv_timer_stop(&timer->uv);
}

bool tg_timer_is_running(const struct tg_timer *timer) {
  return uv_is_active((const uv_handle_t *)&timer->uv) != 0;
}

void tg_timer_free(struct tg_timer *timer) {
  if (timer) uv_close((uv_handle_t *)&timer->uv, handle_closed);
}

static void poll_ready(uv_poll_t *uv, int status, int events) {
  struct tg_poll *poll = (struct tg_poll *)uv;
  int seen = (events & UV_READABLE ? TG_POLL_READ : 0) | (events & UV_WRITABLE ? TG_POLL_WRITE : 0);
  if (status) poll->wanted = 0; // libuv has stopped it
  poll->ready(poll->self, status ? 0 : seen, -status);
}

struct tg_poll *tg_poll_new(struct tg_loop *loop, int fd,
                            void (*ready)(void *self, int events, int errnum), void *self,
                            struct tg_error *err) {
  struct tg_poll *poll = handle_alloc(sizeof *poll, err);
  if (!poll) return NULL;
  int status = uv_poll_init(&loop->uv, &poll->uv, fd);
  if (status) {
    free(poll);
    tg_error_errno(err, TG_EIO, -status, "cannot watch descriptor %d", fd);
    return NULL;
  }
  poll->ready = ready;
  poll->self = self;
  return poll;
}

void tg_poll_start(struct tg_poll *poll, int events) {
  int wanted =
      (events & TG_POLL_READ ? UV_READABLE : 0) | (events & TG_POLL_WRITE ? UV_WRITABLE : 0);
  if (wanted == poll->wanted) return; // libuv would ask the kernel again
  poll->wanted = wanted;
  uv_poll_start(&poll->uv, wanted, poll_ready);
}

void tg_poll_stop(struct tg_poll *poll) {
  poll->wanted = 0;
  uv_poll_stop(&poll->uv);
}

void tg_poll_free(struct tg_poll *poll) {
  if (poll) uv_close((uv_handle_t *)&poll->uv, handle_closed);
}

static void wake_woken(uv_async_t *uv) {
  struct tg_wake *wake = (struct tg_wake *)uv;
  wake->woken(wake->self);
}

struct tg_wake *tg_wake_new(struct tg_loop *loop, void (*woken)(void *self), void *self,
                            struct tg_error *err) {
  struct tg_wake *wake = handle_alloc(sizeof *wake, err);
  if (!wake) return NULL;
  wake->woken = woken;
  wake->self = self;
  int status = uv_async_init(&loop->uv, &wake->uv, wake_woken);
  if (!status) return wake;
  free(wake);
  tg_error_errno(err, TG_EIO, -status, "cannot make a wake-up between threads");
  return NULL;
}

void tg_wake_send(struct tg_wake *wake) {
  uv_async_send(&wake->uv);
}

void tg_wake_free(struct tg_wake *wake) {
  if (wake) uv_close((uv_handle_t *)&wake->uv, handle_closed);
}

static void signal_ready(uv_poll_t *uv, int status, int events) {
  struct tg_signal *signal = (struct tg_signal *)uv;
  struct signalfd_siginfo info;
  (void)status;
  (void)events;
  // Who cannot read it now is told of it again.
  if (read(signal->fd, &info, sizeof info) == (ssize_t)sizeof info)
    signal->caught(signal->self, signal->signum);
}

static sigset_t signal_set(int signum) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signum);
  return set;
}

// One that is ignored would be lost, blocked or not: with SIGCHLD the exits of children would be.
static void signal_block(struct tg_signal *signal) {
  sigset_t set = signal_set(signal->signum), old;
  struct sigaction usual = {.sa_handler = SIG_DFL};
  sigaction(signal->signum, &usual, &signal->before);
  pthread_sigmask(SIG_BLOCK, &set, &old);
  signal->was_blocked = sigismember(&old, signal->signum) == 1;
}

// What came and was not told is dropped.
static void signal_unblock(struct tg_signal *signal) {
  sigset_t set = signal_set(signal->signum);
  struct signalfd_siginfo info;
  while (signal->fd >= 0 && read(signal->fd, &info, sizeof info) > 0) continue;
  if (!signal->was_blocked) pthread_sigmask(SIG_UNBLOCK, &set, NULL);
  sigaction(signal->signum, &signal->before, NULL);
  if (signal->fd >= 0) close(signal->fd);
}

struct tg_signal *tg_signal_new(struct tg_loop *loop, int signum,
                                void (*caught)(void *self, int signum), void *self,
                                struct tg_error *err) {
  struct tg_signal *signal = handle_alloc(sizeof *signal, err);
  if (!signal) return NULL;
  signal->caught = caught;
  signal->self = self;
  signal->signum = signum;
  signal_block(signal);
  sigset_t set = signal_set(signum);
  signal->fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  int status = signal->fd < 0 ? -errno : uv_poll_init(&loop->uv, &signal->uv, signal->fd);
  if (status) {
    signal_unblock(signal);
    free(signal);
    tg_error_errno(err, TG_EIO, -status, "cannot watch for signal %d", signum);
    return NULL;
  }
  uv_poll_start(&signal->uv, UV_READABLE, signal_ready);
  return signal;
}

void tg_signal_ref(struct tg_signal *signal) {
  uv_ref((uv_handle_t *)&signal->uv);
}

void tg_signal_unref(struct tg_signal *signal) {
  uv_unref((uv_handle_t *)&signal->uv);
}

void tg_signal_free(struct tg_signal *signal) {
  if (!signal) return;
  uv_close((uv_handle_t *)&signal->uv, handle_closed);
  signal_unblock(signal);
}
