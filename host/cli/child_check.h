// SPDX-License-Identifier: Apache-2.0
// What can be known of child runs before anything runs: that a tg.run names a pipeline there is,
// and that parameters which stand in the script are those that the pipeline takes.
#pragma once

#include <jansson.h>

struct tg_child_check {
  json_t *pipelines; // file -> {"name", "params"} of its plan
  json_t *uses;      // [{"file", "line", "task", "pipeline", "params"?}]
};

void tg_child_check_init(struct tg_child_check *check);
void tg_child_check_deinit(struct tg_child_check *check);

/// Takes in the plan (JSON text) of a pipeline's file, "pipelines/orders.lua".
void tg_child_check_add(struct tg_child_check *check, const char *file, const char *plan);

/// Adds the faults to a list of {"file", "line", "message"}, once all files are known.
void tg_child_check_faults(const struct tg_child_check *check, json_t *faults);
