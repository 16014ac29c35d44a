// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "engine/context.h"
#include "host/engine/rig.h"

static struct rig rig;

static void items_give(const char *task, const char *result) {
  rig_success_of(&rig, task, result, NULL);
  rig_settle(&rig);
}

// Begins a run whose map "m" was asked for its items and has them; forgets the words so far.
static void run_map(struct tg_plan *plan, uint32_t slots, const char *items) {
  rig_init(&rig, plan, slots);
  rig_run(&rig);
  rig_settle(&rig);
  items_give("m", items);
  tg_buf_clear(&rig.trace);
}

static void done(const char *item, const char *output) {
  rig_success_of(&rig, item, output, NULL);
  rig_settle(&rig);
}

static void failed(const char *item) {
  rig_fail(&rig, item, TG_EINVALID);
  rig_settle(&rig);
}

static const struct tg_task *row(const char *task) {
  return &rig.store.tasks[tg_plan_find(rig.plan, task)];
}

// Items.

static void a_map_asks_for_its_items_and_gathers_their_outputs_in_order(void **state) {
  (void)state;
  rig_init(&rig, rig_plan(NULL, "m map=1", "after after=m", NULL), 10);
  rig_run(&rig);
  rig_settle(&rig);
  rig_expect(&rig, "commit start:m#1");
  rig_success_of(&rig, "m", "{\"items\":[\"a\",{\"b\":1},null]}", NULL);
  rig_expect(&rig, "commit");
  rig_settle(&rig);
  rig_expect(&rig, "start:m[0]#1 start:m[1]#1 start:m[2]#1");
  done("m[2]", "\"C\"");
  rig_expect(&rig, "commit m:1/3");
  done("m[0]", "\"A\"");
  done("m[1]", NULL);
  rig_expect(&rig, "commit m:2/3 commit m:3/3 commit m=success start:after#1");
  assert_string_equal(row("m")->output, "[\"A\",null,\"C\"]");
  rig_close(&rig);
}

static void an_item_is_told_what_it_is(void **state) {
  (void)state;
  run_map(rig_plan(NULL, "m map=1", NULL), 10, "{\"items\":[7,{\"b\":[1,\"\\u00e9\"]}]}");
  const struct tg_live_run *run = tg_engine_find_run(rig.engine, 1);
  char keys[2][TG_KEY_TEXT_LEN + 1];
  struct tg_buf out;
  for (uint32_t i = 0; i < 2; i++) {
    tg_buf_init(&out, 1 << 20);
    tg_context_write(run, run->tasks[0].map ? 1 + i : 0, 1, 0, 0, &out);
    json_t *context = json_loadb(out.data, out.len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(context);
    assert_string_equal(json_string_value(json_object_get(context, "phase")), "item");
    assert_int_equal(json_integer_value(json_object_get(context, "index")), i);
    const json_t *item = json_object_get(context, "item");
    if (i == 0) assert_int_equal(json_integer_value(item), 7);
    if (i == 1)
      assert_string_equal(json_string_value(json_array_get(json_object_get(item, "b"), 1)),
                          "\xc3\xa9");
    tg_context_key(run, 1 + i, keys[i]);
    assert_string_equal(json_string_value(json_object_get(context, "key")), keys[i]);
    json_decref(context);
    tg_buf_deinit(&out);
  }
  assert_string_not_equal(keys[0], keys[1]);
  rig_close(&rig);
}

static void a_map_over_nothing_has_an_empty_output(void **state) {
  (void)state;
  run_map(rig_plan(NULL, "m map=1", "n map=1 after=m over=m", "after after=n", NULL), 10,
          "{\"items\":[]}");
  assert_string_equal(row("m")->output, "[]");
  assert_string_equal(row("n")->output, "[]");
  assert_true(rig_runs(&rig, "after"));
  rig_close(&rig);
}

static void more_items_than_items_max_fail_the_map(void **state) {
  (void)state;
  run_map(rig_plan(NULL, "m map=1 items_max=2", NULL), 10, "{\"items\":[1,2,3]}");
  assert_int_equal(rig.end, TG_RUN_FAILED);
  assert_int_equal(row("m")->failure.code, TG_ELIMIT);
  assert_string_equal(row("m")->failure.text,
                      "map m has 3 items and may have 2; items_max raises it");
  rig_close(&rig);
}

static void what_is_no_list_of_items_fails_the_map(void **state) {
  (void)state;
  static const char *const results[] = {
      NULL,         "", "null", "[1]", "{}", "{\"items\":{}}", "{\"items\":[1],\"keys\":[]}",
      "{\"items\":"};
  for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
    run_map(rig_plan(NULL, "m map=1", NULL), 10, results[i]);
    assert_int_equal(rig.end, TG_RUN_FAILED);
    assert_string_equal(row("m")->failure.text, "map m gave no list of items");
    rig_close(&rig);
  }
}

static void outputs_that_are_too_large_together_fail_the_map(void **state) {
  (void)state;
  run_map(rig_plan(NULL, "m map=1", NULL), 10, "{\"items\":[1,2,3]}");
  size_t len = (size_t)TG_RESULT_BYTES_MAX / 2;
  char *large = malloc(len + 3);
  memset(large, 'x', len + 2);
  large[0] = large[len + 1] = '"';
  large[len + 2] = 0;
  done("m[0]", large);
  done("m[1]", large);
  done("m[2]", "1");
  free(large);
  assert_int_equal(rig.end, TG_RUN_FAILED);
  assert_int_equal(row("m")->failure.code, TG_ELIMIT);
  assert_null(row("m")->output);
  rig_close(&rig);
}

static void a_map_whose_upstream_failed_is_not_asked(void **state) {
  (void)state;
  rig_init(&rig, rig_plan(NULL, "a", "m map=1 after=a", "n map=1 after=m over=m", NULL), 10);
  rig_run(&rig);
  rig_settle(&rig);
  failed("a");
  assert_int_equal(rig.attempt_count, 1);
  assert_int_equal(row("n")->state, TG_TASK_UPSTREAM_FAILED);
  rig_close(&rig);
}

// Limits.

static void as_many_items_run_as_the_limit_allows(void **state) {
  (void)state;
  run_map(rig_plan(NULL, "m map=1 limit=2", NULL), 10, "{\"items\":[0,1,2,3,4]}");
  assert_int_equal(rig.in_flight, 2);
  done("m[1]", "1");
  rig_expect(&rig, "commit start:m[2]#1 m:1/5");
  while (!rig.has_ended) {
    char name[16];
    uint32_t item = 0;
    while (snprintf(name, sizeof name, "m[%u]", item), !rig_runs(&rig, name)) item++;
    done(name, "1");
    assert_true(rig.in_flight <= 2);
  }
  assert_string_equal(row("m")->output, "[1,1,1,1,1]");
  rig_close(&rig);
}

static void items_of_one_key_wait_for_each_other_and_for_no_other(void **state) {
  (void)state;
  run_map(rig_plan(NULL, "m map=1 per_key=1 limit=3", NULL), 10,
          "{\"items\":[0,1,2,3,4,5],\"keys\":[\"a\",\"a\",\"a\",\"b\",\"c\",\"a\"]}");
  assert_true(rig_runs(&rig, "m[0]") && rig_runs(&rig, "m[3]") && rig_runs(&rig, "m[4]"));
  assert_int_equal(rig.in_flight, 3);
  done("m[3]", "1");
  assert_int_equal(rig.in_flight, 2);
  done("m[0]", "1");
  assert_true(rig_runs(&rig, "m[1]"));
  done("m[4]", "1");
  done("m[1]", "1");
  assert_int_equal(rig.in_flight, 1);
  done("m[2]", "1");
  done("m[5]", "1");
  assert_int_equal(rig.end, TG_RUN_SUCCESS);
  rig_close(&rig);
}

static void an_item_that_waits_for_its_retry_keeps_its_place(void **state) {
  (void)state;
  run_map(rig_plan(NULL, "m map=1 limit=1 retry=2", NULL), 10, "{\"items\":[0,1]}");
  rig_fail(&rig, "m[0]", TG_EIO);
  rig_settle(&rig);
  assert_int_equal(rig.in_flight, 0);
  rig_pass(&rig, 1000);
  assert_int_equal(rig_attempt_of(&rig, "m[0]")->number, 2);
  done("m[0]", "1");
  assert_int_equal(rig_attempt_of(&rig, "m[1]")->number, 1);
  done("m[1]", "2");
  assert_string_equal(row("m")->output, "[1,2]");
  rig_close(&rig);
}

// Failures.

static void without_a_tolerance_all_items_run_and_one_failure_fails_the_map(void **state) {
  (void)state;
  run_map(rig_plan(NULL, "m map=1 limit=1", "after after=m", NULL), 10, "{\"items\":[0,1,2]}");
  failed("m[0]");
  done("m[1]", "1");
  done("m[2]", "1");
  assert_int_equal(rig.end, TG_RUN_FAILED);
  assert_int_equal(row("m")->state, TG_TASK_FAILED);
  assert_string_equal(row("m")->failure.text, "1 of 3 items failed; m[0]: it went wrong");
  assert_int_equal(row("after")->state, TG_TASK_UPSTREAM_FAILED);
  rig_close(&rig);
}

static void fail_after_tolerates_less_and_ends_the_map_at_it(void **state) {
  (void)state;
  run_map(rig_plan(NULL, "m map=1 limit=1 fail_after=2", NULL), 10, "{\"items\":[0,1,2,3]}");
  failed("m[0]");
  done("m[1]", "1");
  done("m[2]", "1");
  done("m[3]", "1");
  assert_int_equal(rig.end, TG_RUN_SUCCESS);
  assert_string_equal(row("m")->output, "[null,1,1,1]");
  rig_close(&rig);
  run_map(rig_plan(NULL, "m map=1 limit=2 fail_after=2", NULL), 10, "{\"items\":[0,1,2,3]}");
  failed("m[0]");
  failed("m[1]");
  assert_false(rig.has_ended); // what runs may end
  done("m[2]", "1");
  assert_int_equal(rig.attempt_count, 4); // the map itself, and not the last item
  assert_int_equal(rig.end, TG_RUN_FAILED);
  rig_close(&rig);
}

static void fail_share_tolerates_that_share(void **state) {
  (void)state;
  run_map(rig_plan(NULL, "m map=1 limit=1 share=0.5", NULL), 10, "{\"items\":[0,1,2,3]}");
  failed("m[0]");
  failed("m[1]");
  done("m[2]", "1");
  done("m[3]", "1");
  assert_int_equal(rig.end, TG_RUN_SUCCESS);
  rig_close(&rig);
  run_map(rig_plan(NULL, "m map=1 limit=1 share=0.5", NULL), 10, "{\"items\":[0,1,2,3]}");
  for (int i = 0; i < 3; i++) {
    char name[16];
    snprintf(name, sizeof name, "m[%d]", i);
    failed(name);
  }
  assert_int_equal(rig.end, TG_RUN_FAILED);
  assert_int_equal(rig.attempt_count, 4);
  rig_close(&rig);
}

static void a_map_that_has_failed_starts_nothing_that_waits_for_a_slot(void **state) {
  (void)state;
  run_map(rig_plan(NULL, "m map=1 fail_after=1", NULL), 2, "{\"items\":[0,1,2,3,4,5]}");
  rig_fail(&rig, "m[0]", TG_EINVALID);
  rig_success(&rig, "m[1]");
  // The slots are free before the failure is durable, so two more have begun.
  rig_settle(&rig);
  assert_int_equal(rig.attempt_count, 5);
  done("m[2]", "1");
  done("m[3]", "1");
  assert_int_equal(rig.attempt_count, 5);
  assert_int_equal(rig.end, TG_RUN_FAILED);
  rig_close(&rig);
}

// Chains.

static void a_chain_goes_on_with_the_outputs_of_the_map_before(void **state) {
  (void)state;
  run_map(rig_plan(NULL, "m map=1", "n map=1 after=m over=m", NULL), 10, "{\"items\":[0,1]}");
  done("m[0]", "\"x\"");
  rig_expect(&rig, "commit m:1/2");
  done("m[1]", "\"y\"");
  rig_expect(&rig, "commit m:2/2 commit m=success commit start:n[0]#1 start:n[1]#1");
  done("n[1]", "2");
  done("n[0]", "1");
  assert_string_equal(row("n")->output, "[1,2]");
  assert_int_equal(rig.end, TG_RUN_SUCCESS);
  rig_close(&rig);
}

static void a_chain_in_depth_does_not_wait_for_the_other_items(void **state) {
  (void)state;
  run_map(rig_plan(NULL, "m map=1 limit=1", "n map=1 after=m over=m depth=1",
                   "o map=1 after=n over=n depth=1", NULL),
          10, "{\"items\":[0,1]}");
  done("m[0]", "\"x\"");
  assert_true(rig_runs(&rig, "n[0]") && rig_runs(&rig, "m[1]"));
  done("n[0]", "\"y\"");
  assert_true(rig_runs(&rig, "o[0]") && rig_runs(&rig, "m[1]"));
  done("o[0]", "\"z\"");
  done("m[1]", "1");
  done("n[1]", "2");
  done("o[1]", "3");
  assert_string_equal(row("o")->output, "[\"z\",3]");
  assert_int_equal(rig.end, TG_RUN_SUCCESS);
  rig_close(&rig);
}

static void a_failed_item_skips_those_that_follow_it(void **state) {
  (void)state;
  static const char *const orders[] = {"n map=1 after=m over=m", "n map=1 after=m over=m depth=1"};
  for (size_t i = 0; i < 2; i++) {
    run_map(
        rig_plan(NULL, "m map=1 fail_after=2", orders[i], "o map=1 after=n over=n depth=1", NULL),
        10, "{\"items\":[0,1]}");
    failed("m[0]");
    done("m[1]", "1");
    done("n[1]", "2");
    done("o[1]", "3");
    assert_int_equal(rig.end, TG_RUN_SUCCESS);
    assert_string_equal(row("m")->output, "[null,1]");
    assert_string_equal(row("o")->output, "[null,3]");
    rig_close(&rig);
  }
}

static void a_chain_after_a_map_that_failed_does_not_go_on(void **state) {
  (void)state;
  run_map(rig_plan(NULL, "m map=1 limit=1 fail_after=1", "n map=1 after=m over=m depth=1", NULL),
          10, "{\"items\":[0,1,2]}");
  done("m[0]", "1");
  failed("m[1]");
  assert_false(rig.has_ended);
  done("n[0]", "1");
  assert_int_equal(row("m")->state, TG_TASK_FAILED);
  assert_int_equal(row("n")->state, TG_TASK_UPSTREAM_FAILED);
  assert_int_equal(rig.end, TG_RUN_FAILED);
  rig_close(&rig);
}

static void a_chain_in_depth_ends_as_its_rule_says(void **state) {
  (void)state;
  static const char *const rules[] = {"n map=1 after=m over=m depth=1 when=all_success",
                                      "n map=1 after=m over=m depth=1 when=all_done",
                                      "n map=1 after=m over=m when=all_done"};
  for (size_t i = 0; i < 3; i++) {
    run_map(rig_plan(NULL, "m map=1", rules[i], NULL), 10, "{\"items\":[0,1]}");
    done("m[0]", "1");
    if (i < 2) done("n[0]", "\"x\"");
    assert_false(rig.has_ended);
    failed("m[1]");
    if (i == 2) done("n[0]", "\"x\"");
    assert_int_equal(row("m")->state, TG_TASK_FAILED);
    assert_int_equal(row("n")->state, i ? TG_TASK_SUCCESS : TG_TASK_UPSTREAM_FAILED);
    if (i) assert_string_equal(row("n")->output, "[\"x\",null]");
    rig_close(&rig);
  }
}

// Cancelling.

static void cancelling_ends_a_map_in_the_middle(void **state) {
  (void)state;
  run_map(rig_plan(NULL, "m map=1 limit=3 retry=2", "n map=1 after=m over=m depth=1", NULL), 2,
          "{\"items\":[0,1,2,3,4]}");
  done("m[0]", "1");
  rig_fail(&rig, rig_runs(&rig, "n[0]") ? "n[0]" : "m[1]", TG_EINVALID);
  rig_settle(&rig);
  tg_buf_clear(&rig.trace);
  rig_cancel(&rig, TG_ECANCELLED);
  size_t started = rig.attempt_count;
  rig_settle(&rig);
  for (size_t i = 0; i < rig.attempt_count; i++) {
    if (rig.attempts[i].is_over) continue;
    assert_int_equal(rig.attempts[i].cancel_code, TG_ECANCELLED);
    struct tg_outcome outcome = {0};
    tg_error_set(&outcome.err, TG_ECANCELLED, "told to end");
    rig_result(&rig, rig.attempts[i].handle, &outcome);
    rig_settle(&rig);
  }
  assert_int_equal(rig.attempt_count, started);
  assert_int_equal(rig.end, TG_RUN_CANCELLED);
  assert_int_equal(row("m")->state, TG_TASK_CANCELLED);
  assert_int_equal(row("n")->state, TG_TASK_CANCELLED);
  rig_close(&rig);
}

// Only the item says so when the host dies before the end of its map is durable.
static void a_map_that_was_being_stopped_stays_so_after_a_crash(void **state) {
  (void)state;
  static struct rig next;
  run_map(rig_plan("\"timeout_ms\":5000", "m map=1 limit=1", NULL), 10, "{\"items\":[0,1]}");
  rig_pass(&rig, 1);
  rig_settle(&rig);
  rig_pass(&rig, 4999);
  rig_settle(&rig);
  rig_fail(&rig, "m[0]", TG_ECANCELLED);
  rig_commit(&rig);
  rig_init(&next, rig.plan, 10);
  next.now = rig.now;
  rig_resume(&next, &rig.store);
  rig_settle(&next);
  rig_deinit(&rig);
  rig = next;
  assert_int_equal(rig.attempt_count, 0);
  assert_int_equal(row("m")->state, TG_TASK_CANCELLED);
  assert_int_equal(rig.end, TG_RUN_FAILED);
  assert_int_equal(rig.end_code, TG_ETIMEOUT);
  rig_close(&rig);
}

static void a_map_that_is_cancelled_before_it_is_expanded_runs_no_item(void **state) {
  (void)state;
  rig_init(&rig, rig_plan(NULL, "m map=1", NULL), 10);
  rig_run(&rig);
  rig_settle(&rig);
  rig_success_of(&rig, "m", "{\"items\":[1,2]}", NULL);
  rig_cancel(&rig, TG_ECANCELLED);
  rig_settle(&rig);
  assert_int_equal(rig.attempt_count, 1);
  assert_int_equal(rig.end, TG_RUN_CANCELLED);
  rig_close(&rig);
}

static void an_item_over_its_time_is_ended_alone(void **state) {
  (void)state;
  run_map(rig_plan(NULL, "m map=1 timeout=5000 fail_after=2", NULL), 10, "{\"items\":[0,1]}");
  rig_pass(&rig, 1);
  rig_settle(&rig);
  done("m[0]", "1");
  rig_pass(&rig, 4999);
  rig_settle(&rig);
  assert_int_equal(rig_attempt_of(&rig, "m[1]")->cancel_code, TG_ETIMEOUT);
  rig_fail(&rig, "m[1]", TG_ETIMEOUT);
  rig_settle(&rig);
  assert_string_equal(row("m")->output, "[1,null]");
  rig_close(&rig);
}

// What is kept.

static void an_item_that_succeeds_at_once_leaves_one_record(void **state) {
  (void)state;
  run_map(rig_plan(NULL, "m map=1 retry=2", NULL), 10, "{\"items\":[0,1]}");
  done("m[0]", "1");
  assert_int_equal(rig.store.attempt_count, 1); // that of the map
  rig_fail(&rig, "m[1]", TG_EIO);
  rig_settle(&rig);
  rig_pass(&rig, 1000);
  done("m[1]", "1");
  assert_int_equal(rig.store.attempt_count, 3);
  assert_int_equal(rig.store.attempts[1].state, TG_ATTEMPT_SUCCESS); // they stand by item
  assert_int_equal(rig.store.attempts[1].item, 1);
  assert_int_equal(rig_store_item(&rig.store, 0, 1)->attempts, 2);
  rig_close(&rig);
}

static void carried_items_do_not_run_again(void **state) {
  (void)state;
  rig_init(&rig, rig_plan(NULL, "m map=1 limit=1", NULL), 10);
  const struct tg_map_items map = {.task = 0, .count = 3, .items = "[1,2,3]"};
  const struct tg_item items[] = {
      {.task = 0, .index = 0, .state = TG_TASK_SUCCESS, .output = "10"},
      {.task = 0, .index = 2, .state = TG_TASK_SUCCESS, .output = "30"}};
  rig_run_carrying_items(&rig, &map, items, 2);
  rig_settle(&rig);
  rig_expect(&rig, "commit start:m[1]#1 m:2/3");
  done("m[1]", "20");
  assert_string_equal(row("m")->output, "[10,20,30]");
  rig_close(&rig);
}

static void of_a_map_that_is_kept_unfinished_nothing_runs(void **state) {
  (void)state;
  rig_init(&rig, rig_plan(NULL, "m map=1 fail_after=1", "x", NULL), 10);
  const struct tg_task task = {.index = 0, .name = "m", .state = TG_TASK_FAILED};
  const struct tg_map_items map = {.task = 0, .count = 2, .items = "[1,2]"};
  const struct tg_item item = {.task = 0, .index = 1, .state = TG_TASK_SUCCESS, .output = "10"};
  rig_run_keeping_map(&rig, &task, &map, &item, 1);
  rig_settle(&rig);
  rig_expect(&rig, "commit m=failed start:x#1");
  done("x", "1");
  assert_true(rig.has_ended);
  rig_close(&rig);
}

static void a_chain_that_is_kept_has_the_items_that_it_had(void **state) {
  (void)state;
  rig_init(&rig, rig_plan(NULL, "a map=1 fail_after=2", "b map=1 over=a after=a", NULL), 10);
  const struct tg_task task = {.index = 1, .name = "b", .state = TG_TASK_SUCCESS, .output = "[7]"};
  const struct tg_map_items map = {.task = 1, .count = 1};
  const struct tg_item item = {.task = 1, .index = 0, .state = TG_TASK_SUCCESS, .output = "7"};
  rig_run_keeping_map(&rig, &task, &map, &item, 1);
  rig_settle(&rig);
  rig_success_of(&rig, "a", "{\"items\":[0,1]}", NULL);
  rig_settle(&rig);
  rig_fail(&rig, "a[1]", TG_EDENIED); // b has no such item
  rig_settle(&rig);
  done("a[0]", "1");
  assert_string_equal(row("a")->output, "[1,null]");
  assert_true(rig.has_ended);
  rig_close(&rig);
}

static void a_chain_after_a_kept_one_goes_on_in_another_host(void **state) {
  (void)state;
  static struct rig next;
  rig_init(&rig,
           rig_plan(NULL, "a map=1 fail_after=2", "b map=1 over=a after=a",
                    "c map=1 over=b after=b", NULL),
           10);
  const struct tg_task task = {.index = 1, .name = "b", .state = TG_TASK_SUCCESS, .output = "[7]"};
  const struct tg_map_items map = {.task = 1, .count = 1};
  const struct tg_item item = {.task = 1, .index = 0, .state = TG_TASK_SUCCESS, .output = "7"};
  rig_run_keeping_map(&rig, &task, &map, &item, 1);
  rig_settle(&rig);
  rig_success_of(&rig, "a", "{\"items\":[0,1]}", NULL);
  rig_settle(&rig);
  rig_fail(&rig, "a[0]", TG_EDENIED);
  rig_settle(&rig);
  assert_true(rig_runs(&rig, "c[0]"));
  const struct tg_item first = rig.store.items[0]; // a store gives them by their tasks
  rig.store.items[0] = rig.store.items[1];
  rig.store.items[1] = first;
  rig_init(&next, rig.plan, 10);
  next.now = rig.now;
  rig_resume(&next, &rig.store);
  rig_deinit(&rig);
  rig = next;
  rig_settle(&rig);
  assert_true(rig_runs(&rig, "c[0]")); // what became of a[0] is nothing to it
  rig_close(&rig);
}

// Which ends need a commit of their own.

static void run_many(const char *words, size_t items) {
  char text[1024] = "{\"items\":[0";
  size_t len = strlen(text);
  for (size_t i = 1; i < items; i++) len += (size_t)snprintf(text + len, 4, ",0");
  snprintf(text + len, 4, "]}");
  run_map(rig_plan(NULL, words, "after after=m", NULL), 100, text);
}

static bool success_may_wait(const char *item) {
  rig_success(&rig, item);
  bool may_wait = rig.pending[0]->may_wait;
  rig_settle(&rig);
  return may_wait;
}

static void an_end_among_many_may_wait_for_the_others(void **state) {
  (void)state;
  run_many("m map=1", 67);
  assert_true(success_may_wait("m[5]"));
  rig_success(&rig, "m[1]");
  rig_fail(&rig, "m[2]", TG_EINVALID);
  assert_true(rig.pending[0]->may_wait);
  assert_false(rig.pending[1]->may_wait); // a failure may end the map
  rig_settle(&rig);
  assert_false(success_may_wait("m[3]")); // one of the last 64
  rig_close(&rig);
}

static void an_end_that_somebody_waits_for_may_not_wait(void **state) {
  (void)state;
  run_many("m map=1 limit=90", 80);
  assert_false(success_may_wait("m[0]")); // its place
  rig_close(&rig);
  rig_init(&rig, rig_plan(NULL, "a", "b after=a", NULL), 10);
  rig_run(&rig);
  assert_false(rig.pending[0]->may_wait);
  rig_settle(&rig);
  assert_false(success_may_wait("a"));
  rig_close(&rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_map_asks_for_its_items_and_gathers_their_outputs_in_order),
      cmocka_unit_test(an_item_is_told_what_it_is),
      cmocka_unit_test(a_map_over_nothing_has_an_empty_output),
      cmocka_unit_test(more_items_than_items_max_fail_the_map),
      cmocka_unit_test(what_is_no_list_of_items_fails_the_map),
      cmocka_unit_test(outputs_that_are_too_large_together_fail_the_map),
      cmocka_unit_test(a_map_whose_upstream_failed_is_not_asked),
      cmocka_unit_test(as_many_items_run_as_the_limit_allows),
      cmocka_unit_test(items_of_one_key_wait_for_each_other_and_for_no_other),
      cmocka_unit_test(an_item_that_waits_for_its_retry_keeps_its_place),
      cmocka_unit_test(without_a_tolerance_all_items_run_and_one_failure_fails_the_map),
      cmocka_unit_test(fail_after_tolerates_less_and_ends_the_map_at_it),
      cmocka_unit_test(fail_share_tolerates_that_share),
      cmocka_unit_test(a_map_that_has_failed_starts_nothing_that_waits_for_a_slot),
      cmocka_unit_test(a_chain_goes_on_with_the_outputs_of_the_map_before),
      cmocka_unit_test(a_chain_in_depth_does_not_wait_for_the_other_items),
      cmocka_unit_test(a_failed_item_skips_those_that_follow_it),
      cmocka_unit_test(a_chain_after_a_map_that_failed_does_not_go_on),
      cmocka_unit_test(a_chain_in_depth_ends_as_its_rule_says),
      cmocka_unit_test(cancelling_ends_a_map_in_the_middle),
      cmocka_unit_test(a_map_that_was_being_stopped_stays_so_after_a_crash),
      cmocka_unit_test(a_map_that_is_cancelled_before_it_is_expanded_runs_no_item),
      cmocka_unit_test(an_item_over_its_time_is_ended_alone),
      cmocka_unit_test(an_item_that_succeeds_at_once_leaves_one_record),
      cmocka_unit_test(carried_items_do_not_run_again),
      cmocka_unit_test(of_a_map_that_is_kept_unfinished_nothing_runs),
      cmocka_unit_test(a_chain_that_is_kept_has_the_items_that_it_had),
      cmocka_unit_test(a_chain_after_a_kept_one_goes_on_in_another_host),
      cmocka_unit_test(an_end_among_many_may_wait_for_the_others),
      cmocka_unit_test(an_end_that_somebody_waits_for_may_not_wait),
  };
  return cmocka_run_group_tests_name("host/engine/map", tests, NULL, NULL);
}
