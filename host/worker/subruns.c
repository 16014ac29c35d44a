// SPDX-License-Identifier: Apache-2.0
#include "worker/subruns.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "engine/partitions.h"
#include "model/params.h"
#include "worker/freeze.h"

#define PARENT_STOPPED "its parent run was stopped"

// One child run, from the first question about it to its end.
struct subrun {
  struct tg_subruns *subruns;
  char *key, *pipeline, *params, *parent;
  int64_t deadline_at; // its parent's
  uint32_t depth;      // 1 for the child of a run that is none
  json_t *secrets;
  struct tg_plan *plan;
  const struct tg_version *version; // of a new child
  struct tg_run draft;              // of it: what it has of its parent
  char *partition, *backfill;       // of the draft
  bool is_partition_asked;
  char id[TG_ID_TEXT_LEN + 1]; // once it is created
  uint64_t run;                // number, once it has begun
  bool is_begun;
  bool has_to_end; // its parent was stopped before it had begun
  struct tg_deferred end;
  struct subrun *next;
};

// Somebody who waits for a child.
struct question {
  uint64_t number;
  struct subrun *subrun;
  bool is_waiting;
  tg_subruns_answer *answer;
  void *self;
  struct question *next;
};

struct tg_subruns {
  const struct tg_services *services;
  struct tg_asks *asks;
  struct tg_bundles *bundles;
  struct subrun *all;
  struct question *questions;
  uint64_t last_question;
  uint32_t count;
};

static void *must(void *memory) {
  if (!memory) abort(); // a host without memory for its own books cannot go on
  return memory;
}

struct tg_subruns *tg_subruns_new(const struct tg_services *services, struct tg_asks *asks,
                                  struct tg_bundles *bundles) {
  struct tg_subruns *subruns = must(calloc(1, sizeof *subruns));
  subruns->services = services;
  subruns->asks = asks;
  subruns->bundles = bundles;
  return subruns;
}

static void subrun_free(struct subrun *subrun) {
  tg_loop_undefer(subrun->subruns->services->loop, &subrun->end);
  tg_plan_free(subrun->plan);
  json_decref(subrun->secrets);
  free(subrun->partition);
  free(subrun->backfill);
  free(subrun->key);
  free(subrun->pipeline);
  free(subrun->params);
  free(subrun->parent);
  free(subrun);
}

void tg_subruns_free(struct tg_subruns *subruns) {
  if (!subruns) return;
  while (subruns->all) {
    struct subrun *subrun = subruns->all;
    subruns->all = subrun->next;
    subrun_free(subrun);
  }
  while (subruns->questions) {
    struct question *question = subruns->questions;
    subruns->questions = question->next;
    free(question);
  }
  free(subruns);
}

// --- Answers ---

// Answers those who wait for a child: for its beginning only, or for whatever comes.
static void questions_answer(struct subrun *subrun, bool has_ended, const struct tg_error *err,
                             const char *answer) {
  struct question **at = &subrun->subruns->questions;
  while (*at) {
    struct question *question = *at;
    if (question->subrun != subrun || (question->is_waiting && !has_ended)) {
      at = &question->next;
      continue;
    }
    *at = question->next;
    question->answer(question->self, err, answer);
    free(question);
    at = &subrun->subruns->questions; // an answer may have changed the list
  }
}

static void subrun_remove(struct subrun *subrun) {
  struct subrun **at = &subrun->subruns->all;
  while (*at != subrun) at = &(*at)->next;
  *at = subrun->next;
  subrun->subruns->count--;
  subrun_free(subrun);
}

static void subrun_refuse(struct subrun *subrun, const struct tg_error *err) {
  questions_answer(subrun, true, err, NULL);
  subrun_remove(subrun);
}

// A message that was cut in the middle of a character is no JSON, and left out.
static char *answer_make(const struct tg_run *run, json_t *outputs) {
  char id[TG_ID_TEXT_LEN + 1];
  json_t *error = run->failure.text ? json_string(run->failure.text) : NULL;
  tg_id_format(run->id, id);
  json_t *answer = json_pack("{s:s, s:s, s:o?, s:o}", "run", id, "state",
                             tg_run_state_word(run->state), "error", error, "outputs", outputs);
  char *text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
  json_decref(answer);
  return must(text);
}

static void output_put(json_t *outputs, const char *task, const char *output) {
  json_t *value = output ? json_loads(output, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL) : NULL;
  if (value) json_object_set_new(outputs, task, value);
}

static struct subrun *subrun_find(struct tg_subruns *subruns, const char *key) {
  struct subrun *subrun = subruns->all;
  while (subrun && strcmp(subrun->key, key) != 0) subrun = subrun->next;
  return subrun;
}

// Those who do not wait for the end go on.
static void begun_tell(struct subrun *subrun, const struct tg_run *run) {
  char *answer = answer_make(run, json_object());
  questions_answer(subrun, false, NULL, answer);
  free(answer);
}

void tg_subruns_begun(struct tg_subruns *subruns, const struct tg_live_run *run) {
  struct subrun *subrun = run->run.child_key ? subrun_find(subruns, run->run.child_key) : NULL;
  if (!subrun) return;
  subrun->run = run->run.number;
  subrun->is_begun = true;
  if (subrun->has_to_end) tg_loop_defer(subruns->services->loop, &subrun->end);
  begun_tell(subrun, &run->run);
}

void tg_subruns_ended(struct tg_subruns *subruns, const struct tg_live_run *run) {
  struct subrun *subrun = run->run.child_key ? subrun_find(subruns, run->run.child_key) : NULL;
  if (!subrun) return;
  json_t *outputs = json_object();
  for (uint32_t i = 0; i < run->plan->count; i++)
    output_put(outputs, run->plan->tasks[i].name, run->tasks[i].output);
  char *answer = answer_make(&run->run, outputs);
  questions_answer(subrun, true, NULL, answer);
  free(answer);
  subrun_remove(subrun); // who asks later is told what the store has
}

// --- Children that an earlier host knew ---

struct found {
  struct tg_arena arena;
  struct tg_run run;
  struct tg_bundle_row bundle;
  struct tg_task *tasks;
  struct tg_attempt *attempts;
  struct tg_map_items *maps;
  struct tg_item *items;
  struct tg_step *steps;
  size_t task_count, attempt_count, map_count, item_count, step_count;
};

static int found_read(struct tg_history *history, struct found *found, struct tg_error *err) {
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
static int found_look(const struct tg_services *services, const char *key, struct found *found,
                      bool *is_known, struct tg_error *err) {
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

static void found_tell(struct subrun *subrun, const struct found *found) {
  json_t *outputs = json_object();
  for (size_t i = 0; i < found->task_count; i++)
    output_put(outputs, found->tasks[i].name, found->tasks[i].output);
  char *answer = answer_make(&found->run, outputs);
  questions_answer(subrun, true, NULL, answer);
  free(answer);
}

static void found_resume(struct subrun *subrun, const struct found *found, const char *cancelled) {
  struct tg_subruns *subruns = subrun->subruns;
  struct tg_error err;
  const char *plan = found->bundle.plan;
  int code = tg_plan_parse(plan, strlen(plan), &subrun->plan, &err);
  if (!code) code = tg_pools_check(&subruns->services->pools, subrun->plan, NULL, &err);
  if (code) {
    subrun_refuse(subrun, &err);
    return;
  }
  tg_bundles_adopt(subruns->bundles, subrun->plan->file, &found->bundle);
  tg_id_format(found->run.id, subrun->id);
  tg_child_kill_marked("TIDEGATE_RUN_ID", subrun->id);
  subrun->run = found->run.number;
  subrun->is_begun = true;
  begun_tell(subrun, &found->run);
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

// --- New children ---

static void refuse_stopped(struct subrun *subrun) {
  struct tg_error err;
  tg_error_set(&err, TG_ECANCELLED, PARENT_STOPPED);
  subrun_refuse(subrun, &err);
}

static void create(struct subrun *subrun, const char *params) {
  const struct tg_services *services = subrun->subruns->services;
  const struct tg_version *version = subrun->version;
  struct tg_run run = subrun->draft;
  run.id = tg_id_new(tg_loop_clock(services->loop));
  run.pipeline = subrun->plan->name;
  run.bundle = version->hash;
  run.params = params;
  run.trigger = "run";
  run.parent = subrun->parent;
  run.child_key = subrun->key;
  run.deadline_at = subrun->deadline_at;
  tg_id_format(run.id, subrun->id);
  struct tg_bundle_row bundle = tg_version_row(version, subrun->plan->name);
  if (!version->is_stored) tg_conductor_put_bundle(services->conductor, &bundle);
  struct tg_input input = {.kind = TG_INPUT_RUN, .run = {.run = &run, .plan = subrun->plan}};
  tg_conductor_input(services->conductor, &input);
}

static void frozen(void *self, const struct tg_error *err, const char *params) {
  struct subrun *subrun = self;
  if (err)
    subrun_refuse(subrun, err);
  else if (subrun->has_to_end)
    refuse_stopped(subrun);
  else
    create(subrun, params);
}

// The place of a secret that the parent passes on: a handle, as it looks once it is JSON (of
// tg.secret "NAME", or of a parameter of the parent). A text is none: a script must not choose
// which of the host's files and variables are read.
static char *place_of(const struct subrun *subrun, const json_t *handle) {
  const json_t *parts = json_object_get(handle, "parts"), *part = json_array_get(parts, 0);
  const char *name = json_string_value(json_object_get(part, "text"));
  if (json_array_size(parts) != 1 || !json_is_true(json_object_get(part, "secret")) || !name)
    return must(strdup(""));
  if (strncmp(name, "param:", 6) == 0) {
    const char *place = json_string_value(json_object_get(subrun->secrets, name + 6));
    return must(strdup(place ? place : ""));
  }
  char *place = must(malloc(strlen(name) + sizeof "secret:"));
  sprintf(place, "secret:%s", name);
  return place;
}

// Gives a parameter as the text that a person would give.
static char *given_text(const struct subrun *subrun, const char *name, const json_t *value) {
  if (!tg_params_is_secret(subrun->plan->params, name)) return must(tg_params_text(name, value));
  char *place = place_of(subrun, value);
  json_t *text = json_string(place);
  char *given = must(tg_params_text(name, text));
  json_decref(text);
  free(place);
  return given;
}

static void params_freeze(struct subrun *subrun) {
  struct tg_subruns *subruns = subrun->subruns;
  json_t *given = json_loads(subrun->params, 0, NULL), *value;
  size_t count = json_object_size(given), used = 0;
  char **texts = must(calloc(count + 1, sizeof *texts));
  const char *name;
  json_object_foreach(given, name, value) texts[used++] = given_text(subrun, name, value);
  struct tg_freeze freeze = {.version = subrun->version,
                             .schema = subrun->plan->params,
                             .given = (const char *const *)texts,
                             .count = used,
                             .run = &subrun->draft};
  tg_freeze(subruns->asks, &freeze, frozen, subrun);
  for (size_t i = 0; i < used; i++) free(texts[i]);
  free(texts);
  json_decref(given);
}

// A child that has no partitions does not take its parent's.
static int partition_decide(struct subrun *subrun, struct tg_error *err) {
  struct tg_run *draft = &subrun->draft;
  if (!subrun->is_partition_asked && !subrun->plan->partition_count) draft->partition = NULL;
  return tg_partition_check(subrun->plan, draft->partition, err);
}

static void version_take(struct subrun *subrun, const struct tg_version *version) {
  struct tg_error err;
  subrun->version = version;
  int code = tg_plan_parse(version->plan, strlen(version->plan), &subrun->plan, &err);
  if (!code) code = tg_pools_check(&subrun->subruns->services->pools, subrun->plan, NULL, &err);
  if (!code) code = partition_decide(subrun, &err);
  if (code)
    subrun_refuse(subrun, &err);
  else
    params_freeze(subrun);
}

static void built(void *self, const struct tg_version *version, const char *faults,
                  const struct tg_error *err) {
  struct subrun *subrun = self;
  struct tg_error failed;
  if (faults)
    tg_error_set(&failed, TG_EINVALID, "pipeline %s has faults: %.900s", subrun->pipeline, faults);
  if (subrun->has_to_end)
    refuse_stopped(subrun);
  else if (version)
    version_take(subrun, version);
  else
    subrun_refuse(subrun, faults ? &failed : err);
}

static void child_begin(struct subrun *subrun) {
  struct tg_subruns *subruns = subrun->subruns;
  struct found found = {0};
  struct tg_error err;
  bool is_known = false;
  tg_arena_init(&found.arena);
  int code = found_look(subruns->services, subrun->key, &found, &is_known, &err);
  if (code) {
    subrun_refuse(subrun, &err);
  } else if (is_known && tg_run_state_is_terminal(found.run.state)) {
    found_tell(subrun, &found);
    subrun_remove(subrun);
  } else if (is_known) {
    found_resume(subrun, &found, NULL);
  } else {
    char path[512];
    snprintf(path, sizeof path, "pipelines/%.400s.lua", subrun->pipeline);
    tg_bundles_build(subruns->bundles, TG_BUNDLE_PIPELINE, path, built, subrun);
  }
  tg_arena_deinit(&found.arena);
}

static uint32_t depth_of(const struct tg_subruns *subruns, const char *run) {
  const struct subrun *subrun = subruns->all;
  while (subrun && strcmp(subrun->id, run) != 0) subrun = subrun->next;
  return subrun ? subrun->depth : 0;
}

static void subrun_end(void *self) {
  struct subrun *subrun = self;
  tg_conductor_input(
      subrun->subruns->services->conductor,
      &(struct tg_input){
          .kind = TG_INPUT_CANCEL,
          .cancel = {.run = subrun->run, .code = TG_ECANCELLED, .reason = PARENT_STOPPED}});
}

// A child is about the same data as its parent.
static void draft_make(struct subrun *subrun, const struct tg_subrun_question *question) {
  const struct tg_run *of = question->of;
  const char *asked = question->partition;
  subrun->is_partition_asked = asked && *asked;
  const char *partition = subrun->is_partition_asked ? asked : of->partition;
  subrun->partition = partition ? must(strdup(partition)) : NULL;
  subrun->backfill = of->backfill ? must(strdup(of->backfill)) : NULL;
  subrun->draft = (struct tg_run){.partition = subrun->partition,
                                  .backfill = subrun->backfill,
                                  .logical_at = of->logical_at,
                                  .interval_start = of->interval_start,
                                  .interval_end = of->interval_end};
}

static struct subrun *subrun_new(struct tg_subruns *subruns,
                                 const struct tg_subrun_question *question) {
  struct subrun *subrun = must(calloc(1, sizeof *subrun));
  subrun->subruns = subruns;
  subrun->key = must(strdup(question->key));
  subrun->pipeline = must(strdup(question->pipeline));
  subrun->params = must(strdup(question->params));
  subrun->parent = must(strdup(question->parent));
  subrun->secrets = json_incref((json_t *)question->secrets);
  if (question->of) draft_make(subrun, question); // one that is resumed has all of it
  subrun->deadline_at = question->deadline_at;
  subrun->depth = depth_of(subruns, question->parent) + 1;
  subrun->end = (struct tg_deferred){.call = subrun_end, .self = subrun};
  subrun->next = subruns->all;
  subruns->all = subrun;
  subruns->count++;
  return subrun;
}

static int limits_check(const struct tg_subruns *subruns, const struct tg_subrun_question *asked,
                        struct tg_error *err) {
  if (subruns->count >= TG_CHILD_RUNS_MAX)
    return tg_error_set(err, TG_ELIMIT, "a host may have %d child runs open, and has them",
                        TG_CHILD_RUNS_MAX);
  if (depth_of(subruns, asked->parent) < TG_CHILD_DEPTH_MAX) return TG_OK;
  return tg_error_set(
      err, TG_ELIMIT,
      "%s would be child of child of child, more than %d deep; does it start itself?",
      asked->pipeline, TG_CHILD_DEPTH_MAX);
}

static void live_tell(struct subrun *subrun) {
  const struct tg_live_run *run =
      tg_conductor_find_run(subrun->subruns->services->conductor, subrun->run);
  if (run) begun_tell(subrun, &run->run);
}

static bool is_open(const struct tg_subruns *subruns, uint64_t number) {
  const struct question *question = subruns->questions;
  while (question && question->number != number) question = question->next;
  return question != NULL;
}

uint64_t tg_subruns_ask(struct tg_subruns *subruns, const struct tg_subrun_question *asked,
                        tg_subruns_answer *answer, void *self) {
  struct subrun *subrun = subrun_find(subruns, asked->key);
  struct tg_error err;
  if (!subrun && limits_check(subruns, asked, &err)) {
    answer(self, &err, NULL);
    return 0;
  }
  bool is_new = !subrun;
  if (is_new) subrun = subrun_new(subruns, asked);
  struct question *question = must(malloc(sizeof *question));
  uint64_t number = ++subruns->last_question;
  *question = (struct question){.number = number,
                                .subrun = subrun,
                                .is_waiting = asked->is_waiting,
                                .answer = answer,
                                .self = self,
                                .next = subruns->questions};
  subruns->questions = question;
  if (is_new)
    child_begin(subrun);
  else if (subrun->is_begun)
    live_tell(subrun);
  return is_open(subruns, number) ? number : 0;
}

void tg_subruns_forget(struct tg_subruns *subruns, uint64_t number, bool has_to_end) {
  for (struct question **at = &subruns->questions; *at; at = &(*at)->next) {
    struct question *question = *at;
    if (question->number != number) continue;
    struct subrun *subrun = question->subrun;
    *at = question->next;
    free(question);
    if (has_to_end) subrun->has_to_end = true;
    if (has_to_end && subrun->is_begun) tg_loop_defer(subruns->services->loop, &subrun->end);
    return;
  }
}

// --- Children that an earlier host left ---

static void left_resume(struct tg_subruns *subruns, struct tg_history *history,
                        const struct tg_run *run, const char *parent, bool is_stopped) {
  const struct tg_subrun_question question = {
      .pipeline = run->pipeline, .params = run->params, .parent = parent, .key = run->child_key};
  char id[TG_ID_TEXT_LEN + 1];
  struct found found = {.run = *run};
  struct tg_error err;
  tg_id_format(run->id, id);
  tg_arena_init(&found.arena);
  if (found_read(history, &found, &err)) {
    tg_log(TG_LOG_WARN, "child run %s was not finished and cannot be taken up: %s", id, err.text);
  } else {
    found_resume(subrun_new(subruns, &question), &found, is_stopped ? PARENT_STOPPED : NULL);
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
    if (!subrun_find(subruns, run->child_key))
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
