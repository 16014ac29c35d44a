// SPDX-License-Identifier: Apache-2.0
#include "engine/live_map.h"
#include "model/json.h"

#include <stdlib.h>
#include <string.h>

struct tg_live_key {
  uint32_t running;
  uint32_t first, last; // items that wait for others of the key; TG_NO_ITEM when there is none
};

static const struct tg_plan_map *plan_of(const struct tg_live_run *live, uint32_t task) {
  return live->plan->tasks[task].map;
}

void tg_live_map_free(struct tg_live_map *map) {
  if (!map) return;
  size_t at = 0;
  const struct tg_map_slot *slot;
  while ((slot = tg_map_next(&map->by_key, &at))) free(slot->value);
  tg_map_deinit(&map->by_key);
  json_decref(map->values);
  json_decref(map->keys);
  free(map->eligible);
  free(map->next_of_key);
  free(map);
}

// Finds the books of an item's key; *key is NULL for an item without one.
static int key_of(struct tg_live_map *map, uint32_t item, struct tg_live_key **key) {
  const char *text = json_string_value(json_array_get(map->keys, item));
  *key = text ? tg_map_get(&map->by_key, text) : NULL;
  if (!text || *key) return TG_OK;
  *key = malloc(sizeof **key);
  if (!*key || tg_map_put(&map->by_key, text, *key)) {
    free(*key);
    *key = NULL;
    return TG_ENOMEM;
  }
  **key = (struct tg_live_key){.first = TG_NO_ITEM, .last = TG_NO_ITEM};
  return TG_OK;
}

static void key_wait(struct tg_live_map *map, struct tg_live_key *key, uint32_t item) {
  map->next_of_key[item] = TG_NO_ITEM;
  if (key->first == TG_NO_ITEM)
    key->first = item;
  else
    map->next_of_key[key->last] = item;
  key->last = item;
}

static void place_take(struct tg_live_run *live, struct tg_live_map *map, struct tg_live_key *key,
                       uint32_t item) {
  live->tasks[map->first + item].is_let_in = true;
  map->running++;
  if (key) key->running++;
}

static int let_in(struct tg_live_run *live, struct tg_live_map *map, struct tg_live_key *key,
                  uint32_t item) {
  place_take(live, map, key, item);
  return tg_live_make_ready(live, map->first + item);
}

// After a recovery an item that stands among those to let in may be in, or have ended.
static bool is_past(const struct tg_live_run *live, const struct tg_live_map *map, uint32_t item) {
  const struct tg_live_task *t = &live->tasks[map->first + item];
  return t->is_let_in || tg_task_state_is_terminal((enum tg_task_state)t->state);
}

// A chain that goes breadth first and was carried over has items before its rule can be asked.
static bool follows_rule(const struct tg_live_run *live, uint32_t task) {
  const struct tg_plan_map *plan = plan_of(live, task);
  return plan->over == TG_NO_TASK || plan->is_depth ||
         tg_live_judge(live, task) == TG_TRIGGER_READY;
}

static bool may_admit(const struct tg_live_run *live, const struct tg_live_map *map) {
  uint32_t limit = plan_of(live, map->task)->limit;
  return (!limit || map->running < limit) && !map->is_stopped && !live->is_replaying &&
         !tg_live_is_cut(live, map->task) && follows_rule(live, map->task);
}

static int admit(struct tg_live_run *live, struct tg_live_map *map) {
  uint32_t per_key = plan_of(live, map->task)->limit_per_key;
  int code = TG_OK;
  while (!code && map->head < map->tail && may_admit(live, map)) {
    uint32_t item = map->eligible[map->head++];
    struct tg_live_key *key;
    if (is_past(live, map, item)) continue;
    code = key_of(map, item, &key);
    if (!code && key && per_key && key->running >= per_key)
      key_wait(map, key, item);
    else if (!code)
      code = let_in(live, map, key, item);
  }
  return code;
}

// The item whose place has become free is followed by one of its own key first.
static int place_freed(struct tg_live_run *live, struct tg_live_map *map, uint32_t item) {
  struct tg_live_key *key;
  int code = key_of(map, item, &key);
  map->running--;
  if (code || !key) return code;
  key->running--;
  while (key->first != TG_NO_ITEM && may_admit(live, map)) {
    uint32_t next = key->first;
    key->first = map->next_of_key[next];
    if (!is_past(live, map, next)) return let_in(live, map, key, next);
  }
  return TG_OK;
}

int tg_live_map_admit(struct tg_live_run *live, uint32_t task) {
  struct tg_live_map *map = live->tasks[task].map;
  return map ? admit(live, map) : TG_OK;
}

int tg_live_map_tried(struct tg_live_run *live, uint32_t unit) {
  const struct tg_live_task *t = &live->tasks[unit];
  struct tg_live_map *map = live->tasks[t->task].map;
  struct tg_live_key *key;
  if (t->is_let_in) return TG_OK;
  int code = key_of(map, t->item, &key);
  if (!code) place_take(live, map, key, t->item);
  return code;
}

// What was let in and not tried yet gives its place back. The books of the keys are of no use any
// more, since no item is let in again.
static void map_stop(struct tg_live_run *live, struct tg_live_map *map) {
  map->is_stopped = true;
  for (uint32_t i = 0; i < map->count && map->running; i++) {
    struct tg_live_task *t = &live->tasks[map->first + i];
    if (!t->is_let_in || t->state != TG_TASK_READY || t->attempts) continue;
    t->state = TG_TASK_WAITING;
    t->is_let_in = false;
    map->running--;
  }
}

void tg_live_map_close(struct tg_live_run *live, uint32_t task) {
  if (live->tasks[task].map) map_stop(live, live->tasks[task].map);
}

static void failure_count(struct tg_live_run *live, struct tg_live_map *map) {
  const struct tg_plan_map *plan = plan_of(live, map->task);
  map->failed++;
  bool is_enough = plan->fail_after && map->failed >= plan->fail_after;
  bool is_share = plan->fail_share > 0 && map->failed > plan->fail_share * map->count;
  if (!map->is_stopped && (is_enough || is_share)) map_stop(live, map);
}

// Takes in what became of the item before one in a chain: it is eligible, or skipped itself. In
// recovery that is known when all records were applied: its own may be among them.
static int chain_item(struct tg_live_run *live, struct tg_live_map *map, uint32_t item,
                      enum tg_task_state before) {
  struct tg_live_task *unit = &live->tasks[map->first + item];
  if (before == TG_TASK_SUCCESS) {
    map->eligible[map->tail++] = item;
    return admit(live, map);
  }
  if (live->is_replaying || tg_task_state_is_terminal((enum tg_task_state)unit->state))
    return TG_OK;
  return tg_live_map_ended(live, map->first + item, TG_TASK_SKIPPED);
}

static int chains_tell(struct tg_live_run *live, uint32_t task, uint32_t item,
                       enum tg_task_state state) {
  struct tg_graph_slice down = tg_graph_downstream(&live->plan->graph, task);
  int code = TG_OK;
  for (uint32_t i = 0; i < down.count && !code; i++) {
    const struct tg_plan_map *plan = plan_of(live, down.nodes[i]);
    struct tg_live_map *map = live->tasks[down.nodes[i]].map;
    // One that was carried over has the items that it had.
    bool has_one = plan && plan->over == task && map && item < map->count;
    if (has_one) code = chain_item(live, map, item, state);
  }
  return code;
}

int tg_live_map_ended(struct tg_live_run *live, uint32_t unit, enum tg_task_state state) {
  struct tg_live_task *t = &live->tasks[unit];
  struct tg_live_map *map = live->tasks[t->task].map;
  bool was_let_in = t->is_let_in;
  t->is_let_in = false;
  t->state = (uint8_t)state;
  map->done++;
  if (state == TG_TASK_FAILED) failure_count(live, map);
  if (state == TG_TASK_CANCELLED) {
    map->cancelled++;
    if (!tg_live_is_cut(live, map->task)) failure_count(live, map); // it did not succeed
  }
  int code = was_let_in ? place_freed(live, map, t->item) : TG_OK;
  if (!code) code = admit(live, map);
  return code ? code : chains_tell(live, t->task, t->item, state);
}

static int units_add(struct tg_live_run *live, uint32_t task, uint32_t count) {
  size_t total = (size_t)live->count + count;
  if (total > TG_NO_ITEM / 2) return TG_ENOMEM;
  struct tg_live_task *tasks = realloc(live->tasks, total * sizeof *tasks);
  if (!tasks) return TG_ENOMEM;
  live->tasks = tasks;
  memset(tasks + live->count, 0, count * sizeof *tasks);
  for (uint32_t i = 0; i < count; i++) {
    tasks[live->count + i].task = task;
    tasks[live->count + i].item = i;
  }
  live->count = (uint32_t)total;
  return TG_OK;
}

// Gives what became of the item before one in a chain. Where the map before has an output and no
// items, null stands for an item that failed.
static enum tg_task_state before_state(const struct tg_live_run *live,
                                       const struct tg_live_map *map, uint32_t item) {
  const struct tg_live_map *before = live->tasks[plan_of(live, map->task)->over].map;
  if (map->values)
    return json_is_null(json_array_get(map->values, item)) ? TG_TASK_FAILED : TG_TASK_SUCCESS;
  if (!before || item >= before->count) return TG_TASK_WAITING;
  return (enum tg_task_state)live->tasks[before->first + item].state;
}

static int items_begin(struct tg_live_run *live, struct tg_live_map *map) {
  bool is_chain = plan_of(live, map->task)->over != TG_NO_TASK;
  int code = TG_OK;
  for (uint32_t i = 0; i < map->count && !code; i++) {
    enum tg_task_state state = is_chain ? before_state(live, map, i) : TG_TASK_SUCCESS;
    if (tg_task_state_is_terminal(state)) code = chain_item(live, map, i, state);
  }
  return code ? code : admit(live, map);
}

int tg_live_map_replayed(struct tg_live_run *live, uint32_t task) {
  struct tg_live_map *map = live->tasks[task].map;
  bool is_chain = map && plan_of(live, task)->over != TG_NO_TASK;
  int code = TG_OK;
  for (uint32_t i = 0; is_chain && i < map->count && !code; i++) {
    enum tg_task_state state = before_state(live, map, i);
    bool is_lost = tg_task_state_is_terminal(state) && state != TG_TASK_SUCCESS;
    if (is_lost) code = chain_item(live, map, i, state);
  }
  return code;
}

static int list_read(const char *text, json_t **list) {
  int code = text ? tg_json_read(text, strlen(text), 0, list, NULL) : TG_OK;
  return code == TG_ENOMEM ? code : TG_OK;
}

int tg_live_map_expand(struct tg_live_run *live, const struct tg_map_items *record) {
  if (record->task >= live->plan->count || !plan_of(live, record->task)) return TG_OK;
  struct tg_live_task *t = &live->tasks[record->task];
  if (t->map || tg_task_state_is_terminal((enum tg_task_state)t->state)) return TG_OK;
  struct tg_live_map *map = calloc(1, sizeof *map);
  if (!map) return TG_ENOMEM;
  t->map = map;
  live->map_count++;
  t->state = TG_TASK_RUNNING;
  t->is_deciding = false;
  map->task = record->task;
  map->first = live->count;
  map->count = record->count;
  if (list_read(record->items, &map->values) || list_read(record->keys, &map->keys))
    return TG_ENOMEM;
  map->eligible = malloc((record->count + 1u) * sizeof *map->eligible);
  map->next_of_key = map->keys ? malloc((record->count + 1u) * sizeof *map->next_of_key) : NULL;
  if (!map->eligible || (map->keys && !map->next_of_key) || (record->items && !map->values))
    return TG_ENOMEM;
  int code = units_add(live, record->task, record->count);
  return code ? code : items_begin(live, map);
}

// Items may be cancelled that were never let in.
static bool has_deciding(const struct tg_live_run *live, const struct tg_live_map *map) {
  bool has_one = false;
  for (uint32_t i = 0; i < map->count && live->cut.code && !has_one; i++)
    has_one = live->tasks[map->first + i].is_deciding;
  return has_one;
}

static bool is_over(const struct tg_live_run *live, uint32_t task) {
  const struct tg_live_map *map = live->tasks[task].map;
  uint32_t over = plan_of(live, task)->over;
  if (map->running) return false;
  if (map->is_stopped) return true;
  bool is_cut = tg_live_is_cut(live, task);
  if (over == TG_NO_TASK) return is_cut || map->done == map->count;
  // In depth it began before its rule could be asked, and must wait until it can be.
  return tg_task_state_is_terminal((enum tg_task_state)live->tasks[over].state) &&
         tg_live_judge(live, task) != TG_TRIGGER_WAIT &&
         (is_cut || map->head == map->tail || !follows_rule(live, task));
}

bool tg_live_map_is_over(const struct tg_live_run *live, uint32_t task) {
  return is_over(live, task) && !has_deciding(live, live->tasks[task].map);
}

enum tg_task_state tg_live_map_state(const struct tg_live_run *live, uint32_t task) {
  const struct tg_plan_map *plan = plan_of(live, task);
  const struct tg_live_map *map = live->tasks[task].map;
  if (tg_live_is_cut(live, task) && (map->cancelled || map->done < map->count))
    return TG_TASK_CANCELLED;
  bool tolerates = plan->fail_after > 0 || plan->fail_share > 0;
  if (map->is_stopped || (map->failed && !tolerates)) return TG_TASK_FAILED;
  bool is_right = plan->over == TG_NO_TASK || tg_live_judge(live, task) == TG_TRIGGER_READY;
  return is_right ? TG_TASK_SUCCESS : tg_live_settled_state(live, task);
}

void tg_live_map_put_output(const struct tg_live_run *live, uint32_t task, struct tg_buf *out) {
  const struct tg_live_map *map = live->tasks[task].map;
  tg_buf_putc(out, '[');
  for (uint32_t i = 0; i < map->count; i++) {
    const char *output = live->tasks[map->first + i].output;
    if (i) tg_buf_putc(out, ',');
    tg_buf_puts(out, output ? output : "null");
  }
  tg_buf_putc(out, ']');
}

void tg_live_map_put_value(const struct tg_live_run *live, uint32_t unit, struct tg_buf *out) {
  const struct tg_live_task *t = &live->tasks[unit];
  const struct tg_live_map *map = live->tasks[t->task].map;
  uint32_t over = plan_of(live, t->task)->over;
  if (map->values) {
    char *text = json_dumps(json_array_get(map->values, t->item), JSON_COMPACT | JSON_ENCODE_ANY);
    if (text)
      tg_buf_puts(out, text);
    else
      tg_buf_fail(out);
    free(text);
    return;
  }
  const struct tg_live_map *before = live->tasks[over].map;
  const char *output = live->tasks[before->first + t->item].output;
  tg_buf_puts(out, output ? output : "null");
}
