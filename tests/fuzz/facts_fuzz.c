// SPDX-License-Identifier: Apache-2.0
// The facts of an attempt as a hostile worker might tell them. The first byte says which task told
// them and how its attempt ended; what it tells of must be of that attempt.
#include "engine/facts.h"
#include "fuzz/input.h"

static const char plan_text[] =
    "{\"name\":\"p\",\"tasks\":["
    "{\"name\":\"a\",\"runner\":\"script\",\"when\":\"all_success\",\"produces\":[\"t\"]},"
    "{\"name\":\"choose\",\"runner\":\"script\",\"when\":\"all_success\",\"to\":[2,3]},"
    "{\"name\":\"left\",\"runner\":\"script\",\"when\":\"all_success\",\"after\":[0]},"
    "{\"name\":\"right\",\"runner\":\"script\",\"when\":\"all_success\"}]}";

static void batch_check(const struct tg_batch *batch, const struct tg_attempt *attempt) {
  for (size_t i = 0; i < batch->count; i++) {
    const struct tg_record *record = &batch->records[i];
    fuzz_check(record->kind == TG_RECORD_CHECK || record->kind == TG_RECORD_ASSET_VERSION);
    if (record->kind == TG_RECORD_CHECK)
      fuzz_check(record->check.task == attempt->task && record->check.body);
    else
      fuzz_check(record->asset_version.task == attempt->task && record->asset_version.asset);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct tg_plan *plan;
  if (!plan) fuzz_check(tg_plan_parse(plan_text, sizeof plan_text - 1, &plan, NULL) == TG_OK);
  struct input in = input_of(data, size);
  uint8_t choice = input_u8(&in);
  struct tg_attempt attempt = {.run = 1, .task = choice & 3, .number = 1, .ended_at = 1};
  attempt.state = choice & 4 ? TG_ATTEMPT_FAILED : TG_ATTEMPT_SUCCESS;
  char *facts = input_text(&in);
  struct tg_batch *batch = tg_batch_new();
  struct tg_error err;
  const char *chosen;
  fuzz_check(batch);
  if (tg_facts_record(plan, NULL, &attempt, facts, batch, &chosen, &err) == TG_OK) {
    batch_check(batch, &attempt);
    fuzz_check(attempt.state != TG_ATTEMPT_SUCCESS || (attempt.task == 1) == (chosen != NULL));
  }
  tg_batch_free(batch);
  free(facts);
  return 0;
}
