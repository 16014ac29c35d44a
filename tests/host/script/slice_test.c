// SPDX-License-Identifier: Apache-2.0
#include "script/slice.h"

#include "box.h"

#include <lualib.h>

enum { MIB = 1 << 20 };

// A request to the host: waits, then gives what the test put into `reply`.
static const char *reply;

static int ask_reply(lua_State *L, int status, lua_KContext context) {
  assert_int_equal(status, LUA_YIELD);
  assert_int_equal(context, 7);
  lua_pushstring(L, reply);
  return 1;
}

static int ask(lua_State *L) {
  tg_script_check_wait(L);
  return tg_script_wait(L, 7, ask_reply);
}

static int setup(void **state) {
  static struct box box;
  box_open(&box, 64 * MIB, false);
  lua_pushcfunction(box.sandbox.L, ask);
  tg_sandbox_set_global(box.sandbox.L, "ask");
  *state = &box;
  return 0;
}

static int teardown(void **state) {
  box_close(*state);
  return 0;
}

static void expect(struct box *box, const char *script, enum tg_turn turn, const char *text) {
  enum tg_turn got = box_attempt(box, script);
  if (got != turn || !strstr(box->text, text))
    fail_msg("gave: turn %d, %s\n  not: %s\n  script: %s", got, box->text, text, script);
}

static void a_long_loop_yields_and_goes_on(void **state) {
  struct box *box = *state;
  struct attempt attempt;
  attempt_start(box, &attempt, "local n = 0 for i = 1, 1e6 do n = n + i end return n");
  int turns = 1;
  enum tg_turn turn;
  while ((turn = attempt_turn(&attempt)) == TG_TURN_SLICE) turns++;
  assert_int_equal(turn, TG_TURN_DONE);
  assert_true(turns > 10);
  assert_int_equal(lua_tointeger(attempt.co, -1), 500000500000);
  attempt_end(box, &attempt);
}

static void a_slice_passes_through_the_scripts_own_coroutines(void **state) {
  expect(*state,
         "local function work(n) for i = 1, 3e5 do n = n + 1 end return n end\n"
         "local inner = coroutine.wrap(function(n)\n"
         "  while true do n = coroutine.yield(work(n)) end\n"
         "end)\n"
         "local outer = coroutine.create(function(n)\n"
         "  for i = 1, 3 do n = coroutine.yield(inner(work(n))) end\n"
         "  return 'end', n\n"
         "end)\n"
         "local out = {}\n"
         "local n = 0\n"
         "while coroutine.status(outer) ~= 'dead' do\n"
         "  local ok, a, b = coroutine.resume(outer, n)\n"
         "  out[#out + 1] = tostring(ok) .. ':' .. tostring(a) .. ':' .. tostring(b)\n"
         "  n = a\n"
         "end\n"
         "return table.concat(out, ' ')",
         TG_TURN_DONE, "true:600000:nil true:1200000:nil true:1800000:nil true:end:1800000");
}

static void waits_for_the_host_in_a_nested_coroutine(void **state) {
  struct box *box = *state;
  struct attempt attempt;
  attempt_start(box, &attempt,
                "local co = coroutine.wrap(function(a)\n"
                "  local inner = coroutine.create(function() return ask('x') .. ask('y') end)\n"
                "  local ok, text = coroutine.resume(inner)\n"
                "  coroutine.yield(a .. text)\n"
                "end)\n"
                "return co('<')");
  for (int i = 0; i < 2; i++) {
    assert_int_equal(attempt_run(&attempt), TG_TURN_WAIT);
    reply = i ? "two" : "one";
  }
  assert_int_equal(attempt_run(&attempt), TG_TURN_DONE);
  assert_string_equal(lua_tostring(attempt.co, -1), "<onetwo");
  attempt_end(box, &attempt);
}

static void waits_through_pcall_and_iterators(void **state) {
  struct box *box = *state;
  struct attempt attempt;
  attempt_start(
      box, &attempt,
      "local out\n"
      "for v in coroutine.wrap(function() coroutine.yield(select(2, pcall(ask))) end) do\n"
      "  out = v\n"
      "end\n"
      "local ok, v = xpcall(ask, print)\n"
      "return out .. v");
  reply = "r";
  assert_int_equal(attempt_run(&attempt), TG_TURN_WAIT);
  assert_int_equal(attempt_run(&attempt), TG_TURN_WAIT);
  assert_int_equal(attempt_run(&attempt), TG_TURN_DONE);
  assert_string_equal(lua_tostring(attempt.co, -1), "rr");
  attempt_end(box, &attempt);
}

static void refuses_to_wait_where_no_yield_can_pass(void **state) {
  static const char *const scripts[] = {
      "table.sort({3, 2, 1}, function(a, b) ask() return a < b end)",
      "return (('x'):gsub('x', function() return ask() end))",
      "return tostring(setmetatable({}, {__tostring = function() return ask() end}))",
      "return (('x'):gsub('x', coroutine.wrap(function() return ask() end)))",
  };
  for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++)
    expect(*state, scripts[i], TG_TURN_FAILED, "cannot wait for the host");
  box_expect_error(*state, "ask()", "cannot wait for the host here: only tasks can");
}

static void a_slice_inside_a_callback_does_not_yield_but_the_next_instruction_does(void **state) {
  struct box *box = *state;
  struct attempt attempt;
  attempt_start(box, &attempt,
                "local n = 0\n"
                "local function busy() for i = 1, 1e4 do n = n + 1 end end\n"
                "for i = 1, 50 do\n"
                "  ('x'):gsub('x', coroutine.wrap(busy))\n"
                "  table.sort({2, 1}, function(a, b) busy() return a < b end)\n"
                "end\n"
                "return n");
  int turns = 1;
  enum tg_turn turn;
  while ((turn = attempt_turn(&attempt)) == TG_TURN_SLICE) turns++;
  if (turn == TG_TURN_FAILED) box_keep(box, attempt.co, true);
  assert_int_equal(turn, TG_TURN_DONE);
  assert_true(turns > 20);
  attempt_end(box, &attempt);
}

// Runs a script in turns and in Lua's own library, and gives the number of turns.
static int compare_in_turns(struct box *box, const char *script) {
  lua_State *stock = luaL_newstate();
  luaL_openlibs(stock);
  assert_int_equal(luaL_dostring(stock, script), LUA_OK);
  struct attempt attempt;
  attempt_start(box, &attempt, script);
  int turns = 1;
  enum tg_turn turn;
  while ((turn = attempt_turn(&attempt)) == TG_TURN_SLICE) turns++;
  if (turn != TG_TURN_DONE) {
    box_keep(box, attempt.co, true);
    fail_msg("%s\n  ended with %s", script, box->text);
  }
  const char *ours = lua_tostring(attempt.co, -1), *theirs = lua_tostring(stock, -1);
  if (strcmp(ours, theirs) != 0) fail_msg("%s\n  gave: %s\n  Lua:  %s", script, ours, theirs);
  attempt_end(box, &attempt);
  lua_close(stock);
  return turns;
}

static void long_searches_give_way_and_go_on(void **state) {
  // Until the x each start of a match fails, after a number of steps that grows with its square.
  static const char *const scripts[] = {
      "return table.concat({(('a'):rep(300) .. 'xb'):find('a-a-(b)')}, ' ')",
      "return table.concat({(('a'):rep(220) .. 'xb'):match('(a-)(a-)()b')}, ' ')",
      "return tostring((('a'):rep(300)):find('a-a-b'))",
      "local out = {} for a, p in (('a'):rep(250) .. 'xb'):rep(3):gmatch('(a-a-)b()') do\n"
      "out[#out + 1] = #a .. ':' .. p end return table.concat(out, ' ')",
      "local text, n = (('a'):rep(150) .. 'xb-'):rep(5):gsub('(a-)(a-)b', '<%1%2>')\n"
      "return text .. n",
      "local text, n = (('a'):rep(150) .. 'xb-'):rep(5):gsub('a-(a-)b()', '<%1%2>', 3)\n"
      "return text .. n",
      "local text, n = (('a'):rep(200) .. 'xb-'):rep(3):gsub('(a-a-)b(.)', function(a, c)\n"
      "return #a .. c .. c end) return text .. n",
      "local text, n = (('a'):rep(300) .. 'xb-'):gsub('a-a-b', {}) return text .. n",
      // More items than fit into the search itself.
      "local text, n = (('a'):rep(50) .. 'xb-'):rep(12):gsub('a-a-' .. ('q?'):rep(20) .. 'b', '')\n"
      "return text .. n",
  };
  for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
    int turns = compare_in_turns(*state, scripts[i]);
    if (turns < 3) fail_msg("%s\n  took %d turns only", scripts[i], turns);
  }
}

static void a_search_is_stopped_in_its_pause(void **state) {
  struct box *box = *state;
  struct attempt attempt;
  attempt_start(box, &attempt, "pcall(string.find, ('a'):rep(300), 'a-a-b') return 'went on'");
  assert_int_equal(attempt_turn(&attempt), TG_TURN_SLICE);
  attempt_end(box, &attempt);
  expect(box, "return (('ab'):rep(3):gsub('b', 'c'))", TG_TURN_DONE, "acacac");
}

static void a_callback_that_never_ends_is_stopped(void **state) {
  static const char *const scripts[] = {
      "table.sort({2, 1}, function() while true do end end)",
      "while true do pcall(table.sort, {2, 1}, function() while true do end end) end",
      "('x'):gsub('x', function() while true do pcall(function() while true do end end) end end)",
      "local co = coroutine.wrap(function() while true do pcall(function() while true do end end) "
      "end end); ('x'):gsub('x', co) while true do end",
      "for i = 1, 9 do xpcall(table.sort, function() while true do end end, {2, 1}, "
      "function() while true do end end) end",
  };
  for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++)
    expect(*state, scripts[i], TG_TURN_FAILED,
           "limit: attempt:1: a call that cannot be interrupted");
}

static void a_cancelled_attempt_yields_or_is_stopped(void **state) {
  struct box *box = *state;
  struct attempt attempt;
  attempt_start(box, &attempt, "while true do pcall(function() while true do end end) end");
  atomic_store(&attempt.meter.is_cancelled, true);
  assert_int_equal(attempt_turn(&attempt), TG_TURN_SLICE);
  assert_int_equal(tg_script_close(attempt.co, &attempt.meter, 100), LUA_OK);
  attempt_end(box, &attempt);

  attempt_start(box, &attempt, "table.sort({2, 1}, function() while true do end end)");
  atomic_store(&attempt.meter.is_cancelled, true);
  assert_int_equal(attempt_turn(&attempt), TG_TURN_FAILED);
  assert_int_equal(attempt.meter.stopped, TG_ECANCELLED);
  attempt_end(box, &attempt);
}

static void closing_is_under_a_budget_too(void **state) {
  static const char *const bodies[] = {"while true do end",
                                       "while true do pcall(function() while true do end end) end",
                                       "coroutine.wrap(function() while true do end end)()",
                                       "('a'):rep(3e5):find('a-b')", "error('x')"};
  struct box *box = *state;
  for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
    char script[512];
    snprintf(script, sizeof script,
             "local m = {__close = function() %s end}\n"
             "local a <close> = setmetatable({}, m)\n"
             "local b <close> = setmetatable({}, m)\n"
             "while true do end",
             bodies[i]);
    struct attempt attempt;
    attempt_start(box, &attempt, script);
    assert_int_equal(attempt_turn(&attempt), TG_TURN_SLICE);
    assert_int_not_equal(tg_script_close(attempt.co, &attempt.meter, 50), LUA_OK);
    lua_pop(attempt.co, 1);
    attempt_end(box, &attempt);
  }
}

static void a_coroutine_close_that_never_ends_is_stopped(void **state) {
  expect(*state,
         "local co = coroutine.create(function()\n"
         "  local a <close> = setmetatable({}, {__close = function() while true do end end})\n"
         "  coroutine.yield()\n"
         "end)\n"
         "coroutine.resume(co)\n"
         "while true do pcall(coroutine.close, co) end",
         TG_TURN_FAILED, "limit");
}

static void closes_what_is_pending_in_order(void **state) {
  struct box *box = *state;
  expect(box,
         "local log = {}\n"
         "local function mark(x) return setmetatable({}, {__close = function(_, e)\n"
         "  log[#log + 1] = x .. tostring(e) end}) end\n"
         "local co = coroutine.create(function() local a <close> = mark('a')\n"
         "  local b <close> = mark('b') coroutine.yield() end)\n"
         "coroutine.resume(co)\n"
         "local state = tostring(coroutine.close(co)) .. coroutine.status(co)\n"
         "log[#log + 1] = state\n"
         "local w = coroutine.wrap(function() local c <close> = mark('c') error('E', 0) end)\n"
         "local _, e = pcall(w)\n"
         "log[#log + 1] = e\n"
         "return table.concat(log, ' ')",
         TG_TURN_DONE, "bnil anil truedead cE E");
}

static void nesting_has_a_limit(void **state) {
  expect(*state,
         "local function down(n)\n"
         "  local ok, e = coroutine.resume(coroutine.create(down), n + 1)\n"
         "  return ok and e or n .. e\n"
         "end\n"
         "return down(1)",
         TG_TURN_DONE, "150attempt:2: coroutines are nested too deeply (150)");
}

// Without a limit of ours each close starts a C stack of its own, until there is none left.
static void survives_20000_nested_closes(void **state) {
  expect(*state,
         "local inner\n"
         "for i = 1, 20000 do\n"
         "  local below = inner\n"
         "  local co = coroutine.create(function()\n"
         "    local c <close> = setmetatable({}, {__close = function()\n"
         "      if below then assert(coroutine.close(below)) end\n"
         "    end})\n"
         "    coroutine.yield()\n"
         "  end)\n"
         "  coroutine.resume(co)\n"
         "  inner = co\n"
         "end\n"
         "return select(2, coroutine.close(inner))",
         TG_TURN_DONE, "nested too deeply");
}

static void other_attempts_go_on_beside_a_stopped_one(void **state) {
  struct box *box = *state;
  struct attempt good, bad;
  attempt_start(box, &good, "local n = 0 for i = 1, 3e6 do n = n + 1 end return n");
  attempt_start(box, &bad,
                "while true do pcall(table.sort, {2, 1}, function() while true do end end) end");
  assert_int_equal(attempt_turn(&good), TG_TURN_SLICE);
  assert_int_equal(attempt_run(&bad), TG_TURN_FAILED);
  assert_int_equal(attempt_run(&good), TG_TURN_DONE);
  attempt_end(box, &good);
  attempt_end(box, &bad);
}

static void attempts_cannot_resume_or_close_one_another(void **state) {
  struct box *box = *state;
  box_expect(box, "shared = {} return 'x'", "x");
  struct attempt first, second;
  attempt_start(box, &first,
                "shared.thread = coroutine.running()\n"
                "shared.co = coroutine.create(function() return ask() end)\n"
                "return select(2, coroutine.resume(shared.co))");
  assert_int_equal(attempt_run(&first), TG_TURN_WAIT);
  attempt_start(box, &second,
                "local a = coroutine.status(shared.thread) .. coroutine.status(shared.co)\n"
                "local b, c = coroutine.resume(shared.thread)\n"
                "local d, e = coroutine.resume(shared.co)\n"
                "local f, g = pcall(coroutine.close, shared.co)\n"
                "return table.concat({a, tostring(b), c, tostring(d), e, tostring(f), g}, '|')");
  assert_int_equal(attempt_run(&second), TG_TURN_DONE);
  assert_string_equal(
      lua_tostring(second.co, -1),
      "normalnormal|false|cannot resume non-suspended coroutine|false|cannot resume "
      "non-suspended coroutine|false|cannot close a normal coroutine");
  reply = "mine";
  assert_int_equal(attempt_run(&first), TG_TURN_DONE);
  assert_string_equal(lua_tostring(first.co, -1), "mine");
  attempt_end(box, &first);
  attempt_end(box, &second);
}

static void the_state_itself_cannot_be_resumed(void **state) {
  box_expect(*state, "main = coroutine.running() return 1", "1");
  expect(*state, "return select(2, coroutine.resume(main))", TG_TURN_DONE,
         "cannot resume non-suspended coroutine");
}

static void tells_a_hog_from_its_victim(void **state) {
  struct box *box = *state;
  struct attempt hog, victim;
  attempt_start(box, &hog, "local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1000) .. i end");
  attempt_start(box, &victim, "local t = {} for i = 1, 100 do t[i] = {} end return ask()");
  assert_int_equal(attempt_run(&victim), TG_TURN_WAIT);
  assert_int_equal(attempt_run(&hog), TG_TURN_FAILED);
  assert_true(hog.meter.bytes > 32 * MIB);
  assert_true(victim.meter.bytes < MIB);
  attempt_end(box, &hog);
  attempt_end(box, &victim);
}

static void a_loop_that_catches_memory_errors_is_stopped(void **state) {
  struct box *box = *state;
  expect(box,
         "local keep, at = {}, 0\n"
         "while true do pcall(function() at = at + 1 keep[at] = ('x'):rep(1e6) .. at end) end",
         TG_TURN_FAILED, "no_memory: attempt:2: it ran out of memory again and again");
}

static void doubling_strings_do_not_hide_from_the_clock(void **state) {
  struct box *box = *state;
  struct attempt attempt;
  attempt_start(box, &attempt, "local s = ('x'):rep(6e6) while true do local t = s .. 'y' end");
  // Ten thousand instructions would copy 30 GB between two looks at the clock.
  assert_int_equal(attempt_turn(&attempt), TG_TURN_SLICE);
  assert_true(box->sandbox.allocator.peak < 65 * MIB);
  assert_int_equal(tg_script_close(attempt.co, &attempt.meter, 10), LUA_OK);
  attempt_end(box, &attempt);
}

static void an_interrupt_makes_the_next_instruction_look(void **state) {
  struct box *box = *state;
  struct attempt attempt;
  attempt_start(box, &attempt, "local s = 0 for i = 1, 100 do s = s + i end return ask()");
  assert_int_equal(attempt_run(&attempt), TG_TURN_WAIT);
  tg_slice_interrupt(&box->sandbox.slice); // between turns: nothing to interrupt
  reply = "done";
  assert_int_equal(attempt_run(&attempt), TG_TURN_DONE);
  attempt_end(box, &attempt);
}

static int is_hooked(lua_State *L) {
  lua_pushboolean(L, lua_gethook(L) != NULL);
  return 1;
}

static int interrupt(lua_State *L) {
  tg_slice_interrupt(tg_slice_of(L));
  return 0;
}

// A hook slows every instruction down.
static void where_a_timer_interrupts_a_hook_is_set_for_one_look_only(void **state) {
  struct box *box = *state;
  box->sandbox.slice.instructions = 0;
  lua_pushcfunction(box->sandbox.L, is_hooked);
  tg_sandbox_set_global(box->sandbox.L, "is_hooked");
  lua_pushcfunction(box->sandbox.L, interrupt);
  tg_sandbox_set_global(box->sandbox.L, "interrupt");
  struct attempt attempt;
  attempt_start(box, &attempt, "while true do interrupt() end");
  assert_int_equal(attempt_turn(&attempt), TG_TURN_SLICE);
  attempt_end(box, &attempt);
  box->now_ms = 0;
  attempt_start(box, &attempt, "for i = 1, 1e6 do end interrupt() return is_hooked()");
  assert_int_equal(attempt_turn(&attempt), TG_TURN_DONE);
  assert_false(lua_toboolean(attempt.co, -1));
  attempt_end(box, &attempt);
}

static void behaves_like_luas_own_library(void **state) {
  struct box *box = *state;
  static const char *const cases[][2] = {
      {"return coroutine.isyieldable() and 1 or 0", "0"},
      {"return coroutine.wrap(function() return coroutine.isyieldable() and 1 end)()", "1"},
      {"return tostring(select(2, coroutine.running()))", "true"},
      {"return tostring(coroutine.wrap(function() return select(2, coroutine.running()) end)())",
       "false"},
      {"return select(2, pcall(coroutine.yield, 1))", "attempt to yield from outside a coroutine"},
      {"local co = coroutine.create(function(...) return select('#', ...) end) "
       "return select(2, coroutine.resume(co, nil, nil))",
       "2"},
      {"local co co = coroutine.create(function() return coroutine.status(co) .. "
       "tostring(coroutine.resume(co)) end) return coroutine.status(co) .. select(2, "
       "coroutine.resume(co)) .. coroutine.status(co)",
       "suspendedrunningfalsedead"},
      {"local a a = coroutine.create(function() return coroutine.wrap(function() return "
       "coroutine.status(a) end)() end) return select(2, coroutine.resume(a))",
       "normal"},
      {"local w = coroutine.wrap(function() end) w() return select(2, pcall(w))",
       "cannot resume dead coroutine"},
      {"return select(2, pcall(coroutine.wrap(function() error('e') end)))", "attempt:1: e"},
      {"return select(2, pcall(coroutine.resume, 1))",
       "bad argument #1 to 'coroutine.resume' (coroutine expected, got number)"},
      {"local co = coroutine.create(function() coroutine.yield() end) return "
       "tostring(coroutine.close(co)) .. coroutine.status(co)",
       "truedead"},
      {"return select(2, pcall(coroutine.close, coroutine.running()))",
       "cannot close a running coroutine"},
      {"return select('#', coroutine.wrap(function() return table.unpack({}, 1, 9000) end)())",
       "9000"},
      {"return select(2, xpcall(function() error('a', 0) end, function(e) return e .. 'b' end))",
       "ab"},
      {"return tostring(xpcall(function() error('a') end, function(e) error('b') end))", "false"},
      {"return select('#', xpcall(function(...) return ... end, print, 1, 2, 3))", "4"},
      {"return table.concat({xpcall(coroutine.wrap(function() return 'y' end), print) and 'z'})",
       "z"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    expect(box, cases[i][0], TG_TURN_DONE, cases[i][1]);
}

static int l_call_within(lua_State *L) {
  struct tg_meter meter;
  tg_meter_init(&meter, tg_clock_mono_ms(tg_slice_of(L)->clock) + 20);
  lua_pushvalue(L, 1);
  int status = tg_script_call(L, 0, 0, 0, &meter);
  lua_pushboolean(L, status == LUA_OK);
  return 1;
}

static void a_call_inside_a_turn_has_its_own_budget(void **state) {
  struct box *box = *state;
  lua_pushcfunction(box->sandbox.L, l_call_within);
  tg_sandbox_set_global(box->sandbox.L, "call_within");
  expect(box,
         "local ok = call_within(function() while true do pcall(function() while true do end end) "
         "end end)\n"
         "local n = 0 for i = 1, 1e6 do n = n + 1 end\n"
         "return tostring(ok) .. n",
         TG_TURN_DONE, "false1000000");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_long_loop_yields_and_goes_on),
      TEST(a_slice_passes_through_the_scripts_own_coroutines),
      TEST(waits_for_the_host_in_a_nested_coroutine),
      TEST(waits_through_pcall_and_iterators),
      TEST(refuses_to_wait_where_no_yield_can_pass),
      TEST(a_slice_inside_a_callback_does_not_yield_but_the_next_instruction_does),
      TEST(long_searches_give_way_and_go_on),
      TEST(a_search_is_stopped_in_its_pause),
      TEST(a_callback_that_never_ends_is_stopped),
      TEST(a_cancelled_attempt_yields_or_is_stopped),
      TEST(closing_is_under_a_budget_too),
      TEST(a_coroutine_close_that_never_ends_is_stopped),
      TEST(closes_what_is_pending_in_order),
      TEST(nesting_has_a_limit),
      TEST(survives_20000_nested_closes),
      TEST(other_attempts_go_on_beside_a_stopped_one),
      TEST(attempts_cannot_resume_or_close_one_another),
      TEST(the_state_itself_cannot_be_resumed),
      TEST(tells_a_hog_from_its_victim),
      TEST(a_loop_that_catches_memory_errors_is_stopped),
      TEST(doubling_strings_do_not_hide_from_the_clock),
      TEST(an_interrupt_makes_the_next_instruction_look),
      TEST(where_a_timer_interrupts_a_hook_is_set_for_one_look_only),
      TEST(behaves_like_luas_own_library),
      TEST(a_call_inside_a_turn_has_its_own_budget),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
