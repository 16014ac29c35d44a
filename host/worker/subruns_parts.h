// SPDX-License-Identifier: Apache-2.0
// What the parts of the child runs share.
//
//   subruns        who asks for a child, and what he is told
//   subruns_new    a child that nobody knows yet: built, its parameters frozen, created
//   subruns_found  one that the store knows, of this host or an earlier one
#pragma once

#include <jansson.h>

#include "base/must.h"
#include "worker/subruns.h"

#define TG_PARENT_STOPPED "its parent run was stopped"

// One child run, from the first question about it to its end.
struct tg_subrun {
  struct tg_subruns *subruns;
  char *key, *pipeline, *params, *parent;
  char *of;            // the pipeline of its parent; NULL where it was resumed
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
  struct tg_subrun *next;
};

// Somebody who waits for a child.
struct tg_subrun_asker {
  uint64_t number;
  struct tg_subrun *subrun;
  bool is_waiting;
  tg_subruns_answer *answer;
  void *self;
  struct tg_subrun_asker *next;
};

struct tg_subruns {
  const struct tg_services *services;
  struct tg_asks *asks;
  struct tg_bundles *bundles;
  struct tg_subrun *all;
  struct tg_subrun_asker *askers;
  uint64_t last_question;
  uint32_t count;
};

// A child as it is in the store.
struct tg_subrun_found {
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

/// Makes the books of a child that is asked for, or finds them by its key.
struct tg_subrun *tg_subrun_new(struct tg_subruns *subruns,
                                const struct tg_subrun_question *question);
struct tg_subrun *tg_subrun_find(struct tg_subruns *subruns, const char *key);
void tg_subrun_remove(struct tg_subrun *subrun);

/// Answers those who wait for a child: for its beginning only, or for whatever comes.
void tg_subrun_answer(struct tg_subrun *subrun, bool has_ended, const struct tg_error *err,
                      const char *answer);

/// Answers all with an error, and removes the child.
void tg_subrun_refuse(struct tg_subrun *subrun, const struct tg_error *err);

/// Tells those who do not wait for the end that it has begun.
void tg_subrun_begun_tell(struct tg_subrun *subrun, const struct tg_run *run);

/// Make the answer of a child, and put a task's output (JSON, NULL for none) into its outputs.
///
/// Owns:   takes the outputs; the caller frees the answer
char *tg_subrun_answer_make(const struct tg_run *run, json_t *outputs);
void tg_subrun_output_put(json_t *outputs, const char *task, const char *output);

/// Builds a new child's pipeline and goes on from there until it is created or refused.
void tg_subrun_build(struct tg_subrun *subrun);

/// Looks a child up in the store, into the arena of `found`. `*is_known` is false when there is
/// none of this key.
int tg_subrun_found_look(const struct tg_services *services, const char *key,
                         struct tg_subrun_found *found, bool *is_known, struct tg_error *err);

/// Tells what became of one that has ended.
void tg_subrun_found_tell(struct tg_subrun *subrun, const struct tg_subrun_found *found);

/// Takes up one that has not; `cancelled` says why only to end it, or is NULL.
void tg_subrun_found_resume(struct tg_subrun *subrun, const struct tg_subrun_found *found,
                            const char *cancelled);
