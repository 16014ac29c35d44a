// SPDX-License-Identifier: Apache-2.0
// A schema of parameters (JSON, the first line) and what was given, one text a line. Parameters
// that are accepted are so again when each is given as the JSON it became. A last text that is JSON
// is also what the script computed.
#include "fuzz/input.h"
#include "model/params.h"

// Whatever a script computes, each parameter has a value afterwards or is named.
static void complete(const json_t *schema, const char *text, json_t *params) {
  struct tg_error err;
  json_t *values = text ? json_loads(text, 0, NULL) : NULL;
  if (tg_params_add_computed(schema, values, params, &err))
    fuzz_check(tg_params_want_script(schema, params) && err.code == TG_EINVALID && *err.text);
  json_decref(values);
}

enum { GIVEN_MAX = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct input in = input_of(data, size), line = input_until(&in, '\n');
  json_t *schema = json_loadb((const char *)line.at, input_left(&line), 0, NULL);
  char *given[GIVEN_MAX];
  size_t count = 0;
  while (!input_is_empty(&in) && count < GIVEN_MAX) {
    line = input_until(&in, '\n');
    given[count++] = input_text(&line);
  }
  json_t *params;
  struct tg_error err;
  if (tg_params_resolve(schema, (const char *const *)given, count, 1790000000000, &params, &err))
    fuzz_check(!params && err.code && *err.text);
  else
    fuzz_check(json_is_object(params) && json_object_size(params) <= json_array_size(schema));
  if (params) complete(schema, count ? given[count - 1] : NULL, params);
  json_decref(params);
  json_decref(schema);
  while (count) free(given[--count]);
  return 0;
}
