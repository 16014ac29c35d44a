// SPDX-License-Identifier: Apache-2.0
#include "engine/partitions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct tg_plan *plan_of(const char *partitions) {
  char text[512];
  struct tg_plan *plan;
  struct tg_error err;
  snprintf(text, sizeof text,
           "{\"name\":\"p\",\"partitions\":[%s],\"tasks\":[{\"name\":\"a\",\"word\":\"task\","
           "\"runner\":\"script\"}]}",
           partitions);
  if (tg_plan_parse(text, strlen(text), &plan, &err)) fail_msg("%s", err.text);
  return plan;
}

static void a_run_is_of_one_of_the_partitions(void **state) {
  (void)state;
  struct tg_plan *plan = plan_of("\"EU\",\"US\"");
  struct tg_error err;
  assert_int_equal(plan->partition_count, 2);
  assert_int_equal(tg_partition_check(plan, "US", &err), TG_OK);
  assert_int_equal(tg_partition_check(plan, NULL, &err), TG_EINVALID);
  assert_string_equal(err.text, "pipeline p has partitions: a run is of one, --partition NAME, "
                                "with EU, US");
  assert_int_equal(tg_partition_check(plan, "UE", &err), TG_EINVALID);
  assert_string_equal(err.text,
                      "pipeline p has no partition \"UE\"; it has EU, US; did you mean \"EU\"?");
  tg_plan_free(plan);
}

static void a_pipeline_without_partitions_takes_none(void **state) {
  (void)state;
  struct tg_plan *plan = plan_of("");
  struct tg_error err;
  assert_int_equal(tg_partition_check(plan, NULL, &err), TG_OK);
  assert_int_equal(tg_partition_check(plan, "EU", &err), TG_EINVALID);
  assert_string_equal(err.text, "pipeline p has no partitions");
  tg_plan_free(plan);
}

static void a_list_names_some_or_all(void **state) {
  (void)state;
  struct tg_plan *plan = plan_of("\"EU\",\"US\",\"a b\"");
  struct tg_arena arena;
  struct tg_error err;
  const char *const *list;
  size_t count;
  tg_arena_init(&arena);
  assert_int_equal(tg_partitions_pick(plan, NULL, &arena, &list, &count, &err), TG_OK);
  assert_int_equal(count, 3);
  assert_string_equal(list[2], "a b");
  assert_int_equal(tg_partitions_pick(plan, "a b,EU", &arena, &list, &count, &err), TG_OK);
  assert_int_equal(count, 2);
  assert_string_equal(list[0], "a b");
  assert_string_equal(list[1], "EU");
  assert_int_equal(tg_partitions_pick(plan, "EU,US,EU", &arena, &list, &count, &err), TG_EINVALID);
  assert_string_equal(err.text, "partition \"EU\" is named twice");
  static const char *const wrong[] = {"", "EU,", ",EU", "EU,,US", "EU US"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    assert_int_equal(tg_partitions_pick(plan, wrong[i], &arena, &list, &count, &err), TG_EINVALID);
  tg_plan_free(plan);
  plan = plan_of("");
  assert_int_equal(tg_partitions_pick(plan, NULL, &arena, &list, &count, &err), TG_OK);
  assert_int_equal(count, 1);
  assert_null(list[0]);
  assert_int_equal(tg_partitions_pick(plan, "EU", &arena, &list, &count, &err), TG_EINVALID);
  tg_plan_free(plan);
  tg_arena_deinit(&arena);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_run_is_of_one_of_the_partitions),
      cmocka_unit_test(a_pipeline_without_partitions_takes_none),
      cmocka_unit_test(a_list_names_some_or_all),
  };
  return cmocka_run_group_tests_name("host/engine/partitions", tests, NULL, NULL);
}
