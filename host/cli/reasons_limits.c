// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/units.h"
#include "cli/reasons_parts.h"

enum { ITEMS_SHOWN_MAX = 3, KEYS_SHOWN_MAX = 3, LIST_BYTES_MAX = 2048 };

// How it stands with an item that has not ended.
enum { ITEM_OVER, ITEM_WAITS, ITEM_AT_WORK, ITEM_NOT_DUE };

struct items {
  const struct tg_view_map *map;
  const struct tg_plan_map *plan;
  unsigned char *how; // of each item
  uint32_t waiting, at_work;
};

static bool is_stopped(const struct items *items) {
  const struct tg_plan_map *plan = items->plan;
  uint32_t failed = items->map->failed;
  return (plan->fail_after && failed >= plan->fail_after) ||
         (plan->fail_share > 0 && failed > plan->fail_share * items->map->count);
}

// An item of a chain follows that of the map before it.
static void chain_mark(const struct tg_view *view, struct items *items) {
  size_t count;
  if (items->plan->over == TG_NO_TASK) return;
  const struct tg_item *before = tg_view_items(view, items->plan->over, &count);
  for (uint32_t i = 0; i < items->map->count; i++) items->how[i] = ITEM_NOT_DUE;
  for (size_t i = 0; i < count; i++)
    if (before[i].index < items->map->count && before[i].state == TG_TASK_SUCCESS)
      items->how[before[i].index] = ITEM_WAITS;
}

static void items_mark(const struct tg_view *view, uint32_t task, struct items *items) {
  size_t count;
  memset(items->how, ITEM_WAITS, items->map->count);
  chain_mark(view, items);
  const struct tg_step *steps = tg_view_steps(view, task, &count);
  for (size_t i = 0; i < count; i++)
    if (steps[i].item < items->map->count) items->how[steps[i].item] = ITEM_AT_WORK;
  for (size_t i = 0; i < view->attempt_count; i++)
    if (view->attempts[i].task == task && view->attempts[i].item < items->map->count)
      items->how[view->attempts[i].item] = ITEM_AT_WORK;
  const struct tg_item *over = tg_view_items(view, task, &count);
  for (size_t i = 0; i < count; i++)
    if (over[i].index < items->map->count) items->how[over[i].index] = ITEM_OVER;
  for (uint32_t i = 0; i < items->map->count; i++) {
    items->waiting += items->how[i] == ITEM_WAITS;
    items->at_work += items->how[i] == ITEM_AT_WORK;
  }
}

static void limit_tell(struct tg_teller *teller, const char *name, int64_t since,
                       const struct items *items) {
  struct tg_buf names;
  json_t *list = json_array();
  tg_buf_init(&names, LIST_BYTES_MAX);
  for (uint32_t i = 0; i < items->map->count; i++) {
    if (items->how[i] != ITEM_AT_WORK) continue;
    json_array_append_new(list, json_integer(i));
    if (json_array_size(list) > ITEMS_SHOWN_MAX) continue;
    tg_buf_putf(&names, "%s%s[%u]", names.len ? ", " : "", name, i);
  }
  if (json_array_size(list) > ITEMS_SHOWN_MAX)
    tg_buf_putf(&names, " and %zu more", json_array_size(list) - ITEMS_SHOWN_MAX);
  json_t *reason =
      tg_tell(teller, name, "limit", since, 0,
              "%u item%s wait%s for the map's limit: %u of %u are at work: %s", items->waiting,
              items->waiting == 1 ? "" : "s", items->waiting == 1 ? "s" : "", items->at_work,
              items->plan->limit, tg_buf_text(&names));
  json_t *fields =
      json_pack("{s:I, s:I, s:I, s:o}", "size", (json_int_t)items->plan->limit, "taken",
                (json_int_t)items->at_work, "waiting", (json_int_t)items->waiting, "items", list);
  if (!fields || (reason && json_object_update(reason, fields))) teller->is_failed = true;
  json_decref(fields);
  tg_buf_deinit(&names);
}

static void key_tell(struct tg_teller *teller, const char *name, int64_t since,
                     const struct items *items, const char *key, json_t *counts) {
  json_int_t waiting = json_integer_value(json_array_get(counts, 0));
  json_int_t at_work = json_integer_value(json_array_get(counts, 1));
  json_t *reason =
      tg_tell(teller, name, "key", since, 0,
              "%lld item%s of key \"%.200s\" wait%s for limit_per_key: %lld of %u are at work",
              (long long)waiting, waiting == 1 ? "" : "s", key, waiting == 1 ? "s" : "",
              (long long)at_work, items->plan->limit_per_key);
  json_t *fields =
      json_pack("{s:s, s:I, s:I, s:I}", "key", key, "size", (json_int_t)items->plan->limit_per_key,
                "taken", at_work, "waiting", waiting);
  if (!fields || (reason && json_object_update(reason, fields))) teller->is_failed = true;
  json_decref(fields);
}

// Counts by key: {key: [waiting, at work]}, in the order of the items.
static json_t *keys_count(const struct items *items, const json_t *keys) {
  json_t *by_key = json_object();
  for (uint32_t i = 0; i < items->map->count; i++) {
    const char *key = json_string_value(json_array_get(keys, i));
    bool waits = items->how[i] == ITEM_WAITS;
    if (!key || (!waits && items->how[i] != ITEM_AT_WORK)) continue;
    json_t *counts = json_object_get(by_key, key);
    if (!counts) {
      counts = json_pack("[i, i]", 0, 0);
      json_object_set_new(by_key, key, counts);
    }
    json_t *count = json_array_get(counts, waits ? 0 : 1);
    json_integer_set(count, json_integer_value(count) + 1);
  }
  return by_key;
}

// Tells of the first keys whose places are taken; gives how many items wait for one of them.
static uint32_t keys_tell(struct tg_teller *teller, const char *name, int64_t since,
                          const struct items *items) {
  const char *key;
  json_t *counts;
  uint32_t told = 0, held = 0;
  if (!items->plan->limit_per_key || !items->map->keys) return 0;
  json_t *keys = json_loads(items->map->keys, 0, NULL);
  json_t *by_key = keys_count(items, keys);
  json_object_foreach(by_key, key, counts) {
    json_int_t waiting = json_integer_value(json_array_get(counts, 0));
    json_int_t at_work = json_integer_value(json_array_get(counts, 1));
    if (!waiting || at_work < items->plan->limit_per_key) continue;
    held += (uint32_t)waiting;
    if (told++ < KEYS_SHOWN_MAX) key_tell(teller, name, since, items, key, counts);
  }
  json_decref(by_key);
  json_decref(keys);
  return held;
}

// Items that wait for an instant, told as one: the first of them, and how many there are.
struct resting {
  uint32_t count, first;
  int64_t since, until;
};

static void rest_add(struct resting *resting, uint32_t item, int64_t since, int64_t until) {
  if (!resting->count++ || until < resting->until)
    resting->first = item, resting->since = since, resting->until = until;
}

static void resting_tell(struct tg_teller *teller, const char *name, const char *kind,
                         const char *what, const char *field, const struct resting *resting) {
  char time[TG_TIME_TEXT_LEN + 1];
  if (!resting->count) return;
  tg_time_format(resting->until, time);
  json_t *reason =
      tg_tell(teller, name, kind, resting->since, 0, "%u item%s %s, %s[%u] until %s",
              resting->count, resting->count == 1 ? "" : "s", what, name, resting->first, time);
  json_t *fields = json_pack("{s:o, s:I, s:I}", field, tg_view_time_json(resting->until), "item",
                             (json_int_t)resting->first, "waiting", (json_int_t)resting->count);
  if (!fields || (reason && json_object_update(reason, fields))) teller->is_failed = true;
  json_decref(fields);
}

static void items_rest_tell(struct tg_teller *teller, uint32_t task, const struct items *items) {
  const struct tg_view *view = teller->view;
  const char *name = view->tasks[task].name;
  int64_t now = teller->takers->now;
  struct resting retries = {0}, sleeps = {0};
  size_t count;
  const struct tg_step *steps = tg_view_steps(view, task, &count);
  for (size_t i = 0; i < count; i++)
    if (steps[i].item < items->map->count && items->how[steps[i].item] == ITEM_AT_WORK &&
        !steps[i].wait && steps[i].wake_at > now)
      rest_add(&sleeps, steps[i].item, steps[i].intended_at, steps[i].wake_at);
  for (size_t i = 0; i < view->attempt_count; i++) {
    const struct tg_attempt *attempt = &view->attempts[i];
    if (attempt->task == task && attempt->item < items->map->count &&
        items->how[attempt->item] == ITEM_AT_WORK && attempt->retry_at > now)
      rest_add(&retries, attempt->item, attempt->ended_at, attempt->retry_at);
  }
  resting_tell(teller, name, "sleep", "asleep", "wake_at", &sleeps);
  resting_tell(teller, name, "retry", "waiting for a next attempt", "retry_at", &retries);
}

// Says whether a map may let in more of its items, if there are any.
static bool lets_in(const struct tg_view *view, uint32_t task, const struct items *items) {
  if (!items->plan || !items->map->is_expanded || is_stopped(items)) return false;
  bool is_whole = items->plan->over != TG_NO_TASK && !items->plan->is_depth;
  return tg_is_going(&view->run) && tg_is_needed(view, task) &&
         (!is_whole || tg_has_rule_met(view, task));
}

void tg_tell_items(struct tg_teller *teller, uint32_t task, int64_t since) {
  const struct tg_view *view = teller->view;
  const char *name = view->tasks[task].name;
  struct items items = {.map = &view->maps[task], .plan = view->plan->tasks[task].map};
  if (!teller->takers || !lets_in(view, task, &items)) return;
  items.how = calloc((size_t)items.map->count + 1, 1);
  if (!items.how) {
    teller->is_failed = true;
    return;
  }
  items_mark(view, task, &items);
  items_rest_tell(teller, task, &items);
  uint32_t held = keys_tell(teller, name, since, &items);
  if (items.waiting > held && items.plan->limit && items.at_work >= items.plan->limit)
    limit_tell(teller, name, since, &items);
  else if (items.waiting > held)
    tg_tell_lacks(teller, task, since);
  free(items.how);
}
