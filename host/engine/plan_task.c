// SPDX-License-Identifier: Apache-2.0
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "engine/plan_parts.h"
#include "engine/resources.h"

int tg_plan_fault(struct tg_plan_reading *r, const char *field, const char *what) {
  return tg_error_set(r->err, TG_EINVALID, "malformed plan: tasks[%u].%s %s", r->task, field, what);
}

const char *tg_plan_text_get(struct tg_plan *plan, const json_t *object, const char *field) {
  const char *text = json_string_value(json_object_get(object, field));
  const char *own = text && *text ? tg_arena_strdup(&plan->arena, text) : NULL;
  return own ? own : "";
}

// An absent number is 0; anything that is no number of the range is a fault.
static int number_get(struct tg_plan_reading *r, const json_t *object, const char *field,
                      int64_t low, int64_t high, int64_t *value) {
  const json_t *item = json_object_get(object, field);
  *value = 0;
  if (!item || json_is_null(item)) return TG_OK;
  *value = json_integer_value(item);
  if (json_is_integer(item) && *value >= low && *value <= high) return TG_OK;
  return tg_plan_fault(r, field, "is out of range");
}

// An absent word is the usual one; NULL if there is none that is usual.
static int word_get(struct tg_plan_reading *r, const json_t *object, const char *field,
                    const char *usual, int (*parse)(const char *word), int *value) {
  const json_t *item = json_object_get(object, field);
  const char *word = item ? json_string_value(item) : usual;
  *value = word ? parse(word) : -1;
  return *value < 0 ? tg_plan_fault(r, field, "is not a known word") : TG_OK;
}

// An absent list is empty; anything else that is no list is a fault.
static int list_check(struct tg_plan_reading *r, const json_t *list, const char *field) {
  if (!list || json_is_null(list) || json_is_array(list)) return TG_OK;
  return tg_plan_fault(r, field, "is not a list");
}

int tg_plan_texts_get(struct tg_plan_reading *r, const json_t *list, const char *field,
                      const char *const **texts) {
  static const char *const none[] = {NULL};
  int code = list_check(r, list, field);
  if (code) return code;
  size_t count = json_array_size(list);
  *texts = none;
  if (!count) return TG_OK;
  const char **all = tg_arena_alloc(&r->plan->arena, (count + 1) * sizeof *all);
  if (!all) return tg_error_set(r->err, TG_ENOMEM, "no memory for a plan");
  for (size_t i = 0; i < count; i++) {
    const char *text = json_string_value(json_array_get(list, i));
    if (!text) return tg_plan_fault(r, field, "is not a list of texts");
    all[i] = tg_arena_strdup(&r->plan->arena, text);
  }
  *texts = all;
  return TG_OK;
}

static int index_get(struct tg_plan_reading *r, const json_t *list, size_t at, const char *field,
                     uint32_t *index) {
  const json_t *item = json_array_get(list, at);
  json_int_t value = json_integer_value(item);
  *index = (uint32_t)value;
  if (json_is_integer(item) && value >= 0 && value < r->plan->count) return TG_OK;
  return tg_plan_fault(r, field, "names a task that is not there");
}

static int after_get(struct tg_plan_reading *r, const json_t *list,
                     struct tg_graph_builder *edges) {
  int code = list_check(r, list, "after");
  uint32_t from;
  for (size_t i = 0; i < json_array_size(list) && !code; i++) {
    code = index_get(r, list, i, "after", &from);
    if (!code) code = tg_graph_add_edge(edges, from, r->task, r->err);
  }
  return code;
}

static int to_get(struct tg_plan_reading *r, const json_t *list, struct tg_graph_builder *edges) {
  struct tg_plan_task *task = &r->plan->tasks[r->task];
  int code = list_check(r, list, "to");
  size_t count = json_array_size(list);
  if (code || !count) return code;
  uint32_t *all = tg_arena_alloc(&r->plan->arena, count * sizeof *all);
  if (!all) return tg_error_set(r->err, TG_ENOMEM, "no memory for a plan");
  for (size_t i = 0; i < count && !code; i++) {
    code = index_get(r, list, i, "to", &all[i]);
    if (!code) code = tg_graph_add_edge(edges, r->task, all[i], r->err);
  }
  task->to = all;
  task->to_count = (uint32_t)count;
  return code;
}

static int classes_get(struct tg_plan_reading *r, const json_t *list, uint32_t *classes) {
  *classes = 0;
  int code = list_check(r, list, "retry.on");
  if (code) return code;
  for (size_t i = 0; i < json_array_size(list); i++) {
    const char *word = json_string_value(json_array_get(list, i));
    int class = word ? tg_class_parse(word) : -1;
    if (class < 0) return tg_plan_fault(r, "retry.on", "has an unknown class");
    *classes |= TG_RETRY_CLASS_BIT(class);
  }
  return TG_OK;
}

static int retry_read(struct tg_plan_reading *r, const json_t *retry,
                      struct tg_retry_policy *policy) {
  tg_retry_policy_init(policy);
  policy->attempts_max = 1;
  if (!retry || json_is_null(retry)) return TG_OK;
  int64_t attempts = 1;
  int backoff, jitter, code;
  if ((code = number_get(r, retry, "attempts", 1, UINT32_MAX, &attempts)) ||
      (code = number_get(r, retry, "base_ms", 0, INT64_MAX, &policy->base_ms)) ||
      (code = number_get(r, retry, "cap_ms", 0, INT64_MAX, &policy->cap_ms)) ||
      (code = number_get(r, retry, "total_ms", 0, INT64_MAX, &policy->total_ms)) ||
      (code = word_get(r, retry, "backoff", NULL, tg_backoff_parse, &backoff)) ||
      (code = word_get(r, retry, "jitter", NULL, tg_jitter_parse, &jitter)) ||
      (code = classes_get(r, json_object_get(retry, "on"), &policy->classes)))
    return code;
  policy->attempts_max = (uint32_t)attempts;
  policy->backoff = (enum tg_backoff)backoff;
  policy->jitter = (enum tg_jitter)jitter;
  const json_t *factor = json_object_get(retry, "factor");
  if (json_is_number(factor)) policy->factor = json_number_value(factor);
  return tg_retry_policy_validate(policy, r->err);
}

static bool is_same_policy(const struct tg_retry_policy *a, const struct tg_retry_policy *b) {
  return a->attempts_max == b->attempts_max && a->backoff == b->backoff && a->jitter == b->jitter &&
         a->base_ms == b->base_ms && a->cap_ms == b->cap_ms && a->total_ms == b->total_ms &&
         a->factor == b->factor && a->classes == b->classes;
}

static int retry_get(struct tg_plan_reading *r, const json_t *retry,
                     const struct tg_retry_policy **out) {
  struct tg_retry_policy policy;
  int code = retry_read(r, retry, &policy);
  if (code) return code;
  const struct tg_retry_policy *last = r->task ? r->plan->tasks[r->task - 1].retry : NULL;
  *out = last;
  if (last && is_same_policy(last, &policy)) return TG_OK;
  struct tg_retry_policy *own = tg_arena_alloc(&r->plan->arena, sizeof *own);
  if (!own) return tg_error_set(r->err, TG_ENOMEM, "no memory for a plan");
  *own = policy;
  *out = own;
  return TG_OK;
}

static int ok_codes_get(struct tg_plan_reading *r, const json_t *list,
                        struct tg_plan_command *command) {
  int code = list_check(r, list, "command.ok_codes");
  if (code) return code;
  uint32_t count = (uint32_t)json_array_size(list);
  int *codes = tg_arena_alloc(&r->plan->arena, (count + 1u) * sizeof *codes);
  if (!codes) return tg_error_set(r->err, TG_ENOMEM, "no memory for a plan");
  for (uint32_t i = 0; i < count; i++) {
    const json_t *item = json_array_get(list, i);
    json_int_t value = json_integer_value(item);
    if (!json_is_integer(item) || value < 0 || value > 255)
      return tg_plan_fault(r, "command.ok_codes", "has a code that is none");
    codes[i] = (int)value;
  }
  command->ok_codes = codes;
  command->ok_code_count = count ? count : 1; // without any, 0 is the good one
  return TG_OK;
}

// Gives {"STAGE": "prod"} as "STAGE=prod".
static int env_set_get(struct tg_plan_reading *r, const json_t *object, const char *const **texts) {
  size_t count = 0;
  const char **all = tg_arena_alloc(&r->plan->arena, (json_object_size(object) + 1) * sizeof *all);
  if (!all) return tg_error_set(r->err, TG_ENOMEM, "no memory for a plan");
  const char *name;
  json_t *value;
  json_object_foreach((json_t *)object, name, value) {
    const char *text = json_string_value(value);
    if (!text || !*name || strchr(name, '='))
      return tg_plan_fault(r, "command.env.set", "is malformed");
    size_t len = strlen(name) + strlen(text) + 2;
    char *pair = tg_arena_alloc(&r->plan->arena, len);
    if (!pair) return tg_error_set(r->err, TG_ENOMEM, "no memory for a plan");
    snprintf(pair, len, "%s=%s", name, text);
    all[count++] = pair;
  }
  *texts = all;
  return TG_OK;
}

static int command_get(struct tg_plan_reading *r, const json_t *object,
                       const struct tg_plan_command **out) {
  struct tg_plan_command *command = tg_arena_alloc(&r->plan->arena, sizeof *command);
  if (!command) return tg_error_set(r->err, TG_ENOMEM, "no memory for a plan");
  const json_t *env = json_object_get(object, "env");
  int code;
  if ((code =
           tg_plan_texts_get(r, json_object_get(object, "argv"), "command.argv", &command->argv)) ||
      (code = tg_plan_texts_get(r, json_object_get(env, "pass"), "command.env.pass",
                                &command->env_pass)) ||
      (code = env_set_get(r, json_object_get(env, "set"), &command->env_set)) ||
      (code = ok_codes_get(r, json_object_get(object, "ok_codes"), command)) ||
      (code = number_get(r, object, "grace_ms", 0, INT64_MAX / 2, &command->grace_ms)))
    return code;
  if (!command->argv[0]) return tg_plan_fault(r, "command.argv", "is empty");
  command->is_shell = json_is_true(json_object_get(object, "shell"));
  command->cwd = tg_plan_text_get(r->plan, object, "cwd");
  command->stdin_text = tg_plan_text_get(r->plan, object, "stdin");
  command->is_json_output = strcmp(tg_plan_text_get(r->plan, object, "output"), "json") == 0;
  *out = command;
  return TG_OK;
}

static int runner_parse(const char *word) {
  if (strcmp(word, "command") == 0) return TG_RUNNER_COMMAND;
  return strcmp(word, "script") == 0 ? TG_RUNNER_SCRIPT : -1;
}

// Tasks of one word mostly follow each other and share its text.
const char *tg_plan_word_get(struct tg_plan_reading *r, const char *word, size_t len) {
  if (!len) return "task";
  const char *last = r->task ? r->plan->tasks[r->task - 1].word : "";
  bool is_last = strncmp(word, last, len) == 0 && !last[len];
  return is_last ? last : tg_arena_copy(&r->plan->arena, word, len);
}

static int map_get(struct tg_plan_reading *r, const json_t *object,
                   const struct tg_plan_map **out) {
  struct tg_plan_map *map = tg_arena_alloc(&r->plan->arena, sizeof *map);
  if (!map) return tg_error_set(r->err, TG_ENOMEM, "no memory for a plan");
  const json_t *share = json_object_get(object, "fail_share");
  const char *order = json_string_value(json_object_get(object, "order"));
  int64_t over, limit, per_key, fail_after, items;
  int code;
  if ((code = number_get(r, object, "over", 0, (int64_t)r->plan->count - 1, &over)) ||
      (code = number_get(r, object, "limit", 0, UINT32_MAX, &limit)) ||
      (code = number_get(r, object, "limit_per_key", 0, UINT32_MAX, &per_key)) ||
      (code = number_get(r, object, "fail_after", 0, UINT32_MAX, &fail_after)) ||
      (code = number_get(r, object, "items_max", 0, TG_MAP_ITEMS_MAX, &items)))
    return code;
  *map = (struct tg_plan_map){
      .over = json_is_integer(json_object_get(object, "over")) ? (uint32_t)over : TG_NO_TASK,
      .is_depth = order && strcmp(order, "depth") == 0,
      .limit = (uint32_t)limit,
      .limit_per_key = (uint32_t)per_key,
      .fail_after = (uint32_t)fail_after,
      .fail_share = json_number_value(share),
      .items_max = items ? (uint32_t)items : TG_MAP_ITEMS_DEFAULT,
  };
  if (map->fail_share < 0 || map->fail_share > 1)
    return tg_plan_fault(r, "map.fail_share", "is no share");
  *out = map;
  return TG_OK;
}

int tg_plan_pools_get(struct tg_plan_reading *r, const json_t *object,
                      const struct tg_plan_pool **pools, uint32_t *count) {
  *count = 0;
  if (!json_object_size(object)) return TG_OK;
  if (json_object_size(object) > TG_POOLS_MAX) return tg_plan_fault(r, "pool", "has too many");
  struct tg_plan_pool *all =
      tg_arena_alloc(&r->plan->arena, json_object_size(object) * sizeof *all);
  if (!all) return tg_error_set(r->err, TG_ENOMEM, "no memory for a plan");
  const char *name;
  json_t *value;
  json_object_foreach((json_t *)object, name, value) {
    json_int_t slots = json_integer_value(value);
    if (!json_is_integer(value) || slots < 1 || slots > UINT32_MAX)
      return tg_plan_fault(r, "pool", "has a number of slots that is none");
    all[(*count)++] = (struct tg_plan_pool){.name = tg_arena_strdup(&r->plan->arena, name),
                                            .slots = (uint32_t)slots};
  }
  *pools = all;
  return TG_OK;
}

static const struct tg_plan_pool *pool_find(const struct tg_plan *plan, const char *name) {
  for (uint32_t i = 0; i < plan->pool_count; i++)
    if (strcmp(plan->pools[i].name, name) == 0) return &plan->pools[i];
  return NULL;
}

// A pool that the pipeline does not declare is one of the project.
static int pool_add(struct tg_plan_reading *r, const char *name) {
  struct tg_plan *plan = r->plan;
  struct tg_plan_pool *all = tg_arena_alloc(&plan->arena, (plan->pool_count + 1u) * sizeof *all);
  if (plan->pool_count == TG_POOLS_MAX) return tg_plan_fault(r, "pool", "is one too many");
  if (!all) return tg_error_set(r->err, TG_ENOMEM, "no memory for a plan");
  if (plan->pool_count) memcpy(all, plan->pools, plan->pool_count * sizeof *all);
  all[plan->pool_count++] = (struct tg_plan_pool){.name = name};
  plan->pools = all;
  return TG_OK;
}

// A task that takes more of a pool than there is would wait for ever.
static int pools_fit(struct tg_plan_reading *r, const struct tg_plan_task *task) {
  int code = TG_OK;
  for (uint32_t i = 0; i < task->pool_count && !code; i++) {
    const struct tg_plan_pool *pool = pool_find(r->plan, task->pools[i].name);
    if (!pool)
      code = pool_add(r, task->pools[i].name);
    else if (pool->slots && pool->slots < task->pools[i].slots)
      code = tg_plan_fault(r, "pool", "has too few slots");
  }
  return code;
}

// Finds a resource among those of the plan, or adds it.
static int resource_get(struct tg_plan_reading *r, const json_t *value, uint32_t *resource) {
  struct tg_plan *plan = r->plan;
  const char *name = json_string_value(value);
  *resource = TG_NO_RESOURCE;
  if (!value || json_is_null(value)) return TG_OK;
  if (!name || !tg_resource_name_is_valid(name))
    return tg_plan_fault(r, "resource", "is no name of a resource");
  for (uint32_t i = 0; i < plan->resource_count; i++) {
    *resource = i;
    if (strcmp(plan->resources[i], name) == 0) return TG_OK;
  }
  if (plan->resource_count == TG_RESOURCES_MAX)
    return tg_plan_fault(r, "resource", "is one too many");
  if (!plan->resources)
    plan->resources = tg_arena_alloc(&plan->arena, TG_RESOURCES_MAX * sizeof *plan->resources);
  const char *own = tg_arena_strdup(&plan->arena, name);
  if (!plan->resources || !own) return tg_error_set(r->err, TG_ENOMEM, "no memory for a plan");
  *resource = plan->resource_count++;
  plan->resources[*resource] = own;
  return TG_OK;
}

static int reads_get(struct tg_plan_reading *r, const json_t *list) {
  const char *const *assets;
  int code = tg_plan_texts_get(r, list, "reads", &assets);
  for (; !code && *assets; assets++) {
    struct tg_plan_read *read = tg_arena_alloc(&r->plan->arena, sizeof *read);
    if (!read) return tg_error_set(r->err, TG_ENOMEM, "no memory for a plan");
    *read = (struct tg_plan_read){.task = r->task, .asset = *assets, .next = r->plan->reads};
    r->plan->reads = read;
  }
  return code;
}

static int fallback_get(struct tg_plan_reading *r, const json_t *value, uint32_t *fallback) {
  *fallback = TG_NO_TASK;
  if (!json_is_integer(value)) return TG_OK; // none, or a function
  json_int_t index = json_integer_value(value);
  if (index < 0 || index >= r->plan->count || index == r->task)
    return tg_plan_fault(r, "fallback", "is no other task");
  *fallback = (uint32_t)index;
  r->plan->has_fallbacks = true;
  return TG_OK;
}

int tg_plan_task_get(struct tg_plan_reading *r, const json_t *object,
                     struct tg_graph_builder *edges) {
  struct tg_plan_task *task = &r->plan->tasks[r->task];
  int64_t line, priority;
  int when, runner, code;
  if ((code = word_get(r, object, "when", "all_success", tg_trigger_rule_parse, &when)) ||
      (code = number_get(r, object, "line", 0, UINT32_MAX, &line)) ||
      (code = number_get(r, object, "priority", INT32_MIN, INT32_MAX, &priority)) ||
      (code = number_get(r, object, "timeout_ms", 0, INT64_MAX / 2, &task->timeout_ms)) ||
      (code = to_get(r, json_object_get(object, "to"), edges)) ||
      (code = tg_plan_texts_get(r, json_object_get(object, "tags"), "tags", &task->tags)) ||
      (code = tg_plan_texts_get(r, json_object_get(object, "produces"), "produces",
                                &task->produces)) ||
      (code = reads_get(r, json_object_get(object, "reads"))) ||
      (code = retry_get(r, json_object_get(object, "retry"), &task->retry)) ||
      (code = after_get(r, json_object_get(object, "after"), edges)))
    return code;
  task->name = tg_plan_text_get(r->plan, object, "name");
  const char *word = json_string_value(json_object_get(object, "word"));
  task->word = tg_plan_word_get(r, word ? word : "", word ? strlen(word) : 0);
  task->when = (uint8_t)when;
  task->line = (uint32_t)line;
  task->priority = (int32_t)priority;
  if (!*task->name || strlen(task->name) > TG_NAME_BYTES_MAX || strchr(task->name, '/'))
    return tg_plan_fault(r, "name", "is empty or too long, or has a slash");
  code = word_get(r, object, "runner", "script", runner_parse, &runner);
  if (!code && runner == TG_RUNNER_COMMAND)
    code = command_get(r, json_object_get(object, "command"), &task->command);
  task->runner = (uint8_t)runner;
  task->is_setup = json_is_true(json_object_get(object, "setup"));
  task->is_teardown = json_is_true(json_object_get(object, "teardown"));
  const char *decide =
      json_string_value(json_object_get(json_object_get(object, "retry"), "decide"));
  task->retry_decide = decide ? tg_arena_strdup(&r->plan->arena, decide) : NULL;
  task->has_fallback = json_is_true(json_object_get(object, "fallback"));
  task->fallback_of = TG_NO_TASK;
  if (!code) code = fallback_get(r, json_object_get(object, "fallback"), &task->fallback);
  const json_t *map = json_object_get(object, "map");
  if (!code && json_is_object(map)) code = map_get(r, map, &task->map);
  if (!code)
    code = tg_plan_pools_get(r, json_object_get(object, "pool"), &task->pools, &task->pool_count);
  if (!code) code = resource_get(r, json_object_get(object, "resource"), &task->resource);
  return code ? code : pools_fit(r, task);
}
