// SPDX-License-Identifier: Apache-2.0
// What must be true of a store and the notes of its tasks. Each rule is a query that gives the rows
// which break it; the stores of this look and the one before are "now" and "before", the notes that
// came between them are "notes" (`at` in microseconds), all there ever were are "ran".
#pragma once

#include <stdbool.h>

struct rule {
  const char *what, *query;
  bool needs_before;
};

/// The rules, and those for a project whose work is done, where ":state" is that of its last run.
/// Both end with one that is empty.
extern const struct rule rules[], last_rules[];
