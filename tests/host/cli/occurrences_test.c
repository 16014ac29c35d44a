// SPDX-License-Identifier: Apache-2.0
#include "cli/occurrences.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "base/units.h"

#define CRON "{\"kind\":\"cron\",\"expr\":\"0 5 * * *\",\"tz\":\"+01:00\",\"missed\":\"latest\"}"

struct scene {
  struct tg_arena arena;
  struct tg_plan *plan;
  struct tg_occurrence *list;
  const char *const *partitions; // two, or NULL
  size_t count;
  struct tg_error err;
};

static void scene_open(struct scene *s, const char *triggers) {
  char text[1024];
  memset(s, 0, sizeof *s);
  tg_arena_init(&s->arena);
  snprintf(text, sizeof text,
           "{\"name\":\"p\",\"file\":\"pipelines/p.lua\",\"on\":[%s],\"tasks\":[{\"name\":\"a\","
           "\"word\":\"task\",\"runner\":\"script\",\"line\":1}]}",
           triggers);
  if (tg_plan_parse(text, strlen(text), &s->plan, &s->err)) fail_msg("%s", s->err.text);
}

static void scene_close(struct scene *s) {
  tg_plan_free(s->plan);
  tg_arena_deinit(&s->arena);
}

static int64_t at(const char *text) {
  int64_t ms = 0;
  assert_true(tg_time_parse(text, &ms));
  return ms;
}

static int list(struct scene *s, const char *from, const char *to, int64_t every_ms) {
  static const char *const none[] = {NULL};
  struct tg_occurrence_range range = {.from_ms = at(from),
                                      .to_ms = at(to),
                                      .every_ms = every_ms,
                                      .partitions = s->partitions ? s->partitions : none,
                                      .partition_count = s->partitions ? 2 : 1};
  return tg_occurrences_list(s->plan, &range, &s->arena, &s->list, &s->count, &s->err);
}

static int match(struct scene *s, const struct tg_run *runs, size_t count) {
  const char *identities[8];
  for (size_t i = 0; i < count; i++) identities[i] = runs[i].params;
  return tg_occurrences_match(s->list, s->count, runs, identities, count, &s->err);
}

static void a_cron_gives_intervals_whose_start_is_in_the_range(void **state) {
  (void)state;
  struct scene s;
  scene_open(&s, CRON);
  assert_int_equal(list(&s, "2026-11-01T04:00:00Z", "2026-11-03T04:00:00Z", 0), TG_OK);
  assert_int_equal(s.count, 2); // that of the third begins with the end of the range
  assert_int_equal(s.list[0].start_ms, at("2026-11-01T04:00:00Z"));
  assert_int_equal(s.list[0].end_ms, s.list[1].start_ms);
  assert_int_equal(s.list[1].end_ms, at("2026-11-03T04:00:00Z"));
  scene_close(&s);
}

static void every_counts_from_the_first_instant(void **state) {
  (void)state;
  struct scene s;
  scene_open(&s, "");
  assert_int_equal(list(&s, "2026-11-01T00:30:00Z", "2026-11-01T02:00:00Z", 3600000), TG_OK);
  assert_int_equal(s.count, 2);
  assert_int_equal(s.list[1].start_ms, at("2026-11-01T01:30:00Z"));
  assert_int_equal(s.list[1].end_ms, at("2026-11-01T02:30:00Z"));
  scene_close(&s);
}

static void a_list_that_cannot_be_is_refused(void **state) {
  (void)state;
  struct scene s;
  scene_open(&s, "");
  assert_int_equal(list(&s, "2026-11-01", "2026-11-02", 0), TG_EINVALID);
  assert_non_null(strstr(s.err.text, "no schedule"));
  assert_int_equal(list(&s, "2026-11-01", "2026-11-02", 1000), TG_ELIMIT);
  assert_int_equal(list(&s, "1970-01-01", "1970-01-02", 86400000 / TG_BACKFILL_RUNS_MAX), TG_OK);
  assert_int_equal(s.count, TG_BACKFILL_RUNS_MAX);
  scene_close(&s);
  scene_open(&s, CRON "," CRON);
  assert_int_equal(list(&s, "2026-11-01", "2026-11-02", 0), TG_EINVALID);
  assert_non_null(strstr(s.err.text, "several schedules"));
  scene_close(&s);
  scene_open(&s, "{\"kind\":\"cron\",\"expr\":\"0 5 * * *\",\"tz\":\"Nowhere/None\"}");
  assert_int_not_equal(list(&s, "2026-11-01", "2026-11-02", 0), TG_OK);
  assert_non_null(strstr(s.err.text, "Nowhere/None"));
  scene_close(&s);
}

static void an_occurrence_has_its_newest_run_with_the_same_parameters(void **state) {
  (void)state;
  struct scene s;
  scene_open(&s, "");
  assert_int_equal(list(&s, "2026-11-01", "2026-11-04", 86400000), TG_OK);
  for (size_t i = 0; i < s.count; i++) s.list[i].identity = "{\"n\":1}";
  const struct tg_run runs[] = {
      {.number = 9, .params = "{\"n\":2}", .occurrence = "2026-11-01T00:00:00.000Z"},
      {.number = 8, .params = "{\"n\":1}", .occurrence = "2026-11-01T00:00:00.000Z"},
      {.number = 7, .params = "{\"n\":1}", .occurrence = "2026-11-01T00:00:00.000Z"},
      {.number = 6, .params = "{\"n\":1}", .occurrence = NULL},
      {.number = 5, .params = "{\"n\":1}", .occurrence = "2026-11-03T00:00:00.000Z"},
  };
  assert_int_equal(match(&s, runs, 5), TG_OK);
  assert_int_equal(s.list[0].last->number, 8);
  assert_null(s.list[1].last);
  assert_int_equal(s.list[2].last->number, 5);
  scene_close(&s);
}

// One row for each state of the newest run, one column for each choice of --only.
static void what_is_done_with_an_occurrence_is_a_table(void **state) {
  (void)state;
  enum { NONE = -1 }; // there is no run
  static const struct {
    int state;
    bool is_stale;
    enum tg_way ways[5];
  } rows[] = {
#define SAME(way) {TG_WAY_##way, TG_WAY_##way, TG_WAY_##way, TG_WAY_##way, TG_WAY_##way}
#define WAYS(a, b, c, d, e)                                                                        \
  { TG_WAY_##a, TG_WAY_##b, TG_WAY_##c, TG_WAY_##d, TG_WAY_##e }
      {NONE, false, WAYS(NEW, NEW, NEW, LEAVE, LEAVE)},
      {TG_RUN_RUNNING, false, SAME(CONTINUE)},
      {TG_RUN_QUEUED, false, SAME(CONTINUE)},
      {TG_RUN_CANCELLING, false, SAME(CONTINUE)},
      {TG_RUN_SUCCESS, false, WAYS(LEAVE, AGAIN, LEAVE, LEAVE, LEAVE)},
      {TG_RUN_SUCCESS, true, WAYS(LEAVE, AGAIN, LEAVE, LEAVE, AGAIN)},
      {TG_RUN_FAILED, false, WAYS(REPAIR, AGAIN, LEAVE, REPAIR, LEAVE)},
      {TG_RUN_CANCELLED, false, WAYS(REPAIR, AGAIN, LEAVE, REPAIR, LEAVE)},
      {TG_RUN_SKIPPED, false, WAYS(REPAIR, AGAIN, REPAIR, LEAVE, LEAVE)},
#undef SAME
#undef WAYS
  };
  static const enum tg_only onlies[] = {TG_ONLY_OPEN, TG_ONLY_ALL, TG_ONLY_MISSING, TG_ONLY_FAILED,
                                        TG_ONLY_STALE};
  for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
    struct tg_run run = {.state = (enum tg_run_state)rows[r].state};
    struct tg_occurrence occurrence = {.last = rows[r].state == NONE ? NULL : &run,
                                       .stale = rows[r].is_stale ? "it is old" : NULL};
    for (size_t o = 0; o < 5; o++)
      assert_int_equal(tg_occurrence_way(onlies[o], &occurrence), rows[r].ways[o]);
  }
}

static void a_run_of_a_scheduled_pipeline_has_the_interval_up_to_the_next(void **state) {
  (void)state;
  struct scene s;
  struct tg_run run = {.logical_at = at("2026-11-20"), .occurrence = "2026-11-20T00:00:00.000Z"};
  scene_open(&s, CRON);
  assert_int_equal(tg_occurrence_interval(s.plan, &run, &s.err), TG_OK);
  assert_int_equal(run.interval_start, at("2026-11-20"));
  assert_int_equal(run.interval_end, at("2026-11-20T04:00:00Z"));
  scene_close(&s);
  run = (struct tg_run){.logical_at = at("2026-11-20")};
  scene_open(&s, "");
  assert_int_equal(tg_occurrence_interval(s.plan, &run, &s.err), TG_OK);
  assert_int_equal(run.interval_end, 0);
  scene_close(&s);
}

static void a_run_by_hand_has_the_last_interval_that_is_over(void **state) {
  (void)state;
  struct scene s;
  scene_open(&s, CRON);
  struct tg_run run = {.logical_at = at("2026-11-20T03:59:59Z")};
  assert_int_equal(tg_occurrence_interval(s.plan, &run, &s.err), TG_OK);
  assert_int_equal(run.interval_start, at("2026-11-18T04:00:00Z"));
  assert_int_equal(run.interval_end, at("2026-11-19T04:00:00Z"));
  run.logical_at = at("2026-11-20T04:00:00Z"); // it ends at this very instant
  assert_int_equal(tg_occurrence_interval(s.plan, &run, &s.err), TG_OK);
  assert_int_equal(run.interval_end, at("2026-11-20T04:00:00Z"));
  scene_close(&s);
}

static void each_occurrence_is_listed_for_each_partition(void **state) {
  (void)state;
  static const char *const partitions[] = {"EU", "US"};
  struct scene s;
  scene_open(&s, "");
  s.partitions = partitions;
  assert_int_equal(list(&s, "2026-11-01", "2026-11-03", 86400000), TG_OK);
  assert_int_equal(s.count, 4);
  for (size_t i = 0; i < 4; i++) {
    assert_string_equal(s.list[i].partition, partitions[i % 2]);
    assert_int_equal(s.list[i].start_ms, at(i < 2 ? "2026-11-01" : "2026-11-02"));
    s.list[i].identity = "{}";
  }
  const struct tg_run runs[] = {
      {.number = 4, .params = "{}", .occurrence = "2026-11-01T00:00:00.000Z"},
      {.number = 3, .params = "{}", .occurrence = "2026-11-01T00:00:00.000Z", .partition = "US"},
      {.number = 2, .params = "{}", .occurrence = "2026-11-02T00:00:00.000Z", .partition = "EU"},
  };
  assert_int_equal(match(&s, runs, 3), TG_OK);
  assert_null(s.list[0].last);
  assert_int_equal(s.list[1].last->number, 3);
  assert_int_equal(s.list[2].last->number, 2);
  assert_null(s.list[3].last);
  assert_int_equal(list(&s, "1970-01-01", "1970-01-02", 86400000 / TG_BACKFILL_RUNS_MAX),
                   TG_ELIMIT); // together they are too many
  scene_close(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_cron_gives_intervals_whose_start_is_in_the_range),
      cmocka_unit_test(every_counts_from_the_first_instant),
      cmocka_unit_test(a_list_that_cannot_be_is_refused),
      cmocka_unit_test(an_occurrence_has_its_newest_run_with_the_same_parameters),
      cmocka_unit_test(what_is_done_with_an_occurrence_is_a_table),
      cmocka_unit_test(a_run_of_a_scheduled_pipeline_has_the_interval_up_to_the_next),
      cmocka_unit_test(a_run_by_hand_has_the_last_interval_that_is_over),
      cmocka_unit_test(each_occurrence_is_listed_for_each_partition),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
