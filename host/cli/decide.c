// SPDX-License-Identifier: Apache-2.0
#include "cli/decide.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "cli/occurrences.h"
#include "model/params.h"

struct deciding {
  struct tg_launch *launch;
  struct tg_host *host;
  const struct tg_decide_options *options;
  struct tg_history *history;
  struct tg_error *err;
};

int tg_decide_params(struct tg_arena *arena, const struct tg_plan *plan, const char *const *params,
                     size_t count, int64_t logical_at, const char **text, struct tg_error *err) {
  json_t *object = NULL;
  int code = tg_params_resolve(plan->params, params, count, logical_at, &object, err);
  if (code) return code;
  char *dump = json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS);
  json_decref(object);
  *text = dump ? tg_arena_strdup(arena, dump) : NULL;
  free(dump);
  return *text ? TG_OK : tg_error_set(err, TG_ENOMEM, "no memory for parameters");
}

static int params_text(struct deciding *d, int64_t logical_at, const char **text) {
  return tg_decide_params(&d->launch->arena, d->launch->plan, d->options->params,
                          d->options->param_count, logical_at, text, d->err);
}

static int runs_find(struct deciding *d, int state, const char *occurrence, struct tg_run **runs,
                     size_t *count) {
  struct tg_run_filter filter = {
      .pipeline = d->launch->plan->name, .state = state, .occurrence = occurrence};
  return tg_history_runs(d->history, &filter, &d->launch->arena, runs, count, d->err);
}

// A selection runs on what the newest run of the pipeline left.
static int selection_decide(struct deciding *d) {
  struct tg_run *runs;
  size_t count;
  int code = runs_find(d, -1, NULL, &runs, &count);
  return code ? code
              : tg_launch_select(d->launch, d->history, count ? &runs[0] : NULL, d->options->select,
                                 d->err);
}

static int begin(struct deciding *d, const char *params, int64_t logical_at) {
  struct tg_launch *launch = d->launch;
  bool has_at = d->options->has_at;
  char text[TG_TIME_TEXT_LEN + 1];
  tg_time_format(logical_at, text);
  launch->kind = TG_LAUNCH_NEW;
  launch->run = (struct tg_run){
      .id = tg_id_new(tg_clock_system()),
      .pipeline = launch->plan->name,
      .bundle = d->options->version->hash,
      .params = params,
      .occurrence = has_at ? tg_arena_strdup(&launch->arena, text) : NULL,
      .trigger = has_at ? "at" : "manual",
      .logical_at = logical_at,
  };
  int code = has_at ? tg_occurrence_interval(launch->plan, &launch->run, d->err) : TG_OK;
  return !code && d->options->select ? selection_decide(d) : code;
}

static int resume(struct deciding *d, const struct tg_run *run) {
  return tg_launch_resume(d->launch, d->host, d->history, run, d->err);
}

// With --at: the occurrence at that instant.
static int occurrence_decide(struct deciding *d) {
  const struct tg_decide_options *options = d->options;
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
  if (!last) return begin(d, params, options->at_ms);
  if (last->state == TG_RUN_RUNNING && !options->is_new) return resume(d, last);
  if (last->state == TG_RUN_SUCCESS && !options->is_new && !options->select) {
    d->launch->kind = TG_LAUNCH_DONE;
    d->launch->run = *last;
    return TG_OK;
  }
  struct tg_rerun rerun = {
      .of = last, .bundle = options->version->hash, .params = params, .is_from_failure = true};
  if (!options->is_new && !options->select)
    return tg_launch_rerun(d->launch, d->history, &rerun, d->err);
  code = begin(d, params, options->at_ms);
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
    if (runs[i].occurrence || runs[i].parent) continue;
    code = params_text(d, runs[i].logical_at, &then);
    if (!code && strcmp(runs[i].params, then) == 0) return resume(d, &runs[i]);
  }
  return code ? code : begin(d, params, now);
}

int tg_decide(struct tg_launch *launch, struct tg_host *host,
              const struct tg_decide_options *options, struct tg_error *err) {
  const struct tg_services *services = tg_host_services(host);
  const char *plan = options->version->plan;
  struct deciding d = {.launch = launch, .host = host, .options = options, .err = err};
  launch->version = options->version;
  int code = tg_plan_parse(plan, strlen(plan), &launch->plan, err);
  if (!code) code = tg_history_open(services->data, &d.history, err);
  if (!code)
    code = options->has_at ? occurrence_decide(&d)
                           : manual_decide(&d, tg_clock_wall_ms(tg_loop_clock(services->loop)));
  tg_history_close(d.history);
  return code;
}
