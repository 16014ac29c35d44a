// SPDX-License-Identifier: Apache-2.0
// Command attempts: a child process of the host, in a session and process group of its own.
//
// Its environment is what the task passes on and sets, and
//   TIDEGATE_RUN_ID, TIDEGATE_PIPELINE, TIDEGATE_TASK, TIDEGATE_ATTEMPT, TIDEGATE_KEY,
//   TIDEGATE_LOGICAL_DATE, TIDEGATE_PARAMS (JSON) and TIDEGATE_PARAM_<NAME> for each parameter.
// By TIDEGATE_RUN_ID the processes of a run are found that outlived a killed host.
#pragma once

#include "engine/runner.h"
#include "worker/services.h"

struct tg_commands;

struct tg_commands *tg_commands_new(const struct tg_services *services);

/// Ends every child and forgets it.
void tg_commands_free(struct tg_commands *commands);

/// Starts a command attempt, and ends one; results go to the conductor.
void tg_commands_start(struct tg_commands *commands, const struct tg_start *start);

/// Ends an attempt with TERM, and KILL after its grace. False if it is none of ours.
bool tg_commands_cancel(struct tg_commands *commands, uint64_t attempt, int code);
