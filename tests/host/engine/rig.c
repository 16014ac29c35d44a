// SPDX-License-Identifier: Apache-2.0
// cmocka wants these four first.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "host/engine/rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/live_map.h"

enum { WALL_START = 1790000000, TEXT_MAX = 1 << 20 };

// Effects.

static void word(struct rig *rig, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void word(struct rig *rig, const char *format, ...) {
  va_list args;
  va_start(args, format);
  if (rig->trace.len) tg_buf_putc(&rig->trace, ' ');
  tg_buf_vputf(&rig->trace, format, args);
  va_end(args);
}

static struct rig_attempt *attempt_find(struct rig *rig, uint64_t handle) {
  for (size_t i = 0; i < rig->attempt_count; i++)
    if (rig->attempts[i].handle == handle) return &rig->attempts[i];
  return NULL;
}

static const char *unit_name(const struct rig *rig, uint32_t task, uint32_t item) {
  static char name[64];
  const char *text = rig->plan->tasks[task].name;
  if (item == TG_NO_ITEM)
    snprintf(name, sizeof name, "%s", text);
  else
    snprintf(name, sizeof name, "%s[%u]", text, item);
  return name;
}

static void started(struct rig *rig, const struct tg_effect *effect) {
  const struct tg_live_task *t = &effect->run->tasks[effect->unit];
  const char *name = unit_name(rig, t->task, t->item);
  if (t->item == TG_NO_ITEM)
    rig_start_check(rig, t->task);
  else
    rig_item_start_check(rig, t->task, t->item);
  for (size_t i = 0; i < rig->attempt_count; i++)
    if (rig->attempts[i].unit == effect->unit && !rig->attempts[i].is_over)
      fail_msg("%s starts while it runs", name);
  assert_true(rig->attempt_count < 1024);
  rig->attempts[rig->attempt_count++] = (struct rig_attempt){.handle = effect->attempt,
                                                             .seed = effect->seed,
                                                             .unit = effect->unit,
                                                             .task = t->task,
                                                             .item = t->item,
                                                             .number = effect->number,
                                                             .deadline_ms = effect->deadline_ms,
                                                             .deadline_at = effect->deadline_at};
  rig->in_flight++;
  if (rig->in_flight > rig->in_flight_max) rig->in_flight_max = rig->in_flight;
  word(rig, "start:%s#%u", name, effect->number);
}

static void step_answered(struct rig *rig, const struct tg_effect *effect) {
  const struct rig_attempt *attempt = attempt_find(rig, effect->attempt);
  assert_non_null(attempt);
  assert_false(attempt->is_over);
  const char *name = unit_name(rig, attempt->task, attempt->item);
  if (effect->code) {
    assert_int_equal(effect->code, TG_EINVALID);
    snprintf(rig->refusal, sizeof rig->refusal, "%s", effect->text);
    word(rig, "%s:refused", name);
  } else if (effect->text) {
    word(rig, "%s:done(%s)", name, effect->text);
  } else {
    word(rig, "%s:new", name);
  }
}

static void effect_take(struct rig *rig, const struct tg_effect *effect) {
  const struct tg_live_run *run = effect->run;
  switch (effect->kind) {
  case TG_EFFECT_COMMIT:
    assert_true(effect->batch->count > 0);
    assert_true(rig->pending_count < 256);
    rig->pending[rig->pending_count++] = effect->batch;
    word(rig, "commit");
    break;
  case TG_EFFECT_START:
    started(rig, effect);
    break;
  case TG_EFFECT_CANCEL:
    assert_non_null(attempt_find(rig, effect->attempt));
    assert_false(attempt_find(rig, effect->attempt)->is_over);
    attempt_find(rig, effect->attempt)->cancel_code = effect->code;
    word(rig, "cancel:%s=%s",
         unit_name(rig, run->tasks[effect->unit].task, run->tasks[effect->unit].item),
         tg_code_word(effect->code));
    break;
  case TG_EFFECT_STEP:
    step_answered(rig, effect);
    break;
  case TG_EFFECT_LOOK:
    word(rig, "look:%s>%llu", effect->text, (unsigned long long)effect->after);
    break;
  case TG_EFFECT_PROGRESS:
    word(rig, "%s:%u/%u", rig->plan->tasks[effect->unit].name, run->tasks[effect->unit].map->done,
         run->tasks[effect->unit].map->count);
    break;
  case TG_EFFECT_DECIDE:
    rig->question = effect->request;
    snprintf(rig->asked, sizeof rig->asked, "%s", effect->text);
    word(rig, "ask:%s#%u",
         unit_name(rig, run->tasks[effect->unit].task, run->tasks[effect->unit].item),
         effect->number);
    break;
  case TG_EFFECT_RESOURCE:
    word(rig, "%s:%s", effect->resource->name,
         tg_breaker_phase_word(effect->resource->breaker.phase));
    break;
  case TG_EFFECT_RUN_BEGUN:
    assert_true(rig->store.has_run);
    break;
  case TG_EFFECT_TASK:
    assert_true(effect->unit < rig->plan->count); // items are told by progress
    if (run->tasks[effect->unit].state == TG_TASK_RUNNING) break;
    word(rig, "%s=%s", rig->plan->tasks[effect->unit].name,
         tg_task_state_word(run->tasks[effect->unit].state));
    break;
  case TG_EFFECT_RUN_ENDED:
    assert_false(rig->has_ended);
    rig->has_ended = true;
    rig->end = run->run.state;
    rig->end_code = run->run.failure.code;
    word(rig, "end=%s", tg_run_state_word(run->run.state));
    break;
  }
}

static void step(struct rig *rig, const struct tg_input *input) {
  const struct tg_effect *effects;
  size_t count;
  if (tg_engine_step(rig->engine, rig->now, input, &effects, &count, &rig->err))
    fail_msg("%s", rig->err.text);
  for (size_t i = 0; i < count; i++) effect_take(rig, &effects[i]);
}

// Inputs.

void rig_init(struct rig *rig, struct tg_plan *plan, uint32_t slots) {
  memset(rig, 0, sizeof *rig);
  rig->plan = plan;
  rig->engine = tg_engine_new(slots, 0);
  rig->now = (struct tg_now){.wall_ms = INT64_C(1000) * WALL_START, .mono_ms = 5000};
  rig_store_init(&rig->store);
  tg_buf_init(&rig->trace, TEXT_MAX);
}

void rig_deinit(struct rig *rig) {
  tg_engine_free(rig->engine);
  for (size_t i = 0; i < rig->pending_count; i++) tg_batch_free(rig->pending[i]);
  for (size_t i = 0; i < rig->log_count; i++) tg_batch_free(rig->log[i]);
  free(rig->log);
  rig_store_deinit(&rig->store);
  tg_buf_deinit(&rig->trace);
}

void rig_close(struct rig *rig) {
  struct tg_plan *plan = rig->plan;
  rig_deinit(rig);
  tg_plan_free(plan);
}

static void run_begin(struct rig *rig, struct tg_input *input) {
  struct tg_run run = {.id = {.bytes = {1, 2, 3}},
                       .pipeline = "p",
                       .bundle = "b",
                       .params = "{\"region\":\"EU\"}",
                       .trigger = "manual",
                       .deadline_at = rig->deadline_at,
                       .logical_at = rig->now.wall_ms};
  input->kind = TG_INPUT_RUN;
  input->run.run = &run;
  input->run.plan = rig->plan;
  step(rig, input);
}

void rig_run_carrying(struct rig *rig, const struct tg_task *tasks, size_t count) {
  run_begin(rig, &(struct tg_input){.run = {.carried = tasks, .carried_count = count}});
}

void rig_run_carrying_items(struct rig *rig, const struct tg_map_items *map,
                            const struct tg_item *items, size_t count) {
  run_begin(rig, &(struct tg_input){.run = {.carried_maps = map,
                                            .carried_map_count = 1,
                                            .carried_items = items,
                                            .carried_item_count = count}});
}

void rig_run_keeping_map(struct rig *rig, const struct tg_task *task,
                         const struct tg_map_items *map, const struct tg_item *items,
                         size_t count) {
  run_begin(rig, &(struct tg_input){.run = {.carried = task,
                                            .carried_count = 1,
                                            .carried_maps = map,
                                            .carried_map_count = 1,
                                            .carried_items = items,
                                            .carried_item_count = count}});
}

void rig_run(struct rig *rig) {
  rig_run_carrying(rig, NULL, 0);
}

void rig_rule(struct rig *rig, const struct tg_resource_rules *rules) {
  step(rig, &(struct tg_input){.kind = TG_INPUT_RESOURCES,
                               .resources = {.rules = rules, .rule_count = 1}});
}

void rig_resume(struct rig *rig, const struct rig_store *store) {
  struct tg_task tasks[64];
  size_t count = 0;
  for (uint32_t i = 0; i < rig->plan->count; i++)
    if (store->has_task[i]) tasks[count++] = store->tasks[i];
  assert_true(store->has_run);
  // The rig's own store is what the earlier host left.
  rig_store_copy(&rig->store, store);
  step(rig, &(struct tg_input){
                .kind = TG_INPUT_RESOURCES,
                .resources = {.records = store->resources, .record_count = store->resource_count}});
  step(rig, &(struct tg_input){.kind = TG_INPUT_RESUME,
                               .resume = {.run = &store->run,
                                          .plan = rig->plan,
                                          .tasks = tasks,
                                          .task_count = count,
                                          .attempts = store->attempts,
                                          .attempt_count = store->attempt_count,
                                          .maps = store->maps,
                                          .map_count = store->map_count,
                                          .items = store->items,
                                          .item_count = store->item_count,
                                          .steps = store->steps,
                                          .step_count = store->step_count}});
}

static void log_add(struct rig *rig, const struct tg_batch *batch) {
  struct tg_batch *copy = tg_batch_new();
  rig->log = realloc(rig->log, (rig->log_count + 1) * sizeof(struct tg_batch *));
  assert_non_null(copy);
  assert_non_null(rig->log);
  for (size_t i = 0; i < batch->count; i++)
    assert_int_equal(tg_batch_add(copy, &batch->records[i]), TG_OK);
  rig->log[rig->log_count++] = copy;
}

void rig_commit(struct rig *rig) {
  assert_true(rig->pending_count > 0);
  struct tg_batch *batch = rig->pending[0];
  memmove(rig->pending, rig->pending + 1, --rig->pending_count * sizeof(struct tg_batch *));
  rig_store_apply(&rig->store, batch);
  if (rig->keeps_log) log_add(rig, batch);
  step(rig, &(struct tg_input){.kind = TG_INPUT_COMMITTED, .committed = batch});
}

void rig_settle(struct rig *rig) {
  while (rig->pending_count) rig_commit(rig);
}

static const struct rig_attempt *attempt_of(const struct rig *rig, const char *task) {
  for (size_t i = rig->attempt_count; i-- > 0;) {
    const struct rig_attempt *attempt = &rig->attempts[i];
    if (!attempt->is_over && strcmp(unit_name(rig, attempt->task, attempt->item), task) == 0)
      return attempt;
  }
  return NULL;
}

const struct rig_attempt *rig_attempt_of(const struct rig *rig, const char *task) {
  const struct rig_attempt *attempt = attempt_of(rig, task);
  if (!attempt) fail_msg("task %s does not run", task);
  return attempt;
}

bool rig_runs(const struct rig *rig, const char *task) {
  return attempt_of(rig, task) != NULL;
}

static void step_ask(struct rig *rig, const char *task, enum tg_step_operation operation,
                     const char *name, const char *result, int64_t sleep_ms) {
  step(rig, &(struct tg_input){.kind = TG_INPUT_STEP,
                               .step = {.attempt = rig_attempt_of(rig, task)->handle,
                                        .request = ++rig->request,
                                        .operation = operation,
                                        .name = name,
                                        .result = result,
                                        .sleep_ms = sleep_ms}});
}

void rig_step(struct rig *rig, const char *task, const char *name) {
  step_ask(rig, task, TG_STEP_BEGIN, name, NULL, 0);
}

void rig_step_end(struct rig *rig, const char *task, const char *name, const char *result) {
  step_ask(rig, task, TG_STEP_END, name, result, 0);
}

void rig_sleep(struct rig *rig, const char *task, const char *name, int64_t ms) {
  step_ask(rig, task, TG_STEP_SLEEP, name, NULL, ms);
}

void rig_wait(struct rig *rig, const char *task, const char *name, const char *wait, int64_t ms) {
  step(rig, &(struct tg_input){.kind = TG_INPUT_STEP,
                               .step = {.attempt = rig_attempt_of(rig, task)->handle,
                                        .request = ++rig->request,
                                        .operation = TG_STEP_WAIT,
                                        .name = name,
                                        .wait = wait,
                                        .sleep_ms = ms}});
}

void rig_event(struct rig *rig, uint64_t number, const char *type, const char *subject,
               const char *data) {
  char body[512];
  snprintf(body, sizeof body, "{\"n\":%d%s%s}", (int)number, data ? ",\"data\":" : "",
           data ? data : "");
  struct tg_event event = {
      .number = number, .id = "i", .source = "/s", .type = type, .subject = subject, .body = body};
  step(rig, &(struct tg_input){.kind = TG_INPUT_EVENT, .event = &event});
}

void rig_approve(struct rig *rig, uint32_t task, uint32_t item, uint32_t position,
                 const char *result) {
  step(rig, &(struct tg_input){
                .kind = TG_INPUT_APPROVAL,
                .approval = {
                    .run = 1, .task = task, .item = item, .position = position, .result = result}});
}

void rig_decide(struct rig *rig, bool is_retry, int64_t delay_ms, const char *text, int code) {
  step(rig, &(struct tg_input){.kind = TG_INPUT_DECISION,
                               .decision = {.question = rig->question,
                                            .code = code,
                                            .is_retry = is_retry,
                                            .delay_ms = delay_ms,
                                            .text = text}});
}

void rig_idle(struct rig *rig, const char *task, bool is_idle) {
  step(rig, &(struct tg_input){
                .kind = TG_INPUT_IDLE,
                .idle = {.attempt = rig_attempt_of(rig, task)->handle, .is_idle = is_idle}});
}

void rig_result(struct rig *rig, uint64_t handle, const struct tg_outcome *outcome) {
  struct rig_attempt *attempt = attempt_find(rig, handle);
  if (attempt && !attempt->is_over) {
    attempt->is_over = true;
    rig->in_flight--;
  }
  step(rig, &(struct tg_input){.kind = TG_INPUT_RESULT,
                               .result = {.attempt = handle, .outcome = outcome}});
}

void rig_end(struct rig *rig, const char *task, const struct tg_outcome *outcome) {
  rig_result(rig, rig_attempt_of(rig, task)->handle, outcome);
}

void rig_success_of(struct rig *rig, const char *task, const char *result, const char *facts) {
  rig_end(rig, task, &(struct tg_outcome){.result = result, .facts = facts});
}

void rig_success(struct rig *rig, const char *task) {
  rig_success_of(rig, task, NULL, NULL);
}

void rig_fail(struct rig *rig, const char *task, int code) {
  struct tg_outcome outcome = {0};
  tg_error_set(&outcome.err, code, "it went wrong");
  rig_end(rig, task, &outcome);
}

void rig_start(struct rig *rig, struct tg_plan *plan, uint32_t slots) {
  rig_init(rig, plan, slots);
  rig_run(rig);
  rig_commit(rig);
}

void rig_begin(struct rig *rig, struct tg_plan *plan, uint32_t slots) {
  rig_start(rig, plan, slots);
  tg_buf_clear(&rig->trace);
}

void rig_done(struct rig *rig, const char *task) {
  rig_success(rig, task);
  rig_settle(rig);
}

void rig_failed(struct rig *rig, const char *task, int code) {
  rig_fail(rig, task, code);
  rig_settle(rig);
}

void rig_pass(struct rig *rig, int64_t ms) {
  rig->now.wall_ms += ms;
  rig->now.mono_ms += ms;
  if (tg_engine_next_timer(rig->engine) <= rig->now.mono_ms)
    step(rig, &(struct tg_input){.kind = TG_INPUT_TIMER});
}

bool rig_timer(struct rig *rig) {
  int64_t next = tg_engine_next_timer(rig->engine);
  if (next == INT64_MAX) return false;
  rig_pass(rig, next > rig->now.mono_ms ? next - rig->now.mono_ms : 0);
  return true;
}

void rig_cancel(struct rig *rig, int code) {
  step(rig, &(struct tg_input){.kind = TG_INPUT_CANCEL,
                               .cancel = {.run = 1, .code = code, .reason = "somebody asked"}});
}

void rig_cut(struct rig *rig, uint32_t task, uint32_t item) {
  step(rig, &(struct tg_input){.kind = TG_INPUT_CANCEL,
                               .cancel = {.run = 1,
                                          .code = TG_ECANCELLED,
                                          .reason = "somebody asked",
                                          .is_of_unit = true,
                                          .task = task,
                                          .item = item}});
}

void rig_drain(struct rig *rig) {
  step(rig, &(struct tg_input){.kind = TG_INPUT_DRAIN});
}

void rig_expect_at(struct rig *rig, const char *words, const char *file, int line) {
  if (strcmp(tg_buf_text(&rig->trace), words) != 0)
    fail_msg("%s:%d\n  expected: %s\n       got: %s", file, line, words, tg_buf_text(&rig->trace));
  tg_buf_clear(&rig->trace);
}
