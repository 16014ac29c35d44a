// SPDX-License-Identifier: Apache-2.0
#include "files/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"
#include "files/beneath.h"

int tg_files_init(struct tg_files *files, const char *base, struct tg_error *err) {
  *files = (struct tg_files){0};
  files->base = realpath(base, NULL);
  if (!files->base) return tg_error_errno(err, tg_file_code(errno), errno, "cannot open %s", base);
  files->roots = calloc(TG_FILE_ROOTS_MAX, sizeof *files->roots);
  if (files->roots) return TG_OK;
  tg_files_deinit(files);
  return tg_error_set(err, TG_ENOMEM, "out of memory");
}

void tg_files_deinit(struct tg_files *files) {
  for (size_t i = 0; i < files->count; i++) {
    close(files->roots[i].fd);
    free(files->roots[i].path);
  }
  free(files->roots);
  free(files->base);
  *files = (struct tg_files){0};
}

// Appends a path's components, each behind a '/', without empty ones and "."; ".." stays.
static bool components_put(char out[PATH_MAX], size_t *len, const char *path) {
  while (*(path += strspn(path, "/"))) {
    size_t size = strcspn(path, "/");
    if (size != 1 || *path != '.') {
      if (*len + size + 2 > PATH_MAX) return false;
      out[(*len)++] = '/';
      memcpy(out + *len, path, size);
      *len += size;
    }
    path += size;
  }
  out[*len] = 0;
  return true;
}

// Makes a path absolute and plain. "/" alone becomes "".
static int path_absolute(const struct tg_files *files, const char *path, char out[PATH_MAX],
                         struct tg_error *err) {
  size_t len = 0;
  out[0] = 0;
  if (!*path) return tg_error_set(err, TG_EINVALID, "the path is empty");
  bool fits = *path == '/' || components_put(out, &len, files->base);
  if (fits && components_put(out, &len, path)) return TG_OK;
  return tg_error_set(err, TG_EINVALID, "the path is too long: %.200s...", path);
}

int tg_files_add_root(struct tg_files *files, const char *path, bool may_write,
                      struct tg_error *err) {
  char absolute[PATH_MAX];
  if (files->count == TG_FILE_ROOTS_MAX)
    return tg_error_set(err, TG_ELIMIT, "more than %d roots for files", TG_FILE_ROOTS_MAX);
  int code = path_absolute(files, path, absolute, err);
  if (!code && strstr(absolute, "/.."))
    code = tg_error_set(err, TG_EINVALID, "the root %.500s must not contain '..'", path);
  const char *name = *absolute ? absolute : "/";
  if (!code && may_write) code = tg_file_make_folder(name, err);
  if (code) return code;
  int fd = open(name, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return tg_error_errno(err, tg_file_code(errno), errno, "cannot open the folder %s", name);
  struct tg_files_root root = {.path = strdup(absolute), .fd = fd, .may_write = may_write};
  if (!root.path) {
    close(fd);
    return tg_error_set(err, TG_ENOMEM, "out of memory");
  }
  files->roots[files->count++] = root;
  return TG_OK;
}

// Says that a path may not be used, TG_EDENIED, and what may be.
static void refuse(const struct tg_files *files, const char *path, bool for_write,
                   struct tg_error *err) {
  struct tg_buf roots;
  tg_buf_init(&roots, TG_ERROR_TEXT_MAX / 2);
  for (size_t i = 0; i < files->count; i++) {
    if (for_write && !files->roots[i].may_write) continue;
    tg_buf_putf(&roots, "%s%s", roots.len ? ", " : "",
                *files->roots[i].path ? files->roots[i].path : "/");
  }
  tg_error_set(err, TG_EDENIED, "%.200s may not be %s: 'files:' in tidegate.yaml allows %s%s", path,
               for_write ? "written" : "read", roots.len ? "only what is below " : "no folder",
               tg_buf_text(&roots));
  tg_buf_deinit(&roots);
}

// A path below a root: the root, and the rest, which is "." for the root itself.
struct place {
  const struct tg_files_root *root;
  char *rest; // in `path`
  char path[PATH_MAX];
};

static int place_find(const struct tg_files *files, const char *path, bool for_write,
                      struct place *place, struct tg_error *err) {
  int code = path_absolute(files, path, place->path, err);
  if (code) return code;
  size_t best = 0;
  place->root = NULL;
  for (size_t i = 0; i < files->count; i++) {
    const struct tg_files_root *root = &files->roots[i];
    size_t len = strlen(root->path);
    bool is_below = strncmp(place->path, root->path, len) == 0 &&
                    (place->path[len] == '/' || !place->path[len]);
    if (!is_below || (place->root && len < best)) continue;
    place->root = root;
    best = len;
  }
  if (!place->root || (for_write && !place->root->may_write)) {
    refuse(files, path, for_write, err);
    return TG_EDENIED;
  }
  place->rest = place->path + best;
  if (*place->rest)
    place->rest++; // the '/'
  else
    place->rest = strcpy(place->path, ".");
  return TG_OK;
}

static int open_fail(const struct tg_files *files, const char *path, bool for_write, int errnum,
                     struct tg_error *err) {
  if (errnum == EXDEV) {
    refuse(files, path, for_write, err);
    return TG_EDENIED;
  }
  int code = errnum == ELOOP ? TG_EDENIED : tg_file_code(errnum);
  return tg_error_errno(err, code, errnum, "cannot open %.500s", path);
}

static int path_open(const struct tg_files *files, const char *path, int flags, int *fd,
                     struct tg_error *err) {
  struct place place;
  int code = place_find(files, path, false, &place, err);
  if (code) return code;
  *fd = tg_beneath_open(place.root->fd, place.rest, flags);
  return *fd >= 0 ? TG_OK : open_fail(files, path, false, errno, err);
}

int tg_files_open_read(const struct tg_files *files, const char *path, int *fd,
                       struct tg_error *err) {
  // O_NONBLOCK, for a named pipe would otherwise hold us until somebody writes to it.
  int code = path_open(files, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, fd, err);
  if (code) return code;
  struct stat info;
  if (fstat(*fd, &info) == 0 && S_ISREG(info.st_mode)) return TG_OK;
  close(*fd);
  return tg_error_set(err, TG_EINVALID, "%.500s is not a regular file", path);
}

// Reads up to `max` bytes into `out`; fewer only at the end of the file.
static int bytes_read(int fd, const char *path, size_t max, struct tg_buf *out,
                      struct tg_error *err) {
  while (max) {
    size_t size = max < 65536 ? max : 65536;
    char *room = tg_buf_reserve(out, size);
    if (!room) return tg_error_set(err, TG_ENOMEM, "out of memory");
    ssize_t got = read(fd, room, size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return tg_error_errno(err, TG_EIO, errno, "cannot read %.500s", path);
    if (got == 0) break;
    out->len += (size_t)got;
    out->data[out->len] = 0;
    max -= (size_t)got;
  }
  return TG_OK;
}

int tg_files_read(const struct tg_files *files, const char *path, size_t max, struct tg_buf *out,
                  struct tg_error *err) {
  int fd;
  size_t before = out->len;
  int code = tg_files_open_read(files, path, &fd, err);
  if (code) return code;
  code = bytes_read(fd, path, max + 1, out, err);
  close(fd);
  if (!code && out->len - before > max)
    code = tg_error_set(err, TG_ELIMIT, "%.500s is larger than %zu bytes; read it with file.lines",
                        path, max);
  return code;
}

static uint64_t identity_of(const struct stat *info) {
  return ((uint64_t)info->st_dev << 48 ^ (uint64_t)info->st_ino) | UINT64_C(1) << 63;
}

static int place_check(int fd, const char *path, struct tg_files_place *place,
                       struct tg_error *err) {
  struct stat info;
  if (fstat(fd, &info) != 0 || place->offset > INT64_MAX ||
      lseek(fd, (off_t)place->offset, SEEK_SET) < 0)
    return tg_error_errno(err, TG_EIO, errno, "cannot read %.500s", path);
  if (!place->identity) place->identity = identity_of(&info);
  // Files of /proc say that they are empty, so only a size that is told can be too short.
  bool is_cut = info.st_size > 0 && (uint64_t)info.st_size < place->offset;
  if (place->identity == identity_of(&info) && !is_cut) return TG_OK;
  return tg_error_set(err, TG_ECONFLICT, "%.500s was replaced or cut while it was read", path);
}

// Keeps whole lines only. A chunk that is not full reaches the end of the file, as far as it is.
static int lines_cut(const char *path, size_t before, size_t max, struct tg_files_place *place,
                     struct tg_buf *out, struct tg_error *err) {
  size_t got = out->len - before;
  place->is_end = got < max;
  if (!place->is_end) {
    const char *newline = memrchr(out->data + before, '\n', got);
    if (!newline)
      return tg_error_set(err, TG_ELIMIT, "%.500s has a line of more than %zu bytes at offset %llu",
                          path, max, (unsigned long long)place->offset);
    out->len = (size_t)(newline + 1 - out->data);
    out->data[out->len] = 0;
  }
  place->offset += out->len - before;
  return TG_OK;
}

int tg_files_chunk(const struct tg_files *files, const char *path, size_t max,
                   struct tg_files_place *place, struct tg_buf *out, struct tg_error *err) {
  int fd;
  size_t before = out->len;
  int code = tg_files_open_read(files, path, &fd, err);
  if (code) return code;
  code = place_check(fd, path, place, err);
  if (!code) code = bytes_read(fd, path, max, out, err);
  if (!code) code = lines_cut(path, before, max, place, out, err);
  close(fd);
  return code;
}

static void info_fill(const struct stat *from, struct tg_file_info *info) {
  *info = (struct tg_file_info){.type = S_ISREG(from->st_mode)   ? TG_FILE_TYPE_FILE
                                        : S_ISDIR(from->st_mode) ? TG_FILE_TYPE_FOLDER
                                        : S_ISLNK(from->st_mode) ? TG_FILE_TYPE_LINK
                                                                 : TG_FILE_TYPE_OTHER,
                                .size_bytes = from->st_size,
                                .modified_ms = (int64_t)from->st_mtim.tv_sec * 1000 +
                                               from->st_mtim.tv_nsec / 1000000};
}

int tg_files_stat(const struct tg_files *files, const char *path, struct tg_file_info *info,
                  struct tg_error *err) {
  int fd;
  struct stat found;
  int code = path_open(files, path, O_PATH, &fd, err);
  if (code) return code;
  if (fstat(fd, &found) != 0)
    code = tg_error_errno(err, TG_EIO, errno, "cannot stat %.500s", path);
  else
    info_fill(&found, info);
  close(fd);
  return code;
}

static int name_compare(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

struct names {
  char **list;
  size_t count, cap;
};

static void names_free(struct names *names) {
  for (size_t i = 0; i < names->count; i++) free(names->list[i]);
  free(names->list);
}

static int name_add(struct names *names, const char *name, struct tg_error *err) {
  if (names->count == TG_FILE_ENTRIES_MAX)
    return tg_error_set(err, TG_ELIMIT, "the folder has more than %d entries", TG_FILE_ENTRIES_MAX);
  if (names->count == names->cap) {
    size_t cap = names->cap ? 2 * names->cap : 64;
    char **list = realloc(names->list, cap * sizeof *list);
    if (!list) return tg_error_set(err, TG_ENOMEM, "out of memory");
    names->list = list;
    names->cap = cap;
  }
  char *copy = strdup(name);
  if (!copy) return tg_error_set(err, TG_ENOMEM, "out of memory");
  names->list[names->count++] = copy;
  return TG_OK;
}

static int names_read(DIR *folder, const char *path, struct names *names, struct tg_error *err) {
  int code = TG_OK;
  struct dirent *entry = NULL;
  errno = 0;
  while (!code && (entry = readdir(folder))) {
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
      code = name_add(names, entry->d_name, err);
    errno = 0;
  }
  if (!code && errno) code = tg_error_errno(err, TG_EIO, errno, "cannot list %.500s", path);
  if (names->count) qsort(names->list, names->count, sizeof *names->list, name_compare);
  return code;
}

int tg_files_list(const struct tg_files *files, const char *path,
                  void (*visit)(void *self, const char *name, const struct tg_file_info *info),
                  void *self, struct tg_error *err) {
  int fd;
  int code = path_open(files, path, O_RDONLY | O_DIRECTORY | O_NONBLOCK, &fd, err);
  if (code) return code;
  DIR *folder = fdopendir(fd);
  if (!folder) {
    code = tg_error_errno(err, TG_EIO, errno, "cannot list %.500s", path);
    close(fd);
    return code;
  }
  struct names names = {0};
  code = names_read(folder, path, &names, err);
  for (size_t i = 0; !code && i < names.count; i++) {
    struct stat found;
    struct tg_file_info info;
    // An entry that went away since it was read is left out.
    if (fstatat(dirfd(folder), names.list[i], &found, AT_SYMLINK_NOFOLLOW) != 0) continue;
    info_fill(&found, &info);
    visit(self, names.list[i], &info);
  }
  names_free(&names);
  closedir(folder);
  return code;
}

// Opens a folder below a root, and makes it, and those above it, where they are missing. The path
// is cut and mended in place.
static int folder_open(int root, char *path) {
  int flags = O_RDONLY | O_DIRECTORY;
  int fd = tg_beneath_open(root, path, flags);
  if (fd >= 0 || errno != ENOENT) return fd;
  char *slash = strrchr(path, '/');
  if (slash) *slash = 0;
  int parent = slash ? folder_open(root, path) : tg_beneath_open(root, ".", flags);
  if (slash) *slash = '/';
  if (parent < 0) return -1;
  int made = mkdirat(parent, slash ? slash + 1 : path, 0755);
  int errnum = errno;
  close(parent);
  errno = errnum;
  if (made != 0 && errnum != EEXIST) return -1;
  return tg_beneath_open(root, path, flags);
}

// Replaces `name` in an open folder. Returns 0 or an errno.
static int name_write(int folder, const char *name, const void *bytes, size_t len) {
  char temporary[64];
  uint64_t random = 0;
  if (getrandom(&random, sizeof random, 0) != sizeof random) return errno;
  snprintf(temporary, sizeof temporary, ".tidegate-%016llx.tmp", (unsigned long long)random);
  int fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (fd < 0) return errno;
  int errnum = tg_file_put(fd, bytes, len) == len && fsync(fd) == 0 ? 0 : errno;
  close(fd);
  if (!errnum && renameat(folder, temporary, folder, name) != 0) errnum = errno;
  if (errnum) {
    unlinkat(folder, temporary, 0);
    return errnum;
  }
  return fsync(folder) == 0 ? 0 : errno;
}

int tg_files_write(const struct tg_files *files, const char *path, const void *bytes, size_t len,
                   struct tg_error *err) {
  struct place place;
  int code = place_find(files, path, true, &place, err);
  if (code) return code;
  char *slash = strrchr(place.rest, '/');
  const char *name = slash ? slash + 1 : place.rest;
  if (strcmp(place.rest, ".") == 0 || strcmp(name, "..") == 0)
    return tg_error_set(err, TG_EINVALID, "%.500s is a folder", path);
  if (slash) *slash = 0;
  int folder = slash ? folder_open(place.root->fd, place.rest)
                     : tg_beneath_open(place.root->fd, ".", O_RDONLY | O_DIRECTORY);
  if (folder < 0) return open_fail(files, path, true, errno, err);
  int errnum = name_write(folder, name, bytes, len);
  close(folder);
  if (errnum)
    return tg_error_errno(err, errnum == EISDIR ? TG_EINVALID : tg_file_code(errnum), errnum,
                          "cannot write %.500s", path);
  return TG_OK;
}
