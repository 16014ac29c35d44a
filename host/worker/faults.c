// SPDX-License-Identifier: Apache-2.0
#include "worker/faults.h"

#include <jansson.h>
#include <stdio.h>

static const char *text_of(const json_t *fault, const char *name) {
  const char *text = json_string_value(json_object_get(fault, name));
  return text ? text : "";
}

void tg_faults_say(const char *faults, char *text, size_t size) {
  json_t *list = json_loads(faults, 0, NULL);
  const json_t *first = json_array_get(list, 0);
  const char *hint = text_of(first, "hint");
  size_t more = json_array_size(list) > 1 ? json_array_size(list) - 1 : 0;
  int used = snprintf(text, size, "%.300s:%lld: %.500s%s%.200s%s", text_of(first, "file"),
                      (long long)json_integer_value(json_object_get(first, "line")),
                      text_of(first, "message"), *hint ? " (" : "", hint, *hint ? ")" : "");
  if (more && used > 0 && (size_t)used < size)
    snprintf(text + used, size - (size_t)used, "; and %zu more", more);
  json_decref(list);
}
