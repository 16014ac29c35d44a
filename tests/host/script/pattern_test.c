// SPDX-License-Identifier: Apache-2.0
// Compares find, match, gmatch and gsub with Lua's own, on cases that a person chose and on random
// ones. Only whether there is an error is compared, not its words.
#include "box.h"

#include <lualib.h>
#include <stdlib.h>

static const char harness[] =
    "local name, text, pattern, more, last = ...\n"
    "local function show(...)\n"
    "  local parts = {}\n"
    "  for i = 1, select('#', ...) do parts[i] = type((select(i, ...))) .. tostring((select(i, "
    "...))) end\n"
    "  return table.concat(parts, '|')\n"
    "end\n"
    "if name == 'gmatch' then\n"
    "  local out = {}\n"
    "  local ok = pcall(function()\n"
    "    for a, b, c in string.gmatch(text, pattern, more) do out[#out + 1] = show(a, b, c) end\n"
    "  end)\n"
    "  return ok and table.concat(out, ';') or 'error'\n"
    "end\n"
    "if more == 'function' then more = function(...) return show(...) end end\n"
    "if more == 'table' then more = setmetatable({}, {__index = function(_, k) return k ~= 'a' and "
    "'<' .. k .. '>' end}) end\n"
    "local function finish(ok, ...) return ok and show(...) or 'error' end\n"
    "return finish(pcall(string[name], text, pattern, more, last))\n";

struct both {
  struct box box;
  lua_State *stock;
};

static int both_open(void **state) {
  static struct both both;
  box_open(&both.box, TG_BUNDLE_STATE_BYTES_MAX, false);
  both.stock = luaL_newstate();
  luaL_openlibs(both.stock);
  lua_State *states[] = {both.stock, both.box.sandbox.L};
  for (int i = 0; i < 2; i++)
    assert_int_equal(luaL_loadbuffer(states[i], harness, sizeof harness - 1, "=harness"), LUA_OK);
  *state = &both;
  return 0;
}

static int both_close(void **state) {
  struct both *both = *state;
  lua_close(both->stock);
  box_close(&both->box);
  return 0;
}

struct call {
  const char *name, *text;
  size_t text_len;
  const char *pattern;
  size_t pattern_len;
  const char *more; // NULL for nil; of find and match a number
  int last;         // 0 for nil
};

static const char *call_in(lua_State *L, const struct call *call, size_t *len) {
  lua_settop(L, 1);
  lua_pushvalue(L, 1);
  lua_pushstring(L, call->name);
  lua_pushlstring(L, call->text, call->text_len);
  lua_pushlstring(L, call->pattern, call->pattern_len);
  lua_pushstring(L, call->more);
  if (strcmp(call->name, "gsub") != 0 && call->more) {
    lua_stringtonumber(L, call->more);
    lua_remove(L, -2);
  }
  if (call->last)
    lua_pushinteger(L, call->last);
  else
    lua_pushnil(L);
  assert_int_equal(lua_pcall(L, 5, 1, 0), LUA_OK);
  return lua_tolstring(L, -1, len);
}

static void compare(struct both *both, const struct call *call) {
  size_t theirs_len, ours_len;
  const char *theirs = call_in(both->stock, call, &theirs_len);
  const char *ours = call_in(both->box.sandbox.L, call, &ours_len);
  if (theirs_len != ours_len || memcmp(theirs, ours, ours_len) != 0)
    fail_msg("%s('%.*s', '%.*s', %s, %d)\n  Lua:  %s\n  ours: %s", call->name, (int)call->text_len,
             call->text, (int)call->pattern_len, call->pattern, call->more ? call->more : "nil",
             call->last, theirs, ours);
}

static void compare_all(struct both *both, const char *text, size_t text_len, const char *pattern,
                        size_t pattern_len) {
  static const char *const starts[] = {NULL, "2", "-2", "0", "99"};
  static const char *const replacements[] = {"<%0>", "%1%%", "%2",       "x",
                                             "%",    "%z",   "function", "table"};
  struct call call = {
      .text = text, .text_len = text_len, .pattern = pattern, .pattern_len = pattern_len};
  for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
    static const char *const names[] = {"find", "match", "gmatch"};
    for (int n = 0; n < 3; n++) {
      call.name = names[n];
      call.more = starts[i];
      compare(both, &call);
    }
  }
  call.name = "gsub";
  for (size_t i = 0; i < sizeof replacements / sizeof *replacements; i++) {
    call.more = replacements[i];
    call.last = (int)(i % 3);
    compare(both, &call);
  }
}

static void matches_chosen_patterns_like_lua(void **state) {
  static const char *const cases[][2] = {
      {"hello world", "o w"},
      {"hello", ""},
      {"", ""},
      {"", "^$"},
      {"key = value", "^(%w+)%s*=%s*(%w+)$"},
      {"f(a(b)c)d", "%b()"},
      {"THE (quick) fox", "%f[%a]%a+%f[%A]"},
      {"abcabc", "(a)(b)(c)%1%2%3"},
      {"abc", "()b()"},
      {"x]y", "[]]"},
      {"x^y", "[x^]+"},
      {"a-z", "[a%-z]+"},
      {"a-z", "[%a-z]+"},
      {"2024-01-02", "(%d+)-(%d+)-(%d+)"},
      {"aaa", "a-"},
      {"aaab", "a-b"},
      {"aaa", "a?a?a?a"},
      {"abc", "[^%s]*"},
      {"$100", "%$%d+"},
      {"a$", "a$"},
      {"a$b", "a$b"},
      {"abc", "(b"},
      {"abc", "b)"},
      {"abc", "%"},
      {"abc", "[a"},
      {"abc", "[a%"},
      {"abc", "[]"},
      {"abc", "[^]"},
      {"abc", "%b"},
      {"abc", "%bx"},
      {"abc", "%f"},
      {"abc", "%fa"},
      {"abc", "(a)%2"},
      {"abc", "(a%1)"},
      {"abc", "%0"},
      {"abc", "()%1"},
      {"a\0b", "a%zb"},
      {"abc", "**"},
      {"a.b", "a%.b"},
      {"word word", "(%w+) %1"},
      {"\xc3\xa9t", "[\x80-\xff]+"},
      {"ABC", "%u+%l*"},
      {"\t\n x", "^%s+"},
      {"0x1F", "%x+"},
      {"!#%", "%p+"},
      {"a b", "%g+"},
      {"()", "(%()(%))"},
      {"aXb", "%u"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    compare_all(*state, cases[i][0], strlen(cases[i][0]), cases[i][1], strlen(cases[i][1]));
}

static uint32_t random_number(uint64_t *seed) {
  *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (uint32_t)(*seed >> 33);
}

static size_t random_text(uint64_t *seed, const char *alphabet, size_t letters, size_t max,
                          char *text) {
  size_t len = random_number(seed) % (max + 1);
  for (size_t i = 0; i < len; i++) text[i] = alphabet[random_number(seed) % letters];
  return len;
}

static void matches_random_patterns_like_lua(void **state) {
  static const char letters[] = "aab.%%[[]]^$()()*+-?12dDwsbfAc\0";
  static const char subject_letters[] = "aaabbc1( )]-%^\0A";
  uint64_t seed = 42;
  for (int i = 0; i < 4000; i++) {
    char pattern[12], text[16];
    size_t pattern_len = random_text(&seed, letters, sizeof letters - 1, sizeof pattern, pattern);
    size_t len = random_text(&seed, subject_letters, sizeof subject_letters - 1, sizeof text, text);
    compare_all(*state, text, len, pattern, pattern_len);
  }
}

static void agrees_with_lua_on_every_class_and_byte(void **state) {
  for (int letter = 32; letter < 127; letter++) {
    char all[256], pattern[4] = {'%', (char)letter, '+', 0};
    for (int c = 0; c < 256; c++) all[c] = (char)c;
    struct call call = {
        .name = "gmatch", .text = all, .text_len = 256, .pattern = pattern, .pattern_len = 3};
    compare(*state, &call);
  }
}

static void stops_what_needs_too_many_steps(void **state) {
  struct both *both = *state;
  static const char *const scripts[] = {
      "return ('a'):rep(30):find(('a?'):rep(30) .. ('a'):rep(30))",
      "return ('a'):rep(2000):find('.-.-.-.-b')",
      "return ('a'):rep(300000):find('a-b')",
      "return ('a'):rep(300000):match('a-b')",
      "return ('a'):rep(300000):gsub('a-b', 'x')",
      "return ('a'):rep(300000):gmatch('a-b')()",
      "return ('('):rep(300000):find('%b()')",
  };
  for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
    lua_settop(both->box.sandbox.L, 0);
    box_expect_error(&both->box, scripts[i], "pattern needs too many steps");
  }
}

static void allows_work_that_grows_with_the_text(void **state) {
  struct both *both = *state;
  lua_settop(both->box.sandbox.L, 0);
  box_expect(&both->box, "return (select(2, ('ab '):rep(2e6):gsub('%s+', '')))", "2000000");
  box_expect(&both->box, "return ('x'):rep(3e7):find('y')", "nil");
  box_expect(&both->box, "return ('x'):rep(3e7):find('[y]')", "nil");
}

static void refuses_too_many_choices_and_long_patterns(void **state) {
  struct both *both = *state;
  lua_settop(both->box.sandbox.L, 0);
  box_expect_error(&both->box, "return ('a'):rep(300):find(('a?'):rep(300))", "too complex");
  box_expect_error(&both->box, "return ('a'):find(('a*'):rep(40000))",
                   "string.find: the pattern has");
  box_expect_error(&both->box, "return ('a'):find(('()'):rep(33))", "too many captures");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(matches_chosen_patterns_like_lua, both_open, both_close),
      cmocka_unit_test_setup_teardown(matches_random_patterns_like_lua, both_open, both_close),
      cmocka_unit_test_setup_teardown(agrees_with_lua_on_every_class_and_byte, both_open,
                                      both_close),
      cmocka_unit_test_setup_teardown(stops_what_needs_too_many_steps, both_open, both_close),
      cmocka_unit_test_setup_teardown(allows_work_that_grows_with_the_text, both_open, both_close),
      cmocka_unit_test_setup_teardown(refuses_too_many_choices_and_long_patterns, both_open,
                                      both_close),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
