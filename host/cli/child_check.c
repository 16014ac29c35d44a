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

enum { PATH_BYTES_MAX = 512, MESSAGE_BYTES_MAX = 1400, RING_NAMES_MAX = 8 };

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

static void use_add(struct tg_child_check *check, const char *file, const json_t *task,
                    bool is_asked) {
  if (!*text_of(task, "pipeline")) return;
  json_array_append_new(
      check->uses, json_pack("{s:s, s:O, s:O, s:O, s:O*, s:b}", "file", file, "line",
                             json_object_get(task, "line"), "task", json_object_get(task, "name"),
                             "pipeline", json_object_get(task, "pipeline"), "params",
                             json_object_get(task, "params"), "is_asked", is_asked));
}

// The file of a child.
static void file_of(const json_t *use, char file[PATH_BYTES_MAX]) {
  snprintf(file, PATH_BYTES_MAX, "pipelines/%.400s.lua", text_of(use, "pipeline"));
}

void tg_child_check_know(struct tg_child_check *check, const char *file) {
  if (!json_object_get(check->pipelines, file))
    json_object_set_new(check->pipelines, file, json_null());
}

const char *tg_child_check_next(const struct tg_child_check *check) {
  size_t i;
  const json_t *use;
  json_array_foreach(check->uses, i, use) {
    char file[PATH_BYTES_MAX];
    file_of(use, file);
    const json_t *child = json_object_get(check->pipelines, file);
    if (json_is_null(child))
      return json_object_iter_key(json_object_iter_at(check->pipelines, file));
  }
  return NULL;
}

static bool tells_pipeline(struct tg_plan_span rest) {
  static const char member[] = ",\"pipeline\":";
  return memmem(rest.at, (size_t)(rest.end - rest.at), member, sizeof member - 1);
}

// A plan may have a million tasks, most of them usual ones, which start nothing.
void tg_child_check_add(struct tg_child_check *check, const char *file, const char *plan,
                        bool is_asked) {
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
    use_add(check, file, task, is_asked);
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

// Finds the way from a file to another by what it starts; `seen` has the files that were looked at.
static bool way_find(const struct tg_child_check *check, const char *from, const char *to,
                     json_t *seen, json_t *way) {
  size_t i;
  const json_t *use;
  if (json_object_get(seen, from)) return false;
  json_object_set_new(seen, from, json_true());
  json_array_foreach(check->uses, i, use) {
    char file[PATH_BYTES_MAX];
    if (strcmp(text_of(use, "file"), from) != 0) continue;
    file_of(use, file);
    if (strcmp(file, to) != 0 && !way_find(check, file, to, seen, way)) continue;
    json_array_insert_new(way, 0, json_string(text_of(use, "pipeline")));
    return true;
  }
  return false;
}

static void ring_check(const struct tg_child_check *check, const json_t *use, json_t *faults) {
  char file[PATH_BYTES_MAX], message[MESSAGE_BYTES_MAX];
  json_t *seen = json_object(), *way = json_array();
  file_of(use, file);
  if (way_find(check, file, text_of(use, "file"), seen, way)) {
    size_t count = json_array_size(way);
    int used = snprintf(message, sizeof message, "it would start itself, without end: it starts %s",
                        text_of(use, "pipeline"));
    for (size_t i = 0; i < count && used < MESSAGE_BYTES_MAX - 300; i++)
      used += i < RING_NAMES_MAX || i + 1 == count
                  ? snprintf(message + used, sizeof message - (size_t)used, ", which starts %.128s",
                             json_string_value(json_array_get(way, i)))
                  : 0;
    fault_add(faults, use, message);
  }
  json_decref(seen);
  json_decref(way);
}

void tg_child_check_faults(const struct tg_child_check *check, json_t *faults) {
  size_t i;
  json_t *use;
  json_array_foreach(check->uses, i, use) {
    char file[PATH_BYTES_MAX];
    if (!json_is_true(json_object_get(use, "is_asked"))) continue;
    file_of(use, file);
    const json_t *child = json_object_get(check->pipelines, file);
    if (!child)
      missing_tell(check, use, file, faults);
    else if (json_is_object(child) && json_object_get(use, "params"))
      params_check(use, json_object_get(child, "params"), faults);
    if (child) ring_check(check, use, faults);
  }
}
