// SPDX-License-Identifier: Apache-2.0
#include "cli/carry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"

enum { TASKS_MAX = 12 };

// A plan, what became of its tasks before, and what is asked for.
struct scene {
  struct tg_plan *plan;
  struct tg_task tasks[TASKS_MAX];
  bool has_items[TASKS_MAX];
  uint8_t marks[TASKS_MAX];
  enum tg_fate fates[TASKS_MAX];
  struct tg_error err;
  char words[256];
};

// Makes a plan of tasks "NAME", each with more fields as JSON: ",\"after\":[0]".
static void scene_make(struct scene *s, const char *const (*tasks)[2], uint32_t count) {
  struct tg_buf text;
  memset(s, 0, sizeof *s);
  tg_buf_init(&text, 65536);
  tg_buf_puts(&text, "{\"name\":\"p\",\"file\":\"pipelines/p.lua\",\"tasks\":[");
  for (uint32_t i = 0; i < count; i++)
    tg_buf_putf(&text, "%s{\"name\":\"%s\",\"word\":\"task\",\"runner\":\"script\",\"line\":1%s}",
                i ? "," : "", tasks[i][0], tasks[i][1]);
  tg_buf_puts(&text, "]}");
  if (tg_plan_parse(tg_buf_text(&text), text.len, &s->plan, &s->err)) fail_msg("%s", s->err.text);
  tg_buf_deinit(&text);
}

static void was(struct scene *s, uint32_t task, enum tg_task_state state) {
  s->tasks[task] =
      (struct tg_task){.index = task, .name = s->plan->tasks[task].name, .state = state};
}

static const char *words_of(struct scene *s) {
  s->words[0] = 0;
  for (uint32_t i = 0; i < s->plan->count; i++)
    snprintf(s->words + strlen(s->words), sizeof s->words - strlen(s->words), "%s%s", i ? " " : "",
             tg_fate_word(s->fates[i]));
  return s->words;
}

static const char *from_failure(struct scene *s) {
  struct tg_earlier earlier = {.tasks = s->tasks, .has_items = s->has_items};
  tg_carry_from_failure(s->plan, &earlier, s->fates);
  return words_of(s);
}

// Gives the fates, or what is wrong.
static const char *selected(struct scene *s, bool keeps_all) {
  struct tg_earlier earlier = {.tasks = s->tasks, .has_items = s->has_items};
  int code = tg_carry_selected(s->plan, &earlier, s->marks, keeps_all, s->fates, &s->err);
  return code ? s->err.text : words_of(s);
}

#define AFTER(list) ",\"after\":[" list "]"
#define MAP(more) ",\"map\":{" more "}"

static const char *const chain[][2] = {
    {"a", ""}, {"b", AFTER("0")}, {"c", AFTER("1")}, {"d", AFTER("0")}};

static void what_succeeded_is_kept_up_to_the_failure(void **state) {
  (void)state;
  struct scene s;
  scene_make(&s, chain, 4);
  was(&s, 0, TG_TASK_SUCCESS);
  was(&s, 1, TG_TASK_FAILED);
  was(&s, 2, TG_TASK_UPSTREAM_FAILED);
  was(&s, 3, TG_TASK_SKIPPED);
  assert_string_equal(from_failure(&s), "keep run run keep");
  was(&s, 2, TG_TASK_SUCCESS); // as with all_done: what it waited for runs, and so does it
  assert_string_equal(from_failure(&s), "keep run run keep");
  s.tasks[3].name = NULL; // it was waiting, or is new in the plan
  assert_string_equal(from_failure(&s), "keep run run run");
  tg_plan_free(s.plan);
}

static void nothing_runs_when_nothing_failed(void **state) {
  (void)state;
  struct scene s;
  scene_make(&s, chain, 4);
  for (uint32_t i = 0; i < 4; i++) was(&s, i, TG_TASK_SUCCESS);
  assert_string_equal(from_failure(&s), "keep keep keep keep");
  tg_plan_free(s.plan);
}

static void a_map_goes_on_when_its_list_stands(void **state) {
  (void)state;
  static const char *const tasks[][2] = {{"list", ""},
                                         {"m", AFTER("0") MAP("")},
                                         {"n", AFTER("1") MAP("\"over\":1,\"order\":\"depth\"")},
                                         {"o", AFTER("1") MAP("")}};
  struct scene s;
  scene_make(&s, tasks, 4);
  was(&s, 0, TG_TASK_SUCCESS);
  was(&s, 1, TG_TASK_FAILED);
  was(&s, 2, TG_TASK_FAILED);
  was(&s, 3, TG_TASK_FAILED);
  assert_string_equal(from_failure(&s), "keep run run run"); // their lists are not known
  for (uint32_t i = 1; i < 4; i++) s.has_items[i] = true;
  // o waits for all of m and may be given another list.
  assert_string_equal(from_failure(&s), "keep continue continue run");
  was(&s, 0, TG_TASK_FAILED);
  assert_string_equal(from_failure(&s), "run run run run");
  tg_plan_free(s.plan);
}

static void a_setup_runs_again_with_what_it_prepares(void **state) {
  (void)state;
  static const char *const tasks[][2] = {{"up", ",\"setup\":true"},
                                         {"done", AFTER("0")},
                                         {"work", AFTER("1")},
                                         {"down", AFTER("0,2") ",\"teardown\":true"}};
  struct scene s;
  scene_make(&s, tasks, 4);
  for (uint32_t i = 0; i < 4; i++) was(&s, i, TG_TASK_SUCCESS);
  was(&s, 2, TG_TASK_FAILED);
  assert_string_equal(from_failure(&s), "run keep run run");
  was(&s, 2, TG_TASK_SUCCESS);
  was(&s, 3, TG_TASK_FAILED);
  assert_string_equal(from_failure(&s), "keep keep keep run"); // only the tearing down is left
  was(&s, 3, TG_TASK_SUCCESS);
  s.marks[2] = 1;
  assert_string_equal(selected(&s, true), "run keep run run");
  tg_plan_free(s.plan);
}

static void a_selection_keeps_what_it_needs_or_all(void **state) {
  (void)state;
  struct scene s;
  scene_make(&s, chain, 4);
  for (uint32_t i = 0; i < 4; i++) was(&s, i, TG_TASK_SUCCESS);
  s.marks[2] = 1;
  assert_string_equal(selected(&s, false), "keep keep run skip");
  assert_string_equal(selected(&s, true), "keep keep run keep");
  was(&s, 3, TG_TASK_FAILED); // which is not forgotten
  assert_string_equal(selected(&s, true), "keep keep run keep");
  assert_string_equal(selected(&s, false), "keep keep run skip");
  was(&s, 0, TG_TASK_FAILED); // c waits for b only, which is there
  assert_string_equal(selected(&s, true), "keep keep run keep");
  s.tasks[3].name = NULL; // it was never reached
  assert_string_equal(selected(&s, true), "keep keep run skip");
  tg_plan_free(s.plan);
}

static void a_selection_runs_after_a_failure_if_its_rule_does(void **state) {
  (void)state;
  static const char *const tasks[][2] = {{"a", ""},
                                         {"clean", AFTER("0") ",\"when\":\"all_done\""},
                                         {"alarm", AFTER("0") ",\"when\":\"one_failed\""},
                                         {"next", AFTER("0")}};
  struct scene s;
  scene_make(&s, tasks, 4);
  was(&s, 0, TG_TASK_FAILED);
  s.marks[1] = s.marks[2] = 1;
  assert_string_equal(selected(&s, true), "keep run run skip");
  s.marks[3] = 1;
  assert_non_null(strstr(selected(&s, true), "waits for a, which did not succeed"));
  s.marks[0] = 1;
  assert_string_equal(selected(&s, true), "run run run run");
  tg_plan_free(s.plan);
}

static void of_a_map_what_is_left_runs_when_its_list_stands(void **state) {
  (void)state;
  static const char *const tasks[][2] = {
      {"list", ""}, {"m", AFTER("0") MAP("")}, {"then", AFTER("1")}};
  struct scene s;
  scene_make(&s, tasks, 3);
  for (uint32_t i = 0; i < 3; i++) was(&s, i, TG_TASK_SUCCESS);
  s.has_items[1] = true;
  s.marks[1] = TG_MARK_ITEMS;
  assert_string_equal(selected(&s, true), "keep continue keep");
  s.marks[2] = TG_MARK_TASK;
  assert_string_equal(selected(&s, true), "keep continue run");
  s.marks[0] = TG_MARK_TASK; // its list may be another one
  assert_string_equal(selected(&s, true), "run run run");
  s.marks[0] = TG_MARK_NONE;
  s.marks[1] = TG_MARK_TASK;
  assert_string_equal(selected(&s, true), "keep run run");
  tg_plan_free(s.plan);
}

static void a_selection_names_the_first_that_is_missing(void **state) {
  (void)state;
  struct scene s;
  scene_make(&s, chain, 4);
  s.marks[2] = 1;
  assert_non_null(strstr(selected(&s, true), "waits for a, which did not succeed"));
  was(&s, 0, TG_TASK_SUCCESS);
  assert_non_null(strstr(selected(&s, true), "waits for b, which did not succeed"));
  s.marks[1] = 1;
  assert_string_equal(selected(&s, true), "keep run run skip");
  tg_plan_free(s.plan);
}

static void what_was_skipped_runs_unless_it_would_be_skipped_again(void **state) {
  (void)state;
  static const char *const tasks[][2] = {{"way", ",\"to\":[1,2]"},
                                         {"heavy", AFTER("0")},
                                         {"light", AFTER("0")},
                                         {"then", AFTER("2")},
                                         {"join", AFTER("1,2") ",\"when\":\"none_failed\""}};
  struct scene s;
  scene_make(&s, tasks, 5);
  was(&s, 0, TG_TASK_SUCCESS);
  was(&s, 1, TG_TASK_SUCCESS);
  was(&s, 2, TG_TASK_SKIPPED);
  was(&s, 3, TG_TASK_SKIPPED);
  was(&s, 4, TG_TASK_SUCCESS);
  s.marks[2] = 1;
  assert_string_equal(selected(&s, true), "keep keep run keep keep");
  s.marks[2] = 0;
  s.marks[3] = 1;
  assert_non_null(strstr(selected(&s, true), "then would be skipped again, because light was"));
  s.marks[2] = 1;
  assert_string_equal(selected(&s, true), "keep keep run run keep");
  s.marks[2] = s.marks[3] = 0;
  s.marks[4] = 1; // its rule lives with a skipped upstream
  assert_string_equal(selected(&s, true), "keep keep keep keep run");
  tg_plan_free(s.plan);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_succeeded_is_kept_up_to_the_failure),
      cmocka_unit_test(nothing_runs_when_nothing_failed),
      cmocka_unit_test(a_map_goes_on_when_its_list_stands),
      cmocka_unit_test(a_setup_runs_again_with_what_it_prepares),
      cmocka_unit_test(a_selection_keeps_what_it_needs_or_all),
      cmocka_unit_test(a_selection_runs_after_a_failure_if_its_rule_does),
      cmocka_unit_test(of_a_map_what_is_left_runs_when_its_list_stands),
      cmocka_unit_test(a_selection_names_the_first_that_is_missing),
      cmocka_unit_test(what_was_skipped_runs_unless_it_would_be_skipped_again),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
