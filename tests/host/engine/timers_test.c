// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

#include "engine/timers.h"

enum { TIMERS_MAX = 500, ROUNDS = 200 };

static void an_empty_heap_has_nothing_to_wait_for(void **state) {
  (void)state;
  struct tg_timers timers;
  struct tg_engine_timer timer;
  tg_timers_init(&timers);
  assert_true(tg_timers_next(&timers) == INT64_MAX);
  assert_false(tg_timers_take(&timers, INT64_MAX, &timer));
  tg_timers_deinit(&timers);
}

// The oracle: a list that is searched from end to end.
struct list {
  struct tg_engine_timer items[TIMERS_MAX];
  size_t count;
};

static size_t earliest(const struct list *list) {
  size_t at = 0;
  for (size_t i = 1; i < list->count; i++)
    if (list->items[i].at_ms < list->items[at].at_ms) at = i;
  return at;
}

// Takes the timer with this attempt out of the list, and gives its instant.
static int64_t list_take(struct list *list, uint64_t attempt) {
  size_t at = 0;
  while (at < list->count && list->items[at].attempt != attempt) at++;
  assert_true(at < list->count);
  int64_t at_ms = list->items[at].at_ms;
  list->items[at] = list->items[--list->count];
  return at_ms;
}

static void timers_come_out_as_from_a_sorted_list(void **state) {
  (void)state;
  srand(20261120);
  for (int round = 0; round < ROUNDS; round++) {
    struct tg_timers timers;
    struct list list = {.count = 0};
    struct tg_engine_timer timer;
    int64_t now = 0;
    uint64_t last = 0;
    tg_timers_init(&timers);
    for (int i = 0; i < TIMERS_MAX; i++) {
      if (rand() % 3 && list.count < TIMERS_MAX) {
        timer = (struct tg_engine_timer){.at_ms = now + rand() % 50, .attempt = ++last};
        assert_int_equal(tg_timers_add(&timers, &timer), 0);
        list.items[list.count++] = timer;
      } else {
        now += rand() % 10;
        while (tg_timers_take(&timers, now, &timer)) {
          assert_int_equal(timer.at_ms, list.items[earliest(&list)].at_ms);
          assert_int_equal(list_take(&list, timer.attempt), timer.at_ms);
          assert_true(timer.at_ms <= now);
        }
      }
      int64_t next = list.count ? list.items[earliest(&list)].at_ms : INT64_MAX;
      assert_true(tg_timers_next(&timers) == next);
    }
    tg_timers_deinit(&timers);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_empty_heap_has_nothing_to_wait_for),
      cmocka_unit_test(timers_come_out_as_from_a_sorted_list),
  };
  return cmocka_run_group_tests_name("host/engine/timers", tests, NULL, NULL);
}
