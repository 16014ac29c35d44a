// SPDX-License-Identifier: Apache-2.0
// cmocka wants these four first.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "host/engine/rig.h"

#include <stdio.h>
#include <string.h>

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
void rig_item_start_check(const struct rig *rig, uint32_t task, uint32_t item) {
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

void rig_start_check(const struct rig *rig, uint32_t task) {
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
