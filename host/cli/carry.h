// SPDX-License-Identifier: Apache-2.0
// What of an earlier run a rerun keeps, task by task. Decided on the plan and the earlier states
// alone.
//
//   run        it runs
//   continue   a map: the items that succeeded are kept, the others run
//   keep       what became of it then is carried over, output and all
//   skip       it does not run, and there is nothing to carry over
//
// A setup and its teardowns run whenever something between them does.
#pragma once

#include "engine/plan.h"
#include "model/record.h"

/// X(NAME, word)
#define TG_FATES(X)                                                                                \
  X(RUN, "run")                                                                                    \
  X(CONTINUE, "continue")                                                                          \
  X(KEEP, "keep")                                                                                  \
  X(SKIP, "skip")

enum tg_fate {
#define X(name, word) TG_FATE_##name,
  TG_FATES(X)
#undef X
};

/// Gives the word of a fate.
const char *tg_fate_word(enum tg_fate fate);

/// What became of the tasks of an earlier run, by their index in the plan of the rerun.
struct tg_earlier {
  const struct tg_task *tasks;  // name NULL: it was waiting, or not there
  const bool *has_items;        // of a map: its items are known
  const bool *has_failed_items; // and some of them did not succeed
};

/// How a task is selected: all of it, or of a map what is left of its items.
enum tg_mark { TG_MARK_NONE, TG_MARK_TASK, TG_MARK_ITEMS };

/// Keeps what succeeded, or was skipped, as far as all that it waited for is kept.
///
/// Shape:  `fates`: one per task
void tg_carry_from_failure(const struct tg_plan *plan, const struct tg_earlier *earlier,
                           enum tg_fate *fates);

/// Lets the marked tasks run (enum tg_mark). What the others came to is kept: with `keeps_all` all
/// of it, so that what failed and is not run again is not forgotten; else only what the marked ones
/// depend on and succeeded or was skipped.
///
/// Errors: TG_EINVALID when a marked task waits for one that is not there to be kept, or that was
///         skipped so that the marked task would be skipped too
int tg_carry_selected(const struct tg_plan *plan, const struct tg_earlier *earlier,
                      const uint8_t *marks, bool keeps_all, enum tg_fate *fates,
                      struct tg_error *err);
