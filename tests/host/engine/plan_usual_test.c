// SPDX-License-Identifier: Apache-2.0
#include "engine/plan_usual.h"

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

static void takes_tasks_and_their_indexes(void **state) {
  (void)state;
  struct tg_plan_span list =
      span_of("[{\"line\":7,\"name\":\"a\",\"word\":\"task\"},"
              "{\"after\":[0,12],\"line\":9,\"name\":\"g.b\",\"word\":\"x\"},"
              "{\"after\":[],\"line\":0,\"name\":\"c\"},7]");
  struct tg_plan_usual task;
  uint32_t index;
  assert_true(tg_plan_usual_next(&list, &task));
  assert_int_equal(task.line, 7);
  assert_memory_equal(task.name.at, "a\"", 2);
  assert_memory_equal(task.word.at, "task\"", 5);
  assert_false(tg_plan_usual_index(&task.after, &index));
  assert_true(tg_plan_usual_next(&list, &task));
  assert_int_equal(task.name.end - task.name.at, 3);
  assert_true(tg_plan_usual_index(&task.after, &index));
  assert_int_equal(index, 0);
  assert_true(tg_plan_usual_index(&task.after, &index));
  assert_int_equal(index, 12);
  assert_false(tg_plan_usual_index(&task.after, &index));
  assert_true(tg_plan_usual_next(&list, &task));
  assert_false(tg_plan_usual_index(&task.after, &index));
  assert_int_equal(task.word.end - task.word.at, 0);
  assert_false(tg_plan_usual_next(&list, &task));
  assert_memory_equal(list.at, ",7]", 3);
}

// Each is left to the other parser, and the list stays where it is; its text ends where it is cut.
static void leaves_what_is_not_usual(void **state) {
  (void)state;
  static const char *const texts[] = {
      "",
      "]",
      "[",
      "[]",
      "[{}]",
      "{\"line\":7,\"name\":\"a\",\"word\":\"task\"}",
      "[ {\"line\":7,\"name\":\"a\",\"word\":\"task\"}]",
      "[{\"line\":7,\"name\":\"a\",\"word\":\"task\",\"when\":\"always\"}]",
      "[{\"line\":7,\"name\":\"a\",\"tags\":[],\"word\":\"task\"}]",
      "[{\"line\":07,\"name\":\"a\",\"word\":\"task\"}]",
      "[{\"line\":-7,\"name\":\"a\",\"word\":\"task\"}]",
      "[{\"line\":7.0,\"name\":\"a\",\"word\":\"task\"}]",
      "[{\"line\":1234567890,\"name\":\"a\",\"word\":\"task\"}]",
      "[{\"line\":,\"name\":\"a\",\"word\":\"task\"}]",
      "[{\"line\":7,\"name\":\"\",\"word\":\"task\"}]",
      "[{\"line\":7,\"name\":\"a/b\",\"word\":\"task\"}]",
      "[{\"line\":7,\"name\":\"a\\n\",\"word\":\"task\"}]",
      "[{\"line\":7,\"name\":\"\xc3\xa4\",\"word\":\"task\"}]",
      "[{\"line\":7,\"name\":\"a b\",\"word\":\"task\"}]",
      "[{\"line\":7,\"name\":7,\"word\":\"task\"}]",
      "[{\"after\":[1,],\"line\":7,\"name\":\"a\",\"word\":\"task\"}]",
      "[{\"after\":[,1],\"line\":7,\"name\":\"a\",\"word\":\"task\"}]",
      "[{\"after\":[1 ],\"line\":7,\"name\":\"a\",\"word\":\"task\"}]",
      "[{\"after\":[\"a\"],\"line\":7,\"name\":\"a\",\"word\":\"task\"}]",
      "[{\"after\":1,\"line\":7,\"name\":\"a\",\"word\":\"task\"}]",
      "[{\"after\":[1,2,\"line\":7,\"name\":\"a\",\"word\":\"task\"}]",
  };
  static const char whole[] = "[{\"after\":[1,2],\"line\":7,\"name\":\"a\",\"word\":\"task\"}";
  struct tg_plan_usual task;
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    struct tg_plan_span list = span_of(texts[i]);
    if (tg_plan_usual_next(&list, &task)) fail_msg("took %s", texts[i]);
    assert_ptr_equal(list.at, texts[i]);
  }
  for (size_t len = 0; len < sizeof whole; len++) {
    struct tg_plan_span list = {.at = whole, .end = whole + len};
    assert_int_equal(tg_plan_usual_next(&list, &task), len == sizeof whole - 1);
  }
}

// The same plan with and without a blank, which sends it to the other parser.
static void reads_what_the_other_parser_reads(void **state) {
  (void)state;
  static const char *const heads[] = {"{", "{ "};
  struct tg_plan *plans[2];
  struct tg_error err;
  for (int i = 0; i < 2; i++) {
    char text[512];
    int len = snprintf(text, sizeof text,
                       "{\"name\":\"p\",\"tasks\":[%s\"line\":3,\"name\":\"a\"},"
                       "%s\"after\":[0,2],\"line\":4,\"name\":\"b\",\"word\":\"task\"},"
                       "%s\"line\":5,\"name\":\"c\",\"word\":\"sql\"}]}",
                       heads[i], heads[i], heads[i]);
    if (tg_plan_parse(text, (size_t)len, &plans[i], &err)) fail_msg("%s", err.text);
  }
  assert_int_equal(plans[0]->count, plans[1]->count);
  for (uint32_t i = 0; i < plans[0]->count; i++) {
    const struct tg_plan_task *a = &plans[0]->tasks[i], *b = &plans[1]->tasks[i];
    struct tg_graph_slice up = tg_graph_upstream(&plans[0]->graph, i);
    assert_int_equal(up.count, tg_graph_upstream(&plans[1]->graph, i).count);
    assert_string_equal(a->name, b->name);
    assert_string_equal(a->word, b->word);
    assert_int_equal(a->line, b->line);
    assert_int_equal(a->when, b->when);
    assert_int_equal(a->runner, b->runner);
    assert_int_equal(a->resource, b->resource);
    assert_int_equal(a->retry->attempts_max, b->retry->attempts_max);
    assert_null(a->tags[0]);
    assert_null(a->produces[0]);
    assert_int_equal(a->to_count + a->pool_count, 0);
  }
  tg_plan_free(plans[0]);
  tg_plan_free(plans[1]);
}

static void an_index_of_no_task_is_refused(void **state) {
  (void)state;
  static const char text[] =
      "{\"name\":\"p\",\"tasks\":[{\"line\":1,\"name\":\"a\",\"word\":\"x\"},"
      "{\"after\":[2],\"line\":1,\"name\":\"b\",\"word\":\"x\"}]}";
  struct tg_plan *plan;
  struct tg_error err;
  assert_int_equal(tg_plan_parse(text, sizeof text - 1, &plan, &err), TG_EINVALID);
  assert_string_equal(err.text, "malformed plan: tasks[1].after names a task that is not there");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(takes_tasks_and_their_indexes),
      cmocka_unit_test(leaves_what_is_not_usual),
      cmocka_unit_test(reads_what_the_other_parser_reads),
      cmocka_unit_test(an_index_of_no_task_is_refused),
  };
  return cmocka_run_group_tests_name("host/engine/plan_usual", tests, NULL, NULL);
}
