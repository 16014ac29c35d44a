// SPDX-License-Identifier: Apache-2.0
// An immutable graph of tasks: who must be done before whom.
//
// Nodes are the numbers 0..n-1; their names stay with the caller. Edges are added to a builder in
// any order, and freezing sorts them into compressed adjacency, once for each direction:
//
//   down_at[v] .. down_at[v + 1]   the slice of down[] with the nodes that wait for v
//   up_at[v]   .. up_at[v + 1]     the slice of up[] with the nodes that v waits for
//
// Both slices are ascending and hold no duplicates. Freezing also lays down one topological order.
// A cyclic graph freezes too, so that the cycle can be named: ask tg_graph_is_acyclic before any
// function that says it needs an acyclic graph.
//
// Nothing here recurses, so a chain of a million nodes is as good as a wide graph.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "dag/memory.h"

struct tg_graph_edge {
  uint32_t from, to; // `to` waits for `from`
};

struct tg_graph_builder {
  struct tg_memory memory;
  struct tg_graph_edge *edges;
  size_t count, cap;
};

struct tg_graph {
  struct tg_memory memory;
  uint32_t node_count, edge_count;
  uint32_t ordered_count;    // nodes in `order`; fewer than node_count means a cycle
  uint32_t up_cap, down_cap; // how many items `up` and `down` have room for
  uint32_t *down_at, *down;
  uint32_t *up_at, *up;
  uint32_t *order; // by level, within a level deterministic
};

/// Some nodes, as a slice of a graph.
struct tg_graph_slice {
  const uint32_t *nodes;
  uint32_t count;
};

/// Makes an empty builder.
void tg_graph_builder_init(struct tg_graph_builder *builder, struct tg_memory memory);

/// Frees what the builder holds.
void tg_graph_builder_deinit(struct tg_graph_builder *builder);

/// Adds the edge from -> to: `to` waits for `from`. Duplicates are removed by freezing.
///
/// Errors: TG_ENOMEM, TG_ELIMIT (TG_GRAPH_EDGES_MAX); the builder is unchanged
int tg_graph_add_edge(struct tg_graph_builder *builder, uint32_t from, uint32_t to,
                      struct tg_error *err);

/// Freezes the builder's edges over `node_count` nodes; the builder can be freed afterwards.
///
/// Errors: TG_EINVALID (an edge to a node that is not there), TG_ELIMIT, TG_ENOMEM; the graph is
///         then empty
int tg_graph_init(struct tg_graph *graph, uint32_t node_count,
                  const struct tg_graph_builder *builder, struct tg_error *err);

/// Frees the graph; a zeroed graph is fine.
void tg_graph_deinit(struct tg_graph *graph);

bool tg_graph_is_acyclic(const struct tg_graph *graph);

/// Gives the nodes that `node` waits for, or those that wait for it.
struct tg_graph_slice tg_graph_upstream(const struct tg_graph *graph, uint32_t node);
struct tg_graph_slice tg_graph_downstream(const struct tg_graph *graph, uint32_t node);

/// Finds a cycle, the shortest through one of its nodes, beginning with its smallest node. The last
/// node of the path has an edge back to the first.
///
/// Shape:  `path` has room for node_count nodes; `*count` is 0 when there is no cycle
/// Errors: TG_ENOMEM
int tg_graph_find_cycle(const struct tg_graph *graph, uint32_t *path, uint32_t *count,
                        struct tg_error *err);

/// Writes each node's level: 0 for a node that waits for nothing, else one more than the highest
/// level it waits for. Needs an acyclic graph.
///
/// Shape:  returns how many levels there are
uint32_t tg_graph_levels(const struct tg_graph *graph, uint32_t *levels);

/// Writes for each node the weight of the heaviest path from it to an end, its own weight included:
/// the node's priority. Needs an acyclic graph. Sums stop at INT64_MAX.
///
/// Shape:  one weight per node, none negative; NULL counts each node as 1
/// Units:  ms, or nodes without weights
void tg_graph_tails(const struct tg_graph *graph, const int64_t *weights_ms, int64_t *tails_ms);

/// Writes the heaviest path from a node without upstreams to an end, as found by tg_graph_tails;
/// among equals the smallest node is taken.
///
/// Shape:  `path` has room for as many nodes as there are levels; returns how many were written
uint32_t tg_graph_critical_path(const struct tg_graph *graph, const int64_t *tails_ms,
                                uint32_t *path);

/// Marks every node that a marked node waits for (`+a`), or that waits for a marked one (`a+`),
/// directly or not. Needs an acyclic graph.
///
/// Shape:  one byte per node, 0 or 1, read and written
void tg_graph_mark_ancestors(const struct tg_graph *graph, uint8_t *marks);
void tg_graph_mark_descendants(const struct tg_graph *graph, uint8_t *marks);
