// SPDX-License-Identifier: Apache-2.0
// Which run `tidegate run` runs: a new one, one that a host did not finish, or the rerun of a
// failed occurrence (EXPERIENCE: "What `run` runs").
#pragma once

#include "cli/launch.h"

struct tg_decide_options {
  const struct tg_version *version; // of the pipeline as it is in the project now
  const char **params;              // "name=value"; secrets are taken out of it
  size_t param_count;
  bool has_at, is_new;
  int64_t at_ms;         // the occurrence
  const char *partition; // or NULL
  const char *select;    // or NULL
};

/// Decides which run it is.
///
/// Owns:   the caller has inited the launch
/// Errors: TG_EINVALID (parameters, selection); those of the store
int tg_decide(struct tg_launch *launch, struct tg_host *host,
              const struct tg_decide_options *options, struct tg_error *err);
