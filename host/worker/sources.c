// SPDX-License-Identifier: Apache-2.0
#include "worker/sources.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "files/beneath.h"

// '%' stands for the name; in module names a dot was turned into a slash before.
static const struct {
  const char *kind, *pattern;
} places[] = {
    {"module", "pipelines/%.lua"},
    {"module", "pipelines/%/init.lua"},
    {"module", "lua/%.lua"},
    {"module", "lua/%/init.lua"},
    {"sql", "pipelines/%"},
    {"sql", "%"},
    {"contract", "contracts/%.yaml"},
    {"contract", "contracts/%.yml"},
    {"contract", "contracts/%.odcs.yaml"},
    {"policy", "pipelines/policies/%.lua"},
};

static int name_check(const char *kind, const char *name, char *plain, size_t size,
                      struct tg_error *err) {
  bool is_module = strcmp(kind, "module") == 0;
  if (!*name || strlen(name) >= size)
    return tg_error_set(err, TG_EINVALID, "the name of a %s has 1 to %zu bytes", kind, size - 1);
  for (size_t i = 0; i <= strlen(name); i++) plain[i] = is_module && name[i] == '.' ? '/' : name[i];
  if (plain[0] == '/' || strstr(plain, "..") || strchr(plain, '\\'))
    return tg_error_set(err, TG_EINVALID, "'%s' is not the name of a %s in the project", name,
                        kind);
  return TG_OK;
}

static void path_make(const char *pattern, const char *name, char path[4096]) {
  const char *mark = strchr(pattern, '%');
  snprintf(path, 4096, "%.*s%s%s", (int)(mark - pattern), pattern, name, mark + 1);
}

static int descriptor_read(int fd, const char *path, struct tg_buf *text, struct tg_error *err) {
  char block[16384];
  for (;;) {
    ssize_t got = read(fd, block, sizeof block);
    if (got == 0) return TG_OK;
    if (got < 0 && errno != EINTR)
      return tg_error_errno(err, TG_EIO, errno, "cannot read %s", path);
    if (got > 0 && !tg_buf_put(text, block, (size_t)got))
      return tg_error_set(err, TG_ELIMIT, "%s is larger than %zu bytes", path, text->max);
  }
}

int tg_sources_read(const char *root, const char *path, struct tg_buf *text, struct tg_error *err) {
  int folder = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return tg_error_errno(err, tg_file_code(errno), errno, "cannot open %s", root);
  int fd = tg_beneath_open(folder, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  int errnum = errno;
  close(folder);
  if (fd < 0)
    return errnum == EXDEV
               ? tg_error_set(err, TG_EDENIED, "%s leads out of the project", path)
               : tg_error_errno(err, tg_file_code(errnum), errnum, "cannot open %s", path);
  struct stat info;
  bool is_file = fstat(fd, &info) == 0 && S_ISREG(info.st_mode); // a pipe would be waited for
  int code = is_file ? descriptor_read(fd, path, text, err)
                     : tg_error_set(err, TG_ENOT_FOUND, "%s is not a file", path);
  close(fd);
  return code;
}

int tg_sources_find(const char *root, const char *kind, const char *name, char path[4096],
                    struct tg_buf *text, struct tg_error *err) {
  char plain[1024], tried[512] = "";
  int code = name_check(kind, name, plain, sizeof plain, err);
  if (code) return code;
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    if (strcmp(places[i].kind, kind) != 0) continue;
    path_make(places[i].pattern, plain, path);
    code = tg_sources_read(root, path, text, err);
    if (code != TG_ENOT_FOUND) return code;
    size_t len = strlen(tried);
    snprintf(tried + len, sizeof tried - len, "%s%s", len ? ", " : "", path);
  }
  if (!*tried) return tg_error_set(err, TG_EINVALID, "there is no kind of source '%s'", kind);
  return tg_error_set(err, TG_ENOT_FOUND, "there is no %s '%s' in the project (looked for %s)",
                      kind, name, tried);
}
