// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"
#include "worker/attempt_log.h"

static char folder[64], path[256];
static struct tg_loop *loop;
static struct tg_serial *disk;
static struct tg_attempt_log *diary;
static struct tg_buf text; // of the file, times left out

static int setup(void **state) {
  (void)state;
  strcpy(folder, "/tmp/tidegate-test-XXXXXX");
  assert_non_null(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/logs/run/task.2.log", folder);
  loop = tg_loop_new(NULL);
  disk = tg_serial_new(loop, NULL);
  assert_non_null(disk);
  diary = tg_attempt_log_new(disk, folder, "run", "task", 2);
  tg_buf_init(&text, 64 << 20);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  static const char *const left[] = {"logs/run/task.2.log", "logs/run", "logs", ""};
  for (size_t i = 0; i < 4; i++) {
    char name[256];
    snprintf(name, sizeof name, "%s/%s", folder, left[i]);
    remove(name);
  }
  tg_buf_deinit(&text);
  return access(folder, F_OK) == 0;
}

// Ends the log; what is left of it is written then.
static void diary_close(void) {
  tg_attempt_log_free(diary);
  tg_serial_free(disk);
  tg_loop_free(loop);
}

// Closes the log and reads it; the time before each line is checked and cut.
static const char *closed(void) {
  struct tg_buf whole;
  diary_close();
  tg_buf_init(&whole, 64 << 20);
  assert_int_equal(tg_file_read(path, &whole, NULL), TG_OK);
  for (const char *at = whole.data; *at;) {
    const char *end = strchr(at, '\n');
    assert_non_null(end);
    assert_true(end - at > 25 && at[10] == 'T' && at[23] == 'Z' && at[24] == ' ');
    tg_buf_put(&text, at + 25, (size_t)(end - at) - 24);
    at = end + 1;
  }
  tg_buf_deinit(&whole);
  return tg_buf_text(&text);
}

static void line(const char *stream, const char *words) {
  tg_attempt_log_line(diary, stream, words, strlen(words));
}

static void output(int stream, const char *bytes) {
  tg_attempt_log_output(diary, stream, bytes, strlen(bytes));
}

static void nothing_said_makes_no_file(void **state) {
  (void)state;
  output(0, "");
  diary_close();
  assert_int_equal(access(path, F_OK), -1);
}

static void lines_are_kept_with_their_stream(void **state) {
  (void)state;
  line("info", "one\ntwo");
  line("warn", "three\n");
  assert_string_equal(closed(), "info one\ninfo two\nwarn three\n");
}

static void control_characters_are_escaped(void **state) {
  (void)state;
  tg_attempt_log_line(diary, "info", "a\x1b[2Jb\0c\x7f\t\r\xc3\xa9", 13);
  output(0, "\x1b]0;title\x07\n");
  assert_string_equal(closed(),
                      "info a\\x1b[2Jb\\x00c\\x7f\t\\x0d\xc3\xa9\nout \\x1b]0;title\\x07\n");
}

static void streams_are_put_together_line_by_line(void **state) {
  (void)state;
  output(0, "out one, ");
  output(1, "err one\nerr ");
  output(0, "still one\r\nout");
  output(1, "two");
  output(0, " two");
  assert_string_equal(closed(), "err err one\nout out one, still one\nout out two\nerr err two\n");
}

static void the_last_line_that_says_something_is_known(void **state) {
  (void)state;
  size_t len;
  assert_string_equal(tg_attempt_log_last(diary, 0, &len), "");
  output(0, "first\n{\"a\":1}\r\n\n  \t\n");
  output(1, "noise\n");
  assert_string_equal(tg_attempt_log_last(diary, 0, &len), "{\"a\":1}");
  assert_int_equal(len, 7);
  output(0, "open");
  assert_string_equal(tg_attempt_log_last(diary, 0, &len), "open");
  assert_string_equal(tg_attempt_log_last(diary, 1, &len), "noise");
  closed();
}

static void a_long_line_is_cut_and_says_so(void **state) {
  (void)state;
  char *words = calloc(1, 20001);
  memset(words, 'x', 20000);
  line("info", words);
  words[TG_LOG_LINE_BYTES_MAX] = 0;
  line("info", words);
  closed();
  assert_non_null(strstr(text.data, "x (3616 bytes of this line dropped)\ninfo xx"));
  assert_int_equal(text.len, 5 + 16384 + 34 + 1 + 5 + 16384 + 1);
  free(words);
}

static void of_what_passes_the_cap_the_middle_is_dropped_and_counted(void **state) {
  (void)state;
  enum { LINE = 1000, LINES = 64 * 1024, BEFORE = 24 + 5 }; // the time and the stream
  char bytes[LINE];
  memset(bytes, 'y', sizeof bytes);
  bytes[LINE - 1] = '\n';
  output(0, "the beginning\n");
  for (int i = 0; i < LINES; i++) tg_attempt_log_output(diary, i & 1, bytes, sizeof bytes);
  output(0, "the end"); // without a line end
  closed();
  struct stat info;
  assert_int_equal(stat(path, &info), 0);
  assert_true(info.st_size <= TG_ATTEMPT_LOG_BYTES_MAX + 64 * 1024);
  assert_true(info.st_size > TG_ATTEMPT_LOG_BYTES_MAX - 64 * 1024);
  size_t kept = 0;
  for (const char *at = text.data; (at = strchr(at, '\n')); at++) kept++;
  const char *mark = strstr(text.data, "warn ");
  assert_non_null(mark);
  long long lines, lost;
  assert_int_equal(sscanf(mark, "warn %lld lines (%lld bytes) dropped\n", &lines, &lost), 2);
  assert_int_equal((size_t)lines + kept - 3, LINES);
  assert_int_equal(lost, lines * (BEFORE + LINE));
  assert_ptr_equal(strstr(text.data, "out the beginning\n"), text.data);
  assert_string_equal(text.data + text.len - strlen("\nout the end\n"), "\nout the end\n");
  size_t tail = text.len - (size_t)(mark - text.data);
  assert_true(tail < (size_t)TG_ATTEMPT_LOG_TAIL_BYTES_MAX);
  assert_true(tail > (size_t)TG_ATTEMPT_LOG_TAIL_BYTES_MAX - 32 * 1024);
}

static void output_without_line_ends_is_kept_in_part(void **state) {
  (void)state;
  enum { BLOCK = 1 << 20, BLOCKS = 64 };
  char *bytes = malloc(BLOCK);
  size_t len;
  memset(bytes, 'z', BLOCK);
  output(0, "{\"an\":\"earlier line\"}\n");
  for (int i = 0; i < BLOCKS; i++) tg_attempt_log_output(diary, 0, bytes, BLOCK);
  assert_string_equal(tg_attempt_log_last(diary, 0, &len), ""); // too long to be anybody's result
  output(0, "after it\n");
  assert_string_equal(tg_attempt_log_last(diary, 0, &len), "after it");
  closed();
  char mark[80];
  snprintf(mark, sizeof mark, "z (%d bytes of this line dropped)\nout after it\n",
           BLOCK * BLOCKS - (int)TG_LOG_LINE_BYTES_MAX);
  assert_non_null(strstr(text.data, mark));
  free(bytes);
}

static void a_log_that_cannot_be_written_stops_nobody(void **state) {
  (void)state;
  char place[128];
  snprintf(place, sizeof place, "%s/logs", folder);
  assert_int_equal(tg_file_write(place, "in the way", 10, NULL), TG_OK);
  size_t len;
  output(0, "result\n");
  assert_string_equal(tg_attempt_log_last(diary, 0, &len), "result");
  diary_close();
}

// A disk that is slow: the queue is held by another call.
static void hold(void *self) {
  while (sem_wait(self)) continue;
}

static void let_go(void *self) {
  sem_destroy(self);
}

static void a_slow_disk_holds_nobody_and_loses_nothing(void **state) {
  (void)state;
  sem_t gate;
  sem_init(&gate, 0, 0);
  struct tg_serial_call call = {.run = hold, .done = let_go, .self = &gate};
  tg_serial_add(disk, &call);
  line("info", "one");
  line("info", "two");
  tg_loop_turn(loop, false);
  line("info", "three");
  output(0, "four");
  assert_int_equal(access(path, F_OK), -1);
  sem_post(&gate);
  assert_string_equal(closed(), "info one\ninfo two\ninfo three\nout four\n");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(nothing_said_makes_no_file, setup, teardown),
      cmocka_unit_test_setup_teardown(lines_are_kept_with_their_stream, setup, teardown),
      cmocka_unit_test_setup_teardown(control_characters_are_escaped, setup, teardown),
      cmocka_unit_test_setup_teardown(streams_are_put_together_line_by_line, setup, teardown),
      cmocka_unit_test_setup_teardown(the_last_line_that_says_something_is_known, setup, teardown),
      cmocka_unit_test_setup_teardown(a_long_line_is_cut_and_says_so, setup, teardown),
      cmocka_unit_test_setup_teardown(of_what_passes_the_cap_the_middle_is_dropped_and_counted,
                                      setup, teardown),
      cmocka_unit_test_setup_teardown(output_without_line_ends_is_kept_in_part, setup, teardown),
      cmocka_unit_test_setup_teardown(a_log_that_cannot_be_written_stops_nobody, setup, teardown),
      cmocka_unit_test_setup_teardown(a_slow_disk_holds_nobody_and_loses_nothing, setup, teardown),
  };
  return cmocka_run_group_tests_name("host/worker/attempt_log", tests, NULL, NULL);
}
