// SPDX-License-Identifier: Apache-2.0
#include "ipc/channel.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/limits.h"

struct pair {
  int fds[2];
  struct tg_channel near, far;
  struct tg_error err;
};

static int setup(void **state) {
  struct pair *pair = calloc(1, sizeof *pair);
  assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair->fds), 0);
  tg_channel_init(&pair->near, pair->fds[0]);
  tg_channel_init(&pair->far, pair->fds[1]);
  *state = pair;
  return 0;
}

static int teardown(void **state) {
  struct pair *pair = *state;
  tg_channel_deinit(&pair->near);
  tg_channel_deinit(&pair->far);
  for (int i = 0; i < 2; i++)
    if (pair->fds[i] >= 0) close(pair->fds[i]);
  free(pair);
  return 0;
}

static void frame_put(struct pair *pair, uint8_t type, const char *body) {
  tg_wire_put_text(tg_channel_begin(&pair->near, type), body);
  assert_int_equal(tg_channel_end(&pair->near, &pair->err), TG_OK);
}

static void expect_frame(struct pair *pair, uint8_t expected, const char *body) {
  uint8_t type;
  struct tg_reader in;
  assert_int_equal(tg_channel_next(&pair->far, &type, &in), 1);
  assert_int_equal(type, expected);
  assert_string_equal(tg_wire_get_text(&in), body);
  assert_true(tg_reader_is_done(&in));
}

static int next(struct pair *pair) {
  uint8_t type;
  struct tg_reader in;
  return tg_channel_next(&pair->far, &type, &in);
}

static void frames_arrive_in_their_order(void **state) {
  struct pair *pair = *state;
  frame_put(pair, 1, "one");
  frame_put(pair, 2, "");
  frame_put(pair, 255, "three");
  assert_true(tg_channel_is_pending(&pair->near));
  assert_int_equal(tg_channel_flush(&pair->near), 0);
  assert_false(tg_channel_is_pending(&pair->near));
  assert_int_equal(next(pair), 0);
  assert_int_equal(tg_channel_fill(&pair->far), 0);
  expect_frame(pair, 1, "one");
  expect_frame(pair, 2, "");
  expect_frame(pair, 255, "three");
  assert_int_equal(next(pair), 0);
}

static void a_frame_may_have_no_body(void **state) {
  struct pair *pair = *state;
  uint8_t type;
  struct tg_reader in;
  tg_channel_begin(&pair->near, 7);
  assert_int_equal(tg_channel_end(&pair->near, &pair->err), TG_OK);
  tg_channel_flush(&pair->near);
  tg_channel_fill(&pair->far);
  assert_int_equal(tg_channel_next(&pair->far, &type, &in), 1);
  assert_int_equal(type, 7);
  assert_true(tg_reader_is_done(&in));
}

static void a_frame_may_come_byte_by_byte(void **state) {
  struct pair *pair = *state;
  static const char bytes[] = "\7\0\0\0\5\1\0\0\0a\0\7\0\0\0\6\1\0\0\0b";
  for (size_t i = 0; i < sizeof bytes; i++) { // the last byte is the NUL of the literal
    if (i != 11 && i != 22) assert_int_equal(next(pair), 0);
    if (i == 11) expect_frame(pair, 5, "a");
    assert_int_equal(send(pair->fds[0], bytes + i, 1, 0), 1);
    assert_int_equal(tg_channel_fill(&pair->far), 0);
  }
  expect_frame(pair, 6, "b");
  assert_int_equal(next(pair), 0);
}

static void filling_with_nothing_there_is_fine(void **state) {
  struct pair *pair = *state;
  assert_int_equal(tg_channel_fill(&pair->far), 0);
  assert_int_equal(next(pair), 0);
}

static int next_of(struct pair *pair, uint32_t len) {
  char bytes[8] = {0};
  memcpy(bytes, &len, sizeof len);
  assert_int_equal(send(pair->fds[0], bytes, sizeof bytes, 0), sizeof bytes);
  tg_channel_fill(&pair->far);
  return next(pair);
}

static void a_length_of_nothing_is_malformed(void **state) {
  assert_int_equal(next_of(*state, 0), -1);
}

static void a_length_above_the_limit_is_malformed(void **state) {
  assert_int_equal(next_of(*state, (uint32_t)TG_FRAME_BYTES_MAX + 1), -1);
}

static void the_largest_length_of_all_is_malformed(void **state) {
  assert_int_equal(next_of(*state, UINT32_MAX), -1);
}

static void a_length_at_the_limit_waits_for_its_frame(void **state) {
  assert_int_equal(next_of(*state, (uint32_t)TG_FRAME_BYTES_MAX), 0);
}

// The socket takes a part at a time: both sides take turns until all is through.
static void a_large_frame_goes_in_parts(void **state) {
  struct pair *pair = *state;
  const size_t len = 20 << 20;
  char *body = malloc(len + 1);
  memset(body, 'x', len);
  body[len] = 0;
  frame_put(pair, 1, "before");
  frame_put(pair, 2, body);
  assert_int_equal(tg_channel_flush(&pair->near), 0);
  assert_true(tg_channel_is_pending(&pair->near)); // no socket holds so much
  frame_put(pair, 3, "after");
  int turns = 0;
  tg_channel_fill(&pair->far);
  expect_frame(pair, 1, "before");
  while (tg_channel_is_pending(&pair->near)) {
    assert_int_equal(tg_channel_flush(&pair->near), 0);
    assert_int_equal(tg_channel_fill(&pair->far), 0);
    turns++;
  }
  for (int i = 0; i < turns + 100; i++) tg_channel_fill(&pair->far);
  expect_frame(pair, 2, body);
  expect_frame(pair, 3, "after");
  assert_true(pair->far.in.cap > len);
  assert_int_equal(next(pair), 0);
  assert_int_equal(pair->far.in.cap, 0); // its memory is not kept until another frame comes
  free(body);
}

static void a_frame_of_exactly_the_limit_may_be_sent(void **state) {
  struct pair *pair = *state;
  const size_t room = (size_t)TG_FRAME_BYTES_MAX - 1; // beside the type
  struct tg_buf *out = tg_channel_begin(&pair->near, 1);
  memset(tg_buf_reserve(out, room), 'x', room);
  out->len += room;
  assert_int_equal(tg_channel_end(&pair->near, &pair->err), TG_OK);
}

static void a_frame_that_is_too_large_is_taken_back(void **state) {
  struct pair *pair = *state;
  const size_t too_much = (size_t)TG_FRAME_BYTES_MAX;
  frame_put(pair, 1, "before");
  struct tg_buf *out = tg_channel_begin(&pair->near, 2);
  memset(tg_buf_reserve(out, too_much), 'x', too_much);
  out->len += too_much;
  assert_int_equal(tg_channel_end(&pair->near, &pair->err), TG_ELIMIT);
  frame_put(pair, 3, "after");
  tg_channel_flush(&pair->near);
  tg_channel_fill(&pair->far);
  expect_frame(pair, 1, "before");
  expect_frame(pair, 3, "after");
}

static void a_frame_for_which_there_is_no_room_is_taken_back(void **state) {
  struct pair *pair = *state;
  pair->near.out.max = 40;
  frame_put(pair, 1, "before");
  tg_wire_put_text(tg_channel_begin(&pair->near, 2), "longer than the room that is left");
  assert_int_equal(tg_channel_end(&pair->near, &pair->err), TG_ELIMIT);
  frame_put(pair, 3, "after");
  tg_channel_flush(&pair->near);
  tg_channel_fill(&pair->far);
  expect_frame(pair, 1, "before");
  expect_frame(pair, 3, "after");
}

static void tells_when_the_other_end_is_gone(void **state) {
  struct pair *pair = *state;
  frame_put(pair, 1, "last words");
  tg_channel_flush(&pair->near);
  close(pair->fds[0]);
  pair->fds[0] = -1;
  assert_int_equal(tg_channel_fill(&pair->far), 0);
  expect_frame(pair, 1, "last words");
  assert_int_equal(tg_channel_fill(&pair->far), -1);
  tg_channel_begin(&pair->far, 2);
  tg_channel_end(&pair->far, NULL);
  assert_int_equal(tg_channel_flush(&pair->far), EPIPE); // and no SIGPIPE
}

#define PAIR_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      PAIR_TEST(frames_arrive_in_their_order),
      PAIR_TEST(a_frame_may_have_no_body),
      PAIR_TEST(a_frame_may_come_byte_by_byte),
      PAIR_TEST(filling_with_nothing_there_is_fine),
      PAIR_TEST(a_length_of_nothing_is_malformed),
      PAIR_TEST(a_length_above_the_limit_is_malformed),
      PAIR_TEST(the_largest_length_of_all_is_malformed),
      PAIR_TEST(a_length_at_the_limit_waits_for_its_frame),
      PAIR_TEST(a_large_frame_goes_in_parts),
      PAIR_TEST(a_frame_of_exactly_the_limit_may_be_sent),
      PAIR_TEST(a_frame_that_is_too_large_is_taken_back),
      PAIR_TEST(a_frame_for_which_there_is_no_room_is_taken_back),
      PAIR_TEST(tells_when_the_other_end_is_gone),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
