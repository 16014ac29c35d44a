// SPDX-License-Identifier: Apache-2.0
// Policies for retries: asked once for each failure that may be tried again, they answer when they
// like, fail, or answer twice.
#include "sim/checks.h"

void sim_policy_asked(struct sim *sim, const struct tg_effect *effect, struct sim_run *run) {
  const struct tg_live_task *live = &effect->run->tasks[effect->unit];
  struct sim_unit *unit = run ? sim_unit_find(run, live->task, live->item) : NULL;
  if (!unit || unit->asking || effect->request != sim->asked_count + 1 ||
      sim->asked_count == SIM_QUESTIONS_MAX || !sim_task_of(run, unit)->retry.asks) {
    sim_fail(sim, "a policy is asked that is not there, or asked already");
    return;
  }
  sim_note(sim, "asks its policy", run, unit, effect->number);
  unit->asking = effect->number;
  unit->question = effect->request;
  sim->asked[sim->asked_count++] = unit;
  sim->asking_count++;
  sim_event_add(sim, SIM_DECIDE, sim_random_time(&sim->random, 0, 600000), effect->request);
}

void sim_policy_answers(struct sim *sim, uint64_t question) {
  struct sim_random *random = &sim->random;
  struct sim_unit *unit = sim->asked[question - 1];
  bool is_due = unit->asking && unit->question == question; // it may answer twice
  struct sim_told *told = is_due ? sim_told_find(unit, unit->asking) : NULL;
  struct tg_input input = {.kind = TG_INPUT_DECISION};
  input.decision.question = question;
  input.decision.code = sim_random_chance(random, 150) ? TG_ESCRIPT : TG_OK;
  input.decision.is_retry = sim_random_chance(random, 700);
  bool has_delay = sim_random_chance(random, 500);
  input.decision.delay_ms = has_delay ? sim_random_time(random, 0, 600000) : -1;
  input.decision.text = "so it says";
  if (told && !told->is_answered) {
    told->is_answered = true;
    told->may_retry = !input.decision.code && input.decision.is_retry;
    told->delay_ms = input.decision.delay_ms;
    told->answered_at = sim->now.wall_ms;
  }
  sim_note(sim, "its policy answers", NULL, NULL, (int64_t)question);
  sim_input(sim, &input);
  if (sim_random_chance(random, 50)) sim_event_add(sim, SIM_DECIDE, 100, question);
}

const char *sim_policy_fault(const struct sim_told *told, const struct tg_attempt *record) {
  if (!told->is_answered) return record->retry_at ? "is tried again and nobody was asked" : NULL;
  if (!told->may_retry) return record->retry_at ? "is tried again against its policy" : NULL;
  if (!record->retry_at) return record->stop ? NULL : "is not tried again as its policy says";
  int64_t delay = told->delay_ms, asked = told->err.retry_after_ms;
  if (delay >= 0 && record->retry_at != told->answered_at + (delay > asked ? delay : asked))
    return "is tried again when its policy does not say";
  return NULL;
}
