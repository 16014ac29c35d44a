// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "engine/resources.h"

static struct tg_resources resources;

static int open_resources(void **state) {
  (void)state;
  tg_resources_init(&resources);
  return 0;
}

static int close_resources(void **state) {
  (void)state;
  tg_resources_deinit(&resources);
  return 0;
}

static struct tg_resource_state *db(void) {
  return tg_resources_get(&resources, "db", 1000);
}

static void call_fails(int code) {
  struct tg_error err;
  uint64_t ticket = tg_resource_ask(&resources, db(), 1000).ticket;
  tg_error_set(&err, code, "no answer");
  assert_int_equal(tg_resource_report(&resources, db(), 1000, ticket, &err), TG_OK);
}

static void rules_can_come_before_and_after_the_state(void **state) {
  (void)state;
  struct tg_resource_rules rules;
  tg_resource_rules_init(&rules);
  rules.name = "db";
  rules.breaker.failures_max = 1;
  assert_int_equal(tg_resources_rule(&resources, &rules), TG_OK);
  assert_int_equal(db()->rules.breaker.failures_max, 1);
  rules.breaker.failures_max = 7;
  assert_int_equal(tg_resources_rule(&resources, &rules), TG_OK);
  assert_int_equal(db()->rules.breaker.failures_max, 7);
  assert_int_equal(tg_resources_get(&resources, "other", 0)->rules.breaker.failures_max, 5);
}

static void successes_alone_are_no_change(void **state) {
  (void)state;
  struct tg_error none = {0};
  uint64_t ticket = tg_resource_ask(&resources, db(), 1000).ticket;
  tg_resource_report(&resources, db(), 1000, ticket, &none);
  assert_int_equal(resources.changed, 0);
  call_fails(TG_EREMOTE);
  assert_int_equal(resources.changed, 1);
}

static void a_state_goes_over_to_the_next_host(void **state) {
  (void)state;
  struct tg_resource_record record;
  for (int i = 0; i < 5; i++) call_fails(TG_EREMOTE);
  tg_resource_put(db(), &record);
  assert_string_equal(record.resource.phase, "open");
  assert_string_equal(record.resource.reason, "no answer");
  assert_int_equal(record.resource.opened_at, 1000);
  assert_int_equal(record.resource.retry_at, 31000);
  struct tg_resources next;
  tg_resources_init(&next);
  assert_int_equal(tg_resources_restore(&next, &record.resource, 2000), TG_OK);
  struct tg_resource_state *restored = tg_resources_get(&next, "db", 2000);
  assert_int_equal(tg_resource_ask(&next, restored, 2000).verdict, TG_BREAKER_REFUSE);
  assert_int_equal(tg_resource_ask(&next, restored, 31000).verdict, TG_BREAKER_PROBE);
  assert_string_equal(restored->reason, "no answer");
  assert_int_equal(restored->opened_at, 1000);
  tg_resources_deinit(&next);
}

static void what_cannot_be_read_is_a_new_state(void **state) {
  (void)state;
  struct tg_resource record = {
      .name = "db", .phase = "open", .breaker = "breaker9 1", .budget = "", .opened_at = 5};
  assert_int_equal(tg_resources_restore(&resources, &record, 1000), TG_OK);
  assert_int_equal(db()->breaker.phase, TG_BREAKER_CLOSED);
  assert_int_equal(db()->opened_at, 0);
}

static void without_a_breaker_nothing_is_refused(void **state) {
  (void)state;
  struct tg_resource_rules rules;
  tg_resource_rules_init(&rules);
  rules.name = "db";
  rules.has_breaker = false;
  tg_resources_rule(&resources, &rules);
  for (int i = 0; i < 50; i++) call_fails(TG_EREMOTE);
  assert_int_equal(tg_resource_ask(&resources, db(), 1000).verdict, TG_BREAKER_ALLOW);
  assert_int_equal(resources.changed, 0);
}

static void names_have_no_spaces(void **state) {
  (void)state;
  char long_name[130];
  memset(long_name, 'x', sizeof long_name - 1);
  long_name[129] = 0;
  assert_true(tg_resource_name_is_valid("api.example.com"));
  assert_true(tg_resource_name_is_valid(long_name + 1));
  assert_false(tg_resource_name_is_valid(long_name));
  assert_false(tg_resource_name_is_valid(""));
  assert_false(tg_resource_name_is_valid("a b"));
  assert_false(tg_resource_name_is_valid("a\n"));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_resources, close_resources)
  const struct CMUnitTest tests[] = {
      TEST(rules_can_come_before_and_after_the_state), TEST(successes_alone_are_no_change),
      TEST(a_state_goes_over_to_the_next_host),        TEST(what_cannot_be_read_is_a_new_state),
      TEST(without_a_breaker_nothing_is_refused),      TEST(names_have_no_spaces),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
