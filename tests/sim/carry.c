// SPDX-License-Identifier: Apache-2.0
// A rerun: some tasks are kept as an earlier run left them, and some maps go on with the items that
// they have not. After a failure nothing is kept that waits for what is not; of a selection all
// that was not selected is kept, whatever became of it then, also behind what runs.
#include <stdlib.h>

#include "base/buf.h"
#include "sim/rules.h"
#include "sim/world.h"

enum { ITEMS_MAX = 12, TEXT_MAX = 1 << 12, NO_ITEMS = -1 };

enum fate { FATE_RUN, FATE_KEEP, FATE_CONTINUE };

struct rerun {
  struct sim *sim;
  const struct sim_pipeline *pipeline;
  struct sim_carried *carried;
  bool is_selected;
  enum fate *fates;
  enum tg_task_state *ends;                // of what is kept
  int *counts;                             // of the items of each map, or NO_ITEMS
  enum tg_task_state (*states)[ITEMS_MAX]; // of the items of each map
};

static void *room(struct rerun *rerun, size_t count, size_t size) {
  void *memory = tg_arena_alloc(&rerun->sim->arena, (count + 1) * size);
  if (!memory) abort();
  return memory;
}

// A task that runs has the one that stands in for it beside it.
static bool may_keep(const struct rerun *rerun, uint32_t task) {
  const struct sim_task *t = &rerun->pipeline->tasks[task];
  bool may = rerun->is_selected || !t->is_teardown;
  if (t->spare_of != SIM_NONE) may &= rerun->fates[t->spare_of] == FATE_KEEP;
  for (uint32_t i = 0; i < t->up_count && !rerun->is_selected; i++)
    may &= rerun->fates[t->up[i]] == FATE_KEEP;
  return may;
}

static bool may_continue(const struct rerun *rerun, uint32_t task) {
  const struct sim_task *t = &rerun->pipeline->tasks[task];
  struct sim_counts all = {.all = t->up_count, .success = t->up_count};
  bool may = t->is_map && !t->is_teardown && sim_rule_verdict(t->rule, all) == 'R';
  for (uint32_t i = 0; i < t->up_count; i++) {
    uint32_t up = t->up[i];
    bool is_kept = rerun->fates[up] == FATE_KEEP && rerun->ends[up] == TG_TASK_SUCCESS;
    may &= (is_kept && !rerun->pipeline->tasks[up].to_count) ||
           (rerun->fates[up] == FATE_CONTINUE && up == t->map.over);
  }
  return may && (!sim_task_is_chain(t) || rerun->counts[t->map.over] != NO_ITEMS);
}

static enum fate fate_draw(struct rerun *rerun, uint32_t task) {
  struct sim_random *random = &rerun->sim->random;
  if (may_keep(rerun, task) && sim_random_chance(random, rerun->is_selected ? 500 : 700))
    return FATE_KEEP;
  return may_continue(rerun, task) && sim_random_chance(random, 700) ? FATE_CONTINUE : FATE_RUN;
}

static enum tg_task_state end_draw(struct rerun *rerun) {
  static const enum tg_task_state others[] = {TG_TASK_SKIPPED, TG_TASK_FAILED,
                                              TG_TASK_UPSTREAM_FAILED, TG_TASK_CANCELLED};
  struct sim_random *random = &rerun->sim->random;
  if (sim_random_chance(random, 700)) return TG_TASK_SUCCESS;
  return others[rerun->is_selected ? sim_random_below(random, 4) : 0];
}

// A map that is kept may have had one failed item, if it goes on after one.
static enum tg_task_state item_draw(struct rerun *rerun, uint32_t task, uint32_t item) {
  const struct sim_task *t = &rerun->pipeline->tasks[task];
  struct sim_random *random = &rerun->sim->random;
  bool has_before = sim_task_is_chain(t) && (int)item < rerun->counts[t->map.over];
  if (has_before && rerun->states[t->map.over][item] != TG_TASK_SUCCESS) return TG_TASK_WAITING;
  if (rerun->fates[task] == FATE_CONTINUE)
    return sim_random_chance(random, 600) ? TG_TASK_SUCCESS : TG_TASK_WAITING;
  if (rerun->ends[task] != TG_TASK_SUCCESS) {
    static const enum tg_task_state states[] = {TG_TASK_SUCCESS, TG_TASK_FAILED, TG_TASK_CANCELLED,
                                                TG_TASK_WAITING};
    return states[sim_random_below(random, 4)];
  }
  bool may_fail = item == 0 && t->map.fail_after > 1 && !t->map.share_percent;
  return may_fail && sim_random_chance(random, 300) ? TG_TASK_FAILED : TG_TASK_SUCCESS;
}

static int count_draw(struct rerun *rerun, uint32_t task) {
  const struct sim_task *t = &rerun->pipeline->tasks[task];
  bool may_lack = rerun->fates[task] == FATE_KEEP; // it fell back, or was kept without them before
  if (!t->is_map || rerun->fates[task] == FATE_RUN) return NO_ITEMS;
  if (may_lack && sim_random_chance(&rerun->sim->random, 300)) return NO_ITEMS;
  if (sim_task_is_chain(t) && rerun->counts[t->map.over] != NO_ITEMS)
    return rerun->counts[t->map.over];
  uint32_t most = t->map.items_max < ITEMS_MAX ? t->map.items_max : ITEMS_MAX;
  return (int)sim_random_below(&rerun->sim->random, most + 1);
}

static const char *list_make(struct rerun *rerun, int count, bool is_keys) {
  struct tg_buf text;
  tg_buf_init(&text, TEXT_MAX);
  tg_buf_putc(&text, '[');
  for (int i = 0; i < count; i++) {
    char key = (char)('a' + sim_random_below(&rerun->sim->random, SIM_KEYS));
    if (i) tg_buf_putc(&text, ',');
    if (is_keys)
      tg_buf_putf(&text, "\"%c\"", key);
    else
      tg_buf_putf(&text, "%d", i * 10);
  }
  tg_buf_putc(&text, ']');
  const char *list = tg_arena_strdup(&rerun->sim->arena, tg_buf_text(&text));
  tg_buf_deinit(&text);
  return list;
}

static const char *item_output(struct rerun *rerun, uint32_t task, uint32_t item) {
  char text[48];
  if (rerun->states[task][item] != TG_TASK_SUCCESS) return NULL;
  snprintf(text, sizeof text, "\"t%u.%u of old\"", task, item);
  return tg_arena_strdup(&rerun->sim->arena, text);
}

static struct tg_failure failure_of(enum tg_task_state state) {
  int code = state == TG_TASK_FAILED ? TG_ESCRIPT : state == TG_TASK_CANCELLED ? TG_ECANCELLED : 0;
  if (!code) return (struct tg_failure){0};
  return (struct tg_failure){.code = code, .class = TG_CLASS_PERMANENT, .text = "of old"};
}

static void items_keep(struct rerun *rerun, uint32_t task) {
  const struct sim_task *t = &rerun->pipeline->tasks[task];
  struct sim_carried *carried = rerun->carried;
  int count = rerun->counts[task];
  carried->maps[carried->map_count++] = (struct tg_map_items){
      .task = task,
      .count = (uint32_t)count,
      .items = sim_task_is_chain(t) ? NULL : list_make(rerun, count, false),
      .keys = t->map.has_keys ? list_make(rerun, count, true) : NULL,
  };
  for (uint32_t i = 0; (int)i < count; i++) {
    rerun->states[task][i] = item_draw(rerun, task, i);
    if (rerun->states[task][i] == TG_TASK_WAITING) continue;
    carried->items[carried->item_count++] = (struct tg_item){
        .task = task,
        .index = i,
        .state = rerun->states[task][i],
        .output = item_output(rerun, task, i),
    };
    carried->items[carried->item_count - 1].failure = failure_of(rerun->states[task][i]);
  }
}

static const char *map_output(struct rerun *rerun, uint32_t task) {
  struct tg_buf text;
  if (rerun->counts[task] == NO_ITEMS) return "[1,null,\"x\",4]";
  tg_buf_init(&text, TEXT_MAX);
  tg_buf_putc(&text, '[');
  for (uint32_t i = 0; (int)i < rerun->counts[task]; i++) {
    const char *output = item_output(rerun, task, i);
    if (i) tg_buf_putc(&text, ',');
    tg_buf_puts(&text, output ? output : "null");
  }
  tg_buf_putc(&text, ']');
  const char *list = tg_arena_strdup(&rerun->sim->arena, tg_buf_text(&text));
  tg_buf_deinit(&text);
  return list;
}

static const char *chosen_make(struct rerun *rerun, const struct sim_task *task) {
  struct tg_buf text;
  tg_buf_init(&text, TEXT_MAX);
  tg_buf_putc(&text, '[');
  for (uint32_t i = 0; i < task->to_count; i++)
    if (sim_random_chance(&rerun->sim->random, 600))
      tg_buf_putf(&text, text.len > 1 ? ",\"%s\"" : "\"%s\"",
                  rerun->pipeline->tasks[task->to[i]].name);
  tg_buf_putc(&text, ']');
  const char *chosen = tg_arena_strdup(&rerun->sim->arena, tg_buf_text(&text));
  tg_buf_deinit(&text);
  return chosen;
}

static void task_keep(struct rerun *rerun, uint32_t task) {
  const struct sim_task *t = &rerun->pipeline->tasks[task];
  bool is_success = rerun->ends[task] == TG_TASK_SUCCESS;
  struct tg_task *kept = &rerun->carried->tasks[rerun->carried->task_count++];
  *kept = (struct tg_task){.index = task,
                           .name = t->name,
                           .state = rerun->ends[task],
                           .failure = failure_of(rerun->ends[task])};
  if (is_success) kept->output = t->is_map ? map_output(rerun, task) : "{\"carried\":1}";
  if (is_success && t->to_count) kept->chosen = chosen_make(rerun, t);
}

void sim_carry(struct sim *sim, struct sim_run *run) {
  uint32_t count = run->pipeline->count;
  struct rerun rerun = {.sim = sim, .pipeline = run->pipeline};
  rerun.is_selected = sim_random_chance(&sim->random, 500);
  struct sim_carried *carried = rerun.carried = room(&rerun, 1, sizeof *carried);
  *carried = (struct sim_carried){
      .tasks = room(&rerun, count, sizeof *carried->tasks),
      .maps = room(&rerun, count, sizeof *carried->maps),
      .items = room(&rerun, (size_t)count * ITEMS_MAX, sizeof *carried->items)};
  rerun.fates = room(&rerun, count, sizeof *rerun.fates);
  rerun.ends = room(&rerun, count, sizeof *rerun.ends);
  rerun.counts = room(&rerun, count, sizeof *rerun.counts);
  rerun.states = room(&rerun, count, sizeof *rerun.states);
  for (uint32_t i = 0; i < count; i++) {
    rerun.fates[i] = fate_draw(&rerun, i);
    rerun.ends[i] = end_draw(&rerun);
    rerun.counts[i] = count_draw(&rerun, i);
    if (rerun.fates[i] == FATE_CONTINUE && rerun.counts[i] == NO_ITEMS) rerun.fates[i] = FATE_RUN;
    if (rerun.counts[i] != NO_ITEMS) items_keep(&rerun, i);
    if (rerun.fates[i] == FATE_KEEP) task_keep(&rerun, i);
  }
  run->carried = carried;
}
