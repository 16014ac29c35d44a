// SPDX-License-Identifier: Apache-2.0
// What a host leaves open after many attempts: nothing that it had not before them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>

#include "host/worker/stand.h"

STAND_FIXTURE

// A thousand attempts that end in every way there is; what is killed is a command, so that
// the script workers stay the same.
static const char pipeline[] =
    "local tg = require 'tidegate'\n"
    "local sql, file = require 'tidegate.sql', require 'tidegate.file'\n"
    "local http = require 'tidegate.http'\n"
    "local tasks = {}\n"
    "local function add(task) tasks[#tasks + 1] = task end\n"
    "for i = 1, 98 do\n"
    "  add(tg.task('log' .. i) { run = function(ctx) ctx:log 'said' end })\n"
    "  add(tg.task('error' .. i) { run = function(ctx) ctx:log 'said' error 'no' end })\n"
    "  add(tg.task('read' .. i) { run = function() return #assert(file.read 'in.txt') end })\n"
    "  add(tg.task('none' .. i) { run = function() return file.read 'none.txt' end })\n"
    "  add(tg.task('write' .. i) { run = function() file.write('to/out.txt', 'x') end })\n"
    "  add(tg.task('taken' .. i) { run = function() return file.write('in.txt/x', 'x') end })\n"
    "  add(tg.task('sql' .. i) { run = function() return sql.query 'SELECT 1' end })\n"
    "  add(tg.cmd('cmd' .. i) { argv = { 'echo', 'out' } })\n"
    "  add(tg.cmd('fails' .. i) { argv = 'cat; echo err >&2; exit 3', shell = true,"
    " stdin = 'in' })\n"
    "  add(tg.cmd('absent' .. i) { argv = { 'there-is-no-such-program' } })\n"
    "end\n"
    "for i = 1, 10 do\n"
    "  add(tg.task('http' .. i) { run = function() http.get 'http://127.0.0.1:1/' end })\n"
    "  add(tg.cmd('late' .. i) { argv = { 'sleep', '60' }, timeout = '10ms' })\n"
    "end\n"
    "return tg.pipeline 'p' { tasks = tasks }\n";

static void nothing(void *self) {
  (void)self;
}

static void told(void *self) {
  *(bool *)self = true;
}

// Logs are closed by the time that a call behind them is made.
static void disk_await(void) {
  bool is_told = false;
  struct tg_serial_call call = {.run = nothing, .done = told, .self = &is_told};
  tg_serial_add(tg_host_services(stand.host)->disk, &call);
  while (!is_told) stand_turn(&stand);
}

static size_t fds_open(void) {
  size_t count = 0;
  DIR *folder = opendir("/proc/self/fd");
  assert_non_null(folder);
  while (readdir(folder)) count++;
  closedir(folder);
  return count;
}

static size_t fds_after_run(void) {
  stand_begin(&stand, "{}");
  stand_finish(&stand);
  assert_int_equal(stand.attempt_count, 1000);
  disk_await();
  disk_await(); // what ended a log was added behind the first call
  return fds_open();
}

static void a_thousand_attempts_leave_no_descriptor_open(void **state) {
  (void)state;
  stand_write(&stand, "in.txt", "from a file");
  stand_write(&stand, "pipelines/p.lua", pipeline);
  stand_open(&stand, 2);
  stand_build(&stand);
  size_t before = fds_after_run();
  assert_int_equal(fds_after_run(), before);
}

int main(int argc, char **argv) {
  stand_main(argc, argv);
  const struct CMUnitTest tests[] = {STAND_TEST(a_thousand_attempts_leave_no_descriptor_open)};
  return cmocka_run_group_tests_name("host/worker/fds", tests, NULL, NULL);
}
