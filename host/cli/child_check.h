// SPDX-License-Identifier: Apache-2.0
// What can be known of child runs before anything runs: that a tg.run names a pipeline there is,
// that parameters which stand in the script are those that the pipeline takes, and that pipelines
// do not start each other in a ring.
#pragma once

#include <jansson.h>
#include <stdbool.h>

struct tg_child_check {
  json_t *pipelines; // file -> {"params"} of its plan; null where only the name is known
  json_t *uses;      // [{"file", "line", "task", "pipeline", "params"?, "is_asked"}]
};

void tg_child_check_init(struct tg_child_check *check);
void tg_child_check_deinit(struct tg_child_check *check);

/// Takes in the plan (JSON text) of a pipeline's file, "pipelines/orders.lua". Faults are told of
/// those only that are asked about.
void tg_child_check_add(struct tg_child_check *check, const char *file, const char *plan,
                        bool is_asked);

/// Takes in that there is a file, whose plan is not known unless it was added.
void tg_child_check_know(struct tg_child_check *check, const char *file);

/// Gives a file that was named as a child's, is there, and was not added yet; NULL without one.
const char *tg_child_check_next(const struct tg_child_check *check);

/// Adds the faults to a list of {"file", "line", "message"}, once all files are known.
void tg_child_check_faults(const struct tg_child_check *check, json_t *faults);
