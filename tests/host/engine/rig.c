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

enum { WALL_START = 1790000000, TEXT_MAX = 1 << 20 };

// Plans.

struct specs {
  char names[64][32];
  const char *texts[64];
  size_t count;
};

static size_t index_of(const struct specs *specs, const char *name, size_t len) {
  for (size_t i = 0; i < specs->count; i++)
    if (strlen(specs->names[i]) == len && memcmp(specs->names[i], name, len) == 0) return i;
  fail_msg("a plan of the test names no task %.*s", (int)len, name);
  return 0;
}

static void indexes_put(struct tg_buf *out, const struct specs *specs, const char *list) {
  size_t len = strcspn(list, " ");
  tg_buf_putc(out, '[');
  for (const char *at = list; at < list + len;) {
    size_t name = strcspn(at, ", ");
    tg_buf_putf(out, "%s%zu", at > list ? "," : "", index_of(specs, at, name));
    at += name + 1;
  }
  tg_buf_putc(out, ']');
}

static const char *field_of(const char *text, const char *field) {
  const char *found = strstr(text, field);
  return found ? found + strlen(field) : NULL;
}

static void task_put(struct tg_buf *out, const struct specs *specs, size_t at) {
  const char *text = specs->texts[at], *value;
  tg_buf_putf(out, "%s{\"name\":\"%s\",\"word\":\"task\",\"runner\":\"script\",\"line\":1",
              at ? "," : "", specs->names[at]);
  value = field_of(text, " when=");
  tg_buf_putf(out, ",\"when\":\"%.*s\"", value ? (int)strcspn(value, " ") : 11,
              value ? value : "all_success");
  if ((value = field_of(text, " after="))) {
    tg_buf_puts(out, ",\"after\":");
    indexes_put(out, specs, value);
  }
  if ((value = field_of(text, " to="))) {
    tg_buf_puts(out, ",\"to\":");
    indexes_put(out, specs, value);
  }
  if ((value = field_of(text, " timeout="))) tg_buf_putf(out, ",\"timeout_ms\":%d", atoi(value));
  if ((value = field_of(text, " priority="))) tg_buf_putf(out, ",\"priority\":%d", atoi(value));
  const char *total = field_of(text, " total=");
  if ((value = field_of(text, " retry=")))
    tg_buf_putf(out,
                ",\"retry\":{\"attempts\":%d,\"backoff\":\"constant\",\"base_ms\":1000,"
                "\"cap_ms\":300000,\"factor\":2,\"jitter\":\"none\",\"total_ms\":%d,"
                "\"on\":[\"transient\",\"throttled\"]}",
                atoi(value), total ? atoi(total) : 0);
  tg_buf_putc(out, '}');
}

struct tg_plan *rig_plan(const char *limits, ...) {
  struct specs specs = {.count = 0};
  va_list args;
  va_start(args, limits);
  for (const char *text; (text = va_arg(args, const char *)); specs.count++) {
    specs.texts[specs.count] = text;
    snprintf(specs.names[specs.count], sizeof specs.names[0], "%.*s", (int)strcspn(text, " "),
             text);
  }
  va_end(args);
  struct tg_buf out;
  tg_buf_init(&out, TEXT_MAX);
  tg_buf_putf(&out, "{\"name\":\"p\",\"limits\":{%s},\"params\":[],\"tasks\":[",
              limits ? limits : "");
  for (size_t i = 0; i < specs.count; i++) task_put(&out, &specs, i);
  tg_buf_puts(&out, "]}");
  struct tg_plan *plan = NULL;
  struct tg_error err;
  if (tg_plan_parse(out.data, out.len, &plan, &err)) fail_msg("%s", err.text);
  tg_buf_deinit(&out);
  return plan;
}

// What is durable.

void rig_store_init(struct rig_store *store) {
  memset(store, 0, sizeof *store);
  tg_arena_init(&store->arena);
}

void rig_store_deinit(struct rig_store *store) {
  tg_arena_deinit(&store->arena);
}

static const char *keep(struct rig_store *store, const char *text) {
  return tg_arena_strdup(&store->arena, text);
}

static void run_put(struct rig_store *store, const struct tg_run *run) {
  assert_false(store->has_run && tg_run_state_is_terminal(store->run.state));
  store->has_run = true;
  store->run = *run;
  store->run.pipeline = keep(store, run->pipeline);
  store->run.bundle = keep(store, run->bundle);
  store->run.params = keep(store, run->params);
  store->run.trigger = keep(store, run->trigger);
  store->run.failure.text = keep(store, run->failure.text);
}

static void task_row_put(struct rig_store *store, const struct tg_task *task) {
  struct tg_task *row = &store->tasks[task->index];
  if (store->has_task[task->index] && tg_task_state_is_terminal(row->state))
    fail_msg("task %s was %s and is recorded as %s", row->name, tg_task_state_word(row->state),
             tg_task_state_word(task->state));
  *row = *task;
  row->name = keep(store, task->name);
  row->output = keep(store, task->output);
  row->chosen = keep(store, task->chosen);
  row->failure.text = keep(store, task->failure.text);
  store->has_task[task->index] = true;
}

static bool is_after(const struct tg_attempt *a, const struct tg_attempt *b) {
  return a->task != b->task ? a->task > b->task : a->number > b->number;
}

static void attempt_put(struct rig_store *store, const struct tg_attempt *attempt) {
  size_t at = 0;
  while (at < store->attempt_count && is_after(attempt, &store->attempts[at])) at++;
  struct tg_attempt *row = &store->attempts[at];
  if (at == store->attempt_count || is_after(row, attempt)) {
    assert_true(store->attempt_count < 1024);
    memmove(row + 1, row, (store->attempt_count++ - at) * sizeof *row);
  } else if (row->state != TG_ATTEMPT_RUNNING) {
    fail_msg("attempt %u of task %u ended twice", attempt->number, attempt->task);
  }
  *row = *attempt;
  row->failure.text = keep(store, attempt->failure.text);
  row->traceback = keep(store, attempt->traceback);
}

void rig_store_apply(struct rig_store *store, const struct tg_batch *batch) {
  for (size_t i = 0; i < batch->count; i++) {
    const struct tg_record *record = &batch->records[i];
    if (record->kind == TG_RECORD_RUN) run_put(store, &record->run);
    if (record->kind == TG_RECORD_TASK) task_row_put(store, &record->task);
    if (record->kind == TG_RECORD_ATTEMPT) attempt_put(store, &record->attempt);
  }
}

// When a start is right, by what is durable.

struct counts {
  uint32_t all, success, failed, skipped;
};

static bool may_start(enum tg_trigger_rule rule, struct counts n) {
  bool is_done = n.success + n.failed + n.skipped == n.all;
  if (!n.all) return true;
  switch (rule) {
  case TG_TRIGGER_ALL_SUCCESS:
    return n.success == n.all;
  case TG_TRIGGER_ALL_DONE:
    return is_done;
  case TG_TRIGGER_ALL_FAILED:
    return n.failed == n.all;
  case TG_TRIGGER_ALL_SKIPPED:
    return n.skipped == n.all;
  case TG_TRIGGER_ONE_SUCCESS:
    return n.success > 0;
  case TG_TRIGGER_ONE_FAILED:
    return n.failed > 0;
  case TG_TRIGGER_ONE_DONE:
    return n.success + n.failed > 0;
  case TG_TRIGGER_NONE_FAILED:
    return is_done && !n.failed;
  case TG_TRIGGER_NONE_FAILED_MIN_ONE_SUCCESS:
    return is_done && !n.failed && n.success;
  case TG_TRIGGER_NONE_SKIPPED:
    return is_done && !n.skipped;
  default:
    return true;
  }
}

static bool branch_allows(const struct rig *rig, uint32_t branch, const char *name) {
  const struct tg_task *row = &rig->store.tasks[branch];
  char quoted[64];
  if (!rig->store.has_task[branch] || !tg_task_state_is_terminal(row->state)) return false;
  snprintf(quoted, sizeof quoted, "\"%s\"", name);
  return row->state != TG_TASK_SUCCESS || strstr(row->chosen, quoted);
}

static void start_check(const struct rig *rig, uint32_t task) {
  const struct tg_plan_task *plan = &rig->plan->tasks[task];
  const struct rig_store *store = &rig->store;
  struct tg_graph_slice up = tg_graph_upstream(&rig->plan->graph, task);
  struct counts n = {.all = up.count};
  for (uint32_t i = 0; i < up.count; i++) {
    const struct tg_task *row = &store->tasks[up.nodes[i]];
    if (!store->has_task[up.nodes[i]] || !tg_task_state_is_terminal(row->state)) continue;
    if (row->state == TG_TASK_SUCCESS)
      n.success++;
    else if (row->state == TG_TASK_SKIPPED)
      n.skipped++;
    else
      n.failed++;
  }
  if (!store->has_run) fail_msg("%s starts before its run is durable", plan->name);
  if (store->has_task[task] && tg_task_state_is_terminal(store->tasks[task].state))
    fail_msg("%s starts again after it ended", plan->name);
  if (!may_start(plan->when, n)) fail_msg("%s starts before its upstreams let it", plan->name);
  for (uint32_t b = 0; b < rig->plan->count; b++)
    for (uint32_t i = 0; i < rig->plan->tasks[b].to_count; i++)
      if (rig->plan->tasks[b].to[i] == task && !branch_allows(rig, b, plan->name))
        fail_msg("%s starts although branch %s did not choose it", plan->name,
                 rig->plan->tasks[b].name);
}

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

static void started(struct rig *rig, const struct tg_effect *effect) {
  const char *name = rig->plan->tasks[effect->task].name;
  start_check(rig, effect->task);
  for (size_t i = 0; i < rig->attempt_count; i++)
    if (rig->attempts[i].task == effect->task && !rig->attempts[i].is_over)
      fail_msg("%s starts while it runs", name);
  assert_true(rig->attempt_count < 1024);
  rig->attempts[rig->attempt_count++] = (struct rig_attempt){.handle = effect->attempt,
                                                             .seed = effect->seed,
                                                             .task = effect->task,
                                                             .number = effect->number};
  rig->in_flight++;
  if (rig->in_flight > rig->in_flight_max) rig->in_flight_max = rig->in_flight;
  word(rig, "start:%s#%u", name, effect->number);
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
    attempt_find(rig, effect->attempt)->cancel_code = effect->code;
    word(rig, "cancel:%s=%s", rig->plan->tasks[effect->task].name, tg_code_word(effect->code));
    break;
  case TG_EFFECT_TASK:
    if (run->tasks[effect->task].state == TG_TASK_RUNNING) break;
    word(rig, "%s=%s", rig->plan->tasks[effect->task].name,
         tg_task_state_word(run->tasks[effect->task].state));
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

void rig_run_carrying(struct rig *rig, const struct tg_task *tasks, size_t count) {
  struct tg_run run = {.id = {.bytes = {1, 2, 3}},
                       .pipeline = "p",
                       .bundle = "b",
                       .params = "{\"region\":\"EU\"}",
                       .trigger = "manual",
                       .logical_at = rig->now.wall_ms};
  step(rig, &(struct tg_input){
                .kind = TG_INPUT_RUN,
                .run = {.run = &run, .plan = rig->plan, .carried = tasks, .carried_count = count}});
}

void rig_run(struct rig *rig) {
  rig_run_carrying(rig, NULL, 0);
}

void rig_resume(struct rig *rig, const struct rig_store *store) {
  struct tg_task tasks[64];
  size_t count = 0;
  for (uint32_t i = 0; i < rig->plan->count; i++)
    if (store->has_task[i]) tasks[count++] = store->tasks[i];
  assert_true(store->has_run);
  // The rig's own store is what the earlier host left.
  run_put(&rig->store, &store->run);
  for (size_t i = 0; i < count; i++) task_row_put(&rig->store, &tasks[i]);
  for (size_t i = 0; i < store->attempt_count; i++) attempt_put(&rig->store, &store->attempts[i]);
  step(rig, &(struct tg_input){.kind = TG_INPUT_RESUME,
                               .resume = {.run = &store->run,
                                          .plan = rig->plan,
                                          .tasks = tasks,
                                          .task_count = count,
                                          .attempts = store->attempts,
                                          .attempt_count = store->attempt_count}});
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

const struct rig_attempt *rig_attempt_of(const struct rig *rig, const char *task) {
  for (size_t i = rig->attempt_count; i-- > 0;) {
    const struct rig_attempt *attempt = &rig->attempts[i];
    if (!attempt->is_over && strcmp(rig->plan->tasks[attempt->task].name, task) == 0)
      return attempt;
  }
  fail_msg("task %s does not run", task);
  return NULL;
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

void rig_drain(struct rig *rig) {
  step(rig, &(struct tg_input){.kind = TG_INPUT_DRAIN});
}

void rig_expect_at(struct rig *rig, const char *words, const char *file, int line) {
  if (strcmp(tg_buf_text(&rig->trace), words) != 0)
    fail_msg("%s:%d\n  expected: %s\n       got: %s", file, line, words, tg_buf_text(&rig->trace));
  tg_buf_clear(&rig->trace);
}
