// SPDX-License-Identifier: Apache-2.0
#include "cli/launch.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/units.h"
#include "cli/select.h"
#include "model/params.h"

struct deciding {
  struct tg_launch *launch;
  struct tg_host *host;
  const struct tg_launch_options *options;
  struct tg_history *history;
  struct tg_error *err;
};

// Gives the parameters as the text that runs are compared by.
static int params_text(struct deciding *d, int64_t logical_at, const char **text) {
  json_t *params = NULL;
  int code = tg_params_resolve(d->launch->plan->params, d->options->params, d->options->param_count,
                               logical_at, &params, d->err);
  if (code) return code;
  char *dump = json_dumps(params, JSON_COMPACT | JSON_SORT_KEYS);
  json_decref(params);
  *text = dump ? tg_arena_strdup(&d->launch->arena, dump) : NULL;
  free(dump);
  return *text ? TG_OK : tg_error_set(d->err, TG_ENOMEM, "no memory for parameters");
}

static int runs_find(struct deciding *d, int state, const char *occurrence, struct tg_run **runs,
                     size_t *count) {
  struct tg_run_filter filter = {
      .pipeline = d->launch->plan->name, .state = state, .occurrence = occurrence};
  return tg_history_runs(d->history, &filter, &d->launch->arena, runs, count, d->err);
}

// Takes a run up again where its host left it, with the bundle it began with.
static int resume(struct deciding *d, const struct tg_run *run) {
  struct tg_launch *launch = d->launch;
  const char *plan = NULL;
  struct tg_source *sources;
  size_t count;
  int code = tg_history_plan(d->history, run->bundle, &launch->arena, &plan, d->err);
  if (!code)
    code = tg_history_sources(d->history, run->bundle, &launch->arena, &sources, &count, d->err);
  if (!code)
    code = tg_history_tasks(d->history, run->number, &launch->arena, &launch->tasks,
                            &launch->task_count, d->err);
  if (!code)
    code = tg_history_attempts(d->history, run->number, &launch->arena, &launch->attempts,
                               &launch->attempt_count, d->err);
  if (code) return code;
  launch->kind = TG_LAUNCH_RESUMED;
  launch->run = *run;
  tg_plan_free(launch->plan);
  launch->plan = NULL;
  code = tg_plan_parse(plan, strlen(plan), &launch->plan, d->err);
  if (code) return code;
  const struct tg_version *version =
      tg_bundles_adopt(tg_scripts_bundles(tg_host_scripts(d->host)), TG_BUNDLE_PIPELINE,
                       launch->plan->file, sources, count);
  if (strcmp(version->hash, run->bundle) == 0) return TG_OK;
  return tg_error_set(d->err, TG_EDAMAGED, "the bundle %s of the run is not what it was",
                      run->bundle);
}

// Gives the tasks of a run by their index in today's plan; what has gone is left out.
static int tasks_of(struct deciding *d, const struct tg_run *run, struct tg_task **by_index) {
  struct tg_launch *launch = d->launch;
  struct tg_task *tasks;
  size_t count;
  int code = tg_history_tasks(d->history, run->number, &launch->arena, &tasks, &count, d->err);
  if (code) return code;
  *by_index = tg_arena_alloc(&launch->arena, launch->plan->count * sizeof **by_index);
  if (!*by_index) return tg_error_set(d->err, TG_ENOMEM, "no memory for tasks");
  for (size_t i = 0; i < count; i++) {
    uint32_t index = tg_plan_find(launch->plan, tasks[i].name);
    if (index == UINT32_MAX) continue;
    (*by_index)[index] = tasks[i];
    (*by_index)[index].index = index;
  }
  return TG_OK;
}

static int carry(struct deciding *d, const struct tg_task *task) {
  struct tg_launch *launch = d->launch;
  if (!launch->tasks)
    launch->tasks = tg_arena_alloc(&launch->arena, launch->plan->count * sizeof *launch->tasks);
  if (!launch->tasks) return tg_error_set(d->err, TG_ENOMEM, "no memory for tasks");
  launch->tasks[launch->task_count] = *task;
  launch->tasks[launch->task_count++].attempts = 0; // by which a reader knows that it was carried
  return TG_OK;
}

// A task that had succeeded, or was skipped, is carried over if all that it waited for is.
static int success_carry(struct deciding *d, const struct tg_task *earlier) {
  const struct tg_graph *graph = &d->launch->plan->graph;
  bool *is_carried = calloc(d->launch->plan->count, sizeof *is_carried);
  if (!is_carried) return tg_error_set(d->err, TG_ENOMEM, "no memory for tasks");
  int code = TG_OK;
  for (uint32_t i = 0; i < graph->ordered_count && !code; i++) {
    uint32_t task = graph->order[i];
    struct tg_graph_slice up = tg_graph_upstream(graph, task);
    enum tg_task_state state = earlier[task].state;
    bool may = earlier[task].name && (state == TG_TASK_SUCCESS || state == TG_TASK_SKIPPED);
    for (uint32_t u = 0; u < up.count && may; u++) may = is_carried[up.nodes[u]];
    is_carried[task] = may;
    if (may) code = carry(d, &earlier[task]);
  }
  free(is_carried);
  return code;
}

// What is not selected does not run: what the selection waits for must have succeeded before, and
// is carried over; the rest is skipped.
static int selection_carry(struct deciding *d) {
  struct tg_launch *launch = d->launch;
  uint32_t count = launch->plan->count;
  struct tg_run *runs;
  size_t run_count;
  struct tg_task *earlier = NULL;
  int code = runs_find(d, -1, NULL, &runs, &run_count);
  if (!code && run_count) code = tasks_of(d, &runs[0], &earlier);
  uint8_t *marks = tg_arena_alloc(&launch->arena, count);
  uint8_t *needed = tg_arena_alloc(&launch->arena, count);
  if (!code && (!marks || !needed)) code = tg_error_set(d->err, TG_ENOMEM, "no memory for tasks");
  if (!code) code = tg_select(launch->plan, earlier, d->options->select, marks, d->err);
  if (code) return code;
  memcpy(needed, marks, count);
  tg_graph_mark_ancestors(&launch->plan->graph, needed);
  for (uint32_t i = 0; i < count && !code; i++) {
    const char *name = launch->plan->tasks[i].name;
    bool had_success = earlier && earlier[i].name && earlier[i].state == TG_TASK_SUCCESS;
    if (marks[i]) continue;
    if (needed[i] && !had_success)
      return tg_error_set(d->err, TG_EINVALID,
                          "the selection waits for %s, which did not succeed in the last run; "
                          "select it too (a + before a name selects what it waits for)",
                          name);
    struct tg_task skipped = {.index = i, .name = name, .state = TG_TASK_SKIPPED};
    code = carry(d, needed[i] ? &earlier[i] : &skipped);
  }
  return code;
}

static int begin(struct deciding *d, const char *params, int64_t now, int64_t logical_at) {
  struct tg_launch *launch = d->launch;
  char text[TG_TIME_TEXT_LEN + 1];
  tg_time_format(logical_at, text);
  launch->run = (struct tg_run){
      .id = tg_id_new(tg_clock_system()),
      .pipeline = launch->plan->name,
      .bundle = d->options->version->hash,
      .params = params,
      .occurrence = d->options->has_at ? tg_arena_strdup(&launch->arena, text) : NULL,
      .trigger = d->options->has_at ? "at" : "manual",
      .logical_at = logical_at,
      .created_at = now,
  };
  return d->options->select ? selection_carry(d) : TG_OK;
}

static int rerun(struct deciding *d, const struct tg_run *last, const char *params, int64_t now) {
  struct tg_launch *launch = d->launch;
  struct tg_task *earlier;
  char id[TG_ID_TEXT_LEN + 1];
  tg_id_format(last->id, id);
  int code = begin(d, params, now, last->logical_at);
  if (code) return code;
  launch->kind = TG_LAUNCH_RERUN;
  launch->run.trigger = "rerun";
  launch->run.rerun = last->rerun + 1;
  launch->run.rerun_of = tg_arena_strdup(&launch->arena, id);
  if (d->options->select) return TG_OK;
  code = tasks_of(d, last, &earlier);
  return code ? code : success_carry(d, earlier);
}

// With --at: the occurrence at that instant.
static int occurrence_decide(struct deciding *d, int64_t now) {
  const struct tg_launch_options *options = d->options;
  const char *params;
  char text[TG_TIME_TEXT_LEN + 1];
  struct tg_run *runs;
  size_t count;
  tg_time_format(options->at_ms, text);
  int code = params_text(d, options->at_ms, &params);
  if (!code) code = runs_find(d, -1, text, &runs, &count);
  if (code) return code;
  const struct tg_run *last = NULL;
  for (size_t i = 0; i < count && !last; i++) // the newest first
    if (strcmp(runs[i].params, params) == 0) last = &runs[i];
  if (!last) return begin(d, params, now, options->at_ms);
  if (last->state == TG_RUN_RUNNING && !options->is_new) return resume(d, last);
  if (last->state == TG_RUN_SUCCESS && !options->is_new && !options->select) {
    d->launch->kind = TG_LAUNCH_DONE;
    d->launch->run = *last;
    return TG_OK;
  }
  if (!options->is_new && !options->select) return rerun(d, last, params, now);
  code = begin(d, params, now, options->at_ms);
  d->launch->run.rerun = last->rerun + 1;
  return code;
}

// Without --at: a run that was not finished and has these parameters, else a new one.
static int manual_decide(struct deciding *d, int64_t now) {
  const char *params, *then;
  struct tg_run *runs;
  size_t count;
  int code = params_text(d, now, &params);
  if (!code) code = runs_find(d, TG_RUN_RUNNING, NULL, &runs, &count);
  if (code) return code;
  for (size_t i = 0; i < count && !code && !d->options->is_new && !d->options->select; i++) {
    if (runs[i].occurrence) continue;
    code = params_text(d, runs[i].logical_at, &then);
    if (!code && strcmp(runs[i].params, then) == 0) return resume(d, &runs[i]);
  }
  return code ? code : begin(d, params, now, now);
}

int tg_launch_decide(struct tg_launch *launch, struct tg_host *host,
                     const struct tg_launch_options *options, struct tg_error *err) {
  *launch = (struct tg_launch){0};
  tg_arena_init(&launch->arena);
  const struct tg_services *services = tg_host_services(host);
  const char *plan = options->version->plan;
  struct deciding d = {.launch = launch, .host = host, .options = options, .err = err};
  int64_t now = tg_clock_wall_ms(tg_loop_clock(services->loop));
  int code = tg_plan_parse(plan, strlen(plan), &launch->plan, err);
  if (!code) code = tg_history_open(services->data, &d.history, err);
  if (!code) code = options->has_at ? occurrence_decide(&d, now) : manual_decide(&d, now);
  tg_history_close(d.history);
  return code;
}

void tg_launch_deinit(struct tg_launch *launch) {
  tg_plan_free(launch->plan);
  tg_arena_deinit(&launch->arena);
}

static void leftovers_end(const struct tg_run *run) {
  char id[TG_ID_TEXT_LEN + 1];
  tg_id_format(run->id, id);
  int count = tg_child_kill_marked("TIDEGATE_RUN_ID", id);
  if (count) tg_log(TG_LOG_WARN, "%d processes that an earlier host left behind were ended", count);
}

int tg_launch_start(struct tg_launch *launch, struct tg_host *host,
                    const struct tg_version *version, struct tg_error *err) {
  const struct tg_services *services = tg_host_services(host);
  struct tg_input input = {.kind = TG_INPUT_RUN};
  if (launch->kind == TG_LAUNCH_RESUMED) {
    leftovers_end(&launch->run);
    input.kind = TG_INPUT_RESUME;
    input.resume.run = &launch->run;
    input.resume.plan = launch->plan;
    input.resume.tasks = launch->tasks;
    input.resume.task_count = launch->task_count;
    input.resume.attempts = launch->attempts;
    input.resume.attempt_count = launch->attempt_count;
  } else {
    int code = tg_store_put_bundle(services->store, version->hash, launch->plan->name,
                                   version->plan, version->sources, version->count, err);
    if (code) return code;
    input.run.run = &launch->run;
    input.run.plan = launch->plan;
    input.run.carried = launch->tasks;
    input.run.carried_count = launch->task_count;
  }
  tg_conductor_input(services->conductor, &input);
  return TG_OK;
}
