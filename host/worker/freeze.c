// SPDX-License-Identifier: Apache-2.0
#include "worker/freeze.h"

#include <stdlib.h>

#include "base/must.h"
#include "base/units.h"
#include "model/params.h"

// Parameters that the script still has to complete.
struct freezing {
  const struct tg_services *services;
  json_t *schema, *params;
  char *input;
  tg_freeze_answer *answer;
  void *self;
};

int tg_freeze_check_secrets(const struct tg_services *services, const json_t *schema,
                            const char *params, struct tg_error *err) {
  json_t *places = tg_params_secrets(schema, params), *place;
  const char *name;
  int code = TG_OK;
  json_object_foreach(places, name, place) {
    struct tg_error why;
    if (code || services->secrets.find(services->secrets.self, json_string_value(place), &why))
      continue;
    code = tg_error_set(err, TG_EDENIED, "secret parameter \"%s\": %s", name, why.text);
  }
  json_decref(places);
  return code;
}

static void params_tell(const struct tg_services *services, const json_t *schema,
                        const json_t *params, tg_freeze_answer *answer, void *self) {
  struct tg_error err;
  char *text = json_dumps(params, JSON_COMPACT | JSON_SORT_KEYS);
  if (!text) abort(); // a host without memory for its own books cannot go on
  if (tg_freeze_check_secrets(services, schema, text, &err))
    answer(self, &err, NULL);
  else
    answer(self, NULL, text);
  free(text);
}

static void completed(void *self, const struct tg_error *err, struct tg_slice output) {
  struct freezing *freezing = self;
  struct tg_error failed;
  // A function that does not end is a fault of the pipeline, as one that raises is.
  if (err && err->code == TG_ETIMEOUT) {
    tg_error_set(&failed, TG_EINVALID, "the parameters cannot be computed: %s", err->text);
    err = &failed;
  }
  json_t *values = err ? NULL : json_loadb(output.data, output.len, JSON_ALLOW_NUL, NULL);
  if (!err && tg_params_add_computed(freezing->schema, values, freezing->params, &failed))
    err = &failed;
  if (err)
    freezing->answer(freezing->self, err, NULL);
  else
    params_tell(freezing->services, freezing->schema, freezing->params, freezing->answer,
                freezing->self);
  json_decref(values);
  json_decref(freezing->params);
  json_decref(freezing->schema);
  free(freezing->input);
  free(freezing);
}

static json_t *time_json(int64_t ms) {
  char text[TG_TIME_TEXT_LEN + 1];
  tg_time_format(ms, text);
  return json_string(text);
}

// The clock of the script stands at the logical date, so that the same run gets the same values.
static char *input_make(const struct tg_run *run, json_t *params) {
  bool has_interval = run->interval_end != 0;
  json_t *start = time_json(has_interval ? run->interval_start : run->logical_at);
  json_t *end = time_json(has_interval ? run->interval_end : run->logical_at);
  json_t *input =
      json_pack("{s:O, s:o, s:{s:o, s:{s:o, s:o}, s:s*}}", "params", params, "now",
                time_json(run->logical_at), "run", "logical_date", time_json(run->logical_at),
                "interval", "start", start, "end", end, "partition", run->partition);
  char *text = input ? json_dumps(input, JSON_COMPACT) : NULL;
  if (!text) abort();
  json_decref(input);
  return text;
}

void tg_freeze(struct tg_asks *asks, const struct tg_freeze *freeze, tg_freeze_answer *answer,
               void *self) {
  const struct tg_services *services = tg_asks_services(asks);
  struct tg_error err;
  json_t *params = NULL;
  if (tg_params_resolve(freeze->schema, freeze->given, freeze->count, freeze->run->logical_at,
                        &params, &err)) {
    answer(self, &err, NULL);
    return;
  }
  if (!tg_params_want_script(freeze->schema, params)) {
    params_tell(services, freeze->schema, params, answer, self);
    json_decref(params);
    return;
  }
  struct freezing *freezing = tg_must(malloc(sizeof *freezing));
  *freezing = (struct freezing){.services = services,
                                .schema = json_incref((json_t *)freeze->schema),
                                .params = params,
                                .input = input_make(freeze->run, params),
                                .answer = answer,
                                .self = self};
  tg_asks_put(asks, freeze->version, "computing the parameters", freezing->input, completed,
              freezing);
}
