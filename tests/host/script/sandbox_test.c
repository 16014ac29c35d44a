// SPDX-License-Identifier: Apache-2.0
#include "script/sandbox.h"

#include "box.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/file.h"

enum { MIB = 1 << 20 };

static int setup(void **state) {
  static struct box box;
  box_open(&box, TG_POLICY_STATE_BYTES_MAX, false);
  *state = &box;
  return 0;
}

static int setup_deterministic(void **state) {
  static struct box box;
  box_open(&box, TG_POLICY_STATE_BYTES_MAX, true);
  *state = &box;
  return 0;
}

static int teardown(void **state) {
  box_close(*state);
  return 0;
}

// --- The probes of PROMISES.md, "Sandbox rules" ---

static void every_probe_ends_with_an_error(void **state) {
  static const char *const probes[] = {
      "while true do end",
      "while true do pcall(function() while true do end end) end",
      "local function f() return pcall(f) end while true do f() end",
      "before = coroutine.wrap(function() while true do end end) before()",
      "local co = coroutine.wrap(function() while true do pcall(error) end end) "
      "while true do pcall(co) end",
      "return ('a'):rep(30):find(('a?'):rep(30) .. ('a'):rep(30))",
      "return ('x'):rep(2000):find('.-.-.-.-b')",
      "return ('a'):rep(300000):find('a-b')",
      "setmetatable({}, {__gc = function() while true do end end}) collectgarbage()",
      "local a <close> = setmetatable({}, {__close = function() while true do end end})",
      "local s = 'x' while true do s = s .. s end",
      "local t = {} while true do t = {t, {}, {}} end",
      "local t = {} for i = 1, 1e9 do t[i] = {} end",
      "return ('x'):rep(1e10)",
      "return ('x'):rep(1e9, ('y'):rep(1e9))",
      "local t = {} for i = 1, 1000 do t[i] = ('x'):rep(1e7) .. i end return table.concat(t)",
      "local s = ('x'):rep(1e7) local t = {} for i = 1, 1000 do t[i] = s end return "
      "table.concat(t)",
      "local t = {} for i = 1, 1000 do t[i] = (i * 7919) % 1000 end "
      "table.sort(t, function() return true end)",
      "local t = {} for i = 1, 1000 do t[i] = i end table.sort(t, function(a, b) return a <= b or "
      "a > b end)",
      "local function f(n) return 1 + f(n + 1) end return f(1)",
      "local t = setmetatable({}, {}) getmetatable(t).__index = function(t, k) return t[k] end "
      "return t.x",
      "local s = ('('):rep(1e5) assert(load('return ' .. s))",
      "getmetatable('').__index = nil",
      "load(string.dump(print))",
      "assert(load('\\27Lua\\x54\\0\\x19\\x93\\r\\n\\x1a\\n\\4\\8\\8xV'))",
      "assert(load('\\27Lua', 'x', 'b'))",
      "assert(load(function() return 'x = 1 ' end))",
      "return table.unpack({}, 1, 1e8)",
      "return ('x'):rep(6e7):byte(1, -1)",
      "return string.pack('c1000000000', 'x')",
      "return ('%s'):rep(100):format(table.unpack({}, 1, 100)) .. ('x'):rep(1e8)",
      "return string.format('%s%s', ('x'):rep(4e7), ('x'):rep(4e7))",
      "return (('x'):rep(1e6):gsub('x', ('y'):rep(1000)))",
      "return #setmetatable({}, {__len = function() while true do end end})",
      "table.insert(setmetatable({}, {__len = function() return 1 << 62 end}), 1, 'x')",
      "table.concat(setmetatable({}, {__len = function() return 1 << 40 end, "
      "__index = function() return 'x' end}))",
      "table.move({}, 1, 1 << 62, 2)",
      "for i = 1, math.huge do end",
      "tostring(setmetatable({}, {__tostring = function() while true do end end}))",
      "for k in pairs(setmetatable({}, {__pairs = function() return function() return 1 end end})) "
      "do end",
  };
  for (size_t i = 0; i < sizeof probes / sizeof *probes; i++) {
    struct box *box = *state;
    if (box_call(box, probes[i], TG_POLICY_MS) == LUA_OK)
      fail_msg("%s\n  ended well: %s", probes[i], box->text);
    // The state is as good as before.
    box_expect(box, "return ('abc'):upper() .. #table.pack(1, 2)", "ABC2");
  }
}

// --- What scripts have ---

static void put_line(struct tg_buf *out, const char *path, const char *what) {
  tg_buf_putf(out, "%s %s\n", path, what);
}

// Walks a table and what stands behind it, with raw access, so that nothing can hide.
static void walk(lua_State *L, const char *path, struct tg_buf *out) {
  luaL_checkstack(L, 8, NULL);
  lua_newtable(L);
  lua_Integer n = 0;
  for (lua_pushnil(L); lua_next(L, -3); lua_pop(L, 1)) {
    lua_pushvalue(L, -2);
    lua_rawseti(L, -4, ++n);
  }
  for (lua_Integer i = 1; i <= n; i++) {
    char name[256];
    lua_rawgeti(L, -1, i);
    const char *key = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "(mark)";
    snprintf(name, sizeof name, "%s%s%s", path, *path ? "." : "", key);
    lua_rawget(L, -3);
    put_line(out, name, luaL_typename(L, -1));
    if (lua_istable(L, -1) && strcmp(key, "_G") != 0) {
      if (tg_sandbox_is_protected(L, -1)) {
        lua_getmetatable(L, -1);
        lua_getfield(L, -1, "__index");
        lua_remove(L, -2);
        lua_replace(L, -2);
      }
      walk(L, name, out);
    }
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

static int compare_lines(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *sort_lines(char *text, size_t len) {
  char *lines[1000], *sorted = calloc(1, len + 1);
  size_t n = 0;
  for (char *line = strtok(text, "\n"); line && n < 1000; line = strtok(NULL, "\n"))
    lines[n++] = line;
  qsort(lines, n, sizeof *lines, compare_lines);
  for (size_t i = 0; i < n; i++) strcat(strcat(sorted, lines[i]), "\n");
  return sorted;
}

static void scripts_reach_what_the_golden_list_has_and_no_more(void **state) {
  struct box *box = *state;
  lua_State *L = box->sandbox.L;
  struct tg_buf out, golden;
  tg_buf_init(&out, MIB);
  tg_buf_init(&golden, MIB);
  lua_pushglobaltable(L);
  walk(L, "", &out);
  lua_pop(L, 1);
  lua_pushliteral(L, "");
  lua_getmetatable(L, -1);
  walk(L, "(metatable of strings)", &out);
  lua_pop(L, 2);
  char *sorted = sort_lines(out.data, out.len);
  assert_int_equal(tg_file_read("tests/host/script/sandbox_golden.txt", &golden, NULL), TG_OK);
  if (strcmp(sorted, tg_buf_text(&golden)) != 0) {
    fputs(sorted, stderr);
    fail_msg("the globals are not those of sandbox_golden.txt, but those above");
  }
  free(sorted);
  tg_buf_deinit(&out);
  tg_buf_deinit(&golden);
}

static void what_is_dangerous_is_absent(void **state) {
  static const char *const names[] = {
      "io",         "package",    "require",      "dofile",      "loadfile",       "debug",
      "loadstring", "warn",       "os.execute",   "os.getenv",   "os.exit",        "os.remove",
      "os.rename",  "os.tmpname", "os.setlocale", "string.dump", "math.randomseed"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    char script[128];
    snprintf(script, sizeof script, "return type(%s)", names[i]);
    box_expect(*state, script, "nil");
  }
}

// --- Read-only tables ---

static void libraries_cannot_be_changed(void **state) {
  static const char *const attempts[] = {
      "string.format = nil",
      "string.x = 1",
      "coroutine.wrap = print",
      "rawset(string, 'format', 1)",
      "table.insert(table, 1)",
      "table.insert(string, 1, 'x')",
      "table.move({1}, 1, 1, 1, string)",
      "table.sort(string, 1)",
      "setmetatable(string, nil)",
      "setmetatable(string, {})",
      "getmetatable('').__index = nil",
      "getmetatable('').__index.upper = nil",
      "getmetatable(string).__index = nil",
      "('').x.y = 1",
      "rawset(os, 1, 2)",
      "math.pi = 3",
      "local f, t = pairs(string) rawset(t, 'format', nil)",
      "utf8.char = nil",
  };
  for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++) {
    struct box *box = *state;
    if (box_call(box, attempts[i], TG_POLICY_MS) == LUA_OK) fail_msg("%s succeeded", attempts[i]);
  }
  box_expect(*state,
             "return type(string.format) .. type(('x').upper) .. type(table.insert) .. #('x')",
             "functionfunctionfunction1");
  box_expect_error(*state, "string.trim = print",
                   "script:1: string is read-only: 'trim' cannot be set");
  box_expect(*state, "return tostring(getmetatable('')) .. tostring(getmetatable(string))",
             "falsefalse");
}

static void read_only_tables_can_be_walked(void **state) {
  box_expect(*state,
             "local names = {} for k in pairs(os) do names[#names + 1] = k end "
             "return table.concat(names, ' ')",
             "clock date time");
}

static void globals_are_frozen_for_tasks_and_not_before(void **state) {
  struct box *box = *state;
  box_expect(box, "helper = function() return counter end counter = 1 return helper()", "1");
  assert_int_equal(tg_sandbox_freeze(&box->sandbox, NULL), TG_OK);
  box_expect_error(box, "counter = 2",
                   "globals are read-only when tasks run: 'counter' (use local, or return it as "
                   "ctx.output)");
  box_expect_error(box, "rawset(_G, 'counter', 2)", "rawset: this table is read-only");
  box_expect_error(box, "setmetatable(_G, nil)", "protected");
  box_expect_error(box, "_G.print = 1", "globals are read-only");
  box_expect(box, "return helper() + _G.counter", "2");
  box_expect(box, "return _G._G == _G and load('return helper()')()", "1");
  lua_pushinteger(box->sandbox.L, 5);
  tg_sandbox_set_global(box->sandbox.L, "counter");
  box_expect(box, "return counter", "5");
  box_expect(box, "local n for k in pairs(_G) do n = k end return n", "xpcall");
}

static void a_metatable_of_the_globals_does_not_survive_the_freeze(void **state) {
  struct box *box = *state;
  box_expect(box, "setmetatable(_G, {__newindex = function() end}) return 1", "1");
  assert_int_equal(tg_sandbox_freeze(&box->sandbox, NULL), TG_OK);
  box_expect_error(box, "x = 1", "globals are read-only");
}

// --- Functions of ours ---

static void finalizers_and_weak_tables_are_refused(void **state) {
  box_expect_error(*state, "setmetatable({}, {__gc = 1})", "__gc is not available");
  box_expect_error(*state, "setmetatable({}, {__mode = 'k'})", "__mode is not available");
  box_expect(
      *state,
      "local m = {} local t = setmetatable({}, m) m.__gc = function() error('x') end t = nil "
      "for i = 1, 1e4 do t = {} end return getmetatable(setmetatable({}, {__metatable = 'p'}))",
      "p");
}

static void nothing_shows_an_address(void **state) {
  box_expect(*state, "return tostring({}) .. tostring(print) .. tostring(coroutine.create(print))",
             "tablefunctionthread");
  box_expect(*state, "return ('%s %s'):format({}, print)", "table function");
  box_expect(*state, "return tostring(setmetatable({}, {__name = 'thing'}))", "thing");
  box_expect_error(*state, "return ('%p'):format({})", "'%p' is not available");
  box_expect_error(*state, "return ('%5p'):format({})", "'%p' is not available");
  struct box *box = *state;
  box_expect(box, "print({}, nil, 1, 'x', 1.5)", "nil");
  assert_string_equal(box->printed, "table\tnil\t1\tx\t1.5");
}

static void the_library_does_what_luas_does(void **state) {
  static const char *const cases[][2] = {
      {"return ('ab'):rep(3, '-')", "ab-ab-ab"},
      {"return ('ab'):rep(0) .. ('ab'):rep(-1) .. (''):rep(1e9) .. ('a'):rep(1, 'x')", "a"},
      {"return ('%5.1f|%-4d|%q|%x|%%|%i|%g|%c'):format(3.14159, 7, 'a\\n', 255, 3, 0.5, 65)",
       "  3.1|7   |\"a\\\n\"|ff|%|3|0.5|A"},
      {"return ('%s|%10s|%.2s'):format(nil, true, 'xyz')", "nil|      true|xy"},
      {"return '10' + 1 .. '|' .. '3' * '4' .. '|' .. -'2' .. '|' .. 7 // '2' .. '|' .. '0x10' + 0",
       "11|12|-2|3|16"},
      {"return 2 ^ '3' .. '|' .. '7' % 4 .. '|' .. '7' - 1 .. '|' .. '1' / 2", "8.0|3|6|0.5"},
      {"return setmetatable({}, {__add = function(a, b) return 'meta' end}) + 'x'", "meta"},
      {"return 'x' + setmetatable({}, {__add = function(a, b) return a .. 'meta' end})", "xmeta"},
      {"local t = {1, 2, 3} table.insert(t, 4) table.insert(t, 1, 0) return table.concat(t, ',')",
       "0,1,2,3,4"},
      {"local t = {1, 2, 3} return table.remove(t, 1) .. table.remove(t) .. #t", "131"},
      {"local t = {} return tostring(table.remove(t)) .. #t", "nil0"},
      {"return table.concat(table.move({1, 2, 3}, 1, 3, 2), ',')", "1,1,2,3"},
      {"return table.concat(table.move({1, 2, 3}, 2, 3, 1), ',')", "2,3,3"},
      {"return table.concat(table.move({1, 2, 3}, 1, 3, 3, {9, 9}), ',')", "9,9,1,2,3"},
      {"return select('#', table.unpack({1, nil, 3}, 1, 3)) .. table.pack(nil, nil).n", "32"},
      {"return table.concat({1, 2.5, 'x'}, '-', 2, 3)", "2.5-x"},
      {"local t = {} for i = 1, 200 do t[i] = (i * 7919) % 211 end table.sort(t) "
       "for i = 2, 200 do assert(t[i - 1] <= t[i]) end return #t",
       "200"},
      {"local t = {5, 1, 4} table.sort(t, function(a, b) return a > b end) return table.concat(t)",
       "541"},
      {"local t = {{2, 'a'}, {1, 'b'}, {2, 'c'}, {1, 'd'}} "
       "table.sort(t, function(a, b) return a[1] < b[1] end) "
       "return t[1][2] .. t[2][2] .. t[3][2] .. t[4][2]",
       "bdac"},
      {"return load('return 1 + ...')(2)", "3"},
      {"local n = 0 return load(function() n = n + 1 return ({'return ', '7'})[n] end)()", "7"},
      {"return load('return x', 'name', 't', {x = 5})()", "5"},
      {"return select(2, load('x ='))", "[string \"x =\"]:1: unexpected symbol near <eof>"},
      {"return select(2, load('x', 'y', 'b'))", "load: only text can be loaded, mode \"t\""},
      {"return select(2, load(function() error('e', 0) end))", "e"},
      {"return utf8.char(228, 8364) .. utf8.len('\xc3\xa4')", "\xc3\xa4\xe2\x82\xac"
                                                              "1"},
      {"return math.type(math.random(10)) .. tostring(math.random() < 1)", "integertrue"},
      {"for i = 1, 1000 do local n = math.random(3, 5) assert(n >= 3 and n <= 5) end return 1",
       "1"},
      {"return type(math.random(0)) .. math.type(math.random(math.mininteger, math.maxinteger))",
       "numberinteger"},
      {"return tostring(next({})) .. next({7}) .. select(2, next({7}))", "nil17"},
      {"local n = 0 for k, v in pairs(setmetatable({}, {__pairs = function() return next, {4}, nil "
       "end})) do n = n + v end return n",
       "4"},
      {"return type(collectgarbage('count'))", "number"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    box_expect(*state, cases[i][0], cases[i][1]);
}

static void mistakes_have_clear_errors(void **state) {
  static const char *const cases[][2] = {
      {"return ('x'):rep(1e10)", "script:1: string.rep: the result has more than 67108864 bytes"},
      {"return ('%d'):format('x')",
       "script:1: bad argument #2 to 'format' (number expected, got string)"},
      {"return ('%y'):format(1)", "script:1: invalid conversion '%y' to 'format'"},
      {"return string.pack('i99', 1)", "script:1: integral size (99) out of limits [1,16]"},
      {"return 'x' + 1", "attempt to perform arithmetic on a string value"},
      {"return {} + 'x'", "attempt to perform arithmetic on a table value"},
      {"table.concat({{}})", "invalid value (a table at index 1) in table for 'concat'"},
      {"table.insert({}, 5, 1)", "position out of bounds"},
      {"table.insert({}, 1, 2, 3)", "wrong number of arguments to 'insert'"},
      {"table.remove({}, 5)", "position out of bounds"},
      {"table.sort({3, 1, 'x'})", "attempt to compare"},
      {"table.sort({2, 1}, 5)", "function expected, got number"},
      {"table.sort({1, 1}, function(a, b) return a <= b end)",
       "invalid order function for sorting"},
      {"return ('x'):find('[')", "string.find: malformed pattern (missing ']')"},
      {"return ('x'):gsub('x', '%2')", "invalid capture index %2"},
      {"return ('x'):gsub('x', true)", "string/function/table expected"},
      {"collectgarbage()", "only \"count\""},
      {"return math.random(2, 1)", "interval is empty"},
      {"setmetatable({}, 5)", "nil or table expected"},
      {"return os.date('%Q')", "a conversion that os.date does not know"},
      {"return os.date('%')", "a conversion that os.date does not know"},
      {"return os.time({year = 2020})", "field 'month' missing"},
      {"return os.date('%c', 1 << 62)", "time out-of-bound"},
      {"return os.time({year = 1 << 60, month = 1, day = 1})", "'year' is out-of-bound"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    box_expect_error(*state, cases[i][0], cases[i][1]);
}

static void dates_are_of_the_scripts_clock_and_in_utc(void **state) {
  static const char *const cases[][2] = {
      {"return os.time() .. ' ' .. os.clock()", "1700000000 1700000000.0"},
      {"return os.date('%Y-%m-%dT%H:%M:%S%z')", "2023-11-14T22:13:20+0000"},
      {"return os.date()", "Tue Nov 14 22:13:20 2023"},
      {"return os.date('!%A %B %j %p %I %U %W %V %G %g %u %w %e %C %y %D %F %T %R %r %x %X %Z %%', "
       "0)",
       "Thursday January 001 AM 12 00 00 01 1970 70 4 4  1 19 70 01/01/70 1970-01-01 00:00:00 "
       "00:00 "
       "12:00:00 AM 01/01/70 00:00:00 UTC %"},
      {"return os.date('%G-W%V-%u', os.time{year = 2021, month = 1, day = 3})", "2020-W53-7"},
      {"return os.date('%F', -1)", "1969-12-31"},
      {"return #os.date('%d\\0%m')", "5"},
      {"return os.date('!*t1')", "*t1"},
      {"return os.date('%F %a', 951782400)", "2000-02-29 Tue"},
      {"return os.date('%F', -62135596801)", "0-12-31"},
      {"return os.time{year = 2024, month = 2, day = 30, hour = 0}", "1709251200"},
      {"local t = {year = 2023, month = 14, day = 0} os.time(t) return t.year .. t.month .. t.day",
       "2024131"},
      {"local t = os.date('*t', 1700000000) return t.year .. t.month .. t.day .. t.hour .. t.min "
       ".. "
       "t.sec .. t.wday .. t.yday .. tostring(t.isdst)",
       "202311142213203318false"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    box_expect(*state, cases[i][0], cases[i][1]);
}

static void every_day_of_800_years_is_the_next_one(void **state) {
  box_expect(*state,
             "local last, n = nil, 0\n"
             "for day = -146097, 146097, 97 do\n"
             "  local t = os.date('*t', day * 86400 + 43200)\n"
             "  assert(os.time(t) == day * 86400 + 43200)\n"
             "  n = n + 1\n"
             "end return n",
             "3013");
}

// Whatever it is given, a function gives a result or an error, and the state is as good as before.
static void every_function_survives_random_arguments(void **state) {
  box_expect(
      *state,
      "local values = {true, 0, -1, 1, 2, 7, 1 << 53, math.mininteger, math.maxinteger, 0.5,\n"
      "  -0.0, 0 / 0, math.huge, '', 'a', '%d', '%s%q%5.3f', '[a', '(a)(b', '%b()', '%1', '\\0',\n"
      "  '10', '*t', '!%c%V', 'i4z!8c3', ('ab '):rep(300), {}, {1, 2, 3}, {year = 1}, string,\n"
      "  _G, print, error, string.rep, function(...) return ... end,\n"
      "  function() error({}) end, function(x) return x and 'x' end,\n"
      "  coroutine.create(function(...) coroutine.yield(...) end), coroutine.wrap(print),\n"
      "  setmetatable({}, {__index = function(_, k) return k end, __len = function() return 5 "
      "end}),\n"
      "  setmetatable({}, {__tostring = function() return 1 end, __name = 5})}\n"
      "local function pick() return values[math.random(#values + 3)] end\n"
      "local calls = 0\n"
      "local function try(f)\n"
      "  for i = 1, 300 do\n"
      "    pcall(f, table.unpack({pick(), pick(), pick(), pick(), pick()}, 1, math.random(0, 5)))\n"
      "    calls = calls + 1\n"
      "  end\n"
      "end\n"
      "local functions = {}\n"
      "for name, f in pairs(_G) do\n"
      "  if type(f) == 'function' then functions[#functions + 1] = f end\n"
      "  if type(f) == 'table' and f ~= _G then\n"
      "    for _, g in pairs(f) do\n"
      "      if type(g) == 'function' then functions[#functions + 1] = g end\n"
      "    end\n"
      "  end\n"
      "end\n"
      "for i = 1, #functions do try(functions[i]) end\n"
      "return calls",
      "24300");
}

// --- Determinism ---

static const char order_script[] =
    "local t = {}\n"
    "for i = 1, 50 do t['k' .. i * 7919 % 1000] = i t[i * 31 % 97] = i end\n"
    "t[true], t[false], t[1.5] = 1, 2, 3\n"
    "local out = {}\n"
    "for k, v in pairs(t) do out[#out + 1] = tostring(k) .. '=' .. v if k == 2 then t[3] = nil end "
    "end\n"
    "for k in next, t do out[#out + 1] = tostring(k) end\n"
    "return table.concat(out, ' ') .. tostring({}) .. os.time() .. tostring(print)";

static void the_same_script_gives_the_same_in_two_states(void **state) {
  struct box *first = *state, second;
  assert_int_equal(box_call(first, order_script, TG_POLICY_MS), LUA_OK);
  box_open(&second, TG_POLICY_STATE_BYTES_MAX, true);
  box_expect(&second, order_script, first->text);
  box_close(&second);
}

static void walks_in_the_order_of_the_keys(void **state) {
  box_expect(*state,
             "local out = {} for k in pairs({b = 1, a = 1, [2] = 1, [1] = 1, [1.5] = 1, [-1] = 1, "
             "[true] = 1, [false] = 1, ['10'] = 1}) do out[#out + 1] = tostring(k) end "
             "return table.concat(out, ' ')",
             "-1 1 1.5 2 10 a b false true");
  box_expect(*state, "return next({b = 1, a = 2}) .. next({b = 1, a = 2}, 'a')", "ab");
  box_expect(*state, "return tostring(next({a = 1}, 'a'))", "nil");
  box_expect_error(*state, "for k in pairs({[{}] = 1}) do end", "a table with a table as a key");
  box_expect_error(*state, "return next({[print] = 1})", "a table with a function as a key");
}

static void refuses_what_is_never_the_same_twice(void **state) {
  box_expect_error(*state, "return math.random()", "math.random is not available");
  box_expect_error(*state, "return collectgarbage('count')", "collectgarbage is not available");
  struct box *box = *state;
  box->sandbox.is_deterministic = false; // the bundle is built, its tasks run
  box_expect(box, "return math.type(math.random(5))", "integer");
}

static void random_numbers_come_from_the_seed(void **state) {
  struct box *first = *state, second;
  const char *script = "return math.random(1000000) .. ' ' .. math.random()";
  assert_int_equal(box_call(first, script, TG_POLICY_MS), LUA_OK);
  box_open(&second, TG_POLICY_STATE_BYTES_MAX, false);
  box_expect(&second, script, first->text);
  tg_sandbox_seed(second.sandbox.random, 2);
  assert_int_equal(box_call(&second, script, TG_POLICY_MS), LUA_OK);
  assert_string_not_equal(second.text, first->text);
  tg_sandbox_seed(second.sandbox.random, 1);
  box_expect(&second, script, first->text);
  box_close(&second);
}

// --- Memory ---

static void opening_survives_every_failed_allocation(void **state) {
  (void)state;
  struct box box;
  int64_t cap = 1024;
  // A cap that grows byte by byte of what is missing fails each allocation in turn.
  while (box_try_open(&box, cap, false) != TG_OK) {
    assert_int_equal(box.sandbox.allocator.used, 0);
    cap += 64;
  }
  tg_sandbox_close(&box.sandbox);
  assert_int_equal(box.sandbox.allocator.used, 0);
}

static void scripts_survive_every_failed_allocation(void **state) {
  (void)state;
  static const char *const scripts[] = {
      "local t = {} for i = 1, 20 do t[i] = {i} end return #t",
      "return (('hello world'):gsub('%w+', function(w) return w:upper() .. '!' end))",
      "local co = coroutine.wrap(function(...) local a <close> = setmetatable({}, {__close = "
      "function() end}) coroutine.yield(...) end) co(1, 2) co()",
      "local t = {5, 4, 3, 2, 1} table.sort(t, function(a, b) return a < b end) return "
      "table.concat(t, ',')",
      "local out = {} for k, v in pairs({a = 1, b = 2, c = 3}) do out[#out + 1] = k .. v end "
      "return table.concat(out)",
      "local n = 0 for a, b in ('k=v, x=y'):gmatch('(%w+)=(%w+)') do n = n + #a + #b end return n",
      "return load(function() return nil end), load('return 1')(), ('%s %d'):format({}, 3)",
      "local ok, e = xpcall(error, function(e) return {e} end, 'x') return os.date() .. "
      "tostring(ok) .. ('x'):rep(100, 'y'):find(('x?'):rep(20)) .. string.pack('i4s', 1, 'x')",
      "string.x = 1",
      "print('a', {}, 1)",
  };
  struct box box;
  for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
    bool is_refused = true;
    for (uint64_t n = 1; is_refused; n++) {
      box_open(&box, 4 * MIB, i % 2 == 0);
      box.sandbox.allocator.fail_at = box.sandbox.allocator.calls + n;
      box_call(&box, scripts[i], TG_POLICY_MS);
      is_refused = box.sandbox.allocator.refused > 0;
      box_expect(&box, "return 1", "1");
      box_close(&box);
    }
  }
}

static void freezing_survives_every_failed_allocation(void **state) {
  (void)state;
  struct box box;
  int code = TG_ENOMEM;
  for (uint64_t n = 1; code != TG_OK; n++) {
    box_open(&box, 4 * MIB, false);
    box.sandbox.allocator.fail_at = box.sandbox.allocator.calls + n;
    code = tg_sandbox_freeze(&box.sandbox, NULL);
    box_close(&box);
  }
}

static void loads_text_up_to_its_limit(void **state) {
  struct box *box = *state;
  lua_State *L = box->sandbox.L;
  assert_int_equal(tg_sandbox_load(L, "\x1bLua", 4, "=x"), LUA_ERRSYNTAX);
  assert_non_null(strstr(lua_tostring(L, -1), "attempt to load a binary chunk"));
  assert_int_equal(tg_sandbox_load(L, "", TG_SOURCE_BYTES_MAX + 1, "=x"), LUA_ERRSYNTAX);
  assert_string_equal(lua_tostring(L, -1), "the source has more than 4194304 bytes");
  lua_settop(L, 0);
  box_expect_error(box, "return assert(load(('x'):rep(5e6)))", "the source has more than");
}

static void modules_of_a_caller_can_be_protected(void **state) {
  struct box *box = *state;
  lua_State *L = box->sandbox.L;
  assert_int_equal(luaL_dostring(L, "return {'one', two = 2}"), LUA_OK);
  tg_sandbox_protect(L, "my.module");
  tg_sandbox_set_global(L, "module");
  box_expect(box, "return module[1] .. module.two .. #module", "one21");
  box_expect_error(box, "module.x = 1", "my.module is read-only: 'x' cannot be set");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
#define TEST_DETERMINISTIC(function)                                                               \
  cmocka_unit_test_setup_teardown(function, setup_deterministic, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(every_probe_ends_with_an_error),
      TEST(scripts_reach_what_the_golden_list_has_and_no_more),
      TEST(what_is_dangerous_is_absent),
      TEST(libraries_cannot_be_changed),
      TEST(read_only_tables_can_be_walked),
      TEST(globals_are_frozen_for_tasks_and_not_before),
      TEST(a_metatable_of_the_globals_does_not_survive_the_freeze),
      TEST(finalizers_and_weak_tables_are_refused),
      TEST(nothing_shows_an_address),
      TEST(the_library_does_what_luas_does),
      TEST(mistakes_have_clear_errors),
      TEST(dates_are_of_the_scripts_clock_and_in_utc),
      TEST(every_day_of_800_years_is_the_next_one),
      TEST(every_function_survives_random_arguments),
      TEST_DETERMINISTIC(the_same_script_gives_the_same_in_two_states),
      TEST_DETERMINISTIC(walks_in_the_order_of_the_keys),
      TEST_DETERMINISTIC(refuses_what_is_never_the_same_twice),
      TEST(random_numbers_come_from_the_seed),
      cmocka_unit_test(opening_survives_every_failed_allocation),
      cmocka_unit_test(scripts_survive_every_failed_allocation),
      cmocka_unit_test(freezing_survives_every_failed_allocation),
      TEST(loads_text_up_to_its_limit),
      TEST(modules_of_a_caller_can_be_protected),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
