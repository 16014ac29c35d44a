// SPDX-License-Identifier: Apache-2.0
#include "script/sandbox_pattern.h"

#include <lua.h>
#include <stdbool.h>
#include <string.h>

#include "base/limits.h"
#include "script/pattern.h"
#include "script/slice.h"

// One search: its subject, its pattern and the matcher. It is on the C stack until the attempt's
// turn ends in the middle of it; from then on it is in a userdata.
struct search {
  const char *function; // for messages
  bool is_kept;         // in a userdata
  const char *text;
  size_t len;
  struct tg_pattern pattern;
  struct tg_matcher matcher;
  struct tg_pattern_item items[TG_PATTERN_INLINE_ITEMS];
};

static bool on_tick(void *self, int64_t steps) {
  return tg_slice_work(self, steps);
}

// Work that is linear in the subject is always allowed; the budget is for what grows faster.
static int64_t steps_max(size_t len) {
  return TG_PATTERN_STEPS_MAX + 16 * (int64_t)len;
}

static const char *check_pattern(lua_State *L, int index, const char *function, size_t *len) {
  const char *pattern = luaL_checklstring(L, index, len);
  if (*len > TG_PATTERN_BYTES_MAX)
    luaL_error(L, "%s: the pattern has more than %d bytes", function, TG_PATTERN_BYTES_MAX);
  return pattern;
}

static void search_ready(lua_State *L, struct search *search, const char *function) {
  search->function = function;
  search->is_kept = false;
  tg_matcher_init(&search->matcher, &search->pattern, search->text, search->len,
                  steps_max(search->len));
  search->matcher.tick = on_tick;
  search->matcher.self = L;
}

// Reads subject (1) and pattern (2). A long pattern's items are left on the stack as a userdata.
static void search_init(lua_State *L, struct search *search, const char *function) {
  size_t len;
  search->text = luaL_checklstring(L, 1, &search->len);
  const char *pattern = check_pattern(L, 2, function, &len);
  struct tg_pattern_item *items = search->items;
  size_t needed = tg_pattern_items_max(len);
  if (needed > TG_PATTERN_INLINE_ITEMS) items = lua_newuserdatauv(L, needed * sizeof *items, 0);
  tg_pattern_compile(&search->pattern, items, pattern, len, true);
  search_ready(L, search, function);
}

// Keeps a paused search: moves what begins with it, `size` bytes, to a userdata on the stack.
static void *search_keep(lua_State *L, struct search *search, size_t size) {
  if (search->is_kept) return search;
  struct search *kept = lua_newuserdatauv(L, size, 0);
  memcpy(kept, search, size);
  kept->is_kept = true;
  kept->matcher.pattern = &kept->pattern;
  if (search->pattern.items == search->items) kept->pattern.items = kept->items;
  return kept;
}

// Lets others run in the middle of a search; `again` goes on in the attempt's next turn.
static int search_pause(lua_State *L, struct search *search, lua_KFunction again) {
  return tg_slice_yield(L, (lua_KContext)search_keep(L, search, sizeof *search), again);
}

// Raises if the last match ended with a fault.
static void check_fault(lua_State *L, const struct tg_matcher *matcher, const char *function) {
  if (!matcher->fault) return;
  if (matcher->steps < 0)
    luaL_error(L, "%s: %s (%I): make it simpler, or the text shorter", function, matcher->fault,
               (LUAI_UACINT)steps_max((size_t)(matcher->end - matcher->start)));
  luaL_error(L, "%s: %s", function, matcher->fault);
}

// Pushes capture `i` of the match [at, end); without captures, capture 0 is the whole match.
static void push_capture(lua_State *L, const struct tg_matcher *matcher, int i, const char *at,
                         const char *end) {
  if (i >= matcher->level) {
    if (i != 0) luaL_error(L, "invalid capture index %%%d", i + 1);
    lua_pushlstring(L, at, (size_t)(end - at));
    return;
  }
  const struct tg_capture *capture = &matcher->captures[i];
  if (capture->len == TG_CAPTURE_OPEN) luaL_error(L, "unfinished capture");
  if (capture->len == TG_CAPTURE_POSITION)
    lua_pushinteger(L, capture->start - matcher->start + 1);
  else
    lua_pushlstring(L, capture->start, (size_t)capture->len);
}

static int push_captures(lua_State *L, const struct tg_matcher *matcher, const char *at,
                         const char *end) {
  int n = matcher->level == 0 && at ? 1 : matcher->level;
  luaL_checkstack(L, n, "too many captures");
  for (int i = 0; i < n; i++) push_capture(L, matcher, i, at, end);
  return n;
}

// Gives where to start for argument `index`, or NULL for a start behind the end.
static const char *check_start(lua_State *L, int index, const char *text, size_t len) {
  lua_Integer start = luaL_optinteger(L, index, 1);
  if (start < 0) start = start < -(lua_Integer)len ? 1 : (lua_Integer)len + start + 1;
  if (start == 0) start = 1;
  return start > (lua_Integer)len + 1 ? NULL : text + start - 1;
}

static int push_range(lua_State *L, const char *text, const char *at, size_t len) {
  lua_pushinteger(L, at - text + 1);
  lua_pushinteger(L, at - text + (lua_Integer)len);
  return 2;
}

static int push_nothing(lua_State *L) {
  lua_pushnil(L);
  return 1;
}

static bool is_plain(const char *pattern, size_t len) {
  for (size_t i = 0; i < len; i++)
    if (strchr("^$*+?.([%-", pattern[i]) && pattern[i]) return false;
  return true;
}

static int find_plain(lua_State *L, const char *text, size_t len, const char *start) {
  size_t wanted_len;
  const char *wanted = lua_tolstring(L, 2, &wanted_len);
  size_t rest = len - (size_t)(start - text);
  tg_slice_work(L, (int64_t)(rest / 16));
  const char *at = wanted_len ? memmem(start, rest, wanted, wanted_len) : start;
  return at ? push_range(L, text, at, wanted_len) : push_nothing(L);
}

static int find_end(lua_State *L, struct search *search, enum tg_match match);

static int find_again(lua_State *L, int status, lua_KContext context) {
  (void)status;
  struct search *search = (struct search *)context;
  return find_end(L, search, tg_matcher_continue(&search->matcher));
}

static int find_end(lua_State *L, struct search *search, enum tg_match match) {
  const struct tg_matcher *matcher = &search->matcher;
  if (match == TG_MATCH_PAUSED) return search_pause(L, search, find_again);
  check_fault(L, matcher, search->function);
  if (match == TG_MATCH_NONE) return push_nothing(L);
  push_range(L, search->text, matcher->found, (size_t)(matcher->found_end - matcher->found));
  return 2 + push_captures(L, matcher, NULL, NULL);
}

static int l_string_find(lua_State *L) {
  size_t len, pattern_len;
  const char *text = luaL_checklstring(L, 1, &len);
  const char *pattern = luaL_checklstring(L, 2, &pattern_len);
  const char *at = check_start(L, 3, text, len);
  if (!at) return push_nothing(L);
  if (lua_toboolean(L, 4) || is_plain(pattern, pattern_len)) return find_plain(L, text, len, at);
  struct search search;
  search_init(L, &search, "string.find");
  return find_end(L, &search, tg_matcher_find(&search.matcher, at));
}

static int match_end(lua_State *L, struct search *search, enum tg_match match);

static int match_again(lua_State *L, int status, lua_KContext context) {
  (void)status;
  struct search *search = (struct search *)context;
  return match_end(L, search, tg_matcher_continue(&search->matcher));
}

static int match_end(lua_State *L, struct search *search, enum tg_match match) {
  const struct tg_matcher *matcher = &search->matcher;
  if (match == TG_MATCH_PAUSED) return search_pause(L, search, match_again);
  check_fault(L, matcher, search->function);
  return match == TG_MATCH_FOUND ? push_captures(L, matcher, matcher->found, matcher->found_end)
                                 : push_nothing(L);
}

static int l_string_match(lua_State *L) {
  size_t len;
  const char *text = luaL_checklstring(L, 1, &len);
  luaL_checkstring(L, 2);
  const char *at = check_start(L, 3, text, len);
  if (!at) return push_nothing(L);
  struct search search;
  search_init(L, &search, "string.match");
  return match_end(L, &search, tg_matcher_find(&search.matcher, at));
}

// The state of a gmatch, a userdata; the subject is kept alive by the iterator's other upvalue.
struct gmatch {
  const char *text;
  size_t len;
  const char *at, *last_end; // where to go on; the end of the last match
  struct tg_pattern pattern;
  struct tg_pattern_item items[];
};

static int gmatch_end(lua_State *L, struct search *search, enum tg_match match);

static int gmatch_again(lua_State *L, int status, lua_KContext context) {
  (void)status;
  struct search *search = (struct search *)context;
  return gmatch_end(L, search, tg_matcher_continue(&search->matcher));
}

static int gmatch_end(lua_State *L, struct search *search, enum tg_match match) {
  struct gmatch *g = lua_touserdata(L, lua_upvalueindex(2));
  struct tg_matcher *matcher = &search->matcher;
  // An empty match right behind the last one does not count.
  while (match == TG_MATCH_FOUND && matcher->found_end == g->last_end)
    match = matcher->found < matcher->end ? tg_matcher_find(matcher, matcher->found + 1)
                                          : TG_MATCH_NONE;
  if (match == TG_MATCH_PAUSED) return search_pause(L, search, gmatch_again);
  g->at = NULL;
  check_fault(L, matcher, search->function);
  if (match == TG_MATCH_NONE) return push_nothing(L);
  g->at = g->last_end = matcher->found_end;
  return push_captures(L, matcher, matcher->found, matcher->found_end);
}

static int gmatch_next(lua_State *L) {
  struct gmatch *g = lua_touserdata(L, lua_upvalueindex(2));
  if (!g->at) return push_nothing(L);
  struct search search;
  search.text = g->text;
  search.len = g->len;
  search.pattern = g->pattern;
  search_ready(L, &search, "string.gmatch");
  return gmatch_end(L, &search, tg_matcher_find(&search.matcher, g->at));
}

static int l_string_gmatch(lua_State *L) {
  size_t len, pattern_len;
  const char *text = luaL_checklstring(L, 1, &len);
  const char *pattern = check_pattern(L, 2, "string.gmatch", &pattern_len);
  const char *start = check_start(L, 3, text, len);
  size_t items = tg_pattern_items_max(pattern_len);
  lua_pushvalue(L, 1);
  struct gmatch *g = lua_newuserdatauv(L, sizeof *g + items * sizeof g->items[0], 0);
  g->text = text;
  g->len = len;
  g->at = start;
  g->last_end = NULL;
  tg_pattern_compile(&g->pattern, g->items, pattern, pattern_len, false);
  lua_pushcclosure(L, gmatch_next, 2);
  return 1;
}

// Adds the replacement text of argument 3, with %0 to %9 and %% filled in.
static void add_template(lua_State *L, const struct search *search, luaL_Buffer *buffer,
                         const char *at, const char *end) {
  size_t len;
  const char *text = lua_tolstring(L, 3, &len), *stop = text + len;
  while (text < stop) {
    const char *escape = memchr(text, '%', (size_t)(stop - text));
    luaL_addlstring(buffer, text, (size_t)((escape ? escape : stop) - text));
    if (!escape) return;
    char what = escape[1]; // the NUL behind the string, at worst
    text = escape + 2;
    if (what == '%') {
      luaL_addchar(buffer, '%');
    } else if (what == '0') {
      luaL_addlstring(buffer, at, (size_t)(end - at));
    } else if (what >= '1' && what <= '9') {
      push_capture(L, &search->matcher, what - '1', at, end);
      luaL_tolstring(L, -1, NULL); // a position becomes text
      lua_remove(L, -2);
      luaL_addvalue(buffer);
    } else {
      luaL_error(L, "invalid use of '%%' in replacement string");
    }
  }
}

// Adds what stands for one match; says whether it is anything else than the match itself.
static bool add_replacement(lua_State *L, const struct search *search, luaL_Buffer *buffer,
                            const char *at, const char *end) {
  switch (lua_type(L, 3)) {
  case LUA_TFUNCTION:
    lua_pushvalue(L, 3);
    lua_call(L, push_captures(L, &search->matcher, at, end), 1);
    break;
  case LUA_TTABLE:
    push_capture(L, &search->matcher, 0, at, end);
    lua_gettable(L, 3);
    break;
  default:
    add_template(L, search, buffer, at, end);
    return true;
  }
  if (!lua_toboolean(L, -1)) {
    lua_pop(L, 1);
    luaL_addlstring(buffer, at, (size_t)(end - at));
    return false;
  }
  if (!lua_isstring(L, -1)) luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
  luaL_addvalue(buffer);
  return true;
}

// A gsub on its way. What is done of the result is in a buffer; in a pause it becomes a string, a
// piece of the result, which stays on the Lua stack.
struct gsub {
  struct search search;
  lua_Integer count, most; // of the replacements
  const char *from;        // what is before it is in the result
  const char *last_end;
  size_t bytes; // of the pieces
  int pieces;
  bool is_changed;
};

static void check_size(lua_State *L, const struct gsub *g, luaL_Buffer *buffer) {
  if (g->bytes + luaL_bufflen(buffer) > TG_STRING_BYTES_MAX)
    luaL_error(L, "string.gsub: the result has more than %d bytes", TG_STRING_BYTES_MAX);
}

// Replaces what was found and looks for the next.
static enum tg_match replace(lua_State *L, struct gsub *g, luaL_Buffer *buffer) {
  struct tg_matcher *matcher = &g->search.matcher;
  const char *at = matcher->found, *end = matcher->found_end;
  if (end != g->last_end) {
    g->count++;
    luaL_addlstring(buffer, g->from, (size_t)(at - g->from));
    g->is_changed |= add_replacement(L, &g->search, buffer, at, end);
    check_size(L, g, buffer);
    tg_slice_work(L, 10);
    g->from = at = g->last_end = end;
  } else if (at++ == matcher->end) { // an empty match right behind the last one does not count
    return TG_MATCH_NONE;
  }
  if (g->search.pattern.is_anchored || g->count == g->most) return TG_MATCH_NONE;
  return tg_matcher_find(matcher, at);
}

static int gsub_go(lua_State *L, struct gsub *g, enum tg_match match);

static int gsub_again(lua_State *L, int status, lua_KContext context) {
  (void)status;
  struct gsub *g = (struct gsub *)context;
  return gsub_go(L, g, tg_matcher_continue(&g->search.matcher));
}

static int gsub_pause(lua_State *L, struct gsub *g, luaL_Buffer *buffer) {
  luaL_checkstack(L, LUA_MINSTACK, "string.gsub");
  g->bytes += luaL_bufflen(buffer);
  g->pieces++;
  luaL_pushresult(buffer);
  bool is_first = !g->search.is_kept;
  g = search_keep(L, &g->search, sizeof *g);
  if (is_first) lua_insert(L, -2); // the pieces stay together, above it
  return tg_slice_yield(L, (lua_KContext)g, gsub_again);
}

static int gsub_go(lua_State *L, struct gsub *g, enum tg_match match) {
  const struct search *search = &g->search;
  luaL_Buffer buffer;
  luaL_buffinit(L, &buffer);
  while (match == TG_MATCH_FOUND) match = replace(L, g, &buffer);
  if (match == TG_MATCH_PAUSED) return gsub_pause(L, g, &buffer);
  check_fault(L, &search->matcher, search->function);
  luaL_addlstring(&buffer, g->from, (size_t)(search->text + search->len - g->from));
  check_size(L, g, &buffer);
  luaL_pushresult(&buffer);
  lua_concat(L, g->pieces + 1);
  if (!g->is_changed) lua_pushvalue(L, 1);
  lua_pushinteger(L, g->count);
  tg_slice_leave(L);
  return 2;
}

static int l_string_gsub(lua_State *L) {
  size_t len;
  luaL_checklstring(L, 1, &len);
  luaL_checkstring(L, 2);
  int type = lua_type(L, 3);
  luaL_argexpected(
      L, type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TTABLE || type == LUA_TFUNCTION,
      3, "string/function/table");
  if (type == LUA_TNUMBER) lua_tostring(L, 3);
  struct gsub g;
  g.most = luaL_optinteger(L, 4, (lua_Integer)len + 1);
  search_init(L, &g.search, "string.gsub");
  g.from = g.search.text;
  g.last_end = NULL;
  g.count = 0;
  g.bytes = 0;
  g.pieces = 0;
  g.is_changed = false;
  return gsub_go(L, &g, g.most > 0 ? tg_matcher_find(&g.search.matcher, g.from) : TG_MATCH_NONE);
}

const luaL_Reg tg_sandbox_pattern_functions[] = {{"find", l_string_find},
                                                 {"match", l_string_match},
                                                 {"gmatch", l_string_gmatch},
                                                 {"gsub", l_string_gsub},
                                                 {NULL, NULL}};
