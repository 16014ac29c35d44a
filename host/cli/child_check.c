// SPDX-License-Identifier: Apache-2.0
#include "cli/child_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/suggest.h"
#include "base/units.h"
#include "engine/plan_text.h"
#include "engine/plan_usual.h"
#include "model/params.h"

enum { PATH_BYTES_MAX = 512, MESSAGE_BYTES_MAX = 1400 };

void tg_child_check_init(struct tg_child_check *check) {
  *check = (struct tg_child_check){.pipelines = json_object(), .uses = json_array()};
}

void tg_child_check_deinit(struct tg_child_check *check) {
  json_decref(check->pipelines);
  json_decref(check->uses);
}

static const char *text_of(const json_t *object, const char *name) {
  const char *text = json_string_value(json_object_get(object, name));
  return text ? text : "";
}

// Reads a part of a plan; NULL if it is not there.
static json_t *part_read(struct tg_plan_span part) {
  return json_loadb(part.at, (size_t)(part.end - part.at), JSON_DECODE_ANY, NULL);
}

static void use_add(struct tg_child_check *check, const char *file, const json_t *task) {
  if (!*text_of(task, "pipeline")) return;
  json_array_append_new(check->uses, json_pack("{s:s, s:O, s:O, s:O, s:O*}", "file", file, "line",
                                               json_object_get(task, "line"), "task",
                                               json_object_get(task, "name"), "pipeline",
                                               json_object_get(task, "pipeline"), "params",
                                               json_object_get(task, "params")));
}

static bool tells_pipeline(struct tg_plan_span rest) {
  static const char member[] = ",\"pipeline\":";
  return memmem(rest.at, (size_t)(rest.end - rest.at), member, sizeof member - 1);
}

// A plan may have a million tasks, most of them usual ones, which start nothing.
void tg_child_check_add(struct tg_child_check *check, const char *file, const char *plan) {
  struct tg_plan_span whole = {.at = plan, .end = plan + strlen(plan)}, params, tasks, text;
  struct tg_plan_usual usual = {0};
  json_t *schema = tg_plan_span_member(whole, "params", &params) ? part_read(params) : NULL;
  json_object_set_new(check->pipelines, file, json_pack("{s:o*}", "params", schema));
  if (!tg_plan_span_member(whole, "tasks", &tasks)) return;
  for (;;) {
    if (tg_plan_usual_next(&tasks, &usual)) {
      if (!tells_pipeline(usual.rest)) continue;
      text = usual.text;
    } else if (!tg_plan_span_next(&tasks, &text)) {
      break;
    }
    json_t *task = part_read(text);
    use_add(check, file, task);
    json_decref(task);
  }
}

static void fault_add(json_t *faults, const json_t *use, const char *message) {
  char text[MESSAGE_BYTES_MAX];
  snprintf(text, sizeof text, "run \"%s\": %s", text_of(use, "task"), message);
  json_array_append_new(faults, json_pack("{s:O, s:O, s:s}", "file", json_object_get(use, "file"),
                                          "line", json_object_get(use, "line"), "message", text));
}

static void missing_tell(const struct tg_child_check *check, const json_t *use, const char *file,
                         json_t *faults) {
  size_t count = 0;
  const char **files = calloc(json_object_size(check->pipelines) + 1, sizeof *files), *name;
  json_t *pipeline;
  if (!files) return;
  json_object_foreach(check->pipelines, name, pipeline) files[count++] = name;
  const char *near = tg_suggest(file, files, count);
  char message[MESSAGE_BYTES_MAX];
  snprintf(message, sizeof message, "there is no %s%s%s%s", file, near ? "; did you mean " : "",
           near ? near : "", near ? "?" : "");
  fault_add(faults, use, message);
  free(files);
}

// A secret is passed on as a handle, which is looked for when the child is made.
static char *given_text(const json_t *schema, const char *name, const json_t *value) {
  if (!tg_params_is_secret(schema, name)) return tg_params_text(name, value);
  json_t *place = json_string("secret:NAME");
  char *text = tg_params_text(name, place);
  json_decref(place);
  return text;
}

static void params_check(const json_t *use, const json_t *schema, json_t *faults) {
  json_t *given = json_object_get(use, "params"), *value, *resolved = NULL;
  size_t count = json_object_size(given), used = 0;
  char **texts = calloc(count + 1, sizeof *texts);
  const char *name;
  struct tg_error err;
  json_object_foreach(given, name, value) if (texts) texts[used++] =
      given_text(schema, name, value);
  if (texts && tg_params_resolve(schema, (const char *const *)texts, used, 0, &resolved, &err) ==
                   TG_EINVALID)
    fault_add(faults, use, err.text);
  json_decref(resolved);
  while (used) free(texts[--used]);
  free(texts);
}

void tg_child_check_faults(const struct tg_child_check *check, json_t *faults) {
  size_t i;
  json_t *use;
  json_array_foreach(check->uses, i, use) {
    char file[PATH_BYTES_MAX];
    snprintf(file, sizeof file, "pipelines/%.400s.lua", text_of(use, "pipeline"));
    const json_t *child = json_object_get(check->pipelines, file);
    if (!child)
      missing_tell(check, use, file, faults);
    else if (json_object_get(use, "params"))
      params_check(use, json_object_get(child, "params"), faults);
  }
}
