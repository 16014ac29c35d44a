// SPDX-License-Identifier: Apache-2.0
// The oracle is Airflow's documentation read anew: each rule as a condition on what became of a
// list of upstreams, with the verdict for when the condition can no longer hold.
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dag/trigger.h"

enum { UPSTREAMS_MAX = 5 };
enum fate { SUCCESS, FAILED, SKIPPED, FATE_COUNT };

struct ended {
  bool every[FATE_COUNT], some[FATE_COUNT];
};

static struct ended ended_look(const enum fate *fates, int n) {
  struct ended ended = {.every = {true, true, true}};
  for (int i = 0; i < n; i++)
    for (int fate = 0; fate < FATE_COUNT; fate++) {
      bool is_it = (int)fates[i] == fate;
      ended.every[fate] &= is_it;
      ended.some[fate] |= is_it;
    }
  return ended;
}

// The verdict once every upstream has ended.
static enum tg_trigger_verdict oracle(enum tg_trigger_rule rule, const enum fate *fates, int n) {
  const enum tg_trigger_verdict ready = TG_TRIGGER_READY, skip = TG_TRIGGER_SKIP;
  const enum tg_trigger_verdict fail = TG_TRIGGER_UPSTREAM_FAILED;
  struct ended e = ended_look(fates, n);
  if (n == 0) return ready;
  switch (rule) {
  case TG_TRIGGER_ALL_SUCCESS:
    return e.every[SUCCESS] ? ready : e.some[FAILED] ? fail : skip;
  case TG_TRIGGER_ALL_FAILED:
    return e.every[FAILED] ? ready : skip;
  case TG_TRIGGER_ALL_SKIPPED:
    return e.every[SKIPPED] ? ready : skip;
  case TG_TRIGGER_ONE_SUCCESS:
    return e.some[SUCCESS] ? ready : e.every[SKIPPED] ? skip : fail;
  case TG_TRIGGER_ONE_FAILED:
    return e.some[FAILED] ? ready : skip;
  case TG_TRIGGER_ONE_DONE:
    return e.every[SKIPPED] ? skip : ready;
  case TG_TRIGGER_NONE_FAILED:
    return e.some[FAILED] ? fail : ready;
  case TG_TRIGGER_NONE_FAILED_MIN_ONE_SUCCESS:
    return e.some[FAILED] ? fail : e.some[SUCCESS] ? ready : skip;
  case TG_TRIGGER_NONE_SKIPPED:
    return e.some[SKIPPED] ? skip : ready;
  default:
    return ready;
  }
}

static enum tg_trigger_verdict judge(enum tg_trigger_rule rule, const enum fate *fates, int ended,
                                     int n) {
  struct tg_trigger_counts counts = {.upstream = (uint32_t)n};
  for (int i = 0; i < ended; i++) {
    counts.success += fates[i] == SUCCESS;
    counts.failed += fates[i] == FAILED;
    counts.skipped += fates[i] == SKIPPED;
  }
  return tg_trigger_judge(rule, &counts);
}

// Counts `fates` up like a number of `n` digits; false after the last.
static bool fates_next(enum fate *fates, int n) {
  for (int i = 0; i < n; i++) {
    if (fates[i] != SKIPPED) {
      fates[i]++;
      return true;
    }
    fates[i] = SUCCESS;
  }
  return false;
}

static void agrees_with_the_rules_when_all_have_ended(void **state) {
  (void)state;
  for (int rule = 0; rule < TG_TRIGGER_RULE_COUNT; rule++)
    for (int n = 0; n <= UPSTREAMS_MAX; n++) {
      enum fate fates[UPSTREAMS_MAX] = {SUCCESS};
      do {
        assert_int_equal(judge((enum tg_trigger_rule)rule, fates, n, n),
                         oracle((enum tg_trigger_rule)rule, fates, n));
      } while (fates_next(fates, n));
    }
}

// Says whether every way in which the open upstreams may end gives one verdict, and which.
static bool is_settled(enum tg_trigger_rule rule, enum fate *fates, int ended, int n,
                       enum tg_trigger_verdict *verdict) {
  for (int i = ended; i < n; i++) fates[i] = SUCCESS;
  *verdict = oracle(rule, fates, n);
  while (fates_next(fates + ended, n - ended))
    if (oracle(rule, fates, n) != *verdict) return false;
  return true;
}

static void waits_exactly_while_an_open_upstream_could_change_the_verdict(void **state) {
  (void)state;
  for (int rule = 0; rule < TG_TRIGGER_RULE_COUNT; rule++) {
    if (rule == TG_TRIGGER_ALL_DONE) continue;
    for (int n = 1; n <= UPSTREAMS_MAX; n++)
      for (int ended = 0; ended < n; ended++) {
        enum fate fates[UPSTREAMS_MAX] = {SUCCESS};
        do {
          enum tg_trigger_verdict verdict, got = judge((enum tg_trigger_rule)rule, fates, ended, n);
          if (!is_settled((enum tg_trigger_rule)rule, fates, ended, n, &verdict))
            verdict = TG_TRIGGER_WAIT;
          assert_int_equal(got, verdict);
        } while (fates_next(fates, ended));
      }
  }
}

static void all_done_waits_for_the_last(void **state) {
  (void)state;
  struct tg_trigger_counts counts = {.upstream = 3, .success = 1, .failed = 1};
  assert_int_equal(tg_trigger_judge(TG_TRIGGER_ALL_DONE, &counts), TG_TRIGGER_WAIT);
  counts.skipped = 1;
  assert_int_equal(tg_trigger_judge(TG_TRIGGER_ALL_DONE, &counts), TG_TRIGGER_READY);
}

static void finds_every_rule_by_its_word(void **state) {
  (void)state;
  for (int rule = 0; rule < TG_TRIGGER_RULE_COUNT; rule++)
    assert_int_equal(tg_trigger_rule_parse(tg_trigger_rule_word((enum tg_trigger_rule)rule)), rule);
  assert_int_equal(tg_trigger_rule_parse("none_failed_min_one_success"),
                   TG_TRIGGER_NONE_FAILED_MIN_ONE_SUCCESS);
  assert_int_equal(tg_trigger_rule_parse("all_succes"), -1);
  assert_string_equal(tg_trigger_rule_word(TG_TRIGGER_RULE_COUNT), "unknown");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(agrees_with_the_rules_when_all_have_ended),
      cmocka_unit_test(waits_exactly_while_an_open_upstream_could_change_the_verdict),
      cmocka_unit_test(all_done_waits_for_the_last),
      cmocka_unit_test(finds_every_rule_by_its_word),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
