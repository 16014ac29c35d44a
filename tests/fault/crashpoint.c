// SPDX-License-Identifier: Apache-2.0
// Loaded into a host before its libraries (LD_PRELOAD): ends it by SIGKILL at the n-th of its
// durable steps. A step is a call that changes what the data folder would hold after a crash; its
// points are counted from 1:
//
//   fdatasync, fsync, rename, unlink, ftruncate, mkdir   one point before it, one after it
//   every third pwrite                                   one, when half of it is written
//
// With a power cut what was written since a file was last synced is taken back, all of it or a
// random part, as the disk may have had it.
//
//   TIDEGATE_CRASHPOINT=n          the point (0 or nothing: none)
//   TIDEGATE_CRASHPOINT_CUT=seed   1: a power cut that takes all back; more: a part; 0: none
//   TIDEGATE_CRASHPOINT_FOLDER=dir only what lies below it counts
//   TIDEGATE_CRASHPOINT_LIES=1     no sync reaches the disk, so that a power cut takes back what
//   was
//                                  said to be there
//
// What the host starts runs without it.
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FILES_MAX = 16 };

// A write that is not known to be on the disk, and what stood there before.
struct write {
  struct write *older;
  int file;
  off_t at, size_before;
  size_t len, old_len;
  char old[];
};

// Its descriptor is never closed: closing one would give up the locks that the host has on the
// file.
struct file {
  dev_t device;
  ino_t inode;
  int fd;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct file files[FILES_MAX];
static int file_count;
static struct write *newest;
static long points, last_point, writes;
static uint64_t cut;
static bool lies;
static char folder[4096];
static size_t folder_len;

static uint64_t number_of(const char *name) {
  const char *text = getenv(name);
  return text ? strtoull(text, NULL, 10) : 0;
}

__attribute__((constructor)) static void begin(void) {
  last_point = (long)number_of("TIDEGATE_CRASHPOINT");
  cut = number_of("TIDEGATE_CRASHPOINT_CUT");
  lies = number_of("TIDEGATE_CRASHPOINT_LIES") != 0;
  const char *dir = getenv("TIDEGATE_CRASHPOINT_FOLDER");
  folder_len = (size_t)snprintf(folder, sizeof folder, "%s", dir ? dir : "/");
  unsetenv("LD_PRELOAD");
  unsetenv("TIDEGATE_CRASHPOINT");
  unsetenv("TIDEGATE_CRASHPOINT_CUT");
  unsetenv("TIDEGATE_CRASHPOINT_FOLDER");
  unsetenv("TIDEGATE_CRASHPOINT_LIES");
}

static bool is_ours(const char *path) {
  return last_point && strncmp(path, folder, folder_len) == 0;
}

// The file of shared memory beside a database outlives no crash, and other threads look at it.
static bool is_ours_fd(int fd) {
  char link[64], path[4096];
  if (!last_point) return false;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t len = readlink(link, path, sizeof path - 1);
  if (len < 4) return false;
  path[len] = 0;
  return is_ours(path) && strcmp(path + len - 4, "-shm") != 0;
}

static long file_write(int fd, const void *bytes, size_t len, off_t at) {
  return syscall(SYS_pwrite64, fd, bytes, len, at);
}

static void write_undo(const struct write *write) {
  struct stat now;
  int fd = files[write->file].fd;
  if (fstat(fd, &now) != 0) return;
  if (write->size_before <= write->at && now.st_size == write->at + (off_t)write->len) {
    syscall(SYS_ftruncate, fd, write->size_before);
    return;
  }
  char *bytes = calloc(1, write->len);
  if (!bytes) return;
  memcpy(bytes, write->old, write->old_len);
  file_write(fd, bytes, write->len, write->at);
  free(bytes);
}

static bool is_lost(void) {
  if (cut == 1) return true;
  cut ^= cut << 13;
  cut ^= cut >> 7;
  cut ^= cut << 17;
  return (cut >> 33) % 2 == 0;
}

static void point(void) {
  if (++points != last_point) return;
  for (const struct write *write = newest; write && cut; write = write->older)
    if (is_lost()) write_undo(write);
  syscall(SYS_kill, getpid(), SIGKILL);
  for (;;) pause();
}

static int file_of(int fd, struct stat *info) {
  char link[64];
  if (fstat(fd, info) != 0) return -1;
  for (int i = 0; i < file_count; i++)
    if (files[i].inode == info->st_ino && files[i].device == info->st_dev) return i;
  if (file_count == FILES_MAX) return -1;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  int own = (int)syscall(SYS_openat, AT_FDCWD, link, O_RDWR | O_CLOEXEC);
  if (own < 0) return -1;
  files[file_count] = (struct file){.device = info->st_dev, .inode = info->st_ino, .fd = own};
  return file_count++;
}

static void write_remember(int fd, size_t len, off_t at) {
  struct stat info;
  int file = cut ? file_of(fd, &info) : -1;
  struct write *write = file >= 0 ? malloc(sizeof *write + len) : NULL;
  if (!write) return;
  long old_len = syscall(SYS_pread64, files[file].fd, write->old, len, at);
  *write = (struct write){.older = newest, .file = file, .at = at, .len = len};
  write->size_before = info.st_size;
  write->old_len = old_len > 0 ? (size_t)old_len : 0;
  newest = write;
}

static void writes_forget(int fd) {
  struct stat info;
  int file = cut ? file_of(fd, &info) : -1;
  for (struct write **at = &newest; *at;) {
    struct write *write = *at;
    if (write->file != file) {
      at = &write->older;
      continue;
    }
    *at = write->older;
    free(write);
  }
}

// The mutex is held over a whole call, so that nothing happens beside the last one.
static long step(bool is_step, long number, long a, long b, long c) {
  if (!is_step) return syscall(number, a, b, c);
  pthread_mutex_lock(&mutex);
  point();
  long result = syscall(number, a, b, c);
  if (!lies && (number == SYS_fdatasync || number == SYS_fsync)) writes_forget((int)a);
  point();
  pthread_mutex_unlock(&mutex);
  return result;
}

#define EXPORT __attribute__((visibility("default")))

EXPORT ssize_t pwrite64(int fd, const void *bytes, size_t len, off_t at) {
  if (!is_ours_fd(fd)) return file_write(fd, bytes, len, at);
  pthread_mutex_lock(&mutex);
  write_remember(fd, len, at);
  long half = file_write(fd, bytes, len / 2, at);
  if (writes++ % 3 == 0) point();
  long rest =
      half < 0 ? half : file_write(fd, (const char *)bytes + half, len - (size_t)half, at + half);
  pthread_mutex_unlock(&mutex);
  return rest < 0 ? rest : half + rest;
}

EXPORT ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at) {
  return pwrite64(fd, bytes, len, at);
}

EXPORT int fdatasync(int fd) {
  return (int)step(is_ours_fd(fd), SYS_fdatasync, fd, 0, 0);
}

EXPORT int fsync(int fd) {
  return (int)step(is_ours_fd(fd), SYS_fsync, fd, 0, 0);
}

EXPORT int ftruncate64(int fd, off_t size) {
  return (int)step(is_ours_fd(fd), SYS_ftruncate, fd, size, 0);
}

EXPORT int ftruncate(int fd, off_t size) {
  return ftruncate64(fd, size);
}

EXPORT int rename(const char *from, const char *to) {
  return (int)step(is_ours(to), SYS_rename, (long)(intptr_t)from, (long)(intptr_t)to, 0);
}

EXPORT int unlink(const char *path) {
  return (int)step(is_ours(path), SYS_unlink, (long)(intptr_t)path, 0, 0);
}

EXPORT int mkdir(const char *path, mode_t mode) {
  return (int)step(is_ours(path), SYS_mkdir, (long)(intptr_t)path, (long)mode, 0);
}
