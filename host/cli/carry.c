// SPDX-License-Identifier: Apache-2.0
#include "cli/carry.h"

#include <stdlib.h>
#include <string.h>

const char *tg_fate_word(enum tg_fate fate) {
  static const char *const words[] = {
#define X(name, word) word,
      TG_FATES(X)
#undef X
  };
  return words[fate];
}

static bool is_settled(const struct tg_earlier *earlier, uint32_t task) {
  const struct tg_task *record = &earlier->tasks[task];
  return record->name && (record->state == TG_TASK_SUCCESS || record->state == TG_TASK_SKIPPED);
}

static bool has_ended(const struct tg_earlier *earlier, uint32_t task) {
  const struct tg_task *record = &earlier->tasks[task];
  return record->name && tg_task_state_is_terminal(record->state);
}

static bool does_run(enum tg_fate fate) {
  return fate == TG_FATE_RUN || fate == TG_FATE_CONTINUE;
}

// Says whether something that a setup prepares runs: what comes after it and is no teardown.
static bool is_used(const struct tg_plan *plan, uint32_t setup, const enum tg_fate *fates,
                    uint8_t *marks) {
  bool is_used = false;
  memset(marks, 0, plan->count);
  marks[setup] = 1;
  tg_graph_mark_descendants(&plan->graph, marks);
  marks[setup] = 0;
  for (uint32_t i = 0; i < plan->count && !is_used; i++)
    is_used = marks[i] && !plan->tasks[i].is_teardown && does_run(fates[i]);
  return is_used;
}

// What was torn down is set up again, and torn down again. Without memory for the marks nothing of
// that is found; the caller's own memory would be out as well.
static void setups_add(const struct tg_plan *plan, enum tg_fate *fates) {
  uint8_t *marks = malloc(plan->count + 1u);
  for (uint32_t i = 0; i < plan->count && marks; i++) {
    if (!plan->tasks[i].is_setup) continue;
    struct tg_graph_slice down = tg_graph_downstream(&plan->graph, i);
    bool has_use = is_used(plan, i, fates, marks);
    for (uint32_t d = 0; d < down.count && has_use; d++) {
      if (!plan->tasks[down.nodes[d]].is_teardown) continue;
      fates[down.nodes[d]] = fates[i] = TG_FATE_RUN;
    }
  }
  free(marks);
}

// A map may go on when its list cannot have changed: all that it waited for is kept, or is the map
// whose outputs are its items, which goes on itself.
static bool may_continue(const struct tg_plan *plan, const struct tg_earlier *earlier,
                         uint32_t task, const enum tg_fate *fates) {
  const struct tg_plan_map *map = plan->tasks[task].map;
  struct tg_graph_slice up = tg_graph_upstream(&plan->graph, task);
  bool may = map && earlier->has_items[task];
  for (uint32_t u = 0; u < up.count && may; u++)
    may = fates[up.nodes[u]] == TG_FATE_KEEP ||
          (up.nodes[u] == map->over && fates[up.nodes[u]] == TG_FATE_CONTINUE);
  return may;
}

void tg_carry_from_failure(const struct tg_plan *plan, const struct tg_earlier *earlier,
                           enum tg_fate *fates) {
  const struct tg_graph *graph = &plan->graph;
  for (uint32_t i = 0; i < graph->ordered_count; i++) {
    uint32_t task = graph->order[i];
    struct tg_graph_slice up = tg_graph_upstream(graph, task);
    uint32_t owner = plan->tasks[task].fallback_of; // whose upstreams are among its own
    bool is_kept = is_settled(earlier, task) && (owner == TG_NO_TASK || is_settled(earlier, owner));
    for (uint32_t u = 0; u < up.count && is_kept; u++) is_kept = fates[up.nodes[u]] == TG_FATE_KEEP;
    fates[task] = is_kept                                    ? TG_FATE_KEEP
                  : may_continue(plan, earlier, task, fates) ? TG_FATE_CONTINUE
                                                             : TG_FATE_RUN;
  }
  setups_add(plan, fates);
}

// Names the first task on the way to the selection that is not there to be kept.
static int missing_fail(const struct tg_plan *plan, const struct tg_earlier *earlier,
                        const enum tg_fate *fates, uint32_t task, uint8_t *marks,
                        struct tg_error *err) {
  memset(marks, 0, plan->count);
  marks[task] = 1;
  tg_graph_mark_ancestors(&plan->graph, marks);
  uint32_t first = task;
  for (uint32_t i = 0; i < plan->graph.ordered_count; i++) {
    uint32_t other = plan->graph.order[i];
    if (!marks[other] || does_run(fates[other]) || is_settled(earlier, other)) continue;
    first = other;
    break;
  }
  return tg_error_set(err, TG_EINVALID,
                      "the selection waits for %s, which did not succeed before; select it "
                      "too (a + before a name selects what it waits for)",
                      plan->tasks[first].name);
}

// A branch that is kept is taken to have chosen what was selected of its ways.
static bool is_way_of(const struct tg_plan *plan, uint32_t branch, uint32_t task) {
  for (uint32_t i = 0; i < plan->tasks[branch].to_count; i++)
    if (plan->tasks[branch].to[i] == task) return true;
  return false;
}

static int upstreams_check(const struct tg_plan *plan, const struct tg_earlier *earlier,
                           const enum tg_fate *fates, uint32_t task, uint8_t *marks,
                           struct tg_error *err) {
  struct tg_graph_slice up = tg_graph_upstream(&plan->graph, task);
  struct tg_trigger_counts counts = {.upstream = up.count};
  uint32_t skipped = TG_NO_TASK;
  for (uint32_t u = 0; u < up.count; u++) {
    uint32_t other = up.nodes[u];
    bool runs = does_run(fates[other]) || is_way_of(plan, other, task);
    if (!does_run(fates[other]) && fates[other] != TG_FATE_KEEP)
      return missing_fail(plan, earlier, fates, task, marks, err);
    bool was_skipped = !runs && earlier->tasks[other].state == TG_TASK_SKIPPED;
    bool has_failed = !runs && !is_settled(earlier, other);
    counts.success += !was_skipped && !has_failed;
    counts.skipped += was_skipped;
    counts.failed += has_failed;
    if (was_skipped) skipped = other;
  }
  bool is_hopeless = (counts.skipped || counts.failed) && !plan->tasks[task].is_teardown &&
                     tg_trigger_judge(plan->tasks[task].when, &counts) != TG_TRIGGER_READY;
  if (!is_hopeless) return TG_OK;
  if (counts.failed) return missing_fail(plan, earlier, fates, task, marks, err);
  return tg_error_set(err, TG_EINVALID,
                      "%s would be skipped again, because %s was skipped before; select it "
                      "too",
                      plan->tasks[task].name, plan->tasks[skipped].name);
}

int tg_carry_selected(const struct tg_plan *plan, const struct tg_earlier *earlier,
                      const uint8_t *marks, bool keeps_all, enum tg_fate *fates,
                      struct tg_error *err) {
  uint8_t *needed = malloc(plan->count + 1u);
  if (!needed) return tg_error_set(err, TG_ENOMEM, "no memory for a selection");
  for (uint32_t i = 0; i < plan->count; i++) fates[i] = marks[i] ? TG_FATE_RUN : TG_FATE_SKIP;
  for (uint32_t i = 0; i < plan->count; i++)
    if (marks[i] && plan->tasks[i].fallback != TG_NO_TASK)
      fates[plan->tasks[i].fallback] = TG_FATE_RUN;
  setups_add(plan, fates);
  for (uint32_t i = 0; i < plan->count; i++) needed[i] = fates[i] == TG_FATE_RUN;
  tg_graph_mark_ancestors(&plan->graph, needed);
  for (uint32_t i = 0; i < plan->count; i++) {
    bool is_kept = keeps_all ? has_ended(earlier, i) : needed[i] && is_settled(earlier, i);
    if (fates[i] == TG_FATE_SKIP && is_kept) fates[i] = TG_FATE_KEEP;
  }
  for (uint32_t i = 0; i < plan->graph.ordered_count; i++) {
    uint32_t task = plan->graph.order[i];
    if (marks[task] == TG_MARK_ITEMS && may_continue(plan, earlier, task, fates))
      fates[task] = TG_FATE_CONTINUE;
  }
  int code = TG_OK;
  for (uint32_t i = 0; i < plan->graph.ordered_count && !code; i++)
    if (does_run(fates[plan->graph.order[i]]))
      code = upstreams_check(plan, earlier, fates, plan->graph.order[i], needed, err);
  free(needed);
  return code;
}
