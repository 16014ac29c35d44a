// SPDX-License-Identifier: Apache-2.0
#include "cli/verbs.h"

const struct tg_verb *const tg_verbs[] = {
    &tg_verb_run,
    &tg_verb_rerun,
    &tg_verb_cancel,
    &tg_verb_backfill,
    &tg_verb_check,
    &tg_verb_graph,
    &tg_verb_runs,
    &tg_verb_show,
    &tg_verb_logs,
    &tg_verb_why,
    &tg_verb_event,
    &tg_verb_approve,
    &tg_verb_doctor,
    &tg_verb_version,
    &tg_verb_completion,
    &tg_verb_help,
    NULL,
};
