// SPDX-License-Identifier: Apache-2.0
#include "dag/trigger.h"

#include <stdbool.h>
#include <string.h>

static const char *const rule_words[] = {
#define X(name, word) word,
    TG_TRIGGER_RULES(X)
#undef X
};

enum tg_trigger_verdict tg_trigger_judge(enum tg_trigger_rule rule,
                                         const struct tg_trigger_counts *counts) {
  const uint32_t success = counts->success, failed = counts->failed, skipped = counts->skipped;
  const bool all_done = success + failed + skipped >= counts->upstream;
  if (!counts->upstream) return TG_TRIGGER_READY;
  switch (rule) {
  case TG_TRIGGER_ALL_SUCCESS:
    if (failed) return TG_TRIGGER_UPSTREAM_FAILED;
    if (all_done) return skipped ? TG_TRIGGER_SKIP : TG_TRIGGER_READY;
    break;
  case TG_TRIGGER_ALL_DONE:
    if (all_done) return TG_TRIGGER_READY;
    break;
  case TG_TRIGGER_ALL_FAILED:
    if (success || skipped) return TG_TRIGGER_SKIP;
    if (all_done) return TG_TRIGGER_READY;
    break;
  case TG_TRIGGER_ALL_SKIPPED:
    if (success || failed) return TG_TRIGGER_SKIP;
    if (all_done) return TG_TRIGGER_READY;
    break;
  case TG_TRIGGER_ONE_SUCCESS:
    if (success) return TG_TRIGGER_READY;
    if (all_done) return failed ? TG_TRIGGER_UPSTREAM_FAILED : TG_TRIGGER_SKIP;
    break;
  case TG_TRIGGER_ONE_FAILED:
    if (failed) return TG_TRIGGER_READY;
    if (all_done) return TG_TRIGGER_SKIP;
    break;
  case TG_TRIGGER_ONE_DONE:
    if (success || failed) return TG_TRIGGER_READY;
    if (all_done) return TG_TRIGGER_SKIP;
    break;
  case TG_TRIGGER_NONE_FAILED:
    if (failed) return TG_TRIGGER_UPSTREAM_FAILED;
    if (all_done) return TG_TRIGGER_READY;
    break;
  case TG_TRIGGER_NONE_FAILED_MIN_ONE_SUCCESS:
    if (failed) return TG_TRIGGER_UPSTREAM_FAILED;
    if (all_done) return success ? TG_TRIGGER_READY : TG_TRIGGER_SKIP;
    break;
  case TG_TRIGGER_NONE_SKIPPED:
    if (skipped) return TG_TRIGGER_SKIP;
    if (all_done) return TG_TRIGGER_READY;
    break;
  case TG_TRIGGER_ALWAYS:
    return TG_TRIGGER_READY;
  case TG_TRIGGER_RULE_COUNT:
    break;
  }
  return TG_TRIGGER_WAIT;
}

const char *tg_trigger_rule_word(enum tg_trigger_rule rule) {
  return (unsigned)rule < TG_TRIGGER_RULE_COUNT ? rule_words[rule] : "unknown";
}

int tg_trigger_rule_parse(const char *word) {
  for (int i = 0; i < TG_TRIGGER_RULE_COUNT; i++)
    if (strcmp(word, rule_words[i]) == 0) return i;
  return -1;
}
