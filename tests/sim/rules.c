// SPDX-License-Identifier: Apache-2.0
#include "sim/rules.h"

// One column per combination of what there is among the upstreams that have ended:
//   column 1: success, 2: failed, 4: skipped, and their sums
// while some upstream is open, and when all have ended.
static const struct rule {
  const char *word, *open, *done;
  bool is_for_depth;
} rules[SIM_RULE_COUNT] = {
    {"all_success", "..UU..UU", "RRUUSSUU", true},
    {"all_done", "........", "RRRRRRRR", true},
    {"all_failed", ".S.SSSSS", "RSRSSSSS", false},
    {"all_skipped", ".SSS.SSS", "RSSSRSSS", false},
    {"one_success", ".R.R.R.R", "RRURSRUR", true},
    {"one_failed", "..RR..RR", "RSRRSSRR", false},
    {"one_done", ".RRR.RRR", "RRRRSRRR", false},
    {"none_failed", "..UU..UU", "RRUURRUU", true},
    {"none_failed_min_one_success", "..UU..UU", "RRUUSRUU", false},
    {"none_skipped", "....SSSS", "RRRRSSSS", false},
    {"always", "RRRRRRRR", "RRRRRRRR", false},
};

const char *sim_rule_word(int rule) {
  return rules[rule].word;
}

char sim_rule_verdict(int rule, struct sim_counts counts) {
  int column = (counts.success ? 1 : 0) + (counts.failed ? 2 : 0) + (counts.skipped ? 4 : 0);
  bool is_done = counts.success + counts.failed + counts.skipped == counts.all;
  return (is_done ? rules[rule].done : rules[rule].open)[column];
}

bool sim_rule_is_for_depth(int rule) {
  return rules[rule].is_for_depth;
}
