// SPDX-License-Identifier: Apache-2.0
// What an attempt tells besides its result: which tasks a branch chose, assets, checks. It comes
// from a worker, which is not trusted, and becomes records.
#pragma once

#include "engine/plan.h"
#include "model/record.h"

/// Turns facts into records of an attempt.
///
/// Shape:  `facts` is a JSON object or NULL; CHECK and ASSET_VERSION records are added to `batch`;
///         an asset that names no partition has that of the run (NULL for none); `*chosen` is a
///         JSON list of task names in the batch's arena, NULL unless the task is a branch
/// Errors: TG_EPROTOCOL for what a worker of ours never sends, TG_ENOMEM
int tg_facts_record(const struct tg_plan *plan, const char *partition,
                    const struct tg_attempt *attempt, const char *facts, struct tg_batch *batch,
                    const char **chosen, struct tg_error *err);
