// SPDX-License-Identifier: Apache-2.0
#include "cli/stale.h"

#include <stdio.h>
#include <string.h>

#include "base/units.h"

enum { REASON_BYTES_MAX = 512, HASH_SHOWN = 12, ID_SHOWN = 18 };

static int reason_keep(struct tg_arena *arena, struct tg_occurrence *occurrence, const char *text,
                       struct tg_error *err) {
  occurrence->stale = tg_arena_strdup(arena, text);
  return occurrence->stale ? TG_OK : tg_error_set(err, TG_ENOMEM, "no memory for a backfill");
}

static int data_look(struct tg_history *history, const struct tg_plan *plan,
                     const struct tg_plan_read *read, struct tg_arena *arena,
                     struct tg_occurrence *occurrence, struct tg_error *err) {
  const char *task = plan->tasks[read->task].name;
  struct tg_newer newer;
  size_t count = 0;
  int code = tg_history_newer(history, occurrence->last->number, task, read->asset, arena, &newer,
                              &count, err);
  if (code || !count) return code;
  char reason[REASON_BYTES_MAX], id[TG_ID_TEXT_LEN + 1], time[TG_TIME_TEXT_LEN + 1];
  tg_id_format(newer.run, id);
  tg_time_format(newer.created_at, time);
  snprintf(reason, sizeof reason,
           "%.128s, which %.128s reads, was made again at %s by %.128s, run "
           "%.*s",
           read->asset, task, time, newer.pipeline, ID_SHOWN, id);
  return reason_keep(arena, occurrence, reason, err);
}

int tg_stale_find(struct tg_history *history, const struct tg_plan *plan, const char *bundle,
                  struct tg_arena *arena, struct tg_occurrence *occurrence, struct tg_error *err) {
  const struct tg_run *last = occurrence->last;
  occurrence->stale = NULL;
  if (!last || last->state != TG_RUN_SUCCESS) return TG_OK;
  if (strcmp(last->bundle, bundle) != 0) {
    char reason[REASON_BYTES_MAX];
    snprintf(reason, sizeof reason, "the pipeline has changed: bundle %.*s, now %.*s", HASH_SHOWN,
             last->bundle, HASH_SHOWN, bundle);
    return reason_keep(arena, occurrence, reason, err);
  }
  int code = TG_OK;
  for (const struct tg_plan_read *read = plan->reads; read && !code && !occurrence->stale;
       read = read->next)
    code = data_look(history, plan, read, arena, occurrence, err);
  return code;
}
