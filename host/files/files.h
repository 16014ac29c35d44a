// SPDX-License-Identifier: Apache-2.0
// The files of scripts: only below the roots that `files:` in tidegate.yaml allows.
//
// A path is absolute or relative to the project's folder. The root is the one whose path it starts
// with (the longest, if several do); from there on the kernel sees to it that nothing leads out.
// After the roots are added nothing changes any more, so any thread may read.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

struct tg_files_root {
  char *path; // absolute, without '.', '..' or a '/' at the end
  int fd;
  bool may_write;
};

struct tg_files {
  char *base;
  struct tg_files_root *roots;
  size_t count;
};

enum tg_file_type { TG_FILE_TYPE_FILE, TG_FILE_TYPE_FOLDER, TG_FILE_TYPE_LINK, TG_FILE_TYPE_OTHER };

struct tg_file_info {
  enum tg_file_type type;
  int64_t size_bytes;
  int64_t modified_ms; // since 1970
};

/// Starts with no roots; `base` is the folder that relative paths are relative to.
///
/// Errors: TG_ENOMEM, TG_EIO
int tg_files_init(struct tg_files *files, const char *base, struct tg_error *err);
void tg_files_deinit(struct tg_files *files);

/// Adds a root: a folder that is there; links on the way to it are followed once, here. A root that
/// may be written is made if it is absent.
///
/// Errors: TG_ENOT_FOUND, TG_EDENIED, TG_EINVALID (not a folder), TG_ELIMIT
int tg_files_add_root(struct tg_files *files, const char *path, bool may_write,
                      struct tg_error *err);

/// Opens a regular file for reading.
///
/// Owns:   the caller closes *fd
/// Errors: TG_EDENIED with the roots that are allowed, TG_ENOT_FOUND, TG_EINVALID for a folder or a
///         device, TG_EIO
int tg_files_open_read(const struct tg_files *files, const char *path, int *fd,
                       struct tg_error *err);

/// Appends a whole file to `out`.
///
/// Errors: as tg_files_open_read; TG_ELIMIT past `max` bytes
int tg_files_read(const struct tg_files *files, const char *path, size_t max, struct tg_buf *out,
                  struct tg_error *err);

/// Where a reading in chunks stands. Starts as zeros.
struct tg_files_place {
  uint64_t offset;
  uint64_t identity; // of the file, so that one that was replaced is noticed
  bool is_end;
};

/// Appends whole lines from `place` on, about `max` bytes; the last line of the file may lack its
/// line end.
///
/// Errors: as tg_files_open_read; TG_ECONFLICT when the file was replaced or cut short meanwhile;
///         TG_ELIMIT for a line longer than `max`
int tg_files_chunk(const struct tg_files *files, const char *path, size_t max,
                   struct tg_files_place *place, struct tg_buf *out, struct tg_error *err);

/// Calls `visit` for each entry of a folder, sorted by name, without "." and "..".
///
/// Errors: as tg_files_open_read; TG_ELIMIT past TG_FILE_ENTRIES_MAX entries
int tg_files_list(const struct tg_files *files, const char *path,
                  void (*visit)(void *self, const char *name, const struct tg_file_info *info),
                  void *self, struct tg_error *err);

/// Tells what a path is; a link is followed.
int tg_files_stat(const struct tg_files *files, const char *path, struct tg_file_info *info,
                  struct tg_error *err);

/// Writes a file below a root that may be written: temporary file, fsync, rename, fsync of the
/// folder. Folders that are missing are made.
///
/// Errors: TG_EDENIED, TG_EINVALID, TG_EFULL, TG_EIO; the old file is then untouched
int tg_files_write(const struct tg_files *files, const char *path, const void *bytes, size_t len,
                   struct tg_error *err);
