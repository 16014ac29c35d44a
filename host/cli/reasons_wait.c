// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "cli/reasons_parts.h"

enum { NAMES_SHOWN_MAX = 5, LIST_BYTES_MAX = 1024 };

// --- A place among the runs of the pipeline ---

static void holder_put(const struct tg_run *run, const struct tg_run *own, uint32_t *count,
                       struct tg_buf *names) {
  char id[TG_ID_TEXT_LEN + 1];
  if (!run->started_at || run->number == own->number || strcmp(run->pipeline, own->pipeline) != 0)
    return;
  tg_id_format(run->id, id);
  if (++*count <= NAMES_SHOWN_MAX) tg_buf_putf(names, "%s%s", *count > 1 ? ", " : "", id);
  if (*count == NAMES_SHOWN_MAX + 1) tg_buf_puts(names, ", ...");
}

// Whoever is before it in the line: of the same lane an earlier date, or whoever is no backfill.
static bool is_ahead(const struct tg_view *view, const struct tg_run *run) {
  const struct tg_run *own = &view->run;
  if (run->state != TG_RUN_QUEUED || strcmp(run->pipeline, own->pipeline) != 0) return false;
  if (!run->backfill != !own->backfill) return !run->backfill;
  if (run->logical_at != own->logical_at) return run->logical_at < own->logical_at;
  return run->number < own->number;
}

// Names the runs that hold the places, the oldest first.
static uint32_t holders_put(const struct tg_view *view, struct tg_buf *names) {
  uint32_t count = 0;
  for (size_t i = view->open_run_count; i-- > 0;)
    holder_put(&view->open_runs[i], &view->run, &count, names);
  return count;
}

static void queued_tell(struct tg_teller *teller) {
  const struct tg_view *view = teller->view;
  uint32_t ahead = 0;
  struct tg_buf names;
  tg_buf_init(&names, LIST_BYTES_MAX);
  uint32_t holders = holders_put(view, &names);
  for (size_t i = 0; i < view->open_run_count; i++) ahead += is_ahead(view, &view->open_runs[i]);
  tg_tell(teller, NULL, "overlap", view->run.created_at, 0,
          "waits for a place among the runs of %s: limits.runs is %u, %u run (%s), %u wait before "
          "it%s",
          view->run.pipeline, view->plan->runs_max, holders, tg_buf_text(&names), ahead,
          view->run.backfill ? "; a backfill leaves one place free" : "");
  tg_buf_deinit(&names);
}

// Names the runs that held the places when the run was made, the oldest first.
static uint32_t past_holders_put(const struct tg_teller *teller, struct tg_buf *names) {
  const struct tg_run *run = &teller->view->run;
  const struct tg_run_filter filter = {
      .pipeline = run->pipeline, .state = -1, .open_at = run->created_at};
  struct tg_arena arena;
  struct tg_run *runs = NULL;
  size_t count = 0;
  uint32_t holders = 0;
  tg_arena_init(&arena);
  if (teller->takers && teller->takers->history)
    tg_history_runs(teller->takers->history, &filter, &arena, &runs, &count, NULL);
  for (size_t i = count; i-- > 0;)
    if (runs[i].started_at && runs[i].started_at <= run->created_at)
      holder_put(&runs[i], run, &holders, names);
  tg_arena_deinit(&arena);
  return holders;
}

static void was_queued_tell(struct tg_teller *teller) {
  const struct tg_run *run = &teller->view->run;
  struct tg_buf names;
  tg_buf_init(&names, LIST_BYTES_MAX);
  uint32_t holders = past_holders_put(teller, &names);
  tg_tell(teller, NULL, "overlap", run->created_at, run->started_at,
          "waited for a place among the runs of %s: limits.runs is %u%s%s%s", run->pipeline,
          teller->view->plan->runs_max, holders ? ", when it was made there ran " : "",
          tg_buf_text(&names), run->backfill ? "; a backfill leaves one place free" : "");
  tg_buf_deinit(&names);
}

void tg_tell_overlap(struct tg_teller *teller) {
  const struct tg_run *run = &teller->view->run;
  if (run->state == TG_RUN_QUEUED)
    queued_tell(teller);
  else if (run->started_at > run->created_at)
    was_queued_tell(teller);
}
