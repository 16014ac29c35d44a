// SPDX-License-Identifier: Apache-2.0
#include "retry/breaker.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

// Counting up from here takes longer than there is time.
#define SERIAL_MAX (INT64_C(1) << 62)

static const char *const phase_words[] = {
#define X(name, word) word,
    TG_BREAKER_PHASES(X)
#undef X
};

static const char *const verdict_words[] = {
#define X(name, word) word,
    TG_BREAKER_VERDICTS(X)
#undef X
};

void tg_breaker_policy_init(struct tg_breaker_policy *policy) {
  *policy = (struct tg_breaker_policy){
      .failures_max = 5,
      .calls_min = 20,
      .window_ms = 60000,
      .open_ms = 30000,
      .retry_after_max_ms = 3600000,
      .probes_max = 1,
      .successes_to_close = 1,
      .lease_ms = 60000,
  };
}

int tg_breaker_policy_validate(const struct tg_breaker_policy *policy, struct tg_error *err) {
  if (!policy->failures_max && !policy->share_permille)
    return tg_error_set(err, TG_EINVALID, "failures or share must be given: nothing would open it");
  if (policy->share_permille > 1000)
    return tg_error_set(err, TG_EINVALID, "share must be between 0.001 and 1");
  if (policy->calls_min < 1) return tg_error_set(err, TG_EINVALID, "calls must be at least 1");
  if (policy->window_ms < TG_BREAKER_BUCKETS)
    return tg_error_set(err, TG_EINVALID, "window must be at least %dms", TG_BREAKER_BUCKETS);
  if (policy->open_ms < 1) return tg_error_set(err, TG_EINVALID, "open must be at least 1ms");
  if (policy->retry_after_max_ms < 1)
    return tg_error_set(err, TG_EINVALID, "retry_after_max must be at least 1ms");
  if (policy->probes_max < 1 || policy->probes_max > TG_BREAKER_PROBES_MAX)
    return tg_error_set(err, TG_EINVALID, "probes must be between 1 and %d", TG_BREAKER_PROBES_MAX);
  if (policy->successes_to_close < 1)
    return tg_error_set(err, TG_EINVALID, "successes must be at least 1");
  if (policy->lease_ms < 1) return tg_error_set(err, TG_EINVALID, "lease must be at least 1ms");
  return 0;
}

void tg_breaker_init(struct tg_breaker *breaker) {
  *breaker = (struct tg_breaker){.phase = TG_BREAKER_CLOSED, .serial = 1};
}

// --- Moving between the phases ---

static int64_t later(int64_t now, int64_t ms) {
  return now > INT64_MAX - ms ? INT64_MAX : now + ms;
}

// Enters a phase with nothing in memory: each phase has its own.
static void enter(struct tg_breaker *breaker, enum tg_breaker_phase phase) {
  *breaker = (struct tg_breaker){.phase = phase, .serial = breaker->serial + 1};
}

static void open_for(struct tg_breaker *breaker, int64_t now, int64_t ms) {
  enter(breaker, TG_BREAKER_OPEN);
  breaker->wait_ms = ms;
  breaker->retry_at = later(now, ms);
}

// Shortens what became longer than it was at its beginning: the clock went back.
static void shorten(int64_t *until, int64_t now, int64_t ms) {
  int64_t latest = later(now, ms);
  if (*until > latest) *until = latest;
}

// --- Asking ---

static struct tg_breaker_answer refuse(int64_t retry_at) {
  return (struct tg_breaker_answer){.verdict = TG_BREAKER_REFUSE, .retry_at = retry_at};
}

// Gives a place for a probe: a free one, else that of the oldest probe that was given up. If there
// is none it gives NULL and says when the next one is given up. More probes may be out than the
// policy allows, if it was edited meanwhile.
static struct tg_breaker_probe *place_find(const struct tg_breaker_policy *policy,
                                           struct tg_breaker *breaker, int64_t now,
                                           int64_t *free_at) {
  struct tg_breaker_probe *place = NULL;
  uint32_t out = 0;
  *free_at = INT64_MAX;
  for (int i = 0; i < TG_BREAKER_PROBES_MAX; i++) {
    struct tg_breaker_probe *probe = &breaker->probes[i];
    if (probe->ticket) shorten(&probe->until, now, policy->lease_ms);
    if (probe->ticket && probe->until > now) {
      out++;
      if (probe->until < *free_at) *free_at = probe->until;
    } else if (!place || probe->ticket < place->ticket) {
      place = probe;
    }
  }
  return out < policy->probes_max ? place : NULL;
}

static struct tg_breaker_answer probe_ask(const struct tg_breaker_policy *policy,
                                          struct tg_breaker *breaker, int64_t now) {
  int64_t free_at;
  struct tg_breaker_probe *place = place_find(policy, breaker, now, &free_at);
  if (!place) return refuse(free_at);
  *place = (struct tg_breaker_probe){++breaker->serial, later(now, policy->lease_ms)};
  return (struct tg_breaker_answer){.verdict = TG_BREAKER_PROBE, .ticket = place->ticket};
}

struct tg_breaker_answer tg_breaker_ask(const struct tg_breaker_policy *policy,
                                        struct tg_breaker *breaker, int64_t now) {
  if (breaker->phase == TG_BREAKER_CLOSED)
    return (struct tg_breaker_answer){.verdict = TG_BREAKER_ALLOW, .ticket = breaker->serial};
  if (breaker->phase == TG_BREAKER_OPEN) {
    shorten(&breaker->retry_at, now, breaker->wait_ms);
    if (now < breaker->retry_at) return refuse(breaker->retry_at);
    enter(breaker, TG_BREAKER_HALF_OPEN);
  }
  return probe_ask(policy, breaker, now);
}

// --- Reporting ---

static bool is_failure(enum tg_class class) {
  return class == TG_CLASS_TRANSIENT || class == TG_CLASS_THROTTLED || class == TG_CLASS_LOST;
}

static void count(uint32_t *counter) {
  if (*counter < UINT32_MAX) ++*counter;
}

// Makes buckets[0] the one of now. When the clock went back, that is the newest there is.
static void buckets_roll(struct tg_breaker *breaker, int64_t now, int64_t width) {
  assert(width > 0); // tg_breaker_policy_validate sees to it
  if (now < breaker->bucket_at) breaker->bucket_at = now;
  uint64_t age = (uint64_t)now - (uint64_t)breaker->bucket_at;
  if (age < (uint64_t)width) return;
  uint64_t steps = age / (uint64_t)width;
  breaker->bucket_at = now - (int64_t)(age % (uint64_t)width);
  for (int i = TG_BREAKER_BUCKETS - 1; i >= 0; i--)
    breaker->buckets[i] = (uint64_t)i >= steps ? breaker->buckets[(uint64_t)i - steps]
                                               : (struct tg_breaker_bucket){0};
}

static bool is_share_reached(const struct tg_breaker_policy *policy,
                             const struct tg_breaker *breaker) {
  uint64_t calls = 0, failures = 0;
  for (int i = 0; i < TG_BREAKER_BUCKETS; i++) {
    failures += breaker->buckets[i].failures;
    calls += breaker->buckets[i].failures + (uint64_t)breaker->buckets[i].successes;
  }
  return calls >= policy->calls_min && failures * 1000 >= calls * policy->share_permille;
}

static bool must_open(const struct tg_breaker_policy *policy, const struct tg_breaker *breaker) {
  if (policy->failures_max && breaker->failures >= policy->failures_max) return true;
  return policy->share_permille && is_share_reached(policy, breaker);
}

static void success_count(struct tg_breaker *breaker) {
  count(&breaker->buckets[0].successes);
  breaker->failures = 0;
}

static void failure_count(const struct tg_breaker_policy *policy, struct tg_breaker *breaker,
                          int64_t now) {
  count(&breaker->buckets[0].failures);
  count(&breaker->failures);
  if (must_open(policy, breaker)) open_for(breaker, now, policy->open_ms);
}

static void closed_report(const struct tg_breaker_policy *policy, struct tg_breaker *breaker,
                          int64_t now, enum tg_class class) {
  if (class != TG_CLASS_NONE && !is_failure(class)) return;
  buckets_roll(breaker, now, policy->window_ms / TG_BREAKER_BUCKETS);
  if (class == TG_CLASS_NONE)
    success_count(breaker);
  else
    failure_count(policy, breaker, now);
}

static struct tg_breaker_probe *probe_find(struct tg_breaker *breaker, uint64_t ticket) {
  for (int i = 0; ticket && i < TG_BREAKER_PROBES_MAX; i++)
    if (breaker->probes[i].ticket == ticket) return &breaker->probes[i];
  return NULL;
}

static void probe_report(const struct tg_breaker_policy *policy, struct tg_breaker *breaker,
                         int64_t now, uint64_t ticket, enum tg_class class) {
  struct tg_breaker_probe *probe = probe_find(breaker, ticket);
  if (!probe) return;
  *probe = (struct tg_breaker_probe){0};
  breaker->serial++;
  if (is_failure(class))
    open_for(breaker, now, policy->open_ms);
  else if (class == TG_CLASS_NONE && ++breaker->successes >= policy->successes_to_close)
    enter(breaker, TG_BREAKER_CLOSED);
}

// Opens until the remote wants to be asked again. One that is open already is never open for less.
static void throttle(const struct tg_breaker_policy *policy, struct tg_breaker *breaker,
                     int64_t now, int64_t ms) {
  if (ms > policy->retry_after_max_ms) ms = policy->retry_after_max_ms;
  if (breaker->phase == TG_BREAKER_OPEN) {
    shorten(&breaker->retry_at, now, breaker->wait_ms);
    if (later(now, ms) <= breaker->retry_at) return;
  }
  open_for(breaker, now, ms);
}

void tg_breaker_report(const struct tg_breaker_policy *policy, struct tg_breaker *breaker,
                       int64_t now, uint64_t ticket, enum tg_class class, int64_t retry_after_ms) {
  if (class == TG_CLASS_THROTTLED && retry_after_ms > 0)
    throttle(policy, breaker, now, retry_after_ms);
  else if (breaker->phase == TG_BREAKER_HALF_OPEN)
    probe_report(policy, breaker, now, ticket, class);
  else if (breaker->phase == TG_BREAKER_CLOSED && ticket == breaker->serial)
    closed_report(policy, breaker, now, class);
}

const char *tg_breaker_phase_word(enum tg_breaker_phase phase) {
  return (unsigned)phase < TG_BREAKER_PHASE_COUNT ? phase_words[phase] : "unknown";
}

const char *tg_breaker_verdict_word(enum tg_breaker_verdict verdict) {
  return (unsigned)verdict < TG_BREAKER_VERDICT_COUNT ? verdict_words[verdict] : "unknown";
}

// --- As text: "breaker1", and the fields in the order of the struct ---

static const char state_word[] = "breaker1";

static void pack(const struct tg_breaker *breaker, int64_t values[TG_BREAKER_FIELDS]) {
  *values++ = (int64_t)breaker->phase;
  *values++ = (int64_t)breaker->serial;
  *values++ = breaker->failures;
  *values++ = breaker->successes;
  *values++ = breaker->wait_ms;
  *values++ = breaker->retry_at;
  *values++ = breaker->bucket_at;
  for (int i = 0; i < TG_BREAKER_PROBES_MAX; i++) {
    *values++ = (int64_t)breaker->probes[i].ticket;
    *values++ = breaker->probes[i].until;
  }
  for (int i = 0; i < TG_BREAKER_BUCKETS; i++) {
    *values++ = breaker->buckets[i].successes;
    *values++ = breaker->buckets[i].failures;
  }
}

static void unpack(const int64_t values[TG_BREAKER_FIELDS], struct tg_breaker *breaker) {
  breaker->phase = (enum tg_breaker_phase) * values++;
  breaker->serial = (uint64_t)*values++;
  breaker->failures = (uint32_t)*values++;
  breaker->successes = (uint32_t)*values++;
  breaker->wait_ms = *values++;
  breaker->retry_at = *values++;
  breaker->bucket_at = *values++;
  for (int i = 0; i < TG_BREAKER_PROBES_MAX; i++) {
    breaker->probes[i].ticket = (uint64_t)*values++;
    breaker->probes[i].until = *values++;
  }
  for (int i = 0; i < TG_BREAKER_BUCKETS; i++) {
    breaker->buckets[i].successes = (uint32_t)*values++;
    breaker->buckets[i].failures = (uint32_t)*values++;
  }
}

// Gives the breaker without what is not its phase's.
static struct tg_breaker phase_own(const struct tg_breaker *breaker) {
  struct tg_breaker own = {.phase = breaker->phase, .serial = breaker->serial};
  if (own.phase == TG_BREAKER_CLOSED) {
    own.failures = breaker->failures;
    own.bucket_at = breaker->bucket_at;
    memcpy(own.buckets, breaker->buckets, sizeof own.buckets);
  } else if (own.phase == TG_BREAKER_OPEN) {
    own.wait_ms = breaker->wait_ms;
    own.retry_at = breaker->retry_at;
  } else {
    own.successes = breaker->successes;
    memcpy(own.probes, breaker->probes, sizeof own.probes);
  }
  return own;
}

static bool are_probes_possible(const struct tg_breaker *breaker) {
  for (int i = 0; i < TG_BREAKER_PROBES_MAX; i++) {
    const struct tg_breaker_probe *probe = &breaker->probes[i];
    if (probe->ticket > breaker->serial || (!probe->ticket && probe->until)) return false;
    for (int j = 0; probe->ticket && j < i; j++)
      if (breaker->probes[j].ticket == probe->ticket) return false;
  }
  return true;
}

// Packing it again also shows a number that was too large for its field.
static bool is_possible(const struct tg_breaker *breaker, const int64_t values[TG_BREAKER_FIELDS]) {
  int64_t again[TG_BREAKER_FIELDS];
  struct tg_breaker own = phase_own(breaker);
  pack(&own, again);
  if (memcmp(again, values, sizeof again) != 0) return false;
  if (breaker->serial < 1 || breaker->serial > SERIAL_MAX) return false;
  if (breaker->phase == TG_BREAKER_OPEN && breaker->wait_ms < 1) return false;
  return are_probes_possible(breaker);
}

size_t tg_breaker_encode(const struct tg_breaker *breaker, char text[TG_BREAKER_TEXT_MAX]) {
  int64_t values[TG_BREAKER_FIELDS];
  pack(breaker, values);
  return tg_fields_encode(state_word, values, TG_BREAKER_FIELDS, text);
}

int tg_breaker_decode(struct tg_breaker *breaker, const char *text, size_t len,
                      struct tg_error *err) {
  int64_t values[TG_BREAKER_FIELDS];
  int code = tg_fields_decode(state_word, text, len, values, TG_BREAKER_FIELDS, err);
  if (code) return code;
  if (values[0] < 0 || values[0] >= TG_BREAKER_PHASE_COUNT)
    return tg_error_set(err, TG_EINVALID, "%s: the phase is not known", state_word);
  struct tg_breaker read;
  unpack(values, &read);
  if (!is_possible(&read, values))
    return tg_error_set(err, TG_EINVALID, "%s: no breaker that is %s has these numbers", state_word,
                        tg_breaker_phase_word(read.phase));
  *breaker = read;
  return 0;
}
