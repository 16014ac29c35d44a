// SPDX-License-Identifier: Apache-2.0
// A host that is closed while everything is at work: at each turn of its loop, from the first one
// on. The sanitizers look for what is used after it is gone and for what is left.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "host/worker/stand.h"

enum { CLOSES = 40 };

static const char pipeline[] =
    "local tg = require 'tidegate'\n"
    "local sql, store = require 'tidegate.sql', require 'tidegate.store'\n"
    "local file, http = require 'tidegate.file', require 'tidegate.http'\n"
    "return tg.pipeline 'p' { tasks = {\n"
    "  tg.branch 'choose' { decide = tg.policy 'route', to = { 'x', 'y' } },\n"
    "  tg.task 'x' { run = function() end }, tg.task 'y' { run = function() end },\n"
    "  tg.task 'sql' { run = function(ctx) for i = 1, 20 do\n"
    "    sql.exec 'CREATE TABLE IF NOT EXISTS bronze_x (n INTEGER)'\n"
    "    sql.transaction(function() sql.exec('INSERT INTO bronze_x VALUES (?)', { i }) end)\n"
    "    end end },\n"
    "  tg.task 'store' { run = function() for i = 1, 20 do store.put('k', i) end end },\n"
    "  tg.task 'file' { run = function() for i = 1, 20 do file.write('out.txt', 'x') end end },\n"
    "  tg.task 'http' { run = function() http.get 'http://127.0.0.1:1/' end },\n"
    "  tg.task 'sleep' { run = function(ctx) ctx:sleep '30ms' end },\n"
    "  tg.task 'fails' { retry = { attempts = 3, base = '5ms', backoff = 'constant' },\n"
    "    run = function(ctx) if ctx.attempt < 3 then error 'again' end end },\n"
    "  tg.cmd 'cmd' { argv = 'echo out; sleep 0.03; echo err >&2', shell = true },\n"
    "  tg.cmd 'none' { argv = { 'there-is-no-such-program' } },\n"
    "  tg.task 'log' { run = function(ctx) for i = 1, 50 do ctx:log(('x'):rep(100)) end end },\n"
    "} }";

static struct stand stand;

static void begin(void) {
  stand_init(&stand);
  stand_write(&stand, "pipelines/policies/route.lua",
              "return { doc = 'd', kind = 'branch', input = {}, decide = function()"
              " return { action = 'x', reason = 'r' } end }");
  stand_write(&stand, "pipelines/p.lua", pipeline);
  stand_open(&stand, 2);
}

static void a_host_can_be_closed_at_any_turn_of_its_loop(void **state) {
  (void)state;
  for (int turns = 0; turns < CLOSES; turns++) {
    begin();
    stand_build(&stand);
    stand_begin(&stand, "{}");
    for (int i = 0; i < turns * turns / 8 && !stand.has_ended; i++) stand_turn(&stand);
    stand_deinit(&stand);
  }
}

static void built(void *self, const struct tg_version *version, const char *faults,
                  const struct tg_error *err) {
  (void)version;
  (void)faults;
  (void)err;
  ++*(int *)self;
}

static void decided(void *self, const struct tg_error *err, const char *output,
                    const char *version) {
  (void)err;
  (void)output;
  (void)version;
  ++*(int *)self;
}

static void a_host_can_be_closed_while_it_builds_and_decides(void **state) {
  (void)state;
  for (int turns = 0; turns < CLOSES / 2; turns++) {
    int builds = 0, answers = 0;
    begin();
    struct tg_scripts *scripts = tg_host_scripts(stand.host);
    struct tg_question question = {.policy = "route", .input = "{}"};
    for (int i = 0; i < 3; i++)
      tg_bundles_build(tg_scripts_bundles(scripts), TG_BUNDLE_PIPELINE, "pipelines/p.lua", built,
                       &builds);
    for (int i = 0; i < 3; i++)
      tg_policies_ask(tg_scripts_policies(scripts), &question, decided, &answers);
    for (int i = 0; i < turns && (builds < 3 || answers < 3); i++) stand_turn(&stand);
    stand_close(&stand);
    assert_int_equal(answers, 3); // each is told something
    stand_deinit(&stand);
  }
}

int main(int argc, char **argv) {
  stand_main(argc, argv);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_host_can_be_closed_at_any_turn_of_its_loop),
      cmocka_unit_test(a_host_can_be_closed_while_it_builds_and_decides),
  };
  return cmocka_run_group_tests_name("host/worker/close", tests, NULL, NULL);
}
