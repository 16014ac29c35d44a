// SPDX-License-Identifier: Apache-2.0
#include "ipc/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/limits.h"

enum { HEADER_BYTES = 4, READ_BYTES = 64 * 1024, KEPT_BYTES_MAX = 1024 * 1024 };

// What one flush may send: a reader that keeps up must not hold the sender for all of a large
// frame.
enum { FLUSH_BYTES_MAX = 1024 * 1024 };

void tg_channel_init(struct tg_channel *channel, int fd) {
  *channel = (struct tg_channel){.fd = fd};
  tg_buf_init(&channel->in, (size_t)TG_FRAME_BYTES_MAX + READ_BYTES * 2);
  tg_buf_init(&channel->out, (size_t)TG_FRAME_BYTES_MAX * 4);
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

void tg_channel_deinit(struct tg_channel *channel) {
  tg_buf_deinit(&channel->in);
  tg_buf_deinit(&channel->out);
}

struct tg_buf *tg_channel_begin(struct tg_channel *channel, uint8_t type) {
  channel->frame_at = channel->out.len;
  tg_wire_put_u32(&channel->out, 0);
  tg_wire_put_u8(&channel->out, type);
  return &channel->out;
}

int tg_channel_end(struct tg_channel *channel, struct tg_error *err) {
  struct tg_buf *out = &channel->out;
  size_t len = out->len - channel->frame_at - HEADER_BYTES;
  if (out->is_failed || len > (size_t)TG_FRAME_BYTES_MAX) {
    out->is_failed = false;
    out->len = channel->frame_at;
    return tg_error_set(err, TG_ELIMIT, "a message may have at most %lld bytes",
                        (long long)TG_FRAME_BYTES_MAX);
  }
  uint32_t header = (uint32_t)len;
  memcpy(out->data + channel->frame_at, &header, sizeof header);
  return TG_OK;
}

// Removes what is done with. The memory that one large frame took is not kept for small ones.
static void done_remove(struct tg_buf *buf, size_t *at) {
  tg_buf_consume(buf, *at);
  *at = 0;
  if (buf->len || buf->cap <= KEPT_BYTES_MAX) return;
  size_t max = buf->max;
  tg_buf_deinit(buf);
  tg_buf_init(buf, max);
}

int tg_channel_flush(struct tg_channel *channel) {
  struct tg_buf *out = &channel->out;
  size_t until =
      channel->out_at + FLUSH_BYTES_MAX < out->len ? channel->out_at + FLUSH_BYTES_MAX : out->len;
  while (channel->out_at < until) {
    ssize_t put =
        send(channel->fd, out->data + channel->out_at, until - channel->out_at, MSG_NOSIGNAL);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) {
      if (errno != EAGAIN) return errno;
      break;
    }
    channel->out_at += (size_t)put;
  }
  if (channel->out_at == out->len || channel->out_at > out->len / 2)
    done_remove(out, &channel->out_at);
  return 0;
}

bool tg_channel_is_pending(const struct tg_channel *channel) {
  return channel->out_at < channel->out.len;
}

int tg_channel_fill(struct tg_channel *channel) {
  struct tg_buf *in = &channel->in;
  done_remove(in, &channel->in_at);
  char *room = tg_buf_reserve(in, READ_BYTES);
  if (!room) return ENOBUFS;
  ssize_t got = recv(channel->fd, room, READ_BYTES, 0);
  if (got == 0) return -1;
  if (got < 0) return errno == EAGAIN || errno == EINTR ? 0 : errno;
  in->len += (size_t)got;
  return 0;
}

int tg_channel_next(struct tg_channel *channel, uint8_t *type, struct tg_reader *body) {
  const char *frame = tg_buf_text(&channel->in) + channel->in_at;
  size_t have = channel->in.len - channel->in_at;
  uint32_t len;
  if (!have) done_remove(&channel->in, &channel->in_at); // a large frame is not kept until the next
  if (have < HEADER_BYTES) return 0;
  memcpy(&len, frame, sizeof len);
  if (len < 1 || len > TG_FRAME_BYTES_MAX) return -1;
  if (have - HEADER_BYTES < len) return 0;
  *type = (uint8_t)frame[HEADER_BYTES];
  *body = tg_reader_of(frame + HEADER_BYTES + 1, len - 1);
  channel->in_at += HEADER_BYTES + len;
  return 1;
}
