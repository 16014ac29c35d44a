// SPDX-License-Identifier: Apache-2.0
#include "store/history.h"

#include "host/store/scene.h"

static void expect_text(const char *text, const char *expected) {
  if (!expected)
    assert_null(text);
  else
    assert_string_equal(text, expected);
}

static void expect_failure(struct tg_failure failure, struct tg_failure expected) {
  assert_int_equal(failure.code, expected.code);
  assert_int_equal(failure.class, expected.class);
  expect_text(failure.text, expected.text);
}

static const struct tg_failure throttled = {TG_EREMOTE, TG_CLASS_THROTTLED, "slow \xE2\x82\xAC"};

static void expect_run(const struct tg_run *run, const struct tg_run *expected) {
  assert_int_equal(run->number, expected->number);
  assert_true(tg_id_equal(run->id, expected->id));
  expect_text(run->pipeline, expected->pipeline);
  expect_text(run->bundle, expected->bundle);
  expect_text(run->params, expected->params);
  expect_text(run->occurrence, expected->occurrence);
  expect_text(run->trigger, expected->trigger);
  assert_int_equal(run->rerun, expected->rerun);
  expect_text(run->rerun_of, expected->rerun_of);
  assert_int_equal(run->logical_at, expected->logical_at);
  assert_int_equal(run->state, expected->state);
  assert_int_equal(run->created_at, expected->created_at);
  assert_int_equal(run->ended_at, expected->ended_at);
  expect_failure(run->failure, expected->failure);
}

static struct tg_record full_run(void) {
  struct tg_record record = scene_run(7, "2026-11-20T05:00:00Z");
  record.run.rerun = 3;
  record.run.rerun_of = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f";
  record.run.logical_at = -5;
  record.run.created_at = INT64_C(1795150800123);
  return record;
}

static void gives_a_run_in_full_as_it_changes(void **state) {
  struct scene *scene = *state;
  struct tg_history *history = scene_history(scene);
  struct tg_record record = full_run();
  struct tg_run run;
  for (int i = 0; i < TG_RUN_STATE_COUNT; i++) {
    record.run.state = (enum tg_run_state)i;
    if (i == TG_RUN_FAILED) record.run.failure = throttled;
    if (i) record.run.ended_at = INT64_C(1795150900000) + i;
    assert_int_equal(scene_put(scene, &record, 1), TG_OK);
    assert_int_equal(tg_history_run(history, "last", &scene->arena, &run, &scene->err), TG_OK);
    expect_run(&run, &record.run);
  }
  tg_history_close(history);
}

static void what_was_fixed_by_the_first_record_stays(void **state) {
  struct scene *scene = *state;
  struct tg_history *history = scene_history(scene);
  struct tg_record record = full_run(), changed = record;
  struct tg_run run;
  changed.run.pipeline = "another";
  changed.run.params = "{\"x\":1}";
  changed.run.created_at = 1;
  assert_int_equal(scene_put(scene, &record, 1), TG_OK);
  assert_int_equal(scene_put(scene, &changed, 1), TG_OK);
  assert_int_equal(tg_history_run(history, "last", &scene->arena, &run, &scene->err), TG_OK);
  expect_run(&run, &record.run);
  tg_history_close(history);
}

static void gives_tasks_in_full(void **state) {
  struct scene *scene = *state;
  struct tg_record records[TG_TASK_STATE_COUNT + 1] = {0};
  for (uint32_t i = 0; i < TG_TASK_STATE_COUNT; i++) // in falling order; read in rising order
    records[i] = (struct tg_record){.kind = TG_RECORD_TASK,
                                    .task = {.run = 7,
                                             .index = TG_TASK_STATE_COUNT - 1 - i,
                                             .name = "first",
                                             .state = TG_TASK_WAITING}};
  records[TG_TASK_STATE_COUNT] =
      (struct tg_record){.kind = TG_RECORD_TASK, .task = {.run = 8, .name = "of another run"}};
  assert_int_equal(scene_put(scene, records, TG_TASK_STATE_COUNT + 1), TG_OK);
  for (uint32_t i = 0; i < TG_TASK_STATE_COUNT; i++) { // each is changed by a later record
    struct tg_task *task = &records[i].task;
    task->state = (enum tg_task_state)task->index;
    task->attempts = task->index;
    task->started_at = INT64_C(10) * task->index;
    task->ended_at = INT64_C(100) * task->index;
    if (i % 2) task->output = "{\"rows\":1}", task->chosen = "[\"a\"]", task->failure = throttled;
  }
  assert_int_equal(scene_put(scene, records, TG_TASK_STATE_COUNT), TG_OK);
  struct tg_history *history = scene_history(scene);
  struct tg_task *tasks;
  size_t count;
  assert_int_equal(tg_history_tasks(history, 7, &scene->arena, &tasks, &count, &scene->err), TG_OK);
  assert_int_equal(count, TG_TASK_STATE_COUNT);
  for (uint32_t i = 0; i < count; i++) {
    const struct tg_task *expected = &records[count - 1 - i].task;
    assert_int_equal(tasks[i].run, 7);
    assert_int_equal(tasks[i].index, i);
    assert_int_equal(tasks[i].state, i);
    expect_text(tasks[i].name, "first");
    assert_int_equal(tasks[i].attempts, expected->attempts);
    assert_int_equal(tasks[i].started_at, expected->started_at);
    assert_int_equal(tasks[i].ended_at, expected->ended_at);
    expect_text(tasks[i].output, expected->output);
    expect_text(tasks[i].chosen, expected->chosen);
    expect_failure(tasks[i].failure, expected->failure);
  }
  tg_history_close(history);
}

static void gives_attempts_in_full(void **state) {
  struct scene *scene = *state;
  struct tg_record records[] = {
      {.kind = TG_RECORD_ATTEMPT,
       .attempt = {.run = 7,
                   .task = 1,
                   .item = 7,
                   .number = 2,
                   .state = TG_ATTEMPT_LOST,
                   .worker = 4,
                   .seed = UINT64_MAX,
                   .started_at = 10,
                   .ended_at = 20,
                   .retry_at = 30,
                   .failure = throttled,
                   .traceback = "a\nb"}},
      {.kind = TG_RECORD_ATTEMPT,
       .attempt =
           {.run = 7, .task = 1, .item = TG_NO_ITEM, .number = 1, .state = TG_ATTEMPT_RUNNING}},
  };
  assert_int_equal(scene_put(scene, records, 2), TG_OK);
  records[1].attempt.state = TG_ATTEMPT_SUCCESS;
  records[1].attempt.ended_at = 5;
  assert_int_equal(scene_put(scene, &records[1], 1), TG_OK);
  struct tg_history *history = scene_history(scene);
  struct tg_attempt *attempts;
  size_t count;
  assert_int_equal(tg_history_attempts(history, 7, &scene->arena, &attempts, &count, &scene->err),
                   TG_OK);
  assert_int_equal(count, 2);
  assert_int_equal(attempts[0].number, 1);
  assert_int_equal(attempts[0].item, TG_NO_ITEM);
  assert_int_equal(attempts[1].item, 7);
  assert_int_equal(attempts[0].state, TG_ATTEMPT_SUCCESS);
  assert_int_equal(attempts[0].ended_at, 5);
  assert_null(attempts[0].traceback);
  expect_failure(attempts[0].failure, (struct tg_failure){0});
  assert_int_equal(attempts[1].task, 1);
  assert_int_equal(attempts[1].state, TG_ATTEMPT_LOST);
  assert_int_equal(attempts[1].worker, 4);
  assert_true(attempts[1].seed == UINT64_MAX);
  assert_int_equal(attempts[1].started_at, 10);
  assert_int_equal(attempts[1].ended_at, 20);
  assert_int_equal(attempts[1].retry_at, 30);
  expect_failure(attempts[1].failure, throttled);
  expect_text(attempts[1].traceback, "a\nb");
  tg_history_close(history);
}

static void names_what_runs_now_in_all_open_runs(void **state) {
  struct scene *scene = *state;
  struct tg_record records[16] = {0};
  size_t used = 0;
  for (uint64_t run = 1; run <= 3; run++) { // 2 has ended
    records[used] = full_run();
    records[used].run.number = run;
    records[used].run.id.bytes[0] = (unsigned char)run;
    records[used].run.child_key = NULL;
    records[used].run.rerun = (uint32_t)run;
    records[used++].run.ended_at = run == 2 ? 9 : 0;
    for (uint32_t task = 0; task < 2; task++)
      records[used++] = (struct tg_record){
          .kind = TG_RECORD_ATTEMPT,
          .attempt = {.run = run, .task = task, .item = TG_NO_ITEM, .number = 1}};
  }
  for (size_t i = 0; i < used; i++)
    if (records[i].kind == TG_RECORD_ATTEMPT) records[i].attempt.state = TG_ATTEMPT_RUNNING;
  records[2].attempt.state = TG_ATTEMPT_SUCCESS; // of run 1
  records[used++] = (struct tg_record){
      .kind = TG_RECORD_STEP,
      .step = {.run = 3, .task = 0, .item = TG_NO_ITEM, .name = "s", .wake_at = 1000}};
  assert_int_equal(scene_put(scene, records, used), TG_OK);
  struct tg_history *history = scene_history(scene);
  for (int64_t now = 999; now <= 1000; now++) { // it sleeps until 1000
    struct tg_attempt *attempts;
    size_t count;
    assert_int_equal(
        tg_history_running(history, now, &scene->arena, &attempts, &count, &scene->err), TG_OK);
    assert_int_equal(count, now < 1000 ? 2 : 3);
    assert_int_equal(attempts[0].run, 1);
    assert_int_equal(attempts[0].task, 0);
    assert_int_equal(attempts[count - 1].run, 3);
    assert_int_equal(attempts[count - 1].task, 1);
  }
  tg_history_close(history);
}

// Run 1 had from 10 to 50 an attempt from 20 to 40 that slept from 25 to 30; run 2 began at 35.
static void names_what_ran_at_an_instant_that_is_past(void **state) {
  static const struct {
    int64_t at;
    size_t runs, attempts;
  } cases[] = {{9, 0, 0},  {10, 1, 0}, {20, 1, 1}, {24, 1, 1}, {25, 1, 0}, {29, 1, 0},
               {30, 1, 1}, {36, 2, 2}, {40, 2, 1}, {49, 2, 1}, {50, 1, 1}, {90, 1, 1}};
  struct scene *scene = *state;
  struct tg_record records[8] = {0};
  size_t used = 0;
  for (uint64_t run = 1; run <= 2; run++) {
    records[used] = full_run();
    records[used].run.number = run;
    records[used].run.id.bytes[0] = (unsigned char)run;
    records[used].run.child_key = NULL;
    records[used].run.rerun = (uint32_t)run;
    records[used].run.created_at = run == 1 ? 10 : 35;
    records[used++].run.ended_at = run == 1 ? 50 : 0;
    records[used++] = (struct tg_record){.kind = TG_RECORD_ATTEMPT,
                                         .attempt = {.run = run,
                                                     .item = TG_NO_ITEM,
                                                     .number = 1,
                                                     .started_at = run == 1 ? 20 : 36,
                                                     .ended_at = run == 1 ? 40 : 0}};
  }
  records[used++] = (struct tg_record){
      .kind = TG_RECORD_STEP,
      .step = {.run = 1, .item = TG_NO_ITEM, .name = "s", .intended_at = 25, .wake_at = 30}};
  assert_int_equal(scene_put(scene, records, used), TG_OK);
  struct tg_history *history = scene_history(scene);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const struct tg_run_filter filter = {.state = -1, .open_at = cases[i].at};
    struct tg_attempt *attempts;
    struct tg_run *runs;
    size_t count;
    assert_int_equal(tg_history_runs(history, &filter, &scene->arena, &runs, &count, NULL), TG_OK);
    assert_int_equal(count, cases[i].runs);
    assert_int_equal(
        tg_history_ran(history, cases[i].at, &scene->arena, &attempts, &count, &scene->err), TG_OK);
    assert_int_equal(count, cases[i].attempts);
  }
  static const int64_t ends[][3] = {
      {0, 100, 40}, {39, 40, 40}, {40, 100, 0}, {0, 39, 0}, {0, 40, 40}};
  for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
    int64_t at = -1;
    assert_int_equal(tg_history_last_end(history, ends[i][0], ends[i][1], &at, NULL), TG_OK);
    assert_int_equal(at, ends[i][2]);
  }
  tg_history_close(history);
}

static void gives_decisions_in_full_and_in_order(void **state) {
  struct scene *scene = *state;
  struct tg_record records[] = {
      {.kind = TG_RECORD_DECISION,
       .decision = {.run = 7,
                    .task = 1,
                    .attempt = 2,
                    .policy = "p",
                    .version = "h",
                    .input = "{\"i\":1}",
                    .output = "{\"o\":1}",
                    .action = "go",
                    .reason = "why",
                    .decided_at = 20}},
      {.kind = TG_RECORD_DECISION,
       .decision = {.run = 7,
                    .policy = "q",
                    .version = "h",
                    .input = "{}",
                    .output = "{}",
                    .decided_at = 10}},
      {.kind = TG_RECORD_DECISION,
       .decision = {.run = 7,
                    .policy = "r",
                    .version = "h",
                    .input = "{}",
                    .output = "{}",
                    .decided_at = 20}},
  };
  assert_int_equal(scene_put(scene, records, 3), TG_OK);
  struct tg_history *history = scene_history(scene);
  struct tg_decision *found;
  size_t count;
  assert_int_equal(tg_history_decisions(history, 7, &scene->arena, &found, &count, &scene->err),
                   TG_OK);
  assert_int_equal(count, 3);
  expect_text(found[0].policy, "q");
  assert_null(found[0].action);
  assert_null(found[0].reason);
  assert_int_equal(found[1].task, 1);
  assert_int_equal(found[1].attempt, 2);
  expect_text(found[1].policy, "p");
  expect_text(found[1].version, "h");
  expect_text(found[1].input, "{\"i\":1}");
  expect_text(found[1].output, "{\"o\":1}");
  expect_text(found[1].action, "go");
  expect_text(found[1].reason, "why");
  assert_int_equal(found[1].decided_at, 20);
  expect_text(found[2].policy, "r"); // in the same ms, but written later
  tg_history_close(history);
}

static void gives_checks_in_order(void **state) {
  struct scene *scene = *state;
  struct tg_record records[] = {
      {.kind = TG_RECORD_CHECK,
       .check = {.run = 7, .task = 1, .attempt = 1, .position = 1, .body = "{\"b\":2}"}},
      {.kind = TG_RECORD_CHECK,
       .check = {.run = 7, .task = 1, .attempt = 1, .position = 0, .body = "{\"b\":1}"}},
      {.kind = TG_RECORD_CHECK,
       .check = {.run = 7, .task = 1, .attempt = 1, .position = 1, .body = "{\"b\":3}"}},
  };
  assert_int_equal(scene_put(scene, records, 3), TG_OK);
  struct tg_history *history = scene_history(scene);
  struct tg_check *found;
  size_t count;
  assert_int_equal(tg_history_checks(history, 7, &scene->arena, &found, &count, &scene->err),
                   TG_OK);
  assert_int_equal(count, 2);
  expect_text(found[0].body, "{\"b\":1}");
  expect_text(found[1].body, "{\"b\":3}"); // the same position again replaces
  assert_int_equal(found[1].position, 1);
  tg_history_close(history);
}

static void gives_asset_versions_in_order(void **state) {
  struct scene *scene = *state;
  struct tg_record records[] = {
      {.kind = TG_RECORD_ASSET_VERSION,
       .asset_version = {.run = 7,
                         .task = 1,
                         .attempt = 2,
                         .asset = "z",
                         .partition = "2026",
                         .rows = 0,
                         .facts = "{\"f\":1}",
                         .created_at = 9}},
      {.kind = TG_RECORD_ASSET_VERSION,
       .asset_version = {.run = 7, .asset = "a", .partition = "", .rows = -1, .facts = "{}"}},
  };
  assert_int_equal(scene_put(scene, records, 2), TG_OK);
  struct tg_history *history = scene_history(scene);
  struct tg_asset_version *found;
  size_t count;
  assert_int_equal(
      tg_history_asset_versions(history, 7, &scene->arena, &found, &count, &scene->err), TG_OK);
  assert_int_equal(count, 2);
  expect_text(found[0].asset, "z");
  expect_text(found[0].partition, "2026");
  assert_int_equal(found[0].rows, 0);
  assert_int_equal(found[0].task, 1);
  assert_int_equal(found[0].attempt, 2);
  expect_text(found[0].facts, "{\"f\":1}");
  assert_int_equal(found[0].created_at, 9);
  expect_text(found[1].partition, "");
  assert_int_equal(found[1].rows, -1); // not known
  tg_history_close(history);
}

static size_t run_count(struct scene *scene, struct tg_history *history,
                        const struct tg_run_filter *filter, uint64_t newest) {
  struct tg_run *runs;
  size_t count;
  assert_int_equal(tg_history_runs(history, filter, &scene->arena, &runs, &count, &scene->err),
                   TG_OK);
  for (size_t i = 1; i < count; i++) assert_true(runs[i - 1].number > runs[i].number);
  if (count) assert_int_equal(runs[0].number, newest);
  return count;
}

static void lists_runs_newest_first_by_filter(void **state) {
  struct scene *scene = *state;
  for (uint64_t i = 1; i <= 100; i++) {
    struct tg_record record = scene_run(i, i == 50 ? "2026-11-20T05:00:00Z" : NULL);
    record.run.pipeline = i % 2 ? "odd" : "even";
    record.run.params = i % 10 ? "{}" : "{\"full\":true}";
    record.run.state = i % 3 ? TG_RUN_SUCCESS : TG_RUN_FAILED;
    scene_commit(scene, (int)i, &record, 1);
  }
  scene_wait(scene);
  struct tg_history *h = scene_history(scene);
  const int any = -1;
  assert_int_equal(run_count(scene, h, &(struct tg_run_filter){.state = any}, 100), 100);
  assert_int_equal(run_count(scene, h, &(struct tg_run_filter){.state = any, .limit = 7}, 100), 7);
  assert_int_equal(
      run_count(scene, h, &(struct tg_run_filter){.state = any, .pipeline = "odd"}, 99), 50);
  assert_int_equal(
      run_count(scene, h, &(struct tg_run_filter){.state = any, .pipeline = "none"}, 0), 0);
  assert_int_equal(run_count(scene, h, &(struct tg_run_filter){.state = TG_RUN_FAILED}, 99), 33);
  assert_int_equal(run_count(scene, h, &(struct tg_run_filter){.state = TG_RUN_RUNNING}, 0), 0);
  assert_int_equal(
      run_count(scene, h, &(struct tg_run_filter){.state = any, .params = "{\"full\":true}"}, 100),
      10);
  assert_int_equal(
      run_count(scene, h,
                &(struct tg_run_filter){.state = any, .occurrence = "2026-11-20T05:00:00Z"}, 50),
      1);
  tg_history_close(h);
}

static int run_find(struct scene *scene, const char *name, uint64_t expected) {
  struct tg_history *history = scene_history(scene);
  struct tg_run run;
  int code = tg_history_run(history, name, &scene->arena, &run, &scene->err);
  if (!code) assert_int_equal(run.number, expected);
  tg_history_close(history);
  return code;
}

static void finds_a_run_by_its_id_a_prefix_or_last(void **state) {
  struct scene *scene = *state;
  assert_int_equal(run_find(scene, "last", 0), TG_ENOT_FOUND);
  struct tg_record one = scene_run(1, NULL), two = scene_run(2, NULL);
  tg_id_parse("017f22e2-79b0-7cc3-98c4-dc0c0c07398f", &one.run.id);
  tg_id_parse("017f22e3-79b0-7cc3-98c4-dc0c0c07398f", &two.run.id);
  assert_int_equal(scene_put(scene, &one, 1), TG_OK);
  assert_int_equal(run_find(scene, "", 0), TG_ENOT_FOUND); // though it begins the only one
  assert_int_equal(scene_put(scene, &two, 1), TG_OK);
  assert_int_equal(run_find(scene, "last", 2), TG_OK);
  assert_int_equal(run_find(scene, "017f22e2-79b0-7cc3-98c4-dc0c0c07398f", 1), TG_OK);
  assert_int_equal(run_find(scene, "017f22e3", 2), TG_OK);
  assert_int_equal(run_find(scene, "017f", 0), TG_EINVALID);
  assert_non_null(strstr(scene->err.text, "several runs"));
  assert_int_equal(run_find(scene, "9", 0), TG_ENOT_FOUND);
  assert_int_equal(run_find(scene, "%", 0), TG_ENOT_FOUND);
  assert_int_equal(run_find(scene, "017f22e2-79b0-7cc3-98c4-dc0c0c07398fa", 0), TG_ENOT_FOUND);
}

static void reads_words_of_another_version(void **state) {
  struct scene *scene = *state;
  struct tg_record records[] = {full_run(),
                                {.kind = TG_RECORD_TASK, .task = {.run = 7, .name = "t"}}};
  struct tg_run run;
  struct tg_task *tasks;
  size_t count;
  records[0].run.failure = throttled;
  assert_int_equal(scene_put(scene, records, 2), TG_OK);
  scene_sql(scene, "UPDATE runs SET state = 'odd', error_code = 'odd', error_class = 'odd'");
  scene_sql(scene, "UPDATE tasks SET state = 'odd'");
  struct tg_history *history = scene_history(scene);
  assert_int_equal(tg_history_run(history, "last", &scene->arena, &run, &scene->err), TG_OK);
  assert_int_equal(run.state, TG_RUN_FAILED);
  assert_int_equal(run.failure.code, TG_EBUG);
  assert_int_equal(run.failure.class, TG_CLASS_BUG);
  assert_int_equal(tg_history_tasks(history, 7, &scene->arena, &tasks, &count, &scene->err), TG_OK);
  assert_int_equal(tasks[0].state, TG_TASK_WAITING);
  tg_history_close(history);
}

static void texts_are_kept_byte_for_byte(void **state) {
  struct scene *scene = *state;
  static const char *const texts[] = {"", "'; DROP TABLE runs; --", "\xF0\x9F\x98\x80\n\t\"",
                                      "\x01"};
  struct tg_history *history = scene_history(scene);
  struct tg_task *tasks;
  size_t count;
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    struct tg_record record = {.kind = TG_RECORD_TASK,
                               .task = {.run = i + 1, .name = texts[i], .output = texts[i]}};
    assert_int_equal(scene_put(scene, &record, 1), TG_OK);
    assert_int_equal(tg_history_tasks(history, i + 1, &scene->arena, &tasks, &count, &scene->err),
                     TG_OK);
    assert_int_equal(count, 1);
    assert_string_equal(tasks[0].name, texts[i]);
    assert_string_equal(tasks[0].output, texts[i]);
  }
  tg_history_close(history);
}

#define SCENE_TEST(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      SCENE_TEST(gives_a_run_in_full_as_it_changes),
      SCENE_TEST(what_was_fixed_by_the_first_record_stays),
      SCENE_TEST(gives_tasks_in_full),
      SCENE_TEST(gives_attempts_in_full),
      SCENE_TEST(names_what_runs_now_in_all_open_runs),
      SCENE_TEST(names_what_ran_at_an_instant_that_is_past),
      SCENE_TEST(gives_decisions_in_full_and_in_order),
      SCENE_TEST(gives_checks_in_order),
      SCENE_TEST(gives_asset_versions_in_order),
      SCENE_TEST(lists_runs_newest_first_by_filter),
      SCENE_TEST(finds_a_run_by_its_id_a_prefix_or_last),
      SCENE_TEST(reads_words_of_another_version),
      SCENE_TEST(texts_are_kept_byte_for_byte),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
