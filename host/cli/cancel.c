// SPDX-License-Identifier: Apache-2.0
// cancel: ends a run, in whatever state. Where a host is at work it is asked; else this process
// takes the run up for its teardowns. Whoever does it, this waits for the end.
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "cli/cancel_unit.h"
#include "cli/drive.h"
#include "cli/exit.h"
#include "cli/records.h"
#include "cli/requests.h"
#include "cli/verbs.h"

enum { LOOK_MS = 200, LOOKS_A_TRY = 5 };

struct canceller {
  const struct tg_args *args;
  struct tg_records records;
  struct tg_host *host; // once this process holds the data folder
};

// One run of those that are to end.
struct target {
  struct canceller *canceller;
  struct tg_launch launch;
  struct tg_drive drive;
};

static void target_init(struct target *target, struct canceller *canceller,
                        const struct tg_run *run) {
  target->canceller = canceller;
  tg_launch_init(&target->launch);
  target->launch.run = *run;
  target->drive = (struct tg_drive){.args = canceller->args,
                                    .project = &canceller->records.project,
                                    .host = canceller->host,
                                    .launch = &target->launch};
}

static int run_look(struct target *target, struct tg_error *err) {
  char id[TG_ID_TEXT_LEN + 1];
  tg_id_format(target->launch.run.id, id);
  return tg_history_run(target->canceller->records.history, id, &target->launch.arena,
                        &target->launch.run, err);
}

static bool is_over(const struct target *target) {
  return tg_run_state_is_terminal(target->launch.run.state);
}

// --- In this process ---

static int own_cancel(struct target *target, struct tg_error *err) {
  struct canceller *canceller = target->canceller;
  struct tg_run run = target->launch.run;
  target->launch.cancelled = "cancelled from the command line";
  int code =
      tg_launch_resume(&target->launch, canceller->host, canceller->records.history, &run, err);
  if (!code) code = tg_drive_go(&target->drive, err);
  tg_request_forget(canceller->records.project.data, &run);
  if (!code && target->drive.has_ended) target->launch.run.state = target->drive.state;
  return code;
}

// --- By the host that is at work ---

// Shows what has become of the tasks since the last look.
static int changes_show(struct target *target, struct tg_progress *progress, uint8_t *states,
                        struct tg_error *err) {
  struct tg_arena arena;
  struct tg_task *tasks;
  size_t count = 0;
  int64_t now = tg_clock_wall_ms(tg_clock_system());
  tg_arena_init(&arena);
  int code = tg_history_tasks(target->canceller->records.history, target->launch.run.number, &arena,
                              &tasks, &count, err);
  for (size_t i = 0; i < count && !code; i++) {
    uint32_t index = tasks[i].index;
    if (index >= target->launch.plan->count || states[index] == tasks[i].state) continue;
    struct tg_progress_change change = {.task = index,
                                        .state = tasks[i].state,
                                        .attempt = tasks[i].attempts,
                                        .error = tasks[i].failure.text};
    states[index] = (uint8_t)tasks[i].state;
    tg_progress_task(progress, &change, now);
  }
  tg_progress_tick(progress, now);
  tg_arena_deinit(&arena);
  return code;
}

// Asks the host, also one that came after the one that was asked, and tries to take its place.
static int host_ask(struct target *target, struct tg_error *err) {
  struct canceller *canceller = target->canceller;
  int code = tg_request_cancel(canceller->records.project.data, &target->launch.run, err);
  if (!code) code = tg_host_open(&canceller->records.project, true, &canceller->host, err);
  target->drive.host = canceller->host;
  return code == TG_EBUSY ? TG_OK : code;
}

static int host_wait(struct target *target, struct tg_progress *progress, uint8_t *states,
                     struct tg_error *err) {
  int code = TG_OK;
  for (uint32_t looks = 0; !code && !is_over(target); looks++) {
    if (looks % LOOKS_A_TRY == 0) code = host_ask(target, err);
    if (code || target->canceller->host) break;
    nanosleep(&(struct timespec){.tv_nsec = LOOK_MS * 1000000L}, NULL);
    code = changes_show(target, progress, states, err);
    if (!code) code = run_look(target, err);
  }
  if (!code && is_over(target))
    tg_progress_finish(progress, target->launch.run.state, target->launch.run.ended_at);
  return code;
}

// Ends with the run, or when the host is gone and this process has its place.
static int host_cancel(struct target *target, struct tg_error *err) {
  struct tg_launch *launch = &target->launch;
  struct tg_output shown = tg_output_of(target->drive.args, STDERR_FILENO);
  int code =
      tg_launch_bundle(launch, NULL, target->canceller->records.history, launch->run.bundle, err);
  if (code) return code;
  uint8_t *states = tg_arena_alloc(&launch->arena, launch->plan->count);
  struct tg_progress *progress =
      tg_progress_new(launch->plan, tg_drive_mode(target->drive.args, &shown), shown.has_color,
                      tg_progress_stderr(), tg_clock_wall_ms(tg_clock_system()));
  code = states && progress ? host_wait(target, progress, states, err)
                            : tg_error_set(err, TG_ENOMEM, "no memory for the display");
  tg_progress_free(progress);
  if (is_over(target)) tg_request_forget(target->canceller->records.project.data, &launch->run);
  return code;
}

// --- Either ---

static int one_end(struct target *target, struct tg_error *err) {
  int code = target->canceller->host ? TG_OK : host_cancel(target, err);
  // What was true before this process held the folder may not be so any more.
  if (!code && target->canceller->host) code = run_look(target, err);
  return code || is_over(target) ? code : own_cancel(target, err);
}

static int children_end(struct target *target, struct tg_error *err);

// A child of a run that a host cancelled has ended as well, unless the host was killed.
static int child_end(struct canceller *canceller, const struct tg_run *run, struct tg_error *err) {
  struct target target;
  target_init(&target, canceller, run);
  int code = one_end(&target, err);
  if (!code && is_over(&target)) code = children_end(&target, err);
  tg_launch_deinit(&target.launch);
  return code;
}

static int children_end(struct target *target, struct tg_error *err) {
  char id[TG_ID_TEXT_LEN + 1];
  struct tg_run *children;
  size_t count = 0;
  tg_id_format(target->launch.run.id, id);
  struct tg_run_filter filter = {.state = -1, .is_open = true, .parent = id};
  int code = tg_history_runs(target->canceller->records.history, &filter, &target->launch.arena,
                             &children, &count, err);
  for (size_t i = 0; i < count && !code; i++)
    code = child_end(target->canceller, &children[i], err);
  return code;
}

static int run_cancel(struct target *target) {
  const struct tg_run *run = &target->launch.run;
  char id[TG_ID_TEXT_LEN + 1];
  struct tg_error err;
  tg_id_format(run->id, id);
  if (is_over(target)) {
    tg_error_set(&err, TG_EINVALID, "run %s has ended already: %s", id,
                 tg_run_state_word(run->state));
    return tg_exit_report(&err);
  }
  int code = one_end(target, &err);
  if (!code && is_over(target)) code = children_end(target, &err);
  if (code) return tg_exit_report(&err);
  if (!is_over(target)) return TG_EXIT_SIGNAL + target->drive.watch.signum;
  if (run->state == TG_RUN_CANCELLED)
    return tg_drive_print(&target->drive, &target->canceller->records.output);
  tg_error_set(&err, TG_EINVALID, "run %s ended as %s before it was cancelled", id,
               tg_run_state_word(run->state));
  return tg_exit_report(&err);
}

static int cancel_run(const struct tg_args *args) {
  if (tg_args_has(args, "task")) return tg_cancel_unit(args);
  if (tg_args_has(args, "item")) {
    fputs("tidegate: --item needs the --task that it is one of\n", stderr);
    return TG_EXIT_USAGE;
  }
  struct canceller canceller = {.args = args};
  struct target target;
  struct tg_run run = {0};
  struct tg_error err;
  int exit_code = tg_records_open(&canceller.records, args);
  target_init(&target, &canceller, &run);
  if (!exit_code) {
    int code =
        tg_records_run(&canceller.records, args, &target.launch.arena, &target.launch.run, &err);
    exit_code = code ? tg_exit_report(&err) : run_cancel(&target);
  }
  tg_host_close(canceller.host);
  tg_launch_deinit(&target.launch);
  tg_records_close(&canceller.records);
  return exit_code;
}

const struct tg_verb tg_verb_cancel = {
    .name = "cancel",
    .arguments = "RUN",
    .arguments_min = 1,
    .arguments_max = 1,
    .summary = "end a run and its child runs; teardowns still run",
    .prose =
        "RUN is an id, a unique prefix of one, or \"last\". A host that is at work is asked and\n"
        "waited for; a run that was left by one that was killed is ended here. The exit code is 0\n"
        "when the run is cancelled, 2 when it had ended before. With --task only that ends, and "
        "its\n"
        "child runs; what waits for it goes by its trigger rule, and the run fails in the end.",
    .options =
        (const struct tg_option[]){
            {"task", 0, TG_OPTION_TEXT, "NAME", "only this task", NULL, NULL},
            {"item", 0, TG_OPTION_TEXT, "N", "and of it, a map, only this item (from 0)", NULL,
             NULL},
            {NULL, 0, TG_OPTION_FLAG, NULL, NULL, NULL, NULL},
        },
    .examples =
        (const struct tg_example[]){
            {"cancel last", "the newest run"},
            {"cancel 0193c8f2 -o json", "one run, and what became of it"},
            {"cancel last --task publish --item 3", "one item of a map"},
            {NULL, NULL},
        },
    .run = cancel_run,
};
