// SPDX-License-Identifier: Apache-2.0
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/worker/stand.h"

STAND_FIXTURE

static void a_script_reaches_what_the_host_offers(void **state) {
  (void)state;
  stand_write(&stand, "in.txt", "from a file");
  stand_run(
      &stand, 1,
      PIPELINE("tg.task 'a' { run = function(ctx)"
               " local sql, store, file = require 'tidegate.sql', require 'tidegate.store',"
               " require 'tidegate.file'"
               " assert(sql.exec 'CREATE TABLE bronze_x (n INTEGER)')"
               " assert(sql.exec('INSERT INTO bronze_x VALUES (?), (?)', { 1, 2 }))"
               " assert(store.put('cursor', { at = 7 }))"
               " ctx:sleep '1ms' ctx:progress(1, 2)"
               " return { sum = assert(sql.query 'SELECT sum(n) AS s FROM bronze_x')[1].s,"
               " cursor = store.get('cursor').at, text = assert(file.read 'in.txt') } end }"));
  if (stand.end != TG_RUN_SUCCESS) fail_msg("%s", stand.run.failure.text);
  assert_string_equal(stand_task(&stand, "a")->output,
                      "{\"cursor\":7,\"sum\":3,\"text\":\"from a file\"}");
  assert_int_equal(stand.progress_count, 1);
}

static void a_host_that_is_not_there_is_told_as_transient(void **state) {
  (void)state;
  stand_run(&stand, 1,
            PIPELINE("tg.task 'a' { run = function()"
                     " local res, err = require('tidegate.http').get 'http://127.0.0.1:1/'"
                     " return { none = res == nil, class = err.class, code = err.code } end }"));
  assert_string_equal(stand_task(&stand, "a")->output,
                      "{\"class\":\"transient\",\"code\":\"connect\",\"none\":true}");
}

static void outputs_are_given_to_those_downstream_only(void **state) {
  (void)state;
  stand_run(&stand, 1,
            PIPELINE("tg.task 'a' { run = function() return 'far' end },"
                     "tg.task 'b' { after = 'a', run = function() end },"
                     "tg.task 'c' { after = 'b', run = function(ctx) return ctx.output.a end },"
                     "tg.task 'd' { after = 'b', run = function(ctx) return ctx.output.c end },"
                     "tg.task 'e' { after = 'b', run = function(ctx)"
                     " return { gave = ctx.output.b } end }"));
  assert_string_equal(stand_task(&stand, "c")->output, "\"far\"");
  assert_int_equal(stand_task(&stand, "d")->state, TG_TASK_FAILED);
  const char *why = stand_task(&stand, "d")->failure.text;
  if (!strstr(why, "c") || !strstr(why, "after")) fail_msg("%s", why);
  assert_int_equal(stand_task(&stand, "e")->state, TG_TASK_SUCCESS);
}

// The lock of a transaction goes with the attempt that began it, however that ends.
static void a_transaction_ends_with_its_attempt(void **state) {
  (void)state;
  stand_run(
      &stand, 1,
      PIPELINE("tg.task 'make' { run = function() assert(require('tidegate.sql')"
               ".exec 'CREATE TABLE bronze_x (n INTEGER)') end },"
               "tg.task 'holder' { after = 'make', timeout = '300ms', run = function(ctx)"
               " local sql = require 'tidegate.sql'"
               " sql.transaction(function() assert(sql.exec 'INSERT INTO bronze_x VALUES (1)')"
               " for _ = 1, 7200 do ctx:sleep '500ms' end end) end },"
               "tg.task 'raiser' { after = 'make', run = function()"
               " local sql = require 'tidegate.sql'"
               " sql.transaction(function() sql.exec 'INSERT INTO bronze_x VALUES (2)'"
               " error 'no' end) end },"
               "tg.task 'writer' { after = { 'holder', 'raiser' }, when = 'all_done',"
               " run = function() local sql = require 'tidegate.sql'"
               " assert(sql.exec 'INSERT INTO bronze_x VALUES (3)')"
               " return assert(sql.query 'SELECT n FROM bronze_x') end }"));
  assert_int_equal(stand_task(&stand, "holder")->failure.code, TG_ETIMEOUT);
  assert_int_equal(stand_task(&stand, "raiser")->state, TG_TASK_FAILED);
  assert_int_equal(stand_task(&stand, "writer")->state, TG_TASK_SUCCESS);
  assert_string_equal(stand_task(&stand, "writer")->output, "[{\"n\":3}]");
}

// Requests that nobody waits for any more are answered to nobody.
static void open_requests_end_with_their_attempt(void **state) {
  (void)state;
  stand_run(&stand, 1,
            PIPELINE("tg.task 'http' { timeout = '100ms', run = function()"
                     " return require('tidegate.http').get('http://192.0.2.1/') end },"
                     "tg.task 'sql' { timeout = '100ms', run = function()"
                     " return require('tidegate.sql').query 'WITH RECURSIVE c(x) AS (SELECT 1"
                     " UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c' end },"
                     "tg.task 'sleep' { timeout = '100ms', run = function(ctx)"
                     " for _ = 1, 7200 do ctx:sleep '500ms' end end },"
                     "tg.task 'after' { after = { 'http', 'sql', 'sleep' }, when = 'all_done',"
                     " run = function() return assert(require('tidegate.sql')"
                     ".query 'SELECT 1 AS one') end }"));
  static const char *const names[] = {"sql", "sleep"};
  for (size_t i = 0; i < 2; i++)
    assert_int_equal(stand_task(&stand, names[i])->failure.code, TG_ETIMEOUT);
  assert_int_equal(stand_task(&stand, "http")->state, TG_TASK_FAILED);
  assert_string_equal(stand_task(&stand, "after")->output, "[{\"one\":1}]");
}

// A disk that takes until it is let go.
struct disk {
  struct tg_serial_call call;
  sem_t gate;
};

static void disk_wait(void *self) {
  struct disk *disk = self;
  while (sem_wait(&disk->gate)) continue;
}

static void disk_forget(void *self) {
  struct disk *disk = self;
  sem_destroy(&disk->gate);
}

static void disk_hold(struct disk *disk) {
  sem_init(&disk->gate, 0, 0);
  disk->call = (struct tg_serial_call){.run = disk_wait, .done = disk_forget, .self = disk};
  tg_serial_add(tg_host_services(stand.host)->disk, &disk->call);
}

// The first try ends while its write waits; what it wrote must not come behind the second's.
static void a_slow_disk_holds_its_attempt_only_and_keeps_the_order(void **state) {
  (void)state;
  struct disk disk;
  stand_write(&stand, "pipelines/p.lua",
              PIPELINE("tg.task 'w' { timeout = '200ms', retry = { attempts = 9, base = '1ms' },"
                       " run = function(ctx) assert(require('tidegate.file')"
                       ".write('out.txt', 'try ' .. ctx.attempt)) end },"
                       "tg.task 'a' { run = function(ctx) ctx:log 'said' return 1 end }"));
  stand_open(&stand, 2);
  stand_build(&stand);
  disk_hold(&disk);
  stand_begin(&stand, "{}");
  stand_await_log(&stand, "a is success");
  stand_await_log(&stand, "w is waiting");
  sem_post(&disk.gate);
  stand_finish(&stand);
  assert_int_equal(stand.end, TG_RUN_SUCCESS);
  char last[32];
  snprintf(last, sizeof last, "try %zu", stand.attempt_count - 1);
  size_t len;
  char *written = stand_read_file(&stand, "out.txt", &len);
  assert_string_equal(written, last);
  free(written);
}

int main(int argc, char **argv) {
  stand_main(argc, argv);
  const struct CMUnitTest tests[] = {
      STAND_TEST(a_script_reaches_what_the_host_offers),
      STAND_TEST(a_host_that_is_not_there_is_told_as_transient),
      STAND_TEST(outputs_are_given_to_those_downstream_only),
      STAND_TEST(a_transaction_ends_with_its_attempt),
      STAND_TEST(open_requests_end_with_their_attempt),
      STAND_TEST(a_slow_disk_holds_its_attempt_only_and_keeps_the_order),
  };
  return cmocka_run_group_tests_name("host/worker/requests", tests, NULL, NULL);
}
