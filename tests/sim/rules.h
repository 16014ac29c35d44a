// SPDX-License-Identifier: Apache-2.0
// The simulator's own table of the trigger rules. It is written as a table where the product has
// code, so that the two are not wrong in the same way.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { SIM_RULE_ALL_DONE = 1, SIM_RULE_COUNT = 11 };

/// What is known of a task's upstreams.
struct sim_counts {
  uint32_t all, success, failed, skipped;
};

/// The rule's word in a plan.
const char *sim_rule_word(int rule);

/// Gives what a rule says: 'R' ready, 'S' skipped, 'U' upstream_failed, '.' not yet known.
char sim_rule_verdict(int rule, struct sim_counts counts);

/// Says whether a rule goes with a map that begins before the map it is over has ended.
bool sim_rule_is_for_depth(int rule);
