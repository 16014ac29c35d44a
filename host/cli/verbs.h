// SPDX-License-Identifier: Apache-2.0
// The verbs of the command line, one file each.
#pragma once

#include "cli/args.h"

extern const struct tg_verb tg_verb_run, tg_verb_rerun, tg_verb_cancel, tg_verb_backfill,
    tg_verb_check, tg_verb_graph, tg_verb_runs, tg_verb_show, tg_verb_logs, tg_verb_why,
    tg_verb_event, tg_verb_approve, tg_verb_doctor, tg_verb_version, tg_verb_completion,
    tg_verb_help;

/// All of them, in the order of help; NULL-terminated.
extern const struct tg_verb *const tg_verbs[];
