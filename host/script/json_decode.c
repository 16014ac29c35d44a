// SPDX-License-Identifier: Apache-2.0
// A text that is right is read straight into Lua values (json_read). What that does not take is
// parsed by jansson, which knows what is wrong and where. Its tree takes many times the memory of a
// text that is all brackets, so the caps are enforced by a look over the text before all else.
#include "script/json_module.h"

#include <jansson.h>
#include <lauxlib.h>

#include "script/json_read.h"

enum { STACK_PER_LEVEL = 8, DEPTH_HINTED_MAX = 128 };

// How large a text's tree would be, if the text is well formed.
struct size {
  size_t nodes, depth_max;
  struct tg_json_hints hints;
};

// The arrays and objects that are open: which of the hints counts the members of each.
struct open {
  size_t depth, opened;
  uint8_t hints[DEPTH_HINTED_MAX];
};

static void member_count(struct size *size, const struct open *open) {
  if (!open->depth || open->depth > DEPTH_HINTED_MAX) return;
  size_t hint = open->hints[open->depth - 1];
  if (hint < TG_JSON_HINTS && size->hints.members[hint] < TG_JSON_HINT_MAX)
    size->hints.members[hint]++;
}

static void open_push(struct open *open) {
  uint8_t hint = (uint8_t)(open->opened < TG_JSON_HINTS ? open->opened : TG_JSON_HINTS);
  if (open->depth < DEPTH_HINTED_MAX) open->hints[open->depth] = hint;
  open->opened++;
  open->depth++;
}

static size_t string_skip(const char *text, size_t len, size_t at) {
  for (at++; at < len && text[at] != '"'; at++)
    if (text[at] == '\\') at++;
  return at;
}

// Counts values: the root, one for each comma, and one for each bracket that is not closed at once.
static struct size size_count(const char *text, size_t len) {
  struct size size = {.nodes = 1};
  struct open open = {0};
  bool is_opened = false; // the last thing was an opening bracket
  for (size_t i = 0; i < len; i++) {
    char c = text[i];
    if (c == ' ' || c == '\n' || c == '\r' || c == '\t') continue;
    bool is_close = c == ']' || c == '}', is_open = c == '[' || c == '{';
    if (c == ',' || (is_opened && !is_close)) {
      size.nodes++;
      member_count(&size, &open);
    }
    if (is_open) open_push(&open);
    if (open.depth > size.depth_max) size.depth_max = open.depth;
    if (is_close && open.depth > 0) open.depth--;
    if (c == '"') i = string_skip(text, len, i);
    is_opened = is_open;
  }
  return size;
}

static int caps_check(const char *text, size_t len, const struct tg_json_caps *caps,
                      struct tg_json_hints *hints, struct tg_error *err) {
  if (len > caps->bytes_max)
    return tg_error_set(err, TG_ELIMIT, "the text has more than %zu bytes", caps->bytes_max);
  struct size size = size_count(text, len);
  if (size.depth_max > caps->depth_max)
    return tg_error_set(err, TG_ELIMIT, "the text has more than %zu levels", caps->depth_max);
  if (size.nodes > caps->nodes_max)
    return tg_error_set(err, TG_ELIMIT, "the text has more than %zu values", caps->nodes_max);
  *hints = size.hints;
  return 0;
}

struct text {
  const char *at;
  size_t len;
  struct tg_json_hints hints;
  bool is_read;
};

static int read_protected(lua_State *L) {
  struct text *text = lua_touserdata(L, 1);
  text->is_read = tg_lua_json_read(L, text->at, text->len, &text->hints);
  return text->is_read;
}

// Pushes the text's value if it is right, else nothing.
static int text_push(lua_State *L, struct text *text, struct tg_error *err) {
  if (!lua_checkstack(L, STACK_PER_LEVEL))
    return tg_error_set(err, TG_ENOMEM, "no memory to decode");
  lua_pushcfunction(L, read_protected);
  lua_pushlightuserdata(L, text);
  if (lua_pcall(L, 1, LUA_MULTRET, 0) == LUA_OK) return TG_OK;
  lua_pop(L, 1);
  return tg_error_set(err, TG_ENOMEM, "no memory to decode");
}

static void value_push(lua_State *L, const json_t *value);

static void array_push(lua_State *L, const json_t *array) {
  size_t n = json_array_size(array);
  lua_createtable(L, (int)n, 0);
  tg_lua_json_push_array_mark(L);
  lua_setmetatable(L, -2);
  for (size_t i = 0; i < n; i++) {
    value_push(L, json_array_get(array, i));
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

static void object_push(lua_State *L, json_t *object) {
  lua_createtable(L, 0, (int)json_object_size(object));
  for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at)) {
    lua_pushlstring(L, json_object_iter_key(at), json_object_iter_key_len(at));
    value_push(L, json_object_iter_value(at));
    lua_rawset(L, -3);
  }
}

// Pushes one value. Depth is bounded by caps_check.
static void value_push(lua_State *L, const json_t *value) {
  luaL_checkstack(L, STACK_PER_LEVEL, NULL);
  switch (json_typeof(value)) {
  case JSON_OBJECT:
    object_push(L, (json_t *)value);
    break;
  case JSON_ARRAY:
    array_push(L, value);
    break;
  case JSON_STRING:
    lua_pushlstring(L, json_string_value(value), json_string_length(value));
    break;
  case JSON_INTEGER:
    lua_pushinteger(L, json_integer_value(value));
    break;
  case JSON_REAL:
    lua_pushnumber(L, json_real_value(value));
    break;
  case JSON_TRUE:
    lua_pushboolean(L, 1);
    break;
  case JSON_FALSE:
    lua_pushboolean(L, 0);
    break;
  case JSON_NULL:
    lua_pushlightuserdata(L, NULL);
    break;
  }
}

// Runs protected, with the root of the tree on the stack.
static int push_protected(lua_State *L) {
  value_push(L, lua_touserdata(L, 1));
  return 1;
}

static json_t *tree_parse(const char *text, size_t len, struct tg_json_place *place,
                          struct tg_error *err) {
  json_error_t fault;
  json_t *root = json_loadb(text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &fault);
  if (root) return root;
  if (json_error_code(&fault) == json_error_out_of_memory) {
    tg_error_set(err, TG_ENOMEM, "no memory to decode");
    return NULL;
  }
  tg_error_set(err, TG_EINVALID, "line %d, column %d: %s", fault.line, fault.column, fault.text);
  if (place) *place = (struct tg_json_place){fault.line, fault.column, fault.position};
  return NULL;
}

static int tree_push(lua_State *L, json_t *root, struct tg_error *err) {
  if (!lua_checkstack(L, STACK_PER_LEVEL))
    return tg_error_set(err, TG_ENOMEM, "no memory to decode");
  lua_pushcfunction(L, push_protected);
  lua_pushlightuserdata(L, root);
  if (lua_pcall(L, 1, 1, 0) == LUA_OK) return 0;
  lua_pop(L, 1);
  return tg_error_set(err, TG_ENOMEM, "no memory to decode");
}

int tg_lua_json_push_at(lua_State *L, const char *text, size_t len, const struct tg_json_caps *caps,
                        struct tg_json_place *place, struct tg_error *err) {
  struct tg_error local; // the code is returned even where nobody asks for the text
  if (!err) err = &local;
  if (place) *place = (struct tg_json_place){0};
  struct text whole = {.at = text, .len = len};
  int code = caps_check(text, len, caps, &whole.hints, err);
  if (!code) code = text_push(L, &whole, err);
  if (code || whole.is_read) return code;
  json_t *root = tree_parse(text, len, place, err);
  if (!root) return err->code;
  code = tree_push(L, root, err);
  json_decref(root);
  return code;
}

int tg_lua_json_push(lua_State *L, const char *text, size_t len, const struct tg_json_caps *caps,
                     struct tg_error *err) {
  return tg_lua_json_push_at(L, text, len, caps, NULL, err);
}
