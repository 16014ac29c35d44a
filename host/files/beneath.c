// SPDX-License-Identifier: Apache-2.0
#include "files/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LINKS_MAX = 40, RACES_MAX = 100 };

// A path being resolved: `done` holds components that are no links, `rest` what is still to do.
struct walk {
  int folder;
  int links;
  char done[PATH_MAX], rest[PATH_MAX];
};

static int fail(int errnum) {
  errno = errnum;
  return -1;
}

// Cuts the last component off `done`.
static int parent_go(struct walk *walk) {
  if (!walk->done[0]) return fail(EXDEV);
  char *slash = strrchr(walk->done, '/');
  *(slash ? slash : walk->done) = 0;
  return 0;
}

static int component_add(struct walk *walk, const char *name, size_t len) {
  size_t used = strlen(walk->done);
  if (used + len + 2 > sizeof walk->done) return fail(ENAMETOOLONG);
  if (used) walk->done[used++] = '/';
  memcpy(walk->done + used, name, len);
  walk->done[used + len] = 0;
  return 0;
}

// Puts the target of the link that `done` ends with in front of `rest`.
static int link_follow(struct walk *walk, const char *target, size_t len) {
  size_t rest = strlen(walk->rest);
  if (++walk->links > LINKS_MAX) return fail(ELOOP);
  if (len == 0 || target[0] == '/') return fail(EXDEV);
  if (len + rest + 2 > sizeof walk->rest) return fail(ENAMETOOLONG);
  memmove(walk->rest + len + 1, walk->rest, rest + 1);
  memcpy(walk->rest, target, len);
  walk->rest[len] = '/';
  return parent_go(walk);
}

// Goes up by "..", which only a folder has.
static int dots_follow(struct walk *walk) {
  struct stat info;
  if (walk->done[0] && fstatat(walk->folder, walk->done, &info, AT_SYMLINK_NOFOLLOW) != 0)
    return -1;
  if (walk->done[0] && !S_ISDIR(info.st_mode)) return fail(ENOTDIR);
  return parent_go(walk) == 0 ? 1 : -1;
}

// Takes the next component off `rest` and resolves it. Returns 1 while there was one.
static int component_resolve(struct walk *walk) {
  char name[NAME_MAX + 1], target[PATH_MAX];
  size_t skip = strspn(walk->rest, "/");
  size_t len = strcspn(walk->rest + skip, "/");
  if (len == 0) return 0;
  if (len > NAME_MAX) return fail(ENAMETOOLONG);
  memcpy(name, walk->rest + skip, len);
  name[len] = 0;
  memmove(walk->rest, walk->rest + skip + len, strlen(walk->rest + skip + len) + 1);
  if (strcmp(name, ".") == 0) return 1;
  if (strcmp(name, "..") == 0) return dots_follow(walk);
  if (component_add(walk, name, len) != 0) return -1;
  ssize_t got = readlinkat(walk->folder, walk->done, target, sizeof target);
  if (got < 0) return errno == EINVAL || errno == ENOENT ? 1 : -1;
  return link_follow(walk, target, (size_t)got) == 0 ? 1 : -1;
}

// Opens a resolved path one component after another; a link on the way is somebody's race.
static int resolved_open(int folder, char *path, int flags) {
  int at = -1;
  char *name = path;
  for (char *slash; (slash = strchr(name, '/')); name = slash + 1) {
    *slash = 0;
    int next = openat(at < 0 ? folder : at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int errnum = errno;
    if (at >= 0) close(at);
    if (next < 0) return fail(errnum);
    at = next;
  }
  int fd = openat(at < 0 ? folder : at, *name ? name : ".", flags | O_NOFOLLOW | O_CLOEXEC);
  int errnum = errno;
  if (at >= 0) close(at);
  return fd < 0 ? fail(errnum) : fd;
}

int tg_beneath_open_by_hand(int folder, const char *path, int flags) {
  struct walk walk = {.folder = folder};
  if (path[0] == '/') return fail(EXDEV);
  size_t size = strlen(path) + 1;
  if (size > sizeof walk.rest) return fail(ENAMETOOLONG);
  memcpy(walk.rest, path, size);
  int more;
  do more = component_resolve(&walk);
  while (more == 1);
  return more < 0 ? -1 : resolved_open(folder, walk.done, flags);
}

int tg_beneath_open(int folder, const char *path, int flags) {
  struct open_how how = {.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
                         .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
  for (int i = 0; i < RACES_MAX; i++) {
    long fd = syscall(SYS_openat2, folder, path, &how, sizeof how);
    // EAGAIN: something was renamed meanwhile and the kernel cannot tell whether `..` stays below.
    if (fd >= 0 || errno != EAGAIN) {
      if (fd < 0 && (errno == ENOSYS || errno == EPERM)) break;
      return (int)fd;
    }
  }
  return tg_beneath_open_by_hand(folder, path, flags);
}
