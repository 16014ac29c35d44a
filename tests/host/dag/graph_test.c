// SPDX-License-Identifier: Apache-2.0
// Random graphs are compared with an adjacency matrix and its transitive closure.
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "dag/graph.h"

static struct tg_graph graph_of(uint32_t n, const struct tg_graph_edge *edges, size_t count) {
  struct tg_graph_builder builder;
  struct tg_graph graph;
  tg_graph_builder_init(&builder, tg_memory_heap());
  for (size_t i = 0; i < count; i++)
    assert_int_equal(tg_graph_add_edge(&builder, edges[i].from, edges[i].to, NULL), 0);
  assert_int_equal(tg_graph_init(&graph, n, &builder, NULL), 0);
  tg_graph_builder_deinit(&builder);
  return graph;
}

#define GRAPH(n, ...)                                                                              \
  graph_of(n, (const struct tg_graph_edge[]){__VA_ARGS__},                                         \
           sizeof((const struct tg_graph_edge[]){__VA_ARGS__}) / sizeof(struct tg_graph_edge))

static void keeps_both_directions_ascending_without_duplicates(void **state) {
  (void)state;
  struct tg_graph graph = GRAPH(4, {0, 3}, {0, 1}, {0, 3}, {2, 3}, {0, 2}, {0, 1});
  assert_int_equal(graph.edge_count, 4);
  struct tg_graph_slice down = tg_graph_downstream(&graph, 0);
  assert_int_equal(down.count, 3);
  assert_memory_equal(down.nodes, ((uint32_t[]){1, 2, 3}), 3 * sizeof(uint32_t));
  struct tg_graph_slice up = tg_graph_upstream(&graph, 3);
  assert_int_equal(up.count, 2);
  assert_memory_equal(up.nodes, ((uint32_t[]){0, 2}), 2 * sizeof(uint32_t));
  assert_int_equal(tg_graph_upstream(&graph, 0).count, 0);
  tg_graph_deinit(&graph);
}

static void is_fine_without_nodes_or_edges(void **state) {
  (void)state;
  struct tg_graph empty = graph_of(0, NULL, 0), alone = graph_of(1, NULL, 0);
  uint32_t level, path[1];
  int64_t tail;
  assert_true(tg_graph_is_acyclic(&empty));
  assert_int_equal(tg_graph_levels(&empty, &level), 0);
  assert_int_equal(tg_graph_critical_path(&empty, &tail, path), 0);
  assert_int_equal(tg_graph_levels(&alone, &level), 1);
  tg_graph_tails(&alone, NULL, &tail);
  assert_int_equal(tg_graph_critical_path(&alone, &tail, path), 1);
  assert_int_equal(path[0], 0);
  tg_graph_deinit(&empty);
  tg_graph_deinit(&alone);
}

static void refuses_an_edge_to_nowhere(void **state) {
  (void)state;
  struct tg_graph_builder builder;
  struct tg_graph graph;
  struct tg_error err;
  tg_graph_builder_init(&builder, tg_memory_heap());
  assert_int_equal(tg_graph_add_edge(&builder, 0, 2, NULL), 0);
  assert_int_equal(tg_graph_init(&graph, 2, &builder, &err), TG_EINVALID);
  assert_string_equal(err.text, "edge 0 is 0 -> 2, but there are 2 nodes");
  assert_int_equal(tg_graph_init(&graph, TG_GRAPH_NODES_MAX + 1, &builder, &err), TG_ELIMIT);
  tg_graph_deinit(&graph);
  tg_graph_builder_deinit(&builder);
}

static void assert_cycle(struct tg_graph graph, const uint32_t *expected, uint32_t expected_count) {
  uint32_t path[16], count;
  assert_int_equal(tg_graph_find_cycle(&graph, path, &count, NULL), 0);
  assert_int_equal(count, expected_count);
  assert_memory_equal(path, expected, count * sizeof *path);
  assert_int_equal(tg_graph_is_acyclic(&graph), count == 0);
  tg_graph_deinit(&graph);
}

static void names_a_cycle_by_its_path_from_its_smallest_node(void **state) {
  (void)state;
  assert_cycle(GRAPH(3, {0, 1}, {1, 2}, {0, 2}), NULL, 0);
  assert_cycle(GRAPH(3, {1, 1}), (uint32_t[]){1}, 1);
  assert_cycle(GRAPH(2, {1, 0}, {0, 1}), (uint32_t[]){0, 1}, 2);
  // A tail before and behind the cycle is no part of it.
  assert_cycle(GRAPH(6, {5, 3}, {3, 4}, {4, 2}, {2, 3}, {4, 0}, {0, 1}), (uint32_t[]){2, 3, 4}, 3);
  // Of two ways round, the short one.
  assert_cycle(GRAPH(5, {0, 1}, {1, 2}, {2, 3}, {3, 4}, {4, 0}, {1, 0}), (uint32_t[]){0, 1}, 2);
}

static void takes_the_heaviest_path_as_critical(void **state) {
  (void)state;
  //   0 -> 1 -> 3 -> 4     1 is slow, 2 is quick
  //    \-> 2 --/
  struct tg_graph graph = GRAPH(5, {0, 1}, {0, 2}, {1, 3}, {2, 3}, {3, 4});
  const int64_t weights[] = {10, 100, 20, 5, 0};
  int64_t tails[5];
  uint32_t path[5];
  tg_graph_tails(&graph, weights, tails);
  assert_memory_equal(tails, ((int64_t[]){115, 105, 25, 5, 0}), sizeof tails);
  assert_int_equal(tg_graph_critical_path(&graph, tails, path), 4);
  assert_memory_equal(path, ((uint32_t[]){0, 1, 3, 4}), 4 * sizeof *path);
  tg_graph_tails(&graph, NULL, tails);
  assert_memory_equal(tails, ((int64_t[]){4, 3, 3, 2, 1}), sizeof tails);
  tg_graph_deinit(&graph);
}

static void does_not_overflow_the_weight_of_a_path(void **state) {
  (void)state;
  struct tg_graph graph = GRAPH(2, {0, 1});
  int64_t tails[2];
  tg_graph_tails(&graph, (int64_t[]){INT64_MAX, INT64_MAX}, tails);
  assert_true(tails[0] == INT64_MAX);
  tg_graph_deinit(&graph);
}

enum { SMALL = 12 };

struct oracle {
  bool edge[SMALL][SMALL], reach[SMALL][SMALL];
};

static struct tg_graph random_graph(struct oracle *oracle, bool is_acyclic) {
  memset(oracle, 0, sizeof *oracle);
  struct tg_graph_edge edges[3 * SMALL];
  uint32_t shuffled[SMALL];
  for (uint32_t i = 0; i < SMALL; i++) {
    uint32_t j = (uint32_t)rand() % (i + 1);
    shuffled[i] = shuffled[j];
    shuffled[j] = i;
  }
  size_t count = 0, wanted = (size_t)rand() % (3 * SMALL);
  while (count < wanted) {
    uint32_t a = (uint32_t)rand() % SMALL, b = (uint32_t)rand() % SMALL;
    if (is_acyclic && a >= b) continue;
    edges[count++] = (struct tg_graph_edge){shuffled[a], shuffled[b]};
    oracle->edge[shuffled[a]][shuffled[b]] = true;
  }
  memcpy(oracle->reach, oracle->edge, sizeof oracle->edge);
  for (int k = 0; k < SMALL; k++)
    for (int i = 0; i < SMALL; i++)
      for (int j = 0; j < SMALL; j++)
        oracle->reach[i][j] |= oracle->reach[i][k] && oracle->reach[k][j];
  return graph_of(SMALL, edges, count);
}

static void check_order(const struct tg_graph *graph, const struct oracle *oracle) {
  uint32_t place[SMALL], levels[SMALL];
  for (uint32_t i = 0; i < SMALL; i++) place[graph->order[i]] = i;
  tg_graph_levels(graph, levels);
  for (int a = 0; a < SMALL; a++)
    for (int b = 0; b < SMALL; b++)
      if (oracle->edge[a][b]) {
        assert_true(place[a] < place[b]);
        assert_true(levels[a] < levels[b]);
      }
  for (uint32_t i = 1; i < SMALL; i++)
    assert_true(levels[graph->order[i - 1]] <= levels[graph->order[i]]);
}

static void check_marks(const struct tg_graph *graph, const struct oracle *oracle) {
  for (int v = 0; v < SMALL; v++) {
    uint8_t above[SMALL] = {0}, below[SMALL] = {0};
    above[v] = below[v] = 1;
    tg_graph_mark_ancestors(graph, above);
    tg_graph_mark_descendants(graph, below);
    for (int u = 0; u < SMALL; u++) {
      assert_int_equal(above[u], u == v || oracle->reach[u][v]);
      assert_int_equal(below[u], u == v || oracle->reach[v][u]);
    }
  }
}

// The longest path by relaxing every edge SMALL times.
static void check_tails(const struct tg_graph *graph, const struct oracle *oracle) {
  int64_t weights[SMALL], expected[SMALL], tails[SMALL], sum = 0, best = 0;
  for (int v = 0; v < SMALL; v++) expected[v] = weights[v] = rand() % 50;
  for (int round = 0; round < SMALL; round++)
    for (int a = 0; a < SMALL; a++)
      for (int b = 0; b < SMALL; b++)
        if (oracle->edge[a][b] && weights[a] + expected[b] > expected[a])
          expected[a] = weights[a] + expected[b];
  tg_graph_tails(graph, weights, tails);
  assert_memory_equal(tails, expected, sizeof tails);
  uint32_t path[SMALL], count = tg_graph_critical_path(graph, tails, path);
  for (uint32_t i = 0; i < count; i++) {
    sum += weights[path[i]];
    if (i > 0) assert_true(oracle->edge[path[i - 1]][path[i]]);
  }
  for (int v = 0; v < SMALL; v++) best = expected[v] > best ? expected[v] : best;
  assert_int_equal(sum, best);
}

static void agrees_with_a_matrix_on_random_acyclic_graphs(void **state) {
  (void)state;
  srand(11);
  for (int round = 0; round < 500; round++) {
    struct oracle oracle;
    struct tg_graph graph = random_graph(&oracle, true);
    assert_true(tg_graph_is_acyclic(&graph));
    check_order(&graph, &oracle);
    check_marks(&graph, &oracle);
    check_tails(&graph, &oracle);
    tg_graph_deinit(&graph);
  }
}

static void finds_a_real_cycle_exactly_when_there_is_one(void **state) {
  (void)state;
  srand(13);
  for (int round = 0; round < 2000; round++) {
    struct oracle oracle;
    struct tg_graph graph = random_graph(&oracle, false);
    bool has_cycle = false, is_seen[SMALL] = {false};
    for (int v = 0; v < SMALL; v++) has_cycle |= oracle.reach[v][v];
    uint32_t path[SMALL], count;
    assert_int_equal(tg_graph_find_cycle(&graph, path, &count, NULL), 0);
    assert_int_equal(count > 0, has_cycle);
    for (uint32_t i = 0; i < count; i++) {
      assert_true(oracle.edge[path[i]][path[(i + 1) % count]]);
      assert_false(is_seen[path[i]]);
      is_seen[path[i]] = true;
    }
    tg_graph_deinit(&graph);
  }
}

enum { MILLION = 1000000 };

static void handles_a_chain_of_a_million_nodes(void **state) {
  (void)state;
  struct tg_graph_edge *edges = calloc(MILLION, sizeof *edges);
  uint32_t *path = calloc(MILLION, sizeof *path), count;
  int64_t *tails = calloc(MILLION, sizeof *tails);
  uint8_t *marks = calloc(MILLION, 1);
  for (uint32_t v = 0; v < MILLION; v++) edges[v] = (struct tg_graph_edge){v, (v + 1) % MILLION};
  struct tg_graph chain = graph_of(MILLION, edges, MILLION - 1);
  assert_int_equal(tg_graph_levels(&chain, path), MILLION);
  tg_graph_tails(&chain, NULL, tails);
  assert_int_equal(tg_graph_critical_path(&chain, tails, path), MILLION);
  marks[MILLION - 1] = 1;
  tg_graph_mark_ancestors(&chain, marks);
  assert_int_equal(marks[0], 1);
  tg_graph_deinit(&chain);

  struct tg_graph ring = graph_of(MILLION, edges, MILLION);
  assert_int_equal(tg_graph_find_cycle(&ring, path, &count, NULL), 0);
  assert_int_equal(count, MILLION);
  assert_int_equal(path[0], 0);
  assert_int_equal(path[MILLION - 1], MILLION - 1);
  tg_graph_deinit(&ring);
  free(marks);
  free(tails);
  free(path);
  free(edges);
}

static void handles_a_grid_of_a_million_nodes(void **state) {
  (void)state;
  const uint32_t side = 1000;
  struct tg_graph_builder builder;
  struct tg_graph graph;
  tg_graph_builder_init(&builder, tg_memory_heap());
  for (uint32_t v = 0; v < MILLION; v++) {
    if (v % side + 1 < side) assert_int_equal(tg_graph_add_edge(&builder, v, v + 1, NULL), 0);
    if (v + side < MILLION) assert_int_equal(tg_graph_add_edge(&builder, v, v + side, NULL), 0);
  }
  assert_int_equal(tg_graph_init(&graph, MILLION, &builder, NULL), 0);
  tg_graph_builder_deinit(&builder);
  uint32_t *levels = calloc(MILLION, sizeof *levels);
  assert_int_equal(tg_graph_levels(&graph, levels), 2 * side - 1);
  assert_int_equal(levels[MILLION - 1], 2 * side - 2);
  free(levels);
  tg_graph_deinit(&graph);
}

struct budget {
  int allocations; // until one fails
  size_t bytes;    // in use, as the caller states the sizes
};

static void *budget_resize(void *user, void *block, size_t old_size, size_t new_size) {
  struct budget *budget = user;
  if (new_size && budget->allocations-- <= 0) return NULL;
  budget->bytes += new_size - (block ? old_size : 0);
  if (new_size) return realloc(block, new_size);
  free(block);
  return NULL;
}

static int graph_try(struct tg_memory memory) {
  struct tg_graph_builder builder;
  struct tg_graph graph = {.memory = memory};
  uint32_t path[64], count;
  int code = 0;
  tg_graph_builder_init(&builder, memory);
  for (uint32_t v = 0; v < 64 && !code; v++)
    code = tg_graph_add_edge(&builder, v, (v + 1) % 64, NULL);
  if (!code) code = tg_graph_init(&graph, 64, &builder, NULL);
  if (!code) code = tg_graph_find_cycle(&graph, path, &count, NULL);
  tg_graph_builder_deinit(&builder);
  tg_graph_deinit(&graph);
  return code;
}

static void survives_the_failure_of_every_single_allocation(void **state) {
  (void)state;
  int failures = 0;
  for (int n = 0;; n++, failures++) {
    struct budget budget = {.allocations = n};
    int code = graph_try((struct tg_memory){.resize = budget_resize, .user = &budget});
    assert_int_equal(budget.bytes, 0);
    if (code == 0) break;
    assert_int_equal(code, TG_ENOMEM);
  }
  assert_true(failures > 5);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(keeps_both_directions_ascending_without_duplicates),
      cmocka_unit_test(is_fine_without_nodes_or_edges),
      cmocka_unit_test(refuses_an_edge_to_nowhere),
      cmocka_unit_test(names_a_cycle_by_its_path_from_its_smallest_node),
      cmocka_unit_test(takes_the_heaviest_path_as_critical),
      cmocka_unit_test(does_not_overflow_the_weight_of_a_path),
      cmocka_unit_test(agrees_with_a_matrix_on_random_acyclic_graphs),
      cmocka_unit_test(finds_a_real_cycle_exactly_when_there_is_one),
      cmocka_unit_test(handles_a_chain_of_a_million_nodes),
      cmocka_unit_test(handles_a_grid_of_a_million_nodes),
      cmocka_unit_test(survives_the_failure_of_every_single_allocation),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
