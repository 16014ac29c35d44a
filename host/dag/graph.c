// SPDX-License-Identifier: Apache-2.0
#include "dag/graph.h"

#include <assert.h>
#include <string.h>

#include "base/limits.h"

void tg_graph_builder_init(struct tg_graph_builder *builder, struct tg_memory memory) {
  *builder = (struct tg_graph_builder){.memory = memory};
}

void tg_graph_builder_deinit(struct tg_graph_builder *builder) {
  tg_memory_free(&builder->memory, builder->edges, builder->cap, sizeof *builder->edges);
  tg_graph_builder_init(builder, builder->memory);
}

static int no_memory(struct tg_error *err) {
  return tg_error_set(err, TG_ENOMEM, "no memory for the graph");
}

int tg_graph_add_edge(struct tg_graph_builder *builder, uint32_t from, uint32_t to,
                      struct tg_error *err) {
  if (builder->count == TG_GRAPH_EDGES_MAX)
    return tg_error_set(err, TG_ELIMIT, "the graph has more than %d edges", TG_GRAPH_EDGES_MAX);
  if (builder->count == builder->cap) {
    size_t cap = builder->cap ? builder->cap * 2 : 16;
    struct tg_graph_edge *edges =
        tg_memory_resize(&builder->memory, builder->edges, builder->cap, cap, sizeof *edges);
    if (!edges) return no_memory(err);
    builder->edges = edges;
    builder->cap = cap;
  }
  builder->edges[builder->count++] = (struct tg_graph_edge){from, to};
  return 0;
}

static uint32_t *nodes_alloc(const struct tg_memory *memory, size_t count) {
  return tg_memory_resize(memory, NULL, 0, count, sizeof(uint32_t));
}

static void nodes_free(const struct tg_memory *memory, uint32_t *nodes, size_t count) {
  tg_memory_free(memory, nodes, count, sizeof *nodes);
}

static int graph_alloc(struct tg_graph *graph, uint32_t node_count, uint32_t edge_count) {
  graph->node_count = node_count;
  graph->up_cap = graph->down_cap = edge_count + 1; // never of no size, which would be a free
  graph->down_at = nodes_alloc(&graph->memory, (size_t)node_count + 1);
  graph->up_at = nodes_alloc(&graph->memory, (size_t)node_count + 1);
  graph->order = nodes_alloc(&graph->memory, (size_t)node_count + 1);
  graph->down = nodes_alloc(&graph->memory, graph->down_cap);
  graph->up = nodes_alloc(&graph->memory, graph->up_cap);
  return graph->down_at && graph->up_at && graph->order && graph->down && graph->up ? 0 : -1;
}

void tg_graph_deinit(struct tg_graph *graph) {
  const struct tg_memory memory = graph->memory;
  nodes_free(&memory, graph->down_at, (size_t)graph->node_count + 1);
  nodes_free(&memory, graph->up_at, (size_t)graph->node_count + 1);
  nodes_free(&memory, graph->order, (size_t)graph->node_count + 1);
  nodes_free(&memory, graph->down, graph->down_cap);
  nodes_free(&memory, graph->up, graph->up_cap);
  *graph = (struct tg_graph){.memory = memory};
}

// Turns counts at[0..n) into the ends of the slices; filling each slice from its end backwards then
// leaves the starts, and at[n] the total.
static void counts_sum(uint32_t *at, uint32_t n) {
  at[n] = 0;
  for (uint32_t v = 0, sum = 0; v <= n; v++) at[v] = sum += at[v];
}

// Puts the edges into `up`, in no order within a slice, duplicates included.
static void up_scatter(struct tg_graph *graph, const struct tg_graph_builder *builder) {
  memset(graph->up_at, 0, ((size_t)graph->node_count + 1) * sizeof *graph->up_at);
  for (size_t i = 0; i < builder->count; i++) graph->up_at[builder->edges[i].to]++;
  counts_sum(graph->up_at, graph->node_count);
  for (size_t i = 0; i < builder->count; i++)
    graph->up[--graph->up_at[builder->edges[i].to]] = builder->edges[i].from;
}

// Writes the adjacency `at`, `to` as the reverse of `from_at`, `from`. Since the nodes are visited
// downwards and the slices filled backwards, each slice comes out ascending, whatever the source
// looked like: two reversals sort both directions in linear time.
static void adjacency_reverse(uint32_t n, const uint32_t *from_at, const uint32_t *from,
                              uint32_t *at, uint32_t *to) {
  memset(at, 0, ((size_t)n + 1) * sizeof *at);
  for (uint32_t i = 0; i < from_at[n]; i++) at[from[i]]++;
  counts_sum(at, n);
  for (uint32_t v = n; v-- > 0;)
    for (uint32_t i = from_at[v]; i < from_at[v + 1]; i++) to[--at[from[i]]] = v;
}

// Removes equal neighbours within each slice, in place.
static void adjacency_unique(uint32_t n, uint32_t *at, uint32_t *to) {
  uint32_t kept = 0;
  for (uint32_t v = 0, i = 0; v < n; v++) {
    uint32_t start = kept, end = at[v + 1];
    for (; i < end; i++)
      if (kept == start || to[kept - 1] != to[i]) to[kept++] = to[i];
    at[v] = start;
  }
  at[n] = kept;
}

// Kahn's algorithm; `order` is its own queue. First in, first out keeps the levels together: a node
// is appended while a node of the level before it is taken.
static int order_lay(struct tg_graph *graph) {
  uint32_t *missing = nodes_alloc(&graph->memory, (size_t)graph->node_count + 1);
  if (!missing) return -1;
  uint32_t tail = 0;
  for (uint32_t v = 0; v < graph->node_count; v++) {
    missing[v] = graph->up_at[v + 1] - graph->up_at[v];
    if (!missing[v]) graph->order[tail++] = v;
  }
  for (uint32_t head = 0; head < tail; head++) {
    struct tg_graph_slice next = tg_graph_downstream(graph, graph->order[head]);
    for (uint32_t i = 0; i < next.count; i++)
      if (--missing[next.nodes[i]] == 0) graph->order[tail++] = next.nodes[i];
  }
  graph->ordered_count = tail;
  nodes_free(&graph->memory, missing, (size_t)graph->node_count + 1);
  return 0;
}

static int edges_validate(uint32_t node_count, const struct tg_graph_builder *builder,
                          struct tg_error *err) {
  if (node_count > TG_GRAPH_NODES_MAX)
    return tg_error_set(err, TG_ELIMIT, "the graph has more than %d nodes", TG_GRAPH_NODES_MAX);
  for (size_t i = 0; i < builder->count; i++) {
    const struct tg_graph_edge *edge = &builder->edges[i];
    if (edge->from >= node_count || edge->to >= node_count)
      return tg_error_set(err, TG_EINVALID, "edge %zu is %u -> %u, but there are %u nodes", i,
                          edge->from, edge->to, node_count);
  }
  return 0;
}

int tg_graph_init(struct tg_graph *graph, uint32_t node_count,
                  const struct tg_graph_builder *builder, struct tg_error *err) {
  *graph = (struct tg_graph){.memory = builder->memory};
  int code = edges_validate(node_count, builder, err);
  if (code) return code;
  if (graph_alloc(graph, node_count, (uint32_t)builder->count) != 0) goto no_memory;
  up_scatter(graph, builder);
  adjacency_reverse(node_count, graph->up_at, graph->up, graph->down_at, graph->down);
  adjacency_unique(node_count, graph->down_at, graph->down);
  adjacency_reverse(node_count, graph->down_at, graph->down, graph->up_at, graph->up);
  graph->edge_count = graph->down_at[node_count];
  if (order_lay(graph) == 0) return 0;

no_memory:
  tg_graph_deinit(graph);
  return no_memory(err);
}

bool tg_graph_is_acyclic(const struct tg_graph *graph) {
  return graph->ordered_count == graph->node_count;
}

struct tg_graph_slice tg_graph_upstream(const struct tg_graph *graph, uint32_t node) {
  uint32_t start = graph->up_at[node];
  return (struct tg_graph_slice){graph->up + start, graph->up_at[node + 1] - start};
}

struct tg_graph_slice tg_graph_downstream(const struct tg_graph *graph, uint32_t node) {
  uint32_t start = graph->down_at[node];
  return (struct tg_graph_slice){graph->down + start, graph->down_at[node + 1] - start};
}

// What the search for a cycle knows of a node: that it is in the order (and so on no cycle), that
// it was not seen, or from where it was first reached.
#define NODE_ORDERED UINT32_MAX
#define NODE_UNSEEN (UINT32_MAX - 1)

static void unordered_unsee(const struct tg_graph *graph, uint32_t *seen) {
  for (uint32_t v = 0; v < graph->node_count; v++) seen[v] = NODE_UNSEEN;
  for (uint32_t i = 0; i < graph->ordered_count; i++) seen[graph->order[i]] = NODE_ORDERED;
}

// Walks upwards until a node comes again. Each node outside the order waits for another one outside
// it (else it would be in the order), so the walk cannot end elsewhere than on a cycle.
static uint32_t cycle_enter(const struct tg_graph *graph, uint32_t *seen) {
  uint32_t node = 0;
  while (seen[node] == NODE_ORDERED) node++;
  while (seen[node] == NODE_UNSEEN) {
    seen[node] = node;
    struct tg_graph_slice up = tg_graph_upstream(graph, node);
    uint32_t i = 0;
    while (seen[up.nodes[i]] == NODE_ORDERED) i++;
    node = up.nodes[i];
  }
  return node;
}

// Searches breadth first from `start` until an edge leads back to it; gives that edge's tail.
// `queue` has room for every node.
static uint32_t cycle_close(const struct tg_graph *graph, uint32_t start, uint32_t *seen,
                            uint32_t *queue) {
  uint32_t tail = 0;
  queue[tail++] = start;
  seen[start] = start;
  for (uint32_t head = 0; head < tail; head++) {
    struct tg_graph_slice next = tg_graph_downstream(graph, queue[head]);
    for (uint32_t i = 0; i < next.count; i++) {
      if (next.nodes[i] == start) return queue[head];
      if (seen[next.nodes[i]] != NODE_UNSEEN) continue;
      seen[next.nodes[i]] = queue[head];
      queue[tail++] = next.nodes[i];
    }
  }
  assert(false && "the node is on a cycle");
  return start;
}

// Writes the cycle start..end, turned so that its smallest node comes first. With `end` as the one
// before `start`, `seen` is a ring of predecessors.
static uint32_t cycle_write(uint32_t *seen, uint32_t start, uint32_t end, uint32_t *path) {
  seen[start] = end;
  uint32_t count = 1, least = start;
  for (uint32_t v = end; v != start; v = seen[v]) {
    count++;
    if (v < least) least = v;
  }
  path[0] = least;
  for (uint32_t i = count - 1, v = seen[least]; i > 0; i--, v = seen[v]) path[i] = v;
  return count;
}

int tg_graph_find_cycle(const struct tg_graph *graph, uint32_t *path, uint32_t *count,
                        struct tg_error *err) {
  *count = 0;
  if (tg_graph_is_acyclic(graph)) return 0;
  uint32_t *seen = nodes_alloc(&graph->memory, graph->node_count);
  if (!seen) return no_memory(err);
  unordered_unsee(graph, seen);
  uint32_t start = cycle_enter(graph, seen);
  unordered_unsee(graph, seen);
  uint32_t end = cycle_close(graph, start, seen, path);
  *count = cycle_write(seen, start, end, path);
  nodes_free(&graph->memory, seen, graph->node_count);
  return 0;
}

uint32_t tg_graph_levels(const struct tg_graph *graph, uint32_t *levels) {
  assert(tg_graph_is_acyclic(graph));
  uint32_t count = 0;
  for (uint32_t i = 0; i < graph->node_count; i++) {
    uint32_t node = graph->order[i], level = 0;
    struct tg_graph_slice up = tg_graph_upstream(graph, node);
    for (uint32_t k = 0; k < up.count; k++)
      if (levels[up.nodes[k]] >= level) level = levels[up.nodes[k]] + 1;
    levels[node] = level;
    if (level >= count) count = level + 1;
  }
  return count;
}

void tg_graph_tails(const struct tg_graph *graph, const int64_t *weights_ms, int64_t *tails_ms) {
  assert(tg_graph_is_acyclic(graph));
  for (uint32_t i = graph->node_count; i-- > 0;) {
    uint32_t node = graph->order[i];
    struct tg_graph_slice down = tg_graph_downstream(graph, node);
    int64_t tail = 0, weight = weights_ms ? weights_ms[node] : 1;
    for (uint32_t k = 0; k < down.count; k++)
      if (tails_ms[down.nodes[k]] > tail) tail = tails_ms[down.nodes[k]];
    tails_ms[node] = tail > INT64_MAX - weight ? INT64_MAX : tail + weight;
  }
}

// Gives the node of a slice with the heaviest tail; the slice is ascending and not empty.
static uint32_t heaviest(struct tg_graph_slice slice, const int64_t *tails_ms) {
  uint32_t best = slice.nodes[0];
  for (uint32_t i = 1; i < slice.count; i++)
    if (tails_ms[slice.nodes[i]] > tails_ms[best]) best = slice.nodes[i];
  return best;
}

uint32_t tg_graph_critical_path(const struct tg_graph *graph, const int64_t *tails_ms,
                                uint32_t *path) {
  if (!graph->node_count) return 0;
  uint32_t roots = 0; // they come first in the order, ascending
  while (roots < graph->node_count && !tg_graph_upstream(graph, graph->order[roots]).count) roots++;
  struct tg_graph_slice next = {graph->order, roots};
  uint32_t count = 0;
  while (next.count) {
    path[count] = heaviest(next, tails_ms);
    next = tg_graph_downstream(graph, path[count++]);
  }
  return count;
}

static bool any_marked(struct tg_graph_slice slice, const uint8_t *marks) {
  for (uint32_t i = 0; i < slice.count; i++)
    if (marks[slice.nodes[i]]) return true;
  return false;
}

void tg_graph_mark_ancestors(const struct tg_graph *graph, uint8_t *marks) {
  assert(tg_graph_is_acyclic(graph));
  for (uint32_t i = graph->node_count; i-- > 0;) {
    uint32_t node = graph->order[i];
    if (any_marked(tg_graph_downstream(graph, node), marks)) marks[node] = 1;
  }
}

void tg_graph_mark_descendants(const struct tg_graph *graph, uint8_t *marks) {
  assert(tg_graph_is_acyclic(graph));
  for (uint32_t i = 0; i < graph->node_count; i++) {
    uint32_t node = graph->order[i];
    if (any_marked(tg_graph_upstream(graph, node), marks)) marks[node] = 1;
  }
}
