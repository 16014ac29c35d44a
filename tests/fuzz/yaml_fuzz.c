// SPDX-License-Identifier: Apache-2.0
// A YAML document. What is accepted is a value that JSON can hold, with a place inside the text for
// every part of it. A text that is JSON as well means the same as YAML.
#include "base/limits.h"
#include "fuzz/input.h"
#include "model/yaml.h"

static void place_check(const json_t *value, const struct tg_yaml_place *place, size_t depth) {
  fuzz_check(place && place->line > 0 && place->column > 0 && depth <= TG_YAML_DEPTH_MAX);
  const struct tg_yaml_place *child = place->first;
  const char *key;
  json_t *item;
  size_t i;
  json_object_foreach((json_t *)value, key, item) {
    place_check(item, child, depth + 1);
    child = child->next;
  }
  json_array_foreach(value, i, item) {
    place_check(item, child, depth + 1);
    child = child->next;
  }
  fuzz_check(!child);
}

static void json_check(const json_t *root, const char *text, size_t len) {
  json_t *value = json_loadb(text, len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
  fuzz_check(!value || json_equal(root, value));
  json_decref(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct tg_yaml_document document;
  struct tg_error err;
  if (tg_yaml_parse((const char *)data, size, "f", &document, &err) == TG_OK) {
    place_check(document.root, document.place, 0);
    fuzz_check(tg_yaml_where(&document, "") == document.place);
    tg_yaml_where(&document, "/schema/0/name");
    json_check(document.root, (const char *)data, size);
    char *text = json_dumps(document.root, JSON_ENCODE_ANY);
    fuzz_check(text);
    free(text);
  } else {
    fuzz_check(strncmp(err.text, "f:", 2) == 0);
  }
  tg_yaml_deinit(&document);
  return 0;
}
