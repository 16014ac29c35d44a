// SPDX-License-Identifier: Apache-2.0
#include "files/service.h"

#include <string.h>

#include "base/limits.h"
#include "ipc/wire.h"

static int malformed(struct tg_error *err) {
  return tg_error_set(err, TG_EPROTOCOL, "malformed file request");
}

static size_t max_choose(uint64_t asked, int64_t ceiling) {
  return asked && asked < (uint64_t)ceiling ? (size_t)asked : (size_t)ceiling;
}

// Starts a string whose length is not known yet, and ends it.
static size_t bytes_begin(struct tg_buf *reply) {
  tg_wire_put_u32(reply, 0);
  return reply->len;
}

static void bytes_end(struct tg_buf *reply, size_t start) {
  uint32_t len = (uint32_t)(reply->len - start);
  if (reply->is_failed) return;
  memcpy(reply->data + start - sizeof len, &len, sizeof len); // little-endian, as the wire
  tg_buf_putc(reply, 0);
}

static int read_serve(const struct tg_files *files, const char *path, struct tg_reader *in,
                      struct tg_buf *reply, struct tg_error *err) {
  size_t max = max_choose(tg_wire_get_u64(in), TG_FILE_READ_BYTES_MAX);
  if (!tg_reader_is_done(in)) return malformed(err);
  size_t start = bytes_begin(reply);
  int code = tg_files_read(files, path, max, reply, err);
  if (!code) bytes_end(reply, start);
  return code;
}

static int chunk_serve(const struct tg_files *files, const char *path, struct tg_reader *in,
                       struct tg_buf *reply, struct tg_error *err) {
  struct tg_files_place place = {.offset = tg_wire_get_u64(in)};
  place.identity = tg_wire_get_u64(in);
  size_t max = max_choose(tg_wire_get_u64(in), TG_FILE_CHUNK_BYTES_MAX);
  if (!tg_reader_is_done(in)) return malformed(err);
  size_t start = bytes_begin(reply);
  int code = tg_files_chunk(files, path, max, &place, reply, err);
  if (code) return code;
  bytes_end(reply, start);
  tg_wire_put_u64(reply, place.offset);
  tg_wire_put_u64(reply, place.identity);
  tg_wire_put_u8(reply, place.is_end);
  return TG_OK;
}

struct listing {
  struct tg_buf *reply;
  uint32_t count;
};

static void entry_put(void *self, const char *name, const struct tg_file_info *info) {
  struct listing *listing = self;
  listing->count++;
  tg_wire_put_text(listing->reply, name);
  tg_wire_put_u8(listing->reply, (uint8_t)info->type);
  tg_wire_put_i64(listing->reply, info->size_bytes);
}

static int list_serve(const struct tg_files *files, const char *path, struct tg_reader *in,
                      struct tg_buf *reply, struct tg_error *err) {
  if (!tg_reader_is_done(in)) return malformed(err);
  struct listing listing = {.reply = reply};
  size_t start = reply->len;
  tg_wire_put_u32(reply, 0);
  int code = tg_files_list(files, path, entry_put, &listing, err);
  if (!code && !reply->is_failed) memcpy(reply->data + start, &listing.count, sizeof listing.count);
  return code;
}

static int stat_serve(const struct tg_files *files, const char *path, struct tg_reader *in,
                      struct tg_buf *reply, struct tg_error *err) {
  struct tg_file_info info;
  if (!tg_reader_is_done(in)) return malformed(err);
  int code = tg_files_stat(files, path, &info, err);
  if (code) return code;
  tg_wire_put_u8(reply, (uint8_t)info.type);
  tg_wire_put_i64(reply, info.size_bytes);
  tg_wire_put_i64(reply, info.modified_ms);
  return TG_OK;
}

static int write_serve(const struct tg_files *files, const char *path, struct tg_reader *in,
                       struct tg_error *err) {
  struct tg_slice bytes = tg_wire_get_bytes(in);
  if (!tg_reader_is_done(in)) return malformed(err);
  if (bytes.len > (size_t)TG_FILE_READ_BYTES_MAX)
    return tg_error_set(err, TG_ELIMIT, "more than %lld bytes for %.200s",
                        (long long)TG_FILE_READ_BYTES_MAX, path);
  return tg_files_write(files, path, bytes.data, bytes.len, err);
}

static int op_serve(const struct tg_files *files, struct tg_reader *in, struct tg_buf *reply,
                    struct tg_error *err) {
  uint8_t op = tg_wire_get_u8(in);
  const char *path = tg_wire_get_text(in);
  if (in->is_failed) return malformed(err);
  switch (op) {
  case TG_FILE_READ:
    return read_serve(files, path, in, reply, err);
  case TG_FILE_CHUNK:
    return chunk_serve(files, path, in, reply, err);
  case TG_FILE_LIST:
    return list_serve(files, path, in, reply, err);
  case TG_FILE_STAT:
    return stat_serve(files, path, in, reply, err);
  case TG_FILE_WRITE:
    return write_serve(files, path, in, err);
  default:
    return malformed(err);
  }
}

int tg_files_service_call(const struct tg_files *files, const void *body, size_t len,
                          struct tg_buf *reply, struct tg_error *err) {
  struct tg_reader in = tg_reader_of(body, len);
  int code = op_serve(files, &in, reply, err);
  if (!code && reply->is_failed) code = tg_error_set(err, TG_ELIMIT, "the answer is too large");
  if (code) tg_buf_clear(reply);
  return code;
}
