// SPDX-License-Identifier: Apache-2.0
// Whether a failed attempt is followed by another: what the plan's policy allows is granted unless
// it would come too late or a budget has none left; a policy in Lua is asked first.
//
//   ask     the attempt's record is put aside and its unit goes on deciding
//   decided the record is completed and goes into the batch; a policy that fails, or whose answer
//   is
//           none, stops: what is not understood is not repeated
//
// Until the answer comes nothing of the attempt is durable: a crash takes it for lost.
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/units.h"
#include "engine/engine_parts.h"

struct tg_retry_asking {
  uint64_t question, run;
  uint32_t unit;
  int64_t delay_ms, retry_after_ms; // of the plan's backoff; what the remote asked for
  struct tg_batch *held;            // the attempt's record
  char *input;
  struct tg_retry_asking *next;
};

static void asking_free(struct tg_retry_asking *asking) {
  tg_batch_free(asking->held);
  free(asking->input);
  free(asking);
}

void tg_engine_retries_free(struct tg_engine *engine) {
  while (engine->askings) {
    struct tg_retry_asking *asking = engine->askings;
    engine->askings = asking->next;
    asking_free(asking);
  }
}

// Says with the failure why it is not tried again although it could be.
static void refuse(struct tg_engine *engine, struct tg_attempt *attempt, const char *why) {
  char text[TG_ERROR_TEXT_MAX];
  struct tg_batch *batch = tg_engine_batch(engine);
  if (!batch) return;
  snprintf(text, sizeof text, "%.600s; not tried again: %s",
           attempt->failure.text ? attempt->failure.text : "", why);
  attempt->stop = tg_arena_strdup(&batch->arena, why);
  attempt->failure.text = tg_arena_strdup(&batch->arena, text);
  if (!attempt->stop || !attempt->failure.text) tg_engine_fail(engine, TG_ENOMEM, "out of memory");
}

void tg_engine_retry_decide(struct tg_engine *engine, struct tg_live_run *run, uint32_t unit,
                            struct tg_attempt *attempt, int64_t delay_ms) {
  char why[TG_NAME_BYTES_MAX + 128];
  int64_t retry_at = tg_engine_after(engine->now.wall_ms, delay_ms);
  if (tg_engine_retry_is_late(run, unit, retry_at, why, sizeof why) ||
      !tg_engine_retry_grant(engine, run, unit, why, sizeof why))
    refuse(engine, attempt, why);
  else
    attempt->retry_at = retry_at;
}

// --- Asking ---

// What a policy for retries sees; its schema takes what it needs of it.
static char *input_make(const struct tg_engine *engine, const struct tg_live_run *run,
                        uint32_t unit, const struct tg_attempt *attempt, int64_t retry_after_ms) {
  const struct tg_live_task *t = &run->tasks[unit];
  char id[TG_ID_TEXT_LEN + 1], now[TG_TIME_TEXT_LEN + 1], logical[TG_TIME_TEXT_LEN + 1];
  const char *text = attempt->failure.text ? attempt->failure.text : "";
  json_t *params = json_loads(run->run.params ? run->run.params : "{}", 0, NULL);
  json_t *message = json_string(text);
  tg_id_format(run->run.id, id);
  tg_time_format(engine->now.wall_ms, now);
  tg_time_format(run->run.logical_at, logical);
  json_t *input = json_pack(
      "{s:{s:s, s:s, s:o, s:I}, s:I, s:I, s:s, s:s, s:s, s:s, s:s, s:o}", "error", "code",
      tg_code_word(attempt->failure.code), "class", tg_class_word(attempt->failure.class),
      "message", message ? message : json_string(""), "retry_after_ms", (json_int_t)retry_after_ms,
      "attempt", (json_int_t)(t->attempts - tg_live_notes(t)->lost), "elapsed_ms",
      (json_int_t)(engine->now.wall_ms - tg_live_first_started_at(t)), "task",
      tg_live_plan(run, unit)->name, "run", id, "pipeline", run->plan->name, "now", now,
      "logical_date", logical, "params", params ? params : json_object());
  char *result = input ? json_dumps(input, JSON_COMPACT) : NULL;
  json_decref(input);
  return result;
}

void tg_engine_retry_ask(struct tg_engine *engine, struct tg_live_run *run, uint32_t unit,
                         const struct tg_record *record, int64_t delay_ms, int64_t retry_after_ms) {
  struct tg_retry_asking *asking = calloc(1, sizeof *asking);
  if (asking) asking->held = tg_batch_new();
  if (asking) asking->input = input_make(engine, run, unit, &record->attempt, retry_after_ms);
  if (!asking || !asking->input || !asking->held || tg_batch_add(asking->held, record)) {
    if (asking) asking_free(asking);
    tg_engine_fail(engine, TG_ENOMEM, "out of memory");
    return;
  }
  asking->question = ++engine->last_question;
  asking->run = run->run.number;
  asking->unit = unit;
  asking->delay_ms = delay_ms;
  asking->retry_after_ms = retry_after_ms;
  asking->next = engine->askings;
  engine->askings = asking;
  tg_engine_effect(engine, &(struct tg_effect){.kind = TG_EFFECT_DECIDE,
                                               .run = run,
                                               .unit = unit,
                                               .number = record->attempt.number,
                                               .request = asking->question,
                                               .text = asking->input});
}

// --- The answer ---

static struct tg_retry_asking *asking_take(struct tg_engine *engine, uint64_t question) {
  struct tg_retry_asking **at = &engine->askings;
  while (*at && (*at)->question != question) at = &(*at)->next;
  struct tg_retry_asking *asking = *at;
  if (asking) *at = asking->next;
  return asking;
}

// A remote that asked for more time than the policy gives has it; the time of all tries holds too.
static void retry_go(struct tg_engine *engine, struct tg_live_run *run,
                     const struct tg_retry_asking *asking, struct tg_attempt *attempt,
                     int64_t asked_ms) {
  const struct tg_retry_policy *policy = tg_live_plan(run, asking->unit)->retry;
  int64_t delay_ms = asked_ms >= 0 ? asked_ms : asking->delay_ms;
  int64_t passed = engine->now.wall_ms - tg_live_first_started_at(&run->tasks[asking->unit]);
  if (delay_ms < asking->retry_after_ms) delay_ms = asking->retry_after_ms;
  if (policy->total_ms && delay_ms > policy->total_ms - passed)
    refuse(engine, attempt, "the next try could not begin in the time of all tries");
  else
    tg_engine_retry_decide(engine, run, asking->unit, attempt, delay_ms);
}

static void answer_take(struct tg_engine *engine, struct tg_live_run *run,
                        const struct tg_retry_asking *asking, struct tg_attempt *attempt,
                        const struct tg_input *input) {
  const char *policy = tg_live_plan(run, asking->unit)->retry_decide;
  const char *text = input->decision.text;
  char why[TG_ERROR_TEXT_MAX / 2];
  if (!input->decision.code && input->decision.is_retry) {
    retry_go(engine, run, asking, attempt, input->decision.delay_ms);
    return;
  }
  snprintf(why, sizeof why,
           input->decision.code ? "policy %s could not decide: %s" : "policy %s: %s", policy,
           text && *text ? text : "it gave no reason");
  refuse(engine, attempt, why);
}

void tg_engine_retry_decided(struct tg_engine *engine, const struct tg_input *input) {
  struct tg_retry_asking *asking = asking_take(engine, input->decision.question);
  struct tg_live_run *run = asking ? tg_engine_find_run(engine, asking->run) : NULL;
  if (run) {
    struct tg_record record = asking->held->records[0];
    struct tg_attempt *attempt = &record.attempt;
    if (tg_live_is_cut(run, asking->unit))
      attempt->state = TG_ATTEMPT_CANCELLED;
    else
      answer_take(engine, run, asking, attempt, input);
    tg_engine_failed_record(engine, run, asking->unit, &record);
  }
  if (asking) asking_free(asking);
}
