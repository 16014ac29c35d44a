// SPDX-License-Identifier: Apache-2.0
#include "cli/decide.h"

#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "cli/occurrences.h"
#include "engine/partitions.h"
#include "model/params.h"

struct deciding {
  struct tg_launch *launch;
  struct tg_host *host;
  const struct tg_decide_options *options;
  struct tg_history *history;
  struct tg_error *err;
};

static int runs_find(struct deciding *d, bool is_open, const char *occurrence, struct tg_run **runs,
                     size_t *count) {
  const char *partition = d->options->partition;
  struct tg_run_filter filter = {.pipeline = d->launch->plan->name,
                                 .state = -1,
                                 .is_open = is_open,
                                 .occurrence = occurrence,
                                 .partition = partition ? partition : ""};
  return tg_history_runs(d->history, &filter, &d->launch->arena, runs, count, d->err);
}

// A selection runs on what the newest run of the pipeline, or its partition, left.
static int selection_decide(struct deciding *d) {
  struct tg_run *runs;
  size_t count;
  int code = runs_find(d, false, NULL, &runs, &count);
  return code ? code
              : tg_launch_select(d->launch, d->history, count ? &runs[0] : NULL, d->options->select,
                                 d->err);
}

// Drafts the run at a logical instant: with its interval, which of a run by hand is the last one
// that is over, then the parameters, which may follow from it.
static int draft(struct deciding *d, int64_t logical_at, struct tg_run *run) {
  bool has_at = d->options->has_at;
  char text[TG_TIME_TEXT_LEN + 1];
  tg_time_format(logical_at, text);
  *run = (struct tg_run){
      .pipeline = d->launch->plan->name,
      .bundle = d->options->version->hash,
      .occurrence = has_at ? tg_arena_strdup(&d->launch->arena, text) : NULL,
      .partition = d->options->partition,
      .trigger = has_at ? "at" : "manual",
      .logical_at = logical_at,
  };
  struct tg_freeze freeze = {.version = d->options->version,
                             .schema = d->launch->plan->params,
                             .given = d->options->params,
                             .count = d->options->param_count,
                             .run = run};
  int code = tg_occurrence_interval(d->launch->plan, run, d->err);
  return code ? code : tg_host_freeze(d->host, &freeze, &d->launch->arena, &run->params, d->err);
}

// What was done needs no tasks to be told; whatever is to be run does.
static int tasks_read(struct deciding *d) {
  const char *plan = d->options->version->plan;
  return tg_plan_parse_tasks(d->launch->plan, plan, strlen(plan), d->err);
}

static int begin(struct deciding *d, const struct tg_run *run) {
  d->launch->kind = TG_LAUNCH_NEW;
  d->launch->run = *run;
  d->launch->run.id = tg_id_new(tg_clock_system());
  int code = tasks_read(d);
  return !code && d->options->select ? selection_decide(d) : code;
}

static int resume(struct deciding *d, const struct tg_run *run) {
  return tg_launch_resume(d->launch, d->host, d->history, run, d->err);
}

// Says whether two runs are of the same parameters, as this command gives them.
static bool is_same(struct deciding *d, const struct tg_run *a, const struct tg_run *b) {
  const struct tg_decide_options *options = d->options;
  const json_t *schema = d->launch->plan->params;
  const char *const *given = (const char *const *)options->params;
  char *one = tg_params_identity(schema, given, options->param_count, a->params);
  char *other = tg_params_identity(schema, given, options->param_count, b->params);
  bool is_same = one && other && strcmp(one, other) == 0;
  free(one);
  free(other);
  return is_same;
}

// With --at: the occurrence at that instant.
static int occurrence_decide(struct deciding *d) {
  const struct tg_decide_options *options = d->options;
  struct tg_run run, *runs;
  size_t count;
  int code = draft(d, options->at_ms, &run);
  if (!code) code = runs_find(d, false, run.occurrence, &runs, &count);
  if (code) return code;
  const struct tg_run *last = NULL;
  for (size_t i = 0; i < count && !last; i++) // the newest first
    if (is_same(d, &runs[i], &run)) last = &runs[i];
  if (!last) return begin(d, &run);
  if (!tg_run_state_is_terminal(last->state) && !options->is_new) return resume(d, last);
  if (last->state == TG_RUN_SUCCESS && !options->is_new && !options->select) {
    d->launch->kind = TG_LAUNCH_DONE;
    d->launch->run = *last;
    return TG_OK;
  }
  struct tg_rerun rerun = {
      .of = last, .bundle = run.bundle, .params = run.params, .is_from_failure = true};
  if (!options->is_new && !options->select) {
    code = tasks_read(d);
    return code ? code : tg_launch_rerun(d->launch, d->history, &rerun, d->err);
  }
  run.rerun = last->rerun + 1;
  return begin(d, &run);
}

// Without --at: a run that was not finished and has these parameters, else a new one.
static int manual_decide(struct deciding *d, int64_t now) {
  struct tg_run run, then, *runs;
  size_t count;
  int code = draft(d, now, &run);
  if (!code) code = runs_find(d, true, NULL, &runs, &count);
  if (code) return code;
  for (size_t i = 0; i < count && !code && !d->options->is_new && !d->options->select; i++) {
    if (runs[i].occurrence || runs[i].parent) continue;
    code = draft(d, runs[i].logical_at, &then);
    if (!code && is_same(d, &runs[i], &then)) return resume(d, &runs[i]);
  }
  return code ? code : begin(d, &run);
}

int tg_decide(struct tg_launch *launch, struct tg_host *host,
              const struct tg_decide_options *options, struct tg_error *err) {
  const struct tg_services *services = tg_host_services(host);
  const char *plan = options->version->plan;
  struct deciding d = {.launch = launch, .host = host, .options = options, .err = err};
  launch->version = options->version;
  int code = tg_plan_parse_head(plan, strlen(plan), &launch->plan, err);
  if (!code) code = tg_partition_check(launch->plan, options->partition, err);
  if (!code)
    code = tg_host_take_secrets(host, launch->plan, options->params, options->param_count,
                                &launch->arena, err);
  if (!code) code = tg_history_open(services->data, &d.history, err);
  if (!code)
    code = options->has_at ? occurrence_decide(&d)
                           : manual_decide(&d, tg_clock_wall_ms(tg_loop_clock(services->loop)));
  tg_history_close(d.history);
  return code;
}
