// SPDX-License-Identifier: Apache-2.0
// A tree is built from libyaml's events, without recursion: each open mapping or sequence is a
// frame on a stack whose height is TG_YAML_DEPTH_MAX. A finished value is given to the frame below.
//
// Two things would let a small text cost much, and both are stopped here. An alias is a copy, and
// the values that copies bring are counted; a value that is still open cannot be named, so there
// are no cycles. And libyaml compares each %TAG directive with all before it, so those are refused
// before it sees them. Deep nesting needs no such care: libyaml hands out events at most 1,024
// characters late, and the stack is checked at each.
#include "model/yaml.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/limits.h"
#include "base/map.h"
#include "model/yaml_scalar.h"

#define CORE_TAG "tag:yaml.org,2002:"

struct frame {
  json_t *value;
  struct tg_yaml_place *place;
  const struct tg_yaml_place **tail; // where the next child's place is linked in
  char *key;                         // of a mapping: the key whose value is awaited
  yaml_mark_t key_mark;
  char *anchor;
  size_t count, height; // values inside, itself included; levels, itself included
};

struct anchor {
  json_t *value; // NULL while the value is open
  const struct tg_yaml_place *place;
  size_t count, height;
};

struct reader {
  yaml_parser_t parser;
  const char *name;
  struct tg_yaml_document *document;
  struct tg_error *err;
  struct frame frames[TG_YAML_DEPTH_MAX];
  size_t depth;
  struct tg_map anchors; // name -> struct anchor
  size_t count, aliased;
  bool is_complete; // the root is there
};

// ---- errors

static int fail_at(struct reader *reader, yaml_mark_t mark, int code, const char *what) {
  return tg_error_set(reader->err, code, "%s:%zu:%zu: %s", reader->name, mark.line + 1,
                      mark.column + 1, what);
}

static int fail_memory(struct reader *reader) {
  return tg_error_set(reader->err, TG_ENOMEM, "%s: out of memory", reader->name);
}

// The reader of bytes knows only an offset: a byte that is no UTF-8 or a control character.
static int fail_reader(struct reader *reader, const char *text) {
  yaml_mark_t mark = {0};
  for (size_t i = 0; i < reader->parser.problem_offset; i++) {
    mark.column++;
    if (text[i] == '\n') mark = (yaml_mark_t){.line = mark.line + 1};
  }
  return fail_at(reader, mark, TG_EINVALID, reader->parser.problem);
}

static int fail_parser(struct reader *reader, const char *text) {
  const yaml_parser_t *parser = &reader->parser;
  yaml_mark_t mark = parser->problem_mark;
  if (parser->error == YAML_MEMORY_ERROR) return fail_memory(reader);
  if (parser->error == YAML_READER_ERROR) return fail_reader(reader, text);
  if (strcmp(parser->problem, "found character that cannot start any token") == 0)
    return fail_at(reader, mark, TG_EINVALID,
                   "a tab, '@' or '`' begins a value; indent with spaces, quote the text");
  if (!parser->context || parser->context_mark.line == mark.line)
    return fail_at(reader, mark, TG_EINVALID, parser->problem);
  return tg_error_set(reader->err, TG_EINVALID, "%s:%zu:%zu: %s %s that begins in line %zu",
                      reader->name, mark.line + 1, mark.column + 1, parser->problem,
                      parser->context, parser->context_mark.line + 1);
}

// ---- scalars

static const char *value_tag(const json_t *value) {
  switch (json_typeof(value)) {
  case JSON_NULL:
    return CORE_TAG "null";
  case JSON_TRUE:
  case JSON_FALSE:
    return CORE_TAG "bool";
  case JSON_INTEGER:
    return CORE_TAG "int";
  case JSON_REAL:
    return CORE_TAG "float";
  default:
    return CORE_TAG "str";
  }
}

static int fail_tag(struct reader *reader, yaml_mark_t mark, const char *tag) {
  return tg_error_set(reader->err, TG_EINVALID,
                      "%s:%zu:%zu: the tag '%.100s' does not fit here; only the core tags (!!str, "
                      "!!int, !!float, !!bool, !!null, !!seq, !!map) are supported",
                      reader->name, mark.line + 1, mark.column + 1, tag);
}

static int scalar_make(struct reader *reader, const yaml_event_t *event, json_t **value) {
  const char *text = (const char *)event->data.scalar.value;
  const char *tag = (const char *)event->data.scalar.tag;
  size_t len = event->data.scalar.length;
  if (memchr(text, 0, len))
    return fail_at(reader, event->start_mark, TG_EINVALID, "a NUL character in a text");
  bool is_text = tag ? strcmp(tag, "!") == 0 || strcmp(tag, CORE_TAG "str") == 0
                     : event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
  *value = NULL;
  const char *fault = is_text ? NULL : tg_yaml_scalar_make(text, value);
  if (fault == tg_yaml_no_memory) return fail_memory(reader);
  if (fault) return fail_at(reader, event->start_mark, TG_EINVALID, fault);
  if (!*value) *value = json_stringn(text, len);
  if (!*value) return fail_memory(reader);
  if (tag && !is_text && strcmp(tag, value_tag(*value)) != 0) {
    json_decref(*value);
    return fail_tag(reader, event->start_mark, tag);
  }
  return TG_OK;
}

// ---- anchors

static int anchor_open(struct reader *reader, const char *name) {
  struct anchor *anchor = tg_map_get(&reader->anchors, name);
  if (!anchor) {
    anchor = calloc(1, sizeof *anchor);
    if (!anchor || tg_map_put(&reader->anchors, name, anchor) != 0) {
      free(anchor);
      return fail_memory(reader);
    }
  }
  json_decref(anchor->value); // a later anchor of the same name takes its place
  *anchor = (struct anchor){0};
  return TG_OK;
}

static void anchor_close(struct reader *reader, const char *name, const struct frame *from) {
  struct anchor *anchor = tg_map_get(&reader->anchors, name);
  json_decref(anchor->value);
  *anchor = (struct anchor){json_incref(from->value), from->place, from->count, from->height};
}

static void anchors_free(struct tg_map *anchors) {
  const struct tg_map_slot *slot;
  for (size_t at = 0; (slot = tg_map_next(anchors, &at));) {
    struct anchor *anchor = slot->value;
    json_decref(anchor->value);
    free(anchor);
  }
  tg_map_deinit(anchors);
}

// ---- the tree

static struct frame *frame_top(struct reader *reader) {
  return reader->depth ? &reader->frames[reader->depth - 1] : NULL;
}

// Counts the values that come in before anything is made of them.
static int count_add(struct reader *reader, size_t count, yaml_mark_t mark) {
  reader->count += count;
  if (reader->count <= TG_YAML_NODES_MAX) return TG_OK;
  return tg_error_set(reader->err, TG_ELIMIT, "%s:%zu:%zu: more than %d values", reader->name,
                      mark.line + 1, mark.column + 1, TG_YAML_NODES_MAX);
}

static int fail_depth(struct reader *reader, yaml_mark_t mark) {
  return tg_error_set(reader->err, TG_ELIMIT, "%s:%zu:%zu: nested deeper than %d levels",
                      reader->name, mark.line + 1, mark.column + 1, TG_YAML_DEPTH_MAX);
}

// Makes the place of the value that comes next: at its key, or where the value itself begins.
static struct tg_yaml_place *place_make(struct reader *reader, yaml_mark_t mark) {
  const struct frame *top = frame_top(reader);
  if (top && top->key) mark = top->key_mark;
  struct tg_yaml_place *place = tg_arena_alloc(&reader->document->arena, sizeof *place);
  if (!place) return NULL;
  place->line = (uint32_t)mark.line + 1;
  place->column = (uint32_t)mark.column + 1;
  return place;
}

// Gives a finished value to the open mapping or sequence, or makes it the root.
static int value_add(struct reader *reader, const struct frame *done) {
  struct frame *top = frame_top(reader);
  if (!top) {
    reader->document->root = done->value;
    reader->document->place = done->place;
    reader->is_complete = true;
    return TG_OK;
  }
  int failed = top->key ? json_object_set_new(top->value, top->key, done->value)
                        : json_array_append_new(top->value, done->value);
  if (failed) return fail_memory(reader);
  free(top->key);
  top->key = NULL;
  *top->tail = done->place;
  top->tail = &done->place->next;
  top->count += done->count;
  if (top->height <= done->height) top->height = done->height + 1;
  return TG_OK;
}

static int key_take(struct reader *reader, const yaml_event_t *event) {
  struct frame *top = frame_top(reader);
  const char *text = (const char *)event->data.scalar.value;
  bool is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
  if (strlen(text) != event->data.scalar.length)
    return fail_at(reader, event->start_mark, TG_EINVALID, "a NUL character in a key");
  if (event->data.scalar.tag || event->data.scalar.anchor)
    return fail_at(reader, event->start_mark, TG_EINVALID, "a key with a tag or an anchor");
  if (is_plain && strcmp(text, "<<") == 0)
    return fail_at(reader, event->start_mark, TG_EINVALID,
                   "merge keys (<<) are not supported; write the fields out");
  if (json_object_get(top->value, text))
    return tg_error_set(reader->err, TG_EINVALID, "%s:%zu:%zu: the key '%.100s' occurs twice",
                        reader->name, event->start_mark.line + 1, event->start_mark.column + 1,
                        text);
  top->key = strdup(text);
  top->key_mark = event->start_mark;
  return top->key ? TG_OK : fail_memory(reader);
}

static bool is_key_awaited(struct reader *reader) {
  const struct frame *top = frame_top(reader);
  return top && json_is_object(top->value) && !top->key;
}

static int scalar_take(struct reader *reader, const yaml_event_t *event) {
  if (is_key_awaited(reader)) return key_take(reader, event);
  const char *name = (const char *)event->data.scalar.anchor;
  struct frame done = {.count = 1};
  int code = count_add(reader, 1, event->start_mark);
  if (code == TG_OK && name) code = anchor_open(reader, name);
  if (code == TG_OK) code = scalar_make(reader, event, &done.value);
  if (code != TG_OK) return code;
  done.place = place_make(reader, event->start_mark);
  if (!done.place) {
    json_decref(done.value);
    return fail_memory(reader);
  }
  if (name) anchor_close(reader, name, &done);
  return value_add(reader, &done);
}

static int fail_alias(struct reader *reader, const yaml_event_t *event, const char *what) {
  return tg_error_set(reader->err, TG_EINVALID, "%s:%zu:%zu: the alias '*%.100s' %s", reader->name,
                      event->start_mark.line + 1, event->start_mark.column + 1,
                      (const char *)event->data.alias.anchor, what);
}

static int alias_take(struct reader *reader, const yaml_event_t *event) {
  const struct anchor *anchor =
      tg_map_get(&reader->anchors, (const char *)event->data.alias.anchor);
  if (is_key_awaited(reader)) return fail_alias(reader, event, "is used as a key");
  if (!anchor) return fail_alias(reader, event, "names nothing");
  if (!anchor->value) return fail_alias(reader, event, "is inside the value it names");
  reader->aliased += anchor->count;
  if (reader->aliased > TG_YAML_ALIASES_MAX)
    return tg_error_set(reader->err, TG_ELIMIT,
                        "%s:%zu:%zu: aliases stand for more than %d values in all", reader->name,
                        event->start_mark.line + 1, event->start_mark.column + 1,
                        TG_YAML_ALIASES_MAX);
  if (reader->depth + anchor->height > TG_YAML_DEPTH_MAX)
    return fail_depth(reader, event->start_mark);
  int code = count_add(reader, anchor->count, event->start_mark);
  if (code != TG_OK) return code;
  struct tg_yaml_place *place = place_make(reader, event->start_mark);
  json_t *copy = place ? json_deep_copy(anchor->value) : NULL;
  if (!copy) return fail_memory(reader);
  place->first = anchor->place->first;
  return value_add(
      reader, &(struct frame){
                  .value = copy, .place = place, .count = anchor->count, .height = anchor->height});
}

static int collection_open(struct reader *reader, yaml_mark_t mark, json_t *empty,
                           const char *anchor, const char *tag, const char *core_tag) {
  int code = TG_OK;
  if (is_key_awaited(reader))
    code = fail_at(reader, mark, TG_EINVALID, "a key must be a scalar");
  else if (tag && strcmp(tag, "!") != 0 && strcmp(tag, core_tag) != 0)
    code = fail_tag(reader, mark, tag);
  else if (reader->depth == TG_YAML_DEPTH_MAX)
    code = fail_depth(reader, mark);
  else
    code = count_add(reader, 1, mark);
  if (code == TG_OK && anchor) code = anchor_open(reader, anchor);
  struct frame frame = {.value = empty, .count = 1, .height = 1};
  if (code == TG_OK) {
    frame.place = place_make(reader, mark);
    frame.anchor = anchor ? strdup(anchor) : NULL;
    if (!empty || !frame.place || (anchor && !frame.anchor)) code = fail_memory(reader);
  }
  if (code != TG_OK) {
    free(frame.anchor);
    json_decref(empty);
    return code;
  }
  frame.tail = &frame.place->first;
  reader->frames[reader->depth++] = frame;
  return TG_OK;
}

static int collection_close(struct reader *reader) {
  struct frame done = reader->frames[--reader->depth];
  if (done.anchor) anchor_close(reader, done.anchor, &done);
  free(done.anchor);
  return value_add(reader, &done);
}

// ---- the document

static int event_take(struct reader *reader, const yaml_event_t *event) {
  switch (event->type) {
  case YAML_DOCUMENT_START_EVENT:
    if (!reader->is_complete) return TG_OK;
    return fail_at(reader, event->start_mark, TG_EINVALID,
                   "a second document begins; one file holds one document");
  case YAML_SCALAR_EVENT:
    return scalar_take(reader, event);
  case YAML_ALIAS_EVENT:
    return alias_take(reader, event);
  case YAML_SEQUENCE_START_EVENT:
    return collection_open(reader, event->start_mark, json_array(),
                           (const char *)event->data.sequence_start.anchor,
                           (const char *)event->data.sequence_start.tag, CORE_TAG "seq");
  case YAML_MAPPING_START_EVENT:
    return collection_open(reader, event->start_mark, json_object(),
                           (const char *)event->data.mapping_start.anchor,
                           (const char *)event->data.mapping_start.tag, CORE_TAG "map");
  case YAML_SEQUENCE_END_EVENT:
  case YAML_MAPPING_END_EVENT:
    return collection_close(reader);
  default:
    return TG_OK; // stream and document marks
  }
}

static int stream_read(struct reader *reader, const char *text) {
  for (;;) {
    yaml_event_t event;
    if (!yaml_parser_parse(&reader->parser, &event)) return fail_parser(reader, text);
    bool is_end = event.type == YAML_STREAM_END_EVENT;
    int code = event_take(reader, &event);
    yaml_event_delete(&event);
    if (code != TG_OK || is_end) return code;
  }
}

// Looks for %TAG at the start of a line; the line breaks of YAML 1.1 beyond ASCII end in a byte
// above 0x7f.
static bool has_tag_directive(const char *text, size_t len) {
  for (const char *at = text; (at = memmem(at, len - (size_t)(at - text), "%TAG", 4)); at++)
    if (at == text || at[-1] == '\n' || at[-1] == '\r' || (unsigned char)at[-1] > 0x7f) return true;
  return false;
}

static int text_check(const char *text, size_t len, const char *name, struct tg_error *err) {
  if (len > TG_YAML_BYTES_MAX)
    return tg_error_set(err, TG_ELIMIT, "%s:1:1: the file has more than %lld bytes", name,
                        (long long)TG_YAML_BYTES_MAX);
  if (len && has_tag_directive(text, len))
    return tg_error_set(err, TG_EINVALID, "%s:1:1: %%TAG directives are not supported", name);
  return TG_OK;
}

static void reader_deinit(struct reader *reader) {
  yaml_parser_delete(&reader->parser);
  while (reader->depth) {
    struct frame *frame = &reader->frames[--reader->depth];
    json_decref(frame->value);
    free(frame->key);
    free(frame->anchor);
  }
  anchors_free(&reader->anchors);
}

// An empty text has no value in it: its root is null.
static int root_complete(struct reader *reader) {
  if (reader->is_complete) return TG_OK;
  struct frame root = {.value = json_null(), .place = place_make(reader, (yaml_mark_t){0})};
  return root.place ? value_add(reader, &root) : fail_memory(reader);
}

int tg_yaml_parse(const char *text, size_t len, const char *name, struct tg_yaml_document *document,
                  struct tg_error *err) {
  *document = (struct tg_yaml_document){0};
  tg_arena_init(&document->arena);
  int code = text_check(text, len, name, err);
  if (code != TG_OK) return code;
  struct reader reader = {.name = name, .document = document, .err = err};
  tg_map_init(&reader.anchors);
  if (!yaml_parser_initialize(&reader.parser)) return fail_memory(&reader);
  yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
  yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, len);
  code = stream_read(&reader, text);
  if (code == TG_OK) code = root_complete(&reader);
  reader_deinit(&reader);
  if (code != TG_OK) tg_yaml_deinit(document);
  return code;
}

void tg_yaml_deinit(struct tg_yaml_document *document) {
  json_decref(document->root);
  tg_arena_deinit(&document->arena);
  *document = (struct tg_yaml_document){0};
}

// ---- places

// Compares a reference token of a JSON pointer, where ~1 is a slash and ~0 a tilde, with a key.
static bool token_is(const char *token, size_t len, const char *key) {
  for (size_t i = 0; i < len; i++, key++) {
    char c = token[i];
    if (c == '~' && i + 1 < len) c = token[++i] == '1' ? '/' : '~';
    if (*key != c) return false;
  }
  return !*key;
}

static const struct tg_yaml_place *item_find(const struct tg_yaml_place *place, json_t **value,
                                             const char *token, size_t len) {
  char *end;
  unsigned long index = strtoul(token, &end, 10);
  if (!len || end != token + len || index >= json_array_size(*value)) return NULL;
  *value = json_array_get(*value, index);
  for (place = place->first; index; index--) place = place->next;
  return place;
}

static const struct tg_yaml_place *member_find(const struct tg_yaml_place *place, json_t **value,
                                               const char *token, size_t len) {
  const char *key;
  json_t *member;
  const struct tg_yaml_place *child = place->first;
  json_object_foreach(*value, key, member) {
    if (token_is(token, len, key)) {
      *value = member;
      return child;
    }
    child = child->next;
  }
  return NULL;
}

const struct tg_yaml_place *tg_yaml_where(const struct tg_yaml_document *document,
                                          const char *pointer) {
  const struct tg_yaml_place *place = document->place;
  json_t *value = document->root;
  while (place && *pointer == '/') {
    size_t len = strcspn(++pointer, "/");
    if (json_is_array(value))
      place = item_find(place, &value, pointer, len);
    else
      place = member_find(place, &value, pointer, len); // of a scalar: it has no members
    pointer += len;
  }
  return *pointer ? NULL : place;
}
