// SPDX-License-Identifier: Apache-2.0
#include "host/store/disk.h"

#include <errno.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static struct {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  bool is_full, is_broken, is_held, has_one;
  int syncs;
} disk = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void flag_set(bool *flag, bool value) {
  pthread_mutex_lock(&disk.mutex);
  *flag = value;
  pthread_cond_broadcast(&disk.changed);
  pthread_mutex_unlock(&disk.mutex);
}

void disk_set_full(bool is_full) {
  flag_set(&disk.is_full, is_full);
}

void disk_set_broken(bool is_broken) {
  flag_set(&disk.is_broken, is_broken);
}

void disk_hold(void) {
  flag_set(&disk.is_held, true);
}

void disk_let_go(void) {
  flag_set(&disk.is_held, false);
}

void disk_await(void) {
  pthread_mutex_lock(&disk.mutex);
  while (!disk.has_one) pthread_cond_wait(&disk.changed, &disk.mutex);
  pthread_mutex_unlock(&disk.mutex);
}

int disk_syncs(void) {
  pthread_mutex_lock(&disk.mutex);
  int syncs = disk.syncs;
  pthread_mutex_unlock(&disk.mutex);
  return syncs;
}

__attribute__((visibility("default"))) int fdatasync(int fildes) {
  (void)fildes;
  pthread_mutex_lock(&disk.mutex);
  disk.syncs++;
  disk.has_one = true;
  pthread_cond_broadcast(&disk.changed);
  while (disk.is_held) pthread_cond_wait(&disk.changed, &disk.mutex);
  disk.has_one = false;
  bool is_broken = disk.is_broken;
  pthread_mutex_unlock(&disk.mutex);
  if (is_broken) errno = EIO;
  return is_broken ? -1 : 0;
}

// NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): theirs are reserved names
__attribute__((visibility("default"))) ssize_t pwrite64(int fd, const void *bytes, size_t len,
                                                        off_t at) {
  pthread_mutex_lock(&disk.mutex);
  bool is_full = disk.is_full;
  pthread_mutex_unlock(&disk.mutex);
  if (!is_full) return (ssize_t)syscall(SYS_pwrite64, fd, bytes, len, at);
  errno = ENOSPC;
  return -1;
}
