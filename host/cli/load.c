// SPDX-License-Identifier: Apache-2.0
#include "cli/load.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/suggest.h"
#include "cli/exit.h"
#include "cli/faults.h"
#include "engine/plan.h"

enum { FILES_MAX = 1000 };

static bool is_path(const char *name) {
  size_t len = strlen(name);
  return strchr(name, '/') || (len > 4 && strcmp(name + len - 4, ".lua") == 0);
}

static bool has_settings(const char *folder) {
  char path[4200];
  struct stat info;
  snprintf(path, sizeof path, "%s/tidegate.yaml", folder);
  return stat(path, &info) == 0;
}

// Cuts a path to the folder above it; false at the top.
static bool path_up(char *path) {
  char *slash = strrchr(path, '/');
  if (!slash || slash == path) return false;
  *slash = 0;
  return true;
}

static void root_find(const char *file, char root[4096]) {
  char folder[4096];
  snprintf(folder, sizeof folder, "%s", file);
  path_up(folder);
  const char *name = strrchr(folder, '/');
  snprintf(root, 4096, "%s", folder);
  if (name && strcmp(name, "/pipelines") == 0) path_up(root);
  do {
    if (!has_settings(folder)) continue;
    snprintf(root, 4096, "%s", folder);
    return;
  } while (path_up(folder));
}

int tg_load_project(struct tg_project *project, const struct tg_args *args) {
  const char *name = tg_args_word(args, 0);
  char *file =
      !tg_args_text(args, "project") && name && is_path(name) ? realpath(name, NULL) : NULL;
  if (!file) return tg_project_of(project, args);
  char root[4096];
  struct tg_error err;
  root_find(file, root);
  free(file);
  int code =
      tg_project_open(project, root, tg_args_text(args, "data"), tg_args_text(args, "env"), &err);
  if (!code) return TG_EXIT_SUCCESS;
  tg_project_deinit(project);
  return tg_exit_report(&err);
}

// Gives a path from the project's folder for one from the current folder.
static int path_resolve(const struct tg_project *project, const char *name, char path[4096],
                        struct tg_error *err) {
  char *full = realpath(name, NULL);
  if (!full) return tg_error_errno(err, tg_file_code(errno), errno, "cannot open %s", name);
  size_t root = strlen(project->root);
  bool is_below = strncmp(full, project->root, root) == 0 && full[root] == '/';
  int code = TG_OK;
  if (is_below)
    snprintf(path, 4096, "%s", full + root + 1);
  else
    code = tg_error_set(err, TG_EINVALID,
                        "%s is not in the project %s; name its project with --project", name,
                        project->root);
  free(full);
  return code;
}

static int is_script(const struct dirent *entry) {
  size_t len = strlen(entry->d_name);
  return len > 4 && entry->d_name[0] != '.' && strcmp(entry->d_name + len - 4, ".lua") == 0;
}

static bool has_name(struct tg_host *host, const char *path, const char *name) {
  const struct tg_version *version = NULL;
  char *faults = NULL;
  tg_host_build(host, TG_BUNDLE_PIPELINE, path, &version, &faults, NULL);
  struct tg_plan *plan = NULL;
  const char *text = version ? version->plan : NULL;
  bool is_it =
      text && !tg_plan_parse_head(text, strlen(text), &plan, NULL) && strcmp(plan->name, name) == 0;
  tg_plan_free(plan);
  free(faults);
  return is_it;
}

// Looks into the files of pipelines/ for a pipeline that is not called like its file.
static int name_search(struct tg_host *host, const struct tg_project *project, const char *name,
                       char path[4096], struct tg_error *err) {
  char folder[4096];
  struct dirent **entries = NULL;
  snprintf(folder, sizeof folder, "%.4000s/pipelines", project->root);
  int count = scandir(folder, &entries, is_script, alphasort);
  bool found = false;
  const char *names[FILES_MAX];
  size_t known = 0;
  for (int i = 0; i < count; i++) {
    snprintf(path, 4096, "pipelines/%s", entries[i]->d_name);
    if (!found) found = has_name(host, path, name);
    if (found) break;
    entries[i]->d_name[strlen(entries[i]->d_name) - 4] = 0;
    if (known < FILES_MAX) names[known++] = entries[i]->d_name;
  }
  int code = TG_OK;
  if (!found) {
    const char *near = tg_suggest(name, names, known);
    code = tg_error_set(err, TG_ENOT_FOUND, "there is no pipeline '%s' in %s%s%s%s", name, folder,
                        near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
  }
  for (int i = 0; i < count; i++) free(entries[i]);
  free(entries);
  return code;
}

int tg_load_find(struct tg_host *host, const struct tg_project *project, const char *name,
                 char path[4096], struct tg_error *err) {
  if (is_path(name)) return path_resolve(project, name, path, err);
  char full[8300];
  struct stat info;
  snprintf(path, 4096, "pipelines/%.4000s.lua", name);
  snprintf(full, sizeof full, "%s/%s", project->root, path);
  if (stat(full, &info) == 0) return TG_OK;
  return name_search(host, project, name, path, err);
}

int tg_load_version(struct tg_host *host, const struct tg_project *project, const char *name,
                    const struct tg_version **version) {
  char path[4096], *faults = NULL;
  struct tg_error err;
  int code = tg_load_find(host, project, name, path, &err);
  if (!code) code = tg_host_build(host, TG_BUNDLE_PIPELINE, path, version, &faults, &err);
  if (code) return tg_exit_report(&err);
  int exit_code = faults ? tg_faults_report(faults) : TG_EXIT_SUCCESS;
  free(faults);
  return exit_code;
}

static int load(const struct tg_project *project, enum tg_bundle_kind kind, const char *name,
                struct tg_loaded *loaded, struct tg_error *err) {
  struct tg_host *host = NULL;
  const struct tg_version *version = NULL;
  *loaded = (struct tg_loaded){0};
  int code = tg_host_open(project, false, &host, err);
  if (!code) code = tg_load_find(host, project, name, loaded->path, err);
  if (!code) code = tg_host_build(host, kind, loaded->path, &version, &loaded->faults, err);
  if (!code && version) loaded->plan = strdup(version->plan ? version->plan : "");
  tg_host_close(host);
  return code;
}

int tg_load_pipeline(const struct tg_project *project, const char *name, struct tg_loaded *loaded,
                     struct tg_error *err) {
  return load(project, TG_BUNDLE_PIPELINE, name, loaded, err);
}

int tg_load_policy(const struct tg_project *project, const char *path, struct tg_loaded *loaded,
                   struct tg_error *err) {
  return load(project, TG_BUNDLE_POLICY, path, loaded, err);
}

void tg_loaded_deinit(struct tg_loaded *loaded) {
  free(loaded->plan);
  free(loaded->faults);
  loaded->plan = loaded->faults = NULL;
}
