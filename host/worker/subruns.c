// SPDX-License-Identifier: Apache-2.0
#include "worker/subruns.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "worker/subruns_parts.h"

struct tg_subruns *tg_subruns_new(const struct tg_services *services, struct tg_asks *asks,
                                  struct tg_bundles *bundles) {
  struct tg_subruns *subruns = tg_must(calloc(1, sizeof *subruns));
  subruns->services = services;
  subruns->asks = asks;
  subruns->bundles = bundles;
  return subruns;
}

static void subrun_free(struct tg_subrun *subrun) {
  tg_loop_undefer(subrun->subruns->services->loop, &subrun->end);
  tg_plan_free(subrun->plan);
  json_decref(subrun->secrets);
  free(subrun->partition);
  free(subrun->backfill);
  free(subrun->key);
  free(subrun->pipeline);
  free(subrun->params);
  free(subrun->parent);
  free(subrun->of);
  free(subrun);
}

void tg_subruns_free(struct tg_subruns *subruns) {
  if (!subruns) return;
  while (subruns->all) {
    struct tg_subrun *subrun = subruns->all;
    subruns->all = subrun->next;
    subrun_free(subrun);
  }
  while (subruns->askers) {
    struct tg_subrun_asker *asker = subruns->askers;
    subruns->askers = asker->next;
    free(asker);
  }
  free(subruns);
}

// Answers those who wait for a child: for its beginning only, or for whatever comes.
void tg_subrun_answer(struct tg_subrun *subrun, bool has_ended, const struct tg_error *err,
                      const char *answer) {
  struct tg_subrun_asker **at = &subrun->subruns->askers;
  while (*at) {
    struct tg_subrun_asker *asker = *at;
    if (asker->subrun != subrun || (asker->is_waiting && !has_ended)) {
      at = &asker->next;
      continue;
    }
    *at = asker->next;
    asker->answer(asker->self, err, answer);
    free(asker);
    at = &subrun->subruns->askers; // an answer may have changed the list
  }
}

void tg_subrun_remove(struct tg_subrun *subrun) {
  struct tg_subrun **at = &subrun->subruns->all;
  while (*at != subrun) at = &(*at)->next;
  *at = subrun->next;
  subrun->subruns->count--;
  subrun_free(subrun);
}

void tg_subrun_refuse(struct tg_subrun *subrun, const struct tg_error *err) {
  tg_subrun_answer(subrun, true, err, NULL);
  tg_subrun_remove(subrun);
}

// A message that was cut in the middle of a character is no JSON, and left out.
char *tg_subrun_answer_make(const struct tg_run *run, json_t *outputs) {
  char id[TG_ID_TEXT_LEN + 1];
  json_t *error = run->failure.text ? json_string(run->failure.text) : NULL;
  tg_id_format(run->id, id);
  json_t *answer = json_pack("{s:s, s:s, s:o?, s:o}", "run", id, "state",
                             tg_run_state_word(run->state), "error", error, "outputs", outputs);
  char *text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
  json_decref(answer);
  return tg_must(text);
}

void tg_subrun_output_put(json_t *outputs, const char *task, const char *output) {
  json_t *value = output ? json_loads(output, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL) : NULL;
  if (value) json_object_set_new(outputs, task, value);
}

struct tg_subrun *tg_subrun_find(struct tg_subruns *subruns, const char *key) {
  struct tg_subrun *subrun = subruns->all;
  while (subrun && strcmp(subrun->key, key) != 0) subrun = subrun->next;
  return subrun;
}

// Those who do not wait for the end go on.
void tg_subrun_begun_tell(struct tg_subrun *subrun, const struct tg_run *run) {
  char *answer = tg_subrun_answer_make(run, json_object());
  tg_subrun_answer(subrun, false, NULL, answer);
  free(answer);
}

void tg_subruns_begun(struct tg_subruns *subruns, const struct tg_live_run *run) {
  struct tg_subrun *subrun =
      run->run.child_key ? tg_subrun_find(subruns, run->run.child_key) : NULL;
  if (!subrun) return;
  subrun->run = run->run.number;
  subrun->is_begun = true;
  if (subrun->has_to_end) tg_loop_defer(subruns->services->loop, &subrun->end);
  tg_subrun_begun_tell(subrun, &run->run);
}

void tg_subruns_ended(struct tg_subruns *subruns, const struct tg_live_run *run) {
  struct tg_subrun *subrun =
      run->run.child_key ? tg_subrun_find(subruns, run->run.child_key) : NULL;
  if (!subrun) return;
  json_t *outputs = json_object();
  for (uint32_t i = 0; i < run->plan->count; i++)
    tg_subrun_output_put(outputs, run->plan->tasks[i].name, run->tasks[i].output);
  char *answer = tg_subrun_answer_make(&run->run, outputs);
  tg_subrun_answer(subrun, true, NULL, answer);
  free(answer);
  tg_subrun_remove(subrun); // who asks later is told what the store has
}

static void child_begin(struct tg_subrun *subrun) {
  struct tg_subruns *subruns = subrun->subruns;
  struct tg_subrun_found found = {0};
  struct tg_error err;
  bool is_known = false;
  tg_arena_init(&found.arena);
  int code = tg_subrun_found_look(subruns->services, subrun->key, &found, &is_known, &err);
  if (code) {
    tg_subrun_refuse(subrun, &err);
  } else if (is_known && tg_run_state_is_terminal(found.run.state)) {
    tg_subrun_found_tell(subrun, &found);
    tg_subrun_remove(subrun);
  } else if (is_known) {
    tg_subrun_found_resume(subrun, &found, NULL);
  } else {
    tg_subrun_build(subrun);
  }
  tg_arena_deinit(&found.arena);
}

static const struct tg_subrun *subrun_of_run(const struct tg_subruns *subruns, const char *run) {
  const struct tg_subrun *subrun = subruns->all;
  while (subrun && strcmp(subrun->id, run) != 0) subrun = subrun->next;
  return subrun;
}

static uint32_t depth_of(const struct tg_subruns *subruns, const char *run) {
  const struct tg_subrun *subrun = subrun_of_run(subruns, run);
  return subrun ? subrun->depth : 0;
}

static void subrun_end(void *self) {
  struct tg_subrun *subrun = self;
  tg_conductor_input(
      subrun->subruns->services->conductor,
      &(struct tg_input){
          .kind = TG_INPUT_CANCEL,
          .cancel = {.run = subrun->run, .code = TG_ECANCELLED, .reason = TG_PARENT_STOPPED}});
}

// A child is about the same data as its parent.
static void draft_make(struct tg_subrun *subrun, const struct tg_subrun_question *question) {
  const struct tg_run *of = question->of;
  const char *asked = question->partition;
  subrun->is_partition_asked = asked && *asked;
  const char *partition = subrun->is_partition_asked ? asked : of->partition;
  subrun->partition = partition ? tg_must(strdup(partition)) : NULL;
  subrun->backfill = of->backfill ? tg_must(strdup(of->backfill)) : NULL;
  subrun->draft = (struct tg_run){.partition = subrun->partition,
                                  .backfill = subrun->backfill,
                                  .logical_at = of->logical_at,
                                  .interval_start = of->interval_start,
                                  .interval_end = of->interval_end};
}

struct tg_subrun *tg_subrun_new(struct tg_subruns *subruns,
                                const struct tg_subrun_question *question) {
  struct tg_subrun *subrun = tg_must(calloc(1, sizeof *subrun));
  subrun->subruns = subruns;
  subrun->key = tg_must(strdup(question->key));
  subrun->pipeline = tg_must(strdup(question->pipeline));
  subrun->params = tg_must(strdup(question->params));
  subrun->parent = tg_must(strdup(question->parent));
  subrun->secrets = json_incref((json_t *)question->secrets);
  if (question->of) {
    draft_make(subrun, question); // one that is resumed has all of it
    subrun->of = tg_must(strdup(question->of->pipeline));
  }
  subrun->deadline_at = question->deadline_at;
  subrun->depth = depth_of(subruns, question->parent) + 1;
  subrun->end = (struct tg_deferred){.call = subrun_end, .self = subrun};
  subrun->next = subruns->all;
  subruns->all = subrun;
  subruns->count++;
  return subrun;
}

// Says whether a run of the pipeline is among those that wait, one for the other, for the new one.
static bool is_above(const struct tg_subruns *subruns, const struct tg_subrun_question *asked) {
  const struct tg_subrun *subrun = subrun_of_run(subruns, asked->parent);
  if (asked->of && strcmp(asked->of->pipeline, asked->pipeline) == 0) return true;
  for (; subrun; subrun = subrun_of_run(subruns, subrun->parent))
    if (strcmp(subrun->pipeline, asked->pipeline) == 0 ||
        (subrun->of && strcmp(subrun->of, asked->pipeline) == 0))
      return true;
  return false;
}

static int limits_check(const struct tg_subruns *subruns, const struct tg_subrun_question *asked,
                        struct tg_error *err) {
  if (is_above(subruns, asked))
    return tg_error_set(
        err, TG_EINVALID,
        "a run of pipeline \"%s\" led to this one: it would start itself, without end",
        asked->pipeline);
  if (subruns->count >= TG_CHILD_RUNS_MAX)
    return tg_error_set(err, TG_ELIMIT, "a host may have %d child runs open, and has them",
                        TG_CHILD_RUNS_MAX);
  if (depth_of(subruns, asked->parent) < TG_CHILD_DEPTH_MAX) return TG_OK;
  return tg_error_set(err, TG_ELIMIT, "%s would be child of child of child, more than %d deep",
                      asked->pipeline, TG_CHILD_DEPTH_MAX);
}

static void live_tell(struct tg_subrun *subrun) {
  const struct tg_live_run *run =
      tg_conductor_find_run(subrun->subruns->services->conductor, subrun->run);
  if (run) tg_subrun_begun_tell(subrun, &run->run);
}

static bool is_open(const struct tg_subruns *subruns, uint64_t number) {
  const struct tg_subrun_asker *asker = subruns->askers;
  while (asker && asker->number != number) asker = asker->next;
  return asker != NULL;
}

uint64_t tg_subruns_ask(struct tg_subruns *subruns, const struct tg_subrun_question *asked,
                        tg_subruns_answer *answer, void *self) {
  struct tg_subrun *subrun = tg_subrun_find(subruns, asked->key);
  struct tg_error err;
  if (!subrun && limits_check(subruns, asked, &err)) {
    answer(self, &err, NULL);
    return 0;
  }
  bool is_new = !subrun;
  if (is_new) subrun = tg_subrun_new(subruns, asked);
  struct tg_subrun_asker *asker = tg_must(malloc(sizeof *asker));
  uint64_t number = ++subruns->last_question;
  *asker = (struct tg_subrun_asker){.number = number,
                                    .subrun = subrun,
                                    .is_waiting = asked->is_waiting,
                                    .answer = answer,
                                    .self = self,
                                    .next = subruns->askers};
  subruns->askers = asker;
  if (is_new)
    child_begin(subrun);
  else if (subrun->is_begun)
    live_tell(subrun);
  return is_open(subruns, number) ? number : 0;
}

void tg_subruns_forget(struct tg_subruns *subruns, uint64_t number, bool has_to_end) {
  for (struct tg_subrun_asker **at = &subruns->askers; *at; at = &(*at)->next) {
    struct tg_subrun_asker *asker = *at;
    if (asker->number != number) continue;
    struct tg_subrun *subrun = asker->subrun;
    *at = asker->next;
    free(asker);
    if (has_to_end) subrun->has_to_end = true;
    if (has_to_end && subrun->is_begun) tg_loop_defer(subruns->services->loop, &subrun->end);
    return;
  }
}
