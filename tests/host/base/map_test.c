// SPDX-License-Identifier: Apache-2.0
#include "base/map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { KEYS = 300, STEPS = 100000 };

static uint64_t random_state = 42;

// xorshift64: the same steps in every run of the test.
static uint64_t random_next(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state;
}

// Both kinds of keys stand in one map; the oracle is an array with a place for each key.
struct model {
  struct tg_map map;
  int *texts[KEYS], *numbers[KEYS];
};

static const char *key_of(size_t i, char key[16]) {
  snprintf(key, 16, "key%zu", i * 7919);
  return key;
}

static void *call(struct model *model, bool is_text, size_t i, int verb, void *value) {
  char key[16];
  key_of(i, key);
  switch (verb) {
  case 0:
    assert_int_equal(is_text ? tg_map_put(&model->map, key, value)
                             : tg_map_put_number(&model->map, i << 32, value),
                     0);
    return NULL;
  case 1:
    return is_text ? tg_map_remove(&model->map, key) : tg_map_remove_number(&model->map, i << 32);
  default:
    return is_text ? tg_map_get(&model->map, key) : tg_map_get_number(&model->map, i << 32);
  }
}

static size_t model_count(const struct model *model) {
  size_t count = 0;
  for (size_t i = 0; i < KEYS; i++) {
    if (model->texts[i]) count++;
    if (model->numbers[i]) count++;
  }
  return count;
}

static void expect_same(struct model *model) {
  for (size_t i = 0; i < KEYS; i++) {
    assert_ptr_equal(call(model, true, i, 2, NULL), model->texts[i]);
    assert_ptr_equal(call(model, false, i, 2, NULL), model->numbers[i]);
  }
  size_t at = 0, seen = 0;
  for (const struct tg_map_slot *slot; (slot = tg_map_next(&model->map, &at)); seen++)
    assert_non_null(slot->value);
  assert_int_equal(seen, model_count(model));
  assert_int_equal(model->map.count, seen);
}

static void agrees_with_an_array_whatever_is_done(void **state) {
  (void)state;
  static int values[STEPS];
  struct model model = {0};
  tg_map_init(&model.map);
  for (size_t step = 0; step < STEPS; step++) {
    bool is_text = random_next() % 2;
    size_t i = (size_t)(random_next() % KEYS);
    int **place = is_text ? &model.texts[i] : &model.numbers[i];
    // Mostly filling at first, mostly emptying later, so that full and sparse maps are both met.
    if (random_next() % STEPS >= step) {
      call(&model, is_text, i, 0, &values[step]);
      *place = &values[step];
    } else {
      assert_ptr_equal(call(&model, is_text, i, 1, NULL), *place);
      *place = NULL;
    }
    if (step % 1000 == 0) expect_same(&model);
  }
  expect_same(&model);
  tg_map_deinit(&model.map);
}

static void an_empty_map_has_nothing(void **state) {
  (void)state;
  struct tg_map map;
  size_t at = 0;
  tg_map_init(&map);
  assert_null(tg_map_get(&map, "x"));
  assert_null(tg_map_get_number(&map, 0));
  assert_null(tg_map_remove(&map, "x"));
  assert_null(tg_map_remove_number(&map, 0));
  assert_null(tg_map_next(&map, &at));
  tg_map_deinit(&map);
}

static void keeps_copies_of_keys(void **state) {
  (void)state;
  struct tg_map map;
  char key[] = "one";
  int value;
  tg_map_init(&map);
  tg_map_put(&map, key, &value);
  key[0] = 'x';
  assert_ptr_equal(tg_map_get(&map, "one"), &value);
  assert_null(tg_map_get(&map, key));
  tg_map_deinit(&map);
}

static void takes_the_numbers_at_the_edges(void **state) {
  (void)state;
  static const uint64_t edges[] = {0, 1, UINT64_MAX, UINT64_C(1) << 63};
  struct tg_map map;
  int values[4];
  tg_map_init(&map);
  tg_map_put(&map, "", &map);
  for (size_t i = 0; i < 4; i++) tg_map_put_number(&map, edges[i], &values[i]);
  for (size_t i = 0; i < 4; i++) assert_ptr_equal(tg_map_get_number(&map, edges[i]), &values[i]);
  assert_ptr_equal(tg_map_get(&map, ""), &map);
  tg_map_deinit(&map);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(agrees_with_an_array_whatever_is_done),
      cmocka_unit_test(an_empty_map_has_nothing),
      cmocka_unit_test(keeps_copies_of_keys),
      cmocka_unit_test(takes_the_numbers_at_the_edges),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
