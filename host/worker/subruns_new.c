// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/partitions.h"
#include "model/params.h"
#include "worker/faults.h"
#include "worker/freeze.h"
#include "worker/subruns_parts.h"

static void refuse_stopped(struct tg_subrun *subrun) {
  struct tg_error err;
  tg_error_set(&err, TG_ECANCELLED, TG_PARENT_STOPPED);
  tg_subrun_refuse(subrun, &err);
}

static void create(struct tg_subrun *subrun, const char *params) {
  const struct tg_services *services = subrun->subruns->services;
  const struct tg_version *version = subrun->version;
  struct tg_run run = subrun->draft;
  run.id = tg_id_new(tg_loop_clock(services->loop));
  run.pipeline = subrun->plan->name;
  run.bundle = version->hash;
  run.params = params;
  run.trigger = "run";
  run.parent = subrun->parent;
  run.child_key = subrun->key;
  run.deadline_at = subrun->deadline_at;
  tg_id_format(run.id, subrun->id);
  struct tg_bundle_row bundle = tg_version_row(version, subrun->plan->name);
  if (!version->is_stored) tg_conductor_put_bundle(services->conductor, &bundle);
  struct tg_input input = {.kind = TG_INPUT_RUN, .run = {.run = &run, .plan = subrun->plan}};
  tg_conductor_input(services->conductor, &input);
}

static void frozen(void *self, const struct tg_error *err, const char *params) {
  struct tg_subrun *subrun = self;
  if (err)
    tg_subrun_refuse(subrun, err);
  else if (subrun->has_to_end)
    refuse_stopped(subrun);
  else
    create(subrun, params);
}

// The place of a secret that the parent passes on: a handle, as it looks once it is JSON (of
// tg.secret "NAME", or of a parameter of the parent). A text is none: a script tg_must not choose
// which of the host's files and variables are read.
static char *place_of(const struct tg_subrun *subrun, const json_t *handle) {
  const json_t *parts = json_object_get(handle, "parts"), *part = json_array_get(parts, 0);
  const char *name = json_string_value(json_object_get(part, "text"));
  if (json_array_size(parts) != 1 || !json_is_true(json_object_get(part, "secret")) || !name)
    return tg_must(strdup(""));
  if (strncmp(name, "param:", 6) == 0) {
    const char *place = json_string_value(json_object_get(subrun->secrets, name + 6));
    return tg_must(strdup(place ? place : ""));
  }
  char *place = tg_must(malloc(strlen(name) + sizeof "secret:"));
  sprintf(place, "secret:%s", name);
  return place;
}

// Gives a parameter as the text that a person would give.
static char *given_text(const struct tg_subrun *subrun, const char *name, const json_t *value) {
  if (!tg_params_is_secret(subrun->plan->params, name)) return tg_must(tg_params_text(name, value));
  char *place = place_of(subrun, value);
  json_t *text = json_string(place);
  char *given = tg_must(tg_params_text(name, text));
  json_decref(text);
  free(place);
  return given;
}

static void params_freeze(struct tg_subrun *subrun) {
  struct tg_subruns *subruns = subrun->subruns;
  json_t *given = json_loads(subrun->params, 0, NULL), *value;
  size_t count = json_object_size(given), used = 0;
  char **texts = tg_must(calloc(count + 1, sizeof *texts));
  const char *name;
  json_object_foreach(given, name, value) texts[used++] = given_text(subrun, name, value);
  struct tg_freeze freeze = {.version = subrun->version,
                             .schema = subrun->plan->params,
                             .given = (const char *const *)texts,
                             .count = used,
                             .run = &subrun->draft};
  tg_freeze(subruns->asks, &freeze, frozen, subrun);
  for (size_t i = 0; i < used; i++) free(texts[i]);
  free(texts);
  json_decref(given);
}

// A child that has no partitions does not take its parent's.
static int partition_decide(struct tg_subrun *subrun, struct tg_error *err) {
  struct tg_run *draft = &subrun->draft;
  if (!subrun->is_partition_asked && !subrun->plan->partition_count) draft->partition = NULL;
  return tg_partition_check(subrun->plan, draft->partition, err);
}

static void version_take(struct tg_subrun *subrun, const struct tg_version *version) {
  struct tg_error err;
  subrun->version = version;
  int code = tg_plan_parse(version->plan, strlen(version->plan), &subrun->plan, &err);
  if (!code) code = tg_pools_check(&subrun->subruns->services->pools, subrun->plan, NULL, &err);
  if (!code) code = partition_decide(subrun, &err);
  if (code)
    tg_subrun_refuse(subrun, &err);
  else
    params_freeze(subrun);
}

static void built(void *self, const struct tg_version *version, const char *faults,
                  const struct tg_error *err) {
  struct tg_subrun *subrun = self;
  struct tg_error failed;
  char text[TG_ERROR_TEXT_MAX];
  if (faults) {
    tg_faults_say(faults, text, sizeof text);
    tg_error_set(&failed, TG_EINVALID, "pipeline %s has faults: %s", subrun->pipeline, text);
  } else if (err && err->code == TG_ENOT_FOUND) {
    tg_error_set(&failed, TG_ENOT_FOUND, "there is no pipeline \"%s\": %s", subrun->pipeline,
                 err->text);
  } else if (err) {
    failed = *err;
  }
  if (subrun->has_to_end)
    refuse_stopped(subrun);
  else if (version)
    version_take(subrun, version);
  else
    tg_subrun_refuse(subrun, &failed);
}

void tg_subrun_build(struct tg_subrun *subrun) {
  char path[512];
  snprintf(path, sizeof path, "pipelines/%.400s.lua", subrun->pipeline);
  tg_bundles_build(subrun->subruns->bundles, TG_BUNDLE_PIPELINE, path, built, subrun);
}
