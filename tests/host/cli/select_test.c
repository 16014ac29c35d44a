// SPDX-License-Identifier: Apache-2.0
#include "cli/select.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

// bronze -> silver -> gold_a, gold_b; lone
static const char plan_text[] =
    "{\"name\":\"p\",\"file\":\"pipelines/p.lua\",\"params\":[],\"tasks\":["
    "{\"name\":\"bronze\",\"tags\":[\"raw\"]},"
    "{\"name\":\"silver\",\"after\":[0]},"
    "{\"name\":\"gold_a\",\"after\":[1],\"tags\":[\"bi\",\"nightly\"]},"
    "{\"name\":\"gold_b\",\"after\":[1],\"tags\":[\"bi\"]},"
    "{\"name\":\"lone\"}]}";

static struct tg_plan *plan;

static int setup(void **state) {
  (void)state;
  return tg_plan_parse(plan_text, strlen(plan_text), &plan, NULL);
}

static int teardown(void **state) {
  (void)state;
  tg_plan_free(plan);
  return 0;
}

static const bool no_items[5];

// Gives a selection as a letter a task: "bsAB." for bronze, silver, gold_a and gold_b; "i" stands
// for a map whose items alone are selected.
static const char *selected_of(const char *selection, const struct tg_earlier *earlier) {
  static char text[6];
  uint8_t marks[5];
  struct tg_error err;
  if (tg_select(plan, earlier, selection, marks, &err)) return "-";
  for (int i = 0; i < 5; i++)
    text[i] = marks[i] == TG_MARK_ITEMS ? 'i' : marks[i] ? "bsABl"[i] : '.';
  return text;
}

static const char *selected(const char *selection, struct tg_task *tasks) {
  struct tg_earlier earlier = {.tasks = tasks, .has_items = no_items, .has_failed_items = no_items};
  for (uint32_t i = 0; i < 5 && tasks; i++) tasks[i].name = plan->tasks[i].name;
  return selected_of(selection, tasks ? &earlier : NULL);
}

static void selects_by_name_direction_tag_and_pattern(void **state) {
  (void)state;
  static const struct {
    const char *selection, *tasks;
  } cases[] = {
      {"silver", ".s..."},          {"+silver", "bs..."},
      {"silver+", ".sAB."},         {"+silver+", "bsAB."},
      {"gold_*", "..AB."},          {"tag:bi", "..AB."},
      {"+tag:nightly", "bsA.."},    {"lone bronze", "b...l"},
      {"bronze+,tag:bi", "..AB."},  {"tag:bi,*_b", "...B."},
      {"  lone\tgold_a ", "..A.l"}, {"tag:n*", "..A.."},
      {"bronze,,bronze", "b...."},  {"gold_a,gold_b lone", "....l"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    assert_string_equal(selected(cases[i].selection, NULL), cases[i].tasks);
}

static void refuses_what_selects_nothing(void **state) {
  (void)state;
  static const char *const nothing[] = {"",       " ",        ",",           ",,",
                                        "sliver", "tag:none", "lone,silver", "failed"};
  for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++)
    assert_string_equal(selected(nothing[i], NULL), "-");
}

static void names_the_nearest_task(void **state) {
  (void)state;
  uint8_t marks[5];
  struct tg_error err;
  assert_int_equal(tg_select(plan, NULL, "sliver", marks, &err), TG_EINVALID);
  assert_non_null(strstr(err.text, "did you mean 'silver'?"));
}

static void knows_what_became_of_an_earlier_run(void **state) {
  (void)state;
  struct tg_task earlier[5] = {
      {.state = TG_TASK_SUCCESS}, {.state = TG_TASK_FAILED},    {.state = TG_TASK_UPSTREAM_FAILED},
      {.state = TG_TASK_SKIPPED}, {.state = TG_TASK_CANCELLED},
  };
  assert_string_equal(selected("failed", earlier), ".sA..");
  assert_string_equal(selected("skipped", earlier), "...B.");
  assert_string_equal(selected("failed skipped", earlier), ".sAB.");
  assert_string_equal(selected("failed+", earlier), ".sAB.");
  assert_string_equal(selected("result:success", earlier), "b....");
  assert_string_equal(selected("result:failed", earlier), ".s...");
  assert_string_equal(selected("result:upstream_failed result:cancelled", earlier), "..A.l");
  assert_string_equal(selected("result:skipped,tag:bi", earlier), "...B.");
  assert_string_equal(selected("result:cancelled", NULL), "-");
}

static void selects_what_is_left_of_a_map(void **state) {
  (void)state;
  struct tg_task tasks[5] = {
      {.name = "bronze", .state = TG_TASK_SUCCESS}, {.name = "silver", .state = TG_TASK_FAILED},
      {.name = "gold_a", .state = TG_TASK_SUCCESS}, {.name = "gold_b", .state = TG_TASK_FAILED},
      {.name = "lone", .state = TG_TASK_CANCELLED},
  };
  static const bool has_failed_items[5] = {false, true, true, false, true};
  struct tg_earlier earlier = {
      .tasks = tasks, .has_items = has_failed_items, .has_failed_items = has_failed_items};
  assert_string_equal(selected_of("failed", &earlier), ".iiB.");
  assert_string_equal(selected_of("failed,silver", &earlier), ".i...");
  assert_string_equal(selected_of("failed silver", &earlier), ".siB."); // by its name all of it
  assert_string_equal(selected_of("+failed", &earlier), "biiB.");
  assert_string_equal(selected_of("failed+,gold_*", &earlier), "..iB.");
  assert_string_equal(selected_of("silver+,failed", &earlier), ".iiB.");
}

static void says_which_states_there_are(void **state) {
  (void)state;
  uint8_t marks[5];
  struct tg_error err;
  assert_int_equal(tg_select(plan, NULL, "result:fialed", marks, &err), TG_EINVALID);
  assert_non_null(strstr(err.text, "'fialed' is no state that a task ends in; they are success"));
  assert_int_equal(tg_select(plan, NULL, "result:running", marks, &err), TG_EINVALID);
  assert_int_equal(tg_select(plan, NULL, "cancelled", marks, &err), TG_EINVALID);
  assert_non_null(strstr(err.text, "did you mean 'result:cancelled'?"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(selects_by_name_direction_tag_and_pattern, setup, teardown),
      cmocka_unit_test_setup_teardown(refuses_what_selects_nothing, setup, teardown),
      cmocka_unit_test_setup_teardown(names_the_nearest_task, setup, teardown),
      cmocka_unit_test_setup_teardown(knows_what_became_of_an_earlier_run, setup, teardown),
      cmocka_unit_test_setup_teardown(selects_what_is_left_of_a_map, setup, teardown),
      cmocka_unit_test_setup_teardown(says_which_states_there_are, setup, teardown),
  };
  return cmocka_run_group_tests_name("host/cli/select", tests, NULL, NULL);
}
