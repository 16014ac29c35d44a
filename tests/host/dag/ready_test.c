// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dag/ready.h"

static void gives_the_highest_priority_first_and_then_the_smallest_node(void **state) {
  (void)state;
  struct tg_ready ready;
  tg_ready_init(&ready, tg_memory_heap());
  const struct tg_ready_item items[] = {{5, 9}, {7, 4}, {5, 2}, {-1, 0}, {7, 3}, {INT64_MAX, 8}};
  for (size_t i = 0; i < 6; i++)
    assert_int_equal(tg_ready_push(&ready, items[i].node, items[i].priority, NULL), 0);
  const uint32_t expected[] = {8, 3, 4, 2, 9, 0};
  for (size_t i = 0; i < 6; i++) {
    uint32_t node;
    assert_true(tg_ready_pop(&ready, &node));
    assert_int_equal(node, expected[i]);
  }
  uint32_t node;
  assert_false(tg_ready_pop(&ready, &node));
  tg_ready_deinit(&ready);
}

enum { NODES = 200 };

// The oracle: the best of an unsorted list.
static uint32_t best_node(const int64_t *priorities, const bool *is_in) {
  uint32_t best = NODES;
  for (uint32_t v = 0; v < NODES; v++)
    if (is_in[v] && (best == NODES || priorities[v] > priorities[best])) best = v;
  return best;
}

static void agrees_with_a_list_under_random_pushes_and_pops(void **state) {
  (void)state;
  srand(7);
  struct tg_ready ready;
  tg_ready_init(&ready, tg_memory_heap());
  int64_t priorities[NODES];
  bool is_in[NODES] = {false};
  size_t count = 0;
  for (int step = 0; step < 20000; step++) {
    uint32_t node = (uint32_t)rand() % NODES;
    if (rand() % 2 && !is_in[node]) {
      priorities[node] = rand() % 20 - 10;
      assert_int_equal(tg_ready_push(&ready, node, priorities[node], NULL), 0);
      is_in[node] = true;
      count++;
    } else if (count > 0) {
      assert_true(tg_ready_pop(&ready, &node));
      assert_int_equal(node, best_node(priorities, is_in));
      is_in[node] = false;
      count--;
    }
    assert_int_equal(ready.count, count);
  }
  tg_ready_deinit(&ready);
}

static void *resize_never(void *user, void *block, size_t old_size, size_t new_size) {
  (void)user, (void)block, (void)old_size, (void)new_size;
  return NULL;
}

static void says_when_memory_is_out(void **state) {
  (void)state;
  struct tg_ready ready;
  struct tg_error err;
  tg_ready_init(&ready, (struct tg_memory){.resize = resize_never});
  assert_int_equal(tg_ready_push(&ready, 1, 1, &err), TG_ENOMEM);
  assert_int_equal(err.code, TG_ENOMEM);
  assert_int_equal(ready.count, 0);
  tg_ready_deinit(&ready);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(gives_the_highest_priority_first_and_then_the_smallest_node),
      cmocka_unit_test(agrees_with_a_list_under_random_pushes_and_pops),
      cmocka_unit_test(says_when_memory_is_out),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
