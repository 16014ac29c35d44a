// SPDX-License-Identifier: Apache-2.0
#include "model/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// Texts that can be spoiled after they were given to a batch.
struct texts {
  char texts[16][16];
  size_t used;
};

static const char *text(struct texts *texts, const char *value) {
  return strcpy(texts->texts[texts->used++], value);
}

static struct tg_batch *batch_of(const struct tg_record *record, struct texts *texts) {
  struct tg_batch *batch = tg_batch_new();
  assert_int_equal(tg_batch_add(batch, record), TG_OK);
  memset(texts, '?', sizeof *texts);
  return batch;
}

static void a_run_owns_its_strings(void **state) {
  (void)state;
  struct texts t = {0};
  struct tg_batch *batch =
      batch_of(&(struct tg_record){.kind = TG_RECORD_RUN,
                                   .run = {.number = 7,
                                           .pipeline = text(&t, "pipeline"),
                                           .bundle = text(&t, "bundle"),
                                           .params = text(&t, "params"),
                                           .occurrence = text(&t, "occurrence"),
                                           .trigger = text(&t, "trigger"),
                                           .rerun_of = text(&t, "rerun_of"),
                                           .failure = {TG_EIO, TG_CLASS_BUG, text(&t, "failure")}}},
               &t);
  const struct tg_run *run = &batch->records[0].run;
  assert_int_equal(run->number, 7);
  assert_string_equal(run->pipeline, "pipeline");
  assert_string_equal(run->bundle, "bundle");
  assert_string_equal(run->params, "params");
  assert_string_equal(run->occurrence, "occurrence");
  assert_string_equal(run->trigger, "trigger");
  assert_string_equal(run->rerun_of, "rerun_of");
  assert_string_equal(run->failure.text, "failure");
  tg_batch_free(batch);
}

static void a_task_owns_its_strings(void **state) {
  (void)state;
  struct texts t = {0};
  struct tg_batch *batch =
      batch_of(&(struct tg_record){.kind = TG_RECORD_TASK,
                                   .task = {.name = text(&t, "name"),
                                            .output = text(&t, "output"),
                                            .chosen = text(&t, "chosen"),
                                            .failure.text = text(&t, "failure")}},
               &t);
  const struct tg_task *task = &batch->records[0].task;
  assert_string_equal(task->name, "name");
  assert_string_equal(task->output, "output");
  assert_string_equal(task->chosen, "chosen");
  assert_string_equal(task->failure.text, "failure");
  tg_batch_free(batch);
}

static void an_attempt_owns_its_strings(void **state) {
  (void)state;
  struct texts t = {0};
  struct tg_batch *batch =
      batch_of(&(struct tg_record){.kind = TG_RECORD_ATTEMPT,
                                   .attempt = {.seed = UINT64_MAX,
                                               .failure.text = text(&t, "failure"),
                                               .traceback = text(&t, "traceback")}},
               &t);
  const struct tg_attempt *attempt = &batch->records[0].attempt;
  assert_true(attempt->seed == UINT64_MAX);
  assert_string_equal(attempt->failure.text, "failure");
  assert_string_equal(attempt->traceback, "traceback");
  tg_batch_free(batch);
}

static void a_decision_owns_its_strings(void **state) {
  (void)state;
  struct texts t = {0};
  struct tg_batch *batch = batch_of(&(struct tg_record){.kind = TG_RECORD_DECISION,
                                                        .decision = {.policy = text(&t, "policy"),
                                                                     .version = text(&t, "version"),
                                                                     .input = text(&t, "input"),
                                                                     .output = text(&t, "output"),
                                                                     .action = text(&t, "action"),
                                                                     .reason = text(&t, "reason")}},
                                    &t);
  const struct tg_decision *decision = &batch->records[0].decision;
  assert_string_equal(decision->policy, "policy");
  assert_string_equal(decision->version, "version");
  assert_string_equal(decision->input, "input");
  assert_string_equal(decision->output, "output");
  assert_string_equal(decision->action, "action");
  assert_string_equal(decision->reason, "reason");
  tg_batch_free(batch);
}

static void checks_and_asset_versions_own_their_strings(void **state) {
  (void)state;
  struct texts t = {0};
  struct tg_batch *batch = tg_batch_new();
  assert_int_equal(tg_batch_add(batch, &(struct tg_record){.kind = TG_RECORD_CHECK,
                                                           .check.body = text(&t, "body")}),
                   TG_OK);
  assert_int_equal(
      tg_batch_add(batch, &(struct tg_record){.kind = TG_RECORD_ASSET_VERSION,
                                              .asset_version = {.asset = text(&t, "asset"),
                                                                .partition = text(&t, "partition"),
                                                                .facts = text(&t, "facts")}}),
      TG_OK);
  memset(&t, '?', sizeof t);
  assert_string_equal(batch->records[0].check.body, "body");
  const struct tg_asset_version *version = &batch->records[1].asset_version;
  assert_string_equal(version->asset, "asset");
  assert_string_equal(version->partition, "partition");
  assert_string_equal(version->facts, "facts");
  tg_batch_free(batch);
}

static void what_is_not_given_stays_so(void **state) {
  (void)state;
  struct tg_batch *batch = tg_batch_new();
  for (int kind = 0; kind < TG_RECORD_COUNT; kind++) {
    struct tg_record record = {.kind = (enum tg_record_kind)kind};
    assert_int_equal(tg_batch_add(batch, &record), TG_OK);
  }
  assert_null(batch->records[TG_RECORD_RUN].run.occurrence);
  assert_null(batch->records[TG_RECORD_TASK].task.output);
  tg_batch_free(batch);
}

static void a_record_of_no_kind_is_refused(void **state) {
  (void)state;
  struct tg_batch *batch = tg_batch_new();
  assert_int_not_equal(tg_batch_add(batch, &(struct tg_record){.kind = TG_RECORD_COUNT}), TG_OK);
  assert_int_equal(batch->count, 0);
  tg_batch_free(batch);
}

static void a_batch_keeps_its_order_as_it_grows(void **state) {
  (void)state;
  struct tg_batch *batch = tg_batch_new();
  for (uint32_t i = 0; i < 10000; i++)
    tg_batch_add(batch, &(struct tg_record){.kind = TG_RECORD_TASK, .task.index = i});
  assert_int_equal(batch->count, 10000);
  for (uint32_t i = 0; i < 10000; i++) assert_int_equal(batch->records[i].task.index, i);
  tg_batch_free(batch);
  tg_batch_free(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_run_owns_its_strings),
      cmocka_unit_test(a_task_owns_its_strings),
      cmocka_unit_test(an_attempt_owns_its_strings),
      cmocka_unit_test(a_decision_owns_its_strings),
      cmocka_unit_test(checks_and_asset_versions_own_their_strings),
      cmocka_unit_test(what_is_not_given_stays_so),
      cmocka_unit_test(a_record_of_no_kind_is_refused),
      cmocka_unit_test(a_batch_keeps_its_order_as_it_grows),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
