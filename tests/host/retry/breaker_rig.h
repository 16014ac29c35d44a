// SPDX-License-Identifier: Apache-2.0
// A breaker in a test: a small policy, and calls that expect their verdict.
#pragma once

#include <stdint.h>

#include "retry/breaker.h"

enum { OPEN_MS = 1000, LEASE_MS = 400, WINDOW_MS = 1000, ASKED_MS = 5000, ASKED_MAX_MS = 100000 };

/// Gives a policy that opens after 3 failures in a row; 2 probes at a time, of which 2 must go
/// well.
struct tg_breaker_policy rig_policy(void);

/// Gives any valid policy, with waits of at most 300 ms.
struct tg_breaker_policy rig_random_policy(uint64_t *seed);

/// Gives a class; `ill_percent` of them are any but a success, or one by chance.
enum tg_class rig_random_class(uint64_t *seed, int64_t ill_percent);

/// Makes a breaker in a phase: it opened at 0, and was half open at OPEN_MS with no probe out.
struct tg_breaker rig_breaker(const struct tg_breaker_policy *policy, enum tg_breaker_phase phase);

/// Asks, expects the verdict, and gives the ticket.
uint64_t rig_ask(const struct tg_breaker_policy *policy, struct tg_breaker *breaker, int64_t now,
                 enum tg_breaker_verdict verdict);

/// Asks and expects to be refused until an instant.
void rig_ask_refused(const struct tg_breaker_policy *policy, struct tg_breaker *breaker,
                     int64_t now, int64_t retry_at);

/// Makes calls that may go and all end with a class at once.
void rig_call(const struct tg_breaker_policy *policy, struct tg_breaker *breaker, int64_t now,
              int calls, enum tg_class class);

void rig_expect(const struct tg_breaker *breaker, enum tg_breaker_phase phase);
