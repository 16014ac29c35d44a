// SPDX-License-Identifier: Apache-2.0
// What an attempt does on its way: its steps and sleeps, which are the same at each try, as a
// script's would be, and the child run that it may wait for.
#include <stdio.h>
#include <string.h>

#include "sim/checks.h"

enum { STRAY_REQUEST = 1 << 30, CHILD_KEY_MAX = 64 };

// --- Programs ---

static uint64_t mix(uint64_t x) {
  struct sim_random random = {x};
  return sim_random_next(&random);
}

static bool is_sleep(const struct sim_attempt *a) {
  return mix(a->program + a->at) % 10 < 3;
}

static bool is_wait(const struct sim *sim, const struct sim_attempt *a) {
  uint64_t kind = mix(a->program + a->at) % 10;
  return sim->has_waits && (kind == 3 || kind == 4);
}

static int64_t sleep_of(const struct sim_attempt *attempt) {
  struct sim_random random = {attempt->program * 31 + attempt->at};
  return sim_random_time(&random, 1, 6 * 3600 * 1000);
}

static uint64_t program_of(const struct sim *sim, const struct sim_run *run, uint32_t task,
                           uint32_t item) {
  return mix(mix(sim->seed) ^ sim_place(run, task, item));
}

uint64_t sim_wait_chance(const struct sim *sim, const struct sim_run *run, uint32_t task,
                         uint32_t item, uint32_t position) {
  return mix(program_of(sim, run, task, item) - position);
}

void sim_program_make(const struct sim *sim, struct sim_attempt *a) {
  a->program = program_of(sim, a->run, a->unit->task, a->unit->item);
  if (a->is_fallback || a->is_expansion || a->program % 1000 >= sim->step_permille) return;
  a->length = 1 + (uint32_t)(a->program >> 32) % 4;
}

// --- Steps ---

static void step_send(struct sim *sim, struct sim_attempt *a, enum tg_step_operation operation,
                      const char *name, const char *result) {
  a->request = ++a->last_request;
  a->is_asleep = operation == TG_STEP_SLEEP || operation == TG_STEP_WAIT;
  const char *wait =
      operation == TG_STEP_WAIT
          ? sim_wait_text(sim, sim_wait_chance(sim, a->run, a->unit->task, a->unit->item, a->at))
          : NULL;
  sim_note(sim, name, a->run, a->unit, (int64_t)a->request);
  sim_input(sim, &(struct tg_input){.kind = TG_INPUT_STEP,
                                    .step = {.attempt = a->handle,
                                             .request = a->request,
                                             .operation = operation,
                                             .name = name,
                                             .result = result,
                                             .wait = wait,
                                             .sleep_ms = sleep_of(a)}});
}

// A worker that does not wait for its answers must not do any harm.
static void stray_send(struct sim *sim, const struct sim_attempt *a, const char *name) {
  sim_input(sim, &(struct tg_input){.kind = TG_INPUT_STEP,
                                    .step = {.attempt = a->handle,
                                             .request = STRAY_REQUEST,
                                             .operation = TG_STEP_END,
                                             .name = name,
                                             .result = "\"stray\""}});
}

void sim_program_operation(struct sim *sim, struct sim_attempt *a) {
  char name[32];
  bool waits = is_wait(sim, a), sleeps = is_sleep(a) || waits;
  snprintf(name, sizeof name, "%s%u",
           a->is_astray ? "astray"
           : waits      ? "wait"
           : sleeps     ? "sleep"
                        : "step",
           a->at);
  step_send(sim, a, waits ? TG_STEP_WAIT : sleeps ? TG_STEP_SLEEP : TG_STEP_BEGIN, name, NULL);
  if (!sleeps && a->request && !a->is_over && sim_random_chance(&sim->random, 20))
    stray_send(sim, a, name);
}

void sim_program_step_end(struct sim *sim, struct sim_attempt *a) {
  char name[32], result[64];
  snprintf(name, sizeof name, "%s%u", a->is_astray ? "astray" : "step", a->at);
  snprintf(result, sizeof result, "\"%u by %u\"", a->at, a->number);
  step_send(sim, a, TG_STEP_END, name, result);
}

void sim_program_answer(struct sim *sim, const struct tg_effect *effect) {
  struct sim_attempt *a = sim_attempt_find(sim, effect->attempt);
  if (!a || a->is_over) {
    sim_fail(sim, "a step of an attempt that is over is answered");
    return;
  }
  if (effect->request != a->request) return; // a stray one's
  sim_note(sim, effect->code ? "refused" : "answered", a->run, a->unit, (int64_t)effect->request);
  sim_check_answer(sim, a, effect);
  a->request = 0;
  a->is_asleep = false;
  if (effect->code) {
    a->end = SIM_END_FAILURE;
    a->end_at = a->at;
    a->ends_in_step = false;
    a->was_begun = false;
  } else if (!effect->text) {
    a->was_begun = true;
  } else {
    a->was_begun = false;
    a->at++;
  }
  sim_work_later(sim, a);
}

// --- Children ---

static void child_key(const struct sim_attempt *a, char key[CHILD_KEY_MAX]) {
  snprintf(key, CHILD_KEY_MAX, "%llu/%u", (unsigned long long)a->run->row.number, a->unit->task);
}

void sim_child_ask(struct sim *sim, struct sim_attempt *a) {
  if (a->is_over) return;
  char key[CHILD_KEY_MAX];
  child_key(a, key);
  struct sim_run *child = NULL;
  for (size_t i = 0; i < sim->run_count && !child; i++)
    if (sim->runs[i]->row.child_key && strcmp(sim->runs[i]->row.child_key, key) == 0)
      child = sim->runs[i];
  if (!child) {
    const struct sim_task *task = sim_task_of(a->run, a->unit);
    child = sim_run_add(sim, &sim->pipelines[task->child]);
    child->row.child_key = tg_arena_strdup(&sim->arena, key);
    char id[TG_ID_TEXT_LEN + 1];
    tg_id_format(a->run->row.id, id);
    child->row.parent = tg_arena_strdup(&sim->arena, id);
    int64_t end = sim_run_end(a->run);
    if (end != INT64_MAX && !task->is_teardown) child->row.deadline_at = end;
    child->parent = a->handle;
    sim_begin(sim, child);
    return;
  }
  child->parent = a->handle;
  if (child->is_over && !child->is_live) sim_event_add(sim, SIM_IDLE_OVER, 1, a->handle);
}

void sim_child_over(struct sim *sim, struct sim_attempt *a) {
  if (a->is_over || !a->is_idle) return;
  a->is_idle = false;
  for (size_t i = 0; i < sim->run_count; i++)
    if (sim->runs[i]->parent == a->handle && sim->runs[i]->row.state != TG_RUN_SUCCESS)
      a->end = SIM_END_FAILURE;
  sim_note(sim, "goes on", a->run, a->unit, 0);
  sim_input(sim, &(struct tg_input){.kind = TG_INPUT_IDLE,
                                    .idle = {.attempt = a->handle, .is_idle = false}});
  sim_work_later(sim, a);
}

void sim_child_begin(struct sim *sim, struct sim_attempt *a) {
  a->has_child = a->is_idle = true;
  sim_note(sim, "waits for its child", a->run, a->unit, 0);
  char key[CHILD_KEY_MAX];
  child_key(a, key);
  sim_input(sim, &(struct tg_input){.kind = TG_INPUT_IDLE,
                                    .idle = {.attempt = a->handle, .is_idle = true, .child = key}});
  sim_event_add(sim, SIM_CHILD, 1, a->handle);
}
