// SPDX-License-Identifier: Apache-2.0
// rerun: an earlier run once more, all of it or a part, as a new run. Its parameters, logical date
// and interval are frozen; its pipeline is that of today, or the one it had.
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/drive.h"
#include "cli/exit.h"
#include "cli/faults.h"
#include "cli/records.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "model/params.h"

enum { BUNDLE_LATEST, BUNDLE_ORIGINAL };
enum { BUNDLE_COLUMNS = 12 }; // of a hash

static const char *const bundle_choices[] = {"latest", "original", NULL};

struct rerunner {
  struct tg_records records;
  struct tg_drive drive;
  struct tg_launch launch;
  struct tg_run of;
};

static bool is_dry(const struct rerunner *r) {
  return tg_args_has(r->drive.args, "dry-run");
}

// --- Which pipeline ---

// Today's version of the file that the run's pipeline came from.
static int latest_load(struct rerunner *r, struct tg_error *err) {
  char *faults = NULL, *path = strdup(r->launch.plan->file);
  const struct tg_version *version = NULL;
  if (!path) return tg_exit_report(err);
  int code = tg_host_build(r->drive.host, TG_BUNDLE_PIPELINE, path, &version, &faults, err);
  free(path);
  if (faults) {
    int exit_code = tg_faults_report(faults);
    free(faults);
    return exit_code;
  }
  tg_plan_free(r->launch.plan);
  r->launch.plan = NULL;
  r->launch.version = version;
  if (code == TG_ENOT_FOUND) {
    struct tg_error why = *err;
    tg_error_set(err, code, "%s; --bundle original runs what the run had", why.text);
  }
  if (!code) code = tg_plan_parse(version->plan, strlen(version->plan), &r->launch.plan, err);
  return code ? tg_exit_report(err) : TG_EXIT_SUCCESS;
}

static int bundle_load(struct rerunner *r, const char **bundle) {
  struct tg_error err;
  bool is_original = tg_args_choice(r->drive.args, "bundle", BUNDLE_LATEST) == BUNDLE_ORIGINAL;
  int code = tg_launch_bundle(&r->launch, is_original ? r->drive.host : NULL, r->records.history,
                              r->of.bundle, &err);
  if (code) return tg_exit_report(&err);
  *bundle = r->of.bundle;
  int exit_code = is_original ? TG_EXIT_SUCCESS : latest_load(r, &err);
  if (!exit_code && r->launch.version) *bundle = r->launch.version->hash;
  return exit_code;
}

// --- Which parameters ---

static bool is_given(const char *const *given, size_t count, const char *name) {
  size_t len = strlen(name);
  for (size_t i = 0; i < count; i++)
    if (strncmp(given[i], name, len) == 0 && given[i][len] == '=') return true;
  return false;
}

static const json_t *param_find(const struct tg_plan *plan, const char *name) {
  for (size_t i = 0; i < json_array_size(plan->params); i++) {
    const json_t *schema = json_array_get(plan->params, i);
    const char *known = json_string_value(json_object_get(schema, "name"));
    if (known && strcmp(known, name) == 0) return schema;
  }
  return NULL;
}

// Says whether a parameter is left to be computed anew: when what it may follow from has changed.
static bool is_left_out(const struct tg_plan *plan, const char *name, size_t given) {
  const json_t *schema = param_find(plan, name);
  const char *how = json_string_value(json_object_get(schema, "default_is"));
  return !schema || (given && how && strcmp(how, "computed") == 0);
}

// Adds what the run had to what is given, as a person would give it. Parameters that the pipeline
// has no more are left out, and it may have new ones, which get their defaults.
static size_t frozen_add(struct rerunner *r, const char **texts, size_t given) {
  json_t *frozen = json_loads(r->of.params, 0, NULL), *value;
  const char *name;
  size_t count = given;
  json_object_foreach(frozen, name, value) {
    if (json_is_null(value) || is_left_out(r->launch.plan, name, given) ||
        is_given(texts, given, name))
      continue;
    char *text = tg_params_text(name, value);
    texts[count++] = tg_arena_strdup(&r->launch.arena, text);
    free(text);
  }
  json_decref(frozen);
  return count;
}

static int params_freeze(struct rerunner *r, const char *bundle, const char **params,
                         struct tg_error *err) {
  struct tg_arena *arena = &r->launch.arena;
  size_t given;
  json_t *frozen = json_loads(r->of.params, 0, NULL);
  const char **own = tg_args_all(r->drive.args, "param", arena, &given);
  const char **texts =
      tg_arena_alloc(arena, (given + json_object_size(frozen) + 1) * sizeof *texts);
  json_decref(frozen);
  if (!own || !texts) return tg_error_set(err, TG_ENOMEM, "no memory for parameters");
  int code = tg_host_take_secrets(r->drive.host, r->launch.plan, own, given, arena, err);
  if (code) return code;
  memcpy(texts, own, given * sizeof *texts);
  struct tg_freeze freeze = {
      .version = tg_bundles_find(tg_scripts_bundles(tg_host_scripts(r->drive.host)), bundle),
      .schema = r->launch.plan->params,
      .given = texts,
      .count = frozen_add(r, texts, given),
      .run = &r->of,
  };
  return tg_host_freeze(r->drive.host, &freeze, arena, params, err);
}

// --- What it would do ---

static const char *earlier_word(const struct tg_launch *launch, uint32_t task) {
  const struct tg_task *earlier = &launch->earlier[task];
  return earlier->name ? tg_task_state_word(earlier->state) : "";
}

static int dry_print_json(const struct rerunner *r) {
  const struct tg_launch *launch = &r->launch;
  json_t *tasks = json_array();
  for (uint32_t i = 0; i < launch->plan->count; i++) {
    const char *earlier = earlier_word(launch, i);
    json_array_append_new(tasks, json_pack("{s:s, s:s, s:s?}", "name", launch->plan->tasks[i].name,
                                           "action", tg_fate_word(launch->fates[i]), "earlier",
                                           *earlier ? earlier : NULL));
  }
  json_t *fields =
      json_pack("{s:{s:s, s:s, s:s?, s:s, s:o, s:o, s:o}}", "rerun", "of", launch->run.rerun_of,
                "pipeline", launch->run.pipeline, "partition", launch->run.partition, "bundle",
                launch->run.bundle, "params", tg_view_document_json(launch->run.params),
                "logical_date", tg_view_time_json(launch->run.logical_at), "tasks", tasks);
  return tg_output_document(&r->records.output, fields);
}

// What would run may not be what had run.
static void change_say(const struct rerunner *r) {
  const char *now = r->launch.run.bundle;
  if (tg_args_has(r->drive.args, "quiet") || strcmp(now, r->of.bundle) == 0) return;
  fprintf(stderr,
          "tidegate: the pipeline has changed since: bundle %.*s, now %.*s; --bundle original "
          "takes what it was\n",
          BUNDLE_COLUMNS, r->of.bundle, BUNDLE_COLUMNS, now);
}

static enum tg_style fate_style(enum tg_fate fate) {
  return fate == TG_FATE_RUN || fate == TG_FATE_CONTINUE ? TG_STYLE_BUSY : TG_STYLE_DIM;
}

static int dry_print(const struct rerunner *r) {
  static const struct tg_column columns[] = {{"TASK", false}, {"ACTION", false}, {"BEFORE", false}};
  const struct tg_launch *launch = &r->launch;
  struct tg_table table;
  struct tg_buf text;
  if (r->records.output.format != TG_FORMAT_TEXT) return dry_print_json(r);
  tg_table_init(&table, columns, sizeof columns / sizeof *columns);
  tg_buf_init(&text, SIZE_MAX / 2);
  for (uint32_t i = 0; i < launch->plan->count; i++) {
    const char *earlier = earlier_word(launch, i);
    tg_table_add(&table, (struct tg_cell[]){
                             {launch->plan->tasks[i].name, TG_STYLE_BOLD},
                             {tg_fate_word(launch->fates[i]), fate_style(launch->fates[i])},
                             {earlier, tg_style_of_state(earlier)},
                         });
  }
  tg_table_put(&table, &r->records.output, &text);
  int code = tg_output_text(&text);
  tg_buf_deinit(&text);
  tg_table_deinit(&table);
  return code;
}

// --- Going ---

static bool has_work(const struct tg_launch *launch) {
  for (uint32_t i = 0; i < launch->plan->count; i++)
    if (launch->fates[i] == TG_FATE_RUN || launch->fates[i] == TG_FATE_CONTINUE) return true;
  return false;
}

static int new_rerun(struct rerunner *r) {
  struct tg_rerun how = {.of = &r->of,
                         .select = tg_args_text(r->drive.args, "select"),
                         .is_from_failure = tg_args_has(r->drive.args, "from-failure")};
  struct tg_error err;
  int exit_code = bundle_load(r, &how.bundle);
  if (exit_code) return exit_code;
  int code = params_freeze(r, how.bundle, &how.params, &err);
  if (!code) code = tg_launch_rerun(&r->launch, r->records.history, &how, &err);
  if (!code && !has_work(&r->launch))
    code = tg_error_set(&err, TG_EINVALID,
                        "nothing of this run failed; without --from-failure all of it runs again");
  if (code) return tg_exit_report(&err);
  if (!is_dry(r)) return tg_drive(&r->drive, &r->records.output);
  change_say(r);
  return dry_print(r);
}

static void id_say(const struct rerunner *r, const struct tg_run *run, const char *text) {
  char id[TG_ID_TEXT_LEN + 1];
  tg_id_format(run->id, id);
  if (!tg_args_has(r->drive.args, "quiet")) fprintf(stderr, "tidegate: run %s %s\n", id, text);
}

// What was not kept of the run's secrets is given again.
static int secrets_take(struct rerunner *r, const struct tg_run *run, struct tg_error *err) {
  size_t count;
  const char **given = tg_args_all(r->drive.args, "param", &r->launch.arena, &count);
  if (!given) return tg_error_set(err, TG_ENOMEM, "no memory for parameters");
  int code = tg_launch_bundle(&r->launch, NULL, r->records.history, run->bundle, err);
  return code ? code
              : tg_host_take_secrets(r->drive.host, r->launch.plan, given, count, &r->launch.arena,
                                     err);
}

static int unfinished_go(struct rerunner *r, const struct tg_run *run) {
  struct tg_error err;
  id_say(r, run,
         is_dry(r) ? "is not finished and would be continued"
                   : "was not finished and is continued");
  if (is_dry(r)) return TG_EXIT_SUCCESS;
  int code = secrets_take(r, run, &err);
  if (!code) code = tg_launch_resume(&r->launch, r->drive.host, r->records.history, run, &err);
  return code ? tg_exit_report(&err) : tg_drive(&r->drive, &r->records.output);
}

// Finds a rerun of the run that its host did not finish.
static int unfinished_find(struct rerunner *r, const struct tg_run **found, struct tg_error *err) {
  struct tg_run_filter filter = {.state = -1, .is_open = true};
  struct tg_run *runs;
  size_t count;
  char id[TG_ID_TEXT_LEN + 1];
  tg_id_format(r->of.id, id);
  *found = !tg_run_state_is_terminal(r->of.state) ? &r->of : NULL;
  if (*found) return TG_OK;
  int code = tg_history_runs(r->records.history, &filter, &r->launch.arena, &runs, &count, err);
  for (size_t i = 0; i < count && !code && !*found; i++)
    if (runs[i].rerun_of && strcmp(runs[i].rerun_of, id) == 0) *found = &runs[i];
  return code;
}

static int rerun_go(struct rerunner *r) {
  const struct tg_run *unfinished = NULL;
  struct tg_error err;
  int code = tg_records_run(&r->records, r->drive.args, &r->launch.arena, &r->of, &err);
  if (!code) code = tg_host_open(&r->records.project, !is_dry(r), &r->drive.host, &err);
  if (!code) code = unfinished_find(r, &unfinished, &err);
  if (code) return tg_exit_report(&err);
  return unfinished ? unfinished_go(r, unfinished) : new_rerun(r);
}

static int rerun_run(const struct tg_args *args) {
  if (tg_args_has(args, "select") && tg_args_has(args, "from-failure")) {
    fputs("tidegate: rerun takes --select or --from-failure, not both\n", stderr);
    return TG_EXIT_USAGE;
  }
  struct rerunner r = {.drive = {.args = args, .again = "rerun"}};
  r.drive.project = &r.records.project;
  r.drive.launch = &r.launch;
  tg_launch_init(&r.launch);
  int exit_code = tg_records_open(&r.records, args);
  if (!exit_code) exit_code = rerun_go(&r);
  tg_host_close(r.drive.host);
  tg_launch_deinit(&r.launch);
  tg_records_close(&r.records);
  return exit_code;
}

const struct tg_verb tg_verb_rerun = {
    .name = "rerun",
    .arguments = "RUN",
    .arguments_min = 1,
    .arguments_max = 1,
    .summary = "run an earlier run again, all of it or a part",
    .prose = "The new run has the parameters, logical date and interval of RUN, which is an id, a\n"
             "unique prefix of one, or \"last\". What does not run is carried over with its "
             "outputs, and\n"
             "if it failed before the new run has failed too. Of a map \"failed\" selects the "
             "items that\n"
             "did not succeed. With -p, computed parameters that are not given are computed anew.\n"
             "A setup and its teardown run with whatever lies between them. A RUN that was not\n"
             "finished (its host was killed), or an unfinished rerun of it, is continued.",
    .options =
        (const struct tg_option[]){
            {"select", 0, TG_OPTION_TEXT, "SEL",
             "only these tasks (name, +name, name+, tag:x, *, failed, skipped, result:STATE)", NULL,
             NULL},
            {"from-failure", 0, TG_OPTION_FLAG, NULL,
             "only what did not succeed, and what comes after it", NULL, NULL},
            {"bundle", 0, TG_OPTION_CHOICE, "WHICH",
             "latest (default: the pipeline as it is now) or original", bundle_choices, NULL},
            {"param", 'p', TG_OPTION_TEXT, "NAME=VALUE", "another value of a parameter", NULL,
             NULL},
            {"dry-run", 0, TG_OPTION_FLAG, NULL, "say what would run and what is carried over",
             NULL, NULL},
            {NULL, 0, TG_OPTION_FLAG, NULL, NULL, NULL, NULL},
        },
    .examples =
        (const struct tg_example[]){
            {"rerun last --from-failure", "what failed, after a repair"},
            {"rerun 0193c8f2 --select \"silver+\" --dry-run", "what a rerun of a part would do"},
            {"rerun last --bundle original -p region=EU", "as it was, for another region"},
            {NULL, NULL},
        },
    .run = rerun_run,
};
