// SPDX-License-Identifier: Apache-2.0
#include "loop/child.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/log.h"
#include "loop/proc.h"
#include "loop/spawn.h"

enum { READ_BYTES = 64 << 10, LEFTOVER_LOOK_MS = 20 };

struct pipe_end {
  struct tg_child *child;
  enum tg_child_stream stream;
  int fd; // -1 once it is at its end
  struct tg_poll *poll;
};

struct tg_child {
  struct tg_children *children;
  struct tg_child *next, **at; // in children->list
  pid_t pid;                   // also the number of its group and session
  struct tg_child_callbacks callbacks;
  struct pipe_end pipes[2];
  struct tg_timer *timer; // the next look
  char *marker;
  int64_t grace_ms;

  bool is_ending;      // TERM was sent
  bool has_exited;     // the leader is reaped
  bool has_seen_left;  // what it left behind was told to end
  bool has_seen_none;  // the last look found nothing left behind
  int64_t kill_at;     // while ending
  int64_t drain_until; // 0 until the group is over; from then on its number may belong to others
  struct tg_child_exit exit;
};

struct tg_children {
  struct tg_loop *loop;
  bool has_orphans;
  struct tg_signal *sigchld;
  struct tg_child *list;
  char bytes[READ_BYTES];
};

static int64_t now_ms(const struct tg_child *child) {
  return tg_clock_mono_ms(tg_loop_clock(child->children->loop));
}

static struct tg_child *child_find(const struct tg_children *children, pid_t pid) {
  struct tg_child *child = children->list;
  while (child && child->pid != pid) child = child->next;
  return child;
}

struct marked_visit {
  const struct tg_child *child;
  int signum; // 0 to look only
  bool is_found;
};

static bool marked_visited(void *self, pid_t pid) {
  struct marked_visit *visit = self;
  // The leaders of other children are looked after by themselves.
  const struct tg_child *leader = child_find(visit->child->children, pid);
  if (leader && !leader->has_exited) return true;
  bool is_marked = tg_proc_has_marker(pid, visit->child->marker);
  if (is_marked && visit->signum) kill(pid, visit->signum);
  if (is_marked || tg_proc_is_ending(pid)) visit->is_found = true;
  return true;
}

// Signals the processes that escaped from the group and became ours; says whether there are any.
// A pid we are the parent of cannot change its meaning before we reap it.
static bool escaped_signal(const struct tg_child *child, int signum) {
  if (!child->children->has_orphans || !child->marker) return false;
  struct marked_visit visit = {.child = child, .signum = signum};
  tg_proc_each_child(marked_visited, &visit);
  return visit.is_found;
}

static void child_signal(const struct tg_child *child, int signum) {
  kill(-child->pid, signum);
  escaped_signal(child, signum);
}

static bool has_leftovers(const struct tg_child *child) {
  return tg_proc_group_is_alive(child->pid) || escaped_signal(child, 0);
}

static void pipe_close(struct pipe_end *end) {
  if (end->fd < 0) return;
  tg_poll_free(end->poll);
  end->poll = NULL;
  close(end->fd);
  end->fd = -1;
}

// Reads once, as much as a pipe holds. A look is due when the last pipe has come to its end.
static void pipe_read(struct pipe_end *end) {
  struct tg_child *child = end->child;
  char *bytes = child->children->bytes;
  ssize_t got = read(end->fd, bytes, READ_BYTES);
  if (got > 0) {
    child->callbacks.output(child->callbacks.self, end->stream, bytes, (size_t)got);
  } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
    pipe_close(end);
    if (child->has_exited) tg_timer_start(child->timer, 0);
  }
}

static void pipe_ready(void *self, int events, int errnum) {
  (void)events;
  (void)errnum; // read() tells
  pipe_read(self);
}

static bool pipes_are_done(const struct tg_child *child) {
  return child->pipes[0].fd < 0 && child->pipes[1].fd < 0;
}

// The loop goes on as long as there are children, and not for SIGCHLD alone.
static void child_link(struct tg_child *child) {
  struct tg_children *children = child->children;
  child->next = children->list;
  if (child->next) child->next->at = &child->next;
  child->at = &children->list;
  children->list = child;
  tg_signal_ref(children->sigchld);
}

static void child_unlink(struct tg_child *child) {
  if (child->next) child->next->at = child->at;
  *child->at = child->next;
  if (!child->children->list) tg_signal_unref(child->children->sigchld);
}

static void child_free(struct tg_child *child) {
  for (size_t i = 0; i < 2; i++) pipe_close(&child->pipes[i]);
  tg_timer_free(child->timer);
  free(child->marker);
  free(child);
}

static void child_finish(struct tg_child *child) {
  for (size_t i = 0; i < 2; i++)
    if (child->pipes[i].fd >= 0) pipe_read(&child->pipes[i]); // what stood in it at the deadline
  child_unlink(child);
  child->callbacks.exited(child->callbacks.self, &child->exit);
  child_free(child);
}

static void child_end(struct tg_child *child, int64_t grace_ms) {
  int64_t kill_at = now_ms(child) + grace_ms;
  if (!child->is_ending || kill_at < child->kill_at) child->kill_at = kill_at;
  child->is_ending = true;
}

// A list of processes that changes while it is read may miss one. So where something was ended that
// may have escaped from its group, two looks must find nothing.
static bool leftovers_are_found(struct tg_child *child) {
  bool is_found = has_leftovers(child);
  bool is_sure = is_found || child->has_seen_none || !child->is_ending || !child->marker;
  child->has_seen_none = !is_found;
  return is_found || !is_sure;
}

// Looks after what outlived the leader. Returns false when nothing did.
static bool leftovers_end(struct tg_child *child, int64_t now) {
  if (child->drain_until || !leftovers_are_found(child)) return false;
  if (child->has_seen_none) return true;
  if (!child->has_seen_left) {
    child->has_seen_left = true;
    child->exit.had_leftovers = !child->is_ending; // after a stop they were told already
    child_end(child, child->grace_ms);
    child_signal(child, SIGTERM);
  }
  if (now < child->kill_at + TG_CHILD_GIVE_UP_MS) return true;
  tg_log(TG_LOG_WARN, "processes of group %d do not end; they are left alone", (int)child->pid);
  return false;
}

// The one place that moves a child on; run by its timer.
static void child_look(void *self) {
  struct tg_child *child = self;
  int64_t now = now_ms(child);
  if (!child->has_exited) {
    if (!child->is_ending) return;
    if (now >= child->kill_at)
      child_signal(child, SIGKILL); // SIGCHLD brings us back
    else
      tg_timer_start(child->timer, child->kill_at - now);
    return;
  }
  if (leftovers_end(child, now)) {
    if (now >= child->kill_at && !child->has_seen_none) child_signal(child, SIGKILL);
    tg_timer_start(child->timer, LEFTOVER_LOOK_MS);
    return;
  }
  if (!child->drain_until) child->drain_until = now + TG_CHILD_DRAIN_MS;
  if (pipes_are_done(child) || now >= child->drain_until)
    child_finish(child);
  else
    tg_timer_start(child->timer, child->drain_until - now);
}

void tg_child_stop(struct tg_child *child, int64_t grace_ms) {
  if (child->drain_until) return;
  bool is_new = !child->is_ending;
  child_end(child, grace_ms);
  if (is_new && grace_ms > 0) child_signal(child, SIGTERM);
  tg_timer_start(child->timer, 0);
}

pid_t tg_child_pid(const struct tg_child *child) {
  return child->pid;
}

static int64_t time_ms(struct timeval time) {
  return (int64_t)time.tv_sec * 1000 + time.tv_usec / 1000;
}

// Takes a leader's exit status if it is there. Returns false when it still runs.
static bool child_reap(struct tg_child *child, int flags) {
  int status;
  struct rusage usage;
  pid_t pid;
  do pid = wait4(child->pid, &status, flags, &usage);
  while (pid < 0 && errno == EINTR);
  if (pid != child->pid) return false;
  child->has_exited = true;
  child->exit.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  child->exit.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  child->exit.user_ms = time_ms(usage.ru_utime);
  child->exit.system_ms = time_ms(usage.ru_stime);
  child->exit.memory_bytes_max = (int64_t)usage.ru_maxrss * TG_KIB;
  return true;
}

static void child_stopped_tell(const struct tg_child *child) {
  siginfo_t info = {.si_pid = 0};
  if (!child->callbacks.stopped) return;
  if (waitid(P_PID, (id_t)child->pid, &info, WSTOPPED | WNOHANG) == 0 && info.si_pid)
    child->callbacks.stopped(child->callbacks.self);
}

// Reaps whatever ended and is nobody's leader: orphans that became ours.
static void orphans_reap(const struct tg_children *children) {
  for (;;) {
    siginfo_t info = {.si_pid = 0};
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) return;
    struct tg_child *child = child_find(children, info.si_pid);
    if (child && !child->has_exited)
      child_reap(child, WNOHANG);
    else
      waitpid(info.si_pid, NULL, WNOHANG);
  }
}

// One signal may stand for many exits. Every child that has exited gets a look: a reaped orphan may
// have been the last of its group.
static void children_changed(void *self, int signum) {
  (void)signum;
  struct tg_children *children = self;
  if (children->has_orphans) orphans_reap(children);
  for (struct tg_child *child = children->list; child; child = child->next) {
    if (!child->has_exited) child_reap(child, WNOHANG);
    if (child->has_exited)
      tg_timer_start(child->timer, 0);
    else
      child_stopped_tell(child);
  }
}

struct tg_children *tg_children_new(struct tg_loop *loop, bool has_orphans, struct tg_error *err) {
  struct tg_children *children = calloc(1, sizeof *children);
  if (!children) {
    tg_error_set(err, TG_ENOMEM, "out of memory");
    return NULL;
  }
  children->loop = loop;
  children->has_orphans = has_orphans;
  children->sigchld = tg_signal_new(loop, SIGCHLD, children_changed, children, err);
  if (!children->sigchld) {
    free(children);
    return NULL;
  }
  tg_signal_unref(children->sigchld);
  if (has_orphans && prctl(PR_SET_CHILD_SUBREAPER, 1UL) != 0)
    tg_log(TG_LOG_WARN, "this kernel does not let orphans be adopted; some may be left behind");
  return children;
}

void tg_children_free(struct tg_children *children) {
  if (!children) return;
  while (children->list) {
    struct tg_child *child = children->list;
    // NOLINTNEXTLINE(clang-analyzer-unix.Malloc): child_unlink took the one before off the list
    if (!child->drain_until) child_signal(child, SIGKILL);
    if (!child->has_exited) child_reap(child, 0);
    child_unlink(child);
    child_free(child);
  }
  if (children->has_orphans) prctl(PR_SET_CHILD_SUBREAPER, 0UL);
  tg_signal_free(children->sigchld);
  free(children);
}

static int pipe_watch(struct tg_child *child, enum tg_child_stream stream, int fd,
                      struct tg_error *err) {
  struct pipe_end *end = &child->pipes[stream];
  end->fd = fd;
  if (fd < 0) return 0;
  struct tg_error failed;
  end->poll = tg_poll_new(child->children->loop, fd, pipe_ready, end, &failed);
  if (!end->poll) {
    if (err) *err = failed;
    return failed.code;
  }
  tg_poll_start(end->poll, TG_POLL_READ);
  return 0;
}

static struct tg_child *child_new(struct tg_children *children, const struct tg_child_spec *spec,
                                  const struct tg_child_callbacks *callbacks,
                                  struct tg_error *err) {
  struct tg_child *child = calloc(1, sizeof *child);
  if (!child) goto failed;
  child->children = children;
  child->callbacks = *callbacks;
  child->grace_ms = spec->grace_ms ? spec->grace_ms : TG_CHILD_GRACE_MS;
  for (int i = 0; i < 2; i++)
    child->pipes[i] =
        (struct pipe_end){.child = child, .stream = (enum tg_child_stream)i, .fd = -1};
  child->timer = tg_timer_new(children->loop, child_look, child, err);
  child->marker = spec->marker ? strdup(spec->marker) : NULL;
  if (child->timer && (child->marker || !spec->marker)) return child;
  child_free(child);

failed:
  tg_error_set(err, TG_ENOMEM, "out of memory");
  return NULL;
}

int tg_child_spawn(struct tg_children *children, const struct tg_child_spec *spec,
                   const struct tg_child_callbacks *callbacks, struct tg_child **result,
                   struct tg_error *err) {
  struct tg_child *child = child_new(children, spec, callbacks, err);
  if (!child) return TG_ENOMEM;
  struct tg_spawned spawned;
  int code = tg_spawn(spec, callbacks->output != NULL, &spawned, err);
  if (code) {
    child_free(child);
    return code;
  }
  child->pid = spawned.pid;
  for (int i = 0; i < 2; i++) {
    int failed = pipe_watch(child, (enum tg_child_stream)i, spawned.out[i], code ? NULL : err);
    if (!code) code = failed;
  }
  if (code) { // without its pipes it must not run
    child_signal(child, SIGKILL);
    child_reap(child, 0);
    child_free(child);
    return code;
  }
  child_link(child);
  *result = child;
  return 0;
}

int tg_child_kill_marked(const char *name, const char *value) {
  struct tg_buf marker;
  tg_buf_init(&marker, TG_MIB);
  tg_buf_putf(&marker, "%s=%s", name, value);
  int count = marker.is_failed ? 0 : tg_proc_kill_marked(marker.data);
  tg_buf_deinit(&marker);
  return count;
}
