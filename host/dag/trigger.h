// SPDX-License-Identifier: Apache-2.0
// Trigger rules: from what became of a task's upstreams to what becomes of the task.
//
// A verdict is given as soon as no upstream that is still open could change it, and not before: so
// it never depends on the order in which upstreams end. `all_done` waits for all of them although
// its verdict is known, because waiting is what it is for; `always` waits for none.
#pragma once

#include <stdint.h>

/// X(NAME, word): Airflow's rules under Airflow's names.
#define TG_TRIGGER_RULES(X)                                                                        \
  X(ALL_SUCCESS, "all_success")                                                                    \
  X(ALL_DONE, "all_done")                                                                          \
  X(ALL_FAILED, "all_failed")                                                                      \
  X(ALL_SKIPPED, "all_skipped")                                                                    \
  X(ONE_SUCCESS, "one_success")                                                                    \
  X(ONE_FAILED, "one_failed")                                                                      \
  X(ONE_DONE, "one_done")                                                                          \
  X(NONE_FAILED, "none_failed")                                                                    \
  X(NONE_FAILED_MIN_ONE_SUCCESS, "none_failed_min_one_success")                                    \
  X(NONE_SKIPPED, "none_skipped")                                                                  \
  X(ALWAYS, "always")

enum tg_trigger_rule {
#define X(name, word) TG_TRIGGER_##name,
  TG_TRIGGER_RULES(X)
#undef X
      TG_TRIGGER_RULE_COUNT
};

enum tg_trigger_verdict {
  TG_TRIGGER_WAIT,
  TG_TRIGGER_READY,
  TG_TRIGGER_SKIP,
  TG_TRIGGER_UPSTREAM_FAILED,
};

/// How many upstreams a task has, and how many of them ended how. The rest is still open.
struct tg_trigger_counts {
  uint32_t upstream;
  uint32_t success;
  uint32_t failed; // failed, upstream_failed or cancelled
  uint32_t skipped;
};

/// Says what becomes of a task. Without upstreams every rule is ready.
///
/// Source: Apache Airflow, "Trigger Rules" and trigger_rule_dep.py; unlike there, a skipped
/// upstream
///         does not settle all_success while another could still fail
enum tg_trigger_verdict tg_trigger_judge(enum tg_trigger_rule rule,
                                         const struct tg_trigger_counts *counts);

/// Gives a rule's word ("one_success"), or "unknown".
const char *tg_trigger_rule_word(enum tg_trigger_rule rule);

/// Finds a rule by its word, or -1.
int tg_trigger_rule_parse(const char *word);
