// SPDX-License-Identifier: Apache-2.0
// Questions of the engine to policies: whether an attempt that failed is tried again. The answer is
// durable as a decision before the engine hears of it.
//
//   {action = "retry", delay = "30s", reason = "..."}   the delay may be left out
//   {action = "stop", reason = "..."}
#pragma once

#include "engine/runner.h"
#include "worker/scripts.h"

struct tg_retries;

struct tg_retries *tg_retries_new(const struct tg_services *services, struct tg_scripts *scripts);

/// Forgets the questions that are open. The scripts must be freed before.
void tg_retries_free(struct tg_retries *retries);

/// Asks the task's policy; the answer goes to the conductor, from the loop.
void tg_retries_ask(struct tg_retries *retries, const struct tg_retry_question *question);
