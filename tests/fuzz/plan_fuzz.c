// SPDX-License-Identifier: Apache-2.0
// A plan as a hostile worker might bake it. What is accepted must be whole: indexes inside, an
// order that has every task once, no task before one it waits for.
#include <stdlib.h>

#include "engine/plan.h"
#include "fuzz/input.h"

static void order_check(const struct tg_plan *plan) {
  const struct tg_graph *graph = &plan->graph;
  uint32_t *place = calloc(plan->count, sizeof *place);
  fuzz_check(place);
  fuzz_check(graph->ordered_count == plan->count);
  for (uint32_t i = 0; i < plan->count; i++) {
    fuzz_check(graph->order[i] < plan->count && place[graph->order[i]] == 0);
    place[graph->order[i]] = i + 1;
  }
  for (uint32_t task = 0; task < plan->count; task++) {
    struct tg_graph_slice up = tg_graph_upstream(graph, task);
    for (uint32_t i = 0; i < up.count; i++) fuzz_check(place[up.nodes[i]] < place[task]);
  }
  free(place);
}

static void task_check(const struct tg_plan *plan, uint32_t index) {
  const struct tg_plan_task *task = &plan->tasks[index];
  fuzz_check(tg_plan_find(plan, task->name) == index);
  fuzz_check((task->runner == TG_RUNNER_COMMAND) == (task->command != NULL));
  fuzz_check(task->timeout_ms >= 0 && task->tags && task->produces);
  for (uint32_t i = 0; i < task->to_count; i++) fuzz_check(task->to[i] < plan->count);
  for (int class = 0; class < TG_CLASS_COUNT; class ++) {
    struct tg_retry_decision decision =
        tg_retry_decide(task->retry, 1, (enum tg_class) class, 1, 0, 0);
    fuzz_check(decision.stop != TG_RETRY_STOP_NOT || decision.delay_ms >= 0);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct tg_plan *plan;
  struct tg_error err;
  if (tg_plan_parse((const char *)data, size, &plan, &err)) return 0;
  order_check(plan);
  for (uint32_t i = 0; i < plan->count; i++) task_check(plan, i);
  tg_plan_free(plan);
  return 0;
}
