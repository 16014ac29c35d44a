// SPDX-License-Identifier: Apache-2.0
// Child processes: started in a session and process group of their own, heard on their pipes, ended
// as a group.
//
// The life of a child:
//   running -> the leader exits -> what it left behind is ended -> the pipes are drained ->
//   `exited`
// A group that outlives its leader gets TERM, and KILL after the grace. With orphans adopted, a
// process that escaped into another session is found by the marker in its environment and treated
// the same. Pipes that somebody still holds open are given up TG_CHILD_DRAIN_MS after the exit.
// `exited` is called once for every child that was spawned, and the child is gone after it.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "loop/loop.h"

enum {
  TG_CHILD_DRAIN_MS = 200,    // from the exit to giving up on pipes that others hold open
  TG_CHILD_GIVE_UP_MS = 2000, // from KILL to not waiting for leftovers any longer
  TG_CHILD_GRACE_MS = 5000,   // from TERM to KILL, where the spec says nothing
};

/// All children of one loop. One per process when orphans are adopted, for it then reaps
/// everything.
struct tg_children;
struct tg_child;

enum tg_child_stream { TG_CHILD_STDOUT, TG_CHILD_STDERR };

struct tg_child_spec {
  const char *const *argv; // NULL-terminated; argv[0] is looked up in the child's own PATH
  const char *const *env;  // NULL-terminated NAME=VALUE, the whole of the child's environment
  const char *cwd;         // an absolute path; NULL for the host's
  const void *input;       // what the child reads on stdin; NULL for /dev/null
  size_t input_len;
  const int *fds; // fds[i] becomes the child's descriptor 3 + i; no others are passed on
  size_t fd_count;
  int64_t grace_ms;   // from TERM to KILL for what the child leaves behind; 0 for the usual
  const char *marker; // NAME=VALUE out of `env` by which escaped processes are known, or NULL
};

struct tg_child_exit {
  int code;           // exit code, or -1 when a signal ended it
  int signal;         // or 0
  bool had_leftovers; // processes outlived the leader and were ended
  int64_t user_ms, system_ms;
  int64_t memory_bytes_max; // resident, of the largest process
};

struct tg_child_callbacks {
  /// Gets output as it comes; the bytes are valid during the call. NULL: both streams are
  /// /dev/null.
  void (*output)(void *self, enum tg_child_stream stream, const char *bytes, size_t len);
  void (*exited)(void *self, const struct tg_child_exit *exit);
  /// Is told that a signal has stopped the child, each time; may be NULL.
  void (*stopped)(void *self);
  void *self;
};

/// Starts to look after children on a loop; `has_orphans` makes this process the one that adopts
/// its descendants' orphans (PR_SET_CHILD_SUBREAPER) and reaps them.
struct tg_children *tg_children_new(struct tg_loop *loop, bool has_orphans, struct tg_error *err);

/// Kills and reaps every child that is left, without calling `exited`, and frees all.
void tg_children_free(struct tg_children *children); // NULL is fine

/// Starts a child. Never forks: posix_spawn, with all signals at their defaults and none blocked.
///
/// Shape:  *child is valid until its `exited` returns
/// Errors: TG_ESPAWN when the command or folder is not there or may not be run, TG_EINVALID for an
///         empty argv, TG_EBUSY while there are no descriptors or processes left
int tg_child_spawn(struct tg_children *children, const struct tg_child_spec *spec,
                   const struct tg_child_callbacks *callbacks, struct tg_child **child,
                   struct tg_error *err);

/// Ends a child: TERM to its group, KILL after `grace_ms` (0: at once). A second call may shorten
/// the time left, never lengthen it.
void tg_child_stop(struct tg_child *child, int64_t grace_ms);

pid_t tg_child_pid(const struct tg_child *child);

/// Kills every process of our user that has NAME=VALUE in its environment, ourselves and our
/// ancestors excepted: what a host that was killed left behind. Waits until they are gone, and
/// returns how many there were.
int tg_child_kill_marked(const char *name, const char *value);
