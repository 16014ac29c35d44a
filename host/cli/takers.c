// SPDX-License-Identifier: Apache-2.0
#include "cli/takers.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "engine/context.h"

// --- Reading ---

static const struct tg_run *run_find(const struct tg_takers *takers, uint64_t number) {
  for (size_t i = 0; i < takers->run_count; i++)
    if (takers->runs[i].number == number) return &takers->runs[i];
  return NULL;
}

static int plan_find(struct tg_takers *owner, const char *bundle, const struct tg_plan **plan,
                     struct tg_error *err) {
  struct tg_taker_plan *known = owner->plans;
  const char *text;
  while (known && strcmp(known->bundle, bundle) != 0) known = known->next;
  if (!known) {
    known = tg_arena_alloc(&owner->arena, sizeof *known);
    if (!known) return tg_error_set(err, TG_ENOMEM, "no memory for what runs");
    known->bundle = tg_arena_strdup(&owner->arena, bundle);
    int code = tg_history_plan(owner->history, bundle, &owner->arena, &text, err);
    if (!code) code = tg_plan_parse(text, strlen(text), &known->plan, err);
    if (code) return code;
    known->next = owner->plans;
    owner->plans = known;
  }
  *plan = known->plan;
  return TG_OK;
}

// Says whether an attempt has a child run that has not ended: its key begins with that of the task.
static bool has_child(const struct tg_takers *takers, const struct tg_taker *taker) {
  char id[TG_ID_TEXT_LEN + 1], unit[TG_UNIT_NAME_MAX], key[TG_KEY_TEXT_LEN + 1] = "";
  tg_id_format(taker->run->id, id);
  for (size_t i = 0; i < takers->run_count; i++) {
    const struct tg_run *run = &takers->runs[i];
    if (!run->parent || !run->child_key || strcmp(run->parent, id) != 0) continue;
    if (!*key) {
      const char *name = taker->plan->tasks[taker->task].name;
      if (taker->item == TG_NO_ITEM)
        snprintf(unit, sizeof unit, "%s", name);
      else
        snprintf(unit, sizeof unit, "%s[%u]", name, taker->item);
      tg_context_key_of(taker->run->id, unit, key);
    }
    if (strncmp(run->child_key, key, TG_KEY_TEXT_LEN) == 0) return true;
  }
  return false;
}

// `owner` has the plans.
static int taker_add(struct tg_takers *takers, struct tg_takers *owner,
                     const struct tg_attempt *attempt, struct tg_error *err) {
  struct tg_taker taker = {
      .run = run_find(takers, attempt->run), .task = attempt->task, .item = attempt->item};
  if (!taker.run) return TG_OK; // it began after the runs were read
  int code = plan_find(owner, taker.run->bundle, &taker.plan, err);
  if (code || taker.task >= taker.plan->count) return code;
  taker.is_idle = has_child(takers, &taker);
  takers->all[takers->count++] = taker;
  return TG_OK;
}

static int takers_add(struct tg_takers *takers, struct tg_takers *owner,
                      const struct tg_attempt *attempts, size_t count, struct tg_error *err) {
  int code = TG_OK;
  takers->all = tg_arena_alloc(&takers->arena, (count + 1) * sizeof *takers->all);
  if (!takers->all) return tg_error_set(err, TG_ENOMEM, "no memory for what runs");
  for (size_t i = 0; i < count && !code; i++) code = taker_add(takers, owner, &attempts[i], err);
  return code;
}

int tg_takers_read(struct tg_takers *takers, const struct tg_view *view, struct tg_history *history,
                   const struct tg_project *project, struct tg_error *err) {
  struct tg_attempt *attempts;
  size_t count;
  *takers = (struct tg_takers){.runs = view->open_runs,
                               .run_count = view->open_run_count,
                               .slots = tg_project_slots(project),
                               .pools = project->pools,
                               .now = tg_clock_wall_ms(tg_clock_system()),
                               .history = history};
  tg_arena_init(&takers->arena);
  if (tg_run_state_is_terminal(view->run.state)) return TG_OK;
  int code = tg_history_running(history, takers->now, &takers->arena, &attempts, &count, err);
  return code ? code : takers_add(takers, takers, attempts, count, err);
}

int tg_takers_read_past(struct tg_takers *then, struct tg_takers *takers, int64_t at,
                        struct tg_error *err) {
  const struct tg_run_filter filter = {.state = -1, .open_at = at};
  struct tg_attempt *attempts;
  struct tg_run *runs = NULL;
  size_t count;
  *then = (struct tg_takers){
      .slots = takers->slots, .pools = takers->pools, .now = at, .history = takers->history};
  tg_arena_init(&then->arena);
  takers->looks++;
  int code = tg_history_runs(takers->history, &filter, &then->arena, &runs, &then->run_count, err);
  then->runs = runs;
  if (!code) code = tg_history_ran(takers->history, at, &then->arena, &attempts, &count, err);
  return code ? code : takers_add(then, takers, attempts, count, err);
}

void tg_takers_deinit(struct tg_takers *takers) {
  for (struct tg_taker_plan *p = takers->plans; p; p = p->next) tg_plan_free(p->plan);
  tg_arena_deinit(&takers->arena);
  *takers = (struct tg_takers){0};
}

// --- Counting ---

static uint32_t pool_share(const struct tg_plan_task *task, const char *pool) {
  for (uint32_t i = 0; i < task->pool_count; i++)
    if (strcmp(task->pools[i].name, pool) == 0) return task->pools[i].slots;
  return 0;
}

uint32_t tg_taker_share(const struct tg_taker *taker, const struct tg_lack *lack,
                        const struct tg_run *run) {
  if (taker->is_idle) return 0;
  switch (lack->kind) {
  case TG_LACK_SLOT:
    return 1;
  case TG_LACK_TASKS:
    return taker->run->number == run->number;
  case TG_LACK_POOL:
    return pool_share(&taker->plan->tasks[taker->task], lack->pool);
  }
  return 0;
}

// Says whether what is left is too little for what is needed, having counted what is taken.
static bool is_lacking(const struct tg_takers *takers, const struct tg_run *run,
                       struct tg_lack *lack) {
  for (size_t i = 0; i < takers->count; i++)
    lack->taken += tg_taker_share(&takers->all[i], lack, run);
  uint32_t needs = lack->needs + lack->is_lane;
  return lack->taken > lack->size || lack->size - lack->taken < needs;
}

static uint32_t pool_size(const struct tg_takers *takers, const struct tg_plan *plan,
                          const char *name) {
  for (uint32_t i = 0; i < plan->pool_count; i++)
    if (plan->pools[i].slots && strcmp(plan->pools[i].name, name) == 0) return plan->pools[i].slots;
  return tg_pools_slots(&takers->pools, name);
}

uint32_t tg_takers_lack(const struct tg_takers *takers, const struct tg_run *run,
                        const struct tg_plan *plan, uint32_t task,
                        struct tg_lack lacks[TG_LACKS_MAX]) {
  const struct tg_plan_task *t = &plan->tasks[task];
  uint32_t count = 0;
  lacks[count] = (struct tg_lack){.kind = TG_LACK_SLOT,
                                  .size = takers->slots,
                                  .needs = 1,
                                  .is_lane = run->backfill && takers->slots > 1};
  count += is_lacking(takers, run, &lacks[count]);
  lacks[count] = (struct tg_lack){.kind = TG_LACK_TASKS, .size = plan->tasks_max, .needs = 1};
  count += plan->tasks_max && is_lacking(takers, run, &lacks[count]);
  for (uint32_t i = 0; i < t->pool_count && i < TG_POOLS_MAX; i++) {
    lacks[count] = (struct tg_lack){.kind = TG_LACK_POOL,
                                    .pool = t->pools[i].name,
                                    .size = pool_size(takers, plan, t->pools[i].name),
                                    .needs = t->pools[i].slots};
    count += is_lacking(takers, run, &lacks[count]);
  }
  return count;
}
