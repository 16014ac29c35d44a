// SPDX-License-Identifier: Apache-2.0
#include "files/service.h"

#include <string.h>

#include "base/limits.h"

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

static int read_serve(const struct tg_files *files, const struct tg_file_request *request,
                      struct tg_buf *reply, struct tg_error *err) {
  size_t max = max_choose(request->bytes_max, TG_FILE_READ_BYTES_MAX);
  size_t start = bytes_begin(reply);
  int code = tg_files_read(files, request->path, max, reply, err);
  if (!code) bytes_end(reply, start);
  return code;
}

static int chunk_serve(const struct tg_files *files, const struct tg_file_request *request,
                       struct tg_buf *reply, struct tg_error *err) {
  struct tg_files_place place = request->place;
  size_t max = max_choose(request->bytes_max, TG_FILE_CHUNK_BYTES_MAX);
  size_t start = bytes_begin(reply);
  int code = tg_files_chunk(files, request->path, max, &place, reply, err);
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

static int list_serve(const struct tg_files *files, const char *path, struct tg_buf *reply,
                      struct tg_error *err) {
  struct listing listing = {.reply = reply};
  size_t start = reply->len;
  tg_wire_put_u32(reply, 0);
  int code = tg_files_list(files, path, entry_put, &listing, err);
  if (!code && !reply->is_failed) memcpy(reply->data + start, &listing.count, sizeof listing.count);
  return code;
}

static int stat_serve(const struct tg_files *files, const char *path, struct tg_buf *reply,
                      struct tg_error *err) {
  struct tg_file_info info;
  int code = tg_files_stat(files, path, &info, err);
  if (code) return code;
  tg_wire_put_u8(reply, (uint8_t)info.type);
  tg_wire_put_i64(reply, info.size_bytes);
  tg_wire_put_i64(reply, info.modified_ms);
  return TG_OK;
}

static int write_serve(const struct tg_files *files, const struct tg_file_request *request,
                       struct tg_error *err) {
  if (request->bytes.len > (size_t)TG_FILE_READ_BYTES_MAX)
    return tg_error_set(err, TG_ELIMIT, "more than %lld bytes for %.200s",
                        (long long)TG_FILE_READ_BYTES_MAX, request->path);
  return tg_files_write(files, request->path, request->bytes.data, request->bytes.len, err);
}

int tg_file_request_read(const void *body, size_t len, struct tg_file_request *request,
                         struct tg_error *err) {
  struct tg_reader in = tg_reader_of(body, len);
  uint8_t op = tg_wire_get_u8(&in);
  *request = (struct tg_file_request){.op = (enum tg_file_op)op, .path = tg_wire_get_text(&in)};
  if (op == TG_FILE_CHUNK) {
    request->place.offset = tg_wire_get_u64(&in);
    request->place.identity = tg_wire_get_u64(&in);
  }
  if (op == TG_FILE_READ || op == TG_FILE_CHUNK) request->bytes_max = tg_wire_get_u64(&in);
  if (op == TG_FILE_WRITE) request->bytes = tg_wire_get_bytes(&in);
  bool is_known = op >= TG_FILE_READ && op <= TG_FILE_WRITE;
  if (is_known && tg_reader_is_done(&in)) return TG_OK;
  return tg_error_set(err, TG_EPROTOCOL, "malformed file request");
}

static int op_serve(const struct tg_files *files, const struct tg_file_request *request,
                    struct tg_buf *reply, struct tg_error *err) {
  switch (request->op) {
  case TG_FILE_READ:
    return read_serve(files, request, reply, err);
  case TG_FILE_CHUNK:
    return chunk_serve(files, request, reply, err);
  case TG_FILE_LIST:
    return list_serve(files, request->path, reply, err);
  case TG_FILE_STAT:
    return stat_serve(files, request->path, reply, err);
  case TG_FILE_WRITE:
    return write_serve(files, request, err);
  }
  return tg_error_set(err, TG_EPROTOCOL, "malformed file request");
}

int tg_file_request_serve(const struct tg_files *files, const struct tg_file_request *request,
                          struct tg_buf *reply, struct tg_error *err) {
  int code = op_serve(files, request, reply, err);
  if (!code && reply->is_failed) code = tg_error_set(err, TG_ELIMIT, "the answer is too large");
  if (code) tg_buf_clear(reply);
  return code;
}

int tg_files_service_call(const struct tg_files *files, const void *body, size_t len,
                          struct tg_buf *reply, struct tg_error *err) {
  struct tg_file_request request;
  int code = tg_file_request_read(body, len, &request, err);
  return code ? code : tg_file_request_serve(files, &request, reply, err);
}
