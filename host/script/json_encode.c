// SPDX-License-Identifier: Apache-2.0
#include "script/json_module.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/utf8.h"

enum { STACK_PER_LEVEL = 8 };

// One table that is being written, and where in it the writer is. The chain of frames is the path.
struct frame {
  const struct frame *parent;
  const void *table;
  lua_Integer place; // in an array, from 1; 0 in an object
  int key;           // stack index of the key, in an object
};

// A key of an object that is being written in order: bytes in `encoder.key_text`, copied because
// nothing holds on to a key while the collector may run finalizers.
struct key {
  size_t at, len;
};

struct encoder {
  const struct tg_json_caps *caps;
  struct tg_json_format format;
  struct tg_buf *out;
  struct tg_buf keys, key_text; // a stack of struct key, and their bytes
  struct tg_error *err;
  size_t start; // where in `out` the text begins
  size_t nodes;
  bool has_to_push; // the text is wanted on the Lua stack
  int code;
};

static int value_write(lua_State *L, struct encoder *e, int index, const struct frame *frame,
                       size_t depth);

static void path_put(lua_State *L, struct tg_buf *path, const struct frame *frame) {
  if (!frame) {
    tg_buf_putc(path, '$');
    return;
  }
  path_put(L, path, frame->parent);
  if (frame->place) {
    tg_buf_putf(path, "[%" PRId64 "]", (int64_t)frame->place);
  } else if (frame->key) {
    // Not lua_tolstring: it would turn a number into a string under lua_next.
    const char *key = lua_type(L, frame->key) == LUA_TSTRING ? lua_tostring(L, frame->key) : "?";
    tg_buf_putf(path, ".%.64s", key);
  }
}

// Fails with the path to the value and what is wrong there.
static int fail(lua_State *L, struct encoder *e, int code, const struct frame *frame,
                const char *what) {
  struct tg_buf path;
  tg_buf_init(&path, TG_ERROR_TEXT_MAX / 2);
  path_put(L, &path, frame);
  tg_error_set(e->err, code, "%s%s: %s", tg_buf_text(&path), path.is_failed ? "..." : "", what);
  tg_buf_deinit(&path);
  return code;
}

static int type_fail(lua_State *L, struct encoder *e, int index, const struct frame *frame) {
  char what[64];
  const char *type = lua_typename(L, lua_type(L, index));
  snprintf(what, sizeof what, "a %s cannot be encoded", type);
  return fail(L, e, TG_EINVALID, frame, what);
}

static int string_write(lua_State *L, struct encoder *e, const char *text, size_t len,
                        const struct frame *frame) {
  if (!tg_utf8_is_valid(text, len))
    return fail(L, e, TG_EINVALID, frame, "a string that is not UTF-8 cannot be encoded");
  tg_buf_put_json(e->out, text, len);
  return 0;
}

// Writes the shortest of 15 to 17 digits that reads back as the same number.
static int float_write(lua_State *L, struct encoder *e, double value, const struct frame *frame) {
  if (!isfinite(value))
    return fail(L, e, TG_EINVALID, frame, "a number that is not finite cannot be encoded");
  char text[40];
  for (int digits = 15; digits <= 17; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, value);
    if (strtod(text, NULL) == value) break;
  }
  bool is_float = false;
  for (char *c = text; *c; c++) {
    if (strchr("0123456789+-", *c)) continue;
    is_float = true;
    if (*c != 'e') *c = '.'; // the point of whatever locale is set
  }
  tg_buf_puts(e->out, text);
  if (!is_float) tg_buf_puts(e->out, ".0");
  return 0;
}

static void line_start(struct encoder *e, size_t depth) {
  if (!e->format.is_pretty) return;
  tg_buf_putc(e->out, '\n');
  for (size_t i = 0; i < depth; i++) tg_buf_puts(e->out, "  ");
}

// Writes what stands before an array's or object's next value.
static void item_start(struct encoder *e, bool is_first, size_t depth) {
  if (!is_first) tg_buf_putc(e->out, ',');
  line_start(e, depth);
}

static int array_write(lua_State *L, struct encoder *e, int table, lua_Integer n,
                       struct frame *frame, size_t depth) {
  tg_buf_putc(e->out, '[');
  for (frame->place = 1; frame->place <= n; frame->place++) {
    item_start(e, frame->place == 1, depth);
    lua_rawgeti(L, table, frame->place);
    int code = value_write(L, e, lua_gettop(L), frame, depth);
    if (code) return code;
    lua_pop(L, 1);
  }
  if (n) line_start(e, depth - 1);
  tg_buf_putc(e->out, ']');
  return 0;
}

// Writes a key and the value on top of the stack.
static int member_write(lua_State *L, struct encoder *e, struct frame *frame, bool is_first,
                        size_t depth) {
  size_t len;
  const char *key = lua_tolstring(L, frame->key, &len);
  item_start(e, is_first, depth);
  int code = string_write(L, e, key, len, frame);
  if (code) return code;
  tg_buf_puts(e->out, e->format.is_pretty ? ": " : ":");
  return value_write(L, e, lua_gettop(L), frame, depth);
}

static int members_write_unsorted(lua_State *L, struct encoder *e, int table, struct frame *frame,
                                  size_t depth) {
  bool is_first = true;
  frame->key = lua_gettop(L) + 1;
  lua_pushnil(L);
  while (lua_next(L, table)) {
    int code = member_write(L, e, frame, is_first, depth);
    if (code) return code;
    lua_pop(L, 1);
    is_first = false;
  }
  return 0;
}

static int key_compare(const void *a, const void *b, void *text) {
  const struct key *x = a, *y = b;
  size_t len = x->len < y->len ? x->len : y->len;
  int order = memcmp((char *)text + x->at, (char *)text + y->at, len);
  return order ? order : (x->len > y->len) - (x->len < y->len);
}

static struct key *keys_of(struct encoder *e, size_t at) {
  return (struct key *)(void *)(e->keys.data + at);
}

// Puts the keys of an object on the stack of keys, sorted; gives how many there are.
static size_t keys_push_sorted(lua_State *L, struct encoder *e, int table) {
  size_t start = e->keys.len;
  lua_pushnil(L);
  while (lua_next(L, table)) {
    lua_pop(L, 1);
    struct key key = {.at = e->key_text.len};
    const char *text = lua_tolstring(L, -1, &key.len);
    tg_buf_put(&e->key_text, text, key.len);
    tg_buf_put(&e->keys, &key, sizeof key);
  }
  size_t count = (e->keys.len - start) / sizeof(struct key);
  if (count > 1 && !e->keys.is_failed && !e->key_text.is_failed)
    qsort_r(keys_of(e, start), count, sizeof(struct key), key_compare, e->key_text.data);
  return count;
}

static int members_write_sorted(lua_State *L, struct encoder *e, int table, struct frame *frame,
                                size_t depth) {
  size_t keys_start = e->keys.len, text_start = e->key_text.len;
  size_t count = keys_push_sorted(L, e, table);
  if (e->keys.is_out_of_memory || e->key_text.is_out_of_memory)
    return fail(L, e, TG_ENOMEM, frame->parent, "no memory for the keys");
  if (e->keys.is_failed || e->key_text.is_failed)
    return fail(L, e, TG_ELIMIT, frame->parent, "the keys take more room than the text may");
  for (size_t i = 0; i < count; i++) {
    struct key key = keys_of(e, keys_start)[i];
    lua_pushlstring(L, e->key_text.data + key.at, key.len);
    frame->key = lua_gettop(L);
    lua_pushvalue(L, -1);
    lua_rawget(L, table);
    int code = member_write(L, e, frame, i == 0, depth);
    if (code) return code;
    lua_pop(L, 2);
  }
  e->keys.len = keys_start;
  e->key_text.len = text_start;
  return 0;
}

static int object_write(lua_State *L, struct encoder *e, int table, bool is_empty,
                        struct frame *frame, size_t depth) {
  tg_buf_putc(e->out, '{');
  int code = e->format.is_sorted ? members_write_sorted(L, e, table, frame, depth)
                                 : members_write_unsorted(L, e, table, frame, depth);
  if (code) return code;
  if (!is_empty) line_start(e, depth - 1);
  tg_buf_putc(e->out, '}');
  return 0;
}

static bool is_marked(lua_State *L, int table) {
  if (!lua_getmetatable(L, table)) return false;
  tg_lua_json_push_array_mark(L);
  bool is_equal = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return is_equal;
}

// What the keys of a table are.
struct shape {
  lua_Integer places, last; // integers of at least 1: how many, the largest
  lua_Integer names;        // strings
  const char *other;        // the type of a key that is neither, or NULL
};

static struct shape shape_look(lua_State *L, int table) {
  struct shape shape = {0};
  lua_pushnil(L);
  while (lua_next(L, table)) {
    lua_pop(L, 1);
    lua_Integer place = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : 0;
    if (place > 0) {
      shape.places++;
      if (place > shape.last) shape.last = place;
    } else if (lua_type(L, -1) == LUA_TSTRING) {
      shape.names++;
    } else {
      shape.other = lua_type(L, -1) == LUA_TNUMBER ? "number that is no place in a list"
                                                   : lua_typename(L, lua_type(L, -1));
    }
  }
  return shape;
}

static int shape_fail(lua_State *L, struct encoder *e, const struct shape *shape, bool is_array,
                      const struct frame *frame) {
  char what[128];
  if (shape->other)
    snprintf(what, sizeof what, "a table with a %s as a key cannot be encoded", shape->other);
  else if (shape->names && is_array)
    snprintf(what, sizeof what, "an array cannot have a key that is a string");
  else if (shape->names)
    snprintf(what, sizeof what, "a table with both places and names cannot be encoded");
  else
    snprintf(what, sizeof what,
             "an array with holes cannot be encoded: %" PRId64 " of %" PRId64 " items are there",
             (int64_t)shape->places, (int64_t)shape->last);
  return fail(L, e, TG_EINVALID, frame, what);
}

static int table_write(lua_State *L, struct encoder *e, int index, const struct frame *parent,
                       size_t depth) {
  struct frame frame = {.parent = parent, .table = lua_topointer(L, index)};
  for (const struct frame *f = parent; f; f = f->parent)
    if (f->table == frame.table)
      return fail(L, e, TG_EINVALID, parent, "a cyclic table cannot be encoded");
  if (depth >= e->caps->depth_max || !lua_checkstack(L, STACK_PER_LEVEL))
    return fail(L, e, TG_ELIMIT, parent, "too many tables inside one another");
  struct shape shape = shape_look(L, index);
  bool has_mark = is_marked(L, index), is_array = has_mark || shape.places > 0;
  if (shape.other || shape.places != shape.last || (is_array && shape.names))
    return shape_fail(L, e, &shape, has_mark, parent);
  if (is_array) return array_write(L, e, index, shape.last, &frame, depth + 1);
  return object_write(L, e, index, shape.names == 0, &frame, depth + 1);
}

static bool is_too_long(const struct encoder *e) {
  return e->out->is_failed || e->out->len - e->start > e->caps->bytes_max;
}

static int length_fail(lua_State *L, struct encoder *e, const struct frame *frame) {
  char what[64];
  if (e->out->is_out_of_memory) return fail(L, e, TG_ENOMEM, frame, "no memory for the JSON");
  double mib = (double)e->caps->bytes_max / (double)TG_MIB;
  snprintf(what, sizeof what, "as JSON the value is longer than %g MiB", mib);
  return fail(L, e, TG_ELIMIT, frame, what);
}

static int value_write(lua_State *L, struct encoder *e, int index, const struct frame *frame,
                       size_t depth) {
  if (++e->nodes > e->caps->nodes_max) return fail(L, e, TG_ELIMIT, frame, "too many values");
  if (is_too_long(e)) return length_fail(L, e, frame);
  size_t len;
  const char *text;
  switch (lua_type(L, index)) {
  case LUA_TNIL:
    tg_buf_puts(e->out, "null");
    return 0;
  case LUA_TBOOLEAN:
    tg_buf_puts(e->out, lua_toboolean(L, index) ? "true" : "false");
    return 0;
  case LUA_TNUMBER:
    if (!lua_isinteger(L, index)) return float_write(L, e, lua_tonumber(L, index), frame);
    tg_buf_putf(e->out, "%" PRId64, (int64_t)lua_tointeger(L, index));
    return 0;
  case LUA_TSTRING:
    text = lua_tolstring(L, index, &len);
    return string_write(L, e, text, len, frame);
  case LUA_TTABLE:
    return table_write(L, e, index, frame, depth);
  case LUA_TLIGHTUSERDATA:
    if (lua_touserdata(L, index)) return type_fail(L, e, index, frame);
    tg_buf_puts(e->out, "null");
    return 0;
  default:
    return type_fail(L, e, index, frame);
  }
}

// Runs protected, with the encoder and the value on the stack; gives the text if it is wanted.
static int encode_protected(lua_State *L) {
  struct encoder *e = lua_touserdata(L, 1);
  e->code = value_write(L, e, 2, NULL, 0);
  if (!e->code && is_too_long(e)) e->code = length_fail(L, e, NULL);
  if (e->code || !e->has_to_push) return 0;
  lua_pushlstring(L, tg_buf_text(e->out), e->out->len);
  return 1;
}

static int encode(lua_State *L, int index, struct encoder *e) {
  index = lua_absindex(L, index);
  e->start = e->out->len;
  tg_buf_init(&e->keys, e->caps->nodes_max * sizeof(struct key));
  tg_buf_init(&e->key_text, e->caps->bytes_max);
  if (!lua_checkstack(L, STACK_PER_LEVEL))
    return tg_error_set(e->err, TG_ENOMEM, "no memory to encode");
  lua_pushcfunction(L, encode_protected);
  lua_pushlightuserdata(L, e);
  lua_pushvalue(L, index);
  int status = lua_pcall(L, 2, 1, 0);
  if (status == LUA_ERRMEM)
    e->code = tg_error_set(e->err, TG_ENOMEM, "no memory to encode");
  else if (status != LUA_OK)
    e->code = tg_error_set(e->err, TG_EINVALID, "%s", lua_tostring(L, -1));
  if (e->code || !e->has_to_push) lua_pop(L, 1);
  tg_buf_deinit(&e->keys);
  tg_buf_deinit(&e->key_text);
  return e->code;
}

int tg_lua_json_encode(lua_State *L, int index, const struct tg_json_caps *caps, struct tg_buf *out,
                       struct tg_error *err) {
  struct encoder e = {.caps = caps, .format = {.is_sorted = true}, .out = out, .err = err};
  return encode(L, index, &e);
}

int tg_lua_json_push_text(lua_State *L, int index, const struct tg_json_caps *caps,
                          struct tg_json_format format, struct tg_error *err) {
  struct tg_buf out;
  tg_buf_init(&out, caps->bytes_max);
  struct encoder e = {.caps = caps, .format = format, .out = &out, .err = err, .has_to_push = true};
  int code = encode(L, index, &e);
  tg_buf_deinit(&out);
  return code;
}
