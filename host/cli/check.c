// SPDX-License-Identifier: Apache-2.0
// check: loads pipelines and policies, as a run would, and says what is wrong with any of them.
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/map.h"
#include "cli/child_check.h"
#include "cli/exit.h"
#include "cli/faults.h"
#include "cli/load.h"
#include "cli/output.h"
#include "cli/project.h"
#include "cli/verbs.h"
#include "engine/plan.h"

enum { PATH_BYTES_MAX = 4096 };

struct checker {
  struct tg_project project;
  struct tg_map pipelines; // name -> its file, as a string of the project's arena
  struct tg_child_check children;
  json_t *faults; // list
  size_t file_count;
};

static void fault_add(struct checker *checker, const char *file, const char *message) {
  json_array_append_new(checker->faults, json_pack("{s:s, s:s}", "file", file, "message", message));
}

// A name that two files give to their pipelines would be ambiguous on the command line.
static void name_check(struct checker *checker, const char *name, const char *file) {
  const char *other = tg_map_get(&checker->pipelines, name);
  char message[PATH_BYTES_MAX + 256];
  if (other) {
    snprintf(message, sizeof message, "the pipeline \"%.100s\" is also in %s", name, other);
    fault_add(checker, file, message);
  } else {
    tg_map_put(&checker->pipelines, name, tg_arena_strdup(&checker->project.arena, file));
  }
}

// Reads the plan as a run would.
static void plan_check(struct checker *checker, const char *text, const char *file) {
  struct tg_plan *plan;
  struct tg_error err;
  if (tg_plan_parse(text, strlen(text), &plan, &err)) {
    fault_add(checker, file, err.text);
    return;
  }
  name_check(checker, plan->name, file);
  tg_child_check_add(&checker->children, file, text, true);
  tg_plan_free(plan);
}

// A script is a policy when its folder is called "policies".
static bool is_policy(const char *path) {
  char full[PATH_BYTES_MAX];
  if (!realpath(path, full)) return false;
  *strrchr(full, '/') = 0;
  const char *folder = strrchr(full, '/');
  return folder && strcmp(folder, "/policies") == 0;
}

// Gives a path as it is from the project's folder.
static const char *path_shown(const struct checker *checker, const char *path) {
  size_t len = strlen(checker->project.root);
  bool is_below = strncmp(path, checker->project.root, len) == 0 && path[len] == '/';
  return is_below ? path + len + 1 : path;
}

static int file_check(struct checker *checker, const char *path, struct tg_error *err) {
  struct tg_loaded loaded = {0};
  bool is_pipeline = !is_policy(path);
  int code =
      (is_pipeline ? tg_load_pipeline : tg_load_policy)(&checker->project, path, &loaded, err);
  checker->file_count++;
  if (code) {
    // What is wrong with one file must not hide what is wrong with the next.
    fault_add(checker, path_shown(checker, path), err->text);
  } else if (loaded.faults) {
    json_t *faults = json_loads(loaded.faults, 0, NULL);
    json_array_extend(checker->faults, faults);
    json_decref(faults);
  } else if (is_pipeline && loaded.plan) {
    plan_check(checker, loaded.plan, path_shown(checker, path));
  }
  tg_loaded_deinit(&loaded);
  return tg_exit_of(code) == TG_EXIT_USAGE ? TG_OK : code;
}

static int is_script(const struct dirent *entry) {
  size_t len = strlen(entry->d_name);
  return len > 4 && entry->d_name[0] != '.' && strcmp(entry->d_name + len - 4, ".lua") == 0;
}

// Checks the scripts of a folder in the order of their names.
static int folder_check(struct checker *checker, const char *folder, struct tg_error *err) {
  struct dirent **entries;
  int count = scandir(folder, &entries, is_script, alphasort);
  if (count < 0)
    return tg_error_errno(err, tg_file_code(errno), errno, "cannot read the folder %s", folder);
  int code = TG_OK;
  for (int i = 0; i < count; i++) {
    char path[PATH_BYTES_MAX];
    int len = snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
    free(entries[i]);
    if (code) continue;
    code = len > 0 && (size_t)len < sizeof path
               ? file_check(checker, path, err)
               : tg_error_set(err, TG_EINVALID, "path too long in %s", folder);
  }
  free(entries);
  return code;
}

static int path_check(struct checker *checker, const char *path, struct tg_error *err) {
  struct stat info;
  if (stat(path, &info) != 0)
    return tg_error_errno(err, tg_file_code(errno), errno, "cannot open %s", path);
  return S_ISDIR(info.st_mode) ? folder_check(checker, path, err) : file_check(checker, path, err);
}

// Reads what child runs the pipelines start that were asked about, and those in turn.
static void children_read(struct checker *checker) {
  char path[PATH_BYTES_MAX + 32];
  struct dirent **entries = NULL;
  snprintf(path, sizeof path, "%s/pipelines", checker->project.root);
  int count = scandir(path, &entries, is_script, alphasort);
  for (int i = 0; i < count; i++) {
    snprintf(path, sizeof path, "pipelines/%s", entries[i]->d_name);
    tg_child_check_know(&checker->children, path);
    free(entries[i]);
  }
  free(entries);
  for (const char *file; (file = tg_child_check_next(&checker->children));) {
    struct tg_loaded loaded = {0};
    struct tg_error err;
    snprintf(path, sizeof path, "%s/%s", checker->project.root, file);
    int code = tg_load_pipeline(&checker->project, path, &loaded, &err);
    // What is wrong with it is told when it is asked about.
    tg_child_check_add(&checker->children, file, !code && loaded.plan ? loaded.plan : "{}", false);
    tg_loaded_deinit(&loaded);
  }
}

static int project_check(struct checker *checker, struct tg_error *err) {
  static const char *const folders[] = {"pipelines", "pipelines/policies"};
  int code = TG_OK;
  for (size_t i = 0; i < 2 && !code; i++) {
    char path[PATH_BYTES_MAX + 32];
    snprintf(path, sizeof path, "%s/%s", checker->project.root, folders[i]);
    code = folder_check(checker, path, err);
    if (code == TG_ENOT_FOUND && i > 0) code = TG_OK; // a project need not have policies
  }
  return code;
}

static int result_print(const struct checker *checker, const struct tg_output *output) {
  size_t faults = json_array_size(checker->faults);
  int exit_code;
  if (output->format == TG_FORMAT_JSON) {
    exit_code =
        tg_output_document(output, json_pack("{s:i, s:O}", "files", (int)checker->file_count,
                                             "faults", checker->faults));
  } else if (output->format == TG_FORMAT_JSONL) {
    exit_code = tg_output_list(output, "faults", json_incref(checker->faults));
  } else {
    struct tg_buf text;
    tg_buf_init(&text, SIZE_MAX / 2);
    tg_faults_put(&text, checker->faults, output->has_color);
    exit_code = tg_output_text(&text);
    tg_buf_deinit(&text);
    fprintf(stderr, "%zu file%s, %zu fault%s\n", checker->file_count,
            checker->file_count == 1 ? "" : "s", faults, faults == 1 ? "" : "s");
  }
  return exit_code ? exit_code : faults ? TG_EXIT_USAGE : TG_EXIT_SUCCESS;
}

static int check_run(const struct tg_args *args) {
  struct checker checker = {.faults = json_array()};
  struct tg_output output = tg_output_of(args, STDOUT_FILENO);
  struct tg_error err;
  tg_map_init(&checker.pipelines);
  tg_child_check_init(&checker.children);
  int exit_code = tg_load_project(&checker.project, args);
  if (exit_code) goto done;
  int code = args->word_count ? TG_OK : project_check(&checker, &err);
  for (size_t i = 0; i < args->word_count && !code; i++)
    code = path_check(&checker, args->words[i], &err);
  if (!code) children_read(&checker);
  if (!code) tg_child_check_faults(&checker.children, checker.faults);
  exit_code = code ? tg_exit_report(&err) : result_print(&checker, &output);
  tg_project_deinit(&checker.project);

done:
  tg_map_deinit(&checker.pipelines);
  tg_child_check_deinit(&checker.children);
  json_decref(checker.faults);
  return exit_code;
}

const struct tg_verb tg_verb_check = {
    .name = "check",
    .arguments = "[PATH ...]",
    .arguments_max = SIZE_MAX,
    .summary = "load pipelines and policies and say what is wrong",
    .prose =
        "PATH is a script or a folder of scripts, those in a folder \"policies\" being policies;\n"
        "without one all of the project's are checked, and that what a tg.run names is there and\n"
        "takes the parameters it is given. Nothing is run, nothing is written.",
    .examples =
        (const struct tg_example[]){
            {"check", "everything in the project"},
            {"check pipelines/orders.lua", "one pipeline, with the contracts it names"},
            {NULL, NULL},
        },
    .run = check_run,
};
