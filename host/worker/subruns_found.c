// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/log.h"
#include "worker/subruns_parts.h"

static int found_read(struct tg_history *history, struct tg_subrun_found *found,
                      struct tg_error *err) {
  struct tg_arena *arena = &found->arena;
  uint64_t run = found->run.number;
  int code = tg_history_bundle(history, found->run.bundle, arena, &found->bundle, err);
  if (!code) code = tg_history_tasks(history, run, arena, &found->tasks, &found->task_count, err);
  if (!code)
    code = tg_history_attempts(history, run, arena, &found->attempts, &found->attempt_count, err);
  if (!code) code = tg_history_map_items(history, run, arena, &found->maps, &found->map_count, err);
  if (!code) code = tg_history_items(history, run, arena, &found->items, &found->item_count, err);
  if (!code) code = tg_history_steps(history, run, arena, &found->steps, &found->step_count, err);
  return code;
}

// Looks a child up in the store. `*is_known` is false when there is none of this key.
int tg_subrun_found_look(const struct tg_services *services, const char *key,
                         struct tg_subrun_found *found, bool *is_known, struct tg_error *err) {
  struct tg_history *history = NULL;
  struct tg_run_filter filter = {.state = -1, .child_key = key, .limit = 1};
  struct tg_run *runs;
  size_t count = 0;
  int code = tg_history_open(services->data, &history, err);
  if (!code) code = tg_history_runs(history, &filter, &found->arena, &runs, &count, err);
  *is_known = !code && count;
  if (*is_known) {
    found->run = runs[0];
    code = found_read(history, found, err);
  }
  tg_history_close(history);
  return code;
}

void tg_subrun_found_tell(struct tg_subrun *subrun, const struct tg_subrun_found *found) {
  json_t *outputs = json_object();
  for (size_t i = 0; i < found->task_count; i++)
    tg_subrun_output_put(outputs, found->tasks[i].name, found->tasks[i].output);
  char *answer = tg_subrun_answer_make(&found->run, outputs);
  tg_subrun_answer(subrun, true, NULL, answer);
  free(answer);
}

void tg_subrun_found_resume(struct tg_subrun *subrun, const struct tg_subrun_found *found,
                            const char *cancelled) {
  struct tg_subruns *subruns = subrun->subruns;
  struct tg_error err;
  const char *plan = found->bundle.plan;
  int code = tg_plan_parse(plan, strlen(plan), &subrun->plan, &err);
  if (!code) code = tg_pools_check(&subruns->services->pools, subrun->plan, NULL, &err);
  if (code) {
    tg_subrun_refuse(subrun, &err);
    return;
  }
  tg_bundles_adopt(subruns->bundles, subrun->plan->file, &found->bundle);
  tg_id_format(found->run.id, subrun->id);
  tg_child_kill_marked("TIDEGATE_RUN_ID", subrun->id);
  subrun->run = found->run.number;
  subrun->is_begun = true;
  tg_subrun_begun_tell(subrun, &found->run);
  struct tg_input input = {.kind = TG_INPUT_RESUME,
                           .resume = {.run = &found->run,
                                      .plan = subrun->plan,
                                      .cancelled = cancelled,
                                      .tasks = found->tasks,
                                      .task_count = found->task_count,
                                      .attempts = found->attempts,
                                      .attempt_count = found->attempt_count,
                                      .maps = found->maps,
                                      .map_count = found->map_count,
                                      .items = found->items,
                                      .item_count = found->item_count,
                                      .steps = found->steps,
                                      .step_count = found->step_count}};
  tg_conductor_input(subruns->services->conductor, &input);
}

static void left_resume(struct tg_subruns *subruns, struct tg_history *history,
                        const struct tg_run *run, const char *parent, bool is_stopped) {
  const struct tg_subrun_question question = {
      .pipeline = run->pipeline, .params = run->params, .parent = parent, .key = run->child_key};
  char id[TG_ID_TEXT_LEN + 1];
  struct tg_subrun_found found = {.run = *run};
  struct tg_error err;
  tg_id_format(run->id, id);
  tg_arena_init(&found.arena);
  if (found_read(history, &found, &err)) {
    tg_log(TG_LOG_WARN, "child run %s was not finished and cannot be taken up: %s", id, err.text);
  } else {
    tg_subrun_found_resume(tg_subrun_new(subruns, &question), &found,
                           is_stopped ? TG_PARENT_STOPPED : NULL);
    tg_subruns_resume(subruns, id, is_stopped || run->state == TG_RUN_CANCELLING);
  }
  tg_arena_deinit(&found.arena);
}

// The newest come first out of the store.
static void lefts_resume(struct tg_subruns *subruns, struct tg_history *history,
                         const struct tg_run *runs, size_t count, bool are_queued,
                         const char *parent, bool is_stopped) {
  while (count--) {
    const struct tg_run *run = &runs[count];
    if ((run->state == TG_RUN_QUEUED) != are_queued || !run->child_key) continue;
    if (!tg_subrun_find(subruns, run->child_key))
      left_resume(subruns, history, run, parent, is_stopped);
  }
}

void tg_subruns_resume(struct tg_subruns *subruns, const char *parent, bool is_stopped) {
  const struct tg_run_filter filter = {.state = -1, .is_open = true, .parent = parent};
  struct tg_history *history = NULL;
  struct tg_arena arena;
  struct tg_run *runs = NULL;
  size_t count = 0;
  struct tg_error err;
  tg_arena_init(&arena);
  int code = tg_history_open(subruns->services->data, &history, &err);
  if (!code) code = tg_history_runs(history, &filter, &arena, &runs, &count, &err);
  if (code) tg_log(TG_LOG_WARN, "the child runs of %s are not known: %s", parent, err.text);
  lefts_resume(subruns, history, runs, count, false, parent, is_stopped);
  lefts_resume(subruns, history, runs, count, true, parent, is_stopped);
  tg_history_close(history);
  tg_arena_deinit(&arena);
}
