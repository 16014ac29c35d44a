// SPDX-License-Identifier: Apache-2.0
// Deciding: attempts, maps and runs end, and what follows is recorded.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "engine/engine_parts.h"
#include "engine/facts.h"
#include "model/json.h"

// --- Attempts ---

// After the last failure comes the fallback, if there is one: the task's own function, or another
// task, which is let go when the failure is durable.
static void last_resort_decide(struct tg_engine *engine, struct tg_live_run *run, uint32_t unit,
                               struct tg_attempt *attempt) {
  struct tg_live_task *t = &run->tasks[unit];
  const struct tg_plan_task *plan = tg_live_plan(run, unit);
  struct tg_live_notes *notes = tg_engine_note(engine, t);
  bool has_one = plan->has_fallback || plan->fallback != TG_NO_TASK;
  if (!has_one || t->is_fallback || !notes) return;
  attempt->is_fallback_next = true;
  if (plan->has_fallback) attempt->retry_at = engine->now.wall_ms;
  notes->worker_losses = 0;
}

// Says what follows a failure; false when a policy has to be asked first.
static bool failed_decide(struct tg_engine *engine, struct tg_live_run *run, uint32_t unit,
                          struct tg_record *record, const struct tg_error *err, bool is_bystander) {
  struct tg_attempt *attempt = &record->attempt;
  struct tg_live_task *t = &run->tasks[unit];
  const struct tg_plan_task *plan = tg_live_plan(run, unit);
  attempt->failure = (struct tg_failure){.code = err->code, .class = err->class, .text = err->text};
  attempt->state = TG_ATTEMPT_FAILED;
  struct tg_live_notes *notes = tg_engine_note(engine, t);
  if (!notes) return true;
  if (err->class != TG_CLASS_LOST) notes->worker_losses = 0;
  if (tg_live_is_cut(run, unit)) {
    attempt->state = TG_ATTEMPT_CANCELLED;
    return true;
  }
  if (err->class == TG_CLASS_LOST && !is_bystander) notes->worker_losses++;
  if (err->class == TG_CLASS_LOST && notes->worker_losses < TG_LOST_ATTEMPTS_MAX) {
    attempt->state = TG_ATTEMPT_LOST;
    return true;
  }
  if (t->is_fallback) return true; // there is nothing after the last resort
  int64_t elapsed = engine->now.wall_ms - tg_live_first_started_at(t);
  struct tg_retry_decision retry =
      tg_retry_decide(plan->retry, t->attempts - notes->lost, err->class, attempt->seed,
                      err->retry_after_ms, elapsed > 0 ? elapsed : 0);
  if (retry.stop == TG_RETRY_STOP_NOT && plan->retry_decide) {
    tg_engine_retry_ask(engine, run, unit, record, retry.delay_ms, err->retry_after_ms);
    return false;
  }
  if (retry.stop == TG_RETRY_STOP_NOT)
    tg_engine_retry_decide(engine, run, unit, attempt, retry.delay_ms);
  return true;
}

static enum tg_task_state state_after(const struct tg_attempt *attempt) {
  switch (attempt->state) {
  case TG_ATTEMPT_SUCCESS:
    return TG_TASK_SUCCESS;
  case TG_ATTEMPT_CANCELLED:
    return TG_TASK_CANCELLED;
  case TG_ATTEMPT_FAILED:
    return attempt->retry_at || attempt->is_fallback_next ? TG_TASK_WAITING : TG_TASK_FAILED;
  default:
    return TG_TASK_READY;
  }
}

// A few that end together are told together; when no more than these are left, each is waited for.
enum { AWAITED_MAX = 64 };

static bool is_awaited_by(const struct tg_live_run *run, uint32_t task, uint32_t waiting) {
  const struct tg_plan_task *plan = &run->plan->tasks[waiting];
  const struct tg_live_task *t = &run->tasks[waiting];
  bool needs_all = plan->when == TG_TRIGGER_ALL_SUCCESS || plan->when == TG_TRIGGER_ALL_DONE;
  uint32_t upstream = tg_graph_upstream(&run->plan->graph, waiting).count;
  bool is_chain = plan->map && plan->map->over == task;
  return !needs_all || is_chain || upstream - t->success - t->failed - t->skipped <= AWAITED_MAX;
}

// Says whether something may start when it is durable that a unit has succeeded. Where a single end
// among many makes no difference, it need not have a commit of its own.
static bool is_awaited(const struct tg_live_run *run, uint32_t unit) {
  const struct tg_live_task *t = &run->tasks[unit];
  const struct tg_plan_task *plan = tg_live_plan(run, unit);
  const struct tg_live_map *map = run->tasks[t->task].map;
  struct tg_graph_slice down = tg_graph_downstream(&run->plan->graph, t->task);
  bool is_item = t->item != TG_NO_ITEM;
  if (is_item && (plan->map->limit || plan->map->limit_per_key)) return true;
  if (is_item && map->count - map->done <= AWAITED_MAX) return true;
  if (!is_item && (run->open <= AWAITED_MAX || plan->to_count)) return true;
  if (plan->fallback_of != TG_NO_TASK) return true;
  for (uint32_t i = 0; i < down.count; i++) {
    const struct tg_plan_map *next = run->plan->tasks[down.nodes[i]].map;
    bool is_followed =
        is_item ? next && next->over == t->task : is_awaited_by(run, t->task, down.nodes[i]);
    if (is_followed) return true;
  }
  return false;
}

typedef void recorder(struct tg_engine *engine, const struct tg_record *record);

static recorder *recorder_of(const struct tg_live_run *run, uint32_t unit,
                             enum tg_task_state state) {
  bool may_wait = state == TG_TASK_SUCCESS && !is_awaited(run, unit);
  return may_wait ? tg_engine_record_later : tg_engine_record;
}

// An item that succeeds at its first try needs no record of the try besides that of its end.
static void item_record(struct tg_engine *engine, struct tg_live_run *run, uint32_t unit,
                        struct tg_record *attempt, const char *result) {
  const struct tg_live_task *t = &run->tasks[unit];
  enum tg_task_state state = state_after(&attempt->attempt);
  recorder *put = recorder_of(run, unit, state);
  if (state != TG_TASK_SUCCESS || t->attempts > 1 || t->is_recorded) put(engine, attempt);
  if (!tg_task_state_is_terminal(state)) return;
  struct tg_record record = {.kind = TG_RECORD_ITEM,
                             .item = {.run = run->run.number,
                                      .task = t->task,
                                      .index = t->item,
                                      .state = state,
                                      .attempts = t->attempts,
                                      .started_at = tg_live_first_started_at(t),
                                      .ended_at = engine->now.wall_ms,
                                      .output = result && *result ? result : NULL,
                                      .failure = attempt->attempt.failure}};
  if (state == TG_TASK_CANCELLED) record.item.failure = tg_engine_cancel_reason(run);
  put(engine, &record);
}

static void task_record(struct tg_engine *engine, struct tg_live_run *run, uint32_t task,
                        struct tg_record *attempt, const char *result, const char *chosen) {
  enum tg_task_state state = state_after(&attempt->attempt);
  recorder *put = recorder_of(run, task, state);
  put(engine, attempt);
  if (!tg_task_state_is_terminal(state)) return;
  struct tg_record record = tg_engine_task_record(run, task, state, engine->now.wall_ms);
  record.task.output = result && *result ? result : NULL;
  record.task.chosen = chosen;
  record.task.failure =
      state == TG_TASK_CANCELLED ? tg_engine_cancel_reason(run) : attempt->attempt.failure;
  put(engine, &record);
}

// Reads the items that a map's script gave: {"items": [...], "keys": [...]}.
static int items_read(const struct tg_plan_task *task, const char *result, json_t **document,
                      struct tg_error *err) {
  if (!result) result = "";
  int code = tg_json_read(result, strlen(result), 0, document, NULL);
  if (code == TG_ENOMEM) return tg_error_set(err, code, "no memory for the items of a map");
  const json_t *items = json_object_get(*document, "items");
  const json_t *keys = json_object_get(*document, "keys");
  size_t count = json_array_size(items);
  if (!json_is_array(items) || (keys && json_array_size(keys) != count))
    return tg_error_set(err, TG_EPROTOCOL, "map %s gave no list of items", task->name);
  if (count <= task->map->items_max) return TG_OK;
  return tg_error_set(err, TG_ELIMIT, "map %s has %zu items and may have %u; items_max raises it",
                      task->name, count, task->map->items_max);
}

static void expanded_record(struct tg_engine *engine, struct tg_live_run *run, uint32_t task,
                            json_t *document) {
  json_t *items = json_object_get(document, "items"), *keys = json_object_get(document, "keys");
  char *items_text = json_dumps(items, JSON_COMPACT);
  char *keys_text = keys ? json_dumps(keys, JSON_COMPACT) : NULL;
  struct tg_record record = {.kind = TG_RECORD_MAP_ITEMS,
                             .map_items = {.run = run->run.number,
                                           .task = task,
                                           .count = (uint32_t)json_array_size(items),
                                           .items = items_text,
                                           .keys = keys_text}};
  if (items_text && (!keys || keys_text))
    tg_engine_record(engine, &record);
  else
    tg_engine_fail(engine, TG_ENOMEM, "out of memory");
  free(items_text);
  free(keys_text);
}

void tg_engine_failed_record(struct tg_engine *engine, struct tg_live_run *run, uint32_t unit,
                             struct tg_record *record) {
  struct tg_attempt *attempt = &record->attempt;
  bool is_last = attempt->state == TG_ATTEMPT_FAILED && !attempt->retry_at;
  if (is_last) last_resort_decide(engine, run, unit, attempt);
  if (run->tasks[unit].item != TG_NO_ITEM)
    item_record(engine, run, unit, record, NULL);
  else
    task_record(engine, run, unit, record, NULL, NULL);
}

static void end_decide(struct tg_engine *engine, struct tg_live_run *run, uint32_t unit,
                       const struct tg_outcome *outcome) {
  const struct tg_live_task *t = &run->tasks[unit];
  const struct tg_plan_task *plan = tg_live_plan(run, unit);
  bool is_expansion = plan->map && t->item == TG_NO_ITEM && !t->is_fallback;
  struct tg_batch *batch = tg_engine_batch(engine);
  if (!batch) return;
  struct tg_error err = outcome->err;
  struct tg_record record = tg_engine_attempt_record(run, unit, TG_ATTEMPT_SUCCESS);
  struct tg_attempt *attempt = &record.attempt;
  attempt->worker = outcome->worker;
  attempt->ended_at = engine->now.wall_ms;
  attempt->traceback = outcome->traceback && *outcome->traceback ? outcome->traceback : NULL;
  if (err.code) attempt->state = TG_ATTEMPT_FAILED;
  const char *chosen = NULL;
  json_t *items = NULL;
  int code =
      tg_facts_record(run->plan, run->run.partition, attempt, outcome->facts, batch, &chosen, &err);
  if (is_expansion && !err.code) code = items_read(plan, outcome->result, &items, &err);
  // Its own want of memory is none of the attempt's.
  if (code == TG_ENOMEM) tg_engine_fail(engine, code, err.text);
  const char *result = err.code ? NULL : outcome->result;
  if (err.code) {
    if (failed_decide(engine, run, unit, &record, &err, outcome->is_bystander))
      tg_engine_failed_record(engine, run, unit, &record);
  } else if (is_expansion) {
    tg_engine_record(engine, &record);
    expanded_record(engine, run, unit, items);
  } else if (t->item != TG_NO_ITEM) {
    item_record(engine, run, unit, &record, result);
  } else {
    task_record(engine, run, unit, &record, result, chosen);
  }
  json_decref(items);
}

void tg_engine_give_up(struct tg_engine *engine, struct tg_live_run *run, uint32_t unit,
                       const struct tg_error *err) {
  struct tg_live_task *t = &run->tasks[unit];
  if (!t->started_at) t->started_at = tg_live_notes(t)->held_at;
  t->attempts++;
  t->is_deciding = true;
  struct tg_record record = tg_engine_attempt_record(run, unit, TG_ATTEMPT_FAILED);
  struct tg_attempt *attempt = &record.attempt;
  attempt->started_at = tg_live_notes(t)->held_at;
  attempt->ended_at = engine->now.wall_ms;
  attempt->failure = (struct tg_failure){.code = err->code, .class = err->class, .text = err->text};
  t->is_held = false;
  tg_engine_failed_record(engine, run, unit, &record);
}

// An attempt that was ended to sleep is no attempt that ended: the unit waits to be woken.
static void parked(struct tg_engine *engine, struct tg_live_run *run, uint32_t unit) {
  struct tg_live_task *t = &run->tasks[unit];
  t->state = TG_TASK_WAITING;
  tg_engine_retry_arm(engine, run, unit);
  tg_engine_tell(engine, run, unit);
}

void tg_engine_result(struct tg_engine *engine, uint64_t handle, const struct tg_outcome *outcome) {
  struct tg_flight *flight = tg_map_remove_number(&engine->flights, handle);
  if (!flight) return; // it was ended before; what it says now changes nothing
  struct tg_live_run *run = flight->run;
  uint32_t unit = flight->unit;
  uint64_t ticket = flight->ticket;
  tg_flight_free(flight);
  struct tg_live_task *t = &run->tasks[unit];
  if (t->state != TG_TASK_RUNNING || t->attempt != handle || t->is_deciding) {
    tg_engine_fail(engine, TG_EBUG, "an attempt ended that its task does not know");
    return;
  }
  tg_engine_steps_forget(engine, handle);
  t->attempt = 0;
  if (!t->is_idle) {
    run->running--;
    engine->running--;
  }
  tg_engine_guard_report(engine, run, unit, ticket, &outcome->err);
  if (t->is_parked && !tg_live_is_cut(run, unit)) {
    parked(engine, run, unit);
    return;
  }
  if (t->is_parked) tg_engine_wait_forget(engine, run, unit);
  t->is_parked = false;
  t->is_deciding = true;
  end_decide(engine, run, unit, outcome);
  t->is_held = false;
}

// --- Tasks that are settled without running, and maps ---

// A task that another stood in for has the other's output, or still its own failure.
static void fallen_fill(const struct tg_live_run *run, uint32_t task, struct tg_task *record) {
  if (record->state == TG_TASK_SUCCESS)
    record->output = run->tasks[run->plan->tasks[task].fallback].output;
  else
    record->failure = record->state == TG_TASK_CANCELLED
                          ? tg_engine_cancel_reason(run)
                          : tg_live_notes(&run->tasks[task])->failure;
}

void tg_engine_settled_record(struct tg_engine *engine, struct tg_live_run *run) {
  for (uint32_t i = 0; i < run->settled_count; i++) {
    uint32_t task = run->settled[i];
    // In recovery its own record may have come after that of the upstream that settled it.
    if (tg_task_state_is_terminal((enum tg_task_state)run->tasks[task].state)) continue;
    struct tg_record record =
        tg_engine_task_record(run, task, tg_live_settled_state(run, task), engine->now.wall_ms);
    if (tg_live_has_fallen(run, task)) fallen_fill(run, task, &record.task);
    tg_engine_record(engine, &record);
  }
  run->settled_count = 0;
}

static struct tg_failure map_failure(const struct tg_live_run *run, uint32_t task, char *text,
                                     size_t size) {
  const struct tg_live_map *map = run->tasks[task].map;
  for (uint32_t i = 0; i < map->count; i++) {
    const struct tg_live_task *item = &run->tasks[map->first + i];
    if (item->state != TG_TASK_FAILED && item->state != TG_TASK_CANCELLED) continue;
    struct tg_failure failure = tg_live_notes(item)->failure;
    snprintf(text, size, "%u of %u items failed; %s[%u]: %s", map->failed, map->count,
             run->plan->tasks[task].name, i,
             failure.text ? failure.text : tg_code_text(failure.code));
    failure.text = text;
    return failure;
  }
  return (struct tg_failure){0};
}

static void map_record(struct tg_engine *engine, struct tg_live_run *run, uint32_t task) {
  char text[TG_ERROR_TEXT_MAX];
  struct tg_buf output;
  enum tg_task_state state = tg_live_map_state(run, task);
  struct tg_record record = tg_engine_task_record(run, task, state, engine->now.wall_ms);
  tg_buf_init(&output, (size_t)TG_RESULT_BYTES_MAX);
  if (state == TG_TASK_SUCCESS) tg_live_map_put_output(run, task, &output);
  if (state == TG_TASK_FAILED) record.task.failure = map_failure(run, task, text, sizeof text);
  if (state == TG_TASK_CANCELLED) record.task.failure = tg_engine_cancel_reason(run);
  if (output.is_out_of_memory) {
    tg_engine_fail(engine, TG_ENOMEM, "no memory for the outputs of a map");
  } else if (output.is_failed) {
    snprintf(text, sizeof text, "the outputs of its items have more than %lld bytes together",
             (long long)TG_RESULT_BYTES_MAX);
    record.task.state = TG_TASK_FAILED;
    record.task.failure =
        (struct tg_failure){.code = TG_ELIMIT, .class = TG_CLASS_PERMANENT, .text = text};
  } else if (state == TG_TASK_SUCCESS) {
    record.task.output = tg_buf_text(&output);
  }
  run->tasks[task].is_deciding = true;
  tg_engine_record(engine, &record);
  tg_buf_deinit(&output);
}

void tg_engine_maps_end(struct tg_engine *engine, struct tg_live_run *run) {
  if (!run->map_count) return;
  for (uint32_t i = 0; i < run->plan->count; i++) {
    struct tg_live_task *t = &run->tasks[i];
    if (!t->map || t->state != TG_TASK_RUNNING || t->is_deciding) continue;
    if (t->map->told != t->map->done) {
      t->map->told = t->map->done;
      tg_engine_effect(engine,
                       &(struct tg_effect){.kind = TG_EFFECT_PROGRESS, .run = run, .unit = i});
    }
    if (tg_live_map_is_over(run, i)) map_record(engine, run, i);
  }
}

// --- Runs ---

static bool is_told_alone(int code) {
  return code == TG_ECONTRACT || code == TG_ETIMEOUT;
}

// Says why a run failed: with the contract class or the timeout code only if every failed task has
// it, for that is what the exit code tells.
static struct tg_failure run_failure(const struct tg_live_run *run, char *text, size_t size) {
  struct tg_failure failure = {0};
  bool is_mixed = false;
  for (uint32_t i = 0; i < run->plan->count; i++) {
    const struct tg_live_task *t = &run->tasks[i];
    if (t->state != TG_TASK_FAILED && !(t->is_cut && t->state == TG_TASK_CANCELLED)) continue;
    const struct tg_failure *own = &tg_live_notes(t)->failure;
    bool is_first = failure.code == TG_OK;
    is_mixed |= !is_first && failure.code != own->code;
    bool is_better = is_told_alone(failure.code) && !is_told_alone(own->code);
    if (!is_first && !is_better) continue;
    failure = *own;
    snprintf(text, size, "%s: %s", run->plan->tasks[i].name,
             own->text ? own->text : tg_code_text(own->code));
    failure.text = text;
  }
  if (is_mixed && is_told_alone(failure.code)) {
    failure.code = TG_ESCRIPT;
    failure.class = tg_code_class(TG_ESCRIPT);
  }
  return failure;
}

void tg_engine_run_end(struct tg_engine *engine, struct tg_live_run *run) {
  if (run->open || run->is_ending) return;
  char text[TG_ERROR_TEXT_MAX];
  struct tg_record record = {.kind = TG_RECORD_RUN, .run = run->run};
  struct tg_failure failure = run_failure(run, text, sizeof text);
  if (run->stopped.code) failure = run->stopped;
  record.run.state = run->stopped.code == TG_ECANCELLED ? TG_RUN_CANCELLED
                     : failure.code                     ? TG_RUN_FAILED
                                                        : TG_RUN_SUCCESS;
  record.run.failure = failure;
  record.run.ended_at = engine->now.wall_ms;
  run->is_ending = true;
  tg_engine_record(engine, &record);
}
