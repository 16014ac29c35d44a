// SPDX-License-Identifier: Apache-2.0
// The runner: carries the engine's attempts out, in a script worker or as a command.
#pragma once

#include "worker/commands.h"
#include "worker/scripts.h"

struct tg_worker_runner;

/// Makes a runner; with a conductor among the services it becomes that conductor's.
struct tg_worker_runner *tg_worker_runner_new(const struct tg_services *services);

/// Ends every attempt without telling anybody, and every worker and child.
void tg_worker_runner_free(struct tg_worker_runner *runner);

/// Gives the carrier of script attempts, which knows bundles and policies.
struct tg_scripts *tg_worker_runner_scripts(struct tg_worker_runner *runner);
