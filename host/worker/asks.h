// SPDX-License-Identifier: Apache-2.0
// Questions that a bundle answers at once, from its input alone: what a policy decides, and the
// parameters that a pipeline computes for a run.
//
//   put -> a worker is chosen -> it has the bundle -> DECIDE -> DECIDED -> told
#pragma once

#include "worker/bundles.h"
#include "worker/services.h"

struct tg_asks;

struct tg_asks *tg_asks_new(const struct tg_services *services, struct tg_pool *pool,
                            struct tg_bundles *bundles);

/// Gives what it works with.
const struct tg_services *tg_asks_services(const struct tg_asks *asks);

/// Ends every question with TG_ECANCELLED.
void tg_asks_free(struct tg_asks *asks);

/// Is told the answer as JSON, or an error.
typedef void tg_asks_answer(void *self, const struct tg_error *err, struct tg_slice output);

/// Asks. `what` is asked (for errors: "policy route"), and must live until the answer, as `input`
/// (JSON) must; `answer` is called once, possibly before this returns.
///
/// Errors: through `answer`: TG_ETIMEOUT after TG_POLICY_MS, TG_ELOST, and what the script raised
void tg_asks_put(struct tg_asks *asks, const struct tg_version *version, const char *what,
                 const char *input, tg_asks_answer *answer, void *self);

/// Takes in DECIDED. Errors: TG_EPROTOCOL
int tg_asks_decided(struct tg_asks *asks, struct tg_process *process, struct tg_reader *body,
                    struct tg_error *err);

/// Ends the questions that a worker was at.
void tg_asks_worker_gone(struct tg_asks *asks, struct tg_process *process, const char *why);
