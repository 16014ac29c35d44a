// SPDX-License-Identifier: Apache-2.0
// Policies: asked live. At each decision the policy's file is looked at; if it has changed it is
// built anew, and a version with faults leaves the last good one in force. What was decided is
// durable before anybody hears of it.
//
//   ask -> file -> version (built, or known) -> a worker is asked (asks.h) -> commit -> told
#pragma once

#include "worker/asks.h"

struct tg_policies;

struct tg_policies *tg_policies_new(const struct tg_services *services, struct tg_asks *asks,
                                    struct tg_bundles *bundles);

/// Ends every question with TG_ECANCELLED. The store must be closed, and the asks freed, before.
void tg_policies_free(struct tg_policies *policies);

/// A question to a policy.
struct tg_question {
  const char *policy, *input;      // name; JSON
  const struct tg_version *bundle; // of the run: has the policy as it was when the run began
  uint64_t run;
  uint32_t task, attempt;
};

/// Is told what the policy answered: its output (JSON) and the hash of its version, or an error.
typedef void tg_policies_answer(void *self, const struct tg_error *err, const char *output,
                                const char *version);

/// Asks. `answer` is called once, possibly before this returns.
///
/// Errors: through `answer`: TG_ENOT_FOUND, TG_EINVALID (faults, or an answer that is none),
///         TG_ETIMEOUT, TG_ELOST, and what the policy raised
void tg_policies_ask(struct tg_policies *policies, const struct tg_question *question,
                     tg_policies_answer *answer, void *self);
