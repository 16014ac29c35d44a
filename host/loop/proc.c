// SPDX-License-Identifier: Apache-2.0
#include "loop/proc.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"

enum { ENVIRON_BYTES_MAX = 8 << 20, STAT_BYTES_MAX = 8192, KILL_WAIT_MS = 1000, EXEC_LOOKS = 20 };

struct stat_line {
  char state; // as in ps: R, S, D, Z, ...
  pid_t parent, group;
  unsigned flags;
};

enum { KERNEL_THREAD = 0x00200000, ENDING = 0x00000004 }; // PF_KTHREAD, PF_EXITING in the flags

// Reads a file of /proc, whose size is not known before its end.
static bool file_slurp(const char *path, struct tg_buf *buf) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  ssize_t got = -1;
  for (;;) {
    char *room = tg_buf_reserve(buf, 4096);
    got = room ? read(fd, room, 4096) : -1;
    if (got <= 0) break;
    buf->len += (size_t)got;
  }
  if (buf->data) buf->data[buf->len] = 0;
  close(fd);
  return got == 0;
}

// The name in the second field may hold anything, spaces and parentheses too; the last ')' ends it.
static bool stat_read(pid_t pid, struct stat_line *line) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
  struct tg_buf text;
  tg_buf_init(&text, STAT_BYTES_MAX);
  bool is_read = file_slurp(path, &text);
  const char *after = is_read ? strrchr(tg_buf_text(&text), ')') : NULL;
  int parent = 0, group = 0;
  bool ok = after && sscanf(after, ") %c %d %d %*d %*d %*d %u", &line->state, &parent, &group,
                            &line->flags) == 4;
  line->parent = parent;
  line->group = group;
  tg_buf_deinit(&text);
  return ok;
}

static bool stat_is_alive(const struct stat_line *line) {
  return line->state != 'Z' && line->state != 'X';
}

static bool is_alive(pid_t pid) {
  struct stat_line line;
  return stat_read(pid, &line) && stat_is_alive(&line);
}

static void nap(long microseconds) {
  nanosleep(&(struct timespec){.tv_nsec = microseconds * 1000}, NULL);
}

// Calls `visit` for every process there is, until it gives false.
static void each_process(bool (*visit)(void *self, pid_t pid), void *self) {
  DIR *folder = opendir("/proc");
  if (!folder) return;
  const struct dirent *entry;
  while ((entry = readdir(folder))) {
    if (!isdigit((unsigned char)entry->d_name[0])) continue;
    if (!visit(self, (pid_t)strtol(entry->d_name, NULL, 10))) break;
  }
  closedir(folder);
}

struct group_search {
  pid_t group;
  bool is_found;
};

static bool group_visit(void *self, pid_t pid) {
  struct group_search *search = self;
  struct stat_line line;
  if (stat_read(pid, &line) && line.group == search->group && stat_is_alive(&line))
    search->is_found = true;
  return !search->is_found;
}

bool tg_proc_group_is_alive(pid_t group) {
  // The kernel answers at once where the group is empty; only it cannot tell zombies apart.
  if (kill(-group, 0) != 0) return false;
  struct group_search search = {.group = group};
  each_process(group_visit, &search);
  return search.is_found;
}

struct child_search {
  bool (*visit)(void *self, pid_t pid);
  void *self;
};

static bool child_visit(void *self, pid_t pid) {
  struct child_search *search = self;
  struct stat_line line;
  if (!stat_read(pid, &line) || line.parent != getpid()) return true;
  return search->visit(search->self, pid);
}

// Visits the children of the first thread: it starts ours, and the kernel gives it the orphans
// (find_alive_thread in kernel/exit.c). Returns false when the kernel does not list them
// (CONFIG_PROC_CHILDREN).
static bool listed_visit(const struct child_search *search) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
  struct tg_buf text;
  tg_buf_init(&text, ENVIRON_BYTES_MAX);
  bool is_read = file_slurp(path, &text);
  char *at = text.data;
  for (char *end; is_read && at; at = end) {
    pid_t pid = (pid_t)strtol(at, &end, 10);
    if (end == at || !search->visit(search->self, pid)) break;
  }
  tg_buf_deinit(&text);
  return is_read;
}

void tg_proc_each_child(bool (*visit)(void *self, pid_t pid), void *self) {
  struct child_search search = {.visit = visit, .self = self};
  if (!listed_visit(&search)) each_process(child_visit, &search);
}

static bool environ_has(const char *environ_text, size_t len, const char *marker) {
  size_t marker_len = strlen(marker) + 1; // with its NUL
  for (size_t at = 0; at + marker_len <= len;) {
    if (memcmp(environ_text + at, marker, marker_len) == 0) return true;
    at += strlen(environ_text + at) + 1;
  }
  return false;
}

// In the middle of an exec a process has no environment for a moment, which also is what a zombie
// and a thread of the kernel have.
static bool may_be_in_exec(pid_t pid) {
  struct stat_line line;
  return stat_read(pid, &line) && stat_is_alive(&line) && !(line.flags & KERNEL_THREAD);
}

bool tg_proc_has_marker(pid_t pid, const char *marker) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
  struct tg_buf text;
  tg_buf_init(&text, ENVIRON_BYTES_MAX);
  bool is_read = file_slurp(path, &text);
  for (int i = 0; is_read && text.len == 0 && i < EXEC_LOOKS && may_be_in_exec(pid); i++) {
    nap(100);
    is_read = file_slurp(path, &text);
  }
  bool has = is_read && environ_has(tg_buf_text(&text), text.len, marker) && is_alive(pid);
  tg_buf_deinit(&text);
  return has;
}

bool tg_proc_is_ending(pid_t pid) {
  struct stat_line line;
  return stat_read(pid, &line) && stat_is_alive(&line) && (line.flags & ENDING);
}

static bool is_ours(pid_t pid) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d", (int)pid);
  struct stat facts;
  return stat(path, &facts) == 0 && facts.st_uid == geteuid();
}

static bool is_ancestor_or_self(pid_t pid) {
  struct stat_line line;
  for (pid_t at = getpid(); at > 0; at = line.parent) {
    if (at == pid) return true;
    if (!stat_read(at, &line)) break;
  }
  return false;
}

struct kill_search {
  const char *marker;
  int count;
};

// Between the look and the signal the number could come to mean another process only if all numbers
// were used up in that moment.
static bool kill_visit(void *self, pid_t pid) {
  struct kill_search *search = self;
  if (!is_ours(pid) || !tg_proc_has_marker(pid, search->marker) || is_ancestor_or_self(pid) ||
      kill(pid, SIGKILL) != 0)
    return true;
  search->count++;
  for (int ms = 0; ms < KILL_WAIT_MS && is_alive(pid); ms++) nap(1000);
  return true;
}

int tg_proc_kill_marked(const char *marker) {
  enum { ROUNDS_MAX = 20 }; // a process may fork while we look; each round sees the newer ones
  struct kill_search search = {.marker = marker};
  int before = -1;
  for (int round = 0; round < ROUNDS_MAX && search.count != before; round++) {
    before = search.count;
    each_process(kill_visit, &search);
  }
  return search.count;
}
