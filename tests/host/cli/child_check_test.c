// SPDX-License-Identifier: Apache-2.0
#include "cli/child_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char child[] =
    "{\"name\":\"child\",\"params\":[{\"name\":\"n\",\"type\":\"int\",\"required\":true},"
    "{\"name\":\"t\",\"type\":\"string\",\"secret\":true,\"required\":true}],\"tasks\":[]}";

// Checks one parent, whose tg.run has these fields, and compares what is wrong with it.
static void expect(const char *fields, const char *message) {
  char parent[400];
  struct tg_child_check check;
  json_t *faults = json_array();
  snprintf(parent, sizeof parent,
           "{\"name\":\"p\",\"params\":[],\"tasks\":[{\"name\":\"a\",\"line\":3},"
           "{\"name\":\"c\",\"line\":7,%s}]}",
           fields);
  tg_child_check_init(&check);
  tg_child_check_add(&check, "pipelines/p.lua", parent, true);
  tg_child_check_add(&check, "pipelines/child.lua", child, true);
  tg_child_check_faults(&check, faults);
  const json_t *fault = json_array_get(faults, 0);
  assert_int_equal(json_array_size(faults), message ? 1 : 0);
  if (message) {
    assert_string_equal(json_string_value(json_object_get(fault, "message")), message);
    assert_string_equal(json_string_value(json_object_get(fault, "file")), "pipelines/p.lua");
    assert_int_equal(json_integer_value(json_object_get(fault, "line")), 7);
  }
  json_decref(faults);
  tg_child_check_deinit(&check);
}

#define HANDLE "{\"parts\":[{\"secret\":true,\"text\":\"T\"}]}"

static void a_child_is_there(void **state) {
  (void)state;
  expect("\"word\":\"task\"", NULL);
  expect("\"pipeline\":\"child\"", NULL); // its parameters are a function
  expect("\"pipeline\":\"chill\"",
         "run \"c\": there is no pipelines/chill.lua; did you mean pipelines/child.lua?");
}

static void its_parameters_fit(void **state) {
  (void)state;
  expect("\"pipeline\":\"child\",\"params\":{\"n\":1,\"t\":" HANDLE "}", NULL);
  expect("\"pipeline\":\"child\",\"params\":{\"n\":\"x\",\"t\":" HANDLE "}",
         "run \"c\": parameter \"n\" takes a whole number, got \"x\"");
  expect("\"pipeline\":\"child\",\"params\":{\"t\":" HANDLE "}",
         "run \"c\": parameter \"n\" is required and has no default: it takes a whole number; give "
         "it with -p n=VALUE");
  expect("\"pipeline\":\"child\",\"params\":{\"n\":1,\"m\":1,\"t\":" HANDLE "}",
         "run \"c\": unknown parameter \"m\"; it is one of n, t");
}

static void pipelines_do_not_start_each_other_in_a_ring(void **state) {
  (void)state;
  struct tg_child_check check;
  json_t *faults = json_array();
  tg_child_check_init(&check);
  tg_child_check_add(&check, "pipelines/a.lua",
                     "{\"tasks\":[{\"name\":\"x\",\"line\":1,\"pipeline\":\"b\"},"
                     "{\"name\":\"y\",\"line\":2,\"pipeline\":\"d\"}]}",
                     true);
  tg_child_check_know(&check, "pipelines/b.lua");
  tg_child_check_know(&check, "pipelines/c.lua");
  tg_child_check_know(&check, "pipelines/d.lua");
  assert_string_equal(tg_child_check_next(&check), "pipelines/b.lua");
  tg_child_check_add(&check, "pipelines/b.lua",
                     "{\"tasks\":[{\"name\":\"x\",\"line\":1,\"pipeline\":\"c\"}]}", false);
  assert_string_equal(tg_child_check_next(&check), "pipelines/d.lua");
  tg_child_check_add(&check, "pipelines/d.lua", "{}", false);
  assert_string_equal(tg_child_check_next(&check), "pipelines/c.lua");
  tg_child_check_add(&check, "pipelines/c.lua",
                     "{\"tasks\":[{\"name\":\"x\",\"line\":1,\"pipeline\":\"a\"}]}", false);
  assert_null(tg_child_check_next(&check));
  tg_child_check_faults(&check, faults);
  assert_int_equal(json_array_size(faults), 1);
  assert_string_equal(json_string_value(json_object_get(json_array_get(faults, 0), "message")),
                      "run \"x\": it would start itself, without end: it starts b, which starts c, "
                      "which starts a");
  json_decref(faults);
  tg_child_check_deinit(&check);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_child_is_there),
      cmocka_unit_test(its_parameters_fit),
      cmocka_unit_test(pipelines_do_not_start_each_other_in_a_ring),
  };
  return cmocka_run_group_tests_name("host/cli/child_check", tests, NULL, NULL);
}
