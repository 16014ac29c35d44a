// SPDX-License-Identifier: Apache-2.0
// Circuit breakers: a resource that keeps failing is left alone for a while, by everybody.
//
//            too many failures, or a Retry-After
//   closed ----------------------------------------> open <---------.
//     ^                                               | open_ms,    | a probe failed
//     |  successes_to_close probes went well          v Retry-After |
//     '------------------------------------------ half_open --------'
//
//   closed     every call may go; it opens after `failures_max` failures in a row, or when a share
//              of `share_permille` failed of at least `calls_min` calls in the window
//   open       no call may go before `retry_at`
//   half_open  `probes_max` calls may be out at a time; one that has not reported after `lease_ms`
//              is given up, since its holder may have died; if it reports after all, that counts
//              unless its place was needed
//
// A call asks, and if it may go it keeps the ticket of the answer and reports with it. A report
// counts only for what it was asked for: what was sent while the breaker was closed and comes back
// when it is half open says nothing about the resource now. One thing always counts: a throttled
// call whose remote said when to come back opens until then.
//
// A success and the classes transient, throttled and lost count. The other classes say nothing
// about the resource's health: they only give a probe's place back.
//
// The window is TG_BREAKER_BUCKETS buckets, the newest first; one falls out as a whole. So a call
// counts for between 9/10 of the window and all of it.
//
// There is no clock here: `now` is an argument, in ms from any start. A clock that goes back by a
// year makes nobody wait a year: no wait, from the moment it is looked at, is longer than it was
// when it was begun.
//
// Source: M. Nygard, "Release It!", 2nd ed. 2018, "Circuit Breaker"
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "retry/fields.h"

enum {
  TG_BREAKER_BUCKETS = 10,
  TG_BREAKER_PROBES_MAX = 8,
  TG_BREAKER_FIELDS = 7 + 2 * TG_BREAKER_PROBES_MAX + 2 * TG_BREAKER_BUCKETS,
  TG_BREAKER_TEXT_MAX = TG_FIELDS_TEXT_MAX(TG_BREAKER_FIELDS)
};

/// X(NAME, word)
#define TG_BREAKER_PHASES(X)                                                                       \
  X(CLOSED, "closed")                                                                              \
  X(OPEN, "open")                                                                                  \
  X(HALF_OPEN, "half_open")

/// X(NAME, word): what a call may do.
#define TG_BREAKER_VERDICTS(X)                                                                     \
  X(ALLOW, "allow")                                                                                \
  X(PROBE, "probe")                                                                                \
  X(REFUSE, "refuse")

enum tg_breaker_phase {
#define X(name, word) TG_BREAKER_##name,
  TG_BREAKER_PHASES(X)
#undef X
      TG_BREAKER_PHASE_COUNT
};

enum tg_breaker_verdict {
#define X(name, word) TG_BREAKER_##name,
  TG_BREAKER_VERDICTS(X)
#undef X
      TG_BREAKER_VERDICT_COUNT
};

struct tg_breaker_policy {
  uint32_t failures_max;   // in a row; 0 is no such rule
  uint32_t share_permille; // of the window's calls; 0 is no such rule
  uint32_t calls_min;      // that the window must hold before the share means something
  int64_t window_ms;
  int64_t open_ms;
  int64_t retry_after_max_ms; // a remote may not ask for more
  uint32_t probes_max;
  uint32_t successes_to_close;
  int64_t lease_ms; // of a probe
};

struct tg_breaker_probe {
  uint64_t ticket; // 0: the place is free
  int64_t until;
};

struct tg_breaker_bucket {
  uint32_t successes, failures;
};

/// Plain data of a fixed size; its owner stores it as text whenever `serial` is another one than
/// before. What changes without it, the counts of a closed breaker, may be lost with the host.
struct tg_breaker {
  enum tg_breaker_phase phase;
  uint64_t serial;    // never given twice: tickets are made of it
  uint32_t failures;  // in a row, while closed
  uint32_t successes; // of probes, while half open
  int64_t wait_ms;    // while open: what it waits for in all
  int64_t retry_at;   // while open
  int64_t bucket_at;  // while closed: when the newest bucket began
  struct tg_breaker_probe probes[TG_BREAKER_PROBES_MAX];
  struct tg_breaker_bucket buckets[TG_BREAKER_BUCKETS];
};

struct tg_breaker_answer {
  enum tg_breaker_verdict verdict;
  uint64_t ticket;  // to report with; 0 if refused
  int64_t retry_at; // if refused: ask again then at the latest, or when the breaker changed
};

/// Fills in what `breaker = {}` means: opens after 5 failures in a row for 30s, or for as long as a
/// remote asks, up to 1h; one probe at a time, of 1m; one success closes. There is no share, and
/// where one is set it is of at least 20 calls within 1m.
void tg_breaker_policy_init(struct tg_breaker_policy *policy);

/// Checks a policy; the functions below need a valid one. It may change between two calls.
///
/// Errors: TG_EINVALID, naming the field
int tg_breaker_policy_validate(const struct tg_breaker_policy *policy, struct tg_error *err);

/// Makes a closed breaker.
void tg_breaker_init(struct tg_breaker *breaker);

/// Asks whether a call may go now. Who may go must report, whatever happens.
struct tg_breaker_answer tg_breaker_ask(const struct tg_breaker_policy *policy,
                                        struct tg_breaker *breaker, int64_t now);

/// Tells how a call ended. A ticket that is not, or no longer, known is harmless.
///
/// Shape:  ticket of the answer (0 if it is lost), class of the error (TG_CLASS_NONE if it went
///         well), what the remote asked for (0 if nothing)
void tg_breaker_report(const struct tg_breaker_policy *policy, struct tg_breaker *breaker,
                       int64_t now, uint64_t ticket, enum tg_class class, int64_t retry_after_ms);

/// Gives the word of a phase or a verdict, "unknown" if there is none.
const char *tg_breaker_phase_word(enum tg_breaker_phase phase);
const char *tg_breaker_verdict_word(enum tg_breaker_verdict verdict);

/// Writes the state as text, with a NUL, and gives its length.
size_t tg_breaker_encode(const struct tg_breaker *breaker, char text[TG_BREAKER_TEXT_MAX]);

/// Reads what tg_breaker_encode wrote; `breaker` is unchanged on an error.
///
/// Errors: TG_EINVALID for any other text, another version's too, and for a state that cannot be
int tg_breaker_decode(struct tg_breaker *breaker, const char *text, size_t len,
                      struct tg_error *err);
