// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "engine/plan_parts.h"

static int cycle_fault(struct tg_plan *plan, struct tg_error *err) {
  uint32_t *path = malloc((plan->count + 1u) * sizeof *path), count = 0;
  if (!path) return tg_error_set(err, TG_ENOMEM, "no memory for a plan");
  int code = tg_graph_find_cycle(&plan->graph, path, &count, err);
  if (!code)
    code =
        tg_error_set(err, TG_EINVALID, "malformed plan: tasks wait for each other, from %s to %s",
                     plan->tasks[path[0]].name, plan->tasks[path[count - 1]].name);
  free(path);
  return code;
}

// Finds where a name stands, or could, in a table of task numbers from 1; the names are the plan's.
static uint32_t *name_slot(const struct tg_plan *plan, uint32_t *slots, size_t mask,
                           const char *name) {
  uint64_t hash = UINT64_C(0xcbf29ce484222325); // FNV-1a
  for (const char *c = name; *c; c++) hash = (hash ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
  for (size_t i = (hash ^ hash >> 32) & mask;; i = (i + 1) & mask)
    if (!slots[i] || strcmp(plan->tasks[slots[i] - 1].name, name) == 0) return &slots[i];
}

static int names_check(const struct tg_plan *plan, struct tg_error *err) {
  size_t cap = 4;
  while (cap < 2 * (size_t)plan->count) cap *= 2;
  uint32_t *slots = calloc(cap, sizeof *slots);
  int code = TG_OK;
  if (!slots) return tg_error_set(err, TG_ENOMEM, "no memory for a plan");
  for (uint32_t i = 0; i < plan->count && !code; i++) {
    const char *name = plan->tasks[i].name;
    uint32_t *slot = name_slot(plan, slots, cap - 1, name);
    if (*slot)
      code = tg_error_set(err, TG_EINVALID, "malformed plan: two tasks are named %s", name);
    *slot = i + 1;
  }
  free(slots);
  return code;
}

static bool is_upstream(const struct tg_graph *graph, uint32_t task, uint32_t other) {
  struct tg_graph_slice up = tg_graph_upstream(graph, task);
  for (uint32_t i = 0; i < up.count; i++)
    if (up.nodes[i] == other) return true;
  return false;
}

// A map's items are the outputs of a map that it waits for.
static int chains_check(const struct tg_plan *plan, struct tg_error *err) {
  for (uint32_t i = 0; i < plan->count; i++) {
    const struct tg_plan_map *map = plan->tasks[i].map;
    if (!map || map->over == TG_NO_TASK) continue;
    if (!plan->tasks[map->over].map || !is_upstream(&plan->graph, i, map->over))
      return tg_error_set(err, TG_EINVALID,
                          "malformed plan: tasks[%u].map.over is no map that it waits for", i);
  }
  return TG_OK;
}

static bool can_fall_back(const struct tg_plan_task *task) {
  return !task->map && !task->to_count && !task->is_setup && !task->is_teardown;
}

// A task and what stands in for it end together: as one node they must not be in a circle.
static int fallbacks_merge(const struct tg_plan *plan, struct tg_graph_builder *edges,
                           struct tg_error *err) {
  int code = TG_OK;
  for (uint32_t i = 0; i < plan->count && !code; i++) {
    struct tg_graph_slice up = tg_graph_upstream(&plan->graph, i);
    uint32_t owner = plan->tasks[i].fallback_of, node = owner == TG_NO_TASK ? i : owner;
    for (uint32_t u = 0; u < up.count && !code; u++) {
      owner = plan->tasks[up.nodes[u]].fallback_of;
      code = tg_graph_add_edge(edges, owner == TG_NO_TASK ? up.nodes[u] : owner, node, err);
    }
  }
  return code;
}

static int fallbacks_check(struct tg_plan *plan, struct tg_error *err) {
  struct tg_graph_builder edges;
  struct tg_graph graph = {0};
  for (uint32_t i = 0; i < plan->count; i++) {
    uint32_t fallback = plan->tasks[i].fallback;
    if (fallback == TG_NO_TASK) continue;
    struct tg_plan_task *spare = &plan->tasks[fallback];
    if (!can_fall_back(&plan->tasks[i]) || !can_fall_back(spare) || spare->fallback != TG_NO_TASK ||
        spare->fallback_of != TG_NO_TASK)
      return tg_error_set(err, TG_EINVALID, "malformed plan: tasks[%u].fallback cannot stand in",
                          i);
    spare->fallback_of = i;
  }
  tg_graph_builder_init(&edges, tg_memory_heap());
  int code = fallbacks_merge(plan, &edges, err);
  if (!code) code = tg_graph_init(&graph, plan->count, &edges, err);
  if (!code && !tg_graph_is_acyclic(&graph))
    code = tg_error_set(err, TG_EINVALID, "malformed plan: a task waits for its own fallback");
  tg_graph_deinit(&graph);
  tg_graph_builder_deinit(&edges);
  return code;
}

int tg_plan_check(struct tg_plan *plan, const struct tg_graph_builder *edges,
                  struct tg_error *err) {
  int code = names_check(plan, err);
  if (!code) code = tg_graph_init(&plan->graph, plan->count, edges, err);
  if (!code && !tg_graph_is_acyclic(&plan->graph)) code = cycle_fault(plan, err);
  if (!code) code = chains_check(plan, err);
  if (!code && plan->has_fallbacks) code = fallbacks_check(plan, err);
  return code;
}
