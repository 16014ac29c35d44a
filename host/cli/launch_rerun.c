// SPDX-License-Identifier: Apache-2.0
// What a rerun carries over from the run before: tasks, maps and items, told by the new plan.
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli/launch.h"
#include "cli/select.h"

// --- What an earlier run left ---

// What became of a run, told by the tasks of the launch's plan; what has gone is left out.
struct earlier {
  struct tg_earlier face;
  struct tg_task *tasks;
  const struct tg_map_items *maps; // by index in the plan
  struct tg_item *items;
  size_t item_count;
};

// The index in this plan of a task that had another one in an earlier plan.
struct renumbering {
  uint32_t *indexes; // by the earlier index; TG_NO_TASK for what has gone
  size_t count;
};

static uint32_t renumber(const struct renumbering *renumbering, uint32_t index) {
  return index < renumbering->count ? renumbering->indexes[index] : TG_NO_TASK;
}

// Finds a task of an earlier plan in this one, usually at the same place.
static uint32_t place_find(const struct tg_plan *plan, const struct tg_task *task) {
  bool is_same =
      task->index < plan->count && strcmp(plan->tasks[task->index].name, task->name) == 0;
  return is_same ? task->index : tg_plan_find(plan, task->name);
}

// The earlier plan need not be at hand: a task that has a record has its name there too, and only
// those count.
static int tasks_renumber(struct tg_launch *launch, const struct tg_task *tasks, size_t count,
                          struct earlier *earlier, struct renumbering *renumbering,
                          struct tg_error *err) {
  for (size_t i = 0; i < count; i++)
    if (tasks[i].index >= renumbering->count) renumbering->count = tasks[i].index + 1u;
  renumbering->indexes =
      tg_arena_alloc(&launch->arena, (renumbering->count + 1) * sizeof *renumbering->indexes);
  if (!renumbering->indexes) return tg_error_set(err, TG_ENOMEM, "no memory for tasks");
  memset(renumbering->indexes, 0xff, renumbering->count * sizeof *renumbering->indexes);
  for (size_t i = 0; i < count; i++) {
    uint32_t index = place_find(launch->plan, &tasks[i]);
    renumbering->indexes[tasks[i].index] = index;
    if (index == UINT32_MAX) continue;
    earlier->tasks[index] = tasks[i];
    earlier->tasks[index].index = index;
  }
  return TG_OK;
}

// The items of a map count if it still has its items from where it had them.
static bool is_same_map(const struct tg_plan *plan, uint32_t task,
                        const struct tg_map_items *items) {
  const struct tg_plan_map *map = task == TG_NO_TASK ? NULL : plan->tasks[task].map;
  return map && (map->over == TG_NO_TASK) == (items->items != NULL);
}

static void items_renumber(const struct tg_launch *launch, const struct renumbering *renumbering,
                           const struct tg_map_items *maps, size_t map_count,
                           struct tg_map_items *by_index, bool *has_items,
                           struct earlier *earlier) {
  for (size_t i = 0; i < map_count; i++) {
    uint32_t task = renumber(renumbering, maps[i].task);
    if (!is_same_map(launch->plan, task, &maps[i])) continue;
    by_index[task] = maps[i];
    by_index[task].task = task;
    has_items[task] = true;
  }
  size_t kept = 0;
  for (size_t i = 0; i < earlier->item_count; i++) {
    struct tg_item item = earlier->items[i];
    item.task = renumber(renumbering, item.task);
    if (item.task != TG_NO_TASK && has_items[item.task]) earlier->items[kept++] = item;
  }
  earlier->item_count = kept;
}

// Finds the maps of which not all items succeeded.
static int failed_items_find(struct tg_launch *launch, struct earlier *earlier,
                             bool *has_failed_items, struct tg_error *err) {
  uint32_t count = launch->plan->count;
  uint32_t *success = tg_arena_alloc(&launch->arena, (count + 1u) * sizeof *success);
  if (!success) return tg_error_set(err, TG_ENOMEM, "no memory for tasks");
  for (size_t i = 0; i < earlier->item_count; i++)
    success[earlier->items[i].task] += earlier->items[i].state == TG_TASK_SUCCESS;
  for (uint32_t i = 0; i < count; i++)
    has_failed_items[i] = earlier->face.has_items[i] && success[i] < earlier->maps[i].count;
  return TG_OK;
}

static int earlier_read(struct tg_launch *launch, struct tg_history *history,
                        const struct tg_run *run, struct earlier *earlier, struct tg_error *err) {
  struct tg_arena *arena = &launch->arena;
  uint32_t count = launch->plan->count;
  bool *has_items = tg_arena_alloc(arena, (count + 1u) * sizeof *has_items);
  bool *has_failed_items = tg_arena_alloc(arena, (count + 1u) * sizeof *has_failed_items);
  struct tg_map_items *by_index = tg_arena_alloc(arena, (count + 1u) * sizeof *by_index), *maps;
  struct renumbering renumbering = {0};
  struct tg_task *tasks;
  size_t task_count, map_count;
  *earlier = (struct earlier){.tasks = tg_arena_alloc(arena, (count + 1u) * sizeof *earlier->tasks),
                              .maps = by_index};
  earlier->face = (struct tg_earlier){
      .tasks = earlier->tasks, .has_items = has_items, .has_failed_items = has_failed_items};
  if (!has_items || !has_failed_items || !by_index || !earlier->tasks)
    return tg_error_set(err, TG_ENOMEM, "no memory for tasks");
  if (!run) return TG_OK;
  int code = tg_history_tasks(history, run->number, arena, &tasks, &task_count, err);
  if (!code) code = tasks_renumber(launch, tasks, task_count, earlier, &renumbering, err);
  if (!code) code = tg_history_map_items(history, run->number, arena, &maps, &map_count, err);
  if (!code)
    code =
        tg_history_items(history, run->number, arena, &earlier->items, &earlier->item_count, err);
  if (code) return code;
  items_renumber(launch, &renumbering, maps, map_count, by_index, has_items, earlier);
  return failed_items_find(launch, earlier, has_failed_items, err);
}

// --- What is carried over ---

// Gives the ways that a branch chose, and those of its ways that are to run whatever it chose.
static const char *chosen_widen(struct tg_launch *launch, const struct tg_task *branch,
                                const enum tg_fate *fates) {
  const struct tg_plan_task *task = &launch->plan->tasks[branch->index];
  json_t *chosen = branch->chosen ? json_loads(branch->chosen, 0, NULL) : NULL;
  if (!chosen) return branch->chosen;
  for (uint32_t i = 0; i < task->to_count; i++) {
    const char *name = launch->plan->tasks[task->to[i]].name;
    bool is_known = fates[task->to[i]] != TG_FATE_RUN;
    for (size_t n = 0; n < json_array_size(chosen) && !is_known; n++) {
      const char *other = json_string_value(json_array_get(chosen, n));
      is_known = other && strcmp(other, name) == 0;
    }
    if (!is_known) json_array_append_new(chosen, json_string(name));
  }
  char *text = json_dumps(chosen, JSON_COMPACT);
  const char *copy = tg_arena_strdup(&launch->arena, text);
  free(text);
  json_decref(chosen);
  return copy;
}

static void task_carry(struct tg_launch *launch, uint32_t index, const struct earlier *earlier,
                       const enum tg_fate *fates) {
  struct tg_task *task = &launch->tasks[launch->task_count];
  if (fates[index] == TG_FATE_KEEP) {
    *task = earlier->tasks[index];
    task->chosen = chosen_widen(launch, task, fates);
  } else if (fates[index] == TG_FATE_SKIP) {
    *task = (struct tg_task){
        .index = index, .name = launch->plan->tasks[index].name, .state = TG_TASK_SKIPPED};
  } else {
    return;
  }
  task->attempts = 0;
  launch->task_count++;
}

static void item_carry(struct tg_launch *launch, const struct tg_item *item,
                       const enum tg_fate *fates) {
  enum tg_fate fate = fates[item->task];
  bool is_kept =
      fate == TG_FATE_KEEP || (fate == TG_FATE_CONTINUE && item->state == TG_TASK_SUCCESS);
  if (!is_kept) return;
  launch->items[launch->item_count] = *item;
  launch->items[launch->item_count++].attempts = 0;
}

// Carried tasks and items have no attempts, by which readers know them.
static int carry(struct tg_launch *launch, const struct earlier *earlier, const enum tg_fate *fates,
                 struct tg_error *err) {
  struct tg_arena *arena = &launch->arena;
  uint32_t count = launch->plan->count;
  launch->tasks = tg_arena_alloc(arena, (count + 1u) * sizeof *launch->tasks);
  launch->maps = tg_arena_alloc(arena, (count + 1u) * sizeof *launch->maps);
  launch->items = tg_arena_alloc(arena, (earlier->item_count + 1) * sizeof *launch->items);
  if (!launch->tasks || !launch->maps || !launch->items)
    return tg_error_set(err, TG_ENOMEM, "no memory for tasks");
  for (uint32_t i = 0; i < count; i++) {
    bool has_items = fates[i] == TG_FATE_KEEP || fates[i] == TG_FATE_CONTINUE;
    if (has_items && earlier->face.has_items[i])
      launch->maps[launch->map_count++] = earlier->maps[i];
    task_carry(launch, i, earlier, fates);
  }
  for (size_t i = 0; i < earlier->item_count; i++) item_carry(launch, &earlier->items[i], fates);
  return TG_OK;
}

// --- Reruns ---

static enum tg_fate *fates_new(struct tg_launch *launch, struct tg_error *err) {
  enum tg_fate *fates = tg_arena_alloc(&launch->arena, (launch->plan->count + 1u) * sizeof *fates);
  if (!fates) tg_error_set(err, TG_ENOMEM, "no memory for tasks");
  return fates;
}

static int selection_decide(struct tg_launch *launch, const struct earlier *earlier,
                            const char *select, bool keeps_all, enum tg_fate *fates,
                            struct tg_error *err) {
  uint8_t *marks = tg_arena_alloc(&launch->arena, launch->plan->count + 1u);
  if (!marks) return tg_error_set(err, TG_ENOMEM, "no memory for a selection");
  int code = tg_select(launch->plan, &earlier->face, select, marks, err);
  return code ? code
              : tg_carry_selected(launch->plan, &earlier->face, marks, keeps_all, fates, err);
}

int tg_launch_select(struct tg_launch *launch, struct tg_history *history, const struct tg_run *run,
                     const char *select, struct tg_error *err) {
  struct earlier earlier;
  enum tg_fate *fates = fates_new(launch, err);
  if (!fates) return TG_ENOMEM;
  int code = earlier_read(launch, history, run, &earlier, err);
  if (!code) code = selection_decide(launch, &earlier, select, false, fates, err);
  launch->fates = fates;
  launch->earlier = earlier.tasks;
  return code ? code : carry(launch, &earlier, fates, err);
}

// Counts the runs of the same occurrence with the same parameters.
static int rerun_count(struct tg_launch *launch, struct tg_history *history, struct tg_error *err) {
  struct tg_run_filter filter = {.pipeline = launch->run.pipeline,
                                 .state = -1,
                                 .params = launch->run.params,
                                 .occurrence = launch->run.occurrence,
                                 .partition = launch->run.partition ? launch->run.partition : ""};
  struct tg_run *runs;
  size_t count;
  if (!launch->run.occurrence) return TG_OK;
  int code = tg_history_runs(history, &filter, &launch->arena, &runs, &count, err);
  launch->run.rerun = 0;
  for (size_t i = 0; i < count && !code; i++)
    if (runs[i].rerun >= launch->run.rerun) launch->run.rerun = runs[i].rerun + 1;
  return code;
}

static void run_make(struct tg_launch *launch, const struct tg_rerun *rerun) {
  char id[TG_ID_TEXT_LEN + 1];
  tg_id_format(rerun->of->id, id);
  launch->kind = TG_LAUNCH_RERUN;
  launch->run = (struct tg_run){.id = tg_id_new(tg_clock_system()),
                                .pipeline = launch->plan->name,
                                .bundle = rerun->bundle,
                                .params = rerun->params,
                                .occurrence = rerun->of->occurrence,
                                .partition = rerun->of->partition,
                                .trigger = "rerun",
                                .rerun = rerun->of->rerun + 1,
                                .rerun_of = tg_arena_strdup(&launch->arena, id),
                                .logical_at = rerun->of->logical_at,
                                .interval_start = rerun->of->interval_start,
                                .interval_end = rerun->of->interval_end};
}

int tg_launch_rerun(struct tg_launch *launch, struct tg_history *history,
                    const struct tg_rerun *rerun, struct tg_error *err) {
  struct earlier earlier;
  run_make(launch, rerun);
  enum tg_fate *fates = fates_new(launch, err); // zeroed: all of it runs
  if (!fates) return TG_ENOMEM;
  int code = rerun_count(launch, history, err);
  if (!code) code = earlier_read(launch, history, rerun->of, &earlier, err);
  if (!code && rerun->select)
    code = selection_decide(launch, &earlier, rerun->select, true, fates, err);
  else if (!code && rerun->is_from_failure)
    tg_carry_from_failure(launch->plan, &earlier.face, fates);
  if (code) return code;
  launch->fates = fates;
  launch->earlier = earlier.tasks;
  return carry(launch, &earlier, fates, err);
}
