// SPDX-License-Identifier: Apache-2.0
#include "worker/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/must.h"
#include "ipc/channel.h"

struct tg_process {
  struct tg_loop *loop;
  struct tg_process_events events;
  struct tg_channel channel;
  struct tg_poll *poll;
  struct tg_child *child;
  struct tg_deferred flush;
  uint32_t slot, load;
  int fd;
  bool is_killed;
  char why[256];
};

static void flush(void *self) {
  struct tg_process *process = self;
  if (process->is_killed) return;
  int errnum = tg_channel_flush(&process->channel);
  if (errnum) {
    bool is_closed = errnum == EPIPE || errnum == ECONNRESET;
    tg_process_kill(process, is_closed ? NULL : strerror(errnum));
    return;
  }
  tg_poll_start(process->poll, tg_channel_is_pending(&process->channel)
                                   ? TG_POLL_READ | TG_POLL_WRITE
                                   : TG_POLL_READ);
}

static void frames_take(struct tg_process *process) {
  uint8_t type;
  struct tg_reader body;
  int got = 0;
  while (!process->is_killed && (got = tg_channel_next(&process->channel, &type, &body)) == 1)
    process->events.frame(process->events.self, process, type, &body);
  if (got < 0) tg_process_kill(process, "it sent a malformed frame");
}

// An error of the socket is told as its end by the next read, behind what the worker said before.
static void ready(void *self, int events, int errnum) {
  struct tg_process *process = self;
  if (errnum) events = TG_POLL_READ;
  if (events & TG_POLL_WRITE) flush(process);
  if (!(events & TG_POLL_READ) || process->is_killed) return;
  int end = tg_channel_fill(&process->channel);
  frames_take(process);
  if (end && !process->is_killed) tg_process_kill(process, NULL);
}

static void process_release(struct tg_process *process) {
  tg_loop_undefer(process->loop, &process->flush);
  tg_poll_free(process->poll);
  tg_channel_deinit(&process->channel);
  if (process->fd >= 0) close(process->fd);
  free(process);
}

static void exited(void *self, const struct tg_child_exit *exit) {
  struct tg_process *process = self;
  process->child = NULL;
  if (!process->is_killed) frames_take(process); // what it said before it ended
  process->is_killed = true;
  if (!process->why[0] && exit->signal)
    snprintf(process->why, sizeof process->why, "signal %d", exit->signal);
  else if (!process->why[0])
    snprintf(process->why, sizeof process->why, "exit code %d", exit->code);
  process->events.gone(process->events.self, process, process->why);
  process_release(process);
}

// Nobody says when it would go on, and its attempts are not to wait for that.
static void stopped(void *self) {
  tg_process_kill(self, "it was stopped by a signal");
}

// The program's own file, by its name while it has one: under valgrind only the name is true.
static const char *own_path(char path[PATH_MAX]) {
  static const char link[] = "/proc/self/exe";
  ssize_t len = readlink(link, path, PATH_MAX - 1);
  path[len > 0 ? len : 0] = 0;
  return access(path, X_OK) == 0 ? path : link; // it was replaced: the old one is still there
}

static int child_start(struct tg_process *process, struct tg_children *children, int fd,
                       struct tg_error *err) {
  char path[PATH_MAX];
  const char *const argv[] = {own_path(path), "script-worker", NULL};
  static const char *const env[] = {NULL};
  struct tg_child_spec spec = {.argv = argv, .env = env, .fds = &fd, .fd_count = 1};
  struct tg_child_callbacks callbacks = {.exited = exited, .stopped = stopped, .self = process};
  return tg_child_spawn(children, &spec, &callbacks, &process->child, err);
}

int tg_process_start(struct tg_loop *loop, struct tg_children *children, uint32_t slot,
                     const struct tg_process_events *events, struct tg_process **out,
                     struct tg_error *err) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
    return tg_error_errno(err, TG_EIO, errno, "cannot make a channel to a script worker");
  struct tg_process *process = tg_must(calloc(1, sizeof *process));
  process->loop = loop;
  process->events = *events;
  process->slot = slot;
  process->fd = pair[0];
  process->flush = (struct tg_deferred){.call = flush, .self = process};
  tg_channel_init(&process->channel, pair[0]);
  process->poll = tg_poll_new(loop, pair[0], ready, process, err);
  int code = process->poll ? child_start(process, children, pair[1], err) : TG_EIO;
  close(pair[1]);
  if (code) {
    process_release(process);
    return code;
  }
  tg_poll_start(process->poll, TG_POLL_READ);
  *out = process;
  return TG_OK;
}

struct tg_buf *tg_process_begin(struct tg_process *process, enum tg_message type) {
  return tg_channel_begin(&process->channel, (uint8_t)type);
}

int tg_process_send(struct tg_process *process, struct tg_error *err) {
  int code = tg_channel_end(&process->channel, err);
  if (!code && !process->is_killed) tg_loop_defer(process->loop, &process->flush);
  return code;
}

void tg_process_kill(struct tg_process *process, const char *why) {
  if (process->is_killed) return;
  process->is_killed = true;
  snprintf(process->why, sizeof process->why, "%s", why ? why : "");
  tg_poll_stop(process->poll);
  if (process->child) tg_child_stop(process->child, 0);
}

bool tg_process_is_killed(const struct tg_process *process) {
  return process->is_killed;
}

void tg_process_free(struct tg_process *process) {
  if (!process) return;
  process->is_killed = true;
  process_release(process);
}

uint32_t tg_process_slot(const struct tg_process *process) {
  return process->slot;
}

uint32_t tg_process_load(const struct tg_process *process) {
  return process->load;
}

void tg_process_add_load(struct tg_process *process, int32_t change) {
  process->load = (uint32_t)((int32_t)process->load + change);
}
