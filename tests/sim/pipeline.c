// SPDX-License-Identifier: Apache-2.0
#include "sim/pipeline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "sim/rules.h"

enum { PLAN_BYTES_MAX = 4 << 20, MANY = 70 };

static const char *const pool_names[SIM_POOLS] = {"warehouse", "api"};
static const char *const resource_names[SIM_RESOURCES] = {"lake", "mail"};
static const char *const backoffs[] = {"constant", "linear", "exponential", "decorrelated"};
static const char *const jitters[] = {"none", "full", "equal"};

const char *sim_pool_name(uint32_t pool) {
  return pool_names[pool];
}

bool sim_task_is_chain(const struct sim_task *task) {
  return task->is_map && task->map.over != SIM_NONE;
}

// --- The shape ---

static bool has(const uint32_t *list, uint32_t count, uint32_t task) {
  for (uint32_t i = 0; i < count; i++)
    if (list[i] == task) return true;
  return false;
}

static void append(uint32_t **list, uint32_t *count, uint32_t task) {
  if (has(*list, *count, task)) return;
  uint32_t *more = realloc(*list, (*count + 1) * sizeof *more);
  if (!more) abort();
  more[(*count)++] = task;
  *list = more;
}

static void edge_add(struct sim_pipeline *p, uint32_t from, uint32_t to) {
  append(&p->tasks[to].up, &p->tasks[to].up_count, from);
  append(&p->tasks[from].down, &p->tasks[from].down_count, to);
}

// Dense, wide and chain-like graphs, by how far back an edge reaches and how many there are.
static void edges_make(struct sim_pipeline *p, struct sim_random *random) {
  uint32_t reach = 1 + sim_random_below(random, p->count), width = sim_random_below(random, 4);
  for (uint32_t i = 1; i < p->count; i++) {
    uint32_t ups = sim_random_below(random, width + 2);
    for (uint32_t k = 0; k < ups; k++)
      edge_add(p, i - 1 - sim_random_below(random, i < reach ? i : reach), i);
  }
}

// One that waits for all that came before it.
static void collector_make(struct sim_pipeline *p) {
  for (uint32_t i = 0; i + 1 < p->count; i++) edge_add(p, i, p->count - 1);
}

static void branch_make(struct sim_pipeline *p, uint32_t task, struct sim_random *random) {
  struct sim_task *t = &p->tasks[task];
  for (uint32_t n = 1 + sim_random_below(random, 3); n && task + 1 < p->count; n--) {
    uint32_t to = task + 1 + sim_random_below(random, p->count - task - 1);
    append(&t->to, &t->to_count, to);
    edge_add(p, task, to);
  }
}

// Edges go upwards, so that the last tasks are the ends.
static void tails_set(struct sim_pipeline *p) {
  for (uint32_t i = p->count; i-- > 0;) {
    struct sim_task *t = &p->tasks[i];
    t->tail = 1;
    for (uint32_t d = 0; d < t->down_count; d++)
      if (p->tasks[t->down[d]].tail >= t->tail) t->tail = p->tasks[t->down[d]].tail + 1;
  }
}

// --- The tasks ---

static struct sim_retry retry_make(struct sim_random *random) {
  struct sim_retry retry = {.attempts = 1};
  if (sim_random_chance(random, 500)) return retry;
  retry.attempts = 2 + sim_random_below(random, 4);
  retry.backoff = sim_random_below(random, 4);
  retry.jitter = sim_random_below(random, 3);
  retry.factor = 1 + sim_random_below(random, 3);
  retry.base_ms = sim_random_time(random, 0, 300000);
  retry.cap_ms = retry.base_ms + sim_random_time(random, 0, 3600000);
  if (sim_random_chance(random, 200)) retry.total_ms = sim_random_time(random, 1, 7200000);
  for (uint32_t class = TG_CLASS_TRANSIENT; class < TG_CLASS_COUNT; class ++)
    if (class != TG_CLASS_CANCELLED && sim_random_chance(random, 600))
      retry.classes |= UINT32_C(1) << class;
  retry.classes |= UINT32_C(1) << TG_CLASS_TRANSIENT;
  retry.asks = sim_random_chance(random, 150);
  return retry;
}

// A map over one of its upstreams, if that is a map too and it wants to be.
static void map_make(struct sim_pipeline *p, uint32_t task, struct sim_random *random) {
  struct sim_task *t = &p->tasks[task];
  t->is_map = true;
  t->map = (struct sim_map){.over = SIM_NONE, .items_max = 100000};
  for (uint32_t i = 0; i < t->up_count; i++)
    if (p->tasks[t->up[i]].is_map && sim_random_chance(random, 700)) t->map.over = t->up[i];
  while (sim_task_is_chain(t) && !sim_rule_is_for_depth(t->rule) && sim_random_chance(random, 900))
    t->rule = (int)sim_random_below(random, SIM_RULE_COUNT);
  if (sim_random_chance(random, 600)) t->map.limit = 1 + sim_random_below(random, 5);
  t->map.has_keys = t->map.over == SIM_NONE && sim_random_chance(random, 400);
  if (t->map.has_keys) t->map.limit_per_key = sim_random_below(random, 3);
  if (sim_random_chance(random, 600)) t->map.fail_after = 1 + sim_random_below(random, 4);
  if (sim_random_chance(random, 200)) t->map.items_max = 1 + sim_random_below(random, 20);
  if (sim_random_chance(random, 200)) {
    t->map.share_percent = 1 + sim_random_below(random, 60);
    if (sim_random_chance(random, 700)) t->map.fail_after = 0;
  }
  t->map.is_depth =
      sim_task_is_chain(t) && sim_rule_is_for_depth(t->rule) && sim_random_chance(random, 600);
}

static void task_make(struct sim_pipeline *p, uint32_t task, const struct sim_taste *taste,
                      struct sim_random *random) {
  struct sim_task *t = &p->tasks[task];
  snprintf(t->name, sizeof t->name, "t%u", task);
  t->child = t->resource = t->spare = t->spare_of = SIM_NONE;
  if (taste->has_resources && sim_random_chance(random, 300))
    t->resource = sim_random_below(random, SIM_RESOURCES);
  if (sim_random_chance(random, 400)) t->rule = (int)sim_random_below(random, SIM_RULE_COUNT);
  if (sim_random_chance(random, 200)) t->priority = (int32_t)sim_random_between(random, -5, 5);
  if (sim_random_chance(random, 300)) t->timeout_ms = sim_random_time(random, 50, 3600000);
  t->is_setup = sim_random_chance(random, 80);
  t->is_teardown = t->up_count && !t->is_setup && sim_random_chance(random, 80);
  if (t->is_teardown && sim_random_chance(random, 800)) t->rule = SIM_RULE_ALL_DONE;
  t->has_fallback = sim_random_chance(random, 150);
  t->retry = retry_make(random);
  for (uint32_t i = 0; i < SIM_POOLS; i++)
    if (taste->pools[i] && sim_random_chance(random, 250))
      t->pools[i] = 1 + sim_random_below(random, taste->pools[i]);
  if (sim_random_chance(random, taste->map_permille))
    map_make(p, task, random);
  else if (taste->number && sim_random_chance(random, 120))
    t->child = sim_random_below(random, taste->number);
  bool may_ring = p->runs_max && p->runs_max < 3 && p->overlap == SIM_OVERLAP_QUEUE && p->count < 9;
  if (may_ring && !t->is_map && sim_random_chance(random, 100)) t->child = taste->number;
}

static bool can_stand_in(const struct sim_task *t) {
  return !t->is_map && !t->to_count && !t->is_setup && !t->is_teardown && t->spare == SIM_NONE &&
         t->spare_of == SIM_NONE;
}

// A task may have one that stands in for it when it has failed: a later one that waits for nothing
// that comes after it, so that the two make no circle.
static void spares_make(struct sim_pipeline *p, struct sim_random *random) {
  for (uint32_t i = 0; i + 1 < p->count; i++) {
    struct sim_task *t = &p->tasks[i];
    uint32_t other = i + 1 + sim_random_below(random, p->count - i - 1);
    struct sim_task *spare = &p->tasks[other];
    bool is_fit = can_stand_in(t) && can_stand_in(spare);
    for (uint32_t u = 0; u < spare->up_count; u++) is_fit &= spare->up[u] < i;
    if (!is_fit || !sim_random_chance(random, 150)) continue;
    t->spare = other;
    t->has_fallback = false;
    spare->spare_of = i;
  }
}

// --- The text ---

static void indexes_put(struct tg_buf *out, const char *name, const uint32_t *list,
                        uint32_t count) {
  tg_buf_putf(out, ",\"%s\":[", name);
  for (uint32_t i = 0; i < count; i++) tg_buf_putf(out, i ? ",%u" : "%u", list[i]);
  tg_buf_putc(out, ']');
}

static void retry_put(struct tg_buf *out, const struct sim_retry *retry) {
  if (retry->attempts == 1) return;
  tg_buf_putf(out,
              ",\"retry\":{\"attempts\":%u,\"base_ms\":%lld,\"cap_ms\":%lld,\"total_ms\":%lld,"
              "\"backoff\":\"%s\",\"jitter\":\"%s\",\"factor\":%u,\"on\":[",
              retry->attempts, (long long)retry->base_ms, (long long)retry->cap_ms,
              (long long)retry->total_ms, backoffs[retry->backoff], jitters[retry->jitter],
              retry->factor);
  bool is_first = true;
  for (int class = 0; class < TG_CLASS_COUNT; class ++) {
    if (!(retry->classes >> class & 1)) continue;
    tg_buf_putf(out, is_first ? "\"%s\"" : ",\"%s\"", tg_class_word((enum tg_class) class));
    is_first = false;
  }
  tg_buf_puts(out, retry->asks ? "],\"decide\":\"policy\"}" : "]}");
}

static void map_put(struct tg_buf *out, const struct sim_map *map) {
  tg_buf_putf(out, ",\"map\":{\"limit\":%u,\"limit_per_key\":%u,\"items_max\":%u,\"order\":\"%s\"",
              map->limit, map->limit_per_key, map->items_max, map->is_depth ? "depth" : "breadth");
  if (map->over != SIM_NONE) tg_buf_putf(out, ",\"over\":%u", map->over);
  if (map->fail_after) tg_buf_putf(out, ",\"fail_after\":%u", map->fail_after);
  if (map->share_percent) tg_buf_putf(out, ",\"fail_share\":%g", map->share_percent / 100.0);
  tg_buf_putc(out, '}');
}

static void pools_put(struct tg_buf *out, const char *name, const uint32_t *pools) {
  tg_buf_putf(out, ",\"%s\":{", name);
  bool is_first = true;
  for (uint32_t i = 0; i < SIM_POOLS; i++) {
    if (!pools[i]) continue;
    tg_buf_putf(out, is_first ? "\"%s\":%u" : ",\"%s\":%u", pool_names[i], pools[i]);
    is_first = false;
  }
  tg_buf_putc(out, '}');
}

static void task_put(struct tg_buf *out, const struct sim_task *t) {
  tg_buf_putf(out, "{\"name\":\"%s\",\"word\":\"task\",\"when\":\"%s\",\"priority\":%d", t->name,
              sim_rule_word(t->rule), t->priority);
  if (t->timeout_ms) tg_buf_putf(out, ",\"timeout_ms\":%lld", (long long)t->timeout_ms);
  if (t->is_setup) tg_buf_puts(out, ",\"setup\":true");
  if (t->is_teardown) tg_buf_puts(out, ",\"teardown\":true");
  if (t->has_fallback) tg_buf_puts(out, ",\"fallback\":true");
  if (t->spare != SIM_NONE) tg_buf_putf(out, ",\"fallback\":%u", t->spare);
  indexes_put(out, "after", t->up, t->up_count);
  indexes_put(out, "to", t->to, t->to_count);
  pools_put(out, "pool", t->pools);
  if (t->resource != SIM_NONE)
    tg_buf_putf(out, ",\"resource\":\"%s\"", resource_names[t->resource]);
  retry_put(out, &t->retry);
  if (t->is_map) map_put(out, &t->map);
  tg_buf_putc(out, '}');
}

static void text_put(struct tg_buf *out, const struct sim_pipeline *p) {
  tg_buf_putf(
      out,
      "{\"name\":\"%s\",\"file\":\"p.lua\",\"limits\":{\"runs\":%u,\"overlap\":\"%s\",\"tasks\":%u,"
      "\"retries\":%u,\"timeout_ms\":%lld}",
      p->name, p->runs_max, sim_overlap_word(p->overlap), p->tasks_max, p->retries_max,
      (long long)p->timeout_ms);
  uint32_t own[SIM_POOLS];
  for (uint32_t i = 0; i < SIM_POOLS; i++) own[i] = p->is_of_project[i] ? 0 : p->pools[i];
  pools_put(out, "pools", own);
  tg_buf_puts(out, ",\"tasks\":[");
  for (uint32_t i = 0; i < p->count; i++) {
    if (i) tg_buf_putc(out, ',');
    task_put(out, &p->tasks[i]);
  }
  tg_buf_puts(out, "]}");
}

int sim_pipeline_make(struct sim_pipeline *p, const struct sim_taste *taste,
                      struct sim_random *random, struct tg_error *err) {
  *p = (struct sim_pipeline){.count = 1 + sim_random_below(random, taste->tasks_max)};
  snprintf(p->name, sizeof p->name, "p%u", taste->number);
  p->tasks = calloc(p->count, sizeof *p->tasks);
  if (!p->tasks) abort();
  memcpy(p->pools, taste->pools, sizeof p->pools);
  for (uint32_t i = 0; i < SIM_POOLS; i++)
    p->is_of_project[i] = taste->has_project && sim_random_chance(random, 600);
  if (sim_random_chance(random, 250)) p->tasks_max = 1 + sim_random_below(random, 4);
  if (taste->has_places && sim_random_chance(random, 700)) {
    p->runs_max = 1 + sim_random_below(random, 3);
    p->overlap = (enum sim_overlap)sim_random_below(random, SIM_OVERLAP_COUNT);
  }
  if (sim_random_chance(random, 150)) p->retries_max = 1 + sim_random_below(random, 6);
  if (sim_random_chance(random, 150)) p->timeout_ms = sim_random_time(random, 1000, 86400000);
  edges_make(p, random);
  if (p->count > MANY && sim_random_chance(random, 300)) collector_make(p);
  for (uint32_t i = 0; i + 1 < p->count; i++)
    if (sim_random_chance(random, 80)) branch_make(p, i, random);
  tails_set(p);
  for (uint32_t i = 0; i < p->count; i++) task_make(p, i, taste, random);
  for (uint32_t i = 0; i < p->count; i++) // what branches runs once, and in this host
    if (p->tasks[i].to_count) p->tasks[i].is_map = false, p->tasks[i].child = SIM_NONE;
  for (uint32_t i = 0; i < p->count; i++) {
    struct sim_map *map = &p->tasks[i].map;
    if (map->over != SIM_NONE && p->tasks[i].is_map && !p->tasks[map->over].is_map)
      map->over = SIM_NONE, map->is_depth = false;
  }
  spares_make(p, random);
  struct tg_buf text;
  tg_buf_init(&text, PLAN_BYTES_MAX);
  text_put(&text, p);
  if (taste->is_traced) printf("%s\n", tg_buf_text(&text));
  int code = tg_plan_parse(tg_buf_text(&text), text.len, &p->plan, err);
  tg_buf_deinit(&text);
  return code;
}

void sim_pipeline_free(struct sim_pipeline *p) {
  for (uint32_t i = 0; p->tasks && i < p->count; i++) {
    free(p->tasks[i].up);
    free(p->tasks[i].to);
    free(p->tasks[i].down);
  }
  free(p->tasks);
  if (p->plan) tg_plan_free(p->plan);
}
