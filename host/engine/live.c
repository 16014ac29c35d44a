// SPDX-License-Identifier: Apache-2.0
#include "engine/live.h"

#include <stdlib.h>
#include <string.h>

#include "engine/live_map.h"
#include "model/json.h"

static void run_own(struct tg_live_run *live, const struct tg_run *run) {
  live->run = *run;
  live->run.pipeline = tg_arena_strdup(&live->arena, run->pipeline);
  live->run.bundle = tg_arena_strdup(&live->arena, run->bundle);
  live->run.params = tg_arena_strdup(&live->arena, run->params);
  live->run.occurrence = tg_arena_strdup(&live->arena, run->occurrence);
  live->run.partition = tg_arena_strdup(&live->arena, run->partition);
  live->run.trigger = tg_arena_strdup(&live->arena, run->trigger);
  live->run.rerun_of = tg_arena_strdup(&live->arena, run->rerun_of);
  live->run.parent = tg_arena_strdup(&live->arena, run->parent);
  live->run.child_key = tg_arena_strdup(&live->arena, run->child_key);
  live->run.backfill = tg_arena_strdup(&live->arena, run->backfill);
  live->run.failure.text = tg_arena_strdup(&live->arena, run->failure.text);
}

// A task's own priority goes before the length of the path that hangs on it.
static void priorities_set(struct tg_live_run *live) {
  const struct tg_plan *plan = live->plan;
  tg_graph_tails(&plan->graph, NULL, live->priorities);
  for (uint32_t i = 0; i < plan->count; i++)
    live->priorities[i] += (int64_t)plan->tasks[i].priority * INT64_C(0x100000000);
}

// A branch that names a task twice is counted twice, here and when it ends.
static void branches_count(struct tg_live_run *live) {
  for (uint32_t i = 0; i < live->plan->count; i++) {
    const struct tg_plan_task *task = &live->plan->tasks[i];
    for (uint32_t t = 0; t < task->to_count; t++) live->tasks[task->to[t]].branches++;
    if (task->fallback != TG_NO_TASK) live->tasks[task->fallback].branches++;
  }
}

const struct tg_plan_task *tg_live_plan(const struct tg_live_run *live, uint32_t unit) {
  return &live->plan->tasks[live->tasks[unit].task];
}

const struct tg_live_notes *tg_live_notes(const struct tg_live_task *t) {
  static const struct tg_live_notes none;
  return t->notes ? t->notes : &none;
}

struct tg_live_notes *tg_live_note(struct tg_live_task *t) {
  if (!t->notes) t->notes = calloc(1, sizeof *t->notes);
  return t->notes;
}

static void notes_free(struct tg_live_notes *notes) {
  if (!notes) return;
  free((char *)notes->failure.text);
  free(notes->steps);
  free(notes);
}

int64_t tg_live_first_started_at(const struct tg_live_task *t) {
  int64_t first = tg_live_notes(t)->first_started_at;
  return first ? first : t->started_at;
}

uint32_t tg_live_held_count(const struct tg_plan *plan) {
  return plan->pool_count + plan->resource_count;
}

uint32_t tg_live_unit(const struct tg_live_run *live, uint32_t task, uint32_t item) {
  if (task >= live->plan->count) return UINT32_MAX;
  if (item == TG_NO_ITEM) return task;
  const struct tg_live_map *map = live->tasks[task].map;
  return map && item < map->count ? map->first + item : UINT32_MAX;
}

// A map in a chain that goes depth first does not wait for the end of the map before it, unless it
// is to tear down.
static bool has_begun(const struct tg_live_run *live, uint32_t task) {
  const struct tg_plan_map *map = live->plan->tasks[task].map;
  if (!map || !map->is_depth || map->over == TG_NO_TASK) return false;
  if (live->plan->tasks[task].is_teardown) return false;
  const struct tg_live_task *before = &live->tasks[map->over];
  return before->map && !tg_task_state_is_terminal((enum tg_task_state)before->state);
}

// A map over another one waits for it whatever its rule says, since that one has its items.
static bool waits_for_items(const struct tg_live_run *live, uint32_t task) {
  const struct tg_plan_map *map = live->plan->tasks[task].map;
  return map && map->over != TG_NO_TASK &&
         !tg_task_state_is_terminal((enum tg_task_state)live->tasks[map->over].state);
}

static struct tg_trigger_counts counts_of(const struct tg_live_run *live, uint32_t task) {
  const struct tg_live_task *t = &live->tasks[task];
  return (struct tg_trigger_counts){
      .upstream = tg_graph_upstream(&live->plan->graph, task).count,
      .success = t->success,
      .failed = t->failed,
      .skipped = t->skipped,
  };
}

// A teardown follows its rule once all that it waits for is over, unless there was nothing to tear
// down: none of its setups has succeeded.
static enum tg_trigger_verdict teardown_judge(const struct tg_live_run *live, uint32_t task,
                                              const struct tg_trigger_counts *counts) {
  if (counts->success + counts->failed + counts->skipped < counts->upstream) return TG_TRIGGER_WAIT;
  struct tg_graph_slice up = tg_graph_upstream(&live->plan->graph, task);
  uint32_t setups = 0, successes = 0;
  for (uint32_t i = 0; i < up.count; i++) {
    if (!live->plan->tasks[up.nodes[i]].is_setup) continue;
    setups++;
    successes += live->tasks[up.nodes[i]].state == TG_TASK_SUCCESS;
  }
  if (setups && !successes) return TG_TRIGGER_SKIP;
  return tg_trigger_judge(live->plan->tasks[task].when, counts);
}

// In depth a map may begin if its rule would let it after a success of the map before; that it is
// not to run is only said when that one has ended.
static enum tg_trigger_verdict early_judge(const struct tg_live_run *live, uint32_t task) {
  struct tg_trigger_counts counts = counts_of(live, task);
  if (!has_begun(live, task)) return TG_TRIGGER_WAIT;
  counts.success++;
  bool may_begin = tg_trigger_judge(live->plan->tasks[task].when, &counts) == TG_TRIGGER_READY;
  return may_begin ? TG_TRIGGER_READY : TG_TRIGGER_WAIT;
}

enum tg_trigger_verdict tg_live_judge(const struct tg_live_run *live, uint32_t task) {
  if (live->tasks[task].is_unchosen) return TG_TRIGGER_SKIP;
  if (live->tasks[task].branches) return TG_TRIGGER_WAIT;
  if (waits_for_items(live, task)) return early_judge(live, task);
  struct tg_trigger_counts counts = counts_of(live, task);
  if (live->plan->tasks[task].is_teardown) return teardown_judge(live, task, &counts);
  return tg_trigger_judge(live->plan->tasks[task].when, &counts);
}

int tg_live_make_ready(struct tg_live_run *live, uint32_t unit) {
  struct tg_live_task *t = &live->tasks[unit];
  t->state = TG_TASK_READY;
  if (t->notes) t->notes->retry_at = 0;
  return tg_ready_push(&live->ready, unit, live->priorities[t->task], NULL);
}

// Lets a waiting task follow its trigger rule.
static int task_consider(struct tg_live_run *live, uint32_t task) {
  struct tg_live_task *t = &live->tasks[task];
  if (t->state != TG_TASK_WAITING || t->attempts) return TG_OK;
  switch (tg_live_judge(live, task)) {
  case TG_TRIGGER_WAIT:
    return TG_OK;
  case TG_TRIGGER_READY:
    return tg_live_make_ready(live, task);
  case TG_TRIGGER_SKIP:
  case TG_TRIGGER_UPSTREAM_FAILED:
    if (!t->is_deciding) live->settled[live->settled_count++] = task;
    t->is_deciding = true;
    return TG_OK;
  }
  return TG_OK;
}

bool tg_live_is_cut(const struct tg_live_run *live, uint32_t unit) {
  uint32_t task = live->tasks[unit].task;
  if (live->tasks[unit].is_cut || live->tasks[task].is_cut) return true;
  return live->stopped.code && !live->plan->tasks[task].is_teardown;
}

bool tg_live_has_fallen(const struct tg_live_run *live, uint32_t unit) {
  const struct tg_live_task *t = &live->tasks[unit];
  return t->is_fallback && live->plan->tasks[t->task].fallback != TG_NO_TASK;
}

// What stood in for a task makes it a success, or leaves it failed.
static enum tg_task_state fallen_state(const struct tg_live_run *live, uint32_t task) {
  enum tg_task_state spare =
      (enum tg_task_state)live->tasks[live->plan->tasks[task].fallback].state;
  return spare == TG_TASK_SUCCESS || spare == TG_TASK_CANCELLED ? spare : TG_TASK_FAILED;
}

enum tg_task_state tg_live_settled_state(const struct tg_live_run *live, uint32_t task) {
  if (tg_live_has_fallen(live, task)) return fallen_state(live, task);
  return tg_live_judge(live, task) == TG_TRIGGER_SKIP ? TG_TASK_SKIPPED : TG_TASK_UPSTREAM_FAILED;
}

struct tg_live_run *tg_live_new(const struct tg_run *run, struct tg_plan *plan) {
  struct tg_live_run *live = calloc(1, sizeof *live);
  if (!live) return NULL;
  live->plan = tg_plan_share(plan);
  live->open = live->count = plan->count;
  tg_arena_init(&live->arena);
  tg_ready_init(&live->ready, tg_memory_heap());
  run_own(live, run);
  live->tasks = calloc(plan->count, sizeof *live->tasks);
  live->priorities = calloc(plan->count, sizeof *live->priorities);
  live->settled = calloc(plan->count, sizeof *live->settled);
  live->held = calloc(tg_live_held_count(plan) + 1u, sizeof *live->held);
  for (uint32_t i = 0; live->held && i < tg_live_held_count(plan); i++)
    tg_ready_init(&live->held[i], tg_memory_heap());
  bool is_whole = live->tasks && live->priorities && live->settled && live->held;
  int code = is_whole ? TG_OK : TG_ENOMEM;
  if (!code) {
    priorities_set(live);
    branches_count(live);
  }
  for (uint32_t i = 0; i < plan->count && !code; i++) {
    live->tasks[i].task = i;
    live->tasks[i].item = TG_NO_ITEM;
  }
  for (uint32_t i = 0; i < plan->count && !code; i++) code = task_consider(live, i);
  if (!code) return live;
  tg_live_free(live);
  return NULL;
}

void tg_live_free(struct tg_live_run *live) {
  if (!live) return;
  for (uint32_t i = 0; live->tasks && i < live->count; i++) {
    free(live->tasks[i].output);
    notes_free(live->tasks[i].notes);
    tg_live_map_free(live->tasks[i].map);
  }
  free(live->tasks);
  free(live->priorities);
  free(live->settled);
  free(live->cuts);
  tg_ready_deinit(&live->ready);
  for (uint32_t i = 0; live->held && i < tg_live_held_count(live->plan); i++)
    tg_ready_deinit(&live->held[i]);
  free(live->held);
  tg_plan_free(live->plan);
  tg_arena_deinit(&live->arena);
  free(live);
}

// Marks the tasks that a branch did not choose. The names were checked when they were decided.
static int chosen_apply(struct tg_live_run *live, uint32_t branch, const char *chosen) {
  const struct tg_plan_task *task = &live->plan->tasks[branch];
  json_t *names;
  if (tg_json_read(chosen, strlen(chosen), 0, &names, NULL) == TG_ENOMEM) return TG_ENOMEM;
  for (uint32_t i = 0; i < task->to_count; i++) {
    const char *name = live->plan->tasks[task->to[i]].name;
    bool is_chosen = false;
    for (size_t n = 0; n < json_array_size(names) && !is_chosen; n++) {
      const char *text = json_string_value(json_array_get(names, n));
      is_chosen = text && strcmp(text, name) == 0;
    }
    if (!is_chosen) live->tasks[task->to[i]].is_unchosen = true;
  }
  json_decref(names);
  return TG_OK;
}

static int branch_ended(struct tg_live_run *live, uint32_t branch, const char *chosen) {
  const struct tg_plan_task *task = &live->plan->tasks[branch];
  for (uint32_t i = 0; i < task->to_count; i++) live->tasks[task->to[i]].branches--;
  return chosen ? chosen_apply(live, branch, chosen) : TG_OK;
}

// Settles a task that has failed when what stands in for it has ended.
static void stood_in(struct tg_live_run *live, uint32_t task) {
  struct tg_live_task *t = &live->tasks[task];
  const struct tg_live_task *spare = &live->tasks[live->plan->tasks[task].fallback];
  if (!t->is_fallback || t->is_deciding) return;
  if (tg_task_state_is_terminal((enum tg_task_state)t->state)) return;
  if (!tg_task_state_is_terminal((enum tg_task_state)spare->state)) return;
  live->settled[live->settled_count++] = task;
  t->is_deciding = true;
}

// Lets the task go that waited for what would become of the one it stands in for.
static int fallback_release(struct tg_live_run *live, uint32_t task, bool is_needed) {
  uint32_t fallback = live->plan->tasks[task].fallback;
  struct tg_live_task *spare = &live->tasks[fallback];
  spare->branches--;
  if (!is_needed) spare->is_unchosen = true;
  return task_consider(live, fallback);
}

static int fallbacks_ended(struct tg_live_run *live, uint32_t task) {
  const struct tg_plan_task *plan = &live->plan->tasks[task];
  if (plan->fallback_of != TG_NO_TASK) stood_in(live, plan->fallback_of);
  // In recovery it is not known yet whether one that was cancelled had failed before.
  bool is_known = !live->is_replaying || live->tasks[task].state != TG_TASK_CANCELLED;
  bool is_held = plan->fallback != TG_NO_TASK && !live->tasks[task].is_fallback && is_known;
  return is_held ? fallback_release(live, task, false) : TG_OK;
}

// Those whose run is being cancelled are cancelled with it.
static int fallbacks_replayed(struct tg_live_run *live) {
  int code = TG_OK;
  for (uint32_t i = 0; i < live->plan->count && !code; i++) {
    uint32_t fallback = live->plan->tasks[i].fallback;
    bool is_held = fallback != TG_NO_TASK && live->tasks[i].state == TG_TASK_CANCELLED &&
                   !tg_live_is_cut(live, fallback);
    if (is_held) code = fallback_release(live, i, live->tasks[i].is_fallback);
  }
  return code;
}

int tg_live_replayed(struct tg_live_run *live) {
  const struct tg_graph *graph = &live->plan->graph;
  live->is_replaying = false;
  int code = fallbacks_replayed(live);
  for (uint32_t i = 0; i < graph->ordered_count && live->map_count && !code; i++)
    code = tg_live_map_replayed(live, graph->order[i]);
  for (uint32_t i = 0; i < live->plan->count && live->map_count && !code; i++)
    code = tg_live_map_admit(live, i);
  return code;
}

static int downstream_count(struct tg_live_run *live, uint32_t task, enum tg_task_state state) {
  struct tg_graph_slice down = tg_graph_downstream(&live->plan->graph, task);
  for (uint32_t i = 0; i < down.count; i++) {
    struct tg_live_task *t = &live->tasks[down.nodes[i]];
    if (state == TG_TASK_SUCCESS)
      t->success++;
    else if (state == TG_TASK_SKIPPED)
      t->skipped++;
    else
      t->failed++;
    int code = task_consider(live, down.nodes[i]);
    if (!code) code = tg_live_map_admit(live, down.nodes[i]); // a chain that was carried over
    if (code) return code;
  }
  return TG_OK;
}

static char *text_copy(const char *text) {
  return text ? strdup(text) : NULL;
}

static int failure_set(struct tg_live_task *t, const struct tg_failure *failure) {
  if (!failure->code && !t->notes) return TG_OK;
  struct tg_live_notes *notes = tg_live_note(t);
  if (!notes) return TG_ENOMEM;
  free((char *)notes->failure.text);
  notes->failure = *failure;
  notes->failure.text = text_copy(failure->text);
  return failure->text && !notes->failure.text ? TG_ENOMEM : TG_OK;
}

// What was cancelled, or was to be, stays so; why is kept with the run.
static void cut_apply(struct tg_live_run *live, uint32_t unit, const struct tg_failure *why) {
  live->tasks[unit].is_cut = true;
  if (live->cut.code) return;
  live->cut = *why;
  live->cut.text = tg_arena_strdup(&live->arena, why->text);
}

static int task_apply(struct tg_live_run *live, const struct tg_task *record) {
  if (record->index >= live->plan->count) return TG_OK;
  struct tg_live_task *t = &live->tasks[record->index];
  if (tg_task_state_is_terminal((enum tg_task_state)t->state)) return TG_OK;
  if (record->failure.code == TG_ECANCELLED) cut_apply(live, record->index, &record->failure);
  if (!tg_task_state_is_terminal(record->state)) return TG_OK; // a start, which may be forgotten
  t->state = (uint8_t)record->state;
  t->is_deciding = false;
  if (record->attempts > t->attempts) t->attempts = record->attempts; // in recovery it comes first
  t->output = text_copy(record->output);
  if (failure_set(t, &record->failure) || (record->output && !t->output)) return TG_ENOMEM;
  live->open--;
  tg_live_map_close(live, record->index);
  int code = branch_ended(live, record->index, record->chosen);
  if (!code) code = fallbacks_ended(live, record->index);
  return code ? code : downstream_count(live, record->index, record->state);
}

// The maps that follow this one depth first may begin with it.
static int map_items_apply(struct tg_live_run *live, const struct tg_map_items *record) {
  int code = tg_live_map_expand(live, record);
  if (record->task >= live->plan->count) return code;
  struct tg_graph_slice down = tg_graph_downstream(&live->plan->graph, record->task);
  for (uint32_t i = 0; i < down.count && !code; i++)
    if (has_begun(live, down.nodes[i])) code = task_consider(live, down.nodes[i]);
  return code;
}

static int item_apply(struct tg_live_run *live, const struct tg_item *record) {
  uint32_t unit = tg_live_unit(live, record->task, record->index);
  if (unit == UINT32_MAX) return TG_OK;
  struct tg_live_task *t = &live->tasks[unit];
  // It was cancelled while the end of the item before it was on its way.
  bool was_derived = t->state == TG_TASK_SKIPPED;
  if (!was_derived && tg_task_state_is_terminal((enum tg_task_state)t->state)) return TG_OK;
  if (was_derived) live->tasks[record->task].map->done--;
  t->is_deciding = false;
  t->output = text_copy(record->output);
  if (failure_set(t, &record->failure) || (record->output && !t->output)) return TG_ENOMEM;
  return tg_live_map_ended(live, unit, record->state);
}

// Adds what is known of a step from its intent on.
static int step_add(struct tg_live_run *live, struct tg_live_notes *notes,
                    const struct tg_step *record) {
  struct tg_live_step *steps = realloc(notes->steps, (notes->step_count + 1u) * sizeof *steps);
  if (!steps) return TG_ENOMEM;
  struct tg_live_step *step = &steps[notes->step_count++];
  notes->steps = steps;
  *step = (struct tg_live_step){.name = tg_arena_strdup(&live->arena, record->name),
                                .wake_at = record->wake_at,
                                .wait = tg_arena_strdup(&live->arena, record->wait),
                                .after = record->after};
  return step->name && (!record->wait || step->wait) ? TG_OK : TG_ENOMEM;
}

static int step_apply(struct tg_live_run *live, const struct tg_step *record) {
  uint32_t unit = tg_live_unit(live, record->task, record->item);
  if (unit == UINT32_MAX) return TG_OK;
  struct tg_live_notes *notes = tg_live_note(&live->tasks[unit]);
  if (!notes) return TG_ENOMEM;
  if (record->position > notes->step_count) return TG_OK;
  if (record->position == notes->step_count && step_add(live, notes, record)) return TG_ENOMEM;
  if (!record->result) return TG_OK;
  struct tg_live_step *step = &notes->steps[record->position];
  step->result = tg_arena_strdup(&live->arena, record->result);
  return step->result ? TG_OK : TG_ENOMEM;
}

bool tg_live_is_retried(const struct tg_attempt *attempt) {
  return attempt->state == TG_ATTEMPT_FAILED && attempt->retry_at && !attempt->is_fallback_next;
}

static int attempt_apply(struct tg_live_run *live, const struct tg_attempt *record) {
  if (tg_live_is_retried(record)) live->retries++;
  uint32_t unit = tg_live_unit(live, record->task, record->item);
  if (unit == UINT32_MAX) return TG_OK;
  struct tg_live_task *t = &live->tasks[unit];
  bool has_fallen = record->state == TG_ATTEMPT_FAILED && record->is_fallback_next;
  if (t->state == TG_TASK_CANCELLED && has_fallen) t->is_fallback = true; // in recovery
  if (tg_task_state_is_terminal((enum tg_task_state)t->state)) return TG_OK;
  if (record->number > t->attempts) t->attempts = record->number;
  if (!t->started_at) t->started_at = record->started_at;
  if (t->map) return TG_OK; // it is known in recovery that this one expanded its map
  if (t->item != TG_NO_ITEM && tg_live_map_tried(live, unit)) return TG_ENOMEM;
  if (record->state == TG_ATTEMPT_RUNNING) {
    if (record->failure.code == TG_ECANCELLED) cut_apply(live, unit, &record->failure);
    return TG_OK;
  }
  t->is_deciding = false;
  t->is_recorded = false;
  struct tg_live_notes *notes = record->state == TG_ATTEMPT_SUCCESS ? t->notes : tg_live_note(t);
  if (!notes && record->state != TG_ATTEMPT_SUCCESS) return TG_ENOMEM;
  if (record->state == TG_ATTEMPT_LOST) {
    notes->lost++;
    return tg_live_make_ready(live, unit);
  }
  t->is_fallback = record->is_fallback_next;
  t->state = TG_TASK_WAITING; // for its retry, or for the record of its end, which comes next
  if (notes) notes->retry_at = record->retry_at;
  int code = failure_set(t, &record->failure);
  if (code || !tg_live_has_fallen(live, unit)) return code;
  code = fallback_release(live, unit, true);
  stood_in(live, unit); // in recovery it may have ended already
  return code;
}

int tg_live_apply(struct tg_live_run *live, const struct tg_record *record) {
  switch (record->kind) {
  case TG_RECORD_RUN:
    live->is_durable = true;
    live->run.state = record->run.state;
    live->run.started_at = record->run.started_at;
    live->run.ended_at = record->run.ended_at;
    live->run.failure = record->run.failure;
    live->run.failure.text = tg_arena_strdup(&live->arena, record->run.failure.text);
    return TG_OK;
  case TG_RECORD_TASK:
    return task_apply(live, &record->task);
  case TG_RECORD_MAP_ITEMS:
    return map_items_apply(live, &record->map_items);
  case TG_RECORD_ITEM:
    return item_apply(live, &record->item);
  case TG_RECORD_STEP:
    return step_apply(live, &record->step);
  case TG_RECORD_ATTEMPT:
    return attempt_apply(live, &record->attempt);
  default:
    return TG_OK; // decisions, checks and assets are for readers
  }
}
