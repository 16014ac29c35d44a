// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "host/engine/rig.h"

static struct rig rig;

struct ending {
  const char *rule, *upstreams; // s success, f failed, k skipped
  const char *becomes;
};

// Makes two upstream tasks end as wished, and looks at what became of the third.
static void ending_check(const struct ending *ending) {
  char spec[64];
  snprintf(spec, sizeof spec, "c after=a,b when=%s", ending->rule);
  rig_start(&rig,
            rig_plan(NULL, "root", "a after=root,off", "b after=root,off2", spec, "off", "off2",
                     "kill to=off,off2", NULL),
            100);
  static const char *const names[] = {"a", "b"}, *const gates[] = {"off", "off2"};
  char chosen[64] = "{\"chosen\":[";
  const char *comma = "";
  for (int i = 0; i < 2; i++) {
    if (ending->upstreams[i] == 'k') continue;
    size_t len = strlen(chosen);
    snprintf(chosen + len, sizeof chosen - len, "%s\"%s\"", comma, gates[i]);
    comma = ",";
  }
  strcat(chosen, "]}");
  rig_success_of(&rig, "kill", NULL, chosen);
  rig_success(&rig, "root");
  rig_settle(&rig);
  for (int i = 0; i < 2; i++)
    if (ending->upstreams[i] != 'k') rig_success(&rig, gates[i]);
  rig_settle(&rig);
  for (int i = 0; i < 2; i++) {
    if (ending->upstreams[i] == 's') rig_success(&rig, names[i]);
    if (ending->upstreams[i] == 'f') rig_fail(&rig, names[i], TG_EINVALID);
  }
  rig_settle(&rig);
  if (!rig.has_ended) {
    rig_success(&rig, "c");
    rig_settle(&rig);
  }
  const char *became = tg_task_state_word(rig.store.tasks[3].state);
  if (strcmp(became, ending->becomes) != 0)
    fail_msg("%s after %s: %s, not %s", ending->rule, ending->upstreams, became, ending->becomes);
  bool has_failed = strchr(ending->upstreams, 'f') != NULL;
  assert_int_equal(rig.end, has_failed ? TG_RUN_FAILED : TG_RUN_SUCCESS);
  rig_close(&rig);
}

static void each_rule_decides_by_how_the_upstreams_ended(void **state) {
  (void)state;
  static const struct ending endings[] = {
      {"all_success", "ss", "success"},
      {"all_success", "sf", "upstream_failed"},
      {"all_success", "sk", "skipped"},
      {"all_success", "fk", "upstream_failed"},
      {"all_done", "sf", "success"},
      {"all_done", "kk", "success"},
      {"all_failed", "ff", "success"},
      {"all_failed", "fs", "skipped"},
      {"all_failed", "fk", "skipped"},
      {"all_skipped", "kk", "success"},
      {"all_skipped", "ks", "skipped"},
      {"one_success", "sf", "success"},
      {"one_success", "ff", "upstream_failed"},
      {"one_success", "kk", "skipped"},
      {"one_failed", "sf", "success"},
      {"one_failed", "ss", "skipped"},
      {"one_done", "sk", "success"},
      {"one_done", "fk", "success"},
      {"one_done", "kk", "skipped"},
      {"none_failed", "sk", "success"},
      {"none_failed", "kk", "success"},
      {"none_failed", "sf", "upstream_failed"},
      {"none_failed_min_one_success", "sk", "success"},
      {"none_failed_min_one_success", "kk", "skipped"},
      {"none_failed_min_one_success", "fs", "upstream_failed"},
      {"none_skipped", "sf", "success"},
      {"none_skipped", "sk", "skipped"},
      {"always", "fk", "success"},
  };
  for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) ending_check(&endings[i]);
}

static void skips_and_upstream_failures_go_all_the_way_down(void **state) {
  (void)state;
  rig_start(&rig,
            rig_plan(NULL, "choose to=a,x", "a", "x", "b after=a", "c after=b", "bad",
                     "d after=bad", "e after=d,c", NULL),
            100);
  rig_success_of(&rig, "choose", NULL, "{\"chosen\":[\"x\"]}");
  rig_fail(&rig, "bad", TG_EINVALID);
  rig_settle(&rig);
  rig_success(&rig, "x");
  rig_settle(&rig);
  static const enum tg_task_state ends[] = {
      TG_TASK_SUCCESS, TG_TASK_SKIPPED, TG_TASK_SUCCESS,         TG_TASK_SKIPPED,
      TG_TASK_SKIPPED, TG_TASK_FAILED,  TG_TASK_UPSTREAM_FAILED, TG_TASK_UPSTREAM_FAILED};
  for (size_t i = 0; i < 8; i++) assert_int_equal(rig.store.tasks[i].state, ends[i]);
  assert_int_equal(rig.end, TG_RUN_FAILED);
  rig_close(&rig);
}

// Branches.

static void a_branch_goes_on_with_several_or_with_none(void **state) {
  (void)state;
  rig_start(&rig, rig_plan(NULL, "choose to=a,b,c", "a", "b", "c", NULL), 100);
  rig_success_of(&rig, "choose", NULL, "{\"chosen\":[\"c\",\"a\"]}");
  rig_settle(&rig);
  rig_expect(&rig, "commit start:choose#1 commit choose=success start:a#1 start:c#1 commit"
                   " b=skipped");
  rig_close(&rig);
  rig_start(&rig, rig_plan(NULL, "choose to=a,b", "a", "b", NULL), 100);
  rig_success_of(&rig, "choose", NULL, "{\"chosen\":[]}");
  rig_settle(&rig);
  assert_int_equal(rig.end, TG_RUN_SUCCESS);
  assert_int_equal(rig.store.tasks[1].state, TG_TASK_SKIPPED);
  assert_int_equal(rig.store.tasks[2].state, TG_TASK_SKIPPED);
  rig_close(&rig);
}

static void a_branch_that_did_not_choose_rightly_fails(void **state) {
  (void)state;
  static const char *const facts[] = {
      NULL, "", "{}", "{\"chosen\":\"a\"}", "{\"chosen\":[1]}", "{\"chosen\":[\"other\"]}",
      "[]", "{"};
  for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
    rig_start(&rig, rig_plan(NULL, "choose to=a", "a", "other", NULL), 100);
    rig_success_of(&rig, "choose", NULL, facts[i]);
    rig_success(&rig, "other");
    rig_settle(&rig);
    assert_int_equal(rig.store.tasks[0].state, TG_TASK_FAILED);
    assert_int_equal(rig.store.tasks[0].failure.class, TG_CLASS_BUG);
    assert_int_equal(rig.store.tasks[1].state, TG_TASK_UPSTREAM_FAILED);
    assert_int_equal(rig.end, TG_RUN_FAILED);
    rig_close(&rig);
  }
}

static void what_a_branch_leads_to_waits_for_it_whatever_its_rule(void **state) {
  (void)state;
  static const char *const rules[] = {"one_success", "one_done", "always", "all_done"};
  for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
    char spec[64];
    snprintf(spec, sizeof spec, "c after=a when=%s", rules[i]);
    rig_start(&rig, rig_plan(NULL, "a", "choose to=c,d", spec, "d", NULL), 100);
    rig_success(&rig, "a");
    rig_settle(&rig);
    rig_expect(&rig, "commit start:a#1 start:choose#1 commit a=success");
    rig_success_of(&rig, "choose", NULL, "{\"chosen\":[\"d\"]}");
    rig_settle(&rig);
    rig_expect(&rig, "commit choose=success start:d#1 commit c=skipped");
    rig_close(&rig);
  }
}

static void what_was_not_chosen_is_skipped_though_another_upstream_failed(void **state) {
  (void)state;
  for (int order = 0; order < 2; order++) {
    rig_start(&rig, rig_plan(NULL, "a", "choose to=c", "c after=a", NULL), 100);
    if (order == 0) rig_fail(&rig, "a", TG_EINVALID);
    rig_settle(&rig);
    rig_success_of(&rig, "choose", NULL, "{\"chosen\":[]}");
    rig_settle(&rig);
    if (order == 1) rig_fail(&rig, "a", TG_EINVALID);
    rig_settle(&rig);
    assert_int_equal(rig.store.tasks[2].state, TG_TASK_SKIPPED);
    rig_close(&rig);
  }
}

static void the_rule_decides_when_the_branch_failed(void **state) {
  (void)state;
  rig_start(&rig, rig_plan(NULL, "choose to=a,b", "a", "b when=all_done", NULL), 100);
  rig_fail(&rig, "choose", TG_EINVALID);
  rig_settle(&rig);
  rig_expect(&rig, "commit start:choose#1 commit choose=failed start:b#1 commit"
                   " a=upstream_failed");
  rig_close(&rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_rule_decides_by_how_the_upstreams_ended),
      cmocka_unit_test(skips_and_upstream_failures_go_all_the_way_down),
      cmocka_unit_test(a_branch_goes_on_with_several_or_with_none),
      cmocka_unit_test(a_branch_that_did_not_choose_rightly_fails),
      cmocka_unit_test(what_a_branch_leads_to_waits_for_it_whatever_its_rule),
      cmocka_unit_test(what_was_not_chosen_is_skipped_though_another_upstream_failed),
      cmocka_unit_test(the_rule_decides_when_the_branch_failed),
  };
  return cmocka_run_group_tests_name("host/engine/rules", tests, NULL, NULL);
}
