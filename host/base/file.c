// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int tg_file_code(int errnum) {
  switch (errnum) {
  case ENOENT:
  case ENOTDIR:
    return TG_ENOT_FOUND;
  case EACCES:
  case EPERM:
  case EROFS:
    return TG_EDENIED;
  default:
    return TG_EIO;
  }
}

int tg_file_read_from(int fd, const char *name, struct tg_buf *buf, struct tg_error *err) {
  for (;;) {
    char block[65536];
    ssize_t got = read(fd, block, sizeof block);
    if (got == 0) return TG_OK;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return tg_error_errno(err, TG_EIO, errno, "cannot read %s", name);
    if (tg_buf_put(buf, block, (size_t)got)) continue;
    if (buf->is_out_of_memory) return tg_error_set(err, TG_ENOMEM, "no memory to read %s", name);
    return tg_error_set(err, TG_ELIMIT, "%s is larger than %zu bytes", name, buf->max);
  }
}

int tg_file_read(const char *path, struct tg_buf *buf, struct tg_error *err) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return tg_error_errno(err, tg_file_code(errno), errno, "cannot open %s", path);
  int code = tg_file_read_from(fd, path, buf, err);
  close(fd);
  return code;
}

static int folder_sync(const char *path) {
  char folder[4096];
  const char *slash = strrchr(path, '/');
  size_t len = slash ? (size_t)(slash - path) : 0;
  if (len >= sizeof folder) return -1;
  memcpy(folder, path, len);
  folder[len] = 0;
  int fd = open(!slash ? "." : len ? folder : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return -1;
  int result = fsync(fd);
  close(fd);
  return result;
}

size_t tg_file_put(int fd, const void *bytes, size_t len) {
  size_t done = 0;
  while (done < len) {
    ssize_t put = write(fd, (const char *)bytes + done, len - done);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) break;
    done += (size_t)put;
  }
  return done;
}

int tg_file_write(const char *path, const void *bytes, size_t len, struct tg_error *err) {
  char temporary[4096];
  int size = snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);
  if (size < 0 || (size_t)size >= sizeof temporary)
    return tg_error_set(err, TG_EINVALID, "path too long: %s", path);
  int fd = mkostemp(temporary, O_CLOEXEC);
  if (fd < 0) return tg_error_errno(err, tg_file_code(errno), errno, "cannot write %s", path);
  int failed = tg_file_put(fd, bytes, len) != len || fsync(fd) != 0 || fchmod(fd, 0644) != 0;
  int errnum = errno;
  close(fd);
  if (!failed && rename(temporary, path) == 0 && folder_sync(path) == 0) return TG_OK;
  if (!failed) errnum = errno;
  unlink(temporary);
  return tg_error_errno(err, TG_EIO, errnum, "cannot write %s", path);
}

int tg_file_make_folder(const char *path, struct tg_error *err) {
  char part[4096];
  size_t len = strlen(path);
  if (len >= sizeof part) return tg_error_set(err, TG_EINVALID, "path too long: %s", path);
  memcpy(part, path, len + 1);
  for (size_t i = 1; i <= len; i++) {
    if (part[i] != '/' && part[i] != 0) continue;
    char kept = part[i];
    part[i] = 0;
    if (mkdir(part, 0755) != 0 && errno != EEXIST)
      return tg_error_errno(err, tg_file_code(errno), errno, "cannot make the folder %s", part);
    part[i] = kept;
  }
  struct stat info;
  if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode))
    return tg_error_set(err, TG_EINVALID, "%s is not a folder", path);
  return TG_OK;
}
