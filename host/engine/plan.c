// SPDX-License-Identifier: Apache-2.0
#include "engine/plan.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/limits.h"
#include "engine/plan_parts.h"
#include "engine/plan_text.h"
#include "engine/plan_usual.h"
#include "model/json.h"

static int task_parse(struct tg_plan_reading *r, struct tg_plan_span text,
                      struct tg_graph_builder *edges) {
  json_error_t where;
  json_t *object;
  int code = tg_json_read(text.at, (size_t)(text.end - text.at), JSON_DECODE_ANY, &object, &where);
  code = code ? tg_error_set(r->err, code, "malformed plan: tasks[%u]: %s", r->task, where.text)
              : tg_plan_task_get(r, object, edges);
  json_decref(object);
  return code;
}

static int usual_make(struct tg_plan_reading *r) {
  json_t *object = json_pack("{s:s}", "name", "usual");
  int code = object ? tg_plan_task_get(r, object, NULL)
                    : tg_error_set(r->err, TG_ENOMEM, "no memory for a plan");
  json_decref(object);
  r->usual = r->plan->tasks[r->task];
  return code;
}

// Takes what is told before the rest; the task has what the rest tells.
static int usual_get(struct tg_plan_reading *r, const struct tg_plan_usual *usual,
                     const struct tg_plan_task *kind, struct tg_graph_builder *edges) {
  struct tg_plan_task *task = &r->plan->tasks[r->task];
  struct tg_plan_span after = usual->after;
  int code = TG_OK;
  uint32_t from;
  *task = *kind;
  task->line = usual->line;
  task->name =
      tg_arena_copy(&r->plan->arena, usual->name.at, (size_t)(usual->name.end - usual->name.at));
  if (!task->name) return tg_error_set(r->err, TG_ENOMEM, "no memory for a plan");
  while (!code && tg_plan_usual_index(&after, &from))
    code = from < r->plan->count ? tg_graph_add_edge(edges, from, r->task, r->err)
                                 : tg_plan_fault(r, "after", "names a task that is not there");
  return code;
}

static const struct tg_plan_task *kind_find(const struct tg_plan_reading *r,
                                            struct tg_plan_span rest) {
  size_t len = (size_t)(rest.end - rest.at);
  for (uint32_t i = 0; i < r->kind_count && i < TG_PLAN_KINDS; i++) {
    const struct tg_plan_kind *kind = &r->kinds[i];
    if ((size_t)(kind->rest.end - kind->rest.at) == len && memcmp(kind->rest.at, rest.at, len) == 0)
      return &kind->task;
  }
  return NULL;
}

// Reads a task with a rest that is new, and keeps what the rest tells if that can be shared: not
// what has to do with other tasks.
static int kind_get(struct tg_plan_reading *r, const struct tg_plan_usual *usual,
                    struct tg_graph_builder *edges) {
  const struct tg_plan_read *reads = r->plan->reads;
  int code = task_parse(r, usual->text, edges);
  const struct tg_plan_task *task = &r->plan->tasks[r->task];
  bool is_shared = !code && !task->map && !task->to_count && task->fallback == TG_NO_TASK &&
                   r->plan->reads == reads;
  if (is_shared)
    r->kinds[r->kind_count++ % TG_PLAN_KINDS] =
        (struct tg_plan_kind){.rest = usual->rest, .task = *task};
  return code;
}

// Takes the next task off the list; `*is_end` when there is none.
static int next_get(struct tg_plan_reading *r, struct tg_plan_span *tasks,
                    struct tg_plan_usual *usual, struct tg_graph_builder *edges, bool *is_end) {
  struct tg_plan_span text;
  *is_end = false;
  if (tg_plan_usual_next(tasks, usual)) {
    bool has_rest = usual->rest.at < usual->rest.end;
    const struct tg_plan_task *kind = has_rest ? kind_find(r, usual->rest) : &r->usual;
    return kind ? usual_get(r, usual, kind, edges) : kind_get(r, usual, edges);
  }
  *is_end = !tg_plan_span_next(tasks, &text);
  return *is_end ? TG_OK : task_parse(r, text, edges);
}

static size_t items_count(struct tg_plan_span list) {
  struct tg_plan_span item;
  size_t count = 0;
  while (tg_plan_span_next(&list, &item)) count++;
  return count;
}

static int tasks_get(struct tg_plan *plan, struct tg_plan_span tasks, struct tg_error *err) {
  struct tg_plan_reading r = {.plan = plan, .err = err};
  struct tg_plan_usual usual = {0};
  bool is_end = false;
  size_t count = items_count(tasks);
  if (!count || count > TG_GRAPH_NODES_MAX)
    return tg_error_set(err, TG_EINVALID, "malformed plan: %zu tasks", count);
  plan->count = (uint32_t)count;
  plan->tasks = tg_arena_alloc(&plan->arena, count * sizeof *plan->tasks);
  if (!plan->tasks) return tg_error_set(err, TG_ENOMEM, "no memory for a plan");
  struct tg_graph_builder edges;
  tg_graph_builder_init(&edges, tg_memory_heap());
  int code = usual_make(&r);
  while (!code && !is_end) {
    code = next_get(&r, &tasks, &usual, &edges, &is_end);
    if (!code && !is_end) r.task++;
  }
  if (!code && (tasks.end - tasks.at != 1 || *tasks.at != ']'))
    code =
        tg_error_set(err, TG_EINVALID, "malformed plan: tasks[%u] has no comma before it", r.task);
  if (!code) code = tg_plan_check(plan, &edges, err);
  tg_graph_builder_deinit(&edges);
  return code;
}

// An absent limit is 0: there is none.
static int limit_get(const json_t *limits, const char *name, int64_t max, int64_t *value,
                     struct tg_error *err) {
  const json_t *item = json_object_get(limits, name);
  *value = json_integer_value(item);
  if (!item || (json_is_integer(item) && *value >= 0 && *value <= max)) return TG_OK;
  return tg_error_set(err, TG_EINVALID, "malformed plan: limits are out of range");
}

const char *tg_overlap_word(enum tg_overlap overlap) {
  static const char *const words[] = {
#define X(name, word) word,
      TG_OVERLAPS(X)
#undef X
  };
  return words[overlap];
}

static int overlap_get(struct tg_plan *plan, const json_t *item, struct tg_error *err) {
  const char *word = item ? json_string_value(item) : tg_overlap_word(TG_OVERLAP_QUEUE);
  for (int i = 0; word && i < TG_OVERLAP_COUNT; i++) {
    if (strcmp(word, tg_overlap_word((enum tg_overlap)i)) != 0) continue;
    plan->overlap = (enum tg_overlap)i;
    return TG_OK;
  }
  return tg_error_set(err, TG_EINVALID, "malformed plan: limits.overlap is no known word");
}

static int limits_get(struct tg_plan *plan, const json_t *limits, struct tg_error *err) {
  int64_t tasks, runs, retries;
  int code;
  if ((code = limit_get(limits, "timeout_ms", INT64_MAX / 2, &plan->timeout_ms, err)) ||
      (code = limit_get(limits, "tasks", UINT32_MAX, &tasks, err)) ||
      (code = limit_get(limits, "runs", UINT32_MAX, &runs, err)) ||
      (code = limit_get(limits, "retries", UINT32_MAX, &retries, err)))
    return code;
  plan->tasks_max = (uint32_t)tasks;
  plan->retries_max = (uint32_t)retries;
  plan->has_runs_max = json_object_get(limits, "runs") != NULL;
  plan->runs_max = plan->has_runs_max ? (uint32_t)runs : TG_PIPELINE_RUNS_MAX;
  return overlap_get(plan, json_object_get(limits, "overlap"), err);
}

static int partitions_get(struct tg_plan_reading *r, const json_t *list) {
  int code = tg_plan_texts_get(r, list, "partitions", &r->plan->partitions);
  size_t count = json_array_size(list);
  if (!code && count > TG_PARTITIONS_MAX) code = tg_plan_fault(r, "partitions", "are too many");
  r->plan->partition_count = (uint32_t)count;
  return code;
}

// Reads all but the tasks.
static int head_get(struct tg_plan *plan, const json_t *document, struct tg_error *err) {
  plan->name = tg_plan_text_get(plan, document, "name");
  plan->doc = tg_plan_text_get(plan, document, "doc");
  plan->file = tg_plan_text_get(plan, document, "file");
  plan->params = json_incref(json_object_get(document, "params"));
  plan->triggers = json_incref(json_object_get(document, "on"));
  struct tg_plan_reading r = {.plan = plan, .err = err};
  int code = limits_get(plan, json_object_get(document, "limits"), err);
  if (!code)
    code =
        tg_plan_pools_get(&r, json_object_get(document, "pools"), &plan->pools, &plan->pool_count);
  if (!code) code = partitions_get(&r, json_object_get(document, "partitions"));
  if (!code && (!*plan->name || strlen(plan->name) > TG_NAME_BYTES_MAX))
    code = tg_error_set(err, TG_EINVALID, "malformed plan: its name is empty or too long");
  return code;
}

static int head_parse(struct tg_plan *plan, const char *text, size_t len, struct tg_error *err) {
  json_error_t where;
  json_t *document;
  int code = tg_json_read(text, len, 0, &document, &where);
  if (code)
    tg_error_set(err, code, "malformed plan: %s", where.text);
  else if (json_is_object(document))
    code = head_get(plan, document, err);
  else
    code = tg_error_set(err, TG_EINVALID, "malformed plan: it is no object");
  json_decref(document);
  return code;
}

// The list of tasks, or what is behind the text if there is none.
static struct tg_plan_span tasks_find(const char *text, size_t len) {
  struct tg_plan_span whole = {.at = text, .end = text + len}, tasks;
  bool has_tasks = tg_plan_span_member(whole, "tasks", &tasks);
  return has_tasks ? tasks : (struct tg_plan_span){.at = whole.end, .end = whole.end};
}

// The head is the text with an empty list in the place of its tasks.
static int head_read(struct tg_plan *plan, const char *text, size_t len, struct tg_error *err) {
  struct tg_plan_span tasks = tasks_find(text, len);
  struct tg_buf head;
  tg_buf_init(&head, (size_t)TG_FRAME_BYTES_MAX);
  tg_buf_put(&head, text, (size_t)(tasks.at - text));
  if (tasks.at < tasks.end) tg_buf_puts(&head, "[]");
  tg_buf_put(&head, tasks.end, (size_t)(text + len - tasks.end));
  int code = head.is_failed ? tg_error_set(err, TG_ENOMEM, "no memory for a plan")
                            : head_parse(plan, tg_buf_text(&head), head.len, err);
  tg_buf_deinit(&head);
  return code;
}

// A text that there was no memory for is an empty one, until here.
static int whole_check(const struct tg_plan *plan, int code, struct tg_error *err) {
  return plan->arena.is_failed ? tg_error_set(err, TG_ENOMEM, "no memory for a plan") : code;
}

int tg_plan_parse_head(const char *text, size_t len, struct tg_plan **out, struct tg_error *err) {
  struct tg_plan *plan = calloc(1, sizeof *plan);
  if (!plan) return tg_error_set(err, TG_ENOMEM, "no memory for a plan");
  tg_arena_init(&plan->arena);
  int code = whole_check(plan, head_read(plan, text, len, err), err);
  if (code)
    tg_plan_free(plan);
  else
    *out = plan;
  return code;
}

int tg_plan_parse_tasks(struct tg_plan *plan, const char *text, size_t len, struct tg_error *err) {
  return whole_check(plan, tasks_get(plan, tasks_find(text, len), err), err);
}

int tg_plan_parse(const char *text, size_t len, struct tg_plan **out, struct tg_error *err) {
  int code = tg_plan_parse_head(text, len, out, err);
  if (code) return code;
  code = tg_plan_parse_tasks(*out, text, len, err);
  if (code) {
    tg_plan_free(*out);
    *out = NULL;
  }
  return code;
}

void tg_plan_free(struct tg_plan *plan) {
  if (!plan || plan->references-- > 0) return;
  tg_graph_deinit(&plan->graph);
  json_decref(plan->params);
  json_decref(plan->triggers);
  tg_arena_deinit(&plan->arena);
  free(plan);
}

struct tg_plan *tg_plan_share(struct tg_plan *plan) {
  plan->references++;
  return plan;
}

int64_t tg_plan_deadline(const struct tg_plan *plan, const struct tg_run *run) {
  bool has_own = plan->timeout_ms && run->started_at; // a queued run's time does not pass yet
  int64_t own = has_own ? run->started_at + plan->timeout_ms : INT64_MAX;
  int64_t inherited = run->deadline_at ? run->deadline_at : INT64_MAX;
  return own < inherited ? own : inherited;
}

uint32_t tg_plan_backfill_places(const struct tg_plan *plan) {
  if (!plan->runs_max || plan->overlap == TG_OVERLAP_ALLOW) return UINT32_MAX;
  return plan->runs_max > 1 ? plan->runs_max - 1 : 1;
}

uint32_t tg_plan_find(const struct tg_plan *plan, const char *name) {
  for (uint32_t i = 0; i < plan->count; i++)
    if (strcmp(plan->tasks[i].name, name) == 0) return i;
  return UINT32_MAX;
}
