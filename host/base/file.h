// SPDX-License-Identifier: Apache-2.0
// Whole files: read under a ceiling, written so that a reader sees the old or the new one.
#pragma once

#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"

/// Reads a file into `buf` (initialised by the caller, whose ceiling holds).
///
/// Errors: TG_ENOT_FOUND, TG_EDENIED, TG_ELIMIT, TG_EIO
int tg_file_read(const char *path, struct tg_buf *buf, struct tg_error *err);

/// Reads a stream to its end; `name` is what an error calls it.
///
/// Errors: TG_ELIMIT, TG_EIO
int tg_file_read_from(int fd, const char *name, struct tg_buf *buf, struct tg_error *err);

/// Writes a file: temporary file beside it, fsync, rename, fsync of the folder.
///
/// Errors: TG_EDENIED, TG_EFULL, TG_EIO; the old file is then untouched
int tg_file_write(const char *path, const void *bytes, size_t len, struct tg_error *err);

/// Writes bytes to a descriptor that blocks, in as many calls as it takes.
///
/// Shape:  gives how many were written; fewer than `len`, with errno set, when it failed
size_t tg_file_put(int fd, const void *bytes, size_t len);

/// Makes a folder and the folders above it; one that is there is fine.
int tg_file_make_folder(const char *path, struct tg_error *err);

/// Maps errno of a failed open to a code.
int tg_file_code(int errnum);
