// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/plan.h"

static const char whole[] =
    "{\"name\":\"orders\",\"doc\":\"d\",\"file\":\"pipelines/orders.lua\","
    "\"limits\":{\"runs\":1,\"overlap\":\"queue\",\"timeout_ms\":7200000,\"tasks\":4},"
    "\"params\":[{\"name\":\"region\",\"type\":\"string\"}],\"tasks\":["
    "{\"name\":\"volume\",\"word\":\"branch\",\"runner\":\"script\",\"line\":12,\"doc\":\"x\","
    "\"tags\":[\"t1\",\"t2\"],\"after\":[],\"when\":\"all_success\",\"to\":[1],\"timeout_ms\":5,"
    "\"priority\":-3,\"produces\":[\"gold\"],\"retry\":{\"attempts\":5,\"backoff\":\"linear\","
    "\"base_ms\":10,\"cap_ms\":100,\"factor\":1.5,\"jitter\":\"equal\",\"on\":[\"transient\"],"
    "\"total_ms\":9}},"
    "{\"name\":\"heavy\",\"word\":\"cmd\",\"runner\":\"command\",\"when\":\"one_success\","
    "\"after\":[0],\"command\":{\"argv\":[\"dbt\",\"build\"],\"shell\":false,"
    "\"env\":{\"pass\":[\"PATH\"],\"set\":{\"STAGE\":\"prod\"}},\"cwd\":\"marts\","
    "\"stdin\":\"in\",\"grace_ms\":3,\"ok_codes\":[0,3],\"output\":\"json\"}}]}";

static void a_plan_is_read_whole(void **state) {
  (void)state;
  struct tg_plan *plan;
  struct tg_error err;
  assert_int_equal(tg_plan_parse(whole, sizeof whole - 1, &plan, &err), TG_OK);
  assert_string_equal(plan->name, "orders");
  assert_string_equal(plan->file, "pipelines/orders.lua");
  assert_int_equal(plan->timeout_ms, 7200000);
  assert_int_equal(plan->tasks_max, 4);
  assert_int_equal(json_array_size(plan->params), 1);
  assert_int_equal(plan->count, 2);
  const struct tg_plan_task *volume = &plan->tasks[0], *heavy = &plan->tasks[1];
  assert_int_equal(volume->runner, TG_RUNNER_SCRIPT);
  assert_int_equal(volume->to_count, 1);
  assert_int_equal(volume->priority, -3);
  assert_string_equal(volume->tags[1], "t2");
  assert_null(volume->tags[2]);
  assert_string_equal(volume->produces[0], "gold");
  assert_int_equal(volume->retry->attempts_max, 5);
  assert_int_equal(volume->retry->backoff, TG_BACKOFF_LINEAR);
  assert_int_equal(volume->retry->jitter, TG_JITTER_EQUAL);
  assert_int_equal(volume->retry->classes, TG_RETRY_CLASS_BIT(TG_CLASS_TRANSIENT));
  assert_int_equal(heavy->when, TG_TRIGGER_ONE_SUCCESS);
  assert_int_equal(heavy->retry->attempts_max, 1);
  assert_int_equal(tg_graph_upstream(&plan->graph, 1).count, 1);
  const struct tg_plan_command *command = heavy->command;
  assert_string_equal(command->argv[1], "build");
  assert_null(command->argv[2]);
  assert_string_equal(command->env_set[0], "STAGE=prod");
  assert_int_equal(command->ok_code_count, 2);
  assert_true(command->is_json_output);
  assert_int_equal(tg_plan_find(plan, "heavy"), 1);
  assert_true(tg_plan_find(plan, "light") == UINT32_MAX);
  tg_plan_free(plan);
}

#define TASK(fields) "{\"name\":\"a\",\"runner\":\"script\",\"when\":\"always\"" fields "}"
#define PLAN(tasks) "{\"name\":\"p\",\"tasks\":[" tasks "]}"
#define COMMAND(fields)                                                                            \
  PLAN("{\"name\":\"a\",\"runner\":\"command\",\"when\":\"always\",\"command\":{" fields "}}")
#define RETRY(fields) PLAN(TASK(",\"retry\":{" fields "}"))
#define BACKOFF "\"backoff\":\"constant\",\"jitter\":\"none\",\"cap_ms\":9"

static const struct {
  const char *text, *says;
} faults[] = {
    {"", "malformed plan"},
    {"{", "malformed plan"},
    {"[]", "it is no object"},
    {"null", "malformed plan"},
    {"{} x", "malformed plan"},
    {"{\"name\":\"p\"}", "0 tasks"},
    {"{\"name\":\"p\",\"tasks\":[]}", "0 tasks"},
    {"{\"name\":\"p\",\"tasks\":{\"a\":1}}", "0 tasks"},
    {"{\"tasks\":[" TASK("") "]}", "its name"},
    {"{\"name\":7,\"tasks\":[" TASK("") "]}", "its name"},
    {"{\"name\":\"p\",\"limits\":{\"tasks\":-1},\"tasks\":[" TASK("") "]}", "limits"},
    {"{\"name\":\"p\",\"limits\":{\"tasks\":\"x\"},\"tasks\":[" TASK("") "]}", "limits"},
    {"{\"name\":\"p\",\"limits\":{\"tasks\":4294967296},\"tasks\":[" TASK("") "]}", "limits"},
    {"{\"name\":\"p\",\"limits\":{\"timeout_ms\":1.5},\"tasks\":[" TASK("") "]}", "limits"},
    {"{\"name\":\"p\",\"limits\":{\"timeout_ms\":9223372036854775807},\"tasks\":[" TASK("") "]}",
     "limits"},
    {PLAN("1"), "tasks[0]"},
    {PLAN("{\"name\":\"a\",\"runner\":\"script\",\"when\":\"sometimes\"}"), "tasks[0].when"},
    {PLAN("{\"name\":\"a\",\"when\":\"always\",\"runner\":\"robot\"}"), "tasks[0].runner"},
    {PLAN("{\"name\":\"\",\"when\":\"always\",\"runner\":\"script\"}"), "tasks[0].name"},
    {PLAN("{\"name\":\"a/b\",\"when\":\"always\",\"runner\":\"script\"}"), "tasks[0].name"},
    {PLAN("{\"name\":null,\"when\":\"always\",\"runner\":\"script\"}"), "tasks[0].name"},
    {PLAN(TASK("") "," TASK("")), "two tasks are named a"},
    {PLAN(TASK(",\"line\":-1")), "tasks[0].line"},
    {PLAN(TASK(",\"line\":\"12\"")), "tasks[0].line"},
    {PLAN(TASK(",\"priority\":2147483648")), "tasks[0].priority"},
    {PLAN(TASK(",\"timeout_ms\":9223372036854775807")), "tasks[0].timeout_ms"},
    {PLAN(TASK(",\"timeout_ms\":-1")), "tasks[0].timeout_ms"},
    {PLAN(TASK(",\"timeout_ms\":92233720368547758070")), "malformed plan"},
    {PLAN(TASK(",\"map\":{\"over\":0}")), "tasks[0].map.over is no map that it waits for"},
    {PLAN(TASK(",\"after\":[1]")), "tasks[0].after"},
    {PLAN(TASK(",\"after\":[-1]")), "tasks[0].after"},
    {PLAN(TASK(",\"after\":[4294967296]")), "tasks[0].after"},
    {PLAN(TASK(",\"after\":[\"a\"]")), "tasks[0].after"},
    {PLAN(TASK(",\"after\":\"a\"")), "tasks[0].after is not a list"},
    {PLAN(TASK(",\"after\":{\"0\":0}")), "tasks[0].after is not a list"},
    {PLAN(TASK(",\"to\":[9]")), "tasks[0].to"},
    {PLAN(TASK(",\"after\":[0]")), "tasks wait for each other, from a to a"},
    {PLAN(TASK(",\"to\":[0]")), "tasks wait for each other"},
    {PLAN(TASK(",\"after\":[1]") ",{\"name\":\"b\",\"runner\":\"script\",\"when\":\"always\","
                                 "\"after\":[0]}"),
     "from a to b"},
    {PLAN(TASK(",\"tags\":[1]")), "tasks[0].tags"},
    {PLAN(TASK(",\"tags\":\"x\"")), "tasks[0].tags is not a list"},
    {PLAN(TASK(",\"produces\":[null]")), "tasks[0].produces"},
    {PLAN(TASK(",\"retry\":7")), "tasks[0]"},
    {RETRY(""), "tasks[0]"},
    {RETRY(BACKOFF ",\"attempts\":0"), "tasks[0].attempts"},
    {RETRY(BACKOFF ",\"attempts\":4294967296"), "tasks[0].attempts"},
    {RETRY(BACKOFF ",\"attempts\":2,\"base_ms\":10"), "cap"},
    {RETRY(BACKOFF ",\"attempts\":2,\"on\":[\"never\"]"), "retry.on"},
    {RETRY(BACKOFF ",\"attempts\":2,\"on\":\"transient\""), "retry.on"},
    {RETRY(BACKOFF ",\"attempts\":2,\"factor\":0"), "factor"},
    {RETRY("\"attempts\":2,\"backoff\":\"wild\",\"jitter\":\"none\""), "tasks[0].backoff"},
    {RETRY("\"attempts\":2,\"backoff\":\"linear\",\"jitter\":\"wild\""), "tasks[0].jitter"},
    {PLAN("{\"name\":\"a\",\"runner\":\"command\",\"when\":\"always\"}"), "command.argv"},
    {COMMAND("\"argv\":[]"), "command.argv is empty"},
    {COMMAND("\"argv\":[1]"), "command.argv"},
    {COMMAND("\"argv\":\"ls\""), "command.argv is not a list"},
    {COMMAND("\"argv\":[\"ls\"],\"grace_ms\":9223372036854775807"), "grace_ms"},
    {COMMAND("\"argv\":[\"ls\"],\"ok_codes\":[256]"), "command.ok_codes"},
    {COMMAND("\"argv\":[\"ls\"],\"ok_codes\":[\"0\"]"), "command.ok_codes"},
    {COMMAND("\"argv\":[\"ls\"],\"env\":{\"pass\":[{}]}"), "command.env.pass"},
    {COMMAND("\"argv\":[\"ls\"],\"env\":{\"set\":{\"A\":1}}"), "command.env.set"},
    {COMMAND("\"argv\":[\"ls\"],\"env\":{\"set\":{\"A=B\":\"1\"}}"), "command.env.set"},
    {COMMAND("\"argv\":[\"ls\"],\"env\":{\"set\":{\"\":\"1\"}}"), "command.env.set"},
};

static void a_malformed_plan_is_refused_and_the_field_named(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
    struct tg_plan *plan = NULL;
    struct tg_error err = {.text = ""};
    int code = tg_plan_parse(faults[i].text, strlen(faults[i].text), &plan, &err);
    if (code != TG_EINVALID || plan || !strstr(err.text, faults[i].says))
      fail_msg("%s\n  gives %s, \"%s\"; expected \"%s\"", faults[i].text, tg_code_word(code),
               err.text, faults[i].says);
  }
}

static void a_name_may_be_128_bytes_long(void **state) {
  (void)state;
  for (int len = 128; len <= 129; len++) {
    char text[512], name[130] = "";
    memset(name, 'n', (size_t)len);
    name[len] = 0;
    snprintf(text, sizeof text,
             "{\"name\":\"p\",\"tasks\":[{\"name\":\"%s\",\"runner\":\"script\",\"when\":"
             "\"always\"}]}",
             name);
    struct tg_plan *plan = NULL;
    assert_int_equal(tg_plan_parse(text, strlen(text), &plan, NULL),
                     len == 128 ? TG_OK : TG_EINVALID);
    tg_plan_free(plan);
  }
}

// Every single byte of a good plan is changed in several ways: nothing may crash or leak.
static void any_broken_byte_is_a_fault_or_another_plan(void **state) {
  (void)state;
  static const char with[] = {0, '"', '{', '}', '[', ']', '-', '9', ',', 'x', (char)0xff};
  for (size_t at = 0; at < sizeof whole - 1; at++)
    for (size_t i = 0; i < sizeof with; i++) {
      char text[sizeof whole];
      memcpy(text, whole, sizeof whole);
      text[at] = with[i];
      struct tg_plan *plan = NULL;
      int code = tg_plan_parse(text, sizeof whole - 1, &plan, NULL);
      assert_true(code ? plan == NULL : plan != NULL);
      tg_plan_free(plan);
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_plan_is_read_whole),
      cmocka_unit_test(a_malformed_plan_is_refused_and_the_field_named),
      cmocka_unit_test(a_name_may_be_128_bytes_long),
      cmocka_unit_test(any_broken_byte_is_a_fault_or_another_plan),
  };
  return cmocka_run_group_tests_name("host/engine/plan", tests, NULL, NULL);
}
