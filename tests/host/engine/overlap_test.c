// SPDX-License-Identifier: Apache-2.0
// Runs of one pipeline, or of several, that want to be live at the same time. What is durable and
// what runs is kept as the engine said it, and the books are checked after each step.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"

enum { RUNS_MAX = 64, WALL_START = 1790000000 };

struct flight {
  uint64_t handle, run;
  const char *task;
  int cancel_code;
};

static struct {
  struct tg_engine *engine;
  struct tg_now now;
  struct tg_batch *pending[RUNS_MAX];
  size_t pending_count;
  struct tg_run rows[RUNS_MAX]; // durable, by number; number 0: none
  struct tg_plan *plans[RUNS_MAX];
  struct flight flights[RUNS_MAX];
  size_t flight_count;
  struct tg_arena arena;
  struct tg_plan *all_plans[RUNS_MAX];
  size_t plan_count;
} world;

static void world_open(void) {
  memset(&world, 0, sizeof world);
  tg_arena_init(&world.arena);
  world.engine = tg_engine_new(100, 0);
  world.now = (struct tg_now){.wall_ms = INT64_C(1000) * WALL_START, .mono_ms = 5000};
}

static void world_close(void) {
  tg_engine_free(world.engine);
  for (size_t i = 0; i < world.pending_count; i++) tg_batch_free(world.pending[i]);
  for (size_t i = 0; i < world.plan_count; i++) tg_plan_free(world.all_plans[i]);
  tg_arena_deinit(&world.arena);
}

static struct tg_plan *plan_with(const char *name, const char *limits, const char *pool) {
  char text[512];
  struct tg_plan *plan = NULL;
  struct tg_error err;
  snprintf(text, sizeof text,
           "{\"name\":\"%s\",\"limits\":{%s},\"tasks\":[{\"name\":\"a\",\"line\":7,\"pool\":{%s}},"
           "{\"name\":\"down\",\"after\":[0],\"teardown\":true,\"when\":\"all_done\"}]}",
           name, limits, pool);
  if (tg_plan_parse(text, strlen(text), &plan, &err)) fail_msg("%s", err.text);
  world.all_plans[world.plan_count++] = plan;
  return plan;
}

static struct tg_plan *plan_of(const char *name, const char *limits) {
  return plan_with(name, limits, "");
}

static void started(const struct tg_effect *effect) {
  uint64_t number = effect->run->run.number;
  const struct tg_run *row = &world.rows[number];
  assert_int_equal(row->number, number);
  if (row->state != TG_RUN_RUNNING && row->state != TG_RUN_CANCELLING)
    fail_msg("a task of run %d starts while it is %s", (int)number, tg_run_state_word(row->state));
  assert_true(row->started_at > 0);
  world.flights[world.flight_count++] =
      (struct flight){.handle = effect->attempt,
                      .run = number,
                      .task = effect->run->plan->tasks[effect->unit].name};
}

static void step(const struct tg_input *input) {
  const struct tg_effect *effects;
  size_t count;
  struct tg_error err;
  if (tg_engine_step(world.engine, world.now, input, &effects, &count, &err))
    fail_msg("%s", err.text);
  for (size_t i = 0; i < count; i++) {
    if (effects[i].kind == TG_EFFECT_COMMIT)
      world.pending[world.pending_count++] = effects[i].batch;
    if (effects[i].kind == TG_EFFECT_START) started(&effects[i]);
    if (effects[i].kind != TG_EFFECT_CANCEL) continue;
    for (size_t f = 0; f < world.flight_count; f++)
      if (world.flights[f].handle == effects[i].attempt)
        world.flights[f].cancel_code = effects[i].code;
  }
}

static void row_put(const struct tg_run *record) {
  struct tg_run *row = &world.rows[record->number];
  assert_false(row->number && tg_run_state_is_terminal(row->state));
  *row = *record;
  row->pipeline = tg_arena_strdup(&world.arena, record->pipeline);
  row->bundle = row->params = row->trigger = "x";
  row->parent = tg_arena_strdup(&world.arena, record->parent);
  row->child_key = tg_arena_strdup(&world.arena, record->child_key);
  row->backfill = tg_arena_strdup(&world.arena, record->backfill);
  row->failure.text = tg_arena_strdup(&world.arena, record->failure.text);
}

// No pipeline "p" has more runs that are at work than its limit of this moment.
static uint32_t working(const char *pipeline) {
  uint32_t count = 0;
  for (size_t i = 0; i < RUNS_MAX; i++)
    count += world.rows[i].number && world.rows[i].started_at && !world.rows[i].ended_at &&
             strcmp(world.rows[i].pipeline, pipeline) == 0;
  return count;
}

static void settle(void) {
  while (world.pending_count) {
    struct tg_batch *batch = world.pending[0];
    memmove(world.pending, world.pending + 1, --world.pending_count * sizeof(struct tg_batch *));
    for (size_t i = 0; i < batch->count; i++)
      if (batch->records[i].kind == TG_RECORD_RUN) row_put(&batch->records[i].run);
    step(&(struct tg_input){.kind = TG_INPUT_COMMITTED, .committed = batch});
  }
}

struct asked {
  struct tg_plan *plan;
  int64_t logical_at;
  uint64_t parent; // number
  const char *key, *backfill;
};

static uint64_t last_number;

static uint64_t begin(const struct asked *asked) {
  char parent[TG_ID_TEXT_LEN + 1] = "";
  uint64_t number = ++last_number;
  if (asked->parent) tg_id_format(world.rows[asked->parent].id, parent);
  struct tg_run run = {.id = {.bytes = {1, (uint8_t)number}},
                       .pipeline = asked->plan->name,
                       .bundle = "b",
                       .params = "{}",
                       .trigger = "manual",
                       .parent = asked->parent ? parent : NULL,
                       .child_key = asked->key,
                       .backfill = asked->backfill,
                       .logical_at = asked->logical_at ? asked->logical_at : (int64_t)number};
  world.plans[number] = asked->plan;
  step(&(struct tg_input){.kind = TG_INPUT_RUN, .run = {.run = &run, .plan = asked->plan}});
  settle();
  return number;
}

static uint64_t simple(struct tg_plan *plan) {
  return begin(&(struct asked){.plan = plan});
}

static struct flight *flight_of(uint64_t run) {
  for (size_t i = 0; i < world.flight_count; i++)
    if (world.flights[i].run == run) return &world.flights[i];
  return NULL;
}

static void attempt_end(uint64_t run, int code) {
  struct tg_outcome outcome = {0};
  struct flight *flight = flight_of(run);
  if (!flight) fail_msg("run %d has no attempt in flight", (int)run);
  uint64_t handle = flight->handle;
  *flight = world.flights[--world.flight_count];
  if (code) tg_error_set(&outcome.err, code, "it went wrong");
  step(&(struct tg_input){.kind = TG_INPUT_RESULT,
                          .result = {.attempt = handle, .outcome = &outcome}});
  settle();
}

// Lets a run come to its end: its task, then its teardown.
static void finish(uint64_t run) {
  attempt_end(run, TG_OK);
  attempt_end(run, TG_OK);
  assert_int_equal(world.rows[run].state, TG_RUN_SUCCESS);
}

static void wait_for(uint64_t run, const char *key) {
  step(&(struct tg_input){
      .kind = TG_INPUT_IDLE,
      .idle = {.attempt = flight_of(run)->handle, .is_idle = true, .child = key}});
  settle();
}

static void cancel(uint64_t run) {
  step(&(struct tg_input){.kind = TG_INPUT_CANCEL,
                          .cancel = {.run = run, .code = TG_ECANCELLED, .reason = "asked"}});
  settle();
}

static void expect(uint64_t run, enum tg_run_state state) {
  if (world.rows[run].state != state)
    fail_msg("run %d is %s and not %s", (int)run, tg_run_state_word(world.rows[run].state),
             tg_run_state_word(state));
}

static int open_world(void **state) {
  (void)state;
  last_number = 0;
  world_open();
  return 0;
}

static int close_world(void **state) {
  (void)state;
  world_close();
  return 0;
}

static void a_run_too_many_waits_and_the_oldest_date_goes_first(void **state) {
  (void)state;
  struct tg_plan *plan = plan_of("p", "\"runs\":1");
  uint64_t first = simple(plan);
  uint64_t late = begin(&(struct asked){.plan = plan, .logical_at = 300});
  uint64_t early = begin(&(struct asked){.plan = plan, .logical_at = 200});
  uint64_t other = simple(plan_of("q", "\"runs\":1"));
  expect(first, TG_RUN_RUNNING);
  expect(late, TG_RUN_QUEUED);
  expect(early, TG_RUN_QUEUED);
  expect(other, TG_RUN_RUNNING);
  assert_int_equal(world.rows[late].started_at, 0);
  world.now.wall_ms += 1000;
  finish(first);
  expect(early, TG_RUN_RUNNING);
  expect(late, TG_RUN_QUEUED);
  assert_int_equal(world.rows[early].started_at, world.now.wall_ms);
  finish(early);
  finish(late);
}

static void as_many_run_as_the_limit_says(void **state) {
  (void)state;
  struct tg_plan *plan = plan_of("p", "\"runs\":3");
  for (int i = 0; i < 8; i++) simple(plan);
  for (uint64_t run = 1; run <= 8; run++) {
    assert_int_equal(working("p"), run <= 6 ? 3 : 9 - run);
    finish(run);
  }
}

static void a_pipeline_without_a_limit_has_the_usual_one(void **state) {
  (void)state;
  struct tg_plan *plan = plan_of("p", "");
  struct tg_plan *endless = plan_of("q", "\"runs\":0");
  for (int i = 0; i < 20; i++) simple(plan);
  for (int i = 0; i < 20; i++) simple(endless);
  assert_int_equal(working("p"), 16);
  assert_int_equal(working("q"), 20);
}

static void skip_ends_a_run_at_once_and_says_why(void **state) {
  (void)state;
  struct tg_plan *plan = plan_of("p", "\"runs\":1,\"overlap\":\"skip\"");
  char id[TG_ID_TEXT_LEN + 1];
  uint64_t first = simple(plan), second = simple(plan);
  expect(second, TG_RUN_SKIPPED);
  assert_int_equal(world.rows[second].ended_at, world.now.wall_ms);
  tg_id_format(world.rows[first].id, id);
  assert_non_null(strstr(world.rows[second].failure.text, id));
  finish(first);
  finish(simple(plan));
}

static void a_skipped_run_names_three_that_hold_the_places(void **state) {
  (void)state;
  struct tg_plan *three = plan_of("p", "\"runs\":3,\"overlap\":\"skip\"");
  struct tg_plan *five = plan_of("q", "\"runs\":5,\"overlap\":\"skip\"");
  char id[TG_ID_TEXT_LEN + 1];
  uint64_t of_three[4], of_five[6];
  for (int i = 0; i < 4; i++) of_three[i] = simple(three);
  for (int i = 0; i < 6; i++) of_five[i] = simple(five);
  const char *all = world.rows[of_three[3]].failure.text,
             *some = world.rows[of_five[5]].failure.text;
  for (int i = 0; i < 3; i++) {
    tg_id_format(world.rows[of_three[i]].id, id);
    assert_non_null(strstr(all, id));
    tg_id_format(world.rows[of_five[i]].id, id);
    assert_non_null(strstr(some, id));
  }
  assert_null(strstr(all, "more"));
  assert_non_null(strstr(some, " and 2 more"));
  for (int i = 0; i < 3; i++) finish(of_three[i]);
  for (int i = 0; i < 5; i++) finish(of_five[i]);
}

static void nothing_that_is_queued_begins_in_a_host_that_drains(void **state) {
  (void)state;
  struct tg_plan *plan = plan_of("p", "\"runs\":1");
  uint64_t first = simple(plan), second = simple(plan);
  step(&(struct tg_input){.kind = TG_INPUT_DRAIN});
  attempt_end(first, TG_OK);
  expect(second, TG_RUN_QUEUED);
}

static void cancel_running_stops_the_oldest_and_waits_for_its_end(void **state) {
  (void)state;
  struct tg_plan *plan = plan_of("p", "\"runs\":1,\"overlap\":\"cancel_running\"");
  uint64_t first = simple(plan), second = simple(plan), third = simple(plan);
  expect(first, TG_RUN_CANCELLING);
  expect(second, TG_RUN_CANCELLED); // the third is newer than that, too, and it had not begun
  expect(third, TG_RUN_QUEUED);
  assert_int_equal(flight_of(first)->cancel_code, TG_ECANCELLED);
  attempt_end(first, TG_ECANCELLED);
  expect(third, TG_RUN_QUEUED); // its teardown runs
  attempt_end(first, TG_OK);
  expect(first, TG_RUN_CANCELLED);
  finish(third);
}

static void allow_knows_no_limit(void **state) {
  (void)state;
  struct tg_plan *plan = plan_of("p", "\"runs\":1,\"overlap\":\"allow\"");
  simple(plan);
  simple(plan);
  assert_int_equal(working("p"), 2);
}

static void a_queued_run_can_be_cancelled(void **state) {
  (void)state;
  struct tg_plan *plan = plan_of("p", "\"runs\":1");
  uint64_t first = simple(plan), second = simple(plan), third = simple(plan);
  cancel(second);
  expect(second, TG_RUN_CANCELLED);
  assert_int_equal(world.rows[second].started_at, 0);
  finish(first);
  finish(third);
}

static void a_run_that_begins_may_be_cancelled_before_that_is_durable(void **state) {
  (void)state;
  struct tg_plan *plan = plan_of("p", "\"runs\":1");
  uint64_t first = simple(plan), second = simple(plan);
  attempt_end(first, TG_OK);
  struct tg_outcome outcome = {0};
  uint64_t handle = flight_of(first)->handle;
  world.flight_count = 0;
  step(&(struct tg_input){.kind = TG_INPUT_RESULT,
                          .result = {.attempt = handle, .outcome = &outcome}});
  while (world.rows[first].state != TG_RUN_SUCCESS) {
    struct tg_batch *batch = world.pending[0];
    memmove(world.pending, world.pending + 1, --world.pending_count * sizeof(struct tg_batch *));
    for (size_t i = 0; i < batch->count; i++)
      if (batch->records[i].kind == TG_RECORD_RUN) row_put(&batch->records[i].run);
    step(&(struct tg_input){.kind = TG_INPUT_COMMITTED, .committed = batch});
  }
  assert_int_equal(world.pending_count, 1); // that the second has begun is on its way
  cancel(second);
  expect(second, TG_RUN_CANCELLED);
  assert_int_not_equal(world.rows[second].started_at, 0);
}

static void the_time_limit_counts_from_the_beginning(void **state) {
  (void)state;
  struct tg_plan *plan = plan_of("p", "\"runs\":1,\"timeout_ms\":1000");
  uint64_t first = simple(plan);
  world.now.wall_ms += 900;
  world.now.mono_ms += 900;
  uint64_t second = simple(plan);
  finish(first);
  assert_int_equal(tg_engine_next_timer(world.engine), world.now.mono_ms - 800); // of starts
  world.now.wall_ms += 999;
  world.now.mono_ms += 999;
  step(&(struct tg_input){.kind = TG_INPUT_TIMER});
  settle();
  expect(second, TG_RUN_RUNNING);
  world.now.wall_ms += 1;
  world.now.mono_ms += 1;
  step(&(struct tg_input){.kind = TG_INPUT_TIMER});
  settle();
  expect(second, TG_RUN_CANCELLING);
}

static void crash(const uint64_t *order, size_t count) {
  tg_engine_free(world.engine);
  world.engine = tg_engine_new(100, last_number);
  world.flight_count = 0;
  for (size_t i = 0; i < count; i++) {
    uint64_t run = order[i];
    step(&(struct tg_input){.kind = TG_INPUT_RESUME,
                            .resume = {.run = &world.rows[run], .plan = world.plans[run]}});
    settle();
  }
}

static void the_line_is_the_same_after_a_crash(void **state) {
  (void)state;
  struct tg_plan *plan = plan_of("p", "\"runs\":1");
  uint64_t first = simple(plan);
  uint64_t late = begin(&(struct asked){.plan = plan, .logical_at = 300});
  uint64_t early = begin(&(struct asked){.plan = plan, .logical_at = 200});
  crash((uint64_t[]){first, late, early}, 3);
  expect(late, TG_RUN_QUEUED);
  finish(first);
  expect(early, TG_RUN_RUNNING);
  finish(early);
  finish(late);
}

static void a_child_of_its_own_pipeline_that_would_wait_for_ever_fails(void **state) {
  (void)state;
  struct tg_plan *plan = plan_of("p", "\"runs\":1");
  uint64_t parent = simple(plan);
  uint64_t bystander = simple(plan);
  wait_for(parent, "k");
  uint64_t child = begin(&(struct asked){.plan = plan, .parent = parent, .key = "k"});
  expect(child, TG_RUN_FAILED);
  char id[TG_ID_TEXT_LEN + 1];
  tg_id_format(world.rows[parent].id, id);
  assert_non_null(strstr(world.rows[child].failure.text, "wait for ever"));
  assert_non_null(strstr(world.rows[child].failure.text, id)); // what it would wait for
  expect(bystander, TG_RUN_QUEUED);
}

static void one_that_nobody_waits_for_just_waits(void **state) {
  (void)state;
  struct tg_plan *plan = plan_of("p", "\"runs\":1");
  uint64_t parent = simple(plan);
  uint64_t child = begin(&(struct asked){.plan = plan, .parent = parent, .key = "k"});
  expect(child, TG_RUN_QUEUED);
  finish(parent);
  finish(child);
}

static void a_child_behind_a_stranger_waits(void **state) {
  (void)state;
  struct tg_plan *plan = plan_of("p", "\"runs\":2");
  uint64_t parent = simple(plan), stranger = simple(plan);
  wait_for(parent, "k");
  uint64_t child = begin(&(struct asked){.plan = plan, .parent = parent, .key = "k"});
  expect(child, TG_RUN_QUEUED);
  finish(stranger);
  expect(child, TG_RUN_RUNNING);
}

static void runs_that_wait_for_each_other_in_a_ring_are_found(void **state) {
  (void)state;
  struct tg_plan *p = plan_of("p", "\"runs\":1"), *q = plan_of("q", "\"runs\":1");
  uint64_t first = simple(p), second = simple(q);
  wait_for(first, "q of p");
  uint64_t under_first = begin(&(struct asked){.plan = q, .parent = first, .key = "q of p"});
  expect(under_first, TG_RUN_QUEUED);
  wait_for(second, "p of q");
  uint64_t under_second = begin(&(struct asked){.plan = p, .parent = second, .key = "p of q"});
  expect(under_second, TG_RUN_FAILED); // the newest gives way
  expect(under_first, TG_RUN_QUEUED);
  attempt_end(second, TG_EINVALID);
  attempt_end(second, TG_OK);
  expect(under_first, TG_RUN_RUNNING);
}

static void cancel_running_spares_the_ancestors_of_the_new_one(void **state) {
  (void)state;
  struct tg_plan *plan = plan_of("p", "\"runs\":1,\"overlap\":\"cancel_running\"");
  uint64_t parent = simple(plan);
  wait_for(parent, "k");
  uint64_t child = begin(&(struct asked){.plan = plan, .parent = parent, .key = "k"});
  expect(parent, TG_RUN_RUNNING);
  expect(child, TG_RUN_FAILED);
}

static void backfills_stand_behind_and_leave_a_place(void **state) {
  (void)state;
  struct tg_plan *plan = plan_of("p", "\"runs\":3,\"overlap\":\"skip\"");
  const struct asked filled = {.plan = plan, .backfill = "f", .logical_at = 1};
  uint64_t a = begin(&filled), b = begin(&filled), c = begin(&filled);
  expect(b, TG_RUN_RUNNING);
  expect(c, TG_RUN_QUEUED); // whatever the overlap says; and one place is left
  uint64_t live = simple(plan);
  expect(live, TG_RUN_RUNNING);
  expect(simple(plan), TG_RUN_SKIPPED);
  finish(live);
  expect(c, TG_RUN_QUEUED);
  finish(a);
  expect(c, TG_RUN_RUNNING);
  finish(b);
  finish(c);
}

static void a_live_run_overtakes_the_line_of_a_backfill(void **state) {
  (void)state;
  struct tg_plan *plan = plan_of("p", "\"runs\":1");
  const struct asked filled = {.plan = plan, .backfill = "f", .logical_at = 1};
  uint64_t a = begin(&filled), b = begin(&filled), live = simple(plan);
  expect(live, TG_RUN_QUEUED);
  finish(a);
  expect(live, TG_RUN_RUNNING);
  expect(b, TG_RUN_QUEUED);
  finish(live);
  finish(b);
}

static void a_backfill_leaves_a_slot_for_what_comes(void **state) {
  (void)state;
  struct tg_plan *filled = plan_of("p", "\"runs\":0"), *other = plan_of("q", "");
  tg_engine_free(world.engine);
  world.engine = tg_engine_new(2, 0);
  for (int i = 0; i < 3; i++) begin(&(struct asked){.plan = filled, .backfill = "f"});
  assert_int_equal(world.flight_count, 1);
  uint64_t first = simple(other), second = simple(other);
  assert_non_null(flight_of(first));
  assert_null(flight_of(second));
  attempt_end(1, TG_OK); // of the backfill: its next task stands behind the second
  assert_non_null(flight_of(second));
  assert_int_equal(world.flight_count, 2);
}

static void pools_of_the_project_are_shared_by_its_pipelines(void **state) {
  (void)state;
  static const struct tg_plan_pool all[] = {{.name = "w", .slots = 4}};
  const struct tg_pools pools = {.all = all, .count = 1};
  struct tg_error err;
  uint32_t line;
  step(&(struct tg_input){.kind = TG_INPUT_POOLS, .pools = &pools});
  struct tg_plan *two = plan_with("p", "", "\"w\":2"), *four = plan_with("q", "", "\"w\":4");
  struct tg_plan *one = plan_with("r", "", "\"w\":1");
  assert_int_equal(tg_pools_check(&pools, four, &line, &err), TG_OK);
  uint64_t a = simple(two), b = simple(two), big = simple(four), small = simple(one);
  assert_true(flight_of(a) && flight_of(b));
  assert_false(flight_of(big) || flight_of(small));
  attempt_end(a, TG_OK);
  assert_null(flight_of(small)); // it would fit, and the big one would wait for ever
  attempt_end(b, TG_OK);
  assert_non_null(flight_of(big));
  assert_null(flight_of(small));
  attempt_end(big, TG_OK);
  assert_non_null(flight_of(small));
}

static void pools_that_cannot_be_are_refused(void **state) {
  (void)state;
  static const struct tg_plan_pool all[] = {{.name = "warehouse", .slots = 4}};
  const struct tg_pools pools = {.all = all, .count = 1};
  struct tg_error err;
  uint32_t line;
  assert_int_equal(tg_pools_check(&pools, plan_with("p", "", "\"warehouse\":5"), &line, &err),
                   TG_EINVALID);
  assert_non_null(strstr(err.text, "takes 5 slots of the pool \"warehouse\", which has 4"));
  assert_int_equal(line, 7);
  assert_int_equal(tg_pools_check(&pools, plan_with("p", "", "\"warehose\":1"), &line, &err),
                   TG_EINVALID);
  assert_non_null(strstr(err.text, "did you mean \"warehouse\"?"));
  static const char own[] =
      "{\"name\":\"p\",\"pools\":{\"warehouse\":3},\"tasks\":[{\"name\":\"a\"}]}";
  struct tg_plan *plan = NULL;
  assert_int_equal(tg_plan_parse(own, sizeof own - 1, &plan, &err), TG_OK);
  assert_int_equal(tg_pools_check(&pools, plan, &line, &err), TG_EINVALID);
  assert_non_null(strstr(err.text, "3 slots here and 4 in tidegate.yaml"));
  assert_int_equal(line, 1);
  tg_plan_free(plan);
}

static void each_pool_that_cannot_be_is_found(void **state) {
  (void)state;
  static const struct tg_plan_pool all[] = {{.name = "w", .slots = 4}, {.name = "v", .slots = 4}};
  const struct tg_pools pools = {.all = all, .count = 2};
  static const char text[] = "{\"name\":\"p\",\"pools\":{\"w\":3},\"tasks\":[{\"name\":\"a\","
                             "\"line\":7,\"pool\":{\"x\":1}},"
                             "{\"name\":\"b\",\"line\":8,\"pool\":{\"w\":3}},{\"name\":\"c\","
                             "\"line\":9,\"pool\":{\"v\":5}}]}";
  static const uint32_t lines[] = {1, 7, 9};
  struct tg_plan *plan = NULL;
  struct tg_error err;
  uint32_t at = 0, line;
  if (tg_plan_parse(text, sizeof text - 1, &plan, &err)) fail_msg("%s", err.text);
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
    assert_true(tg_pools_fault(&pools, plan, &at, &line, &err));
    assert_int_equal(line, lines[i]);
  }
  assert_false(tg_pools_fault(&pools, plan, &at, &line, &err));
  tg_plan_free(plan);
}

static int pools_say(const char *text, uint32_t *line) {
  static const struct tg_plan_pool all[] = {{.name = "warehouse", .slots = 4}};
  const struct tg_pools pools = {.all = all, .count = 1};
  struct tg_plan *plan = NULL;
  struct tg_error err;
  assert_int_equal(tg_plan_parse(text, strlen(text), &plan, &err), TG_OK);
  int code = tg_pools_check(&pools, plan, line, &err);
  tg_plan_free(plan);
  return code;
}

static void a_plan_has_pools_of_its_own_beside_those_of_the_project(void **state) {
  (void)state;
  uint32_t line;
  assert_int_equal(pools_say("{\"name\":\"p\",\"pools\":{\"a\":1,\"b\":3},\"tasks\":[{\"name\":"
                             "\"t\",\"pool\":{\"b\":3,\"warehouse\":4}}]}",
                             &line),
                   TG_OK);
  assert_int_equal(pools_say("{\"name\":\"p\",\"tasks\":[{\"name\":\"t\",\"line\":3},{\"name\":"
                             "\"u\",\"line\":5,\"pool\":{\"warehouse\":5}}]}",
                             &line),
                   TG_EINVALID);
  assert_int_equal(line, 5); // of the second task
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)
  const struct CMUnitTest tests[] = {
      T(a_run_too_many_waits_and_the_oldest_date_goes_first),
      T(as_many_run_as_the_limit_says),
      T(a_pipeline_without_a_limit_has_the_usual_one),
      T(skip_ends_a_run_at_once_and_says_why),
      T(a_skipped_run_names_three_that_hold_the_places),
      T(nothing_that_is_queued_begins_in_a_host_that_drains),
      T(cancel_running_stops_the_oldest_and_waits_for_its_end),
      T(allow_knows_no_limit),
      T(a_queued_run_can_be_cancelled),
      T(a_run_that_begins_may_be_cancelled_before_that_is_durable),
      T(the_time_limit_counts_from_the_beginning),
      T(the_line_is_the_same_after_a_crash),
      T(a_child_of_its_own_pipeline_that_would_wait_for_ever_fails),
      T(one_that_nobody_waits_for_just_waits),
      T(a_child_behind_a_stranger_waits),
      T(runs_that_wait_for_each_other_in_a_ring_are_found),
      T(cancel_running_spares_the_ancestors_of_the_new_one),
      T(backfills_stand_behind_and_leave_a_place),
      T(a_live_run_overtakes_the_line_of_a_backfill),
      T(a_backfill_leaves_a_slot_for_what_comes),
      T(pools_of_the_project_are_shared_by_its_pipelines),
      T(pools_that_cannot_be_are_refused),
      T(each_pool_that_cannot_be_is_found),
      T(a_plan_has_pools_of_its_own_beside_those_of_the_project),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
