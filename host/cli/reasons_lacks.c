// SPDX-License-Identifier: Apache-2.0
// What a task has no room in, or had none in before it started, and who is or was in it. Where
// there is room it may stand in a line: nobody overtakes who waits for a pool.
//
// What was lacking is what the records show at the last instant of the wait at which they show
// anything: just before it ended, else before one of the ends of attempts that could have ended it.
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "cli/reasons_parts.h"

enum {
  TAKERS_SHOWN_MAX = 3,
  LIST_BYTES_MAX = 2048,
  LOOKS_MAX = 8,       // into the past for one wait
  ALL_LOOKS_MAX = 128, // and for all that is told together
  OLDER_RUNS_MAX = 32, // whose lines are looked at
};

// A wait, and what was in flight at the instant at which it is looked at.
struct wait {
  const struct tg_takers *takers;
  int64_t since, until; // until: 0 while it lasts
};

// --- Who is in the way ---

static void unit_put(const struct tg_teller *teller, const struct tg_run *run, const char *task,
                     uint32_t item, struct tg_buf *names) {
  char id[TG_ID_TEXT_LEN + 1];
  bool is_own = run->number == teller->view->run.number;
  tg_id_format(run->id, id);
  tg_buf_putf(names, "%s%s%s", is_own ? "" : run->pipeline, is_own ? "" : "/", task);
  if (item != TG_NO_ITEM) tg_buf_putf(names, "[%u]", item);
  if (!is_own) tg_buf_putf(names, " of run %s", id);
}

static json_t *taker_json(const struct tg_taker *taker, uint32_t share) {
  char id[TG_ID_TEXT_LEN + 1];
  tg_id_format(taker->run->id, id);
  return json_pack("{s:s, s:s, s:s, s:o, s:I}", "run", id, "pipeline", taker->run->pipeline, "task",
                   taker->plan->tasks[taker->task].name, "item",
                   taker->item == TG_NO_ITEM ? json_null() : json_integer(taker->item), "slots",
                   (json_int_t)share);
}

// Names the first of those that hold it and says how many more there are; gives them all.
static json_t *takers_put(const struct tg_teller *teller, const struct tg_takers *takers,
                          const struct tg_lack *lack, struct tg_buf *names) {
  json_t *list = json_array();
  for (size_t i = 0; i < takers->count; i++) {
    const struct tg_taker *taker = &takers->all[i];
    uint32_t share = tg_taker_share(taker, lack, &teller->view->run);
    if (!share) continue;
    json_array_append_new(list, taker_json(taker, share));
    if (json_array_size(list) > TAKERS_SHOWN_MAX) continue;
    tg_buf_puts(names, names->len ? ", " : "");
    unit_put(teller, taker->run, taker->plan->tasks[taker->task].name, taker->item, names);
    if (share > 1) tg_buf_putf(names, " (%u)", share);
  }
  if (json_array_size(list) > TAKERS_SHOWN_MAX)
    tg_buf_putf(names, " and %zu more", json_array_size(list) - TAKERS_SHOWN_MAX);
  return list;
}

// --- Telling ---

static const char *const lack_kinds[] = {"slot", "tasks", "pool"};

static void lack_put(const struct tg_lack *lack, bool is_past, const char *names,
                     struct tg_buf *text) {
  const char *by = lack->taken ? " by " : "";
  tg_buf_puts(text, is_past ? "waited for " : "waits for ");
  switch (lack->kind) {
  case TG_LACK_SLOT:
    tg_buf_putf(text, "a slot of the host: %u of %u %s taken%s%s%s", lack->taken, lack->size,
                is_past ? "were" : "are", by, names,
                lack->is_lane ? "; a backfill leaves one free" : "");
    break;
  case TG_LACK_TASKS:
    tg_buf_putf(text, "limits.tasks of the pipeline: %u of %u tasks %s: %s", lack->taken,
                lack->size, is_past ? "ran" : "run", names);
    break;
  case TG_LACK_POOL:
    tg_buf_putf(text, "pool %s: %u of %u slots %s taken%s%s; it %s %u", lack->pool, lack->taken,
                lack->size, is_past ? "were" : "are", by, names, is_past ? "needed" : "needs",
                lack->needs);
    break;
  }
}

static void fields_add(struct tg_teller *teller, json_t *reason, json_t *fields) {
  if (!fields || (reason && json_object_update(reason, fields))) teller->is_failed = true;
  json_decref(fields);
}

static void lack_tell(struct tg_teller *teller, const char *name, const struct wait *wait,
                      const struct tg_lack *lack) {
  struct tg_buf names, text;
  tg_buf_init(&names, LIST_BYTES_MAX);
  tg_buf_init(&text, SIZE_MAX / 2);
  json_t *list = takers_put(teller, wait->takers, lack, &names);
  lack_put(lack, wait->until != 0, tg_buf_text(&names), &text);
  json_t *reason = tg_tell(teller, name, lack_kinds[lack->kind], wait->since, wait->until, "%s",
                           tg_buf_text(&text));
  fields_add(teller, reason,
             json_pack("{s:s?, s:I, s:I, s:I, s:o}", "pool", lack->pool, "size",
                       (json_int_t)lack->size, "taken", (json_int_t)lack->taken, "needs",
                       (json_int_t)lack->needs, "taken_by", list));
  tg_buf_deinit(&names);
  tg_buf_deinit(&text);
}

// Gives whether there is anything that it lacks.
static bool lacks_tell(struct tg_teller *teller, uint32_t task, const struct wait *wait) {
  const struct tg_view *view = teller->view;
  struct tg_lack lacks[TG_LACKS_MAX];
  uint32_t count = tg_takers_lack(wait->takers, &view->run, view->plan, task, lacks);
  for (uint32_t i = 0; i < count; i++) lack_tell(teller, view->tasks[task].name, wait, &lacks[i]);
  return count > 0;
}

// --- The line for a pool ---

// Gives a pool that two tasks take from, or NULL; `is_project` for one that runs share.
static const char *pool_shared(const struct tg_plan *plan, uint32_t task,
                               const struct tg_plan *other_plan, uint32_t other, bool is_project) {
  const struct tg_plan_task *a = &plan->tasks[task], *b = &other_plan->tasks[other];
  for (uint32_t i = 0; i < a->pool_count; i++) {
    bool may = !is_project;
    for (uint32_t n = 0; n < plan->pool_count && !may; n++)
      may = !plan->pools[n].slots && strcmp(plan->pools[n].name, a->pools[i].name) == 0;
    for (uint32_t n = 0; n < b->pool_count && may; n++)
      if (strcmp(a->pools[i].name, b->pools[n].name) == 0) return a->pools[i].name;
  }
  return NULL;
}

// Finds what a task lacks in a pool; false when it has room in all of its pools.
static bool pool_lack(const struct tg_view *view, const struct tg_takers *takers, uint32_t task,
                      struct tg_lack *lack) {
  struct tg_lack lacks[TG_LACKS_MAX];
  uint32_t count = tg_takers_lack(takers, &view->run, view->plan, task, lacks);
  for (uint32_t i = 0; i < count; i++) {
    if (lacks[i].kind != TG_LACK_POOL) continue;
    *lack = lacks[i];
    return true;
  }
  return false;
}

// Says whether a task waited at the instant at which the wait is looked at.
static bool is_waiting(const struct tg_teller *teller, uint32_t task, const struct wait *wait) {
  int64_t at = wait->takers->now, since = 0;
  size_t count;
  if (!wait->until) return tg_is_ready(teller, task, &since);
  const struct tg_attempt *first = tg_attempts_of(teller, task, &count);
  return first && first->started_at > at && tg_ready_at(teller, task) <= at;
}

// Tells of who stands before a task, as `other` of the run that `their` is about.
static void ahead_tell(struct tg_teller *teller, uint32_t task, const struct tg_teller *their,
                       uint32_t other, const struct wait *wait, const char *pool,
                       const struct tg_lack *lack) {
  char id[TG_ID_TEXT_LEN + 1];
  struct tg_buf ahead, names, text;
  const char *name = their->view->tasks[other].name;
  tg_id_format(their->view->run.id, id);
  tg_buf_init(&ahead, LIST_BYTES_MAX);
  tg_buf_init(&names, LIST_BYTES_MAX);
  tg_buf_init(&text, SIZE_MAX / 2);
  unit_put(teller, &their->view->run, name, TG_NO_ITEM, &ahead);
  json_decref(takers_put(teller, wait->takers, lack, &names));
  lack_put(lack, wait->until != 0, tg_buf_text(&names), &text);
  json_t *reason =
      tg_tell(teller, teller->view->tasks[task].name, "line", wait->since, wait->until,
              "%s behind %s, which %s; nobody overtakes in pool %s",
              wait->until ? "waited" : "waits", tg_buf_text(&ahead), tg_buf_text(&text), pool);
  fields_add(teller, reason,
             json_pack("{s:s, s:{s:s, s:s, s:s}}", "pool", pool, "behind", "run", id, "pipeline",
                       their->view->run.pipeline, "task", name));
  tg_buf_deinit(&ahead);
  tg_buf_deinit(&names);
  tg_buf_deinit(&text);
}

// The order of the engine: by priority, then by the heaviest path to an end, then by place.
static bool is_more_urgent(const struct tg_plan *plan, const int64_t *tails, uint32_t a,
                           uint32_t b) {
  int32_t x = plan->tasks[a].priority, y = plan->tasks[b].priority;
  if (x != y) return x > y;
  return tails[a] != tails[b] ? tails[a] > tails[b] : a < b;
}

// Tells of the most urgent task of the same run that waits for a pool of this one.
static bool own_line_tell(struct tg_teller *teller, uint32_t task, const struct wait *wait) {
  const struct tg_plan *plan = teller->view->plan;
  int64_t *tails = malloc((plan->count + 1u) * sizeof *tails);
  uint32_t first = task;
  struct tg_lack lack = {0}, one;
  if (!tails) return false;
  tg_graph_tails(&plan->graph, NULL, tails);
  for (uint32_t i = 0; i < plan->count; i++) {
    if (!is_more_urgent(plan, tails, i, first) || !pool_shared(plan, task, plan, i, false) ||
        !is_waiting(teller, i, wait) || !pool_lack(teller->view, wait->takers, i, &one))
      continue;
    first = i;
    lack = one;
  }
  free(tails);
  if (first == task) return false;
  ahead_tell(teller, task, teller, first, wait, pool_shared(plan, task, plan, first, false), &lack);
  return true;
}

// Tells of the first task of another run that waits for a pool of this one; false for none.
static bool their_line_tell(struct tg_teller *teller, uint32_t task, const struct wait *wait,
                            const struct tg_view *view) {
  const struct tg_teller their = {.view = view, .takers = teller->takers};
  struct tg_lack lack;
  for (uint32_t i = 0; i < view->plan->count; i++) {
    const char *pool = pool_shared(teller->view->plan, task, view->plan, i, true);
    if (!pool || !is_waiting(&their, i, wait) || !pool_lack(view, wait->takers, i, &lack)) continue;
    ahead_tell(teller, task, &their, i, wait, pool, &lack);
    return true;
  }
  return false;
}

// Older runs stand before younger ones, and backfills behind all others.
static bool is_older(const struct tg_run *other, const struct tg_run *own) {
  if (!other->started_at || other->number == own->number) return false;
  if (!other->backfill != !own->backfill) return !other->backfill;
  return other->number < own->number;
}

static bool has_project_pool(const struct tg_plan *plan, uint32_t task) {
  return pool_shared(plan, task, plan, task, true) != NULL;
}

static bool older_line_tell(struct tg_teller *teller, uint32_t task, const struct wait *wait) {
  const struct tg_takers *takers = wait->takers;
  uint32_t looks = 0;
  bool is_told = false;
  if (!takers->history || !has_project_pool(teller->view->plan, task)) return false;
  for (size_t i = takers->run_count; i-- > 0 && !is_told && looks < OLDER_RUNS_MAX;) {
    char id[TG_ID_TEXT_LEN + 1];
    struct tg_view view;
    if (!is_older(&takers->runs[i], &teller->view->run)) continue;
    tg_id_format(takers->runs[i].id, id);
    looks++;
    if (!tg_view_read(&view, takers->history, id, NULL))
      is_told = their_line_tell(teller, task, wait, &view);
    tg_view_deinit(&view);
  }
  return is_told;
}

static bool line_tell(struct tg_teller *teller, uint32_t task, const struct wait *wait) {
  return own_line_tell(teller, task, wait) || older_line_tell(teller, task, wait);
}

void tg_tell_lacks(struct tg_teller *teller, uint32_t task, int64_t since) {
  const struct wait wait = {.takers = teller->takers, .since = since};
  bool has_pools = teller->view->plan->tasks[task].pool_count > 0;
  if (lacks_tell(teller, task, &wait)) return;
  if (has_pools && line_tell(teller, task, &wait)) return;
  tg_tell(teller, teller->view->tasks[task].name, "slot", since, 0,
          "could start, and the records show no limit that is reached: its start is not recorded "
          "yet, or no host is at work");
}

// --- The past ---

static bool then_tell(struct tg_teller *teller, uint32_t task, struct wait *wait, int64_t at,
                      bool *is_failed) {
  struct tg_takers then;
  bool has_pools = teller->view->plan->tasks[task].pool_count > 0;
  *is_failed = tg_takers_read_past(&then, teller->takers, at, NULL) != TG_OK;
  wait->takers = &then;
  bool is_told = !*is_failed &&
                 (lacks_tell(teller, task, wait) || (has_pools && line_tell(teller, task, wait)));
  tg_takers_deinit(&then);
  return is_told;
}

bool tg_tell_lacked(struct tg_teller *teller, uint32_t task, int64_t since, int64_t until) {
  struct wait wait = {.since = since, .until = until};
  struct tg_takers *takers = teller->takers;
  int64_t at = until - 1, end;
  bool is_failed = false;
  for (int i = 0; i < LOOKS_MAX && takers && takers->looks < ALL_LOOKS_MAX; i++) {
    if (then_tell(teller, task, &wait, at, &is_failed)) return true;
    if (is_failed || at <= since || tg_history_last_end(takers->history, since, at, &end, NULL))
      return false;
    at = end > since + 1 ? end - 1 : since;
  }
  return false;
}
