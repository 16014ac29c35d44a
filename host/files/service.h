// SPDX-License-Identifier: Apache-2.0
// Files as worker requests see them (TG_REQUEST_FILE).
//
// A request is a u8 op, the path (text), and then, in the encoding of ipc/wire.h:
//
//   op      body                                        reply
//   READ    u64 bytes_max (0: the usual ceiling)        bytes
//   CHUNK   u64 offset, u64 identity, u64 bytes_max     bytes, u64 offset, u64 identity, u8 is_end
//   LIST    -                                           list of (name, u8 type, i64 size)
//   STAT    -                                           u8 type, i64 size, i64 modified_ms
//   WRITE   bytes                                       -
//
// A first CHUNK has offset and identity 0; the next one sends back what the reply gave.
// Types are those of enum tg_file_type. Ceilings: TG_FILE_READ_BYTES_MAX, TG_FILE_CHUNK_BYTES_MAX.
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "files/files.h"
#include "ipc/wire.h"

enum tg_file_op {
  TG_FILE_READ = 1,
  TG_FILE_CHUNK,
  TG_FILE_LIST,
  TG_FILE_STAT,
  TG_FILE_WRITE,
};

/// A request as it was read; path and bytes point into the body.
struct tg_file_request {
  enum tg_file_op op;
  const char *path;
  uint64_t bytes_max;
  struct tg_files_place place;
  struct tg_slice bytes;
};

/// Reads one request.
///
/// Errors: TG_EPROTOCOL for a malformed body
int tg_file_request_read(const void *body, size_t len, struct tg_file_request *request,
                         struct tg_error *err);

/// Serves a request, on any thread, and appends the reply to `reply`, which the caller has made
/// with room for TG_FRAME_BYTES_MAX and which is empty on an error.
///
/// Errors: those of files.h
int tg_file_request_serve(const struct tg_files *files, const struct tg_file_request *request,
                          struct tg_buf *reply, struct tg_error *err);

/// Reads a request and serves it.
int tg_files_service_call(const struct tg_files *files, const void *body, size_t len,
                          struct tg_buf *reply, struct tg_error *err);
