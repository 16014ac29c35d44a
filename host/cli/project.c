// SPDX-License-Identifier: Apache-2.0
#include "cli/project.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/suggest.h"
#include "base/units.h"
#include "cli/exit.h"
#include "model/yaml.h"

enum { PATH_BYTES_MAX = 4096, KEYS_MAX = 16, LIMIT_MAX = 100000, TASKS_AT_ONCE = 32 };

static const char settings_file[] = "tidegate.yaml";

// One settings file while it is read.
struct reader {
  struct tg_project *project;
  const char *file; // for errors
  struct tg_yaml_document document;
  struct tg_error *err;
};

// A key of a mapping: how its value is read, and where in `target` it goes.
struct key {
  const char *name;
  int (*read)(struct reader *reader, const char *pointer, const json_t *value, void *target);
  size_t offset;
};

static int no_memory(struct tg_error *err) {
  return tg_error_set(err, TG_ENOMEM, "no memory for the project");
}

static int fault(struct reader *reader, const char *pointer, const char *message,
                 const char *nearest) {
  const struct tg_yaml_place *place = tg_yaml_where(&reader->document, pointer);
  char hint[128] = "";
  if (nearest) snprintf(hint, sizeof hint, "; did you mean \"%s\"?", nearest);
  return tg_error_set(reader->err, TG_EINVALID, "%s:%u:%u: %s%s", reader->file,
                      place ? place->line : 1, place ? place->column : 1, message, hint);
}

static int wrong_type(struct reader *reader, const char *pointer, const char *expected) {
  char message[PATH_BYTES_MAX];
  const char *name = strrchr(pointer, '/');
  snprintf(message, sizeof message, "%s takes %s", name ? name + 1 : "the file", expected);
  return fault(reader, pointer, message, NULL);
}

static int unknown_key(struct reader *reader, const char *pointer, const char *name,
                       const struct key *keys) {
  const char *names[KEYS_MAX];
  size_t count = 0;
  for (; count < KEYS_MAX && keys[count].name; count++) names[count] = keys[count].name;
  const char *nearest = tg_suggest(name, names, count);
  char message[512];
  int len = snprintf(message, sizeof message, "unknown key \"%.100s\"%s", name,
                     nearest ? "" : "; here are known: ");
  for (size_t i = 0; i < count && !nearest && len < (int)sizeof message; i++)
    len += snprintf(message + len, sizeof message - (size_t)len, "%s%s", i ? ", " : "", names[i]);
  return fault(reader, pointer, message, nearest);
}

// Appends a key to a JSON pointer, its "~" and "/" escaped.
static void pointer_extend(char *out, size_t size, const char *pointer, const char *name) {
  size_t at = (size_t)snprintf(out, size, "%s/", pointer);
  for (; *name && at + 3 < size; name++) {
    if (*name == '~' || *name == '/') {
      out[at++] = '~';
      out[at++] = *name == '~' ? '0' : '1';
    } else {
      out[at++] = *name;
    }
  }
  if (at < size) out[at] = 0;
}

// Reads a mapping by its table of keys.
static int mapping_read(struct reader *reader, const char *pointer, const json_t *value,
                        const struct key *keys, void *target) {
  if (json_is_null(value)) return TG_OK;
  if (!json_is_object(value)) return wrong_type(reader, pointer, "a mapping");
  const char *name;
  json_t *field;
  json_object_foreach((json_t *)value, name, field) {
    char below[PATH_BYTES_MAX];
    pointer_extend(below, sizeof below, pointer, name);
    const struct key *key = keys;
    while (key->name && strcmp(key->name, name) != 0) key++;
    if (!key->name) return unknown_key(reader, below, name, keys);
    int code = key->read(reader, below, field, (char *)target + key->offset);
    if (code) return code;
  }
  return TG_OK;
}

static int text_read(struct reader *reader, const char *pointer, const json_t *value,
                     void *target) {
  if (!json_string_length(value)) return wrong_type(reader, pointer, "a text");
  const char **text = target;
  *text = tg_arena_strdup(&reader->project->arena, json_string_value(value));
  return *text ? TG_OK : no_memory(reader->err);
}

// Reads a path; a relative one starts at the project.
static int path_read(struct reader *reader, const char *pointer, const json_t *value,
                     void *target) {
  if (!json_string_length(value)) return wrong_type(reader, pointer, "a path");
  const char *given = json_string_value(value);
  char path[PATH_BYTES_MAX];
  int len = snprintf(path, sizeof path, "%s%s%s", *given == '/' ? "" : reader->project->root,
                     *given == '/' ? "" : "/", given);
  if (len < 0 || (size_t)len >= sizeof path) return wrong_type(reader, pointer, "a shorter path");
  const char **text = target;
  *text = tg_arena_strdup(&reader->project->arena, path);
  return *text ? TG_OK : no_memory(reader->err);
}

static int count_read(struct reader *reader, const char *pointer, const json_t *value,
                      void *target) {
  json_int_t count = json_integer_value(value);
  if (!json_is_integer(value) || count < 1 || count > LIMIT_MAX)
    return wrong_type(reader, pointer, "a whole number from 1 to 100000");
  *(uint32_t *)target = (uint32_t)count;
  return TG_OK;
}

static int flag_read(struct reader *reader, const char *pointer, const json_t *value,
                     void *target) {
  if (!json_is_boolean(value)) return wrong_type(reader, pointer, "true or false");
  *(bool *)target = json_is_true(value);
  return TG_OK;
}

static int folder_read(struct reader *reader, const char *pointer, const json_t *value,
                       struct tg_project_folder *folder) {
  static const struct key keys[] = {
      {"path", path_read, offsetof(struct tg_project_folder, path)},
      {"write", flag_read, offsetof(struct tg_project_folder, may_write)},
      {NULL, NULL, 0},
  };
  if (json_is_string(value)) return path_read(reader, pointer, value, &folder->path);
  int code = mapping_read(reader, pointer, value, keys, folder);
  if (!code && !folder->path) return fault(reader, pointer, "a folder needs a path", NULL);
  return code;
}

static int files_read(struct reader *reader, const char *pointer, const json_t *value,
                      void *target) {
  struct tg_project *project = target;
  if (!json_is_array(value)) return wrong_type(reader, pointer, "a list of folders");
  size_t count = json_array_size(value);
  struct tg_project_folder *folders =
      tg_arena_alloc(&project->arena, (count + 1) * sizeof *folders);
  if (!folders) return no_memory(reader->err);
  for (size_t i = 0; i < count; i++) {
    char below[PATH_BYTES_MAX];
    snprintf(below, sizeof below, "%s/%zu", pointer, i);
    int code = folder_read(reader, below, json_array_get(value, i), &folders[i]);
    if (code) return code;
  }
  project->files = folders;
  project->file_count = count;
  return TG_OK;
}

static int duration_read(struct reader *reader, const char *pointer, const json_t *value,
                         void *target) {
  const char *text = json_string_value(value);
  if (!text || !tg_duration_parse(text, target))
    return wrong_type(reader, pointer, "a duration (\"500ms\", \"30s\", \"5m\", \"2h\")");
  return TG_OK;
}

static int bundle_memory_read(struct reader *reader, const char *pointer, const json_t *value,
                              void *target) {
  const char *text = json_string_value(value);
  int64_t bytes;
  if (!text || !tg_size_parse(text, &bytes) || bytes < 16 * TG_MIB ||
      bytes > TG_BUNDLE_STATE_BYTES_HIGHEST)
    return wrong_type(reader, pointer, "a size from \"16MiB\" to \"1536MiB\"");
  *(int64_t *)target = bytes;
  return TG_OK;
}

static int bundle_time_read(struct reader *reader, const char *pointer, const json_t *value,
                            void *target) {
  int code = duration_read(reader, pointer, value, target);
  int64_t ms = *(int64_t *)target;
  if (!code && (ms < 1000 || ms > TG_BUNDLE_BUILD_MS_HIGHEST))
    code = wrong_type(reader, pointer, "a duration from \"1s\" to \"10m\"");
  return code;
}

static int limits_read(struct reader *reader, const char *pointer, const json_t *value,
                       void *target) {
  static const struct key keys[] = {
      {"tasks", count_read, offsetof(struct tg_project, limits.tasks)},
      {"workers", count_read, offsetof(struct tg_project, limits.workers)},
      {"bundle_memory", bundle_memory_read, offsetof(struct tg_project, limits.bundle_bytes)},
      {"bundle_time", bundle_time_read, offsetof(struct tg_project, limits.bundle_ms)},
      {NULL, NULL, 0},
  };
  return mapping_read(reader, pointer, value, keys, target);
}

// Reads a number in thousandths; its range is checked with the rest of its policy.
static int milli_read(struct reader *reader, const char *pointer, const json_t *value,
                      void *target) {
  double number = json_number_value(value);
  if (!json_is_number(value) || !(number >= 0 && number * 1000 <= TG_BUDGET_MILLI_MAX))
    return wrong_type(reader, pointer, "a number from 0 to 1000000");
  *(int64_t *)target = (int64_t)(number * 1000 + 0.5);
  return TG_OK;
}

static int share_read(struct reader *reader, const char *pointer, const json_t *value,
                      void *target) {
  double share = json_number_value(value);
  if (!json_is_number(value) || !(share >= 0.001 && share <= 1))
    return wrong_type(reader, pointer, "a number from 0.001 to 1");
  *(uint32_t *)target = (uint32_t)(share * 1000 + 0.5);
  return TG_OK;
}

// Says that a policy has no sense although each of its fields is of the right type.
static int policy_fault(struct reader *reader, const char *pointer, const struct tg_error *why) {
  return fault(reader, pointer, why->text, NULL);
}

// A share alone is the only rule; failures in a row are the default of who names none.
static int breaker_read(struct reader *reader, const char *pointer, const json_t *value,
                        void *target) {
  static const struct key keys[] = {
      {"failures", count_read, offsetof(struct tg_breaker_policy, failures_max)},
      {"share", share_read, offsetof(struct tg_breaker_policy, share_permille)},
      {"calls", count_read, offsetof(struct tg_breaker_policy, calls_min)},
      {"window", duration_read, offsetof(struct tg_breaker_policy, window_ms)},
      {"open", duration_read, offsetof(struct tg_breaker_policy, open_ms)},
      {"retry_after_max", duration_read, offsetof(struct tg_breaker_policy, retry_after_max_ms)},
      {"probes", count_read, offsetof(struct tg_breaker_policy, probes_max)},
      {"successes", count_read, offsetof(struct tg_breaker_policy, successes_to_close)},
      {"lease", duration_read, offsetof(struct tg_breaker_policy, lease_ms)},
      {NULL, NULL, 0},
  };
  struct tg_resource_rules *rules = target;
  struct tg_error why;
  rules->has_breaker = !json_is_false(value);
  if (json_is_boolean(value)) return TG_OK;
  bool has_share = json_object_get(value, "share") && !json_object_get(value, "failures");
  if (has_share) rules->breaker.failures_max = 0;
  int code = mapping_read(reader, pointer, value, keys, &rules->breaker);
  if (!code && tg_breaker_policy_validate(&rules->breaker, &why))
    code = policy_fault(reader, pointer, &why);
  return code;
}

static int retries_read(struct reader *reader, const char *pointer, const json_t *value,
                        void *target) {
  static const struct key keys[] = {
      {"ratio", milli_read, offsetof(struct tg_budget_policy, ratio_milli)},
      {"reserve", milli_read, offsetof(struct tg_budget_policy, reserve_milli)},
      {"cap", milli_read, offsetof(struct tg_budget_policy, cap_milli)},
      {NULL, NULL, 0},
  };
  struct tg_resource_rules *rules = target;
  struct tg_error why;
  rules->has_budget = !json_is_false(value);
  if (json_is_boolean(value)) return TG_OK;
  int code = mapping_read(reader, pointer, value, keys, &rules->budget);
  if (!code && tg_budget_policy_validate(&rules->budget, &why))
    code = policy_fault(reader, pointer, &why);
  return code;
}

// Resources are a mapping whose keys are names, which tasks use.
static int resources_read(struct reader *reader, const char *pointer, const json_t *value,
                          void *target) {
  static const struct key keys[] = {
      {"breaker", breaker_read, 0},
      {"retries", retries_read, 0},
      {NULL, NULL, 0},
  };
  struct tg_project *project = target;
  if (json_is_null(value)) return TG_OK;
  if (!json_is_object(value)) return wrong_type(reader, pointer, "a mapping of names");
  struct tg_resource_rules *all =
      tg_arena_alloc(&project->arena, (json_object_size(value) + 1) * sizeof *all);
  const char *name;
  json_t *field;
  if (!all) return no_memory(reader->err);
  project->resources = all;
  project->resource_count = 0;
  json_object_foreach((json_t *)value, name, field) {
    char below[PATH_BYTES_MAX];
    struct tg_resource_rules *rules = &all[project->resource_count++];
    pointer_extend(below, sizeof below, pointer, name);
    if (!tg_resource_name_is_valid(name))
      return fault(reader, below, "a resource has a name of 1 to 128 bytes without spaces", NULL);
    tg_resource_rules_init(rules);
    rules->name = tg_arena_strdup(&project->arena, name);
    if (!rules->name) return no_memory(reader->err);
    int code = mapping_read(reader, below, field, keys, rules);
    if (code) return code;
  }
  return TG_OK;
}

// Pools are a mapping of names to slots.
static int pools_read(struct reader *reader, const char *pointer, const json_t *value,
                      void *target) {
  struct tg_project *project = target;
  if (json_is_null(value)) return TG_OK;
  if (!json_is_object(value)) return wrong_type(reader, pointer, "a mapping of names to slots");
  struct tg_plan_pool *all =
      tg_arena_alloc(&project->arena, (json_object_size(value) + 1) * sizeof *all);
  const char *name;
  json_t *slots;
  if (!all) return no_memory(reader->err);
  project->pools = (struct tg_pools){.all = all};
  json_object_foreach((json_t *)value, name, slots) {
    char below[PATH_BYTES_MAX];
    struct tg_plan_pool *pool = &all[project->pools.count++];
    pointer_extend(below, sizeof below, pointer, name);
    pool->name = tg_arena_strdup(&project->arena, name);
    if (!pool->name) return no_memory(reader->err);
    int code = count_read(reader, below, slots, &pool->slots);
    if (code) return code;
  }
  return TG_OK;
}

static int http_read(struct reader *reader, const char *pointer, const json_t *value,
                     void *target) {
  static const struct key keys[] = {
      {"proxy", text_read, offsetof(struct tg_project, http.proxy)},
      {"ca_file", path_read, offsetof(struct tg_project, http.ca_file)},
      {"deny_private", flag_read, offsetof(struct tg_project, http.has_deny_private)},
      {NULL, NULL, 0},
  };
  return mapping_read(reader, pointer, value, keys, target);
}

static int settings_read(struct reader *reader, const struct tg_buf *text) {
  static const struct key keys[] = {
      {"name", text_read, offsetof(struct tg_project, name)},
      {"files", files_read, 0},
      {"limits", limits_read, 0},
      {"pools", pools_read, 0},
      {"resources", resources_read, 0},
      {"http", http_read, 0},
      {NULL, NULL, 0},
  };
  int code =
      tg_yaml_parse(tg_buf_text(text), text->len, reader->file, &reader->document, reader->err);
  if (!code) code = mapping_read(reader, "", reader->document.root, keys, reader->project);
  tg_yaml_deinit(&reader->document);
  return code;
}

// Reads a settings file of the project; TG_ENOT_FOUND when there is none.
static int file_read(struct tg_project *project, const char *file, struct tg_error *err) {
  char path[PATH_BYTES_MAX];
  int len = snprintf(path, sizeof path, "%s/%s", project->root, file);
  if (len < 0 || (size_t)len >= sizeof path)
    return tg_error_set(err, TG_EINVALID, "path too long: %s/%s", project->root, file);
  struct tg_buf text;
  tg_buf_init(&text, TG_YAML_BYTES_MAX);
  int code = tg_file_read(path, &text, err);
  if (!code) {
    struct reader reader = {.project = project, .file = file, .err = err};
    code = settings_read(&reader, &text);
  }
  tg_buf_deinit(&text);
  return code;
}

// Looks for a folder with a settings file, from `path` upwards; leaves `path` alone without one.
static void root_search(char path[PATH_BYTES_MAX]) {
  char at[PATH_BYTES_MAX], file[PATH_BYTES_MAX + sizeof settings_file + 1];
  snprintf(at, sizeof at, "%s", path);
  for (;; *strrchr(at, '/') = 0) {
    snprintf(file, sizeof file, "%s/%s", at, settings_file);
    if (access(file, F_OK) == 0) break;
    if (!*at) return;
  }
  snprintf(path, PATH_BYTES_MAX, "%s", *at ? at : "/");
}

static int root_find(struct tg_project *project, const char *given, struct tg_error *err) {
  char path[PATH_BYTES_MAX];
  struct stat info;
  if (!realpath(given ? given : ".", path))
    return tg_error_errno(err, tg_file_code(errno), errno, "cannot open the project %s",
                          given ? given : "in the current folder");
  if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode))
    return tg_error_set(err, TG_EINVALID, "the project %s is not a folder", path);
  if (!given) root_search(path);
  project->root = tg_arena_strdup(&project->arena, path);
  return project->root ? TG_OK : no_memory(err);
}

static int data_find(struct tg_project *project, const char *given, struct tg_error *err) {
  char path[PATH_BYTES_MAX * 2], current[PATH_BYTES_MAX];
  const char *base = given ? "" : project->root;
  if (given && *given != '/') base = getcwd(current, sizeof current);
  if (!base) return tg_error_errno(err, TG_EIO, errno, "there is no current folder");
  bool has_slash = !given || *given != '/';
  int len = snprintf(path, sizeof path, "%s%s%s", strcmp(base, "/") == 0 ? "" : base,
                     has_slash ? "/" : "", given ? given : ".tidegate");
  if (len < 0 || (size_t)len >= PATH_BYTES_MAX)
    return tg_error_set(err, TG_EINVALID, "the path of the data folder is too long");
  project->data = tg_arena_strdup(&project->arena, path);
  return project->data ? TG_OK : no_memory(err);
}

static int overlay_read(struct tg_project *project, const char *env, struct tg_error *err) {
  char file[256];
  if (strchr(env, '/') || *env == '.' || strlen(env) > TG_NAME_BYTES_MAX)
    return tg_error_set(err, TG_EINVALID, "\"%.100s\" is no name of an environment", env);
  snprintf(file, sizeof file, "env/%s.yaml", env);
  int code = file_read(project, file, err);
  if (code == TG_ENOT_FOUND)
    return tg_error_set(err, TG_ENOT_FOUND, "there is no environment \"%s\": %s/%s is missing", env,
                        project->root, file);
  project->env = tg_arena_strdup(&project->arena, env);
  return code;
}

int tg_project_open(struct tg_project *project, const char *root, const char *data, const char *env,
                    struct tg_error *err) {
  *project = (struct tg_project){0};
  tg_arena_init(&project->arena);
  int code = root_find(project, root, err);
  if (!code) code = data_find(project, data, err);
  if (!code) {
    const char *slash = strrchr(project->root, '/');
    project->name = slash[1] ? slash + 1 : "project";
    code = file_read(project, settings_file, err);
    if (code == TG_ENOT_FOUND) code = TG_OK;
  }
  if (!code && env) code = overlay_read(project, env, err);
  return code;
}

uint32_t tg_project_slots(const struct tg_project *project) {
  return project->limits.tasks ? project->limits.tasks : TASKS_AT_ONCE;
}

void tg_project_deinit(struct tg_project *project) {
  tg_arena_deinit(&project->arena);
  *project = (struct tg_project){0};
}

int tg_project_of(struct tg_project *project, const struct tg_args *args) {
  struct tg_error err;
  int code = tg_project_open(project, tg_args_text(args, "project"), tg_args_text(args, "data"),
                             tg_args_text(args, "env"), &err);
  if (!code) return TG_EXIT_SUCCESS;
  tg_project_deinit(project);
  return tg_exit_report(&err);
}
