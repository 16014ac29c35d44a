// SPDX-License-Identifier: Apache-2.0
// A value goes two steps: it is read from its text into JSON, by type, and then checked as JSON. A
// default is JSON already and takes the second step only.
//
// As text: a list is "a,b,c" or a JSON list; a bool is true or false; a date is 2026-11-20; the
// others are what they look like.
#include "model/params.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/suggest.h"
#include "base/units.h"

enum { DATE_LEN = 10, WORDS_MAX = 256, PROSE_BYTES_MAX = 700 };

static const char *schema_text(const json_t *schema, const char *key) {
  const char *text = json_string_value(json_object_get(schema, key));
  return text ? text : "";
}

static const char *name_of(const json_t *schema) {
  return schema_text(schema, "name");
}

// Collects the strings of a list, or of a field of the objects in it.
static size_t words_collect(const json_t *list, const char *field, const char *words[WORDS_MAX]) {
  size_t count = 0;
  for (size_t i = 0; i < json_array_size(list) && count < WORDS_MAX; i++) {
    const json_t *item = json_array_get(list, i);
    const char *word = json_string_value(field ? json_object_get(item, field) : item);
    if (word) words[count++] = word;
  }
  return count;
}

// Fails with what the words are, and the nearest to the wrong one.
static int word_error(struct tg_error *err, const char *what, const char *wrong,
                      const char *const *words, size_t count) {
  struct tg_buf known;
  tg_buf_init(&known, PROSE_BYTES_MAX);
  for (size_t i = 0; i < count; i++) tg_buf_putf(&known, "%s%s", i ? ", " : "", words[i]);
  const char *nearest = tg_suggest(wrong, words, count);
  char meant[WORDS_MAX] = "";
  if (nearest) snprintf(meant, sizeof meant, "; did you mean \"%s\"?", nearest);
  int code = tg_error_set(err, TG_EINVALID, "%s; %s%s%s%s", what,
                          count ? "it is one of " : "there are none", tg_buf_text(&known),
                          known.is_failed ? ", ..." : "", meant);
  tg_buf_deinit(&known);
  return code;
}

static int value_error(struct tg_error *err, const char *name, const json_t *value,
                       const char *expected) {
  char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
  int code = tg_error_set(err, TG_EINVALID, "parameter \"%s\" takes %s, got %.200s", name, expected,
                          text ? text : "something else");
  free(text);
  return code;
}

static bool date_is_valid(const char *text) {
  int64_t at;
  return strlen(text) == DATE_LEN && tg_time_parse(text, &at);
}

// Compares like memcmp does; two integers are compared exactly.
static int numbers_compare(const json_t *a, const json_t *b) {
  if (json_is_integer(a) && json_is_integer(b)) {
    json_int_t x = json_integer_value(a), y = json_integer_value(b);
    return (x > y) - (x < y);
  }
  double x = json_number_value(a), y = json_number_value(b);
  return (x > y) - (x < y);
}

static int bound_error(struct tg_error *err, const char *name, const char *relation,
                       const json_t *bound) {
  char *text = json_dumps(bound, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
  int code = tg_error_set(err, TG_EINVALID, "parameter \"%s\" must be %s %s", name, relation,
                          text ? text : "its bound");
  free(text);
  return code;
}

static int number_check(const json_t *schema, const json_t *value, struct tg_error *err) {
  const json_t *least = json_object_get(schema, "min"), *most = json_object_get(schema, "max");
  if (json_is_number(least) && numbers_compare(value, least) < 0)
    return bound_error(err, name_of(schema), "at least", least);
  if (json_is_number(most) && numbers_compare(value, most) > 0)
    return bound_error(err, name_of(schema), "at most", most);
  return TG_OK;
}

static int enum_check(const json_t *schema, const json_t *value, struct tg_error *err) {
  const char *words[WORDS_MAX];
  const char *given = json_string_value(value);
  const json_t *values = json_object_get(schema, "values");
  for (size_t i = 0; i < json_array_size(values); i++)
    if (json_equal(value, json_array_get(values, i))) return TG_OK;
  size_t count = words_collect(values, NULL, words);
  char what[PROSE_BYTES_MAX];
  snprintf(what, sizeof what, "parameter \"%s\" cannot be \"%.200s\"", name_of(schema), given);
  return word_error(err, what, given, words, count);
}

static bool is_boolean(const json_t *value) {
  return json_is_boolean(value);
}

static bool is_date(const json_t *value) {
  return json_is_string(value) && date_is_valid(json_string_value(value));
}

static bool is_string(const json_t *value) {
  return json_is_string(value);
}

static bool is_integer(const json_t *value) {
  return json_is_integer(value);
}

static bool is_number(const json_t *value) {
  return json_is_number(value);
}

static bool is_list(const json_t *value) {
  return json_is_array(value);
}

struct type {
  const char *word, *prose; // what the plan calls it, what a person is told to write
  bool (*holds)(const json_t *value);
  int (*check)(const json_t *schema, const json_t *value, struct tg_error *err);
};

static const struct type types[] = {
    {"string", "a text", is_string, NULL},
    {"int", "a whole number", is_integer, number_check},
    {"number", "a number", is_number, number_check},
    {"bool", "true or false", is_boolean, NULL},
    {"enum", "one of its words", is_string, enum_check},
    {"date", "a date like 2026-11-20", is_date, NULL},
    {"list", "a list like a,b,c", is_list, NULL},
};

// Finds the type that a field of the schema names; the values of a list are strings where the plan
// does not say.
static const struct type *type_of(const json_t *schema, const char *field) {
  const char *word = schema_text(schema, field);
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    if (strcmp(word, types[i].word) == 0) return &types[i];
  return &types[0];
}

static int scalar_check(const json_t *schema, const struct type *type, const json_t *value,
                        struct tg_error *err) {
  if (!type->holds(value)) return value_error(err, name_of(schema), value, type->prose);
  return type->check ? type->check(schema, value, err) : TG_OK;
}

static int value_check(const json_t *schema, const json_t *value, struct tg_error *err) {
  const struct type *type = type_of(schema, "type");
  int code = scalar_check(schema, type, value, err);
  if (code || type->holds != is_list) return code;
  for (size_t i = 0; i < json_array_size(value) && !code; i++)
    code = scalar_check(schema, type_of(schema, "items"), json_array_get(value, i), err);
  return code;
}

static json_t *integer_read(const char *text) {
  char *end;
  errno = 0;
  long long value = strtoll(text, &end, 10);
  if (end == text || *end || errno || isspace((unsigned char)*text)) return NULL;
  return json_integer(value);
}

// Keeps a whole number whole, so that -p n=5 is the same parameter as a default of 5.
static json_t *number_read(const char *text) {
  json_t *whole = integer_read(text);
  if (whole) return whole;
  char *end;
  double value = strtod(text, &end);
  if (end == text || *end || !isfinite(value) || isspace((unsigned char)*text)) return NULL;
  return json_real(value);
}

// Reads one value that is not a list; NULL when the text is no such value.
static json_t *scalar_read(const struct type *kind, const char *text) {
  const char *type = kind->word;
  if (strcmp(type, "int") == 0) return integer_read(text);
  if (strcmp(type, "number") == 0) return number_read(text);
  if (strcmp(type, "bool") == 0)
    return strcmp(text, "true") == 0    ? json_true()
           : strcmp(text, "false") == 0 ? json_false()
                                        : NULL;
  return json_string(text);
}

// Reads "a,b,c"; an empty text is the empty list.
static json_t *list_split(const struct type *items, const char *text) {
  json_t *list = json_array();
  for (const char *at = text; list && *text; at++) {
    size_t len = strcspn(at, ",");
    char *part = strndup(at, len);
    json_t *value = part ? scalar_read(items, part) : NULL;
    free(part);
    if (!value || json_array_append_new(list, value) != 0) {
      json_decref(list);
      return NULL;
    }
    at += len;
    if (!*at) break;
  }
  return list;
}

static json_t *text_read(const json_t *schema, const char *text) {
  const struct type *type = type_of(schema, "type");
  if (type->holds != is_list) return scalar_read(type, text);
  return *text == '[' ? json_loads(text, JSON_REJECT_DUPLICATES, NULL)
                      : list_split(type_of(schema, "items"), text);
}

static bool is_secret(const json_t *schema) {
  return json_is_true(json_object_get(schema, "secret"));
}

static bool is_place(const char *text) {
  static const char *const forms[] = {"env:", "file:", "secret:", "value:"};
  for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
    size_t len = strlen(forms[i]);
    if (strncmp(text, forms[i], len) == 0 && text[len]) return true;
  }
  return strcmp(text, "stdin") == 0;
}

// What was given instead of a place may be the secret, so it is not told.
static int place_read(const json_t *schema, const char *text, json_t **value,
                      struct tg_error *err) {
  const char *name = name_of(schema);
  if (!is_place(text))
    return tg_error_set(err, TG_EINVALID,
                        "parameter \"%s\" is secret: say where it is, with -p %s=env:VARIABLE, "
                        "-p %s=file:PATH or -p %s=- (standard input); -p %s=value:TEXT if all who "
                        "list processes may see it",
                        name, name, name, name, name);
  *value = json_string(text);
  return *value ? TG_OK : tg_error_set(err, TG_ENOMEM, "no memory for the parameters");
}

static int given_read(const json_t *schema, const char *text, json_t **value,
                      struct tg_error *err) {
  if (is_secret(schema)) return place_read(schema, text, value, err);
  errno = 0;
  *value = text_read(schema, text);
  if (*value) return TG_OK;
  if (errno == ENOMEM) return tg_error_set(err, TG_ENOMEM, "no memory for the parameters");
  return tg_error_set(err, TG_EINVALID, "parameter \"%s\" takes %s, got \"%.200s\"",
                      name_of(schema), type_of(schema, "type")->prose, text);
}

static bool is_computed(const json_t *schema) {
  return strcmp(schema_text(schema, "default_is"), "computed") == 0;
}

// Says what is missing, what it takes, and how it is given.
static int required_error(const json_t *schema, struct tg_error *err) {
  const char *words[WORDS_MAX], *name = name_of(schema);
  if (is_secret(schema))
    return tg_error_set(err, TG_EINVALID,
                        "parameter \"%s\" is required and secret; give it with -p %s=env:VARIABLE, "
                        "-p %s=file:PATH or -p %s=- (standard input)",
                        name, name, name, name);
  size_t count = words_collect(json_object_get(schema, "values"), NULL, words);
  struct tg_buf takes;
  tg_buf_init(&takes, PROSE_BYTES_MAX);
  tg_buf_puts(&takes, count ? "one of " : type_of(schema, "type")->prose);
  for (size_t i = 0; i < count; i++) tg_buf_putf(&takes, "%s%s", i ? ", " : "", words[i]);
  int code = tg_error_set(err, TG_EINVALID,
                          "parameter \"%s\" is required and has no default: it takes %s; give it "
                          "with -p %s=VALUE",
                          name, tg_buf_text(&takes), name);
  tg_buf_deinit(&takes);
  return code;
}

static int default_read(const json_t *schema, int64_t logical_at_ms, json_t **value,
                        struct tg_error *err) {
  if (strcmp(schema_text(schema, "default_is"), "logical_date") == 0) {
    char time[TG_TIME_TEXT_LEN + 1];
    tg_time_format(logical_at_ms, time);
    *value = json_stringn(time, DATE_LEN);
  } else if (json_object_get(schema, "default")) {
    *value = json_incref(json_object_get(schema, "default"));
  } else if (json_is_true(json_object_get(schema, "required"))) {
    return required_error(schema, err);
  } else {
    *value = json_null();
  }
  return *value ? TG_OK : tg_error_set(err, TG_ENOMEM, "no memory for the parameters");
}

static bool given_is(const char *given, const char *name) {
  size_t len = strlen(name);
  return strncmp(given, name, len) == 0 && given[len] == '=';
}

// Finds the text that was given for a parameter; NULL when there is none.
static const char *given_find(const char *const *given, size_t count, const char *name) {
  for (size_t i = 0; i < count; i++)
    if (given_is(given[i], name)) return given[i] + strlen(name) + 1;
  return NULL;
}

static int param_resolve(const json_t *schema, const char *const *given, size_t count,
                         int64_t logical_at_ms, json_t *params, struct tg_error *err) {
  const char *text = given_find(given, count, name_of(schema));
  json_t *value = NULL;
  if (!text && is_computed(schema)) return TG_OK; // a script's turn comes later
  int code = text ? given_read(schema, text, &value, err)
                  : default_read(schema, logical_at_ms, &value, err);
  if (!code && !json_is_null(value)) code = value_check(schema, value, err);
  if (code) {
    json_decref(value);
    return code;
  }
  if (json_object_set_new(params, name_of(schema), value) == 0) return TG_OK;
  return tg_error_set(err, TG_ENOMEM, "no memory for the parameters");
}

static bool schema_has(const json_t *schema, const char *given) {
  for (size_t i = 0; i < json_array_size(schema); i++)
    if (given_is(given, name_of(json_array_get(schema, i)))) return true;
  return false;
}

static int unknown_error(const json_t *schema, const char *given, struct tg_error *err) {
  const char *words[WORDS_MAX];
  size_t count = words_collect(schema, "name", words);
  int len = (int)strcspn(given, "=");
  char wrong[WORDS_MAX], what[WORDS_MAX * 2];
  snprintf(wrong, sizeof wrong, "%.*s", len, given);
  snprintf(what, sizeof what, "unknown parameter \"%s\"", wrong);
  return word_error(err, what, wrong, words, count);
}

// Checks what was given as a whole: known names, each once.
static int given_check(const json_t *schema, const char *const *given, size_t count,
                       struct tg_error *err) {
  for (size_t i = 0; i < count; i++) {
    const char *equals = strchr(given[i], '=');
    if (!equals || equals == given[i])
      return tg_error_set(err, TG_EINVALID, "\"%.200s\" is no parameter; write -p name=value",
                          given[i]);
    if (!schema_has(schema, given[i])) return unknown_error(schema, given[i], err);
    for (size_t j = 0; j < i; j++)
      if (strncmp(given[i], given[j], (size_t)(equals - given[i]) + 1) == 0)
        return tg_error_set(err, TG_EINVALID, "parameter \"%.*s\" is given twice",
                            (int)(equals - given[i]), given[i]);
  }
  return TG_OK;
}

static int by_name(const void *a, const void *b) {
  return strcmp(name_of(*(const json_t *const *)a), name_of(*(const json_t *const *)b));
}

static int params_fill(const json_t *const *sorted, size_t schemas, const char *const *given,
                       size_t count, int64_t logical_at_ms, json_t *params, struct tg_error *err) {
  int code = TG_OK;
  for (size_t i = 0; i < schemas && !code; i++)
    code = param_resolve(sorted[i], given, count, logical_at_ms, params, err);
  return code;
}

int tg_params_resolve(const json_t *schema, const char *const *given, size_t count,
                      int64_t logical_at_ms, json_t **params, struct tg_error *err) {
  *params = NULL;
  int code = given_check(schema, given, count, err);
  if (code) return code;
  size_t schemas = json_array_size(schema);
  const json_t **sorted = calloc(schemas + 1, sizeof(const json_t *));
  json_t *result = json_object();
  if (!sorted || !result) {
    code = tg_error_set(err, TG_ENOMEM, "no memory for the parameters");
    goto done;
  }
  for (size_t i = 0; i < schemas; i++) sorted[i] = json_array_get(schema, i);
  qsort(sorted, schemas, sizeof(const json_t *), by_name);
  code = params_fill(sorted, schemas, given, count, logical_at_ms, result, err);

done:
  free(sorted);
  if (code)
    json_decref(result);
  else
    *params = result;
  return code;
}

bool tg_params_want_script(const json_t *schema, const json_t *params) {
  static const char *const checked[] = {"pattern", "min_length", "max_length"};
  for (size_t i = 0; i < json_array_size(schema); i++) {
    const json_t *one = json_array_get(schema, i);
    if (is_computed(one) && !json_object_get(params, name_of(one))) return true;
    for (size_t k = 0; k < sizeof checked / sizeof *checked; k++)
      if (json_object_get(one, checked[k])) return true;
  }
  return false;
}

int tg_params_add_computed(const json_t *schema, const json_t *values, json_t *params,
                           struct tg_error *err) {
  int code = TG_OK;
  for (size_t i = 0; i < json_array_size(schema) && !code; i++) {
    const json_t *one = json_array_get(schema, i);
    if (!is_computed(one) || json_object_get(params, name_of(one))) continue;
    json_t *value = json_object_get(values, name_of(one));
    code = value
               ? value_check(one, value, err)
               : tg_error_set(err, TG_EINVALID, "parameter \"%s\" was not computed", name_of(one));
    if (!code && json_object_set(params, name_of(one), value) != 0)
      code = tg_error_set(err, TG_ENOMEM, "no memory for the parameters");
  }
  return code;
}

bool tg_params_is_secret(const json_t *schema, const char *name) {
  for (size_t i = 0; i < json_array_size(schema); i++) {
    const json_t *one = json_array_get(schema, i);
    if (strcmp(name_of(one), name) == 0) return is_secret(one);
  }
  return false;
}

json_t *tg_params_secrets(const json_t *schema, const char *params) {
  json_t *places = json_object(), *all = NULL;
  for (size_t i = 0; i < json_array_size(schema); i++) {
    const json_t *one = json_array_get(schema, i);
    if (!is_secret(one)) continue;
    if (!all && params) all = json_loads(params, 0, NULL);
    json_t *place = json_object_get(all, name_of(one));
    if (json_is_string(place)) json_object_set(places, name_of(one), place);
  }
  json_decref(all);
  return places;
}

char *tg_params_text(const char *name, const json_t *value) {
  char *own = json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
  const char *given = own ? own : json_string_value(value);
  size_t size = strlen(name) + (given ? strlen(given) : 0) + 2;
  char *text = given ? malloc(size) : NULL;
  if (text) snprintf(text, size, "%s=%s", name, given);
  free(own);
  return text;
}

char *tg_params_identity(const json_t *schema, const char *const *given, size_t count,
                         const char *params) {
  json_t *object = NULL;
  for (size_t i = 0; i < json_array_size(schema); i++) {
    const json_t *one = json_array_get(schema, i);
    if (!is_computed(one) || given_find(given, count, name_of(one))) continue;
    if (!object) object = json_loads(params, 0, NULL);
    json_object_del(object, name_of(one));
  }
  char *text = object ? json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS) : strdup(params);
  json_decref(object);
  return text;
}
