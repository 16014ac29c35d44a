// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "host/engine/rig.h"

static struct rig rig;

// What runs takes of the pools.
static uint32_t taken(const char *pool) {
  uint32_t sum = 0;
  for (size_t i = 0; i < rig.attempt_count; i++) {
    const struct tg_plan_task *task = &rig.plan->tasks[rig.attempts[i].task];
    for (uint32_t p = 0; p < task->pool_count && !rig.attempts[i].is_over; p++)
      if (strcmp(task->pools[p].name, pool) == 0) sum += task->pools[p].slots;
  }
  return sum;
}

static struct tg_plan *plan_of(const char *text) {
  struct tg_plan *plan = NULL;
  struct tg_error err;
  if (tg_plan_parse(text, strlen(text), &plan, &err)) fail_msg("%s", err.text);
  return plan;
}

static void a_task_takes_as_much_as_it_weighs(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a w=3", "b w=2", "c w=1", "d", NULL), 10);
  assert_true(rig_runs(&rig, "a") && rig_runs(&rig, "d"));
  assert_false(rig_runs(&rig, "b"));
  rig_done(&rig, "a");
  assert_true(rig_runs(&rig, "b") && rig_runs(&rig, "c"));
  rig_close(&rig);
}

static void nobody_overtakes_one_that_takes_much(void **state) {
  (void)state;
  rig_begin(&rig,
            rig_plan(NULL, "small1 w=1 priority=9", "big w=4 priority=5", "small2 w=1",
                     "small3 w=1", "free", NULL),
            10);
  assert_true(rig_runs(&rig, "small1") && rig_runs(&rig, "free"));
  assert_int_equal(rig.in_flight, 2);
  rig_done(&rig, "free");
  assert_int_equal(rig.in_flight, 1);
  rig_done(&rig, "small1");
  assert_true(rig_runs(&rig, "big"));
  assert_int_equal(rig.in_flight, 1);
  rig_done(&rig, "big");
  assert_int_equal(rig.in_flight, 2);
  rig_close(&rig);
}

static void the_more_urgent_one_goes_first_of_those_that_wait(void **state) {
  (void)state;
  rig_begin(&rig,
            rig_plan(NULL, "first w=4 priority=9", "low w=4", "start",
                     "high w=4 priority=5 after=start", NULL),
            10);
  rig_done(&rig, "start"); // `high` becomes ready after `low` has begun to wait
  rig_done(&rig, "first");
  assert_true(rig_runs(&rig, "high"));
  rig_done(&rig, "high");
  assert_true(rig_runs(&rig, "low"));
  rig_close(&rig);
}

static void slots_go_to_the_most_urgent_in_a_pool_or_not(void **state) {
  (void)state;
  rig_begin(&rig,
            rig_plan(NULL, "first w=4 priority=9", "pooled w=4 priority=1", "plain priority=2",
                     "last", NULL),
            1);
  rig_done(&rig, "first");
  assert_true(rig_runs(&rig, "plain"));
  rig_done(&rig, "plain");
  assert_true(rig_runs(&rig, "pooled"));
  rig_close(&rig);
}

static void items_share_the_pool_of_their_map(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "m map=1 w=2", "a w=1", NULL), 10);
  rig_success_of(&rig, "m", "{\"items\":[0,1,2,3,4]}", NULL);
  rig_settle(&rig);
  while (!rig.has_ended) {
    char name[16] = "a";
    assert_true(taken("w") <= 4);
    for (uint32_t i = 0; i < 5 && !rig_runs(&rig, name); i++)
      snprintf(name, sizeof name, "m[%u]", i);
    if (!rig_runs(&rig, name)) fail_msg("nothing runs: %s", tg_buf_text(&rig.trace));
    rig_done(&rig, name);
  }
  assert_int_equal(rig.end, TG_RUN_SUCCESS);
  rig_close(&rig);
}

static void an_item_that_waits_for_its_retry_takes_nothing(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a w=4 retry=2", "b w=4", NULL), 10);
  rig_fail(&rig, "a", TG_EIO);
  rig_settle(&rig);
  assert_true(rig_runs(&rig, "b"));
  rig_pass(&rig, 1000);
  assert_int_equal(rig.in_flight, 1);
  rig_done(&rig, "b");
  assert_int_equal(rig_attempt_of(&rig, "a")->number, 2);
  rig_close(&rig);
}

static void one_that_waits_for_a_pool_can_be_cancelled(void **state) {
  (void)state;
  rig_begin(&rig, rig_plan(NULL, "a w=4", "b w=4", NULL), 10);
  rig_cancel(&rig, TG_ECANCELLED);
  rig_fail(&rig, "a", TG_ECANCELLED);
  rig_settle(&rig);
  assert_int_equal(rig.attempt_count, 1);
  assert_int_equal(rig.end, TG_RUN_CANCELLED);
  rig_close(&rig);
}

static void a_task_that_can_never_fit_is_refused(void **state) {
  (void)state;
  static const char *const texts[] = {
      "{\"name\":\"p\",\"pools\":{\"x\":2},\"tasks\":[{\"name\":\"a\",\"pool\":{\"x\":3}}]}",
      "{\"name\":\"p\",\"pools\":{\"x\":0},\"tasks\":[{\"name\":\"a\"}]}",
      "{\"name\":\"p\",\"pools\":{\"x\":2},\"tasks\":[{\"name\":\"a\",\"pool\":{\"x\":-1}}]}",
  };
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    struct tg_plan *plan = NULL;
    struct tg_error err;
    assert_int_equal(tg_plan_parse(texts[i], strlen(texts[i]), &plan, &err), TG_EINVALID);
    assert_non_null(strstr(err.text, "pool"));
  }
}

// Random tasks over three pools, which take several at once in different orders.

static uint32_t pick(uint64_t *state, uint32_t below) {
  *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407;
  return (uint32_t)(*state >> 33) % below;
}

static struct tg_plan *random_plan(uint64_t *state) {
  static const char pools[] = "xyz";
  struct tg_buf out;
  tg_buf_init(&out, 1 << 20);
  tg_buf_puts(&out, "{\"name\":\"p\",\"pools\":{\"x\":3,\"y\":4,\"z\":2},\"tasks\":[");
  for (uint32_t i = 0; i < 40; i++) {
    const char *comma = "";
    tg_buf_putf(&out, "%s{\"name\":\"t%u\",\"priority\":%u,\"pool\":{", i ? "," : "", i,
                pick(state, 4));
    for (uint32_t p = 0, first = pick(state, 3); p < 3; p++) {
      uint32_t slots = pick(state, 3);
      if (!slots) continue;
      tg_buf_putf(&out, "%s\"%c\":%u", comma, pools[(first + p) % 3], slots);
      comma = ",";
    }
    tg_buf_puts(&out, "}}");
  }
  tg_buf_puts(&out, "]}");
  struct tg_plan *plan = plan_of(out.data);
  tg_buf_deinit(&out);
  return plan;
}

static void pools_are_never_exceeded_and_never_stand_still(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 200; seed++) {
    uint64_t random = seed;
    rig_begin(&rig, random_plan(&random), 1 + pick(&random, 20));
    while (!rig.has_ended) {
      if (taken("x") > 3 || taken("y") > 4 || taken("z") > 2) fail_msg("a pool is exceeded");
      if (!rig.in_flight) fail_msg("all wait for each other: %s", tg_buf_text(&rig.trace));
      uint32_t nth = pick(&random, rig.in_flight);
      size_t at = 0;
      while (rig.attempts[at].is_over || nth--) at++;
      rig_result(&rig, rig.attempts[at].handle, &(struct tg_outcome){0});
      rig_settle(&rig);
    }
    assert_int_equal(rig.attempt_count, 40);
    rig_close(&rig);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_task_takes_as_much_as_it_weighs),
      cmocka_unit_test(nobody_overtakes_one_that_takes_much),
      cmocka_unit_test(the_more_urgent_one_goes_first_of_those_that_wait),
      cmocka_unit_test(slots_go_to_the_most_urgent_in_a_pool_or_not),
      cmocka_unit_test(items_share_the_pool_of_their_map),
      cmocka_unit_test(an_item_that_waits_for_its_retry_takes_nothing),
      cmocka_unit_test(one_that_waits_for_a_pool_can_be_cancelled),
      cmocka_unit_test(a_task_that_can_never_fit_is_refused),
      cmocka_unit_test(pools_are_never_exceeded_and_never_stand_still),
  };
  return cmocka_run_group_tests_name("host/engine/pool", tests, NULL, NULL);
}
