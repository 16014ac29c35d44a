// SPDX-License-Identifier: Apache-2.0
// run: one run of a pipeline, to its end.
#include <stdio.h>
#include <unistd.h>

#include "base/units.h"
#include "cli/decide.h"
#include "cli/drive.h"
#include "cli/exit.h"
#include "cli/load.h"
#include "cli/occurrences.h"
#include "cli/verbs.h"

// The occurrence has succeeded before: that is said, and nothing runs.
static int done_say(const struct tg_drive *drive, const struct tg_output *output) {
  const struct tg_run *run = &drive->launch->run;
  char id[TG_ID_TEXT_LEN + 1];
  tg_id_format(run->id, id);
  if (!tg_args_has(drive->args, "quiet"))
    fprintf(stderr, "tidegate: the occurrence %s of %s%s%s has succeeded already, in run %s\n",
            run->occurrence, run->pipeline, run->partition ? ", partition " : "",
            run->partition ? run->partition : "", id);
  return tg_drive_print(drive, output);
}

// An instant that the schedule does not have makes an occurrence of its own, which no backfill
// knows: that may be meant, and is more often a date in the place of an instant.
static void off_schedule_say(const struct tg_drive *drive) {
  const struct tg_launch *launch = drive->launch;
  int64_t at = launch->run.logical_at, next;
  char own[TG_TIME_TEXT_LEN + 1], other[TG_TIME_TEXT_LEN + 1];
  bool is_new = launch->kind == TG_LAUNCH_NEW && launch->run.occurrence;
  if (!is_new || tg_args_has(drive->args, "quiet")) return;
  if (tg_occurrence_from(launch->plan, at, &next, NULL) || !next || next == at) return;
  tg_time_format(at, own);
  tg_time_format(next, other);
  fprintf(stderr, "tidegate: %s is not in the schedule of %s; the occurrence after it is %s\n", own,
          launch->run.pipeline, other);
}

static int pipeline_run(struct tg_drive *drive, const struct tg_output *output) {
  const struct tg_args *args = drive->args;
  struct tg_decide_options options = {
      .has_at = tg_args_has(args, "at"),
      .at_ms = tg_args_time_ms(args, "at", 0),
      .is_new = tg_args_has(args, "new"),
      .partition = tg_args_text(args, "partition"),
      .select = tg_args_text(args, "select"),
  };
  struct tg_error err;
  int exit_code =
      tg_load_version(drive->host, drive->project, tg_args_word(args, 0), &options.version);
  if (exit_code) return exit_code;
  options.params = tg_args_all(args, "param", &drive->launch->arena, &options.param_count);
  int code = tg_decide(drive->launch, drive->host, &options, &err);
  if (code) return tg_exit_report(&err);
  off_schedule_say(drive);
  return drive->launch->kind == TG_LAUNCH_DONE ? done_say(drive, output) : tg_drive(drive, output);
}

static int run_run(const struct tg_args *args) {
  struct tg_project project;
  struct tg_launch launch;
  struct tg_drive drive = {.args = args, .project = &project, .launch = &launch};
  struct tg_output output = tg_output_of(args, STDOUT_FILENO);
  struct tg_error err;
  int exit_code = tg_load_project(&project, args);
  if (exit_code) return exit_code;
  tg_launch_init(&launch);
  int code = tg_host_open(&project, true, &drive.host, &err);
  exit_code = code ? tg_exit_report(&err) : pipeline_run(&drive, &output);
  tg_host_close(drive.host);
  tg_launch_deinit(&launch);
  tg_project_deinit(&project);
  return exit_code;
}

const struct tg_verb tg_verb_run = {
    .name = "run",
    .arguments = "PIPELINE",
    .arguments_min = 1,
    .arguments_max = 1,
    .summary = "run a pipeline to its end",
    .prose =
        "PIPELINE is a name in the project or a path. A run that was not finished (its host was\n"
        "killed) and has the same parameters is continued; else a new one starts. With --at it\n"
        "is the occurrence at that instant: unfinished it is continued, failed it is rerun from\n"
        "its failure, and if it succeeded that is said and nothing runs.",
    .options =
        (const struct tg_option[]){
            {"param", 'p', TG_OPTION_TEXT, "NAME=VALUE", "a parameter (may be given again)", NULL,
             NULL},
            {"at", 0, TG_OPTION_TIME, "TIME",
             "the occurrence at this instant (RFC 3339, or a date: its midnight in UTC)", NULL,
             NULL},
            {"partition", 0, TG_OPTION_TEXT, "NAME", "the part of a pipeline with partitions", NULL,
             NULL},
            {"select", 0, TG_OPTION_TEXT, "SEL", "only these tasks (name, +name, name+, tag:x, *)",
             NULL, NULL},
            {"new", 0, TG_OPTION_FLAG, NULL, "always start afresh", NULL, NULL},
            {NULL, 0, TG_OPTION_FLAG, NULL, NULL, NULL, NULL},
        },
    .examples =
        (const struct tg_example[]){
            {"run packages", "a run by hand"},
            {"run orders -p region=US --at 2026-11-20", "the occurrence of a day"},
            {"run orders --select gold_daily+ -o json", "a part of it, the result as JSON"},
            {NULL, NULL},
        },
    .run = run_run,
};
