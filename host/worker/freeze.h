// SPDX-License-Identifier: Apache-2.0
// The parameters of a run, frozen when it is made: given or default values are resolved by the
// host, those that are a function of the others are computed by the pipeline's script.
#pragma once

#include "worker/asks.h"

/// What the parameters of a run follow from.
struct tg_freeze {
  const struct tg_version *version; // of the pipeline, whose script computes
  const json_t *schema;             // of its plan
  const char *const *given;         // "name=value"
  size_t count;
  const struct tg_run *run; // its logical date, interval and partition count
};

/// Is told the parameters as the text that runs keep and are compared by, or an error.
typedef void tg_freeze_answer(void *self, const struct tg_error *err, const char *params);

/// Freezes parameters. `answer` is called once, before this returns when no script is needed.
///
/// Owns:   what `freeze` refers to is not used after this returns, its version excepted
/// Errors: through `answer`: TG_EINVALID naming the parameter; TG_EDENIED for a secret that is not
///         there; as tg_asks_put
void tg_freeze(struct tg_asks *asks, const struct tg_freeze *freeze, tg_freeze_answer *answer,
               void *self);

/// Looks for the secrets among the parameters (JSON text) of a run.
///
/// Errors: TG_EDENIED naming the parameter whose secret is not there
int tg_freeze_check_secrets(const struct tg_services *services, const json_t *schema,
                            const char *params, struct tg_error *err);
