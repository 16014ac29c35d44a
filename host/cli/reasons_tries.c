// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "cli/reasons_parts.h"
#include "cli/resource.h"
#include "retry/policy.h"

enum { SLOT_MS_MIN = 100 }; // a shorter wait is the ordinary way to a start

// Says what a task needs besides a place among those that run at once.
static void needs_put(const struct tg_plan_task *plan, char text[256]) {
  size_t used = 0;
  text[0] = 0;
  for (uint32_t i = 0; i < plan->pool_count && used < 200; i++)
    used += (size_t)snprintf(text + used, 256 - used, "%s%u slot%s of pool %.64s",
                             i ? " and " : " and for ", plan->pools[i].slots,
                             plan->pools[i].slots == 1 ? "" : "s", plan->pools[i].name);
}

void tg_tell_slot(struct tg_teller *teller, uint32_t task) {
  const struct tg_attempt *first = tg_first_attempt(teller, task);
  const char *name = tg_task_at(teller, task)->name;
  int64_t ready = tg_ready_at(teller, task);
  char needs[256];
  needs_put(&teller->view->plan->tasks[task], needs);
  if (first && !first->was_held && first->started_at - ready >= SLOT_MS_MIN &&
      !tg_tell_lacked(teller, task, ready, first->started_at))
    tg_tell(teller, name, "slot", ready, first->started_at, "waited for a free place to run%s",
            needs);
}

// Tells of the breaker that keeps a task from its next attempt.
void tg_tell_held(struct tg_teller *teller, uint32_t task) {
  const struct tg_resource *resource = tg_view_held_by(teller->view, task);
  char text[TG_RESOURCE_TEXT_MAX];
  if (!resource) return;
  int64_t ready = tg_ready_at(teller, task);
  tg_resource_say(resource, text);
  tg_tell(teller, tg_task_at(teller, task)->name, "resource",
          ready > resource->opened_at ? ready : resource->opened_at, 0, "waits for %s", text);
}

// Tells that an attempt was held by a breaker, from the instant at which it could have begun.
static void was_held_tell(struct tg_teller *teller, const struct tg_attempt *attempt,
                          const struct tg_attempt *before) {
  const struct tg_plan *plan = teller->view->plan;
  uint32_t resource = plan->tasks[attempt->task].resource;
  int64_t since =
      before && before->retry_at ? before->retry_at : tg_ready_at(teller, attempt->task);
  if (!attempt->was_held || resource == TG_NO_RESOURCE || since >= attempt->started_at) return;
  tg_tell(teller, tg_task_at(teller, attempt->task)->name, "resource", since, attempt->started_at,
          "waited for resource %s, whose breaker was not closed", plan->resources[resource]);
}

static void checks_tell(struct tg_teller *teller, const struct tg_attempt *attempt) {
  const struct tg_view *view = teller->view;
  for (size_t i = 0; i < view->check_count; i++) {
    if (view->checks[i].task != attempt->task || view->checks[i].attempt != attempt->number)
      continue;
    const char *rule = "?", *column = NULL, *outcome = "?", *action = "?", *message = NULL;
    json_t *check = tg_view_check_json(view, &view->checks[i]);
    json_unpack(check, "{s?s, s?s, s?s, s?s, s?s}", "rule", &rule, "column", &column, "outcome",
                &outcome, "action", &action, "message", &message);
    if (strcmp(outcome, "passed") != 0)
      tg_tell(teller, tg_view_task_name(view, attempt->task), "check", attempt->ended_at,
              attempt->ended_at, "check %s%s%s ended %s, its action is %s%s%s", rule,
              column ? " of " : "", column ? column : "", outcome, action, message ? ": " : "",
              message ? message : "");
    json_decref(check);
  }
}

static void attempt_tell(struct tg_teller *teller, const struct tg_attempt *attempt) {
  const char *name = tg_view_task_name(teller->view, attempt->task);
  const struct tg_failure *failure = &attempt->failure;
  const char *state = tg_attempt_state_word(attempt->state);
  const char *kind = tg_view_is_fallback(teller->view, attempt) ? " (the fallback)" : "";
  if (failure->code)
    tg_tell(teller, name, "attempt", attempt->started_at, attempt->ended_at,
            "attempt %u%s: %s (%s, class %s): %s", attempt->number, kind, state,
            tg_code_word(failure->code), tg_class_word(failure->class),
            failure->text ? failure->text : "");
  else
    tg_tell(teller, name, "attempt", attempt->started_at, attempt->ended_at, "attempt %u%s: %s",
            attempt->number, kind, state);
}

// Counts the tries up to an attempt, which is what its policy goes by.
static uint32_t tries_to(const struct tg_attempt *first, const struct tg_attempt *last) {
  uint32_t tries = 0;
  for (; first <= last; first++) tries += first->state == TG_ATTEMPT_FAILED;
  return tries;
}

// Says what gave the delay to the next attempt: the task's policy, its backoff, or the remote.
static void delay_say(const struct tg_teller *teller, const struct tg_attempt *attempt,
                      char text[TG_ERROR_TEXT_MAX]) {
  const struct tg_plan_task *plan = &teller->view->plan->tasks[attempt->task];
  char backoff[TG_DURATION_TEXT_MAX], delay[TG_DURATION_TEXT_MAX];
  int64_t given = attempt->retry_at - attempt->ended_at;
  const struct tg_attempt *first = tg_first_attempt(teller, attempt->task);
  struct tg_retry_decision own =
      tg_retry_decide(plan->retry, tries_to(first, attempt), attempt->failure.class, attempt->seed,
                      0, attempt->ended_at - first->started_at);
  tg_duration_format(own.delay_ms, backoff);
  tg_duration_format(given, delay);
  text[0] = 0;
  bool is_decided = attempt->state == TG_ATTEMPT_FAILED && own.stop == TG_RETRY_STOP_NOT;
  if (!is_decided || attempt->is_fallback_next) return;
  if (plan->retry_decide)
    snprintf(text, TG_ERROR_TEXT_MAX, ": %s by policy %s", delay, plan->retry_decide);
  else if (given > own.delay_ms)
    snprintf(text, TG_ERROR_TEXT_MAX, ": the remote asked for %s, the backoff gives %s", delay,
             backoff);
  else if (given == own.delay_ms)
    snprintf(text, TG_ERROR_TEXT_MAX, ": %s by its backoff (%s)", backoff,
             tg_backoff_word(plan->retry->backoff));
}

// Tells of a next attempt that has no record yet; when its instant has come it only waits for room.
static void next_tell(struct tg_teller *teller, const struct tg_attempt *attempt) {
  char why[TG_ERROR_TEXT_MAX], time[TG_TIME_TEXT_LEN + 1];
  bool is_due = teller->takers && teller->takers->now >= attempt->retry_at;
  tg_time_format(attempt->retry_at, time);
  delay_say(teller, attempt, why);
  json_t *reason =
      tg_tell(teller, tg_task_at(teller, attempt->task)->name, "retry", attempt->ended_at,
              is_due ? attempt->retry_at : 0, "%s for attempt %u until %s%s",
              is_due ? "waited" : "waits", attempt->number + 1, time, why);
  json_object_set_new(reason, "retry_at", tg_view_time_json(attempt->retry_at));
}

// A next attempt that was due and had no room waited for that as well.
static void retried_tell(struct tg_teller *teller, const struct tg_attempt *attempt,
                         const struct tg_attempt *next, const char *why) {
  int64_t due = attempt->retry_at;
  bool had_room = !due || next->was_held || next->started_at - due < SLOT_MS_MIN;
  tg_tell(teller, tg_task_at(teller, attempt->task)->name, "retry", attempt->ended_at,
          had_room ? next->started_at : due, "waited for attempt %u%s", next->number, why);
  if (!had_room) tg_tell_lacked(teller, attempt->task, due, next->started_at);
}

// Tells of the time between an attempt and the next; `next` is NULL for the last.
static void retry_tell(struct tg_teller *teller, const struct tg_attempt *attempt,
                       const struct tg_attempt *next) {
  const struct tg_task *task = tg_task_at(teller, attempt->task);
  char why[TG_ERROR_TEXT_MAX] = "";
  if (next && attempt->retry_at) delay_say(teller, attempt, why);
  if (next && attempt->is_fallback_next) return; // it is told as what it is
  if (next)
    retried_tell(teller, attempt, next, why);
  else if (attempt->retry_at && !tg_task_state_is_terminal(task->state))
    next_tell(teller, attempt);
}

void tg_tell_attempts(struct tg_teller *teller, uint32_t task) {
  size_t count;
  const struct tg_attempt *attempts = tg_attempts_of(teller, task, &count);
  for (size_t i = 0; i < count; i++) {
    was_held_tell(teller, &attempts[i], i ? &attempts[i - 1] : NULL);
    tg_tell_decisions(teller, task, attempts[i].number);
    checks_tell(teller, &attempts[i]);
    attempt_tell(teller, &attempts[i]);
    if (attempts[i].ended_at)
      retry_tell(teller, &attempts[i], i + 1 < count ? &attempts[i + 1] : NULL);
  }
}

// Says whether a class is tried again unless the script says otherwise.
static bool is_usual_class(enum tg_class class) {
  return class == TG_CLASS_TRANSIENT || class == TG_CLASS_THROTTLED;
}

// Says why a failed task got no further attempt.
static const char *stop_text(const struct tg_teller *teller, uint32_t task,
                             char text[TG_ERROR_TEXT_MAX]) {
  const struct tg_retry_policy *policy = teller->view->plan->tasks[task].retry;
  size_t count;
  const struct tg_attempt *first = tg_attempts_of(teller, task, &count);
  const struct tg_attempt *last = count ? &first[count - 1] : NULL;
  if (!last || last->state != TG_ATTEMPT_FAILED) return "";
  if (last->stop) {
    snprintf(text, TG_ERROR_TEXT_MAX, "; %s", last->stop);
    return text;
  }
  if (tg_view_is_fallback(teller->view, last)) return "; its fallback failed as well";
  switch (tg_retry_decide(policy, tries_to(first, last), last->failure.class, last->seed, 0,
                          last->ended_at - first->started_at)
              .stop) {
  case TG_RETRY_STOP_CLASS:
    snprintf(text, TG_ERROR_TEXT_MAX, "; the class %s is not %s",
             tg_class_word(last->failure.class),
             is_usual_class(last->failure.class) ? "among those of its retry.on" : "tried again");
    return text;
  case TG_RETRY_STOP_ATTEMPTS:
    if (policy->attempts_max <= 1) return "; it has no retry";
    snprintf(text, TG_ERROR_TEXT_MAX, "; its %u attempts were used up", policy->attempts_max);
    return text;
  case TG_RETRY_STOP_TOTAL:
    return "; its time for retries was used up";
  default: // the policy would go on, were it not for the Retry-After of the failure
    return policy->total_ms ? "; what the remote asked to wait is longer than its time for retries"
                            : "";
  }
}

void tg_tell_end(struct tg_teller *teller, uint32_t task) {
  const struct tg_task *record = tg_task_at(teller, task);
  char text[TG_ERROR_TEXT_MAX];
  if (!tg_task_state_is_terminal(record->state)) return;
  bool is_failed = record->state == TG_TASK_FAILED;
  bool has_attempt = tg_first_attempt(teller, task) != NULL;
  tg_tell(teller, record->name, "end", record->ended_at, record->ended_at, "ended %s%s%s%s",
          tg_task_state_word(record->state), is_failed ? stop_text(teller, task, text) : "",
          !has_attempt && record->failure.code ? ": " : "",
          !has_attempt && record->failure.code ? record->failure.text : "");
}
