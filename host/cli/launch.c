// SPDX-License-Identifier: Apache-2.0
#include "cli/launch.h"

#include <string.h>

#include "base/log.h"

void tg_launch_init(struct tg_launch *launch) {
  *launch = (struct tg_launch){0};
  tg_arena_init(&launch->arena);
}

void tg_launch_deinit(struct tg_launch *launch) {
  tg_plan_free(launch->plan);
  tg_arena_deinit(&launch->arena);
  *launch = (struct tg_launch){0};
}

static int bundle_adopt(struct tg_launch *launch, struct tg_host *host,
                        const struct tg_bundle_row *row, struct tg_error *err) {
  const struct tg_version *version =
      tg_bundles_adopt(tg_scripts_bundles(tg_host_scripts(host)), launch->plan->file, row);
  if (strcmp(version->hash, row->hash) == 0) return TG_OK;
  return tg_error_set(err, TG_EDAMAGED, "the bundle %s of the run is not what it was", row->hash);
}

int tg_launch_bundle(struct tg_launch *launch, struct tg_host *host, struct tg_history *history,
                     const char *bundle, struct tg_error *err) {
  struct tg_bundle_row row;
  tg_plan_free(launch->plan);
  launch->plan = NULL;
  launch->version = NULL;
  int code = tg_history_bundle(history, bundle, &launch->arena, &row, err);
  if (!code) code = tg_plan_parse(row.plan, strlen(row.plan), &launch->plan, err);
  if (!code && host && !launch->cancelled)
    code = tg_pools_check(&tg_host_services(host)->pools, launch->plan, NULL, err);
  return code || !host ? code : bundle_adopt(launch, host, &row, err);
}

int tg_launch_resume(struct tg_launch *launch, struct tg_host *host, struct tg_history *history,
                     const struct tg_run *run, struct tg_error *err) {
  struct tg_arena *arena = &launch->arena;
  launch->kind = TG_LAUNCH_RESUMED;
  launch->run = *run;
  int code = tg_launch_bundle(launch, host, history, run->bundle, err);
  if (!code && host && !launch->cancelled)
    code = tg_freeze_check_secrets(tg_host_services(host), launch->plan->params, run->params, err);
  if (!code)
    code = tg_history_tasks(history, run->number, arena, &launch->tasks, &launch->task_count, err);
  if (!code)
    code = tg_history_attempts(history, run->number, arena, &launch->attempts,
                               &launch->attempt_count, err);
  if (!code)
    code =
        tg_history_map_items(history, run->number, arena, &launch->maps, &launch->map_count, err);
  if (!code)
    code = tg_history_items(history, run->number, arena, &launch->items, &launch->item_count, err);
  if (!code)
    code = tg_history_steps(history, run->number, arena, &launch->steps, &launch->step_count, err);
  return code;
}

// --- Starting ---

static void leftovers_end(const struct tg_run *run) {
  char id[TG_ID_TEXT_LEN + 1];
  tg_id_format(run->id, id);
  int count = tg_child_kill_marked("TIDEGATE_RUN_ID", id);
  if (count) tg_log(TG_LOG_WARN, "%d processes that an earlier host left behind were ended", count);
}

static void resume_input(const struct tg_launch *launch, struct tg_input *input) {
  input->kind = TG_INPUT_RESUME;
  input->resume.run = &launch->run;
  input->resume.plan = launch->plan;
  input->resume.cancelled = launch->cancelled;
  input->resume.tasks = launch->tasks;
  input->resume.task_count = launch->task_count;
  input->resume.attempts = launch->attempts;
  input->resume.attempt_count = launch->attempt_count;
  input->resume.maps = launch->maps;
  input->resume.map_count = launch->map_count;
  input->resume.items = launch->items;
  input->resume.item_count = launch->item_count;
  input->resume.steps = launch->steps;
  input->resume.step_count = launch->step_count;
}

static void run_input(const struct tg_launch *launch, struct tg_input *input) {
  input->kind = TG_INPUT_RUN;
  input->run.run = &launch->run;
  input->run.plan = launch->plan;
  input->run.carried = launch->tasks;
  input->run.carried_count = launch->task_count;
  input->run.carried_maps = launch->maps;
  input->run.carried_map_count = launch->map_count;
  input->run.carried_items = launch->items;
  input->run.carried_item_count = launch->item_count;
}

static void bundle_keep(const struct tg_launch *launch, struct tg_conductor *conductor) {
  const struct tg_version *version = launch->version;
  if (!version || version->is_stored) return;
  struct tg_bundle_row row = tg_version_row(version, launch->plan->name);
  tg_conductor_put_bundle(conductor, &row);
}

// What it had started goes on beside it, whether or not it asks for it again.
static void children_resume(const struct tg_launch *launch, struct tg_host *host) {
  char id[TG_ID_TEXT_LEN + 1];
  tg_id_format(launch->run.id, id);
  tg_subruns_resume(tg_scripts_subruns(tg_host_scripts(host)), id,
                    launch->cancelled || launch->run.state == TG_RUN_CANCELLING);
}

// Gives the oldest ancestor of a run in the place of the run.
static int root_find(struct tg_history *history, struct tg_arena *arena, struct tg_run *run,
                     struct tg_error *err) {
  int code = TG_OK;
  while (run->parent && !code) code = tg_history_run(history, run->parent, arena, run, err);
  return code;
}

// An open run whose parent has ended is nobody's any more: it did not wait for it, and its host was
// killed. It goes on with the next run of the pipeline that it all began with.
static int orphan_resume(const struct tg_launch *launch, struct tg_host *host,
                         struct tg_history *history, struct tg_arena *arena,
                         const struct tg_run *orphan, struct tg_error *err) {
  struct tg_run parent, root;
  int code = tg_history_run(history, orphan->parent, arena, &parent, err);
  if (code || !tg_run_state_is_terminal(parent.state)) return code;
  root = parent;
  code = root_find(history, arena, &root, err);
  if (!code && strcmp(root.pipeline, launch->plan->name) == 0)
    tg_subruns_resume(tg_scripts_subruns(tg_host_scripts(host)), orphan->parent,
                      parent.state == TG_RUN_CANCELLED);
  return code;
}

static void orphans_resume(const struct tg_launch *launch, struct tg_host *host) {
  const struct tg_run_filter filter = {.state = -1, .is_open = true};
  struct tg_history *history = NULL;
  struct tg_arena arena;
  struct tg_run *runs = NULL;
  size_t count = 0;
  struct tg_error err;
  tg_arena_init(&arena);
  int code = tg_history_open(tg_host_services(host)->data, &history, &err);
  if (!code) code = tg_history_runs(history, &filter, &arena, &runs, &count, &err);
  for (size_t i = 0; i < count && !code; i++)
    if (runs[i].parent) code = orphan_resume(launch, host, history, &arena, &runs[i], &err);
  if (code) tg_log(TG_LOG_WARN, "child runs that were left are not known: %s", err.text);
  tg_history_close(history);
  tg_arena_deinit(&arena);
}

void tg_launch_start(struct tg_launch *launch, struct tg_host *host) {
  struct tg_conductor *conductor = tg_host_services(host)->conductor;
  struct tg_input input = {0};
  if (launch->kind == TG_LAUNCH_RESUMED) {
    leftovers_end(&launch->run);
    resume_input(launch, &input);
  } else {
    bundle_keep(launch, conductor);
    run_input(launch, &input);
  }
  tg_conductor_input(conductor, &input);
  if (launch->kind == TG_LAUNCH_RESUMED) children_resume(launch, host);
  if (!launch->cancelled && tg_host_takes_over(host, launch->plan->name))
    orphans_resume(launch, host);
}
