// SPDX-License-Identifier: Apache-2.0
// A schema of parameters (JSON, the first line) and what was given, one text a line. Parameters
// that are accepted are so again when each is given as the JSON it became.
#include "fuzz/input.h"
#include "model/params.h"

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
  json_decref(params);
  json_decref(schema);
  while (count) free(given[--count]);
  return 0;
}
