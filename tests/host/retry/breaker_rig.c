// SPDX-License-Identifier: Apache-2.0
#include "host/retry/breaker_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "host/retry/random.h"

struct tg_breaker_policy rig_policy(void) {
  return (struct tg_breaker_policy){
      .failures_max = 3,
      .calls_min = 10,
      .window_ms = WINDOW_MS,
      .open_ms = OPEN_MS,
      .retry_after_max_ms = ASKED_MAX_MS,
      .probes_max = 2,
      .successes_to_close = 2,
      .lease_ms = LEASE_MS,
  };
}

uint64_t rig_ask(const struct tg_breaker_policy *policy, struct tg_breaker *breaker, int64_t now,
                 enum tg_breaker_verdict verdict) {
  struct tg_breaker_answer answer = tg_breaker_ask(policy, breaker, now);
  assert_string_equal(tg_breaker_verdict_word(answer.verdict), tg_breaker_verdict_word(verdict));
  assert_int_equal(answer.ticket == 0, verdict == TG_BREAKER_REFUSE);
  return answer.ticket;
}

void rig_ask_refused(const struct tg_breaker_policy *policy, struct tg_breaker *breaker,
                     int64_t now, int64_t retry_at) {
  struct tg_breaker_answer answer = tg_breaker_ask(policy, breaker, now);
  assert_int_equal(answer.verdict, TG_BREAKER_REFUSE);
  assert_int_equal(answer.retry_at, retry_at);
}

void rig_call(const struct tg_breaker_policy *policy, struct tg_breaker *breaker, int64_t now,
              int calls, enum tg_class class) {
  for (int i = 0; i < calls; i++) {
    struct tg_breaker_answer answer = tg_breaker_ask(policy, breaker, now);
    assert_int_not_equal(answer.verdict, TG_BREAKER_REFUSE);
    tg_breaker_report(policy, breaker, now, answer.ticket, class, 0);
  }
}

struct tg_breaker rig_breaker(const struct tg_breaker_policy *policy, enum tg_breaker_phase phase) {
  assert_int_equal(tg_breaker_policy_validate(policy, NULL), 0);
  struct tg_breaker breaker;
  tg_breaker_init(&breaker);
  if (phase != TG_BREAKER_CLOSED) rig_call(policy, &breaker, 0, 3, TG_CLASS_TRANSIENT);
  if (phase == TG_BREAKER_HALF_OPEN) {
    uint64_t probe = rig_ask(policy, &breaker, OPEN_MS, TG_BREAKER_PROBE);
    tg_breaker_report(policy, &breaker, OPEN_MS, probe, TG_CLASS_CANCELLED, 0);
  }
  assert_int_equal(breaker.phase, phase);
  return breaker;
}

void rig_expect(const struct tg_breaker *breaker, enum tg_breaker_phase phase) {
  assert_string_equal(tg_breaker_phase_word(breaker->phase), tg_breaker_phase_word(phase));
}

struct tg_breaker_policy rig_random_policy(uint64_t *seed) {
  bool has_share = random_below(seed, 2), has_row = !has_share || random_below(seed, 2);
  return (struct tg_breaker_policy){
      .failures_max = has_row ? 1 + (uint32_t)random_below(seed, 6) : 0,
      .share_permille = has_share ? 1 + (uint32_t)random_below(seed, 1000) : 0,
      .calls_min = 1 + (uint32_t)random_below(seed, 20),
      .window_ms = 10 + random_below(seed, 1000),
      .open_ms = 1 + random_below(seed, 200),
      .retry_after_max_ms = 1 + random_below(seed, 300),
      .probes_max = 1 + (uint32_t)random_below(seed, TG_BREAKER_PROBES_MAX),
      .successes_to_close = 1 + (uint32_t)random_below(seed, 5),
      .lease_ms = 1 + random_below(seed, 200),
  };
}

enum tg_class rig_random_class(uint64_t *seed, int64_t ill_percent) {
  if (random_below(seed, 100) >= ill_percent) return TG_CLASS_NONE;
  return (enum tg_class)random_below(seed, TG_CLASS_COUNT);
}
