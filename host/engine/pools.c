// SPDX-License-Identifier: Apache-2.0
#include "engine/pools.h"

#include <stdlib.h>
#include <string.h>

#include "base/suggest.h"

uint32_t tg_pools_slots(const struct tg_pools *pools, const char *name) {
  for (size_t i = 0; i < pools->count; i++)
    if (strcmp(pools->all[i].name, name) == 0) return pools->all[i].slots;
  return 0;
}

static int sizes_check(const struct tg_pools *pools, const struct tg_plan *plan,
                       struct tg_error *err) {
  for (uint32_t i = 0; i < plan->pool_count; i++) {
    const struct tg_plan_pool *own = &plan->pools[i];
    uint32_t slots = tg_pools_slots(pools, own->name);
    if (own->slots && slots && own->slots != slots)
      return tg_error_set(
          err, TG_EINVALID,
          "the pool \"%s\" has %u slots here and %u in tidegate.yaml; say it in one "
          "place",
          own->name, own->slots, slots);
  }
  return TG_OK;
}

static int unknown(const struct tg_pools *pools, const struct tg_plan *plan,
                   const struct tg_plan_task *task, const char *name, struct tg_error *err) {
  const char **names = calloc(pools->count + plan->pool_count + 1, sizeof *names);
  size_t count = 0;
  for (size_t i = 0; names && i < pools->count; i++) names[count++] = pools->all[i].name;
  for (uint32_t i = 0; names && i < plan->pool_count; i++)
    if (plan->pools[i].slots) names[count++] = plan->pools[i].name;
  const char *near = names ? tg_suggest(name, names, count) : NULL;
  tg_error_set(err, TG_EINVALID,
               "%s \"%s\": neither the pipeline nor tidegate.yaml has a pool \"%s\" [%s%s%s]",
               task->word, task->name, name, near ? "did you mean \"" : "pools = { ",
               near ? near : name, near ? "\"?" : " = 4 }");
  free(names);
  return TG_EINVALID;
}

static int task_check(const struct tg_pools *pools, const struct tg_plan *plan,
                      const struct tg_plan_task *task, struct tg_error *err) {
  for (uint32_t i = 0; i < task->pool_count; i++) {
    const struct tg_plan_pool *taken = &task->pools[i];
    uint32_t slots = tg_pools_slots(pools, taken->name);
    for (uint32_t p = 0; p < plan->pool_count && !slots; p++)
      if (strcmp(plan->pools[p].name, taken->name) == 0) slots = plan->pools[p].slots;
    if (!slots) return unknown(pools, plan, task, taken->name, err);
    if (slots < taken->slots)
      return tg_error_set(err, TG_EINVALID,
                          "%s \"%s\": it takes %u slots of the pool \"%s\", which has %u: it could "
                          "never start",
                          task->word, task->name, taken->slots, taken->name, slots);
  }
  return TG_OK;
}

bool tg_pools_fault(const struct tg_pools *pools, const struct tg_plan *plan, uint32_t *at,
                    uint32_t *line, struct tg_error *err) {
  *line = 1;
  bool is_first = *at == 0;
  if (is_first) *at = 1;
  if (is_first && sizes_check(pools, plan, err)) return true;
  while (*at <= plan->count && plan->pool_count) {
    const struct tg_plan_task *task = &plan->tasks[(*at)++ - 1];
    if (!task_check(pools, plan, task, err)) continue;
    *line = task->line;
    return true;
  }
  return false;
}

int tg_pools_check(const struct tg_pools *pools, const struct tg_plan *plan, uint32_t *line,
                   struct tg_error *err) {
  uint32_t at = 0, first;
  bool is_faulty = tg_pools_fault(pools, plan, &at, &first, err);
  if (line) *line = first;
  return is_faulty ? TG_EINVALID : TG_OK;
}
