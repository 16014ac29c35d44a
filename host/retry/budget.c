// SPDX-License-Identifier: Apache-2.0
#include "retry/budget.h"

enum { MICRO_OF_MILLI = 1000, MICRO_OF_TOKEN = 1000000 };

static const char state_word[] = "budget1";

void tg_budget_policy_init(struct tg_budget_policy *policy) {
  *policy = (struct tg_budget_policy){.ratio_milli = 200, .reserve_milli = 100, .cap_milli = 10000};
}

static bool is_possible(int64_t milli) {
  return milli >= 0 && milli <= TG_BUDGET_MILLI_MAX;
}

int tg_budget_policy_validate(const struct tg_budget_policy *policy, struct tg_error *err) {
  if (!is_possible(policy->ratio_milli))
    return tg_error_set(err, TG_EINVALID, "ratio must be between 0 and a million");
  if (!is_possible(policy->reserve_milli))
    return tg_error_set(err, TG_EINVALID, "reserve must be between 0 and a million a second");
  if (!is_possible(policy->cap_milli))
    return tg_error_set(err, TG_EINVALID, "cap must be between 0 and a million");
  // A bucket that holds no whole token would refuse for ever; 0 says that this is meant.
  if (policy->cap_milli && policy->cap_milli < 1000)
    return tg_error_set(err, TG_EINVALID, "cap must be 0 (no retries) or at least 1");
  return 0;
}

void tg_budget_init(struct tg_budget *budget, const struct tg_budget_policy *policy, int64_t now) {
  *budget = (struct tg_budget){policy->cap_milli * MICRO_OF_MILLI, now};
}

// Gives what the time since the last call earned: thousandths a second are millionths a ms.
static int64_t earned(const struct tg_budget_policy *policy, const struct tg_budget *budget,
                      int64_t now) {
  const int64_t rate = policy->reserve_milli, cap = policy->cap_milli * MICRO_OF_MILLI;
  if (now <= budget->refilled_at || !rate) return 0;
  uint64_t elapsed = (uint64_t)now - (uint64_t)budget->refilled_at;
  return elapsed > (uint64_t)(cap / rate) ? cap : (int64_t)elapsed * rate;
}

// Also lowers the balance to a cap that was lowered.
static void put(const struct tg_budget_policy *policy, struct tg_budget *budget, int64_t now,
                int64_t micro) {
  const int64_t cap = policy->cap_milli * MICRO_OF_MILLI;
  int64_t balance = budget->balance_micro + earned(policy, budget, now) + micro;
  *budget = (struct tg_budget){balance < cap ? balance : cap, now};
}

void tg_budget_deposit(const struct tg_budget_policy *policy, struct tg_budget *budget,
                       int64_t now) {
  put(policy, budget, now, policy->ratio_milli * MICRO_OF_MILLI);
}

bool tg_budget_try(const struct tg_budget_policy *policy, struct tg_budget *budget, int64_t now) {
  put(policy, budget, now, 0);
  if (budget->balance_micro < MICRO_OF_TOKEN) return false;
  budget->balance_micro -= MICRO_OF_TOKEN;
  return true;
}

int64_t tg_budget_left(const struct tg_budget_policy *policy, const struct tg_budget *budget,
                       int64_t now) {
  struct tg_budget copy = *budget;
  put(policy, &copy, now, 0);
  return copy.balance_micro / MICRO_OF_TOKEN;
}

size_t tg_budget_encode(const struct tg_budget *budget, char text[TG_BUDGET_TEXT_MAX]) {
  const int64_t values[] = {budget->balance_micro, budget->refilled_at};
  return tg_fields_encode(state_word, values, 2, text);
}

int tg_budget_decode(struct tg_budget *budget, const char *text, size_t len, struct tg_error *err) {
  int64_t values[2];
  int code = tg_fields_decode(state_word, text, len, values, 2, err);
  if (code) return code;
  if (values[0] < 0 || values[0] > (int64_t)TG_BUDGET_MILLI_MAX * MICRO_OF_MILLI)
    return tg_error_set(err, TG_EINVALID, "%s: the balance is out of range", state_word);
  *budget = (struct tg_budget){values[0], values[1]};
  return 0;
}
