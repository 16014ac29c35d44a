// SPDX-License-Identifier: Apache-2.0
#include "engine/plan_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "engine/plan.h"

static struct tg_plan_span span_of(const char *text) {
  return (struct tg_plan_span){.at = text, .end = text + strlen(text)};
}

static void expect_span(struct tg_plan_span span, const char *text) {
  assert_int_equal(span.end - span.at, strlen(text));
  assert_memory_equal(span.at, text, strlen(text));
}

static void finds_a_member_whatever_stands_before_and_in_it(void **state) {
  (void)state;
  static const struct {
    const char *text, *value;
  } cases[] = {
      {"{\"tasks\":[]}", "[]"},
      {" { \"a\" : 1 , \"tasks\" : [ 1 ] }", "[ 1 ]"},
      {"{\"a\":\"\\\"tasks\\\":[0]\",\"tasks\":[\"]\",{\"}\":\"\\\\\"}],\"z\":2}",
       "[\"]\",{\"}\":\"\\\\\"}]"},
      {"{\"a\":{\"tasks\":1},\"tasks\":2}", "2"},
      {"{\"tasks\":\"x\"}", "\"x\""},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct tg_plan_span value;
    assert_true(tg_plan_span_member(span_of(cases[i].text), "tasks", &value));
    expect_span(value, cases[i].value);
  }
}

static void finds_nothing_in_what_is_no_object_or_ends_early(void **state) {
  (void)state;
  static const char *const texts[] = {
      "",
      "[]",
      "{",
      "{}",
      "{\"tasks\"",
      "{\"tasks\":",
      "{\"tasks\":[1,2",
      "{\"tasks\":\"",
      "{\"tasks\":[\"\\",
      "{\"tas\":1}",
      "{\"tasks2\":1}",
      "{tasks:1}",
  };
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    struct tg_plan_span value;
    assert_false(tg_plan_span_member(span_of(texts[i]), "tasks", &value));
  }
}

static void takes_items_one_after_the_other(void **state) {
  (void)state;
  struct tg_plan_span list = span_of("[ {\"a\":[1,2]} , \"x,]\" ,3]"), item;
  assert_true(tg_plan_span_next(&list, &item));
  expect_span(item, "{\"a\":[1,2]}");
  assert_true(tg_plan_span_next(&list, &item));
  expect_span(item, "\"x,]\"");
  assert_true(tg_plan_span_next(&list, &item));
  expect_span(item, "3");
  assert_false(tg_plan_span_next(&list, &item));
  list = span_of("[ ]");
  assert_false(tg_plan_span_next(&list, &item));
}

// A plan's text with a list of tasks that is not well formed, told as such.
static void expect_refused(const char *tasks, const char *what) {
  char text[512];
  struct tg_plan *plan = NULL;
  struct tg_error err;
  snprintf(text, sizeof text, "{\"name\":\"p\",\"tasks\":%s}", tasks);
  assert_int_equal(tg_plan_parse(text, strlen(text), &plan, &err), TG_EINVALID);
  assert_non_null(strstr(err.text, what));
}

static void refuses_a_list_of_tasks_that_is_not_well_formed(void **state) {
  (void)state;
  expect_refused("[{\"name\":\"a\"}{\"name\":\"b\"}]", "tasks[1] has no comma before it");
  expect_refused("[{\"name\":\"a\"},]", "tasks[1]");
  expect_refused("[{\"name\":\"a\"", "malformed plan");
  expect_refused("[{\"name\":\"a\"]}", "malformed plan");
  expect_refused("[{\"name\":}]", "tasks[0]");
  expect_refused("[]", "0 tasks");
  expect_refused("7", "0 tasks");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(finds_a_member_whatever_stands_before_and_in_it),
      cmocka_unit_test(finds_nothing_in_what_is_no_object_or_ends_early),
      cmocka_unit_test(takes_items_one_after_the_other),
      cmocka_unit_test(refuses_a_list_of_tasks_that_is_not_well_formed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
