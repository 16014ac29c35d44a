// SPDX-License-Identifier: Apache-2.0
#include "cli/takers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { FREE, LOAD, WIDE };

#define TASK(name, more)                                                                           \
  "{\"name\":\"" name "\",\"word\":\"task\",\"runner\":\"script\",\"line\":1,\"after\":[],"        \
  "\"when\":\"all_success\",\"retry\":{\"attempts\":1,\"backoff\":\"constant\",\"base_ms\":1,"     \
  "\"cap_ms\":1,\"factor\":2,\"jitter\":\"none\",\"on\":[\"transient\"],\"total_ms\":0}" more "}"

static const char plan_text[] =
    "{\"name\":\"orders\",\"doc\":\"\",\"file\":\"pipelines/orders.lua\",\"line\":1,"
    "\"limits\":{\"tasks\":3},\"pools\":{\"own\":2},\"params\":[],\"on\":[],"
    "\"policies\":[],\"tasks\":[" TASK("free", "") "," //
    TASK("load", ",\"pool\":{\"warehouse\":2}") ","    //
    TASK("wide", ",\"pool\":{\"own\":1,\"warehouse\":3}") "]}";

static const struct tg_plan_pool project_pools[] = {{.name = "warehouse", .slots = 4}};

struct fixture {
  struct tg_plan *plan;
  struct tg_run own, other;
  struct tg_taker all[8];
  struct tg_takers takers;
};

static int fixture_setup(void **state) {
  static struct fixture f;
  struct tg_error err = {0};
  f = (struct fixture){.own = {.number = 1}, .other = {.number = 2}};
  if (tg_plan_parse(plan_text, strlen(plan_text), &f.plan, &err)) fail_msg("%s", err.text);
  f.takers = (struct tg_takers){.all = f.all, .slots = 8, .pools = {project_pools, 1}};
  *state = &f;
  return 0;
}

static int fixture_teardown(void **state) {
  tg_plan_free(((struct fixture *)*state)->plan);
  return 0;
}

static struct tg_taker *takes(struct fixture *f, const struct tg_run *run, uint32_t task) {
  struct tg_taker *taker = &f->all[f->takers.count++];
  *taker = (struct tg_taker){.run = run, .plan = f->plan, .task = task, .item = TG_NO_ITEM};
  return taker;
}

// Compares with a line of "kind[:pool] taken/size needs;" for each.
static void expect(struct fixture *f, uint32_t task, const char *expected) {
  static const char *const kinds[] = {"slot", "tasks", "pool"};
  struct tg_lack lacks[TG_LACKS_MAX];
  char text[256] = "";
  size_t used = 0;
  uint32_t count = tg_takers_lack(&f->takers, &f->own, f->plan, task, lacks);
  for (uint32_t i = 0; i < count; i++)
    used +=
        (size_t)snprintf(text + used, sizeof text - used, "%s%s%s %u/%u %u;", kinds[lacks[i].kind],
                         lacks[i].pool ? ":" : "", lacks[i].pool ? lacks[i].pool : "",
                         lacks[i].taken, lacks[i].size, lacks[i].needs);
  assert_string_equal(text, expected);
}

static void lacks_nothing_while_there_is_room(void **state) {
  struct fixture *f = *state;
  expect(f, WIDE, "");
  takes(f, &f->other, LOAD);
  expect(f, LOAD, "");
  f->takers.slots = 2;
  expect(f, LOAD, "");
}

static void lacks_a_slot_of_the_host_whoever_has_them(void **state) {
  struct fixture *f = *state;
  f->takers.slots = 2;
  takes(f, &f->other, FREE);
  takes(f, &f->own, FREE);
  expect(f, FREE, "slot 2/2 1;");
}

static void leaves_a_slot_free_for_others_as_a_backfill(void **state) {
  struct fixture *f = *state;
  f->own.backfill = "b";
  f->takers.slots = 2;
  expect(f, FREE, "");
  takes(f, &f->other, FREE);
  expect(f, FREE, "slot 1/2 1;");
  f->takers.slots = 1; // where there is one only it may have it
  f->takers.count = 0;
  expect(f, FREE, "");
}

static void counts_limits_tasks_in_its_own_run(void **state) {
  struct fixture *f = *state;
  for (int i = 0; i < 3; i++) takes(f, &f->other, FREE);
  takes(f, &f->own, FREE);
  takes(f, &f->own, FREE);
  expect(f, FREE, "");
  takes(f, &f->own, FREE);
  expect(f, FREE, "tasks 3/3 1;");
}

static void counts_pools_over_all_runs_by_what_they_take(void **state) {
  struct fixture *f = *state;
  takes(f, &f->other, LOAD);
  expect(f, LOAD, "");
  expect(f, WIDE, "pool:warehouse 2/4 3;");
  takes(f, &f->other, LOAD);
  expect(f, LOAD, "pool:warehouse 4/4 2;");
  expect(f, FREE, "");
}

static void names_all_that_is_lacking(void **state) {
  struct fixture *f = *state;
  f->takers.slots = 3;
  for (int i = 0; i < 3; i++) takes(f, &f->own, WIDE);
  expect(f, WIDE, "slot 3/3 1;tasks 3/3 1;pool:own 3/2 1;pool:warehouse 9/4 3;");
}

static void counts_nothing_of_what_waits_for_a_child(void **state) {
  struct fixture *f = *state;
  f->takers.slots = 1;
  takes(f, &f->other, LOAD)->is_idle = true;
  expect(f, WIDE, "");
}

static void says_how_much_each_holds(void **state) {
  struct fixture *f = *state;
  const struct tg_lack pool = {.kind = TG_LACK_POOL, .pool = "warehouse"};
  const struct tg_lack tasks = {.kind = TG_LACK_TASKS};
  assert_int_equal(tg_taker_share(takes(f, &f->other, WIDE), &pool, &f->own), 3);
  assert_int_equal(tg_taker_share(takes(f, &f->other, FREE), &pool, &f->own), 0);
  assert_int_equal(tg_taker_share(takes(f, &f->other, FREE), &tasks, &f->own), 0);
  assert_int_equal(tg_taker_share(takes(f, &f->own, FREE), &tasks, &f->own), 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
      TEST(lacks_nothing_while_there_is_room),
      TEST(lacks_a_slot_of_the_host_whoever_has_them),
      TEST(leaves_a_slot_free_for_others_as_a_backfill),
      TEST(counts_limits_tasks_in_its_own_run),
      TEST(counts_pools_over_all_runs_by_what_they_take),
      TEST(names_all_that_is_lacking),
      TEST(counts_nothing_of_what_waits_for_a_child),
      TEST(says_how_much_each_holds),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
