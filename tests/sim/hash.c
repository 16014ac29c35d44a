// SPDX-License-Identifier: Apache-2.0
// All that the engine says, every field of every effect and record, as one number: the same seed
// gives the same number, in this process and in any other.
#include "sim/world.h"

void sim_hash_number(struct sim *sim, uint64_t value) {
  sim->hash = (sim->hash ^ value) * UINT64_C(0x100000001b3);
  sim->hash ^= sim->hash >> 29;
}

static void text_add(struct sim *sim, const char *text) {
  for (const char *c = text ? text : "none"; *c; c++) sim_hash_number(sim, (uint8_t)*c);
  sim_hash_number(sim, text != NULL);
}

static void failure_add(struct sim *sim, const struct tg_failure *failure) {
  sim_hash_number(sim, (uint64_t)failure->code << 32 | failure->class);
  text_add(sim, failure->text);
}

static void numbers_add(struct sim *sim, const uint64_t *numbers, size_t count) {
  for (size_t i = 0; i < count; i++) sim_hash_number(sim, numbers[i]);
}

#define NUMBERS(sim, ...)                                                                          \
  numbers_add(sim, (const uint64_t[]){__VA_ARGS__},                                                \
              sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

static void run_add(struct sim *sim, const struct tg_run *r) {
  NUMBERS(sim, r->number, r->state, (uint64_t)r->created_at, (uint64_t)r->ended_at, r->rerun);
  for (size_t i = 0; i < sizeof r->id.bytes; i++) sim_hash_number(sim, r->id.bytes[i]);
  text_add(sim, r->pipeline);
  text_add(sim, r->params);
  failure_add(sim, &r->failure);
}

static void task_add(struct sim *sim, const struct tg_task *r) {
  NUMBERS(sim, r->run, r->index, r->state, r->attempts, (uint64_t)r->started_at,
          (uint64_t)r->ended_at);
  text_add(sim, r->name);
  text_add(sim, r->output);
  text_add(sim, r->chosen);
  failure_add(sim, &r->failure);
}

static void map_items_add(struct sim *sim, const struct tg_map_items *r) {
  NUMBERS(sim, r->run, r->task, r->count);
  text_add(sim, r->items);
  text_add(sim, r->keys);
}

static void item_add(struct sim *sim, const struct tg_item *r) {
  NUMBERS(sim, r->run, r->task, r->index, r->state, r->attempts, (uint64_t)r->started_at,
          (uint64_t)r->ended_at);
  text_add(sim, r->output);
  failure_add(sim, &r->failure);
}

static void step_add(struct sim *sim, const struct tg_step *r) {
  NUMBERS(sim, r->run, r->task, r->item, r->position, (uint64_t)r->wake_at,
          (uint64_t)r->intended_at, (uint64_t)r->ended_at, r->after, r->event);
  text_add(sim, r->name);
  text_add(sim, r->wait);
  text_add(sim, r->result);
}

static void attempt_add(struct sim *sim, const struct tg_attempt *r) {
  NUMBERS(sim, r->run, r->task, r->item, r->number, r->state, r->worker, r->seed,
          (uint64_t)r->started_at, (uint64_t)r->ended_at, (uint64_t)r->retry_at,
          r->is_fallback_next);
  failure_add(sim, &r->failure);
  text_add(sim, r->traceback);
}

static void record_add(struct sim *sim, const struct tg_record *record) {
  sim_hash_number(sim, record->kind);
  switch (record->kind) {
  case TG_RECORD_RUN:
    run_add(sim, &record->run);
    break;
  case TG_RECORD_TASK:
    task_add(sim, &record->task);
    break;
  case TG_RECORD_MAP_ITEMS:
    map_items_add(sim, &record->map_items);
    break;
  case TG_RECORD_ITEM:
    item_add(sim, &record->item);
    break;
  case TG_RECORD_STEP:
    step_add(sim, &record->step);
    break;
  case TG_RECORD_ATTEMPT:
    attempt_add(sim, &record->attempt);
    break;
  case TG_RECORD_RESOURCE:
    text_add(sim, record->resource.name);
    text_add(sim, record->resource.breaker);
    text_add(sim, record->resource.budget);
    break;
  default:
    break;
  }
}

void sim_hash_effect(struct sim *sim, const struct tg_effect *effect) {
  NUMBERS(sim, effect->kind, effect->run ? effect->run->run.number : 0, effect->unit,
          effect->number, effect->attempt, effect->seed, (uint64_t)effect->code, effect->request);
  text_add(sim, effect->kind == TG_EFFECT_STEP ? effect->text : NULL);
  if (effect->kind != TG_EFFECT_COMMIT) return;
  for (size_t i = 0; i < effect->batch->count; i++) record_add(sim, &effect->batch->records[i]);
}
