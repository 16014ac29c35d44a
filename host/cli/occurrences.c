// SPDX-License-Identifier: Apache-2.0
#include "cli/occurrences.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/map.h"
#include "base/units.h"
#include "calendar/interval.h"
#include "worker/timetable.h"

const char *tg_way_word(enum tg_way way) {
  static const char *const words[] = {
#define X(name, word) word,
      TG_WAYS(X)
#undef X
  };
  return words[way];
}

// --- The pipeline's cron ---

static const json_t *cron_find(const struct tg_plan *plan, size_t *count) {
  const json_t *found = NULL;
  *count = 0;
  for (size_t i = 0; i < json_array_size(plan->triggers); i++) {
    const json_t *trigger = json_array_get(plan->triggers, i);
    const char *kind = json_string_value(json_object_get(trigger, "kind"));
    if (!kind || strcmp(kind, "cron") != 0) continue;
    found = trigger;
    ++*count;
  }
  return found;
}

int tg_occurrences_next(const json_t *cron, int64_t after_ms, int64_t *at_ms, size_t max,
                        size_t *count, struct tg_error *err) {
  struct tg_timetable table;
  *count = 0;
  int code = tg_timetable_init(&table, cron, err);
  while (!code && *count < max && tg_schedule_next(&table.schedule, after_ms, &at_ms[*count]))
    after_ms = at_ms[(*count)++];
  tg_timetable_deinit(&table);
  return code;
}

int tg_occurrence_from(const struct tg_plan *plan, int64_t from_ms, int64_t *at_ms,
                       struct tg_error *err) {
  size_t crons, count = 0;
  const json_t *cron = cron_find(plan, &crons);
  *at_ms = 0;
  int code = crons == 1 ? tg_occurrences_next(cron, from_ms - 1, at_ms, 1, &count, err) : TG_OK;
  if (!count) *at_ms = 0;
  return code;
}

int tg_occurrence_interval(const struct tg_plan *plan, struct tg_run *run, struct tg_error *err) {
  size_t count;
  const json_t *cron = cron_find(plan, &count);
  struct tg_timetable table;
  int64_t start = run->logical_at, end;
  if (count != 1) return TG_OK;
  int code = tg_timetable_init(&table, cron, err);
  bool has_interval =
      !code && (run->occurrence ? tg_schedule_next(&table.schedule, start, &end)
                                : tg_schedule_prev(&table.schedule, run->logical_at + 1, &end) &&
                                      tg_schedule_prev(&table.schedule, end, &start));
  if (has_interval) {
    run->interval_start = start;
    run->interval_end = end;
  }
  tg_timetable_deinit(&table);
  return code;
}

// --- Lists ---

static int too_many(struct tg_error *err) {
  return tg_error_set(err, TG_ELIMIT,
                      "there are more than %d occurrences from --from to --to; a backfill has at "
                      "most that many",
                      TG_BACKFILL_RUNS_MAX);
}

static int grid_list(int64_t from_ms, int64_t to_ms, int64_t every_ms, struct tg_interval *items,
                     size_t *count, struct tg_error *err) {
  for (*count = 0; from_ms < to_ms; from_ms += every_ms) {
    if (*count == TG_BACKFILL_RUNS_MAX) return too_many(err);
    items[(*count)++] = (struct tg_interval){from_ms, from_ms + every_ms};
  }
  return TG_OK;
}

static int cron_list(const struct tg_plan *plan, int64_t from_ms, int64_t to_ms,
                     struct tg_interval *items, size_t *count, struct tg_error *err) {
  size_t crons;
  const json_t *cron = cron_find(plan, &crons);
  struct tg_timetable table;
  bool has_more = false;
  if (crons != 1)
    return tg_error_set(err, TG_EINVALID,
                        "pipeline %s has %s; say with --every DURATION how far apart its "
                        "occurrences are",
                        plan->name, crons ? "several schedules" : "no schedule (tg.cron)");
  int code = tg_timetable_init(&table, cron, err);
  if (!code)
    *count =
        tg_interval_list(&table.schedule, from_ms, to_ms, items, TG_BACKFILL_RUNS_MAX, &has_more);
  tg_timetable_deinit(&table);
  return !code && has_more ? too_many(err) : code;
}

static struct tg_occurrence *occurrences_make(const struct tg_occurrence_range *range,
                                              const struct tg_interval *items, size_t count,
                                              struct tg_arena *arena) {
  size_t parts = range->partition_count, used = 0;
  struct tg_occurrence *all = tg_arena_alloc(arena, (count * parts + 1) * sizeof *all);
  for (size_t i = 0; i < count * parts && all; i++)
    all[used++] = (struct tg_occurrence){.start_ms = items[i / parts].start_ms,
                                         .end_ms = items[i / parts].end_ms,
                                         .partition = range->partitions[i % parts]};
  return all;
}

int tg_occurrences_list(const struct tg_plan *plan, const struct tg_occurrence_range *range,
                        struct tg_arena *arena, struct tg_occurrence **list, size_t *count,
                        struct tg_error *err) {
  struct tg_interval *items = malloc(TG_BACKFILL_RUNS_MAX * sizeof *items);
  if (!items) return tg_error_set(err, TG_ENOMEM, "no memory for a backfill");
  *count = 0;
  *list = NULL;
  int code = range->every_ms
                 ? grid_list(range->from_ms, range->to_ms, range->every_ms, items, count, err)
                 : cron_list(plan, range->from_ms, range->to_ms, items, count, err);
  if (!code && *count > TG_BACKFILL_RUNS_MAX / range->partition_count) code = too_many(err);
  if (!code) {
    *list = occurrences_make(range, items, *count, arena);
    *count *= range->partition_count;
    if (!*list) code = tg_error_set(err, TG_ENOMEM, "no memory for a backfill");
  }
  free(items);
  return code;
}

// --- What ran for them ---

// The same for runs of the same occurrence, partition and parameters only.
static const char *key_of(struct tg_buf *key, const char *occurrence, const char *partition,
                          const char *params) {
  tg_buf_clear(key);
  tg_buf_putf(key, "%s %s,%s", occurrence, partition ? partition : "", params);
  return key->is_failed ? NULL : tg_buf_text(key);
}

static int runs_index(struct tg_map *newest, struct tg_buf *key, const struct tg_run *runs,
                      const char *const *identities, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (!runs[i].occurrence) continue;
    const char *text = key_of(key, runs[i].occurrence, runs[i].partition, identities[i]);
    if (!text ||
        (!tg_map_get(newest, text) && tg_map_put(newest, text, (void *)(uintptr_t)&runs[i])))
      return TG_ENOMEM;
  }
  return TG_OK;
}

int tg_occurrences_match(struct tg_occurrence *list, size_t count, const struct tg_run *runs,
                         const char *const *identities, size_t run_count, struct tg_error *err) {
  struct tg_map newest;
  struct tg_buf key;
  char occurrence[TG_TIME_TEXT_LEN + 1];
  tg_map_init(&newest);
  tg_buf_init(&key, SIZE_MAX / 2);
  int code = runs_index(&newest, &key, runs, identities, run_count);
  for (size_t i = 0; i < count && !code; i++) {
    tg_time_format(list[i].start_ms, occurrence);
    const char *text = key_of(&key, occurrence, list[i].partition, list[i].identity);
    list[i].last = text ? tg_map_get(&newest, text) : NULL;
  }
  tg_buf_deinit(&key);
  tg_map_deinit(&newest);
  return code ? tg_error_set(err, code, "no memory for a backfill") : TG_OK;
}

// What to do with an occurrence that never ran, or was skipped: nothing was done for it.
static enum tg_way missing_way(enum tg_only only, enum tg_way way) {
  return only == TG_ONLY_FAILED || only == TG_ONLY_STALE ? TG_WAY_LEAVE : way;
}

enum tg_way tg_occurrence_way(enum tg_only only, const struct tg_occurrence *occurrence) {
  const struct tg_run *last = occurrence->last;
  bool is_all = only == TG_ONLY_ALL;
  if (!last) return missing_way(only, TG_WAY_NEW);
  switch (last->state) {
  case TG_RUN_RUNNING:
  case TG_RUN_QUEUED:
  case TG_RUN_CANCELLING:
    return TG_WAY_CONTINUE;
  case TG_RUN_SUCCESS:
    return is_all || (only == TG_ONLY_STALE && occurrence->stale) ? TG_WAY_AGAIN : TG_WAY_LEAVE;
  case TG_RUN_SKIPPED:
    return missing_way(only, is_all ? TG_WAY_AGAIN : TG_WAY_REPAIR);
  default:
    break;
  }
  if (only == TG_ONLY_MISSING || only == TG_ONLY_STALE) return TG_WAY_LEAVE;
  return is_all ? TG_WAY_AGAIN : TG_WAY_REPAIR;
}
