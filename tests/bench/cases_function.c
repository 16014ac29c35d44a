// SPDX-License-Identifier: Apache-2.0
// Cases of one function, called in a loop.
#include <math.h>
#include <stdlib.h>

#include "bench.h"
#include "dag/graph.h"
#include "retry/policy.h"

static volatile int64_t kept; // so that no loop is without effect

void bench_backoff(const struct bench *bench, uint64_t n) {
  (void)bench;
  struct tg_retry_policy policy;
  tg_retry_policy_init(&policy);
  policy.attempts_max = 10;
  policy.backoff = TG_BACKOFF_EXPONENTIAL;
  policy.jitter = TG_JITTER_FULL;
  policy.base_ms = 1000;
  policy.cap_ms = 300000;
  policy.classes = TG_RETRY_CLASS_BIT(TG_CLASS_TRANSIENT);
  int64_t sum = 0;
  double begin = bench_now();
  for (uint64_t i = 0; i < n; i++)
    sum += tg_backoff_next(&policy, (uint32_t)(i % 9) + 1, TG_CLASS_TRANSIENT, i);
  double seconds = bench_now() - begin;
  kept = sum;
  bench_print(&(struct bench_figure){.name = "backoff",
                                     .n = n,
                                     .seconds = seconds,
                                     .wall_seconds = seconds,
                                     .rate = (double)n / seconds,
                                     .baseline = NAN,
                                     .target = "rate >= 20000000",
                                     .is_reached = (double)n / seconds >= 20e6});
}

static uint32_t before(uint32_t node) {
  uint32_t back = 1 + (uint32_t)(random() % 500);
  return back < node ? node - back : 0;
}

// Counts down what each node waits for, as the engine does when tasks end; gives how many came.
static uint32_t walk(const struct tg_graph *graph, uint32_t *missing, uint32_t *queue) {
  uint32_t tail = 0;
  for (uint32_t v = 0; v < graph->node_count; v++) {
    missing[v] = tg_graph_upstream(graph, v).count;
    if (!missing[v]) queue[tail++] = v;
  }
  for (uint32_t head = 0; head < tail; head++) {
    struct tg_graph_slice down = tg_graph_downstream(graph, queue[head]);
    for (uint32_t i = 0; i < down.count; i++)
      if (--missing[down.nodes[i]] == 0) queue[tail++] = down.nodes[i];
  }
  return tail;
}

void bench_dag_walk(const struct bench *bench, uint64_t n) {
  enum { ROUNDS = 50 };
  uint32_t count = (uint32_t)n;
  struct tg_graph_builder edges;
  struct tg_graph graph = {0};
  (void)bench;
  srandom(1);
  tg_graph_builder_init(&edges, tg_memory_heap());
  for (uint32_t v = 1; v < count; v++)
    for (int i = 0; i < 2; i++)
      if (tg_graph_add_edge(&edges, before(v), v, NULL) != 0) abort();
  if (tg_graph_init(&graph, count, &edges, NULL) != 0) abort();
  uint32_t *missing = malloc(n * sizeof *missing), *queue = malloc(n * sizeof *queue);
  if (!missing || !queue) abort();
  double begin = bench_now();
  for (int i = 0; i < ROUNDS; i++)
    if (walk(&graph, missing, queue) != count) abort();
  double seconds = (bench_now() - begin) / ROUNDS;
  bench_print(&(struct bench_figure){.name = "dag_walk",
                                     .n = n,
                                     .seconds = seconds,
                                     .wall_seconds = seconds * ROUNDS,
                                     .rate = (double)n / seconds,
                                     .baseline = NAN,
                                     .target = "seconds / n <= 25 ns",
                                     .is_reached = seconds / (double)n <= 25e-9});
  free(missing);
  free(queue);
  tg_graph_deinit(&graph);
  tg_graph_builder_deinit(&edges);
}
