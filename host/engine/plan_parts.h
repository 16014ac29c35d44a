// SPDX-License-Identifier: Apache-2.0
// The plan's own parts, which only its files include:
//
//   plan.c       the head, and the list of the tasks
//   plan_task.c  one task out of its JSON
//   plan_usual.c the task that large plans are full of, without JSON
//   plan_check.c what must hold among the tasks
#pragma once

#include "engine/plan.h"
#include "engine/plan_text.h"

enum { TG_PLAN_KINDS = 8 };

// What a task is of which a rest is told (engine/plan_usual.h), beside its name and line.
struct tg_plan_kind {
  struct tg_plan_span rest;
  struct tg_plan_task task;
};

// What is being read, so that a fault can be named by its path.
struct tg_plan_reading {
  struct tg_plan *plan;
  struct tg_error *err;
  uint32_t task;
  struct tg_plan_task usual;                // what a task is of which nothing is told
  struct tg_plan_kind kinds[TG_PLAN_KINDS]; // those that were read last
  uint32_t kind_count;                      // all that were read
};

int tg_plan_fault(struct tg_plan_reading *r, const char *field, const char *what);

// Own copies of a text ("" for none), of a list of texts, and of a task's word.
const char *tg_plan_text_get(struct tg_plan *plan, const json_t *object, const char *field);
int tg_plan_texts_get(struct tg_plan_reading *r, const json_t *list, const char *field,
                      const char *const **texts);
const char *tg_plan_word_get(struct tg_plan_reading *r, const char *word, size_t len);

// The pools that a task takes slots of, or that a pipeline declares.
int tg_plan_pools_get(struct tg_plan_reading *r, const json_t *object,
                      const struct tg_plan_pool **pools, uint32_t *count);

// Reads the task that is being read, and adds its edges.
int tg_plan_task_get(struct tg_plan_reading *r, const json_t *object,
                     struct tg_graph_builder *edges);

// Checks the tasks as a whole, and makes their graph.
int tg_plan_check(struct tg_plan *plan, const struct tg_graph_builder *edges, struct tg_error *err);
