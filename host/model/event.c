// SPDX-License-Identifier: Apache-2.0
#include "model/event.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/glob.h"
#include "base/limits.h"
#include "base/suggest.h"
#include "base/units.h"

// --- One event ---

static const char *const names[] = {"specversion", "id",   "source",     "type",
                                    "subject",     "time", "dataschema", "datacontenttype",
                                    "data",        NULL};

struct check {
  const char *where; // "event 3: "
  struct tg_error *err;
};

static int wrong(const struct check *check, const char *name, const char *what) {
  return tg_error_set(check->err, TG_EINVALID, "%s\"%.64s\" %s", check->where, name, what);
}

// Control characters have no place in an attribute, by the specification.
static bool is_clean(const json_t *value) {
  const char *text = json_string_value(value);
  size_t len = json_string_length(value);
  for (size_t i = 0; i < len; i++) {
    unsigned char c = (unsigned char)text[i];
    bool is_c1 = c == 0xc2 && (unsigned char)text[i + 1] < 0xa0;
    if (c < 0x20 || c == 0x7f || is_c1) return false;
  }
  return true;
}

static int text_check(const struct check *check, const char *name, const json_t *value) {
  if (!json_is_string(value)) return wrong(check, name, "must be a text");
  if (!json_string_length(value)) return wrong(check, name, "is empty");
  if (json_string_length(value) > TG_EVENT_TEXT_BYTES_MAX) return wrong(check, name, "is too long");
  return is_clean(value) ? TG_OK : wrong(check, name, "has control characters in it");
}

static int uri_check(const struct check *check, const char *name, const json_t *value) {
  int code = text_check(check, name, value);
  if (code || !strpbrk(json_string_value(value), " <>\"{}|\\^`")) return code;
  return wrong(check, name, "is no URI reference (RFC 3986): it has characters that none has");
}

static int time_check(const struct check *check, const json_t *value) {
  int64_t ms;
  int code = text_check(check, "time", value);
  if (code) return code;
  const char *text = json_string_value(value);
  if (strpbrk(text, "Tt") && tg_time_parse(text, &ms)) return TG_OK;
  return wrong(check, "time", "must be an instant of RFC 3339, like 2026-11-20T05:00:00Z");
}

static int media_type_check(const struct check *check, const json_t *value) {
  int code = text_check(check, "datacontenttype", value);
  if (code) return code;
  const char *text = json_string_value(value), *slash = strchr(text, '/');
  if (slash && slash > text && slash[1] && slash[1] != ';') return TG_OK;
  return wrong(check, "datacontenttype", "must be a media type, like application/json");
}

static int base64_check(const struct check *check, const json_t *value) {
  const char *text = json_string_value(value);
  size_t len = text ? json_string_length(value) : 1, end = len;
  while (text && end && len - end < 2 && text[end - 1] == '=') end--;
  bool is_sound = text && len % 4 == 0;
  for (size_t i = 0; i < end && is_sound; i++)
    is_sound = isalnum((unsigned char)text[i]) || text[i] == '+' || text[i] == '/';
  return is_sound ? TG_OK : wrong(check, "data_base64", "must be a text in base64 (RFC 4648)");
}

// An extension: its name is lower case letters and digits, its value no list and no object.
static int extension_check(const struct check *check, const char *name, const json_t *value) {
  for (const char *c = name; *c; c++) {
    if ((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9')) continue;
    const char *nearest = tg_suggest(name, names, sizeof names / sizeof *names - 1);
    return tg_error_set(check->err, TG_EINVALID,
                        "%s\"%.64s\" cannot be the name of an attribute, which has lower case "
                        "letters and digits only%s%s%s",
                        check->where, name, nearest ? "; did you mean \"" : "",
                        nearest ? nearest : "", nearest ? "\"?" : "");
  }
  if (!*name) return wrong(check, name, "cannot be the name of an attribute");
  if (json_is_string(value))
    return is_clean(value) ? TG_OK : wrong(check, name, "has control characters in it");
  if (json_is_boolean(value) || json_is_integer(value)) return TG_OK;
  return wrong(check, name,
               "must be a text, a boolean or a whole number; what else there is to "
               "say belongs into \"data\"");
}

static int depth_check(const struct check *check, const json_t *value, int left) {
  const char *name;
  json_t *member;
  size_t index;
  int code = TG_OK;
  if (!json_is_object(value) && !json_is_array(value)) return TG_OK;
  if (!left) return wrong(check, "data", "is nested too deeply");
  json_object_foreach((json_t *)value, name, member) {
    if (!code) code = depth_check(check, member, left - 1);
  }
  json_array_foreach((json_t *)value, index, member) {
    if (!code) code = depth_check(check, member, left - 1);
  }
  return code;
}

static int member_check(const struct check *check, const char *name, const json_t *value) {
  if (strcmp(name, "data") == 0) return depth_check(check, value, TG_EVENT_DEPTH_MAX);
  if (strcmp(name, "id") == 0 || strcmp(name, "type") == 0 || strcmp(name, "subject") == 0)
    return text_check(check, name, value);
  if (strcmp(name, "source") == 0 || strcmp(name, "dataschema") == 0)
    return uri_check(check, name, value);
  if (strcmp(name, "time") == 0) return time_check(check, value);
  if (strcmp(name, "datacontenttype") == 0) return media_type_check(check, value);
  if (strcmp(name, "data_base64") == 0) return base64_check(check, value);
  if (strcmp(name, "specversion") == 0) {
    const char *version = json_string_value(value);
    return version && strcmp(version, "1.0") == 0 ? TG_OK : wrong(check, name, "must be \"1.0\"");
  }
  return extension_check(check, name, value);
}

// An attribute that is null is one that is not there.
static void nulls_drop(json_t *event) {
  const char *name;
  json_t *value;
  void *next;
  json_object_foreach_safe(event, next, name, value) {
    if (json_is_null(value) && strcmp(name, "data") != 0) json_object_del(event, name);
  }
}

static int event_check(const struct check *check, json_t *event) {
  static const char *const required[] = {"specversion", "id", "source", "type"};
  const char *name;
  json_t *value;
  int code = TG_OK;
  if (!json_is_object(event))
    return tg_error_set(check->err, TG_EINVALID, "%san event is a JSON object", check->where);
  nulls_drop(event);
  for (size_t i = 0; i < sizeof required / sizeof *required; i++)
    if (!json_object_get(event, required[i]))
      return tg_error_set(check->err, TG_EINVALID,
                          "%s\"%s\" is missing; a CloudEvent has specversion, id, source and type",
                          check->where, required[i]);
  json_object_foreach(event, name, value) {
    if (!code) code = member_check(check, name, value);
  }
  if (!code && json_object_get(event, "data") && json_object_get(event, "data_base64"))
    code = wrong(check, "data", "and \"data_base64\" are both there; an event has one of them");
  return code;
}

// --- Many ---

struct parse {
  struct tg_arena *arena;
  struct tg_event *events;
  size_t count, cap;
  struct tg_error *err;
};

static const char *text_own(struct parse *parse, const json_t *event, const char *name) {
  return tg_arena_strdup(parse->arena, json_string_value(json_object_get(event, name)));
}

// Gives room for one more, or NULL.
static struct tg_event *room_make(struct parse *parse) {
  if (parse->count < parse->cap) return &parse->events[parse->count];
  size_t cap = parse->cap ? parse->cap * 2 : 4;
  struct tg_event *more = tg_arena_alloc(parse->arena, cap * sizeof *more);
  if (!more) return NULL;
  if (parse->count) memcpy(more, parse->events, parse->count * sizeof *more);
  parse->events = more;
  parse->cap = cap;
  return &more[parse->count];
}

static int event_add(struct parse *parse, json_t *document) {
  char where[32];
  snprintf(where, sizeof where, "event %zu: ", parse->count + 1);
  int code = event_check(&(struct check){where, parse->err}, document);
  if (code) return code;
  char *body = json_dumps(document, JSON_COMPACT | JSON_REAL_PRECISION(17));
  if (body && strlen(body) > (size_t)TG_EVENT_BYTES_MAX)
    code = tg_error_set(parse->err, TG_ELIMIT, "%sit has more than %lld bytes", where,
                        (long long)TG_EVENT_BYTES_MAX);
  struct tg_event event = {.id = text_own(parse, document, "id"),
                           .source = text_own(parse, document, "source"),
                           .type = text_own(parse, document, "type"),
                           .subject = text_own(parse, document, "subject"),
                           .body = tg_arena_strdup(parse->arena, body)};
  const char *time = json_string_value(json_object_get(document, "time"));
  if (time) tg_time_parse(time, &event.time);
  free(body);
  if (code) return code;
  struct tg_event *room = room_make(parse);
  if (!room || !event.id || !event.source || !event.type || !event.body)
    return tg_error_set(parse->err, TG_ENOMEM, "no memory for the events");
  *room = event;
  parse->count++;
  return TG_OK;
}

static int document_add(struct parse *parse, json_t *document) {
  size_t index;
  json_t *event;
  int code = TG_OK;
  if (!json_is_array(document)) return event_add(parse, document);
  json_array_foreach(document, index, event) {
    if (!code) code = event_add(parse, event);
  }
  return code;
}

static size_t lines_before(const char *text, const char *at) {
  size_t lines = 0;
  for (; text < at; text++) lines += *text == '\n';
  return lines;
}

static bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

int tg_events_parse(const char *text, size_t len, struct tg_arena *arena, struct tg_event **events,
                    size_t *count, struct tg_error *err) {
  struct parse parse = {.arena = arena, .err = err};
  const char *at = text, *end = text + len;
  int code = TG_OK;
  while (!code) {
    while (at < end && is_space(*at)) at++;
    if (at == end) break;
    json_error_t error;
    json_t *document =
        json_loadb(at, (size_t)(end - at),
                   JSON_DISABLE_EOF_CHECK | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (!document) {
      code = tg_error_set(err, TG_EINVALID, "line %zu is no JSON: %s",
                          lines_before(text, at) + (size_t)error.line, error.text);
      break;
    }
    code = document_add(&parse, document);
    json_decref(document);
    at += error.position;
  }
  if (!code && !parse.count)
    code = tg_error_set(err, TG_EINVALID,
                        "there is no event; a CloudEvent is a JSON object with "
                        "specversion, id, source and type");
  *events = code ? NULL : parse.events;
  *count = code ? 0 : parse.count;
  return code;
}

// --- Filters ---

static int filter_text(const json_t *document, const char *name, const char **text,
                       struct tg_error *err) {
  const json_t *value = json_object_get(document, name);
  *text = json_string_value(value);
  if (!value || (*text && **text)) return TG_OK;
  return tg_error_set(err, TG_EINVALID, "\"%s\" of a filter must be a text", name);
}

int tg_event_filter_parse(json_t *document, struct tg_event_filter *filter, struct tg_error *err) {
  const char *path;
  json_t *value;
  *filter = (struct tg_event_filter){.match = json_object_get(document, "match")};
  int code = filter_text(document, "type", &filter->type, err);
  if (!code) code = filter_text(document, "source", &filter->source, err);
  if (!code) code = filter_text(document, "subject", &filter->subject, err);
  if (code) return code;
  if (!filter->type) return tg_error_set(err, TG_EINVALID, "a filter of events names their type");
  if (filter->match && !json_is_object(filter->match))
    return tg_error_set(err, TG_EINVALID, "\"match\" of a filter must be an object");
  json_object_foreach(filter->match, path, value) {
    if (!json_is_string(value) && !json_is_number(value) && !json_is_boolean(value))
      return tg_error_set(err, TG_EINVALID,
                          "a filter can compare %.64s with a text, a number or a boolean only",
                          path);
  }
  return TG_OK;
}

const json_t *tg_event_data_get(const json_t *data, const char *path) {
  for (;;) {
    size_t len = strcspn(path, ".");
    data = json_object_getn(data, path, len);
    if (!data || !path[len]) return data;
    path += len + 1;
  }
}

// 7 and 7.0 are the same number.
static bool is_same(const json_t *a, const json_t *b) {
  if (json_is_integer(a) && json_is_integer(b))
    return json_integer_value(a) == json_integer_value(b);
  if (json_is_number(a) && json_is_number(b)) return json_number_value(a) == json_number_value(b);
  return json_equal(a, b);
}

bool tg_event_filter_matches(const struct tg_event_filter *filter, const struct tg_event *event,
                             const json_t *data) {
  const char *path;
  json_t *value;
  if (strcmp(filter->type, event->type) != 0) return false;
  if (filter->source && strcmp(filter->source, event->source) != 0) return false;
  if (filter->subject && (!event->subject || !tg_glob_matches(filter->subject, event->subject)))
    return false;
  json_object_foreach(filter->match, path, value) {
    if (!is_same(value, tg_event_data_get(data, path))) return false;
  }
  return true;
}
