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

int rig_pool_slots = 4;

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

static void member_put(struct tg_buf *out, const char *text, const char *field, const char *name) {
  const char *value = field_of(text, field);
  if (value)
    tg_buf_putf(out, "%s\"%s\":%.*s", out->data[out->len - 1] == '{' ? "" : ",", name,
                (int)strcspn(value, " "), value);
}

static void flag_put(struct tg_buf *out, const char *text, const char *field, const char *name) {
  if (field_of(text, field)) tg_buf_putf(out, ",\"%s\":true", name);
}

static void map_put(struct tg_buf *out, const struct specs *specs, const char *text) {
  const char *over = field_of(text, " over=");
  tg_buf_puts(out, ",\"map\":{");
  member_put(out, text, " limit=", "limit");
  member_put(out, text, " per_key=", "limit_per_key");
  member_put(out, text, " fail_after=", "fail_after");
  member_put(out, text, " share=", "fail_share");
  member_put(out, text, " items_max=", "items_max");
  if (over)
    tg_buf_putf(out, "%s\"over\":%zu", out->data[out->len - 1] == '{' ? "" : ",",
                index_of(specs, over, strcspn(over, " ")));
  if (field_of(text, " depth=1"))
    tg_buf_putf(out, "%s\"order\":\"depth\"", out->data[out->len - 1] == '{' ? "" : ",");
  tg_buf_putc(out, '}');
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
                "\"on\":[\"transient\",\"throttled\"]%s}",
                atoi(value), total ? atoi(total) : 0,
                field_of(text, " decide=1") ? ",\"decide\":\"again\"" : "");
  flag_put(out, text, " setup=1", "setup");
  flag_put(out, text, " teardown=1", "teardown");
  flag_put(out, text, " fallback=1", "fallback");
  if ((value = field_of(text, " spare=")))
    tg_buf_putf(out, ",\"fallback\":%zu", index_of(specs, value, strcspn(value, " ")));
  if (field_of(text, " map=1")) map_put(out, specs, text);
  if ((value = field_of(text, " w="))) tg_buf_putf(out, ",\"pool\":{\"w\":%d}", atoi(value));
  if ((value = field_of(text, " resource=")))
    tg_buf_putf(out, ",\"resource\":\"%.*s\"", (int)strcspn(value, " "), value);
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
  tg_buf_putf(&out,
              "{\"name\":\"p\",\"limits\":{%s},\"pools\":{\"w\":%d},\"params\":[],"
              "\"tasks\":[",
              limits ? limits : "", rig_pool_slots);
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
  if (a->task != b->task) return a->task > b->task;
  return a->item != b->item ? a->item > b->item : a->number > b->number;
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
  row->stop = keep(store, attempt->stop);
  row->traceback = keep(store, attempt->traceback);
}

static void map_items_put(struct rig_store *store, const struct tg_map_items *map) {
  assert_true(store->map_count < sizeof store->maps / sizeof *store->maps);
  for (size_t i = 0; i < store->map_count; i++)
    if (store->maps[i].task == map->task) fail_msg("map %u is expanded twice", map->task);
  struct tg_map_items *row = &store->maps[store->map_count++];
  *row = *map;
  row->items = keep(store, map->items);
  row->keys = keep(store, map->keys);
}

static void item_put(struct rig_store *store, const struct tg_item *item) {
  assert_true(store->item_count < sizeof store->items / sizeof *store->items);
  if (rig_store_item(store, item->task, item->index))
    fail_msg("item %u of task %u ended twice", item->index, item->task);
  struct tg_item *row = &store->items[store->item_count++];
  *row = *item;
  row->output = keep(store, item->output);
  row->failure.text = keep(store, item->failure.text);
}

static void step_put(struct rig_store *store, const struct tg_step *step) {
  size_t at = 0;
  while (at < store->step_count &&
         (store->steps[at].task != step->task || store->steps[at].item != step->item ||
          store->steps[at].position != step->position))
    at++;
  struct tg_step *row = &store->steps[at];
  assert_true(at < sizeof store->steps / sizeof *store->steps);
  if (at < store->step_count && (row->result || !step->result))
    fail_msg("step %u (%s) of task %u, item %u is recorded again", step->position, step->name,
             step->task, step->item);
  // An end changes what it says and no more.
  if (at == store->step_count) {
    store->step_count++;
    *row = *step;
    row->name = keep(store, step->name);
    row->wait = keep(store, step->wait);
  }
  row->result = keep(store, step->result);
  row->ended_at = step->ended_at;
  row->event = step->event;
}

static void resource_put(struct rig_store *store, const struct tg_resource *resource) {
  size_t at = 0;
  while (at < store->resource_count && strcmp(store->resources[at].name, resource->name) != 0) at++;
  assert_true(at < sizeof store->resources / sizeof *store->resources);
  if (at == store->resource_count) store->resource_count++;
  store->resources[at] = *resource;
  store->resources[at].name = keep(store, resource->name);
  store->resources[at].phase = keep(store, resource->phase);
  store->resources[at].reason = keep(store, resource->reason);
  store->resources[at].breaker = keep(store, resource->breaker);
  store->resources[at].budget = keep(store, resource->budget);
}

const struct tg_item *rig_store_item(const struct rig_store *store, uint32_t task, uint32_t item) {
  for (size_t i = 0; i < store->item_count; i++)
    if (store->items[i].task == task && store->items[i].index == item) return &store->items[i];
  return NULL;
}

void rig_store_apply(struct rig_store *store, const struct tg_batch *batch) {
  for (size_t i = 0; i < batch->count; i++) {
    const struct tg_record *record = &batch->records[i];
    if (record->kind == TG_RECORD_RUN) run_put(store, &record->run);
    if (record->kind == TG_RECORD_TASK) task_row_put(store, &record->task);
    if (record->kind == TG_RECORD_ATTEMPT) attempt_put(store, &record->attempt);
    if (record->kind == TG_RECORD_MAP_ITEMS) map_items_put(store, &record->map_items);
    if (record->kind == TG_RECORD_ITEM) item_put(store, &record->item);
    if (record->kind == TG_RECORD_STEP) step_put(store, &record->step);
    if (record->kind == TG_RECORD_RESOURCE) resource_put(store, &record->resource);
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

// An item starts once what it is made of is durable, and not after it ended.
static void item_start_check(const struct rig *rig, uint32_t task, uint32_t item) {
  const char *name = rig->plan->tasks[task].name;
  const struct tg_plan_map *plan = rig->plan->tasks[task].map;
  const struct tg_item *before;
  size_t at = 0;
  while (at < rig->store.map_count && rig->store.maps[at].task != task) at++;
  if (at == rig->store.map_count || item >= rig->store.maps[at].count)
    fail_msg("item %u of %s starts before it is durable", item, name);
  if (rig_store_item(&rig->store, task, item)) fail_msg("item %u of %s starts again", item, name);
  if (plan->over == TG_NO_TASK) return;
  before = rig_store_item(&rig->store, plan->over, item);
  if (!before || before->state != TG_TASK_SUCCESS)
    fail_msg("item %u of %s starts before the one it follows has succeeded", item, name);
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
    start_check(rig, t->task);
  else
    item_start_check(rig, t->task, t->item);
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
  run_put(&rig->store, &store->run);
  for (size_t i = 0; i < count; i++) task_row_put(&rig->store, &tasks[i]);
  for (size_t i = 0; i < store->attempt_count; i++) attempt_put(&rig->store, &store->attempts[i]);
  for (size_t i = 0; i < store->map_count; i++) map_items_put(&rig->store, &store->maps[i]);
  for (size_t i = 0; i < store->item_count; i++) item_put(&rig->store, &store->items[i]);
  for (size_t i = 0; i < store->step_count; i++) step_put(&rig->store, &store->steps[i]);
  for (size_t i = 0; i < store->resource_count; i++)
    resource_put(&rig->store, &store->resources[i]);
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
