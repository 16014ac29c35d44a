// SPDX-License-Identifier: Apache-2.0
#include "cli/waiting.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "model/record.h"

enum { RUN_COLUMNS = 13 }; // of an id: enough to be the only one

static const char *text_of(const json_t *object, const char *name) {
  return json_string_value(json_object_get(object, name));
}

// Puts a name and a value, after the others in their bracket.
static void condition_put(struct tg_buf *out, const char *name, const char *sign,
                          const json_t *value, bool *is_open) {
  char *text = json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
  if (!value) return;
  tg_buf_puts(out, *is_open ? ", " : " (");
  tg_buf_putf(out, "%s%s%s", name, sign, text ? text : json_string_value(value));
  *is_open = true;
  free(text);
}

static void event_put(struct tg_buf *out, const json_t *wait) {
  json_t *match = json_object_get(wait, "match"), *value;
  const char *path;
  bool is_open = false;
  tg_buf_putf(out, "an event %s", text_of(wait, "type"));
  condition_put(out, "source", " ", json_object_get(wait, "source"), &is_open);
  condition_put(out, "subject", " ", json_object_get(wait, "subject"), &is_open);
  json_object_foreach(match, path, value) {
    condition_put(out, path, " = ", value, &is_open);
  }
  if (is_open) tg_buf_putc(out, ')');
}

static void approval_put(struct tg_buf *out, const json_t *wait) {
  const json_t *by = json_object_get(wait, "by");
  tg_buf_putf(out, "approval: %s", text_of(wait, "message"));
  for (size_t i = 0; i < json_array_size(by); i++)
    tg_buf_putf(out, "%s%s", i ? ", " : " (by ", json_string_value(json_array_get(by, i)));
  if (json_array_size(by)) tg_buf_putc(out, ')');
}

void tg_waiting_put(struct tg_buf *out, const char *wait) {
  json_t *document = json_loads(wait, 0, NULL);
  const char *kind = text_of(document, "kind");
  if (kind && strcmp(kind, "event") == 0)
    event_put(out, document);
  else if (kind)
    approval_put(out, document);
  json_decref(document);
}

static void value_put(struct tg_buf *out, const json_t *value) {
  const char *by = text_of(value, "by"), *comment = text_of(value, "comment");
  if (json_object_get(value, "approved"))
    tg_buf_putf(out, "approved by %s%s%s", by, comment ? ": " : "", comment ? comment : "");
  else
    tg_buf_putf(out, "came: %s of %s", text_of(value, "id"), text_of(value, "source"));
}

void tg_waiting_put_result(struct tg_buf *out, const char *result) {
  json_t *document = json_loads(result, JSON_ALLOW_NUL, NULL);
  const char *message = text_of(json_object_get(document, "error"), "message");
  if (message)
    tg_buf_puts(out, message);
  else
    value_put(out, json_object_get(document, "value"));
  json_decref(document);
}

void tg_waiting_put_command(struct tg_buf *out, const char *wait, const char *run, const char *task,
                            uint32_t item) {
  json_t *document = json_loads(wait, 0, NULL);
  const char *kind = text_of(document, "kind");
  if (kind && strcmp(kind, "approval") == 0) {
    tg_buf_putf(out, "; tidegate approve %.*s %s", RUN_COLUMNS, run, task);
    if (item != TG_NO_ITEM) tg_buf_putf(out, "[%u]", item);
  }
  json_decref(document);
}
