// SPDX-License-Identifier: Apache-2.0
// Attempts and decisions: the fibers that run worker.run of a bundle, and worker.decide of a policy
// or worker.compute of a pipeline, which decides the parameters of a run.
//
//   START  --> worker.run(task, context) in a fiber --> RESULT
//   CANCEL --> the fiber is closed                  --> RESULT with the code that CANCEL gave
//   DECIDE --> worker.decide(input), or worker.compute(input), in a fiber with a budget of
//              TG_POLICY_MS --> DECIDED
#pragma once

#include "base/error.h"
#include "ipc/wire.h"
#include "script/bundle.h"
#include "script/worker_parts.h"

/// Handle the three frames.
///
/// Errors: TG_EPROTOCOL when the frame is malformed; everything else is told in the answer
int tg_attempt_start(struct tg_worker *worker, struct tg_reader *body, struct tg_error *err);
int tg_attempt_cancel(struct tg_worker *worker, struct tg_reader *body, struct tg_error *err);
int tg_attempt_decide(struct tg_worker *worker, struct tg_reader *body, struct tg_error *err);

/// Frees the attempts and decisions of a bundle without an answer.
void tg_attempts_free(struct tg_bundle *bundle);
