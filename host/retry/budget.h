// SPDX-License-Identifier: Apache-2.0
// Retry budgets: how many retries a resource gets in all, whoever asks. Retries that each policy
// allows can together be a storm on a remote that is ill; a budget bounds their sum.
//
// A bucket of tokens. A first try puts `ratio` tokens in, time puts `reserve` in each second, the
// bucket holds `cap` at most and begins full; a retry takes one token or is refused. So of any
// stretch of time
//
//   retries <= cap + ratio * first tries + reserve * seconds
//
// The budget of one run is the plain counter that is left when ratio and reserve are 0: `cap`
// retries, and then no more.
//
// All is whole numbers, in millionths of a token, so that nothing is ever rounded: the same calls
// give the same answers everywhere. There is no clock here: `now` is an argument, in ms from any
// start; one that goes back gives nothing.
// Source: Finagle's RetryBudget; gRFC A6, "Retry throttling"
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "retry/fields.h"

#define TG_BUDGET_MILLI_MAX 1000000000 // of each field of a policy: a million tokens

enum { TG_BUDGET_TEXT_MAX = TG_FIELDS_TEXT_MAX(2) };

/// Units:  thousandths of a token; `reserve_milli` a second
struct tg_budget_policy {
  int64_t ratio_milli; // of a first try: 200 allows retries to add 20 %
  int64_t reserve_milli;
  int64_t cap_milli;
};

/// Plain data of a fixed size; its owner stores it as text.
struct tg_budget {
  int64_t balance_micro; // millionths of a token
  int64_t refilled_at;
};

/// Fills in what `budget = {}` means: retries add 20 % to first tries, beside one retry every ten
/// seconds, and 10 at once.
void tg_budget_policy_init(struct tg_budget_policy *policy);

/// Checks a policy; the functions below need a valid one.
///
/// Errors: TG_EINVALID, naming the field
int tg_budget_policy_validate(const struct tg_budget_policy *policy, struct tg_error *err);

/// Makes a full budget.
void tg_budget_init(struct tg_budget *budget, const struct tg_budget_policy *policy, int64_t now);

/// Tells of a first try.
void tg_budget_deposit(const struct tg_budget_policy *policy, struct tg_budget *budget,
                       int64_t now);

/// Takes what a retry costs, or says that there may be none now.
bool tg_budget_try(const struct tg_budget_policy *policy, struct tg_budget *budget, int64_t now);

/// Gives the number of retries that may follow at once.
int64_t tg_budget_left(const struct tg_budget_policy *policy, const struct tg_budget *budget,
                       int64_t now);

/// Writes the state as text, with a NUL, and gives its length.
size_t tg_budget_encode(const struct tg_budget *budget, char text[TG_BUDGET_TEXT_MAX]);

/// Reads what tg_budget_encode wrote; `budget` is unchanged on an error. The policy may have
/// changed since: what is above the new cap is dropped at the next call.
///
/// Errors: TG_EINVALID for any other text, another version's too
int tg_budget_decode(struct tg_budget *budget, const char *text, size_t len, struct tg_error *err);
