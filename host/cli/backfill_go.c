// SPDX-License-Identifier: Apache-2.0
// An occurrence is started when there is room: at first, and from the loop whenever a run has ended
// (an observer may not give inputs itself).
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "cli/backfill.h"
#include "cli/inbox.h"
#include "cli/requests.h"
#include "cli/text.h"

enum { TICKS_A_LOOK = 2 };

static int64_t wall_ms(const struct tg_backfill *backfill) {
  return tg_clock_wall_ms(tg_loop_clock(tg_host_services(backfill->host)->loop));
}

// --- Telling ---

static void json_line(const struct tg_backfill_item *item, const char *occurrence,
                      const char *word) {
  char id[TG_ID_TEXT_LEN + 1];
  tg_id_format(item->run, id);
  json_t *line =
      json_pack("{s:s, s:s*, s:s, s:s, s:s?}", "occurrence", occurrence, "partition",
                item->occurrence->partition, "run", id, "state", word, "error", item->error);
  char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;
  if (text) fprintf(stderr, "%s\n", text);
  free(text);
  json_decref(line);
}

static void text_line(const struct tg_backfill *backfill, const struct tg_backfill_item *item,
                      const char *occurrence, const char *word) {
  struct tg_buf line;
  char duration[TG_DURATION_TEXT_MAX];
  tg_buf_init(&line, SIZE_MAX / 2);
  const char *partition = item->occurrence->partition;
  tg_buf_putf(&line, "%.19sZ  ", occurrence);
  if (partition) tg_text_put_clean(&line, partition, strlen(partition));
  tg_buf_putf(&line, "%s%-9s", partition ? "  " : "", word);
  if (item->has_ended) {
    tg_duration_format(item->ended_at - item->started_at, duration);
    tg_buf_putf(&line, "  %s  (%zu of %zu)", duration, backfill->ended, backfill->total);
  }
  if (item->error) tg_buf_puts(&line, "  ");
  if (item->error) tg_text_put_clean(&line, item->error, strlen(item->error));
  fprintf(stderr, "%s\n", tg_buf_text(&line));
  tg_buf_deinit(&line);
}

static void item_tell(const struct tg_backfill *backfill, const struct tg_backfill_item *item) {
  char occurrence[TG_TIME_TEXT_LEN + 1];
  const char *word = tg_run_state_word(item->state);
  tg_time_format(item->occurrence->start_ms, occurrence);
  if (tg_args_has(backfill->args, "quiet")) return;
  if (tg_args_choice(backfill->args, "log-format", TG_LOG_FORMAT_TEXT) == TG_LOG_FORMAT_JSON)
    json_line(item, occurrence, word);
  else
    text_line(backfill, item, occurrence, word);
}

// --- Going ---

static void run_make(struct tg_backfill *backfill, struct tg_backfill_item *item) {
  const struct tg_occurrence *occurrence = item->occurrence;
  char text[TG_TIME_TEXT_LEN + 1];
  tg_time_format(occurrence->start_ms, text);
  item->launch.run = (struct tg_run){.id = tg_id_new(tg_clock_system()),
                                     .pipeline = backfill->plan->name,
                                     .bundle = backfill->version->hash,
                                     .params = occurrence->params,
                                     .occurrence = tg_arena_strdup(&item->launch.arena, text),
                                     .partition = occurrence->partition,
                                     .trigger = "backfill",
                                     .logical_at = occurrence->start_ms};
}

static int launch_make(struct tg_backfill *backfill, struct tg_backfill_item *item,
                       struct tg_error *err) {
  const struct tg_occurrence *occurrence = item->occurrence;
  struct tg_launch *launch = &item->launch;
  struct tg_rerun rerun = {.of = occurrence->last,
                           .bundle = backfill->version->hash,
                           .params = occurrence->params,
                           .is_from_failure = occurrence->way == TG_WAY_REPAIR};
  tg_launch_init(launch);
  if (occurrence->way == TG_WAY_CONTINUE)
    return tg_launch_resume(launch, backfill->host, backfill->history, occurrence->last, err);
  launch->plan = tg_plan_share(backfill->plan);
  launch->version = backfill->is_bundle_kept ? NULL : backfill->version;
  backfill->is_bundle_kept = true;
  if (occurrence->way == TG_WAY_NEW) {
    run_make(backfill, item);
  } else {
    int code = tg_launch_rerun(launch, backfill->history, &rerun, err);
    if (code) return code;
  }
  launch->run.backfill = backfill->id;
  launch->run.interval_start = occurrence->start_ms;
  launch->run.interval_end = occurrence->end_ms;
  return TG_OK;
}

static void item_end(struct tg_backfill *backfill, struct tg_backfill_item *item,
                     enum tg_run_state state, const char *error) {
  item->has_ended = true;
  item->state = state;
  item->ended_at = wall_ms(backfill);
  item->error = tg_arena_strdup(&backfill->arena, error);
  backfill->ended++;
  tg_launch_deinit(&item->launch);
  item_tell(backfill, item);
}

static void item_begin(struct tg_backfill *backfill, struct tg_backfill_item *item) {
  struct tg_error err;
  item->started_at = wall_ms(backfill);
  if (launch_make(backfill, item, &err)) {
    item_end(backfill, item, TG_RUN_FAILED, err.text);
    return;
  }
  item->is_begun = true;
  item->run = item->launch.run.id;
  item->state = TG_RUN_RUNNING;
  backfill->running++;
  item_tell(backfill, item);
  tg_launch_start(&item->launch, backfill->host);
}

static bool is_held(const struct tg_backfill *backfill) {
  return backfill->is_paused || backfill->is_cancelled || backfill->watch.signum;
}

static bool is_over(const struct tg_backfill *backfill) {
  bool is_all = backfill->next == backfill->count || backfill->is_paused || backfill->is_cancelled;
  return is_all && !backfill->running &&
         !tg_conductor_has_runs(tg_host_services(backfill->host)->conductor);
}

// Looks what others have made of the backfill.
static void fill_look(struct tg_backfill *backfill) {
  enum tg_fill_state state;
  struct tg_arena arena;
  tg_arena_init(&arena);
  if (!tg_history_fill_state(backfill->history, backfill->id, &arena, &state, NULL)) {
    backfill->is_paused = state == TG_FILL_PAUSED;
    backfill->is_cancelled = state == TG_FILL_CANCELLED;
  }
  tg_arena_deinit(&arena);
}

// Whoever was told that it is paused, or cancelled, was told so when that was recorded: so the
// record is asked before anything more begins.
static void more_begin(void *self) {
  struct tg_backfill *backfill = self;
  fill_look(backfill);
  while (backfill->next < backfill->count && backfill->running < backfill->runs_max &&
         !is_held(backfill)) {
    struct tg_backfill_item *item = &backfill->items[backfill->next++];
    if (item->occurrence->way != TG_WAY_LEAVE) item_begin(backfill, item);
  }
  if (is_over(backfill)) tg_host_stop(backfill->host);
}

static void run_ended(void *self, const struct tg_live_run *run) {
  struct tg_backfill *backfill = self;
  for (size_t i = 0; i < backfill->next; i++) {
    struct tg_backfill_item *item = &backfill->items[i];
    if (!item->is_begun || item->has_ended || !tg_id_equal(item->run, run->run.id)) continue;
    backfill->running--;
    item_end(backfill, item, run->run.state, run->run.failure.text);
    break;
  }
  tg_loop_defer(tg_host_services(backfill->host)->loop, &backfill->more);
}

// One that is paused, and whose runs have not ended yet, may be asked to go on.
static void resume_obey(struct tg_backfill *backfill) {
  const char *data = tg_host_services(backfill->host)->data;
  struct tg_arena arena;
  size_t count;
  tg_arena_init(&arena);
  char **names = tg_inbox_list(data, TG_FILL_RESUME, &arena, &count);
  for (size_t i = 0; i < count; i++) {
    if (strcmp(names[i], backfill->id) != 0) continue;
    tg_inbox_remove(data, names[i], TG_FILL_RESUME);
    backfill->fill.state = TG_FILL_RUNNING;
    backfill->is_paused = false;
    tg_fill_record(backfill->host, &backfill->fill);
  }
  tg_arena_deinit(&arena);
}

static void ticked(void *self) {
  struct tg_backfill *backfill = self;
  if (backfill->looks++ % TICKS_A_LOOK) return;
  bool was_held = is_held(backfill);
  fill_look(backfill);
  if (backfill->is_paused) resume_obey(backfill);
  if (was_held != is_held(backfill))
    tg_loop_defer(tg_host_services(backfill->host)->loop, &backfill->more);
}

int tg_backfill_go(struct tg_backfill *backfill, struct tg_error *err) {
  const struct tg_services *services = tg_host_services(backfill->host);
  const struct tg_observer observer = {.run_ended = run_ended, .self = backfill};
  backfill->more = (struct tg_deferred){.call = more_begin, .self = backfill};
  int code = tg_watch_begin(&backfill->watch, backfill->host, ticked, backfill, err);
  if (!code) {
    tg_conductor_set_observer(services->conductor, &observer);
    tg_loop_defer(services->loop, &backfill->more);
    code = tg_host_run(backfill->host, err);
  }
  int signum = backfill->watch.signum;
  tg_loop_undefer(services->loop, &backfill->more);
  tg_watch_end(&backfill->watch);
  backfill->watch.signum = signum;
  for (size_t i = 0; i < backfill->next; i++)
    if (backfill->items[i].is_begun && !backfill->items[i].has_ended)
      tg_launch_deinit(&backfill->items[i].launch);
  return code;
}
