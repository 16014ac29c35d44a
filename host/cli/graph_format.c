// SPDX-License-Identifier: Apache-2.0
#include "cli/graph_format.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/table.h"

enum { INDENT = 2, INDENT_MAX = 40, CELL_BYTES_MAX = 4096 };

static const char *rule_of(const struct tg_plan_task *task) {
  return task->when == TG_TRIGGER_ALL_SUCCESS ? "" : tg_trigger_rule_word(task->when);
}

// Puts the names of some tasks.
static void names_put(struct tg_buf *out, const struct tg_plan *plan, const char *before,
                      const uint32_t *tasks, uint32_t count) {
  for (uint32_t i = 0; i < count; i++)
    tg_buf_putf(out, "%s%s", i ? ", " : before, plan->tasks[tasks[i]].name);
}

static void row_add(struct tg_table *table, const struct tg_plan *plan, uint32_t task,
                    uint32_t level) {
  const struct tg_plan_task *what = &plan->tasks[task];
  struct tg_graph_slice up = tg_graph_upstream(&plan->graph, task);
  size_t indent = level < INDENT_MAX / INDENT ? level * INDENT : INDENT_MAX;
  struct tg_buf name, waits;
  tg_buf_init(&name, CELL_BYTES_MAX);
  tg_buf_init(&waits, CELL_BYTES_MAX);
  tg_text_put_spaces(&name, indent);
  tg_buf_puts(&name, what->name);
  names_put(&waits, plan, "after ", up.nodes, up.count);
  names_put(&waits, plan, waits.len ? "; to " : "to ", what->to, what->to_count);
  tg_table_add(table, (struct tg_cell[]){
                          {tg_buf_text(&name), TG_STYLE_BOLD},
                          {what->word, TG_STYLE_PLAIN},
                          {rule_of(what), TG_STYLE_WARN},
                          {tg_buf_text(&waits), TG_STYLE_DIM},
                      });
  tg_buf_deinit(&waits);
  tg_buf_deinit(&name);
}

// Gives the task under which a task stands: the first of those one level above it.
static uint32_t parent_of(const struct tg_plan *plan, const uint32_t *levels, uint32_t task) {
  struct tg_graph_slice up = tg_graph_upstream(&plan->graph, task);
  for (uint32_t i = 0; i < up.count; i++)
    if (levels[up.nodes[i]] + 1 == levels[task]) return up.nodes[i];
  return UINT32_MAX;
}

// Adds the rows in preorder of the tree that parent_of makes of the graph. Each task is pushed
// once.
static void rows_add(struct tg_table *table, const struct tg_plan *plan, const uint32_t *levels,
                     uint32_t *stack) {
  uint32_t depth = 0;
  for (uint32_t task = plan->count; task-- > 0;)
    if (levels[task] == 0) stack[depth++] = task;
  while (depth) {
    uint32_t task = stack[--depth];
    row_add(table, plan, task, levels[task]);
    struct tg_graph_slice down = tg_graph_downstream(&plan->graph, task);
    for (uint32_t i = down.count; i-- > 0;)
      if (parent_of(plan, levels, down.nodes[i]) == task) stack[depth++] = down.nodes[i];
  }
}

int tg_graph_format_text(const struct tg_plan *plan, const struct tg_output *output,
                         struct tg_buf *out, struct tg_error *err) {
  static const struct tg_column columns[] = {
      {"TASK", false}, {"WORD", false}, {"WHEN", false}, {"WAITS", false}};
  uint32_t *levels = calloc((size_t)plan->count * 2 + 1, sizeof *levels);
  if (!levels) return tg_error_set(err, TG_ENOMEM, "no memory for the graph");
  uint32_t level_count = tg_graph_levels(&plan->graph, levels);
  struct tg_table table;
  tg_table_init(&table, columns, sizeof columns / sizeof *columns);
  rows_add(&table, plan, levels, levels + plan->count);
  tg_buf_putf(out, "%s: %u task%s in %u level%s%s%s\n\n", plan->name, plan->count,
              plan->count == 1 ? "" : "s", level_count, level_count == 1 ? "" : "s",
              *plan->doc ? "; " : "", plan->doc);
  tg_table_put(&table, output, out);
  tg_table_deinit(&table);
  free(levels);
  return TG_OK;
}

// Puts a name in quotes, its quotes and backslashes escaped.
static void dot_put(struct tg_buf *out, const char *name) {
  tg_buf_putc(out, '"');
  for (; *name; name++) {
    if (*name == '"' || *name == '\\') tg_buf_putc(out, '\\');
    tg_buf_putc(out, *name);
  }
  tg_buf_putc(out, '"');
}

static const char *dot_shape(const char *word) {
  if (strcmp(word, "branch") == 0) return "diamond";
  return strcmp(word, "gate") == 0 ? "hexagon" : "box";
}

// Calls `put` for each edge, ordered by the task it leads to.
static void edges_each(const struct tg_plan *plan,
                       void (*put)(const struct tg_plan *plan, uint32_t from, uint32_t to,
                                   void *self),
                       void *self) {
  for (uint32_t to = 0; to < plan->count; to++) {
    struct tg_graph_slice up = tg_graph_upstream(&plan->graph, to);
    for (uint32_t i = 0; i < up.count; i++) put(plan, up.nodes[i], to, self);
  }
}

static void dot_edge(const struct tg_plan *plan, uint32_t from, uint32_t to, void *out) {
  tg_buf_puts(out, "  ");
  dot_put(out, plan->tasks[from].name);
  tg_buf_puts(out, " -> ");
  dot_put(out, plan->tasks[to].name);
  const char *rule = rule_of(&plan->tasks[to]);
  if (*rule) tg_buf_putf(out, " [label=\"%s\"]", rule);
  tg_buf_puts(out, ";\n");
}

void tg_graph_format_dot(const struct tg_plan *plan, struct tg_buf *out) {
  tg_buf_puts(out, "digraph ");
  dot_put(out, plan->name);
  tg_buf_puts(out, " {\n  rankdir=LR;\n  node [fontname=\"sans-serif\"];\n");
  for (uint32_t i = 0; i < plan->count; i++) {
    tg_buf_puts(out, "  ");
    dot_put(out, plan->tasks[i].name);
    tg_buf_putf(out, " [shape=%s];\n", dot_shape(plan->tasks[i].word));
  }
  edges_each(plan, dot_edge, out);
  tg_buf_puts(out, "}\n");
}

// Puts a node: [task], {{gate}} or {branch}; names are not safe as ids, so ids are numbers.
static void mermaid_node_put(struct tg_buf *out, uint32_t index, const struct tg_plan_task *task) {
  const char *open = "[\"", *close = "\"]";
  if (strcmp(task->word, "gate") == 0) {
    open = "{{\"";
    close = "\"}}";
  } else if (strcmp(task->word, "branch") == 0) {
    open = "{\"";
    close = "\"}";
  }
  tg_buf_putf(out, "  t%u%s", index, open);
  for (const char *at = task->name; *at; at++)
    if (*at == '"')
      tg_buf_puts(out, "#quot;");
    else
      tg_buf_putc(out, *at);
  tg_buf_putf(out, "%s\n", close);
}

static void mermaid_edge(const struct tg_plan *plan, uint32_t from, uint32_t to, void *out) {
  const char *rule = rule_of(&plan->tasks[to]);
  tg_buf_putf(out, *rule ? "  t%u -->|%s| t%u\n" : "  t%u -->%s t%u\n", from, rule, to);
}

void tg_graph_format_mermaid(const struct tg_plan *plan, struct tg_buf *out) {
  tg_buf_puts(out, "flowchart LR\n");
  for (uint32_t i = 0; i < plan->count; i++) mermaid_node_put(out, i, &plan->tasks[i]);
  edges_each(plan, mermaid_edge, out);
}

static json_t *names_json(const struct tg_plan *plan, const uint32_t *tasks, uint32_t count) {
  json_t *names = json_array();
  for (uint32_t i = 0; i < count; i++)
    json_array_append_new(names, json_string(plan->tasks[tasks[i]].name));
  return names;
}

static json_t *node_json(const struct tg_plan *plan, uint32_t index, uint32_t level) {
  const struct tg_plan_task *task = &plan->tasks[index];
  struct tg_graph_slice up = tg_graph_upstream(&plan->graph, index);
  json_t *node = json_pack("{s:s, s:s, s:i, s:s, s:o}", "name", task->name, "word", task->word,
                           "level", (int)level, "when", tg_trigger_rule_word(task->when), "after",
                           names_json(plan, up.nodes, up.count));
  if (task->to_count) json_object_set_new(node, "to", names_json(plan, task->to, task->to_count));
  return node;
}

static void edge_json(const struct tg_plan *plan, uint32_t from, uint32_t to, void *edges) {
  json_array_append_new(
      edges, json_pack("{s:s, s:s}", "from", plan->tasks[from].name, "to", plan->tasks[to].name));
}

json_t *tg_graph_format_json(const struct tg_plan *plan) {
  uint32_t *levels = calloc((size_t)plan->count + 1, sizeof *levels);
  if (!levels) return NULL;
  uint32_t level_count = tg_graph_levels(&plan->graph, levels);
  json_t *nodes = json_array(), *edges = json_array();
  for (uint32_t i = 0; i < plan->count; i++)
    json_array_append_new(nodes, node_json(plan, i, levels[i]));
  edges_each(plan, edge_json, edges);
  free(levels);
  return json_pack("{s:s, s:i, s:o, s:o}", "pipeline", plan->name, "levels", (int)level_count,
                   "nodes", nodes, "edges", edges);
}
