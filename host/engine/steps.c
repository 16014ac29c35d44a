// SPDX-License-Identifier: Apache-2.0
// What an attempt remembers on its way: steps that are done once, whatever the number of tries.
//
//   begin   recorded with a result -> it is told        not recorded -> the intent becomes durable,
//           recorded without one   -> to be done          then it is to be done
//   end     the result becomes durable, then the attempt goes on
//   sleep   the instant of waking becomes durable, then the attempt is ended (parked); at that
//           instant the task is run again, and passes its steps by until it is past the sleep
//
//   wait    the same for what has no time of its own: an event, or a person (waits.c)
//
// The order of the steps is part of the record: a replay that comes by others is refused.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine_parts.h"

struct place {
  struct tg_live_run *run;
  uint32_t unit;
  struct tg_live_notes *notes;
};

static void answer(struct tg_engine *engine, struct tg_live_run *run, uint64_t attempt,
                   uint64_t request, const char *result) {
  tg_engine_effect(engine, &(struct tg_effect){.kind = TG_EFFECT_STEP,
                                               .run = run,
                                               .attempt = attempt,
                                               .request = request,
                                               .text = result});
}

static void refuse(struct tg_engine *engine, const struct place *place,
                   const struct tg_input *input, const char *text) {
  tg_engine_effect(engine, &(struct tg_effect){.kind = TG_EFFECT_STEP,
                                               .run = place->run,
                                               .attempt = input->step.attempt,
                                               .request = input->step.request,
                                               .code = TG_EINVALID,
                                               .text = tg_arena_strdup(&place->run->arena, text)});
}

// Records a step and remembers whom to tell when that is durable.
static void step_record(struct tg_engine *engine, const struct place *place,
                        const struct tg_input *input, const struct tg_step *step) {
  const struct tg_live_task *t = &place->run->tasks[place->unit];
  const char *result = step->result;
  struct tg_step_waiting *waiting = malloc(sizeof *waiting);
  if (!waiting) {
    tg_engine_fail(engine, TG_ENOMEM, "out of memory");
    return;
  }
  *waiting = (struct tg_step_waiting){.run = place->run->run.number,
                                      .attempt = input->step.attempt,
                                      .request = input->step.request,
                                      .unit = place->unit,
                                      .position = step->position,
                                      .operation = input->step.operation,
                                      .next = engine->steps};
  engine->steps = waiting;
  int64_t now = engine->now.wall_ms;
  struct tg_record record = {.kind = TG_RECORD_STEP, .step = *step};
  record.step.run = place->run->run.number;
  record.step.task = t->task;
  record.step.item = t->item;
  record.step.name = input->step.name;
  record.step.intended_at = now;
  record.step.ended_at = result ? now : 0;
  tg_engine_record(engine, &record);
}

static void attempt_end(struct tg_engine *engine, const struct place *place, uint64_t attempt,
                        int code) {
  tg_engine_effect(engine, &(struct tg_effect){.kind = TG_EFFECT_CANCEL,
                                               .run = place->run,
                                               .unit = place->unit,
                                               .attempt = attempt,
                                               .code = code});
}

// An attempt sleeps until its time is over at most; it is woken then to be told so. False: that is
// so already.
static bool park(struct tg_engine *engine, const struct place *place, uint64_t attempt,
                 int64_t wake_at) {
  struct tg_live_task *t = &place->run->tasks[place->unit];
  int64_t deadline_at = place->notes->deadline_at;
  int64_t left = deadline_at ? deadline_at - engine->now.mono_ms : INT64_MAX;
  if (left <= 0) {
    attempt_end(engine, place, attempt, TG_ETIMEOUT);
    return false;
  }
  int64_t over_at = tg_engine_after(engine->now.wall_ms, left);
  t->is_parked = true;
  place->notes->retry_at = wake_at < over_at ? wake_at : over_at;
  attempt_end(engine, place, attempt, TG_ECANCELLED);
  return true;
}

// While it waits, a unit is found by what it waits for.
static void wait_park(struct tg_engine *engine, const struct place *place, uint64_t attempt,
                      uint32_t position) {
  int64_t wake_at = place->notes->steps[position].wake_at;
  if (park(engine, place, attempt, wake_at ? wake_at : INT64_MAX))
    tg_engine_wait_enter(engine, place->run, place->unit, position);
}

static void step_begin(struct tg_engine *engine, const struct place *place,
                       const struct tg_input *input) {
  struct tg_live_notes *notes = place->notes;
  uint32_t position = notes->step_at++;
  if (position >= notes->step_count) {
    step_record(engine, place, input, &(struct tg_step){.position = position});
    return;
  }
  const struct tg_live_step *step = &notes->steps[position];
  // A replay that comes to its intent again does it again: whether it was done is not known.
  answer(engine, place->run, input->step.attempt, input->step.request, step->result);
}

static void step_sleep(struct tg_engine *engine, const struct place *place,
                       const struct tg_input *input) {
  struct tg_live_notes *notes = place->notes;
  uint32_t position = notes->step_at++;
  if (position >= notes->step_count) {
    int64_t wake_at = tg_engine_after(engine->now.wall_ms, input->step.sleep_ms);
    step_record(engine, place, input, &(struct tg_step){.position = position, .wake_at = wake_at});
    return;
  }
  int64_t wake_at = notes->steps[position].wake_at;
  if (wake_at > engine->now.wall_ms)
    park(engine, place, input->step.attempt, wake_at);
  else
    answer(engine, place->run, input->step.attempt, input->step.request, "null");
}

static void wait_begin(struct tg_engine *engine, const struct place *place,
                       const struct tg_input *input) {
  struct tg_step step = {.position = place->notes->step_at};
  struct tg_error err;
  char *wait = tg_engine_wait_check(engine, &place->run->run, input->step.wait, &step.after, &err);
  if (!wait) {
    refuse(engine, place, input, err.text);
    return;
  }
  place->notes->step_at++;
  step.wait = wait;
  if (input->step.sleep_ms)
    step.wake_at = tg_engine_after(engine->now.wall_ms, input->step.sleep_ms);
  step_record(engine, place, input, &step);
  free(wait);
}

static void step_wait(struct tg_engine *engine, const struct place *place,
                      const struct tg_input *input) {
  struct tg_live_notes *notes = place->notes;
  if (notes->step_at >= notes->step_count) {
    wait_begin(engine, place, input);
    return;
  }
  uint32_t position = notes->step_at++;
  const char *result = notes->steps[position].result;
  if (result)
    answer(engine, place->run, input->step.attempt, input->step.request, result);
  else
    wait_park(engine, place, input->step.attempt, position);
}

static bool is_ending(const struct tg_engine *engine, const struct place *place,
                      uint32_t position) {
  const struct tg_step_waiting *waiting = engine->steps;
  while (waiting && (waiting->run != place->run->run.number || waiting->unit != place->unit ||
                     waiting->position != position || waiting->operation != TG_STEP_END))
    waiting = waiting->next;
  return waiting != NULL;
}

static void step_end(struct tg_engine *engine, const struct place *place,
                     const struct tg_input *input) {
  const struct tg_live_notes *notes = place->notes;
  // A step can be ended once its intent is durable, and by one request at a time.
  uint32_t position = notes->step_at < notes->step_count ? notes->step_at : notes->step_count;
  while (position && strcmp(notes->steps[position - 1].name, input->step.name) != 0) position--;
  if (!position || notes->steps[position - 1].result || is_ending(engine, place, position - 1))
    refuse(engine, place, input, "a step ended that was not begun");
  else
    step_record(engine, place, input,
                &(struct tg_step){.position = position - 1, .result = input->step.result});
}

static enum tg_step_operation operation_of(const struct tg_live_step *step) {
  if (step->wait) return TG_STEP_WAIT;
  return step->wake_at ? TG_STEP_SLEEP : TG_STEP_BEGIN;
}

// Says whether the attempt comes by the steps that an earlier try came by.
static bool is_in_order(struct tg_engine *engine, const struct place *place,
                        const struct tg_input *input) {
  const struct tg_live_notes *notes = place->notes;
  if (input->step.operation == TG_STEP_END || notes->step_at >= notes->step_count) return true;
  const struct tg_live_step *step = &notes->steps[notes->step_at];
  if (strcmp(step->name, input->step.name) == 0 && operation_of(step) == input->step.operation)
    return true;
  char text[512];
  snprintf(
      text, sizeof text,
      "step %u is '%.100s' now and was '%.100s' in an earlier try; steps must come in the same "
      "order at each try",
      notes->step_at + 1, input->step.name, step->name);
  refuse(engine, place, input, text);
  return false;
}

void tg_engine_step_take(struct tg_engine *engine, const struct tg_input *input) {
  struct place place = {0};
  place.run = tg_engine_find_attempt(engine, input->step.attempt, &place.unit);
  if (!place.run || place.run->tasks[place.unit].is_parked) return; // it is being ended
  place.notes = tg_engine_note(engine, &place.run->tasks[place.unit]);
  if (!place.notes) return;
  if (!is_in_order(engine, &place, input)) return;
  switch (input->step.operation) {
  case TG_STEP_BEGIN:
    step_begin(engine, &place, input);
    break;
  case TG_STEP_SLEEP:
    step_sleep(engine, &place, input);
    break;
  case TG_STEP_WAIT:
    step_wait(engine, &place, input);
    break;
  case TG_STEP_END:
    step_end(engine, &place, input);
    break;
  }
}

static struct tg_step_waiting *waiting_take(struct tg_engine *engine, uint64_t run, uint32_t unit,
                                            const struct tg_step *record) {
  for (struct tg_step_waiting **at = &engine->steps; *at; at = &(*at)->next) {
    struct tg_step_waiting *waiting = *at;
    bool is_end = waiting->operation == TG_STEP_END;
    if (waiting->run != run || waiting->unit != unit || waiting->position != record->position ||
        is_end != (record->result != NULL))
      continue;
    *at = waiting->next;
    return waiting;
  }
  return NULL;
}

void tg_engine_step_durable(struct tg_engine *engine, const struct tg_step *record) {
  struct tg_live_run *run = tg_engine_find_run(engine, record->run);
  uint32_t unit = run ? tg_live_unit(run, record->task, record->item) : UINT32_MAX;
  if (unit == UINT32_MAX) return;
  struct place place = {.run = run, .unit = unit, .notes = run->tasks[unit].notes};
  if (record->result && place.notes->steps[record->position].wait)
    tg_engine_wait_over(engine, run, unit);
  struct tg_step_waiting *waiting = waiting_take(engine, record->run, unit, record);
  if (!waiting) return; // the attempt has ended meanwhile
  if (waiting->operation == TG_STEP_SLEEP)
    park(engine, &place, waiting->attempt, record->wake_at);
  else if (waiting->operation == TG_STEP_WAIT)
    wait_park(engine, &place, waiting->attempt, record->position);
  else
    answer(engine, run, waiting->attempt, waiting->request,
           waiting->operation == TG_STEP_END ? "true" : NULL);
  free(waiting);
}

void tg_engine_steps_forget(struct tg_engine *engine, uint64_t attempt) {
  struct tg_step_waiting **at = &engine->steps;
  while (*at) {
    struct tg_step_waiting *waiting = *at;
    if (waiting->attempt != attempt) {
      at = &waiting->next;
      continue;
    }
    *at = waiting->next;
    free(waiting);
  }
}

void tg_engine_steps_free(struct tg_engine *engine) {
  while (engine->steps) {
    struct tg_step_waiting *waiting = engine->steps;
    engine->steps = waiting->next;
    free(waiting);
  }
}
