// SPDX-License-Identifier: Apache-2.0
#include "cli/progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"

// 2026-11-20T22:15:03Z
static const int64_t start_ms = INT64_C(1795212903000);

// A terminal that keeps what is written to it.
struct terminal {
  struct tg_buf written;
  uint32_t writes, width, height;
  struct tg_plan *plan;
};

static void terminal_write(void *self, const char *bytes, size_t len) {
  struct terminal *terminal = self;
  tg_buf_put(&terminal->written, bytes, len);
  terminal->writes++;
}

static void terminal_size(void *self, uint32_t *width, uint32_t *height) {
  const struct terminal *terminal = self;
  *width = terminal->width;
  *height = terminal->height;
}

// Reads a plan of `count` tasks without edges, named bronze, silver, task2, task3, ...
static struct tg_plan *plan_make(uint32_t count) {
  struct tg_buf text;
  struct tg_plan *plan = NULL;
  struct tg_error err = {0};
  tg_buf_init(&text, 1 << 20);
  tg_buf_puts(&text,
              "{\"name\":\"orders\",\"doc\":\"\",\"file\":\"pipelines/orders.lua\",\"line\":1,"
              "\"limits\":{},\"params\":[],\"on\":[],\"policies\":[],\"tasks\":[");
  for (uint32_t i = 0; i < count; i++) {
    char name[16];
    snprintf(name, sizeof name, i == 0 ? "bronze" : i == 1 ? "silver" : "task%u", i);
    tg_buf_putf(
        &text,
        "%s{\"name\":\"%s\",\"word\":\"task\",\"runner\":\"script\",\"line\":1,\"after\":[],"
        "\"when\":\"all_success\",\"retry\":{\"attempts\":1,\"backoff\":\"constant\","
        "\"base_ms\":1000,\"cap_ms\":1000,\"factor\":2,\"jitter\":\"none\","
        "\"on\":[\"transient\"],\"total_ms\":0}}",
        i ? "," : "", name);
  }
  tg_buf_puts(&text, "]}");
  if (tg_plan_parse(text.data, text.len, &plan, &err)) fail_msg("%s", err.text);
  tg_buf_deinit(&text);
  return plan;
}

static struct terminal *terminal_new(uint32_t tasks) {
  struct terminal *terminal = calloc(1, sizeof *terminal);
  assert_non_null(terminal);
  terminal->width = 60;
  terminal->height = 10;
  tg_buf_init(&terminal->written, 1 << 20);
  terminal->plan = plan_make(tasks);
  return terminal;
}

static void terminal_free(struct terminal *terminal) {
  tg_plan_free(terminal->plan);
  tg_buf_deinit(&terminal->written);
  free(terminal);
}

static struct tg_progress *progress_new(struct terminal *terminal, enum tg_progress_mode mode) {
  struct tg_progress_target target = {terminal_write, terminal_size, terminal};
  struct tg_progress *progress = tg_progress_new(terminal->plan, mode, false, target, start_ms);
  assert_non_null(progress);
  return progress;
}

static void change(struct tg_progress *progress, uint32_t task, enum tg_task_state state,
                   uint32_t attempt, const char *error, int64_t retry_in_ms, int64_t at_ms) {
  struct tg_progress_change what = {.task = task,
                                    .state = state,
                                    .attempt = attempt,
                                    .error = error,
                                    .retry_at = retry_in_ms ? start_ms + at_ms + retry_in_ms : 0};
  tg_progress_task(progress, &what, start_ms + at_ms);
}

// Compares what was written since the last look.
static void expect(struct terminal *terminal, const char *expected) {
  assert_string_equal(tg_buf_text(&terminal->written), expected);
  tg_buf_clear(&terminal->written);
}

static void plain_writes_a_line_for_each_change(void **state) {
  (void)state;
  struct terminal *terminal = terminal_new(3);
  struct tg_progress *progress = progress_new(terminal, TG_PROGRESS_PLAIN);
  change(progress, 0, TG_TASK_READY, 0, NULL, 0, 0);
  change(progress, 0, TG_TASK_RUNNING, 1, NULL, 0, 0);
  tg_progress_report(progress, 0, 1, 2);
  tg_progress_tick(progress, start_ms + 500);
  change(progress, 0, TG_TASK_READY, 1, "no\nluck", 4000, 1000);
  change(progress, 0, TG_TASK_RUNNING, 2, NULL, 0, 5000);
  change(progress, 0, TG_TASK_SUCCESS, 2, NULL, 0, 6200);
  change(progress, 1, TG_TASK_SKIPPED, 0, NULL, 0, 6200);
  tg_progress_log(progress, 0, "warn", "look \033[31mhere", start_ms + 6300);
  tg_progress_log(progress, UINT32_MAX, "", "anything", start_ms + 6300);
  tg_progress_finish(progress, TG_RUN_SUCCESS, start_ms + 7000);
  tg_progress_free(progress);
  expect(terminal, "22:15:03 bronze  running\n"
                   "22:15:04 bronze  retry  next attempt in 4.0s  no luck\n"
                   "22:15:08 bronze  running  attempt 2\n"
                   "22:15:09 bronze  success  6.2s  attempt 2\n"
                   "22:15:09 silver  skipped\n"
                   "22:15:09 bronze  warn   look here\n"
                   "anything\n"
                   "orders success after 7.0s: 1 skipped, 1 success, 1 waiting\n");
  terminal_free(terminal);
}

static void json_writes_an_object_for_each_change(void **state) {
  (void)state;
  struct terminal *terminal = terminal_new(1);
  struct tg_progress *progress = progress_new(terminal, TG_PROGRESS_JSON);
  change(progress, 0, TG_TASK_RUNNING, 1, NULL, 0, 0);
  change(progress, 0, TG_TASK_READY, 1, "a \"word\"", 1000, 0);
  change(progress, 0, TG_TASK_FAILED, 1, NULL, 0, 1500);
  tg_progress_log(progress, 0, "out", "x", start_ms);
  tg_progress_finish(progress, TG_RUN_FAILED, start_ms + 2000);
  tg_progress_free(progress);
  expect(terminal,
         "{\"time\":\"2026-11-20T22:15:03.000Z\",\"pipeline\":\"orders\",\"task\":\"bronze\","
         "\"state\":\"running\",\"attempt\":1}\n"
         "{\"time\":\"2026-11-20T22:15:03.000Z\",\"pipeline\":\"orders\",\"task\":\"bronze\","
         "\"state\":\"ready\",\"attempt\":1,\"retry_at\":\"2026-11-20T22:15:04.000Z\","
         "\"error\":\"a \\\"word\\\"\"}\n"
         "{\"time\":\"2026-11-20T22:15:04.500Z\",\"pipeline\":\"orders\",\"task\":\"bronze\","
         "\"state\":\"failed\",\"attempt\":1,\"duration_ms\":1500}\n"
         "{\"time\":\"2026-11-20T22:15:03.000Z\",\"pipeline\":\"orders\",\"task\":\"bronze\","
         "\"stream\":\"out\",\"text\":\"x\"}\n"
         "{\"time\":\"2026-11-20T22:15:05.000Z\",\"pipeline\":\"orders\",\"state\":\"failed\","
         "\"duration_ms\":2000}\n");
  terminal_free(terminal);
}

static void quiet_writes_nothing(void **state) {
  (void)state;
  struct terminal *terminal = terminal_new(1);
  struct tg_progress *progress = progress_new(terminal, TG_PROGRESS_QUIET);
  change(progress, 0, TG_TASK_RUNNING, 1, NULL, 0, 0);
  change(progress, 0, TG_TASK_FAILED, 1, "error", 0, 10);
  tg_progress_tick(progress, start_ms + 500);
  tg_progress_finish(progress, TG_RUN_FAILED, start_ms + 1000);
  tg_progress_free(progress);
  expect(terminal, "");
  terminal_free(terminal);
}

static void live_draws_in_place(void **state) {
  (void)state;
  struct terminal *terminal = terminal_new(3);
  struct tg_progress *progress = progress_new(terminal, TG_PROGRESS_LIVE);
  expect(terminal, "\033[?25l");
  change(progress, 0, TG_TASK_RUNNING, 1, NULL, 0, 0);
  tg_progress_report(progress, 0, 1, 4);
  tg_progress_tick(progress, start_ms + 1000);
  expect(terminal, "| bronze  1.0s  [=====               ]  25%\033[K\n"
                   "orders  1.0s  1 running, 2 waiting\033[K\n\033[J");
  change(progress, 1, TG_TASK_RUNNING, 1, NULL, 0, 1000);
  change(progress, 0, TG_TASK_SUCCESS, 1, NULL, 0, 2000);
  tg_progress_tick(progress, start_ms + 2000);
  expect(terminal, "\033[2A\r22:15:05 bronze  success  2.0s\033[K\n"
                   "/ silver  1.0s\033[K\n"
                   "orders  2.0s  1 success, 1 running, 1 waiting\033[K\n\033[J");
  change(progress, 1, TG_TASK_FAILED, 1, "broken", 0, 3000);
  tg_progress_finish(progress, TG_RUN_FAILED, start_ms + 3000);
  expect(terminal, "\033[2A\r\033[J\033[?25h22:15:06 silver  failed  2.0s  broken\n"
                   "orders failed after 3.0s: 1 failed, 1 success, 1 waiting\n");
  tg_progress_tick(progress, start_ms + 9000);
  tg_progress_free(progress);
  expect(terminal, "");
  terminal_free(terminal);
}

static void live_shows_the_wait_for_the_next_attempt(void **state) {
  (void)state;
  struct terminal *terminal = terminal_new(1);
  struct tg_progress *progress = progress_new(terminal, TG_PROGRESS_LIVE);
  change(progress, 0, TG_TASK_RUNNING, 2, NULL, 0, 0);
  change(progress, 0, TG_TASK_READY, 2, "broken", 5000, 1000);
  tg_buf_clear(&terminal->written);
  tg_progress_tick(progress, start_ms + 2000);
  expect(terminal, "22:15:04 bronze  retry  attempt 2  next attempt in 5.0s  broken\033[K\n"
                   ". bronze  2.0s  attempt 2  next attempt in 4.0s\033[K\n"
                   "orders  2.0s  1 ready\033[K\n\033[J");
  tg_progress_free(progress);
  terminal_free(terminal);
}

static void live_draws_at_most_ten_times_a_second(void **state) {
  (void)state;
  struct terminal *terminal = terminal_new(1);
  struct tg_progress *progress = progress_new(terminal, TG_PROGRESS_LIVE);
  uint32_t before = terminal->writes;
  for (int64_t at = 1000; at < 2000; at += 5) tg_progress_tick(progress, start_ms + at);
  assert_int_equal(terminal->writes - before, 10);
  tg_progress_free(progress);
  terminal_free(terminal);
}

static uint32_t lines_count(const char *text) {
  uint32_t lines = 0;
  for (; *text; text++) lines += *text == '\n';
  return lines;
}

static void live_fits_the_terminal(void **state) {
  (void)state;
  struct terminal *terminal = terminal_new(100);
  struct tg_progress *progress = progress_new(terminal, TG_PROGRESS_LIVE);
  for (uint32_t i = 0; i < 100; i++) change(progress, i, TG_TASK_RUNNING, 1, NULL, 0, 0);
  tg_buf_clear(&terminal->written);
  tg_progress_tick(progress, start_ms + 1000);
  assert_int_equal(lines_count(tg_buf_text(&terminal->written)), terminal->height - 1);
  assert_non_null(strstr(tg_buf_text(&terminal->written), "  and 93 more\033[K\n"));
  tg_buf_clear(&terminal->written);
  terminal->width = 12;
  terminal->height = 3;
  tg_progress_tick(progress, start_ms + 2000);
  expect(terminal, "\033[9A\r  and 100 \xE2\x80\xA6\033[K\norders  2.\xE2\x80\xA6\033[K\n\033[J");
  tg_progress_free(progress);
  terminal_free(terminal);
}

static void live_gives_the_cursor_back_when_cut_off(void **state) {
  (void)state;
  struct terminal *terminal = terminal_new(1);
  struct tg_progress *progress = progress_new(terminal, TG_PROGRESS_LIVE);
  tg_progress_tick(progress, start_ms + 1000);
  tg_progress_log(progress, UINT32_MAX, "", "stopping", start_ms + 1000);
  tg_buf_clear(&terminal->written);
  tg_progress_free(progress);
  expect(terminal, "\033[1A\r\033[J\033[?25hstopping\n");
  terminal_free(terminal);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(plain_writes_a_line_for_each_change),
      cmocka_unit_test(json_writes_an_object_for_each_change),
      cmocka_unit_test(quiet_writes_nothing),
      cmocka_unit_test(live_draws_in_place),
      cmocka_unit_test(live_shows_the_wait_for_the_next_attempt),
      cmocka_unit_test(live_draws_at_most_ten_times_a_second),
      cmocka_unit_test(live_fits_the_terminal),
      cmocka_unit_test(live_gives_the_cursor_back_when_cut_off),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
