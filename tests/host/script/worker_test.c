// SPDX-License-Identifier: Apache-2.0
// The worker process from outside: what the host sends and what comes back.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "host/script/worker_harness.h"

static int setup(void **state) {
  static struct host host;
  host_open(&host);
  *state = &host;
  return 0;
}

static int teardown(void **state) {
  assert_int_equal(host_close(*state), 0);
  return 0;
}

#define assert_contains(text, part)                                                                \
  do {                                                                                             \
    if (!strstr(text, part)) fail_msg("%s\n  is not in\n%s", part, text);                          \
  } while (0)

static struct answer run_task(struct host *host, uint64_t bundle, const char *body) {
  host_load_task(host, bundle, body);
  host_start(host, bundle, bundle, 0, 1);
  return host_expect(host, TG_MESSAGE_RESULT, bundle);
}

// --- Loading ---

static void tells_the_plan_of_a_pipeline(void **state) {
  struct host *host = *state;
  host_load(host, 7, TG_BUNDLE_PIPELINE,
            "local tg = require 'tidegate'\n"
            "return tg.pipeline 'orders' { doc = 'Orders', tasks = {\n"
            "  tg.task 'a' { run = function() end },\n"
            "  tg.task 'b' { after = 'a', run = function() end } } }\n",
            NULL, NULL);
  struct answer answer = host_expect(host, TG_MESSAGE_LOADED, 7);
  assert_contains(answer.json.data, "\"name\":\"orders\"");
  assert_contains(answer.json.data, "\"after\":[0]");
}

static void expect_fault(struct host *host, const char *text, const char *file_and_line,
                         const char *message) {
  host_load(host, 1, TG_BUNDLE_PIPELINE, text, NULL, NULL);
  struct answer answer = host_expect(host, TG_MESSAGE_FAULTS, 1);
  assert_contains(answer.json.data, file_and_line);
  assert_contains(answer.json.data, message);
}

static void tells_where_a_pipeline_is_wrong(void **state) {
  struct host *host = *state;
  expect_fault(host, "local x =\n= 1", "\"file\":\"pipelines/p.lua\",\"line\":2", "unexpected");
  expect_fault(host, "\n\nlocal x = nil + 1", "\"line\":3", "arithmetic");
  expect_fault(host, "\x1bLua", "\"file\":\"pipelines/p.lua\"", "attempt to load a binary chunk");
  expect_fault(host, "return 1", "\"file\":\"pipelines/p.lua\"", "pipeline");
  expect_fault(host, "local t = {} while true do t[#t + 1] = ('x'):rep(100000) .. #t end",
               "\"file\":\"pipelines/p.lua\"", "needs more memory");
  expect_fault(host, "require('tidegate.store').get('k')", "\"line\":1",
               "while a pipeline is loaded");
  expect_fault(host, "require 'tidegate.worker'", "\"line\":1", "no module 'tidegate.worker'");
  expect_fault(host, "\nrequire 'tidegate._native'", "\"line\":2", "no module 'tidegate._native'");
  expect_fault(host, "require 'tidegate.htp'", "\"line\":1", "did you mean 'tidegate.http'?");
  expect_fault(host, "io.open('/etc/passwd')", "\"line\":1", "io");
}

static void asks_for_the_modules_of_the_project(void **state) {
  struct host *host = *state;
  struct tg_buf source;
  host_load(host, 1, TG_BUNDLE_PIPELINE,
            "local dates, given = require 'lib.dates', require 'lib.given'\n"
            "local tg = require 'tidegate'\n"
            "return tg.pipeline(dates.name .. given.name .. require('lib.dates').name) {\n"
            "  tasks = { tg.task 't' { run = function() end } } }\n",
            "module:lib.given", "return { name = '_given_' }");
  struct answer answer = host_expect(host, TG_MESSAGE_REQUEST, 0);
  assert_int_equal(answer.kind, TG_REQUEST_SOURCE);
  assert_string_equal(tg_wire_get_text(&answer.body), "module");
  assert_string_equal(tg_wire_get_text(&answer.body), "lib.dates");
  assert_true(tg_reader_is_done(&answer.body));
  tg_buf_init(&source, 1000);
  tg_wire_put_text(&source, "pipelines/lib/dates.lua");
  tg_wire_put_text(&source, "return { name = 'dates' }");
  host_reply(host, answer.request, NULL, &source);
  tg_buf_deinit(&source);
  answer = host_expect(host, TG_MESSAGE_LOADED, 1);
  assert_contains(answer.json.data, "\"name\":\"dates_given_dates\"");
}

static void tells_whether_another_time_may_give_another_bundle(void **state) {
  struct host *host = *state;
  static const char *const timely[] = {"os.time()", "os.date('%Y')", "os.clock()"};
  host_load(host, 2, TG_BUNDLE_PIPELINE,
            "local tg = require 'tidegate'\n"
            "return tg.pipeline 'p' { tasks = { tg.task 't' { run = function() end } },\n"
            "  doc = os.date('%Y', 0) .. os.time { year = 2026, month = 1, day = 1 } }",
            NULL, NULL);
  assert_true(host_expect(host, TG_MESSAGE_LOADED, 2).is_repeatable);
  for (uint64_t i = 0; i < 3; i++) {
    char text[256];
    snprintf(text, sizeof text,
             "local tg = require 'tidegate'\nlocal seen = %s\n"
             "return tg.pipeline 'p' { tasks = { tg.task 't' { run = function() end } } }",
             timely[i]);
    host_load(host, 3 + i, TG_BUNDLE_PIPELINE, text, NULL, NULL);
    assert_false(host_expect(host, TG_MESSAGE_LOADED, 3 + i).is_repeatable);
  }
}

static const char two_tasks[] =
    "local tg = require 'tidegate'\n"
    "return tg.pipeline 'p' { tasks = {\n"
    "  tg.task 'a' { run = function() return 1 end },\n"
    "  tg.task 'b' { after = 'a', run = function(ctx) return ctx.output.late end } } }";

static void tells_a_large_plan_in_parts(void **state) {
  struct host *host = *state;
  enum { TASKS = 20000 };
  struct tg_buf plan;
  tg_buf_init(&plan, (size_t)TG_PLAN_BYTES_MAX);
  host_load(host, 1, TG_BUNDLE_PIPELINE,
            "local tg, tasks = require 'tidegate', {}\n"
            "for i = 1, 20000 do tasks[i] = tg.task('t' .. i) { run = print } end\n"
            "return tg.pipeline 'p' { tasks = tasks }\n",
            NULL, NULL);
  struct answer answer;
  int parts = 0;
  do {
    answer = host_next(host);
    assert_true(answer.type == TG_MESSAGE_PLAN || answer.type == TG_MESSAGE_LOADED);
    tg_buf_put(&plan, answer.json.data, answer.json.len);
    parts++;
  } while (answer.type == TG_MESSAGE_PLAN);
  assert_in_range(parts, 2, 10);
  char name[32];
  const char *at = strstr(tg_buf_text(&plan), "\"tasks\":[{");
  for (int i = 1; i <= TASKS; i++) {
    snprintf(name, sizeof name, "{\"line\":2,\"name\":\"t%d\"}", i);
    at = at ? strstr(at, name) : NULL;
    if (!at) fail_msg("there is no %s", name);
  }
  assert_string_equal(at + strlen(name), "]}");
  tg_buf_deinit(&plan);
}

static void tells_no_plan_of_what_was_built_before(void **state) {
  struct host *host = *state;
  host->is_known = true;
  host_load(host, 1, TG_BUNDLE_PIPELINE, two_tasks, NULL, NULL);
  assert_int_equal(host_expect(host, TG_MESSAGE_LOADED, 1).json.len, 0);
  host_start(host, 1, 1, 0, 1);
  struct answer answer = host_expect(host, TG_MESSAGE_RESULT, 1);
  assert_int_equal(answer.err.code, TG_OK);
  assert_string_equal(answer.json.data, "1");
  host_start(host, 2, 1, 1, 1); // looks into the graph, which nobody made yet
  answer = host_expect(host, TG_MESSAGE_RESULT, 2);
  assert_contains(answer.err.text, "there is no such task");
  host_load(host, 2, TG_BUNDLE_PIPELINE, "error 'today'", NULL, NULL);
  assert_contains(host_expect(host, TG_MESSAGE_FAULTS, 2).json.data, "today");
}

static void tells_a_module_that_is_not_there(void **state) {
  struct host *host = *state;
  struct tg_error err;
  host_load(host, 1, TG_BUNDLE_PIPELINE, "\nrequire 'lib.dates'", NULL, NULL);
  struct answer answer = host_expect(host, TG_MESSAGE_REQUEST, 0);
  tg_error_set(&err, TG_ENOT_FOUND, "there is no file pipelines/lib/dates.lua");
  host_reply(host, answer.request, &err, NULL);
  answer = host_expect(host, TG_MESSAGE_FAULTS, 1);
  assert_contains(answer.json.data, "\"line\":2");
  assert_contains(answer.json.data, "module 'lib.dates': there is no file");
}

static void names_the_way_round_a_cycle_of_modules(void **state) {
  struct host *host = *state;
  host_load(host, 1, TG_BUNDLE_PIPELINE, "require 'a'", "module:a", "require 'b'");
  struct answer answer = host_expect(host, TG_MESSAGE_REQUEST, 0);
  struct tg_buf source;
  tg_buf_init(&source, 1000);
  tg_wire_put_text(&source, "pipelines/b.lua");
  tg_wire_put_text(&source, "\nrequire 'a'");
  host_reply(host, answer.request, NULL, &source);
  tg_buf_deinit(&source);
  answer = host_expect(host, TG_MESSAGE_FAULTS, 1);
  assert_contains(answer.json.data, "\"file\":\"pipelines/b.lua\",\"line\":2");
  assert_contains(answer.json.data, "a -> b -> a");
}

static void gives_up_builds_that_take_too_long(void **state) {
  struct host *host = *state;
  host_load(host, 1, TG_BUNDLE_PIPELINE,
            "\nlocal function spin() while true do pcall(error) end end\nspin()", NULL, NULL);
  host_load(host, 2, TG_BUNDLE_PIPELINE, "require 'never.comes'", NULL, NULL);
  host_expect(host, TG_MESSAGE_REQUEST, 0);
  for (int i = 0; i < 2; i++) {
    struct answer answer = host_next(host);
    assert_int_equal(answer.type, TG_MESSAGE_FAULTS);
    assert_contains(answer.json.data, answer.id == 1 ? "\"line\":2" : "\"line\":1");
    assert_contains(answer.json.data, "took longer than 10 s");
  }
}

static void has_cjson_as_well(void **state) {
  struct answer answer = run_task(*state, 1, "return require('cjson').encode { 1, 2 }");
  assert_string_equal(answer.json.data, "\"[1,2]\"");
}

static void forgets_a_bundle_that_is_dropped_while_it_is_built(void **state) {
  struct host *host = *state;
  host_load(host, 1, TG_BUNDLE_PIPELINE, "require 'never.comes'", NULL, NULL);
  uint64_t request = host_expect(host, TG_MESSAGE_REQUEST, 0).request;
  host_drop(host, 1);
  host_reply(host, request, NULL, NULL);
  host_load_task(host, 1, "return 1");
}

// --- Running ---

static void gives_what_a_task_returns(void **state) {
  struct host *host = *state;
  struct answer answer =
      run_task(host, 1, "return { rows = 12, id = 759600000012345, of = ctx.run }");
  assert_int_equal(answer.err.code, TG_OK);
  assert_string_equal(answer.json.data, "{\"id\":759600000012345,\"of\":\"0198\",\"rows\":12}");
  assert_int_equal(answer.facts.len, 0);
  answer = run_task(host, 2, "");
  assert_int_equal(answer.err.code, TG_OK);
  assert_int_equal(answer.json.len, 0);
}

static void gives_what_a_task_made(void **state) {
  struct answer answer = run_task(*state, 1, "ctx:emit_asset { name = 'silver', rows = 3 }");
  assert_string_equal(answer.facts.data, "{\"assets\":[{\"name\":\"silver\",\"rows\":3}]}");
}

static void tells_an_error_with_its_place(void **state) {
  struct host *host = *state;
  struct answer answer = run_task(host, 1, "local function deep() error('no rows') end\n\ndeep()");
  assert_int_equal(answer.err.code, TG_ESCRIPT);
  assert_int_equal(answer.err.class, TG_CLASS_TRANSIENT);
  assert_string_equal(answer.err.text, "pipelines/p.lua:3: no rows");
  assert_contains(answer.traceback.data, "pipelines/p.lua:5: in");
  assert_null(strstr(answer.traceback.data, "[tidegate"));
  answer =
      run_task(host, 2, "return nil, { message = 'gone', class = 'permanent', code = 'remote' }");
  assert_int_equal(answer.err.code, TG_EREMOTE);
  assert_int_equal(answer.err.class, TG_CLASS_PERMANENT);
  assert_string_equal(answer.err.text, "gone");
}

static void refuses_results_that_are_not_plain(void **state) {
  struct host *host = *state;
  struct answer answer = run_task(host, 1, "return { f = function() end }");
  assert_int_equal(answer.err.class, TG_CLASS_BUG);
  assert_contains(answer.err.text, "a function cannot be encoded");
  answer = run_task(host, 2, "local t = {} t.t = t return t");
  assert_int_equal(answer.err.class, TG_CLASS_BUG);
  assert_contains(answer.err.text, "cyclic");
  answer = run_task(host, 3, "return ('x'):rep(9 * 1024 * 1024)");
  assert_int_equal(answer.err.code, TG_ELIMIT);
  assert_int_equal(answer.err.class, TG_CLASS_BUG);
  answer = run_task(host, 4, "return ('x'):rep(1 << 30)");
  assert_int_not_equal(answer.err.code, TG_OK);
}

static void keeps_globals_as_they_were_built(void **state) {
  struct answer answer = run_task(*state, 1, "counter = 1");
  assert_contains(answer.err.text, "globals are read-only");
}

static void takes_random_numbers_from_the_seed(void **state) {
  struct host *host = *state;
  char first[200];
  host_load_task(host, 1,
                 "local n = {}\n"
                 "for i = 1, 3 do n[i] = math.random(1 << 40); ctx:sleep('1ms') end\nreturn n");
  for (uint64_t attempt = 1; attempt <= 2; attempt++) host_start(host, attempt, 1, 0, 42);
  for (int i = 0; i < 2; i++) {
    struct answer answer = host_next(host);
    while (answer.type == TG_MESSAGE_REQUEST) {
      assert_int_equal(answer.kind, TG_REQUEST_SLEEP);
      host_reply(host, answer.request, NULL, NULL);
      answer = host_next(host);
    }
    assert_int_equal(answer.err.code, TG_OK);
    if (i == 0) snprintf(first, sizeof first, "%s", answer.json.data);
    assert_string_equal(answer.json.data, first);
  }
  host_start(host, 3, 1, 0, 43);
  struct answer answer = host_next(host);
  for (; answer.type == TG_MESSAGE_REQUEST; answer = host_next(host))
    host_reply(host, answer.request, NULL, NULL);
  assert_string_not_equal(answer.json.data, first);
}

// --- Asking the host ---

static void waits_for_a_reply(void **state) {
  struct host *host = *state;
  struct tg_buf reply;
  host_load_task(host, 1,
                 "local store = require 'tidegate.store'\n"
                 "local value, version = store.get('cursor')\nreturn { value, version }");
  host_start(host, 5, 1, 0, 1);
  struct answer answer = host_expect(host, TG_MESSAGE_REQUEST, 5);
  assert_int_equal(answer.kind, TG_REQUEST_KV);
  assert_int_equal(tg_wire_get_u8(&answer.body), 0);
  assert_string_equal(tg_wire_get_text(&answer.body), "cursor");
  assert_true(tg_reader_is_done(&answer.body));
  tg_buf_init(&reply, 1000);
  tg_wire_put_u8(&reply, 1);
  tg_wire_put_text(&reply, "{\"at\":3}");
  tg_wire_put_u64(&reply, 9);
  host_reply(host, answer.request, NULL, &reply);
  tg_buf_deinit(&reply);
  answer = host_expect(host, TG_MESSAGE_RESULT, 5);
  assert_string_equal(answer.json.data, "[{\"at\":3},9]");
}

static void gives_a_failed_reply_as_nil_and_an_error(void **state) {
  struct host *host = *state;
  struct tg_error err;
  host_load_task(host, 1,
                 "local value, err = require('tidegate.store').get('k')\n"
                 "return { value == nil, err.code, err.class, err.message, err.retry_after }");
  host_start(host, 5, 1, 0, 1);
  struct answer answer = host_expect(host, TG_MESSAGE_REQUEST, 5);
  tg_error_set(&err, TG_ETHROTTLED, "slow down");
  err.retry_after_ms = 1500;
  host_reply(host, answer.request, &err, NULL);
  answer = host_expect(host, TG_MESSAGE_RESULT, 5);
  assert_string_equal(answer.json.data, "[true,\"throttled\",\"throttled\",\"slow down\",1.5]");
}

static void waits_inside_a_coroutine_of_the_script(void **state) {
  struct host *host = *state;
  host_load_task(host, 1,
                 "local steps = coroutine.wrap(function() ctx:sleep('2s') coroutine.yield(1) end)\n"
                 "return steps()");
  host_start(host, 1, 1, 0, 1);
  struct answer answer = host_expect(host, TG_MESSAGE_REQUEST, 1);
  assert_int_equal(answer.kind, TG_REQUEST_STEP);
  host_reply(host, answer.request, NULL, NULL);
  answer = host_expect(host, TG_MESSAGE_RESULT, 1);
  assert_string_equal(answer.json.data, "1");
}

static void does_not_wait_where_it_cannot(void **state) {
  struct answer answer =
      run_task(*state, 1, "return (('a'):gsub('a', function() ctx:sleep('1s') end))");
  assert_int_equal(answer.err.code, TG_ESCRIPT);
  assert_contains(answer.err.text, "cannot wait for the host");
}

static void tells_its_progress_and_goes_on(void **state) {
  struct host *host = *state;
  host_load_task(host, 1, "ctx:progress(3, 12)\nreturn true");
  host_start(host, 1, 1, 0, 1);
  struct answer answer = host_expect(host, TG_MESSAGE_REQUEST, 1);
  assert_int_equal(answer.kind, TG_REQUEST_PROGRESS);
  assert_true(tg_wire_get_f64(&answer.body) == 3 && tg_wire_get_f64(&answer.body) == 12);
  assert_string_equal(host_expect(host, TG_MESSAGE_RESULT, 1).json.data, "true");
}

static void ignores_a_reply_to_a_cancelled_attempt(void **state) {
  struct host *host = *state;
  host_load_task(host, 1, "ctx:sleep('1h')");
  host_start(host, 1, 1, 0, 1);
  uint64_t request = host_expect(host, TG_MESSAGE_REQUEST, 1).request;
  host_cancel(host, 1, TG_ECANCELLED);
  struct answer answer = host_expect(host, TG_MESSAGE_RESULT, 1);
  assert_int_equal(answer.err.class, TG_CLASS_CANCELLED);
  assert_contains(answer.err.text, "pipelines/p.lua:3");
  host_reply(host, request, NULL, NULL);
  host_send((host_begin(host, TG_MESSAGE_PING), host));
  assert_int_equal(host_next(host).type, TG_MESSAGE_PONG);
}

// --- Scripts that do not want to end ---

static void cancels_a_script_that_loops(void **state) {
  static const char *const loops[] = {
      "while true do end",
      "while true do pcall(function() while true do end end) end",
      "local co = coroutine.wrap(function() while true do end end) co()",
      "setmetatable({}, { __index = function(t, k) while true do end end }).x = 1\n"
      "while true do pcall(setmetatable({}, { __index = function() while true do end end })) end",
      "local x <close> = setmetatable({}, { __close = function() while true do end end })\n"
      "while true do end",
      "repeat local ok = pcall(string.rep, 'x', 1 << 20) until not ok",
  };
  struct host *host = *state;
  host_load_task(host, 100, "return 'fine'");
  for (uint64_t i = 1; i <= sizeof loops / sizeof *loops; i++) {
    host_load_task(host, i, loops[i - 1]);
    host_start(host, i, i, 0, 1);
    host_start(host, 1000 + i, 100, 0, 1); // runs while the other one loops
    assert_string_equal(host_expect(host, TG_MESSAGE_RESULT, 1000 + i).json.data, "\"fine\"");
    host_cancel(host, i, TG_ETIMEOUT);
    assert_int_equal(host_expect(host, TG_MESSAGE_RESULT, i).err.code, TG_ETIMEOUT);
  }
}

static void stops_a_loop_that_cannot_be_interrupted(void **state) {
  struct answer answer =
      run_task(*state, 1, "table.sort({ 1, 2, 3 }, function() while true do pcall(error) end end)");
  assert_int_equal(answer.err.code, TG_ELIMIT);
  assert_contains(answer.err.text, "pipelines/p.lua:3");
}

static void ends_patterns_and_strings_that_explode(void **state) {
  static const char *const bombs[] = {
      "return ('a'):rep(30):find(('a?'):rep(30) .. ('a'):rep(30))",
      "return ('x'):rep(2000):find('.-.-.-.-b')",
      "local s = 'x' while true do s = s .. s end",
      "return ('x'):rep(1e10)",
      "local function f() return f() + 1 end return f()",
  };
  struct host *host = *state;
  for (uint64_t i = 1; i <= sizeof bombs / sizeof *bombs; i++) {
    struct answer answer = run_task(host, i, bombs[i - 1]);
    if (i > 2) assert_int_not_equal(answer.err.code, TG_OK);
  }
  assert_string_equal(run_task(host, 99, "return 1").json.data, "1");
}

// --- Memory ---

static void holds_a_hog_and_not_its_neighbour_to_account(void **state) {
  struct host *host = *state;
  host_load(
      host, 1, TG_BUNDLE_PIPELINE,
      "local tg = require 'tidegate'\n"
      "return tg.pipeline 'p' { tasks = {\n"
      "  tg.task 'hog' { run = function(ctx)\n"
      "    local t = {} for i = 1, 200 do t[i] = ('x'):rep(1024 * 1024) .. i end\n"
      "    ctx:sleep('1s') for i = 201, 300 do t[i] = ('x'):rep(1024 * 1024) .. i end end },\n"
      "  tg.task 'victim' { run = function(ctx)\n"
      "    local t = {} for i = 1, 70 do t[i] = ('y'):rep(1024 * 1024) .. i end\n"
      "    return #t end } } }\n",
      NULL, NULL);
  host_expect(host, TG_MESSAGE_LOADED, 1);
  host_start(host, 1, 1, 0, 1);
  uint64_t request = host_expect(host, TG_MESSAGE_REQUEST, 1).request;
  host_start(host, 2, 1, 1, 1);
  struct answer answer = host_expect(host, TG_MESSAGE_RESULT, 2);
  assert_int_equal(answer.err.class, TG_CLASS_LOST);
  host_reply(host, request, NULL, NULL);
  answer = host_expect(host, TG_MESSAGE_RESULT, 1);
  assert_int_equal(answer.err.code, TG_ENOMEM);
  assert_contains(answer.err.text, "256 MiB");
  host_start(host, 3, 1, 1, 1);
  answer = host_expect(host, TG_MESSAGE_RESULT, 3);
  if (answer.err.code) fail_msg("%s", answer.err.text);
  assert_string_equal(answer.json.data, "70");
}

// --- Log ---

static void passes_the_log_on(void **state) {
  struct host *host = *state;
  run_task(host, 4,
           "print('a', 1) ctx:log('warn', '%d rows are late', 7) ctx:log(('z'):rep(40000))");
  assert_contains(host->log.data, "4 info a\t1\n");
  assert_contains(host->log.data, "4 warn 7 rows are late\n");
  assert_contains(host->log.data, "4 info zzzz");
}

static void survives_a_flood_that_nobody_reads(void **state) {
  struct host *host = *state;
  host_load_task(host, 1, "local s = ('x'):rep(16000) for i = 1, 20000 do print(s) end return 1");
  host_start(host, 1, 1, 0, 1);
  struct answer answer = host_expect(host, TG_MESSAGE_RESULT, 1);
  assert_string_equal(answer.json.data, "1");
  assert_true(host->log.len > 1000000);
}

// --- Bundles ---

static void drops_a_bundle_when_its_last_attempt_is_over(void **state) {
  struct host *host = *state;
  host_load_task(host, 1, "ctx:sleep('1s') return 'over'");
  host_start(host, 1, 1, 0, 1);
  uint64_t request = host_expect(host, TG_MESSAGE_REQUEST, 1).request;
  host_drop(host, 1);
  host_start(host, 2, 1, 0, 1);
  struct answer answer = host_expect(host, TG_MESSAGE_RESULT, 2);
  assert_int_equal(answer.err.code, TG_ENOT_FOUND);
  host_reply(host, request, NULL, NULL);
  assert_string_equal(host_expect(host, TG_MESSAGE_RESULT, 1).json.data, "\"over\"");
  host_load_task(host, 1, "return 'new'");
  host_start(host, 3, 1, 0, 1);
  assert_string_equal(host_expect(host, TG_MESSAGE_RESULT, 3).json.data, "\"new\"");
}

static void runs_many_attempts_side_by_side(void **state) {
  enum { ATTEMPTS = 200 };
  struct host *host = *state;
  uint64_t requests[ATTEMPTS];
  host_load_task(host, 1, "ctx:sleep('1s') return ctx.attempt");
  for (uint64_t i = 0; i < ATTEMPTS; i++) host_start(host, i + 1, 1, 0, i);
  for (int i = 0; i < ATTEMPTS; i++) {
    struct answer answer = host_next(host);
    assert_int_equal(answer.type, TG_MESSAGE_REQUEST);
    requests[answer.id - 1] = answer.request;
  }
  for (int i = ATTEMPTS; i-- > 0;) {
    host_reply(host, requests[i], NULL, NULL);
    assert_string_equal(host_expect(host, TG_MESSAGE_RESULT, (uint64_t)i + 1).json.data, "1");
  }
}

// --- Policies ---

static const char policy[] =
    "local tg = require 'tidegate'\n"
    "return { doc = 'Volume', kind = 'branch', input = { rows = tg.int { min = 0 } },\n"
    "  decide = function(input)\n"
    "    if input.rows == 13 then while true do end end\n"
    "    if input.rows == 14 then require('tidegate.store').get('k') end\n"
    "    return { action = input.rows > 100 and 'heavy' or 'light', reason = 'volume' }\n"
    "  end,\n"
    "  test = { { given = { rows = 1 }, expect = { action = 'light' } } } }\n";

static void asks_a_policy(void **state) {
  struct host *host = *state;
  host_load(host, 1, TG_BUNDLE_POLICY, policy, NULL, NULL);
  struct answer answer = host_expect(host, TG_MESSAGE_LOADED, 1);
  assert_contains(answer.json.data, "\"tests\":1");
  host_decide(host, 8, 1, "{\"rows\":2000}");
  answer = host_expect(host, TG_MESSAGE_DECIDED, 8);
  assert_int_equal(answer.err.code, TG_OK);
  assert_string_equal(answer.json.data, "{\"action\":\"heavy\",\"reason\":\"volume\"}");
  host_decide(host, 9, 1, "{\"rows\":-1}");
  assert_int_not_equal(host_expect(host, TG_MESSAGE_DECIDED, 9).err.code, TG_OK);
}

static void ends_a_policy_that_loops_or_asks(void **state) {
  struct host *host = *state;
  host_load(host, 1, TG_BUNDLE_POLICY, policy, NULL, NULL);
  host_expect(host, TG_MESSAGE_LOADED, 1);
  host_decide(host, 1, 1, "{\"rows\":13}");
  struct answer answer = host_expect(host, TG_MESSAGE_DECIDED, 1);
  assert_int_equal(answer.err.code, TG_ETIMEOUT);
  assert_contains(answer.err.text, "pipelines/p.lua:4");
  host_decide(host, 2, 1, "{\"rows\":14}");
  answer = host_expect(host, TG_MESSAGE_DECIDED, 2);
  assert_contains(answer.err.text, "a policy cannot use tidegate.store");
  host_decide(host, 3, 1, "{\"rows\":1}");
  assert_contains(host_expect(host, TG_MESSAGE_DECIDED, 3).json.data, "light");
}

// --- The end ---

static void ends_when_the_host_is_gone(void **state) {
  struct host *host = *state;
  host_load_task(host, 1, "ctx:sleep('1h')");
  host_load_task(host, 2, "while true do end");
  host_start(host, 1, 1, 0, 1);
  host_start(host, 2, 2, 0, 1);
  host_expect(host, TG_MESSAGE_REQUEST, 1); // the teardown closes the channel and sees exit code 0
}

static void ends_at_nonsense(void **state) {
  (void)state;
  struct host host;
  host_open(&host);
  tg_wire_put_u8(host_begin(&host, TG_MESSAGE_START), 1);
  host_send(&host);
  struct tg_reader body;
  uint8_t type;
  while (tg_channel_fill(&host.channel) == 0)
    while (tg_channel_next(&host.channel, &type, &body) > 0) assert_int_equal(type, TG_MESSAGE_LOG);
  assert_int_equal(host_close(&host), 70);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      test(tells_the_plan_of_a_pipeline),
      test(tells_where_a_pipeline_is_wrong),
      test(asks_for_the_modules_of_the_project),
      test(tells_whether_another_time_may_give_another_bundle),
      test(tells_a_large_plan_in_parts),
      test(tells_no_plan_of_what_was_built_before),
      test(tells_a_module_that_is_not_there),
      test(names_the_way_round_a_cycle_of_modules),
      test(gives_up_builds_that_take_too_long),
      test(has_cjson_as_well),
      test(forgets_a_bundle_that_is_dropped_while_it_is_built),
      test(gives_what_a_task_returns),
      test(gives_what_a_task_made),
      test(tells_an_error_with_its_place),
      test(refuses_results_that_are_not_plain),
      test(keeps_globals_as_they_were_built),
      test(takes_random_numbers_from_the_seed),
      test(waits_for_a_reply),
      test(gives_a_failed_reply_as_nil_and_an_error),
      test(waits_inside_a_coroutine_of_the_script),
      test(does_not_wait_where_it_cannot),
      test(tells_its_progress_and_goes_on),
      test(ignores_a_reply_to_a_cancelled_attempt),
      test(cancels_a_script_that_loops),
      test(stops_a_loop_that_cannot_be_interrupted),
      test(ends_patterns_and_strings_that_explode),
      test(holds_a_hog_and_not_its_neighbour_to_account),
      test(passes_the_log_on),
      test(survives_a_flood_that_nobody_reads),
      test(drops_a_bundle_when_its_last_attempt_is_over),
      test(runs_many_attempts_side_by_side),
      test(asks_a_policy),
      test(ends_a_policy_that_loops_or_asks),
      test(ends_when_the_host_is_gone),
      cmocka_unit_test(ends_at_nonsense),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
